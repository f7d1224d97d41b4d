# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What a scene graph denies: that a thing is in the picture, that one of a kind looks so, that one stands so to another.

A graph is incomplete, so nothing is denied merely because the graph does not have it:

- a noun, when it is of a kind that people name, and no word in the graph or in what people wrote about the image might mean it;
- a look, when every thing that the noun might name is said to look otherwise (one that is red is not blue);
- a relation, when for every pair of things that the two nouns might name the boxes or a relation of the graph exclude it.
"""

from functools import cached_property

from promvil_hf.compovl import denial_words
from promvil_hf.compovl.relation_words import link_of, noun_of
from promvil_hf.compovl.scene_graph import Corners, SceneGraph, Thing
from promvil_hf.inflection import lemma, plural


_PUNCTUATION = ".,;:!?\"'()"


class Denials:
    """Answers for one graph."""

    def __init__(self, graph: SceneGraph):
        self.things = list(graph.things.values())
        self.nouns = [frozenset(_last_words(thing)) for thing in self.things]
        self.phrases = [_lemmas(region.phrase) for region in graph.regions]
        self.links: dict[tuple[int, int], set[str]] = {}
        for relation in (*graph.relations, *(in_region for region in graph.regions for in_region in region.relations)):
            link = link_of(relation.predicate)
            if link is not None:
                self.links.setdefault((relation.subject, relation.object), set()).add(link)

    @cached_property
    def spoken(self) -> frozenset[str]:
        """Every word of the graph, in the singular."""
        words = {word for phrase in self.phrases for word in phrase}
        for thing in self.things:
            for text in (*thing.names, *thing.attributes):
                words |= _lemmas(text)
        return frozenset(words)

    def noun(self, new: str) -> bool:
        """Whether nothing that `new` names is in the picture. `new` is one of `denial_words.HIDES`."""
        return not denial_words.HIDES[new] & self.spoken

    def look(self, noun: str, look: denial_words.Look) -> bool:
        """Whether nothing that `noun` might name looks so."""
        family, words, near, _ = look
        things = self._named(noun)
        known = denial_words.FAMILY_WORDS[family]
        for thing in things:
            said = {word for attribute in thing.attributes for word in attribute.split()}
            said |= {word for name in thing.names for word in name.split()[:-1]}
            if not said & known or said & near or (family == "colour" and said & denial_words.MANY_COLOURS):
                return False
        kinds = denial_words.may_name(noun)
        return bool(things) and not any(phrase & words and phrase & kinds for phrase in self.phrases) and not self._many(noun)

    def _many(self, noun: str) -> bool:
        """Whether somebody spoke of several of these: then some of them may have no entry in the graph."""
        kinds = denial_words.may_name(noun)
        several = {plural(kind) for kind in kinds} - kinds
        return any(several & phrase for phrase in (*self.phrases, *(set(name.split()) for t in self.things for name in t.names)))

    def relation(self, subject: str, link: str, thing: str) -> bool:
        """Whether nothing that `subject` might name stands in the opposite of `link` to anything that `thing` might name."""
        opposite, by = opposite_of(link)
        pairs = [(a, b) for a in self._named(subject) for b in self._named(thing) if a.object_id != b.object_id]
        if not pairs or (opposite == "under" and lemma(thing.split()[-1]) not in denial_words.HAS_ROOM_BELOW):
            return False
        denies = self._boxes_deny if by == "boxes" else self._graph_denies
        return all(denies(a, opposite, b) for a, b in pairs)

    def _boxes_deny(self, a: Thing, opposite: str, b: Thing) -> bool:
        side = opposite.split()[-2] if opposite.endswith(" of") else opposite
        return boxes_exclude(a.xyxy, side, b.xyxy)

    def _graph_denies(self, a: Thing, opposite: str, b: Thing) -> bool:
        """A relation of the graph says the contrary of this pair, and the boxes do not speak against that one."""
        there = {_end_of(link) for link in self.links.get((a.object_id, b.object_id), ())}
        back = {_end_of(link) for link in self.links.get((b.object_id, a.object_id), ())}
        lower = a.xyxy[3] > b.xyxy[3]  # what is nearer reaches further down in most pictures
        centre_above = a.xyxy[1] + a.xyxy[3] < b.xyxy[1] + b.xyxy[3]
        match opposite:
            case "behind":
                return lower and ("in front of" in there or "behind" in back)
            case "in front of":
                return not lower and ("behind" in there or "in front of" in back)
            case "under":
                return centre_above and bool(there & {"on", "on top of"})
            case "on top of":
                return not centre_above and bool(there & {"under", "underneath"})
        return False

    def _named(self, noun: str) -> list[Thing]:
        """The things that this noun might name."""
        kinds = denial_words.may_name(noun)
        return [thing for thing, nouns in zip(self.things, self.nouns, strict=True) if nouns & kinds]


def boxes_exclude(a: Corners, side: str, b: Corners) -> bool:
    """Whether nobody would say that a is on this side of b (left, right, above, below): it is clearly on the other one."""
    if side in ("right", "below"):
        along = 0 if side == "right" else 1
        return _middle(a, along) <= b[along] and a[along + 2] <= _middle(b, along)
    along = 0 if side == "left" else 1
    return _middle(a, along) >= b[along + 2] and a[along] >= _middle(b, along)


def opposite_of(link: str) -> tuple[str, str] | None:
    """The opposite of the place that ends a link, and what can deny it ("boxes" or "graph"); None: it has no opposite."""
    return denial_words.OPPOSITES.get(_end_of(link))


def with_opposite(link: str) -> str:
    """The link with the place at its end exchanged: "parked in front of" gives "parked behind"."""
    end = _end_of(link)
    return link[: len(link) - len(end)] + denial_words.OPPOSITES[end][0]


def _end_of(link: str) -> str:
    words = link.split()
    for start in range(len(words) if words[0] != "that" else 0):  # "that has on" is no place
        end = " ".join(words[start:])
        if end in denial_words.OPPOSITES:
            return end
    return link


def _last_words(thing: Thing):
    for name in thing.names:
        noun = noun_of(name) or name
        yield lemma(noun.split()[-1]) if noun.split() else noun


def _lemmas(text: str) -> frozenset[str]:
    words = [word.strip(_PUNCTUATION) for word in text.lower().split()]
    return frozenset(words) | frozenset(lemma(word) for word in words if word)


def _middle(corners: Corners, along: int) -> float:
    return (corners[along] + corners[along + 2]) / 2
