# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What commands make of their shared options."""

import json

import pytest
from PIL import Image

from promvil_hf.cli import main
from promvil_hf.commands import options
from promvil_hf.commands.parsers import CommandParser
from promvil_hf.evaluation.results import Report
from tests.unit.fivl.fake_model import fake_model


def parsed(*words, names=(*options.MODEL, *options.SERVER, "--predictions", "--out")):
    parser = CommandParser(prog="promvil test")
    options.add(parser, *names)
    return parser.parse_args([str(word) for word in words])


def test_a_checkpoint_and_a_served_model_describe_themselves():
    args = parsed("--model", "toy:llava", "--dtype", "bfloat16")
    assert options.describe_model(args) == {
        "model": "toy:llava", "adapter": None, "revision": None, "dtype": "bfloat16", "quantize": None,
    }  # fmt: skip
    served = parsed("--base-url", "http://localhost:1/v1", "--served-model", "tiny")
    assert options.describe_model(served) == {"served_model": "tiny", "base_url": "http://localhost:1/v1"}


def test_exactly_one_answers():
    options.check_one_answers(parsed("--model", "m"))
    with pytest.raises(ValueError, match="You passed nothing that answers: pass one of --model, --base-url"):
        options.check_one_answers(parsed())
    with pytest.raises(ValueError, match="You passed --model and --predictions: pass one of"):
        options.check_one_answers(parsed("--model", "m", "--predictions", "p.jsonl"))


def test_paid_answers_lie_in_the_cache_else_in_out(tmp_path):
    server = ["--base-url", "http://localhost:1/v1", "--served-model", "tiny", "--concurrency", 2, "--prompt-price", 3]
    made = options.make_endpoint(parsed(*server, "--out", tmp_path))
    assert (made.cache_dir, made.concurrency, made.prompt_price) == (tmp_path / "paid", 2, 3.0)
    assert options.make_endpoint(parsed(*server, "--out", tmp_path, "--cache", tmp_path / "c")).cache_dir == tmp_path / "c"
    assert str(options.make_endpoint(parsed(*server)).cache_dir) == ".promvil-answers"


def test_a_served_model_is_evaluated(tmp_path, monkeypatch, capsys):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    Image.new("RGB", (8, 8)).save(tmp_path / "1.jpg")
    rows = [{"question_id": k, "image": "1.jpg", "text": f"Is it {k}?", "label": "yes"} for k in (1, 2)]
    files = tmp_path / "coco_pope_popular.json"
    files.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with fake_model(lambda body: "Yes." if "Is it 1?" in json.dumps(body) else "No.") as server:
        words = ["evaluate", "--benchmark", "pope", "--files", files, "--images", tmp_path, "--out", tmp_path / "out"]
        words += ["--base-url", server.url, "--served-model", "tiny", "--resamples", 50]
        assert main([str(word) for word in words]) == 0
    report = Report.load(tmp_path / "out" / "report.json")
    assert report.scores["accuracy"] == 0.5 and report.answers["model"]["served_model"] == "tiny"
