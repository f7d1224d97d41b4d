# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import pytest

from promvil_hf.metrics.choice import first_named, picked, true_or_false


CHOICES = ["a dog", "a cat", "the house"]


@pytest.mark.parametrize(
    "answer, index",
    [
        ("B", 1),
        ("b", 1),
        ("(B)", 1),
        ("B.", 1),
        ("B) a cat", 1),
        ("The answer is B.", 1),
        ("The answer is B because of a dog", 1),
        ("Answer: C", 2),
        ("Option A", 0),
        ("a cat", 1),
        ("A cat.", 1),
        ("A", 0),
        ("A dog", 0),  # an article, not the letter
        ("The answer is a cat", 1),
        ("I think it is the house", 2),
        ("D", None),
        ("a dog and a cat", None),
        ("a horse", None),
        ("", None),
    ],
)
def test_an_answer_picks_by_letter_else_by_the_words_of_one_choice(answer, index):
    assert picked(answer, CHOICES) == index


@pytest.mark.parametrize(
    "answer, said",
    [
        ("True", True),
        ("false.", False),
        ("Yes, it is.", True),
        ("No", False),
        ("true or false", None),
        ("Maybe true", None),
        ("It is on the left", None),
        ("", None),
    ],
)
def test_true_and_false_need_the_first_word_and_a_third_class_holds_the_rest(answer, said):
    assert true_or_false(answer) is said


@pytest.mark.parametrize(
    "answer, index",
    [
        ("Yes", 0),
        ("no.", 1),
        ("The answer is no, not yes.", 1),  # the earlier one
        ("yesterday, nothing", None),  # whole words only
        ("", None),
    ],
)
def test_the_first_of_the_words_that_a_question_names_is_the_answer(answer, index):
    assert first_named(answer, ("Yes", "No")) == index
    assert first_named("A man holds option B", ("A", "B")) == 0  # as NaturalBench's own scorer reads it
