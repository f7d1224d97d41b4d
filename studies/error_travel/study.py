# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The adapters of `flat_vs_chain` under evidence that is right, predicted, wrong, or missing."""

from promvil_hf.pages.chart_file import Panel
from studies.promvil import PROMVIL, accuracy, astray, shown_settings
from studies.promvil_work import EVIDENCE
from studies.results import difference, scored
from studies.shared import curve, first_trainings, of_seeds
from studies.terms import Findings, Study


QUESTION = "How do errors travel up the levels: what becomes of a step whose evidence is wrong?"
TRAININGS = {"flat": {"evidence": False}, "chain": {}}
LEVELS = (2, 3)
MEASURES = ("level 2", "level 3")
# Predicted evidence came out right or wrong by itself; which phrases those are is no accident, so read them with care.
KINDS = {  # what of which evidence is looked at
    **{kind: (kind, lambda found, row: True) for kind in EVIDENCE},
    "predicted, was right": ("predicted", lambda found, row: found["told"][row] >= 0.5),
    "predicted, was wrong": ("predicted", lambda found, row: found["told"][row] < 0.5),
}


def plan(terms):
    return PROMVIL.compared(terms, TRAININGS, {(): astray})


def read(terms, results):
    samples = {
        (training, kind, f"level {level}"): accuracy(of_seeds(terms, results, training), evidence, level, keep)
        for training in TRAININGS
        for kind, (evidence, keep) in KINDS.items()
        for level in LEVELS
    }
    rows = {name: len(sample.columns) for name, sample in samples.items()}
    samples = {name: sample for name, sample in samples.items() if rows[name]}
    differences = [
        difference(
            f"{measure}, {training}: evidence {a} less {b}", samples[training, a, measure], samples[training, b, measure],
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
        for measure in MEASURES
        if (training, a, measure) in samples and (training, b, measure) in samples
    ]  # fmt: skip
    trainings = first_trainings(terms, results, list(TRAININGS))
    shares = {
        f"{measure}, {training}": round(
            rows[training, "predicted, was right", measure] / max(1, rows[training, "predicted", measure]), 4
        )
        for training in TRAININGS
        for measure in MEASURES
    }
    settings = {**shown_settings(terms, trainings), "share_of_predicted_evidence_that_was_right": shares}
    return Findings(scored(samples, "training", "evidence"), differences, settings)


def draw(result):
    drawn = {training: [] for training in TRAININGS}
    known = {(score.setting["training"], score.setting["evidence"], score.measure) for score in result.scores}
    for training in TRAININGS:
        for measure in MEASURES:
            kinds = [kind for kind in EVIDENCE if (training, kind, measure) in known]
            scores = {kind: result.score(measure, training=training, evidence=kind) for kind in kinds}
            drawn[training].append(curve(measure, scores))
    return [
        Panel(f"{training} fine-tuning", series, x_label="evidence", y_label="accuracy at IoU 0.5", y_range=(0, 1))
        for training, series in drawn.items()
    ]


STUDY = Study("error_travel", QUESTION, "kosmos2", plan, read, draw)
