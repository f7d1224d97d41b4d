# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Processes that work for this one and end with it, however it ends."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_pool(workers: int, prepare: Callable[..., None], *args: Any) -> ProcessPoolExecutor:
    """A pool of so many processes. Each one first runs `prepare(*args)`."""
    # spawn: forking a process that has threads (tokenizers, torch, a progress bar) can deadlock
    return ProcessPoolExecutor(workers, get_context("spawn"), _begin, (prepare, *args))


def _begin(prepare: Callable[..., None], *args: Any) -> None:
    prepare(*args)
    Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent_process().join()
    os._exit(1)
