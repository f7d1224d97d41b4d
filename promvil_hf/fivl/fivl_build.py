# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The two stages between a file of conversations and FiVL-Instruct rows: key expressions, then masks.

Each stage is a resumable job in its own folder (`promvil_hf.jobs`): `expressions`, one item a turn, and `masks`, one item
a row. Every item ends as a row or among the rejects with its reason. The mask stage divides its shards over processes
(torchrun, `accelerate launch`, srun) or Ray's actors (`with_ray`); whoever does them, the result is the same.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from operator import attrgetter
from pathlib import Path

from promvil_hf import jobs
from promvil_hf.files import sha256_of
from promvil_hf.fivl.conversation_sources import Source, SourceRow
from promvil_hf.fivl.extraction import FIVL_FILTERS, Annotator, Filters, annotate, seen_turns
from promvil_hf.fivl.fivl_rows import FivlRow, Key, image_file
from promvil_hf.fivl.mask_making import ImagePhrases, Located, MaskAnnotator
from promvil_hf.fivl.release import Release
from promvil_hf.images import read_image
from promvil_hf.job_terms import TERMS, Terms
from promvil_hf.jobs import JobReport, Rejected
from promvil_hf.key_expressions import KeyExpression


EXPRESSIONS, MASKS = "expressions", "masks"
SHARD = 64  # rows


class OnFirstUse:
    """An annotator that is made when it is first called: a job that is done, or only reports, loads no model."""

    def __init__(self, make: Callable[[], Callable]):
        self.make = make
        self._made: Callable | None = None

    def __call__(self, items: Sequence) -> list:
        if self._made is None:
            self._made = self.make()
        return self._made(items)


# --- stage 1: key expressions ---------------------------------------------------------------------


def annotate_expressions(
    source: Source,
    images: str | os.PathLike,
    annotator: Annotator,
    out: str | os.PathLike,
    *,
    describe: Mapping,
    filters: Filters = FIVL_FILTERS,
    terms: Terms = TERMS,
) -> JobReport:
    """Key expressions of every turn of `source`. `describe` says which annotator it is, with its settings."""
    terms = replace(terms, shard_size=4 * (terms.shard_size or SHARD))  # a row has several turns
    return terms.run(
        seen_turns(source, images),
        partial(annotate, annotator=annotator, filters=filters),
        Path(out) / EXPRESSIONS,
        key=attrgetter("key"),
        describe={"stage": EXPRESSIONS, **source.describe(), **describe, "filters": asdict(filters)},
        shard_size=SHARD,
    )


# --- stage 2: masks -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RowPhrases:
    """A row with the phrases of its turns: the item of the mask stage."""

    row: SourceRow
    path: Path | None
    phrases: tuple[tuple[int, str, str], ...]  # turn, text to store, phrase to look for
    fault: Rejected | None = None


def annotate_masks(
    source: Source,
    images: str | os.PathLike,
    annotator: MaskAnnotator,
    out: str | os.PathLike,
    *,
    describe: Mapping,
    terms: Terms = TERMS,
) -> JobReport:
    """Masks for what the first stage found in `out`. Rows without any are rejected, with the reason."""
    out = Path(out)
    before = out / EXPRESSIONS
    if not (before / "job.json").is_file():
        raise jobs.JobError(
            f"{before} holds no finished key expressions: run that stage to its end first, in one process "
            "(--stage expressions)."
        )
    return terms.run(
        joined(source, images, before),
        partial(locate, annotator=annotator),
        out / MASKS,
        key=attrgetter("row.row_id"),
        describe={"stage": MASKS, **source.describe(), **describe, "expressions": _made(before)},
        shard_size=SHARD,
    )


def _made(folder: Path) -> list[str]:
    """What the shards of a finished job hash to."""
    return [part["sha256"] for part in json.loads((folder / "job.json").read_bytes())["parts"]]


def joined(source: Source, images: str | os.PathLike, expressions: Path) -> Iterator[RowPhrases]:
    """The rows of a source with the key expressions that a finished first stage found for their turns."""
    rejects = dict(jobs.rejects(expressions))
    found = jobs.rows(expressions)
    for row in source:
        faults: list[Rejected] = []
        phrases: list[tuple[int, str, str]] = []
        path = None
        for seen in seen_turns([row], images):
            path = seen.image
            if seen.key in rejects:
                faults.append(rejects[seen.key])
                continue
            key, expression_row = next(found, (None, None))
            if key != seen.key:
                raise jobs.JobError(f"{expressions} was made from other rows: {key} stands where {seen.key} is due.")
            phrases += [(seen.turn.index, each["text"], each["phrase"]) for each in expression_row["phrases"]]
        fault = None if phrases else (faults or [Rejected("no key expression")])[0]
        yield RowPhrases(row, path, tuple(phrases), fault)


def locate(items: Sequence[RowPhrases], annotator: MaskAnnotator) -> list[dict | Rejected]:
    """The work of the mask stage: FiVL-Instruct rows, with the phrases that were not found counted by reason."""
    asked = [item for item in items if item.fault is None]
    shown = [ImagePhrases(item.path, tuple(dict.fromkeys(phrase for _, _, phrase in item.phrases))) for item in asked]
    found = iter(zip(shown, annotator(shown) if shown else (), strict=True))
    results: list[dict | Rejected] = []
    for item in items:
        if item.fault is not None:
            results.append(item.fault)
            continue
        image_phrases, places = next(found)
        if not isinstance(places, Rejected):
            places = located_row(item, dict(zip(image_phrases.phrases, places, strict=True)))
        results.append(places)
    return results


def located_row(item: RowPhrases, places: Mapping[str, Located | Rejected]) -> dict | Rejected:
    """The row of an item whose phrases were looked for; rejected where none was found."""
    keys, dropped = [], Counter()
    for turn, text, phrase in item.phrases:
        place = places[phrase]
        if isinstance(place, Rejected):
            dropped[place.reason] += 1
        else:
            keys.append(Key(KeyExpression(text, turn, place.boxes, place.mask), phrase, place.scores))
    if not keys:
        return Rejected(max(dropped, key=dropped.get), f"{', '.join(places)}"[:300])
    size = keys[0].expression.mask.image_size
    row = item.row
    made = FivlRow(row.row_id, row.source, row.source_id, _shown_name(item), size, row.turns, tuple(keys), row.answers)
    return {**made.to_dict(), "dropped": dict(sorted(dropped.items()))}


def _shown_name(item: RowPhrases) -> str:
    """The image's name in its folder, with the suffix that it really has."""
    return str(Path(item.row.image).with_suffix(item.path.suffix).as_posix())


# --- instead of both stages: the released data ----------------------------------------------------


def import_release(
    source: Source,
    images: str | os.PathLike,
    index: str | os.PathLike,
    tensors: str | os.PathLike,
    out: str | os.PathLike,
    *,
    terms: Terms = TERMS,
) -> JobReport:
    """Rows from the published index and tensors, joined to the conversations they were made for."""
    with Release(index, tensors) as release:
        return terms.run(
            source,
            partial(_released, release=release, images=images),
            Path(out) / MASKS,
            key=attrgetter("row_id"),
            describe={
                "stage": "release",
                **source.describe(),
                "index": sha256_of(index),
                "tensors": [Path(tensors).name, Path(tensors).stat().st_size if Path(tensors).is_file() else None],
            },
            shard_size=SHARD,
        )


def _released(rows: Sequence[SourceRow], release: Release, images: str | os.PathLike) -> list[dict | Rejected]:
    return [release.row(row, images) for row in rows]


def image_of(row: FivlRow, images: str | os.PathLike):
    """The picture of a row, upright, in RGB."""
    return read_image(image_file(images, row.image_path))
