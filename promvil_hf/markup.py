# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Escaping of user text, so that a tag somebody typed is never read as a tag.

Tokenizers turn `<object>`, `<image>` or `<|im_start|>` into control tokens wherever they stand. `escape` puts a
backslash behind the `<` of everything that looks like a tag; `unescape` takes exactly that one away again.
"""

import re


_TAG = re.compile(r"<(?=[^<>\s]+>)")
_ESCAPED_TAG = re.compile(r"<\\(?=[^<>\s]*>)")


def escape(text: str) -> str:
    return _TAG.sub(r"<\\", text)


def unescape(text: str) -> str:
    return _ESCAPED_TAG.sub("<", text)
