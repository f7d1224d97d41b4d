# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""All experiments by name."""

from promvil_hf.reproducing.experiments import Experiment
from promvil_hf.reproducing.fivl_experiments import FIVL_EXPERIMENTS, RELIANCE_OF_4B
from promvil_hf.reproducing.promvil_experiments import PROMVIL_EXPERIMENTS
from promvil_hf.spelling import close_to


_CHAINS = {each.name: each for each in PROMVIL_EXPERIMENTS}
RESULTS = Experiment(
    "results", "both", "the rows of docs/results.md, on one GPU of 24 GB",
    "see promvil-compovl, promvil-refcocog and fivl-pope; the paper did not score the model of 4B",
    tuple(dict.fromkeys((*_CHAINS["promvil-refcocog"].sources, "pope", "coco-val2014"))),
    (*_CHAINS["promvil-compovl"].steps,
     *(step for step in _CHAINS["promvil-refcocog"].steps if step not in _CHAINS["promvil-compovl"].steps), *RELIANCE_OF_4B),
    "reliance-4b/reliance.json",
    "As those experiments say; the model of 4B is Qwen3-VL's. `promvil results collect OUT` gathers the rows.",
)  # fmt: skip
EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment for experiment in (*PROMVIL_EXPERIMENTS, *FIVL_EXPERIMENTS, RESULTS)
}
WITHOUT_SMALL = ("fivl-training",)  # what it needs cannot be drawn


def experiment(name: str) -> Experiment:
    if name in EXPERIMENTS:
        return EXPERIMENTS[name]
    hint = f" Did you mean {' or '.join(close)}?" if (close := close_to(name, EXPERIMENTS)) else ""
    raise ValueError(f"You asked for {name!r}, which is no experiment.{hint} They are {', '.join(EXPERIMENTS)}.")
