# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Key expressions from the words of an answer alone: offline, and always the same for the same tagger.

Simple noun phrases of the answer are read by the grammar of `nesting`; a tagger decides what is a noun. Kept is what the
answer says is in the picture, can be pointed at, and is not in the question. Left out is what is supposed ("he might throw
a ball"), absent ("no shirt"), general ("cats are curious") or without a place of its own ("the next move"). A definite
phrase is there even where the sentence supposes something ("he could sit on the sofa").
"""

from collections.abc import Iterator
from dataclasses import dataclass

from promvil_hf.fivl import prose
from promvil_hf.fivl.beyond_picture import asked_name, is_outside
from promvil_hf.fivl.doings import doings, predicates
from promvil_hf.fivl.moods import ABSENT, GENERAL, SAID, SUPPOSED, WEAKLY, gives_orders, gives_reasons, moods
from promvil_hf.fivl.planned import is_written_to_order, planned
from promvil_hf.fivl.prose_tags import TaggedText, in_prose
from promvil_hf.inflection import lemma, plural
from promvil_hf.key_expressions import Turn
from promvil_hf.nesting import lexicon
from promvil_hf.nesting.chunks import STARTS_CHUNK, Chunk, read_chunk
from promvil_hf.nesting.kinds import PERSON, kind_of
from promvil_hf.nesting.taggers import Tagger
from promvil_hf.nesting.tags import (
    ADJ,
    ADV,
    COMMA,
    CONJ,
    DET,
    DIR,
    NOUN,
    NUM,
    OWNER,
    PARTICIPLE,
    POSS,
    PREP,
    STOP,
    VERB,
)
from promvil_hf.nesting.tokens import tokenize


_OPENERS = (lexicon.DETERMINERS | lexicon.POSSESSIVES) - lexicon.NUMBERS | frozenset(
    "that numerous multiple different same more other".split()
)
_NAMED_BY_QUALITY = lexicon.PERSONS | {"square"}
_ARTICLES = frozenset({"a", "an", "another"})
_COUNTS = frozenset("several many some various multiple numerous few".split())
_GOES_ON = frozenset({DET, NUM, ADJ, NOUN, CONJ, POSS, OWNER})
_DEFINITE = lexicon.POSSESSIVES | {"the", "this", "these", "those"}


@dataclass(frozen=True, slots=True)
class _Thing:
    """A noun phrase without its article: where it stands, the head noun, and the words it says."""

    start: int  # tokens
    end: int
    noun: str
    says: frozenset[str]
    is_definite: bool
    is_bare: bool  # plural or uncounted, without article or number
    another: int  # where "another" or "the other" stands, which say that it is not the one before; -1: nowhere


def key_phrases(turn: Turn, tagger: Tagger) -> tuple[str, ...]:
    """The key expressions of one turn, in the order of the answer.

    Where the answer is one word that names no thing ("yes", "two", "red"), the things that the question asks about stand
    in for it: they are what has to be looked at.
    """
    question, answer = _read(turn.question, tagger), _read(turn.answer, tagger)
    asked = list(_things(question))
    spoken = _spoken(question)
    orders = gives_orders(question.words, answer.words, answer.tags, answer.opens)
    supposes = orders or _supposes(question.words, answer.words)
    found: list[tuple[int, str]] = []
    kept: list[_Thing] = []
    mood = moods(answer.words, answer.tags, answer.opens, supposes)
    to_order = is_written_to_order(question.words)
    made_up = list(planned(answer.words, answer.tags, answer.opens, question.words))
    for thing in _things(answer):
        if made_up[thing.start] or is_outside(answer, thing.start, thing.end, thing.noun):
            continue
        is_pointed_at = orders and _is_seen_behind(thing, answer)
        if not is_pointed_at and not _is_there(thing, mood[thing.start], supposes, answer):
            continue
        if orders and not is_pointed_at and not _is_shown(thing, answer):
            continue
        are_others = answer.words[thing.start - 1] == "other" and answer.words[thing.end - 1] not in question.words
        is_known = (thing.says <= spoken and not are_others) or _takes_up(thing, spoken)
        is_known = is_known or any(_is_same(thing, earlier, answer.words) for earlier in kept)
        if is_known and thing.another < 0:
            continue
        kept.append(thing)
        start = thing.another if is_known else _owner_from(thing, answer)
        found.append((thing.start, answer.written(start, _whole_to(thing, answer))))
    done = list(doings(answer, spoken)) if "doing" in question.words and not supposes and not to_order else []
    found += done
    if not supposes and not done and not to_order:
        found += predicates(answer, question, spoken, bool(asked), {i for thing in kept for i in range(thing.start, thing.end)})
    if not found and not to_order:
        found += asked_name(answer, question.words)
    if found:
        return tuple(dict.fromkeys(text for _, text in sorted(found)))
    if len(turn.answer.split()) == 1:
        return tuple(dict.fromkeys(question.written(thing.start, thing.end) for thing in asked))
    return ()


def _owner_from(thing: _Thing, read: TaggedText) -> int:
    """Where a phrase begins with its owner: "the woman's purse"."""
    i = next((k for k in range(thing.start - 1, -1, -1) if read.tags[k] != ADJ), -1)
    if i < 1 or read.tags[i] != OWNER or read.tags[i - 1] != NOUN:
        return thing.start
    i -= 1
    while i > 0 and read.tags[i - 1] in (NOUN, ADJ):
        i -= 1
    return i


def _whole_to(thing: _Thing, read: TaggedText) -> int:
    """Where a phrase ends with its whole: "the headlights of the train"."""
    end = thing.end
    while read.words[end : end + 1] == ["of"] and end + 1 < len(read.words) and read.tags[end + 1] in STARTS_CHUNK:
        whole = read_chunk(read.words, read.tags, end + 1)
        if whole.head <= end or not whole.is_thing or lemma(read.words[whole.head]) in prose.PICTURE:
            break
        end = whole.end
    return end


def _is_same(thing: _Thing, earlier: _Thing, words: list[str]) -> bool:
    """Whether a phrase names a thing that was named before: "the dog" again, "this tool", "the animals" for two cats."""
    if thing.noun == earlier.noun:
        if plural(thing.noun) == words[thing.end - 1] != words[earlier.end - 1]:
            return False  # "the girls" are more than the girl that was named
        is_renamed = thing.is_definite and len(thing.says & earlier.says) > 1  # "the starry night sky" for a night sky
        return is_renamed or thing.says - {"one"} <= earlier.says  # "one of the workers"
    is_this = words[thing.start - 1] == "this" and len(thing.says) == 1
    return is_this or _takes_up(thing, frozenset({earlier.noun}))


def _takes_up(thing: _Thing, nouns: frozenset[str]) -> bool:
    """ "The animals" take up two cats."""
    return thing.is_definite and len(thing.says) == 1 and not nouns.isdisjoint(prose.KINDS.get(thing.noun, ()))


def _spoken(question: TaggedText) -> frozenset[str]:
    """The words of a question that name or describe something, and other words for the same things."""
    said = {lemma(word) for word, now in zip(question.words, question.tags) if now in (NOUN, ADJ, NUM, PARTICIPLE, VERB, DIR)}
    said |= prose.NOT_SEEN_OF_A_THING - ({"one"} if "many" in question.words else set())
    return frozenset(said.union(*(group for group in prose.SAME_THING if not said.isdisjoint(group))))


def _read(text: str, tagger: Tagger) -> TaggedText:
    tokens = tokenize(text.replace(" - ", " – "))  # in a sentence it joins no two words
    words = [token.word for token in tokens]
    return TaggedText(text, tokens, words, in_prose(words, tagger(text, tokens, words), tagger.name == "rules"))


# --- noun phrases ---------------------------------------------------------------------------------


def _things(read: TaggedText) -> Iterator[_Thing]:
    """The simple noun phrases that name something one can point at."""
    words, tags = read.words, read.tags
    i, last, was_definite, was_bare = 0, 0, False, True
    while i < len(words):
        chunk = read_chunk(words, tags, i) if tags[i] in STARTS_CHUNK else None
        if chunk is None or chunk.end <= i:
            i += 1
            continue
        opened = {words[k] for k in range(i, max(chunk.head, i)) if tags[k] in (DET, POSS)}
        is_joined = last < i and all(now in (CONJ, COMMA) for now in tags[last:i])  # "the dishes, glasses and forks"
        is_owned = i > 0 and tags[i - 1] == OWNER and was_definite and lemma(words[i - 2]) not in prose.ROLES
        is_definite = bool(opened & _DEFINITE) or is_owned or (not opened and is_joined and was_definite)
        is_bare = not is_definite and not opened & _ARTICLES and not (is_joined and not was_bare)
        chunk.end, chunk.head = _joined_name(words, tags, chunk, opened)
        thing = _thing(read, chunk, opened, is_definite, is_bare)
        if thing is not None:
            yield thing
        i = last = min(thing.end, chunk.end) if thing is not None else chunk.end
        was_definite, was_bare = is_definite, is_bare


def _joined_name(words: list[str], tags: list[str], chunk: Chunk, opened: set[str]) -> tuple[int, int]:
    """ "A bunny or rabbit costume" is one phrase: after an article, two names before one noun in the singular."""
    i = chunk.end + 1
    is_part = chunk.end == chunk.start + 1 and words[chunk.head] in lexicon.BODY and lemma(words[chunk.head]) == words[chunk.head]
    if is_part and tags[chunk.end : chunk.end + 3] == [CONJ, NOUN, NOUN] and words[i] in lexicon.BODY:
        return i + 2, i + 1  # "knee and leg pads"
    if not opened & (_ARTICLES | {"the"}) or i + 1 >= len(words) or tags[chunk.end] != CONJ or tags[i : i + 2] != [NOUN, NOUN]:
        return chunk.end, chunk.head
    after = read_chunk(words, tags, i)
    is_one = all(lemma(words[k]) == words[k] for k in (chunk.head, after.head))
    return (after.end, after.head) if is_one and after.head == i + 1 else (chunk.end, chunk.head)


def _thing(read: TaggedText, chunk: Chunk, opened: set[str], is_definite: bool, is_bare: bool) -> _Thing | None:
    words, tags = read.words, read.tags
    end, head = _with_content(words, tags, chunk), chunk.head
    if head < 0 or not chunk.is_thing or not _is_nominal(words, tags, head):
        return None
    if "no" in opened or "neither" in opened or read.is_quoted(chunk.start, end):
        return None
    start = _after_counts(words, chunk)
    while start < head and (words[start] in _OPENERS | prose.HAS_IN_IT or tags[start] in (ADV, COMMA, CONJ)):
        start += 1
    noun = lemma(words[head])
    if head < start or len(noun) < 2 or noun[0].isdigit():
        return None
    if noun in prose.SEEN_WHERE_DESCRIBED and not _is_described(words[start:head], tags[start:head]):
        return None
    is_some = noun == "individual" and head > chunk.start and words[chunk.start : head] != ["the"]  # "two individuals"
    is_worn = noun == "top" and words[chunk.start - 1] in prose.IS_WORN  # "wearing a top"
    is_some = is_some or words[head - 1 : head + 1] == ["food", "items"]
    if not is_some and not is_worn and not prose.can_be_pointed_at(noun) and noun not in prose.SEEN_WHERE_DESCRIBED:
        return None
    is_stuff = noun in lexicon.MATERIALS and "made" in words[max(chunk.start - 4, 0) : chunk.start]  # "of stone or metal"
    if is_stuff or words[chunk.start - 2 : chunk.start] in (["made", "of"], ["made", "from"]):
        return None  # what it is made of has no border of its own
    if noun in prose.NOT_SHOWN and words[head - 1 : head] == ["the"]:
        return None
    if words[chunk.start - 1 : end] == ["on", "the", "other", "hand"]:
        return None
    said = frozenset(lemma(words[i]) for i in range(start, end) if tags[i] not in (DET, POSS, CONJ, COMMA, PREP))
    is_counted = any(tags[i] == NUM or words[i] in _COUNTS for i in range(_after_counts(words, chunk), head))
    another = next((i for i in range(chunk.start, start) if words[i] in ("another", "other")), -1)
    if another >= 0 and words[another] == "other" and (plural(words[head]) == words[head] or "the" not in opened):
        another = -1  # "other cars" may be any
    return _Thing(start, end, noun, said, is_definite, is_bare and not is_counted, another)


def _with_content(words: list[str], tags: list[str], chunk: Chunk) -> int:
    """Where a phrase ends with what fills it: "a bowl of fruit" is one thing, "the back of a sofa" two."""
    i = chunk.end + 1
    if chunk.head < 0 or lemma(words[chunk.head]) not in prose.CONTAINERS or words[chunk.end : i] != ["of"]:
        return chunk.end
    if i >= len(words) or tags[i] not in (NOUN, ADJ):
        return chunk.end
    inner = read_chunk(words, tags, i)
    return inner.end if inner.head >= i else chunk.end


def _is_described(words: list[str], tags: list[str]) -> bool:
    """ "A grassy area" and "a ladybug design" are seen, "the area" and "a classic design" are not."""
    return any(
        (now == NOUN and (prose.is_seen(lemma(word)) or word in lexicon.GERUND_COMPOUNDS or word in prose.USES_OF_A_PLACE))
        or (now != NOUN and (word in prose.LOOKS or word.endswith("ed")))
        for word, now in zip(words, tags)
    )


def _after_counts(words: list[str], chunk: Chunk) -> int:
    """Where a phrase begins behind what only counts: "a variety of dishes" is dishes; "a patch of grass" stays whole."""
    ofs = (i for i in range(chunk.start + 1, chunk.head) if words[i] == "of")
    return max((i + 1 for i in ofs if lemma(words[i - 1]) in prose.COUNTS_ONLY), default=chunk.start)


def _is_nominal(words: list[str], tags: list[str], head: int) -> bool:
    """A head that is only a quality ("the novel and fun nature") names no thing; a person may be named by one."""
    if tags[head] == ADJ:
        return words[head] in _NAMED_BY_QUALITY
    return tags[head] == NOUN and words[head] not in lexicon.RELATION_OPENERS


def _supposes(question: list[str], answer: list[str]) -> bool:
    """Whether question or answer are about more than what is seen: reasons, purposes, what might be."""
    if not prose.ASKS_TO_SUPPOSE.isdisjoint(question):
        return not _only_shows(question)
    return prose.DESCRIBES.isdisjoint(question) and gives_reasons(answer)


def _only_shows(words: list[str]) -> bool:
    """ "Can you describe ...", "What can be seen ...": no question about what might be."""
    asked = prose.ASKS_TO_SUPPOSE.intersection(words)
    return asked <= prose.MODALS and any(word in prose.SEES or word == "you" for word in words)


# --- what is said to be there ---------------------------------------------------------------------


def _is_there(thing: _Thing, mood: int, supposes: bool, read: TaggedText) -> bool:
    """Whether the answer says that a thing is in the picture. `supposes`: the question asks for more than is seen."""
    following = next((i for i in range(thing.end, len(read.words)) if read.tags[i] != ADV), thing.start)
    is_subject = not {PREP, PARTICIPLE}.intersection(read.tags[max(thing.start - 2, 0) : thing.start])
    if read.words[following] in prose.MODALS and mood == SAID and is_subject and not thing.is_definite:
        if not prose.SEES.intersection(read.words[following + 1 : following + 4]):
            return False  # "a person would wear one tie"
    if mood == GENERAL or _renames(thing, read):
        return False
    if _is_hedged(thing, read):
        return thing.is_definite and read.tags[thing.start - 1] != POSS  # "possibly his advisor"
    if mood == ABSENT:
        return thing.is_definite
    if thing.noun in prose.ROLES and (mood == SUPPOSED or read.words[max(thing.start - 2, 0) : thing.start].count("for")):
        return False  # "providing shade for visitors", "the driver has parked to follow the rules"
    is_anybody = thing.is_bare or (not thing.is_definite and len(thing.says) == 1 and thing.noun in prose.SOMEBODY)
    names_anybody = thing.noun in prose.ANYBODY or kind_of(thing.noun) == PERSON  # "common among athletes"
    if supposes and names_anybody and is_anybody and not _is_witnessed(thing, read):
        return False  # "it protects people from the sun", "it keeps a person warm"
    is_seen = prose.is_seen(thing.noun) or thing.noun in prose.SEEN_WHERE_DESCRIBED
    if mood == SUPPOSED or (supposes and mood == WEAKLY and not _is_witnessed(thing, read)):
        is_anyones = thing.noun in lexicon.BODY and read.words[thing.start - 1] == "the"  # "to keep the head warm"
        return thing.is_definite and is_seen and not is_anyones
    if mood == WEAKLY and not is_seen:
        return thing.is_definite
    word = read.words[thing.end - 1]
    is_one = thing.is_bare and plural(word) != word
    if supposes and thing.noun in prose.SEEN_WHERE_DESCRIBED and not thing.is_definite and not _is_witnessed(thing, read):
        return False  # "it offers a soft surface"
    if supposes and not is_seen:
        described = read.words[thing.start : thing.end - 1]
        looks = any(word in prose.LOOKS or word.endswith("ed") for word in described)
        return not thing.is_definite and _is_witnessed(thing, read) and (not thing.is_bare or looks)
    if supposes and not _is_witnessed(thing, read):
        return not is_one or thing.noun in prose.STUFF
    return is_seen or not is_one or thing.end - thing.start > 1 or len(read.words) <= 3


def _is_hedged(thing: _Thing, read: TaggedText) -> bool:
    """ "A red drink, possibly wine", "likely a score", "possibly in a mill or a barn"."""
    i = thing.start - 1
    while i >= 0 and (read.tags[i] in _GOES_ON or read.words[i] in ("in", "at", "of")):
        i -= 1
    return i >= 0 and read.words[i] in prose.HEDGES


def _renames(thing: _Thing, read: TaggedText) -> bool:
    """Whether a phrase says what a thing is that was named: "which is a large animal", "specifically an athlete"; or how the
    picture was made: "he is depicted in a portrait".
    """
    i = next((k for k in range(thing.start - 1, -1, -1) if read.tags[k] not in (DET, ADJ, NUM)), 0)
    before, at = read.words[max(i - 1, 0) : i + 1], read.words[i]
    if before in (["which", "is"], ["which", "are"], ["other", "than"]) or at in ("specifically", "namely"):
        return True
    return thing.noun in prose.MEDIA and at in ("is", "in", "for", "as", "be")


def _is_witnessed(thing: _Thing, read: TaggedText) -> bool:
    """Whether the sentence so far speaks of what is seen: "she is wearing a wrist brace", "there is a hydrant"."""
    i = thing.start - 1
    while i >= 0 and read.tags[i] != STOP:
        if read.words[i] in prose.WITNESSES and read.words[i - 1 : i] != ["of"]:
            return read.tags[i] != PARTICIPLE or i == 0 or read.tags[i - 1] != STOP  # "wearing a hat is common for people"
        i -= 1
    return False


def _is_shown(thing: _Thing, read: TaggedText) -> bool:
    """Whether the sentence says that a thing is in the picture, as "there is", "the image shows" or "seen in the image" do."""
    start = next((i + 1 for i in range(thing.start - 1, -1, -1) if read.tags[i] == STOP), 0)
    end = next((i for i in range(thing.end, len(read.tags)) if read.tags[i] == STOP), len(read.tags))
    shown = any(read.words[i] in ("the", "this") and read.words[i + 1] in prose.SHOWN_IN for i in range(start, end - 1))
    before = read.words[start : thing.start]
    is_said = _is_witnessed(thing, read) and not prose.IS_THERE.isdisjoint(before)
    return is_said or (shown and prose.MODALS.isdisjoint(before))


def _is_seen_behind(thing: _Thing, read: TaggedText) -> bool:
    """ "Serve them on a plate, as seen in the image"."""
    behind = [word for word in read.words[thing.end : thing.end + 3] if word not in (",", "as")]
    return bool(behind) and behind[0] in prose.EVIDENCE
