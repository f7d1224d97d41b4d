# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Which of several processes this one is, as torchrun and `accelerate launch` say in RANK, WORLD_SIZE and LOCAL_RANK."""

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
        return cls(_number(environment, "RANK", 0), _number(environment, "WORLD_SIZE", 1))


def is_main_process() -> bool:
    """Whether this is the one process of all that speaks and writes."""
    return Ranks.of_environment().rank == 0


def local_device(environment: Mapping[str, str] = os.environ) -> str:
    """The GPU of this process: that of its number on this machine, the first one for a process alone; else the CPU."""
    import torch

    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{_number(environment, 'LOCAL_RANK', 0) % torch.cuda.device_count()}"


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(environment.get(name) or default)
    except ValueError as error:
        raise ValueError(f"{name} of the environment must be a whole number, and is {environment[name]!r}.") from error
