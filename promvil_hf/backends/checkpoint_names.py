# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the name of a checkpoint means, wherever one is named. No torch, so a wrong name is refused at once.

    toy:kosmos2, toy:llava, toy:llava_boxes    a trained toy base that comes with the package (`promvil_hf.toy.bases`)
    real:smol                                  what `promvil fetch real` put together (`promvil_hf.fetching.real_parts`)
    anything else                              a folder on this machine, or a repository on the Hub (`promvil_hf.hub_names`)
"""

import os

from promvil_hf.fetching import real_parts
from promvil_hf.hub_names import local_or_hub
from promvil_hf.toy import bases


_FOLDERS = {bases.PREFIX: bases.folder, real_parts.PREFIX: real_parts.folder}
PREFIXES = tuple(_FOLDERS)


def located(checkpoint: str | os.PathLike) -> str | os.PathLike:
    """The folder of a model that is named "toy:NAME" or "real:NAME"; else a path or a name on the Hub that there is."""
    if isinstance(checkpoint, str):
        for prefix, folder in _FOLDERS.items():
            if checkpoint.startswith(prefix):
                return folder(checkpoint.removeprefix(prefix))
    return local_or_hub(checkpoint, "model", "a checkpoint")
