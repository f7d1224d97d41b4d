# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Models of different λ and length of training: their accuracy, their Visual Reliance Score, and how they bear odd pictures."""

import math
from dataclasses import replace
from functools import partial

from promvil_hf.evaluation.reliance import ReliancePoint, against_accuracy
from promvil_hf.pages.chart_file import Panel
from studies.fivl import FIVL, accuracy, along, answers, reliance, reliance_score, told
from studies.results import Score, difference, rounded, score
from studies.shared import curve, first_trainings, of_seeds
from studies.terms import Findings, Study


QUESTION = "Does the Visual Reliance Score follow accuracy, and does the vision-modeling loss make answers more robust?"
MODELS = {
    "base": None,
    "λ 0.1, an eighth": {"passes": 1 / 8},
    "λ 0.1, a third": {"passes": 1 / 3},
    "λ 0.1": {},
    "λ 0": {"vision_loss_weight": 0.0},
    "λ 0.5": {"vision_loss_weight": 0.5},
    "λ 0.9": {"vision_loss_weight": 0.9},
}
SHOWN_ODD = ("base", "λ 0", "λ 0.1", "λ 0.5")
ODD = {
    "as trained": {},
    "noise": {"pictures": "noise"},
    "blur": {"pictures": "blur"},
    "sketch": {"style": "sketch"},
    "night": {"style": "night"},
}
COVERED = {"reliance": ("key boxes", "original"), "random boxes hidden": ("random boxes", "original"),
           "whole picture hidden": ("whole image", "original"), "beyond random boxes": ("key boxes", "random boxes")}  # fmt: skip


def plan(terms):
    odd = {(pictures,): partial(answers, **own) for pictures, own in ODD.items()}
    shown = {model: MODELS[model] for model in SHOWN_ODD}
    cells = FIVL.compared(terms, MODELS, {("reliance",): reliance, ("as trained",): answers})
    return cells | FIVL.compared(terms, shown, odd)


def read(terms, results):
    scores, samples = [], {}
    for model in MODELS:
        for measure, (hidden, beyond) in COVERED.items():
            samples[measure, model] = reliance_score(of_seeds(terms, results, "reliance", model), hidden, beyond)
            scores.append(score(samples[measure, model], measure, model=model))
        for pictures in ODD:
            if (pictures, model, terms.seeds[0]) in results:
                samples[pictures, model] = accuracy(of_seeds(terms, results, pictures, model))
                scores.append(score(samples[pictures, model], f"accuracy, {pictures}", model=model))
    scores += [correlation(terms, samples, measure) for measure in ("reliance", "beyond random boxes")]
    scores.append(correlation(terms, samples, "reliance", without="λ 0.9"))  # poor in both, it could carry all of it
    told_of = {f"accuracy, {pictures}": pictures for pictures in ODD}
    told_of |= {measure: measure for measure in ("reliance", "beyond random boxes")}
    differences = [
        difference(
            f"{what}: {model} less λ 0", samples[key, model], samples[key, "λ 0"], {"model": model}, {"model": "λ 0"},
        )
        for what, key in told_of.items()
        for model in ("λ 0.1", "λ 0.5")
    ]  # fmt: skip
    trainings = first_trainings(terms, results, [name for name, own in MODELS.items() if own is not None])
    return Findings(scores, differences, told(terms, trainings))


def correlation(terms, samples, measure, without=""):
    """Pearson's, over all models of all seeds, perhaps less one; the interval draws models."""
    models = [model for model in MODELS if model != without]
    accuracies, scores = (
        {model: samples[name, model].means() for model in models} for name in ("as trained", measure)
    )

    def over(seeds):
        points = [
            ReliancePoint(model, _number(accuracies[model][seed]), _number(scores[model][seed]), math.nan, math.nan, ())
            for seed in seeds
            for model in models
        ]
        return against_accuracy(points), len(points)

    seeds = [str(seed) for seed in terms.seeds]
    found, count = over(seeds)
    about = {"model": f"all{without and f' but {without}'}, correlation over models"}
    return Score(
        about, f"accuracy and {measure}", rounded(found.estimate), rounded(found.low), rounded(found.high),
        (None, None), {seed: rounded(over([seed])[0].estimate) for seed in seeds}, count, count,
    )  # fmt: skip


def _number(value):
    return math.nan if value is None else value


def draw(result):
    by_accuracy = sorted(MODELS, key=lambda model: result.score("accuracy, as trained", model=model).estimate)
    at = [result.score("accuracy, as trained", model=model).estimate for model in by_accuracy]
    points = [
        replace(along(result, "model", by_accuracy, measure), x=at) for measure in ("reliance", "beyond random boxes")
    ]
    odd = [
        curve(model, {pictures: result.score(f"accuracy, {pictures}", model=model) for pictures in ODD})
        for model in SHOWN_ODD
    ]
    return [
        Panel("a point a model", points, x_label="accuracy of short answers", y_label="score"),
        Panel("odd pictures", odd, x_label="pictures", y_label="accuracy of short answers", y_range=(0, 1)),
    ]


STUDY = Study("reliance_and_accuracy", QUESTION, "llava", plan, read, draw)
