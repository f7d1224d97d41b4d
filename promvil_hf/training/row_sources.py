# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Rows of a training command: where they are read from, and which part of them is taken."""

import random
from collections.abc import Callable, Iterable
from pathlib import Path

from promvil_hf.files import one_path
from promvil_hf.hub_names import local_or_hub
from promvil_hf.json_records import plain_records
from promvil_hf.progress import bars_on_a_terminal_only


def subset(rows, max_samples: int | None = None, fraction: float | None = None, seed: int = 0):
    """A random part of the rows. With one seed a smaller part lies within every larger one, as data-scaling runs need."""
    if fraction is not None and not 0 < fraction <= 1:
        raise ValueError(f"You passed a fraction of {fraction}: it is a share of the rows, above 0 and at most 1.")
    if max_samples is not None and max_samples < 1:
        raise ValueError(f"You passed max_samples={max_samples}: train on at least one row.")
    kept = len(rows) if fraction is None else max(1, round(fraction * len(rows)))
    kept = min(kept, max_samples or kept)
    if kept >= len(rows):
        return rows
    chosen = list(range(len(rows)))
    random.Random(seed).shuffle(chosen)
    chosen = sorted(chosen[:kept])
    return rows.select(chosen) if hasattr(rows, "select") else [rows[number] for number in chosen]


def read_source(source: str, split: str, toy: Callable[[int, int], Iterable[dict]]):
    """Rows of a source.

    Args:
        source: `toy:200` (drawn scenes) or `toy:200:7` (another seed); a `.json` or `.jsonl` file; a folder of Parquet or a
            data set of the Hub, with a configuration behind a colon (`promvil/compovl:mixture`).
        split: Of a data set.
        toy: Makes the rows of a number of scenes and a seed.
    """
    if source.split(":")[0] == "toy":
        try:
            count, seed = (int(number) for number in (*source.split(":")[1:], "0")[:2])
        except ValueError:
            raise ValueError(f"You passed the rows {source!r}: write toy:200, or toy:200:7 with a seed.") from None
        return list(toy(count, seed))
    path = Path(source)
    if path.suffix in (".json", ".jsonl"):
        return plain_records(one_path(path, "rows as JSON or JSON Lines"))
    import datasets

    name, _, config = source.partition(":")
    found = local_or_hub(name, "dataset", "rows")
    try:
        with bars_on_a_terminal_only():
            return datasets.load_dataset(found, config or None, split=split)
    except (FileNotFoundError, ValueError, ConnectionError) as error:
        raise ValueError(f"Cannot load the split {split!r} of {source!r}: {error}") from error
