# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Kinds of files: benchmarks with absent things, units and strata, and rows of a user."""

from promvil_hf.evaluation.benchmarks import READERS
from tests.mutations.files_of_benchmarks import (
    BENCHMARKS,
    VQA_ANNOTATIONS,
    VQA_QUESTIONS,
    benchmark,
    json_file,
    json_lines,
    lines_of,
    parquet,
)
from tests.mutations.running import Kind
from tests.unit.evaluation.benchmarks import hard_files as made
from tests.unit.evaluation.benchmarks.files import ANNOTATIONS, IMAGES


def _kind(name: str, files: dict, *paths: str, items=lambda contents: None, **options) -> Kind:
    return Kind(*benchmark(name, files, *paths, **options), items)


def _json(name: str, path: str, value, **options) -> Kind:
    return _kind(name, {path: (json_file(value), "json")}, path, **options)


def _lines(name: str, *rows, **options) -> Kind:
    return _kind(name, {"rows.jsonl": (json_lines(*rows), "lines")}, "rows.jsonl", items=lines_of("rows.jsonl"), **options)


HARD_BENCHMARKS = {
    "refadv": _lines("refadv", *made.REFADV),
    "refadv.parquet": _kind("refadv", {"train.parquet": (parquet(made.REFADV_HUB), "parquet")}, "train.parquet"),
    "refadv predictions": _kind(
        "refadv",
        {"said.jsonl": (json_lines(*made.REFADV_PREDICTIONS), "lines"), "sizes.json": (json_file(made.SIZES), "json")},
        "said.jsonl",
        "sizes.json",
    ),
    "ref_l4": _lines("ref_l4", *made.REF_L4),
    "finecops coco": _json("finecops", "test_expression_all_coco_format.json", made.finecops_coco()),
    "finecops rows": _kind(
        "finecops",
        {
            "test_expression_all.json": (json_file(made.finecops_rows()), "json"),
            "val_sceneGraphs.json": (json_file(made.SCENE_GRAPHS), "json"),
        },
        "test_expression_all.json",
        "val_sceneGraphs.json",
    ),
    "grefcoco": _kind(
        "grefcoco",
        {
            "grefs(unc).json": (json_file(made.GREFS), "json"),
            "instances.json": (json_file({"images": IMAGES, "annotations": ANNOTATIONS}), "json"),
        },
        split="val",
    ),
    "grefcoco coco": _json("grefcoco", "finetune_grefcoco_val.json", made.GREF_COCO),
    "okvqa": _kind(
        "okvqa",
        {"questions.json": (json_file(VQA_QUESTIONS), "json"), "annotations.json": (json_file(VQA_ANNOTATIONS), "json")},
        "questions.json",
        "annotations.json",
    ),
    "vizwiz": _json("vizwiz", "val.json", made.VIZWIZ),
    "hallusionbench": _json("hallusionbench", "HallusionBench.json", made.HALLUSION),
    "naturalbench": _json("naturalbench", "test_set.json", made.NATURAL),
    "naturalbench.parquet": _kind("naturalbench", {"train.parquet": (parquet(made.NATURAL_HUB), "parquet")}, "train.parquet"),
    "mmvp": _kind("mmvp", {"Questions.csv": (made.mmvp_csv(6).encode(), "bytes")}, "Questions.csv"),
    "rows places": _lines("rows", *made.PLAIN_PLACES),
    "rows yes or no": _lines("rows", *made.PLAIN_YES_NO),
    "rows choices": _lines("rows", *made.PLAIN_CHOICES),
    "rows statements": _lines("rows", *made.PLAIN_STATEMENTS),
    "rows people": _lines("rows", *made.PLAIN_PEOPLE),
}

assert {name.split()[0] for name in (*BENCHMARKS, *HARD_BENCHMARKS)} >= set(READERS)
