# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Scores of answers that are boxes or points: accuracy by a declared rule, strata, and what came of answers without a box."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from promvil_hf.dialects.base import REFUSED
from promvil_hf.evaluation.scores import Grouping, Scores
from promvil_hf.metrics.answers import OUTCOMES, Answers
from promvil_hf.metrics.grounding import GroundingScore, answer_iou, grounding_score, size_labels
from promvil_hf.metrics.none_or_many import rejection
from promvil_hf.metrics.pointing import answer_hits, pointing_score, points_inside


MEAN_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
MEAN_ACCURACY = "accuracy@0.5:0.95"
ALWAYS = (0.5, 0.75, 0.9)  # IoUs that every report has
IOU_RULES = ("at_least", "above")


@dataclass(frozen=True, slots=True)
class BoxRules:
    """Which of an answer's boxes count, against which of the gold boxes, and from which IoU on: see `metrics.grounding`.

    `iou_rule` says whether an IoU of the threshold itself is a hit ("at_least") or not ("above", as Ref-L4 counts).
    """

    policy: str = "first"
    gold_policy: str = "any"
    thresholds: tuple[float, ...] = (0.5,)
    iou_rule: str = IOU_RULES[0]

    def __post_init__(self):
        if self.iou_rule not in IOU_RULES:
            raise ValueError(f"You passed iou_rule={self.iou_rule!r}: it is one of {', '.join(IOU_RULES)}.")

    def least(self, threshold: float) -> float:
        """The smallest IoU that is a hit."""
        return threshold if self.iou_rule == "at_least" else float(np.nextafter(threshold, 2))


def grounding_scores(
    answers: Answers,
    gold: Answers,
    rules: BoxRules = BoxRules(),  # noqa: B008
    grouping: Grouping = Grouping(),  # noqa: B008
    *,
    absent: np.ndarray | None = None,
    sizes: bool = True,
    settings: Mapping[str, Any] | None = None,
) -> Scores:
    """Accuracy of boxes at the first threshold. The table by `sizes` needs boxes in fractions.

    `absent` marks the rows whose thing is not in the image, which have no gold box: there a refusal is right, and nothing else
    is. The row score is the IoU; of an absent thing 1 or 0.
    """
    absent = np.zeros(answers.rows, bool) if absent is None else np.asarray(absent, bool)
    there = ~absent
    some = absent.any()
    of_answers, of_gold = (answers.part(there), gold.part(there)) if some else (answers, gold)
    limits = {threshold: rules.least(threshold) for threshold in dict.fromkeys((*rules.thresholds, *ALWAYS))}
    options = {"policy": rules.policy, "gold_policy": rules.gold_policy}
    whole = grounding_score(of_answers, of_gold, thresholds=tuple(limits.values()), **options)
    iou = np.zeros(answers.rows)
    iou[there] = answer_iou(of_answers, of_gold, **options)
    iou[absent] = answers.outcomes[absent] == OUTCOMES.index(REFUSED)
    first = rules.thresholds[0]
    hits = (iou >= limits[first]).astype(float)
    mean_hits = np.mean([iou >= rules.least(threshold) for threshold in MEAN_THRESHOLDS], axis=0)
    boxed = answers.outcomes == OUTCOMES.index("box")

    def columns(rows: np.ndarray) -> dict[str, float]:
        seen = rows[there[rows]]
        return {
            MEAN_ACCURACY: float(mean_hits[rows].mean()), "mean_iou": _mean(iou[seen]), "parse_rate": float(boxed[rows].mean()),
        }  # fmt: skip

    labels = grouping.labels()
    if sizes and of_gold.rows:
        bands: Sequence = size_labels(of_gold)
        if some:
            named = iter(bands)
            bands = [next(named) if present else None for present in there.tolist()]
        labels = {"level": labels.pop("level")} | {"size": bands} | labels if "level" in labels else {"size": bands} | labels
    tables = {title: grouping.table(of_rows, hits, columns) for title, of_rows in labels.items()}
    if "size" in tables:
        tables["size"] = dict(sorted(tables["size"].items()))
    numbers = {f"accuracy@{threshold:g}": _mean(iou >= least) for threshold, least in limits.items()}
    numbers[MEAN_ACCURACY] = _mean(mean_hits)
    if "class" in tables:  # each class counts once, however many rows it has
        by_class = tables["class"].values()
        numbers["class_mean_accuracy"] = _mean(np.array([line["accuracy"] for line in by_class]))
        numbers[f"class_mean_{MEAN_ACCURACY}"] = _mean(np.array([line[MEAN_ACCURACY] for line in by_class]))
    return Scores(
        metric=f"accuracy@{first:g}",
        value=numbers[f"accuracy@{first:g}"],
        interval=grouping.interval(hits),
        rows=answers.rows,
        numbers={
            **numbers,
            "mean_iou": whole.mean_iou,
            **_outcomes(answers),
            "boxes_per_answer": whole.boxes_per_answer if not some else _mean(answers.counts),
            "most_boxes": int(answers.counts.max(initial=0)),
            "box_precision": whole.box_precision,
            **(_of_absent(answers, absent, iou, limits[first]) if some else {}),
        },
        settings={
            "box_policy": rules.policy, "gold_policy": rules.gold_policy, "iou_thresholds": list(rules.thresholds),
            "iou_rule": rules.iou_rule, **(settings or {}),
        },
        tables=tables,
        problems={reason: len(where) for reason, where in sorted(answers.problems.items())},
        row_scores=iou,
        notes=_notes_on_many_boxes(of_answers, of_gold, rules, whole),
        row_notes={int(row): reason for reason, rows in answers.problems.items() for row in rows},
    )  # fmt: skip


def _of_absent(answers: Answers, absent: np.ndarray, iou: np.ndarray, least: float) -> dict[str, float]:
    """Numbers that are added where some things are absent: each outcome by itself, and the accuracy of the other rows."""
    found = rejection(answers, absent)
    return {
        "accuracy_where_present": _mean(iou[~absent] >= least),
        "absent_rows": found.rows,
        "absent_refused_rate": found.refused,
        "absent_wrong_box_rate": found.wrong_box,
        "absent_no_box_rate": found.no_box,
        "absent_unreadable_rate": found.unreadable,
        "absent_missing_rate": found.missing,
        "false_refusal_rate": found.falsely_refused,
    }


def _outcomes(answers: Answers) -> dict[str, float]:
    kinds = np.bincount(answers.outcomes, minlength=len(OUTCOMES)) / max(answers.rows, 1)
    names = ("parse_rate", "refused_rate", "no_box_rate", "missing_rate", "unreadable_rate")  # in the order of OUTCOMES
    shares = dict(zip(names, kinds.tolist(), strict=True)) if answers.rows else dict.fromkeys(names, np.nan)
    return {name: shares[name] for name in ("parse_rate", "refused_rate", "no_box_rate", "unreadable_rate", "missing_rate")}


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
    masks: Sequence | None = None,
    absent: np.ndarray | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Scores:
    """Accuracy of points in gold masks, and in gold boxes where a row has no mask: by the policy of `metrics.pointing`.

    `absent` marks the rows whose thing is not in the image: there a refusal is right.
    """
    absent = np.zeros(answers.rows, bool) if absent is None else np.asarray(absent, bool)
    whole = pointing_score(answers, gold, masks, policy=policy)
    hits = answer_hits(answers, points_inside(answers, gold, masks), policy)
    hits[absent] = answers.outcomes[absent] == OUTCOMES.index(REFUSED)
    return Scores(
        metric="pointing_accuracy",
        value=_mean(hits),
        interval=grouping.interval(hits),
        rows=whole.rows,
        numbers={
            **_outcomes(answers),
            "points_per_answer": whole.points_per_answer,
            "point_precision": whole.point_precision,
            **(_of_absent(answers, absent, hits, 0.5) if absent.any() else {}),
        },
        settings={"point_policy": policy, **(settings or {})},
        tables={title: grouping.table(labels, hits) for title, labels in grouping.labels().items()},
        problems=whole.problems,
        row_scores=hits,
        row_notes={int(row): reason for reason, rows in answers.problems.items() for row in rows},
    )


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


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else np.nan
