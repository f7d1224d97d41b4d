# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Scores of sets of boxes: phrases that name none, one or several things, and boxes that carry scores."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from promvil_hf.dialects.base import NO_ANSWER, NO_BOX, REFUSED
from promvil_hf.evaluation.scores import Grouping, Scores, Table
from promvil_hf.metrics.answers import Answers, outcome_rates
from promvil_hf.metrics.detection import detection_score
from promvil_hf.metrics.grounding import iou_matrix
from promvil_hf.metrics.none_or_many import none_or_many, rejection
from promvil_hf.metrics.ranking import precision_at_k, recall_at_k, separation


MIN_SCORE = 0.7  # gRefCOCO's: boxes below it are dropped
RANKS = (1, 5, 10)
PERFECT = "perfect_rate"


def box_set_scores(
    answers: Answers,
    gold: Answers,
    grouping: Grouping = Grouping(),  # noqa: B008
    *,
    overlap: str = "giou",
    threshold: float = 0.5,
    box_scores: np.ndarray | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Scores:
    """The share of rows whose boxes are exactly those that were wanted (gRefCOCO's F1 score), with N-acc, T-acc, average
    precision and F1 over all boxes beside it. `gold` has no box where the thing is absent.
    """
    found = none_or_many(answers, gold, overlap=overlap, threshold=threshold)
    boxes = detection_score(answers, gold, box_scores)
    perfect = (found.f1 == 1).astype(float)
    absent = gold.counts == 0
    rejected = rejection(answers, absent)
    rates = outcome_rates(answers)
    return Scores(
        metric=PERFECT,
        value=found.perfect,
        interval=grouping.interval(perfect),
        rows=answers.rows,
        numbers={
            "n_acc": found.n_acc, "t_acc": found.t_acc, "mean_f1": found.mean_f1,
            "ap": boxes.ap, "ap50": boxes.ap50, "ap75": boxes.ap75,
            "box_f1": boxes.f1, "box_precision": boxes.precision, "box_recall": boxes.recall,
            "parse_rate": rates["box"], "refused_rate": rates[REFUSED], "no_box_rate": rates[NO_BOX],
            "unreadable_rate": rates["unreadable"], "missing_rate": rates[NO_ANSWER],
            "boxes_per_answer": float(answers.counts.mean()) if answers.rows else np.nan,
            "absent_rows": rejected.rows, "absent_refused_rate": rejected.refused, "absent_wrong_box_rate": rejected.wrong_box,
            "absent_no_box_rate": rejected.no_box, "absent_unreadable_rate": rejected.unreadable,
            "absent_missing_rate": rejected.missing, "false_refusal_rate": rejected.falsely_refused,
        },
        settings={
            "overlap": {"giou": "generalised IoU (as gRefCOCO's code)", "iou": "IoU (as its paper)"}[overlap],
            "iou_thresholds": [threshold],
            "order_of_boxes": "by their scores" if box_scores is not None else "as written",
            **(settings or {}),
        },
        tables={title: grouping.table(labels, perfect) for title, labels in grouping.labels().items()},
        problems={reason: len(where) for reason, where in sorted(answers.problems.items())},
        row_scores=found.f1,
        row_notes={int(row): reason for reason, rows in answers.problems.items() for row in rows},
    )  # fmt: skip


def kept_boxes(answers: Answers, box_scores: np.ndarray, least: float) -> tuple[Answers, np.ndarray]:
    """The boxes that score at least this, and their scores. An answer that loses all its boxes so refuses."""
    keep = box_scores >= least
    row = answers.row[keep]
    emptied = np.setdiff1d(answers.row, row)
    refused = np.union1d(answers.problems.get(REFUSED, np.empty(0, int)), emptied).astype(int)
    others = {reason: where[~np.isin(where, emptied)] for reason, where in answers.problems.items() if reason != REFUSED}
    problems = {reason: where for reason, where in {**others, REFUSED: refused}.items() if len(where)}
    return Answers(answers.rows, row, answers.xyxy[keep], problems), box_scores[keep]


def by_score(answers: Answers, box_scores: np.ndarray) -> tuple[Answers, np.ndarray]:
    """The boxes of each answer, the best first."""
    order = np.lexsort((np.arange(len(box_scores)), -box_scores, answers.row))
    return replace(answers, xyxy=answers.xyxy[order]), box_scores[order]


def with_ranks(
    scores: Scores,
    answers: Answers,
    gold: Answers,
    box_scores: np.ndarray,
    best: np.ndarray,
    positive: Sequence[Hashable | None],
    kinds: Sequence[Hashable | None],
    easy: np.ndarray,
    *,
    least: float = 0.5,
) -> Scores:
    """FineCops-Ref's Precision@k, Recall@k, AUROC, FPR95 and AUPR beside the scores.

    `best` is the best score of each row, `positive` the name of the positive a row is or belongs to, `kinds` the kind of
    each negative (None: a positive). Against all negatives stand the `easy` positives only, as the benchmark counts.
    """
    absent = gold.counts == 0
    first = np.cumsum(answers.counts) - answers.counts
    boxes, by = [], []
    for row, count in enumerate(answers.counts.tolist()):
        of_row = slice(first[row], first[row] + count)
        truth = gold.xyxy[gold.row == row] if count and not absent[row] else np.empty((0, 4))
        boxes.append(iou_matrix(answers.xyxy[of_row], truth).max(1, initial=0) >= least)
        by.append(box_scores[of_row])
    there = np.flatnonzero(~absent)
    numbers: dict[str, float] = {
        f"precision@{k}": float(precision_at_k([boxes[row] for row in there], [by[row] for row in there], k).mean())
        for k in RANKS
    }
    whole = separation(best[absent | easy], ~absent[absent | easy])
    numbers |= {"auroc": whole.auroc, "fpr95": whole.fpr95, "aupr": whole.aupr}
    place = {positive[row]: row for row in there.tolist()}
    table: Table = {}
    for kind in dict.fromkeys(row_kind for row_kind in kinds if row_kind is not None):
        negatives = [row for row, row_kind in enumerate(kinds) if row_kind == kind and positive[row] in place]
        ask = [*dict.fromkeys(place[positive[row]] for row in negatives), *negatives]
        if not negatives:
            continue
        of = [None if kinds[row] is None else positive[row] for row in ask]
        names = [positive[row] for row in ask]
        line: dict[str, Any] = {}
        for k in RANKS:
            hits = recall_at_k([boxes[row] for row in ask], [by[row] for row in ask], names, of, k)[1]
            line[f"recall@{k}"] = float(hits.mean())
        pairs = [place[positive[row]] for row in negatives]
        separated = separation(best[[*pairs, *negatives]], [True] * len(pairs) + [False] * len(negatives))
        line |= {"auroc": separated.auroc, "fpr95": separated.fpr95, "aupr": separated.aupr, "rows": len(negatives)}
        table[str(kind)] = line
    tables = {**scores.tables, **({"kind of negative": table} if table else {})}
    return replace(scores, numbers={**scores.numbers, **numbers}, tables=tables)
