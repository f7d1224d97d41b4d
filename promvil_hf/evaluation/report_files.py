# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Reports as JSON files, written and read by one way: a head that names the format, plain values, a row on each line."""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from promvil_hf.files import atomic_write
from promvil_hf.json_documents import json_document, typed
from promvil_hf.json_records import shown


T = TypeVar("T")
FORMAT = 1


def plain(value: Any) -> Any:
    """Values that JSON knows. It has no NaN: what is not defined is null."""
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def save(report: Any, path: str | os.PathLike, kind: str) -> Path:
    """One JSON object with the fields of a dataclass; the last field holds rows. The file appears when it is whole."""
    *names, last = (field.name for field in fields(report))
    head = {"format": FORMAT, "kind": kind, **{name: getattr(report, name) for name in names}}
    lines = json.dumps(plain(head), indent=1, ensure_ascii=False)[:-2]
    encode = msgspec.json.Encoder(enc_hook=plain).encode  # NaN is null here too
    with atomic_write(path, "wb") as file:
        file.write(f'{lines},\n "{last}": ['.encode())
        for number, row in enumerate(getattr(report, last)):
            file.write((b",\n  " if number else b"\n  ") + encode(row))
        file.write(b"\n ]\n}\n")
    return Path(path)


def load(report_type: type[T], path: str | os.PathLike, kind: str, parts: Mapping[str, Any]) -> T:
    """What `save` wrote. `parts` has the types of what pages and comparisons read, by field."""
    found = json_document(path)
    of = (found.get("kind", default=None), found.get("format", default=None))
    if of != (kind, FORMAT):
        raise ValueError(
            f"{path} is no report of `promvil {kind}`: its kind is {shown(of[0])}, its format {shown(of[1])}; {kind!r} and "
            f"{FORMAT} are read."
        )
    values = {field.name: found.get(field.name) for field in fields(report_type)}
    for name, part in parts.items():
        typed(values[name], part, f"{path}, `{name}`,", f"as `promvil {kind}` writes it")
    return typed(values, report_type, path, f"a report of `promvil {kind}`")
