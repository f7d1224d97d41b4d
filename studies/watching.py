# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the protocol wants to know of a training while it runs: its curve on scenes of no result, and the work it does."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import TrainerCallback

from promvil_hf.files import write_json
from promvil_hf.training.counted_operations import counter


COUNTED = 25  # every so many updates one is counted


class Watch(TrainerCallback):
    """Measures `probe()` after each of the updates `at`, and counts the operations of every 25th update, or of every `counted`th.

    What it saw lies in `folder/watched.json` and survives an interruption. The training is not disturbed: a probe draws
    no numbers from the generator that the training draws from.
    """

    def __init__(self, folder: Path, at: Sequence[int], probe: Callable[[], float], counted: int = COUNTED):
        self.path, self.at, self.probe, self.every = folder / "watched.json", frozenset(at), probe, counted
        self.curve: dict[int, float] = {}
        self.counted: dict[int, int] = {}
        self._counter: FlopCounterMode | None = None

    @property
    def flops_of_an_update(self) -> float:
        """Optimizer included."""
        return sum(self.counted.values()) / len(self.counted)

    def on_train_begin(self, args, state, control, **kwargs):
        if self.path.is_file():  # a run that goes on does the updates after its checkpoint once more
            kept = json.loads(self.path.read_text(encoding="utf-8"))
            self.curve = {int(step): score for step, score in kept["curve"].items() if int(step) <= state.global_step}
            self.counted = {int(step): flops for step, flops in kept["counted"].items() if int(step) < state.global_step}

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step % self.every == 0:
            self._counter = counter()
            self._counter.__enter__()

    def on_step_end(self, args, state, control, model=None, **kwargs):
        if self._counter is not None:
            self._counter.__exit__(None, None, None)
            self.counted[state.global_step - 1] = self._counter.get_total_flops()
            self._counter = None
        if state.global_step in self.at:
            with torch.random.fork_rng(), torch.no_grad():
                model.eval()
                self.curve[state.global_step] = round(self.probe(), 4)
                model.train()
        write_json(self.path, {"curve": self.curve, "counted": self.counted})
