# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A model's answers to twins: each row is asked with its picture as it is and with parts of it hidden, resumably.

    rows + pictures + backend  --answer_twins-->  answers, {id: "row/kind", text}

`promvil_hf.evaluation.reliance` scores the answers. This module does not load torch by itself.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from promvil_hf import jobs
from promvil_hf.evaluation.answering import Asking, prompt_of, run_answers
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.predictions import Answer, Predictions
from promvil_hf.fivl.fivl_rows import FivlRow
from promvil_hf.fivl.twins import FILLS, KINDS, Twin, key_boxes, twins
from promvil_hf.images import UnreadableImage


if TYPE_CHECKING:
    from promvil_hf.backends.base import GroundingBackend, Request


METRICS = {  # of rows that have no benchmark of their own
    "vqa": "VQAv2's soft accuracy over several people's answers",
    "gqa": "the whole answer is right, as GQA counts",
    "pope": "yes or no",
}
SCORED_BY = {
    **METRICS,
    "grounding": "a box that overlaps the true one by half",
    "true_false": "true or false",
    "choice": "the right choice",
    "one_word": "the right one of a few words",
}
SHARD = 32  # rows with all their twins
ORIGINAL, MASKED = "original", "key boxes"


@dataclass(frozen=True, slots=True)
class TwinSettings:
    """Which twins are asked about, how they are made, and how answers are scored (None: as the data set does)."""

    kinds: tuple[str, ...] = KINDS
    fill: str = "black"
    seed: int = 0
    metric: str | None = None

    def __post_init__(self):
        object.__setattr__(self, "kinds", tuple(self.kinds))
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or self.fill not in FILLS or not {ORIGINAL, MASKED} <= set(self.kinds):
            raise ValueError(
                f"You passed kinds={list(self.kinds)}, fill={self.fill!r}: kinds are {', '.join(KINDS)}, with "
                f"{ORIGINAL!r} and {MASKED!r} among them; fills are {', '.join(FILLS)}."
            )
        if self.metric is not None and self.metric not in METRICS:
            raise ValueError(f"You passed metric={self.metric!r}: it is one of {', '.join(METRICS)}.")

    def metric_of(self, rows: Sequence[FivlRow]) -> str:
        """How the answers to these rows are scored."""
        return self.metric or metric_of(rows)

    def twins(self, row: FivlRow, pictures: Pictures) -> Iterator[Twin]:
        return twins(row, pictures.open(row.image_path), self.kinds, self.fill, self.seed)


def metric_of(rows: Sequence[FivlRow]) -> str:
    """The data set's own way to score, from the rows' source."""
    sources = {row.source for row in rows}
    for metric, beginnings in (("vqa", ("vqa", "textvqa")), ("gqa", ("gqa",)), ("pope", ("pope",))):
        if sources and all(source.startswith(beginnings) for source in sources):
            return metric
    raise ValueError(
        f"These rows are from {', '.join(sorted(sources)) or 'nowhere'}, whose own way of scoring is not known: say which "
        f"with --metric, one of {', '.join(METRICS)}."
    )


def answer_twins(
    rows: Sequence[FivlRow],
    pictures: Pictures,
    backend: "GroundingBackend",
    out: str | os.PathLike,
    *,
    benchmark: Benchmark | None = None,
    settings: TwinSettings = TwinSettings(),  # noqa: B008
    asking: Asking = Asking(),  # noqa: B008
    model: Mapping[str, Any],
    progress: bool = True,
    restart: bool = False,
) -> Predictions | None:
    """Ask the backend about every twin of every row; None while other ranks still have shards to do.

    `benchmark` has the questions under the ids of the rows, where they were made of one: they are then asked as it asks them.
    One item is one row with all its twins, so a kill never parts a pair. `model` names what answers: a folder begun with
    another one is refused, or with `restart` emptied. Answers also land in `out`/predictions.jsonl.
    """
    if asking.mode != "one_shot":
        raise ValueError(
            f"You passed mode={asking.mode!r}: twins are asked as they stand, because boxes found in a masked picture "
            'would be evidence of their own. Pass mode="one_shot".'
        )
    kind, rows = benchmark.kind if benchmark is not None else settings.metric_of(rows), usable(rows)
    questions = {row.id: row for row in benchmark.rows} if benchmark is not None else {}

    def work(batch: Sequence[FivlRow]) -> list[Any]:
        results: list[Any] = []
        requests = _Requests(backend, asking)
        for row in batch:
            question = questions.get(row.row_id) or BenchmarkRow(row.row_id, row.image_path, row.turns[0].question)
            prompt = prompt_of(question, kind, backend.dialect, asking)
            try:
                made = settings.twins(row, pictures)
            except UnreadableImage as error:
                results.append(jobs.Rejected("no picture", str(error)))
                continue
            results.append({"prompt": prompt, "answers": {}, "ended": {}, "covered": {}, "on_keys": {}})
            for twin in made:
                requests.add(results[-1], prompt, twin)
        requests.send()
        return results

    describe = {
        "model": dict(model),
        "rows": content_hash(rows),
        "twins": {"kinds": settings.kinds, "fill": settings.fill, "seed": settings.seed},
        "asking": {"prompt": asking.prompt, "max_new_tokens": asking.max_new_tokens},
    }
    job = {"key": lambda row: row.row_id, "describe": describe, "shard_size": SHARD, "progress": progress,
           "restart": restart}  # fmt: skip
    covered: dict[str, list[float]] = {}

    def answers_of(row_id: str, row: Mapping[str, Any]) -> Iterator[tuple[str, Answer]]:
        for kind, text in row["answers"].items():
            covered.setdefault(kind, []).append(row["covered"][kind])
            yield twin_id(row_id, kind), Answer(text=text)

    found = run_answers(rows, work, Path(out), answers_of, **job)
    if found is None:
        return None
    shares = {kind: round(float(np.mean(of_kind)), 4) for kind, of_kind in covered.items()}
    return Predictions(found.answers, {}, {**found.source, "covered": shares})


@dataclass(slots=True)
class _Requests:
    """Requests about the twins of many rows, sent a batch at a time; each answer goes to the result of its row."""

    backend: "GroundingBackend"
    asking: Asking
    waiting: list[tuple[dict, str, "Request"]] = field(default_factory=list)

    def add(self, result: dict, prompt: str, twin: Twin) -> None:
        from promvil_hf.backends.base import Request

        result["covered"][twin.kind] = round(twin.covered, 6)
        result["on_keys"][twin.kind] = round(twin.on_keys, 6)
        self.waiting.append((result, twin.kind, Request(prompt, twin.image)))
        if len(self.waiting) == self.asking.batch_size:
            self.send()

    def send(self) -> None:
        from promvil_hf.backends.base import Decoding
        from promvil_hf.endpoint import REASONS, check_answered

        batch, self.waiting = self.waiting, []
        if not batch:
            return
        decoding = Decoding(max_new_tokens=self.asking.max_new_tokens)
        answers = self.backend.generate([request for _, _, request in batch], decoding)
        check_answered([said.ended for said in answers])
        for (result, kind, _), said in zip(batch, answers, strict=True):
            result["ended"][kind] = said.ended
            if said.ended not in REASONS:  # a server's refusal is no answer: it is missing, and counted
                result["answers"][kind] = said.text


def twin_id(row_id: str, kind: str) -> str:
    return f"{row_id}/{kind}"


def usable(rows: Iterable[FivlRow]) -> list[FivlRow]:
    """Rows that have something to hide."""
    return [row for row in rows if key_boxes(row)]


def content_hash(rows: Iterable[FivlRow]) -> str:
    """SHA-256 over what is asked, what is right and what is hidden, in any order of the rows."""
    found = sha256()
    for line in sorted(json.dumps(row.to_dict(), sort_keys=True, ensure_ascii=False) for row in rows):
        found.update(line.encode() + b"\n")
    return found.hexdigest()
