# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""lmms-eval itself runs our tasks and our model, on a CompoVL of the toy world served by the loopback Hub.

lmms-eval has some fifty dependencies and is none of ours: install it beside this package (without torchvision where torch
is the CPU build) and name its Python in PROMVIL_LMMS_EVAL_PYTHON. Without, these tests are skipped.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harnesses import dump_of_boxes
from tests.harnesses.toy_compovl import as_dataset, default_view, save_model, world
from tests.hub.conftest import pointed_at
from tests.hub.server import LoopbackHub


ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("PROMVIL_LMMS_EVAL_PYTHON") or (
    sys.executable if importlib.util.find_spec("lmms_eval") else None
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        PYTHON is None, reason="lmms-eval is not installed (PROMVIL_LMMS_EVAL_PYTHON names its Python)"
    ),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A Hub with the toy CompoVL, and the environment of a process that uses it."""
    home = tmp_path_factory.mktemp("home")
    with LoopbackHub() as hub:
        with pointed_at(hub, home / "here"):
            as_dataset(default_view(world(2))).push_to_hub("promvil/compovl", config_name="default", split="test")
        yield os.environ | hub.environment(home / "there") | {
            "LMMS_EVAL_PLUGINS": "promvil_hf", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
        }  # fmt: skip


def lmms_eval(served, out, *arguments, environment=None):
    done = subprocess.run(
        [PYTHON, "-m", "lmms_eval", "--tasks", "promvil_compovl", "--include_path", str(ROOT / "promvil_hf/tasks"),
         "--output_path", str(out), "--log_samples", *arguments],
        capture_output=True, text=True, cwd=out.parent, env=served | (environment or {}),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    (results,) = out.rglob("*_results.json")
    (samples,) = out.rglob("*_samples_promvil_compovl.jsonl")
    found = json.loads(results.read_text())["results"]["promvil_compovl"]
    return (
        {name.partition(",")[0]: value for name, value in found.items() if name.startswith("promvil_")},
        [json.loads(line) for line in samples.read_text().splitlines()],
    )


def test_lmms_eval_finds_and_runs_the_task_on_a_tiny_model_of_ours(served, tmp_path):
    from promvil_hf.evaluation.benchmarks import read_compovl
    from promvil_hf.evaluation.predictions import Answer, Predictions
    from promvil_hf.evaluation.results import Settings, evaluate
    from promvil_hf.evaluation.scores import Resampling
    from promvil_hf.toy.models import tiny_kosmos2

    model = save_model(tiny_kosmos2(), tmp_path / "kosmos2")
    found, samples = lmms_eval(
        served, tmp_path / "out", "--model", "promvil", "--model_args", f"pretrained={model}", "--batch_size", "6",
        "--gen_kwargs", "max_new_tokens=4",
    )  # fmt: skip
    as_dataset(default_view(world(2))).to_parquet(tmp_path / "test.parquet")
    benchmark = read_compovl(tmp_path / "test.parquet")
    assert len(samples) == len(benchmark.rows) == 18
    said = {row.id: Answer(text=_text(samples, place)) for place, row in enumerate(benchmark.rows)}
    report = evaluate(benchmark, Predictions(said), Settings(dialect="kosmos2", resampling=Resampling(resamples=9)))
    assert found["promvil_accuracy"] == report.scores["value"]
    assert found["promvil_parse_rate"] == report.scores["parse_rate"]
    assert found["promvil_mean_iou"] == report.scores["mean_iou"]


def test_lmms_evals_own_scorer_rewards_the_blind_dump_and_our_task_does_not(served, tmp_path):
    """Their functions on our documents: the best of all boxes in either frame, against the first box in one."""
    code = """
import json, sys
from lmms_eval.tasks.refcoco_grounding import utils
from PIL import Image

documents, answer = json.load(open(sys.argv[1])), open(sys.argv[2]).read()
judged = []
for document in documents:
    (width, height), (x0, y0, x1, y1) = document["image_size"], document["boxes"][0]
    box = [x0 * width, y0 * height, (x1 - x0) * width, (y1 - y0) * height]
    doc = {"image": Image.new("RGB", (width, height)), "answer": [document["text"]], "bbox": box, "question_id": "1"}
    judged.append(utils.refcoco_grounding_process_result(doc, [answer])["refcoco_grounding_ACC@0.5"])
print(utils.refcoco_grounding_acc05(judged))
"""
    from promvil_hf.tasks import grounding

    documents = [
        {name: document[name] for name in ("id", "text", "level", "boxes", "image_size")}
        for document in grounding.compovl_documents(as_dataset(default_view(world(10))))
    ]
    (tmp_path / "documents.json").write_text(json.dumps(documents))
    (tmp_path / "dump.txt").write_text(dump_of_boxes.answer())
    done = subprocess.run(
        [PYTHON, "-c", code, str(tmp_path / "documents.json"), str(tmp_path / "dump.txt")],
        capture_output=True, text=True, cwd=tmp_path, env=served,
    )  # fmt: skip
    theirs = float(done.stdout.split()[-1]) if done.returncode == 0 else pytest.fail(done.stderr[-2000:])
    ours = grounding.accuracy([grounding.judge(document, dump_of_boxes.answer()) for document in documents])
    assert theirs > 0.9 and ours < 0.1


def _text(samples, place):
    sample = next(sample for sample in samples if sample["doc_id"] == place)
    answer = sample["filtered_resps"]
    while isinstance(answer, list):
        answer = answer[0]
    return answer
