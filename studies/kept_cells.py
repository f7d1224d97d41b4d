# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Finished cells kept in git, for a study that is not run to its end yet: what stands there is not done again.

`studies/NAME/cells/` has a file for each cell, called by the cell's name in the study: all that the cell left, without models and
adapters. `python -m studies keep NAME` writes them.
"""

import json
import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from promvil_hf.files import write_json
from studies.cells import DONE, Cell, done


FOLDER = "cells"


def keep(cells: Mapping[Hashable, Cell], store: Path, folder: Path) -> list[Path]:
    """Write what finished cells left; cells that are the same one once."""
    named = {cell.key: (name, cell) for name, cell in reversed(cells.items())}  # the first name of each
    found = [(name, left) for name, cell in named.values() if (left := done(cell, store))]
    return [write_json(folder / _file(name), left) for name, left in found]


def restore(cells: Mapping[Hashable, Cell], store: Path, folder: Path) -> None:
    """Put what is kept back into the store, as far as the plans are the same: other versions of libraries are other plans.

    A training comes back only if nothing needs its model any more.
    """
    left = {json.dumps(record["plan"]): record for record in kept(folder).values()}
    needed = {need.key for cell in cells.values() for need in cell.needs.values()}

    def put_back(cell: Cell) -> None:
        record = left.get(json.dumps(cell.plan))
        if record is not None and done(cell, store) is None:
            write_json(cell.folder(store) / DONE, record)

    for cell in cells.values():
        if cell.key not in needed:
            put_back(cell)
    waiting = {
        need.key for cell in cells.values() if done(cell, store) is None for need in cell.needs.values()
    }
    for cell in cells.values():
        if cell.key in needed - waiting:
            put_back(cell)


def kept(folder: Path) -> dict[str, dict[str, Any]]:
    """What is kept, by the names of the files."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def _file(name: Hashable) -> str:
    parts = name if isinstance(name, tuple) else (name,)
    return "-".join(re.sub(r"\W+", "_", str(part)) for part in parts) + ".json"
