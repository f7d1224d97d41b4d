# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Positions and orders in an expression: "on the right", "the second from the left", "closest to", "the other".

They choose among things of one kind and name none themselves, so a decomposition has no phrase for them. A detector cannot
find them either: whoever composes its boxes needs to know which words of a phrase are such a choice. Read from a finished
`Nesting`, so that decomposing costs nothing more.
"""

from dataclasses import dataclass

from promvil_hf.nesting import lexicon
from promvil_hf.nesting.levels import Nesting


SIDE, ORDER, NEAREST, OTHER = KINDS = ("side", "order", "nearest", "other")


@dataclass(frozen=True, slots=True)
class Place:
    """A choice among things of one kind, said of the phrase at index `phrase`.

    `kind` is "side" ("on the right"), "order" ("leftmost", "second from the left"), "nearest" ("closest to the tree") or
    "other" ("the other"). `side` is left, right, top, bottom, front, back, middle or "" where none is named. `rank`
    counts from that side, from 1; -1 is the last, 0 none. `chars` is where it stands in `Nesting.text`.
    """

    kind: str
    phrase: int
    text: str
    chars: tuple[int, int]
    side: str = ""
    rank: int = 0


_SIDES = {
    **{word: word for word in ("left", "right", "top", "bottom", "front", "back", "middle")},
    "center": "middle", "centre": "middle", "upper": "top", "lower": "bottom", "rear": "back", "background": "back",
    "foreground": "front", "distance": "back", "lefthand": "left", "righthand": "right", "leftside": "left",
    "rightside": "right",
}  # fmt: skip
_EXTREMES = {f"{word}most": side for word, side in _SIDES.items()} | {f"{word}-most": side for word, side in _SIDES.items()}
_RANKS = {
    word: number
    for number, words in enumerate(
        ("first 1st", "second 2nd", "third 3rd", "fourth 4th", "fifth 5th", "sixth 6th"), start=1
    )
    for word in words.split()
} | {"last": -1}
_NEAREST = frozenset("closest nearest closer nearer".split())
_FARTHEST = frozenset("farthest furthest".split())
_LEADS = frozenset("on in at to from toward towards the far most very hand side".split())


def places(nesting: Nesting) -> tuple[Place, ...]:
    """The positions and orders that stand in an expression, in the order of the text.

    >>> from promvil_hf.nesting import decompose
    >>> [(place.kind, place.side, place.rank) for place in places(decompose("the second man from the left"))]
    [('order', 'left', 2)]
    """
    words = [nesting.text[start:end].lower() for start, end in nesting.tokens]
    found: list[Place] = []
    i = 0
    while i < len(words):
        read = _read(words, i)
        if read is None:
            i += 1
            continue
        start, end, kind, side, rank = read
        if not (kind == SIDE and _is_relation(nesting, start, end)):
            found.append(_placed(nesting, start, end, kind, side, rank))
        i = end
    return tuple(_joined(found))


def _read(words: list[str], i: int) -> tuple[int, int, str, str, int] | None:
    """(first word, end, kind, side, rank) of what begins at word `i`."""
    word, following = words[i], words[i + 1] if i + 1 < len(words) else ""
    if word in _RANKS and following not in ("hand", "floor", "base"):
        return i, i + 1, ORDER, "", _RANKS[word]
    if word in _EXTREMES:
        return i, i + 1, ORDER, _EXTREMES[word], 1
    if word in _SIDES and following == "most":
        return i, i + 2, ORDER, _SIDES[word], 1
    if word == "far" and following in _SIDES:
        return i, i + 2, ORDER, _SIDES[following], 1
    if word in _NEAREST or word in _FARTHEST:
        side = next((k for k in range(i + 1, min(i + 4, len(words))) if words[k] in _SIDES), -1)
        if side > 0 and all(lead in _LEADS for lead in words[i + 1 : side]):
            return i, side + 1, ORDER, _SIDES[words[side]], 1  # "furthest to the right"
        return i, i + 1 + (following == "to"), NEAREST, "", 1 if word in _NEAREST else -1
    if word == "other" or (word == "another" and following not in lexicon.NUMBERS):
        return i, i + 1, OTHER, "", 0
    if word not in _SIDES:
        return None
    is_of_body = (word in ("back", "front") and following in ("to", "of")) or words[i - 1 : i] in (["his"], ["her"], ["its"])
    if is_of_body:
        return None
    start = i
    while start and words[start - 1] in _LEADS:
        start -= 1
    start += words[start] == "the"
    end = i + 1
    while end < len(words) and words[end] in ("side", "hand", "corner"):
        end += 1
    kind = ORDER if "from" in words[start:i] else SIDE
    return start, end, kind, _SIDES[word], 0


def _is_relation(nesting: Nesting, start: int, end: int) -> bool:
    """Whether the words tie a phrase to one of its anchors ("to the left of the car"): a relation, not a choice."""
    first, last = nesting.tokens[start][0], nesting.tokens[end - 1][1]
    for phrase in nesting.phrases:
        for anchor, relation in zip(phrase.anchors, phrase.relations):
            at = nesting.phrases[anchor].chars[0]
            if relation and at - len(relation) - 2 <= first and last <= at and relation.endswith("of"):
                return True
    return False


def _placed(nesting: Nesting, start: int, end: int, kind: str, side: str, rank: int) -> Place:
    chars = nesting.tokens[start][0], nesting.tokens[end - 1][1]
    holding = (i for i, nested in enumerate(nesting.phrases) if nested.span[0] <= start and end <= nested.span[1])
    phrase = min(holding, key=lambda i: nesting.phrases[i].span[1] - nesting.phrases[i].span[0])
    return Place(kind, phrase, nesting.text[chars[0] : chars[1]], chars, side, rank)


def _joined(found: list[Place]) -> list[Place]:
    """ "the second man from the left": a rank, and the side that it is counted from, are one order."""
    joined: list[Place] = []
    for place in found:
        before = joined[-1] if joined else None
        if before is not None and before.phrase == place.phrase and before.kind == place.kind == ORDER:
            if before.rank and not before.side and place.side and not place.rank:
                joined[-1] = Place(ORDER, before.phrase, f"{before.text} {place.text}", before.chars, place.side, before.rank)
                continue
            if before.side == place.side:
                continue
        if place.kind == ORDER and not place.rank:
            place = Place(SIDE, place.phrase, place.text, place.chars, place.side)
        joined.append(place)
    return joined
