# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A job of 25 items in shards of four, and the work it does."""

from pathlib import Path

from promvil_hf import jobs
from promvil_hf.jobs import Rejected


ITEMS = [f"k{n:02d}" for n in range(25)]


def shout(batch):
    return [Rejected("ends in 3", f"it was {k}") if k.endswith("3") else {"loud": k.upper()} for k in batch]


def run(out, items=ITEMS, work=shout, *, shard_size=4, **how):
    how = {"key": str, "describe": {"loudness": 11}, "progress": False} | how
    return jobs.run(items, work, out, shard_size=shard_size, **how)


def content(out):
    return {path.name: path.read_bytes() for path in Path(out).iterdir()}


class Counting:
    """Work that notes its batches, and fails at the batch of number `stop_at`."""

    def __init__(self, stop_at=None):
        self.batches, self.stop_at = [], stop_at

    def __call__(self, batch):
        if len(self.batches) == self.stop_at:
            raise RuntimeError("the machine was unplugged")
        self.batches.append(list(batch))
        return shout(batch)
