# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import json

import pytest

from promvil_hf.metrics.vqa import normalised, soft_accuracies


def leave_one_out(answer, people):
    """The official loop."""
    scores = []
    for left_out in range(len(people)):
        others = people[:left_out] + people[left_out + 1 :]
        scores.append(min(1, others.count(answer) / 3))
    return sum(scores) / len(scores)


def test_real_questions_score_as_computed(shared_data):
    questions = json.loads((shared_data / "vqa" / "vqav2_mhug_sample.json").read_text())
    asked = [("1000004", "0", 1), ("1000004", "1", 1), ("100081006", "frisbee", 1), ("100081011", "swimming", 0.6),
             ("100081012", "3", 0.3), ("100081013", "no", 0.3), ("100087012", "no", 1), ("100087012", "yes", 0)]  # fmt: skip
    scores = soft_accuracies([answer for _, answer, _ in asked], [questions[qid]["answer_set"] for qid, _, _ in asked])
    assert scores == pytest.approx([expected for _, _, expected in asked])


@pytest.mark.parametrize("matches", range(11))
def test_the_closed_form_is_the_mean_over_leave_one_out_sets(matches):
    people = ["cat"] * matches + ["dog"] * (10 - matches)
    assert soft_accuracies(["cat"], [people])[0] == pytest.approx(leave_one_out("cat", people))
    assert soft_accuracies(["cat"], [people])[0] == pytest.approx([0, 0.3, 0.6, 0.9][matches] if matches < 4 else 1)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("A dog.", "dog"),
        ("the Two dogs", "2 dogs"),
        ("none", "0"),
        ("dont", "don't"),
        ("couldntve", "couldntve"),
        ("couldnt've", "couldn't've"),
        ("couldn'tve", "couldn't've"),
        ("yall'd've", "y'all'd've"),
        ("twas", "'twas"),
        ("somebody'd", "somebodyd"),
        ("red/white", "red white"),
        ("red / white", "red white"),
        ("black-and-white", "black and white"),
        ("1,000", "1000"),
        ("1,000-2,000", "10002000"),  # a comma between digits: every mark vanishes without a blank
        ("3.5", "3.5"),
        ("10.", "10"),
        ("what?", "what"),
        ("t-shirt, blue", "t shirt blue"),
        ("." * 40, "." * 8),  # the official script removes at most 32 periods
        ("it's", "it's"),
    ],
)
def test_the_official_normalisation_with_its_quirks(raw, clean):
    assert normalised(raw) == clean


def test_answers_are_normalised_only_where_people_disagree():
    agreed, split = ["frisbee"] * 10, ["frisbee"] * 9 + ["disc"]
    assert soft_accuracies(["Frisbee."] * 2, [agreed, split]).tolist() == [0, 1]
    assert soft_accuracies(["Frisbee."] * 2, [agreed, split], normalise="always").tolist() == [1, 1]
    assert soft_accuracies(["Frisbee."] * 2, [agreed, split], normalise="never").tolist() == [0, 0]
    assert soft_accuracies([" frisbee\n"], [agreed]).tolist() == [1]


def test_what_cannot_be_scored_is_said():
    with pytest.raises(ValueError, match="one of official, always, never"):
        soft_accuracies(["a"], [["a"]], normalise="yes")
    with pytest.raises(ValueError, match="1 answers and people's answers to 2 questions"):
        soft_accuracies(["a"], [["a"], ["b"]])
    with pytest.raises(ValueError, match=r"Question 0 has \[\] as people's answers"):
        soft_accuracies(["a"], [[]])
