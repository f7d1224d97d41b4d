# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promvil_hf.markup import escape, unescape


TAGS = [
    "<object>",
    "</phrase>",
    "<patch_index_0044>",
    "<image>",
    "<|im_start|>",
    "<loc0001>",
    "</delimiter_of_multi_objects/>",
]
text = st.text() | st.lists(st.sampled_from([*TAGS, "<", ">", "\\", "a", " "]), max_size=8).map("".join)


@given(text)
def test_unescape_takes_back_exactly_what_escape_did(value):
    assert unescape(escape(value)) == value


@given(text)
def test_no_tag_survives_escaping(value):
    assert not any(tag in escape(value) for tag in TAGS)


@pytest.mark.parametrize("plain", ["a < b > c", "man", "5 <", "<>", "<3", ""])
def test_text_without_tags_is_left_alone(plain):
    assert escape(plain) == plain
