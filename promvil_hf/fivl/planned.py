# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What an answer plans or makes up: texts that were written to order, steps to follow and lists of suggestions.

None of it is said to be in the picture, unless a sentence speaks of the picture. Read off words and tags alone.
"""

from collections.abc import Iterator, Sequence

from promvil_hf.fivl import prose
from promvil_hf.nesting.tags import ADJ, ADV, CONJ, DET, NOUN, NUM, PARTICIPLE, POSS, PRON, STOP, VERB, VERB_FORMS


_WRITES = frozenset("write compose draft invent rewrite".split())
_MAKES = _WRITES | frozenset("create make generate show give provide tell suggest design produce share craft".split())
_TEXTS = frozenset(
    """
    recipe poem tale story fairytale html code javascript css script blog advertisement ad slogan dialogue song lyrics letter
    essay tweet website program haiku novel speech email
    """.split()
)
_DESCRIBES = frozenset("description describe describing caption summary report analysis explanation sentence paragraph".split())
_PROPOSES = frozenset(
    """
    steps ingredients solutions suggestions tips ways ideas recommendations alternatives alternative options instructions
    directions precautions strategies
    """.split()
)


def is_written_to_order(question: Sequence[str]) -> bool:
    """Whether a question asks for a text of its own: a recipe, a tale, a program, an advertisement."""
    asked = set(question)
    if asked & _TEXTS and asked & _MAKES:
        return True
    return bool(asked & _WRITES) and ("product" in asked or not asked & _DESCRIBES)


def planned(words: Sequence[str], tags: Sequence[str], opens: Sequence[bool], question: Sequence[str]) -> Iterator[bool]:
    """For each word, whether its sentence is planned or made up."""
    to_order = is_written_to_order(question)
    is_step = proposes = False
    start = 0
    while start < len(words):
        end = start + 1
        while end < len(words) and tags[end - 1] != STOP and not opens[end]:
            end += 1
        sentence = words[start:end]
        if tags[start] == NUM and all(now in (NUM, STOP) for now in tags[start:end]):
            is_step = True  # "1." before an item
            yield from [to_order] * (end - start)
            start = end
            continue
        is_item = is_step or (opens[start] and words[start] in ("-", "–"))
        first = start + (words[start] in ("-", "–"))
        shows = _speaks_of_picture(sentence)
        says = to_order or _orders(words, tags, first, end)
        says = says or (is_item and (proposes or _does(words, tags, first)))
        yield from [says and not (shows and not is_item)] * (end - start)
        if ":" in sentence:
            proposes = not _PROPOSES.isdisjoint(sentence)
        elif opens[start] and not is_item:
            proposes = False
        is_step = False
        start = end


def _speaks_of_picture(sentence: Sequence[str]) -> bool:
    return any(word in prose.PICTURE - {"case"} and before in ("the", "this") for before, word in zip(sentence, sentence[1:]))


def _does(words: Sequence[str], tags: Sequence[str], first: int) -> bool:
    """Whether an item of a list begins with what one is to do: "Remove ...", "Encouraging people to ..."."""
    if first >= len(words):
        return False
    word = words[first]
    return _is_base(word) and tags[first] in (VERB, NOUN, ADJ) or (word.endswith("ing") and tags[first] in (PARTICIPLE, VERB))


def _orders(words: Sequence[str], tags: Sequence[str], first: int, end: int) -> bool:
    """ "Remove the lid", "Then add some salt": an order and no statement."""
    while first < end and tags[first] in (ADV, CONJ):
        first += 1
    if first + 1 >= end or not _is_base(words[first]) or tags[first] not in (VERB, NOUN):
        return False
    return tags[first + 1] in (DET, POSS, PRON)


def _is_base(word: str) -> bool:
    return VERB_FORMS.get(word, ("",))[0] == "base" or prose.VERBS.get(word) == "base" or word in prose.DONE_IN_STEPS
