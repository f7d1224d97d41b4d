# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""PromViL's studies compare like with like, share what they can, and run from end to end."""

import json
from dataclasses import replace
from random import Random

import pytest

from promvil_hf.boxes import iou
from promvil_hf.toy.chains import chain_of, scene_chain
from promvil_hf.toy.models import tiny_kosmos2
from promvil_hf.toy.small_world import held_out
from studies.__main__ import main, names, study
from studies.cells import Given
from studies.pages import FOLDER, check
from studies.promvil import PAIRS, WORLD, tuned
from studies.promvil_work import fine_tune, misled, rows_of, shifted
from studies.terms import Terms


PROMVIL = ("flat_vs_chain", "curriculum", "data_scaling", "transfer", "error_travel")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A tiny Kosmos-2 of random weights, as a checkpoint folder."""
    folder = tmp_path_factory.mktemp("base")
    tiny = tiny_kosmos2(width=32, layers=1, vision_layers=1, image_size=64, patch_size=32, latent_query_num=4, gain=1.0)
    tiny.model.save_pretrained(folder)
    tiny.processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def terms(base):
    return Terms(Given(base))


def adapters(name, terms):
    return {cell.key for cell in study(name).plan(terms).values() if cell.work is fine_tune}


def test_the_studies_share_the_adapters_of_flat_and_chain(terms):
    both = adapters("flat_vs_chain", terms)
    assert len(both) == 2 * 6  # two worlds of relations
    near = {tuned(terms, seed, evidence=evidence).key for seed in terms.seeds for evidence in (True, False)}
    assert adapters("transfer", terms) == adapters("error_travel", terms) == near < both
    chain = {tuned(terms, seed).key for seed in terms.seeds}
    assert chain < near and chain < adapters("data_scaling", terms)
    orders = adapters("curriculum", terms)  # on fewer scenes, so that twelve trainings end in time
    assert len(orders) == 3 * 4 and not orders & both
    assert len(set.union(*(adapters(name, terms) for name in PROMVIL))) == 2 * 6 + 3 * 4 + 3 * (1 + 4)


def test_flat_and_chain_differ_in_the_evidence_alone(terms):
    flat, chain = tuned(terms, 1, evidence=False).settings, tuned(terms, 1).settings
    assert {name for name in chain if chain[name] != flat[name]} == {"evidence"}


def test_an_unknown_setting_is_refused(terms):
    with pytest.raises(ValueError, match=r"You passed \['rate'\] to tuned: it knows alpha, batch"):
        tuned(terms, 0, rate=1)


def test_a_scene_becomes_one_chain_with_each_phrase_once():
    for drawn in held_out(WORLD, 5):
        whole = scene_chain(drawn, 4)
        expressions = drawn.expressions(4)
        texts = [step.target.text for step in whole.steps]
        assert len(texts) == len(set(texts))
        for expression in expressions:
            place = texts.index(expression.text)
            chain = chain_of(drawn, expression)
            assert whole.levels[place] == expression.level == chain.levels[-1]
            assert whole.evidence(place) == chain.evidence(len(chain.steps) - 1)


def test_training_never_sees_a_pair_that_is_held_out_nor_a_scene_that_is_measured():
    rows = rows_of(WORLD, 0, 12, 4)
    texts = {step.target.text for row in rows for step in row["chain"].steps}
    assert not [text for text in texts for color, shape in PAIRS if f" {color} {shape} " in f" {text} "]
    assert min(int(row["chain"].image_id) for row in rows) == 1 and held_out(WORLD, 1)[0].index >= 1_000_000
    seen = [
        {(thing.color, thing.name) for thing in drawn.objects} & set(PAIRS)
        for drawn in held_out(replace(WORLD, split="test"), 5)
    ]
    assert all(seen)


def test_wrong_evidence_is_wrong_and_the_rest_stays():
    for drawn in held_out(WORLD, 10):
        for expression in (expression for expression in drawn.expressions(4) if expression.level > 1):
            chain = chain_of(drawn, expression)
            (anchor,) = chain.steps[-1].anchors
            (gold,) = chain.steps[anchor].target.boxes
            boxes = [drawn.box(place) for place in range(len(drawn.objects))]
            assert misled(chain, "right", drawn, Random(0)) == chain
            for kind in ("shifted", "swapped"):
                other = misled(chain, kind, drawn, Random(0))
                (wrong,) = other.steps[anchor].target.boxes
                assert iou(wrong, gold) < 0.5
                assert (wrong in boxes) == (kind == "swapped")
                assert wrong not in chain.steps[-1].target.boxes
                assert other.steps[-1] == chain.steps[-1] and other.levels == chain.levels
            assert iou(shifted(gold), gold) == pytest.approx(1 / 7)


def test_a_study_runs_from_end_to_end_and_again_for_nothing(base, tmp_path, capsys, monkeypatch):
    """With one seed; the study of FiVL that runs from end to end has two. Random weights write no box, however long they may."""
    monkeypatch.setattr("studies.promvil_work.LONGEST_ANSWER", 4)
    asked = ["flat_vs_chain", "--base", str(base), "--quick", "--workers", "1", "--store", str(tmp_path), "--seeds", "0"]
    assert main(asked) == 0
    folder = tmp_path / "quick" / "flat_vs_chain"
    result = json.loads((folder / "result.json").read_text())
    assert result["cells"] == {"all": 10, "used_again": 0} and result["seeds"] == [0]
    assert result["command"] == "python -m studies " + " ".join(asked)
    assert set(result["settings"]["updates"].values()) == {2}
    flat, chain = (result["settings"]["texts_trained"][f"nearness, {name}"] for name in ("flat", "chain"))
    assert 0 < flat < chain  # a step that others refer to is also trained alone
    assert len(result["scores"]) == 2 * 3 * 2 * 3 and all(0 <= score["estimate"] <= 1 for score in result["scores"])
    left = check(study("flat_vs_chain"), folder)
    assert not [fault for fault in left if not any(word in fault for word in ("section", "README", "1 seeds"))], left
    assert main(asked) == 0
    again = json.loads((folder / "result.json").read_text())
    assert again["cells"] == {"all": 10, "used_again": 10} and again["scores"] == result["scores"]
    assert "Does training on chains" in capsys.readouterr().err


def test_a_stopped_training_goes_on_and_gives_the_same_adapter(base, tmp_path, monkeypatch):
    from safetensors.torch import load_file

    from promvil_hf.training.promvil_trainer import PromViLTrainer

    settings = {**tuned(Terms(Given(base), quick=True), 0).settings, "scenes": 24, "batch": 4, "per_level": 1}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    fine_tune(whole, base, **settings)
    step = PromViLTrainer.training_step

    def failing(self, *args, **kwargs):
        if self.state.global_step == 5:
            raise RuntimeError("the power failed")
        return step(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(PromViLTrainer, "training_step", failing)
        with pytest.raises(RuntimeError, match="the power failed"):
            fine_tune(cut, base, **settings)
    seen = []
    monkeypatch.setattr(PromViLTrainer, "training_step", lambda self, *a, **k: seen.append(1) or step(self, *a, **k))
    assert fine_tune(cut, base, **settings)["updates"] == 6 and len(seen) == 2
    one, other = (load_file(folder / "adapter_model.safetensors") for folder in (whole, cut))
    assert one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)
    assert not list(cut.glob("checkpoint-*"))


def test_a_name_that_is_no_study_is_refused(capsys):
    assert main(["flat_vs_chains"]) == 2
    message = capsys.readouterr().err
    assert "You asked for the study 'flat_vs_chains': there are " in message and "curriculum, data_scaling" in message
    assert main(["all", "transfer"]) == 2
    assert "name one study, or say all" in capsys.readouterr().err


@pytest.mark.parametrize("name", names())
def test_a_study_is_run_complete_and_says_what_it_found(name):
    assert check(study(name), FOLDER / name) == []
