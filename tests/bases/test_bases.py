# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The shipped bases see: accuracies on held-out scenes, printed with their intervals.

The default suite asks about a few scenes, which shows that weights, pictures and prompts still fit each other; `make bases`
asks about as many as tell the accuracy.
"""

import json

import pytest
import torch

from promvil_hf.backends.loading import load
from promvil_hf.cli import main
from promvil_hf.toy import adapters
from promvil_hf.toy.adapters import ADAPTERS
from promvil_hf.toy.bases import BASES, folder
from promvil_hf.toy.exam import write_exam
from promvil_hf.toy.small_world import ASKED_ABOUT, HARD, NESTED, held_out
from studies.toy_adapters import measured
from studies.toy_bases.measure import answering, grounding


torch.set_num_threads(1)
SCENES = 24  # those of the cards are the first of 200
FEW = 4
on_few_scenes_or_many = pytest.mark.parametrize("scenes", [FEW, pytest.param(SCENES, marks=pytest.mark.bases)])


def test_the_toy_kosmos2_grounds_simple_phrases():
    found = grounding(load("toy:kosmos2"), held_out(HARD, FEW), level=1)
    assert found.rows >= 4 and found.estimate >= 0.75


@pytest.mark.bases
def test_the_toy_kosmos2_grounds_simple_phrases_and_leaves_room_for_nested_ones():
    backend = load("toy:kosmos2")
    simple = grounding(backend, held_out(HARD, SCENES), level=1)
    nested = {level: grounding(backend, held_out(NESTED, SCENES), level=level) for level in (1, 2, 3)}
    print(f"\nlevel 1: {simple}")
    for level, interval in nested.items():
        print(f"level {level} in scenes of nested phrases, one-shot: {interval}")
    assert simple.high >= 0.85
    assert nested[1].low - nested[3].high >= 0.2


@on_few_scenes_or_many
def test_the_toy_llava_with_boxes_grounds_simple_phrases_and_leaves_room_for_nested_ones(scenes):
    backend = load("toy:llava_boxes")
    card = json.loads((folder("llava_boxes") / "scores.json").read_text())
    worlds = {"level 1": (HARD, 1), "level 1 in scenes of nested phrases": (NESTED, 1), "level 3, one-shot": (NESTED, 3)}
    found = {what: grounding(backend, held_out(world, scenes), level=level) for what, (world, level) in worlds.items()}
    for what, interval in found.items():
        print(f"\n{what}: {interval}", end="")
        assert interval.low <= card[what]["high"] and card[what]["low"] <= interval.high, what
    assert found["level 1"].estimate >= 0.75 and card["level 1"]["estimate"] >= 0.85
    assert card["level 1 in scenes of nested phrases"]["low"] - card["level 3, one-shot"]["high"] >= 0.2


@on_few_scenes_or_many
def test_the_toy_llava_answers_toy_questions_as_its_card_says(scenes):
    found = answering(load("toy:llava"), held_out(ASKED_ABOUT, scenes))
    for kind, interval in found.items():
        print(f"\n{kind}: {interval}", end="")
    card = json.loads((folder("llava") / "scores.json").read_text())
    assert card.keys() == found.keys()
    for kind, interval in found.items():
        assert interval.low <= card[kind]["high"] and card[kind]["low"] <= interval.high, kind
    assert found["all"].high >= 0.9 and (found["all"].low if scenes == SCENES else found["all"].estimate) > 0.8


@on_few_scenes_or_many
def test_the_command_that_evaluates_gives_the_toy_llava_the_same_accuracy_on_the_exam(scenes, tmp_path):
    write_exam(tmp_path, scenes)
    asked = ["--images", str(tmp_path / "images"), "--model", "toy:llava", "--prompt", "{text}"]
    for benchmark, file in (("gqa", "questions.json"), ("pope", "pope.jsonl")):
        out = tmp_path / benchmark
        assert main(["evaluate", "--benchmark", benchmark, "--files", str(tmp_path / file), "--out", str(out), *asked]) == 0
        found = json.loads((out / "report.json").read_text())
        print(f"\n{benchmark}: {found['scores']['value']:.3f} of {found['scores']['rows']}", end="")
        assert found["scores"]["value"] >= (0.9 if scenes == SCENES else 0.8)


@pytest.mark.parametrize("name", BASES)
def test_a_base_is_a_small_checkpoint_with_a_card_made_of_its_scores(name):
    base = folder(name)
    assert all(path.stat().st_size < 8e6 for path in base.iterdir())
    card = (base / "README.md").read_text()
    scores = json.loads((base / "scores.json").read_text())
    for what, score in scores.items():
        assert f"| {what} | {score['estimate']:.3f} | {score['low']:.3f} to {score['high']:.3f} |" in card
    assert "| seed | 0 |" in card and "recipes/toy" in card or "studies.toy_bases" in card
    assert json.loads((base / "curves.json").read_text()).keys() >= {"tower", "alignment"}


@on_few_scenes_or_many
@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_scores_what_its_card_says(name, scenes):
    card = json.loads((adapters.folder(name) / "scores.json").read_text())
    found = measured(name, adapters.folder(name), scenes)
    assert card.keys() == found.keys()
    for what, interval in found.items():
        print(f"\n{name}, {what}: {interval}", end="")
        assert interval.low <= card[what]["high"] and card[what]["low"] <= interval.high, what
