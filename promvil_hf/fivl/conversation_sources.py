# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Where FiVL-Instruct comes from: conversations and benchmark questions about images, read into one form.

A row is named by its file's kind and its number in that file, never by the id the file gives: LLaVA's mix repeats some
250 thousand of those. A record that holds no conversation is a row with a `fault`, so that it ends up among the
rejects and not nowhere.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec

from promvil_hf.evaluation.benchmarks import read
from promvil_hf.files import sha256_of
from promvil_hf.jobs import Rejected
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

    def parsed(record: dict) -> dict:
        if "conversations" in record:
            turns = _turns(record["conversations"])
        else:
            turns = (Turn(0, _without_tag(record["instruction"]), record["output"]),)
        return {"source_id": str(record["id"]), "image": record.get("image"), "turns": turns}

    return _rows(_records(path), source, parsed, first)


def read_captions(path: str | os.PathLike, source: str = "captions", first: int = 0) -> Iterator[SourceRow]:
    """COCO's caption file, or records of `image` and `caption`; each caption answers "What does the image show?"."""
    names: dict = {}

    def parsed(record: dict) -> dict:
        image = names[record["image_id"]] if "image_id" in record else record["image"]
        turn = Turn(0, CAPTION_QUESTION, record["caption"].strip())
        return {"source_id": str(record.get("id", image)), "image": image, "turns": (turn,)}

    records = _records(path, "annotations")
    if isinstance(records, dict):
        names = {image["id"]: image["file_name"] for image in records["images"]}
        records = records["annotations"]
    return _rows(records, source, parsed, first)


def read_benchmark(name: str, files: Sequence[str | os.PathLike]) -> Iterator[SourceRow]:
    """Questions of a benchmark that `promvil_hf.evaluation.benchmarks` reads. Of several people's answers, the most frequent
    one (the first in the alphabet, where two are) is the turn's.
    """
    for number, row in enumerate(read(name, files).rows):
        answer = max(sorted(set(row.answers)), key=row.answers.count)
        yield SourceRow(f"{name}-{number:08d}", name, row.id, row.image, (Turn(0, row.text, answer),), row.answers)


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


def _rows(records: Iterable, source: str, parsed: Callable[[dict], dict], first: int) -> Iterator[SourceRow]:
    for number, record in enumerate(records, first):
        row_id = f"{source}-{number:08d}"
        try:
            if isinstance(record, msgspec.Raw):
                record = msgspec.json.decode(record)
            row = SourceRow(row_id, source, **parsed(record))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            told = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
            name = record.get("id") if isinstance(record, dict) else None
            yield SourceRow(row_id, source, str(name or ""), None, (), (), Rejected("unreadable record", told[:300]))
            continue
        if row.image is None:
            yield SourceRow(row_id, source, row.source_id, None, row.turns, (), Rejected("no image"))
        else:
            yield row


def _turns(spoken: list[dict]) -> tuple[Turn, ...]:
    """Pairs of a question and its answer. Two of one speaker in a row are no conversation."""
    sides = [said["from"] for said in spoken]
    if len(spoken) % 2 or sides != ["human", "gpt"] * (len(spoken) // 2):
        raise ValueError("the turns are not human and gpt by turns")
    texts = [said["value"] for said in spoken]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a turn holds something that is no text")
    pairs = zip(texts[::2], texts[1::2], strict=True)
    return tuple(Turn(index, _without_tag(question), answer) for index, (question, answer) in enumerate(pairs))


def _without_tag(question: str) -> str:
    return question.replace(IMAGE_TAG, "").strip()


def _records(path: str | os.PathLike, key: str = "") -> Iterable:
    """The records of a JSON array or of JSON Lines, each decoded only when it is needed; or an object that has `key`."""
    data = Path(path).read_bytes()
    start = data[:64].lstrip()[:1]
    try:
        if start == b"[":
            return msgspec.json.decode(data, type=list[msgspec.Raw])
        if key and start == b"{":
            try:
                found = msgspec.json.decode(data)
            except msgspec.DecodeError:
                found = {}  # JSON Lines, then
            if key in found:
                return found
    except msgspec.DecodeError as error:
        raise ValueError(f"You passed {path}, which is not JSON ({error}).") from error
    return _lines(data)


def _lines(data: bytes) -> Iterator[object]:
    for line in data.splitlines():
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError:
                yield line.decode("utf-8", "replace")  # no record: the row gets a fault
