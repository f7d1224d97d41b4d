# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Models of different λ and length of training: their accuracy, their Visual Reliance Score, and how they bear odd pictures."""

import math

from promvil_hf.evaluation.reliance import ReliancePoint, against_accuracy
from promvil_hf.pages.chart_file import Panel
from promvil_hf.pages.charts import Series
from studies.fivl import accuracy, along, answers, reliance, reliance_score, told, tuned
from studies.results import Score, difference, score
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
    cells = {}
    for seed in terms.seeds:
        for model, changes in MODELS.items():
            trained = None if changes is None else tuned(terms, seed, **changes)
            if trained is not None:
                cells["tuned", model, seed] = trained
            cells["reliance", model, seed] = reliance(terms, seed, trained)
            for pictures, own in ODD.items():
                if model in SHOWN_ODD or pictures == "as trained":
                    cells[pictures, model, seed] = answers(terms, seed, trained, **own)
    return cells


def read(terms, results):
    scores, samples = [], {}
    for model in MODELS:
        covered = {seed: results["reliance", model, seed] for seed in terms.seeds}
        for measure, (hidden, beyond) in COVERED.items():
            samples[measure, model] = reliance_score(covered, hidden, beyond)
            scores.append(score(samples[measure, model], measure, model=model))
        for pictures in ODD:
            if (pictures, model, terms.seeds[0]) in results:
                samples[pictures, model] = accuracy({seed: results[pictures, model, seed] for seed in terms.seeds})
                scores.append(score(samples[pictures, model], f"accuracy, {pictures}", model=model))
    scores += [correlation(terms, samples, measure) for measure in ("reliance", "beyond random boxes")]
    scores.append(correlation(terms, samples, "reliance", without="λ 0.9"))  # poor in both, it could carry all of it
    differences = [
        difference(
            f"accuracy, {pictures}: {model} less λ 0", samples[pictures, model], samples[pictures, "λ 0"],
            {"model": model}, {"model": "λ 0"},
        )
        for pictures in ODD
        for model in ("λ 0.1", "λ 0.5")
    ]  # fmt: skip
    differences += [
        difference(
            f"{measure}: {model} less λ 0", samples[measure, model], samples[measure, "λ 0"],
            {"model": model}, {"model": "λ 0"},
        )
        for measure in ("reliance", "beyond random boxes")
        for model in ("λ 0.1", "λ 0.5")
    ]  # fmt: skip
    trainings = {name: results["tuned", name, terms.seeds[0]] for name, own in MODELS.items() if own is not None}
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
        about, f"accuracy and {measure}", _known(found.estimate), _known(found.low), _known(found.high),
        (None, None), {seed: _known(over([seed])[0].estimate) for seed in seeds}, count, count,
    )  # fmt: skip


def _number(value):
    return math.nan if value is None else value


def _known(value):
    return round(float(value), 4) if math.isfinite(value) else None


def draw(result):
    by_accuracy = sorted(MODELS, key=lambda model: result.score("accuracy, as trained", model=model).estimate)
    at = [result.score("accuracy, as trained", model=model).estimate for model in by_accuracy]
    points = []
    for measure in ("reliance", "beyond random boxes"):
        own = along(result, "model", by_accuracy, measure)
        points.append(Series(measure, at, own.y, own.low, own.high))
    odd = []
    for model in SHOWN_ODD:
        found = {pictures: result.score(f"accuracy, {pictures}", model=model) for pictures in ODD}
        own = list(found.values())
        odd.append(
            Series(model, list(found), [one.estimate for one in own], [one.low for one in own], [one.high for one in own])
        )
    return [
        Panel("a point a model", points, x_label="accuracy of short answers", y_label="score"),
        Panel("odd pictures", odd, x_label="pictures", y_label="accuracy of short answers", y_range=(0, 1)),
    ]


STUDY = Study("reliance_and_accuracy", QUESTION, "llava", plan, read, draw)
