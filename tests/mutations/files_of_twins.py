# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Kinds of files: what twins of questions read (places of questions, ids of rows) and the folder that they are kept in."""

import tempfile
from functools import cache
from pathlib import Path

from promvil_hf.boxes import Box
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.predictions import Answer, Predictions
from promvil_hf.evaluation.reliance import reliance
from promvil_hf.evaluation.row_ids import only_rows, write_ids
from promvil_hf.evaluation.twin_answers import TwinSettings, twin_id
from promvil_hf.evaluation.twin_folder import TwinFolder, write_folder
from promvil_hf.evaluation.twin_page import twin_page
from promvil_hf.evaluation.twin_regions import by_places, find_regions, given_phrases, places_of_file
from promvil_hf.fivl.fivl_rows import FivlRow
from promvil_hf.job_terms import Terms
from promvil_hf.jobs import rejects, rows
from promvil_hf.masks import from_boxes
from tests.mutations.files_of_benchmarks import FEW, json_lines, png
from tests.mutations.running import Kind


_SETTINGS, _QUIET = TwinSettings(("original", "key boxes", "random boxes")), Terms(progress=False)
_BOX = Box(0.1, 0.2, 0.5, 0.7)
ASKED = Benchmark("asked", "test", "choice", [
    BenchmarkRow(name, "1.png", "What is it?", answers=("1",), choices=("a tree", "a bus")) for name in "abc"
])  # fmt: skip
PLACES = [
    {"id": "a", "boxes": [[0.1, 0.2, 0.5, 0.7]], "text": "bus"},
    {"id": "b", "mask": from_boxes([_BOX], (20, 10)).to_dict(), "text": "bus"},
    {"id": "c", "boxes": [[0.1, 0.2, 0.5, 0.7], [0.6, 0.2, 0.9, 0.7]]},
]


def _places(folder: Path) -> int:
    """Each question ends among the rows or the rejects."""
    places, lost = places_of_file(folder / "places.jsonl", ASKED)
    with tempfile.TemporaryDirectory() as out:
        find_regions(
            ASKED, Pictures(folder), Path(out), lambda row: given_phrases(row, "choice", places, lost), by_places(ASKED, places),
            describe={}, terms=_QUIET,
        )  # fmt: skip
        return len(list(rows(out))) + len(list(rejects(out)))


@cache
def twins() -> dict[str, tuple[bytes, str]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "1.png").write_bytes(png())
        (folder / "places.jsonl").write_bytes(json_lines(*PLACES))
        places, _ = places_of_file(folder / "places.jsonl", ASKED)
        work = by_places(ASKED, places)
        find_regions(
            ASKED, Pictures(folder), folder / "job", lambda row: given_phrases(row, "choice", places), work, describe={},
            terms=_QUIET,
        )  # fmt: skip
        found = [FivlRow.from_dict(row) for _, row in rows(folder / "job")]
        write_folder(folder / "out", found, ASKED, Pictures(folder), _SETTINGS, regions={}, terms=_QUIET)
        return {
            path.name: (path.read_bytes(), "json" if path.suffix == ".json" else "lines")
            for path in sorted((folder / "out").iterdir())
            if path.name in ("twins.json", "rows.jsonl", "questions.jsonl")
        } | {"1.png": (png(), "")}


def _folder(folder: Path) -> None:
    made = TwinFolder.load(folder)
    str(twin_page(made, Pictures(folder)))
    said = {twin_id(row.row_id, kind): Answer(text="B") for row in made.rows for kind in _SETTINGS.kinds}
    reliance(made.rows, Predictions(said), benchmark=made.benchmark, settings=made.settings, resampling=FEW)


def _ids(folder: Path) -> None:
    only_rows(ASKED, folder / "ids.jsonl")


def ids() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write_ids(Path(folder, "ids.jsonl"), "ab").read_bytes()


TWINS = {
    "places of questions": Kind(
        lambda: {"1.png": (png(), ""), "places.jsonl": (json_lines(*PLACES), "lines")}, _places, lambda contents: len(ASKED.rows)
    ),
    "folder of twins": Kind(twins, _folder, share=2),
    "ids of rows": Kind(lambda: {"ids.jsonl": (ids(), "lines")}, _ids, share=0.5),
}
