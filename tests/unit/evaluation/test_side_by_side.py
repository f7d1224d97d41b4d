# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Two models on all sets that both were asked, on one page."""

import json

import pytest

from promvil_hf import cli
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.comparison import compare
from promvil_hf.evaluation.predictions import Answer, Predictions
from promvil_hf.evaluation.results import Settings, evaluate
from promvil_hf.evaluation.side_by_side import side_by_side
from promvil_hf.evaluation.side_by_side_page import summary, write_page
from promvil_hf.metrics.significance import holm
from tests.unit.evaluation.answer_files import FEW


def pairs(number, size=40):
    """A set of pairs: yes of one picture, no of the other."""
    rows = tuple(
        BenchmarkRow(f"{k}", f"{number}/{k}.jpg", "Is it?", answers=("yes" if k % 2 else "no",), choices=("yes", "no"),
                     units={"pair": str(k // 2)})
        for k in range(size)
    )  # fmt: skip
    return Benchmark(f"set {number}", "test", "one_word", rows)


def pope():
    rows = tuple(BenchmarkRow(str(k), f"p/{k}.jpg", "Is it?", answers=("yes" if k % 2 else "no",)) for k in range(40))
    return Benchmark("pope", "random", "pope", rows)


def report(benchmark, right):
    """Answers of which the first `right` are right."""
    said = {
        row.id: Answer(text=row.answers[0] if place < right else {"yes": "no", "no": "yes"}[row.answers[0]])
        for place, row in enumerate(benchmark.rows)
    }
    return evaluate(benchmark, Predictions(said), Settings(resampling=FEW))


@pytest.fixture
def runs(tmp_path):
    """Three sets that both have, one each that only one has, and one of other rows."""
    for name, hits in (("small", (10, 20, 30)), ("large", (40, 22, 40))):
        for number, right in enumerate(hits):
            made = report(pope() if number == 2 else pairs(number), right)
            made.save(tmp_path / name / f"set{number}/report.json")
    report(pairs(7), 5).save(tmp_path / "small/seven/report.json")
    report(pairs(8), 5).save(tmp_path / "large/eight/report.json")
    report(pairs(9), 5).save(tmp_path / "small/nine/report.json")
    report(pairs(9, size=30), 5).save(tmp_path / "large/nine/report.json")
    return tmp_path


def test_sets_are_matched_by_their_questions_and_p_values_are_corrected_over_them(runs):
    found = side_by_side(runs / "small", runs / "large", resampling=FEW)
    assert found.names == ("small", "large") and [one.title for one in found.sets] == ["set 0 test", "set 1 test", "pope random"]
    first, second, third = found.sets
    assert (first.metric, first.first.value, first.second.value) == ("pair_accuracy", 0.25, 1)
    assert first.test.difference.estimate == 0.75
    assert first.chance == 0.25 and first.test.rows == 20  # pairs are compared, not rows
    assert [one.corrected for one in found.sets] == pytest.approx(holm([one.test.p_value for one in found.sets]).tolist())
    assert (first.better, second.better, third.better) == (1, 0, 1)
    assert (third.metric, third.tested) == ("f1", "accuracy")
    alone = compare(report(pairs(0), 10), report(pairs(0), 40), FEW)
    assert first.test == alone.test
    assert [sentence.partition(":")[0] for sentence in found.left_out] == ["set 9 test", "set 7 test", "set 8 test"]
    assert "is of other rows or another truth" in found.left_out[0] and "large was not asked it" in found.left_out[1]
    back = side_by_side(runs / "large", runs / "small", resampling=FEW)
    assert [one.better for one in back.sets] == [-1, 0, -1]


def test_lists_of_reports_do_as_well_and_two_of_the_same_questions_are_refused(runs):
    lists = ([runs / "small/set0/report.json"], [runs / "large/set0/report.json", runs / "large/set1/report.json"])
    found = side_by_side(*lists, resampling=FEW)
    assert len(found.sets) == 1 and found.names == ("the first", "the second")
    with pytest.raises(ValueError, match="two reports of the same questions"):
        side_by_side([lists[0][0], runs / "large/set0/report.json"], lists[1])
    with pytest.raises(ValueError, match="no set in common.*was not asked it"):
        side_by_side(runs / "small/seven", runs / "large/eight")
    (runs / "none").mkdir()
    with pytest.raises(ValueError, match="holds a report.json"):
        side_by_side(runs / "small", runs / "none")


def test_the_page_and_the_terminal_show_scores_chance_differences_and_what_is_left_out(runs):
    found = side_by_side(runs / "small", runs / "large", resampling=FEW)
    html, lines = write_page(runs / "compared.html", found).read_text(), summary(found)
    for text in (html, lines):
        for said in ("share of pairs all right", "corrected by Holm", "not told apart", "set 7 test: large was not asked it"):
            assert said in text, said
        assert "small is not above chance on set 0 test" in text and "large is not above chance on set 0" not in text
        assert "The difference on pope random is of the accuracy" in text
    assert "guessing evenly, all rows of a pair right" in html and "accuracy@" not in html and "pair_accuracy" not in html


def test_the_command_takes_two_folders(runs, capsys):
    arguments = ["evaluate", "--compare", str(runs / "small"), str(runs / "large"), "--out", str(runs / "out")]
    arguments += ["--resamples", "99"]
    assert cli.main(arguments) == 0
    assert "large against small, 3 sets" in capsys.readouterr().out and (runs / "out/compared.html").exists()
    assert cli.main([*arguments, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["sets"]) == 3
