# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Decides whether a name is a path on this machine or a repository of the Hub, for checkpoints, adapters and data alike.

    local_or_hub("runs/promvil", "model", "adapter")

The libraries below take any name for one of the Hub: they try for half a minute to reach it, and may then give what another
source left in their cache. huggingface_hub is imported when a name can only be one of the Hub.
"""

import os
import re
from pathlib import Path


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
        raise ValueError(f"There is no file or folder {name!r} with {what}; names on the Hub have the form owner/name.")
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import RepositoryNotFoundError
    from huggingface_hub.file_download import repo_folder_name

    if Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=name, repo_type=kind)).is_dir():
        return name
    try:
        HfApi().repo_info(name, repo_type=kind, timeout=_PATIENCE)
    except RepositoryNotFoundError:
        why = f"the Hub has no {kind} of this name, or none that you may read"
    except Exception as error:  # whatever a connection can raise
        why = f"the Hub cannot be asked for a {kind} of this name ({type(error).__name__})"
    else:
        return name
    how = f" {_MADE_HERE[name]}" if name in _MADE_HERE and kind == "dataset" else ""
    raise ValueError(f"There is no file or folder {name!r} with {what} here, and {why}.{how}")
