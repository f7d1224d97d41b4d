# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Flat or chain, at once or level by level, with FiVL's vision loss or without, on a model whose image tokens are patches."""

from promvil_hf.pages.chart_file import Panel
from studies.promvil import INFERENCES, PROMVIL, arm_of, by_level, measured, samples_of, shown_settings, so_far
from studies.protocol import Design, Outcome, conduct
from studies.results import change, difference, outcome, scored
from studies.shared import first_trainings, of_seeds
from studies.terms import Findings, Study


QUESTION = (
    "Does training on chains and asking level by level help a model whose image tokens are patches, and does FiVL's vision loss "
    "change that?"
)
SEARCHED_ON = 9  # the seed of the search and of the curves; no score shows its scenes
TRIALS = 1  # settings tried for each arm
SHOWN = 0  # the seed of the held-out scenes, which every training is measured on
THRESHOLD = 0.35  # of level 3; the base has less than 0.2
VISION = {"vision_loss_weight": 0.1}  # FiVL's λ
# Texts of a chain are longer and more, so flat gets more scenes for the same work: see `python -m studies.second_family.search`.
SCENES = {"chain": 9600, "flat": 21016}
ARMS = {  # what is different in its training, and how it is asked
    "chain": ({}, "progressive"),
    "flat": ({"evidence": False}, "one-shot"),
    "chain, vision loss": (VISION, "progressive"),
    "flat, vision loss": ({"evidence": False, **VISION}, "one-shot"),
}
DESIGN = Design(
    {
        "chain": "the claim: each phrase behind the boxes of its parts, asked level by level",
        "flat": "what it is compared with: each phrase alone, asked at once",
        "chain, vision loss": "both papers at once",
        "flat, vision loss": "the vision loss without chains",
    },
    Outcome("chain", "flat", "level 3, nearness; chain asked level by level, flat at once", margin=0.05),
    THRESHOLD,
)
COMPARED = (  # the first is the primary outcome, the second the same with the vision loss
    (("chain", "progressive"), ("flat", "one-shot")),
    (("chain, vision loss", "progressive"), ("flat, vision loss", "one-shot")),
    (("chain, vision loss", "progressive"), ("chain", "progressive")),
    (("flat, vision loss", "one-shot"), ("flat", "one-shot")),
    (("chain", "progressive"), ("chain", "one-shot")),
    (("flat", "progressive"), ("flat", "one-shot")),
)


def plan(terms):
    cells = {}
    for seed in terms.seeds:
        for arm in ARMS:
            cells["tuned", arm, seed] = PROMVIL.tuned(terms, seed, **changes_of(terms, arm))
            cells[arm, seed] = measured(terms, SHOWN, cells["tuned", arm, seed])
        cells["base", seed] = measured(terms, SHOWN, None)
    return cells


def changes_of(terms, arm):
    """What is different in the training of an arm."""
    changes, inference = ARMS[arm]
    watched = {"mode": INFERENCES[inference], "level": 3, "seed": SEARCHED_ON, "per_level": 2}
    if terms.quick:
        return {**changes, "watched": {**watched, "every": 1, "scenes": 2}}
    return {**changes, "scenes": SCENES[arm.partition(",")[0]], "watched": {**watched, "every": 100, "scenes": 30}}


def read(terms, results):
    samples = samples_of(terms, results, [(name,) for name in ("base", *ARMS)], same_scenes=True)
    differences = [
        difference(
            f"{measure}: {' '.join(a)} less {' '.join(b)}",
            samples[*a, measure], samples[*b, measure],
            {"training": a[0], "inference": a[1]}, {"training": b[0], "inference": b[1]},
        )
        for a, b in COMPARED
        for measure in ("level 3", "level 2")
    ]  # fmt: skip
    differences += [
        change(
            f"{measure}: what chain gains on flat with the vision loss, less what it gains without",
            *((samples[*a, measure], samples[*b, measure]) for a, b in (COMPARED[1], COMPARED[0])),
            {"vision loss": "yes"}, {"vision loss": "no"},
        )
        for measure in ("level 3", "level 2")
    ]  # fmt: skip
    arms = {name: arm_of(of_seeds(terms, results, "tuned", name), TRIALS, THRESHOLD) for name in ARMS}
    found = outcome(samples["chain", "progressive", "level 3"], samples["flat", "one-shot", "level 3"])
    return Findings(
        scored(samples, "training", "inference"),
        differences,
        shown_settings(terms, first_trainings(terms, results, list(ARMS)), **changes_of(terms, "chain")),
        conduct(arms, found, DESIGN.outcome.margin, [SEARCHED_ON]),
    )


def draw(result):
    return [
        Panel(
            f"asked {inference}",
            by_level(result, {name: {"training": name, "inference": inference} for name in ("base", *ARMS)}),
            y_label="accuracy at IoU 0.5",
            y_range=(0, 1),
        )
        for inference in INFERENCES
    ]


STUDY = Study("second_family", QUESTION, "llava_boxes", plan, read, draw, DESIGN, so_far)
