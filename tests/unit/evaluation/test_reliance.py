# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Reliance from answers: paired by id, scored by the data set's own rule, with its faults, its notes and its page."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from promvil_hf import jobs, masks
from promvil_hf.boxes import Box
from promvil_hf.cli import main
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.predictions import Answer, Predictions
from promvil_hf.evaluation.reliance import (
    RelianceReport,
    follows_accuracy,
    kind_of_answer,
    points,
    reliance,
    row_scores,
)
from promvil_hf.evaluation.reliance_page import notes, points_summary, reliance_page, summary
from promvil_hf.evaluation.scores import Resampling
from promvil_hf.evaluation.twin_answers import TwinSettings, answer_twins, metric_of, twin_id
from promvil_hf.fivl.fivl_rows import FivlRow, Key
from promvil_hf.fivl.twins import KINDS
from promvil_hf.key_expressions import KeyExpression, Turn


QUICK = Resampling(resamples=200)


QUARTER = Box(0, 0, 0.5, 0.5)


def row(number: int, source: str = "gqa", answer: str = "red", answers=None, box: Box | None = QUARTER) -> FivlRow:
    keys = () if box is None else (Key(KeyExpression("thing", 0, (box,)), "thing"),)
    return FivlRow(
        f"{source}-{number:03d}", source, str(number), f"{number % 4}.png", (20, 10),
        (Turn(0, f"What color is thing {number}?", answer),), keys, tuple(answers or (answer,)),
    )  # fmt: skip


def said(rows, by_kind) -> Predictions:
    """`by_kind`: kind -> function of the row's number."""
    found = {}
    for kind, text in by_kind.items():
        for place, one in enumerate(rows):
            if (answer := text(place)) is not None:
                found[twin_id(one.row_id, kind)] = Answer(text=answer)
    return Predictions(found)


def test_the_score_is_the_relative_drop_with_the_absolute_one_and_every_control():
    rows = [row(number) for number in range(20)]
    predictions = said(
        rows,
        {
            "original": lambda n: "Red." if n < 16 else "blue",
            "key boxes": lambda n: "red" if n < 4 else "blue",
            "random boxes": lambda n: "red" if n < 12 else "blue",
            "blind": lambda n: "red" if n < 8 else "no idea",
        },
    )
    report = reliance(rows, predictions, resampling=QUICK)
    assert report.scores["score"] == pytest.approx(0.75)
    assert report.scores["absolute_drop"] == pytest.approx(0.6)
    assert {kind: drop["relative"]["estimate"] for kind, drop in report.scores["controls"].items()} == {
        "random boxes": pytest.approx(0.25), "blind": pytest.approx(0.5),
    }  # fmt: skip
    assert report.scores["beyond"]["random boxes"]["estimate"] == pytest.approx(0.5)
    assert report.faults == {} and report.rows["rows_with_twins"] == 20
    assert "Visual Reliance Score 0.750" in summary(report)


def test_each_data_set_is_scored_by_its_own_rule():
    people = ["red"] * 2 + ["crimson"] * 8
    vqa = [row(0, "vqav2", "crimson", people)]
    assert metric_of(vqa) == "vqa"
    assert row_scores(vqa, ["red"], "vqa").tolist() == [pytest.approx(0.6)]
    pope = [row(0, "pope", "yes"), row(1, "pope", "no")]
    assert metric_of(pope) == "pope"
    assert row_scores(pope, ["Yes, there is.", None], "pope").tolist() == [1, 0]
    assert row_scores(pope, ["perhaps", "No."], "pope").tolist() == [0, 1]
    gqa = [row(0), row(1)]
    assert row_scores(gqa, ["Red.", "a red one"], metric_of(gqa)).tolist() == [1, 0]
    with pytest.raises(
        ValueError, match="These rows are from gqa, pope, whose own way of scoring is not known: say which"
    ):
        metric_of([*gqa, *pope])


def test_tables_divide_by_answer_type_area_words_and_given_types():
    rows = [row(n, answer=answer, box=Box(0, 0, side, side)) for n, (answer, side) in enumerate(
        [("yes", 0.2), ("no", 0.9), ("two", 0.2), ("3", 0.5), ("red", 0.5), ("red", 0.9)])]  # fmt: skip
    right = said(rows, {"original": lambda n: rows[n].answers[0], "key boxes": lambda n: "red"})
    types = {"0": "verify", "1": "verify", "2": "query", "3": "query", "4": "query"}
    report = reliance(rows, right, types=types, resampling=QUICK)
    assert [kind_of_answer(one) for one in rows] == ["yes/no", "yes/no", "number", "number", "other", "other"]
    by_type = report.tables["answer type"]
    assert {label: (group["rows"], group["score"]) for label, group in by_type.items()} == {
        "number": (2, 1.0), "other": (2, 0.0), "yes/no": (2, 1.0)}  # fmt: skip
    assert list(report.tables["hidden area"]) == ["0% to 5%", "20% to 40%", "40% to 100%"]
    assert {label: group["rows"] for label, group in report.tables["question type"].items()} == {
        "query": 3, "unknown": 1, "verify": 2}  # fmt: skip
    assert set(report.tables["right answer"]) == {"no", "other", "yes"}


def test_rows_without_a_thing_to_hide_drop_out_and_the_skew_they_leave_is_reported():
    rows = [row(n, "pope", "yes") for n in range(9)] + [row(n, "pope", "no", box=None) for n in range(9, 18)]
    report = reliance(
        rows, said(rows[:9], {"original": lambda n: "yes", "key boxes": lambda n: "yes"}), resampling=QUICK
    )
    assert report.rows["labels"] == {"no": 9, "yes": 9} and report.rows["labels_with_twins"] == {"yes": 9}
    assert report.scores["score"] == 0
    warned = notes(report)
    assert "100% of the yes-or-no rows that can be perturbed are answered 'yes'" in warned[0]
    assert "Random boxes were not asked about" in warned[1] and "not asked blind" in warned[2]


def test_faults_of_the_answers_are_counted_and_strict_mode_fails():
    rows = [row(number) for number in range(4)]
    predictions = said(rows, {"original": lambda n: "red", "key boxes": lambda n: None if n == 2 else "blue"})
    predictions.answers["nobody/original"] = Answer(text="x")
    report = reliance(rows, predictions, resampling=QUICK)
    assert {name: (fault["count"], list(fault["examples"])) for name, fault in report.faults.items()} == {
        "id that is not in the benchmark, left out": (1, ["nobody/original"]),
        "row without an answer, scored 0": (1, ["gqa-002/key boxes"]),
    }
    with pytest.raises(ValueError, match="1 × row without an answer, scored 0"):
        reliance(rows, predictions, resampling=QUICK, strict=True)


def test_what_cannot_be_scored_says_why():
    rows = [row(0)]
    unnamed = "No answer is to the 'key boxes' twin.* such as 'gqa-000/key boxes'; .*'gqa-000/original'"
    with pytest.raises(ValueError, match=unnamed):
        reliance(rows, said(rows, {"original": lambda n: "red"}))
    with pytest.raises(ValueError, match="None of the 1 rows has key boxes or masks"):
        reliance([row(0, box=None)], said(rows, {"original": lambda n: "red"}))
    with pytest.raises(ValueError, match="with 'original' and 'key boxes' among them"):
        TwinSettings(("original", "blind"))
    nothing = reliance(rows, said(rows, {"original": lambda n: "x", "key boxes": lambda n: "x"}), resampling=QUICK)
    assert math.isnan(nothing.scores["score"]) and nothing.scores["reason"] == "nothing right on the original images"


def test_a_report_is_read_back_and_a_stranger_is_refused(tmp_path):
    rows = [row(number) for number in range(4)]
    report = reliance(rows, said(rows, {"original": lambda n: "red", "key boxes": lambda n: "blue"}), resampling=QUICK)
    again = RelianceReport.load(report.save(tmp_path / "reliance.json"))
    assert again.scores["score"] == report.scores["score"] and again.row_scores == report.row_scores
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match="is no report of `promvil reliance`"):
        RelianceReport.load(tmp_path / "other.json")


def test_correlation_over_models_is_numpys_and_its_interval_is_bounded():
    rng = np.random.default_rng(0)
    models = []
    for number in range(8):
        rows = [row(n) for n in range(40)]
        right, lost = rng.random(40) < 0.3 + 0.08 * number, rng.random(40) < 0.2 + 0.05 * number
        predictions = said(rows, {
            "original": lambda n, right=right: "red" if right[n] else "x",
            "key boxes": lambda n, right=right, lost=lost: "red" if right[n] and not lost[n] else "x",
        })  # fmt: skip
        models.append((f"model {number}", reliance(rows, predictions, resampling=QUICK)))
    found = points(models)
    spread = follows_accuracy(models, QUICK).pearson
    theirs = np.corrcoef([one.accuracy for one in found], [one.reliance for one in found])[0, 1]
    assert spread.estimate == pytest.approx(theirs, abs=1e-9)
    assert -1 <= spread.low <= spread.estimate <= spread.high <= 1
    assert math.isnan(follows_accuracy(models[:2]).pearson.estimate)
    with pytest.raises(ValueError, match="were asked different benchmarks"):
        points([("a", models[0][1]), ("b", models[0][1]), ("b", models[1][1])])


def test_variants_of_one_base_are_one_unit_and_what_the_definition_brings_about_is_reported():
    rng = np.random.default_rng(1)
    reports = []
    for number in range(12):
        rows = [row(n) for n in range(24)]
        right, kept = rng.random(24) < 0.4 + 0.04 * number, rng.random(24) < 0.3
        predictions = said(rows, {
            "original": lambda n, right=right: "red" if right[n] else "x",
            "key boxes": lambda n, kept=kept: "red" if kept[n] else "x",
        })  # fmt: skip
        reports.append((f"base {number // 3}:seed {number % 3}", reliance(rows, predictions, resampling=QUICK)))
    found = follows_accuracy(reports, QUICK)
    assert (found.pearson.models, found.pearson.units) == (12, 4) and found.pearson.null_mean > 0.2
    shown = points_summary(points(reports), found)
    assert "Over 12 models of 4 bases the correlation" in shown and "Pearson, other rows" in shown
    other = reliance([row(n) for n in range(4)], said([row(n) for n in range(4)], {
        "original": lambda n: "red", "key boxes": lambda n: "x"}), resampling=QUICK)  # fmt: skip
    assert "not on the same rows" in follows_accuracy([*reports[1:], ("a", other)], QUICK).pearson_other_rows.note


# The command


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for number in range(4):
        Image.fromarray(rng.integers(0, 255, (10, 20, 3), np.uint8)).save(tmp_path / "images" / f"{number}.png")
    mask = masks.encode(np.eye(10, 20))
    rows = [row(number) for number in range(6)]
    rows.append(FivlRow("gqa-mask", "gqa", "m", "1.png", (20, 10), (Turn(0, "What?", "red"),),
                        (Key(KeyExpression("red", 0, mask=mask), "red"),), ("red",)))  # fmt: skip
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(one.to_dict()) + "\n" for one in rows))
    return tmp_path


def promvil(*words) -> int:
    return main(["reliance", *map(str, words)])


def test_twins_are_written_answered_elsewhere_and_scored(data, capsys):
    made = ["--rows", data / "rows.jsonl", "--images", data / "images", "--pictures", "--quiet", "--out", data / "twins"]
    assert main(["twins", *map(str, made)]) == 0
    lines = [json.loads(line) for line in (data / "twins" / "twins.jsonl").read_text().splitlines()]
    assert len(lines) == 7 * len(KINDS) and {line["kind"] for line in lines} == set(KINDS)
    assert all((data / "twins" / line["image"]).is_file() for line in lines if line["image"])
    assert [line["id"] for line in lines if line["image"] is None] == [
        line["id"] for line in lines if line["kind"] == "blind"
    ]
    answers = [{"id": line["id"], "text": "red" if line["covered"] < 0.2 else "grey"} for line in lines]
    (data / "answers.jsonl").write_text("".join(json.dumps(one) + "\n" for one in reversed(answers)))
    answered = ["--predictions", data / "answers.jsonl", "--resamples", 200]
    of_rows = ["--rows", data / "rows.jsonl", "--images", data / "images"]
    assert promvil(*of_rows, *answered, "--out", data / "out") == 0
    assert promvil("--twins", data / "twins", *answered, "--out", data / "of_folder") == 0
    assert (data / "out/reliance.json").read_text() == (data / "of_folder/reliance.json").read_text()
    printed = capsys.readouterr().out
    assert "7 of 7 rows have something to hide" in printed and "random boxes" in printed
    page = (data / "out" / "reliance.html").read_text()
    assert "Lost when hidden" in page or "Lost by random boxes too" in page
    report = RelianceReport.load(data / "out" / "reliance.json")
    assert report.scores["controls"]["blind"]["accuracy"] == 0 and report.rows["rows_with_twins"] == 7
    assert promvil("--compare", f"one={data / 'out' / 'reliance.json'}", "--out", data / "models") == 0
    assert "a correlation needs 3 models of different bases; these are 1" in capsys.readouterr().out
    assert (data / "models" / "models.html").is_file()


def test_the_command_says_what_is_missing(data, capsys):
    for words, message in (
        ([], "You passed neither --rows nor --twins"),
        (["--rows", data / "rows.jsonl", "--twins", data], "You passed both --rows and --twins"),
        (["--twins", data, "--predictions", "x"], "it is no folder that `promvil twins` finished"),
        (["--rows", data / "nowhere", "--predictions", "x"], "nowhere' with rows; names on the Hub"),
        (["--rows", data / "rows.jsonl", "--model", "x"], "You passed no --images"),
        (["--rows", data / "rows.jsonl", "--images", data / "images"], "You passed nothing that answers"),
        (
            ["--rows", data / "rows.jsonl", "--images", data / "images", "--base-url", "http://127.0.0.1:1"],
            "pass both --base-url",
        ),
    ):
        assert promvil(*words) == 2
        assert message in capsys.readouterr().err
    (data / "bad.jsonl").write_text('{"row_id": "x"}\n')
    assert promvil("--rows", data / "bad.jsonl", "--images", data / "images", "--model", "x") == 2
    errors = capsys.readouterr().err
    assert "bad.jsonl line 1: This is not a row of FiVL-Instruct" in errors and "missing required field `source`" in errors


def test_answers_from_a_file_load_no_torch(data):
    import subprocess
    import sys

    lines = [{"id": twin_id(f"gqa-{n:03d}", kind), "text": "red"} for n in range(6) for kind in KINDS]
    (data / "answers.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    code = (
        "import sys\nfrom promvil_hf.cli import main\n"
        f"assert main(['reliance', '--rows', {str(data / 'rows.jsonl')!r}, '--predictions', {str(data / 'answers.jsonl')!r}, "
        f"'--resamples', '50', '--out', {str(data / 'o')!r}]) == 0\nsys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_served_models_refusals_are_missing_answers_not_wrong_ones(data, monkeypatch):
    """What the server will never answer is missing; what it might answer later stops the run, which then goes on."""
    import huggingface_hub.constants

    from promvil_hf.backends.endpoint import EndpointBackend
    from promvil_hf.dialects import LlavaBrackets
    from promvil_hf.endpoint import Endpoint
    from promvil_hf.fivl.row_files import read_fivl_rows
    from tests.unit.misbehaving_endpoint import misbehaving_endpoint

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    rows = read_fivl_rows(data / "rows.jsonl")[:4]

    def ask(server):
        endpoint = Endpoint(server.url, "tiny", data / "paid", api_key="k", attempts=1, concurrency=1)
        backend, pictures = EndpointBackend(endpoint, LlavaBrackets()), Pictures(data / "images")
        return answer_twins(rows, pictures, backend, data / "out", model={"served": "tiny"}, progress=False)

    with misbehaving_endpoint() as server:
        server.scripts = {rows[0].turns[0].question: ["403"] * 100, rows[3].turns[0].question: ["500"]}
        with pytest.raises(jobs.JobError, match="no answer to 1 of 8 requests .1 × server error.. Nothing is lost"):
            ask(server)
        bought = server.answered.total()
        found = ask(server)
        assert server.answered.total() < bought + len(rows) * len(KINDS)  # what was paid is not asked again
    report = reliance(rows, found, resampling=QUICK)
    missing = report.faults["row without an answer, scored 0"]
    assert missing["count"] == len(KINDS)
    assert all(name.startswith(rows[0].row_id) for name in missing["examples"])


@pytest.mark.parametrize("family", ["kosmos2", "paligemma"])
def test_every_backend_answers_twins_the_blind_one_included(data, family):
    from promvil_hf.backends.kosmos2 import Kosmos2Backend
    from promvil_hf.backends.patch_tokens import PatchTokenBackend
    from promvil_hf.evaluation.answering import Asking
    from promvil_hf.fivl.row_files import read_fivl_rows
    from promvil_hf.toy import models

    made = getattr(models, f"tiny_{family}")()
    backend = (Kosmos2Backend if family == "kosmos2" else PatchTokenBackend)(made.model, made.processor)
    rows, pictures = read_fivl_rows(data / "rows.jsonl")[:2], Pictures(data / "images")
    asking = Asking(max_new_tokens=2)
    found = answer_twins(rows, pictures, backend, data / "out", asking=asking, model={"model": family}, progress=False)
    assert set(found.answers) == {twin_id(one.row_id, kind) for one in rows for kind in KINDS}
    assert found.source["covered"]["whole image"] == 1.0 and found.source["covered"]["original"] == 0.0
    with pytest.raises(ValueError, match="mode='all': twins are asked as they stand"):
        answer_twins(rows, pictures, backend, data / "all", asking=Asking(mode="all"), model={})


def test_the_page_shows_hostile_text_as_text():
    rows = [row(n, answer="<script>alert(1)</script>") for n in range(3)]
    report = reliance(
        rows, said(rows, {"original": lambda n: "<b>", "key boxes": lambda n: "x"}), name="<i>", resampling=QUICK
    )
    page = "".join(reliance_page(report).chunks())
    assert "<script>alert" not in page and "<i>" not in page
