# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Training masks that are exact, too large, moved, anywhere, or cut off; what is measured stays exact."""

from promvil_hf.pages.chart_file import Panel
from studies.fivl import along, compared, less_reference, samples_of, shown_settings
from studies.results import scored
from studies.shared import first_trainings
from studies.terms import Findings, Study


QUESTION = "How good must the masks of the training rows be?"
MASKS = {
    "none (λ 0)": {"vision_loss_weight": 0.0},
    "perfect": {},
    **{name: {"masks": name} for name in ("dilated", "shifted", "incomplete", "random")},
}
MEASURES = ("short answers", "patch IoU", "best head's rho")


def plan(terms):
    return compared(terms, MASKS, ("answers", "places"))


def read(terms, results):
    samples = samples_of(terms, results, MASKS, MEASURES)
    others = [name for name in MASKS if name != "perfect"]
    differences = less_reference(samples, "masks", others, "perfect", MEASURES, "{}")
    return Findings(scored(samples, "masks"), differences, shown_settings(terms, first_trainings(terms, results, list(MASKS))))


def draw(result):
    return [Panel("by training masks", [along(result, "masks", MASKS, measure) for measure in MEASURES], y_label="score")]


STUDY = Study("mask_noise", QUESTION, "llava", plan, read, draw)
