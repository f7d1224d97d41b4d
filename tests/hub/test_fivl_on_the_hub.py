# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FiVL-Instruct goes to a Hub and comes back: every configuration, streamed, with its card, and never a script."""

import json

import pytest

from promvil_hf.fivl.fivl_publish import push
from promvil_hf.fivl.fivl_rows import FivlRow
from tests.hub.conftest import hub
from tests.laws.test_fivl_build import build, world


__all__ = ["hub"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fivl")
    files = world(folder / "world", 6)
    build(folder / "out", files, "llava")
    build(folder / "out", files, "pope")
    return folder / "out"


def test_a_push_is_a_dataset_that_loads_and_streams(hub, built):
    from datasets import load_dataset
    from huggingface_hub import DatasetCard, HfApi

    address = push(built, "promvil/fivl-instruct")
    assert address.endswith("datasets/promvil/fivl-instruct")
    files = HfApi().list_repo_files("promvil/fivl-instruct", repo_type="dataset")
    assert not [name for name in files if name.endswith(".py") or name.startswith("work")]
    instruct = load_dataset("promvil/fivl-instruct", "instruct", split="train")
    assert instruct.num_rows == json.loads((built / "instruct" / "report.json").read_text())["rows"] == 6
    row = FivlRow.from_dict(instruct[0])
    assert row.keys
    streamed = load_dataset("promvil/fivl-instruct", "pope", split="test", streaming=True)
    assert {answer for row in streamed for answer in row["answers"]} == {"yes"}  # what is not there has no mask
    card = DatasetCard.load("promvil/fivl-instruct")
    assert card.data.license == "cc-by-4.0"
    assert "## Statistics" in card.text
    push(built, "promvil/fivl-instruct")  # again: nothing is there twice
    assert load_dataset("promvil/fivl-instruct", "instruct", split="train").num_rows == 6


def test_the_default_configuration_is_instruct(hub, built):
    from datasets import get_dataset_config_names, get_dataset_default_config_name

    push(built, "promvil/fivl-instruct", private=True)
    assert get_dataset_config_names("promvil/fivl-instruct") == ["instruct", "pope"]
    assert get_dataset_default_config_name("promvil/fivl-instruct") == "instruct"
