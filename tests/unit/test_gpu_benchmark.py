# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The benchmark for a GPU runs small on a CPU: all ways are equal, the file has every turn, and time that is up is said.

The ways of a training step, which tests/laws hold equal, are slow: `python -m pytest -m slow tests/unit/test_gpu_benchmark.py`.
"""

import json
from itertools import groupby

import pytest

from benchmarks import gpu
from benchmarks.train_step_chat import FAMILIES, SIZES


SMALL = ["--size", "tiny", "--device", "cpu", "--pictures", "1", "--repeats", "2"]


def by_case(ways, *but):
    """Ways that were given the same work."""
    return [list(found) for _, found in groupby(ways, lambda way: [way.get(name) for name in ("part", "family", "texts", *but)])]


def test_the_losses_are_those_of_full_logits_and_each_turn_is_kept(tmp_path, capsys):
    report = gpu.main([*SMALL, "--only", "loss", "--out", str(tmp_path / "gpu.json")])
    assert json.loads((tmp_path / "gpu.json").read_text()) == report and report["device"] == "CPU" and not report["left_out"]
    assert len(report["ways"]) == 4 * len(gpu.LOSS_WAYS)
    for ways in by_case(report["ways"], "vocabulary", "labels"):
        assert [way["way"] for way in ways] == list(gpu.LOSS_WAYS)
        assert all(way["loss"] == pytest.approx(ways[0]["loss"], rel=1e-5) for way in ways)
        assert all(len(way["seconds"]) == 2 and way["tokens_a_second"] > 0 and way["peak_bytes"] >= 0 for way in ways)


def test_answers_behind_a_copied_cache_and_ours_are_those_of_generate():
    report = gpu.main([*SMALL, "--only", "grounding", "--texts", "2"])
    assert [way["way"] for way in report["ways"]] == ["generate", "copied_cache", "ours"]
    assert all(way["same_as_generate"] == way["answers"] == 2 for way in report["ways"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft 0.21 asks for it
@pytest.mark.filterwarnings("ignore:.gradient_checkpointing. is deprecated:FutureWarning")  # trl 1.16 passes it on
def test_the_ways_of_a_training_step_have_one_loss_for_one_text_and_for_two():
    report = gpu.main([*SMALL, "--only", "train", "--texts", "1", "2", "--repeats", "1"])
    cases = by_case(report["ways"])
    assert len(cases) == 4
    for ways in cases:
        assert [way["way"] for way in ways] == list(gpu.VARIANTS)
        assert all(way["loss"] == pytest.approx(ways[0]["loss"], rel=1e-5) for way in ways)


@pytest.mark.parametrize(("family", "layers", "weights"), [("llava", 32, 7.06e9), ("qwen3_vl", 36, 4.44e9)])
def test_the_real_size_is_that_of_the_published_checkpoints(family, layers, weights):
    """LLaVA-1.5-7B and Qwen3-VL-4B, by the sizes of their files in 16 bits; built without memory."""
    shape = FAMILIES[family]
    tiny = shape.make(**SIZES["quarter"], **shape.sizes, context=4096, vocabulary_size=512)
    model = gpu.real(tiny, family, layers, "meta")
    counted = sum({id(weight): weight.numel() for weight in model.parameters()}.values())
    assert counted == pytest.approx(weights, rel=0.01)


def test_what_the_time_does_not_suffice_for_is_listed():
    report = gpu.main([*SMALL, "--only", "loss", "--minutes", "0"])
    assert not report["ways"] and len(report["left_out"]) == 4 * len(gpu.LOSS_WAYS)


def test_without_a_gpu_the_script_says_how_to_try_it(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit, match="There is no GPU here: pass --device cpu --size tiny"):
        gpu.main([])
