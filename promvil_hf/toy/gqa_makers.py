# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The question types of GQA's kind: each maker drafts one question about a scene, or nothing when the scene offers none.

Those with yes or no are told which answer to reach. Both answers are built from the same relation or description, so that the
words of a question do not give its answer away. No torch.
"""

from collections.abc import Callable
from itertools import permutations
from random import Random
from typing import TYPE_CHECKING

from promvil_hf.toy.config import ASPECTS, DIRECTIONS, INVERSES, ROBOT, SIZES, SPOKEN
from promvil_hf.toy.gqa_draft import Draft, Piece
from promvil_hf.toy.language import Noun, described, with_article
from promvil_hf.toy.objects import ToyObject
from promvil_hf.toy.questions import OPEN_PREDICATES, choose_phrase, only_neighbour, open_aspects
from promvil_hf.toy.relations import members, side_of


if TYPE_CHECKING:
    from promvil_hf.toy.scenery import Scene


def _said(phrase: Noun) -> list[Piece]:
    """A noun phrase in pieces."""
    pieces: list[Piece] = ["the ", (phrase.head, phrase.target)]
    return [*pieces, f" {phrase.wording} ", *_said(phrase.anchor)] if phrase.anchor else pieces


def _refer(draft: Draft, scene: "Scene", phrase: Noun) -> int:
    """The steps that find what a phrase refers to."""
    object_id = scene.objects[phrase.target].object_id
    if phrase.anchor is None:
        last = draft.step("select", f"{phrase.name} ({object_id})")
    else:
        anchor = _refer(draft, scene, phrase.anchor)
        predicate = SPOKEN[phrase.predicate]
        last = draft.step("relate", f"{phrase.name},{predicate},s ({object_id})", anchor)
    for word in phrase.adjectives:
        last = draft.step(f"filter {ASPECTS[word]}", word, last)
    return last


def _key(phrase: Noun) -> tuple[str, list[int]]:
    return phrase.text.removeprefix("the "), [phrase.target]


def _yes_no(answer: bool) -> str:
    return "yes" if answer else "no"


def _aspect_of(thing: ToyObject, aspect: str) -> str:
    return {"color": thing.color, "size": thing.size, "pattern": thing.texture}[aspect]


def _words_of(scene: "Scene", aspect: str) -> tuple[str, ...]:
    return {"color": scene.config.colors, "size": SIZES, "pattern": scene.config.textures}[aspect]


def _others(scene: "Scene", thing: ToyObject, aspect: str) -> list[str]:
    """Words of an aspect that are wrong for a thing, without pairs that training must not read."""
    words = [word for word in _words_of(scene, aspect) if word != _aspect_of(thing, aspect)]
    if aspect == "color" and scene.config.split == "train":
        words = [word for word in words if (word, thing.name) not in scene.config.held_out]
    return words


def _colored(scene: "Scene", rng: Random, *, without: str) -> tuple[Noun, ToyObject] | None:
    """A phrase for something that has a color, silent about one aspect."""
    phrase = choose_phrase(scene, rng, without=without)
    return None if phrase is None or phrase.name == ROBOT else (phrase, scene.objects[phrase.target])


def _query_attribute(scene: "Scene", rng: Random, wanted: bool) -> Draft | None:
    aspect = rng.choice([*open_aspects(scene), open_aspects(scene)[0]])
    chosen = _colored(scene, rng, without=aspect)
    if chosen is None:
        return None
    phrase, thing = chosen
    answer = _aspect_of(thing, aspect)
    opening = {"color": "What color is ", "size": "What size is ", "pattern": "What is the pattern of "}[aspect]
    draft = Draft(
        "directOf" if aspect == "pattern" else "directWhich",
        "attr",
        "query",
        answer,
        [opening, *_said(phrase), "?"],
        ["the ", (thing.name, phrase.target), f" is {answer}."],
        f"10q-{thing.name}_{aspect}",
        aspect,
        [(answer, [phrase.target])],
    )
    draft.step("query", aspect, _refer(draft, scene, phrase))
    return draft


def _choose_attribute(scene: "Scene", rng: Random, wanted: bool) -> Draft | None:
    aspect = rng.choice(open_aspects(scene))
    chosen = _colored(scene, rng, without=aspect)
    if chosen is None:
        return None
    phrase, thing = chosen
    others = _others(scene, thing, aspect)
    if not others:
        return None
    answer = _aspect_of(thing, aspect)
    pair = [answer, rng.choice(others)]
    rng.shuffle(pair)
    draft = Draft(
        "chooseAttr",
        "attr",
        "choose",
        answer,
        ["is ", *_said(phrase), f" {pair[0]} or {pair[1]}?"],
        ["the ", (thing.name, phrase.target), f" is {answer}."],
        f"10c-{thing.name}_{aspect}",
        aspect,
        [(answer, [phrase.target])],
    )
    draft.step(f"choose {aspect}", "|".join(pair), _refer(draft, scene, phrase))
    return draft


def _verify_attribute(scene: "Scene", rng: Random, wanted: bool) -> Draft | None:
    aspect = rng.choice(open_aspects(scene))
    chosen = _colored(scene, rng, without=aspect)
    if chosen is None:
        return None
    phrase, thing = chosen
    others = _others(scene, thing, aspect)
    if not others:
        return None
    truth = _aspect_of(thing, aspect)
    asked = truth if wanted else rng.choice(others)
    draft = Draft(
        "verifyAttr",
        "attr",
        "verify",
        _yes_no(wanted),
        ["is ", *_said(phrase), f" {asked}?"],
        [f"{_yes_no(wanted)}, the ", (thing.name, phrase.target), f" is {truth}."],
        f"06-{thing.name}_{asked}",
        keys=[_key(phrase)],
    )
    draft.step(f"verify {aspect}", asked, _refer(draft, scene, phrase))
    return draft


def _verify_two_attributes(scene: "Scene", rng: Random, wanted: bool) -> Draft | None:
    chosen = _colored(scene, rng, without="color")
    if chosen is None or any(ASPECTS[word] == "size" for word in chosen[0].adjectives):
        return None
    phrase, thing = chosen
    asked = {"size": thing.size, "color": thing.color}
    if not wanted:
        aspect = rng.choice(("size", "color"))
        others = _others(scene, thing, aspect)
        if not others:
            return None
        asked[aspect] = rng.choice(others)
    draft = Draft(
        "verifyAttrs",
        "attr",
        "logical",
        _yes_no(wanted),
        ["is ", *_said(phrase), f" {asked['size']} and {asked['color']}?"],
        [f"{_yes_no(wanted)}, the ", (thing.name, phrase.target), f" is {thing.size} and {thing.color}."],
        f"05-{asked['size']}_{asked['color']}",
        keys=[_key(phrase)],
    )
    found = _refer(draft, scene, phrase)
    checks = [draft.step(f"verify {aspect}", word, found) for aspect, word in asked.items()]
    draft.step("and", "", *checks)
    return draft


def _exist(scene: "Scene", rng: Random, wanted: bool) -> Draft | None:
    """Is there a small red circle? A "no" differs in one word from something that is there."""
    things = [thing for thing in scene.objects if thing.color]
    if not things:
        return None
    thing = rng.choice(things)
    aspects = [ASPECTS[word] for word in thing.attributes if rng.random() < 0.5] or [ASPECTS[thing.attributes[-1]]]
    asked = {aspect: _aspect_of(thing, aspect) for aspect in aspects}
    if not wanted:
        aspect = rng.choice(aspects)
        others = _others(scene, thing, aspect)
        if not others:
            return None
        asked[aspect] = rng.choice(others)
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
        "obj",
        "verify",
        _yes_no(wanted),
        [f"is there {with_article(words)}?"],
        [f"yes, there is {with_article(words)}." if wanted else f"no, there is no {words}."],
        f"04-{thing.name}_{next(iter(asked.values()))}",
        keys=[(words, fits)] if fits else [],
    )
    ids = ",".join(str(scene.objects[k].object_id) for k in fits) or "-"
    last = draft.step("select", f"{thing.name} ({ids})")
    for aspect, word in asked.items():
        last = draft.step(f"filter {aspect}", word, last)
    draft.step("exist", "?", last)
    return draft


def _true_relation(scene: "Scene", rng: Random, predicates) -> tuple[int, str, int] | None:
    triples = [triple for triple in scene.geometry.triples() if triple[1] in predicates]
    if not triples:
        return None
    predicate = rng.choice(sorted({triple[1] for triple in triples}))
    return rng.choice([triple for triple in triples if triple[1] == predicate])


def _exist_relation(scene: "Scene", rng: Random, wanted: bool) -> Draft | None:
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
    place: list[Piece] = [f" {spoken} the ", (phrase.name, anchor), "."]
    draft = Draft(
        "existRelS",
        "rel",
        "verify",
        _yes_no(wanted),
        [f"is there {with_article(name)} {spoken} ", *_said(phrase), "?"],
        [f"yes, there is {with_article(name)}" if wanted else f"no, there is no {name}", *place],
        f"13-{phrase.name}_{name}",
        keys=[(name, fits)] if fits else [],
    )
    ids = ",".join(str(scene.objects[k].object_id) for k in fits) or "-"
    found = draft.step("relate", f"{name},{spoken},s ({ids})", _refer(draft, scene, phrase))
    draft.step("exist", "?", found)
    return draft


def _query_subject(scene: "Scene", rng: Random, wanted: bool) -> Draft | None:
    """What is above the ring?"""
    phrase = choose_phrase(scene, rng)
    options = [
        (predicate, found)
        for predicate in OPEN_PREDICATES
        if phrase and predicate in scene.config.predicates
        if (found := only_neighbour(scene, predicate, phrase.target)) is not None and found not in phrase.targets
    ]
    if not options:
        return None
    predicate, found = rng.choice(options)
    spoken, name = SPOKEN[predicate], scene.objects[found].name
    draft = Draft(
        "relS",
        "rel",
        "query",
        name,
        [f"what is {spoken} ", *_said(phrase), "?"],
        ["the ", (name, found), f" is {spoken} the ", (phrase.name, phrase.target), "."],
        f"14-{phrase.name}_{spoken},s",
        "shape",
        [(name, [found])],
        answer_object=found,
    )
    related = draft.step("relate", f"_,{spoken},s ({scene.objects[found].object_id})", _refer(draft, scene, phrase))
    draft.step("query", "name", related)
    return draft


def _query_object(scene: "Scene", rng: Random, wanted: bool) -> Draft | None:
    """What is the robot holding?"""
    phrase = choose_phrase(scene, rng)
    options = [
        (predicate, found)
        for predicate in ("holding", "around")
        if phrase and predicate in scene.config.predicates
        if (found := only_neighbour(scene, INVERSES[predicate], phrase.target)) is not None
        and found not in phrase.targets
    ]
    if not options:
        return None
    predicate, found = rng.choice(options)
    name = scene.objects[found].name
    draft = Draft(
        "relO",
        "rel",
        "query",
        name,
        ["what is ", *_said(phrase), f" {predicate}?"],
        ["the ", (phrase.name, phrase.target), f" is {predicate} the ", (name, found), "."],
        f"14-{phrase.name}_{predicate},o",
        "shape",
        [(name, [found])],
        answer_object=found,
    )
    related = draft.step("relate", f"_,{predicate},o ({scene.objects[found].object_id})", _refer(draft, scene, phrase))
    draft.step("query", "name", related)
    return draft


def _sided(scene: "Scene", rng: Random) -> tuple[int, str, Noun] | None:
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


def _verify_relation(scene: "Scene", rng: Random, wanted: bool) -> Draft | None:
    """Is the star to the left of the ring?"""
    sided = _sided(scene, rng)
    if sided is None:
        return None
    subject, truth, phrase = sided
    asked = truth if wanted else INVERSES[truth]
    name, spoken = scene.objects[subject].name, SPOKEN[asked]
    draft = Draft(
        "relVerify",
        "rel",
        "verify",
        _yes_no(wanted),
        ["is the ", (name, subject), f" {spoken} ", *_said(phrase), "?"],
        [
            f"{_yes_no(wanted)}, the ",
            (name, subject),
            f" is {SPOKEN[truth]} the ",
            (phrase.name, phrase.target),
            ".",
        ],
        f"13-{phrase.name}_{name}",
        keys=[(name, [subject]), _key(phrase)],
    )
    argument = f"{name},{spoken},s ({scene.objects[subject].object_id})"
    draft.step("verify rel", argument, _refer(draft, scene, phrase))
    return draft


def _choose_relation(scene: "Scene", rng: Random, wanted: bool) -> Draft | None:
    """Is the star to the left or to the right of the ring?"""
    sided = _sided(scene, rng)
    if sided is None:
        return None
    subject, truth, phrase = sided
    pair = sorted((truth, INVERSES[truth]))
    if wanted:  # the order of the two carries no hint
        pair.reverse()
    spoken = [SPOKEN[predicate] for predicate in pair]
    name = scene.objects[subject].name
    answer = truth.removesuffix(" of")
    draft = Draft(
        "relChooser",
        "rel",
        "choose",
        answer,
        ["is the ", (name, subject), f" {spoken[0].removesuffix(' of')} or {spoken[1]} ", *_said(phrase), "?"],
        [
            "the ",
            (name, subject),
            f" is {SPOKEN[truth]} the ",
            (phrase.name, phrase.target),
            ".",
        ],
        f"13-{phrase.name}_{name}",
        keys=[(answer, [subject, phrase.target])],
    )
    argument = f"{name},{'|'.join(spoken)},s ({scene.objects[subject].object_id})"
    draft.step("choose rel", argument, _refer(draft, scene, phrase))
    return draft


def _compare(scene: "Scene", rng: Random, wanted: bool) -> Draft | None:
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
    first, second = (things[phrase.target].color for phrase in phrases)
    draft = Draft(
        "twoSame",
        "attr",
        "compare",
        _yes_no(wanted),
        ["are ", *_said(phrases[0]), " and ", *_said(phrases[1]), " the same color?"],
        [
            f"{_yes_no(wanted)}, the ",
            (phrases[0].name, phrases[0].target),
            f" is {first} and the ",
            (phrases[1].name, phrases[1].target),
            f" is {second}.",
        ],
        f"07-two_{phrases[0].name}_{phrases[1].name}_color",
        keys=[_key(phrase) for phrase in phrases],
    )
    draft.step("same color", "", _refer(draft, scene, phrases[0]), _refer(draft, scene, phrases[1]))
    return draft


def _side(scene: "Scene", rng: Random, wanted: bool) -> Draft | None:
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
        "attr",
        "query",
        answer,
        ["on which side of the image is ", *_said(phrase), "?"],
        ["the ", (phrase.name, phrase.target), f" is on the {answer} of the image."],
        f"10q-{phrase.name}_hposition",
        keys=[(answer, [phrase.target])],
    )
    draft.step("query", "hposition", _refer(draft, scene, phrase))
    return draft


OPEN_MAKERS: list[Callable] = [_query_attribute, _query_subject, _query_object]
MAKERS: list[Callable] = [
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
