# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The study of a second family keeps the protocol, and runs on a model whose image tokens are patches."""

import json

import pytest

from promvil_hf.toy.models import tiny_llava
from studies.__main__ import main
from studies.cells import Given
from studies.promvil_work import answers, fine_tune
from studies.protocol import faults
from studies.results import read
from studies.second_family import search
from studies.second_family.study import ARMS, DESIGN, SEARCHED_ON, SHOWN, STUDY
from studies.terms import Terms


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A tiny LLaVA of random weights, as a checkpoint folder."""
    folder = tmp_path_factory.mktemp("base")
    tiny = tiny_llava(width=32, layers=1, vision_layers=2, image_size=64, patch_size=16, fit="stretch")
    tiny.model.save_pretrained(folder)
    tiny.processor.save_pretrained(folder)
    return folder


@pytest.fixture
def short_answers(monkeypatch):
    """A model of random weights writes no box, however long it may write."""
    monkeypatch.setattr("studies.promvil_work.LONGEST_ANSWER", 4)


@pytest.fixture(scope="module")
def cells(base):
    return STUDY.plan(Terms(Given(base), STUDY.seeds))


def test_arms_differ_in_what_they_are_for_and_in_how_many_scenes_and_how_they_are_watched(cells):
    chain = cells["tuned", "chain", 1].settings
    for arm, (changes, _) in ARMS.items():
        settings = cells["tuned", arm, 1].settings
        assert {name for name in chain if chain[name] != settings[name]} - {"scenes", "watched"} == changes.keys()
    assert ARMS.keys() == DESIGN.arms.keys() and STUDY.seeds == (0, 1, 2, 3, 4)


def test_the_vision_loss_changes_nothing_but_its_weight(cells):
    for arm in ("chain", "flat"):
        plain, seeing = (cells["tuned", name, 1].settings for name in (arm, f"{arm}, vision loss"))
        assert {name for name in plain if plain[name] != seeing[name]} == {"vision_loss_weight"}


def test_all_seeds_are_measured_on_the_same_scenes_and_watched_on_scenes_that_nothing_shows(cells):
    measured = [cell.settings for cell in cells.values() if cell.work is answers]
    assert len(measured) == 5 * 5 and all(settings == measured[0] and settings["seed"] == SHOWN for settings in measured)
    tuned = [cell.settings for cell in cells.values() if cell.work is fine_tune]
    assert {settings["watched"]["seed"] for settings in tuned} == {SEARCHED_ON}
    assert SEARCHED_ON not in {settings["seed"] for settings in tuned}


@pytest.mark.usefixtures("short_answers")
def test_the_study_runs_from_end_to_end_on_patches(base, tmp_path):
    asked = ["second_family", "--base", str(base), "--quick", "--workers", "1", "--store", str(tmp_path), "--seeds", "0", "1"]
    assert main(asked) == 0
    result = read(tmp_path / "quick" / "second_family" / "result.json")
    assert result.cells["all"] == 2 * 4 * 2 + 1  # the base's answers are one cell
    assert len(result.scores) == 5 * 2 * 3 and all(0 <= score.estimate <= 1 for score in result.scores)
    arms = result.conduct.arms
    assert {name: arm.updates for name, arm in arms.items()} == dict.fromkeys(ARMS, 2)
    assert all(arm.flops > 1e7 and arm.onset.keys() == {"0", "1"} for arm in arms.values())
    assert arms["chain"].texts == arms["chain, vision loss"].texts > arms["flat"].texts
    assert arms["chain, vision loss"].flops > arms["chain"].flops > arms["flat"].flops
    said = faults(DESIGN, result.conduct, result.seeds)
    assert [fault for fault in said if "seeds" not in fault and "more FLOPs" not in fault] == []
    done = json.loads(next(tmp_path.glob("fine_tune-*/done.json")).read_text())["result"]
    assert [update for update, _ in done["curve"]] == [1, 2]


@pytest.mark.usefixtures("short_answers")
def test_the_search_says_what_an_update_costs_and_when_the_threshold_is_reached(base, tmp_path, capsys):
    assert search.main(["--base", str(base), "--quick", "--store", str(tmp_path), "--arms", "flat"]) == 0
    first_line, curve = capsys.readouterr().out.splitlines()
    assert first_line.startswith("flat: 2 updates, ") and " texts, 0.35 on level 3 after " in first_line
    assert [point.split(":")[0] for point in curve.split(",")] == ["  1", " 2"]
