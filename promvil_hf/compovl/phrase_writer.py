# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Words composed phrases: by the grammar, which is what `promvil_hf.compovl.compose` does anyway, or by a model that is checked.

A model may only rearrange what it was given. Its phrase is taken when it names the head noun first, quotes every part it
refers to word for word (articles aside), and has no content word that neither the given phrases nor the grammar's wording
have. Otherwise the grammar's wording stays, and `Chain.writer` says why.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from promvil_hf.compovl.chains import Chain
from promvil_hf.inflection import lemma
from promvil_hf.jobs import JobError


if TYPE_CHECKING:
    from promvil_hf.endpoint import Endpoint

MORE_THAN_GIVEN = "says more than was given"
HEAD_NOT_FIRST = "does not name the head noun first"
PART_NOT_QUOTED = "does not quote a part"
TOO_LONG = "is longer than what was given"

_ARTICLES = ("the", "a", "an")
# Words that join and add nothing. Prepositions other than these must have been given.
_FREE = frozenset("a an the that which who whose is are and with of its his her their".split())
_TOKEN = re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*")

INSTRUCTIONS = """You combine short phrases about one image into a single noun phrase in natural English.
Rules: the phrase is about "{head}", so that noun comes first. It contains each of these parts word for word: {parts}.
Use only what the phrases say; add no object, property or relation. No sentence, no explanation."""


class EndpointWriter:
    """Lets a model behind an OpenAI-compatible endpoint word the whole expression; its parts keep the grammar's wording."""

    def __init__(self, endpoint: "Endpoint"):
        self.endpoint = endpoint

    def __call__(self, chains: Sequence[Chain]) -> list[Chain]:
        from promvil_hf.endpoint import Answer, Request, check_answered

        written, ended = [], []
        requests = [Request(number, messages_for(chain), _schema()) for number, chain in enumerate(chains)]
        for number, result in self.endpoint.ask_all(requests):
            chain = chains[number]
            ended.append("" if isinstance(result, Answer) else result.reason)
            if isinstance(result, Answer):
                written.append(rewritten(chain, result.value.phrase, self.endpoint.model))
            elif result.reason in ("unauthorized", "refused", "stopped"):
                raise JobError(f"The model {self.endpoint.model} does not answer ({result.reason}: {result.detail}).")
            else:
                written.append(_kept(chain, result.reason))
        check_answered(ended, tolerant=True)
        return written


def messages_for(chain: Chain) -> list[dict]:
    """What the model is asked about one chain."""
    whole = chain.steps[-1]
    parts = ", ".join(f'"{_bare(chain.steps[anchor].text)}"' for anchor in whole.anchors)
    given = "; ".join(dict.fromkeys(phrase.strip(" .,;") for phrase in chain.given))
    return [
        {"role": "system", "content": INSTRUCTIONS.format(head=whole.head, parts=parts)},
        {"role": "user", "content": f"Phrases: {given}\nPlain wording: {whole.text}"},
    ]


def rewritten(chain: Chain, phrase: str, writer: str) -> Chain:
    """The chain with a new wording of its whole, if that passes the check; else as it was, with the reason."""
    text = " ".join(phrase.split()).strip(" .,;:!\"'").lower()
    mentions = check(chain, text)
    if isinstance(mentions, str):
        return _kept(chain, mentions)
    steps = [*chain.steps[:-1], msgspec.structs.replace(chain.steps[-1], text=text, mentions=tuple(mentions))]
    return msgspec.structs.replace(chain, expression=text, steps=steps, writer=writer)


def check(chain: Chain, text: str) -> list[str] | str:
    """How the text words each part the whole refers to, or why it cannot be used."""
    whole = chain.steps[-1]
    words = _TOKEN.findall(text)
    allowed = _lemmas([whole.text, *chain.given])
    if any(word not in _FREE and lemma(word) not in allowed and word not in allowed for word in words):
        return MORE_THAN_GIVEN
    if len(words) > 2 * len(_TOKEN.findall(whole.text)):
        return TOO_LONG
    head = _place(words, _TOKEN.findall(whole.head))
    if head is None:
        return HEAD_NOT_FIRST
    mentions = []
    for anchor in whole.anchors:
        about_the_same = (
            chain.steps[anchor].object_ids == whole.object_ids
        )  # "the man with the beard" may open the phrase
        part = _TOKEN.findall(_bare(chain.steps[anchor].text))
        start = _place(words, part, after=0 if about_the_same else head + 1)
        if start is None:
            return HEAD_NOT_FIRST if _place(words, part) is not None else PART_NOT_QUOTED
        begin = start - 1 if start and words[start - 1] in _ARTICLES else start
        mentions.append((begin, start + len(part)))
    spans = [found.span() for found in _TOKEN.finditer(text)]
    return [text[spans[begin][0] : spans[end - 1][1]] for begin, end in mentions]


def _kept(chain: Chain, reason: str) -> Chain:
    return msgspec.structs.replace(chain, writer=f"grammar ({reason})")


def _bare(text: str) -> str:
    first, _, rest = text.partition(" ")
    return rest if first in _ARTICLES and rest else text


def _lemmas(texts: Iterable[str]) -> set[str]:
    words = {word for text in texts for word in _TOKEN.findall(text.lower())}
    return words | {lemma(word) for word in words}


def _place(words: list[str], part: list[str], after: int = 0) -> int | None:
    """Where `part` stands among the words, whole words only."""
    for start in range(after, len(words) - len(part) + 1):
        if words[start : start + len(part)] == part:
            return start
    return None


@cache
def _schema():
    from pydantic import BaseModel, Field

    class WrittenPhrase(BaseModel):
        phrase: str = Field(description="one noun phrase")

    return WrittenPhrase
