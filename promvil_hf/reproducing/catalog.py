# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""All experiments by name."""

from promvil_hf.reproducing.experiments import Experiment
from promvil_hf.reproducing.fivl_experiments import FIVL_EXPERIMENTS
from promvil_hf.reproducing.promvil_experiments import PROMVIL_EXPERIMENTS
from promvil_hf.spelling import close_to


EXPERIMENTS: dict[str, Experiment] = {experiment.name: experiment for experiment in (*PROMVIL_EXPERIMENTS, *FIVL_EXPERIMENTS)}
WITHOUT_SMALL = ("fivl-training",)  # what it needs cannot be drawn


def experiment(name: str) -> Experiment:
    if name in EXPERIMENTS:
        return EXPERIMENTS[name]
    hint = f" Did you mean {' or '.join(close)}?" if (close := close_to(name, EXPERIMENTS)) else ""
    raise ValueError(f"You asked for {name!r}, which is no experiment.{hint} They are {', '.join(EXPERIMENTS)}.")
