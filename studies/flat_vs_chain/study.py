# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Base, flat fine-tuning and chain fine-tuning, each asked at once and level by level."""

from promvil_hf.pages.chart_file import Panel
from studies.promvil import LEVELS, accuracy, by_level, measured, told, tuned
from studies.results import difference, score
from studies.terms import Findings, Study


QUESTION = "Does training on chains and asking level by level ground nested expressions better than training and asking flat?"
TRAININGS = {"base": None, "flat": {"evidence": False}, "chain": {}}
INFERENCES = {"one-shot": "one_shot", "progressive": "progressive"}
COMPARED = (  # of levels 2 and 3; the first is the claim
    (("chain", "progressive"), ("flat", "one-shot")),
    (("chain", "progressive"), ("chain", "one-shot")),
    (("flat", "progressive"), ("flat", "one-shot")),
    (("chain", "progressive"), ("flat", "progressive")),
    (("flat", "one-shot"), ("base", "one-shot")),
)


def plan(terms):
    cells = {}
    for seed in terms.seeds:
        for training, changes in TRAININGS.items():
            adapter = None if changes is None else tuned(terms, seed, **changes)
            cells[training, seed] = measured(terms, seed, adapter)
            if adapter is not None:
                cells["tuned", training, seed] = adapter
    return cells


def read(terms, results):
    samples = {
        (training, inference, level): accuracy({seed: results[training, seed] for seed in terms.seeds}, mode, level)
        for training in TRAININGS
        for inference, mode in INFERENCES.items()
        for level in LEVELS
    }
    scores = [
        score(sample, f"level {level}", training=training, inference=inference)
        for (training, inference, level), sample in samples.items()
    ]
    differences = [
        difference(
            f"level {level}: {' '.join(a)} less {' '.join(b)}", samples[*a, level], samples[*b, level],
            {"training": a[0], "inference": a[1]}, {"training": b[0], "inference": b[1]},
        )
        for a, b in COMPARED
        for level in (3, 2)
    ]  # fmt: skip
    trainings = {name: results["tuned", name, terms.seeds[0]] for name, own in TRAININGS.items() if own is not None}
    return Findings(scores, differences, told(terms, trainings))


def draw(result):
    return [
        Panel(
            f"asked {inference}",
            by_level(result, {name: {"training": name, "inference": inference} for name in TRAININGS}),
            y_label="accuracy at IoU 0.5",
            y_range=(0, 1),
        )
        for inference in INFERENCES
    ]


STUDY = Study("flat_vs_chain", QUESTION, "kosmos2", plan, read, draw)
