# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Numbers of studies have honest intervals; a result, its README and its plot say the same, and each check bites."""

import msgspec
import pytest

from promvil_hf.pages.chart_file import Panel
from promvil_hf.pages.charts import Series
from studies.pages import BEGIN, END, check, numbers, publish
from studies.results import Base, Result, Sample, change, difference, faults, read, score, write
from studies.terms import Study


SCENES = [0, 0, 1, 1, 2, 2, 3, 3]
GOOD, BAD = [1, 1, 1, 0, 1, 1, 0, 1], [0, 1, 0, 0, 1, 0, 0, 0]


def sample(values):
    return Sample.of(dict.fromkeys((0, 1, 2), (values, SCENES)))


def result(**changes):
    a, b = sample(GOOD), sample(BAD)
    values = {
        "study": "made_up",
        "question": "Is a better than b?",
        "command": "python -m studies made_up",
        "base": Base("kosmos2", "0" * 20),
        "seeds": [0, 1, 2],
        "settings": {"updates": {"a": 300}},
        "interval": "95 %",
        "scores": [score(a, "level 1", system="a"), score(b, "level 1", system="b")],
        "differences": [difference("a less b", a, b, {"system": "a"}, {"system": "b"})],
        "versions": dict.fromkeys(("promvil_hf", "python", "torch", "transformers", "peft"), "1.0"),
        "machine": {"processor": "abacus", "cores": "2", "workers": "2"},
        "seconds": {"cells": 600.0, "this_run": 300.0},
        "cells": {"all": 3, "used_again": 0},
    }
    return Result(**{**values, **changes})


def drawn(result):
    return [Panel("made up", [Series("a", ["level 1"], [result.score("level 1", system="a").estimate])])]


STUDY = Study("made_up", "Is a better than b?", "kosmos2", lambda terms: {}, lambda terms, results: None, drawn)
README = f"""# Made up

## Question

Is a better than b?

## Setting

Rows of 8 phrases.

## Command

`python -m studies made_up`

{BEGIN}
{END}

## What we conclude

It is: 0.750 against 0.250, with 300 updates.
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "README.md").write_text(README)
    publish(STUDY, result(), tmp_path)
    return tmp_path


def test_a_score_is_the_mean_over_all_rows_with_scenes_as_clusters():
    found = score(sample(GOOD), "accuracy", system="a")
    assert (found.estimate, found.rows, found.scenes) == (0.75, 24, 12)
    assert found.low < 0.75 < found.high and found.by_seed == {"0": 0.75, "1": 0.75, "2": 0.75}
    assert found.over_seeds == (0.75, 0.75)


def test_weights_count_where_a_value_is_a_sum_of_many():
    found = score(Sample.of({0: ([(3, 4), (1, 4)], [0, 1])}), "pixels")
    assert found.estimate == 0.5 and found.by_seed == {"0": 0.5}
    assert found.over_seeds == (None, None)  # one seed shows nothing about others


def test_seeds_that_disagree_widen_the_interval_over_seeds_only():
    apart = Sample.of({0: ([1] * 8, SCENES), 1: ([1, 0] * 4, SCENES), 2: ([0] * 8, SCENES)})
    found = score(apart, "accuracy")
    assert found.over_seeds[0] < 0 < 1 < found.over_seeds[1]
    assert 0 < found.low < found.high < 1


def test_a_difference_draws_the_scenes_of_both_sides_together():
    noisy = [1, 1, 0, 0, 1, 1, 0, 0]
    same = difference("", sample(noisy), sample(noisy), {}, {})
    assert (same.estimate, same.low, same.high) == (0, 0, 0) and not same.excludes_zero
    better = difference("", sample(GOOD), sample(BAD), {}, {})
    assert better.estimate == 0.5 and better.low > 0 and better.excludes_zero


def test_a_change_is_one_difference_less_another():
    good, bad, noisy = sample(GOOD), sample(BAD), sample([0, 1, 1, 0] * (len(GOOD) // 4))
    found = change("", (good, bad), (noisy, bad), {}, {})
    first, second = difference("", good, bad, {}, {}), difference("", noisy, bad, {}, {})
    assert found.estimate == pytest.approx(first.estimate - second.estimate, abs=1e-3)
    for seed, value in found.by_seed.items():
        assert value == pytest.approx(first.by_seed[seed] - second.by_seed[seed], abs=1e-3)
    assert found.scenes == first.scenes
    assert change("", (good, bad), (good, bad), {}, {}).estimate == 0


def test_a_difference_takes_sides_of_different_rows():
    some = Sample.of({0: ([1, 1], [0, 1])})
    more = Sample.of({0: ([0, 1, 0, 1], [0, 1, 2, 3])})
    found = difference("", some, more, {}, {})
    assert found.estimate == 0.5 and found.scenes == 4


def test_rows_without_scenes_are_refused():
    with pytest.raises(ValueError, match="You passed 2 values and 1 scenes for seed 0: one for each"):
        Sample.of({0: ([1, 0], [0])})


def test_a_good_result_comes_back_equal_and_has_no_faults(tmp_path):
    write(result(), tmp_path / "result.json")
    assert read(tmp_path / "result.json") == result() and faults(result()) == []


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"seeds": [0, 1]}, "it has 2 seeds: at least 3 are needed"),
        ({"seeds": [0, 1, 3]}, "it was measured with the seeds 0, 1, 2 and not with"),
        ({"command": "make studies"}, "question or command is missing"),
        ({"question": ""}, "question or command is missing"),
        ({"scores": []}, "it has no scores"),
        ({"versions": {}}, "the version of torch is missing"),
        ({"scores": [msgspec.structs.replace(result().scores[0], low=0.9)]}, "does not lie in its interval 0.9 to"),
        ({"scores": [msgspec.structs.replace(result().scores[0], high=None)]}, "does not lie in its interval"),
        ({"differences": [msgspec.structs.replace(result().differences[0], estimate=None)]}, "there is no estimate"),
    ],
)
def test_what_a_result_lacks_is_said(changes, said):
    assert any(said in fault for fault in faults(result(**changes)))


@pytest.mark.parametrize(
    "old, new, said",
    [
        ('"low"', '"lower"', "is not a result of a study: Object"),
        ('"estimate": 0.75', '"estimate": "0.75"', "is not a result of a study: Expected `float | null`"),
        ('"seeds": [', '"seeds": ["one", ', "is not a result of a study: Expected `int`"),
        ('"estimate": 0.75', '"estimate": 0.74', "the numbers in README.md are not those of result.json"),
        ('"estimate": 0.75', '"estimate": 0.74', "plot.svg does not show result.json"),
        ("Is a better", "Is b better", "answers another question than study.py asks"),
    ],
)
def test_a_result_that_was_tampered_with_is_noticed(folder, old, new, said):
    path = folder / "result.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert any(said in fault for fault in check(STUDY, folder))


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("0.750 against", "0.850 against", "README.md says 0.850, which is no number of result.json"),
        ("## Setting", "## Settings", "README.md has no section 'Setting'"),
        ("studies made_up`", "studies`", "does not name the command python -m studies made_up"),
        ("It is:", "TO WRITE", "README.md has no conclusion yet"),
        ("Is a better than b?\n\n##", "Is it?\n\n##", "README.md asks another question than study.py"),
        ("| a | 0.750", "| a | 0.760", "the numbers in README.md are not those of result.json"),
    ],
)
def test_a_readme_that_says_something_else_is_noticed(folder, old, new, said):
    path = folder / "README.md"
    assert check(STUDY, folder) == []
    text = path.read_text()
    assert old in text
    text = text.replace(old, new)
    if "another question" in said:
        text = text.replace("![Is a better than b?]", "![]")
    path.write_text(text)
    assert any(said in fault for fault in check(STUDY, folder))


def test_missing_files_are_noticed(folder):
    (folder / "plot.svg").unlink()
    assert any("plot.svg does not show" in fault for fault in check(STUDY, folder))
    (folder / "result.json").unlink()
    assert check(STUDY, folder) == ["made_up: there is no result.json: run the study"]
    (folder / "README.md").unlink()
    assert check(STUDY, folder) == ["made_up: there is no README.md"]


def test_numbers_show_estimates_intervals_and_each_seed():
    text = numbers(result())
    assert "| system | level 1 |" in text and "| a | 0.750 [" in text
    assert "| a less b | 0.500 [" in text and "0.500, 0.500, 0.500" in text
    assert "abacus" in text and "torch 1.0" in text


def test_a_readme_without_a_place_for_numbers_is_refused(tmp_path):
    (tmp_path / "README.md").write_text("# Made up\n")
    with pytest.raises(ValueError, match="has no place for numbers: put the lines"):
        publish(STUDY, result(), tmp_path)


def test_an_unclear_score_is_refused():
    with pytest.raises(LookupError, match="made_up has 2 scores of 'level 1' with {}, not one"):
        result().score("level 1")
