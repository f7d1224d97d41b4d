# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""BLEU and ROUGE-L against numbers worked out by hand; captions by what they name."""

import math

import pytest

from studies.sentences import agreement, bleu, named, rouge_l, words


def test_words_are_small_and_marks_stand_apart():
    assert words("It is a Red ring.") == ["it", "is", "a", "red", "ring", "."]


def test_a_sentence_is_like_itself_and_like_nothing_else():
    for score in (bleu, rouge_l):
        assert score("A ring.", "a ring .") == pytest.approx(1)
        assert score("", "a ring") == 0 and score("", "") == 1
    assert rouge_l("a b", "c d") == 0 and bleu("a b", "c d") < 0.1


def test_bleu_is_the_geometric_mean_of_hits_times_the_penalty_for_short_answers():
    # 5 of 6 words, 3 of 5 pairs, 1 of 4 threes, and no four: a tenth of one of 3
    expected = (5 / 6 * 3 / 5 * 1 / 4 * 0.1 / 3) ** 0.25
    assert bleu("the ring is on a table", "the ring is below a table") == pytest.approx(expected)
    assert bleu("a b c d", "a b c d e f") == pytest.approx(math.exp(1 - 6 / 4))


def test_rouge_l_follows_the_longest_common_subsequence():
    assert rouge_l("a x b y c", "a b c d") == pytest.approx(2 * 3 / 9)
    assert rouge_l("c b a", "a b c") == pytest.approx(1 / 3)
    assert rouge_l("a a", "a b a") == pytest.approx(4 / 5)


def test_a_caption_names_each_thing_as_often_as_it_does():
    assert named("a small red circle, an orange star and a robot.") == {"small red circle": 1, "orange star": 1, "robot": 1}
    assert named("a moon and a moon.") == {"moon": 2} and not named("nothing")
    assert agreement("a moon, a ring and a moon.", "a moon, a star and an orange ring.") == (2, 6)
    assert agreement("a ring and a moon.", "a moon and a ring.") == (4, 4)
