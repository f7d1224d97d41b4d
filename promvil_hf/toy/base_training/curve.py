# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A training curve: measured at each log of a trainer, written at once, so that a stopped run has one too. Floor 5."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from transformers import TrainerCallback

from promvil_hf.toy.base_training.tower import Point


class Curve(TrainerCallback):
    """Notes the loss and what `look()` gives. Points lie in `points` and, a line each, in `curve.jsonl` of `out`."""

    def __init__(self, out: Path, look: Callable[[], dict[str, float]]):
        out.mkdir(parents=True, exist_ok=True)
        self.file, self.look = out / "curve.jsonl", look
        self.points: list[Point] = []
        self.started = time.perf_counter()

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" in (logs or {}):
            values = {"loss": float(logs["loss"]), **self.look()}
            self.points.append(Point(state.global_step, time.perf_counter() - self.started, values))
            with open(self.file, "a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(self.points[-1])) + "\n")
