# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Chain fine-tuning with each order of levels."""

from promvil_hf.pages.chart_file import Panel
from promvil_hf.training.curriculum import CURRICULA
from studies.promvil import PROMVIL, by_level, measured, samples_of, shown_settings
from studies.results import difference, scored
from studies.shared import first_trainings
from studies.terms import Findings, Study


QUESTION = "Does it matter in which order the levels are trained?"
# Twelve trainings, six of which train lower steps again: on two thirds of the scenes they end within 25 minutes, and batches
# of five keep the updates that evidence needs.
SIZE = {"scenes": 3200, "batch": 5}


def plan(terms):
    models = {kind: {"curriculum": kind, **_size(terms)} for kind in CURRICULA}
    return PROMVIL.compared(terms, models, {(): measured})


def read(terms, results):
    samples = samples_of(terms, results, [(kind,) for kind in CURRICULA])
    differences = [
        difference(
            f"{measure}: {kind} less none, progressive",
            samples[kind, "progressive", measure], samples["none", "progressive", measure],
            {"curriculum": kind}, {"curriculum": "none"},
        )
        for kind in CURRICULA if kind != "none"
        for measure in ("level 3", "level 2", "level 1")
    ]  # fmt: skip
    trainings = first_trainings(terms, results, list(CURRICULA))
    return Findings(scored(samples, "curriculum", "inference"), differences, shown_settings(terms, trainings, **_size(terms)))


def _size(terms):
    return {} if terms.quick else SIZE


def draw(result):
    settings = {kind: {"curriculum": kind, "inference": "progressive"} for kind in CURRICULA}
    return [Panel("asked progressively", by_level(result, settings), y_label="accuracy at IoU 0.5")]


STUDY = Study("curriculum", QUESTION, "kosmos2", plan, read, draw)
