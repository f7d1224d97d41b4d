# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Speaks about a scene: simple noun phrases, expressions nested in each other, captions.

An expression like "the circle above the square left of the red triangle" is built inside out, and only where it is needed and
sound: every anchor in it picks out one object; the whole picks out one object even if all relations that may hold are counted;
its head noun alone fits several objects; and without its innermost clause it is ambiguous again. Clauses attach to the noun
before them (right-branching). No torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from random import Random

from promvil_hf.toy.config import DIRECTIONS, WORDINGS_OF, WorldConfig
from promvil_hf.toy.objects import ToyObject
from promvil_hf.toy.relations import Geometry, members


VERBS = ("touching", "holding", "held by")
PER_TARGET = 3  # phrases kept for one object and level


@dataclass(frozen=True, slots=True)
class Noun:
    """A definite noun phrase: adjectives, a noun, and perhaps a clause that points to another noun phrase.

    Args:
        target: Position of the one object it picks out.
        adjectives: In speaking order.
        name: Its noun.
        fits: Bit set of the objects that adjectives and noun alone fit.
        predicate: Relation of the target to the anchor, or None in a simple phrase.
        wording: How the clause says it.
        anchor: The noun phrase the clause points to.
        without_last: Bit set of the objects it fits without its innermost clause.
    """

    target: int
    adjectives: tuple[str, ...]
    name: str
    fits: int
    predicate: str | None = None
    wording: str = ""
    anchor: "Noun | None" = None
    without_last: int = 0

    @property
    def level(self) -> int:
        return 1 if self.anchor is None else 1 + self.anchor.level

    @property
    def head(self) -> str:
        """The phrase without article and clause."""
        return " ".join((*self.adjectives, self.name))

    @property
    def text(self) -> str:
        """The whole phrase, with its article."""
        clause = f" {self.wording} {self.anchor.text}" if self.anchor else ""
        return f"the {self.head}{clause}"

    @property
    def targets(self) -> tuple[int, ...]:
        """Positions of all objects it speaks about, its own target first."""
        return (self.target, *(self.anchor.targets if self.anchor else ()))


@dataclass(frozen=True, slots=True)
class Part:
    """A noun phrase within an expression.

    Args:
        text: Its words.
        start: Where it begins in the expression's text.
        end: Where it ends.
        level: 1 for a simple noun phrase.
        object_ids: All objects it fits: one when the phrase is an anchor or has a clause, perhaps several for a bare head.
        head: Index of the part that is its own bare head; None for a simple phrase.
        anchors: Indices of the parts its clause points to.
        predicate: The relation of that clause.
    """

    text: str
    start: int
    end: int
    level: int
    object_ids: tuple[int, ...]
    head: int | None = None
    anchors: tuple[int, ...] = ()
    predicate: str | None = None


@dataclass(frozen=True, slots=True)
class Expression:
    """A referring expression with its ground truth. `parts` go from simple to complex; the last one is the whole."""

    text: str
    level: int
    target_id: int
    parts: tuple[Part, ...]
    ambiguous: bool = False

    @property
    def triples(self) -> tuple[tuple[int, str, int], ...]:
        """The relations it uses as `(subject_id, predicate, object_id)`, innermost first."""
        return tuple(
            (part.object_ids[0], part.predicate, self.parts[part.anchors[0]].object_ids[0])
            for part in self.parts
            if part.predicate
        )


@dataclass(frozen=True, slots=True)
class Caption:
    """A sentence about the whole scene; `mentions` are `(start, end, object_id)` of its noun phrases."""

    text: str
    mentions: tuple[tuple[int, int, int], ...]


Nouns = list[list[tuple[tuple[str, ...], int]]]


def nouns(objects: Sequence[ToyObject]) -> Nouns:
    """For each object, every choice of its adjectives with the bit set of the objects that share them and the noun."""
    words: dict[str, int] = {}
    for position, thing in enumerate(objects):
        for word in (thing.name, *thing.attributes):
            words[word] = words.get(word, 0) | 1 << position
    choices = []
    for thing in objects:
        mine = []
        for count in range(len(thing.attributes) + 1):
            for chosen in combinations(thing.attributes, count):
                fits = words[thing.name]
                for word in chosen:
                    fits &= words[word]
                mine.append((chosen, fits))
        choices.append(mine)
    return choices


def compose(
    objects: Sequence[ToyObject], config: WorldConfig, geometry: Geometry, rng: Random
) -> tuple[tuple[Noun, ...], ...]:
    """Find unambiguous noun phrases of each level from 1 to the config's; at most `PER_TARGET` per object and level."""
    choices = nouns(objects)
    simple = [
        Noun(target, adjectives, objects[target].name, fits)
        for target, mine in enumerate(choices)
        for adjectives, fits in mine
        if fits == 1 << target
    ]
    by_target: dict[int, list[Noun]] = {}
    for phrase in simple:
        by_target.setdefault(phrase.target, []).append(phrase)
    levels = [simple]
    for _ in range(1, config.levels):
        by_target = {
            target: found
            for target in range(len(objects))
            if (found := _grow(objects, config, geometry, choices, target, by_target, rng))
        }
        levels.append([phrase for found in by_target.values() for phrase in found])
        if not levels[-1]:
            break
    return tuple(map(tuple, levels)) + ((),) * (config.levels - len(levels))


def _grow(
    objects: Sequence[ToyObject],
    config: WorldConfig,
    geometry: Geometry,
    choices: Nouns,
    target: int,
    anchors: dict[int, list[Noun]],
    rng: Random,
) -> list[Noun]:
    """Phrases for `target` whose clause points to one of `anchors`."""
    bit = 1 << target
    ambiguous_heads = [(adjectives, fits) for adjectives, fits in choices[target] if fits != bit]
    if not ambiguous_heads:
        return []
    holds, may_hold = geometry.holds, geometry.may_hold
    pairs = [
        (predicate, anchor)
        for predicate in config.predicates
        for anchor in anchors
        if anchor != target and holds[predicate][anchor] & bit
    ]
    # Directions hold between most things: without a nudge the rarer relations would hardly be spoken of. A second nudge makes
    # nouns vary within a phrase.
    name = objects[target].name
    pairs.sort(
        key=lambda pair: rng.random() + 0.5 * (pair[0] in DIRECTIONS) + 0.5 * (objects[pair[1]].name == name)
    )
    found: list[Noun] = []
    for predicate, anchor in pairs:
        rows, rivals = holds[predicate], may_hold[predicate][anchor]
        heads = [(adjectives, fits) for adjectives, fits in ambiguous_heads if fits & rivals == bit]
        if not heads:
            continue
        phrases = [phrase for phrase in anchors[anchor] if target not in phrase.targets]
        rng.shuffle(phrases)
        for phrase in phrases:
            adjectives, fits = rng.choice(heads)
            without_last = fits
            if phrase.anchor is not None:
                reached = 0
                for position in members(phrase.without_last):
                    reached |= rows[position]
                without_last = fits & reached
            if without_last == bit:
                continue
            wording = _word(predicate, config.wording, rng)
            anchored = _bound(phrase) if predicate in VERBS else phrase
            found.append(Noun(target, adjectives, name, fits, predicate, wording, anchored, without_last))
            break
        if len(found) == PER_TARGET:
            break
    return found


def _bound(phrase: Noun) -> Noun:
    """The phrase with a clause that no verb before it can claim: "holding the cross above ..." leaves open what is above."""
    if phrase.anchor is None or phrase.wording.startswith("that is "):
        return phrase
    return replace(phrase, wording=f"that is {phrase.wording}")


def _word(predicate: str, manner: str, rng: Random) -> str:
    if manner == "plain":
        return predicate
    wording = rng.choice(WORDINGS_OF[predicate])
    return f"that is {wording}" if rng.random() < 0.15 else wording


def expressions(
    levels: Sequence[Sequence[Noun]], first_id: int, per_level: int, rng: Random
) -> tuple[Expression, ...]:
    """Choose up to `per_level` phrases of each level, spread over objects and predicates, and lay them out part by part."""
    chosen: dict[str, Noun] = {}
    for phrases in levels:
        open_phrases = rng.sample(phrases, len(phrases))
        uses: dict[object, int] = {}
        for _ in range(min(per_level, len(open_phrases))):
            best = min(open_phrases, key=lambda phrase: uses.get(phrase.target, 0) + uses.get(phrase.predicate, 0))
            open_phrases.remove(best)
            chosen.setdefault(best.text, best)
            for trait in (best.target, best.predicate) if best.predicate else (best.target,):
                uses[trait] = uses.get(trait, 0) + 1
    return tuple(lay_out(phrase, first_id) for phrase in chosen.values())


def lay_out(phrase: Noun, first_id: int) -> Expression:
    """Write a phrase down with the span of each of its parts; ids of objects are counted from `first_id`."""
    parts: list[Part] = []

    def simple(text: str, start: int, noun: Noun) -> int:
        ids = tuple(first_id + k for k in members(noun.fits))
        parts.append(Part(text, start, start + len(text), 1, ids))
        return len(parts) - 1

    def write(noun: Noun, start: int) -> int:
        """Append the parts of `noun`, which begins at `start`; the index of its last part is returned."""
        whole = noun.text
        if noun.anchor is None:
            return simple(whole, start, noun)
        anchor = write(noun.anchor, start + len(whole) - len(noun.anchor.text))
        head, ids = simple(f"the {noun.head}", start, noun), (first_id + noun.target,)
        parts.append(Part(whole, start, start + len(whole), noun.level, ids, head, (anchor,), noun.predicate))
        return len(parts) - 1

    write(phrase, 0)
    return Expression(phrase.text, phrase.level, first_id + phrase.target, tuple(parts))


def with_article(words: str) -> str:
    """Put "a" or "an" before some words."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def described(thing: ToyObject, adjectives: Sequence[str] | None = None) -> str:
    """Adjectives and noun of an object, without article; all its adjectives unless some are given."""
    return " ".join((*(thing.attributes if adjectives is None else adjectives), thing.name))


def caption(objects: Sequence[ToyObject], rng: Random) -> Caption:
    """Name every object once, in random order: "a small red circle, an orange star and a robot."."""
    order = list(objects)
    rng.shuffle(order)
    text, mentions = "", []
    for rank, thing in enumerate(order):
        text += "" if not rank else " and " if rank == len(order) - 1 else ", "
        phrase = with_article(described(thing))
        mentions.append((len(text), len(text) + len(phrase), thing.object_id))
        text += phrase
    return Caption(text + ".", tuple(mentions))
