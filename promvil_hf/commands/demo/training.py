# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What both trainings of the demo share: quiet settings, a progress bar, the curve."""

import sys
from dataclasses import dataclass

from tqdm import tqdm
from transformers import PrinterCallback, ProgressCallback, TrainerCallback


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What was logged after a step."""

    step: int
    values: dict[str, float]


class Bar(TrainerCallback):
    """One bar for the whole training, with the last loss."""

    def __init__(self, title: str):
        self.title = title
        self.bar: tqdm | None = None

    def on_train_begin(self, args, state, control, **kwargs):
        self.bar = tqdm(total=state.max_steps, desc=self.title, unit="step", leave=False, disable=None)

    def on_step_end(self, args, state, control, **kwargs):
        self.bar.update(state.global_step - self.bar.n)

    def on_log(self, args, state, control, logs=None, **kwargs):
        if self.bar is not None and logs and "loss" in logs:
            self.bar.set_postfix_str(f"loss {logs['loss']:.3f}")

    def on_train_end(self, args, state, control, **kwargs):
        self.bar.close()


def on_a_terminal() -> bool:
    """Bars are for people: where nobody looks, jobs would print a line for each of their parts."""
    return sys.stderr.isatty()


def quiet(trainer, title: str):
    """The trainer with our bar in place of its printing."""
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    trainer.add_callback(Bar(title))
    return trainer


def settings(seed: int, batch: int) -> dict:
    """For both configurations: one process on the CPU, nothing reported, nothing saved on the way."""
    return {
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": 1,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.1,
        "seed": seed,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "disable_tqdm": True,
    }


def curve(trainer, *names: str) -> tuple[CurvePoint, ...]:
    """The named values of the training's log."""
    return tuple(
        CurvePoint(entry["step"], {name: float(entry[name]) for name in entry if name.startswith(names)})
        for entry in trainer.state.log_history
        if "loss" in entry
    )
