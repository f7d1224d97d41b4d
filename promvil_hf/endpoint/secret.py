# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The key of a server, which no repr, copy to a dict, traceback of locals, error, log line or file may show."""

import os


API_KEY_VARIABLE = "PROMVIL_API_KEY"


class Secret:
    """A key, the environment's where none is given, or none at all."""

    __slots__ = ("_value",)

    def __init__(self, key: str | None):
        self._value = (key if key is not None else os.environ.get(API_KEY_VARIABLE)) or None
        if self._value and not (self._value.isascii() and self._value.isprintable()):
            raise ValueError(
                "The key holds a character that no web request can carry, such as a line break or a letter beyond ASCII. "
                f"Copy it again into api_key=... or {API_KEY_VARIABLE}."
            )

    def __repr__(self) -> str:
        return "<key>"

    def reveal(self) -> str | None:
        return self._value

    def hide(self, text: str, limit: int | None = 500) -> str:
        """`text` without the key, which servers do echo, and short enough for a log line."""
        if self._value and len(self._value) >= 8:  # a shorter one is a placeholder such as "EMPTY", perhaps a word
            text = text.replace(self._value, "<key>")
        return text if limit is None or len(text) <= limit else text[:limit] + "…"
