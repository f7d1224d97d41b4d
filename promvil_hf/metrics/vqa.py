# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""VQAv2's soft accuracy with the official normalisation, quirks included.

An answer is compared with ten people's: in each of the ten sets that leave one person out it scores min(matches /
3, 1), and the mean of the ten counts. The official script normalises punctuation, articles, number words and
contractions **only where the people disagree**: where all ten gave the same answer, "Frisbee." against "frisbee"
scores 0. That is `normalise="official"`, the default; `"always"` is what most people expect.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np


NORMALISATIONS = ("official", "always", "never")


@lru_cache(65_536)  # people give the same few answers to most questions
def normalised(answer: str) -> str:
    """The official normalisation: punctuation, then articles, number words and contractions, all in lower case."""
    thousands = _DIGIT_COMMA.search(answer) is not None
    text = answer
    for mark in _PUNCTUATION:
        beside_a_blank = f"{mark} " in answer or f" {mark}" in answer
        text = text.replace(mark, "" if beside_a_blank or thousands else " ")
    text = _PERIOD.sub("", text, count=32)  # the official script passes re.UNICODE, which is 32, as the count
    words = (_NUMBER_WORDS.get(word, word) for word in text.lower().split())
    return " ".join(_CONTRACTIONS.get(word, word) for word in words if word not in ("a", "an", "the"))


def soft_accuracies(
    answers: Sequence[str], people: Sequence[Sequence[str]], *, normalise: str = "official"
) -> np.ndarray:
    """One soft accuracy per question, (rows,), from the model's answer and the list of the people's answers."""
    if normalise not in NORMALISATIONS:
        raise ValueError(f"You passed normalise={normalise!r}: it is one of {', '.join(NORMALISATIONS)}.")
    if len(answers) != len(people):
        raise ValueError(
            f"You passed {len(answers)} answers and people's answers to {len(people)} questions: match them by id."
        )
    matches, asked = np.zeros(len(answers)), np.zeros(len(answers))
    for index, (answer, given) in enumerate(zip(answers, people, strict=True)):
        if not given or isinstance(given, str):
            raise ValueError(
                f"Question {index} has {given!r} as people's answers: pass a list of at least one answer."
            )
        answer, given = _one_line(answer), [_one_line(text) for text in given]
        if normalise == "always" or (normalise == "official" and len(set(given)) > 1):
            answer, given = normalised(answer), [normalised(text) for text in given]
        matches[index], asked[index] = given.count(answer), len(given)
    left_in, left_out = np.minimum(matches / 3, 1), np.minimum(np.maximum(matches - 1, 0) / 3, 1)
    return (matches * left_out + (asked - matches) * left_in) / np.maximum(asked, 1)


def _one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_DIGIT_COMMA = re.compile(r"\d,\d")
_PERIOD = re.compile(r"\.(?!\d)")
_NUMBER_WORDS = {
    "none": "0",
    **{word: str(n) for n, word in enumerate("zero one two three four five six seven eight nine ten".split())},
}


def _without_one_apostrophe(words: str) -> dict[str, str]:
    return {
        word[:place] + word[place + 1 :]: word
        for word in words.split()
        for place, letter in enumerate(word)
        if letter == "'"
    }


# The official table holds each of these words with any one apostrophe missing. Its four entries in capitals ("Im")
# never match text in lower case; "let's" and "she's" map to themselves; "somebody'd" is spelled backwards there,
# and here.
_CONTRACTIONS = _without_one_apostrophe(
    """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd
    he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't mightn't've must've mustn't
    needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've
    somebody'll somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll
    that's there'd there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've
    weren't what'll what're what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll
    why're why's won't would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've
    """
) | {"somebody'd": "somebodyd"}
