# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Base, flat fine-tuning and chain fine-tuning, each asked at once and level by level, in two worlds of relations."""

from dataclasses import asdict, replace
from itertools import product

from promvil_hf.pages.chart_file import Panel
from promvil_hf.toy.config import DIRECTIONS, NEARNESS
from studies.promvil import INFERENCES, TRAININGS, WORLD, by_level, measured, samples_of, shown_settings, tuned
from studies.results import difference, scored
from studies.shared import first_trainings
from studies.terms import Findings, Study


QUESTION = "Does training on chains and asking level by level ground nested expressions better than training and asking flat?"
RELATIONS = {"nearness": NEARNESS, "directions": DIRECTIONS}
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
        for relations, predicates in RELATIONS.items():
            world = asdict(replace(WORLD, predicates=predicates))
            for training, changes in TRAININGS.items():
                adapter = None if changes is None else tuned(terms, seed, world=world, **changes)
                cells[relations, training, seed] = measured(terms, seed, adapter, predicates=predicates)
                if adapter is not None:
                    cells["tuned", relations, training, seed] = adapter
    return cells


def read(terms, results):
    samples = samples_of(terms, results, product(RELATIONS, TRAININGS))
    differences = [
        difference(
            f"{relations}, {measure}: {' '.join(a)} less {' '.join(b)}",
            samples[relations, *a, measure], samples[relations, *b, measure],
            {"training": a[0], "inference": a[1]}, {"training": b[0], "inference": b[1]},
        )
        for relations in RELATIONS
        for a, b in COMPARED
        for measure in ("level 3", "level 2")
    ]  # fmt: skip
    names = [(relations, name) for relations in RELATIONS for name, changes in TRAININGS.items() if changes is not None]
    trainings = first_trainings(terms, results, {", ".join(name): name for name in names})
    return Findings(scored(samples, "relations", "training", "inference"), differences, shown_settings(terms, trainings))


def draw(result):
    return [
        Panel(
            f"{relations}, asked {inference}",
            by_level(
                result,
                {name: {"relations": relations, "training": name, "inference": inference} for name in TRAININGS},
            ),
            y_label="accuracy at IoU 0.5",
            y_range=(0, 1),
        )
        for relations in RELATIONS
        for inference in INFERENCES
    ]


STUDY = Study("flat_vs_chain", QUESTION, "kosmos2", plan, read, draw)
