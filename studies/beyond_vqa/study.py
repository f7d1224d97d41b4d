# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Captions that name every thing of a scene, trained with and without the vision-modeling loss."""

from promvil_hf.pages.chart_file import Panel
from studies.fivl import accuracy, along, answers, head_score, patch_iou, places, sentence_score, speech, told, tuned
from studies.results import difference, score
from studies.terms import Findings, Study


QUESTION = "Does the vision-modeling loss help a task beyond questions and answers: captioning?"
WEIGHTS = (0.0, 0.1, 0.5)
MEASURES = ("things named: F1", "BLEU", "ROUGE-L", "patch IoU", "best head's rho", "short answers")


def plan(terms):
    cells = {}
    for seed in terms.seeds:
        for weight in WEIGHTS:
            trained = tuned(terms, seed, task="caption", vision_loss_weight=weight)
            cells["tuned", weight, seed] = trained
            cells["answers", weight, seed] = answers(terms, seed, trained)
            cells["speech", weight, seed] = speech(terms, seed, trained, "caption")
            cells["places", weight, seed] = places(terms, seed, trained, "caption")
    return cells


def read(terms, results):
    samples = {}
    for weight in WEIGHTS:
        said, spoken, placed = (
            {seed: results[kind, weight, seed] for seed in terms.seeds} for kind in ("answers", "speech", "places")
        )
        found = (
            *(sentence_score(spoken, which) for which in ("named", "bleu", "rouge")), patch_iou(placed),
            head_score(placed), accuracy(said),
        )  # fmt: skip
        samples |= {(weight, measure): own for measure, own in zip(MEASURES, found, strict=True)}
    scores = [score(sample, measure, **{"λ": str(weight)}) for (weight, measure), sample in samples.items()]
    differences = [
        difference(
            f"{measure}: λ {weight} less λ 0.0", samples[weight, measure], samples[0.0, measure],
            {"λ": str(weight)}, {"λ": "0.0"},
        )
        for measure in MEASURES
        for weight in WEIGHTS[1:]
    ]  # fmt: skip
    trainings = {f"λ {weight}": results["tuned", weight, terms.seeds[0]] for weight in WEIGHTS}
    return Findings(scores, differences, told(terms, trainings))


def draw(result):
    return [
        Panel("captions", [along(result, "λ", WEIGHTS, own) for own in MEASURES[:3]], x_label="λ", y_label="score"),
        Panel("grounding", [along(result, "λ", WEIGHTS, own) for own in MEASURES[3:5]], x_label="λ", y_label="score"),
    ]


STUDY = Study("beyond_vqa", QUESTION, "llava", plan, read, draw)
