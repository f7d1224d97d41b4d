# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FiVL rows as phrases with boxes and the other way round, for `promvil convert`.

A row leaves as its key expressions. Phrases become a row of one turn whose answer lists them; they get no masks, because a
box is none, so such rows serve to look at and to measure with, and `promvil build fivl` makes masks.
"""

from promvil_hf import masks
from promvil_hf.box_formats import GroundedImage, Imported
from promvil_hf.dialects.base import NO_BOX
from promvil_hf.fivl.fivl_rows import FivlRow, Key
from promvil_hf.jobs import Rejected
from promvil_hf.key_expressions import KeyExpression, Turn
from promvil_hf.phrases import GroundedPhrase


QUESTION = "What can be seen in the image?"


def from_fivl(row: FivlRow) -> Imported:
    """The key expressions of a row with their boxes; one that has only a mask gets the box around it."""
    phrases, rejects = [], []
    for key in row.keys:
        around = masks.bounding_box(key.expression.mask) if key.expression.mask is not None else None
        boxes = key.expression.boxes or ((around,) if around else ())
        if boxes:
            phrases.append(GroundedPhrase(key.text, boxes))
        else:
            rejects.append(Rejected(NO_BOX, f"{key.text!r} of row {row.row_id}"))
    return Imported((GroundedImage(row.image_path, row.image_size, tuple(phrases)),), tuple(rejects))


def to_fivl(grounded: GroundedImage, row_id: str) -> FivlRow:
    """A row of one turn with a key expression for each phrase. It needs the image's size."""
    if grounded.size is None:
        raise ValueError(f"You passed {grounded.image!r} without its size: rows of FiVL hold it in pixels.")
    answer = ", ".join(phrase.text for phrase in grounded.phrases) + "."
    keys = [
        Key(KeyExpression(phrase.text, 0, phrase.boxes), phrase.text, (1.0,) * len(phrase.boxes))
        for phrase in grounded.phrases
    ]
    return FivlRow(row_id, "boxes", row_id, grounded.image, grounded.size, (Turn(0, QUESTION, answer),), tuple(keys))
