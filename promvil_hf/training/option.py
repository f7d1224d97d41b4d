# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A field of an argument dataclass, with what `--help` says about it."""

from collections.abc import Iterable
from dataclasses import field
from typing import Any


def option(default: Any, help: str, choices: Iterable[str] | None = None) -> Any:
    """`choices` are also what the command line accepts."""
    return field(default=default, metadata={"help": help} if choices is None else {"help": help, "choices": list(choices)})
