# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What a study promised under the protocol is checked, and each broken promise is noticed."""

from random import Random

import msgspec
import pytest

from promvil_hf.pages.chart_file import Panel
from promvil_hf.pages.charts import Series
from studies.overview import BEGIN as OVERVIEW
from studies.overview import END as END_OF_OVERVIEW
from studies.overview import corrected, overview, overview_faults, write_overview
from studies.pages import BEGIN, END, check, publish
from studies.protocol import Arm, Design, Found, Outcome, conduct, faults, holm, onset, verdict
from studies.results import Base, Result, Sample, difference, outcome, score
from studies.terms import Study


SEEDS = (0, 1, 2, 3, 4)
SCENES = list(range(40))
DESIGN = Design({"chain": "what is claimed", "flat": "what it is compared with"}, Outcome("chain", "flat", "level 3", 0.05), 0.5)
ARM = Arm(900, 1e12, 5000, 3, dict(zip("01234", (300, 250, 280, None, 200), strict=True)))
README = f"""# Made up

## Question

Is chain better?

## Setting

Rows.

## Command

`python -m studies made_up`

{BEGIN}
{END}

## What we conclude

Chain is better after 900 updates, p = 0.00.
"""


def sample(share):
    rng = Random(1)
    return Sample.of({seed: ([rng.random() < share for _ in SCENES], SCENES) for seed in SEEDS})


CHAIN, FLAT = sample(0.8), sample(0.3)
DONE = conduct({"chain": ARM, "flat": ARM}, outcome(CHAIN, FLAT), DESIGN.outcome.margin, search_seeds=[9])
RESULT = Result(
    study="made_up",
    question="Is chain better?",
    command="python -m studies made_up",
    base=Base("kosmos2", "0" * 20),
    seeds=list(SEEDS),
    settings={},
    interval="95 %",
    scores=[score(CHAIN, "level 3", training="chain"), score(FLAT, "level 3", training="flat")],
    differences=[difference("chain less flat", CHAIN, FLAT, {"training": "chain"}, {"training": "flat"})],
    versions=dict.fromkeys(("promvil_hf", "python", "torch", "transformers", "peft"), "1.0"),
    machine={"processor": "abacus", "cores": "2", "workers": "2"},
    seconds={"cells": 600.0, "this_run": 300.0},
    cells={"all": 3, "used_again": 0},
    conduct=DONE,
)
STUDY = Study(
    "made_up", RESULT.question, "kosmos2", lambda terms: {}, lambda terms, results: None,
    lambda result: [Panel("made up", [Series("chain", ["level 3"], [result.score("level 3", training="chain").estimate])])],
    DESIGN,
)  # fmt: skip


def changed(**changes):
    return msgspec.structs.replace(DONE, **changes)


def arm(**changes):
    return {"chain": msgspec.structs.replace(ARM, **changes), "flat": ARM}


def in_folder(root, result=RESULT, readme=README):
    folder = root / "made_up"
    folder.mkdir()
    (folder / "README.md").write_text(readme)
    publish(STUDY, result, folder)
    return check(STUDY, folder, 0.001)


def test_a_study_that_kept_its_promises_has_no_faults(tmp_path):
    assert faults(DESIGN, DONE, SEEDS) == [] and in_folder(tmp_path) == []
    assert STUDY.seeds == SEEDS


@pytest.mark.parametrize(
    "done, said",
    [
        (changed(arms={"chain": ARM}), "the arm 'flat' is missing"),
        (changed(arms={"chain": ARM, "flat": ARM, "best": ARM}), "the arm 'best' was not promised"),
        (changed(hash="0" * 16), "it was made under protocol 1 \\(0000000000000000\\), not under 1"),
        (changed(search_seeds=[3, 9]), "searched on the seeds \\[3\\], which it also shows"),
        (changed(arms=arm(flops=1.05e12)), "the arm 'chain' had 5.0% more FLOPs than 'flat': at most 2% are allowed"),
        (changed(arms=arm(trials=4)), "not searched equally often: chain 4, flat 3"),
        (changed(arms=arm(updates=899)), "after 300 of 899 updates: the budget must be 3 times that"),
        (changed(arms=arm(onset={"0": 100})), "has the onsets of the seeds 0, not of"),
    ],
)
def test_each_broken_promise_is_noticed(done, said, tmp_path):
    with pytest.raises(AssertionError, match=said):
        assert not faults(DESIGN, done, SEEDS), faults(DESIGN, done, SEEDS)
    assert len(in_folder(tmp_path, msgspec.structs.replace(RESULT, conduct=done))) == 1


def test_three_seeds_are_too_few_for_a_primary_study():
    assert "it has 3 seeds: this study needs 5" in faults(DESIGN, DONE, SEEDS[:3])


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("p = 0.00", "p = 0.03", "README.md says p = 0.03: the corrected one is 0.001"),
        ("p = 0.00", "there is no difference", "speaks of no difference, which the test of equivalence does not bear out"),
        ("900 updates", "800 updates", "README.md says 800, which is no number of result.json"),
        ("900 updates", "9 % of updates", "README.md says 9 %, which is no number of result.json"),
    ],
)
def test_words_that_the_result_does_not_bear_out_are_noticed(old, new, said, tmp_path):
    assert any(said in fault for fault in in_folder(tmp_path, readme=README.replace(old, new)))


def test_the_overview_corrects_all_primary_outcomes_together(tmp_path):
    studies = {}
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "README.md").write_text(README)
        result = msgspec.structs.replace(RESULT, study=name, conduct=None if name == "three" else DONE)
        publish(STUDY, result, tmp_path / name)
        studies[name] = STUDY
    page = tmp_path / "README.md"
    page.write_text(f"# Studies\n\n{OVERVIEW}\n{END_OF_OVERVIEW}\n")
    assert overview_faults(studies, tmp_path)
    write_overview(studies, tmp_path)
    assert overview_faults(studies, tmp_path) == []
    text = page.read_text()
    assert "(three/README.md) | level 3: chain less flat | | | not run under the protocol yet: `python -m studies three`" in text
    p = corrected({"one": DONE, "two": DONE, "three": None}, studies)
    assert p == dict.fromkeys(("one", "two"), pytest.approx(2 * DONE.outcome.p)) and f"{p['one']:.2g} | more |" in text
    page.write_text(text.replace(f"{p['one']:.2g}", f"{DONE.outcome.p:.2g}", 1))  # an uncorrected one
    assert overview_faults(studies, tmp_path) and overview(studies, tmp_path) in text


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0]) and holm([]) == []


def test_verdicts():
    assert verdict(Found(0.2, 0.1, 0.3, 0.001, False), 0.01) == "more"
    assert verdict(Found(-0.2, -0.3, -0.1, 0.001, False), 0.01) == "less"
    assert verdict(Found(0.2, 0.1, 0.3, 0.03, False), 0.06) == "not decided"
    assert verdict(Found(0.01, 0.0, 0.02, 0.03, True), 0.03) == "no difference"


def test_the_onset_is_the_first_update_at_the_threshold():
    assert onset([(100, 0.1), (200, 0.5), (300, 0.4)], 0.5) == 200
    assert onset([(100, 0.1)], 0.5) is None
