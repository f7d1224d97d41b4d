# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Simple noun phrases: how far one reaches, which word is its head, and whether it names a thing at all.

"A group of people" is one chunk about people, "the far left" and "the photo" are chunks that name a place and
no thing. Touches nothing but the lexicon and the tags.
"""

from dataclasses import dataclass

from promvil_hf.inflection import lemma
from promvil_hf.nesting import lexicon
from promvil_hf.nesting.kinds import ANIMATE, BODY, CLOTHES, kind_of
from promvil_hf.nesting.tags import ADJ, ADV, AUX, COMMA, CONJ, DET, DIR, NOUN, NUM, PARTICIPLE, POSS, PREP, VERB


STARTS_CHUNK = frozenset({DET, POSS, NUM, ADJ, NOUN, DIR})
_OPENS_NOUN = frozenset({NOUN, ADJ, NUM, DIR})
_COUNTS = lexicon.MEASURES - lexicon.PARTS
_ONLY_PLACES = frozenset("middle center centre background foreground distance rightmost leftmost".split())
_ON_BODY = frozenset({BODY, CLOTHES})
_PICTURES = frozenset("photo photograph picture photos pictures".split())
_BESIDE = frozenset("to near beside behind by below above under with next".split())
_ABOUT = (["at", "least"], ["at", "most"], ["up", "to"], ["more", "than"])
_FRONT_DIRECTIONS = frozenset({"left", "right", "front", "back"})


@dataclass(slots=True, eq=False)
class Chunk:
    """A simple noun phrase: words `[start, end)`, the head word, and whether it names a thing or only a place or a
    quality.
    """

    start: int
    end: int
    head: int
    has_determiner: bool
    is_thing: bool


def read_chunk(words: list[str], tags: list[str], start: int, depth: int = 0) -> Chunk:
    """The chunk that begins at `start`; its head is -1 where it holds only adjectives and no determiner.

    `depth` counts the measures before it ("a pair of slices of bread"), of which there are never many.
    """
    i, count = start, len(words)
    head = last_quality = -1
    has_determiner = False
    while i < count:
        now = tags[i]
        if now == NOUN:
            head = i
        elif now == DIR:
            if head >= 0 and tags[head] != DIR and _direction_opens_relation(words, tags, i):
                break
            head = i
        elif now == ADJ:
            if head >= 0 and tags[head] != DIR and not _is_inside_name(words, tags, i, head, has_determiner):
                break
            last_quality = i
        elif now == NUM:
            if head >= 0:
                if i + 1 < count and tags[i + 1] in _OPENS_NOUN:
                    break
                i += 1  # "number 3"
                break
            last_quality = i
        elif now == DET or now == POSS:
            if head >= 0 or (last_quality >= 0 and tags[i - 1] != NUM):
                break
            has_determiner = has_determiner or words[i] not in ("all", "both", "either", "neither")
        elif now == ADV:
            if head >= 0 or not (i + 1 < count and tags[i + 1] in (ADJ, PARTICIPLE)):
                break
        elif now in (CONJ, COMMA) and max(last_quality, head) >= 0 and _qualities_go_on(words, tags, i, head, has_determiner):
            head = -1
        elif not (words[i] == "/" and head >= 0 and i + 1 < count and tags[i + 1] == NOUN):  # "birthday / wedding cake"
            break
        i += 1
    end = i
    if (
        head >= 0
        and tags[head] == DIR
        and last_quality > head
        and words[last_quality] not in lexicon.DIRECTION_MODIFIERS
    ):
        head = last_quality
    if head < 0:
        if not has_determiner and not (last_quality >= 0 and tags[last_quality] == NUM):
            return Chunk(start, end, -1, False, False)
        head = last_quality if last_quality >= 0 else end - 1
        if has_determiner and last_quality < 0:
            return Chunk(start, end, -1, True, False)
    is_measure = words[head] in _COUNTS and depth < 3 and end + 1 < count and words[end] == "of"
    inner_start = end + 3 if words[end + 1 : end + 3] in _ABOUT else end + 1  # "a group of at least two zebras"
    if is_measure and inner_start < count and tags[inner_start] in STARTS_CHUNK:
        inner = read_chunk(words, tags, inner_start, depth + 1)
        if inner.head >= 0:
            return Chunk(start, inner.end, inner.head, True, inner.is_thing)
    return Chunk(start, end, head, has_determiner, _names_a_thing(words, tags, start, head))


def is_part(words: list[str], tags: list[str], chunk: Chunk) -> bool:
    """ "The front of a red bus" names a part of the bus, "the middle of the three birds" one of the birds."""
    start = chunk.end + 1
    if words[chunk.head] not in lexicon.PARTS or start >= len(words) or tags[start] not in STARTS_CHUNK:
        return False
    whole = read_chunk(words, tags, start)
    is_one_of = NUM in tags[start : whole.end] or lemma(words[whole.head]) != words[whole.head]
    return whole.head >= 0 and whole.is_thing and not is_one_of


def verb_group(tags: list[str], gap: list[int]) -> int:
    """How many words the first verb takes, with its auxiliaries before it and its prepositions behind it."""
    size = 0
    while size < len(gap) and tags[gap[size]] in (AUX, ADV):
        size += 1
    if size < len(gap) and tags[gap[size]] in (PARTICIPLE, VERB):
        size += 1
    while size < len(gap) and tags[gap[size]] == PREP:
        size += 1
    return max(size, 1)


def is_absent(words: list[str], tags: list[str], gap: list[int], start: int) -> bool:
    """Said not to be there: "no food", "without a hat", "not wearing a bag"."""
    if words[start] == "no":
        return True
    is_definite = tags[start] == POSS or words[start] in ("the", "this", "that", "these", "those")
    return not is_definite and any(words[i] in lexicon.DENIES for i in gap)


def _direction_opens_relation(words: list[str], tags: list[str], i: int) -> bool:
    """ "the cup left of the plate", "the man right next to it": a direction behind a noun is no part of its name."""
    following = words[i + 1] if i + 1 < len(words) else ""
    if following == "of":
        return True
    if words[i] in _ONLY_PLACES:
        return not (i + 1 < len(words) and tags[i + 1] == NOUN)  # "the middle most animal center"
    if words[i] in _FRONT_DIRECTIONS:
        return not (i + 1 < len(words) and tags[i + 1] == NOUN)
    return False


def _is_inside_name(words: list[str], tags: list[str], i: int, head: int, has_determiner: bool) -> bool:
    """A quality between two nouns of one name: "a toy wooden truck", "a forest green pillow"."""
    if not (i + 1 < len(words) and tags[i + 1] == NOUN):
        return False
    if words[head] in lexicon.SHADES_OF:
        return has_determiner or tags[head - 1 : head] != [NOUN]
    is_owned = lemma(words[head]) != words[head] and kind_of(words[head]) in ANIMATE and kind_of(words[i + 1]) in _ON_BODY
    return words[i] in lexicon.MATERIALS or is_owned  # "the mans blue shirt"


def _qualities_go_on(words: list[str], tags: list[str], i: int, head: int, has_determiner: bool) -> bool:
    """ "black and white cat", "red , yellow and orange kite", "wood and metal bench": one list of qualities before one
    noun.
    """
    if head >= 0 and words[head] not in lexicon.MATERIALS:
        return False
    count = len(words)
    j = i + 1
    if tags[i] == COMMA and has_determiner and tags[j : j + 1] == [NOUN]:  # "a soft , grumpy dog", "a soft , brown , dog"
        return tags[i - 1] == ADJ and (tags[j + 1 : j + 2] == [NOUN] or COMMA in tags[j - 4 : i] or j + 1 == count)
    if j < count and tags[j] == CONJ:
        j += 1
    if j >= count or not ((tags[j] == ADJ and head < 0) or words[j] in lexicon.MATERIALS):
        return False
    while j < count and (tags[j] in (ADJ, CONJ, COMMA, NUM) or words[j] in lexicon.MATERIALS and tags[j + 1 : j + 2] != [CONJ]):
        j += 1
    return j < count and tags[j] in (NOUN, DIR)


def _names_a_thing(words: list[str], tags: list[str], start: int, head: int) -> bool:
    """False for a place ("the far left"), the picture itself ("the photo") and a quality ("the colour")."""
    word = words[head]
    if word in lexicon.ATTRIBUTES or words[head - 1 : head] == ["mid"]:  # "in mid air", "in mid jump"
        return False
    if word in ("half", "part", "portion") and head > start and tags[head - 1] == DIR and words[head + 1 : head + 2] != ["of"]:
        return False  # "white on the bottom half"
    if word == "directions" and words[head - 1 : head] == ["opposite"]:
        return False  # "in opposite directions"
    if (tags[head] == ADJ and word in lexicon.ORDERS) or word in ("least", "most"):
        return False  # "the furthest to the right"
    if start > 0 and tags[head] == ADJ and word.endswith("est") and words[head + 1 : head + 2] == ["of"]:
        return False  # "that is the largest of three suitcases"
    if start > 0 and head == start and _is_bare(words, tags, start):
        return False  # "one out of four", "in line"
    if word in lexicon.IMAGE_WORDS:
        return _is_picture_inside(words, tags, start, head)
    if tags[head] != DIR or (word == "back" and tags[start] == POSS):
        return True  # "showing her back"
    return any(tags[i] in (ADJ, NOUN) and words[i] not in lexicon.DIRECTION_MODIFIERS for i in range(start, head))


def _is_bare(words: list[str], tags: list[str], at: int) -> bool:
    """A number that counts nothing named, or a word for how things stand."""
    if words[at] in ("line", "row"):
        return words[at - 1] == "in"
    return tags[at] == NUM or words[at] == "one"


def _is_picture_inside(words: list[str], tags: list[str], start: int, head: int) -> bool:
    """Whether a picture is a thing in the image ("a framed photo", "near the photo") and not the image itself."""
    before = words[start - 1] if start else ""
    if before == "of" and start > 1 and tags[start - 2] == DIR:
        return False  # "on the side of a picture"
    if before in _BESIDE or (start and tags[start - 1] in (PARTICIPLE, VERB)):
        if words[head] in _PICTURES:
            return True
    where = lexicon.DIRECTION_MODIFIERS  # "in the left hand picture"
    qualities = [i for i in range(start, head) if tags[i] in (ADJ, NOUN, NUM, POSS) and words[i] not in where]
    if before == "in" and {words[i] for i in qualities} == {"black", "white"}:
        return False
    return bool(qualities) or any(words[i] in ("a", "an") for i in range(start, head))
