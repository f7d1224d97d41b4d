# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Rows for docs/results.md: gathered from a folder that `promvil reproduce results` filled, checked, and kept.

    OUT/steps, OUT/*/report.json ...  --collected-->  OUT/results.json  --checked-->  docs/results.json

A row says what was asked (rows, their hash, the command as it was), who answered (model, revision, adapter's hash), what came
out (value, interval, seed) and which report has it. A row is believed only beside its report: it is gathered anew and must
come out the same.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from promvil_hf.backends.checkpoint_names import PREFIXES, located
from promvil_hf.environment import environment
from promvil_hf.evaluation.reliance import RelianceReport
from promvil_hf.evaluation.results import Report
from promvil_hf.files import sha256_of
from promvil_hf.json_documents import json_document, typed
from promvil_hf.reproducing.catalog import RESULTS
from promvil_hf.reproducing.experiments import FULL, MODELS


KIND, FORMAT = "results", 1
LEVELS = ("all", "1", "2", "3", "4")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table: a step of the experiment and the file that it leaves. `reads` names what is read there."""

    label: str
    step: str
    file: str
    reads: str
    model: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of docs/results.md."""

    title: str
    about: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]


def _chains(stem: str) -> tuple[Line, ...]:
    ways = {"base": "before, each expression by itself", "base-levels": "before, simple phrases first",
            "tuned": "after chains, each expression by itself", "tuned-levels": "after chains, simple phrases first"}  # fmt: skip
    return tuple(Line(label, f"{stem}-{way}", f"{stem}-{way}/report.json", "accuracy", "kosmos2") for way, label in ways.items())


_HITS = "Share of expressions whose first box has IoU 0.5 or more."
TABLES = (
    Table("Kosmos-2 on CompoVL, by level", _HITS, LEVELS, _chains("compovl")),
    Table("Kosmos-2 on RefCOCOg, test", _HITS, LEVELS[:1], _chains("refcocog-test-all")),
    Table("A model of 4B on POPE, popular", "How much its answers need the picture, and the thing that is named.", LEVELS[:1], (
        Line("F1", "pope-4b", "pope-4b/report.json", "accuracy", "vlm4b"),
        Line("blind share", "pope-4b", "pope-4b/picture_needed.json", "blind share", "vlm4b"),
        Line("Visual Reliance Score", "reliance-4b", "reliance-4b/reliance.json", "reliance", "vlm4b"),
    )),
)  # fmt: skip


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cell of a table, with what makes it comparable."""

    table: str
    line: str
    column: str
    metric: str
    value: float
    low: float
    high: float
    rows: int
    content_hash: str
    model: str
    revision: str
    adapter: str | None  # SHA-256 of its weights
    seed: int
    resamples: int
    command: str
    report: str
    report_sha256: str

    @property
    def place(self) -> tuple[str, str, str]:
        return self.table, self.line, self.column


class Results(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of rows."""

    format: int
    kind: str
    size: str
    made: dict[str, str]
    rows: list[Row]


# --- gathering ------------------------------------------------------------------------------------


def collected(out: str | os.PathLike) -> Results:
    """The rows of all steps that are finished in a folder of `promvil reproduce results`."""
    out = Path(out)
    rows, sizes = [], set()
    for table in TABLES:
        for line in table.lines:
            record = out / "steps" / f"{line.step}.json"
            if record.exists():
                plan = json_document(record).record("plan")
                sizes.add(plan.text("size"))
                rows += _rows(out, table, line, plan.text("size"), plan.texts("words"))
    if not rows or len(sizes) != 1:
        raise ValueError(f"{out} holds no finished step of `promvil reproduce results`, or steps of two sizes.")
    facts = environment()
    device = {name: text for name, text in facts["devices"].items() if name.startswith("cuda")}
    packages = {name: facts["packages"][name] for name in ("torch", "transformers", "peft")}
    made = {"promvil_hf": facts["promvil_hf"]["version"], "python": facts["promvil_hf"]["python"], **packages}
    return Results(FORMAT, KIND, sizes.pop(), {**made, "device": next(iter(device.values()), "CPU")}, rows)


def _rows(out: Path, table: Table, line: Line, size: str, words: Sequence[str]) -> Iterator[Row]:
    path, model = out / line.file, MODELS[size][line.model]
    adapter = out / "adapter" / "adapter_model.safetensors" if "--adapter" in words else None
    known = {
        "table": table.title, "line": line.label, "model": model, "revision": revision_of(model),
        "adapter": sha256_of(adapter) if adapter else None, "command": " ".join(["promvil", *words]), "report": line.file,
        "report_sha256": sha256_of(path),
    }  # fmt: skip
    for column, found in _READERS[line.reads](path):
        if column in table.columns:
            yield typed({**known, "column": column, **found}, Row, path, "whole enough for a row of results")


def _accuracies(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    report = Report.load(path)
    scores, spread = report.scores, report.scores["interval"]
    drawn = {"seed": spread["seed"], "resamples": spread["resamples"], "content_hash": report.benchmark["content_hash"]}
    whole = {"value": scores["value"], "low": spread["low"], "high": spread["high"], "rows": report.benchmark["rows"]}
    yield "all", {"metric": scores["metric"], **whole, **drawn}
    for level, found in scores["tables"].get("level", {}).items():
        part = {"value": found["accuracy"], "low": found["low"], "high": found["high"], "rows": int(found["rows"])}
        yield level, {"metric": scores["metric"], **part, **drawn}


def _blind_share(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    found = json_document(path)
    share = found.records("runs")[0].record("share").whole_fields()
    numbers = {"value": share["estimate"], **{name: share[name] for name in ("low", "high", "seed", "resamples")}}
    counts = {"rows": found.get("rows"), "content_hash": found.text("content_hash")}
    yield "all", {"metric": "blind share", **numbers, **counts}


def _reliance(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    report = RelianceReport.load(path)
    spread = report.scores["masked"]["relative"]
    drawn = {name: report.settings[name] for name in ("seed", "resamples")}
    counts = {"rows": report.rows["rows_with_twins"], "content_hash": report.rows["content_hash"]}
    yield "all", {
        "metric": "Visual Reliance Score", "value": report.scores["score"], "low": spread["low"], "high": spread["high"], **drawn,
        **counts,
    }  # fmt: skip


_READERS = {"accuracy": _accuracies, "blind share": _blind_share, "reliance": _reliance}


def revision_of(model: str) -> str:
    """The commit of the Hub that was loaded here; of a folder, and of what comes with the package, the hash of its weights."""
    folder = Path(located(model)) if model.startswith(PREFIXES) else Path(model)
    if folder.is_dir():
        return "sha256:" + sha256_of(folder / "model.safetensors")
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model, "config.json")
    if not isinstance(found, str):
        raise ValueError(f"{model} is not in the cache of the Hub here: gather the rows on the machine that scored it.")
    return Path(found).parent.name


# --- checking -------------------------------------------------------------------------------------

_HEXADECIMAL = re.compile(r"(?:sha256:)?[0-9a-f]{16,64}")


def checked(path: str | os.PathLike, size: str = FULL) -> Results:
    """The rows of a file that `collected` made, with their reports beside it; ValueError says what is wrong with them."""
    path = Path(path)
    found = typed(json_document(path).whole_fields(), Results, path, "a file of `promvil results collect`")
    if (found.kind, found.format) != (KIND, FORMAT):
        raise ValueError(f"{path} is no file of `promvil results collect`: kind {found.kind!r}, format {found.format}.")
    if found.size != size:
        raise ValueError(f"{path} has rows of size {found.size!r}, on drawn scenes: the page takes those of size {size!r}.")
    commands = {step.name: " ".join(["promvil", *step.template(size)]) for step in RESULTS.steps}
    lines = {(table.title, line.label, column): line for table in TABLES for line in table.lines for column in table.columns}
    for row in found.rows:
        where = f"{path}, row {' / '.join(row.place)}"
        if row.place not in lines:
            raise ValueError(f"{where}: docs/results.md has no such cell.")
        if row.command != (command := commands[lines[row.place].step]):
            raise ValueError(f"{where}: made by another protocol, `{row.command}`; this version has `{command}`.")
        if not row.low <= row.value <= row.high:
            raise ValueError(f"{where}: {row.value} does not lie between {row.low} and {row.high}.")
        for name in ("content_hash", "revision", "report_sha256"):
            if not _HEXADECIMAL.fullmatch(getattr(row, name)):
                raise ValueError(f"{where}: {name} is {getattr(row, name)!r}, which is no hash or commit.")
        report = path.parent / row.report
        if not report.is_file() or sha256_of(report) != row.report_sha256:
            raise ValueError(f"{where}: {report} is missing or is not the report that the row was made from.")
        numbers = dict(_READERS[lines[row.place].reads](report))[row.column]
        if any(getattr(row, name) != value for name, value in numbers.items()):
            raise ValueError(f"{where}: its numbers are not those of {report}.")
    _same_rows(path, found.rows)
    return found


def _same_rows(path: Path, rows: Sequence[Row]) -> None:
    """Before and after must have been asked the same."""
    for table in TABLES[:2]:
        hashes = {row.content_hash for row in rows if row.table == table.title}
        if len(hashes) > 1:
            raise ValueError(f"{path}: the lines of {table.title!r} were scored on different rows: {', '.join(sorted(hashes))}.")


def added(kept: Path, files: Sequence[Path]) -> Results:
    """The kept rows with those of the files, which replace the rows that have their place."""
    found = [checked(path) for path in files]
    before = [typed(json_document(kept).whole_fields(), Results, kept, "the kept rows")] if kept.exists() else []
    rows = {row.place: row for results in (*before, *found) for row in results.rows}
    everything = Results(FORMAT, KIND, FULL, (found or before)[-1].made, list(rows.values()))
    _same_rows(kept, everything.rows)
    return everything
