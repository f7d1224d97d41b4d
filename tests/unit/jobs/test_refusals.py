# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of resumable jobs: other settings or items are noticed, and work that fails is reported in a sentence."""

import os

import pytest

from promvil_hf import jobs
from promvil_hf.jobs import JobError, Rejected
from tests.unit.jobs.small_job import ITEMS, content, run, shout


def refuse_k07(item):
    if item == "k07":
        raise ValueError("seven again")
    return {"loud": item}


def divide(batch):
    return [{"value": 1 / item} for item in batch]


def exit_at_once(batch):
    os._exit(3)


def test_other_settings_are_refused_with_what_differs_and_what_to_do(half_done):
    before = content(half_done)
    with pytest.raises(JobError) as error:
        run(half_done, describe={"loudness": 12, "code": "2.0"}, shard_size=5)
    assert str(error.value) == (
        f"{half_done} holds a job begun with other settings, and going on would mix the two: loudness was 11, is 12; "
        "the job's shard_size was 4, is 5; code was not set, is '2.0'. "
        "Use another folder, go back to the old settings, or pass --restart (in Python "
        "restart=True), which discards what is there."
    )
    assert content(half_done) == before


def test_settings_that_read_back_the_same_are_the_same(tmp_path):
    run(tmp_path, describe={"size": (3, 4), "rate": 0.1, "names": {"a": None}})
    run(tmp_path, describe={"size": [3, 4], "rate": 0.1, "names": {"a": None}})


def test_restart_discards_what_was_there_and_keeps_strangers(tmp_path, half_done):
    (half_done / "notes.txt").write_text("mine")
    report = run(half_done, describe={"loudness": 12}, restart=True)
    assert report.reused_shards == 0 and report.finished
    assert (half_done / "notes.txt").read_text() == "mine"
    with pytest.raises(JobError, match="restart=True to 2 ranks at once: delete .* before you start them"):
        run(half_done, restart=True, rank=0, world_size=2)


@pytest.mark.parametrize(
    "items, complaint",
    [
        (ITEMS[1:], "part-00000.jsonl was made from other items than the input gives now .then 4 items, 'k00' to "),
        (ITEMS[:2] + ITEMS[3:], "now 4 items, 'k00' to 'k04', .*: items were added, removed or reordered since. Give"),
        ([*ITEMS[:8], ITEMS[9], ITEMS[8], *ITEMS[10:]], "part-00002.jsonl was made from other items"),
        (ITEMS[:10], "part-00002.jsonl was made from other items than .* now 2 items"),
        (ITEMS[:8], "part-00002.jsonl is there, but the input ends after 2 shards. Give the same items"),
    ],
)
def test_items_that_vanished_or_moved_are_noticed(half_done, items, complaint):
    with pytest.raises(JobError, match=complaint):
        run(half_done, items)


@pytest.mark.parametrize("items", [["a", "b", "a"], [*ITEMS, "k00"]])
def test_a_doubled_key_is_an_error_that_names_it(tmp_path, items):
    with pytest.raises(JobError, match=f"Two items have the key '{items[0]}': make keys unique"):
        run(tmp_path, items)


def test_keys_must_be_text(tmp_path):
    with pytest.raises(JobError, match="key gave 3, a int: an item's key must be a string"):
        run(tmp_path, [3], key=lambda item: item)
    with pytest.raises(JobError, match="is not Unicode text"):
        run(tmp_path, ["\ud800"])


def test_each_turns_the_named_exceptions_into_rejects_and_lets_others_stop_the_job(tmp_path):
    run(tmp_path / "a", work=jobs.each(refuse_k07, rejecting=(ValueError,)), workers=2)
    assert list(jobs.rejects(tmp_path / "a")) == [("k07", Rejected("ValueError", "seven again"))]
    with pytest.raises(ValueError, match="seven again") as error:
        run(tmp_path / "b", work=jobs.each(refuse_k07, rejecting=(KeyError,)))
    assert "In the shard of 4 items, 'k04' to 'k07'" in error.value.__notes__[0]
    assert [path.name for path in sorted((tmp_path / "b").glob("*.jsonl"))] == ["part-00000.jsonl"]


def test_an_exception_in_a_worker_process_arrives_with_its_shard_named(tmp_path):
    with pytest.raises(ZeroDivisionError) as error:
        run(tmp_path, [1, 2, 0], divide, workers=2)
    assert "In the shard of 3 items, '1' to '0'" in error.value.__notes__[0]


def test_a_worker_that_dies_is_reported_in_a_sentence(tmp_path):
    with pytest.raises(JobError, match=r"A worker process died .* run again, with fewer workers"):
        run(tmp_path, work=exit_at_once, workers=2)


def test_work_that_cannot_be_sent_to_processes_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(JobError, match="You passed workers=2, and work cannot be sent .* top level of a module"):
        run(tmp_path, work=lambda batch: shout(batch), workers=2)


@pytest.mark.parametrize(
    "work, complaint",
    [
        (lambda batch: shout(batch)[1:], "work got 4 items and returned 3 results: return one each, in order"),
        (lambda batch: [None for _ in batch], r"work returned None for 'k00': return a dict or Rejected\(reason\)"),
        (lambda batch: ["text" for _ in batch], "work returned 'text' for 'k00'"),
    ],
)
def test_work_that_answers_wrongly_is_refused_with_how_to_answer(tmp_path, work, complaint):
    with pytest.raises(JobError, match=complaint):
        run(tmp_path, work=work)


@pytest.mark.parametrize("how", [{"shard_size": 0}, {"workers": 0}, {"rank": 2, "world_size": 2}, {"rank": -1}])
def test_impossible_numbers_are_refused(tmp_path, how):
    with pytest.raises(ValueError, match="sizes and workers start at 1, ranks at 0 and end below world_size"):
        run(tmp_path, **how)
