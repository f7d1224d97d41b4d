# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Answers that pick one of several: a letter, the words of a choice, or true and false. With a class for neither."""

import re
from collections.abc import Sequence


_ALONE = re.compile(r"\(?([A-Za-z])(?:\)|[).:,].*)?", re.DOTALL)
_NAMED = re.compile(r"(?i:\b(?:answer|option|choice)(?:\s+is)?)\W*\b([A-Z])\b(?!(?<=A)\s+[a-z])")
_SENTENCE = re.compile(r"[^.!?\n]*")
_WORD = re.compile(r"[^\W_]+")


def picked(answer: str, choices: Sequence[str]) -> int | None:
    """Which choice an answer picks: by its letter ("B", "(B)", "The answer is B."), else by its words; None: unknown.

    The words must name one choice only. An answer that opens with a letter beyond the last choice is unknown.
    """
    found = _ALONE.fullmatch(answer.strip()) or _NAMED.search(answer)
    if found:
        index = ord(found[1].upper()) - ord("A")
        return index if index < len(choices) else None
    plain = _plain(answer)
    for whole in (True, False):
        named = [
            index
            for index, choice in enumerate(choices)
            if (_plain(choice) == plain if whole else f" {_plain(choice)} " in f" {plain} ")
        ]
        if len(named) == 1:
            return named[0]
    return None


def first_named(answer: str, words: Sequence[str]) -> int | None:
    """Which of these words comes first in an answer, as a whole word in upper or lower case; None: none of them.

    >>> first_named("The answer is no, not yes.", ("Yes", "No"))
    1
    """
    places = {word.lower(): index for index, word in reversed(list(enumerate(words)))}
    return next((places[word] for word in _WORD.findall(answer.lower()) if word in places), None)


def true_or_false(answer: str) -> bool | None:
    """True for true or yes, False for false or no, if that is the first word and the sentence does not say the other."""
    return first_word(answer, {"true", "yes"}, {"false", "no"})


def first_word(answer: str, yes: set[str], no: set[str]) -> bool | None:
    """Which of two sets the first word is in; None if in neither, or if the first sentence has words of both."""
    words = _WORD.findall(_SENTENCE.match(answer.strip().lower())[0])
    if not words or words[0] not in yes | no:
        return None
    other = no if words[0] in yes else yes
    return None if other.intersection(words) else words[0] in yes


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.lower()))
