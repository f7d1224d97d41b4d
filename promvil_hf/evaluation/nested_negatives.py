# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Scores of CompoVL's negatives: boxes where something is, refusals where nothing is, and the level that goes wrong first."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from promvil_hf.boxes import Box
from promvil_hf.compovl.compovl_rows import ABOVE, AS_IT_WAS, CHANGED
from promvil_hf.dialects.base import NO_BOX, REFUSED
from promvil_hf.evaluation.benchmarks import BenchmarkRow
from promvil_hf.evaluation.box_scores import BoxRules
from promvil_hf.evaluation.scores import Grouping, Scores
from promvil_hf.metrics.answers import OUTCOMES, Answers, read_boxes
from promvil_hf.metrics.grounding import answer_iou
from promvil_hf.metrics.nested_negatives import NOWHERE, first_failures
from promvil_hf.metrics.pointing import POINT_POLICIES, answer_hits, points_inside


NEGATIVE = "negative"  # the unit of a row's negative
_WHOLE = Box(0.0, 0.0, 1.0, 1.0)  # stands for the truth where there is none; such rows are judged by their refusals


def are_negatives(rows: Sequence[BenchmarkRow]) -> bool:
    return bool(rows) and all(NEGATIVE in row.units for row in rows)


def nested_negative_scores(
    answers: Answers,
    rows: Sequence[BenchmarkRow],
    rules: BoxRules = BoxRules(),  # noqa: B008
    grouping: Grouping = Grouping(),  # noqa: B008
    settings: Mapping[str, Any] | None = None,
) -> Scores:
    """The share of pairs that are right: the step as it was is found, and the changed one is refused."""
    absent = np.array([row.absent for row in rows], bool)
    place = np.array([row.strata["place"] for row in rows])
    gold = read_boxes([row.boxes or (_WHOLE,) for row in rows])
    if answers.xyxy.shape[1] == 2:
        policy = rules.policy if rules.policy in POINT_POLICIES else POINT_POLICIES[0]
        hits = answer_hits(answers, points_inside(answers, gold), policy) > 0
        policies = {"point_policy": policy}
    else:
        iou = answer_iou(answers, gold, policy=rules.policy, gold_policy=rules.gold_policy)
        hits = iou >= rules.least(rules.thresholds[0])
        policies = {"box_policy": rules.policy, "gold_policy": rules.gold_policy, "iou_thresholds": list(rules.thresholds)}
    kind = np.array(OUTCOMES)[answers.outcomes]
    right = np.where(absent, kind == REFUSED, hits)
    names, levels = [row.units[NEGATIVE] for row in rows], [row.level for row in rows]
    found = first_failures(names, levels, right.tolist(), (place == CHANGED).tolist(), (place == AS_IT_WAS).tolist())
    first_rows = dict(zip(reversed(names), reversed(rows), strict=True))
    of_pairs = Grouping([first_rows[name].image_id for name in found.names], resampling=grouping.resampling)
    pair = found.pair.astype(float)

    def share(values: np.ndarray, where: np.ndarray) -> float | None:
        return float(np.mean(values[where])) if where.any() else None

    def columns(part: np.ndarray) -> dict[str, float | None]:
        here = np.isin(np.arange(len(rows)), part)
        return {"found": share(right, here & ~absent), "refused": share(kind == REFUSED, here & absent)}

    wrong = {
        name: [row for row in where if name != REFUSED or not absent[row]] for name, where in answers.problems.items()
    }
    exchanged = [first_rows[name].strata["exchanged"] for name in found.names]
    return Scores(
        metric="pairs_right",
        value=float(pair.mean()),
        interval=of_pairs.interval(pair),
        rows=len(rows),
        numbers={
            "negatives": len(found.names),
            "found": share(right, ~absent),
            "falsely_refused": share(kind == REFUSED, ~absent),
            "refused_at_the_change": share(right, place == CHANGED),
            "refused_above_the_change": share(right, place == ABOVE),
            "box_where_absent": share(kind == "box", absent),
            "no_box_where_absent": share(kind == NO_BOX, absent),
            "unreadable_where_absent": share(kind == "unreadable", absent),
            "chains_all_right": float(np.mean(found.first == NOWHERE)),
        },
        settings=policies | dict(settings or {}),
        tables={
            "level": grouping.table(levels, right.astype(float), columns),
            "place of the step": grouping.table(place.tolist(), right.astype(float), columns),
            "what was exchanged": of_pairs.table(exchanged, pair),
            "first level that is wrong": {
                f"changed at level {level}": {
                    "negatives": int(np.sum(found.changed == level)),
                    **{"none" if first == NOWHERE else f"level {first}": value for first, value in shares.items()},
                }
                for level, shares in found.histogram().items()
            },
        },
        problems={name: count for name, where in wrong.items() if (count := len(where))},
        row_scores=right.astype(float),
        notes=("A pair is a step that was found and its changed form that was refused: who always refuses or always gives a box "
               "has none right.",),
        row_notes={int(row): reason for reason, where in wrong.items() for row in where},
    )  # fmt: skip
