# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Decides whether a name is a path on this machine or a repository of the Hub, for checkpoints, adapters and data alike.

    local_or_hub("runs/promvil", "model", "adapter")

The libraries below take any name for one of the Hub: they try for half a minute to reach it, and may then give what another
source left in their cache. huggingface_hub is imported when a name can only be one of the Hub.
"""

import os
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit


_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)
_OF_FILES = (".json", ".jsonl", ".parquet", ".safetensors", ".bin", ".pt", ".txt", ".zip")
_PATIENCE = 10  # seconds that the Hub has to say whether it knows a name
_MADE_HERE = {  # names that recipes have by default, and how one makes what they mean
    "promvil/compovl": "`promvil fetch vg vg-images --out data`, then `promvil build compovl --vg data/vg --out compovl`, "
                       "makes it: name the folder, compovl, in its place.",
    "promvil/fivl-instruct": "`promvil fetch llava-mix665k fivl-instruct --out data`, then `promvil build fivl` with --published "
                             "(docs/fivl_instruct.md), makes it: name its folder in its place.",
}  # fmt: skip


def is_local(name: str) -> bool:
    """Whether the name is a path, which means nothing on another machine."""
    return name.startswith(("/", ".", "~")) or name.endswith(_OF_FILES) or Path(name).exists()


def public_name(name: str) -> str:
    """The name as others may see it: of a path only its last part.

    >>> public_name("/home/me/runs/lora"), public_name("microsoft/kosmos-2-patch14-224")
    ('lora (a local path)', 'microsoft/kosmos-2-patch14-224')
    """
    return f"{Path(name).name} (a local path)" if is_local(name) else name


def local_or_hub(name: str | os.PathLike, kind: str, what: str) -> str:
    """What the name means: a path that exists, or a repository that the Hub or its cache on this machine holds.

    Args:
        name: As the user wrote it.
        kind: Of the repository: "model" or "dataset".
        what: Is looked for, for the message: "checkpoint", "adapter", "rows".
    """
    name = os.fspath(name)
    path = Path(name).expanduser()
    if name and path.exists():
        return str(path)
    if not _NAME.fullmatch(name) or name.endswith(_OF_FILES):
        toys = "; toy:kosmos2 and toy:llava come with this package" if what == "a checkpoint" else ""
        raise ValueError(f"There is no file or folder {name!r} with {what}; names on the Hub have the form owner/name{toys}.")
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import RepositoryNotFoundError

    cached = _is_cached(name, kind)
    if cached and constants.HF_HUB_OFFLINE:
        return name
    way_on = _MADE_HERE.get(name, "") if kind == "dataset" else ""
    try:
        HfApi().repo_info(name, repo_type=kind, timeout=_PATIENCE)
    except RepositoryNotFoundError:
        why = f"the Hub has no {kind} of this name, or none that you may read"
    except Exception as error:  # whatever a connection can raise
        if cached:
            if _nobody_there(error):
                _go_on_offline()
            return name
        why = f"the Hub cannot be asked for a {kind} of this name: {_reason(error)}"
        way_on = way_on or _without_network(kind)
    else:
        return name
    raise ValueError(f"There is no file or folder {name!r} with {what} here, and {why}. {way_on}".rstrip())


def _is_cached(name: str, kind: str) -> bool:
    """Whether the Hub's cache on this machine holds a file of this repository."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return any(Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=name, repo_type=kind), "snapshots").glob("*/*"))


def _host() -> str:
    from huggingface_hub import constants

    return urlsplit(constants.ENDPOINT).hostname or constants.ENDPOINT


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _nobody_there(error: Exception) -> bool:
    """Whether no machine has the Hub's name, or it refuses the connection: to ask again within this run is of no use."""
    return any(isinstance(cause, socket.gaierror | ConnectionRefusedError) for cause in _causes(error))


def _reason(error: Exception) -> str:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    if any(isinstance(cause, socket.gaierror) for cause in _causes(error)):
        return f"no machine is found under the name {_host()}"
    if any(isinstance(cause, ConnectionRefusedError) for cause in _causes(error)):
        return f"{_host()} refuses the connection"
    return f"{_host()} was asked once ({type(error).__name__})"


def _without_network(kind: str) -> str:
    """What works without a network."""
    from huggingface_hub import constants

    toy = ", or toy:kosmos2 or toy:llava, which come with this package" if kind == "model" else ""
    return (
        f"Without a network, pass a folder{toy}; or copy {constants.HF_HOME} (HF_HOME names another place) from a machine that "
        f"has this {kind} there."
    )


def _go_on_offline() -> None:
    """Let the libraries take what the cache holds: they would ask for each file six times, for minutes in all."""
    import huggingface_hub

    huggingface_hub.constants.HF_HUB_OFFLINE = True
    os.environ["HF_HUB_OFFLINE"] = "1"  # for libraries that are imported later, and other processes
    if "datasets" in sys.modules:
        sys.modules["datasets"].config.HF_HUB_OFFLINE = True
    cache = huggingface_hub.constants.HF_HUB_CACHE
    print(f"The Hub ({_host()}) cannot be reached: this run takes what {cache} holds.", file=sys.stderr)
