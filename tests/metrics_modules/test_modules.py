# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The three `evaluate` modules: loaded from their folders and from a Hub, equal to the pure functions, documented by runs."""

import contextlib
import doctest
import importlib.util
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from promvil_hf.boxes import Box
from promvil_hf.dialects import Kosmos2, LlavaBrackets
from promvil_hf.evaluation.metric_space import answer
from promvil_hf.frames import PaddedSquare, Pixels, Thousandths
from promvil_hf.metrics.gqa import gqa_score
from promvil_hf.metrics.grounding import grounding_score
from promvil_hf.metrics.pope import llava_yes_no, pope_score
from promvil_hf.metrics.reliance import visual_reliance
from promvil_hf.phrases import GroundedPhrase
from tests.hub.conftest import hub  # noqa: F401


ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "evaluate_metrics"
NAMES = ("grounding_accuracy", "validity", "visual_reliance_score")


@pytest.fixture(scope="session")
def load(tmp_path_factory):
    import datasets
    import evaluate

    home = tmp_path_factory.mktemp("evaluate")
    patch = pytest.MonkeyPatch()
    patch.setattr(evaluate.config, "HF_MODULES_CACHE", home / "modules")
    patch.setattr(datasets.config, "HF_MODULES_CACHE", home / "modules")
    patch.setattr(evaluate.config, "HF_METRICS_CACHE", home / "metrics")
    loaded = {}

    def one(name):
        if name not in loaded:
            loaded[name] = evaluate.load(str(MODULES / name), cache_dir=str(home / "metrics"))
        return loaded[name]

    yield one
    patch.undo()


def examples(rng, rows=60):
    low = rng.uniform(0, 0.5, (rows, 2))
    gold = np.concatenate([low, low + rng.uniform(0.1, 0.45, (rows, 2))], 1)
    said = []
    for box in gold:
        near = np.clip(box + rng.normal(0, 0.05, (int(rng.integers(0, 4)), 4)), 0, 1)
        said.append([sorted_box.tolist() for sorted_box in near])
    return said, gold


@pytest.mark.parametrize("name", NAMES)
def test_a_module_loads_from_its_folder_and_from_its_file_and_runs_its_example(name, load):
    import evaluate

    example = json.loads((MODULES / name / "example.json").read_text())
    from_folder = load(name).compute(**example)
    from_file = evaluate.load(str(MODULES / name / f"{name}.py")).compute(**example)
    assert from_folder[name] == from_file[name]
    assert {"rows", "settings", "notes"} <= set(from_folder)
    assert json.loads(json.dumps(from_folder)) is not None


@pytest.mark.parametrize("name", NAMES)
def test_a_module_loads_as_a_space_of_the_hub_and_its_doctests_run_there(name, hub):  # noqa: F811
    import evaluate
    from huggingface_hub import HfApi

    api = HfApi()
    api.create_repo(f"promvil/{name}", repo_type="space", space_sdk="gradio")
    api.upload_folder(
        folder_path=MODULES / name, repo_id=f"promvil/{name}", repo_type="space", ignore_patterns="__pycache__/*"
    )
    documented = doctest.DocTestParser().get_doctest(
        evaluate.load(f"promvil/{name}").inputs_description, {"evaluate": evaluate}, name, None, None
    )
    assert len(documented.examples) >= 3
    said = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(documented, out=said.append)
    assert result.failed == 0, "".join(said)


class Missing:
    """Finds no promvil_hf, whatever is installed."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "promvil_hf":
            raise ImportError("No module named promvil_hf")


@pytest.mark.parametrize("name", NAMES)
def test_without_the_package_the_error_names_it(name, load, monkeypatch):  # `load` for its folders
    import evaluate

    for loaded in [module for module in sys.modules if module.partition(".")[0] == "promvil_hf"]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setattr(sys, "meta_path", [Missing, *sys.meta_path])
    with pytest.raises(ImportError, match=f"To be able to use {name}.*pip install promvil_hf"):
        evaluate.load(str(MODULES / name))


@pytest.mark.parametrize("name", NAMES)
def test_a_module_is_one_import_a_line_because_evaluate_reads_them_with_a_regular_expression(name):
    for line in (MODULES / name / f"{name}.py").read_text().splitlines():
        assert not (line.startswith("import ") and "," in line)


@pytest.mark.parametrize("name", NAMES)
def test_the_app_of_a_space_answers_its_example_without_gradio(name, load):
    spec = importlib.util.spec_from_file_location(f"app_of_{name}", MODULES / name / "app.py")
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    example = app.MODULE.with_name("example.json").read_text()
    assert json.loads(answer(app.MODULE, example))[name] == pytest.approx(
        load(name).compute(**json.loads(example))[name]
    )
    assert answer(app.MODULE, "{").startswith("JSONDecodeError")


@pytest.mark.parametrize("name", NAMES)
def test_the_card_opens_as_a_space_of_metrics_does(name):
    from huggingface_hub import RepoCard

    card = RepoCard.load(MODULES / name / "README.md")
    assert card.data.sdk == "gradio" and card.data.app_file == "app.py" and "evaluate" in card.data.tags
    assert "## Limits" in card.text
    assert (MODULES / name / "requirements.txt").read_text().split()[0] == "promvil_hf"


# grounding_accuracy


@pytest.mark.parametrize("policy", ("first", "mean", "all", "any"))
def test_grounding_accuracy_is_the_pure_function_through_compute_add_and_add_batch(policy, load):
    said, gold = examples(np.random.default_rng(0))
    pure = grounding_score(said, gold, policy=policy, thresholds=(0.5, 0.75))
    metric = load("grounding_accuracy")
    options = {"box_policy": policy, "iou_thresholds": (0.5, 0.75), "resamples": 99}
    references = gold[:, None].tolist()
    whole = metric.compute(predictions=said, references=references, **options)
    for prediction, reference in zip(said, references, strict=True):
        metric.add(prediction=prediction, reference=reference)
    added = metric.compute(**options)
    for start in range(0, len(said), 7):
        metric.add_batch(predictions=said[start : start + 7], references=references[start : start + 7])
    batched = metric.compute(**options)
    assert whole == added == batched
    assert whole["grounding_accuracy"] == whole["accuracy@0.5"] == pure.accuracy
    assert whole["accuracy@0.75"] == pure.accuracy_at[0.75]
    assert (whole["mean_iou"], whole["parse_rate"], whole["rows"]) == (pure.mean_iou, pure.parse_rate, pure.rows)
    assert whole["settings"]["box_policy"] == policy and whole["problems"] == pure.problems


@pytest.mark.parametrize(
    "name, frame",
    [
        ("pixels", Pixels()),
        ("pixels_xywh", Pixels(wh=True)),
        ("thousandths", Thousandths()),
        ("padded_square", PaddedSquare()),
    ],
)
def test_grounding_accuracy_is_the_same_in_every_declared_frame(name, frame, load):
    rng = np.random.default_rng(1)
    _, gold = examples(rng)
    near = np.clip(gold + rng.normal(0, 0.03, gold.shape), 0, 1)
    sizes = [(int(w), int(h)) for w, h in rng.integers(200, 900, (len(gold), 2))]

    def written(boxes):
        return [list(frame.encode(Box(*box), size)) for box, size in zip(boxes, sizes, strict=True)]

    metric = load("grounding_accuracy")
    options = {"resamples": 99}
    plain = metric.compute(predictions=near.tolist(), references=gold.tolist(), **options)
    declared = metric.compute(
        predictions=written(near), references=written(gold), frame=name, image_sizes=sizes, **options
    )
    assert declared["grounding_accuracy"] == plain["grounding_accuracy"]
    assert declared["mean_iou"] == pytest.approx(plain["mean_iou"], abs=0.01)
    assert declared["settings"]["frame"] == name
    assert set(declared["tables"]["size"]) == set(plain["tables"]["size"]) or name == "thousandths"


def test_pixels_on_both_sides_need_no_image_size_and_a_wrong_frame_is_refused(load):
    metric = load("grounding_accuracy")
    result = metric.compute(
        predictions=[[10, 10, 60, 60]], references=[[10, 10, 50, 50]], frame="pixels_xywh", resamples=9
    )
    assert result["grounding_accuracy"] == 1.0 and "size" not in result["tables"]
    with pytest.raises(ValueError, match="fractions of the image, but most of them reach beyond 1.5"):
        metric.compute(predictions=[[10, 10, 60, 60]], references=[[10, 10, 60, 60]])
    with pytest.raises(ValueError, match="pass `image_sizes`"):
        metric.compute(predictions=[[0.1, 0.1, 0.6, 0.6]], references=[[10, 10, 60, 60]], reference_frame="pixels")
    with pytest.raises(ValueError, match="it is one of fractions, pixels"):
        metric.compute(predictions=[[0, 0, 1, 1]], references=[[0, 0, 1, 1]], frame="percent")


def test_raw_text_is_read_by_its_dialect_and_needs_one(load):
    rng = np.random.default_rng(2)
    _, gold = examples(rng)
    metric = load("grounding_accuracy")
    texts = [Kosmos2().target(GroundedPhrase("a cup", [Box(*box)])) for box in gold] + ["a cup", ""]
    references = gold.tolist() + [[0, 0, 1, 1]] * 2
    result = metric.compute(predictions=texts, references=references, dialect="kosmos2", resamples=99)
    assert result["rows"] == 62 and result["parse_rate"] == pytest.approx(60 / 62)
    assert result["problems"] == {"no box": 2}
    assert result["grounding_accuracy"] > 0.8
    sizes = [(640, 200)] * len(gold)
    padded = [LlavaBrackets().target(GroundedPhrase("a cup", [Box(*box)]), image_size=(640, 200)) for box in gold]
    right = metric.compute(
        predictions=padded, references=gold.tolist(), dialect="llava_brackets", image_sizes=sizes, resamples=99
    )
    assert right["grounding_accuracy"] == 1.0
    with pytest.raises(ValueError, match="raw text without a dialect"):
        metric.compute(predictions=texts, references=references)
    with pytest.raises(ValueError, match="it is one of kosmos2, qwen_json"):
        metric.compute(predictions=texts, references=references, dialect="kosmos")


def test_levels_sizes_images_and_problems_stand_in_the_result(load):
    said, gold = examples(np.random.default_rng(3))
    said[0] = [[0.5, 0.5, 0.4, 0.6]]
    said[1] = [[float("nan"), 0.5, 0.6, 0.6]]
    levels, images = [1 + k % 3 for k in range(60)], [k // 4 for k in range(60)]
    result = load("grounding_accuracy").compute(
        predictions=said, references=gold[:, None].tolist(), levels=levels, image_ids=images, resamples=199
    )
    assert list(result["tables"]["level"]) == ["1", "2", "3"]
    assert sum(line["rows"] for line in result["tables"]["size"].values()) == 60
    assert result["interval"]["clusters"] == 15
    assert result["problems"]["out of range"] == 1
    assert result["problems"] == grounding_score(said, gold).problems
    assert sum(line["rows"] * line["accuracy"] for line in result["tables"]["level"].values()) == pytest.approx(
        60 * result["grounding_accuracy"]
    )


# validity


def test_gqa_through_the_module_equals_the_pure_function_and_the_oracle(shared_data, load):
    questions = json.loads((shared_data / "gqa/gqa_testdev_250.json").read_text())
    lines = (shared_data / "gqa/llava-v1.5-13b_answers_250.jsonl").read_text().splitlines()
    answers = {row["question_id"]: row["text"] for row in map(json.loads, lines)}
    choices = {qid: {"valid": [q["answer"], "yes"], "plausible": [q["answer"]]} for qid, q in questions.items()}
    pure = gqa_score(answers, questions, choices=choices)
    result = load("validity").compute(
        predictions=list(answers.values())[::-1], references=list(answers)[::-1],
        questions=shared_data / "gqa/gqa_testdev_250.json", choices=choices, resamples=199,
    )  # fmt: skip
    assert result["accuracy"] == pure.accuracy == 0.608
    assert (result["binary"], result["open"]) == (61 / 78, 91 / 172)
    assert (result["validity"], result["plausibility"]) == (pure.validity, pure.plausibility)
    assert (result["distribution"], result["consistency"]) == (pure.distribution, pure.consistency)
    assert result["validity_low"] <= result["validity"] <= result["validity_high"]
    assert result["tables"]["structural"]["query"]["right"] == 91


def test_validity_by_lists_counts_answers_and_says_what_it_cannot_know(load):
    metric = load("validity")
    result = metric.compute(predictions=["Red.", "LEFT", ""], references=[["red"], ["left", "right"], ["yes", "no"]])
    assert result["validity"] == pytest.approx(2 / 3) and result["rows"] == 3
    with pytest.raises(ValueError, match="question ids as references without `questions`"):
        metric.compute(predictions=["red"], references=["q1"])
    question = {
        "question": "Is it red?", "answer": "yes", "isBalanced": True, "imageId": "n1", "semantic": [], "entailed": [],
        "types": {"structural": "verify", "semantic": "attr", "detailed": "verifyAttr"}, "groups": {"global": None},
    }  # fmt: skip
    result = metric.compute(predictions=["yes"], references=["q1"], questions={"q1": question})
    assert result["validity"] is None and any("choices file" in note for note in result["notes"])
    with pytest.raises(ValueError, match="question id more than once"):
        metric.compute(predictions=["yes", "no"], references=["q1", "q1"], questions={"q1": question})


# visual_reliance_score


def test_reliance_through_the_module_is_the_pure_function(load):
    rng = np.random.default_rng(4)
    original, masked, boxes, blind = (rng.integers(0, 2, 80).astype(float) for _ in range(4))
    images = [int(k) for k in rng.integers(0, 20, 80)]
    controls = {"random boxes": boxes, "blind": blind, "whole image": blind}
    pure = visual_reliance(original, masked, controls, clusters=images, resamples=299)
    result = load("visual_reliance_score").compute(
        original=original.tolist(), masked=masked.tolist(), image_ids=images, resamples=299,
        controls={name: column.tolist() for name, column in controls.items()},
    )  # fmt: skip
    assert result["visual_reliance_score"] == pure.score and result["absolute_drop"] == pure.absolute_drop
    assert result["interval"]["low"] == pure.masked.relative.low
    assert result["beyond"]["random boxes"]["estimate"] == pure.beyond["random boxes"].estimate
    assert result["notes"] == [] and result["interval"]["clusters"] == len(set(images))


def test_reliance_reads_answers_with_the_scoring_of_their_data_set(load):
    metric = load("visual_reliance_score")
    gqa = metric.compute(original=["Red.", "left"], masked=["blue", "left"], gold=["red", "left"], scoring="gqa")
    assert (gqa["original_accuracy"], gqa["masked_accuracy"], gqa["visual_reliance_score"]) == (1.0, 0.5, 0.5)
    people = [["2"] * 10, ["red"] * 3 + ["blue"] * 7]
    vqa = metric.compute(original=["2", "red"], masked=["3", "red"], gold=people, scoring="vqa")
    assert vqa["original_accuracy"] == pytest.approx(0.95) and vqa["masked_accuracy"] == pytest.approx(0.45)
    with pytest.raises(ValueError, match="one of gqa, pope, vqa"):
        metric.compute(original=["a"], masked=["b"])
    with pytest.raises(ValueError, match="scoring is for answers as texts"):
        metric.compute(original=[1.0], masked=[0.0], scoring="gqa")
    undefined = metric.compute(original=[0.0, 0.0], masked=[0.0, 1.0])
    assert math.isnan(undefined["visual_reliance_score"])
    assert undefined["reason"] == "nothing right on the original images" and len(undefined["notes"]) == 3


def test_pope_accuracies_of_the_published_answers_go_through_the_module(shared_data, load):
    def lines(name):
        return [json.loads(line) for line in (shared_data / "pope" / name).read_text().splitlines()]

    labels = {row["question_id"]: row["label"] for row in lines("coco_pope_popular.jsonl")}
    said = {row["question_id"] - 20_000_000: row["text"] for row in lines("llava-v1.5-13b_popular.jsonl")}
    answers, gold = [said[qid] for qid in labels], list(labels.values())
    assert pope_score(answers, gold, llava_yes_no).f1 == pytest.approx(0.862459, abs=5e-7)
    result = load("visual_reliance_score").compute(
        original=answers, masked=["Yes"] * len(answers), gold=gold, scoring="pope", resamples=99
    )
    assert result["original_accuracy"] == pytest.approx(0.874333, abs=5e-7)
    assert result["visual_reliance_score"] == pytest.approx((0.874333 - 0.5) / 0.874333, abs=1e-5)


def test_two_processes_over_one_cache_give_rank_0_the_whole_score(load, tmp_path):
    import threading

    import evaluate

    said, gold = examples(np.random.default_rng(5), rows=30)
    references, results = gold[:, None].tolist(), {}
    alone = load("grounding_accuracy").compute(predictions=said, references=references, resamples=99)
    metrics = [
        evaluate.load(
            str(MODULES / "grounding_accuracy"),
            num_process=2,
            process_id=rank,
            experiment_id="two",
            cache_dir=str(tmp_path),
        )
        for rank in (0, 1)
    ]

    def work(rank):
        with contextlib.suppress(KeyError):
            results[rank] = metrics[rank].compute(
                predictions=said[15 * rank : 15 * rank + 15], references=references[15 * rank : 15 * rank + 15],
                resamples=99,
            )  # fmt: skip

    threads = [threading.Thread(target=work, args=(rank,)) for rank in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results[0] == alone and results[1] is None
