# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import json

import numpy as np
import pytest

from promvil_hf.metrics.gqa import exact_matches, gqa_score, lower_without_period, ood_score, promvil_answer


@pytest.fixture(scope="module")
def llava(shared_data):
    questions = json.loads((shared_data / "gqa" / "gqa_testdev_250.json").read_text())
    rows = map(json.loads, (shared_data / "gqa" / "llava-v1.5-13b_answers_250.jsonl").open())
    return {row["question_id"]: row["text"] for row in rows}, questions


def question(answer, detailed="directOf", structural="query", group="animal", entailed=(), balanced=True):
    return {
        "question": "What is it?",
        "answer": answer,
        "isBalanced": balanced,
        "semantic": [{"operation": "select", "argument": "it"}, {"operation": "query", "argument": "name"}],
        "types": {"detailed": detailed, "structural": structural, "semantic": "rel"},
        "groups": {"global": group, "local": None},
        "entailed": list(entailed),
    }


def test_published_answers_give_the_known_accuracies(llava):
    score = gqa_score(*llava)
    assert (score.accuracy, score.rows, score.missing_answers, score.unasked_answers) == (0.608, 250, 0, 0)
    assert 100 * score.binary == pytest.approx(78.2051, abs=5e-5)
    assert 100 * score.open == pytest.approx(52.9070, abs=5e-5)
    assert score.tables["structural"] == {
        "choose": (11, 16), "compare": (2, 2), "logical": (32, 41), "query": (91, 172), "verify": (16, 19),
    }  # fmt: skip
    assert {key: total for key, (_, total) in score.tables["semantic"].items()} == {
        "attr": 106, "rel": 95, "cat": 38, "global": 7, "obj": 4,
    }  # fmt: skip
    assert list(score.tables["words"]) == sorted(score.tables["words"], key=int)
    assert score.validity is None and score.plausibility is None


def test_program_length_and_head_and_tail_reproduce(llava):
    answers, questions = llava
    ids = list(questions)
    right = exact_matches([answers[qid] for qid in ids], [questions[qid]["answer"] for qid in ids])
    lengths = np.array([len(questions[qid]["semantic"]) for qid in ids])
    found = {int(n): (int(right[lengths == n].sum()), int((lengths == n).sum())) for n in np.unique(lengths)}
    assert found == {2: (36, 46), 3: (73, 149), 4: (26, 33), 5: (14, 19), 6: (2, 2), 7: (1, 1)}
    ood = ood_score(right, np.arange(250) >= 150)
    assert 100 * ood.head == pytest.approx(65.3333, abs=5e-5)
    assert (100 * ood.tail, 100 * ood.all) == (54.0, 60.8)
    assert ood.delta == pytest.approx((98 / 150 - 0.54) / 0.54)
    assert (ood.rows, ood.head_rows, ood.tail_rows) == (250, 150, 100)


def test_validity_asks_whether_an_answer_could_be_right():
    questions = {"1": question("red"), "2": question("cat"), "3": question("color", detailed="twoCommon")}
    choices = {
        "1": {"valid": ["red", "blue"], "plausible": ["red"]},
        "2": {"valid": ["cat", "dog"], "plausible": ["dog"]},
        "3": {"valid": ["yes"], "plausible": ["yes"]},  # ignored: questions about what two things have in common
    }
    score = gqa_score({"1": "Blue.", "2": "truck", "3": "shape"}, questions, choices=choices)
    assert (score.accuracy, score.validity, score.plausibility) == (0, pytest.approx(2 / 3), pytest.approx(1 / 3))
    part = gqa_score({"1": "Blue."}, questions, choices={"1": choices["1"]})
    assert (part.validity, part.missing_choices, part.missing_answers, part.rows) == (1, 2, 2, 3)


def test_consistency_looks_at_what_a_right_answer_entails():
    questions = {
        "1": question("cat", entailed=["1", "2", "3"]),
        "2": question("yes", structural="verify", balanced=False),
        "3": question("no", structural="verify", balanced=False),
        "4": question("dog", entailed=["2"]),
    }
    answers = {"1": "cat", "2": "yes", "3": "yes", "4": "cat"}
    score = gqa_score(answers, questions)
    assert (score.rows, score.accuracy, score.consistency) == (2, 0.5, 0.5)
    assert gqa_score({"1": "bird"}, questions).consistency is None


def test_distribution_is_0_for_the_gold_answers_and_grows_with_the_distance():
    questions = {str(k): question(answer) for k, answer in enumerate(["cat"] * 6 + ["dog"] * 4)}
    gold = {qid: q["answer"] for qid, q in questions.items()}
    assert gqa_score(gold, questions).distribution == 0
    only_cats = gqa_score(dict.fromkeys(questions, "cat"), questions)
    assert only_cats.distribution == pytest.approx((4**2 / 6 + 4**2 / 4) / 100)


def test_missing_answers_are_wrong_and_counted_and_order_means_nothing():
    questions = {"1": question("cat"), "2": question("dog"), "3": question("cow")}
    score = gqa_score({"3": "cow", "9": "cat", "1": "Cat."}, questions)
    assert (score.accuracy, score.missing_answers, score.unasked_answers) == (pytest.approx(2 / 3), 1, 1)


@pytest.mark.parametrize(
    ("raw", "answer"), [("Couch.", "couch"), ("no one", "no one"), ("Yes..", "yes"), (".", ""), (" Red.\n", "red")]
)
def test_answers_are_normalised_as_in_llavas_conversion(raw, answer):
    assert lower_without_period(raw) == answer


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        ("<phrase>the man</phrase> x", "man"),
        ("on the left", "left"),
        ("A dog", "dog"),
        ("theory", "theory"),
        ("an", "an"),
    ],
)
def test_promvils_clean_up_drops_one_leading_word(raw, answer):
    assert promvil_answer(raw) == answer


def test_an_undefined_delta_says_why():
    assert ood_score([1, 0], [False, False]).reason == "no tail rows"
    assert ood_score([1, 0], [True, True]).reason == "no head rows"
    zero = ood_score([1, 0], [False, True])
    assert zero.reason == "nothing right in the tail" and np.isnan(zero.delta) and zero.tail == 0
    assert np.isnan(ood_score([], []).all)
    with pytest.raises(ValueError, match="pass one of each for every question"):
        ood_score([1], [True, False])
    with pytest.raises(ValueError, match="1 answers and 2 gold answers: match them by id first"):
        exact_matches(["a"], ["a", "b"])
