# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Answers whose ids follow another scheme than the benchmark's: those that are known are put under the benchmark's ids.

Only answers of which no id is the benchmark's are looked at. No torch.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from promvil_hf.evaluation.benchmarks import Benchmark
from promvil_hf.evaluation.predictions import Predictions


_LLAVA = 10_000_000  # LLaVA asks POPE's groups as one file, and adds a multiple of this to the ids of each
_LLAVA_GROUPS = {"random": 1, "popular": 2}


def under_benchmark_ids(predictions: Predictions, benchmark: Benchmark) -> tuple[Predictions, str | None]:
    """The same answers under the benchmark's ids, and the scheme that theirs follow; None where they are the benchmark's."""
    given = predictions.answers.keys() | predictions.contested
    if not given.isdisjoint(row.id for row in benchmark.rows):
        return predictions, None
    for scheme in (_of_llava, _of_images):
        benchmark_ids, scheme_name = scheme(given, benchmark)
        if benchmark_ids:
            answers = {benchmark_ids.get(row_id, row_id): answer for row_id, answer in predictions.answers.items()}
            contested = frozenset(benchmark_ids.get(row_id, row_id) for row_id in predictions.contested)
            return replace(predictions, answers=answers, contested=contested), scheme_name
    return predictions, None


def _of_llava(given: set[str], benchmark: Benchmark) -> tuple[Mapping[str, str], str]:
    """POPE's ids with a multiple of ten million added, one for each group of questions."""
    numbers = [int(row_id) for row_id in given if row_id.isdecimal() and row_id.isascii() and len(row_id) < 10]
    groups = {row.group for row in benchmark.rows}
    if benchmark.kind != "pope" or not numbers or len(groups) != 1:
        return {}, ""
    added = {number // _LLAVA for number in numbers} - {0}
    expected = _LLAVA_GROUPS.get(str(*groups))
    added &= {expected} if expected else added - {*_LLAVA_GROUPS.values()}
    if len(added) != 1:
        return {}, ""
    [group] = added
    known = {row.id for row in benchmark.rows}
    benchmark_ids = {str(number): str(number % _LLAVA) for number in numbers if number // _LLAVA == group}
    benchmark_ids = {theirs: ours for theirs, ours in benchmark_ids.items() if ours in known}
    return benchmark_ids, f"LLaVA's: {group * _LLAVA:,} + the id of POPE"


def _of_images(given: set[str], benchmark: Benchmark) -> tuple[Mapping[str, str], str]:
    """Ids of images: names with or without their ending, or COCO's numbers. Only where no two rows share an image."""
    by_image: dict[str, str] = {}
    for row in benchmark.rows:
        stem = PurePosixPath(row.image).stem
        number = re.search(r"\d+\Z", stem)
        names = (row.image, stem, *((number[0], str(int(number[0]))) if number and len(number[0]) < 20 else ()))
        by_image |= dict.fromkeys(names, row.id)
    found = given & by_image.keys()
    if 2 * len(found) <= len(given):
        return {}, ""
    several = sum(count > 1 for count in Counter(row.image_id for row in benchmark.rows).values())
    if several:
        raise ValueError(
            f"The ids of the answers are those of images, such as {min(found)!r}, and {several:,} images of {benchmark.name} "
            f"{benchmark.split} have several questions: an answer cannot be matched to one of them. Write the ids of the "
            f"questions into the file, such as {benchmark.rows[0].id!r}."
        )
    return {theirs: by_image[theirs] for theirs in found}, "those of the images, each of which has one question"
