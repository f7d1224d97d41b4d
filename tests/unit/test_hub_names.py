# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A name is a path that exists or a repository that exists; anything else is said at once, and no library tries to reach it."""

import pytest

from promvil_hf.backends.detector_loading import load_detector
from promvil_hf.backends.loading import load, read_config
from promvil_hf.commands.inspect_compovl import sample
from promvil_hf.fivl.row_files import read_fivl_rows
from promvil_hf.hub_names import local_or_hub
from promvil_hf.training.row_sources import read_source
from tests.hub.conftest import hub  # noqa: F401


TAKE_NAMES = {
    "checkpoint": load,
    "configuration": read_config,
    "adapter": lambda name: load("toy:llava", name),
    "detector": load_detector,
    "rows of CompoVL": lambda name: sample(name, "test", 5, 0),
    "rows of FiVL": read_fivl_rows,
    "rows of a training": lambda name: read_source(name, "train", list),
}


@pytest.fixture
def unreachable(monkeypatch, tmp_path):
    """A Hub that cannot be reached; how often it was tried is counted."""
    import huggingface_hub

    monkeypatch.chdir(tmp_path)  # beside a working tree there may be a folder `base`
    tried = []

    def request(*args, **kwargs):
        tried.append(args)
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub.HfApi, "repo_info", request)
    for client in ("hf_hub_download", "snapshot_download"):
        monkeypatch.setattr(huggingface_hub, client, request)
    return tried


@pytest.mark.parametrize("take", TAKE_NAMES.values(), ids=TAKE_NAMES)
@pytest.mark.parametrize("name", ["compovl", "./runs/base", "/no/where", "a/b/c", "data/rows.parquet", "~/base", "", "../base"])
def test_what_can_only_be_a_path_is_never_asked_of_the_hub(take, name, unreachable):
    with pytest.raises(ValueError, match="There is no file or folder"):
        take(name)
    assert not unreachable


@pytest.mark.parametrize("take", TAKE_NAMES.values(), ids=TAKE_NAMES)
def test_a_hub_that_cannot_be_reached_is_tried_once(take, unreachable):
    with pytest.raises(ValueError, match="There is no file or folder 'owner/no-such-thing' .*the Hub cannot be asked"):
        take("owner/no-such-thing")
    assert len(unreachable) == 1


def test_a_name_that_the_hub_does_not_know_is_said(hub):  # noqa: F811
    with pytest.raises(ValueError, match="the Hub has no dataset of this name"):
        local_or_hub("owner/nothing", "dataset", "rows")


@pytest.mark.parametrize("name, command", [("promvil/compovl", "build compovl"), ("promvil/fivl-instruct", "build fivl")])
def test_a_data_set_that_is_made_here_is_said_with_its_commands(hub, name, command):  # noqa: F811
    with pytest.raises(ValueError, match=f"promvil fetch .*promvil {command}.* in its place"):
        local_or_hub(name, "dataset", "rows")


def test_what_is_there_is_found(hub, tmp_path, monkeypatch):  # noqa: F811
    from huggingface_hub import HfApi, snapshot_download

    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "model").mkdir(parents=True)
    assert local_or_hub("owner/model", "model", "a checkpoint") == "owner/model"  # the folder comes first
    HfApi().create_repo("owner/other")
    HfApi().upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id="owner/other")
    assert local_or_hub("owner/other", "model", "a checkpoint") == "owner/other"
    snapshot_download("owner/other")
    monkeypatch.setattr(HfApi, "repo_info", None)  # what the cache holds is not asked for again
    assert local_or_hub("owner/other", "model", "a checkpoint") == "owner/other"
