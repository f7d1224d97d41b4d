# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A word that nothing knows, answered with the known ones that are close to it."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def close_to(word: str, known: Iterable[str]) -> list[str]:
    """The known words that begin like this one, or else those that are spelt alike.

    >>> close_to("--max_step", ["--max_steps", "--seed"])
    ['--max_steps']
    """
    known = list(known)
    return [candidate for candidate in known if candidate.startswith(word)] or get_close_matches(word, known)


def unknown_option(words: Sequence[str], known: Iterable[str], help_command: str) -> str | None:
    """A sentence on the first word that looks like an option and is none; None where all are known."""
    known = set(known)
    for word in words:
        name = word.partition("=")[0]
        if word == "--":
            return None
        if name.startswith("--") and " " not in word and name not in known:
            close = close_to(name, sorted(known))
            hint = f"Did you mean {' or '.join(close)}? " if close else ""
            return f"There is no option {name}. {hint}`{help_command}` lists all options."
    return None
