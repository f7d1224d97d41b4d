# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Visual reliance orders models whose use of the image is known, and does not care where it was interrupted.

The three models are one tiny LLaVA with weights set by hand: it sees the whole picture, its left quarter, or nothing.
All answer through the same `generate`.
"""

from dataclasses import replace

import pytest

from promvil_hf import jobs
from promvil_hf.evaluation import twin_answers
from promvil_hf.evaluation.answering import Asking
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.predictions import read_predictions
from promvil_hf.evaluation.reliance import follows_accuracy, reliance
from promvil_hf.evaluation.twin_answers import TwinSettings, answer_twins
from tests.unit.explain import wired


ROWS, FEW = 70, 20
SEES = {"everything": 1.0, "the left quarter": 0.25, "nothing": 0.0}
ASKING = Asking(prompt="{text}", max_new_tokens=3)
SETTINGS = TwinSettings(("original", "key boxes", "random boxes", "blind"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    rows, made = wired.rows()
    for row in rows[:ROWS]:
        made[row.image_path].save(folder / row.image_path)
    return Pictures(folder)


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(twin_answers, "SHARD", 8)


def answers(backend, pictures, out, rows, batch_size=12):
    asking = replace(ASKING, batch_size=batch_size)
    return answer_twins(
        rows, pictures, backend, out, settings=SETTINGS, asking=asking, model={"model": "wired"}, progress=False
    )


@pytest.fixture(scope="module")
def reports(pictures, tmp_path_factory):
    rows = wired.rows()[0][:ROWS]
    out = tmp_path_factory.mktemp("answers")
    return {
        name: reliance(rows, answers(wired.backend(sees), pictures, out / name, rows, batch_size=48), settings=SETTINGS)
        for name, sees in SEES.items()
    }


def test_scores_order_as_the_models_see_and_their_intervals_do_not_overlap(reports):
    spreads = [reports[name].scores["masked"]["relative"] for name in SEES]
    assert [reports[name].scores["original_accuracy"] for name in SEES] == sorted(
        (reports[name].scores["original_accuracy"] for name in SEES), reverse=True
    )
    for more, less in zip(spreads, spreads[1:], strict=False):
        assert more["estimate"] > less["estimate"]
        assert more["low"] > less["high"]


def test_what_answers_without_the_image_has_a_score_of_exactly_zero(reports):
    scores = reports["nothing"].scores
    assert scores["score"] == 0 and scores["masked"]["relative"]["high"] == 0
    assert scores["controls"]["blind"]["relative"]["estimate"] == 0
    assert scores["original_accuracy"] > 0.2  # one of three colors by habit


def test_random_boxes_cost_nothing_where_only_the_thing_is_read_and_all_of_the_score_lies_beyond_them(reports):
    for name in ("everything", "the left quarter"):
        scores = reports[name].scores
        assert abs(scores["controls"]["random boxes"]["relative"]["estimate"]) < 0.03
        assert scores["beyond"]["random boxes"]["low"] > 0.1


def test_hiding_the_thing_is_as_bad_as_asking_blind(reports):
    scores = reports["everything"].scores
    assert scores["original_accuracy"] == 1.0
    assert scores["masked"]["accuracy"] == pytest.approx(scores["controls"]["blind"]["accuracy"], abs=0.06)


def test_over_these_models_reliance_goes_with_accuracy(reports):
    found = follows_accuracy(list(reports.items()))
    assert found.pearson.estimate > 0.9 and found.pearson_other_rows.estimate > 0.9 and found.pearson.models == 3
    assert found.pearson.p_value > 0.05  # three models are too few to show anything


class Stops:
    """A backend that dies after so many calls."""

    def __init__(self, backend, calls):
        self.backend, self.calls, self.dialect = backend, calls, backend.dialect

    def generate(self, requests, decoding):
        if not self.calls:
            raise RuntimeError("killed")
        self.calls -= 1
        return self.backend.generate(requests, decoding)


def test_a_resumed_run_equals_an_uninterrupted_one(pictures, small_shards, tmp_path):
    rows, backend = wired.rows()[0][:FEW], wired.backend()
    whole = answers(backend, pictures, tmp_path / "whole", rows)
    for calls in (5, 2):  # a shard of 8 rows takes three calls
        with pytest.raises(RuntimeError, match="killed"):
            answers(Stops(backend, calls), pictures, tmp_path / "parts", rows)
    kept = len(list(jobs.rows(tmp_path / "parts" / "answers", partial=True)))
    assert 0 < kept < FEW
    resumed = answers(backend, pictures, tmp_path / "parts", rows)
    assert resumed == whole
    for name in sorted(path.name for path in (tmp_path / "whole" / "answers").glob("*.json*")):
        assert (tmp_path / "parts" / "answers" / name).read_bytes() == (
            tmp_path / "whole" / "answers" / name
        ).read_bytes()
    assert (tmp_path / "parts" / "predictions.jsonl").read_bytes() == (
        tmp_path / "whole" / "predictions.jsonl"
    ).read_bytes()

    # and a file of these answers is scored alike, in any order of its lines
    lines = (tmp_path / "whole" / "predictions.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "mixed.jsonl").write_text("".join(reversed(lines)))
    from_file = reliance(rows, read_predictions(tmp_path / "mixed.jsonl"), settings=SETTINGS)
    assert from_file.scores == reliance(rows, whole, settings=SETTINGS).scores
    assert from_file.faults == {}


def test_two_processes_find_what_one_finds(pictures, small_shards, tmp_path, monkeypatch):
    rows, backend = wired.rows()[0][:FEW], wired.backend()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert answers(backend, pictures, tmp_path / "two", rows) is None  # the other rank has shards to do
    monkeypatch.setenv("RANK", "0")
    together = answers(backend, pictures, tmp_path / "two", rows)
    monkeypatch.delenv("WORLD_SIZE")
    assert together == answers(backend, pictures, tmp_path / "one", rows)


def test_another_model_does_not_go_on_in_the_folder_of_the_first(pictures, tmp_path):
    rows, backend = wired.rows()[0][:4], wired.backend()
    answers(backend, pictures, tmp_path / "out", rows)
    with pytest.raises(jobs.JobError, match="model"):
        answer_twins(
            rows, pictures, backend, tmp_path / "out", settings=SETTINGS, asking=ASKING, model={"model": "other"}
        )
