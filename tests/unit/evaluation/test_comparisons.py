# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Two reports are compared row by row, if they answer the same questions by the same rules."""

import dataclasses

import pytest

from promvil_hf.evaluation.comparison import compare
from promvil_hf.evaluation.results import Report
from tests.unit.evaluation.answer_files import FEW, lines, scored


def test_a_comparison_is_the_paired_test_over_rows_matched_by_id(toy, tmp_path):
    benchmark, said = toy
    worse = {row_id: box if k % 3 else [0.9, 0.9, 0.99, 0.99] for k, (row_id, box) in enumerate(said.items())}
    before = scored(benchmark, lines(tmp_path / "a.jsonl", *({"id": k, "boxes": [b]} for k, b in worse.items())))
    after = scored(
        benchmark, lines(tmp_path / "b.jsonl", *({"id": k, "boxes": [b]} for k, b in reversed(said.items())))
    )
    found = compare(before, after, FEW)
    change = after.scores["value"] - before.scores["value"]
    assert found.test.difference.estimate == pytest.approx(change) and change > 0
    assert found.test.p_value < 0.05 and found.worse == () and set(found.better) <= set(said)
    back = compare(after, before, FEW)
    assert back.test.difference.estimate == pytest.approx(-change) and back.worse and not back.better
    assert compare(after, after, FEW).test.p_value == 1.0
    assert f"changed by {change:+.4f}" in str(found) and "rows better, 0 worse." in str(found)
    loaded = compare(Report.load(before.save(tmp_path / "x.json")), Report.load(after.save(tmp_path / "y.json")), FEW)
    assert loaded.test == found.test


def test_reports_of_other_questions_or_other_rules_are_not_compared(toy, tmp_path):
    benchmark, said = toy
    path = lines(tmp_path / "a.jsonl", *({"id": k, "boxes": [b]} for k, b in said.items()))
    report = scored(benchmark, path)
    fewer = scored(dataclasses.replace(benchmark, rows=benchmark.rows[:30]), path)
    with pytest.raises(ValueError, match="of different questions: toy test with content hash"):
        compare(report, fewer)
    with pytest.raises(ValueError, match="scored by different rules .box_policy 'first' and 'any'."):
        compare(report, scored(benchmark, path, box_policy="any"))
    (tmp_path / "no.json").write_text("{}")
    with pytest.raises(ValueError, match="no report of `promvil evaluate`"):
        Report.load(tmp_path / "no.json")
