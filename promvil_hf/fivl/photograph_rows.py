# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Rows of FiVL-Instruct from questions about photographs: what is spoken of and there is a key expression with its true mask."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from operator import attrgetter
from pathlib import Path

from promvil_hf import masks
from promvil_hf.backends.class_names import classes_of, lemma_of
from promvil_hf.files import sha256_of
from promvil_hf.fivl.fivl_build import MASKS, SHARD
from promvil_hf.fivl.fivl_rows import FivlRow, Key, image_file
from promvil_hf.fivl.photograph_questions import SOURCE, Choosing, Question, Questions
from promvil_hf.fivl.photographs import Photograph, Thing, read_photographs
from promvil_hf.inflection import plural
from promvil_hf.job_terms import TERMS, Terms
from promvil_hf.jobs import JobReport, Rejected
from promvil_hf.key_expressions import KeyExpression, Turn
from promvil_hf.nesting.tokens import tokenize


def make_rows(
    files: Sequence[str | os.PathLike],
    images: str | os.PathLike,
    choosing: Choosing,
    out: str | os.PathLike,
    *,
    limit: int | None = None,
    terms: Terms = TERMS,
) -> JobReport:
    """Rows of COCO's files about the photographs in `images`, as the last stage of a build in `out`.

    A photograph that cannot be read from the files, or is not in the folder, is among the rejects.
    """
    files = [Path(path) for path in files]

    def work(items: Sequence[Question]) -> list[dict | Rejected]:
        return [_written(question, images) for question in items]

    return terms.run(
        Asked(files, choosing, limit),
        work,
        Path(out) / MASKS,
        key=attrgetter("row_id"),
        describe={
            "stage": "photographs",
            "source": SOURCE,
            "files": {path.name: sha256_of(path) for path in files},
            "limit": limit,
            **asdict(choosing),
        },
        shard_size=4 * SHARD,
    )


class Asked:
    """The questions about the photographs of these files, read anew each time; one without an answer for each photograph that
    cannot be used.
    """

    def __init__(self, files: Sequence[str | os.PathLike], choosing: Choosing, limit: int | None = None):
        self.files, self.choosing, self.limit = files, choosing, limit

    def __iter__(self) -> Iterator[Question]:
        classes, photographs = read_photographs(self.files)
        for photograph in photographs:
            if photograph.fault is not None:
                yield Question(f"{SOURCE}-{photograph.image_id}", photograph, "fault", Turn(0, "", ""))
        for number, question in enumerate(Questions(classes, photographs, self.choosing)):
            if number == self.limit:
                return
            yield question


def _written(question: Question, images: str | os.PathLike) -> dict | Rejected:
    photograph = question.photograph
    if photograph.fault is not None:
        return photograph.fault
    if not image_file(images, photograph.file_name).is_file():
        return Rejected("image missing", photograph.file_name)
    return {**row_of(question).to_dict(), "dropped": {}}


def row_of(question: Question) -> FivlRow:
    """The row of FiVL-Instruct: what is asked about and there is its key expression, with the true mask of all such things.

    The mask is left out where one of them has only a box.
    """
    photograph = question.photograph
    if question.kind == "caption":
        keys = _keys_of_caption(question.turn.answer, photograph)
    elif question.name in photograph.names:
        text = plural(question.name) if question.kind == "count" else question.name
        keys = (_key(text, photograph.called(question.name), photograph),)
    else:
        keys = ()
    return FivlRow(
        question.row_id, SOURCE, photograph.image_id, photograph.file_name, photograph.size, (question.turn,), keys
    )  # fmt: skip


def true_keys(photographs: Sequence[Photograph]) -> dict[tuple[str, str], KeyExpression]:
    """By photograph and class, the key expression of all such things in it; without those that have no true mask."""
    found = {
        (photograph.image_id, name): _key(name, photograph.called(name), photograph).expression
        for photograph in photographs
        for name in sorted(photograph.names)
    }
    return {place: key for place, key in found.items() if key.mask is not None}


def _key(text: str, things: Sequence[Thing], photograph: Photograph) -> Key:
    boxes = tuple(dict.fromkeys(thing.box for thing in things))
    outlines = [thing.mask(photograph.size) for thing in things]
    mask = None if None in outlines else masks.union(outlines)
    if mask is not None and not masks.area(mask):  # thinner than a pixel
        mask = None
    return Key(KeyExpression(text, 0, boxes, mask), text, (1.0,) * len(boxes))


def _keys_of_caption(caption: str, photograph: Photograph) -> tuple[Key, ...]:
    """The words of a caption that name something in the photograph, each once."""
    there = sorted(photograph.names)
    tokens = tokenize(caption)
    found: dict[str, Key] = {}
    place = 0
    while place < len(tokens):
        names, length = _named(tokens, caption, place, there)
        if names:
            text = caption[tokens[place].start : tokens[place + length - 1].end]
            things = [thing for name in names for thing in photograph.called(name)]
            found.setdefault(text.lower(), _key(text, things, photograph))
        place += length
    return tuple(found.values())


def _named(tokens: Sequence, caption: str, place: int, there: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """The classes that the words from here on name, and how many words these are: "teddy bear" before "bear"."""
    if place + 1 < len(tokens):
        both = caption[tokens[place].start : tokens[place + 1].end]
        names = classes_of(both, there)
        last = lemma_of(caption[tokens[place + 1].start : tokens[place + 1].end])
        if names and " " in both and names != classes_of(last, there):
            return names, 2
    return classes_of(caption[tokens[place].start : tokens[place].end], there), 1
