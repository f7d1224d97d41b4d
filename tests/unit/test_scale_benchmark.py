# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The benchmark of large inputs runs, and what it measures of memory grows as slowly as it should.

python -m pytest -m slow tests/unit/test_scale_benchmark.py
"""

import pytest

from benchmarks import scale


pytestmark = pytest.mark.slow  # it starts a process for each size


def test_a_million_answers_would_fit_into_memory():
    peaks = [
        scale.main(f"--only evaluate --answers {count}".split())["evaluate"]["peak_bytes"] for count in (1_000, 11_000)
    ]
    assert (peaks[1] - peaks[0]) / 10_000 < 800  # bytes an answer; the program itself takes 70 MB


def test_the_other_commands_are_measured():
    found = scale.main("--only decompose compovl --expressions 200 --images 2 4".split())
    assert found["decompose"]["a_second"] > 0
    assert [point["images"] for point in found["compovl"]["points"]] == [2, 4] and found["compovl"]["growth"] < 1.2
