# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Scores: the number of a task together with what makes it comparable, over `promvil_hf.metrics`.

Each function here gives a `Scores`. It carries the score of every row as well, because intervals, best and worst cases
and paired tests all start from those. Nothing here reads files or loads torch.
"""

import dataclasses
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from promvil_hf.metrics import choice, gqa, pope, vqa
from promvil_hf.metrics.answers import Answers
from promvil_hf.metrics.grounding import GroundingScore, answer_iou, grounding_table, size_labels
from promvil_hf.metrics.intervals import Interval, bootstrap_interval
from promvil_hf.metrics.pointing import answer_hits, pointing_score, points_inside


Table = dict[str, dict[str, Any]]  # label -> column -> number
TABLE_RESAMPLES = 1_999  # for the lines of a table, at most: they are many, and the headline is the one that is quoted


@dataclass(frozen=True, slots=True)
class Scores:
    """`value` is what `metric` names; `numbers` stand beside it, `settings` say how they were made.

    `rows` are counted with those that have no answer: they score 0. `row_scores` has one number per row.
    """

    metric: str
    value: float
    interval: Interval
    rows: int
    numbers: dict[str, float | int | None]
    settings: dict[str, Any]
    tables: dict[str, Table]
    problems: dict[str, int]
    row_scores: np.ndarray
    notes: tuple[str, ...] = ()
    row_notes: dict[int, str] = field(default_factory=dict)  # what was wrong with the answer of a row

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, without the rows."""
        return {
            "metric": self.metric,
            "value": self.value,
            "interval": dataclasses.asdict(self.interval),
            "rows": self.rows,
            **self.numbers,
            "settings": self.settings,
            "tables": self.tables,
            "problems": self.problems,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are made: whole images (or what `clusters` names) are drawn."""

    confidence: float = 0.95
    resamples: int = 9_999
    method: str = "bca"
    seed: int = 0

    def interval(self, columns, clusters=None, statistic: Callable | None = None) -> Interval:
        extra = {} if statistic is None else {"statistic": statistic}
        return bootstrap_interval(
            columns, clusters=clusters, confidence=self.confidence, resamples=self.resamples, method=self.method,
            seed=self.seed, **extra,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Grouping:
    """What each row belongs to: its image, which is the unit of resampling, and its line in the tables. None: nothing."""

    images: Sequence[Hashable] | None = None
    groups: Sequence[Hashable] | None = None  # the benchmark's own division
    levels: Sequence[Hashable] | None = None  # of phrases
    resampling: Resampling = Resampling()

    def interval(self, columns) -> Interval:
        return self.resampling.interval(columns, self.images)

    def labels(self) -> dict[str, Sequence[Hashable]]:
        """Table title -> labels, of the divisions that have more than one part."""
        groups = self.groups if self.groups is not None and len(set(self.groups)) > 1 else None
        return {title: of for title, of in (("level", self.levels), ("group", groups)) if of is not None}

    def table(self, labels: Sequence[Hashable], row_scores: np.ndarray, columns: Mapping | None = None) -> Table:
        """One line a label: its mean with interval, then what `columns` holds for it. Levels stand in order."""
        places: dict[Hashable, list[int]] = {}
        for place, label in enumerate(labels):
            places.setdefault(label, []).append(place)
        names = sorted(places) if all(isinstance(name, int) for name in places) else list(places)
        few = dataclasses.replace(self.resampling, resamples=min(self.resampling.resamples, TABLE_RESAMPLES))
        table = {}
        for name in names:
            part = places[name]
            images = None if self.images is None else [self.images[place] for place in part]
            spread = few.interval(row_scores[part], images)
            found = {"accuracy": spread.estimate, "low": spread.low, "high": spread.high, "rows": len(part)}
            table[str(name)] = found | (columns or {}).get(name, {})
        return table


@dataclass(frozen=True, slots=True)
class BoxRules:
    """Which of an answer's boxes count, against which of the gold boxes, and from which IoU on: see `metrics.grounding`."""

    policy: str = "first"
    gold_policy: str = "any"
    thresholds: tuple[float, ...] = (0.5,)

    def options(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def grounding_scores(
    answers: Answers,
    gold: Answers,
    rules: BoxRules = BoxRules(),  # noqa: B008
    grouping: Grouping = Grouping(),  # noqa: B008
    *,
    sizes: bool = True,
    settings: Mapping[str, Any] | None = None,
) -> Scores:
    """Accuracy of boxes at the first threshold. The table by `sizes` needs boxes in fractions."""
    whole = grounding_table(answers, gold, None, **rules.options())[None]
    iou = answer_iou(answers, gold, policy=rules.policy, gold_policy=rules.gold_policy)
    hits = (iou >= rules.thresholds[0]).astype(float)
    tables = {}
    size = {"size": size_labels(gold)} if sizes and gold.rows else {}
    for title, labels in (size | grouping.labels()).items():
        found = grounding_table(answers, gold, labels, **rules.options())
        columns = {name: {"mean_iou": one.mean_iou, "parse_rate": one.parse_rate} for name, one in found.items()}
        tables[title] = grouping.table(labels, hits, columns)
    if size:
        tables["size"] = dict(sorted(tables["size"].items()))
    tables = {title: tables[title] for title in ("level", "size", "group") if title in tables}
    return Scores(
        metric=f"accuracy@{rules.thresholds[0]:g}",
        value=whole.accuracy,
        interval=grouping.interval(hits),
        rows=whole.rows,
        numbers={
            **{f"accuracy@{threshold:g}": share for threshold, share in whole.accuracy_at.items()},
            "mean_iou": whole.mean_iou,
            "parse_rate": whole.parse_rate,
            "refused_rate": whole.refused_rate,
            "no_box_rate": whole.no_box_rate,
            "unreadable_rate": whole.unreadable_rate,
            "missing_rate": whole.missing_rate,
            "boxes_per_answer": whole.boxes_per_answer,
            "most_boxes": whole.most_boxes,
            "box_precision": whole.box_precision,
        },
        settings={
            "box_policy": rules.policy, "gold_policy": rules.gold_policy, "iou_thresholds": list(rules.thresholds),
            **(settings or {}),
        },
        tables=tables,
        problems=whole.problems,
        row_scores=iou,
        notes=_notes_on_many_boxes(answers, gold, rules, whole),
        row_notes={int(row): reason for reason, rows in answers.problems.items() for row in rows},
    )  # fmt: skip


def _notes_on_many_boxes(answers: Answers, gold: Answers, rules: BoxRules, whole: GroundingScore) -> tuple[str, ...]:
    """What a reader must know where answers hold several boxes."""
    same = _constant_dump(answers)
    if same is not None:
        best = answer_iou(answers, gold, policy="any", gold_policy=rules.gold_policy)
        return (
            f"All {answers.rows:,} answers hold the same {len(same):,} boxes, whatever the image. Under the policy "
            f"{rules.policy!r} they score {whole.accuracy:.3f}. No single box of theirs scores more than "
            f"{_best_constant_box(same, gold, rules.thresholds[0]):.3f}; a harness that takes the best of all boxes against "
            f"the truth would give {float(np.mean(best >= rules.thresholds[0])):.3f}.",
        )
    if whole.boxes_per_answer < 3:
        return ()
    gain = (
        "an answer gains by writing more of them: this score is an upper bound, not an accuracy."
        if rules.policy == "any"
        else "writing more of them gains nothing."
    )
    return (
        f"The answers hold {whole.boxes_per_answer:.1f} boxes on average and {whole.most_boxes} at most; "
        f"{whole.box_precision:.1%} of these boxes are right on their own. Under the policy {rules.policy!r} {gain}",
    )


def pointing_scores(
    answers: Answers,
    gold: Answers,
    policy: str = "first",
    grouping: Grouping = Grouping(),  # noqa: B008
    *,
    settings: Mapping[str, Any] | None = None,
) -> Scores:
    """Accuracy of points in gold boxes: 1 for a point inside one, by the policy of `metrics.pointing`."""
    whole = pointing_score(answers, gold, policy=policy)
    hits = answer_hits(answers, points_inside(answers, gold), policy)
    rates = {f"{name.replace(' ', '_')}_rate": share for name, share in whole.rates.items() if name != "box"}
    return Scores(
        metric="pointing_accuracy",
        value=whole.accuracy,
        interval=grouping.interval(hits),
        rows=whole.rows,
        numbers={
            "parse_rate": whole.rates["box"],
            **rates,
            "points_per_answer": whole.points_per_answer,
            "point_precision": whole.point_precision,
        },
        settings={"point_policy": policy, **(settings or {})},
        tables={title: grouping.table(labels, hits) for title, labels in grouping.labels().items()},
        problems=whole.problems,
        row_scores=hits,
        row_notes={int(row): reason for reason, rows in answers.problems.items() for row in rows},
    )


def gqa_scores(
    answers: Sequence[str | None],
    questions: Mapping[str, Mapping],
    *,
    choices: Mapping[str, Mapping] | None = None,
    tail: Sequence[bool] | None = None,
    normalise: Callable[[str], str] = gqa.lower_without_period,
    resampling: Resampling = Resampling(),  # noqa: B008
) -> Scores:
    """GQA's official numbers. `answers` belong to `questions` in their order; None is a missing one. `tail` marks
    GQA-OOD's tail questions."""
    ids = list(questions)
    said = {qid: answer for qid, answer in zip(ids, answers, strict=True) if answer is not None}
    score = gqa.gqa_score(said, questions, choices=choices, normalise=normalise)
    normal = {qid: normalise(answer) for qid, answer in said.items()}
    right = np.array([normal.get(qid) == question["answer"] for qid, question in questions.items()], float)
    balanced = np.array([question.get("isBalanced", True) for question in questions.values()], bool)
    images = [question.get("imageId") for question in questions.values() if question.get("isBalanced", True)]
    numbers: dict[str, float | int | None] = {
        "binary": score.binary, "open": score.open, "validity": score.validity, "plausibility": score.plausibility,
        "consistency": score.consistency, "distribution": score.distribution, "missing_choices": score.missing_choices,
    }  # fmt: skip
    notes = []
    if choices is None:
        notes.append("Validity and plausibility need GQA's choices file, which was not given.")
    else:
        known = [qid for qid, counts in zip(ids, balanced, strict=True) if counts and qid in choices]
        for name, group in (("validity", "valid"), ("plausibility", "plausible")):
            flags = [gqa.belongs(normal.get(qid), choices[qid][group], questions[qid]["types"]) for qid in known]
            spread = resampling.interval(np.array(flags, float), [questions[qid].get("imageId") for qid in known])
            numbers |= {f"{name}_low": spread.low, f"{name}_high": spread.high}
    if score.consistency is None:
        notes.append("Consistency needs entailed questions among the questions, and right answers that entail them.")
    if tail is not None:
        ood = gqa.ood_score(right[balanced], np.asarray(tail, bool)[balanced])
        numbers |= {"tail": ood.tail, "head": ood.head, "delta": ood.delta}
        if ood.reason:
            notes.append(f"GQA-OOD's delta is not defined: {ood.reason}.")
    tables = {
        title: {
            label: {"accuracy": good / all_, "right": good, "rows": all_} for label, (good, all_) in counts.items()
        }
        for title, counts in score.tables.items()
    }
    return Scores(
        metric="accuracy",
        value=score.accuracy,
        interval=resampling.interval(right[balanced], images if any(images) else None),
        rows=score.rows,
        numbers=numbers,
        settings={"answer_rule": score.normalise, "only": "questions marked balanced"},
        tables=tables,
        problems={},
        row_scores=np.where(balanced, right, np.nan),
        notes=tuple(notes),
    )


def pope_scores(
    answers: Sequence[str | None],
    labels: Sequence[str | bool],
    grouping: Grouping = Grouping(),  # noqa: B008
    *,
    rule: Callable[[str], bool | None] = pope.strict_yes_no,
) -> Scores:
    """F1 of yes. A missing answer is unknown under every rule: wrong, and missed where the truth is yes."""
    read = lru_cache(4_096)(rule)  # many answers are the same few words
    said = [None if answer is None else read(answer) for answer in answers]
    score = pope.pope_score(said, labels, _as_it_is)
    truth = pope.truths(labels)
    yes = np.array([answer is True for answer in said], bool)
    columns = np.stack([yes & truth, yes & ~truth, ~yes & truth], 1).astype(float)
    table: Table = {}
    for group in dict.fromkeys(grouping.labels().get("group", ())):
        part = [place for place, own in enumerate(grouping.groups) if own == group]
        own = pope.pope_score([said[place] for place in part], [labels[place] for place in part], _as_it_is)
        table[str(group)] = {"f1": own.f1, "accuracy": own.accuracy, "yes_rate": own.yes_rate, "rows": own.rows}
    numbers = dataclasses.asdict(score) | {"rule": getattr(rule, "__name__", str(rule))}
    scores = Scores(
        metric="f1",
        value=score.f1,
        interval=grouping.resampling.interval(columns, grouping.images, _f1),
        rows=numbers.pop("rows"),
        numbers=numbers,
        settings={"yes_no_rule": numbers.pop("rule")},
        tables={"group": table} if table else {},
        problems={},
        row_scores=np.array([answer is true for answer, true in zip(said, truth.tolist(), strict=True)], float),
    )
    return _with_unknown(scores, answers, said, "neither yes nor no")


def vqa_scores(
    answers: Sequence[str | None],
    people: Sequence[Sequence[str]],
    grouping: Grouping = Grouping(),  # noqa: B008
    *,
    normalise: str = "official",
) -> Scores:
    """Mean soft accuracy; a missing answer scores 0."""
    soft = vqa.soft_accuracies([answer or "" for answer in answers], people, normalise=normalise)
    soft = np.where([answer is not None for answer in answers], soft, 0.0)
    empty = sum(answer is not None and not answer.strip() for answer in answers)
    return _mean_scores(soft, grouping, {"normalise": normalise}, {"empty_answers": empty})


def picked_scores(
    answers: Sequence[str | None],
    choices: Sequence[Sequence[str]],
    gold: Sequence[int],
    grouping: Grouping = Grouping(),  # noqa: B008
    *,
    words: bool = False,
) -> Scores:
    """Accuracy over questions with choices. An answer that picks none of them is wrong and counted.

    With `words` the choices are single words that the question itself names, and the first of them in an answer counts.
    """
    pick = choice.first_named if words else choice.picked
    picks = [None if a is None else pick(a, c) for a, c in zip(answers, choices, strict=True)]
    right = np.array([pick == own for pick, own in zip(picks, gold, strict=True)], float)
    chance = float(np.mean([1 / len(c) for c in choices])) if choices else math.nan
    settings = {"answer_rule": "the first of its words" if words else "letter, else the words of one choice"}
    numbers = {"unknown_rate": _share(len(_unknown(answers, picks)), len(picks)), "chance": chance}
    return _with_unknown(_mean_scores(right, grouping, settings, numbers), answers, picks, "picks no choice")


def true_false_scores(
    answers: Sequence[str | None],
    gold: Sequence[bool],
    grouping: Grouping = Grouping(),  # noqa: B008
) -> Scores:
    """Accuracy of true and false. An answer that is neither is wrong and counted."""
    said = [None if answer is None else choice.true_or_false(answer) for answer in answers]
    right = np.array([answer is bool(true) for answer, true in zip(said, gold, strict=True)], float)
    settings = {"answer_rule": "first word true or yes, false or no"}
    numbers = {
        "unknown_rate": _share(len(_unknown(answers, said)), len(said)),
        "true_rate": _share(sum(answer is True for answer in said), len(said)),
    }
    return _with_unknown(_mean_scores(right, grouping, settings, numbers), answers, said, "neither true nor false")


def _mean_scores(row_scores: np.ndarray, grouping: Grouping, settings: dict, numbers: dict) -> Scores:
    return Scores(
        metric="accuracy",
        value=float(row_scores.mean()) if len(row_scores) else math.nan,
        interval=grouping.interval(row_scores),
        rows=len(row_scores),
        numbers=numbers,
        settings=settings,
        tables={title: grouping.table(labels, row_scores) for title, labels in grouping.labels().items()},
        problems={},
        row_scores=row_scores,
    )


def _unknown(answers: Sequence[str | None], read: Sequence) -> list[int]:
    """The rows whose answer was given and could not be read."""
    return [place for place, found in enumerate(read) if found is None and answers[place] is not None]


def _with_unknown(scores: Scores, answers: Sequence[str | None], read: Sequence, reason: str) -> Scores:
    unknown = _unknown(answers, read)
    if not unknown:
        return scores
    return dataclasses.replace(scores, problems={reason: len(unknown)}, row_notes=dict.fromkeys(unknown, reason))


def _constant_dump(answers: Answers) -> np.ndarray | None:
    """The boxes, if every answer holds the same ones and there are several of them and of the answers."""
    counts = answers.counts
    if answers.rows < 2 or counts.min() < 2 or counts.min() != counts.max():
        return None
    blocks = answers.xyxy.reshape(answers.rows, -1, 4)
    return blocks[0] if (blocks == blocks[0]).all() else None


def _best_constant_box(boxes: np.ndarray, gold: Answers, threshold: float) -> float:
    """The most any one of the boxes scores if it is the answer to every question."""
    best = 0.0
    for box in boxes:
        alone = Answers(gold.rows, np.arange(gold.rows), np.repeat(box[None], gold.rows, 0), {})
        best = max(best, float(np.mean(answer_iou(alone, gold) >= threshold)))
    return best


def _as_it_is(said: bool | None) -> bool | None:
    return said


def _f1(totals: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return 2 * totals[..., 0] / (2 * totals[..., 0] + totals[..., 1] + totals[..., 2])


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
