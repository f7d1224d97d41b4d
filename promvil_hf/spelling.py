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


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that names the known words close to this one; nothing where none is close.

    >>> did_you_mean("grond", ["ground", "build"])
    'Did you mean ground?'
    """
    close = close_to(word, known) if word else []
    return f"Did you mean {' or '.join(close)}?" if close else ""


def unknown_option(words: Sequence[str], known: Iterable[str], help_command: str) -> str | None:
    """A sentence on the first word that looks like an option and is none; None where all are known."""
    known = set(known)
    for word in words:
        name = word.partition("=")[0]
        if word == "--":
            return None
        if name.startswith("--") and " " not in word and name not in known:
            sentences = (f"There is no option {name}.", did_you_mean(name, sorted(known)), f"`{help_command}` lists all options.")
            return " ".join(filter(None, sentences))
    return None
