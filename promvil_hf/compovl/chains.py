# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Nested expressions of one image as a build keeps them, and as collators, metrics and PromViL's own rows take them."""

from collections.abc import Mapping

import msgspec

from promvil_hf.boxes import Box
from promvil_hf.compovl.scene_graph import Corners
from promvil_hf.phrases import PROMVIL, GroundedPhrase, PhraseChain, PhraseStep, Wording, to_row


class Rung(msgspec.Struct, gc=False):
    """What every step of a chain has. `boxes[i]` is the box of `object_ids[i]`; `anchors` are the steps it refers to."""

    text: str
    level: int
    head: str
    boxes: tuple[Corners, ...]
    object_ids: tuple[int, ...]
    anchors: tuple[int, ...]
    mentions: tuple[str, ...]


class Step(Rung, gc=False):
    """A step of a chain that holds. `relation_ids` are the relations that it adds."""

    relation_ids: tuple[int, ...]
    ambiguous: bool


class Chain(msgspec.Struct, gc=False):
    """An expression with its nested parts. `given` has the phrases it was composed from, `writer` says who worded it."""

    expression: str
    level: int
    steps: list[Step]
    sources: str
    distractors: int
    ambiguous: bool
    given: tuple[str, ...]
    region_ids: tuple[int, ...]
    writer: str = "grammar"


def chain_of(row: Mapping) -> PhraseChain:
    """The chain of a CompoVL row, as collators and metrics take it."""
    steps = [
        PhraseStep(
            GroundedPhrase(step["text"], tuple(Box(*corners) for corners in step["boxes"])),
            tuple(step["anchors"]),
            tuple(step["mentions"]),
        )
        for step in row["steps"]
    ]
    return PhraseChain(row["image_id"], tuple(steps))


def promvil_row(row: Mapping, image_root: str = "", wording: Wording = PROMVIL) -> dict:
    """A CompoVL row as PromViL's own training row: alternating texts with and without evidence."""
    path = f"{image_root.rstrip('/')}/{row['image_path']}" if image_root else row["image_path"]
    return to_row(chain_of(row), path, "vg", wording=wording)
