# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Benchmarks from the files people really have, all to one row type, each with split, size, content hash and warnings.

    from promvil_hf.evaluation.benchmarks import read

    read("pope", "coco_pope_popular.json").describe()

Images are not opened, except where a Parquet file says a box's size in no other way.
"""

from collections.abc import Callable

from promvil_hf.evaluation.benchmarks.benchmark_rows import KINDS, BadRows, Benchmark, BenchmarkRow
from promvil_hf.evaluation.benchmarks.expressions import read_ref_l4, read_refadv
from promvil_hf.evaluation.benchmarks.finecops import read_finecops
from promvil_hf.evaluation.benchmarks.flickr30k import read_flickr30k
from promvil_hf.evaluation.benchmarks.grefcoco import read_grefcoco
from promvil_hf.evaluation.benchmarks.paired_questions import read_hallusionbench, read_mmvp, read_naturalbench
from promvil_hf.evaluation.benchmarks.people_answers import read_textvqa, read_vizwiz, read_vqav2
from promvil_hf.evaluation.benchmarks.plain_rows import read_rows
from promvil_hf.evaluation.benchmarks.promvil import read_compovl, read_promvil_lines
from promvil_hf.evaluation.benchmarks.questions import (
    read_choices,
    read_gqa,
    read_gqa_ood,
    read_pope,
    read_vsr,
)
from promvil_hf.evaluation.benchmarks.refcoco import read_refcoco
from promvil_hf.files import Files


__all__ = [
    "KINDS",
    "READERS",
    "Benchmark",
    "BenchmarkRow",
    "read",
    "read_choices",
    "read_compovl",
    "read_finecops",
    "read_flickr30k",
    "read_gqa",
    "read_gqa_ood",
    "read_grefcoco",
    "read_hallusionbench",
    "read_mmvp",
    "read_naturalbench",
    "read_pope",
    "read_promvil_lines",
    "read_ref_l4",
    "read_refadv",
    "read_refcoco",
    "read_rows",
    "read_textvqa",
    "read_vizwiz",
    "read_vqav2",
    "read_vsr",
]

READERS: dict[str, tuple[Callable[..., Benchmark], dict, str]] = {  # name: (reader, options, what it reads)
    "refcoco": (read_refcoco, {"name": "refcoco"}, "refs(unc).p and instances.json, or Parquet"),
    "refcoco+": (read_refcoco, {"name": "refcoco+"}, "refs(unc).p and instances.json, or Parquet"),
    "refcocog": (read_refcoco, {"name": "refcocog"}, "refs(umd).p and instances.json, or Parquet"),
    "grefcoco": (read_grefcoco, {}, "grefs(unc).json and instances.json, or COCO's form with captions"),
    "refadv": (read_refadv, {}, "Ref-Adv's Parquet or JSON, or published predictions beside a COCO file with sizes"),
    "ref_l4": (read_ref_l4, {}, "ref-l4-val.parquet and ref-l4-test.parquet"),
    "finecops": (read_finecops, {}, "test_expression_all_coco_format.json, or test_expression_all.json and GQA's scene graphs"),
    "compovl": (read_compovl, {}, "a folder that was built, its views default, steps and negatives, or rows in PromViL's format"),
    "promvil_lines": (read_promvil_lines, {}, "PromViL's lines of prompts (no truth in them)"),
    "flickr30k": (read_flickr30k, {}, "the folder with Annotations, Sentences and test.txt"),
    "gqa": (read_gqa, {}, "testdev_balanced_questions.json and its like"),
    "gqa_ood": (read_gqa_ood, {}, "ood_testdev_head.json and ood_testdev_tail.json"),
    "pope": (read_pope, {}, "coco_pope_popular.json and its like"),
    "vqav2": (read_vqav2, {}, "questions file and annotations file"),
    "okvqa": (read_vqav2, {"name": "okvqa"}, "questions file and annotations file"),
    "textvqa": (read_textvqa, {}, "TextVQA_0.5.1_val.json"),
    "vizwiz": (read_vizwiz, {}, "val.json, or questions file and annotations file"),
    "hallusionbench": (read_hallusionbench, {}, "HallusionBench.json"),
    "naturalbench": (read_naturalbench, {}, "test_set.json, or Parquet"),
    "mmvp": (read_mmvp, {}, "Questions.csv"),
    "vsr": (read_vsr, {}, "dev.jsonl and its like"),
    "choice": (read_choices, {}, "ScienceQA's problems.json, or rows with choices"),
    "rows": (read_rows, {}, "rows of your own in the form of docs/evaluation.md"),
}
_WITH_CHOICES = ("gqa", "gqa_ood")


def read(
    name: str, files: Files, split: str | None = None, choices: Files | None = None, bad: BadRows | None = None
) -> Benchmark:
    """The benchmark of this name from its files. `choices` is GQA's choices file.

    A row that cannot be read refuses the files, because scores on the rest would not be the benchmark's. With `bad`, which
    GQA, GQA-OOD, POPE, VQAv2 and OK-VQA take, it is put there and left out, for those who do not score.
    """
    if name not in READERS:
        raise ValueError(f"You passed the benchmark {name!r}: it is one of {', '.join(READERS)}.")
    reader, options, _ = READERS[name]
    if choices is not None:
        if name not in _WITH_CHOICES:
            raise ValueError(f"You passed a choices file for {name}: only {' and '.join(_WITH_CHOICES)} have one.")
        options = {**options, "choices": choices}
    if split is not None:
        options = {**options, "split": split}
    elif reader is read_refcoco:
        raise ValueError(f"You passed no split for {name}: its files hold several, such as val, testA or test.")
    if bad is not None:
        options = {**options, "bad": bad}
    return reader(files, **options)
