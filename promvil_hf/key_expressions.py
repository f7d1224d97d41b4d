# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Key expressions: the phrases of a conversation turn that cannot be said without the image (FiVL).

A mask is kept as COCO run lengths in ORIGINAL image coordinates; `promvil_hf.masks` turns it into pixels or into the
coverage of a model's image tokens.
"""

import operator
from dataclasses import dataclass

from promvil_hf.boxes import Box


@dataclass(frozen=True, slots=True)
class Rle:
    """A binary mask in COCO's compressed run lengths, column by column: `size` is (height, width), as COCO has it."""

    size: tuple[int, int]
    counts: str

    def __post_init__(self):
        counts = self.counts.decode("ascii") if isinstance(self.counts, bytes) else self.counts
        try:
            size = tuple(operator.index(side) for side in self.size)
        except TypeError:
            size = ()
        if not isinstance(counts, str):
            raise ValueError(
                f"You passed counts of type {type(counts).__name__} to Rle: it takes COCO's compressed string. Make one "
                "from run lengths or pixels with `promvil_hf.masks.encode`."
            )
        if not counts.isascii():
            raise ValueError(f"You passed the counts {counts[:20]!r} to Rle: COCO's compressed strings are ASCII.")
        if len(size) != 2 or min(size) <= 0:
            raise ValueError(
                f"You passed size={self.size!r} to Rle: it takes (height, width) in pixels, both positive."
            )
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "counts", counts)

    @property
    def image_size(self) -> tuple[int, int]:
        """(width, height), the order of the rest of this package."""
        return self.size[1], self.size[0]

    def to_dict(self) -> dict:
        return {"size": list(self.size), "counts": self.counts}

    @classmethod
    def from_dict(cls, record: dict) -> "Rle":
        try:
            return cls(record["size"], record["counts"])
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"You passed {record!r:.100} as a mask: it has `size`, (height, width), and `counts`.") from error


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer; `index` counts from 0 within the conversation."""

    index: int
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class KeyExpression:
    """A phrase of the answer (or question) of turn `turn`, with where it is in the image as far as that is known."""

    text: str
    turn: int
    boxes: tuple[Box, ...] = ()
    mask: Rle | None = None

    def __post_init__(self):
        if not isinstance(self.text, str) or not self.text.strip():
            raise ValueError("You passed a blank text to KeyExpression, or none: it must name something.")
        if not isinstance(self.turn, int) or self.turn < 0:
            raise ValueError(f"You passed turn={self.turn} to KeyExpression: turns count from 0.")
        object.__setattr__(self, "boxes", tuple(self.boxes))

    def to_dict(self) -> dict:
        return {
            "text": self.text,
            "turn": self.turn,
            "boxes": [list(box.xyxy) for box in self.boxes],
            "mask": None if self.mask is None else self.mask.to_dict(),
        }

    @classmethod
    def from_dict(cls, record: dict) -> "KeyExpression":
        try:
            mask = record.get("mask")
            return cls(
                text=record["text"],
                turn=record["turn"],
                boxes=tuple(Box(*corners) for corners in record.get("boxes", ())),
                mask=None if mask is None else Rle.from_dict(mask),
            )
        except (KeyError, TypeError, AttributeError) as error:
            problem = f"it lacks {error}" if isinstance(error, KeyError) else error
            raise ValueError(
                f"You passed {record!r:.100} as a key expression ({problem}): it has `text`, `turn` and, as far as they are "
                "known, `boxes` of x0, y0, x1, y1 and `mask`."
            ) from error
