# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Where FiVL-Instruct comes from: conversations and benchmark questions about images, read into one form.

A row is named by its file's kind and its number in that file, never by the id the file gives: LLaVA's mix repeats some
250 thousand of those. A record that holds no conversation is a row with a `fault`, so that it ends up among the
rejects and not nowhere.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from promvil_hf.evaluation.benchmarks import BadRows, read
from promvil_hf.files import sha256_of
from promvil_hf.jobs import Rejected
from promvil_hf.json_records import Record, RecordError, document, records, shown
from promvil_hf.key_expressions import Turn


IMAGE_TAG = "<image>"
CAPTION_QUESTION = "What does the image show?"


@dataclass(frozen=True, slots=True)
class SourceRow:
    """Questions and answers about one image. `answers` are all the right ones, where a benchmark gives several."""

    row_id: str
    source: str
    source_id: str
    image: str | None
    turns: tuple[Turn, ...]
    answers: tuple[str, ...] = ()
    fault: Rejected | None = None


Reader = Callable[..., Iterator[SourceRow]]


def read_llava(path: str | os.PathLike, source: str = "llava", first: int = 0) -> Iterator[SourceRow]:
    """LLaVA's instruction files: `conversations` of human and gpt, or single pairs of `instruction` and `output`."""

    def parsed(record: Record) -> SourceRow:
        if record.has("conversations"):
            turns = _turns(record)
        else:
            turns = (Turn(0, _without_tag(record.text("instruction")), record.text("output")),)
        return SourceRow("", source, record.identifier("id"), record.text("image", default=None), turns)

    return _rows(records(path), source, parsed, first)


def read_captions(path: str | os.PathLike, source: str = "captions", first: int = 0) -> Iterator[SourceRow]:
    """COCO's caption file, or records of `image` and `caption`; each caption answers "What does the image show?"."""
    coco = _coco(path)
    names = _file_names(coco) if coco else {}

    def parsed(record: Record) -> SourceRow:
        if record.has("image") or not coco:
            image = record.text("image")
        else:
            image_id = record.identifier("image_id")
            image = names.get(image_id)
            if image is None:
                raise RecordError(f"{record.where}: `images` has no image {shown(image_id)} with a file_name.")
        turn = Turn(0, CAPTION_QUESTION, record.text("caption").strip())
        return SourceRow("", source, record.identifier("id", default=image), image, (turn,))

    return _rows(coco.records("annotations") if coco else records(path), source, parsed, first)


def _coco(path: str | os.PathLike) -> Record | None:
    """The one object with `annotations` that COCO's caption file is; None for a file of records."""
    try:
        found = document(path)
    except RecordError:
        return None
    return found if found.has("annotations") else None


def _file_names(coco: Record) -> dict[str, str]:
    """Names of images by id. One that cannot be read is missing here, and its captions say so."""
    names = {}
    for image in coco.records("images") if isinstance(coco.get("images", default=None), list) else ():
        with suppress(RecordError):
            names[image.identifier("id")] = image.text("file_name")
    return names


def read_benchmark(name: str, files: Sequence[str | os.PathLike]) -> Iterator[SourceRow]:
    """Questions of a benchmark that `promvil_hf.evaluation.benchmarks` reads. Of several people's answers, the most frequent
    one (the first in the alphabet, where two are) is the turn's.
    """
    bad: BadRows = {}
    try:
        rows = read(name, files, bad=bad).rows
    except ValueError as error:
        raise ValueError(f"{error} {next(iter(bad.values()), '')}".strip()) from error
    good = iter(rows)
    for number in range(len(rows) + len(bad)):
        row_id = f"{name}-{number:08d}"
        if number in bad:
            yield SourceRow(row_id, name, "", None, (), (), Rejected("unreadable record", str(bad[number])))
            continue
        row = next(good)
        answer = commonest(row.answers)
        turns = () if answer is None else (Turn(0, row.text, answer),)
        fault = Rejected("no answer", row.id) if answer is None else None
        yield SourceRow(row_id, name, row.id, row.image, turns, row.answers, fault)


def commonest(answers: Sequence[str]) -> str | None:
    """The answer that most people gave; the first in the alphabet where several are as frequent."""
    return max(sorted(set(answers)), key=answers.count, default=None)


CONVERSATIONS: dict[str, Reader] = {"llava": read_llava, "captions": read_captions}
BENCHMARKS = ("vqav2", "gqa", "gqa_ood", "pope")
SOURCES = (*CONVERSATIONS, *BENCHMARKS)


@dataclass(frozen=True, slots=True)
class Source:
    """The rows of one kind in one or several files, streamed anew each time it is iterated.

    `limit` keeps the first rows.
    """

    name: str
    files: tuple[Path, ...]
    limit: int | None = None

    def __post_init__(self):
        object.__setattr__(self, "files", tuple(map(Path, self.files)))
        if self.name not in SOURCES:
            raise ValueError(f"You passed the source {self.name!r}: it is one of {', '.join(SOURCES)}.")
        for path in self.files:
            if not path.is_file():
                raise ValueError(f"You passed {path} as a file of {self.name}, and there is no such file.")

    def __iter__(self) -> Iterator[SourceRow]:
        return islice(self._rows(), self.limit)

    def _rows(self) -> Iterator[SourceRow]:
        if self.name in BENCHMARKS:
            yield from read_benchmark(self.name, self.files)
            return
        number = 0
        for path in self.files:
            for row in CONVERSATIONS[self.name](path, self.name, number):
                yield row
                number += 1

    def describe(self) -> dict:
        """What a job must be given again to go on: names and contents of the files."""
        files = {path.name: sha256_of(path) for path in self.files}
        return {"source": self.name, "files": files, "limit": self.limit}


def _rows(
    found: Iterable[Record], source: str, parsed: Callable[[Record], SourceRow], first: int
) -> Iterator[SourceRow]:
    for number, record in enumerate(found, first):
        try:
            row = parsed(record)
        except RecordError as error:
            row = SourceRow("", source, _id_of(record), None, (), (), Rejected("unreadable record", str(error)))
        if row.fault is None and not row.image:
            row = replace(row, fault=Rejected("no image", f"{record.where}: it names no image."))
        yield replace(row, row_id=f"{source}-{number:08d}")


def _id_of(record: Record) -> str:
    try:
        return record.identifier("id", default="")
    except RecordError:
        return ""


def _turns(record: Record) -> tuple[Turn, ...]:
    """Pairs of a question and its answer. Two of one speaker in a row are no conversation."""
    said = [(turn.text("from"), turn.text("value")) for turn in record.records("conversations")]
    if [side for side, _ in said] != ["human", "gpt"] * (len(said) // 2):
        raise RecordError(f"{record.where}: the turns of `conversations` are not human and gpt by turns.")
    texts = [text for _, text in said]
    pairs = zip(texts[::2], texts[1::2], strict=True)
    return tuple(Turn(index, _without_tag(question), answer) for index, (question, answer) in enumerate(pairs))


def _without_tag(question: str) -> str:
    return question.replace(IMAGE_TAG, "").strip()
