# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Captions that name every thing of a scene, trained with and without the vision-modeling loss."""

from promvil_hf.pages.chart_file import Panel
from studies.fivl import along, compared, less_reference, samples_of, shown_settings
from studies.results import scored
from studies.shared import first_trainings
from studies.terms import Findings, Study


QUESTION = "Does the vision-modeling loss help a task beyond questions and answers: captioning?"
WEIGHTS = (0.0, 0.1, 0.5)
MEASURES = ("things named: F1", "BLEU", "ROUGE-L", "patch IoU", "best head's rho", "short answers")


def plan(terms):
    models = {weight: {"task": "caption", "vision_loss_weight": weight} for weight in WEIGHTS}
    return compared(terms, models, ("answers", "speech", "places"), "caption")


def read(terms, results):
    samples = samples_of(terms, results, WEIGHTS, MEASURES)
    differences = less_reference(samples, "λ", WEIGHTS[1:], 0.0, MEASURES, "λ {}")
    trainings = first_trainings(terms, results, {f"λ {weight}": (weight,) for weight in WEIGHTS})
    return Findings(scored(samples, "λ"), differences, shown_settings(terms, trainings))


def draw(result):
    return [
        Panel("captions", [along(result, "λ", WEIGHTS, measure) for measure in MEASURES[:3]], x_label="λ", y_label="score"),
        Panel("grounding", [along(result, "λ", WEIGHTS, measure) for measure in MEASURES[3:5]], x_label="λ", y_label="score"),
    ]


STUDY = Study("beyond_vqa", QUESTION, "llava", plan, read, draw)
