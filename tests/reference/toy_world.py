# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A second opinion on toy scenes: reads relations off the pixels of a label map, parses phrases as text, runs GQA programs.

It shares no code with the package: it knows only which pixels belong to which object and which words describe it.
"""

import re
from dataclasses import dataclass

import numpy as np
from scipy import ndimage


COLORS = {"red", "orange", "yellow", "green", "blue", "purple", "pink", "brown"}
SIZES = {"small", "large"}
PATTERNS = {"plain", "striped", "dotted"}
WORDINGS = {
    "to the left of": "left of",
    "to the right of": "right of",
    **{
        word: word
        for word in (
            "left of",
            "right of",
            "above",
            "below",
            "inside",
            "around",
            "on",
            "touching",
            "holding",
            "held by",
            "next to",
        )
    },
}
LONGEST_FIRST = sorted(WORDINGS, key=len, reverse=True)


@dataclass
class Thing:
    name: str
    words: set[str]
    mask: np.ndarray

    def __post_init__(self):
        rows, columns = np.nonzero(self.mask)
        self.top, self.bottom = rows.min(), rows.max()
        self.left, self.right = columns.min(), columns.max()
        self.row, self.column = (self.top + self.bottom) / 2, (self.left + self.right) / 2
        self.near = ndimage.binary_dilation(self.mask, np.ones((3, 3)))
        self.hole = ndimage.binary_fill_holes(self.mask) & ~self.mask


class View:
    """What can be seen in a scene."""

    def __init__(self, scene):
        labels = scene.label_map()
        self.unit = min(labels.shape)
        self.width = labels.shape[1]
        self.things = {
            thing.object_id: Thing(thing.name, {thing.name, *thing.attributes}, labels == position + 1)
            for position, thing in enumerate(scene.objects)
        }

    def holds(self, a: int, predicate: str, b: int) -> bool:
        """What anybody would say."""
        one, other = self.things[a], self.things[b]
        right, down = one.column - other.column, one.row - other.row
        if one.hole[other.mask].all() or other.hole[one.mask].all():
            return {"inside": other.hole[one.mask].all(), "around": one.hole[other.mask].all()}.get(predicate, False)
        touch = bool((one.near & other.mask).any())
        match predicate:
            case "left of":
                return one.right < other.left and abs(down) <= -right
            case "right of":
                return one.left > other.right and abs(down) <= right
            case "above":
                return one.bottom < other.top and abs(right) <= -down
            case "below":
                return one.top > other.bottom and abs(right) <= down
            case "touching":
                return touch
            case "on":
                over = one.bottom < other.top and other.left - 0.5 <= one.column <= other.right + 0.5
                return touch and bool(over)
            case "holding":
                return one.name == "robot" and touch and (one.left > other.right or other.left > one.right)
            case "held by":
                return self.holds(b, "holding", a)
            case "next to":
                gap = max(one.left - other.right, other.left - one.right) - 1
                level = min(one.bottom, other.bottom) - max(one.top, other.top) + 1
                return gap <= 0.1 * self.unit and 2 * level >= min(one.bottom - one.top, other.bottom - other.top) + 1
        return False

    def possible(self, a: int, predicate: str, b: int) -> bool:
        """What somebody might say: true of more pairs than `holds`."""
        if self.holds(a, predicate, b):
            return True
        one, other = self.things[a], self.things[b]
        if one.hole[other.mask].all() or other.hole[one.mask].all():
            return False
        match predicate:
            case "left of":
                return one.column < other.left - 0.5 or one.right + 0.5 <= other.column
            case "right of":
                return one.column > other.right + 0.5 or one.left - 0.5 >= other.column
            case "above":
                return one.row < other.top - 0.5 or one.bottom + 0.5 <= other.row
            case "below":
                return one.row > other.bottom + 0.5 or one.top - 0.5 >= other.row
            case "next to":
                return self.gap(one, other) <= 0.18 * self.unit
            case "touching" | "on" | "holding" | "held by":
                return self.gap(one, other) <= 1 and predicate == "touching"
        return False

    @staticmethod
    def gap(one: Thing, other: Thing) -> int:
        return max(one.left - other.right, other.left - one.right, one.top - other.bottom, other.top - one.bottom) - 1

    def named(self, words: list[str]) -> set[int]:
        return {k for k, thing in self.things.items() if words[-1] == thing.name and set(words) <= thing.words}

    def denotation(self, phrase: str, test=None) -> set[int]:
        """All objects a noun phrase fits; every clause must point to something, and clauses attach to the last noun."""
        test = test or self.holds
        head, predicate, anchor = split(phrase)
        fits = self.named(head)
        if predicate is None:
            return fits
        anchors = self.denotation(anchor, test)
        return {a for a in fits if any(a != b and test(a, predicate, b) for b in anchors)}

    def run(self, program: list[dict]) -> set[int] | str | bool:
        """Execute a GQA program."""
        results = []
        for step in program:
            needs = [results[k] for k in step["dependencies"]]
            results.append(self._step(step["operation"], step["argument"], needs))
        return results[-1]

    def _step(self, operation: str, argument: str, needs: list):
        bare = re.sub(r" \([\d,-]+\)$", "", argument)
        if operation == "select":
            return self.named([bare])
        if operation == "exist":
            return bool(needs[0])
        if operation == "and":
            return all(needs)
        if operation == "relate":
            name, wording, role = bare.split(",")
            predicate = WORDINGS[wording]
            return {
                k
                for k, thing in self.things.items()
                if name in ("_", thing.name)
                and any(
                    k != other
                    and (self.holds(k, predicate, other) if role == "s" else self.holds(other, predicate, k))
                    for other in needs[0]
                )
            }
        if operation.startswith("filter "):
            return {k for k in needs[0] if argument in self.things[k].words}
        if operation == "verify rel":
            return bool(self._step("relate", argument, needs))
        if operation == "choose rel":
            name, wordings, role = bare.split(",")
            right = [w for w in wordings.split("|") if self._step("relate", f"{name},{w},{role}", needs)]
            (chosen,) = right
            return WORDINGS[chosen].removesuffix(" of")
        if operation == "same color":
            first, second = (self.things[k].words & COLORS for (k,) in needs)
            return first == second
        (target,) = needs[0]  # everything below speaks about one object
        thing = self.things[target]
        if operation.startswith("verify "):
            return argument in thing.words
        if operation.startswith("choose "):
            (chosen,) = set(argument.split("|")) & thing.words
            return chosen
        assert operation == "query", operation
        if argument == "hposition":
            return "left" if thing.column + 0.5 < self.width / 2 else "right"
        if argument == "name":
            return thing.name
        (word,) = thing.words & {"color": COLORS, "size": SIZES, "pattern": PATTERNS}[argument]
        return word


def split(phrase: str) -> tuple[list[str], str | None, str | None]:
    """A noun phrase into head words, predicate and anchor phrase."""
    text = re.sub(r"^(the|an?) ", "", phrase)
    for position in range(len(text)):
        for wording in LONGEST_FIRST:
            clause = re.match(rf"(?:that is )?{wording} (?=the )", text[position:])
            if clause and (position == 0 or text[position - 1] == " "):
                return text[: position - 1].split(), WORDINGS[wording], text[position + clause.end() :]
    return text.split(), None, None


def without_last_clause(phrase: str) -> str:
    """The phrase with its innermost clause cut off."""
    head, predicate, anchor = split(phrase)
    if predicate is None:
        raise ValueError(f"{phrase!r} has no clause")
    if split(anchor)[1] is None:
        return "the " + " ".join(head)
    return phrase[: -len(anchor)] + without_last_clause(anchor)
