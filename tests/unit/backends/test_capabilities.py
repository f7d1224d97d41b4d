# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Each cell of docs/models.md is true of a tiny model of its family: what is declared works, what is refused says why."""

import functools
import re
from pkgutil import resolve_name

import pytest
import torch
from peft import get_peft_model

from promvil_hf.backends.adapter_loading import with_adapter
from promvil_hf.backends.base import Decoding, Request
from promvil_hf.backends.capabilities import CAPABILITIES, REFUSED
from promvil_hf.backends.families import FAMILIES
from promvil_hf.backends.loading import _quantization, packed_where_possible
from promvil_hf.backends.lora_scopes import lora_config, trainable_by_tower
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.commands.train_fivl import toy_rows
from promvil_hf.explain.answered import require_places
from promvil_hf.explain.attention_rows import Wanted, attention_rows, language_layers
from promvil_hf.grounding.shared_prefix import Asked, shared
from promvil_hf.toy import models
from promvil_hf.training.fivl_collator import FiVLCollator, backend_of
from promvil_hf.training.promvil_config import PromViLConfig
from promvil_hf.training.promvil_trainer import PromViLTrainer
from promvil_hf.training.vision_labels import LabelRules
from tests.laws.promvil_rows import rows
from tests.unit.toy.models.families import fresh


pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft 0.21 asks for it
PICTURE = next(iter(toy_rows(1, 0)))["image"]
DECODING, ONE_TOKEN = Decoding(max_new_tokens=3), Decoding(max_new_tokens=1)

every_family = pytest.mark.parametrize("name", FAMILIES)


def tiny(name: str, **sizes) -> models.TinyModel:
    return fresh(name.replace("-", ""), **sizes)


def backend_with(name: str, model, processor):
    return resolve_name(FAMILIES[name].backend)(model.eval(), processor)


@functools.cache
def tiny_backend(name: str):
    made = tiny(name)
    return backend_with(name, made.model, made.processor)


def cell(capability: str, name: str):
    return CAPABILITIES[capability].of(FAMILIES[name])


def refused(why: str):
    """A sentence of the refusal stands in the page."""
    return pytest.raises(ValueError, match=re.escape(why.partition(".")[0]))


def prompt(backend) -> str:
    return backend.dialect.prompt("the red circle", image_size=PICTURE.size)


@every_family
def test_patch_places(name):
    backend = tiny_backend(name)
    if (declared := cell("patch places", name)).said == REFUSED:
        assert backend.token_boxes() is None and declared.why
        with pytest.raises(ValueError, match="whose image tokens have no known place"):
            PatchTokenBackend(backend.model, backend.processor)
        return
    inputs = backend.inputs([Request(prompt(backend), PICTURE)])
    [boxes] = backend.token_boxes(inputs, [PICTURE.size])
    assert len(boxes) == int(backend.image_positions(inputs).sum()) and any(boxes)


@every_family
def test_shared_prefix(name):
    backend = tiny_backend(name)
    ways = shared(backend, 1 << 20)
    assert isinstance(ways, Asked) == (cell("shared prefix", name).said == "whole prompts")
    prompts = [prompt(backend), backend.dialect.prompt("the blue star", image_size=PICTURE.size)]
    [picture] = ways.open([PICTURE])
    found = ways.ask([(picture, whole_prompt) for whole_prompt in prompts], DECODING)
    expected = backend.generate([Request(whole_prompt, PICTURE) for whole_prompt in prompts], DECODING)
    assert [answer.tokens for answer in found] == [answer.tokens for answer in expected]
    assert ways.pictures_read == (0 if isinstance(ways, Asked) else 1)


@every_family
def test_packed_training(name, tmp_path):
    made, declared = tiny(name), cell("packed training", name)
    config = PromViLConfig(str(tmp_path), use_cpu=True, report_to="none")
    chain = max(rows(4, 0), key=lambda row: len(row["chain"].steps))

    def trainer():
        return PromViLTrainer(made.model, config, processing_class=made.processor, train_dataset=[chain])

    if declared.said == REFUSED:
        with refused(declared.why):
            trainer()
        return
    trainer_of_chain = trainer()
    batch = trainer_of_chain.data_collator([chain])
    several = len(batch["target_branch"].unique()) if declared.said == "yes" else len(batch["input_ids"])
    assert several > 1 and (len(batch["image_of_row"]) == 1) == (declared.said == "yes")
    assert torch.isfinite(trainer_of_chain.evaluate([chain])["eval_loss"] * torch.ones(1))


@every_family
def test_vision_loss(name):
    made, declared = tiny(name), cell("vision loss", name)
    if declared.said == REFUSED:
        with refused(declared.why):
            backend_of(made.model, made.processor)
        return
    rules = LabelRules(max_mask_fraction=1.0)  # the image tokens of a tiny model are large
    batch = FiVLCollator(backend_of(made.model, made.processor), rules)(list(toy_rows(2, 0)))
    assert (batch["vision_labels"] != -100).any() and (batch["labels"] != -100).any()


@every_family
def test_attention_rows(name):
    backend, declared = tiny_backend(name), cell("attention rows", name)
    if declared.said == REFUSED:
        with pytest.raises(ValueError, match="whose image tokens are no places in the picture"):
            require_places(backend)
        return
    inputs = backend.inputs([Request(prompt(backend), PICTURE)])
    keys = backend.image_positions(inputs)[0].nonzero()[:, 0].tolist()
    [found] = attention_rows(backend.model, inputs, [Wanted([0], keys[:3])])
    assert found and set(found) <= set(language_layers(backend.model))
    assert (len(found) < len(language_layers(backend.model))) == bool(declared.why)  # a hybrid's other layers have no heads


@every_family
@pytest.mark.usefixtures("half_precision")
def test_four_bits(name, tmp_path):
    made = tiny(name, width=64, vision_width=64)  # a block of 64 weights shares a scale
    made.model.save_pretrained(tmp_path)
    options = {"quantization_config": _quantization("nf4"), "device_map": "cpu"}
    model = packed_where_possible(type(made.model).from_pretrained(tmp_path, dtype=torch.bfloat16, **options))
    assert sum(type(module).__name__ == "Linear4bit" for module in model.modules()) > 4
    backend = backend_with(name, model, made.processor)
    with torch.compiler.set_stance("force_eager"):  # bitsandbytes compiles what it has no kernel for: seconds
        [answer] = backend.generate([Request(prompt(backend), PICTURE)], ONE_TOKEN)
    assert answer.tokens and all(value <= 0 for value in answer.log_probs)


@every_family
def test_adapters(name, tmp_path):
    torch.manual_seed(0)
    trained = get_peft_model(tiny(name).model, lora_config("text", r=2, init_lora_weights=False)).eval()
    trained.save_pretrained(tmp_path, save_embedding_layers=False)
    counts = trainable_by_tower(trained)
    assert counts["text"] and not counts["vision"] and not counts["projection"]
    made = tiny(name)
    found = with_adapter(made.model, tmp_path)

    def answer(model):
        backend = backend_with(name, model, made.processor)
        return backend.generate([Request(prompt(backend), PICTURE)], ONE_TOKEN)  # with its probability

    expected = answer(trained)
    assert answer(found) == expected
    with found.disable_adapter():
        assert answer(found) != expected


@every_family
def test_refusal(name):
    dialect = tiny_backend(name).dialect
    said = dialect.parse("There is no red circle in the image.", image_size=PICTURE.size)
    assert said.refused and said.reason == "refused" and not said.ok
    assert not dialect.parse("I cannot say.", image_size=PICTURE.size).refused


def test_every_capability_is_tried():
    tried = {name.removeprefix("test_").replace("_", " ") for name in globals() if name.startswith("test_")}
    assert CAPABILITIES.keys() <= tried | {"4-bit"} and "four bits" in tried
