# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Every kind of file and answer, damaged in one place: read, rejected with a reason or refused in a sentence, never worse.

A few mutations of each kind; `make mutations` makes 120,000.
"""

from random import Random

import pytest

from promvil_hf.evaluation.benchmarks import READERS
from promvil_hf.fivl.conversation_sources import SOURCES
from tests.mutations.answers import ANSWERS
from tests.mutations.changes import changed_json
from tests.mutations.files import FILES
from tests.mutations.running import Kind, lines_in, run


pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries, about what was damaged
HEAVY = ("adapter loaded", "model loaded", "recipe")
KINDS = FILES | ANSWERS


@pytest.mark.parametrize("name", KINDS)
def test_no_mutation_breaks_anything(name, tmp_path):
    outcome = run(name, KINDS[name], range(2 if name in HEAVY else 5), tmp_path)
    assert outcome.read + outcome.refused == outcome.mutations and not outcome.examples


def test_every_benchmark_and_every_source_is_a_kind():
    first_words = {name.split()[0] for name in FILES}
    assert {*READERS, *SOURCES} <= first_words


# The harness is shown to bite


def trips(folder):
    raise KeyError("n")


def turns_for_ever(folder):
    while True:
        pass


def loses(folder):
    return 1


def speaks_for_a_library(folder):
    int("x")


@pytest.mark.parametrize(
    "fault, read",
    [("traceback", trips), ("hang", turns_for_ever), ("lost", loses), ("unclear", speaks_for_a_library)],
)
def test_each_fault_is_noticed(fault, read, tmp_path):
    content = b'{"n": 1}\n{"n": 2}\n{"n": 3}\n'
    kind = Kind(lambda: {"rows.jsonl": (content, "lines")}, read, lambda contents: lines_in(contents, "rows.jsonl"))
    assert run("a kind", kind, range(3), tmp_path, limit=0.05).faults[fault]


def test_a_number_and_a_seed_always_give_the_same_mutation():
    value = b'{"a": [1, 2, {"b": "text"}], "c": null}'
    some, others = ([changed_json(value, Random(f"{seed} {n}")) for n in range(50)] for seed in (0, 0))
    assert some == others and len(set(some)) > 30
