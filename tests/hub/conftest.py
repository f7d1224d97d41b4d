# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The fixture `hub`: a loopback Hub, with the libraries of this very process pointed at it and put back afterwards.

The libraries read their addresses at import, and other tests may have imported them, so the constants themselves are
replaced. Tests in other folders take it with `from tests.hub.conftest import hub`.
"""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.hub.server import LoopbackHub


DOWNLOADED = ("evaluate_modules", "datasets_modules")  # packages that the libraries write into their cache folder


@contextmanager
def pointed_at(hub: LoopbackHub, home: Path) -> Iterator[None]:
    """Point the Hugging Face libraries of this process at `hub`, with all their caches under `home`.

    Hosts other than 127.0.0.1 that are looked up meanwhile are not found, and listed in `hub.strangers`.
    """
    # Imported before anything is replaced: a module first imported under it would keep this Hub's address for ever.
    import datasets
    import evaluate
    import huggingface_hub.hf_api
    import huggingface_hub.utils
    import huggingface_hub.utils._cache_manager
    import transformers.utils.hub

    constants = huggingface_hub.constants
    look_up = socket.getaddrinfo

    def look_up_loopback_only(host, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else host
        if name not in ("127.0.0.1", "localhost", "::1", None):
            hub.strangers.append(name)
            raise socket.gaierror(socket.EAI_NONAME, f"{name} is not on this machine, and tests run offline")
        return look_up(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        for name, value in hub.environment(home).items():
            patch.setenv(name, value)
        for name in os.environ.keys() & {"HF_HUB_CACHE", "HF_DATASETS_CACHE", "HF_MODULES_CACHE", "HF_OIDC_RESOURCE"}:
            patch.delenv(name)
        patch.setattr(socket, "getaddrinfo", look_up_loopback_only)
        for owner, values in [
            (
                constants,
                {
                    "ENDPOINT": hub.url,
                    "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
                    "HF_HUB_DISABLE_XET": True,
                    "HF_HUB_DISABLE_TELEMETRY": True,
                    "HF_HUB_DISABLE_IMPLICIT_TOKEN": False,
                    "HF_HUB_OFFLINE": False,
                    "HF_HOME": str(home),
                    "HF_HUB_CACHE": str(home / "hub"),
                    "HUGGINGFACE_HUB_CACHE": str(home / "hub"),
                    "HF_ASSETS_CACHE": str(home / "assets"),
                    "HF_TOKEN_PATH": str(home / "token"),
                    "HF_STORED_TOKENS_PATH": str(home / "stored_tokens"),
                },
            ),
            (huggingface_hub.utils._cache_manager, {"HF_HUB_CACHE": str(home / "hub")}),
            (huggingface_hub.hf_api.api, {"endpoint": hub.url}),  # create_repo and its kin are methods of this object
            (
                datasets.config,
                {
                    "HF_ENDPOINT": hub.url,
                    "HUB_DATASETS_URL": hub.url + "/datasets/{repo_id}/resolve/{revision}/{path}",
                    "HF_HUB_OFFLINE": False,
                    "HF_CACHE_HOME": str(home),
                    "HF_DATASETS_CACHE": home / "datasets",
                    "HF_MODULES_CACHE": home / "modules",
                    "DOWNLOADED_DATASETS_PATH": home / "datasets" / "downloads",
                    "EXTRACTED_DATASETS_PATH": home / "datasets" / "downloads" / "extracted",
                },
            ),
            (
                evaluate.config,
                {
                    "HF_ENDPOINT": hub.url,
                    "HF_LIST_ENDPOINT": hub.url + "/api/spaces?filter={type}",
                    "HUB_EVALUATE_URL": hub.url + "/spaces/{path}/resolve/{revision}/{name}",
                    "HF_EVALUATE_OFFLINE": False,
                    "HF_UPDATE_DOWNLOAD_COUNTS": False,
                    "HF_CACHE_HOME": str(home),
                    "HF_EVALUATE_CACHE": home / "evaluate",
                    "HF_METRICS_CACHE": home / "metrics",
                    "HF_MODULES_CACHE": home / "modules",
                    "DOWNLOADED_EVALUATE_PATH": home / "evaluate" / "downloads",
                    "EXTRACTED_EVALUATE_PATH": home / "evaluate" / "downloads" / "extracted",
                },
            ),
            (transformers.utils.hub, {"HF_MODULES_CACHE": str(home / "modules")}),
        ]:
            for name, value in values.items():
                patch.setattr(owner, name, value)
        huggingface_hub.utils.close_session()  # a client made before would keep the proxies of that time
        path, others = list(sys.path), _take_downloaded_modules()  # of other cache folders
        sys.path[:] = [place for place in path if not any(Path(place, name).is_dir() for name in DOWNLOADED)]
        try:
            yield
        finally:
            sys.path[:] = path
            _take_downloaded_modules()  # code that came from this Hub, on a path that is about to go
            sys.modules.update(others)
            huggingface_hub.HfFileSystem.clear_instance_cache()
            huggingface_hub.utils.close_session()


def _take_downloaded_modules() -> dict:
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith(DOWNLOADED)}


@pytest.fixture
def hub(tmp_path) -> Iterator[LoopbackHub]:
    """A running, empty Hub that this process talks to. A request it has no route for fails the test at its end."""
    with LoopbackHub() as running, pointed_at(running, tmp_path / "hf_home"):
        yield running
    assert running.unknown == []
