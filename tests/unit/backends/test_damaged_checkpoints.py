# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A damaged or hostile checkpoint or adapter is answered with a sentence, before room is made for what it claims to hold."""

import json
import shutil

import pytest
import torch
from peft import get_peft_model
from safetensors.torch import load_file

from promvil_hf.backends.loading import load
from promvil_hf.backends.lora_scopes import lora_config
from promvil_hf.toy import models


pytestmark = pytest.mark.filterwarnings(
    "ignore:.is_gradient_checkpointing:FutureWarning",  # peft 0.21 asks for it
    "ignore:.*weights_only:FutureWarning",
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    tiny = models.tiny_kosmos2()
    tiny.model.save_pretrained(folder / "base")
    tiny.processor.save_pretrained(folder / "base")
    get_peft_model(tiny.model, lora_config(r=4)).save_pretrained(folder / "adapter", save_embedding_layers=False)
    return folder


@pytest.fixture
def refusal(saved, tmp_path):
    """Loads a copy of the base and the adapter after a change of their files, and gives what the refusal says."""

    def of(change):
        folder = shutil.copytree(saved, tmp_path / "copy")
        change(folder)
        with pytest.raises((ValueError, OSError)) as error:
            load(folder / "base", folder / "adapter")
        assert len(str(error.value)) > 40
        return str(error.value)

    return of


def fields(file, **changes):
    def change(folder):
        path = folder / file
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def content(file, data):
    return lambda folder: (folder / file).write_bytes(data)


def cut(file):
    return lambda folder: (folder / file).write_bytes((folder / file).read_bytes()[:-200])


def pickled(folder):
    torch.save(load_file(folder / "adapter/adapter_model.safetensors"), folder / "adapter/adapter_model.bin")
    (folder / "adapter/adapter_model.safetensors").unlink()


NESTED = b'{"r":' + b"[" * 100_000
ADAPTERS = {
    "cut weights": (cut("adapter/adapter_model.safetensors"), "is damaged or cut short"),
    "no weights": (lambda folder: (folder / "adapter/adapter_model.safetensors").unlink(), "it has no adapter_model.saf"),
    "a pickle": (pickled, "a pickle (adapter_model.bin), which can run code"),
    "no config": (lambda folder: (folder / "adapter/adapter_config.json").unlink(), "it has no adapter_config.json"),
    "cut config": (cut("adapter/adapter_config.json"), "adapter_config.json is not JSON"),
    "nested config": (content("adapter/adapter_config.json", NESTED), "it is nested too deeply"),
    "unknown type": (fields("adapter/adapter_config.json", peft_type="LORAA"), "Did you mean LORA"),
    "no type": (fields("adapter/adapter_config.json", peft_type=None), "has no `peft_type`"),
    "a list as type": (fields("adapter/adapter_config.json", peft_type=[]), "`peft_type` is [], and it must be text"),
    "huge rank": (fields("adapter/adapter_config.json", r=10**9), "gives the rank 1000000000, and the largest in"),
    "huge rank of a layer": (fields("adapter/adapter_config.json", rank_pattern={"q_proj": 10**9}), "the rank 1000000000"),
    "rank of text": (fields("adapter/adapter_config.json", r="4"), "`r` is '4', and it must be a whole number"),
    "rank 0": (fields("adapter/adapter_config.json", r=0), "`r` is 0, and it must be a whole number from 1"),
    "scaling of text": (fields("adapter/adapter_config.json", lora_alpha="x"), "does not fit this kosmos-2 model"),
    "no targets": (fields("adapter/adapter_config.json", target_modules=7), "does not fit this kosmos-2 model"),
    "unknown field": (fields("adapter/adapter_config.json", from_the_future=7), None),
}
BASES = {
    "cut weights": cut("base/model.safetensors"),
    "cut config": cut("base/config.json"),
    "nested config": content("base/config.json", NESTED),
    "a list as config": content("base/config.json", b"[1]"),
    "type of a number": fields("base/config.json", model_type=5),
    "text config of text": fields("base/config.json", text_config="x"),
    "text config of a list": fields("base/config.json", text_config=[]),
    "layers without end": fields("base/config.json", text_config={"model_type": "kosmos_2_text_model", "layers": 10**9}),
    "huge width": fields("base/config.json", text_config={"model_type": "kosmos_2_text_model", "embed_dim": 10**9}),
    "negative width": fields("base/config.json", text_config={"model_type": "kosmos_2_text_model", "embed_dim": -4}),
    "cut tokenizer": cut("base/tokenizer.json"),
    "tokenizer of a list": content("base/tokenizer.json", b"[]"),
    "processor of a list": content("base/processor_config.json", b"[]"),
}


@pytest.mark.parametrize(("change", "says"), ADAPTERS.values(), ids=ADAPTERS)
def test_a_damaged_adapter_is_a_sentence(refusal, saved, change, says):
    if says is not None:
        assert says in refusal(change)


@pytest.mark.parametrize("change", BASES.values(), ids=BASES)
@pytest.mark.timeout(100)
def test_a_damaged_base_is_a_sentence(refusal, change):
    assert "base" in refusal(change)
