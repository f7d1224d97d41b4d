# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Models of different λ and length of training: their accuracy, their Visual Reliance Score, and how they bear odd pictures."""

import math
from dataclasses import replace
from functools import partial

import numpy as np

from promvil_hf.metrics.reliance_and_accuracy import Asked, of_table, reliance_and_accuracy
from promvil_hf.pages.chart_file import Panel
from studies.fivl import FIVL, accuracy, along, answers, reliance, reliance_score, shown_settings
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
    odd = {(pictures,): partial(answers, **settings) for pictures, settings in ODD.items()}
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
    scores += of_correlations({(name, model): sample.means() for (name, model), sample in samples.items()})
    scores.append(on_other_scenes(terms, results))
    key_of = {f"accuracy, {pictures}": pictures for pictures in ODD}
    key_of |= {measure: measure for measure in ("reliance", "beyond random boxes")}
    differences = [
        difference(
            f"{what}: {model} less λ 0", samples[key, model], samples[key, "λ 0"], {"model": model}, {"model": "λ 0"},
        )
        for what, key in key_of.items()
        for model in ("λ 0.1", "λ 0.5")
    ]  # fmt: skip
    trainings = first_trainings(terms, results, [name for name, changes in MODELS.items() if changes is not None])
    return Findings(scores, differences, shown_settings(terms, trainings))


def of_correlations(means):
    """(measure, model) -> seed -> number: the scores of all correlations."""
    accuracy = {model: means["as trained", model] for model in MODELS}
    reliance_of = {model: means["reliance", model] for model in MODELS}
    without = "λ 0.9"  # poor in both, it could carry all of it
    return [*correlations(accuracy, reliance_of, "reliance"), *correlations(accuracy, reliance_of, "reliance", without)]


def correlations(accuracy, scores, measure, without=""):
    """Pearson's over the models' means of all seeds, perhaps without one model, and what the definition alone brings about.

    `accuracy` and `scores`: model -> seed -> number. The score is 1 - masked / original accuracy, so it rises with accuracy by
    construction; a model is one unit whatever number of seeds it was trained with. The interval draws models.
    """
    models = [model for model in MODELS if model != without]
    seeds = list(accuracy[models[0]])

    def over(some):
        values = [[np.mean([_number(of[model][seed]) for seed in some]) for model in models] for of in (accuracy, scores)]
        return of_table(*values)[0]

    found, each = over(seeds), {seed: over([seed]) for seed in seeds}
    about = {"model": f"all{without and f' but {without}'}, correlation over {len(models)} models"}
    no_interval, count = (None, None), len(models)
    return [
        Score(about, f"accuracy and {measure}", rounded(found.estimate), rounded(found.low), rounded(found.high), no_interval,
              {seed: rounded(one.estimate) for seed, one in each.items()}, count, count),
        Score(about, f"accuracy and {measure}, by definition", rounded(found.null_mean), rounded(found.null_low),
              rounded(found.null_high), no_interval, {seed: rounded(one.null_mean) for seed, one in each.items()}, count, count),
    ]  # fmt: skip


def on_other_scenes(terms, results):
    """The same correlation, the score from one half of the scenes and the accuracy from the other. Each seed is a benchmark."""
    found = {model: of_seeds(terms, results, "reliance", model) for model in MODELS}

    def over(seeds):
        asked = [
            Asked.of(*([found[model][seed]["right"][kind] for model in MODELS] for kind in ("original", "key boxes")),
                     found["base"][seed]["scene"])
            for seed in seeds
        ]  # fmt: skip
        return reliance_and_accuracy(asked).pearson_other_rows

    whole, each = over(terms.seeds), {str(seed): over([seed]) for seed in terms.seeds}
    return Score(
        {"model": f"all, correlation over {len(MODELS)} models"}, "accuracy and reliance, other scenes", rounded(whole.estimate),
        rounded(whole.low), rounded(whole.high), (None, None), {seed: rounded(one.estimate) for seed, one in each.items()},
        len(MODELS), len(MODELS),
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
