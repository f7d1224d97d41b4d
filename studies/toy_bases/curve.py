# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the trainers of both bases are told, and a curve measured at each of their logs, written at once, so that a stopped run
has one too. Floor 5."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from transformers import TrainerCallback

from studies.toy_bases.tower import Point


def arguments(out: Path, steps: int, batch_size: int, seed: int, log_every: int) -> dict:
    """Training arguments; the optimizer brings its own learning rates, which a warm-up and a cosine scale."""
    return {
        "output_dir": str(out),
        "max_steps": steps,
        "lr_scheduler_type": "cosine",
        "warmup_steps": max(1, min(50, steps // 10)),
        "per_device_train_batch_size": batch_size,
        "max_grad_norm": 0.0,  # Muon's steps have a size of their own
        "seed": seed,
        "logging_steps": log_every,
        "train_sampling_strategy": "sequential",
        "save_steps": 4 * log_every,
        "save_total_limit": 1,
        "report_to": "none",
        "use_cpu": not torch.cuda.is_available(),
    }


class Curve(TrainerCallback):
    """Notes the loss and what `look()` gives. Points lie in `points` and, a line each, in `curve.jsonl` of `out`.

    A resumed run keeps the points before its checkpoint.
    """

    def __init__(self, out: Path, look: Callable[[], dict[str, float]]):
        out.mkdir(parents=True, exist_ok=True)
        self.file, self.look = out / "curve.jsonl", look
        self.points: list[Point] = []
        self.began = time.perf_counter()

    def on_train_begin(self, args, state, control, **kwargs):
        if state.global_step and self.file.is_file():
            told = [Point(**json.loads(line)) for line in self.file.read_text(encoding="utf-8").splitlines()]
            self.points = [point for point in told if point.step <= state.global_step]
        self.began = time.perf_counter() - (self.points[-1].seconds if self.points else 0.0)
        self.file.write_text("".join(map(_line, self.points)), encoding="utf-8")

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" in (logs or {}):
            values = {"loss": float(logs["loss"]), **self.look()}
            self.points.append(Point(state.global_step, time.perf_counter() - self.began, values))
            with open(self.file, "a", encoding="utf-8") as file:
                file.write(_line(self.points[-1]))


def _line(point: Point) -> str:
    return json.dumps(asdict(point)) + "\n"
