# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Features of a frozen tower are computed once, and a model that is given them says exactly what it says about the pictures."""

import pytest
import torch
from peft import LoraConfig, get_peft_model

from promvil_hf.backends import kept_features as module
from promvil_hf.backends.base import Request
from promvil_hf.backends.kept_features import features_given, kept_features
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.toy.models import tiny_llava
from tests.unit.backends.pushed_through import ramp


SIZES = {"a": (64, 48), "b": (48, 64), "c": (30, 30)}


@pytest.fixture(scope="module")
def backend():
    tiny = tiny_llava(fit="stretch")
    return PatchTokenBackend(tiny.model, tiny.processor)


@pytest.fixture
def pictures(tmp_path):
    for name, size in SIZES.items():
        ramp(*size).save(tmp_path / f"{name}.png")
    return {name: tmp_path / f"{name}.png" for name in SIZES}


def kept(backend, pictures, folder):
    return kept_features(backend.model, backend.processor, pictures, folder, shown=False)


def test_a_model_given_features_says_what_it_says_about_the_pictures(backend, pictures, tmp_path):
    inputs = backend.inputs([Request("the star", ramp(*size)) for size in SIZES.values()])
    features = kept(backend, pictures, tmp_path / "features")
    with torch.no_grad():
        expected = backend.model(**inputs).logits
        with features_given(backend.model):
            found = backend.model(**inputs | {"pixel_values": features.of([*SIZES])}).logits
        assert torch.equal(found, expected) and torch.equal(backend.model(**inputs).logits, expected)
        with features_given(backend.model):
            other = backend.model(**inputs | {"pixel_values": features.of(["c", "a", "b"])}).logits
    assert not torch.allclose(other, expected)


def test_what_is_there_is_not_computed_again(backend, pictures, tmp_path, monkeypatch):
    seen = []
    computed = module._computed
    monkeypatch.setattr(module, "_computed", lambda *args: seen.extend(args[2]) or computed(*args))
    monkeypatch.setattr(module, "SHARD", 1)
    first = {name: pictures[name] for name in "ab"}
    before = kept(backend, first, tmp_path / "features").of(["b"])
    features = kept(backend, pictures | {"again": pictures["a"]}, tmp_path / "features")
    assert seen == [pictures[name] for name in "abc"]
    assert torch.equal(features.of(["b"]), before) and torch.equal(features.of(["again"]), features.of(["a"]))


def test_another_tower_another_processor_and_another_picture_have_their_own(backend, pictures, tmp_path):
    one = {"a": pictures["a"]}
    first = kept(backend, one, tmp_path / "features").of(["a"])
    cropped = tiny_llava(fit="crop")
    others = [PatchTokenBackend(backend.model, cropped.processor), PatchTokenBackend(tiny_llava(seed=7).model, backend.processor)]
    assert not any(torch.equal(kept(other, one, tmp_path / "features").of(["a"]), first) for other in others)
    ramp(*SIZES["c"]).save(pictures["a"])
    assert not torch.equal(kept(backend, one, tmp_path / "features").of(["a"]), first)


def test_a_name_that_was_not_asked_for_and_pixels_in_place_of_features_are_refused(backend, pictures, tmp_path):
    with pytest.raises(KeyError, match="no features of 'z'"):
        kept(backend, pictures, tmp_path / "features").of(["z"])
    inputs = backend.inputs([Request("the star", ramp(30, 30))])
    with features_given(backend.model), pytest.raises(ValueError, match="outside of `features_given`"):
        backend.model(**inputs)


def test_features_are_given_behind_an_adapter_too_and_are_those_of_the_base(backend, pictures, tmp_path):
    features = kept(backend, pictures, tmp_path / "features").of(["a"])
    inputs = backend.inputs([Request("the star", ramp(*SIZES["a"]))])
    tiny = tiny_llava(fit="stretch")
    adapted = get_peft_model(tiny.model, LoraConfig(target_modules=r".*language_model.*q_proj", init_lora_weights=False)).eval()
    assert torch.equal(kept_features(adapted, tiny.processor, pictures, tmp_path / "features", shown=False).of(["a"]), features)
    with torch.no_grad():
        expected = adapted(**inputs).logits
        with features_given(adapted):
            assert torch.equal(adapted(**inputs | {"pixel_values": features}).logits, expected)
