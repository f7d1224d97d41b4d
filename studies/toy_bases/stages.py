# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The stages in which the bases are trained by the trainers of the package, each with a curve that is written at once, so that
a stopped run has one too.
"""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from transformers import TrainerCallback

from promvil_hf.toy.config import WorldConfig
from promvil_hf.toy.models.parts import TinyModel
from promvil_hf.toy.muon import Muon
from promvil_hf.toy.training_rows import MIXED, ToyRows
from promvil_hf.training.checkpoints import last_whole
from studies.toy_bases.tower import Point


@dataclass(frozen=True, slots=True)
class Stage:
    """One training of a base.

    Args:
        name: Of its folder and its curve.
        share: Of all steps.
        of_peak: Its learning rate, as a share of the peak.
        row_of: What becomes of a scene.
        trainer: The class.
        config: Makes its configuration of training arguments.
        collator: Makes batches of rows.
        look: What is measured at each log.
        worlds: What its scenes are of, with their shares.
    """

    name: str
    share: float
    of_peak: float
    row_of: Callable
    trainer: type
    config: Callable
    collator: Callable
    look: Callable[[], dict[str, float]]
    worlds: Sequence[tuple[WorldConfig, float]] = MIXED


def train_stages(
    tiny: TinyModel,
    tower: torch.nn.Module,
    stages: Iterable[Stage],
    out: Path,
    steps: int,
    *,
    batch_size: int = 16,
    peak: float = 0.02,
    seed: int = 0,
    log_every: int = 50,
    resume: bool = False,
) -> dict[str, list[Point]]:
    """Train in place, stage by stage, the tower at rest; the curve of each stage is returned.

    Checkpoints and curves lie in a folder of `out` for each stage.
    """
    curves = {}
    tower.requires_grad_(False)
    for number, stage in enumerate(stages):
        length, folder = max(1, round(stage.share * steps)), out / stage.name
        curve = Curve(folder, stage.look)
        stage.trainer(
            tiny.model,
            stage.config(**arguments(folder, length, batch_size, seed, log_every)),
            processing_class=tiny.processor,
            train_dataset=ToyRows(stage.row_of, length * batch_size, seed + 1_000 * number, stage.worlds),
            data_collator=stage.collator,
            callbacks=[curve],
            optimizers=(Muon(tiny.model.named_parameters(), peak * stage.of_peak), None),
        ).train(resume_from_checkpoint=(resume and last_whole(folder)[0]) or None)
        curves[stage.name] = curve.kept()
    tiny.model.requires_grad_(True).eval()
    return curves


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

    def kept(self) -> list[Point]:
        """All points, also of a stage that was done before this run."""
        lines = self.file.read_text(encoding="utf-8").splitlines() if self.file.is_file() else ()
        return [Point(**json.loads(line)) for line in lines]

    def on_train_begin(self, args, state, control, **kwargs):
        if state.global_step:
            self.points = [point for point in self.kept() if point.step <= state.global_step]
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
