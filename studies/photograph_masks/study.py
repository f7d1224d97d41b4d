# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Whether the masks of FiVL's loss have to be right, on photographs; it shares its cells with the study `photographs`."""

from studies.photographs.method import SHOWN, THRESHOLD, WORDS, cells_of, drawn, findings
from studies.protocol import Design, Outcome
from studies.terms import Study


QUESTION = "On photographs: do the masks of FiVL's loss have to be right?"
TRUE, RANDOM = (f"λ 0.1, {kind} masks" for kind in ("true", "random"))
ARMS = {TRUE: (0.1, "true"), RANDOM: (0.1, "random")}  # the work also knows "made"
DESIGN = Design(
    {TRUE: "COCO's polygons", RANDOM: "the same, each anywhere"},
    Outcome(TRUE, RANDOM, "accuracy of questions whose prior is reversed", margin=0.03),
    THRESHOLD,
    primary=False,
)


def plan(terms):
    return cells_of(terms, ARMS)


def read(terms, results):
    compared = [(TRUE, RANDOM, measure, "all") for measure in (*SHOWN, *WORDS)]
    return findings(terms, results, ARMS, DESIGN, compared)


def draw(result):
    return drawn(result, ARMS)


STUDY = Study("photograph_masks", QUESTION, "real:smol", plan, read, draw, DESIGN)
