# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How a relation is worded after a noun: `ON` becomes "on", `wears` "that wears", `has a` "with".

Two sources: the predicate of the graph, and the words that somebody put between the two nouns in a region's phrase. Only
words that are there are used. It works with closed word lists and spelling, without a model.
"""

import re
from functools import lru_cache

from promvil_hf.compovl.misspelt import is_misspelt
from promvil_hf.inflection import lemma
from promvil_hf.nesting import lexicon
from promvil_hf.nesting.kinds import BODY, CLOTHES, kind_of
from promvil_hf.nesting.tags import VERB_FORMS, base_of, is_noun, participle


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
_SIDES = frozenset("left right top bottom back front side edge end middle center centre".split())
# Names of the image itself or of places in it: the graph has boxes for them, and nobody could say where they end.
_NO_THINGS = (
    _SIDES
    | lexicon.ATTRIBUTES
    | lexicon.IMAGE_WORDS
    | frozenset("background foreground part area corner distance object thing item stuff something shade".split())
    | frozenset("section portion level exterior interior".split())
) - {"material"}
_NO_PLACE = frozenset("to for from before after about up out".split())
_TAKES_ARTICLE = frozenset("side edge end left right back bottom middle center centre".split())
_PLACE_WORDS = frozenset("the other close together parallel adjacent far away back forward upside amongst amid".split())
_FULL = frozenset("full next close adjacent parallel perpendicular closer closest nearest".split())
_ADVERBS = lexicon.ADVERBS - PREPOSITIONS - {"upside", "close", "together", "away", "back"}
# Verbs that are done somewhere and to nothing: "sitting the bench" is no clause.
_NEEDS_PLACE = frozenset(
    """
    sit stand lie lay lean rest kneel squat crouch smile laugh sleep look wait go come glance stare gaze perch float talk
    speak swim skate snowboard skateboard stretch bend grow run live be seem appear
""".split()
)
_TAKES_OBJECT = frozenset("wear hold carry use look throw catch hit pull push touch talk ride eat face".split())
_DOES = frozenset("wearing carrying holding riding eating".split())
_WORD = re.compile(r"[a-z][a-z'-]*\Z")


@lru_cache(maxsize=8192)
def link_of(predicate: str) -> str | None:
    """The words that join a noun to the next one; None where the predicate alone joins nothing ("is", "and", "").

    Every word must be known: prepositions and places ("on top of"), or a verb with what belongs to it ("parked on").
    Finite verbs become participles ("wears" gives "wearing"), so that two clauses about one noun agree in form.
    """
    words = predicate.lower().split()
    while words and (words[0] in _COPULAS or words[0] in ("that", "who", "which")):
        words = words[1:]
    while words and words[-1] in DETERMINERS:
        words = words[:-1]
    if not words or len(words) > 5:
        return None
    how = ""
    while len(words) > 1 and words[:2] != ["right", "of"] and (words[0] in _ADVERBS or words[0].endswith("ly")):
        how, words = f"{how}{words[0]} ", words[1:]
    first = words[0]
    if first in _HAVE:
        return "with" if len(words) == 1 else "that has on" if words[1:] == ["on"] else None
    if first in lexicon.SAYING_VERBS:
        return None
    form, base = VERB_FORMS.get(first, ("", ""))
    if form in ("s", "base") and first not in PREPOSITIONS:
        words = [first := participle(base), *words[1:]]
        form = "ing"
    behind = words[1:]
    if form == "ing":
        is_known = not behind or _is_place(behind)
        return how + " ".join(words) if is_known and (behind or base not in _NEEDS_PLACE) else None
    if form == "ed" or first in lexicon.ADJECTIVES - PREPOSITIONS or first in _FULL:
        return how + " ".join(words) if behind and _is_place(behind) and behind[-1] in PREPOSITIONS else None
    if not _is_place(words) or words[-1] not in PREPOSITIONS or (len(words) == 1 and first in _NO_PLACE):
        return None
    if first == "to" and words[1:2] and words[1] in _SIDES:
        words = ["to", "the", *words[1:]]
    elif first in ("on", "at", "in") and words[1:2] and words[1] in _TAKES_ARTICLE:
        words = [first, "the", *words[1:]]
    return " ".join(words)


def _is_place(words: list[str]) -> bool:
    """Only prepositions, particles and sides: "on top of", "to the left of", "up against"."""
    return all(word in PREPOSITIONS or word in _SIDES or word in _PLACE_WORDS for word in words)


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
    link_words, predicate_words = link.split(), predicate.split()
    if link_words[-1] not in predicate_words and link_words[-1] not in PREPOSITIONS:
        return None
    return link if set(link_words) & set(predicate_words) or link == link_of(predicate) else None


@lru_cache(maxsize=8192)
def noun_of(name: str) -> str | None:
    """A name as a noun after "the"; None for what is no plain noun phrase of up to four words, or names no thing."""
    words = name.split()
    if words and words[0] in ARTICLES:
        words = words[1:]
    if not 1 <= len(words) <= 4 or not all(map(_WORD.match, words)) or words[-1] in PREPOSITIONS:
        return None
    is_named = is_noun(words[-1]) or (len(words) > 1 and words[-1] in ("can", "cans"))
    if len(words[-1]) < 2 or not is_named or lexicon.CONJUNCTIONS.intersection(words):
        return None  # "pluged", "akimbo", "s", "cup and saucer"
    if any(map(is_misspelt, words)):
        return None
    if lemma(words[-1]) in _NO_THINGS and (len(words) == 1 or lemma(words[-1]) in lexicon.ATTRIBUTES | lexicon.IMAGE_WORDS):
        return None
    return " ".join(words)


@lru_cache(maxsize=8192)
def fits_subject(link: str, noun: str) -> bool:
    """Whether such a thing can do it: clothes neither wear nor carry, and a foot wears nothing."""
    verb, kind = link.split()[0], kind_of(noun.split()[-1])
    return not (kind == CLOTHES and verb in _DOES) and not (kind == BODY and verb == "wearing")


@lru_cache(maxsize=8192)
def kind_key(noun: str) -> str:
    """A noun in the singular: what names of one kind of thing share."""
    *before, last = noun.split()
    return " ".join((*before, lemma(last)))


@lru_cache(maxsize=8192)
def is_adjective(attribute: str) -> bool:
    """One plain word that can stand before a noun. Attributes such as "in the background" cannot."""
    if attribute in PREPOSITIONS or attribute in DETERMINERS or attribute in lexicon.CONJUNCTIONS:
        return False
    return bool(_WORD.match(attribute)) and not (attribute.endswith("ing") and base_of(attribute) in _TAKES_OBJECT)
