# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Which of several processes this one is: RANK, WORLD_SIZE and LOCAL_RANK as torchrun and `accelerate launch` set them, or
else what Slurm's `srun` sets.

A job array is not read from the environment, because arrays also hold runs that have nothing in common: its script sets
RANK and WORLD_SIZE. For the same reason the number of tasks is that of the step, which only `srun` sets: a script of
`sbatch --ntasks 8` that calls a command without `srun` starts one process.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ranks:
    """The number of this process and how many there are; one alone by default."""

    rank: int = 0
    world_size: int = 1

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> "Ranks":
        """From the variables that the launcher sets for its processes."""
        if (ranks := cls.of_torch(environment)).world_size > 1 or "RANK" in environment:
            return ranks
        tasks = _number(environment, "SLURM_STEP_NUM_TASKS", 1)
        return cls(_number(environment, "SLURM_PROCID", 0), tasks) if tasks > 1 else cls()

    @classmethod
    def of_torch(cls, environment: Mapping[str, str] = os.environ) -> "Ranks":
        """From the variables that torch reads too: for training, whose processes have to find each other."""
        return cls(_number(environment, "RANK", 0), _number(environment, "WORLD_SIZE", 1))


def is_main_process() -> bool:
    """Whether this is the one process of a training that speaks and writes."""
    return Ranks.of_torch().rank == 0


def local_device(environment: Mapping[str, str] = os.environ) -> str:
    """The GPU of this process: that of its number on this machine, the first one for a process alone; else the CPU."""
    import torch

    if not torch.cuda.is_available():
        return "cpu"
    number = _number(environment, "LOCAL_RANK", _number(environment, "SLURM_LOCALID", 0))
    return f"cuda:{number % torch.cuda.device_count()}"


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(environment.get(name) or default)
    except ValueError as error:
        raise ValueError(f"{name} of the environment must be a whole number, and is {environment[name]!r}.") from error
