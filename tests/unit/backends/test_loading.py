# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What `load` gives answers like what was saved, and nothing that only half fits is loaded."""

import importlib.util
import json
import shutil

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import GPT2Config

from promvil_hf.backends import loading
from promvil_hf.backends.base import Decoding, Request
from promvil_hf.backends.kosmos2 import Kosmos2Backend
from promvil_hf.backends.loading import export_merged, load
from promvil_hf.backends.lora_scopes import lora_config, trainable_by_tower
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.dialects import Kosmos2, LlavaBrackets
from promvil_hf.frames import Fractions
from promvil_hf.phrases import Wording
from promvil_hf.toy import bases, models


pytestmark = pytest.mark.filterwarnings(
    "ignore:.is_gradient_checkpointing:FutureWarning",  # peft 0.21 asks for it
    "ignore:.*weights_only:FutureWarning",
)
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8))
REQUESTS = [
    Request(Kosmos2().prompt("the red circle"), PICTURE),
    Request(Kosmos2().prompt("a big blue star"), PICTURE),
]
GREEDY = Decoding(max_new_tokens=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny Kosmos-2 as `base`, and adapters for it."""
    folder = tmp_path_factory.mktemp("checkpoints")
    tiny = models.tiny_kosmos2()
    tiny.model.save_pretrained(folder / "base")
    tiny.processor.save_pretrained(folder / "base")
    torch.manual_seed(0)
    config = lora_config(r=4, init_lora_weights=False)
    model = get_peft_model(tiny.model, config)
    model.save_pretrained(folder / "adapter", save_embedding_layers=False)
    model.save_pretrained(folder / "adapter_and_embeddings", save_embedding_layers=True)  # as the reference saves it
    return folder


@pytest.fixture
def adapter(folder, tmp_path):
    """A copy of the adapter to spoil: its folder, and a function that changes its tensors."""
    copy = shutil.copytree(folder / "adapter", tmp_path / "adapter")

    def change(how):
        tensors = load_file(copy / "adapter_model.safetensors")
        save_file(how(tensors), copy / "adapter_model.safetensors")

    return copy, change


def assert_same(some, others):
    assert [answer.tokens for answer in some] == [answer.tokens for answer in others]
    for one, other in zip(some, others, strict=True):
        np.testing.assert_allclose(one.log_probs, other.log_probs, atol=1e-5)


def logits(backend):
    inputs = backend.batch(backend.prompt_tokens([request.prompt for request in REQUESTS]))
    with torch.no_grad():
        return backend.model(pixel_values=backend.pixels([PICTURE, PICTURE]), **inputs).logits


def test_a_saved_checkpoint_comes_back_as_the_backend_of_its_type(folder):
    tiny = models.tiny_kosmos2()
    backend = load(folder / "base", device="cpu")
    assert isinstance(backend, Kosmos2Backend)
    assert not backend.model.training
    saved = Kosmos2Backend(tiny.model, tiny.processor)
    assert_same(backend.generate(REQUESTS, GREEDY), saved.generate(REQUESTS, GREEDY))


@pytest.mark.parametrize("family", ["llava", "paligemma", "internvl", "qwen2_5_vl", "qwen3_vl", "idefics3"])
def test_patch_token_families_are_loaded_too(family, tmp_path):
    tiny = getattr(models, f"tiny_{family}")()
    tiny.model.save_pretrained(tmp_path)
    tiny.processor.save_pretrained(tmp_path)
    backend = load(tmp_path, device="cpu")
    assert isinstance(backend, PatchTokenBackend)
    asked = [Request("the red circle", PICTURE)]
    expected = PatchTokenBackend(tiny.model, tiny.processor).generate(asked, GREEDY)
    assert_same(backend.generate(asked, GREEDY), expected)


@pytest.mark.usefixtures("half_precision")
def test_dtype_and_dialect_are_the_callers_choice(folder, tmp_path):
    dialect = Kosmos2(wording=Wording(), force_object=False)
    backend = load(folder / "base", dtype=torch.bfloat16, dialect=dialect)
    assert backend.model.dtype == torch.bfloat16
    assert backend.dialect is dialect
    assert backend.generate(REQUESTS, GREEDY)[0].tokens
    assert load(folder / "base").model.dtype == torch.float32, "auto is what was saved"
    llava = models.tiny_llava()
    llava.model.save_pretrained(tmp_path)
    llava.processor.save_pretrained(tmp_path)
    brackets = LlavaBrackets(frame=Fractions())
    assert load(tmp_path, dialect=brackets).dialect is brackets


@pytest.mark.parametrize("name", ["adapter", "adapter_and_embeddings"])
def test_an_adapter_is_loaded_whole_frozen_and_at_work(folder, name):
    plain, adapted = load(folder / "base"), load(folder / "base", folder / name)
    assert trainable_by_tower(adapted.model)["trainable"] == 0
    saved = load_file(folder / "adapter" / "adapter_model.safetensors")
    loaded = adapted.model.state_dict()
    assert saved
    for key, tensor in saved.items():
        assert torch.equal(loaded[key.replace(".weight", ".default.weight")], tensor)
    assert (logits(plain) - logits(adapted)).abs().max() > 0.1
    with adapted.model.disable_adapter():
        assert torch.equal(logits(plain), logits(adapted))


def without(part):
    return lambda tensors: {key: tensor for key, tensor in tensors.items() if part not in key}


def renamed(old, new):
    return lambda tensors: {key.replace(old, new): tensor for key, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without("layers.1.self_attn.q_proj.lora_A"), r"keys 2 missing \(.*layers\.1\.self_attn\.q_proj\.lora_A"),
        (
            lambda tensors: tensors | {"base_model.model.extra.lora_A.weight": torch.zeros(1)},
            r"1 unexpected \(.*extra",
        ),
        (renamed("text_model.model.", "text_model."), r"keys 24 missing \(.*, …\); 24 unexpected \("),
        (without(""), r"keys \d+ missing"),
        (lambda tensors: {key: tensor[:3] for key, tensor in tensors.items()}, r"size mismatch"),
    ],
    ids=["missing", "unexpected", "renamed", "empty", "other sizes"],
)
def test_an_adapter_whose_keys_do_not_match_is_refused(folder, adapter, change, says):
    copy, spoil = adapter
    spoil(change)
    with pytest.raises(ValueError, match=rf"(?s)does not fit this kosmos-2 model: .*{says}.*Check that `base` is the"):
        load(folder / "base", copy)


def test_an_adapter_of_another_base_or_family_is_refused_by_naming_its_own_base(folder, adapter, tmp_path):
    copy, _ = adapter
    config = json.loads((copy / "adapter_config.json").read_text())
    wide = models.tiny_kosmos2(width=48)
    wide.model.save_pretrained(tmp_path / "wide")
    wide.processor.save_pretrained(tmp_path / "wide")
    (copy / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "someone/their-base"}))
    with pytest.raises(ValueError, match=r"(?s)size mismatch.*trained on \(someone/their-base\)"):
        load(tmp_path / "wide", copy)
    other = {"target_modules": ["c_attn"], "base_model_name_or_path": None}
    (copy / "adapter_config.json").write_text(json.dumps(config | other))
    with pytest.raises(ValueError, match=r"(?s)c_attn.*its config does not say which"):
        load(folder / "base", copy)


def test_a_module_saved_whole_is_loaded_and_its_absence_is_an_error(folder, tmp_path):
    model = load(folder / "base").model
    config = LoraConfig(target_modules=["q_proj"], modules_to_save=["image_to_text_projection"])
    model = get_peft_model(model, config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
    model.save_pretrained(tmp_path / "whole", save_embedding_layers=False)
    loaded = load(folder / "base", tmp_path / "whole")
    saved = Kosmos2Backend(model.eval(), loaded.processor)
    assert torch.equal(logits(loaded), logits(saved))
    tensors = load_file(tmp_path / "whole" / "adapter_model.safetensors")
    save_file(without("projection.dense")(tensors), tmp_path / "whole" / "adapter_model.safetensors")
    with pytest.raises(ValueError, match=r"does not fit.*dense"):
        load(folder / "base", tmp_path / "whole")


def test_a_merged_export_is_a_plain_checkpoint_with_equal_logits(folder, tmp_path):
    backend = load(folder / "base", folder / "adapter")
    expected = logits(backend)
    (tmp_path / "merged").mkdir()
    assert export_merged(backend, tmp_path / "merged") == tmp_path / "merged"
    merged = load(tmp_path / "merged")
    assert not hasattr(merged.model, "peft_config")
    torch.testing.assert_close(logits(merged), expected, atol=1e-5, rtol=0)
    assert torch.equal(logits(backend), expected), "the backend stays as it is"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["merged"]
    with pytest.raises(FileExistsError, match="name a new folder"):
        export_merged(backend, tmp_path / "merged")
    with pytest.raises(ValueError, match="this backend has no adapter"):
        export_merged(merged, tmp_path / "again")


def test_an_export_that_breaks_off_leaves_no_folder_of_that_name(folder, tmp_path, monkeypatch):
    backend = load(folder / "base", folder / "adapter")

    def full(*args, **kwargs):
        raise OSError("no space left on device")

    with monkeypatch.context() as disk, pytest.raises(OSError, match="no space"):
        disk.setattr(type(backend.processor), "save_pretrained", full)
        export_merged(backend, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
    assert export_merged(backend, tmp_path / "merged").is_dir(), "what was left does not stand in the way"


@pytest.mark.parametrize("name", loading.QUANTIZATIONS)
def test_a_quantised_model_answers_on_a_cpu_with_an_adapter_and_cannot_be_merged(tmp_path, name):
    tiny = models.tiny_kosmos2(width=64)  # bitsandbytes packs 64 inputs at a time
    tiny.model.save_pretrained(tmp_path / "base")
    tiny.processor.save_pretrained(tmp_path / "base")
    get_peft_model(tiny.model, lora_config(r=4)).save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    backend = load(tmp_path / "base", tmp_path / "adapter", device="cpu", quantize=name)
    layer = backend.base.text_model.model.layers[0].self_attn.q_proj.base_layer
    assert type(layer).__name__ == {"nf4": "Linear4bit", "int8": "Linear8bitLt"}[name]
    answers = backend.generate(REQUESTS, GREEDY)
    assert all(len(answer.tokens) == 4 and np.isfinite(answer.log_probs).all() for answer in answers)
    full = load(tmp_path / "base", tmp_path / "adapter")
    assert trainable_by_tower(backend.model)["total"] == trainable_by_tower(full.model)["total"]
    with pytest.raises(ValueError, match="without `quantize`, then export"):
        export_merged(backend, tmp_path / "merged")


def test_quantising_without_the_extra_or_by_an_unknown_name_is_refused(folder, monkeypatch):
    with pytest.raises(ValueError, match="quantize='4bit': choose one of 'nf4', 'int8', or None"):
        load(folder / "base", quantize="4bit")
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'promvil_hf\[quant\]'"):
        load(folder / "base", quantize="nf4")
    assert importlib.util.find_spec("bitsandbytes") is not None


def test_an_unknown_family_is_refused_by_naming_the_known_ones(tmp_path):
    GPT2Config().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"of the type 'gpt2'.*kosmos-2, .*llava.*docs/extending.md"):
        load(tmp_path)


@pytest.mark.parametrize("where", ["base", "adapter"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_by_naming_the_tensor(folder, adapter, tmp_path, where, number):
    spoilt = adapter[0] if where == "adapter" else shutil.copytree(folder / "base", tmp_path / "base")
    path = spoilt / ("adapter_model.safetensors" if where == "adapter" else "model.safetensors")
    tensors = load_file(path)
    name = sorted(tensors)[-1]
    tensors[name].view(-1)[0] = number
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=f"The weights in {spoilt} are NaN or infinite in .*weight: it was saved"):
        load(folder / "base" if where == "adapter" else spoilt, adapter[0] if where == "adapter" else None)


def test_code_that_comes_with_a_checkpoint_is_never_run(folder, tmp_path, monkeypatch):
    base = shutil.copytree(folder / "base", tmp_path / "base")
    (base / "theirs.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Theirs: pass\n")
    monkeypatch.setattr("builtins.input", lambda *_: "y")  # as a person at a terminal might answer
    for file, changes in {
        "config.json": {"model_type": "theirs", "auto_map": {"AutoConfig": "theirs.Theirs"}},
        "tokenizer_config.json": {"auto_map": {"AutoTokenizer": ["theirs.Theirs", None]}},
        "processor_config.json": {"auto_map": {"AutoProcessor": "theirs.Theirs"}},
    }.items():
        path = base / file
        before = path.read_text()
        path.write_text(json.dumps(json.loads(before) | changes))
        if file == "config.json":
            with pytest.raises(ValueError, match="only be loaded by running code that comes with it, which this package"):
                load(base)
        else:
            load(base)  # transformers' own class does
        path.write_text(before)
    assert not (tmp_path / "ran").exists()


def test_a_toy_base_that_is_shown_another_picture_than_its_scenes_says_so_once(capsys, monkeypatch):
    monkeypatch.setattr(bases, "_warned", set())
    backend = load("toy:llava")
    scene, photograph = Image.new("RGB", (64, 64)), Image.new("RGB", (640, 480))
    backend.inputs([Request("What is it?", scene)])
    assert "Warning" not in capsys.readouterr().err
    for _ in range(2):
        backend.inputs([Request("What is it?", photograph)])
    said = capsys.readouterr().err
    assert said.count("toy:llava knows only drawn scenes of 64x64 pixels") == 1 and "640x480" in said
