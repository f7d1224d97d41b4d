# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Does a model need to see what a question is about, or does it fail whenever it sees that something is hidden?

    questions + pictures + any answerer  --judge_reliance-->  what each fill and each hidden place costs, and a verdict in words

A model trained to lose its answer when the key boxes are hidden can learn a shortcut: to fail when it sees a black rectangle, or
one on any thing. So the same boxes are hidden with every fill; as many boxes of the same sizes are hidden elsewhere; and
another thing of the picture is hidden, which the question is not about (a distractor). A model that relies on what the question
is about loses more answers with its key boxes than with either, whatever the fill. No torch.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from PIL import Image

from promvil_hf.boxes import Box
from promvil_hf.evaluation.twin_answers import MASKED, usable
from promvil_hf.fivl.fivl_rows import FivlRow, Key
from promvil_hf.fivl.twins import FILLS, key_boxes, twins
from promvil_hf.key_expressions import KeyExpression
from promvil_hf.metrics.intervals import Interval
from promvil_hf.metrics.reliance import visual_reliance


ELSEWHERE, DISTRACTORS = "random boxes", "distractors"
Answerer = Callable[[Sequence[tuple[str, Image.Image | None]]], Sequence[str]]
Scorer = Callable[[Sequence[FivlRow], Sequence[str]], np.ndarray]


@dataclass(frozen=True, slots=True)
class FillScore:
    """What hiding costs with one fill: the share of right answers that is lost with the key boxes, and that share less the share
    that is lost with boxes elsewhere, and with distractors."""

    accuracy: dict[str, float]  # by what is hidden
    lost: Interval
    beyond_elsewhere: Interval
    beyond_distractors: Interval | None  # None where no question has a distractor

    @property
    def relies(self) -> bool:
        return all(found is None or found.low > 0 for found in (self.lost, self.beyond_elsewhere, self.beyond_distractors))


@dataclass(frozen=True, slots=True)
class Judged:
    """Accuracy as it is and blind, and what hiding costs with each fill."""

    accuracy: float
    blind: float
    rows: int
    fills: dict[str, FillScore]

    @property
    def verdict(self) -> str:
        """In words, what the model was seen to do."""
        relies = [fill for fill, found in self.fills.items() if found.relies]
        if len(relies) == len(self.fills):
            return "relies on what the question is about, whatever the fill"
        lost = [fill for fill, found in self.fills.items() if found.lost.low > 0]
        if not lost:
            return "loses nothing that is shown when what the question is about is hidden"
        words = []
        others = [fill for fill in self.fills if fill not in lost]
        if others:
            words.append(f"loses answers with {_and(lost)}, not with {_and(others)}: it knows the fill")
        anywhere = [fill for fill in lost if not self.fills[fill].beyond_elsewhere.low > 0]
        if anywhere:
            words.append(
                f"loses as many when boxes elsewhere are hidden with {_and(anywhere)}: it fails when something is hidden"
            )
        on_things = [
            fill for fill in lost
            if fill not in anywhere and (found := self.fills[fill].beyond_distractors) is not None and not found.low > 0
        ]  # fmt: skip
        if on_things:
            words.append(f"loses as many when another thing is hidden with {_and(on_things)}: it fails when any thing is hidden")
        return "; ".join(words)

    def to_dict(self) -> dict:
        return {**asdict(self), "verdict": self.verdict}


def judge_reliance(
    rows: Sequence[FivlRow],
    picture_of: Callable[[FivlRow], Image.Image],
    answer: Answerer,
    score: Scorer,
    *,
    distractors: Mapping[str, Sequence[Box]] | None = None,
    fills: Sequence[str] = FILLS,
    seed: int = 0,
    resamples: int = 9_999,
) -> Judged:
    """Ask each question about its picture as it is, hidden in every way and with every fill, and not at all.

    Args:
        rows: Questions with key boxes; others are left out.
        picture_of: Opens the picture of a row.
        answer: Answers (question, picture or None) pairs, in order.
        score: 0 to 1 for each answer to a row.
        distractors: For the id of a row, boxes of other things, such as `distractor` chooses.
    """
    rows = usable(rows)
    if not rows:
        raise ValueError("None of the rows has key boxes: there is nothing to hide.")
    other_things = distractors or {}
    with_other = [place for place, row in enumerate(rows) if other_things.get(row.row_id)]
    pictures = [picture_of(row) for row in rows]
    clusters = [row.image_path for row in rows]

    def scores(shown: Iterable[Image.Image | None], places: Sequence[int]) -> np.ndarray:
        asked = [(rows[place].turns[0].question, picture) for place, picture in zip(places, shown, strict=True)]
        return np.asarray(score([rows[place] for place in places], answer(asked)), float)

    def hidden(kind: str, fill: str, places: Sequence[int], about: Callable[[FivlRow], FivlRow] = lambda row: row) -> np.ndarray:
        made = (next(iter(twins(about(rows[place]), pictures[place], (kind,), fill, seed))).image for place in places)
        return scores(made, places)

    everywhere = range(len(rows))
    original = scores(pictures, everywhere)
    found = {}
    for fill in fills:
        masked, elsewhere = (hidden(kind, fill, everywhere) for kind in (MASKED, ELSEWHERE))
        options = {"resamples": resamples, "seed": seed}
        whole = visual_reliance(original, masked, {ELSEWHERE: elsewhere}, clusters=clusters, **options)
        accuracy = {MASKED: float(masked.mean()), ELSEWHERE: float(elsewhere.mean())}
        beyond = None
        if with_other:
            others = hidden(MASKED, fill, with_other, lambda row: _about(row, other_things[row.row_id]))
            accuracy[DISTRACTORS] = float(others.mean())
            part = visual_reliance(
                original[with_other], masked[with_other], {DISTRACTORS: others},
                clusters=[clusters[place] for place in with_other], **options,
            )  # fmt: skip
            beyond = part.beyond[DISTRACTORS]
        found[fill] = FillScore(accuracy, whole.masked.relative, whole.beyond[ELSEWHERE], beyond)
    blind = scores([None] * len(rows), everywhere)
    return Judged(float(original.mean()), float(blind.mean()), len(rows), found)


def distractor(row: FivlRow, others: Sequence[Box]) -> list[Box]:
    """Of the boxes of other things, the one that touches no key box and whose area is nearest to theirs; none where all touch."""
    width, height = row.image_size
    keys = [Box(x0 / width, y0 / height, x1 / width, y1 / height) for x0, y0, x1, y1 in key_boxes(row)]
    apart = [box for box in others if not any(_touch(box, key) for key in keys)]
    area = sum(_area(key) for key in keys)
    return sorted(apart, key=lambda box: abs(_area(box) - area))[:1]


def _about(row: FivlRow, boxes: Sequence[Box]) -> FivlRow:
    """The same question with other boxes to hide."""
    return replace(row, keys=(Key(KeyExpression("another thing", 0, tuple(boxes)), "another thing"),))


def _touch(one: Box, other: Box) -> bool:
    return one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1


def _area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)


def _and(words: Sequence[str]) -> str:
    return " and ".join(words)

