# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Questions about photographs whose content is known, and which of them are asked.

Is there a dog? How many dogs? On which side? What does the image show? Presence questions are chosen in one of six ways:

    random, popular, adversarial   POPE's: of each photograph as many absent classes as present ones; the absent ones by
                                   chance, the most frequent, or those that mostly come with what is there
    prior, reversed                of each class 9 of 10 answers are the same: "yes" for half of the classes, "no" for the
                                   others. `reversed` has it the other way round, so that who learned the prior loses
    balanced                       of each class as many "yes" as "no": who does not look is right half of the time

The same seed gives the same questions, and the same prior for the same list of classes.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

from promvil_hf.fivl.conversation_sources import CAPTION_QUESTION
from promvil_hf.fivl.photographs import Photograph, Thing
from promvil_hf.inflection import plural
from promvil_hf.key_expressions import Turn


SOURCE = "coco"
POPE_WAYS = ("random", "popular", "adversarial")
WAYS = (*POPE_WAYS, "prior", "reversed", "balanced")
KINDS = ("presence", "count", "side", "caption")
MOST_COUNTED = 9


@dataclass(frozen=True, slots=True)
class Choosing:
    """Which questions are asked.

    Args:
        kinds: Of questions; see `KINDS`.
        presence: How presence questions are chosen; see the module.
        seed: Of all that is drawn.
        held_out: The share of the photographs that is kept apart, drawn by their ids; 0 uses all of them.
        side: With `held_out`: "train" asks about the other photographs, "test" about those kept apart.
        round: Another number draws other presence questions with the same prior.
        of_image: POPE's ways: at most so many present classes of a photograph, and as many absent ones.
        leaning: `prior` and `reversed`: the share of the more frequent answer of a class.
        unclear: A centre nearer than this to the middle of the photograph is on neither side.
    """

    kinds: tuple[str, ...] = KINDS
    presence: str = "balanced"
    seed: int = 0
    held_out: float = 0.0
    side: str = "train"
    round: int = 0
    of_image: int = 3
    leaning: float = 0.9
    unclear: float = 0.1

    def __post_init__(self):
        for name, given, known in (("kinds", self.kinds, KINDS), ("presence", (self.presence,), WAYS)):
            if not given or not set(given) <= set(known):
                raise ValueError(f"You passed {name}={given!r}: choose of {', '.join(known)}.")
        if not 0 <= self.held_out < 1 or self.side not in ("train", "test"):
            raise ValueError(
                f"You passed held_out={self.held_out} and side={self.side!r}: a share from 0 to less than 1, and train or test."
            )
        if not 0.5 <= self.leaning <= 1 or self.of_image < 1:
            raise ValueError(
                f"You passed leaning={self.leaning} and of_image={self.of_image}: a leaning is a share of at least 0.5, and at "
                "least one class of a photograph is asked about."
            )


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its answer. `name` is the class it is about, none for a caption."""

    row_id: str
    photograph: Photograph
    kind: str
    turn: Turn
    name: str = ""


@dataclass(frozen=True)
class Questions:
    """The questions about these photographs, in the order of kinds and photographs; the same each time it is iterated."""

    classes: tuple[str, ...]
    photographs: Sequence[Photograph]
    choosing: Choosing

    def __iter__(self) -> Iterator[Question]:
        makers = {"presence": self._presence, "count": self._count, "side": self._side, "caption": self._captions}
        for kind in KINDS:
            if kind in self.choosing.kinds:
                yield from makers[kind]()

    @cached_property
    def _good(self) -> list[Photograph]:
        choosing, good = self.choosing, [photograph for photograph in self.photographs if photograph.fault is None]
        if not choosing.held_out:
            return good
        names = sorted(photograph.image_id for photograph in good)
        apart = set(Random(f"{choosing.seed} held out").sample(names, round(choosing.held_out * len(names))))
        return [photograph for photograph in good if (photograph.image_id in apart) == (choosing.side == "test")]

    def leans_to_yes(self) -> dict[str, bool]:
        """For each class whether the prior's more frequent answer is "yes". It hangs on seed and classes alone."""
        names = sorted(self.classes)
        Random(f"{self.choosing.seed} prior").shuffle(names)
        return {name: place % 2 == 0 for place, name in enumerate(names)}

    # Presence

    def _presence(self) -> Iterator[Question]:
        of_photographs = self._pope() if self.choosing.presence in POPE_WAYS else self._by_class()
        for photograph, names in zip(self._good, of_photographs, strict=True):
            for name in names:
                answer = "yes" if name in photograph.names else "no"
                yield _question(photograph, "presence", presence_question(name), answer, name)

    def _pope(self) -> list[list[str]]:
        frequency = Counter(name for photograph in self._good for name in photograph.names)
        together: dict[str, Counter] = {name: Counter() for name in self.classes}
        for photograph in self._good:
            for name in photograph.names:
                together[name].update(photograph.names - {name})
        found = []
        for photograph in self._good:
            draw = Random(f"{self.choosing.seed} {self.choosing.round} pope {photograph.image_id}")
            present = draw.sample(sorted(photograph.names), min(self.choosing.of_image, len(photograph.names)))
            absent = [name for name in self.classes if name not in photograph.names]
            asked: list[str] = []
            for name in present:
                left = [other for other in absent if other not in asked]
                if not left:
                    break
                if self.choosing.presence == "random":
                    chosen = draw.choice(left)
                elif self.choosing.presence == "popular":
                    chosen = max(left, key=lambda other: frequency[other])
                else:
                    chosen = max(left, key=lambda other, name=name: (together[name][other], frequency[other]))
                asked += [name, chosen]
            found.append(asked)
        return found

    def _by_class(self) -> list[list[str]]:
        """Class by class, so that the shares of its answers are as they are to be."""
        found: dict[str, list[str]] = {photograph.image_id: [] for photograph in self._good}
        leans, reverse = self.leans_to_yes(), self.choosing.presence == "reversed"
        for name in self.classes:
            draw = Random(f"{self.choosing.seed} {self.choosing.round} {self.choosing.presence} {name}")
            there = [photograph.image_id for photograph in self._good if name in photograph.names]
            not_there = [photograph.image_id for photograph in self._good if name not in photograph.names]
            rarer = min(len(there), len(not_there))
            if not rarer:
                continue
            yes = no = rarer
            if self.choosing.presence != "balanced":
                few = _rounded(rarer * (1 - self.choosing.leaning) / self.choosing.leaning, draw)
                yes, no = (rarer, few) if leans[name] != reverse else (few, rarer)
            for image_id in draw.sample(there, yes) + draw.sample(not_there, no):
                found[image_id].append(name)
        return list(found.values())

    # Count, side, captions

    def _count(self) -> Iterator[Question]:
        for photograph in self._good:
            for name, things in _clear_things(photograph):
                if len(things) <= MOST_COUNTED:
                    text = f"How many {plural(name)} are in the image?"
                    yield _question(photograph, "count", text, str(len(things)), name)

    def _side(self) -> Iterator[Question]:
        for photograph in self._good:
            for name, things in _clear_things(photograph):
                if len(things) > 1:
                    continue
                box, verb = things[0].box, "Are" if _are_many(name) else "Is"
                across, down = (box.x0 + box.x1) / 2 - 0.5, (box.y0 + box.y1) / 2 - 0.5
                if abs(across) >= self.choosing.unclear:
                    text = f"{verb} the {name} on the left side or on the right side of the image?"
                    yield _question(photograph, "side", text, "left" if across < 0 else "right", name, "across")
                if abs(down) >= self.choosing.unclear:
                    text = f"{verb} the {name} in the top half or in the bottom half of the image?"
                    yield _question(photograph, "side", text, "top" if down < 0 else "bottom", name, "down")

    def _captions(self) -> Iterator[Question]:
        for photograph in self._good:
            for number, caption in enumerate(photograph.captions):
                yield _question(photograph, "caption", CAPTION_QUESTION, caption, "", str(number))


def presence_question(name: str) -> str:
    """POPE's question.

    >>> presence_question("umbrella"), presence_question("skis")
    ('Is there an umbrella in the image?', 'Are there skis in the image?')
    """
    if _are_many(name):
        return f"Are there {name} in the image?"
    return f"Is there {'an' if name[:1].lower() in 'aeiou' else 'a'} {name} in the image?"


def _question(photograph: Photograph, kind: str, text: str, answer: str, name: str, part: str = "") -> Question:
    words = [SOURCE, photograph.image_id, kind, name.replace(" ", "_"), part]
    return Question("-".join(word for word in words if word), photograph, kind, Turn(0, text, answer), name)


def _clear_things(photograph: Photograph) -> Iterator[tuple[str, tuple[Thing, ...]]]:
    """Classes all of whose things are marked one by one."""
    for name in sorted(photograph.names):
        things = photograph.called(name)
        if not any(thing.crowd for thing in things):
            yield name, things


def _are_many(name: str) -> bool:
    """Whether one of them is spoken of in the plural, such as scissors."""
    return name.endswith("s") and plural(name) == name


def _rounded(value: float, draw: Random) -> int:
    """Up or down by chance, so that many values keep their sum."""
    return math.floor(value) + (draw.random() < value % 1)
