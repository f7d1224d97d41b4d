# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What an answer says that the thing of the question does or looks like: "sitting at a table", "black"."""

from collections.abc import Iterator

from promvil_hf.fivl import prose
from promvil_hf.fivl.prose_tags import TaggedText
from promvil_hf.inflection import lemma
from promvil_hf.nesting import lexicon
from promvil_hf.nesting.chunks import STARTS_CHUNK, read_chunk
from promvil_hf.nesting.tags import ADJ, ADV, AUX, COMMA, CONJ, DET, NOUN, PARTICIPLE, PREP, REL, STOP, VERB


def doings(read: TaggedText, spoken: frozenset[str]) -> Iterator[tuple[int, str]]:
    """What the answer says that somebody is doing, with its object and place: "sitting at a table".

    A place that the question names is not new.
    """
    words, tags = read.words, read.tags
    is_doing = False
    for i, word in enumerate(words):
        before = next((k for k in range(i - 1, -1, -1) if tags[k] != ADV), -1)
        goes_on = is_doing and before >= 0 and tags[before] in (CONJ, COMMA)
        if not word.endswith("ing") or before < 0 or not (words[before] in lexicon.BE or goes_on) or _is_hedged_at(i, read):
            is_doing = is_doing and tags[i] not in (STOP, REL, VERB, AUX)
            continue
        if word in prose.WEARS_OR_PLANS or tags[i] not in (PARTICIPLE, VERB, NOUN, ADJ):
            continue
        is_doing, end = True, i + 1
        while end < len(words) and (words[end] in ("up", "down") or tags[end] in (PREP, *STARTS_CHUNK)):
            start = end + (tags[end] == PREP)
            chunk = read_chunk(words, tags, start) if start < len(words) and tags[start] in STARTS_CHUNK else None
            if words[end] not in ("up", "down") and (chunk is None or chunk.head < start):
                break
            if start > end and lemma(words[chunk.head]) in spoken:
                break
            end = chunk.end if chunk is not None and chunk.end > start else end + 1
        yield i, read.written(i, end)


def _is_hedged_at(i: int, read: TaggedText) -> bool:
    return bool(prose.HEDGES.intersection(read.words[max(i - 2, 0) : i]))


def predicates(
    read: TaggedText, question: TaggedText, spoken: frozenset[str], asked: bool, taken: set[int]
) -> Iterator[tuple[int, str]]:
    """Qualities and actions that the answer's first sentence gives to what the question names: "black", "sleeping"."""
    words, tags = read.words, read.tags
    end = next((i for i, now in enumerate(tags) if now == STOP), len(words))
    start = next((i + 1 for i in range(end) if words[i] in lexicon.BE), None)
    if start is None:
        if taken or end > 4 or any(now not in (ADJ, CONJ, PARTICIPLE, COMMA) for now in tags[:end]):
            return
        start = 0  # "Red and white"
    elif any(i < start for i in taken) or not asked:
        return
    i = start
    while i < end:
        if words[i] in prose.MODALS or tags[i] in (REL, AUX) or words[i] in ("not", "n't", "never"):
            return
        if tags[i] in (PREP, DET, ADV) and i < start + 3:
            i += 1
            continue
        stop = last = i  # "curled up and sleeping"
        while stop < end and (tags[stop] in (ADJ, PARTICIPLE, CONJ, ADV) or words[stop] in ("up", "down")):
            stop += 1
            last = stop if tags[stop - 1] not in (CONJ, ADV) or words[stop - 1] in ("up", "down") else last
        stop = last
        if stop == i:
            return
        if stop < end and tags[stop] == NOUN and tags[stop - 1] != PARTICIPLE:
            if words[stop] not in lexicon.ATTRIBUTES | {"position"}:
                return
            stop += 1
        elif stop < end and tags[stop] in STARTS_CHUNK:
            reach = max(read_chunk(words, tags, stop).end, stop)
            stop = stop if taken.intersection(range(stop, reach)) else reach  # "performing a trick"
        if words[i] in prose.SAYS_WHERE:
            return
        said = {lemma(word) for word in words[i:stop]}
        if not said <= spoken | set(question.words) and not taken.intersection(range(i, stop + 2)):
            yield i, read.written(i, stop)
        return

