# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Two models on all sets that both were asked: paired tests, corrected for being several. No torch.

    reports of one model + reports of another  --side_by_side-->  SideBySide  --side_by_side_page-->  one page

Sets are matched by their questions (the content hash), so it does not matter what folders and files are called.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promvil_hf.evaluation.comparison import compare
from promvil_hf.evaluation.results import Report
from promvil_hf.evaluation.scores import Resampling
from promvil_hf.json_documents import json_document
from promvil_hf.json_records import RecordError
from promvil_hf.metrics.intervals import PairedTest
from promvil_hf.metrics.significance import holm


@dataclass(frozen=True, slots=True)
class Quoted:
    """A headline score with its interval; None where it is not defined."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class SetCompared:
    """One set: both headline scores, and the paired test of the second less the first, which is of `tested`."""

    title: str
    rows: int
    metric: str
    chance: float | None
    chance_by: str | None
    first: Quoted
    second: Quoted
    tested: str  # the metric whose difference is tested; of POPE's F1 it is the accuracy
    test: PairedTest
    corrected: float  # p-value by Holm over all sets

    @property
    def better(self) -> int:
        """1 where the second is better beyond the correction, -1 where the first is, else 0."""
        if not self.corrected <= 1 - self.test.difference.confidence + 1e-12:
            return 0
        return 1 if self.test.difference.estimate > 0 else -1


@dataclass(frozen=True, slots=True)
class SideBySide:
    names: tuple[str, str]
    sets: tuple[SetCompared, ...]
    left_out: tuple[str, ...]  # sentences: which reports are not compared, and why
    confidence: float


def side_by_side(
    first: str | os.PathLike | Sequence[str | os.PathLike],
    second: str | os.PathLike | Sequence[str | os.PathLike],
    names: tuple[str, str] | None = None,
    resampling: Resampling = Resampling(),  # noqa: B008
) -> SideBySide:
    """Each side is a folder, in which every report.json is taken, or a list of reports. Positive means `second` is better."""
    names = names or _names(first, second)
    left_out: list[str] = []
    sides = [_by_questions(_paths(side), name, left_out) for side, name in zip((first, second), names, strict=True)]
    found: list[tuple[dict[str, Any], PairedTest]] = []
    for questions, (path, title) in sides[0].items():
        if questions not in sides[1]:
            others = [other for other, named in sides[1].values() if named == title]
            why = f"{others[0]} is of other rows or another truth" if others else f"{names[1]} was not asked it"
            left_out.append(f"{title}: {why} ({path}).")
            continue
        before, after = Report.load(path), Report.load(sides[1][questions][0])
        try:
            compared = compare(before, after, resampling)
        except ValueError as error:
            left_out.append(f"{title}: {error}")
            continue
        scores = after.scores
        set_fields = {
            "title": title, "rows": after.benchmark["rows"], "metric": scores["metric"], "chance": scores.get("chance"),
            "chance_by": scores["settings"].get("chance"), "first": _quoted(before), "second": _quoted(after),
            "tested": compared.row_metric,
        }  # fmt: skip
        found.append((set_fields, compared.test))
    titles = {title for _, title in sides[0].values()}
    left_out += [
        f"{title}: {names[0]} was not asked it ({path})."
        for questions, (path, title) in sides[1].items()
        if questions not in sides[0] and title not in titles
    ]
    if not found:
        raise ValueError(
            f"{names[0]} and {names[1]} have no set in common that can be compared. " + " ".join(left_out)
        )
    corrected = holm([test.p_value for _, test in found]).tolist()
    sets = tuple(
        SetCompared(**set_fields, test=test, corrected=p) for (set_fields, test), p in zip(found, corrected, strict=True)
    )
    return SideBySide(names, sets, tuple(left_out), resampling.confidence)


def _paths(side: str | os.PathLike | Sequence[str | os.PathLike]) -> list[Path]:
    if not isinstance(side, (str, os.PathLike)):
        return [Path(path) for path in side]
    if not Path(side).is_dir():
        return [Path(side)]
    found = sorted(Path(side).rglob("report.json"))
    if not found:
        raise ValueError(
            f"You passed the folder {side}: neither it nor a folder in it holds a report.json, which `promvil evaluate` writes."
        )
    return found


def _by_questions(paths: Iterable[Path], name: str, left_out: list[str]) -> dict[str, tuple[Path, str]]:
    """Content hash -> the report and its title."""
    found: dict[str, tuple[Path, str]] = {}
    for path in paths:
        kind = json_document(path).get("kind", default=None)
        if kind != "evaluate":
            left_out.append(f"{path} is a report of another command ({kind}).")
            continue
        report = Report.load(path)
        questions = report.benchmark["content_hash"]
        if questions in found:
            raise RecordError(
                f"{name} has two reports of the same questions, {found[questions][0]} and {path}: which one counts? Pass the "
                "folder of one run, or a list of reports."
            )
        found[questions] = (path, report.title)
    return found


def _names(first: Any, second: Any) -> tuple[str, str]:
    """What the sides are called: the last parts of their paths that differ."""
    sides = [Path(side) if isinstance(side, (str, os.PathLike)) else None for side in (first, second)]
    if None in sides:
        return "the first", "the second"
    parts = [side.parts if side.suffix != ".json" else side.parent.parts for side in sides]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if names[0] != names[1]:
            return names[0], names[1]
    return str(first), str(second)


def _quoted(report: Report) -> Quoted:
    spread: Mapping[str, Any] = report.scores["interval"]
    return Quoted(report.scores["value"], spread["low"], spread["high"])
