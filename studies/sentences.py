# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How near a sentence is to another one: BLEU (nltk's), ROUGE-L, and for captions which things are named.

Scores are of single sentences, so that whole scenes can be drawn for intervals. The words are those between blanks, in
small letters, with marks apart.
"""

import re
from collections import Counter


_WORD = re.compile(r"\w+|[^\w\s]")
_NAMED = re.compile(r"\ban? ([^,.]+?)(?= and\b|[,.]|$)")


def words(sentence: str) -> list[str]:
    return _WORD.findall(sentence.lower())


def bleu(said: str, truth: str) -> float:
    """BLEU of one sentence up to four words, a tenth of a hit where there is none (nltk's smoothing method 1).

    Of a sentence shorter than four words, up to as many as it has.
    """
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    found, wanted = words(said), words(truth)
    if not found or not wanted:
        return float(found == wanted)
    longest = min(4, len(found), len(wanted))
    weights = (1 / longest,) * longest
    return float(sentence_bleu([wanted], found, weights, SmoothingFunction().method1))


def rouge_l(said: str, truth: str) -> float:
    """F1 of the longest common subsequence of words."""
    found, wanted = words(said), words(truth)
    if not found or not wanted:
        return float(found == wanted)
    row = [0] * (len(wanted) + 1)  # row[k]: longest common subsequence of the words so far and the first k wanted
    for word in found:
        before = 0
        for place, wanted_word in enumerate(wanted, 1):
            before, row[place] = row[place], before + 1 if word == wanted_word else max(row[place], row[place - 1])
    return 2 * row[-1] / (len(found) + len(wanted))


def named(caption: str) -> Counter:
    """The things a caption lists, each as often as it does: "a red ring, a moon and a moon." names a red ring, two moons."""
    return Counter(_NAMED.findall(caption.lower()))


def agreement(said: str, truth: str) -> tuple[int, int]:
    """(twice the things both name, all things named): summed over captions and divided, the F1 of naming."""
    found, wanted = named(said), named(truth)
    return 2 * (found & wanted).total(), found.total() + wanted.total()
