# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""JSON files that this package wrote, read back: whatever was cut or edited since is refused in a sentence that names it.

Files of others are read by `promvil_hf.json_records`, where damage costs one record only.
"""

import os
from typing import Any

import msgspec

from promvil_hf.json_records import Record, RecordError, decoded, read_bytes, shown


def json_document(path: str | os.PathLike) -> Record:
    """A file that is one JSON object."""
    try:
        value = decoded(read_bytes(path))
    except RecordError as error:
        raise RecordError(f"{path} is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise RecordError(f"{path} holds {shown(value)}: it must be a JSON object.")
    return Record(str(path), value)


def typed(value: Any, kind: Any, where: str | os.PathLike, what: str) -> Any:
    """A decoded value as a dataclass, a `TypedDict` or any type that msgspec knows; `what` names it in the message.

    >>> typed([1, 2], tuple[int, int], "sizes.json", "a size")
    (1, 2)
    """
    try:
        return msgspec.convert(value, kind, str_keys=True)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        raise RecordError(f"{where} is not {what}, or it is damaged: {str(error) or 'it is nested too deeply'}.") from error
