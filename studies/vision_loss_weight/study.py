# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Joint training with λ from 0 to 0.9: what is said, and how well it is tied to places."""

from promvil_hf.pages.chart_file import Panel
from studies.fivl import along, compared, less_reference, samples_of, shown_settings
from studies.results import scored
from studies.shared import first_trainings
from studies.terms import Findings, Study


QUESTION = "How does the weight λ of the vision-modeling loss trade the quality of the text against grounding?"
WEIGHTS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
NONE = "base"
MEASURES = ("short answers", "sentences: BLEU", "sentences: ROUGE-L", "patch IoU", "best head's rho")


def plan(terms):
    models = {NONE: None, **{weight: {"vision_loss_weight": weight} for weight in WEIGHTS}}
    return compared(terms, models, ("answers", "speech", "places"))


def read(terms, results):
    models = (NONE, *WEIGHTS)
    samples = samples_of(terms, results, models, MEASURES)
    differences = less_reference(samples, "λ", (0.1, 0.5, 0.9), 0.0, MEASURES, "λ {}")
    trainings = first_trainings(terms, results, {f"λ {weight}": (weight,) for weight in WEIGHTS})
    heads = {str(weight): [results["places", weight, seed]["head"] for seed in terms.seeds] for weight in models}
    passing = {str(weight): [results["places", weight, seed]["passing"] for seed in terms.seeds] for weight in models}
    more = {"best_heads": heads, "heads_that_pass_at_0.05": passing, "heads": results["places", 0.0, terms.seeds[0]]["heads"]}
    return Findings(scored(samples, "λ"), differences, {**shown_settings(terms, trainings), **more})


def draw(result):
    text, grounding = MEASURES[:3], MEASURES[3:]
    return [
        Panel("text", [along(result, "λ", WEIGHTS, measure) for measure in text], x_label="λ", y_label="score", y_range=(0, 1)),
        Panel("grounding", [along(result, "λ", WEIGHTS, measure) for measure in grounding], x_label="λ", y_label="score"),
    ]


STUDY = Study("vision_loss_weight", QUESTION, "llava", plan, read, draw)
