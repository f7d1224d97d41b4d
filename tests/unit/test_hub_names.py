# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A name is a path that exists or a repository that exists; anything else is said at once, and no library tries to reach it."""

import socket

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


def refused(*_, **__):
    """As a client says that no machine has the Hub's name."""
    try:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    except OSError as error:
        raise ConnectionError("cannot connect") from error


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache of the Hub, whose name is found nowhere. What is changed for the whole process is put back."""
    import datasets
    import huggingface_hub

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(huggingface_hub.HfApi, "repo_info", refused)
    return tmp_path


def test_without_a_network_a_sentence_says_what_works(cache):
    with pytest.raises(ValueError) as refusal:
        local_or_hub("owner/base", "model", "a checkpoint")
    for said in ("no machine is found under the name", "pass a folder", "toy:kosmos2", "HF_HOME"):
        assert said in str(refusal.value)


def test_without_a_network_what_is_cached_is_taken_and_not_asked_for_file_by_file(cache, capsys, monkeypatch):
    import huggingface_hub

    (cache / "models--owner--base" / "snapshots" / "abc").mkdir(parents=True)
    with pytest.raises(ValueError, match="There is no file or folder"):  # a download that was broken off left no file
        local_or_hub("owner/base", "model", "a checkpoint")
    (cache / "models--owner--base" / "snapshots" / "abc" / "config.json").write_text("{}")
    assert local_or_hub("owner/base", "model", "a checkpoint") == "owner/base"
    assert huggingface_hub.constants.HF_HUB_OFFLINE and "cannot be reached: this run takes what" in capsys.readouterr().err
    monkeypatch.delattr(huggingface_hub.HfApi, "repo_info")  # and the Hub is not asked again
    assert local_or_hub("owner/base", "model", "a checkpoint") == "owner/base"


def test_a_hub_that_is_only_slow_is_asked_again_by_the_libraries(cache, monkeypatch):
    import huggingface_hub

    (cache / "models--owner--base" / "snapshots" / "abc").mkdir(parents=True)
    (cache / "models--owner--base" / "snapshots" / "abc" / "config.json").write_text("{}")

    def slow(*_, **__):
        raise TimeoutError("no answer yet")

    monkeypatch.setattr(huggingface_hub.HfApi, "repo_info", slow)
    assert local_or_hub("owner/base", "model", "a checkpoint") == "owner/base"
    assert not huggingface_hub.constants.HF_HUB_OFFLINE
