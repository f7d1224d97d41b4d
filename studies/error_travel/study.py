# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The adapters of `flat_vs_chain` under evidence that is right, predicted, wrong, or missing."""

from promvil_hf.pages.chart_file import Panel
from studies.promvil import PROMVIL, accuracy, astray, told
from studies.promvil_work import EVIDENCE
from studies.results import difference, score
from studies.shared import curve, first_trainings, of_seeds
from studies.terms import Findings, Study


QUESTION = "How do errors travel up the levels: what becomes of a step whose evidence is wrong?"
TRAININGS = {"flat": {"evidence": False}, "chain": {}}
LEVELS = (2, 3)
# Predicted evidence came out right or wrong by itself; which phrases those are is no accident, so read them with care.
SPLIT = {
    "predicted, was right": lambda found, row: found["told"][row] >= 0.5,
    "predicted, was wrong": lambda found, row: found["told"][row] < 0.5,
}
KINDS = (*EVIDENCE, *SPLIT)


def plan(terms):
    cells = {}
    for training, seed, adapter in PROMVIL.trainings(terms, TRAININGS):
        cells["tuned", training, seed] = adapter
        cells[training, seed] = astray(terms, seed, adapter)
    return cells


def read(terms, results):
    samples = {}
    for training in TRAININGS:
        by_seed = of_seeds(terms, results, training)
        for level in LEVELS:
            for kind in EVIDENCE:
                samples[training, kind, level] = accuracy(by_seed, kind, level)
            for kind, keep in SPLIT.items():
                samples[training, kind, level] = accuracy(by_seed, "predicted", level, keep)
    scores = [
        score(samples[training, kind, level], f"level {level}", training=training, evidence=kind)
        for training in TRAININGS
        for kind in KINDS
        for level in LEVELS
        if len(samples[training, kind, level].columns)
    ]
    differences = [
        difference(
            f"level {level}, {training}: evidence {a} less {b}", samples[training, a, level], samples[training, b, level],
            {"evidence": a}, {"evidence": b},
        )
        for training, a, b in (
            ("chain", "right", "predicted"),
            ("chain", "predicted", "none"),
            ("chain", "right", "shifted"),
            ("chain", "right", "swapped"),
            ("chain", "predicted, was right", "predicted, was wrong"),
            ("flat", "right", "none"),
        )
        for level in LEVELS
        if len(samples[training, a, level].columns) and len(samples[training, b, level].columns)
    ]  # fmt: skip
    trainings = first_trainings(terms, results, list(TRAININGS))
    shares = {
        f"level {level}, {training}": round(
            len(samples[training, "predicted, was right", level].columns)
            / max(1, len(samples[training, "predicted", level].columns)),
            4,
        )
        for training in TRAININGS
        for level in LEVELS
    }
    return Findings(scores, differences, {**told(terms, trainings), "share_of_predicted_evidence_that_was_right": shares})


def draw(result):
    drawn = {training: [] for training in TRAININGS}
    known = {(own.setting["training"], own.setting["evidence"], own.measure) for own in result.scores}
    for training in TRAININGS:
        for measure in (f"level {level}" for level in LEVELS):
            kinds = [kind for kind in EVIDENCE if (training, kind, measure) in known]
            scores = {kind: result.score(measure, training=training, evidence=kind) for kind in kinds}
            drawn[training].append(curve(measure, scores))
    return [
        Panel(
            f"{training} fine-tuning", series, x_label="evidence", y_label="accuracy at IoU 0.5", y_range=(0, 1)
        )
        for training, series in drawn.items()
    ]


STUDY = Study("error_travel", QUESTION, "kosmos2", plan, read, draw)
