# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Whether the masks of FiVL's loss have to be right, on photographs; it shares its cells with the study `photographs`."""

from studies.photographs.method import SHOWN, THRESHOLD, WORDS, cells_of, drawn, findings
from studies.protocol import Design, Outcome
from studies.terms import Study


QUESTION = "On photographs: do the masks of FiVL's loss have to be right?"
KINDS = {"true": "COCO's polygons", "made": "by a detector and a segmenter", "random": "true ones, each anywhere"}
TRUE, MADE, RANDOM = ARMS = {f"λ 0.1, {kind} masks": (0.1, kind) for kind in KINDS}
DESIGN = Design(
    dict(zip(ARMS, KINDS.values(), strict=True)),
    Outcome(TRUE, RANDOM, "accuracy of questions whose prior is reversed", margin=0.03),
    THRESHOLD,
    primary=False,
)


def plan(terms):
    return cells_of(terms, ARMS)


def read(terms, results):
    compared = [(TRUE, other, measure, "all") for other in (RANDOM, MADE) for measure in (*SHOWN, *WORDS)]
    compared += [(MADE, RANDOM, measure, "all") for measure in (*SHOWN, *WORDS)]
    return findings(terms, results, ARMS, DESIGN, compared)


def draw(result):
    return drawn(result, ARMS)


STUDY = Study("photograph_masks", QUESTION, "real:smol", plan, read, draw, DESIGN)
