# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of resumable jobs: torn drafts, damaged parts, full disks and folders that cannot be written."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from promvil_hf import jobs
from promvil_hf.jobs import JobError
from tests.unit.jobs.small_job import Counting, content, run


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

    def fsync(handle):  # with delayed allocation the disk reports the error here
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
    sentence = f"Cannot write {out}/part-00004.jsonl: File too large. Shards done are kept: mend that and run again.\n"
    assert done.stderr == sentence
    assert sorted(content(out)) == [".lock", *(f"part-0000{n}.jsonl" for n in range(4)), "plan.json"]


def test_a_folder_that_cannot_be_written_is_reported_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JobError, match="Cannot write in .*file/out: Not a directory. Use a folder that can be"):
        run(tmp_path / "file" / "out")
    with pytest.raises(JobError, match="Cannot write in .*file: File exists."):
        run(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_reported_in_a_sentence(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(JobError, match="Cannot write in .*: Permission denied"):
        run(tmp_path / "out")
