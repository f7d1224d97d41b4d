# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FiVL's studies compare like with like, share what they can, and run from end to end."""

import json
from random import Random

import numpy as np
import pytest

from promvil_hf import masks
from promvil_hf.toy.models import tiny_llava
from promvil_hf.toy.small_world import held_out
from studies.__main__ import main, study
from studies.cells import Given
from studies.fivl import WORLD, reliance_score, tuned
from studies.fivl_rows import caption, questions, row_of, spoilt, turns_of
from studies.fivl_work import fine_tune
from studies.heads import best_heads, others, without_heads
from studies.pages import check
from studies.terms import Terms


FIVL = (
    "vision_loss_weight", "beyond_vqa", "mask_noise", "reliance_and_accuracy", "random_masks", "head_ablation",
)  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A tiny LLaVA of random weights, as a checkpoint folder."""
    folder = tmp_path_factory.mktemp("base")
    tiny = tiny_llava(width=32, layers=2, image_size=32, patch_size=8, fit="stretch")
    tiny.model.save_pretrained(folder)
    tiny.processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def terms(base):
    return Terms(Given(base))


def trainings(name, terms):
    return {cell.key for cell in study(name).plan(terms).values() if cell.work is fine_tune}


def test_the_studies_share_the_reference_and_train_nothing_twice(terms):
    reference = {tuned(terms, seed).key for seed in terms.seeds}
    assert trainings("head_ablation", terms) == reference
    by_study = {name: trainings(name, terms) for name in FIVL}
    assert all(reference <= by_study[name] for name in FIVL if name != "beyond_vqa")
    assert len(set.union(*by_study.values())) == 3 * (6 + 3 + 4 + 2 + 1)  # λ, captions, masks, lengths, random with λ 0.5


def test_masks_change_masks_alone(terms):
    random, perfect = tuned(terms, 1, masks="random").settings, tuned(terms, 1).settings
    assert {name for name in perfect if perfect[name] != random[name]} == {"masks"}
    with pytest.raises(ValueError, match=r"You passed \['noise'\] to tuned: it knows alpha, batch"):
        tuned(terms, 0, noise="random")


def test_rows_say_their_key_expressions_and_show_them():
    for drawn in held_out(WORLD, 40, 4):
        for task in ("talk", "caption"):
            row = row_of(task, drawn)
            for key in row["key_expressions"]:
                turn = row["turns"][key["turn"]]
                assert key["text"].casefold() in f"{turn['question']} {turn['answer']}".casefold()
                assert key["mask"]["size"] == [64, 64]
        assert len(row_of("talk", drawn)["turns"]) > 3
    with pytest.raises(ValueError, match="the task 'poem': it is one of talk, caption"):
        turns_of("poem", drawn)


def test_a_caption_has_every_thing_as_a_key_expression():
    for drawn in held_out(WORLD, 20, 4):
        ((_, text, keys),) = caption(drawn)
        assert sorted(object_id for key in keys for object_id in key.object_ids) == [thing.object_id for thing in drawn.objects]
        assert all(key.text in text for key in keys)
        covered = sum(masks.decode(key.located(drawn).mask) for key in keys)
        assert ((covered > 0) == (drawn.label_map() > 0)).mean() > 0.95


def test_spoilt_pictures_differ_as_they_should_and_are_the_same_each_time():
    picture = held_out(WORLD, 1)[0].image()
    assert spoilt(picture, "clean", 0) is picture
    noise, again, other = (np.asarray(spoilt(picture, "noise", seed), float) for seed in (0, 0, 1))
    assert (noise == again).all() and (noise != other).any()
    assert 20 < np.abs(noise - np.asarray(picture)).mean() < 40
    blur = np.asarray(spoilt(picture, "blur", 0), float)
    assert np.abs(np.diff(blur, axis=0)).sum() < np.abs(np.diff(np.asarray(picture, float), axis=0)).sum()
    with pytest.raises(ValueError, match="pictures='rain': it is one of clean, noise, blur"):
        spoilt(picture, "rain", 0)


def test_reliance_is_the_relative_drop_over_all_rows():
    found = {
        "scene": [0, 0, 1, 1, 2],
        "right": {
            "original": [1, 1, 1, 1, 0],
            "key boxes": [0, 0, 1, 0, 1],
            "random boxes": [1, 1, 1, 0, 0],
            "whole image": [0] * 5,
        },
    }
    assert reliance_score({0: found}).means() == {"0": 0.5}  # of four right ones two are left
    assert reliance_score({0: found}, "whole image").means() == {"0": 1.0}
    assert reliance_score({0: found}, "key boxes", "random boxes").means() == {"0": 0.25}


def test_best_heads_leave_others_in_their_layers():
    rho = np.array([[0.9, 0.8, 0.7, np.nan], [0.1, 0.6, 0.2, 0.3]])
    assert best_heads(rho, 3) == [(0, 0), (0, 1), (0, 2)]
    best = best_heads(rho, 3, most_of_a_layer=2)
    assert best == [(0, 0), (0, 1), (1, 1)]
    for seed in range(20):
        chosen = others(best, 4, Random(seed))
        assert not set(chosen) & set(best) and len(set(chosen)) == 3
        assert sorted(layer for layer, _ in chosen) == [0, 0, 1]
    with pytest.raises(ValueError, match="You asked for 5 heads, at most 2 of a layer: there are only 4"):
        best_heads(rho, 5, most_of_a_layer=2)


def test_heads_are_left_out_with_an_adapter_too_and_come_back(base):
    import torch

    from promvil_hf.backends.base import Request
    from promvil_hf.backends.loading import load
    from promvil_hf.training.adapters import AdapterArguments, lora, with_lora

    backend = load(base, device="cpu")
    drawn = held_out(WORLD, 1)[0]
    inputs = backend.inputs([Request(questions(drawn)[0][1][0], drawn.image())])
    adapter = lora(AdapterArguments(lora_scope="text_and_projector", lora_r=2, lora_dropout=0.0), backend.model)
    for model in (backend.model, with_lora(backend.model, adapter)):
        model.eval()
        plain = model.get_base_model() if hasattr(model, "get_base_model") else model
        first = plain.model.language_model.layers[0].self_attn.o_proj
        seen = []
        with torch.no_grad():
            whole = model(**inputs).logits
            with without_heads(model, [(0, 1)]):
                hook = first.register_forward_pre_hook(lambda module, given, seen=seen: seen.append(given[0]))
                less = model(**inputs).logits
                hook.remove()
            assert torch.equal(model(**inputs).logits, whole)
            width = first.in_features // plain.config.get_text_config().num_attention_heads
            (states,) = seen
            assert (states[..., width : 2 * width] == 0).all() and (states[..., :width] != 0).any()
            assert not torch.allclose(less, whole)
            with without_heads(model, []):
                assert torch.equal(model(**inputs).logits, whole)


def test_a_study_runs_from_end_to_end(base, tmp_path, monkeypatch):
    monkeypatch.setattr("studies.head_ablation.study.COUNTS", (2,))
    monkeypatch.setattr("studies.head_ablation.study.DRAWS", 2)
    run_quickly("head_ablation", base, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(FIVL) - {"head_ablation"}))
def test_the_other_studies_run_from_end_to_end(name, base, tmp_path):
    run_quickly(name, base, tmp_path)


def run_quickly(name, base, folder):
    asked = [name, "--base", str(base), "--quick", "--seeds", "0", "1", "--workers", "1", "--store", str(folder)]
    assert main(asked) == 0
    written = folder / "quick" / name
    result = json.loads((written / "result.json").read_text())
    assert result["base"]["name"] == "llava" and result["scores"] and result["differences"]
    for score in result["scores"]:
        if score["measure"].startswith(("accuracy,", "short", "patch", "BLEU", "sentences", "things")):
            assert 0 <= score["estimate"] <= 1 and set(score["by_seed"]) == {"0", "1"}
    assert (written / "plot.svg").read_text().startswith("<svg")
    assert not [fault for fault in check(study(name), written) if "another" in fault or "plot" in fault]
