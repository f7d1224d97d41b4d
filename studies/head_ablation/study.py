# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Short answers without the heads that look at what they speak of, and without as many other heads of the same layers."""

from functools import partial

from promvil_hf.pages.chart_file import Panel
from studies.fivl import FIVL, ablation, shown_settings
from studies.results import Sample, difference, score
from studies.shared import curve, first_trainings, of_seeds
from studies.terms import Findings, Study


QUESTION = "Do the heads with high scores matter: does accuracy fall more without them than without other heads?"
COUNTS = (1, 2, 4)
DRAWS = 4
MODELS = {"base": None, "λ 0.1": {}}
MEASURE = "short answers"


def plan(terms):
    return FIVL.compared(terms, MODELS, {(): partial(ablation, counts=COUNTS, draws=DRAWS)})


def names():
    return ("none", *(f"{kind} {count}" for count in COUNTS for kind in ("top", "random")))


def read(terms, results):
    samples = {
        (model, name): Sample.of(
            {seed: (found["right"][name], found["scene"]) for seed, found in of_seeds(terms, results, model).items()}
        )
        for model in MODELS
        for name in names()
    }
    scores = [score(sample, MEASURE, model=model, without=name) for (model, name), sample in samples.items()]
    differences = [
        difference(
            f"{model}: without the {a} less {b}", samples[model, a], samples[model, b],
            {"model": model, "without": a}, {"model": model, "without": b},
        )
        for model in MODELS
        for count in COUNTS
        for a, b in ((f"top {count}", f"random {count}"), (f"top {count}", "none"), (f"random {count}", "none"))
    ]  # fmt: skip
    heads = {f"{model}, seed {seed}": results[model, seed]["heads"] for model in MODELS for seed in terms.seeds}
    trainings = first_trainings(terms, results, ["λ 0.1"])
    return Findings(scores, differences, {**shown_settings(terms, trainings), "heads_left_out": heads})


def draw(result):
    drawn = {"top": "without the best heads", "random": "without others of the same layers"}
    return [
        Panel(
            model,
            [
                curve(
                    name,
                    {0: result.score(MEASURE, model=model, without="none")}
                    | {count: result.score(MEASURE, model=model, without=f"{kind} {count}") for count in COUNTS},
                )
                for kind, name in drawn.items()
            ],
            x_label="heads left out",
            y_label="accuracy of short answers",
            y_range=(0, 1),
        )
        for model in MODELS
    ]


STUDY = Study("head_ablation", QUESTION, "llava", plan, read, draw)
