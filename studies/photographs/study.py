# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FiVL's loss on photographs, on a model of real parts whose language has a prior."""

from studies.photographs.method import (
    BALANCED,
    DRAWN,
    NO,
    RELIANCE,
    REVERSED,
    SHOWN,
    THRESHOLD,
    WORDS,
    YES,
    cells_of,
    drawn,
    findings,
)
from studies.photographs.work import ALIGNED, NEVER
from studies.protocol import Design, Outcome
from studies.terms import Study


QUESTION = "On photographs, with a language prior that is wrong at test: does FiVL's loss make a model look?"
CLAIM, WITHOUT = "λ 0.1, true masks", "no vision loss"
ARMS = {WITHOUT: (0.0, "true"), CLAIM: (0.1, "true")}
DESIGN = Design(
    {WITHOUT: "answers alone", CLAIM: "FiVL's weight of the vision loss, with COCO's polygons"},
    Outcome(CLAIM, WITHOUT, "accuracy of questions whose prior is reversed", margin=0.03),
    THRESHOLD,
    primary=False,
)


def plan(terms):
    return cells_of(terms, ARMS, looked=ARMS)


def read(terms, results):
    compared = [(CLAIM, WITHOUT, measure, "all") for measure in (*SHOWN, *WORDS, *RELIANCE)]
    compared += [(CLAIM, WITHOUT, measure, classes) for measure in (BALANCED, REVERSED) for classes in (ALIGNED, NEVER, YES, NO)]
    compared += [(CLAIM, WITHOUT, measure, DRAWN) for measure in SHOWN]
    return findings(terms, results, ARMS, DESIGN, compared, looked=ARMS)


def draw(result):
    return drawn(result, ARMS)


STUDY = Study("photographs", QUESTION, "real:smol", plan, read, draw, DESIGN)
