# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The question types of GQA's kind: each maker drafts one question about a scene, or nothing when the scene offers none.

Makers of yes-or-no questions are called with the answer to reach. Both answers are built from the same relation or
description, so that the words of a question do not give its answer away. No torch.
"""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import permutations
from random import Random

from promvil_hf.toy.config import ASPECTS, DIRECTIONS, INVERSES, ROBOT, SPOKEN
from promvil_hf.toy.gqa_draft import Draft, Piece
from promvil_hf.toy.language import Noun, described, with_article
from promvil_hf.toy.objects import ToyObject
from promvil_hf.toy.questions import OPEN_PREDICATES, aspect_words, choose_phrase, only_neighbour, open_aspects
from promvil_hf.toy.relations import members, side_of
from promvil_hf.toy.scenery import Scene


# Texts and programs


def _said(phrase: Noun) -> list[Piece]:
    """A noun phrase in pieces."""
    pieces: list[Piece] = ["the ", (phrase.head, phrase.target)]
    return [*pieces, f" {phrase.wording} ", *_said(phrase.anchor)] if phrase.anchor else pieces


def _named(phrase: Noun) -> Piece:
    """The bare noun of a phrase, for the full answer."""
    return phrase.name, phrase.target


def _key(phrase: Noun) -> tuple[str, list[int]]:
    return phrase.text.removeprefix("the "), [phrase.target]


def _yes_no(answer: bool) -> str:
    return "yes" if answer else "no"


def _refer(draft: Draft, scene: Scene, phrase: Noun) -> int:
    """Add the steps that find what a phrase refers to; the number of the last one is returned."""
    if phrase.anchor is None:
        last = draft.step("select", f"{phrase.name} ({_ids(scene, [phrase.target])})")
    else:
        anchor = _refer(draft, scene, phrase.anchor)
        last = draft.step("relate", _related(scene, phrase.name, phrase.predicate, "s", [phrase.target]), anchor)
    for word in phrase.adjectives:
        last = draft.step(f"filter {ASPECTS[word]}", word, last)
    return last


def _with_program(draft: Draft, scene: Scene, phrase: Noun, *steps: tuple[str, str]) -> Draft:
    """The draft with a program that finds a phrase and then does `steps`, each on the result of the one before."""
    last = _refer(draft, scene, phrase)
    for operation, argument in steps:
        last = draft.step(operation, argument, last)
    return draft


def _ids(scene: Scene, positions: Iterable[int]) -> str:
    return ",".join(str(scene.objects[k].object_id) for k in positions) or "-"


def _related(scene: Scene, name: str, predicate: str, role: str, positions: Iterable[int]) -> str:
    """The argument of a step that looks for what is related; `role` says which end the name is: subject or object."""
    return f"{name},{SPOKEN[predicate]},{role} ({_ids(scene, positions)})"


# Attributes


def _aspect_of(thing: ToyObject, aspect: str) -> str:
    return {"color": thing.color, "size": thing.size, "pattern": thing.texture}[aspect]


def _others(scene: Scene, thing: ToyObject, aspect: str) -> list[str]:
    """Words of an aspect that are wrong for a thing, without pairs that training must not read."""
    words = [word for word in aspect_words(scene)[aspect] if word != _aspect_of(thing, aspect)]
    if aspect == "color" and scene.config.split == "train":
        words = [word for word in words if (word, thing.name) not in scene.config.held_out]
    return words


def _with_one_wrong(scene: Scene, rng: Random, thing: ToyObject, asked: dict[str, str]) -> dict[str, str] | None:
    """The aspects of a thing with the word of one of them wrong; None where there is no other word."""
    aspect = rng.choice(list(asked))
    others = _others(scene, thing, aspect)
    return {**asked, aspect: rng.choice(others)} if others else None


def _colored(scene: Scene, rng: Random, *, without: str) -> tuple[Noun, ToyObject] | None:
    """A phrase for something that has a color, silent about one aspect."""
    phrase = choose_phrase(scene, rng, without=without)
    return None if phrase is None or phrase.name == ROBOT else (phrase, scene.objects[phrase.target])


def _comparable(scene: Scene, rng: Random) -> tuple[str, Noun, ToyObject, list[str]] | None:
    """An aspect, a phrase that is silent about it, what that refers to, and the words that would be wrong for it."""
    aspect = rng.choice(open_aspects(scene))
    chosen = _colored(scene, rng, without=aspect)
    others = chosen and _others(scene, chosen[1], aspect)
    return (aspect, *chosen, others) if others else None


def _query_attribute(scene: Scene, rng: Random, wanted: bool) -> Draft | None:
    aspect = rng.choice([*open_aspects(scene), open_aspects(scene)[0]])
    chosen = _colored(scene, rng, without=aspect)
    if chosen is None:
        return None
    phrase, thing = chosen
    answer = _aspect_of(thing, aspect)
    opening = {"color": "What color is ", "size": "What size is ", "pattern": "What is the pattern of "}[aspect]
    draft = Draft(
        "directOf" if aspect == "pattern" else "directWhich",
        answer,
        [opening, *_said(phrase), "?"],
        ["the ", _named(phrase), f" is {answer}."],
        f"10q-{thing.name}_{aspect}",
        [(answer, [phrase.target])],
        aspect,
    )
    return _with_program(draft, scene, phrase, ("query", aspect))


def _choose_attribute(scene: Scene, rng: Random, wanted: bool) -> Draft | None:
    found = _comparable(scene, rng)
    if found is None:
        return None
    aspect, phrase, thing, others = found
    answer = _aspect_of(thing, aspect)
    pair = [answer, rng.choice(others)]
    rng.shuffle(pair)
    draft = Draft(
        "chooseAttr",
        answer,
        ["is ", *_said(phrase), f" {pair[0]} or {pair[1]}?"],
        ["the ", _named(phrase), f" is {answer}."],
        f"10c-{thing.name}_{aspect}",
        [(answer, [phrase.target])],
        aspect,
    )
    return _with_program(draft, scene, phrase, (f"choose {aspect}", "|".join(pair)))


def _verify_attribute(scene: Scene, rng: Random, wanted: bool) -> Draft | None:
    found = _comparable(scene, rng)
    if found is None:
        return None
    aspect, phrase, thing, others = found
    truth = _aspect_of(thing, aspect)
    asked = truth if wanted else rng.choice(others)
    draft = Draft(
        "verifyAttr",
        _yes_no(wanted),
        ["is ", *_said(phrase), f" {asked}?"],
        [f"{_yes_no(wanted)}, the ", _named(phrase), f" is {truth}."],
        f"06-{thing.name}_{asked}",
        [_key(phrase)],
    )
    return _with_program(draft, scene, phrase, (f"verify {aspect}", asked))


def _verify_two_attributes(scene: Scene, rng: Random, wanted: bool) -> Draft | None:
    chosen = _colored(scene, rng, without="color")
    if chosen is None or any(ASPECTS[word] == "size" for word in chosen[0].adjectives):
        return None
    phrase, thing = chosen
    asked: dict[str, str] | None = {"size": thing.size, "color": thing.color}
    if not wanted:
        asked = _with_one_wrong(scene, rng, thing, asked)
    if asked is None:
        return None
    draft = Draft(
        "verifyAttrs",
        _yes_no(wanted),
        ["is ", *_said(phrase), f" {asked['size']} and {asked['color']}?"],
        [f"{_yes_no(wanted)}, the ", _named(phrase), f" is {thing.size} and {thing.color}."],
        f"05-{asked['size']}_{asked['color']}",
        [_key(phrase)],
    )
    found = _refer(draft, scene, phrase)
    checks = [draft.step(f"verify {aspect}", word, found) for aspect, word in asked.items()]
    draft.step("and", "", *checks)
    return draft


def _compare(scene: Scene, rng: Random, wanted: bool) -> Draft | None:
    """Are the star and the ring the same color?"""
    things = scene.objects
    pairs = [
        (a, b)
        for a, b in permutations(range(len(things)), 2)
        if things[a].color and things[b].color and (things[a].color == things[b].color) == wanted
    ]
    rng.shuffle(pairs)
    for pair in pairs[:6]:
        phrases = [choose_phrase(scene, rng, target=target, without="color") for target in pair]
        if all(phrases) and not set(phrases[0].targets) & set(phrases[1].targets):
            break
    else:
        return None
    one, other = phrases
    colors = [things[phrase.target].color for phrase in phrases]
    draft = Draft(
        "twoSame",
        _yes_no(wanted),
        ["are ", *_said(one), " and ", *_said(other), " the same color?"],
        [f"{_yes_no(wanted)}, the ", _named(one), f" is {colors[0]} and the ", _named(other), f" is {colors[1]}."],
        f"07-two_{one.name}_{other.name}_color",
        [_key(phrase) for phrase in phrases],
    )
    draft.step("same color", "", _refer(draft, scene, one), _refer(draft, scene, other))
    return draft


def _side(scene: Scene, rng: Random, wanted: bool) -> Draft | None:
    """On which side of the image is the star?"""
    phrase = choose_phrase(scene, rng)
    if phrase is None:
        return None
    left, _, right, _ = scene.objects[phrase.target].xyxy_px
    answer = side_of(left, right, scene.size[0])
    if answer is None:
        return None
    draft = Draft(
        "positionQuery",
        answer,
        ["on which side of the image is ", *_said(phrase), "?"],
        ["the ", _named(phrase), f" is on the {answer} of the image."],
        f"10q-{phrase.name}_hposition",
        [(answer, [phrase.target])],
    )
    return _with_program(draft, scene, phrase, ("query", "hposition"))


# Presence


def _exist(scene: Scene, rng: Random, wanted: bool) -> Draft | None:
    """Is there a small red circle? A "no" differs in one word from something that is there."""
    things = [thing for thing in scene.objects if thing.color]
    if not things:
        return None
    thing = rng.choice(things)
    aspects = [ASPECTS[word] for word in thing.attributes if rng.random() < 0.5] or [ASPECTS[thing.attributes[-1]]]
    asked: dict[str, str] | None = {aspect: _aspect_of(thing, aspect) for aspect in aspects}
    if not wanted:
        asked = _with_one_wrong(scene, rng, thing, asked)
    if asked is None:
        return None
    fits = [
        k
        for k, other in enumerate(scene.objects)
        if other.name == thing.name and all(_aspect_of(other, aspect) == word for aspect, word in asked.items())
    ]
    if bool(fits) != wanted:
        return None
    words = described(thing, tuple(asked.values()))
    draft = Draft(
        "existAttr",
        _yes_no(wanted),
        [f"is there {with_article(words)}?"],
        [f"yes, there is {with_article(words)}." if wanted else f"no, there is no {words}."],
        f"04-{thing.name}_{next(iter(asked.values()))}",
        [(words, fits)] if fits else [],
    )
    last = draft.step("select", f"{thing.name} ({_ids(scene, fits)})")
    for aspect, word in asked.items():
        last = draft.step(f"filter {aspect}", word, last)
    draft.step("exist", "?", last)
    return draft


# Relations


def _true_relation(scene: Scene, rng: Random, predicates) -> tuple[int, str, int] | None:
    triples = [triple for triple in scene.geometry.triples() if triple[1] in predicates]
    if not triples:
        return None
    predicate = rng.choice(sorted({triple[1] for triple in triples}))
    return rng.choice([triple for triple in triples if triple[1] == predicate])


def _exist_relation(scene: Scene, rng: Random, wanted: bool) -> Draft | None:
    """Is there a star above the ring? A "no" names something that is elsewhere in the scene."""
    triple = _true_relation(scene, rng, [p for p in OPEN_PREDICATES if p in scene.config.predicates])
    phrase = triple and choose_phrase(scene, rng, target=triple[2])
    if phrase is None:
        return None
    subject, predicate, anchor = triple
    rows, rivals = scene.geometry.holds[predicate][anchor], scene.geometry.may_hold[predicate][anchor]
    name = scene.objects[subject].name
    if not wanted:
        near = {scene.objects[k].name for k in members(rivals)}
        far = sorted({thing.name for thing in scene.objects} - near - {scene.objects[anchor].name})
        if not far:
            return None
        name = rng.choice(far)
    fits = [k for k in members(rows) if scene.objects[k].name == name]
    if any(k in phrase.targets for k in fits):
        return None
    spoken = SPOKEN[predicate]
    there = f"yes, there is {with_article(name)}" if wanted else f"no, there is no {name}"
    draft = Draft(
        "existRelS",
        _yes_no(wanted),
        [f"is there {with_article(name)} {spoken} ", *_said(phrase), "?"],
        [there, f" {spoken} the ", _named(phrase), "."],
        f"13-{phrase.name}_{name}",
        [(name, fits)] if fits else [],
    )
    related = _related(scene, name, predicate, "s", fits)
    return _with_program(draft, scene, phrase, ("relate", related), ("exist", "?"))


def _query_neighbour(scene: Scene, rng: Random, wanted: bool, predicates: tuple[str, ...], role: str) -> Draft | None:
    """What is above the ring? (the subject, role "s"); What is the robot holding? (the object, role "o")"""
    phrase = choose_phrase(scene, rng)
    options = [
        (predicate, found)
        for predicate in predicates
        if phrase and predicate in scene.config.predicates
        if (found := only_neighbour(scene, predicate if role == "s" else INVERSES[predicate], phrase.target))
        is not None
        and found not in phrase.targets
    ]
    if not options:
        return None
    predicate, found = rng.choice(options)
    spoken, name = SPOKEN[predicate], scene.objects[found].name
    if role == "s":
        question, ends = [f"what is {spoken} ", *_said(phrase), "?"], [(name, found), _named(phrase)]
    else:
        question, ends = ["what is ", *_said(phrase), f" {spoken}?"], [_named(phrase), (name, found)]
    draft = Draft(
        f"rel{role.upper()}",
        name,
        question,
        ["the ", ends[0], f" is {spoken} the ", ends[1], "."],
        f"14-{phrase.name}_{spoken},{role}",
        [(name, [found])],
        "shape",
        answer_object=found,
    )
    related = _related(scene, "_", predicate, role, [found])
    return _with_program(draft, scene, phrase, ("relate", related), ("query", "name"))


def _sided(scene: Scene, rng: Random) -> tuple[int, str, Noun] | None:
    """Something with a noun of its own, its direction from something else, and a phrase for that."""
    names = [thing.name for thing in scene.objects]
    triples = [
        (subject, predicate, anchor)
        for subject, predicate, anchor in scene.geometry.triples()
        if predicate in DIRECTIONS
        and names.count(names[subject]) == 1
        and not scene.geometry.may_hold[INVERSES[predicate]][anchor] >> subject & 1
    ]
    if not triples:
        return None
    subject, predicate, anchor = rng.choice(triples)
    phrase = choose_phrase(scene, rng, target=anchor)
    return None if phrase is None or subject in phrase.targets else (subject, predicate, phrase)


def _verify_relation(scene: Scene, rng: Random, wanted: bool) -> Draft | None:
    """Is the star to the left of the ring?"""
    sided = _sided(scene, rng)
    if sided is None:
        return None
    subject, truth, phrase = sided
    asked = truth if wanted else INVERSES[truth]
    name = scene.objects[subject].name
    draft = Draft(
        "relVerify",
        _yes_no(wanted),
        ["is the ", (name, subject), f" {SPOKEN[asked]} ", *_said(phrase), "?"],
        [f"{_yes_no(wanted)}, the ", (name, subject), f" is {SPOKEN[truth]} the ", _named(phrase), "."],
        f"13-{phrase.name}_{name}",
        [(name, [subject]), _key(phrase)],
    )
    return _with_program(draft, scene, phrase, ("verify rel", _related(scene, name, asked, "s", [subject])))


def _choose_relation(scene: Scene, rng: Random, wanted: bool) -> Draft | None:
    """Is the star to the left or to the right of the ring?"""
    sided = _sided(scene, rng)
    if sided is None:
        return None
    subject, truth, phrase = sided
    pair = sorted((truth, INVERSES[truth]), reverse=wanted)  # the order of the two carries no hint
    spoken = [SPOKEN[predicate] for predicate in pair]
    name, answer = scene.objects[subject].name, truth.removesuffix(" of")
    draft = Draft(
        "relChooser",
        answer,
        ["is the ", (name, subject), f" {spoken[0].removesuffix(' of')} or {spoken[1]} ", *_said(phrase), "?"],
        ["the ", (name, subject), f" is {SPOKEN[truth]} the ", _named(phrase), "."],
        f"13-{phrase.name}_{name}",
        [(answer, [subject, phrase.target])],
    )
    argument = f"{name},{'|'.join(spoken)},s ({_ids(scene, [subject])})"
    return _with_program(draft, scene, phrase, ("choose rel", argument))


Maker = Callable[[Scene, Random, bool], Draft | None]
OPEN_MAKERS: list[Maker] = [
    _query_attribute,
    partial(_query_neighbour, predicates=OPEN_PREDICATES, role="s"),
    partial(_query_neighbour, predicates=("holding", "around"), role="o"),
]
MAKERS: list[Maker] = [
    *OPEN_MAKERS,
    _choose_attribute,
    _verify_attribute,
    _verify_two_attributes,
    _exist,
    _exist_relation,
    _verify_relation,
    _choose_relation,
    _compare,
    _side,
]
