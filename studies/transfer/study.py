# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The adapters of `flat_vs_chain` on pictures of other styles, and on pairs of color and shape they were not trained on."""

from promvil_hf.pages.chart_file import Panel
from studies.promvil import LEVELS, PROMVIL, accuracy, measured, told
from studies.results import difference, score
from studies.shared import curve, first_trainings, of_seeds
from studies.terms import Findings, Study


QUESTION = "Does what chain fine-tuning taught hold for other styles of drawing and for unseen pairs of color and shape?"
TRAININGS = {"base": None, "flat": {"evidence": False}, "chain": {}}
SYSTEMS = (("base", "one-shot"), ("flat", "one-shot"), ("chain", "one-shot"), ("chain", "progressive"))
MODES = {"one-shot": "one_shot", "progressive": "progressive"}
DRAWN = {"as trained": {}, "sketch": {"style": "sketch"}, "night": {"style": "night"}, "pairs": {"split": "test"}}
# What is told: a world and which of its expressions. Scenes with new pairs show known ones too.
WORLDS = {
    "as trained": ("as trained", lambda found, row: True),
    "sketch": ("sketch", lambda found, row: True),
    "night": ("night", lambda found, row: True),
    "new pair": ("pairs", lambda found, row: found["unseen"][row]),
    "known pair": ("pairs", lambda found, row: not found["unseen"][row]),
}


def plan(terms):
    cells = {}
    for training, seed, adapter in PROMVIL.trainings(terms, TRAININGS):
        if adapter is not None:
            cells["tuned", training, seed] = adapter
        for world, own in DRAWN.items():
            cells[training, world, seed] = measured(terms, seed, adapter, **own)
    return cells


def read(terms, results):
    samples = {
        (world, training, inference, level): accuracy(of_seeds(terms, results, training, drawn), MODES[inference], level, keep)
        for world, (drawn, keep) in WORLDS.items()
        for training, inference in SYSTEMS
        for level in LEVELS
    }
    scores = [
        score(sample, f"level {level}", world=world, training=training, inference=inference)
        for (world, training, inference, level), sample in samples.items()
    ]
    chain, flat = ("chain", "progressive"), ("flat", "one-shot")
    differences = [
        difference(
            f"level 3, {world}: chain progressive less flat one-shot", samples[world, *chain, 3], samples[world, *flat, 3],
            {"world": world, "training": "chain"}, {"world": world, "training": "flat"},
        )
        for world in WORLDS
    ]  # fmt: skip
    differences += [
        difference(
            f"level {level}, {' '.join(system)}: new pair less known pair",
            samples["new pair", *system, level], samples["known pair", *system, level],
            {"world": "new pair"}, {"world": "known pair"},
        )
        for system in (chain, flat)
        for level in LEVELS
    ]  # fmt: skip
    trainings = first_trainings(terms, results, [name for name, own in TRAININGS.items() if own is not None])
    return Findings(scores, differences, told(terms, trainings))


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
