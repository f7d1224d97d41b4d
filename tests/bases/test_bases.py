# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The shipped bases see: accuracies on held-out scenes, printed with their intervals. `pytest -m bases -s`."""

import json

import pytest
import torch

from promvil_hf.backends.loading import load
from promvil_hf.cli import main
from promvil_hf.toy import adapters
from promvil_hf.toy.adapters import ADAPTERS
from promvil_hf.toy.bases import BASES, folder, located
from promvil_hf.toy.exam import write_exam
from promvil_hf.toy.small_world import ASKED_ABOUT, HARD, NESTED, held_out
from studies.toy_adapters import measured
from studies.toy_bases.measure import answering, grounding


torch.set_num_threads(1)
pytestmark = pytest.mark.bases
SCENES = 24  # those of the cards are the first of 200


def test_the_toy_kosmos2_grounds_simple_phrases_and_leaves_room_for_nested_ones():
    backend = load("toy:kosmos2")
    simple = grounding(backend, held_out(HARD, SCENES), level=1)
    nested = {level: grounding(backend, held_out(NESTED, SCENES), level=level) for level in (1, 2, 3)}
    print(f"\nlevel 1: {simple}")
    for level, own in nested.items():
        print(f"level {level} in scenes of nested phrases, one-shot: {own}")
    assert simple.high >= 0.85
    assert nested[1].low - nested[3].high >= 0.2


def test_the_toy_llava_answers_toy_questions_as_its_card_says():
    found = answering(load("toy:llava"), held_out(ASKED_ABOUT, SCENES))
    for kind, own in found.items():
        print(f"\n{kind}: {own}", end="")
    card = json.loads((folder("llava") / "scores.json").read_text())
    assert card.keys() == found.keys()
    for kind, own in found.items():
        assert own.low <= card[kind]["high"] and card[kind]["low"] <= own.high, kind
    assert found["all"].high >= 0.9 and found["all"].low > 0.8


def test_the_command_that_evaluates_gives_the_toy_llava_the_same_accuracy_on_the_exam(tmp_path):
    write_exam(tmp_path, SCENES)
    asked = ["--images", str(tmp_path / "images"), "--model", "toy:llava", "--prompt", "{text}"]
    for benchmark, file in (("gqa", "questions.json"), ("pope", "pope.jsonl")):
        out = tmp_path / benchmark
        assert main(["evaluate", "--benchmark", benchmark, "--files", str(tmp_path / file), "--out", str(out), *asked]) == 0
        found = json.loads((out / "report.json").read_text())
        print(f"\n{benchmark}: {found['scores']['value']:.3f} of {found['scores']['rows']}", end="")
        assert found["scores"]["value"] >= 0.9


@pytest.mark.parametrize("name", BASES)
def test_a_base_is_a_small_checkpoint_with_a_card_made_of_its_scores(name):
    base = folder(name)
    assert all(path.stat().st_size < 8e6 for path in base.iterdir())
    card = (base / "README.md").read_text()
    scores = json.loads((base / "scores.json").read_text())
    for what, own in scores.items():
        assert f"| {what} | {own['estimate']:.3f} | {own['low']:.3f} to {own['high']:.3f} |" in card
    assert "| seed | 0 |" in card and "recipes/toy" in card or "studies.toy_bases" in card
    assert json.loads((base / "curves.json").read_text()).keys() >= {"tower", "alignment"}


def test_only_names_with_the_prefix_are_located():
    assert str(located("toy:kosmos2")) == str(folder("kosmos2")) == str(located(folder("kosmos2")))
    with pytest.raises(ValueError, match="You asked for the toy base 'gpt': there are kosmos2 and llava."):
        located("toy:gpt")


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_scores_what_its_card_says(name):
    card = json.loads((adapters.folder(name) / "scores.json").read_text())
    found = measured(name, adapters.folder(name), SCENES)
    assert card.keys() == found.keys()
    for what, own in found.items():
        print(f"\n{name}, {what}: {own}", end="")
        assert own.low <= card[what]["high"] and card[what]["low"] <= own.high, what
