# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Negatives from the build to the report: the command writes the view, `load_dataset` and `promvil evaluate` read it."""

import json

import pytest

from promvil_hf.cli import main
from promvil_hf.compovl.compose import Composing
from promvil_hf.compovl.compovl_build import build
from promvil_hf.compovl.compovl_rows import Splitting
from promvil_hf.compovl.compovl_settings import CompoVLSettings
from promvil_hf.evaluation.benchmarks import read
from promvil_hf.evaluation.predictions import Answer, Predictions
from promvil_hf.evaluation.report import report_page, table_text
from promvil_hf.evaluation.results import Settings, evaluate
from promvil_hf.evaluation.scores import Resampling
from promvil_hf.job_terms import Terms
from promvil_hf.json_records import RecordError
from promvil_hf.toy.world import WorldConfig, scenes, write_visual_genome


QUICK = Settings(resampling=Resampling(resamples=99))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("negatives")
    write_visual_genome(scenes(WorldConfig(image_size=(64, 64), levels=4, objects=(6, 8)), 12, 1), folder / "vg")
    split = ["--test-share", "0.6", "--validation-share", "0", "--views", "default", "--quiet"]
    assert main(["build", "compovl", "--vg", str(folder / "vg"), "--out", str(folder / "out"), "--negatives", "2", *split]) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def benchmark(built):
    return read("compovl", sorted((built / "negatives").glob("test-*.parquet")))


def report_of(benchmark, answer):
    """`answer`: a row -> boxes."""
    said = {row.id: Answer(boxes=answer(row)) for row in benchmark.rows}
    return evaluate(benchmark, Predictions(said), QUICK)


def truth(row):
    return [list(box.xyxy) for box in row.boxes[:1]]


def test_the_view_holds_each_negative_with_its_positive(built):
    from datasets import load_dataset

    views = {view: load_dataset(str(built), view, split="train+test") for view in ("default", "negatives")}
    chains = {row["chain_id"]: row for row in views["default"]}
    assert len(views["negatives"]) > 40 and len(set(views["negatives"]["negative_id"])) == len(views["negatives"])
    for row in views["negatives"]:
        chain, changed = chains[row["chain_id"]], row["steps"][row["changed_step"]]
        assert chain["steps"][row["changed_step"]]["text"] == row["was"] != changed["text"]
        assert chain["steps"][row["changed_step"]]["boxes"] == row["was_boxes"]
        assert row["new"] in changed["text"] and row["old"] in row["was"] and row["changed_level"] == changed["level"]
        for step, before in zip(row["steps"], chain["steps"], strict=True):
            assert step["boxes"] == ([] if step["absent"] else before["boxes"])
    report = json.loads((built / "report.json").read_text())
    assert sum(report["rows"]["negatives"].values()) == sum(sum(kinds.values()) for kinds in report["negatives"].values())
    assert "negatives" in (built / "README.md").read_text()


def test_rows_are_absent_from_the_changed_step_on_and_lean_only_on_what_is_there(benchmark):
    places = {row.strata["place"] for row in benchmark.rows}
    assert places == {"as it was", "unchanged", "changed", "above the change"}
    for row in benchmark.rows:
        assert row.absent == (row.strata["place"] in ("changed", "above the change")) == (not row.boxes)
        assert all(phrase.boxes for phrase in row.evidence)


@pytest.mark.parametrize(
    ("answer", "pairs", "found", "refused"),
    [
        (truth, 1, 1, 1),
        (lambda row: [], 0, 0, 1),  # always a refusal
        (lambda row: [[0, 0, 1, 1]], 0, None, 0),  # the whole picture
        (lambda row: [[0.4, 0.4, 0.5, 0.5]], 0, None, 0),  # always one box
        (lambda row: truth(row) or [[0, 0, 1, 1]], 0, 1, 0),  # sees what is there, never refuses
    ],
)
def test_answerers_that_do_not_look_have_no_pair_right(benchmark, answer, pairs, found, refused):
    scores = report_of(benchmark, answer).scores
    assert (scores["metric"], scores["value"], scores["refused_at_the_change"]) == ("pairs_right", pairs, refused)
    assert scores["chance"] == 0 and (found is None or scores["found"] == found)
    assert scores["chains_all_right"] == (pairs == 1)


def test_the_level_that_is_wrong_first_is_counted_by_the_level_of_the_change(benchmark):
    def blind_to_changes_at_level_2(row):
        return truth(row) or ([] if row.level != 2 else [[0, 0, 1, 1]])

    table = report_of(benchmark, blind_to_changes_at_level_2).scores["tables"]["first level that is wrong"]
    assert table["changed at level 2"]["level 2"] == 1 and table["changed at level 3"]["none"] == 1
    assert all(sum(shares.values()) - shares["negatives"] == pytest.approx(1) for shares in table.values())
    assert table["changed at level 1"]["level 2"] == 1  # the level above a change at level 1 is absent, too


def test_what_cannot_be_read_is_no_refusal(benchmark):
    said = Predictions({row.id: Answer(text="### 12 ???") for row in benchmark.rows})
    scores = evaluate(benchmark, said, Settings(dialect="qwen_json", resampling=Resampling(resamples=99))).scores
    assert scores["refused_at_the_change"] == 0 and scores["unreadable_where_absent"] + scores["no_box_where_absent"] == 1


def test_report_and_page_show_the_levels(benchmark):
    report = report_of(benchmark, truth)
    assert "first level that is wrong" in table_text(report) and "changed at level 3" in str(report_page(report))


def test_a_row_without_its_changed_step_is_refused(built, tmp_path):
    import pyarrow.parquet as pq

    (row, *_) = pq.read_table(next((built / "negatives").glob("test-*.parquet"))).to_pylist()
    (tmp_path / "bad.jsonl").write_text(json.dumps(row | {"changed_step": 99}))
    with pytest.raises(RecordError, match="the number of the first absent step"):
        read("compovl", tmp_path / "bad.jsonl")


def test_a_model_that_words_expressions_cannot_word_negatives(tmp_path):
    write_visual_genome(scenes(WorldConfig(image_size=(64, 64)), 2, 1), tmp_path / "vg")
    settings = CompoVLSettings(Composing(negatives=1), Splitting(), writer=lambda chains: chains, writer_name="a model")
    with pytest.raises(ValueError, match="Build negatives without it"):
        build(tmp_path / "vg", tmp_path / "out", settings, Terms(progress=False))
