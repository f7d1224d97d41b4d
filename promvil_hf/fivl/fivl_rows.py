# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FiVL-Instruct rows: questions and answers about an image, and where in it each key expression is.

Masks are run lengths in ORIGINAL image coordinates and are named by (row, turn, expression). What a row looks like:

    {"row_id": "llava-00000000", "source": "llava", "source_id": "000000000001", "image_path": "VG_100K/1.png",
     "width": 128, "height": 128, "turns": [{"question": "Where is the heart?", "answer": "Below the green moon."}],
     "answers": [], "key_expressions": [{"text": "green moon", "phrase": "green moon", "turn": 0,
     "boxes": [[0.1, 0.2, 0.3, 0.4]], "scores": [0.8], "mask": {"size": [128, 128], "counts": "..."}}]}

`turn` counts from 0. `phrase` is what the detector was asked for; it differs from `text` only where the answer is one
word that names nothing ("yes").
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from promvil_hf import masks
from promvil_hf.boxes import Box
from promvil_hf.frames import ImageSize
from promvil_hf.images import UnreadableImage
from promvil_hf.jobs import Rejected
from promvil_hf.json_documents import typed
from promvil_hf.json_records import is_number, shown
from promvil_hf.key_expressions import KeyExpression, Turn


@dataclass(frozen=True, slots=True)
class Key:
    """A key expression, the phrase a detector was asked for, and how sure it was of each box."""

    expression: KeyExpression
    phrase: str
    scores: tuple[float, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "scores", tuple(self.scores))

    @property
    def text(self) -> str:
        return self.expression.text

    def to_dict(self) -> dict:
        return {**self.expression.to_dict(), "phrase": self.phrase, "scores": list(self.scores)}

    @classmethod
    def from_dict(cls, record: Mapping) -> "Key":
        expression = KeyExpression.from_dict(record)
        phrase, scores = record.get("phrase") or expression.text, record.get("scores") or ()
        if not isinstance(phrase, str) or not isinstance(scores, list | tuple) or not all(map(is_number, scores)):
            raise ValueError(f"You passed the phrase {shown(phrase)} with scores {shown(scores)}: a text, and a number a box.")
        return cls(expression, phrase, tuple(scores))


@dataclass(frozen=True, slots=True)
class FivlRow:
    """One row of FiVL-Instruct; `answers` are the right answers of an evaluation row."""

    row_id: str
    source: str
    source_id: str
    image_path: str
    image_size: ImageSize
    turns: tuple[Turn, ...]
    keys: tuple[Key, ...]
    answers: tuple[str, ...] = ()

    def __post_init__(self):
        for key in self.keys:
            if key.expression.turn >= len(self.turns):
                raise ValueError(
                    f"You passed the key expression {key.text!r} of turn {key.expression.turn} in a row of "
                    f"{len(self.turns)} turns: turns count from 0."
                )
            mask = key.expression.mask
            if mask is not None and mask.image_size != self.image_size:
                raise ValueError(
                    f"You passed a mask of {mask.image_size[0]}x{mask.image_size[1]} for an image of "
                    f"{self.image_size[0]}x{self.image_size[1]}: masks are in original image coordinates."
                )

    def of_turn(self, turn: int) -> tuple[Key, ...]:
        return tuple(key for key in self.keys if key.expression.turn == turn)

    def to_dict(self) -> dict:
        width, height = self.image_size
        return {
            "row_id": self.row_id,
            "source": self.source,
            "source_id": self.source_id,
            "image_path": self.image_path,
            "width": width,
            "height": height,
            "turns": [{"question": turn.question, "answer": turn.answer} for turn in self.turns],
            "answers": list(self.answers),
            "key_expressions": [key.to_dict() for key in self.keys],
        }

    @classmethod
    def from_dict(cls, record: Mapping) -> "FivlRow":
        """From a row as written, or as `datasets` gives it back."""
        row = typed(record, _Written, "This", "a row of FiVL-Instruct")
        return cls(
            row_id=row.row_id,
            source=row.source,
            source_id=row.source_id,
            image_path=row.image_path,
            image_size=(row.width, row.height),
            turns=tuple(Turn(i, turn.question, turn.answer) for i, turn in enumerate(row.turns)),
            keys=tuple(map(Key.from_dict, row.key_expressions)),
            answers=tuple(row.answers or ()),
        )


class _WrittenTurn(msgspec.Struct):
    question: str
    answer: str


class _Written(msgspec.Struct):
    """A row as JSON; its key expressions are checked by `Key`."""

    row_id: str
    source: str
    source_id: str
    image_path: str
    width: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    height: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    turns: list[_WrittenTurn]
    key_expressions: list[dict[str, Any]]
    answers: list[str] | None = None


def image_file(folder: str | os.PathLike, name: str) -> Path:
    """The image called `name` under `folder`, or one that differs in its suffix only, where that is the one there is.

    A name that leads out of the folder is refused.
    """
    relative = Path(name)
    if relative.is_absolute() or ".." in relative.parts:
        raise ValueError(f"The image name {name!r} leads out of the image folder: names are relative to it.")
    path = Path(folder) / relative
    if not os.path.exists(path):  # `Path.exists` raises where a name is too long
        others = (path.with_suffix(suffix) for suffix in (".jpg", ".png", ".jpeg", ".webp") if suffix != path.suffix)
        return next((other for other in others if os.path.exists(other)), path)
    return path


def rejected_image(name: object, error: UnreadableImage) -> Rejected:
    """Why a row has no picture: the reason to count by, and which picture it is."""
    return Rejected("image missing", str(name)) if error.missing else Rejected("image unreadable", f"{name}: {error}")


@dataclass(slots=True)
class Statistics:
    """Counts over rows, added one by one; `to_dict` is what a build writes down and the dataset card shows."""

    rows: int = 0
    turns: int = 0
    key_expressions: int = 0
    masks: int = 0
    without_keys: int = 0  # rows about what is not there
    images: set[str] = field(default_factory=set)
    source_ids: Counter = field(default_factory=Counter)
    words: Counter = field(default_factory=Counter)
    keys_per_turn: Counter = field(default_factory=Counter)
    areas: list[float] = field(default_factory=list)

    def add(self, row: FivlRow) -> None:
        width, height = row.image_size
        self.rows += 1
        self.turns += len(row.turns)
        self.key_expressions += len(row.keys)
        self.without_keys += not row.keys
        self.images.add(row.image_path)
        self.source_ids[row.source_id] += 1
        turns = Counter(key.expression.turn for key in row.keys)
        self.keys_per_turn.update(turns[turn.index] for turn in row.turns)
        for key in row.keys:
            self.words[len(key.text.split())] += 1
            if key.expression.mask is not None:
                self.masks += 1
                self.areas.append(masks.area(key.expression.mask) / (width * height))

    @classmethod
    def of(cls, rows: Iterable[FivlRow]) -> "Statistics":
        counted = cls()
        for row in rows:
            counted.add(row)
        return counted

    def to_dict(self) -> dict:
        words = sum(count * number for count, number in self.words.items())
        areas = np.array(self.areas)
        return {
            "rows": self.rows,
            "images": len(self.images),
            "rows_whose_source_id_repeats": sum(count for count in self.source_ids.values() if count > 1),
            "turns": self.turns,
            "key_expressions": self.key_expressions,
            "masks": self.masks,
            **({"rows_without_key_expressions": self.without_keys} if self.without_keys else {}),
            "key_expressions_per_turn": _share(self.key_expressions, self.turns),
            "words_per_key_expression": _share(words, self.key_expressions),
            "mask_area": {
                "mean": round(float(areas.mean()), 4) if len(areas) else None,
                "quartiles": [round(float(q), 4) for q in np.quantile(areas, [0.25, 0.5, 0.75])] if len(areas) else [],
                "above_0.3": _share(int((areas > 0.3).sum()), len(areas)) if len(areas) else None,
            },
        }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def whole_boxes(boxes: Iterable[Box], image_size: ImageSize) -> list[tuple[int, int, int, int]]:
    """x0, y0, x1, y1 in whole pixels, outwards: every pixel that a box touches."""
    width, height = image_size
    return [
        (
            int(np.floor(box.x0 * width + 1e-9)),
            int(np.floor(box.y0 * height + 1e-9)),
            int(np.ceil(box.x1 * width - 1e-9)),
            int(np.ceil(box.y1 * height - 1e-9)),
        )
        for box in boxes
    ]
