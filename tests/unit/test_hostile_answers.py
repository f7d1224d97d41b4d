# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Hostile answers: every dialect gives boxes, points or a reason, never an exception, and in time linear in the text."""

import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promvil_hf.boxes import Box, Point
from promvil_hf.conventions import DIALECTS
from promvil_hf.dialects import Kosmos2
from promvil_hf.dialects.kosmos2 import DELIMITER as MANY
from promvil_hf.dialects.reasoning import answer_of


SIZE = (640, 427)
CELLS = "<patch_index_0044><patch_index_0863>"
PIECES = [
    "a man", "[", "]", "{", "}", '"label":', '"a"', "0.1", "1e999", "nan", "-3", ",", ", ", "1000", "```json", ";", " ", "\n",
    "\\", "<", ">", "'", "(", ")", "{{{{", "NaN", "[0.1, 0.2, 0.3, 0.4]", "9" * 400, "\x00", "‮", "犬", '"', "null", "[]", "None",
    "there is no ", "<think>", "</think>", "<answer>", "</answer>", "◁think▷", "[/THINK]", "<|channel>thought", "<|end|>",
]  # fmt: skip
JSON = ['"bbox_2d":', '"box_2d":', "'bbox_2d':", '{"bbox_2d": [1,2,3,4]}', '{"bbox_2d": [1,2,3,true], "label": 5}',
        '{"box_2d": null}', '"bbox_2d": [[1,2,3,4]', "[1, 2, 3, 4]", "<1,2,3,4>", "<|begin_of_box|>"]  # fmt: skip
TAGS = ["<ref>", "</ref>", "<box>", "</box>", "[[1, 2, 3, 4]]", "(1,2),(3,4)", "<|object_ref_start|>", "<|object_ref_end|>",
        "<|box_start|>", "<|box_end|>", "<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "<1><2>", "<3><4>", "1.2.3"]  # fmt: skip
POINTS = ['<point x="', "<points", ' coords="', '1 1 105 205"', ' x1="3" y1="4"', '">', "</points>", "(0.1, 0.2)",
          '{"point_2d": [1, 2]}', '{"point": [3, 4]}', '"point_2d":', "(1, 2", "; 2 ", "\t"]  # fmt: skip
DIALECT_PIECES = {
    "kosmos2": ["<object>", "</object>", "<phrase>", "</phrase>", MANY, "<patch_index_0044>", "<patch_index_0863>", "<grounding>",
                "<patch_index_1024>", "<patch_index_99999>", "<patch_"],
    "paligemma_loc": ["<loc0000>", "<loc0500>", "<loc1023>", "<lo", ";"],
    "florence_loc": ["<loc_0>", "<loc_500>", "<loc_999>", "<loc_1000>", "<loc_1><loc_2><loc_3><loc_4>", "<loc_", "</s><s>"],
}  # fmt: skip


def pieces_of(name):
    family = TAGS if name.endswith("_tags") else POINTS if name.endswith("_points") else JSON
    return DIALECT_PIECES.get(name, family)


def attack(name, rounds, seed):
    """Random answers from pieces that hurt this dialect; returns how many were read."""
    dialect, rng, pieces = DIALECTS[name], random.Random(f"{name} {seed}"), pieces_of(name)
    pieces = pieces * (1 + len(PIECES) // len(pieces)) + PIECES  # half of them are of this dialect
    for _ in range(rounds):
        text = "".join(rng.choices(pieces, k=int(rng.random() * 14)))
        parsed = dialect.parse(text, image_size=SIZE)
        assert (parsed.reason is None) == parsed.ok and not (parsed.ok and parsed.refused)
        for box in (*parsed.boxes, *(box for phrase in parsed.phrases for box in phrase.boxes)):
            assert isinstance(box, Box)  # a Box cannot lie outside [0, 1]
        assert all(isinstance(point, Point) for point in parsed.points)
        if "hink" in text:
            said, is_cut = answer_of(text)
            assert len(said) <= len(text) and not (is_cut and parsed.ok)
        if isinstance(dialect, Kosmos2):
            dialect.read(text)
    return rounds


@pytest.mark.parametrize("name", DIALECTS)
def test_thousands_of_hostile_answers_give_boxes_or_a_reason(name):
    assert attack(name, 2_000, seed=0) == 2_000


@pytest.mark.fuzz
@pytest.mark.parametrize("name", DIALECTS)
def test_a_million_hostile_answers_give_boxes_or_a_reason(name):
    assert attack(name, int(os.environ.get("PROMVIL_FUZZ_ROUNDS", 1_000_000)), seed=1) >= 1


@pytest.mark.parametrize("name", DIALECTS)
@given(text=st.text(max_size=80) | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")))
def test_any_text_gives_boxes_or_a_reason(name, text):
    parsed = DIALECTS[name].parse(text, image_size=SIZE)
    assert parsed.ok or isinstance(parsed.reason, str)


@pytest.mark.parametrize(
    "piece",
    ["[", "{", "(", "<object>", "<phrase>", CELLS, "<loc0000>", "<loc_0>", "[0.1, ", '{"bbox_2d": ', "<\\", "<ref>",
     "<ref>a</ref>", "<box>", "<|box_start|><1>", "<point ", '<points coords="1 ', "<think>", "</think>", "<answer>",
     "there is no "],
)  # fmt: skip
@pytest.mark.timeout(200)  # squared, it would be hours
def test_long_repetitions_take_linear_time(piece):
    for dialect in DIALECTS.values():
        dialect.parse(piece * 20_000, image_size=SIZE)
