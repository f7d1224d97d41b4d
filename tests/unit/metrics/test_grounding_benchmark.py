# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The benchmark of the metrics runs: `python -m pytest -m slow tests/unit/metrics/test_grounding_benchmark.py`.

That the metrics equal their plain loops is a law of the default suite: `test_grounding.py`.
"""

import pytest

from benchmarks import grounding_metrics


pytestmark = pytest.mark.slow


def test_the_benchmark_finds_identical_counts_and_says_what_it_compared():
    result = grounding_metrics.main(
        "--samples 60 --naive-samples 20 --pairs 5000 --naive-pairs 500 --predictions 200 --module-samples 20 "
        "--resamples 99 --naive-resamples 3 --repeats 1".split()
    )
    assert {"naive", "ours", "floor", "ratio", "equal"} <= set(result)
    assert result["equal"] is True
    counts = result["scoring"]["counts"]
    assert (
        counts["naive"] == counts["ours"] == counts["plain_python"] and counts["ours"]["any"] > counts["ours"]["first"]
    )
    assert {"transport", "times_transport", "goal"} <= set(result["module"])
    assert {"times_scoring", "times_scoring_boxes_only", "naive_resamples"} <= set(result["interval"])
