# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A field of an argument dataclass, with what `--help` says about it."""

from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import Any


def option(default: Any, help: str, choices: Iterable[str] | None = None) -> Any:
    """`choices` are also what the command line accepts."""
    return field(default=default, metadata={"help": help} if choices is None else {"help": help, "choices": list(choices)})


def one_of(name: str, value: Any, known: Sequence) -> None:
    """Refuse a value that is not among the known ones."""
    if value not in known:
        raise ValueError(f"You passed {name}={value!r}: it is one of {', '.join(choice for choice in known if choice)}.")
