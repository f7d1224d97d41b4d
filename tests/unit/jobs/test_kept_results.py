# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What a message says of settings that changed."""

from promvil_hf.kept_results import differences


def test_a_setting_inside_another_is_named_alone():
    before = {"model": {"name": "toy:llava", "quantize": None}, "seed": 0}
    now = {"model": {"name": "toy:kosmos2", "quantize": None}, "seed": 0}
    assert differences(before, now) == "model.name was 'toy:llava', is 'toy:kosmos2'"


def test_a_long_value_that_changes_at_its_end_is_seen_and_shown_there():
    before, now = ({"prompt": 300 * "a " + end} for end in ("question", "request"))
    said = differences(before, now)
    assert "question'" in said and "request'" in said and len(said) < 250


def test_what_was_not_set_says_so():
    assert differences({}, {"limit": 3}) == "limit was not set, is 3"
