# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Statements of the papers are judged by both intervals, from results alone, and a page that says otherwise is a fault."""

import shutil

import pytest

from studies.claims import FILE, Statement, all_statements, speaks, statements, statements_faults, verdict
from studies.pages import FOLDER
from studies.results import Difference


def difference(low, high, over_seeds):
    return Difference("a less b", {}, {}, (low + high) / 2, low, high, over_seeds, {}, 30)


def test_a_difference_speaks_only_when_scenes_and_seeds_agree():
    for low, high, over_seeds, found in (
        (0.1, 0.2, (0.05, 0.3), 1), (0.1, 0.2, (-0.1, 0.4), 0), (-0.2, -0.1, (-0.3, -0.05), -1), (-0.2, -0.1, (-0.3, 0.1), 0),
    ):  # fmt: skip
        assert speaks(difference(low, high, over_seeds), 1) == found
        assert speaks(difference(low, high, over_seeds), -1) == -found


def test_verdicts():
    assert [verdict(found) for found in ([1, 1], [-1, -1], [1, -1], [1, 0], [0, -1], [0, 0])] == [
        "holds", "fails", "holds in part", "holds in part", "fails in part", "not decided",
    ]  # fmt: skip


def test_each_statement_names_differences_that_there_are_or_says_why_not():
    for statement in all_statements():
        assert bool(statement.shows) != bool(statement.elsewhere), statement.says
    assert statements(FOLDER).count("\n|") == len(all_statements()) + 1


def test_a_statement_about_a_difference_that_no_study_has_is_refused(monkeypatch):
    wrong = Statement("PromViL", "claim", "x", "y", ["curriculum: nothing"])
    monkeypatch.setattr("studies.claims.all_statements", lambda: [wrong])
    with pytest.raises(LookupError, match="curriculum has no difference 'nothing'"):
        statements(FOLDER)


def test_a_page_that_the_results_do_not_bear_out_is_a_fault(tmp_path):
    assert FILE.is_file() and not statements_faults(FOLDER)
    for name in {shown.removeprefix("-").partition(": ")[0] for statement in all_statements() for shown in statement.shows}:
        (tmp_path / name).mkdir()
        shutil.copy(FOLDER / name / "result.json", tmp_path / name)
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    (tmp_path / "README.md").write_text(page, encoding="utf-8")
    assert not statements_faults(tmp_path)
    (tmp_path / "README.md").write_text(page.replace("**not decided**", "**holds**", 1), encoding="utf-8")
    assert statements_faults(tmp_path) == [
        "studies/README.md: the statements of the papers are not judged by the results: run python -m studies write"
    ]
