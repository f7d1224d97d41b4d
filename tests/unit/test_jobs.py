# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of resumable jobs, in one process. `tests/laws/test_jobs_survive_kill.py` has the kills."""

import errno
import io
import json
import os
import subprocess
import sys
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest

from promvil_hf import jobs
from promvil_hf.jobs import JobError, Rejected


ITEMS = [f"k{n:02d}" for n in range(25)]


def shout(batch):
    return [Rejected("ends in 3", f"it was {k}") if k.endswith("3") else {"loud": k.upper()} for k in batch]


def refuse_k07(item):
    if item == "k07":
        raise ValueError("seven again")
    return {"loud": item}


def divide(batch):
    return [{"value": 1 / item} for item in batch]


def exit_at_once(batch):
    os._exit(3)


def run(out, items=ITEMS, work=shout, *, shard_size=4, **how):
    how = {"key": str, "describe": {"loudness": 11}, "progress": False} | how
    return jobs.run(items, work, out, shard_size=shard_size, **how)


def content(out):
    return {path.name: path.read_bytes() for path in Path(out).iterdir()}


class Counting:
    """Work that notes its batches, and stops the job at the batch it is told to."""

    def __init__(self, stop_at=None):
        self.batches, self.stop_at = [], stop_at

    def __call__(self, batch):
        if len(self.batches) == self.stop_at:
            raise RuntimeError("the machine was unplugged")
        self.batches.append(list(batch))
        return shout(batch)


@pytest.fixture
def half_done(tmp_path):
    """A folder with three of seven shards."""
    with pytest.raises(RuntimeError, match="unplugged"):
        run(tmp_path / "half", work=Counting(stop_at=3))
    return tmp_path / "half"


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
    told = capsys.readouterr().err
    assert "resuming: 3 of 7 shards are done and will be reused\n" in told
    assert "finished: 25 items, 22 rows, 3 rejected; reused 3 of 7 shards (12 items)\n" in told
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


def test_other_settings_are_refused_with_what_differs_and_what_to_do(half_done):
    before = content(half_done)
    with pytest.raises(JobError) as error:
        run(half_done, describe={"loudness": 12, "code": "2.0"}, shard_size=5)
    assert str(error.value) == (
        f"{half_done} holds a job begun with other settings, and going on would mix the two: loudness was 11, is 12; "
        "the job's shard_size was 4, is 5; code was not set, is '2.0'. "
        "Use another folder, go back to the old settings, or pass restart=True to discard what is there."
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


def test_an_input_that_grew_goes_on_and_is_unfinished_meanwhile(tmp_path):
    run(tmp_path / "grown", ITEMS[:8])
    with pytest.raises(RuntimeError):
        run(tmp_path / "grown", work=Counting(stop_at=1))
    assert not (tmp_path / "grown/job.json").exists()
    run(tmp_path / "grown")
    run(tmp_path / "whole")
    assert content(tmp_path / "grown") == content(tmp_path / "whole")


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


def test_a_worker_that_dies_is_told_in_a_sentence(tmp_path):
    with pytest.raises(JobError, match=r"A worker process died .* run again, with fewer workers"):
        run(tmp_path, work=exit_at_once, workers=2)


def test_work_that_cannot_be_sent_to_processes_is_told_before_anything_runs(tmp_path):
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
def test_work_that_answers_wrongly_is_told_how_to(tmp_path, work, complaint):
    with pytest.raises(JobError, match=complaint):
        run(tmp_path, work=work)


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


@pytest.mark.parametrize("how", [{"shard_size": 0}, {"workers": 0}, {"rank": 2, "world_size": 2}, {"rank": -1}])
def test_impossible_numbers_are_refused(tmp_path, how):
    with pytest.raises(ValueError, match="sizes and workers start at 1, ranks at 0 and end below world_size"):
        run(tmp_path, **how)


# Broken folders and full disks


def test_torn_drafts_are_ignored_by_readers_and_swept(tmp_path, half_done):
    (half_done / ".part-00003.jsonl.71-8.part").write_bytes(b'{"key":"k12","row":{"lo')
    (half_done / ".job.json.71-8.part").write_bytes(b"{")
    assert len(list(jobs.rows(half_done, partial=True))) == 11
    run(half_done)
    run(tmp_path / "whole")
    assert content(half_done) == content(tmp_path / "whole")


@pytest.mark.parametrize(
    "damage, complaint",
    [
        (
            lambda body: body[:-9],
            "part-00001.jsonl is damaged at line 4 .*Delete it and job.json and run the job again",
        ),
        (lambda body: body[:-1], "part-00001.jsonl is damaged: line 4 has no end"),
        (lambda body: body[: body.index(b"\n") + 1], "part-00001.jsonl was made from other items .*then 1 items"),
        (lambda body: b"", "part-00001.jsonl was made from other items .*then no items"),
    ],
)
def test_a_damaged_part_is_named_and_deleting_it_redoes_it_alone(half_done, damage, complaint):
    part = half_done / "part-00001.jsonl"
    part.write_bytes(damage(part.read_bytes()))
    with pytest.raises(JobError, match=complaint):
        run(half_done)
    part.unlink()
    work = Counting()
    run(half_done, work=work)
    assert work.batches[0] == ["k04", "k05", "k06", "k07"] and len(work.batches) == 5


def test_a_part_changed_after_the_end_is_noticed_by_readers(tmp_path):
    run(tmp_path)
    part = tmp_path / "part-00001.jsonl"
    part.write_bytes(part.read_bytes().replace(b"K05", b"K55"))
    with pytest.raises(JobError, match="part-00001.jsonl is not what job.json lists: it was changed after"):
        list(jobs.rows(tmp_path))
    part.unlink()
    with pytest.raises(JobError, match="part-00001.jsonl is gone, though job.json lists it"):
        list(jobs.rows(tmp_path))


def test_parts_without_a_plan_are_nobody_s(tmp_path):
    (tmp_path / "part-00000.jsonl").write_text("")
    with pytest.raises(JobError, match="holds part files but no plan.json: no job can go on there, use another"):
        run(tmp_path)


@pytest.mark.parametrize("call", range(1, 10))
def test_a_full_disk_stops_with_a_sentence_and_leaves_nothing_that_looks_whole(tmp_path, monkeypatch, call):
    run(tmp_path / "whole")
    real, count = os.fsync, 0

    def fsync(handle):  # a disk with delayed allocation tells here
        nonlocal count
        count += 1
        if count == 2 * call - 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(
        JobError, match=r"Cannot write .*: No space left on device. Shards done are kept: mend that and"
    ):
        run(tmp_path / "full")
    monkeypatch.undo()
    there, whole = content(tmp_path / "full"), content(tmp_path / "whole")
    assert all(whole[name] == body for name, body in there.items())  # no drafts either
    assert "job.json" not in there and len(there) == call  # .lock, plan.json, parts, rejects.jsonl
    run(tmp_path / "full")
    assert content(tmp_path / "full") == whole


def test_a_real_write_limit_ends_the_process_with_one_sentence_and_no_draft(tmp_path):
    program = """
import resource, sys
from promvil_hf import jobs
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
work = lambda batch: [{"text": "x" * (2 ** int(n) * 100)} for n in batch]
try:
    jobs.run(range(20), work, sys.argv[1], key=str, describe={}, shard_size=2, progress=False)
except jobs.JobError as error:
    sys.exit(str(error))
"""
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-c", program, str(out)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(jobs.__file__).parents[1])},
    )
    assert done.returncode == 1
    told = f"Cannot write {out}/part-00004.jsonl: File too large. Shards done are kept: mend that and run again.\n"
    assert done.stderr == told
    assert sorted(content(out)) == [".lock", *(f"part-0000{n}.jsonl" for n in range(4)), "plan.json"]


def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JobError, match="Cannot write in .*file/out: Not a directory. Use a folder that can be"):
        run(tmp_path / "file" / "out")
    with pytest.raises(JobError, match="Cannot write in .*file: File exists."):
        run(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_told_in_a_sentence(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(JobError, match="Cannot write in .*: Permission denied"):
        run(tmp_path / "out")


# Progress


def test_without_a_terminal_each_shard_is_a_line(tmp_path, capsys):
    run(tmp_path, progress=True)
    told = capsys.readouterr()
    assert told.out == ""
    lines = told.err.splitlines()
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
