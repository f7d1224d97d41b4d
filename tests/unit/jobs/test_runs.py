# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of resumable jobs, in one process: every item once, the same bytes after a stop, with workers and with ranks."""

import io
import json
import sys
import tracemalloc
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest

from promvil_hf import jobs
from promvil_hf.jobs import JobError, Rejected
from tests.unit.jobs.small_job import ITEMS, Counting, content, run, shout


def test_every_item_comes_out_once_as_a_row_or_a_reject_in_input_order(tmp_path):
    report = run(tmp_path)
    assert [key for key, _ in jobs.rows(tmp_path)] == [item for item in ITEMS if not item.endswith("3")]
    assert list(jobs.rejects(tmp_path)) == [(k, Rejected("ends in 3", f"it was {k}")) for k in ("k03", "k13", "k23")]
    assert dict(jobs.rows(tmp_path))["k04"] == {"loud": "K04"}
    assert (report.items, report.rows, report.rejected, report.shards) == (25, 22, {"ends in 3": 3}, 7)
    assert report.finished and report.reused_shards == 0


def test_the_folder_says_what_it_is_and_its_files_are_plain_json(tmp_path):
    run(tmp_path)
    parts = [f"part-{n:05d}.jsonl" for n in range(7)]
    assert sorted(content(tmp_path)) == [".lock", "job.json", *parts, "plan.json", "rejects.jsonl"]
    job = json.loads((tmp_path / "job.json").read_text())
    assert (job["items"], job["rows"], job["rejected"]) == (25, 22, {"ends in 3": 3})
    assert job["describe"] == {"loudness": 11}
    assert [part["items"] for part in job["parts"]] == [4] * 6 + [1]
    rejected = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert rejected[0] == {"key": "k03", "reject": "ends in 3", "detail": "it was k03"} and len(rejected) == 3


def test_a_restart_does_only_what_is_missing_and_ends_with_the_same_bytes(tmp_path, half_done, capsys):
    run(tmp_path / "whole")
    work = Counting()
    report = run(half_done, work=work, progress=True)
    assert [batch[0] for batch in work.batches] == ["k12", "k16", "k20", "k24"]
    assert (report.reused_shards, report.reused_items) == (3, 12)
    errors = capsys.readouterr().err
    assert "resuming: 3 of 7 shards are done and will be reused\n" in errors
    assert "finished: 25 items, 22 rows, 3 rejected; reused 3 of 7 shards (12 items)\n" in errors
    assert content(half_done) == content(tmp_path / "whole")


def test_a_finished_job_run_again_calls_nothing_and_changes_nothing(tmp_path):
    run(tmp_path)
    before = content(tmp_path)
    assert run(tmp_path, work=Counting(stop_at=0)).reused_items == 25
    assert content(tmp_path) == before


def test_the_items_are_streamed_one_shard_at_a_time(tmp_path):
    taken, seen_at = 0, []

    def items():
        nonlocal taken
        for item in ITEMS:
            taken += 1
            yield item

    def work(batch):
        seen_at.append(taken)
        return shout(batch)

    run(tmp_path, items(), work)
    assert seen_at == [4, 8, 12, 16, 20, 24, 25]


def test_memory_does_not_grow_with_the_items(tmp_path):
    def peak(count):
        items = (f"item {n}" for n in range(count))
        tracemalloc.start()
        run(tmp_path / str(count), items, lambda batch: [{"t": "x" * 1000} for _ in batch], shard_size=50)
        high = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return high

    run(tmp_path / "warm")
    assert peak(4000) < 1.25 * peak(500)


@pytest.mark.parametrize("how", [{"workers": 2}, {"workers": 3, "shard_size": 4}])
def test_workers_do_not_change_a_byte(tmp_path, how):
    run(tmp_path / "one")
    run(tmp_path / "many", **how)
    assert content(tmp_path / "one") == content(tmp_path / "many")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_ranks_one_after_the_other_end_as_one_rank_does(tmp_path, order):
    run(tmp_path / "one")
    reports = [run(tmp_path / "ranks", rank=rank, world_size=3) for rank in order]
    assert [report.finished for report in reports] == [False, False, True]
    assert sum(report.items for report in reports) == 25
    assert "other ranks have shards to do" in str(reports[0])
    assert content(tmp_path / "one") == content(tmp_path / "ranks")


def test_a_job_begun_by_two_ranks_can_be_ended_by_one(tmp_path):
    run(tmp_path / "one")
    run(tmp_path / "ranks", rank=1, world_size=2)
    assert run(tmp_path / "ranks").reused_shards == 3
    assert content(tmp_path / "one") == content(tmp_path / "ranks")


def test_an_unfinished_folder_is_not_read_unless_asked_for(half_done, tmp_path):
    with pytest.raises(JobError, match="half is not finished: 3 shards are there, but no job.json. Run the job to"):
        jobs.rows(half_done)
    with pytest.raises(JobError, match="not finished"):
        jobs.rejects(half_done)
    assert [key for key, _ in jobs.rows(half_done, partial=True)] == [k for k in ITEMS[:12] if k != "k03"]
    with pytest.raises(JobError, match="holds no job: there is no plan.json in it"):
        jobs.rows(tmp_path)


def test_an_input_that_grew_goes_on_and_is_unfinished_meanwhile(tmp_path):
    run(tmp_path / "grown", ITEMS[:8])
    with pytest.raises(RuntimeError):
        run(tmp_path / "grown", work=Counting(stop_at=1))
    assert not (tmp_path / "grown/job.json").exists()
    run(tmp_path / "grown")
    run(tmp_path / "whole")
    assert content(tmp_path / "grown") == content(tmp_path / "whole")


def test_rows_may_hold_what_json_can_say(tmp_path):
    @dataclass
    class Row:
        words: str
        boxes: tuple

    class Fast(msgspec.Struct):
        score: float

    results = [
        Row("a </s> <b>\u2028\n\x00 e\u0301 🦆", ((0.1, 1e-300),)),
        Fast(float("nan")),
        {"array": np.arange(3), "scalar": np.float32(0.5), "truth": np.bool_(True)},
        {"bad": "\ud83e"},
    ]
    run(tmp_path, ["a", "b", "c", "d"], lambda batch: results)
    rows = dict(jobs.rows(tmp_path))
    assert rows == {
        "a": {"words": "a </s> <b>\u2028\n\x00 e\u0301 🦆", "boxes": [[0.1, 1e-300]]},
        "b": {"score": None},
        "c": {"array": [0, 1, 2], "scalar": 0.5, "truth": True},
    }
    [(key, reject)] = jobs.rejects(tmp_path)
    assert (key, reject.reason) == ("d", "text is not Unicode")
    with pytest.raises(TypeError, match="JSON has no object: give numbers, text, lists and dicts"):
        run(tmp_path / "other", work=lambda batch: [{"o": object()} for _ in batch])


def test_an_empty_input_makes_a_finished_empty_job(tmp_path):
    assert run(tmp_path, []).finished
    assert list(jobs.rows(tmp_path)) == [] and (tmp_path / "rejects.jsonl").read_bytes() == b""


def test_without_a_terminal_each_shard_is_a_line(tmp_path, capsys):
    run(tmp_path, progress=True)
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert len(lines) == 8 and lines[0].startswith("part-00000.jsonl: 4 items, 1 rejected (")


def test_on_a_terminal_there_is_a_bar(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    run(tmp_path, progress=True)
    assert "25/25" in sys.stderr.getvalue() and "part-00000" not in sys.stderr.getvalue()


def test_silence_when_asked(tmp_path, capsys):
    run(tmp_path, progress=False)
    assert capsys.readouterr().err == ""
