# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What an answer names and no picture holds: the picture itself by its kind, what is larger than it, works it is like; and names
that a question asks for.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from promvil_hf.fivl import prose
from promvil_hf.nesting import lexicon
from promvil_hf.nesting.tags import ADJ, DET, DIR, NOUN, PREP, STOP


class Read(Protocol):
    """A text with its words and tags."""

    words: list[str]
    tags: list[str]

    def written(self, start: int, end: int) -> str:
        """The text of these words."""


_ASKS_NAME = frozenset("brand name material called".split())
_SHORT = 4
_HANGS = frozenset("wall hangs hanging hung framed frame".split())


def is_outside(read: Read, start: int, end: int, noun: str) -> bool:
    """Whether the words name the picture by its kind ("a painting of a dog"), what is larger than it, or a work it is like."""
    words = read.words
    before = words[start - 1] if start else ""
    if noun in prose.LARGER or (noun == "area" and "city" in words[start:end]) or words[start:end] == ["heavy", "traffic"]:
        return True
    if words[start - 2 : end + 1] == ["in", "the", "face", "of"]:
        return True
    if noun in prose.KINDS_OF_PICTURE and before in ("the", "this") and end - start == 1:
        return True
    around = words[max(start - 6, 0) : end + 8]
    if noun in ("portrait", "painting") and words[end : end + 1] == ["of"] and _HANGS.isdisjoint(around):
        return True
    if noun in prose.KINDS_OF_PICTURE or (noun in prose.PICTURE and noun != "case"):
        is_said_of_it = any(word in prose.PICTURE | prose.KINDS_OF_PICTURE for word in words[max(start - 5, 0) : start])
        is_renowned = not prose.RENOWNED.isdisjoint(words[start:end])
        return is_said_of_it or is_renowned or words[end - 2 : end] == ["comic", "strip"] or noun in ("collage", "meme")
    name = read.written(start, end)
    words_of_name = [word for word in name.split() if word.lower() not in prose.RENOWNED]
    is_name = len(words_of_name) > 1 and all(word[:1].isupper() for word in words_of_name)
    is_of_work = before in ("of", "by") or words[start - 2 : start] == ["of", "the"]
    is_of_work = is_of_work or not prose.RENOWNED.isdisjoint(words[start:end])
    return is_name and is_of_work and start > 0 and read.tags[start - 1] != STOP


def asked_name(read: Read, question: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The name or material that a question asks for, where the answer's first sentence ends with it."""
    if "what" not in question and "what's" not in question or _ASKS_NAME.isdisjoint(question):
        return
    words, tags = read.words, read.tags
    end = next((i for i, now in enumerate(tags) if now == STOP), len(words))
    start = max((i + 1 for i in range(end) if words[i] in lexicon.BE or words[i - 1 : i + 1] == ["made", "of"]), default=0)
    while start < end and tags[start] in (DET, PREP):
        start += 1
    if 0 < start < end <= start + _SHORT and all(now in (NOUN, ADJ, DIR) for now in tags[start:end]):
        yield start, read.written(start, end)
