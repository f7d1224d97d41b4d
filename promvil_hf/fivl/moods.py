# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How an answer says what it names: as being in the picture, weakly, only supposed, or as absent.

Read off the words and tags of one sentence after the other. What is supposed ("he might throw a ball"), general ("cats are
usually curious"), a purpose ("used to carry keys") or a comparison ("it looks like a cat") is not said to be there.
"""

from collections.abc import Iterator, Sequence

from promvil_hf.fivl import prose
from promvil_hf.inflection import lemma
from promvil_hf.nesting import lexicon
from promvil_hf.nesting.tags import ADJ, ADV, AUX, COMMA, CONJ, NOUN, PARTICIPLE, PRON, REL, STOP, VERB, base_of


_UNSURE = prose.MODALS | prose.HEDGES | prose.IN_GENERAL
_NEW_SUBJECTS = frozenset("the this these there his her their its".split())
_SHOWS = frozenset("is are features shows depicts".split())
SAID, WEAKLY, SUPPOSED, ABSENT, GENERAL = range(5)


def moods(words: Sequence[str], tags: Sequence[str], opens: Sequence[bool], supposes: bool) -> list[int]:
    """For each word, how what it names is said. `opens`: a word that a new paragraph begins with. `supposes`: the question
    asks for more than is seen.
    """
    found: list[int] = []
    for start, end in _sentences(tags, opens):
        found += _of_sentence(list(words[start:end]), list(tags[start:end]), supposes)
    return found


def _sentences(tags: Sequence[str], opens: Sequence[bool]) -> Iterator[tuple[int, int]]:
    start = 0
    for i in range(len(tags)):
        if i > start and opens[i]:
            yield start, i
            start = i
        if tags[i] == STOP:
            yield start, i + 1
            start = i + 1
    if start < len(tags):
        yield start, len(tags)


def _of_sentence(words: list[str], tags: list[str], supposes: bool) -> list[int]:
    found, weak, absent, in_list, held = [], False, False, False, SAID
    mood, general = SAID, _general_from(words, tags, supposes)
    judged = _judges(words, tags)
    for i, word in enumerate(words):
        before = words[i - 1] if i else ""
        after = tags[i + 1] if i + 1 < len(tags) else STOP
        mood = GENERAL if i == general else SUPPOSED if i == 0 and judged else mood
        if mood == GENERAL and word in prose.HAS_IN_IT and (tags[i] == PARTICIPLE or before == ","):
            held, mood = mood, SAID  # "this picture, featuring a cat, is often used to ..."
        elif held and tags[i] == COMMA:
            held, mood = SAID, held
        if word in prose.PICTURE and before in ("the", "this"):
            mood = SAID  # "in the image", "in this case"
        if word in prose.MODALS and tags[i] != NOUN:
            if not prose.SEES.intersection(words[i + 1 : i + 4]):
                mood = max(mood, SUPPOSED)
        elif word in prose.CONDITIONS or word in prose.INFERS or (supposes and word in prose.EFFECTS and not _is_given(words, i)):
            mood = max(mood, SUPPOSED)
        elif _says_what_for(words, tags, i) or (word == "to" and before in prose.NEEDS):
            mood = max(mood, SUPPOSED)
        elif word in prose.ABSENCE:
            absent = word != "not" or words[i + 1 : i + 2] != ["only"]
        elif word in prose.LIKENESS or (word == "like" and lemma(before) in prose.SEEMS):
            absent = True  # "designed to look like a cat"
        elif word == "be" and before == "to" and lemma(words[i - 2]) in prose.SEEMS and after != PARTICIPLE:
            absent = words[i + 1 : i + 2] not in (["part"], ["in"], ["on"], ["at"])  # "what appears to be an airport"
        elif word == "by" and after == PARTICIPLE and prose.MODALS.isdisjoint(words[:i]):
            mood, weak = SAID, False  # "she ensures it by holding a blanket"
        elif word in ("because", "since") and not _supposes_on(words, tags, i + 1):
            mood, weak = SAID, False  # "it might be funny because it shows a dog"
        elif word in prose.EVIDENCE or (tags[i] == REL and _SHOWS.intersection(words[i + 1 : i + 2])):
            mood = SAID  # "by looking at the clock that is mounted on a pole"
        elif word in prose.HEDGES or word in ("like", "when"):
            weak = True
        elif word == "to" and after == VERB and lemma(before) not in prose.SEEMS:
            weak = True
        elif word in ("as", "for") and after != PRON and words[i + 1 : i + 2] != ["evidenced"]:
            weak = weak or word == "as" or after == PARTICIPLE
            in_list = in_list or before == "such"
        elif tags[i] == COMMA:
            absent = False
            weak = weak and (in_list or words[i + 1 : i + 2] == ["such"])
            if mood == GENERAL and _begins_anew(words[i + 1 : i + 3]):
                mood = SAID  # "cats like to be warm, and the laptop is"
        elif tags[i] in (VERB, REL) or word in ("but", "and"):
            absent = False
            in_list = in_list and tags[i] not in (VERB, REL)
        elif tags[i] == PARTICIPLE and in_list:
            in_list = weak = False
        found.append(ABSENT if absent else mood or (WEAKLY if weak else SAID))
    return found


def gives_orders(question: Sequence[str], answer: Sequence[str], tags: Sequence[str], opens: Sequence[bool]) -> bool:
    """Whether an answer says what to do: a recipe, a repair, advice. It names what will be needed, not what is there."""
    somebody = [f"{word} {who}" for word in ("should", "do", "can") for who in ("i", "we", "you")]
    asked = {"how to", "what steps", "the recipe", *somebody}
    pairs = {f"{one} {two}" for one, two in zip(question, question[1:])}
    asks = not asked.isdisjoint(pairs) and not prose.ORDERED.isdisjoint(question)
    begins = (next((i for i in range(start, end) if answer[i][0].isalpha()), start) for start, end in _sentences(tags, opens))
    return asks or sum(answer[i] in prose.ORDERS for i in begins) >= 2


def _is_given(words: list[str], i: int) -> bool:
    """ "Offering shade" says what a thing is good for, "because it offers a desk" what is there."""
    return not {"because", "since"}.isdisjoint(words[:i]) and words[i + 1 : i + 2] in (["a"], ["an"])


def _supposes_on(words: list[str], tags: list[str], start: int) -> bool:
    """Whether the clause from here on supposes something."""
    end = next((i for i in range(start, len(words)) if tags[i] in (COMMA, STOP)), len(words))
    return not _UNSURE.isdisjoint(words[start:end])


def _points_at_picture(words: list[str], i: int) -> bool:
    return words[i] in ("the", "this") and i + 1 < len(words) and words[i + 1] in prose.PICTURE


def _general_from(words: list[str], tags: list[str], supposes: bool) -> int:
    """Where a sentence begins to speak of what is so in general ("a purse is generally for keys", "..., which usually have
    long necks", "cats are curious"); past its end where it does not.
    """
    at = next((i for i, word in enumerate(words) if word in prose.IN_GENERAL), None)
    if at is None:
        i = _first(tags)
        return i if supposes and _is_of_all(words, tags, i) and not _shows(words, len(words)) else len(words)
    if _shows(words, at):
        return len(words)
    clauses = (i for i in range(at, 0, -1) if tags[i] == REL or (tags[i - 1] == COMMA and tags[i] in (PARTICIPLE, ADV)))
    return next(clauses, 0)


def _shows(words: list[str], end: int) -> bool:
    """Whether a sentence says that it is about what is seen, before a place in it."""
    return not prose.EVIDENCE.isdisjoint(words) or any(_points_at_picture(words, i) for i in range(end))


def _begins_anew(words: list[str]) -> bool:
    return len(words) == 2 and words[0] in ("and", "but", "while") and words[1] in _NEW_SUBJECTS


def _first(tags: list[str]) -> int:
    return next((i for i, now in enumerate(tags) if now not in (ADV, COMMA)), 0)


def _judges(words: list[str], tags: list[str]) -> bool:
    """ "It is important to wear a helmet", "it is possible that he fell"."""
    i = _first(tags)
    if words[i : i + 1] not in (["it"], ["it's"], ["this"]):
        return False
    said = {lemma(word) for word, now in zip(words[i + 1 : i + 7], tags[i + 1 : i + 7]) if now in (ADJ, NOUN)}
    return not said.isdisjoint(prose.JUDGED) and not {"to", "for", "that"}.isdisjoint(words[i + 2 : i + 9])


def _is_of_all(words: list[str], tags: list[str], start: int) -> bool:
    """Whether a sentence begins with a plural that nothing describes and says what it is like: "cats are curious animals"."""
    end = start
    while end < len(words) and tags[end] in (NOUN, ADJ, CONJ):
        end += 1
    if end == start or tags[end - 1] != NOUN or lemma(words[end - 1]) == words[end - 1]:
        return False
    if prose.LOOKS.intersection(words[start:end]) - lexicon.PERSONS:
        return False
    verb = next((i for i in range(end, len(words)) if tags[i] != ADV), end)
    if verb == len(words) or (tags[verb] not in (VERB, AUX) and words[verb] != "like") or words[verb] in prose.MODALS:
        return False
    is_placed = tags[verb] == VERB and (base_of(words[verb]) or words[verb]) in lexicon.POSTURE_VERBS
    is_doing = tags[verb] == AUX and any(word.endswith("ing") or word in prose.SAYS_WHERE for word in words[verb + 1 : verb + 3])
    return not is_placed and not is_doing


def _says_what_for(words: list[str], tags: list[str], i: int) -> bool:
    """ "Designed for cleaning", "used to carry", "its purpose is to display"."""
    if words[i] not in ("for", "to") or i == 0:
        return False
    before = words[max(i - 3, 0) : i]
    if prose.SERVES_FOR.intersection(before[-2:]):
        return True
    return before[-1] in lexicon.BE | {"be"} and bool(prose.PURPOSES.intersection(words[:i]))


def gives_reasons(words: Sequence[str]) -> bool:
    """Whether an answer speaks more of what may be than of what is seen, whatever was asked."""
    return sum(word in _UNSURE or word in prose.INFERS for word in words) >= 2
