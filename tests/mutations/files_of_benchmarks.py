# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Kinds of files: every benchmark, and files of answers to them, as `promvil evaluate` reads and scores them."""

import io
import json
import pickle
from functools import cache

from PIL import Image

from promvil_hf.boxes import Box
from promvil_hf.evaluation.benchmarks import read, read_promvil_lines
from promvil_hf.evaluation.predictions import Answer, Predictions, read_predictions
from promvil_hf.evaluation.report import table_text
from promvil_hf.evaluation.results import Settings, evaluate
from promvil_hf.evaluation.scores import Resampling
from promvil_hf.phrases import GroundedPhrase, PhraseChain, PhraseStep, to_row
from tests.mutations.running import Kind, lines_in
from tests.unit.evaluation.benchmarks.files import ANNOTATIONS, IMAGES, REFS


FEW = Resampling(resamples=9)
PATH = Box(0.1, 0.2, 0.5, 0.75)


def json_file(value) -> bytes:
    return json.dumps(value).encode()


def json_lines(*rows) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@cache
def png(width: int = 20, height: int = 10) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(written, "PNG")
    return written.getvalue()


def parquet(rows) -> bytes:
    import pyarrow
    import pyarrow.parquet

    written = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), written)
    return written.getvalue()


def scored(benchmark) -> int:
    """Scores right answers, as a command does behind the reader; the number of rows, also of those left out by name."""
    json.dumps(benchmark.describe())
    if benchmark.kind == "grounding":
        answers = {row.id: Answer(boxes=[list(box.xyxy) for box in row.boxes]) for row in benchmark.rows}
    else:
        answers = {row.id: Answer(text=row.answers[0] if row.answers else "") for row in benchmark.rows}
    if benchmark.kind != "unlabelled":
        table_text(evaluate(benchmark, Predictions(answers), Settings(resampling=FEW)))
    left_out = [int(warning.split()[0].replace(",", "")) for warning in benchmark.warnings if " rows left out: " in warning]
    return len(benchmark.rows) + sum(left_out)


def benchmark(name: str, files: dict, *paths: str, **options) -> tuple:
    def reading(folder):
        return scored(read(name, [folder / path for path in paths] or folder, **options))

    return (lambda: files), reading


def lines_of(path: str):
    return lambda contents: lines_in(contents, path)


GQA_TYPES = {"structural": "verify", "semantic": "attr", "detailed": "verifyAttr"}


def gqa_questions() -> dict:
    return {
        f"q{number}": {
            "question": "Is the cup red?",
            "answer": answer,
            "imageId": f"n{number}",
            "isBalanced": True,
            "types": GQA_TYPES,
            "semantic": [{"operation": "select", "argument": "cup (1)"}, {"operation": "verify", "argument": "red"}],
            "entailed": ["q2"],
            "groups": {"global": "colour"},
        }
        for number, answer in enumerate(("yes", "no", "yes"), 1)
    }


CHOICES = {f"q{number}": {"valid": ["yes", "no"], "plausible": ["yes"]} for number in (1, 2, 3)}
POPE = [
    {"question_id": number, "image": f"{number:012d}.jpg", "text": "Is there a cup?", "label": label}
    for number, label in enumerate(("yes", "no", "yes", "no"), 1)
]
VQA_QUESTIONS = {
    "data_subtype": "val2014",
    "questions": [{"question_id": number, "image_id": 1000 + number, "question": "How many?"} for number in (1, 2, 3)],
}
VQA_ANNOTATIONS = {
    "annotations": [
        {"question_id": number, "image_id": 1000 + number, "answer_type": "number", "answers": [{"answer": "2"}] * 3}
        for number in (1, 2, 3)
    ]
}
TEXTVQA = {
    "dataset_type": "val",
    "data": [
        {
            "question_id": number,
            "image_id": f"ab{number}",
            "question": "brand?",
            "answers": ["x", "y"],
            "image_width": 10,
            "image_height": 5,
        }
        for number in (1, 2)
    ],
}
VSR = [
    {"image": f"{number}.jpg", "caption": "The dog is on it.", "label": number % 2, "relation": "on"}
    for number in (1, 2, 3)
]
PROBLEMS = {
    str(number): {
        "question": "Which?",
        "choices": ["a", "b"],
        "answer": 1,
        "hint": "Look.",
        "split": "test",
        "image": "image.png",
    }
    for number in (4, 5)
}
CHAIN = PhraseChain(
    "5",
    [
        PhraseStep(GroundedPhrase("the jacket", [Box(0.4, 0.4, 0.6, 0.6)])),
        PhraseStep(GroundedPhrase("the man wearing the jacket", [Box(0.3, 0.2, 0.7, 0.9)]), [0], ["the jacket"]),
    ],
)
WHERE = {"image_path": "VG_100K/5.jpg", "width": 100, "height": 50}
STEPS = [
    {
        "text": step.target.text,
        "level": level,
        "boxes": [list(box.xyxy) for box in step.target.boxes],
        "anchors": list(step.anchors),
        "mentions": list(step.mentions),
    }
    for step, level in zip(CHAIN.steps, CHAIN.levels, strict=True)
]
CHAINS = [{"chain_id": f"{number}-0", **WHERE, "steps": STEPS} for number in (5, 6)]
FLAT = [
    {
        "step_id": f"5-0-{number}",
        **WHERE,
        **{name: step[name] for name in ("text", "level", "boxes")},
        "evidence": [{"text": "the jacket", "boxes": STEPS[0]["boxes"]}] if number else [],
    }
    for number, step in enumerate(STEPS)
]
NEGATIVES = [
    {
        "negative_id": f"{number}-0-n0",
        "chain_id": f"{number}-0",
        **WHERE,
        "steps": [
            STEPS[0] | {"absent": False},
            STEPS[1] | {"text": "the dog wearing the jacket", "boxes": [], "absent": True},
        ],
        **{"changed_step": 1, "changed_level": 2, "kind": "object", "old": "man", "new": "dog"},
        **{"was": STEPS[1]["text"], "was_boxes": STEPS[1]["boxes"]},
    }
    for number in (5, 6)
]
ROWS = [to_row(CHAIN, f"{number}.jpg") for number in (5, 6)]
PROMPTS = b"[image]VG/5.jpg<tab><grounding><phrase>the jacket</phrase>\n[image]VG/6.jpg<tab><grounding><phrase>a man</phrase>\n"
REFS_RAW = [
    {
        "ref_id": ref["ref_id"],
        "sentences": ref["sentences"],
        "raw_anns": json.dumps(ANNOTATIONS[0]),
        "raw_image_info": json.dumps(IMAGES[0]),
        "bbox": [1.0, 2.0, 3.0, 4.0],
    }
    for ref in REFS[:2]
]
REFS_ANSWERS = [
    {
        "question_id": str(number),
        "bbox": [1.0, 2.0, 10.0, 5.0],
        "answer": ["a cup", "the cup"],
        "file_name": "7.jpg",
        "image": {"bytes": png(), "path": None},
    }
    for number in (1, 2)
]
XML = b"""<annotation><filename>36979.jpg</filename><size><width>100</width><height>50</height><depth>3</depth></size>
<object><name>1</name><name>2</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>50</xmax><ymax>25</ymax></bndbox></object>
<object><name>3</name><scene>1</scene><nobndbox>0</nobndbox></object></annotation>"""
SENTENCES = (
    b"[/EN#1/people A group of friends] play [/EN#2/other cards] in [/EN#3/scene a room] with [/EN#0/notvisual it] .\n"
)


def _labelled(folder):
    read_promvil_lines(folder / "refcocog_test.txt", labelled=read("compovl", folder / "rows.jsonl"))


def _kind(pair, items=None, share: float = 1.0) -> Kind:
    made, reading = pair
    return Kind(made, reading, items or (lambda contents: None), share)


BENCHMARKS = {
    "refcoco": _kind(
        benchmark(
            "refcoco",
            {
                "refs(unc).p": (pickle.dumps(REFS, 2), "pickle"),
                "instances.json": (json_file({"images": IMAGES, "annotations": ANNOTATIONS}), "json"),
            },
            split="testA",
        ),
        share=2,
    ),
    "refcoco+": _kind(
        benchmark(
            "refcoco+",
            {
                "refs(unc).p": (pickle.dumps(REFS, 0), "pickle"),
                "instances.json": (json_file({"images": IMAGES, "annotations": ANNOTATIONS}), "json"),
            },
            split="testA",
        )
    ),
    "refcocog raw.parquet": _kind(
        benchmark("refcocog", {"raw.parquet": (parquet(REFS_RAW), "parquet")}, "raw.parquet", split="test")
    ),
    "refcocog answers.parquet": _kind(
        benchmark("refcocog", {"answers.parquet": (parquet(REFS_ANSWERS), "parquet")}, "answers.parquet", split="test")
    ),
    "compovl chains": _kind(benchmark("compovl", {"rows.jsonl": (json_lines(*CHAINS), "lines")}, "rows.jsonl")),
    "compovl negatives": _kind(benchmark("compovl", {"rows.jsonl": (json_lines(*NEGATIVES), "lines")}, "rows.jsonl")),
    "compovl steps": _kind(benchmark("compovl", {"rows.json": (json_file(FLAT), "json")}, "rows.json")),
    "compovl steps.parquet": _kind(benchmark("compovl", {"rows.parquet": (parquet(FLAT), "parquet")}, "rows.parquet")),
    "compovl training rows": _kind(benchmark("compovl", {"rows.jsonl": (json_lines(*ROWS), "lines")}, "rows.jsonl")),
    "promvil_lines": _kind(benchmark("promvil_lines", {"gqa_testdev.txt": (PROMPTS, "bytes")}, "gqa_testdev.txt")),
    "promvil_lines labelled": Kind(
        lambda: {"refcocog_test.txt": (PROMPTS, "bytes"), "rows.jsonl": (json_lines(*FLAT), "lines")}, _labelled
    ),
    "flickr30k": _kind(
        benchmark(
            "flickr30k",
            {
                "Annotations/36979.xml": (XML, "bytes"),
                "Sentences/36979.txt": (SENTENCES, "bytes"),
                "test.txt": (b"36979\n", "bytes"),
            },
        )
    ),
    "gqa": _kind(
        benchmark(
            "gqa",
            {"testdev_balanced_questions.json": (json_file(gqa_questions()), "json")},
            "testdev_balanced_questions.json",
        ),
        share=2,
    ),
    "gqa_ood": _kind(
        benchmark(
            "gqa_ood",
            {
                "ood_testdev_head.json": (
                    json_file({"h" + name: row for name, row in gqa_questions().items()}),
                    "json",
                ),
                "ood_testdev_tail.json": (json_file(gqa_questions()), "json"),
            },
        )
    ),
    "pope": _kind(
        benchmark("pope", {"coco_pope_popular.json": (json_lines(*POPE), "lines")}, "coco_pope_popular.json"),
        lines_of("coco_pope_popular.json"),
        share=2,
    ),
    "pope array": _kind(
        benchmark("pope", {"coco_pope_random.json": (json_file(POPE), "json")}, "coco_pope_random.json")
    ),
    "vqav2": _kind(
        benchmark(
            "vqav2",
            {
                "questions.json": (json_file(VQA_QUESTIONS), "json"),
                "annotations.json": (json_file(VQA_ANNOTATIONS), "json"),
            },
            "questions.json",
            "annotations.json",
        ),
        share=2,
    ),
    "textvqa": _kind(
        benchmark("textvqa", {"TextVQA_0.5.1_val.json": (json_file(TEXTVQA), "json")}, "TextVQA_0.5.1_val.json")
    ),
    "vsr": _kind(benchmark("vsr", {"dev.jsonl": (json_lines(*VSR), "lines")}, "dev.jsonl"), lines_of("dev.jsonl")),
    "choice problems": _kind(
        benchmark("choice", {"problems.json": (json_file(PROBLEMS), "json")}, "problems.json", split="test")
    ),
    "choice rows": _kind(
        benchmark(
            "choice",
            {"rows.jsonl": (json_lines(*(row | {"id": key} for key, row in PROBLEMS.items())), "lines")},
            "rows.jsonl",
        ),
        lines_of("rows.jsonl"),
    ),
}


def _with_choices(folder):
    return scored(read("gqa", folder / "testdev_questions.json", choices=folder / "choices.json"))


BENCHMARKS["gqa choices"] = Kind(
    lambda: {"testdev_questions.json": (json_file(gqa_questions()), ""), "choices.json": (json_file(CHOICES), "json")},
    _with_choices,
)


# Files of answers


@cache
def _pope(folder):
    (folder / "pope.json").write_bytes(json_lines(*POPE))
    return read("pope", folder / "pope.json")


@cache
def _steps(folder):
    (folder / "steps.jsonl").write_bytes(json_lines(*FLAT))
    return read("compovl", folder / "steps.jsonl")


def _texts(folder):
    return _answered(_pope(folder), folder / "answers.jsonl")


def _boxes(folder):
    return _answered(_steps(folder), folder / "answers.jsonl")


def _dialect(folder):
    return _answered(_steps(folder), folder / "answers.jsonl", dialect="qwen_json")


def _answered(benchmark, path, **settings) -> int:
    """Every line is an answer, or counted as a fault; of an id that is given twice, one is kept."""
    predictions = read_predictions(path)
    report = evaluate(benchmark, predictions, Settings(resampling=FEW, **settings))
    table_text(report)
    report.save(path.with_name("report.json"))
    return (
        len(predictions.answers)
        + len(predictions.contested)
        + sum(fault.count for fault in predictions.faults.values())
    )


def _answers(*rows):
    return lambda: {"answers.jsonl": (json_lines(*rows), "lines")}


_EVERY_LINE = lines_of("answers.jsonl")
PREDICTIONS = {
    "answers of texts": Kind(
        _answers(*({"question_id": row["question_id"], "text": row["label"]} for row in POPE)),
        _texts,
        _EVERY_LINE,
        share=2,
    ),
    "answers of boxes": Kind(
        _answers(*({"id": row["step_id"], "boxes": row["boxes"]} for row in FLAT)), _boxes, _EVERY_LINE, share=2
    ),
    "answers in a dialect": Kind(
        _answers(*({"id": row["step_id"], "text": '[{"bbox_2d": [10, 10, 50, 40], "label": "x"}]'} for row in FLAT)),
        _dialect,
        _EVERY_LINE,
    ),
}
