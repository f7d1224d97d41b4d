# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Nested negatives: a chain in which one word of one step is exchanged for one that the scene graph denies.

    the cup                         the cup
    the man holding the cup   ->    the woman holding the cup                   absent: there is no woman
    the dog near the man ...        the dog near the woman holding the cup      absent, too: it refers to what is not there

Steps that do not refer to the changed one keep their words and boxes. The changed step and all that refer to it are absent: the
right answer is a refusal. So the level is known at which an answer goes wrong.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from promvil_hf.compovl import denial_words
from promvil_hf.compovl.chains import Chain, Rung, Step
from promvil_hf.compovl.denials import Denials, opposite_of, with_opposite
from promvil_hf.compovl.relation_words import kind_key
from promvil_hf.compovl.scene_graph import Corners, SceneGraph
from promvil_hf.inflection import lemma, plural


KINDS = ("object", "attribute", "relation")


class NegativeStep(Rung, gc=False):
    """A step of a changed chain; `absent` ones have no boxes."""

    absent: bool


class Negative(msgspec.Struct, gc=False):
    """A changed chain. `chain` is the number of the chain of its image that it comes from; `old` became `new`, and the changed
    step was `was`, which has boxes. A model that finds these boxes and refuses the changed step has looked at the picture."""

    chain: int
    expression: str
    level: int
    steps: list[NegativeStep]
    changed_step: int
    changed_level: int
    kind: str
    old: str
    new: str
    was: str
    was_boxes: tuple[Corners, ...]


@dataclass(frozen=True, slots=True)
class _Parts:
    """A step taken apart: "the", adjective and head, then words and anchors in turn. Without a head its first anchor opens it."""

    adjective: str
    head: str
    clauses: tuple[tuple[str, int], ...]

    def written(self, texts: Sequence[str]) -> str:
        opening = f"the {self.adjective} {self.head}" if self.adjective else f"the {self.head}" if self.head else ""
        return opening + "".join(f"{words}{texts[anchor]}" for words, anchor in self.clauses)


@dataclass(frozen=True, slots=True)
class _Exchange:
    step: int
    kind: str
    old: str
    new: str
    parts: _Parts
    head: str


def negatives(graph: SceneGraph, chains: Sequence[Chain], most: int, denials: Denials | None = None) -> list[Negative]:
    """Up to `most` negatives of each chain. Kinds take turns; which of one kind comes first is drawn by a hash of the words."""
    denials = denials or Denials(graph)
    found = []
    for number, chain in enumerate(chains):
        if chain.ambiguous:
            continue
        turns: dict[str, int] = {}
        order = []
        for exchange in _exchanges(chain, denials):
            name = f"{graph.image_id}:{chain.expression}:{exchange.step}:{exchange.kind}:{exchange.new}"
            order.append((blake2b(name.encode(), digest_size=8).digest(), exchange))
        order.sort(key=lambda drawn: drawn[0])
        in_turn = []
        for drawn, exchange in order:
            turns[exchange.kind] = turns.get(exchange.kind, 0) + 1
            in_turn.append((turns[exchange.kind], drawn, exchange))
        in_turn.sort(key=lambda one: one[:2])
        found += [_changed(number, chain, exchange) for _, _, exchange in in_turn[:most]]
    return found


def _exchanges(chain: Chain, denials: Denials) -> Iterator[_Exchange]:
    """Every exchange that the graph denies."""
    taken_apart = [_parts(step, chain.steps) for step in chain.steps]
    if None in taken_apart:
        return
    for place, (step, parts) in enumerate(zip(chain.steps, taken_apart, strict=True)):
        if parts.head:
            worn = any("wearing" in words for other in taken_apart for words, anchor in other.clauses if anchor == place)
            yield from _of_head(place, parts, worn, denials)
            yield from _of_adjective(place, parts, denials)
        yield from _of_relations(place, step, parts, chain.steps, denials)


def _of_head(place: int, parts: _Parts, worn: bool, denials: Denials) -> Iterator[_Exchange]:
    family = _family(parts.head)
    if family is None or (worn and family not in denial_words.WORN):  # nobody wears a guitar in place of a backpack
        return
    many = lemma(parts.head) != parts.head and plural(parts.head) == parts.head
    for new in denial_words.NEW_NOUNS[family]:
        if denials.noun(new):
            written = plural(new) if many else new
            yield _Exchange(place, "object", parts.head, written, _Parts(parts.adjective, written, parts.clauses), written)


def _of_adjective(place: int, parts: _Parts, denials: Denials) -> Iterator[_Exchange]:
    for look in denial_words.LOOKS:
        family, words, _, written = look
        old = parts.adjective
        if old in denial_words.FAMILY_WORDS[family] and old not in words and denials.look(parts.head, look):
            yield _Exchange(place, "attribute", old, written, _Parts(written, parts.head, parts.clauses), parts.head)


def _of_relations(
    place: int, step: Step, parts: _Parts, steps: Sequence[Step], denials: Denials
) -> Iterator[_Exchange]:
    if len({words.strip().removeprefix("and ") for words, _ in parts.clauses}) < len(parts.clauses):
        return
    for number, (words, anchor) in enumerate(parts.clauses):
        link = words.strip().removeprefix("and ").strip()
        repeated = number + 1 < len(parts.clauses) and parts.clauses[number + 1][0] == " and "  # "with the beard and the hat"
        if not link or repeated or opposite_of(link) is None or not denials.relation(step.head, link, steps[anchor].head):
            continue
        new = with_opposite(link)
        changed = words.replace(link, new)
        clauses = (*parts.clauses[:number], (changed, anchor), *parts.clauses[number + 1 :])
        yield _Exchange(place, "relation", link, new, _Parts(parts.adjective, parts.head, clauses), step.head)


def _parts(step: Step, steps: Sequence[Step]) -> _Parts | None:
    """A step taken apart; None where it is not put together the way the grammar does it."""
    clauses, text, at = [], step.text, 0
    is_opened = bool(step.anchors) and len(step.anchors) == len(step.relation_ids) + 1
    head = adjective = ""
    if not is_opened:
        before = text.find(f" {step.head}", 0)
        if not text.startswith("the ") or before < 0:
            return None
        adjective, head, at = text[4 : max(before, 4)], step.head, before + 1 + len(step.head)
        if " " in adjective:
            return None
    for anchor in step.anchors:
        start = text.find(steps[anchor].text, at)
        if start < 0:
            return None
        clauses.append((text[at:start], anchor))
        at = start + len(steps[anchor].text)
    parts = _Parts(adjective, head, tuple(clauses))
    return parts if parts.written([other.text for other in steps]) == text else None


def _family(noun: str) -> str | None:
    """The family of a noun whose things may be exchanged."""
    words = noun.split()
    whole = kind_key(noun)
    if whole in denial_words.FAMILY:
        return denial_words.FAMILY[whole]
    if denial_words.NOT_REALLY.intersection(words[:-1]):
        return None
    return denial_words.FAMILY.get(lemma(words[-1]))


def _changed(number: int, chain: Chain, exchange: _Exchange) -> Negative:
    """The chain with one step changed, and with what refers to it written anew."""
    texts: list[str] = []
    steps: list[NegativeStep] = []
    for place, step in enumerate(chain.steps):
        absent = place == exchange.step or any(steps[anchor].absent for anchor in step.anchors)
        if absent:
            parts = exchange.parts if place == exchange.step else _parts(step, chain.steps)
            texts.append(parts.written(texts))
        else:
            texts.append(step.text)
        steps.append(
            NegativeStep(
                texts[-1],
                step.level,
                exchange.head if place == exchange.step else _head_of(step, steps),
                () if absent else step.boxes,
                () if absent else step.object_ids,
                step.anchors,
                tuple([texts[anchor] for anchor in step.anchors]),
                absent,
            )
        )
    changed = chain.steps[exchange.step]
    return Negative(
        number, texts[-1], chain.level, steps, exchange.step, changed.level, exchange.kind, exchange.old, exchange.new,
        changed.text, changed.boxes,
    )  # fmt: skip


def _head_of(step: Step, steps: Sequence[NegativeStep]) -> str:
    """The head of the step, or of the step that it begins with."""
    is_opened = bool(step.anchors) and len(step.anchors) == len(step.relation_ids) + 1
    return steps[step.anchors[0]].head if is_opened else step.head
