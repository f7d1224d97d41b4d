# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The demo: chapters are kept under their settings, what is trained on is never measured on, words follow the figures."""

import json
import math
from dataclasses import dataclass

import pytest

from promvil_hf import cli
from promvil_hf.commands.demo import promvil, world
from promvil_hf.commands.demo.chapters import QUICK, Folder, Sizes, settings_of
from promvil_hf.commands.demo.wording import verdict
from promvil_hf.metrics.intervals import Interval
from promvil_hf.toy.chains import chain_of, scene_chain


@dataclass(frozen=True, slots=True)
class Counted:
    number: int
    by_level: dict[int, tuple[int, int]]
    gain: Interval


def interval(estimate: float, low: float, high: float, note: str = "") -> Interval:
    return Interval(estimate, low, high, 0.95, "bca", 10, 5, 99, 0, note)


# --- chapters -------------------------------------------------------------------------------------


def test_a_chapter_is_done_once_and_read_back_as_it_was(tmp_path):
    found = Counted(3, {1: (2, 3)}, interval(0.1, math.nan, math.nan, "one cluster only: nothing to resample"))
    calls = []

    def work(place):
        calls.append(place.name)
        return found

    first = Folder(tmp_path / "demo", {"seed": 0})
    made = first.chapter("Counting", "count", Counted, work)
    again = Folder(tmp_path / "demo", {"seed": 0})
    read = again.chapter("Counting", "count", Counted, work)
    assert len(calls) == 1
    for one in (made, read):
        assert (one.number, one.by_level, one.gain.note) == (found.number, found.by_level, found.gain.note)
        assert math.isnan(one.gain.low)
    assert [(chapter.title, chapter.now) for chapter in (*first.done, *again.done)] == [("Counting", True), ("Counting", False)]


def test_a_chapter_that_fails_is_done_again(tmp_path):
    def fails(place):
        raise RuntimeError("interrupted")

    folder = Folder(tmp_path / "demo", {"seed": 0})
    with pytest.raises(RuntimeError):
        folder.chapter("Counting", "count", Counted, fails)
    assert folder.chapter("Counting", "count", Counted, lambda place: Counted(1, {}, interval(0, 0, 0))).number == 1


def test_a_folder_of_other_settings_is_not_gone_on_with_and_restart_empties_it(tmp_path):
    out = tmp_path / "demo"
    Folder(out, settings_of(Sizes(), 0, False, {"kosmos2": "a"}))
    (out / "chapters" / "old.json").write_text("{}")
    with pytest.raises(ValueError, match=r"other settings \(seed was 0, is 1\). Pass --restart to make it afresh"):
        Folder(out, settings_of(Sizes(), 1, False, {"kosmos2": "a"}))
    Folder(out, settings_of(Sizes(), 1, False, {"kosmos2": "a"}), restart=True)
    assert list((out / "chapters").iterdir()) == []


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("words")
    for restart in (False, True):
        with pytest.raises(ValueError, match="is not empty and holds no demo: pass a new folder as --out"):
            Folder(tmp_path, {"seed": 0}, restart)
    assert (tmp_path / "thesis.tex").read_text() == "words"


def test_a_base_that_is_no_checkpoint_is_named(tmp_path, capsys):
    assert cli.main(["demo", "--out", str(tmp_path / "demo"), "--train", "--kosmos2-base", str(tmp_path)]) == 2
    assert "holds no model.safetensors: name a checkpoint folder" in capsys.readouterr().err


# --- worlds ---------------------------------------------------------------------------------------


def test_held_out_scenes_are_none_of_those_trained_on():
    for name in ("nested", "talk"):
        trained = {scene.index for scene in world.scenes_of(name, 5, 0)}
        held_out = {scene.index for scene in world.scenes_of(f"{name}_test", 5, 0)}
        assert len(trained) == len(held_out) == 5 and not trained & held_out
    assert max(Sizes().nested_scenes, Sizes().talk_scenes, Sizes().test_scenes) < world.BEHIND - world.HELD_OUT


def test_the_llava_is_asked_about_the_world_it_knows():
    from studies.toy_bases import llava

    assert world.ASKED_ABOUT == llava.ASKED_ABOUT


def test_turns_that_the_base_answers_in_a_word_are_left_out(tmp_path):
    def talk(name, *turns):
        said = [
            {"from": who, "value": text} for turn in turns for who, text in zip(("human", "gpt"), turn, strict=True)
        ]
        return {"id": name, "image": "a.png", "conversations": said}

    color, count = (
        ("What color is the star?", "It is a red star."),
        ("How many stars are there?", "There is one star."),
    )
    path = tmp_path / "all.json"
    first = talk("a", ("<image>\n" + color[0], color[1]), count)
    path.write_text(json.dumps([first, talk("b", ("<image>\n" + color[0], color[1]))]))
    [kept] = json.loads(world.without_short_answers(path, tmp_path / "kept.json").read_text())
    assert kept == talk("a", ("<image>\n" + count[0], count[1]))


# --- rows -----------------------------------------------------------------------------------------


def test_the_chains_of_a_scene_become_one_that_says_all_they_said_once():
    [scene] = world.scenes_of("nested_test", 1, 0)
    chains = [chain_of(scene, expression) for expression in scene.expressions(4)]
    whole = scene_chain(scene, per_level=4)

    def phrases_with_levels(chain):
        return {(step.target.text, level) for step, level in zip(chain.steps, chain.levels, strict=True)}

    assert phrases_with_levels(whole) == set().union(*map(phrases_with_levels, chains))
    assert len(whole.steps) == len({step.target.text for step in whole.steps}) < sum(len(chain.steps) for chain in chains)


# --- what is asked and what the page says ------------------------------------------------------------


def test_each_level_is_asked_about_as_often_and_the_truth_is_the_scenes():
    scenes = world.scenes_of("nested_test", 3, 0)
    asked = promvil.asked(scenes, 2)
    for scene in scenes:
        of_scene = [one for one in asked if one.scene is scene]
        assert sorted({one.row.level for one in of_scene}) == [1, 2, 3]
        assert all(sum(one.row.level == level for one in of_scene) <= 2 for level in (1, 2, 3))
        for one in of_scene:
            left, top, right, bottom = scene.objects[scene.position_of(one.expression.target_id)].xyxy_px
            assert one.row.boxes[0].xyxy == (left / 64, top / 64, right / 64, bottom / 64)
    assert len({one.name for one in asked}) == len(asked)


def test_the_rule_grammar_is_counted_against_the_scenes_own_parts():
    found = promvil.decomposed(world.scenes_of("nested_test", 3, 0))
    assert sorted(found) == [1, 2, 3] and all(0 < right <= all_ for right, all_ in found.values())


@pytest.mark.parametrize(
    ("gain", "sentence"),
    [
        (interval(0.12, 0.05, 0.19), "X: +0.120 [0.050, 0.190]. The 95 % interval lies above 0: better."),
        (
            interval(-0.12, -0.19, -0.05),
            "X: −0.120 [−0.190, −0.050]. The 95 % interval lies below 0: worse, the claim does not hold in this run.",
        ),
        (interval(0.02, -0.05, 0.09), "X: +0.020 [−0.050, 0.090]. No clear difference: the 95 % interval includes 0."),
        (interval(0.02, math.nan, math.nan, "one cluster"), "X: +0.020, without an interval (one cluster)."),
    ],
)  # fmt: skip
def test_a_verdict_says_what_the_interval_allows(gain, sentence):
    assert verdict(gain, "X") == sentence


def test_the_quick_demo_is_smaller_everywhere():
    assert all(getattr(QUICK, name) < getattr(Sizes(), name) for name in Sizes.__dataclass_fields__)


# --- end to end -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """Checkpoints of random weights, of the shape of the shipped ones."""
    from studies.toy_bases import kosmos2, llava

    places = {}
    for name, family in (("kosmos2", kosmos2), ("llava", llava)):
        places[name], tiny = tmp_path_factory.mktemp(name), family.untrained(layers=2, vision_layers=2)
        tiny.model.save_pretrained(places[name])
        tiny.processor.save_pretrained(places[name])
    return places


def test_the_demo_trains_measures_writes_a_page_and_keeps_its_chapters(bases, tmp_path, capsys):
    out = tmp_path / "demo"
    call = ["demo", "--quick", "--train", "--out", str(out), "--kosmos2-base", str(bases["kosmos2"])]
    call += ["--llava-base", str(bases["llava"])]
    assert cli.main(call) == 0
    shown = capsys.readouterr().out
    assert "Try next, with real checkpoints" in shown and "kept from an earlier run" not in shown
    page = (out / "index.html").read_text(encoding="utf-8")
    for title in ("from simple to complex", "words that point", "Level by level and at once", "What patches say"):
        assert title in page
    levels = json.loads((out / "chapters" / "ground.json").read_text())["result"]["levels"]
    assert [level["level"] for level in levels] == [1, 2, 3]
    for level in levels:  # the page's figures are those of the run
        for run in promvil.COMPARED:
            files = [f"{promvil.file_name(run_name)}_level_{level['level']}.json" for run_name in (promvil.STEPWISE, run)]
            values = [json.loads((out / "ground" / file).read_text())["scores"]["value"] for file in files]
            assert values[0] - values[1] == pytest.approx(level["gain"][run]["estimate"])
    for place in ("adapters/chains", "adapters/flat", "joint/vision_loss", "joint/no_vision_loss"):
        assert (out / place / "adapter_model.safetensors").is_file()
    assert (out / "reliance" / "base" / "reliance.html").is_file()

    assert cli.main(call) == 0
    assert "kept from an earlier run" in capsys.readouterr().out
    assert cli.main([*call, "--seed", "1"]) == 2
    assert "seed was 0, is 1" in capsys.readouterr().err


def test_the_demo_shows_the_shipped_adapters(tmp_path, capsys):
    assert cli.main(["demo", "--quick", "--out", str(tmp_path / "demo")]) == 0
    page = (tmp_path / "demo" / "index.html").read_text(encoding="utf-8")
    assert "with adapters that come with the package" in page and "class=\"slides" in page
    assert cli.main(["demo", "--quick", "--out", str(tmp_path / "other"), "--llava-base", str(tmp_path)]) == 2
    assert "Add --train" in capsys.readouterr().err
