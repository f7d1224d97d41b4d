# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What a benchmark gives to those who do not look: the best of refusing, one box for every picture, one answer to every
question, and guessing evenly. A headline score means something only beside it.

The best constant answer is chosen on the very rows that are scored. So on few rows it is high, and rightly: no model shows
much there.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from promvil_hf.evaluation.benchmarks import BenchmarkRow
from promvil_hf.evaluation.headlines import Headline
from promvil_hf.metrics.answers import Answers
from promvil_hf.metrics.grounding import iou_matrix
from promvil_hf.metrics.units import unit_scores


STEPS = 12  # corners of the boxes that are tried: twelfths of the picture, 6,084 boxes
SEARCHED = 1_000  # rows that the search looks at; the best boxes are then scored on all
_BEST = 20
_TRIED = 5  # answers of people
_BLOCK = 256


@dataclass(frozen=True, slots=True)
class Chance:
    value: float
    how: str


def of_boxes(
    gold: Answers,
    rows: Sequence[BenchmarkRow],
    headline: Headline,
    *,
    least: float = 0.5,
    overlap: Callable[[np.ndarray, np.ndarray], np.ndarray] = iou_matrix,
) -> Chance:
    """The best of refusing always and of one box for every picture. `gold` has no box where a thing is absent."""
    counts = gold.counts
    there = counts > 0
    asked = np.flatnonzero(there) if headline.part == "present" else np.arange(gold.rows)
    if not len(asked):
        return Chance(float("nan"), "no rows")
    alone = np.array([row.wanted == "one" for row in rows], bool) | (counts == 1)  # one box can be all that is wanted
    reachable = np.flatnonzero(there & alone)
    box, hits = _best_box(gold, reachable, least, overlap) if len(reachable) else (None, 0)
    found = []
    if box is not None:
        corners = " ".join(f"{corner:.2f}" for corner in box)
        found.append(Chance(hits / len(asked), f"the best of one box for every picture, {corners}"))
    if headline.part != "present" and not there.all():
        found.append(Chance(float(np.mean(~there)), "refusing always"))
    return max(found, key=lambda one: one.value, default=Chance(0.0, "no constant answer is right"))


def of_points(inside: Callable[[float, float], np.ndarray], absent: np.ndarray) -> Chance:
    """The best of refusing always and of one point for every picture. `inside` says in which rows a point is right."""
    points = [((x + 0.5) / STEPS, (y + 0.5) / STEPS) for x, y in product(range(STEPS), repeat=2)]
    best, point = max((float(np.mean(inside(*point) & ~absent)), point) for point in points)
    refusing = float(np.mean(absent))
    if refusing > best:
        return Chance(refusing, "refusing always")
    return Chance(best, f"the best of one point for every picture, {point[0]:.2f} {point[1]:.2f}")


def of_answers(rows: Sequence[BenchmarkRow], kind: str, headline: Headline) -> Chance:
    """The best of one answer to every question, and of guessing evenly among the answers that a row allows."""
    constants, guess = _constant_answers(rows, kind)
    units = None if headline.unit is None else [row.units.get(headline.unit) for row in rows]
    found = [Chance(_mean(right, units), f"always {answer!r}") for answer, right in constants]
    if guess is not None and units is None:
        found.append(Chance(float(np.mean(guess)), "guessing evenly"))
    elif guess is not None:
        together = _products(guess, units)
        found.append(Chance(float(np.mean(together)), f"guessing evenly, all rows of a {headline.unit} right"))
    return max(found, key=lambda one: one.value, default=Chance(float("nan"), "not known"))


def of_f1(labels: Sequence[bool]) -> Chance:
    """F1 of always saying yes."""
    share = float(np.mean(labels)) if len(labels) else float("nan")
    return Chance(2 * share / (1 + share), "always 'yes'")


def of_people(people: Sequence[Sequence[str]], score: Callable[[str], float]) -> Chance:
    """The best of one answer to every question: `score` gives that of those to which most credit is due, which three people
    who agree give in full."""
    credit: Counter[str] = Counter()
    for given in people:
        for answer, count in Counter(given).items():
            credit[answer] += min(count, 3)
    best, answer = max(((score(answer), answer) for answer, _ in credit.most_common(_TRIED)), default=(float("nan"), ""))
    return Chance(best, f"always {answer!r}")


def _constant_answers(rows: Sequence[BenchmarkRow], kind: str) -> tuple[list[tuple[str, np.ndarray]], np.ndarray | None]:
    """(answer, which rows it is right in), and the chance of an even guess in each row where the answers are listed."""
    right = [row.answers[0] for row in rows]
    if kind == "choice":
        most = max((len(row.choices) for row in rows), default=0)
        constants = [(chr(ord("A") + place), np.array([int(truth) == place for truth in right], float)) for place in range(most)]
        return constants, np.array([1 / max(len(row.choices), 1) for row in rows])
    if kind == "one_word":
        words = dict.fromkeys(word for row in rows for word in row.choices)
        constants = [(word, np.array([truth == word for truth in right], float)) for word in words]
        return constants, np.array([1 / len(row.choices) for row in rows])
    common = [answer for answer, _ in Counter(right).most_common(1)]
    constants = [(answer, np.array([truth == answer for truth in right], float)) for answer in common]
    return constants, np.full(len(rows), 0.5) if kind == "true_false" else None


def _mean(right: np.ndarray, units: Sequence[str | None] | None) -> float:
    values = right if units is None else unit_scores(right, units)[1]
    return float(values.mean()) if len(values) else float("nan")


def _products(guess: np.ndarray, units: Sequence[str | None]) -> np.ndarray:
    together: dict[str, float] = {}
    for value, unit in zip(guess.tolist(), units, strict=True):
        if unit is not None:
            together[unit] = together.get(unit, 1.0) * value
    return np.array(list(together.values()))


def _best_box(gold: Answers, rows: np.ndarray, least: float, overlap: Callable) -> tuple[np.ndarray, int]:
    """The box that is right in most of these rows, and in how many."""
    sides = list(combinations(np.linspace(0, 1, STEPS + 1).tolist(), 2))
    boxes = np.array([(x0, y0, x1, y1) for (x0, x1), (y0, y1) in product(sides, repeat=2)])
    some = rows[np.linspace(0, len(rows) - 1, min(SEARCHED, len(rows))).astype(int)]
    best = boxes[np.argsort(-_hits(boxes, gold, some, least, overlap), kind="stable")[:_BEST]]
    hits = _hits(best, gold, rows, least, overlap)
    return best[hits.argmax()], int(hits.max())


def _hits(boxes: np.ndarray, gold: Answers, rows: np.ndarray, least: float, overlap: Callable) -> np.ndarray:
    """In how many rows each box is right, (boxes,)."""
    keep = np.zeros(gold.rows, bool)
    keep[rows] = True
    part = gold.part(keep)
    begin = np.flatnonzero(np.diff(part.row, prepend=-1))
    found = [
        (np.maximum.reduceat(overlap(boxes[place : place + _BLOCK], part.xyxy), begin, axis=1) >= least).sum(1)
        for place in range(0, len(boxes), _BLOCK)
    ]
    return np.concatenate(found)


