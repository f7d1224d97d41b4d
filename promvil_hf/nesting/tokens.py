# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Words with their places in the text.

A split possessive ("man ' s", "man 's") is one token, and so is a hyphened word ("t - shirt"). Standard library only.
"""

import re
from typing import NamedTuple

from promvil_hf.nesting import lexicon


# A word goes on through the marks that other scripts write above and below their letters.
# Quotes and brackets are no tokens.
_WORD = r"[^\W_](?:[^\W_]|[^\x00-\x7f\w\s\u2000-\u206f\u3000-\u303f])*"
_TOKEN = re.compile(
    rf"""
    ['’]\s?s\b                                  # possessive or "is", also split by a blank
  | ['’](?:re|ve|ll|d|m)\b
  | w/
  | [^\W_]+n['’]t\b | (?:ca|do|is|are|was|have|has|wo)n\s?['’]\s?t\b
  | {_WORD}(?:\s?-\s?{_WORD}|[.][0-9]+)*        # t-shirt, t - shirt, 3.5
  | [-,;:.!?/&–—]
""",
    re.VERBOSE,
)
_DASH = re.compile(r"\s?-\s?")


class Token(NamedTuple):
    """One word or mark: `text` is `expression[start:end]`, `word` its lower-case form without blanks."""

    start: int
    end: int
    word: str


def tokenize(expression: str) -> list[Token]:
    """The words and sentence marks of `expression`, in order; white space, quotes and other symbols belong to no
    token.
    """
    tokens = []
    for found in _TOKEN.finditer(expression):
        if (text := found.group()).isalpha():  # most are
            tokens.append(Token(*found.span(), text.lower()))
        else:
            tokens += _split_dash(found)
    return tokens


def _split_dash(found: re.Match[str]) -> list[Token]:
    """A hyphen joins two words of one name; a dash with blanks before a function word separates ("man - in red")."""
    text, start = found.group(), found.start()
    if " -" not in text and "- " not in text:
        word = _DASH.sub("-", text).lower()
        if "'" in word or "’" in word:
            word = "".join(word.split()).replace("’", "'")
        return [Token(start, found.end(), word)]
    tokens: list[Token] = []
    piece_start = 0
    for dash in _DASH.finditer(text):
        following = _DASH.split(text[dash.end() :], maxsplit=1)[0].lower()
        if dash.group() != "-" and (following in _CLOSED or text[piece_start : dash.start()].lower() in _CLOSED):
            tokens.append(_token(text, start, piece_start, dash.start()))
            mark = start + dash.start() + dash.group().index("-")
            tokens.append(Token(mark, mark + 1, "-"))
            piece_start = dash.end()
    tokens.append(_token(text, start, piece_start, len(text)))
    return tokens


def _token(text: str, offset: int, start: int, end: int) -> Token:
    return Token(offset + start, offset + end, _DASH.sub("-", text[start:end]).lower())


_CLOSED = (
    lexicon.DETERMINERS
    | lexicon.POSSESSIVES
    | lexicon.PRONOUNS
    | lexicon.AUXILIARIES
    | lexicon.RELATIVES
    | lexicon.CONJUNCTIONS
    | (lexicon.PREPOSITIONS - {"up", "off", "out", "down", "in", "on", "over", "to", "after", "like"})
)
