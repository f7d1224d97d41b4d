# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""One job at a time writes a folder, ranks share one, and what killed writers left goes when the next takes it."""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from promvil_hf.distributed import Ranks
from promvil_hf.files import atomic_write, remove_drafts
from promvil_hf.folder_lock import held
from promvil_hf.job_files import JobError
from tests.unit.another_process import another_process


def test_a_second_process_reads_who_holds_the_folder(tmp_path):
    with another_process(lambda: held(tmp_path)) as first:
        with pytest.raises(JobError) as error:
            with held(tmp_path):
                pass
    assert str(error.value).endswith(f"is writing {tmp_path}: wait for it, or use another folder.")
    if sys.platform == "linux":
        assert str(error.value).startswith(f"Process {first} ('") and "pytest" in str(error.value)
    with held(tmp_path):
        pass


def test_a_thread_may_take_its_folder_again_and_another_thread_may_not(tmp_path):
    def take():
        with held(tmp_path):
            return True

    with held(tmp_path), held(tmp_path), ThreadPoolExecutor(1) as pool:
        with pytest.raises(JobError, match="Another thread of this process is writing"):
            pool.submit(take).result()
        with held(tmp_path / "inside"):
            pass
        with another_process(lambda: held(tmp_path / "inside")):  # let go of
            pass
    assert ThreadPoolExecutor(1).submit(take).result()


def test_the_inner_of_two_leaves_the_folder_locked(tmp_path):
    with held(tmp_path):
        with held(tmp_path):
            pass
        with pytest.raises(AssertionError):
            with another_process(lambda: held(tmp_path)):
                pass


def test_ranks_of_one_job_share_a_folder_and_other_divisions_do_not(tmp_path):
    with another_process(lambda: held(tmp_path, Ranks(0, 2))):
        with held(tmp_path, Ranks(1, 2)):
            pass
        for other in (Ranks(0, 2), Ranks(1, 3), Ranks()):
            with pytest.raises(JobError, match="wait for it"), held(tmp_path, other):
                pass


@contextmanager
def writing(path):
    with atomic_write(path) as file:
        file.write("half")
        file.flush()
        yield


def drafts(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(".part"))


def test_what_killed_writers_left_goes_when_a_folder_is_taken_and_living_ones_keep_their_drafts(tmp_path):
    (tmp_path / ".report.json.71-8.part").write_text("{")
    (tmp_path / ".draft-abc.part").mkdir()
    (tmp_path / ".draft-abc.part" / "rows.parquet").write_text("")
    (tmp_path / ".mine.part").write_text("somebody else's")
    with another_process(lambda: writing(tmp_path / "rows.jsonl")) as writer:
        with held(tmp_path):
            left = drafts(tmp_path)
    assert [name for name in left if name != ".mine.part"] == [name for name in left if name.startswith(f".rows.jsonl.{writer}-")]
    assert len(left) == 2 and (tmp_path / "rows.jsonl").read_text() == "half"


def test_a_file_that_is_written_again_takes_away_its_own_drafts_only(tmp_path):
    for name in (".a.txt.1-2.part", ".a.txt.b.1-2.part", ".b.txt.1-2.part"):
        (tmp_path / name).write_text("")
    with another_process(lambda: writing(tmp_path / "a.txt")):
        with atomic_write(tmp_path / "a.txt") as file:
            file.write("whole")
            there = drafts(tmp_path)
    assert ".a.txt.1-2.part" not in there and len(there) == 4
    assert drafts(tmp_path) == [".a.txt.b.1-2.part", ".b.txt.1-2.part"]
    remove_drafts(tmp_path)
    assert drafts(tmp_path) == []
