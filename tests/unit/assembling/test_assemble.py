# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A LLaVA put together from two parts is an ordinary checkpoint that says what its parts say."""

import json
from importlib import import_module

import pytest
import torch
import transformers

from promvil_hf import load
from promvil_hf.assembling import assemble
from promvil_hf.backends.base import Decoding, Request
from promvil_hf.cli import main as promvil
from tests import forks
from tests.unit.assembling import parts
from tests.unit.backends.pushed_through import push, ramp
from tests.unit.backends.test_token_boxes import compare, measure


TOWERS = ("clip", "siglip", "dinov2", "dinov2_with_registers", "dinov3", "convolutional")
LANGUAGES = ("llama", "qwen2")
PAIRS = [(tower, LANGUAGES[place % 2]) for place, tower in enumerate(TOWERS)] + [("clip", "qwen2"), ("siglip", "llama")]
SHORT = Decoding(max_new_tokens=8)
QUESTION = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is there?"}]}]


@pytest.fixture(scope="module")
def part(tmp_path_factory):
    """The folder of a part by its name, made once."""
    made = {}

    def folder(name):
        if name not in made:
            made[name] = getattr(parts, name)(tmp_path_factory.mktemp("parts") / name)
        return str(made[name])

    return folder


@pytest.fixture(scope="module")
def made(part, tmp_path_factory):
    """What the command assembles of a pair and the checkpoint that it writes, once."""
    found = {}
    module = import_module("promvil_hf.assembling.assemble")

    def of_pair(tower, language):
        if (tower, language) not in found:
            out = tmp_path_factory.mktemp("assembled") / f"{tower}-{language}"
            assembled = []
            with pytest.MonkeyPatch.context() as patch:
                write = module.write
                patch.setattr(module, "write", lambda *words: (assembled.append(words[0]), write(*words)))
                assert promvil(["assemble", "--vision", part(tower), "--language", part(language), "--out", str(out)]) == 0
            found[tower, language] = assembled[0], out
        return found[tower, language]

    return of_pair


@pytest.fixture(scope="module")
def written(made):
    """The checkpoint of a pair."""
    return lambda tower, language: made(tower, language)[1]


@pytest.mark.parametrize(("tower", "language"), PAIRS)
def test_transformers_alone_loads_it_with_equal_logits(tower, language, made):
    assembled, folder = made(tower, language)
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder)
    processor = transformers.AutoProcessor.from_pretrained(folder)
    prompt = processor.apply_chat_template(QUESTION, add_generation_prompt=True)
    inputs = processor(images=ramp(40, 30), text=prompt, return_tensors="pt")
    assert (inputs["input_ids"] == model.config.image_token_id).sum() == assembled.image_tokens == model.config.image_seq_length
    with torch.no_grad():
        assert torch.equal(model(**inputs).logits, assembled.model(**inputs).logits)


def test_a_convolutional_one_is_loaded_after_a_plain_import(written, tmp_path):
    """In a process that has loaded neither this package nor transformers, as a user's: importing this package is enough."""
    folder = str(written("convolutional", "qwen2"))
    code = (
        "import sys\n"
        "for name in [name for name in sys.modules if name.partition('.')[0] in ('promvil_hf', 'transformers')]:\n"
        "    del sys.modules[name]\n"
        "import promvil_hf\nassert 'transformers' not in sys.modules and 'promvil_hf.backends' not in sys.modules\n"
        "from transformers import AutoModelForImageTextToText\n"
        f"model = AutoModelForImageTextToText.from_pretrained({folder!r})\n"
        "print(type(model.model.vision_tower).__name__, model.model.vision_tower.head.weight.sum().item())"
    )
    done = forks.run(["-c", code], tmp_path)
    here = transformers.AutoModelForImageTextToText.from_pretrained(folder).model.vision_tower
    assert done.stdout.split() == ["EfficientNetLiteModel", str(here.head.weight.sum().item())], done.stderr


def test_no_file_of_it_asks_for_code_of_this_package(written):
    folder = written("clip", "llama")
    files = {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}
    assert files["config.json"]["architectures"] == ["LlavaForConditionalGeneration"]
    assert not any("auto_map" in content or "promvil" in json.dumps(content) for content in files.values())
    assert not list(folder.glob("*.py"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_text_alone_is_answered_as_by_the_language_model(language, part, written):
    alone = transformers.AutoModelForCausalLM.from_pretrained(part(language))
    model = transformers.AutoModelForImageTextToText.from_pretrained(written("clip", language))
    ids = torch.arange(3, 90).reshape(3, -1)
    with torch.no_grad():
        expected, found = alone(ids).logits, model(input_ids=ids).logits
    assert torch.equal(found[..., : expected.shape[-1]], expected)


@pytest.mark.parametrize("tower", TOWERS)
def test_the_projector_reads_the_towers_own_hidden_state(tower, part, written):
    language = dict(PAIRS)[tower] if tower != "clip" else "llama"
    model = transformers.AutoModelForImageTextToText.from_pretrained(written(tower, language))
    whole = transformers.AutoModel.from_pretrained(part(tower))
    alone = getattr(whole, "vision_model", whole)
    side = 64 if tower == "convolutional" else 28
    pixels = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        states = alone(pixels, output_hidden_states=True).hidden_states[-1 if tower == "convolutional" else -2]
        expected = model.model.multi_modal_projector(states if tower in ("siglip", "convolutional") else states[:, 1:])
        found = model.model.get_image_features(pixels).pooler_output
    assert torch.equal(torch.stack(list(found)), expected)


@pytest.mark.parametrize("tower", TOWERS)
def test_each_image_token_lies_where_a_ramp_says(tower, written):
    backend = load(written(tower, dict(PAIRS)[tower] if tower != "clip" else "llama"))
    for size in ((64, 48), (48, 64), (28, 28)):
        inputs = push(backend, ramp(*size))
        [boxes] = backend.token_boxes(inputs, [size])
        registers = 4 if tower in ("dinov2_with_registers", "dinov3") else 0
        assert boxes[:registers] == [None] * registers
        compare(boxes[registers:], measure(backend, inputs), 16 if tower == "convolutional" else 7, size)


@pytest.mark.parametrize(("tower", "language"), [("siglip", "llama"), ("convolutional", "qwen2")])
def test_a_batch_answers_as_single_requests_do(tower, language, written):
    backend = load(written(tower, language))
    requests = [Request("What is there?", ramp(40, 30)), Request("Is the star left of the large red box?", ramp(30, 60))]
    together, alone = (backend.generate(requests, SHORT), [backend.generate([request], SHORT)[0] for request in requests])
    assert [answer.text for answer in together] == [answer.text for answer in alone]


def test_new_tokens_have_the_mean_of_the_rows_and_are_few(part):
    assembled = assemble(part("clip"), part("llama"))
    before = transformers.AutoModelForCausalLM.from_pretrained(part("llama")).get_input_embeddings().weight
    after = assembled.model.get_input_embeddings().weight
    assert len(after) == len(before) + 2 and torch.equal(after[: len(before)], before)
    assert torch.allclose(after[len(before) :], before.mean(0).expand(2, -1))
    assert assembled.processor.tokenizer.pad_token == "<pad>"


def test_a_model_with_spare_rows_grows_no_more_and_shares_its_embeddings(part):
    assembled = assemble(part("clip"), part("qwen2"))
    rows = transformers.AutoConfig.from_pretrained(part("qwen2")).vocab_size
    assert assembled.model.get_input_embeddings().weight.shape[0] == rows
    assert assembled.model.get_output_embeddings().weight is assembled.model.get_input_embeddings().weight
    language = assembled.parameters["language model"]
    assert language == transformers.AutoModelForCausalLM.from_pretrained(part("qwen2")).num_parameters()


def test_the_language_models_own_chat_template_stays(part, written):
    processor = transformers.AutoProcessor.from_pretrained(written("clip", "llama"))
    history = [*QUESTION, {"role": "assistant", "content": "A star."}, {"role": "user", "content": "Where?"}]
    text = processor.apply_chat_template(history, add_generation_prompt=True)
    assert text == "<|user|><image>\nWhat is there?</s><|assistant|>A star.</s><|user|>Where?</s><|assistant|>"


def test_a_model_that_never_chatted_gets_the_template_of_llava(written):
    processor = transformers.AutoProcessor.from_pretrained(written("dinov2", "qwen2"))
    history = [*QUESTION, {"role": "assistant", "content": [{"type": "text", "text": "A star."}]}]
    assert processor.apply_chat_template(history) == "USER: <image>\nWhat is there? ASSISTANT: A star.<|endoftext|>"


def test_the_same_seed_gives_the_same_projector(part):
    first, second, other = (assemble(part("clip"), part("llama"), seed=seed) for seed in (0, 0, 1))
    weights = [one.model.model.multi_modal_projector.linear_1.weight for one in (first, second, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_the_command_prints_the_parts_and_writes_a_card(part, tmp_path, capsys):
    out = tmp_path / "made"
    assert promvil(["assemble", "--vision", part("siglip"), "--language", part("llama"), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "projector" in printed and "16 tokens a picture" in printed
    card = (out / "README.md").read_text()
    assert "not trained" in card and part("siglip") in card and part("llama") in card


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--feature-layer": "7"}, "this tower has 3 hidden states"),
        ({"--vision": "llama"}, "is no vision tower"),
        ({"--language": "clip"}, "is no causal language model"),
    ],
)
def test_what_cannot_be_put_together_is_refused_in_a_sentence(change, message, part, tmp_path, capsys):
    options = {"--vision": "clip", "--language": "llama"} | change
    words = [word for name, value in options.items() for word in (name, part(value) if hasattr(parts, value) else value)]
    assert promvil(["assemble", *words, "--out", str(tmp_path / "made")]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "made").exists()


def test_a_folder_that_is_there_is_never_written_over(part, tmp_path, capsys):
    (tmp_path / "made").mkdir()
    words = ["--vision", part("clip"), "--language", part("llama"), "--out", str(tmp_path / "made")]
    assert promvil(["assemble", *words]) == 2 and "name a new folder" in capsys.readouterr().err


