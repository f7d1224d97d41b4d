# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What is kept of a study in git is put back where it serves, and a study that is not run to its end says so."""

import pytest

from studies.cells import Cell, done, run
from studies.kept_cells import keep, kept, restore
from studies.overview import overview
from studies.pages import BEGIN, END, check, filled, not_run
from studies.protocol import Design, Outcome
from studies.terms import Study
from tests.studies.counted import count


@pytest.fixture
def cells(tmp_path):
    """Two trainings, each with a measurement; the base's measurement has two names."""
    log = str(tmp_path / "log")

    def cell(number, **needs):
        return Cell(count, {"log": log, "number": number}, needs)

    found = {("tuned", name, 0): cell(number) for number, name in enumerate(("chain", "flat, vision loss"), 1)}
    found |= {(name, 0): cell(10, trained=record) for (_, name, _), record in found.items()}
    return found | {("base", 0): cell(5), ("base", 1): cell(5)}


def test_finished_cells_are_kept_once_under_their_names(cells, tmp_path):
    run([cells["base", 1], cells["flat, vision loss", 0]], tmp_path / "store", progress=False)
    keep(cells, tmp_path / "store", tmp_path / "kept")
    found = kept(tmp_path / "kept")
    assert list(found) == ["base-0", "flat_vision_loss-0", "tuned-flat_vision_loss-0"]
    assert [record["result"]["sum"] for record in found.values()] == [5, 12, 2]


def test_what_is_kept_is_not_done_again(cells, tmp_path):
    run(cells.values(), tmp_path / "store", progress=False)
    keep(cells, tmp_path / "store", tmp_path / "kept")
    before = (tmp_path / "log").read_text()
    restore(cells, tmp_path / "another", tmp_path / "kept")
    again = run(cells.values(), tmp_path / "another", progress=False)
    assert (tmp_path / "log").read_text() == before
    assert again == run(cells.values(), tmp_path / "store", progress=False)


def test_a_training_whose_model_is_still_needed_is_done_again(cells, tmp_path):
    run([cells["tuned", "chain", 0], cells["flat, vision loss", 0]], tmp_path / "store", progress=False)
    keep(cells, tmp_path / "store", tmp_path / "kept")
    restore(cells, tmp_path / "another", tmp_path / "kept")
    back = [name for name, cell in cells.items() if done(cell, tmp_path / "another")]
    assert back == [("tuned", "flat, vision loss", 0), ("flat, vision loss", 0)]


def test_a_cell_of_other_settings_is_not_put_back(cells, tmp_path):
    run([cells["base", 0]], tmp_path / "store", progress=False)
    keep(cells, tmp_path / "store", tmp_path / "kept")
    other = {"base": Cell(count, {"log": str(tmp_path / "log"), "number": 6})}
    restore(other, tmp_path / "another", tmp_path / "kept")
    assert done(other["base"], tmp_path / "another") is None


README = f"""# Made up

## Question

Is it?

## Setting

Rows.

## Command

`python -m studies made_up`

{BEGIN}
{END}

## What we conclude

Nothing yet.
"""


def test_a_study_without_a_result_says_so_and_only_one_under_the_protocol_may(tmp_path):
    design = Design({"chain": "", "flat": ""}, Outcome("chain", "flat", "level 3", 0.05), 0.5)
    study = Study("made_up", "Is it?", "kosmos2", lambda terms: {}, lambda terms, results: None, lambda result: [], design)
    older = Study("made_up", "Is it?", "kosmos2", study.plan, study.read, study.draw)
    folder = tmp_path / "made_up"
    folder.mkdir()
    readme = folder / "README.md"
    readme.write_text(README)
    assert check(study, folder) == ["made_up: there is no result.json: run the study"]
    readme.write_text(filled(readme, BEGIN, END, not_run(study, folder)))
    assert check(study, folder) == [] and "Not run to its end" in readme.read_text()
    assert check(older, folder) == ["made_up: there is no result.json: run the study"]
    assert "not run under the protocol yet: `python -m studies made_up`" in overview({"made_up": study}, tmp_path)
