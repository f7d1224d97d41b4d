# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A job of which every item failed fails, says why, and does not stand in the way of the next call."""

import pytest

from promvil_hf import jobs
from promvil_hf.jobs import JobError, Rejected
from tests.unit.jobs.small_job import content, run


def nothing(batch):
    return [Rejected("no picture" if key < "k20" else "timed out", f"it was {key}") for key in batch]


def test_a_job_without_a_row_fails_with_the_commonest_reason(tmp_path):
    with pytest.raises(JobError) as error:
        run(tmp_path, work=nothing)
    assert str(error.value) == (
        f"Nothing came of all 25 items: 'no picture' 20 times, such as 'it was k00'. {tmp_path / 'rejects.jsonl'} holds every "
        "reason. Mend what is wrong and run the same again."
    )
    assert len(list(jobs.rejects(tmp_path))) == 25  # each can be looked up


def test_the_same_call_begins_anew_when_what_was_wrong_is_mended(tmp_path):
    with pytest.raises(JobError):
        run(tmp_path / "out", work=nothing)
    assert run(tmp_path / "out").reused_shards == 0
    run(tmp_path / "whole")
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_one_row_is_enough_and_a_job_without_items_has_nothing_that_failed(tmp_path):
    assert run(tmp_path / "one", work=lambda batch: [{} if key == "k07" else Rejected("no") for key in batch]).rows == 1
    assert run(tmp_path / "empty", items=[]).finished


def test_of_several_ranks_the_last_one_fails(tmp_path):
    assert not run(tmp_path, work=nothing, rank=0, world_size=2).finished
    with pytest.raises(JobError, match="Nothing came of all 25 items"):
        run(tmp_path, work=nothing, rank=1, world_size=2)
    assert not run(tmp_path, rank=0, world_size=2).finished  # anew
    assert run(tmp_path, rank=1, world_size=2).rows == 10


def test_a_control_character_of_a_reason_never_reaches_the_terminal(tmp_path):
    with pytest.raises(JobError) as error:
        run(tmp_path, work=lambda batch: [Rejected("\x1b[31mred", "\x1b]0;title\x07") for _ in batch])
    assert str(error.value).isprintable()
