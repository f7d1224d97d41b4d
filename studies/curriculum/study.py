# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Chain fine-tuning with each order of levels."""

from promvil_hf.pages.chart_file import Panel
from promvil_hf.training.curriculum import CURRICULA
from studies.promvil import LEVELS, PROMVIL, accuracy, by_level, measured, told
from studies.results import difference, score
from studies.shared import first_trainings, of_seeds
from studies.terms import Findings, Study


QUESTION = "Does it matter in which order the levels are trained?"
INFERENCES = {"one-shot": "one_shot", "progressive": "progressive"}
# Twelve trainings, six of which train lower steps again: on two thirds of the scenes they end within 25 minutes, and batches
# of five keep the updates that evidence needs.
SIZE = {"scenes": 3200, "batch": 5}


def plan(terms):
    cells = {}
    models = {kind: {"curriculum": kind, **_size(terms)} for kind in CURRICULA}
    for kind, seed, adapter in PROMVIL.trainings(terms, models):
        cells["tuned", kind, seed] = adapter
        cells[kind, seed] = measured(terms, seed, adapter)
    return cells


def read(terms, results):
    samples = {
        (kind, inference, level): accuracy(of_seeds(terms, results, kind), mode, level)
        for kind in CURRICULA
        for inference, mode in INFERENCES.items()
        for level in LEVELS
    }
    scores = [
        score(sample, f"level {level}", curriculum=kind, inference=inference)
        for (kind, inference, level), sample in samples.items()
    ]
    differences = [
        difference(
            f"level {level}: {kind} less none, progressive",
            samples[kind, "progressive", level], samples["none", "progressive", level],
            {"curriculum": kind}, {"curriculum": "none"},
        )
        for kind in CURRICULA if kind != "none"
        for level in (3, 2, 1)
    ]  # fmt: skip
    trainings = first_trainings(terms, results, list(CURRICULA))
    return Findings(scores, differences, told(terms, trainings, **_size(terms)))


def _size(terms):
    return {} if terms.quick else SIZE


def draw(result):
    settings = {kind: {"curriculum": kind, "inference": "progressive"} for kind in CURRICULA}
    return [Panel("asked progressively", by_level(result, settings), y_label="accuracy at IoU 0.5")]


STUDY = Study("curriculum", QUESTION, "kosmos2", plan, read, draw)
