# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A folder of twins, as `promvil twins` writes it: questions, what is hidden in their pictures, and how twins are drawn.

    twins.json       settings, the question set, where the pictures are, how regions were found, counts
    rows.jsonl       a row of the FiVL form for each question with a region: key boxes and masks in original coordinates
    questions.jsonl  the same questions as their benchmark has them, by which answers are scored
    twins.jsonl      each twin: its id, question, kind, hidden share, and its picture where pictures were written
    left_out.jsonl   the other questions, each with the reason

Pictures are drawn from the rows whenever they are needed, always the same; `images/` is only for programs of one's own.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypedDict

import msgspec

from promvil_hf import jobs
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.twin_answers import TwinSettings, twin_id, usable
from promvil_hf.evaluation.twin_regions import NO_PICTURE
from promvil_hf.files import atomic_write, write_json, write_json_lines
from promvil_hf.fivl.fivl_rows import FivlRow
from promvil_hf.fivl.row_files import read_fivl_rows
from promvil_hf.fivl.twins import Twin, TwinSummary
from promvil_hf.images import UnreadableImage
from promvil_hf.job_terms import TERMS, Terms
from promvil_hf.json_documents import json_document, typed
from promvil_hf.json_records import Record, RecordError, records


FORMAT = 1
SHARD = 32


class _Settings(TypedDict):
    kinds: list[str]
    fill: str
    seed: int
    metric: str | None


class _Asked(TypedDict):
    name: str
    split: str
    kind: str
    files: list[str]
    warnings: list[str]


class _Hidden(TypedDict):
    mean: float
    quartiles: list[float]


class _Counts(TypedDict):
    rows: int
    rows_with_twins: int
    rows_without_key_expressions: int
    labels: dict[str, int]
    labels_of_rows_with_twins: dict[str, int]
    random_boxes_that_had_to_touch_key_boxes: int
    covered: dict[str, _Hidden]


class _About(TypedDict):
    regions: dict[str, Any]
    counts: _Counts
    left_out: dict[str, int]


@dataclass(frozen=True, slots=True)
class TwinFolder:
    """`benchmark` holds the questions; it is None where the twins were made of rows of FiVL-Instruct, which are scored by
    the way of their source. `about` says how it was made."""

    rows: tuple[FivlRow, ...]
    settings: TwinSettings
    images: Path
    benchmark: Benchmark | None
    about: Mapping[str, Any]

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "TwinFolder":
        folder = Path(folder)
        if not (folder / "twins.json").is_file():
            raise ValueError(f"{folder} holds no twins.json: it is no folder that `promvil twins` finished.")
        head = json_document(folder / "twins.json")
        of = (head.get("kind", default=None), head.get("format", default=None))
        if of != ("twins", FORMAT):
            raise ValueError(f"{folder / 'twins.json'} is of kind {of[0]!r} and format {of[1]!r}: 'twins' and {FORMAT} are read.")
        where = f"{folder / 'twins.json'},"
        settings = typed(head.get("settings"), _Settings, f"{where} `settings`,", "as `promvil twins` writes them")
        asked = head.get("benchmark", default=None)
        benchmark = None
        if asked is not None:
            asked = typed(asked, _Asked, f"{where} `benchmark`,", "as `promvil twins` writes it")
            rows = tuple(_question(record, asked["kind"]) for record in records(folder / "questions.jsonl"))
            benchmark = Benchmark(asked["name"], asked["split"], asked["kind"], rows, asked["files"], asked["warnings"])
        found = tuple(read_fivl_rows(folder / "rows.jsonl"))
        if benchmark is not None and {row.row_id for row in found} != {row.id for row in benchmark.rows}:
            raise ValueError(f"{folder} is damaged: rows.jsonl and questions.jsonl hold other questions. Make it anew.")
        about = {name: head.get(name) for name in _About.__annotations__}
        about = typed(about, _About, f"{folder / 'twins.json'}", "as `promvil twins` writes it")
        return cls(found, TwinSettings(**settings), Path(head.text("images")), benchmark, about)


def write_folder(
    out: Path,
    rows: Sequence[FivlRow],
    benchmark: Benchmark | None,
    pictures: Pictures,
    settings: TwinSettings,
    *,
    regions: Mapping[str, Any],
    left_out: Sequence[tuple[str, jobs.Rejected]] = (),
    with_pictures: bool = False,
    terms: Terms = TERMS,
) -> TwinFolder:
    """Draws every twin once, to measure it and where asked to write it, and then writes the folder."""
    kept = usable(rows)
    jobs.check_some(len(kept), {"nothing to hide": len(rows)}, str(out))
    terms.run(
        kept, lambda batch: [_drawn(row, pictures, settings, benchmark, out if with_pictures else None) for row in batch],
        out / "work/drawn", key=lambda row: row.row_id, shard_size=SHARD,
        describe={
            "stage": "twins", "settings": asdict(settings), "pictures": with_pictures,
            "rows": sha256(msgspec.json.encode([row.to_dict() for row in kept])).hexdigest(),
        },
    )  # fmt: skip
    drawn = dict(jobs.rows(out / "work/drawn"))
    left_out = [*left_out, *jobs.rejects(out / "work/drawn")]
    summary = TwinSummary()
    for row in kept:
        if row.row_id in drawn:
            summary.add(row.turns[0].answer, [Twin(line["kind"], None, line["covered"], (), line["on_keys"]) for line in
                                              drawn[row.row_id]["twins"]])  # fmt: skip
    kept = [row for row in kept if row.row_id in drawn]
    if benchmark is not None:
        sizes = {row.row_id: row.image_size for row in kept}
        asked = tuple(msgspec.structs.replace(row, image_size=sizes[row.id]) for row in benchmark.rows if row.id in sizes)
        benchmark = replace(benchmark, rows=asked)
        write_json_lines(out / "questions.jsonl", map(msgspec.to_builtins, benchmark.rows))
    write_json_lines(out / "rows.jsonl", (row.to_dict() for row in kept))
    write_json_lines(out / "twins.jsonl", (line for row in kept for line in drawn[row.row_id]["twins"]))
    write_json_lines(
        out / "left_out.jsonl", ({"id": name, "reason": why.reason, "detail": why.detail} for name, why in left_out)
    )
    reasons: dict[str, int] = {}
    for _, why in left_out:
        reasons[why.reason] = reasons.get(why.reason, 0) + 1
    about = {"regions": dict(regions), "counts": summary.to_dict(), "left_out": dict(sorted(reasons.items()))}
    about_benchmark = benchmark and {name: benchmark.describe()[name] for name in _Asked.__annotations__}
    write_json(
        out / "twins.json",
        {
            "format": FORMAT, "kind": "twins", "images": str(pictures.folder.resolve()), "settings": asdict(settings),
            "benchmark": about_benchmark, **about,
        },
    )  # fmt: skip
    return TwinFolder(tuple(kept), settings, pictures.folder, benchmark, about)


def _drawn(
    row: FivlRow, pictures: Pictures, settings: TwinSettings, benchmark: Benchmark | None, out: Path | None
) -> dict | jobs.Rejected:
    try:
        return {"twins": list(_lines(row, settings.twins(row, pictures), out))}
    except UnreadableImage as error:
        return jobs.Rejected(NO_PICTURE, str(error))


def _lines(row: FivlRow, made: Iterator[Twin], out: Path | None) -> Iterator[dict[str, Any]]:
    for twin in made:
        name, key = None, twin_id(row.row_id, twin.kind)
        if twin.image is not None and out is not None:
            name = f"images/{sha256(key.encode()).hexdigest()[:20]}.png"
            with atomic_write(out / name, "wb") as file:
                twin.image.save(file, format="PNG")
        yield {
            "id": key, "image": name, "question": row.turns[0].question, "kind": twin.kind,
            "covered": round(twin.covered, 6), "on_keys": round(twin.on_keys, 6), "boxes": [list(box) for box in twin.boxes],
        }  # fmt: skip


def _question(record: Record, kind: str) -> BenchmarkRow:
    row = typed(record.whole_fields(), BenchmarkRow, record.where, "a question as `promvil twins` writes it")
    if not _is_whole(row, kind):
        raise RecordError(f"{record.where} is damaged: it does not say what is right as a question of the kind {kind!r} does.")
    return row


def _is_whole(row: BenchmarkRow, kind: str) -> bool:
    """Whether a question has the truth that its kind is scored by."""
    if kind == "grounding":
        return row.absent or bool(row.boxes or row.masks)
    if kind == "choice":
        return row.answers in [(str(place),) for place in range(len(row.choices))]
    known = {"pope": ("yes", "no"), "true_false": ("true", "false"), "one_word": row.choices}.get(kind)
    if known is not None:
        return len(row.answers) == 1 and row.answers[0] in known
    return bool(row.answers) and (kind != "gqa" or row.record is not None)
