# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import json

import numpy as np
import pytest

from promvil_hf.metrics.pope import llava_yes_no, pope_score, strict_yes_no


def test_published_answers_give_the_published_f1_through_llavas_rule(shared_data):
    labels = [json.loads(line)["label"] for line in (shared_data / "pope" / "coco_pope_popular.jsonl").open()]
    answers = [json.loads(line)["text"] for line in (shared_data / "pope" / "llava-v1.5-13b_popular.jsonl").open()]
    score = pope_score(answers, labels, llava_yes_no)
    counts = (score.true_positives, score.false_positives, score.true_negatives, score.false_negatives)
    assert counts == (1182, 59, 1441, 318)
    assert (score.rule, score.rows, score.unknown_rate) == ("llava_yes_no", 3000, 0)
    for name, value in {
        "f1": 0.862459, "precision": 0.952458, "recall": 0.788, "accuracy": 0.874333, "yes_rate": 0.413667,
    }.items():  # fmt: skip
        assert getattr(score, name) == pytest.approx(value, abs=5e-7)
    strict = pope_score(answers, labels)
    assert (strict.f1, strict.rule) == (score.f1, "strict_yes_no")


@pytest.mark.parametrize(
    ("answer", "strict", "llava"),
    [
        ("Yes", True, True),
        ("yes.", True, True),
        ("  YES, there is a dog", True, True),
        ("No", False, False),
        ("No, there is no dog.", False, False),
        ("no\nyes", False, True),  # LLaVA's rule splits at blanks only
        ("NO", False, True),  # and knows two spellings of no
        ("", None, True),
        ("maybe", None, True),
        ("There is no dog in the image.", None, False),
        ("It is not clear.", None, False),
        ("Yes and no", None, False),
        ("I cannot say. No.", None, True),
        ("Nothing", None, True),
        ("**Yes**", True, True),
    ],
)
def test_each_rule_reads_an_answer_as_it_says(answer, strict, llava):
    assert strict_yes_no(answer) is strict
    assert llava_yes_no(answer) is llava


def test_unknown_answers_are_wrong_missed_and_shown():
    score = pope_score(["Yes", "perhaps", "No", "?", "Yes"], ["yes", "yes", "no", "no", "no"])
    assert (score.unknown_rate, score.unknown_yes, score.unknown_no) == (0.4, 1, 1)
    assert (score.accuracy, score.precision, score.recall) == (0.4, 0.5, 0.5)
    assert score.f1 == pytest.approx(0.5)
    assert score.true_positives + score.false_positives + score.true_negatives + score.false_negatives == 3
    assert score.yes_rate == 0.4


def test_always_unknown_scores_nothing_but_always_yes_would():
    labels = ["yes", "no"] * 5
    assert pope_score(["hm"] * 10, labels).accuracy == 0
    assert pope_score(["hm"] * 10, labels).f1 == 0
    assert pope_score(["hm"] * 10, labels, llava_yes_no).f1 == pytest.approx(2 / 3)


def test_labels_may_be_booleans_and_bad_ones_are_named():
    assert pope_score(["Yes", "No"], [True, np.False_]).accuracy == 1
    with pytest.raises(ValueError, match="Label 1 is 'maybe': POPE's labels are 'yes' and 'no'"):
        pope_score(["Yes", "No"], ["yes", "maybe"])
    with pytest.raises(ValueError, match="1 answers and 2 labels: match them by id first"):
        pope_score(["Yes"], ["yes", "no"])
    assert np.isnan(pope_score([], []).accuracy)
