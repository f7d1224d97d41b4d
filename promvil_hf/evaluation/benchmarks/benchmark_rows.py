# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""One row type for every benchmark, and the benchmark as a value: split, kind, rows, a hash of their content, warnings.

Two people who report the same hash evaluated the same questions with the same truth, whatever files they read them
from.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from promvil_hf.boxes import Box
from promvil_hf.frames import ImageSize
from promvil_hf.json_records import Record, RecordError, shown
from promvil_hf.key_expressions import Rle
from promvil_hf.phrases import GroundedPhrase


T = TypeVar("T")
BadRows = dict[int, RecordError]  # number of a record -> why it gives no row
WANTED = ("one", "all")
KINDS = {
    "grounding": "a phrase; its box is asked for",
    "gqa": "a question with one answer, scored as GQA does",
    "pope": "a question with yes or no, scored as POPE does",
    "vqa": "a question with the answers of several people",
    "true_false": "a statement, true or false",
    "choice": "a question with choices",
    "one_word": "a question that is answered by one of a few words, such as yes or no, or A or B",
    "unlabelled": "prompts without truth: they can be answered, not scored",
}


_NOTHING: Mapping[str, str] = {}


def _nothing() -> Mapping[str, str]:
    """One empty mapping for all rows: a million of them would take 60 MB."""
    return _NOTHING


class BenchmarkRow(msgspec.Struct, frozen=True, gc=False):  # made a million times: a dataclass takes ten times as long
    """One thing that is asked about one image, and the truth. `id` is unique in its benchmark: answers name it.

    `answers` holds what is right (several people's answers for "vqa", the index of the choice for "choice", "true" or
    "false", "yes" or "no", one of the words in `choices` for "one_word"). `group` is the benchmark's own division. `record`
    is GQA's own row, which its metrics read.

    Of phrases the truth is `boxes` or `masks`. Where there are several, `wanted` says whether finding "one" is right, or
    "all" are to be found. `absent`: there is no such thing in the image, and a refusal is right.

    `strata` names further divisions and the row's part in each, {"distractors": "2-3", "negation": "yes"}. `units` names
    what the row belongs to in the benchmark's own counting, {"figure": "12", "question": "7"}: a unit is right when all its
    rows are.
    """

    id: str
    image: str
    text: str
    boxes: tuple[Box, ...] = ()
    answers: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    level: int | None = None
    evidence: tuple[GroundedPhrase, ...] = ()
    image_size: ImageSize | None = None
    group: str | None = None
    record: Mapping[str, Any] | None = None
    absent: bool = False
    wanted: str = WANTED[0]
    masks: tuple[Rle, ...] = ()
    strata: Mapping[str, str] = msgspec.field(default_factory=_nothing)
    units: Mapping[str, str] = msgspec.field(default_factory=_nothing)

    @property
    def image_id(self) -> str:
        """What rows of one picture share: intervals come from resampling images. A row without one shares nothing."""
        return self.image or self.id


@dataclass(frozen=True)
class Benchmark:
    """Rows in file order. `choices_file` is GQA's, by question id. A warning that is None is none."""

    name: str
    split: str
    kind: str
    rows: Sequence[BenchmarkRow]
    files: Sequence[str | Path] = ()
    warnings: Sequence[str | None] = ()
    choices_file: Mapping[str, Mapping] | None = field(default=None, repr=False)

    def __post_init__(self):
        values = {
            "rows": tuple(self.rows),
            "files": tuple(map(str, self.files)),
            "warnings": tuple(warning for warning in self.warnings if warning),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if self.kind not in KINDS:
            raise ValueError(f"You passed kind={self.kind!r}: it is one of {', '.join(KINDS)}.")
        for row in self.rows:
            if row.absent and (row.boxes or row.masks) or row.wanted not in WANTED:
                raise ValueError(
                    f"{self.name} {self.split} row {row.id!r}: wanted={row.wanted!r} is one of {', '.join(WANTED)}, and a "
                    f"row whose thing is absent has no boxes and no masks; it has {len(row.boxes) + len(row.masks)}."
                )
        if len({row.id for row in self.rows}) < len(self.rows):
            twice = [row_id for row_id, count in Counter(row.id for row in self.rows).items() if count > 1]
            raise ValueError(
                f"{self.name} {self.split} has {len(twice)} row ids more than once, e.g. {twice[0]!r}: answers could not "
                f"be matched to them. Did you pass one of {', '.join(self.files) or 'the files'} twice?"
            )
        if not self.rows:
            raise ValueError(
                f"{self.name} {self.split} has no rows in {', '.join(self.files) or 'what you passed'}. "
                + (" ".join(self.warnings) or "Check the split.")
            )

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over what is asked and what is right, sorted by id, so that the order of a file does not count."""
        content, quoted = hashlib.sha256(), json.encoder.encode_basestring
        listed = lru_cache(4_096)(lambda texts: json.dumps(texts, ensure_ascii=False))  # of many rows the same
        for row in sorted(self.rows, key=lambda row: row.id):
            boxes = json.dumps([[round(corner, 6) for corner in box.xyxy] for box in row.boxes]) if row.boxes else "[]"
            asked = ", ".join(map(quoted, (row.id, row.image, row.text)))
            truth = f"{boxes}, {listed(tuple(row.answers))}, {listed(tuple(row.choices))}"
            if row.absent or row.masks or row.wanted != WANTED[0]:  # others keep the hash they had before there were these
                truth += f", {row.absent:d}, {row.wanted}, {listed(tuple(mask.counts for mask in row.masks))}"
            content.update(f"[{asked}, {truth}]\n".encode())
        return content.hexdigest()

    def describe(self) -> dict[str, Any]:
        """What a report says of it."""
        return {
            "name": self.name,
            "split": self.split,
            "kind": self.kind,
            "rows": len(self.rows),
            "images": len({row.image for row in self.rows} - {""}),
            "content_hash": self.content_hash,
            "files": list(self.files),
            "warnings": list(self.warnings),
        }


def each_row(
    found: Iterable[tuple[Record, T]], row_of: Callable[[Record, T], BenchmarkRow], bad: BadRows | None
) -> Iterator[BenchmarkRow]:
    """A row of each record, of which something is known beside. A record that cannot be read ends it.

    With `bad` it does not: the error is put there under the record's number, and so is an id that was there before.
    """
    seen = set()
    for number, (record, known) in enumerate(found):
        try:
            row = row_of(record, known)
            if bad is not None:
                if row.id in seen:
                    raise RecordError(f"{record.where}: the id {shown(row.id)} stands there before.")
                seen.add(row.id)
        except RecordError as error:
            if bad is None:
                raise
            bad[number] = error
        else:
            yield row


def left_out(reasons: Iterable[str]) -> list[str]:
    """Warnings that count rows a reader could not use."""
    return [f"{count:,} rows left out: {reason}." for reason, count in sorted(Counter(reasons).items())]
