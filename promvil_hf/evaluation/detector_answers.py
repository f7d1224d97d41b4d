# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A detector's answers to a benchmark of expressions, composed level by level or one-shot: the same job as a model's."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promvil_hf import jobs
from promvil_hf.evaluation.answering import SHARD, name_of, run_answers, with_pictures
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.predictions import Answer, Predictions


if TYPE_CHECKING:
    from PIL import Image

    from promvil_hf.grounding import ComposedGrounder


def detector_answers(
    benchmark: Benchmark,
    grounder: "ComposedGrounder",
    pictures: Pictures | None,
    out: str | os.PathLike,
    *,
    model: Mapping[str, Any],
    progress: bool = True,
    restart: bool = False,
) -> Predictions | None:
    """The boxes for every row, in fractions; None while other ranks are at work. `model` names the detector, and `restart`
    begins anew, as in `answering.answer`."""
    from promvil_hf.grounding import Query

    if benchmark.kind not in ("grounding", "unlabelled"):
        raise ValueError(
            f"You passed --detector for {benchmark.name}, which asks for answers in words ({benchmark.kind}): a detector only "
            "finds things. Pass --model or --base-url."
        )
    if pictures is None:
        raise ValueError("You passed no folder of pictures: name it with --images.")

    def ask(shown: Sequence[tuple[BenchmarkRow, "Image.Image | None"]]) -> list[dict[str, Any] | jobs.Rejected]:
        traces = grounder.ground_all([Query(picture, row.text) for row, picture in shown], progress=False)
        answers: list[dict[str, Any] | jobs.Rejected] = []
        for trace in traces:
            if not trace.steps:
                reason, _, detail = (trace.reason or "").partition(": ")
                answers.append(jobs.Rejected(reason, detail))
                continue
            row = trace.to_dict(times=False)
            answers.append({"boxes": row["boxes"], "reason": row["reason"], "steps": row["steps"]})
        return answers

    describe = {"model": dict(model), "benchmark": name_of(benchmark), "settings": asdict(grounder.options)}
    return run_answers(
        benchmark.rows,
        with_pictures(ask, pictures),
        Path(out),
        lambda row_id, row: [(row_id, Answer(boxes=row["boxes"]))],
        key=lambda row: row.id,
        describe=describe,
        shard_size=SHARD,
        progress=progress,
        restart=restart,
    )
