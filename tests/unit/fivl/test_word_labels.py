# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The labelled rows: no text in them, offsets that fit the texts, and the goals where the texts are there."""

import json

from benchmarks import words_quality
from promvil_hf.nesting import RULES


def test_labels_hold_ids_and_offsets_and_no_text_of_others():
    for path in words_quality.LABELS.glob("*.json"):
        words = set(path.read_text().replace('"', " ").split())
        assert not {word for word in words if word.isalpha()} - {
            "row", "kind", "half", "looked", "at", "held", "out", "never", "conv", "detail", "complex", "things", "phrases",
            "true", "false", "source", "image", "target", "relations", "right", "ferret", "words", "boxes", "rows", "by",
            "letters",
        }, path  # fmt: skip
    rows = [row for found in json.loads((words_quality.LABELS / "key_expressions.json").read_text()).values() for row in found]
    assert sum(len(row["things"]) for row in rows) >= 300


def test_a_phrase_is_right_where_it_shares_more_than_half_of_its_words():
    text = "a small red ball near the tree provides shade"
    assert words_quality.same(text, "small red ball", [[2, 16]]) and words_quality.same(text, "red ball", [[0, 16]])
    assert not words_quality.same(text, "ball", [[2, 16]], "words")
    assert not words_quality.same(text, "tree provides", [[26, 30]], "words")


def test_goals_by_rules_on_real_answers(shared_data):
    for (kind, half), rows in words_quality.judge_keys(shared_data, RULES).items():
        right, proposed, found, things = map(sum, zip(*rows))
        assert right / proposed >= 0.75 and found / things >= 0.85, (kind, half)
    for half, right in words_quality.judge_decompositions(shared_data, RULES).items():
        assert sum(right) / len(right) >= 0.75, half
