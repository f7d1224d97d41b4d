# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the benchmarks share: whose turns count, what a child process gives back; and who may import references and benchmarks."""

import ast
import json
import sys
from pathlib import Path

import pytest

from benchmarks import timing


ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("repeats", "warm_up", "turns"), [(3, True, 4), (2, False, 2), (0, True, 1)])
def test_ways_take_turns_and_a_first_turn_warms_up(repeats, warm_up, turns, monkeypatch):
    clock = iter(range(1_000))
    monkeypatch.setattr(timing.time, "process_time", lambda: next(clock))
    called = []
    found = timing.cpu_seconds({name: lambda name=name: called.append(name) for name in "ab"}, repeats, warm_up=warm_up)
    assert called == ["a", "b"] * turns and found == {"a": 1, "b": 1}


def test_the_turn_that_warms_up_does_not_count(monkeypatch):
    spent = iter([0, 100, 0, 1, 0, 3, 0, 2])
    monkeypatch.setattr(timing.time, "process_time", lambda: next(spent))
    assert timing.cpu_seconds({"a": lambda: None}, 3) == {"a": 2}


def test_a_process_of_its_own_gives_what_it_prints_last(monkeypatch):
    ran = []

    def run(command, **options):
        ran.append(command)
        return type("Done", (), {"stdout": f"loading ...\n{json.dumps({'bytes': 3})}\n"})

    monkeypatch.setattr(timing.subprocess, "run", run)
    assert timing.in_its_own_process("loading", "--k", 4) == {"bytes": 3}
    assert ran == [[sys.executable, "-m", "benchmarks.loading", "--k", "4"]]


def test_memory_that_seems_to_fall_is_no_memory(monkeypatch):
    monkeypatch.setattr(timing, "memory", {"VmRSS": 8192, "VmHWM": 4096}.get)
    assert timing.peak_bytes(list) == 0


def strays(folder: str, allowed: set[str], sources: dict[str, str]) -> list[str]:
    """Imports of `tests` or `benchmarks` in a folder's files that are not allowed there."""
    found = []
    for path, source in sources.items():
        if "tests" not in source and "benchmarks" not in source:
            continue  # most files, which need no parsing
        for node in ast.walk(ast.parse(source)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found += [
                f"{path} imports {name}"
                for name in names
                if name.partition(".")[0] in ("tests", "benchmarks") and not any(name.startswith(prefix) for prefix in allowed)
            ]
    return found


ALLOWED = {
    "promvil_hf": set(),
    "studies": set(),
    "recipes": set(),
    # The rehearsal runs on the servers and the random models of real shapes that tests have.
    "benchmarks": {"benchmarks", "tests.reference", "tests.hub", "tests.unit.file_server", "tests.recipes.real_shapes"},
    "tests/reference": {"tests.reference"},
}


@pytest.mark.parametrize("folder", ALLOWED)
def test_references_are_imported_by_tests_and_benchmarks_alone(folder):
    sources = {str(path): path.read_text(encoding="utf-8") for path in (ROOT / folder).rglob("*.py")}
    assert sources and strays(folder, ALLOWED[folder], sources) == []


def test_the_guard_bites():
    assert strays("promvil_hf", set(), {"a.py": "def f():\n    from tests.reference.grounding import alone\n"})
    assert strays("benchmarks", ALLOWED["benchmarks"], {"a.py": "import tests.unit.toy"})
