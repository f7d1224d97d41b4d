# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A job that was stopped in the middle."""

import pytest

from tests.unit.jobs.small_job import Counting, run


@pytest.fixture
def half_done(tmp_path):
    """A folder with three of seven shards."""
    with pytest.raises(RuntimeError, match="unplugged"):
        run(tmp_path / "half", work=Counting(stop_at=3))
    return tmp_path / "half"
