# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Kinds of files: jobs, kept results, paid answers, reports, verdicts, explanations and traces, which the package wrote itself
and somebody may have cut, edited or mixed up since."""

import json
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from promvil_hf import jobs
from promvil_hf.backends.base import Generated
from promvil_hf.boxes import Box
from promvil_hf.commands.inspect_compovl import QUESTIONS as CHAIN_QUESTIONS
from promvil_hf.commands.inspect_compovl import summary as summary_of_chains
from promvil_hf.commands.inspect_fivl import FORM
from promvil_hf.commands.inspect_fivl import QUESTIONS as KEY_QUESTIONS
from promvil_hf.commands.inspect_fivl import summary as summary_of_keys
from promvil_hf.commands.reliance import _types
from promvil_hf.dialects import QwenJson
from promvil_hf.endpoint.store import Store
from promvil_hf.evaluation.benchmarks import read
from promvil_hf.evaluation.comparison import compare
from promvil_hf.evaluation.predictions import Answer, Predictions, read_predictions
from promvil_hf.evaluation.reliance import RelianceReport, follows_accuracy, points, reliance
from promvil_hf.evaluation.reliance_page import points_page, reliance_page
from promvil_hf.evaluation.report import report_page, table_text
from promvil_hf.evaluation.results import Report, Settings, evaluate
from promvil_hf.evaluation.twin_answers import TwinSettings, twin_id
from promvil_hf.explain.explanation_pages import atlas_page, explanation_page
from promvil_hf.explain.explanations import ExplainedKey, Explanation, read_explanations
from promvil_hf.explain.explorer import Run, chosen
from promvil_hf.explain.head_atlas import HeadAtlas
from promvil_hf.explain.layer_names import Layer
from promvil_hf.fivl.twins import KINDS
from promvil_hf.grounding.batch_job import ground_file
from promvil_hf.grounding.engine import ProgressiveGrounder
from promvil_hf.grounding.trace import GroundingTrace, Step
from promvil_hf.kept_results import do_once
from promvil_hf.pages.judgement import read_verdicts
from promvil_hf.training.checkpoints import last_whole, mark_whole
from tests.mutations.files_of_benchmarks import FEW, FLAT, json_file, json_lines, png
from tests.mutations.files_of_builds import fivl_rows
from tests.mutations.running import Kind, lines_in


_SETTINGS = TwinSettings(metric="vqa")
PICTURE = Image.new("RGB", (20, 10), "teal")


# Jobs


ITEMS = [f"item {number}" for number in range(5)]


def work(batch):
    return [
        jobs.Rejected("odd", item) if item.endswith("3") else {"text": item, "boxes": [[0.1, 0.2, 0.3, 0.4]]}
        for item in batch
    ]


@cache
def job_files(finished: bool) -> dict[str, tuple[bytes, str]]:
    with tempfile.TemporaryDirectory() as folder:
        jobs.run(ITEMS, work, folder, key=str, describe={"model": "m"}, shard_size=2, progress=False)
        made = {}
        for path in sorted(Path(folder).iterdir()):
            if path.suffix in (".json", ".jsonl") and (
                finished or path.name not in ("job.json", "part-00002.jsonl", "rejects.jsonl")
            ):
                made[path.name] = (path.read_bytes(), "json" if path.suffix == ".json" else "lines")
        return made


def _resumed(folder: Path) -> int:
    report = jobs.run(ITEMS, work, folder, key=str, describe={"model": "m"}, shard_size=2, progress=False)
    assert report.finished
    return report.items


def _job_rows(folder: Path) -> int:
    return len(list(jobs.rows(folder))) + len(list(jobs.rejects(folder)))


def _partial_rows(folder: Path) -> None:
    list(jobs.rows(folder, partial=True))


def _whole_job(contents) -> int:
    return len(ITEMS)


def _kept(folder: Path) -> None:
    json.dumps(do_once(folder / "done.json", {"steps": 3, "seed": 0}, dict)["result"])


PAID = {
    "version": 1,
    "request": {},
    "answers": [
        {
            "text": "a bus",
            "chars": 5,
            "finish_reason": "stop",
            "refusal": None,
            "prompt_tokens": 3,
            "completion_tokens": 2,
        }
    ],
}


def _paid(folder: Path) -> None:
    """As the client does, which then says that the cache is damaged."""
    try:
        Store(folder).read("abcd")
    except (OSError, ValueError):
        pass


# Reports


@cache
def report() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "steps.jsonl")
        path.write_bytes(json_lines(*FLAT))
        benchmark = read("compovl", path)
        answers = Predictions({row.id: Answer(boxes=[[0.1, 0.1, 0.6, 0.6]]) for row in benchmark.rows})
        return evaluate(benchmark, answers, Settings(resampling=FEW)).save(Path(folder, "report.json")).read_bytes()


def _report(folder: Path) -> None:
    before, after = (Report.load(folder / name) for name in ("before.json", "report.json"))
    str(report_page(after, None, compare(before, after, FEW))) + table_text(after)


@cache
def reliance_report() -> bytes:
    answers = {twin_id(row.row_id, kind): Answer("bus") for row in fivl_rows() for kind in KINDS}
    found = reliance(fivl_rows(), Predictions(answers), settings=_SETTINGS, resampling=FEW)
    with tempfile.TemporaryDirectory() as folder:
        return found.save(Path(folder, "reliance.json")).read_bytes()


def _reliance(folder: Path) -> None:
    report = RelianceReport.load(folder / "reliance.json")
    str(reliance_page(report))
    pairs = [(name, report) for name in "abc"]
    str(points_page(points(pairs), follows_accuracy(pairs, FEW)))


def _twin_answers(folder: Path) -> int:
    predictions = read_predictions(folder / "answers.jsonl")
    str(reliance_page(reliance(fivl_rows(), predictions, settings=_SETTINGS, resampling=FEW)))
    return (
        len(predictions.answers)
        + len(predictions.contested)
        + sum(fault.count for fault in predictions.faults.values())
    )


def _question_types(folder: Path) -> None:
    _types(folder / "types.json")


# Verdicts, explanations, traces


def verdicts(form: str, asked, *items: str) -> bytes:
    questions = [{"key": question.key, "text": question.text, "options": list(question.options)} for question in asked]
    judged = [
        {"item": item, "answers": {question.key: question.options[0] for question in asked}, "remark": "fine"} for item in items
    ]
    return json_file(
        {
            "format": "promvil_hf.verdicts",
            "version": 1,
            "form": form,
            "fingerprint": "f",
            "judge": "me",
            "saved": "now",
            "questions": questions,
            "items": list(items),
            "verdicts": judged,
        }
    )


def _verdicts(folder: Path) -> None:
    summary_of_keys(read_verdicts(folder / "verdicts.json", FORM, KEY_QUESTIONS))


def _verdicts_on_chains(folder: Path) -> None:
    summary_of_chains([folder / "verdicts.json"])


EXPLANATION = Explanation(
    "one",
    "1.png",
    (20, 10),
    "What?",
    "a bus",
    "bus",
    "m",
    ["0.1"],
    [ExplainedKey("bus", [[0.1, None], [0.2, 0.3]], [[0.1, 0.2, 0.5, 0.7]], None, [0.1] * 7, 0.4)],
    [[1, 2], [2, 1]],
    {1: "bus", 2: "tree"},
    {"masked": "a tree"},
    "given",
    [[0.1, 0.2, 0.5, 0.7]],
)


@cache
def atlas() -> HeadAtlas:
    random = np.random.default_rng(0)
    rho, turns = random.random((2, 3)), random.random((4, 2, 3))
    return HeadAtlas(
        layers=(Layer.named("0"), Layer.named("1")),
        rho=rho,
        auroc=rho,
        tokens=np.ones((2, 3), int),
        p_head=rho,
        p_family=rho,
        q_value=rho,
        null=random.random((5, 2, 3)),
        ceiling=0.9,
        turns=4,
        skipped={"no token": 1},
        settings={"seed": 0, "shuffles": 5},
        by_turn=turns,
        by_turn_tokens=np.ones((4, 2, 3), int),
        image_ids=tuple("abcd"),
    )


def _explained(folder: Path) -> None:
    run = Run.read(folder)
    for one in read_explanations(folder / "explanations.jsonl"):
        str(explanation_page(one, PICTURE, run.atlas))
    chosen([run, run], "bus", "masked" if "masked" in EXPLANATION.hidden else "all", "right", "answers agree")


def _atlas(folder: Path) -> None:
    str(atlas_page(Run.read(folder).atlas, [], lambda name: None))


TRACE = GroundingTrace(
    "the bus",
    "progressive",
    image_size=(20, 10),
    steps=(Step("the bus", 1, prompt="?", answer="!", ended="end", boxes=(Box(0.1, 0.2, 0.5, 0.7),), score=-0.5),),
)


def _traces(folder: Path) -> None:
    for _, row in jobs.rows(folder):
        trace = GroundingTrace.from_dict(row)
        str(trace)
        trace.chain()


@cache
def trace_job() -> dict[str, tuple[bytes, str]]:
    with tempfile.TemporaryDirectory() as folder:
        rows = [TRACE.to_dict(times=False) | {"id": name} for name in "ab"]
        jobs.run(rows, list, folder, key=lambda row: row["id"], describe={}, progress=False)
        # As it reads before the job is finished, where no checksum is known.
        return {
            "plan.json": (Path(folder, "plan.json").read_bytes(), ""),
            "part-00000.jsonl": (Path(folder, "part-00000.jsonl").read_bytes(), "lines"),
        }


def _partial_traces(folder: Path) -> None:
    for _, row in jobs.rows(folder, partial=True):
        str(GroundingTrace.from_dict(row))


# Queries of `promvil ground`


class Answering:
    """A backend that answers at once."""

    dialect = QwenJson()

    def generate(self, requests, decoding=None):
        return [Generated('[{"bbox_2d": [2, 2, 10, 8], "label": "x"}]', (), (), "end") for _ in requests]

    def token_boxes(self, inputs, image_sizes):
        return None


QUERIES = [
    {"id": "a", "image": "1.png", "expression": "the man with the hat"},
    {"image": "1.png", "question": "What is it?"},
    {"image": "1.png", "expression": "a cup"},
]


def _grounded(folder: Path) -> int:
    with tempfile.TemporaryDirectory() as out:
        return ground_file(ProgressiveGrounder(Answering()), folder / "queries.jsonl", out, progress=False).items


# Checkpoints


@cache
def checkpoint() -> dict[str, tuple[bytes, str]]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "model.bin").write_bytes(b"weights")
        mark_whole(folder)
        return {
            f"checkpoint-3/{path.name}": (path.read_bytes(), "json" if path.suffix == ".json" else "")
            for path in Path(folder).iterdir()
        }


def _checkpoint(folder: Path) -> None:
    last_whole(folder)


TWIN_ANSWERS = [{"id": twin_id(row.row_id, kind), "text": "bus"} for row in fivl_rows()[:2] for kind in KINDS]
RESULTS = {
    "job resumed": Kind(lambda: job_files(False), _resumed, _whole_job, share=2),
    "job resumed when finished": Kind(lambda: job_files(True), _resumed, _whole_job),
    "job read": Kind(lambda: job_files(True), _job_rows, _whole_job, share=2),
    "job read in parts": Kind(lambda: job_files(False), _partial_rows),
    "kept result": Kind(
        lambda: {
            "done.json": (
                json_file({"plan": {"steps": 3, "seed": 0}, "result": {"x": 1}, "seconds": 1.0, "cpu_seconds": 1.0}),
                "json",
            )
        },
        _kept,
    ),
    "paid answers": Kind(lambda: {"ab/abcd.json": (json_file(PAID), "json")}, _paid),
    "report": Kind(lambda: {"before.json": (report(), ""), "report.json": (report(), "json")}, _report, share=2),
    "reliance report": Kind(lambda: {"reliance.json": (reliance_report(), "json")}, _reliance, share=2),
    "answers to twins": Kind(
        lambda: {"answers.jsonl": (json_lines(*TWIN_ANSWERS), "lines")},
        _twin_answers,
        lambda contents: lines_in(contents, "answers.jsonl"),
    ),
    "question types": Kind(
        lambda: {"types.json": (json_file({"1": "query", "2": {"types": {"structural": "verify"}}}), "json")},
        _question_types,
    ),
    "verdicts": Kind(
        lambda: {"verdicts.json": (verdicts(FORM, KEY_QUESTIONS, "llava-00000001/0", "llava-00000002/1"), "json")},
        _verdicts,
    ),
    "verdicts on chains": Kind(
        lambda: {"verdicts.json": (verdicts("compovl", CHAIN_QUESTIONS, "5-0", "6-0"), "json")}, _verdicts_on_chains
    ),
    "explanations": Kind(
        lambda: {"explanations.jsonl": (json_lines(EXPLANATION.to_dict(), EXPLANATION.to_dict()), "lines")},
        _explained,
        share=2,
    ),
    "head atlas": Kind(
        lambda: {
            "atlas.json": (json_file(atlas().to_dict()), "json"),
            "explanations.jsonl": (json_lines(EXPLANATION.to_dict()), ""),
        },
        _atlas,
        share=2,
    ),
    "traces": Kind(trace_job, _partial_traces, share=2),
    "queries": Kind(
        lambda: {"1.png": (png(), ""), "queries.jsonl": (json_lines(*QUERIES), "lines")},
        _grounded,
        lambda contents: lines_in(contents, "queries.jsonl"),
        share=2,
    ),
    "checkpoint": Kind(checkpoint, _checkpoint, share=0.5),
}
