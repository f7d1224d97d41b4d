# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Rows of FiVL-Instruct from wherever they are: a built folder, a file with one row a line, or a data set on the Hub."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from promvil_hf.fivl.fivl_rows import FivlRow
from promvil_hf.hub_names import local_or_hub
from promvil_hf.json_records import records


def fivl_rows_of(source: str | os.PathLike, config: str | None = None) -> Iterator[FivlRow]:
    """All rows, one after the other; `config` is which part of a built folder or data set."""
    path = Path(local_or_hub(source, "dataset", "rows"))
    if path.is_file():
        return _lines(path)
    from promvil_hf.fivl.fivl_publish import read_rows

    return read_rows(path, config)


def read_fivl_rows(source: str | os.PathLike, config: str | None = None, limit: int | None = None) -> list[FivlRow]:
    """The first `limit` rows, at least one."""
    found = list(islice(fivl_rows_of(source, config), limit))
    if not found:
        raise ValueError(f"{source} holds no rows.")
    return found


def _lines(path: Path) -> Iterator[FivlRow]:
    for record in records(path):
        fields = record.whole_fields()
        try:
            yield FivlRow.from_dict(fields.get("row", fields))
        except ValueError as error:
            raise ValueError(f"{record.where}: {error}") from error
