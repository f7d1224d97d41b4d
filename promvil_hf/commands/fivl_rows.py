# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How `promvil reliance` and `promvil explain` are given rows and a model; no command by itself. Floor 5."""

import json
from pathlib import Path

from promvil_hf.fivl.fivl_rows import FivlRow


def add_row_arguments(parser):
    add = parser.add_argument
    add("--config", metavar="NAME", help="which part of a built folder (vqav2, gqa, pope; default: the only one)")
    add("--images", type=Path, metavar="DIR", help="folder that the image names are relative to")
    add("--limit", type=int, metavar="N", help="the first N rows only")


def add_model_arguments(parser):
    add = parser.add_argument
    add("--model", help="folder or Hub id of a checkpoint")
    add("--adapter", help="folder or Hub id of an adapter")
    add("--revision", help="of the checkpoint")
    add("--quantize", choices=("nf4", "int8"))
    add("--device", help="default: the first GPU (that of this rank), else the CPU")
    add("--max-new-tokens", type=int, default=64, help="of an answer (default: %(default)s)")
    add("--batch-size", type=int, default=8, help="(default: %(default)s)")


def read(path: Path, config: str | None, limit: int | None = None) -> list[FivlRow]:
    """Rows of a folder that `promvil build fivl` wrote, or of a file with one row a line."""
    if path.is_dir():
        from promvil_hf.fivl.fivl_publish import read_rows

        rows = read_rows(path, config)
    elif path.is_file():
        rows = _lines(path)
    else:
        raise ValueError(f"You passed {path}, and there is no such file or folder of rows.")
    found = []
    for row in rows:
        if limit is not None and len(found) >= limit:
            break
        found.append(row)
    if not found:
        raise ValueError(f"{path} holds no rows.")
    return found


def load_backend(args):
    """The backend that the arguments name, each rank on its own GPU."""
    from promvil_hf.backends.loading import load

    return load(args.model, args.adapter, quantize=args.quantize, revision=args.revision, device=args.device)


def model_name(args) -> dict:
    return {name: getattr(args, name) for name in ("model", "adapter", "revision", "quantize")}


def _lines(path: Path):
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
                yield FivlRow.from_dict(record.get("row", record))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                told = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
                raise ValueError(f"{path} line {number} is no row of FiVL-Instruct: {told}.") from error
