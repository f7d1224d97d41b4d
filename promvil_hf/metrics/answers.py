# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Model answers as arrays: many answers, each with any number of boxes, in two flat arrays.

A malformed answer is a row without a box plus a reason, never an exception and never a row that is missing. Kosmos-2
answers are read in bulk: one regular expression over all of them, then fixed-width digits in numpy; whatever is not
written in the regular form goes to the dialect's own `parse`, so both readers agree.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np

from promvil_hf.boxes import Box
from promvil_hf.dialects.base import (
    EMPTY_BOX,
    MALFORMED,
    NO_ANSWER,
    NO_BOX,
    OUT_OF_RANGE,
    REFUSED,
    GroundingDialect,
    Parsed,
)
from promvil_hf.dialects.kosmos2 import DELIMITER, Kosmos2
from promvil_hf.dialects.pointing import PointDialect
from promvil_hf.dialects.reasoning import may_think
from promvil_hf.dialects.refusals import is_refusal
from promvil_hf.frames import ImageSize


OUTCOMES = ("box", REFUSED, NO_BOX, NO_ANSWER, "unreadable")


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """The boxes of `rows` answers. `row` names the answer of each box, ascending; boxes keep the answer's order."""

    rows: int
    row: np.ndarray  # (boxes,)
    xyxy: np.ndarray  # (boxes, 4); of a dialect that points (points, 2)
    problems: dict[str, np.ndarray]  # reason -> the answers it was found in, ascending, once for each time

    @property
    def counts(self) -> np.ndarray:
        """Boxes per answer, (rows,)."""
        return np.bincount(self.row, minlength=self.rows)

    @property
    def outcomes(self) -> np.ndarray:
        """What came of each answer, (rows,), as a place in `OUTCOMES`. Every answer is in one of them."""
        found = np.full(self.rows, OUTCOMES.index(NO_BOX))
        for reason in (NO_ANSWER, REFUSED):
            found[self.problems.get(reason, [])] = OUTCOMES.index(reason)
        for reason, where in self.problems.items():
            if reason not in OUTCOMES:
                found[where] = OUTCOMES.index("unreadable")
        found[self.row] = OUTCOMES.index("box")
        return found

    def part(self, keep: np.ndarray) -> "Answers":
        """The answers that `keep`, (rows,) of booleans, names, numbered anew."""
        number = np.cumsum(keep) - 1
        inside = keep[self.row]
        problems = {reason: number[where[keep[where]]] for reason, where in self.problems.items()}
        problems = {reason: where for reason, where in problems.items() if len(where)}
        return Answers(int(keep.sum()), number[self.row[inside]], self.xyxy[inside], problems)


def outcome_rates(answers: Answers) -> dict[str, float]:
    """The share of answers that came to each of `OUTCOMES`; they sum to 1."""
    counts = np.bincount(answers.outcomes, minlength=len(OUTCOMES)).tolist()
    return {name: count / answers.rows if answers.rows else np.nan for name, count in zip(OUTCOMES, counts, strict=True)}


def read_boxes(answers: Iterable) -> Answers:
    """Boxes at hand -> `Answers`. An answer is one box, a sequence of boxes or an (n, 4) array; a box is a `Box` or four
    numbers. An empty sequence refuses: there is no such thing. None is no answer at all. One (n, 4) array alone means one
    box for each of n answers.

    Any one frame will do, as long as the gold boxes are in the same. Numbers that are not finite, boxes without an
    area and things that are no boxes become problems of their answer.
    """
    if not isinstance(answers, np.ndarray):
        answers = list(answers)
    flat = _plain_lists(answers)
    if isinstance(answers, np.ndarray) and answers.dtype.kind in "fiu" and answers.shape[1:] == (4,):
        rows, xyxy, malformed, missing = len(answers), answers.astype(float), [], []
        row = np.arange(rows)
    elif flat is not None:
        rows, malformed, missing = len(answers), [], []
        row, xyxy = flat
    else:
        missing = [index for index, boxes in enumerate(answers) if boxes is None]
        parts = [_numbers(boxes) for boxes in answers]
        malformed = [index for index, part in enumerate(parts) if part is None]
        parts = [np.empty((0, 4)) if part is None else part for part in parts]
        rows, xyxy = len(parts), np.concatenate([*parts, np.empty((0, 4))])
        row = np.repeat(np.arange(rows), [len(part) for part in parts])
    finite = np.isfinite(xyxy).all(1)
    area = (xyxy[:, 0] < xyxy[:, 2]) & (xyxy[:, 1] < xyxy[:, 3])
    said_nothing = np.ones(rows, bool)
    for said in (row, malformed, missing):
        said_nothing[said] = False
    found = {MALFORMED: malformed, OUT_OF_RANGE: row[~finite], EMPTY_BOX: row[finite & ~area]}
    found |= {REFUSED: np.flatnonzero(said_nothing), NO_ANSWER: missing}
    return _answers(rows, row[finite & area], xyxy[finite & area], found)


def read_texts(
    texts: Iterable[str | None], dialect: GroundingDialect, image_sizes: Iterable[ImageSize | None] | None = None
) -> Answers:
    """Raw answers -> `Answers` by any dialect, boxes or points as it writes them; None where there is no answer.
    `image_sizes`: for dialects whose frame depends on the image."""
    if isinstance(dialect, Kosmos2):
        return kosmos2_boxes(texts, dialect)
    texts = _texts(texts)
    sizes = [None] * len(texts) if image_sizes is None else list(image_sizes)
    if len(sizes) != len(texts):
        raise ValueError(f"You passed {len(texts)} answers and {len(sizes)} image sizes: pass one size per answer.")
    reading = (
        (index, _NOT_THERE if text is None else dialect.parse(text, image_size=sizes[index]))
        for index, text in enumerate(texts)
    )
    row, xyxy, found = _gather(reading, 2 if isinstance(dialect, PointDialect) else 4)
    return _answers(len(texts), row, xyxy, found)


def kosmos2_boxes(texts: Iterable[str | None], dialect: Kosmos2 | None = None) -> Answers:
    """`read_texts` for Kosmos-2 at about a microsecond an answer. Same boxes and problems as `Kosmos2.parse`."""
    dialect, given = dialect or Kosmos2(), _texts(texts)
    if not given:
        return _answers(0, np.empty(0, int), np.empty((0, 4)), {})
    texts = ["" if text is None else text for text in given] if None in given else given
    joined = "\0".join(["", *texts])
    if _has_other_marks(joined):
        texts = ["" if may_think(text) else text for text in texts]  # read alone, below
        joined = "\0".join(["", *texts])
    pairs = _REGULAR_ANSWER.findall(joined)
    if len(pairs) != len(texts):  # a NUL inside an answer: any other plain character reads the same
        pairs = _REGULAR_ANSWER.findall("\0".join(["", *(text.replace("\0", "\ufffd") for text in texts)]))

    regular = np.fromiter(map(len, pairs), np.int64, len(pairs))
    row = np.repeat(np.arange(len(texts)), (regular + len(DELIMITER)) // _STRIDE * (regular > 0))
    written = DELIMITER.join([*filter(None, pairs), ""]).encode()
    digits = np.frombuffer(written, np.uint8).reshape(-1, _STRIDE)[:, _DIGITS].reshape(-1, 2, 4) - 48
    cells = digits @ np.array([1000, 100, 10, 1])  # (boxes, 2)
    in_grid = (cells < dialect.grid.side**2).all(1)
    xyxy = grid_boxes(cells, dialect.grid.side)
    area = (xyxy[:, 0] < xyxy[:, 2]) & (xyxy[:, 1] < xyxy[:, 3])
    good = in_grid & area
    found = {OUT_OF_RANGE: row[~in_grid], EMPTY_BOX: row[in_grid & ~area]}
    row, xyxy = row[good], xyxy[good]

    rest = np.flatnonzero(regular == 0)
    if rest.size:
        odd = (index for index in rest.tolist() if _is_odd(given[index], dialect))
        reading = ((index, _NOT_THERE if given[index] is None else dialect.parse(given[index])) for index in odd)
        other_row, other_xyxy, other = _gather(reading, 4)
        if other_row.size:
            order = np.argsort(np.concatenate([row, other_row]), kind="stable")
            row, xyxy = np.concatenate([row, other_row])[order], np.concatenate([xyxy, other_xyxy])[order]
        for reason, where in other.items():
            found[reason] = np.sort(np.concatenate([found.get(reason, np.empty(0, int)), where]))
    return _answers(len(texts), row, xyxy, found)


# What the marks of thinking begin with behind "<" or "</", unlike the tags of Kosmos-2.
_BEGINS_A_MARK = np.isin(np.arange(256), list(b"tTrRaAcCsSuU|"))


def _has_other_marks(joined: str) -> bool:
    """A look at all answers at once: False where surely none of them thinks."""
    if "[" in joined or "◁" in joined:
        return True
    letters = np.frombuffer(joined.encode(errors="replace") + b"  ", np.uint8)
    opening = np.flatnonzero(letters[:-2] == ord("<"))
    behind = letters[opening + 1]
    return bool(_BEGINS_A_MARK[np.where(behind == ord("/"), letters[opening + 2], behind)].any())


def _is_odd(text: str | None, dialect: Kosmos2) -> bool:
    """Whether an answer that is not written in the regular form can be anything but one without a box."""
    tagged = text is None or "<object>" in text or "<patch_index_" in text
    return tagged or may_think(text) or is_refusal(text, dialect.also_refuses)


def grid_cells(xyxy: np.ndarray, side: int = 32) -> np.ndarray:
    """Boxes in fractions -> (n, 2) cells, upper left and lower right: `PatchGrid.encode`, vectorised."""
    if not np.isfinite(xyxy).all():
        raise ValueError("You passed boxes with NaN or infinity: no cell holds them. `read_boxes` leaves them out.")
    low = np.minimum(np.floor(xyxy[:, :2] * side), side - 1)
    high = np.maximum(np.ceil(xyxy[:, 2:] * side - 1), low)
    return (np.stack([low, high], 1) @ [1, side]).astype(np.int64)


def grid_boxes(cells: np.ndarray, side: int = 32) -> np.ndarray:
    """(n, 2) cells -> boxes in fractions, not checked: `PatchGrid.corners`, vectorised."""
    y, x = np.divmod(cells, side)
    inset = np.where((x[:, 0] == x[:, 1]) | (y[:, 0] == y[:, 1]), 0.0, 0.5)
    return np.stack([x[:, 0] + inset, y[:, 0] + inset, x[:, 1] + 1 - inset, y[:, 1] + 1 - inset], 1) / side


# One match per answer, at its NUL. The group is filled if the answer is written in the regular form: perhaps words
# and a phrase, then one complete object (or, straight at the start, an object whose opening tag stood in the
# prompt), every cell with the four digits that Kosmos-2's tokens have. All repeats are possessive: time stays
# linear in the text.
_CELLS = "<patch_index_[0-9]{4}><patch_index_[0-9]{4}>"
_OPENING = r"(?:[^<\0]*+(?:</?(?:phrase|grounding)>[^<\0]*+)*+<object>|[ \n]*+)"
_REGULAR_ANSWER = re.compile(rf"\0{_OPENING}((?:{_CELLS}{DELIMITER})*+{_CELLS})</object>|\0")
_STRIDE = len("<patch_index_0000><patch_index_0000>" + DELIMITER)
_DIGITS = np.r_[13:17, 31:35]  # where the digits stand in a pair of cells


_NOT_THERE = Parsed(problems=(NO_ANSWER,))


def _texts(texts: Iterable[str | None]) -> list[str | None]:
    texts = list(texts)
    for index, text in enumerate(texts):
        if not (text is None or isinstance(text, str)):
            raise TypeError(
                f"Answer {index} is {text!r}, not text: pass the model's raw answers as strings, an empty one where "
                "it said nothing and None where there is none. Boxes go to `read_boxes`."
            )
    return texts


def _plain_lists(answers) -> tuple[np.ndarray, np.ndarray] | None:
    """Lists of lists of four numbers, as JSON and Arrow give them, read at once; None for everything else."""
    if not isinstance(answers, list) or not set(map(type, answers)) <= {list, tuple}:
        return None
    boxes = list(chain.from_iterable(answers))
    if not set(map(type, boxes)) <= {list, tuple} or not set(map(len, boxes)) <= {4}:
        return None
    try:
        numbers = np.array(list(chain.from_iterable(boxes)), dtype=float)
    except (TypeError, ValueError, OverflowError):
        return None
    return np.repeat(np.arange(len(answers)), list(map(len, answers))), numbers.reshape(-1, 4)


def _numbers(boxes) -> np.ndarray | None:
    """One answer's boxes as (n, 4) floats, or None where they are no boxes."""
    if boxes is None:
        return np.empty((0, 4))
    if isinstance(boxes, (str, bytes)):
        return None
    if isinstance(boxes, Box):
        boxes = [boxes]
    try:
        if not isinstance(boxes, np.ndarray):
            boxes = [box.xyxy if isinstance(box, Box) else box for box in boxes]
        numbers = np.asarray(boxes, dtype=float)
    except (TypeError, ValueError, OverflowError):
        return None
    if numbers.size == 0:
        return np.empty((0, 4))
    if numbers.shape == (4,):
        return numbers[None]
    return numbers if numbers.ndim == 2 and numbers.shape[1] == 4 else None


def _gather(reading, numbers: int) -> tuple[np.ndarray, np.ndarray, dict[str, list[int]]]:
    row, xyxy, found = [], [], {}
    for index, parsed in reading:
        for found_here in [box.xyxy for box in parsed.boxes] if numbers == 4 else [point.xy for point in parsed.points]:
            row.append(index)
            xyxy.append(found_here)
        for reason in (REFUSED,) if parsed.refused else parsed.problems:
            found.setdefault(reason, []).append(index)
    return np.array(row, int), np.array(xyxy, float).reshape(-1, numbers), found


def _answers(rows: int, row: np.ndarray, xyxy: np.ndarray, found: dict) -> Answers:
    """Drop the reasons that never occurred; answers with neither box nor reason get the reason "no box"."""
    found = {reason: np.asarray(where, int) for reason, where in found.items() if len(where)}
    silent = np.ones(rows, bool)
    silent[row] = False
    for where in found.values():
        silent[where] = False
    if silent.any():
        found[NO_BOX] = np.sort(np.concatenate([found.get(NO_BOX, np.empty(0, int)), np.flatnonzero(silent)]))
    return Answers(rows, row, xyxy, found)
