# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How a resumable job is run, as opposed to what it does: shard size, processes, restart, progress."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from promvil_hf import jobs
from promvil_hf.distributed import Ranks


@dataclass(frozen=True, slots=True)
class Terms:
    """How a job is run.

    Args:
        shard_size: Items that a kill can cost at most; None takes the usual number of the job.
        ranks: Which share of the shards this process does.
        restart: Throw away what a former run left.
        progress: Say on stderr what is done.
        workers: Processes of this rank.
    """

    shard_size: int | None = None
    ranks: Ranks = Ranks()
    restart: bool = False
    progress: bool = True
    workers: int = 1

    def run(
        self, items: Iterable, work: Callable, out: Path, *, key: Callable, describe: Mapping, shard_size: int
    ) -> jobs.JobReport:
        """`promvil_hf.jobs.run` on these terms; `shard_size` is the job's usual one."""
        return jobs.run(
            items,
            work,
            out,
            key=key,
            describe=describe,
            shard_size=self.shard_size or shard_size,
            workers=self.workers,
            rank=self.ranks.rank,
            world_size=self.ranks.world_size,
            restart=self.restart,
            progress=self.progress,
        )


TERMS = Terms()
