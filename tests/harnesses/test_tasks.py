# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The tasks of the lmms-eval plug-in without lmms-eval: files, documents, scores, all against `promvil evaluate`."""

import importlib.util
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from promvil_hf.boxes import Box
from promvil_hf.conventions import DIALECTS
from promvil_hf.evaluation.benchmarks import read_compovl
from promvil_hf.evaluation.predictions import Answer, Predictions
from promvil_hf.evaluation.results import Settings, evaluate
from promvil_hf.evaluation.scores import Resampling
from promvil_hf.metrics.pope import pope_score
from promvil_hf.phrases import GroundedPhrase
from promvil_hf.tasks import grounding, speaking, yes_no
from tests.harnesses import dump_of_boxes
from tests.harnesses.toy_compovl import as_dataset, default_view, world


FOLDER = Path(grounding.__file__).parent


@pytest.fixture(autouse=True)
def nobody_speaks(monkeypatch):
    monkeypatch.setattr(speaking, "_spoken", [])
    monkeypatch.delenv(speaking.VARIABLE, raising=False)


@pytest.fixture(scope="module")
def rows():
    return default_view(world(4))


@pytest.fixture(scope="module")
def documents(rows):
    return grounding.compovl_documents(as_dataset(rows))


def tasks():
    """The task files as lmms-eval reads them: `!function file.name` beside the YAML file, `include` below the rest."""

    class Loader(yaml.SafeLoader):
        pass

    def function(loader, node):
        module, name = loader.construct_scalar(node).split(".")
        spec = importlib.util.spec_from_file_location(module, FOLDER / f"{module}.py")
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        return getattr(loaded, name)

    Loader.add_constructor("!function", function)

    def load(path):
        found = yaml.load(path.read_text(), Loader)
        return (load(FOLDER / found.pop("include")) if "include" in found else {}) | found

    return {path.stem: load(path) for path in FOLDER.glob("*.yaml") if not path.stem.startswith("_")}


def answers(documents, dialect, rng):
    """Near most gold boxes, far from some, nothing for some."""
    said = []
    for document in documents:
        box = np.array(document["boxes"][0]) + rng.normal(0, 0.03, 4)
        text = DIALECTS[dialect].target(
            GroundedPhrase(document["text"], [Box.clipped(*box) or Box(0, 0, 1, 1)]),
            image_size=tuple(document["image_size"]),
        )
        said.append("I see nothing." if rng.random() < 0.1 else text)
    return said


def test_every_task_file_is_whole_and_named_as_its_file():
    found = tasks()
    assert set(found) == {
        "promvil_compovl", "promvil_pope", "promvil_refcoco_testA", "promvil_refcoco_testB", "promvil_refcocoplus_testA",
        "promvil_refcocoplus_testB", "promvil_refcocog_test", "promvil_refadv", "promvil_ref_l4", "promvil_finecops",
        "promvil_grefcoco",
    }  # fmt: skip
    for name, task in found.items():
        assert task["task"] == name and task["output_type"] == "generate_until"
        assert task["dataset_path"].count("/") == 1 and task["test_split"]
        assert callable(task["doc_to_visual"]) and callable(task["doc_to_text"]) and callable(task["process_results"])
        assert all(callable(metric["aggregation"]) for metric in task["metric_list"])


def test_the_documents_are_the_steps_of_the_benchmark_with_their_pictures(rows, documents, tmp_path):
    path = tmp_path / "test.parquet"
    as_dataset(rows).to_parquet(path)
    benchmark = read_compovl(path)
    assert [document["id"] for document in documents] == [row.id for row in benchmark.rows]
    assert [document["text"] for document in documents] == [row.text for row in benchmark.rows]
    assert [tuple(document["image_size"]) for document in documents] == [row.image_size for row in benchmark.rows]
    (picture,) = grounding.picture(documents[0])
    assert picture.size == benchmark.rows[0].image_size and picture.mode == "RGB"
    with pytest.raises(ValueError, match="refers to its photographs and does not hold them"):
        grounding.compovl_documents(as_dataset(rows).remove_columns("image"))


@pytest.mark.parametrize("dialect", ("kosmos2", "qwen_json", "llava_brackets", "paligemma_loc"))
def test_a_task_scores_answers_exactly_as_promvil_evaluate_does(dialect, rows, documents, tmp_path, monkeypatch):
    monkeypatch.setenv(speaking.VARIABLE, dialect)
    path = tmp_path / "test.parquet"
    as_dataset(rows).to_parquet(path)
    benchmark = read_compovl(path)
    said = answers(documents, dialect, np.random.default_rng(0))
    task = tasks()["promvil_compovl"]
    judged = [task["process_results"](document, [text]) for document, text in zip(documents, said, strict=True)]
    results = {
        metric["metric"]: metric["aggregation"]([result[metric["metric"]] for result in judged])
        for metric in task["metric_list"]
    }
    predictions = Predictions({row.id: Answer(text=text) for row, text in zip(benchmark.rows, said, strict=True)})
    report = evaluate(benchmark, predictions, Settings(dialect=dialect, resampling=Resampling(resamples=9)))
    assert results == {
        "promvil_accuracy": report.scores["value"],
        "promvil_mean_iou": report.scores["mean_iou"],
        "promvil_parse_rate": report.scores["parse_rate"],
        "promvil_boxes_per_answer": report.scores["boxes_per_answer"],
        "promvil_box_precision": report.scores["box_precision"],
    }
    assert 0.3 < results["promvil_accuracy"] < 1.0 and 0.8 < results["promvil_parse_rate"] < 1.0


def test_the_prompt_is_the_dialects_own_and_evidence_is_added_on_request(documents, monkeypatch):
    monkeypatch.setenv(speaking.VARIABLE, "kosmos2")
    deep = next(document for document in documents if document["level"] == 2)
    assert grounding.prompt(deep, {"evidence": "none"}) == DIALECTS["kosmos2"].prompt(deep["text"], level=2)
    assert "We can see in the image" in grounding.prompt(deep, {"evidence": "gold"})
    assert grounding.target(deep).startswith("<patch_index_")
    monkeypatch.delenv(speaking.VARIABLE)
    assert grounding.prompt(deep).startswith("Locate ")


def test_the_environment_decides_the_dialect_then_the_model_then_the_default(monkeypatch):
    assert speaking.spoken() == DIALECTS["qwen_json"]
    speaking.speak(DIALECTS["kosmos2"])
    assert speaking.spoken() == DIALECTS["kosmos2"]
    monkeypatch.setenv(speaking.VARIABLE, "paligemma_loc")
    assert speaking.spoken() == DIALECTS["paligemma_loc"]
    monkeypatch.setenv(speaking.VARIABLE, "latin")
    with pytest.raises(ValueError, match="it is one of kosmos2"):
        speaking.spoken()


def test_a_blind_dump_gains_nothing_in_our_task(documents):
    dump = dump_of_boxes.answer()
    judged = [grounding.judge(document, dump) for document in documents]
    first = DIALECTS["qwen_json"].target(GroundedPhrase("it", [Box(*np.round(dump_of_boxes.boxes()[0], 3))]))
    alone = [grounding.judge(document, first) for document in documents]
    assert grounding.accuracy(judged) == grounding.accuracy(alone) < 0.2
    assert grounding.boxes_per_answer(judged) == 959 and grounding.box_precision(judged) < 0.05


def test_refcoco_copies_become_one_document_per_expression():
    import datasets

    png = io.BytesIO()
    Image.new("RGB", (200, 100)).save(png, "PNG")
    image = {"bytes": png.getvalue(), "path": None}
    rows = [
        {
            "question_id": "7",
            "image": image,
            "answer": ["man in black", "left man"],
            "bbox": [20.0, 10.0, 100.0, 50.0],
        },
        {"question_id": "8", "image": image, "answer": ["nothing"], "bbox": [20.0, 10.0, 0.0, 50.0]},
    ]
    dataset = datasets.Dataset.from_list(rows).cast_column("image", datasets.Image())
    found = list(grounding.refcoco_documents(dataset))
    assert [(document["id"], document["text"]) for document in found] == [("7_0", "man in black"), ("7_1", "left man")]
    assert found[0]["boxes"] == [[0.1, 0.1, 0.6, 0.6]] and found[0]["image_size"] == [200, 100]
    assert grounding.process_results(found[0], [])["promvil_accuracy"]["said"] == []


def test_pope_aggregates_are_the_pure_functions():
    labels = ["yes", "no", "yes", "no"]
    documents = [{"question_id": k, "question": " Is it? ", "answer": label} for k, label in enumerate(labels)]
    said = ["Yes.", "no", "maybe", "Yes, it is"]
    judged = [yes_no.process_results(document, [text]) for document, text in zip(documents, said, strict=True)]
    pure = pope_score(said, labels)
    for name in ("f1", "accuracy", "yes_rate", "unknown_rate"):
        assert getattr(yes_no, name)([result[f"promvil_{name}"] for result in judged]) == getattr(pure, name)
    assert yes_no.prompt(documents[0], {"pre_prompt": "", "post_prompt": "\nShort."}) == "Is it?\nShort."


def test_the_folder_of_the_tasks_is_printed_for_include_path():
    done = subprocess.run(
        [sys.executable, "-m", "promvil_hf.tasks"], capture_output=True, text=True, cwd=FOLDER.parents[1]
    )
    assert Path(done.stdout.strip()) == FOLDER
