# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Scores: the number of a task together with what makes it comparable, over `promvil_hf.metrics`.

Each function here gives a `Scores`. It carries the score of every row as well, because intervals, best and worst cases
and paired tests all start from those. Nothing here reads files or loads torch. Floor 5.
"""

import dataclasses
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from promvil_hf.metrics import choice, gqa, pope, vqa
from promvil_hf.metrics.answers import Answers
from promvil_hf.metrics.grounding import GroundingScore, answer_iou, grounding_table, size_labels
from promvil_hf.metrics.intervals import Interval, bootstrap_interval


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


def grounding_scores(
    answers: Answers,
    gold: Answers,
    *,
    policy: str = "first",
    thresholds: Sequence[float] = (0.5,),
    gold_policy: str = "any",
    image_ids: Sequence[Hashable] | None = None,
    levels: Sequence[Hashable] | None = None,
    labels: Mapping[str, Sequence[Hashable]] | None = None,
    sizes: bool = True,
    resampling: Resampling = Resampling(),  # noqa: B008
    settings: Mapping[str, Any] | None = None,
) -> Scores:
    """Accuracy of boxes at the first threshold. `labels` name further tables; `sizes` needs boxes in fractions."""
    options = {"policy": policy, "thresholds": thresholds, "gold_policy": gold_policy}
    whole = grounding_table(answers, gold, None, **options)[None]
    iou = answer_iou(answers, gold, policy=policy, gold_policy=gold_policy)
    hits = iou >= thresholds[0]
    named = {"level": levels, "size": size_labels(gold) if sizes and gold.rows else None, **(labels or {})}
    tables = {}
    for title, of_rows in named.items():
        if of_rows is None:
            continue
        groups = grounding_table(answers, gold, of_rows, **options)
        if title == "size":
            groups = dict(sorted(groups.items()))
        tables[title] = _table(groups, of_rows, hits, image_ids, resampling, _grounding_columns)
    notes = []
    blind = _constant_dump(answers)
    if blind is not None:
        best = _best_constant_box(blind, gold, thresholds[0])
        notes.append(
            f"All {answers.rows:,} answers hold the same {len(blind):,} boxes, whatever the image. Under the policy "
            f"{policy!r} they score {whole.accuracy:.3f}. No single box of theirs scores more than {best:.3f}; a harness "
            "that takes the best of all boxes against the truth would give "
            f"{_any(answers, gold, gold_policy, thresholds[0]):.3f}."
        )
    elif whole.boxes_per_answer >= 3:
        notes.append(
            f"The answers hold {whole.boxes_per_answer:.1f} boxes on average and {whole.most_boxes} at most; "
            f"{whole.box_precision:.1%} of these boxes are right on their own. Under the policy {policy!r} "
            + (
                "an answer gains by writing more of them: this score is an upper bound, not an accuracy."
                if policy == "any"
                else "writing more of them gains nothing."
            )
        )
    numbers = {
        **{f"accuracy@{threshold:g}": share for threshold, share in whole.accuracy_at.items()},
        "mean_iou": whole.mean_iou,
        "parse_rate": whole.parse_rate,
        "boxes_per_answer": whole.boxes_per_answer,
        "most_boxes": whole.most_boxes,
        "box_precision": whole.box_precision,
    }
    return Scores(
        metric=f"accuracy@{thresholds[0]:g}",
        value=whole.accuracy,
        interval=resampling.interval(hits, image_ids),
        rows=whole.rows,
        numbers=numbers,
        settings={
            "box_policy": policy,
            "gold_policy": gold_policy,
            "iou_thresholds": list(thresholds),
            **(settings or {}),
        },
        tables=tables,
        problems=whole.problems,
        row_scores=iou,
        notes=tuple(notes),
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
    normal = [None if answer is None else normalise(answer) for answer in answers]
    right = np.array([a == questions[qid]["answer"] for a, qid in zip(normal, ids, strict=True)], float)
    images = [questions[qid].get("imageId") for qid in ids]
    balanced = np.array([questions[qid].get("isBalanced", True) for qid in ids], bool)
    clusters = [image for image, counts in zip(images, balanced, strict=True) if counts]
    numbers: dict[str, float | int | None] = {
        "binary": score.binary, "open": score.open, "validity": score.validity, "plausibility": score.plausibility,
        "consistency": score.consistency, "distribution": score.distribution, "missing_choices": score.missing_choices,
    }  # fmt: skip
    notes = []
    if choices is None:
        notes.append("Validity and plausibility need GQA's choices file, which was not given.")
    else:
        for name in ("valid", "plausible"):
            known = [k for k, qid in enumerate(ids) if qid in choices and balanced[k]]
            flags = [gqa.belongs(normal[k], choices[ids[k]][name], questions[ids[k]]["types"]) for k in known]
            spread = resampling.interval(np.array(flags, float), [images[k] for k in known])
            long = {"valid": "validity", "plausible": "plausibility"}[name]
            numbers[f"{long}_low"], numbers[f"{long}_high"] = spread.low, spread.high
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
        interval=resampling.interval(right[balanced], clusters if any(clusters) else None),
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
    *,
    rule: Callable[[str], bool | None] = pope.strict_yes_no,
    image_ids: Sequence[Hashable] | None = None,
    groups: Sequence[Hashable] | None = None,
    resampling: Resampling = Resampling(),  # noqa: B008
) -> Scores:
    """F1 of yes. A missing answer is unknown under every rule: wrong, and missed where the truth is yes."""

    def read(answer: str | None) -> bool | None:
        return None if answer is None else rule(answer)

    read.__name__ = getattr(rule, "__name__", str(rule))
    score = pope.pope_score(answers, labels, read)
    truth = np.array([_is_yes(label) for label in labels], bool)
    said = [read(answer) for answer in answers]
    yes = np.array([answer is True for answer in said], bool)
    right = np.array([answer is true for answer, true in zip(said, truth.tolist(), strict=True)], float)
    columns = np.stack([yes & truth, yes & ~truth, ~yes & truth], 1).astype(float)
    numbers = {
        "f1": score.f1, "accuracy": score.accuracy, "precision": score.precision, "recall": score.recall,
        "yes_rate": score.yes_rate, "unknown_rate": score.unknown_rate, "true_positives": score.true_positives,
        "false_positives": score.false_positives, "true_negatives": score.true_negatives,
        "false_negatives": score.false_negatives, "unknown_yes": score.unknown_yes, "unknown_no": score.unknown_no,
    }  # fmt: skip
    tables = {}
    if groups is not None and len(set(groups)) > 1:
        tables["group"] = {}
        for group in dict.fromkeys(groups):
            part = [k for k, own in enumerate(groups) if own == group]
            own = pope.pope_score([answers[k] for k in part], [labels[k] for k in part], read)
            tables["group"][str(group)] = {
                "f1": own.f1,
                "accuracy": own.accuracy,
                "yes_rate": own.yes_rate,
                "rows": own.rows,
            }
    unknown = sum(answer is None for answer in said) - sum(answer is None for answer in answers)
    return Scores(
        metric="f1",
        value=score.f1,
        interval=resampling.interval(columns, image_ids, _f1),
        rows=score.rows,
        numbers=numbers,
        settings={"yes_no_rule": score.rule},
        tables=tables,
        problems={"neither yes nor no": unknown} if unknown else {},
        row_scores=right,
        row_notes={
            k: "neither yes nor no" for k, answer in enumerate(said) if answer is None and answers[k] is not None
        },
    )


def vqa_scores(
    answers: Sequence[str | None],
    people: Sequence[Sequence[str]],
    *,
    normalise: str = "official",
    image_ids: Sequence[Hashable] | None = None,
    groups: Sequence[Hashable] | None = None,
    resampling: Resampling = Resampling(),  # noqa: B008
) -> Scores:
    """Mean soft accuracy; a missing answer scores 0."""
    given = np.array([answer is not None for answer in answers], bool)
    soft = vqa.soft_accuracies(["" if answer is None else answer for answer in answers], people, normalise=normalise)
    soft = np.where(given, soft, 0.0)
    return _mean_scores(
        soft, "accuracy", image_ids, groups, resampling, {"normalise": normalise}, {"empty_answers": sum(
            answer is not None and not answer.strip() for answer in answers)},
    )  # fmt: skip


def picked_scores(
    answers: Sequence[str | None],
    choices: Sequence[Sequence[str]],
    gold: Sequence[int],
    *,
    image_ids: Sequence[Hashable] | None = None,
    groups: Sequence[Hashable] | None = None,
    resampling: Resampling = Resampling(),  # noqa: B008
) -> Scores:
    """Accuracy over questions with choices. An answer that picks none of them is wrong and counted."""
    picks = [None if a is None else choice.picked(a, c) for a, c in zip(answers, choices, strict=True)]
    unknown = [k for k, pick in enumerate(picks) if pick is None and answers[k] is not None]
    right = np.array([pick == own for pick, own in zip(picks, gold, strict=True)], float)
    chance = float(np.mean([1 / len(c) for c in choices])) if choices else math.nan
    found = _mean_scores(
        right, "accuracy", image_ids, groups, resampling, {"answer_rule": "letter, else the words of one choice"},
        {"unknown_rate": _share(len(unknown), len(picks)), "chance": chance},
    )  # fmt: skip
    return _with_unknown(found, unknown, "picks no choice")


def true_false_scores(
    answers: Sequence[str | None],
    gold: Sequence[bool],
    *,
    image_ids: Sequence[Hashable] | None = None,
    groups: Sequence[Hashable] | None = None,
    resampling: Resampling = Resampling(),  # noqa: B008
) -> Scores:
    """Accuracy of true and false. An answer that is neither is wrong and counted."""
    said = [None if answer is None else choice.true_or_false(answer) for answer in answers]
    unknown = [k for k, answer in enumerate(said) if answer is None and answers[k] is not None]
    right = np.array([answer is bool(true) for answer, true in zip(said, gold, strict=True)], float)
    numbers = {
        "unknown_rate": _share(len(unknown), len(said)),
        "true_rate": _share(sum(answer is True for answer in said), len(said)),
    }
    found = _mean_scores(
        right, "accuracy", image_ids, groups, resampling, {"answer_rule": "first word true or yes, false or no"}, numbers
    )  # fmt: skip
    return _with_unknown(found, unknown, "neither true nor false")


def _mean_scores(row_scores, metric, image_ids, groups, resampling, settings, numbers) -> Scores:
    tables = {}
    if groups is not None and len(set(groups)) > 1:
        tables["group"] = _table(
            dict.fromkeys(dict.fromkeys(groups)), groups, row_scores, image_ids, resampling, lambda _: {}
        )
    return Scores(
        metric=metric,
        value=float(row_scores.mean()) if len(row_scores) else math.nan,
        interval=resampling.interval(row_scores, image_ids),
        rows=len(row_scores),
        numbers=numbers,
        settings=settings,
        tables=tables,
        problems={},
        row_scores=row_scores,
    )


def _with_unknown(scores: Scores, unknown: list[int], reason: str) -> Scores:
    if not unknown:
        return scores
    return dataclasses.replace(scores, problems={reason: len(unknown)}, row_notes=dict.fromkeys(unknown, reason))


def _table(groups, labels, row_scores, image_ids, resampling, columns) -> Table:
    """One line a label: its mean with interval, then what `columns` adds. Levels stand in order."""
    names = list(groups)
    if all(isinstance(name, int) for name in names):
        names.sort()
    labels, scores = list(labels), np.asarray(row_scores, float)
    places: dict[Hashable, list[int]] = {name: [] for name in names}
    for place, label in enumerate(labels):
        places[label].append(place)
    resampling = dataclasses.replace(resampling, resamples=min(resampling.resamples, TABLE_RESAMPLES))
    table = {}
    for name in names:
        part = places[name]
        spread = resampling.interval(scores[part], None if image_ids is None else [image_ids[k] for k in part])
        table[str(name)] = {
            "accuracy": spread.estimate, "low": spread.low, "high": spread.high, "rows": len(part),
            **columns(groups[name]),
        }  # fmt: skip
    return table


def _grounding_columns(score: GroundingScore) -> dict[str, float]:
    return {"mean_iou": score.mean_iou, "parse_rate": score.parse_rate}


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


def _any(answers: Answers, gold: Answers, gold_policy: str, threshold: float) -> float:
    return float(np.mean(answer_iou(answers, gold, policy="any", gold_policy=gold_policy) >= threshold))


def _f1(totals: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return 2 * totals[..., 0] / (2 * totals[..., 0] + totals[..., 1] + totals[..., 2])


def _is_yes(label: str | bool) -> bool:
    return label.strip().lower() == "yes" if isinstance(label, str) else bool(label)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
