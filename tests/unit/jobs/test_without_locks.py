# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A job on a file system that has no locks and cannot sync a folder, as buckets that are mounted may be."""

import errno
import os
import stat

import pytest

from promvil_hf import files, folder_lock, jobs
from promvil_hf.folder_lock import WITHOUT_LOCKS, held
from tests.unit.jobs.small_job import Counting, content, run


def refuse(*_):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


@pytest.fixture
def no_locks(monkeypatch):
    """Neither kind of lock, and no sync of folders."""
    sync = os.fsync

    def sync_files_only(opened):
        if stat.S_ISDIR(os.fstat(opened).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(opened)

    for module in (folder_lock.fcntl, files.fcntl):
        monkeypatch.setattr(module, "lockf", refuse)
        monkeypatch.setattr(module, "flock", refuse)
    monkeypatch.setattr(os, "fsync", sync_files_only)


def test_such_a_folder_is_refused_with_what_to_do(no_locks, tmp_path):
    with pytest.raises(jobs.JobError, match="Cannot lock .*: No locks available. Use .*, or set PROMVIL_WITHOUT_LOCKS=1 where"):
        run(tmp_path / "job")


def test_the_variable_excuses_missing_locks_and_nothing_else(monkeypatch, tmp_path):
    def broken(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setenv(WITHOUT_LOCKS, "1")
    monkeypatch.setattr(folder_lock.fcntl, "lockf", broken)
    with pytest.raises(jobs.JobError, match="Cannot lock .*: Input/output error"), held(tmp_path):
        pass


def test_a_stopped_job_goes_on_there_to_the_same_bytes_by_one_rank_and_by_two(tmp_path, monkeypatch, request):
    run(tmp_path / "whole")
    expected = content(tmp_path / "whole")
    request.getfixturevalue("no_locks")
    monkeypatch.setenv(WITHOUT_LOCKS, "1")
    with pytest.raises(RuntimeError, match="unplugged"):
        run(tmp_path / "one", work=Counting(stop_at=3))
    report = run(tmp_path / "one")
    assert report.reused_shards == 3 and content(tmp_path / "one") == expected
    with held(tmp_path / "two"):
        run(tmp_path / "two", rank=1, world_size=2)
        run(tmp_path / "two", rank=0, world_size=2)
    assert content(tmp_path / "two") == expected


def test_two_writers_of_one_folder_leave_the_same_bytes(tmp_path, monkeypatch, request):
    """What locks would have kept out: a second writer works while the first is in the middle of each of its shards."""
    run(tmp_path / "whole")
    request.getfixturevalue("no_locks")
    monkeypatch.setenv(WITHOUT_LOCKS, "1")
    work = Counting()

    def disturbed(batch):
        run(tmp_path / "twice")
        return work(batch)

    run(tmp_path / "twice", work=disturbed)
    assert content(tmp_path / "twice") == content(tmp_path / "whole") and work.batches
