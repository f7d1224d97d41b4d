# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What `--dry-run` says: what a command would do, what is missing, and that nothing was done. No model is loaded."""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

from promvil_hf import jobs


def plan(lines: Iterable[str], done: str, do: str) -> str:
    """The text: one line for each step or fault. `done` and `do` are the verb, such as "built" and "build"."""
    return "\n".join([*lines, f"Nothing was {done}: leave --dry-run out to {do}."])


def missing(names: Iterable[str], find: Callable[[str], object], folder: object) -> list[str]:
    """A line about the pictures that `find` does not find; none where all are there."""
    lost = sorted(name for name in set(names) if not find(name))
    return [f"{len(lost):,} of the pictures are not in {folder}, such as {lost[0]}"] if lost else []


def answered(folder: Path, items: int) -> list[str]:
    """A line about what an earlier run left in the folder of a job."""
    count = sum(1 for _ in jobs.rows(folder, partial=True)) if (folder / "plan.json").is_file() else 0
    return [f"{folder} holds {count:,} of {items:,} already; with the same settings only the rest is done"] if count else []


def who(args: argparse.Namespace) -> str:
    """What answers. The names of a checkpoint and an adapter are looked up, which needs no torch."""
    if getattr(args, "predictions", None) is not None:
        return f"the answers of {args.predictions}"
    if getattr(args, "detector", None):
        return f"the detector {args.detector}"
    if args.base_url:
        return f"{args.served_model or 'no --served-model'} at {args.base_url}"
    from promvil_hf.backends.checkpoint_names import located
    from promvil_hf.toy import adapters

    located(args.model)
    if args.adapter is None:
        return args.model
    adapters.located(args.adapter)
    return f"{args.model} with the adapter {args.adapter}"
