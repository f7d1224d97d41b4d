# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Rows of docs/results.md: gathered from reports, believed only beside them, and shown with what makes them comparable."""

import json
import runpy
from pathlib import Path

import msgspec
import pytest

from promvil_hf.boxes import Box
from promvil_hf.cli import main
from promvil_hf.commands.results_page import page
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.predictions import Answer, Predictions
from promvil_hf.evaluation.results import Settings, evaluate
from promvil_hf.evaluation.scores import Resampling
from promvil_hf.reproducing import results
from promvil_hf.reproducing.catalog import RESULTS
from promvil_hf.reproducing.experiments import FULL, SMALL
from promvil_hf.reproducing.results import TABLES, checked, collected, revision_of


ROOT = Path(__file__).resolve().parents[3]
BOX = Box(0.1, 0.1, 0.5, 0.5)


def filled(out, size=FULL, ways=("base", "tuned-levels")):
    """A folder as `promvil reproduce results` leaves it, with two lines of the first table."""
    rows = [BenchmarkRow(f"{n}", f"{n % 4}.png", "the star", boxes=(BOX,), level=1 + n % 2) for n in range(12)]
    (out / "adapter").mkdir(parents=True)
    (out / "adapter" / "adapter_model.safetensors").write_bytes(b"weights")
    for number, way in enumerate(ways):
        step = next(step for step in RESULTS.steps if step.name == f"compovl-{way}")
        boxes = [[0.1, 0.1, 0.5, 0.5], [0.6, 0.6, 0.9, 0.9]]
        said = {row.id: Answer(boxes=[boxes[int(row.id) % 3 > number]]) for row in rows}
        benchmark = Benchmark("compovl", "test", "grounding", tuple(rows), ())
        report = evaluate(benchmark, Predictions(said, {}, {}), Settings(resampling=Resampling(resamples=99, seed=3)))
        (out / f"compovl-{way}").mkdir()
        report.save(out / f"compovl-{way}" / "report.json")
        (out / "steps").mkdir(exist_ok=True)
        plan = {"size": size, "words": step.template(size), "data": "d"}
        (out / "steps" / f"{step.name}.json").write_text(json.dumps({"plan": plan}))
    return out


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "revision_of", lambda model: "0123456789abcdef0123456789abcdef01234567")
    return filled(tmp_path / "run")


def test_rows_go_from_reports_to_the_page_with_what_makes_them_comparable(run, tmp_path):
    assert main(["results", "collect", str(run)]) == 0
    found = checked(run / "results.json")
    assert {row.column for row in found.rows} == {"all", "1", "2"} and {row.seed for row in found.rows} == {3}
    before, after = (row for row in found.rows if row.column == "all")
    assert before.value < after.value and before.content_hash == after.content_hash
    assert before.adapter is None and len(after.adapter) == 64
    docs = tmp_path / "docs"
    assert main(["results", "add", str(run / "results.json"), "--docs", str(docs)]) == 0
    text = (docs / "results.md").read_text()
    assert text == page(docs / "results.json")
    for word in (f"{after.value:.3f} ({after.low:.3f} to {after.high:.3f})", after.revision, after.content_hash, after.adapter,
                 "seed 3", "*not yet run*"):  # fmt: skip
        assert word in text
    assert text.count(" to ") > page(tmp_path / "none").count(" to ")
    assert main(["results", "add", str(run / "results.json"), "--docs", str(docs)]) == 0
    assert (docs / "results.md").read_text() == text  # a row has one place


@pytest.mark.parametrize(
    "change, message",
    [
        ({"value": 0.99}, "does not lie between"),
        ({"low": 0.0}, "its numbers are not those of"),
        ({"seed": 4}, "its numbers are not those of"),
        ({"seed": None}, "Expected `int`, got `null`"),
        ({"revision": "main"}, "revision is 'main', which is no hash or commit"),
        ({"revision": None}, "Expected `str`, got `null`"),
        ({"content_hash": ""}, "content_hash is '', which is no hash"),
        ({"command": "promvil evaluate --limit 3"}, "made by another protocol, `promvil evaluate --limit 3`"),
        ({"report_sha256": "0" * 64}, "is not the report that the row was made from"),
        ({"column": "9"}, "docs/results.md has no such cell"),
        ({"extra": 1}, "unknown field"),
    ],
)
def test_a_row_that_was_changed_is_refused(run, change, message, capsys, tmp_path):
    value = msgspec.to_builtins(collected(run))
    value["rows"][0] |= change
    (run / "results.json").write_text(json.dumps(value))
    assert main(["results", "add", str(run / "results.json"), "--docs", str(tmp_path / "docs")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "docs").exists()


def test_rows_without_their_reports_of_drawn_data_or_of_different_questions_are_refused(run, tmp_path, monkeypatch):
    main(["results", "collect", str(run)])
    lonely = tmp_path / "lonely.json"
    lonely.write_bytes((run / "results.json").read_bytes())
    with pytest.raises(ValueError, match="is missing or is not the report"):
        checked(lonely)
    small = filled(tmp_path / "small", SMALL)
    main(["results", "collect", str(small)])
    with pytest.raises(ValueError, match="rows of size 'small', on drawn scenes"):
        checked(small / "results.json")
    assert checked(small / "results.json", SMALL).rows
    rows = collected(run).rows
    rows[0] = msgspec.structs.replace(rows[0], content_hash="0" * 32)
    with pytest.raises(ValueError, match="were scored on different rows"):
        results._same_rows(run, rows)
    with pytest.raises(ValueError, match="holds no finished step"):
        collected(tmp_path)


def test_a_revision_is_what_was_loaded_here(tmp_path):
    assert revision_of("toy:kosmos2").startswith("sha256:")
    (tmp_path / "model.safetensors").write_bytes(b"w")
    assert revision_of(str(tmp_path)) != revision_of("toy:kosmos2")
    with pytest.raises(ValueError, match="is not in the cache of the Hub here"):
        revision_of("nobody/nothing")


def test_every_line_of_a_table_is_a_step_that_leaves_its_file():
    steps = {step.name: step for step in RESULTS.steps}
    for table in TABLES:
        for line in table.lines:
            assert line.file.startswith(f"{line.step}/") and f"{{out}}/{line.step}" in steps[line.step].words
    assert len(steps) == len(RESULTS.steps)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_job_fills_every_cell_on_toy_models_and_goes_on_where_it_stopped(tmp_path, capsys):
    script = runpy.run_path(str(ROOT / "recipes" / "jobs" / "results.py"))
    words = ["--out", str(tmp_path), "--size", "small"]
    assert script["run"](words) == 0
    found = checked(tmp_path / "results.json", SMALL)
    lines = {(table.title, line.label) for table in TABLES for line in table.lines}
    assert {row.place[:2] for row in found.rows} == lines
    written = (tmp_path / "results.json").read_bytes()
    (tmp_path / "results.json").unlink()
    capsys.readouterr()
    assert script["run"](words) == 0 and (tmp_path / "results.json").read_bytes() == written
    assert capsys.readouterr().out.count("done before") == len(RESULTS.steps) + 1
