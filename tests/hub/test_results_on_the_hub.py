# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The revision in a row of results is the commit that was loaded from the Hub, whatever came after it."""

from huggingface_hub import HfApi

from promvil_hf.backends.checkpoint_names import located
from promvil_hf.backends.loading import load
from promvil_hf.reproducing.results import revision_of


def test_a_revision_is_the_commit_that_was_loaded(hub, monkeypatch):
    monkeypatch.setattr("transformers.utils.hub._hf_api", None)  # it keeps the address it was made with
    api, name = HfApi(), "microsoft/kosmos-2-patch14-224"
    api.create_repo(name)
    loaded = api.upload_folder(folder_path=str(located("toy:kosmos2")), repo_id=name).oid
    load(name)
    api.upload_file(path_or_fileobj=b"later", path_in_repo="notes.txt", repo_id=name)
    assert revision_of(name) == loaded and len(loaded) == 40
