# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The adapters of `flat_vs_chain` on pictures of other styles, and on pairs of color and shape they were not trained on."""

from functools import partial

from promvil_hf.pages.chart_file import Panel
from studies.promvil import INFERENCES, LEVELS, PROMVIL, TRAININGS, accuracy, measured, shown_settings
from studies.results import difference, scored
from studies.shared import curve, first_trainings, of_seeds
from studies.terms import Findings, Study


QUESTION = "Does what chain fine-tuning taught hold for other styles of drawing and for unseen pairs of color and shape?"
SYSTEMS = (("base", "one-shot"), ("flat", "one-shot"), ("chain", "one-shot"), ("chain", "progressive"))
DRAWN = {"as trained": {}, "sketch": {"style": "sketch"}, "night": {"style": "night"}, "pairs": {"split": "test"}}
# What is shown: a world and which of its expressions. Scenes with new pairs show known ones too.
WORLDS = {
    "as trained": ("as trained", lambda found, row: True),
    "sketch": ("sketch", lambda found, row: True),
    "night": ("night", lambda found, row: True),
    "new pair": ("pairs", lambda found, row: found["unseen"][row]),
    "known pair": ("pairs", lambda found, row: not found["unseen"][row]),
}


def plan(terms):
    return PROMVIL.compared(terms, TRAININGS, {(world,): partial(measured, **settings) for world, settings in DRAWN.items()})


def read(terms, results):
    samples = {
        (world, training, inference, f"level {level}"): accuracy(
            of_seeds(terms, results, drawn, training), INFERENCES[inference], level, keep
        )
        for world, (drawn, keep) in WORLDS.items()
        for training, inference in SYSTEMS
        for level in LEVELS
    }
    chain, flat = ("chain", "progressive"), ("flat", "one-shot")
    differences = [
        difference(
            f"level 3, {world}: chain progressive less flat one-shot",
            samples[world, *chain, "level 3"], samples[world, *flat, "level 3"],
            {"world": world, "training": "chain"}, {"world": world, "training": "flat"},
        )
        for world in WORLDS
    ]  # fmt: skip
    differences += [
        difference(
            f"{measure}, {' '.join(system)}: new pair less known pair",
            samples["new pair", *system, measure], samples["known pair", *system, measure],
            {"world": "new pair"}, {"world": "known pair"},
        )
        for system in (chain, flat)
        for measure in ("level 1", "level 2", "level 3")
    ]  # fmt: skip
    trainings = first_trainings(terms, results, [name for name, changes in TRAININGS.items() if changes is not None])
    return Findings(scored(samples, "world", "training", "inference"), differences, shown_settings(terms, trainings))


def draw(result):
    return [
        Panel(
            f"level {level}",
            [
                curve(
                    f"{training}, {inference}",
                    {
                        world: result.score(f"level {level}", world=world, training=training, inference=inference)
                        for world in WORLDS
                    },
                )
                for training, inference in SYSTEMS
            ],
            y_label="accuracy at IoU 0.5",
            y_range=(0, 1),
        )
        for level in (1, 3)
    ]


STUDY = Study("transfer", QUESTION, "kosmos2", plan, read, draw)
