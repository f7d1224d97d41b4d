# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The published size of Kosmos-2 and the parameters that each named LoRA scope trains in it, to the last one."""

import re

import pytest
import torch
from peft import get_peft_model

from promvil_hf.backends.families import LANGUAGE_LAYERS, LANGUAGE_MODEL, PATCH_FAMILIES
from promvil_hf.backends.lora_scopes import SCOPES, lora_config, trainable_by_tower
from promvil_hf.toy import models
from promvil_hf.toy.models import tiny_kosmos2
from tests.reference.full_size import full_size_without_memory


pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft 0.21 asks for it
PUBLISHED_SIZE = 1_664_485_376
TOWERS = ("text", "vision", "projection")
COUNTS = {
    "reference": (56_623_104, 28_311_552, 1_048_576),
    "text": (56_623_104, 0, 0),
    "text_and_projector": (56_623_104, 0, 0),  # the projector is trained whole beside it
    "feed_forward": (31_457_280, 15_728_640, 0),
    "all-linear": (56_623_104, 28_311_552, 1_245_184),
}


def test_the_default_configuration_has_the_published_size():
    model = full_size_without_memory()
    assert all(parameter.is_meta for parameter in model.parameters())
    counts = trainable_by_tower(model)
    assert [counts[tower] for tower in TOWERS] == [1_342_289_920, 303_179_776, 19_015_680]
    assert counts["total"] == counts["trainable"] == PUBLISHED_SIZE


@pytest.mark.parametrize("scope", SCOPES)
def test_each_scope_trains_its_known_number_of_parameters(scope):
    model = full_size_without_memory()
    with torch.device("meta"):
        counts = trainable_by_tower(get_peft_model(model, lora_config(scope)))
    assert tuple(counts[tower] for tower in TOWERS) == COUNTS[scope]
    assert counts["trainable"] == sum(COUNTS[scope])
    assert counts["total"] == PUBLISHED_SIZE + counts["trainable"]


def test_the_reference_scope_is_the_papers_4_9_percent():
    assert sum(COUNTS["reference"]) == 85_983_232
    assert sum(COUNTS["feed_forward"]) == 47_185_920
    assert sum(COUNTS["all-linear"]) == 86_179_840
    assert round(100 * 85_983_232 / (PUBLISHED_SIZE + 85_983_232), 3) == 4.912


def test_the_reference_numbers_are_the_papers():
    config = lora_config()
    assert (config.r, config.lora_alpha, config.lora_dropout, config.bias) == (64, 32, 0.1, "none")
    assert lora_config("text", r=4, alpha=8, use_dora=True).use_dora


def test_each_scope_reaches_the_same_towers_of_a_tiny_model_and_so_does_a_second_adapter():
    for scope, counts in COUNTS.items():
        model = get_peft_model(tiny_kosmos2().model, lora_config(scope, r=2))
        trained = trainable_by_tower(model)
        assert [bool(trained[tower]) for tower in TOWERS] == [bool(count) for count in counts]
        before = trained["trainable"]
        model.add_adapter("second", lora_config(scope, r=2))
        assert trainable_by_tower(model)["total"] == trained["total"] + before


@pytest.mark.parametrize("family", sorted(PATCH_FAMILIES))
def test_the_text_scope_is_each_linear_layer_of_the_language_models_layers(family):
    made = getattr(models, f"tiny_{family}")().model
    names = {name for name, module in made.named_modules() if type(module) is torch.nn.Linear}
    of_layers = {name for name in names if re.match(LANGUAGE_MODEL + r"(.*\.)?layers\.\d+\.", name)}
    assert of_layers == {name for name in names if re.fullmatch(LANGUAGE_LAYERS, name)} != names


def test_an_unknown_scope_is_refused_by_naming_the_known_ones():
    with pytest.raises(ValueError, match="LoRA scope 'vision'.*reference, text, text_and_projector, feed_forward, all-linear"):
        lora_config("vision")
