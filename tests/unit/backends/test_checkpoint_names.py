# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Where a checkpoint of a given name lies: toy bases, real parts, folders."""

import pytest

from promvil_hf.backends.checkpoint_names import PREFIXES, located
from promvil_hf.fetching import real_parts
from promvil_hf.toy import bases


def test_each_prefix_asks_what_keeps_its_models_and_a_folder_is_itself(tmp_path, monkeypatch):
    kosmos2 = bases.folder("kosmos2")
    assert located("toy:kosmos2") == kosmos2 and str(located(kosmos2)) == str(kosmos2)
    (tmp_path / "smol").mkdir()
    (tmp_path / "smol" / "config.json").write_text("{}")
    monkeypatch.setenv("PROMVIL_CACHE", str(tmp_path))
    assert located("real:smol") == real_parts.folder("smol")
    assert set(PREFIXES) == {"toy:", "real:"}


def test_names_that_no_model_has_are_refused(tmp_path):
    with pytest.raises(ValueError, match="You asked for the toy base 'gpt': there are kosmos2, llava, llava_boxes."):
        located("toy:gpt")
    with pytest.raises(ValueError, match="large"):
        located("real:large")
    with pytest.raises(ValueError, match="There is no file or folder"):
        located("no model of this name")
