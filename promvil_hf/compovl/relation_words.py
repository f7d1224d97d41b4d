# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How a relation is worded after a noun: `ON` becomes "on", `wears` "that wears", `has a` "with".

Two sources: the predicate of the graph, and the words that somebody put between the two nouns in a region's phrase. Only
words that are there are used. It works with closed word lists and spelling, without a model.
"""

import re
from functools import lru_cache


ARTICLES = frozenset(("a", "an", "the"))
DETERMINERS = ARTICLES | frozenset(
    "his her its their my your our some any another each every this that these those several many "
    "one two three four five six".split()
)
PREPOSITIONS = frozenset(
    "about above across after against along alongside among around as at before behind below beneath beside besides between "
    "beyond by down for from in inside into near next of off on onto out outside over past through throughout to toward "
    "towards under underneath up upon via with within without".split()
)
_COPULAS = frozenset("is are was were be being been".split())
_HAVE = frozenset("has have had having".split())
_ENDS_IN_S = PREPOSITIONS | frozenset("perhaps always sometimes".split())
_SIDES = frozenset("left right top bottom back front side edge end middle center centre".split())
# Names of the image itself or of places in it: the graph has boxes for them, and nobody could say where they end.
_NO_THINGS = _SIDES | frozenset("background foreground scene picture image photo photograph part area corner view".split())
_WORD = re.compile(r"[a-z][a-z'-]*\Z")


@lru_cache(maxsize=8192)
def link_of(predicate: str) -> str | None:
    """The words that join a noun to the next one; None where the predicate alone joins nothing ("is", "2", "")."""
    words = predicate.lower().split()
    while words and (words[0] in _COPULAS or words[0] in ("that", "who", "which")):
        words = words[1:]
    while words and words[-1] in DETERMINERS:
        words = words[:-1]
    if not words or not all(map(_WORD.match, words)) or len(words) > 5:
        return None
    first = words[0]
    if first in _HAVE:
        return "with" if len(words) == 1 else "that " + " ".join(words)
    if first == "to" and len(words) > 1 and words[1] in _SIDES:
        words = ["to", "the", *words[1:]]
    elif first.endswith("s") and not first.endswith("ss") and first not in _ENDS_IN_S and first not in _SIDES:
        return "that " + " ".join(words)
    return " ".join(words)


@lru_cache(maxsize=65536)
def link_between(between: str, predicate: str) -> str | None:
    """What somebody wrote between two nouns, cut down to the joining words; None where that is not certain.

    "is riding a brown" with the predicate "riding" gives "riding": what follows the article describes the second noun.
    Without an article the words must end in one of the predicate's own words or a preposition.
    """
    words = between.split()
    for place, word in enumerate(words):
        if word in DETERMINERS and place:
            words = words[:place]
            break
    link = link_of(" ".join(words))
    if link is None:
        return None
    told, own = link.split(), predicate.split()
    if told[-1] not in own and told[-1] not in PREPOSITIONS:
        return None
    return link if set(told) & set(own) or link == link_of(predicate) else None


@lru_cache(maxsize=8192)
def noun_of(name: str) -> str | None:
    """A name as a noun after "the"; None for what is no plain noun phrase of up to four words, or names no thing."""
    words = name.split()
    if words and words[0] in ARTICLES:
        words = words[1:]
    if not 1 <= len(words) <= 4 or not all(map(_WORD.match, words)) or words[-1] in PREPOSITIONS:
        return None
    if len(words) == 1 and words[0] in _NO_THINGS:
        return None
    return " ".join(words)


@lru_cache(maxsize=8192)
def is_adjective(attribute: str) -> bool:
    """One plain word that can stand before a noun. Attributes such as "in the background" cannot."""
    return bool(_WORD.match(attribute)) and attribute not in PREPOSITIONS and attribute not in DETERMINERS
