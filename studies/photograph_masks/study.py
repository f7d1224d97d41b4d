# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Whether the masks of FiVL's loss have to be right, on photographs; it shares its cells with the study `photographs`."""

from studies.photographs.method import SHOWN, THRESHOLD, WORDS, cells_of, drawn, findings
from studies.protocol import Design, Outcome
from studies.terms import Study


QUESTION = "On photographs: do the masks of FiVL's loss have to be right?"
TRUE, MADE, RANDOM = (f"λ 0.1, {kind} masks" for kind in ("true", "made", "random"))
ARMS = {TRUE: (0.1, "true"), MADE: (0.1, "made"), RANDOM: (0.1, "random")}
DESIGN = Design(
    {TRUE: "COCO's polygons", MADE: "FastestDet, then DeepLab: made as FiVL's are", RANDOM: "true masks, each anywhere"},
    Outcome(TRUE, RANDOM, "accuracy of questions whose prior is reversed", margin=0.03),
    THRESHOLD,
    primary=False,
)


def plan(terms):
    return cells_of(terms, ARMS)


def read(terms, results):
    compared = [(TRUE, arm, measure, "all") for arm in (MADE, RANDOM) for measure in (*SHOWN, *WORDS)]
    return findings(terms, results, ARMS, DESIGN, compared)


def draw(result):
    return drawn(result, ARMS)


STUDY = Study("photograph_masks", QUESTION, "real:smol", plan, read, draw, DESIGN)
