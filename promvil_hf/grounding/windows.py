# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How grounders take queries: many at a time, those about one picture side by side, answers in the order that was asked."""

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tqdm import tqdm

from promvil_hf.grounding.trace import GroundingTrace, ImageSource, Query
from promvil_hf.nesting import Nesting
from promvil_hf.phrases import PhraseChain


Question = Query | tuple[ImageSource, str | Nesting | PhraseChain]  # what may be passed where queries are taken
AsFinished = Callable[[Iterable[Question]], Iterator[tuple[int, GroundingTrace]]]


def query_of(query: Question) -> Query:
    return query if isinstance(query, Query) else Query(*query)


def picture_key(image: Any) -> Any:
    """Equal for queries that surely show the same picture, without reading it."""
    if isinstance(image, str | os.PathLike):
        return "path", os.fspath(image)
    if isinstance(image, bytes):
        return "bytes", hashlib.blake2b(image).digest()
    return "object", id(image)


def windows(queries: Iterable[Question], size: int) -> Iterator[list[tuple[int, Query]]]:
    """Runs of about `size` numbered queries, cut where the picture changes unless a run gets far too long."""
    if size < 1:
        raise ValueError(f"You passed window={size}: at least one query must be worked on at a time.")
    window: list[tuple[int, Query]] = []
    keys: set = set()
    for index, query in enumerate(map(query_of, queries)):
        key = picture_key(query.image)
        if len(window) >= 8 * size or (len(window) >= size and key not in keys):
            yield window
            window, keys = [], set()
        window.append((index, query))
        keys.add(key)
    if window:
        yield window


def by_picture(queries: Iterable[tuple[int, Query]]) -> list[list[tuple[int, Query]]]:
    """Numbered queries in one list a picture, pictures in the order in which they come."""
    groups: dict[Any, list[tuple[int, Query]]] = {}
    for index, query in queries:
        groups.setdefault(picture_key(query.image), []).append((index, query))
    return list(groups.values())


def all_in_order(as_finished: AsFinished, queries: Iterable[Question], progress: bool | None) -> list[GroundingTrace]:
    """A trace for each query, in order; those about one picture are brought together first. `progress` shows a bar (None: on a
    terminal)."""
    asked = list(enumerate(map(query_of, queries)))
    ordered = [one for group in by_picture(asked) for one in group]
    traces: dict[int, GroundingTrace] = {}
    disable = None if progress is None else not progress
    with tqdm(total=len(asked), unit="query", disable=disable, file=sys.stderr) as bar:
        for place, trace in as_finished(query for _, query in ordered):
            traces[ordered[place][0]] = trace
            bar.update()
    return [traces[index] for index in range(len(asked))]


def in_order(finished: Iterable[tuple[int, GroundingTrace]]) -> Iterator[GroundingTrace]:
    """Numbered traces by their numbers, each as soon as all before it are there."""
    waiting: dict[int, GroundingTrace] = {}
    wanted = 0
    for index, trace in finished:
        waiting[index] = trace
        while wanted in waiting:
            yield waiting.pop(wanted)
            wanted += 1
