# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Asks POPE's questions about a scene and holds LLaVA's conversations, with key expressions that name their objects.

Questions of GQA's kind stand in `promvil_hf.toy.gqa`. No torch.
"""

from dataclasses import dataclass
from random import Random

from promvil_hf.inflection import plural
from promvil_hf.key_expressions import KeyExpression
from promvil_hf.toy.config import ASPECTS, ROBOT, SIZES, SPOKEN
from promvil_hf.toy.language import Noun, described, with_article
from promvil_hf.toy.relations import members
from promvil_hf.toy.scenery import Scene


POPE_KINDS = ("random", "adversarial")
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
# "What is around it?" has one possible answer in this world, "What is inside it?" has many.
OPEN_PREDICATES = ("left of", "right of", "above", "below", "inside", "on", "touching", "next to", "held by")


@dataclass(frozen=True, slots=True)
class KeyRegion:
    """A key expression before it is drawn: words of a turn (counted from 0) and the objects they speak of."""

    text: str
    turn: int
    object_ids: tuple[int, ...]

    def located(self, scene: Scene) -> KeyExpression:
        """With boxes and exact mask."""
        return scene.key_expression(self.text, self.turn, self.object_ids)


@dataclass(frozen=True, slots=True)
class PopeQuestion:
    """A yes-or-no question about the presence of a thing. A "no" has nothing to point at, hence no key expression."""

    question_id: int
    image_id: int
    question: str
    answer: str
    keys: tuple[KeyRegion, ...]

    def to_pope(self) -> dict:
        """A row in POPE's form."""
        image = f"{self.image_id}.png"
        return {"question_id": self.question_id, "image": image, "text": self.question, "label": self.answer}


@dataclass(frozen=True, slots=True)
class Conversation:
    """Questions and full-sentence answers about one scene."""

    image_id: int
    turns: tuple[tuple[str, str], ...]
    keys: tuple[KeyRegion, ...]

    def to_llava(self, image_folder: str = "VG_100K") -> dict:
        """A row in the form of LLaVA's instruction mix."""
        rows = []
        for turn, (question, answer) in enumerate(self.turns):
            rows.append({"from": "human", "value": question if turn else f"<image>\n{question}"})
            rows.append({"from": "gpt", "value": answer})
        image = f"{image_folder}/{self.image_id}.png"
        return {"id": f"{self.image_id:012d}", "image": image, "conversations": rows}


def pope_questions(scene: Scene, kind: str = "random", per_scene: int = 6) -> tuple[PopeQuestion, ...]:
    """Ask whether colored shapes are there: as many "yes" as "no", and every noun equally often on both sides.

    Args:
        scene: The scene.
        kind: What a "no" asks for: `"random"` a color that the scene has nowhere (where one is left), `"adversarial"` a color
            that another thing of the scene has.
        per_scene: At most this many questions; an even number.
    """
    if kind not in POPE_KINDS or per_scene < 2 or per_scene % 2:
        raise ValueError(
            f"You passed kind={kind!r} and per_scene={per_scene}. Pass one of {', '.join(POPE_KINDS)} and an even "
            "number from 2 on."
        )
    rng = scene.random(f"pope {kind}")
    config = scene.config
    here = sorted({(thing.color, thing.name) for thing in scene.objects if thing.color})
    colors = {color for color, _ in here}
    rng.shuffle(here)
    unseen = config.held_out if config.split == "train" else ()
    pairs, denied = [], set()
    for color, shape in here:
        taken = {*here, *denied, *unseen}
        absent = [other for other in config.colors if (other, shape) not in taken]
        fitting = [other for other in absent if (other in colors) == (kind == "adversarial")]
        if kind == "random":
            fitting = fitting or absent
        if fitting and len(pairs) < per_scene:
            other = rng.choice(fitting)
            denied.add((other, shape))
            pairs += [(color, shape, "yes"), (other, shape, "no")]
    rng.shuffle(pairs)
    questions = []
    for k, (color, shape, answer) in enumerate(pairs):
        ids = tuple(thing.object_id for thing in scene.objects if (thing.color, thing.name) == (color, shape))
        keys = (KeyRegion(f"{color} {shape}", 0, ids),) if ids else ()
        text = f"Is there {with_article(f'{color} {shape}')} in the image?"
        questions.append(PopeQuestion(scene.image_id * 100 + k, scene.image_id, text, answer, keys))
    return tuple(questions)


def conversation(scene: Scene, turns: int = 4) -> Conversation:
    """Talk about a scene: different kinds of questions in random order, answered in sentences.

    Args:
        scene: The scene.
        turns: At most this many turns; fewer when the scene gives no more.
    """
    rng = scene.random("conversation")
    makers = [_look, _look, _neighbour, _neighbour, _where, _count, _count, _held, _describe]
    rng.shuffle(makers)
    exchanges: list[tuple[str, str]] = []
    keys: list[KeyRegion] = []
    for maker in makers:
        made = maker(scene, rng) if len(exchanges) < turns else None
        if made is None or any(made[0] == question for question, _ in exchanges):
            continue
        question, answer, regions = made
        merged: dict[str, tuple[int, ...]] = {}
        for text, ids in regions:
            merged[text] = merged.get(text, ()) + ids
        keys += [KeyRegion(text, len(exchanges), ids) for text, ids in merged.items()]
        exchanges.append((question, answer))
    return Conversation(scene.image_id, tuple(exchanges), tuple(keys))


Made = tuple[str, str, list[tuple[str, tuple[int, ...]]]] | None  # question, answer, what in it needs the image


def choose_phrase(scene: Scene, rng: Random, target: int | None = None, without: str | None = None) -> Noun | None:
    """A random unambiguous phrase, levels evenly, perhaps of one target, perhaps without adjectives of one aspect."""
    levels = []
    for phrases in scene.phrases:
        fitting = [
            phrase
            for phrase in phrases
            if (target is None or phrase.target == target)
            and (without is None or all(ASPECTS[word] != without for word in phrase.adjectives))
        ]
        if fitting:
            levels.append(fitting)
    return rng.choice(rng.choice(levels)) if levels else None


def _describe(scene: Scene, rng: Random) -> Made:
    caption = scene.caption()
    begin = "The image shows "
    regions = [(caption.text[start:end].split(" ", 1)[1], (object_id,)) for start, end, object_id in caption.mentions]
    return "What does the image show?", begin + caption.text, regions


def _look(scene: Scene, rng: Random) -> Made:
    aspect = rng.choice(open_aspects(scene))
    phrase = choose_phrase(scene, rng, without=aspect)
    if phrase is None or phrase.name == ROBOT:
        return None
    thing = scene.objects[phrase.target]
    question = {
        "color": f"What color is {phrase.text}?",
        "pattern": f"What is the pattern of {phrase.text}?",
        "size": f"How large is {phrase.text}?",
    }[aspect]
    words = described(thing)
    return question, f"It is {with_article(words)}.", [(words, (thing.object_id,))]


def open_aspects(scene: Scene) -> list[str]:
    """Aspects in which things of this world can differ."""
    return [aspect for aspect, words in aspect_words(scene).items() if len(words) > 1]


def aspect_words(scene: Scene) -> dict[str, tuple[str, ...]]:
    """The words of this world for each aspect."""
    return {"color": scene.config.colors, "size": SIZES, "pattern": scene.config.textures}


def only_neighbour(scene: Scene, predicate: str, anchor: int) -> int | None:
    """The one object that stands in a relation to another, when no second one even might."""
    holds, may_hold = scene.geometry.holds[predicate][anchor], scene.geometry.may_hold[predicate][anchor]
    return members(holds)[0] if holds.bit_count() == 1 and holds == may_hold else None


def _neighbour(scene: Scene, rng: Random) -> Made:
    phrase = choose_phrase(scene, rng)
    predicates = [predicate for predicate in OPEN_PREDICATES if predicate in scene.config.predicates]
    for predicate in rng.sample(predicates, len(predicates)) if phrase else ():
        found = only_neighbour(scene, predicate, phrase.target)
        if found is not None and found not in phrase.targets:
            thing = scene.objects[found]
            words = described(thing)
            answer = f"{with_article(words).capitalize()} is {SPOKEN[predicate]} the {phrase.name}."
            return f"What is {SPOKEN[predicate]} {phrase.text}?", answer, [(words, (thing.object_id,))]
    return None


def _where(scene: Scene, rng: Random) -> Made:
    phrase = choose_phrase(scene, rng)
    if phrase is None:
        return None
    landmarks = [
        (predicate, other)
        for other in scene.phrases[0]
        if other.target not in phrase.targets
        for predicate in scene.config.predicates
        if scene.geometry.holds[predicate][other.target] >> phrase.target & 1
    ]
    if not landmarks:
        return None
    predicate, other = rng.choice(landmarks)
    ids = (scene.objects[other.target].object_id,)
    return f"Where is {phrase.text}?", f"The {phrase.name} is {SPOKEN[predicate]} {other.text}.", [(other.head, ids)]


def _count(scene: Scene, rng: Random) -> Made:
    name = rng.choice(scene.objects).name
    ids = tuple(thing.object_id for thing in scene.objects if thing.name == name)
    if len(ids) >= len(NUMBERS):
        return None
    words = f"{NUMBERS[len(ids)]} {name if len(ids) == 1 else plural(name)}"
    answer = f"There {'is' if len(ids) == 1 else 'are'} {words}."
    return f"How many {plural(name)} are there?", answer, [(words, ids)]


def _held(scene: Scene, rng: Random) -> Made:
    holders = [phrase for phrase in scene.phrases[0] if phrase.name == ROBOT]
    if not holders:
        return None
    phrase = rng.choice(holders)
    held = only_neighbour(scene, "held by", phrase.target)
    if held is None:
        return None
    thing = scene.objects[held]
    words = described(thing)
    return f"What is {phrase.text} doing?", f"It is holding {with_article(words)}.", [(words, (thing.object_id,))]
