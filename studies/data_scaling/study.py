# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Chain fine-tuning on 1/16 to all of the scenes: with as many updates as on all of them, and in one pass."""

from promvil_hf.pages.chart_file import Panel
from studies.promvil import LEVELS, PROMVIL, accuracy, measured, shown_settings, tuned
from studies.results import difference, scored
from studies.shared import curve, first_trainings, of_seeds
from studies.terms import Findings, Study


QUESTION = "How much does chain fine-tuning gain from more scenes, and how much from more updates?"
PARTS = {"1/16": 16, "1/8": 8, "1/4": 4, "1/2": 2, "1": 1}
BUDGETS = {"same updates": ("1/16", "1"), "one pass": tuple(PARTS)}  # as many updates cost as much for each share


def plan(terms):
    scenes = PROMVIL.settings(terms, {})["scenes"]
    cells = {}
    for seed in terms.seeds:
        cells["0", "the base", seed] = measured(terms, seed, None)
        for budget, shares in BUDGETS.items():
            for share in shares:
                part = PARTS[share]
                adapter = tuned(terms, seed, scenes=scenes // part, passes=part if budget == "same updates" else 1)
                cells["tuned", share, budget, seed] = adapter
                cells[share, budget, seed] = measured(terms, seed, adapter)
    return cells


def read(terms, results):
    samples = {
        (share, budget, f"level {level}"): accuracy(of_seeds(terms, results, share, budget), "progressive", level)
        for budget, shares in {"the base": ("0",), **BUDGETS}.items()
        for share in shares
        for level in LEVELS
    }
    differences = [
        difference(
            f"level 3: {more} of the scenes less {fewer}, {budget}",
            samples[more, budget, "level 3"], samples[fewer, budget, "level 3"],
            {"scenes": more, "budget": budget}, {"scenes": fewer, "budget": budget},
        )
        for budget, shares in BUDGETS.items()
        for fewer, more in (("1/16", "1"), ("1/4", "1"), ("1/2", "1"))
        if fewer in shares
    ]  # fmt: skip
    names = {f"{share}, {budget}": (share, budget) for budget, shares in BUDGETS.items() for share in shares}
    trainings = first_trainings(terms, results, names)
    return Findings(scored(samples, "scenes", "budget"), differences, shown_settings(terms, trainings))


def draw(result):
    return [
        Panel(
            budget,
            [
                curve(
                    f"level {level}",
                    {share: result.score(f"level {level}", scenes=share, budget=budget) for share in shares},
                )
                for level in LEVELS
            ],
            x_label="share of the scenes",
            y_label="accuracy at IoU 0.5, asked progressively",
            y_range=(0, 1),
        )
        for budget, shares in BUDGETS.items()
    ]


STUDY = Study("data_scaling", QUESTION, "kosmos2", plan, read, draw)
