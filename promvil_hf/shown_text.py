# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Text from files, models and servers made safe to show on a terminal or in a card.

What a terminal or a reader would obey and not see (escape sequences, marks that turn the direction of writing) is written
as its JSON escape, so that JSON stays the same JSON. Pages have their own way, `promvil_hf.pages.elements.escape`.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout


TURNING = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # Unicode's controls of the direction of writing
_OBEYED = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029{TURNING}\ud800-\udfff]")
_OF_A_BAR = re.compile("[\r\n]*(\x1b\\[A)*")  # how progress bars move the cursor, always in a write of its own
_OF_MARKDOWN = re.compile(r"[\\`*_{}\[\]<>|#!~$&]")


def printable(text: str) -> str:
    r"""The text as a terminal may show it, line breaks kept.

    >>> printable("a \x1b[31m cup")
    'a \\u001b[31m cup'
    """
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: object) -> str:
    r"""The text on one line, as it may stand in a code block or an error.

    >>> one_line("a\nb")
    'a\\nb'
    """
    return printable(str(text)).replace("\n", "\\n")


def in_markdown(text: object) -> str:
    r"""The text on one line that shows as itself in a card, also in a table.

    >>> in_markdown("a|b_c\n# d")
    'a\\|b\\_c\\\\n\\# d'
    """
    return _OF_MARKDOWN.sub(r"\\\g<0>", one_line(text))


@contextmanager
def shown_streams() -> Iterator[None]:
    """Whatever is printed meanwhile, errors included, is made printable. A stream that was closed beforehand takes nothing."""
    with open(os.devnull, "w") as nowhere:
        with redirect_stdout(_Shown(sys.stdout or nowhere)), redirect_stderr(_Shown(sys.stderr or nowhere)):
            yield


class _Shown:
    """A stream on which text shows and is not obeyed."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, text: str) -> int:
        if not _OF_A_BAR.fullmatch(text):
            start = text[:1] if text[:1] == "\r" else ""  # a progress bar begins its line again
            text = start + printable(text[len(start) :])
        return self._stream.write(text)

    def writelines(self, lines) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str):
        return getattr(self._stream, name)
