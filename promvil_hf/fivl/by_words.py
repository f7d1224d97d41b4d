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
from promvil_hf.inflection import lemma, plural
from promvil_hf.key_expressions import Turn
from promvil_hf.nesting import lexicon
from promvil_hf.nesting.chunks import STARTS_CHUNK, Chunk, read_chunk
from promvil_hf.nesting.taggers import Tagger
from promvil_hf.nesting.tags import (
    ADJ,
    ADV,
    AUX,
    COMMA,
    CONJ,
    DET,
    NOUN,
    NUM,
    OWNER,
    PARTICIPLE,
    POSS,
    PREP,
    PRON,
    REL,
    STOP,
    VERB,
    base_of,
)
from promvil_hf.nesting.tokens import Token, tokenize


_OPENERS = (lexicon.DETERMINERS | lexicon.POSSESSIVES) - lexicon.NUMBERS | frozenset(
    "that numerous multiple different same more other".split()
)
_NAMED_BY_QUALITY = lexicon.PERSONS | {"square"}
_ARTICLES = frozenset({"a", "an", "another"})
_COUNTS = frozenset("several many some various multiple numerous few".split())
_DEFINITE = lexicon.POSSESSIVES | {"the", "this", "these", "those", "both", "each"}
_SAID, _WEAKLY, _SUPPOSED, _ABSENT = range(4)


@dataclass(frozen=True, slots=True)
class _Thing:
    """A noun phrase without its article: where it stands, the head noun, and the words it says."""

    start: int  # tokens
    end: int
    noun: str
    says: frozenset[str]
    is_definite: bool
    is_bare: bool  # plural or uncounted, without article or number


@dataclass(frozen=True, slots=True)
class _Text:
    text: str
    tokens: list[Token]
    words: list[str]
    tags: list[str]

    def written(self, start: int, end: int) -> str:
        return self.text[self.tokens[start].start : self.tokens[end - 1].end]


def key_phrases(turn: Turn, tagger: Tagger) -> tuple[str, ...]:
    """The key expressions of one turn, in the order of the answer.

    Where the answer is one word that names no thing ("yes", "two", "red"), the things that the question asks about stand
    in for it: they are what has to be looked at.
    """
    question, answer = _read(turn.question, tagger), _read(turn.answer, tagger)
    asked = list(_things(question))
    spoken = _spoken(question)
    supposes = not prose.ASKS_TO_SUPPOSE.isdisjoint(question.words) and not _only_shows(question.words)
    found: list[tuple[int, str]] = []
    kept: list[_Thing] = []
    mood = _moods(answer, supposes)
    for thing in _things(answer):
        if supposes and thing.is_bare and _opens_sentence(thing, answer):
            _make_general(mood, thing.start, answer)  # "cats are curious animals"
        if not _is_there(thing, mood[thing.start], supposes, answer):
            continue
        if thing.says <= spoken:
            continue
        if any(thing.noun == earlier.noun and thing.says <= earlier.says for earlier in kept):
            continue
        kept.append(thing)
        found.append((thing.start, answer.written(thing.start, thing.end)))
    if not supposes:
        found += _predicates(answer, question, spoken, bool(asked), {i for thing in kept for i in range(thing.start, thing.end)})
    if found:
        return tuple(dict.fromkeys(text for _, text in sorted(found)))
    if len(turn.answer.split()) == 1:
        return tuple(dict.fromkeys(question.written(thing.start, thing.end) for thing in asked))
    return ()


def _spoken(question: _Text) -> frozenset[str]:
    """The words of a question that name or describe something, and other words for the same things."""
    said = {lemma(word) for word, now in zip(question.words, question.tags) if now in (NOUN, ADJ, NUM, PARTICIPLE, VERB)}
    said |= prose.NOT_SEEN_OF_A_THING - ({"one"} if "many" in question.words else set())
    return frozenset(said.union(*(group for group in prose.SAME_THING if not said.isdisjoint(group))))


def _read(text: str, tagger: Tagger) -> _Text:
    tokens = tokenize(text.replace(" - ", " – "))  # in a sentence it joins no two words
    words = [token.word for token in tokens]
    return _Text(text, tokens, words, _in_prose(words, tagger(text, tokens, words), tagger.name == "rules"))


# --- tags of prose --------------------------------------------------------------------------------

_TAKES_VERB = frozenset({PRON, REL})
_NOMINAL = frozenset({NOUN, ADJ, NUM})


def _in_prose(words: list[str], tags: list[str], by_rules: bool) -> list[str]:
    """The tags of sentences. The rules are made for short expressions: here they learn the verbs of prose."""
    tags = list(tags)
    count = len(words)
    for i, word in enumerate(words):
        before, after = tags[i - 1] if i else STOP, tags[i + 1] if i + 1 < count else STOP
        if word in prose.MODALS and before not in (DET, ADJ, NUM, POSS):
            tags[i] = AUX
        elif word == "to" and after in (NOUN, VERB) and _is_verb(words, tags, i + 1, by_rules):
            tags[i + 1] = VERB
        elif tags[i] == ADJ and before == NOUN == after:
            tags[i] = NOUN  # "video game remote controllers"
        elif after == NOUN and word.endswith(("-down", "-up", "-out", "-in", "-on", "-over")):
            tags[i] = ADJ
        elif word.endswith("ing") and tags[i] in (ADJ, NOUN) and before == PREP and after == NOUN:
            if words[i + 1] not in lexicon.GERUND_COMPOUNDS.get(word, ()) and words[i - 1] != "of":
                tags[i] = PARTICIPLE  # "for reaching leaves"
        elif word in prose.FUNCTION_WORDS:
            tags[i] = ADV
        elif tags[i] == NOUN == before and word in lexicon.ADJECTIVES and after != NOUN and not prose.is_seen(word):
            tags[i] = ADJ  # "he has coloured his hair purple"
        if not by_rules:
            if tags[i] == VERB and word not in prose.VERBS and not base_of(word) and prose.is_seen(lemma(word)):
                tags[i] = NOUN  # "dishes, utensils and drinkware"
            continue
        if tags[i] == NOUN and word.endswith(("al", "ic", "ive")) and not prose.is_seen(lemma(word)) and after != STOP:
            tags[i] = ADJ
        if tags[i] == NOUN and word.endswith("ly") and len(word) > 4 and word not in lexicon.NOT_ADVERBS:
            tags[i] = ADV
        form = prose.VERBS.get(word)
        if tags[i] in (NOUN, ADJ) and _finite_here(words, tags, i, before, form):
            tags[i] = VERB
        elif form in ("ed", "ing") and before not in (DET, POSS, ADJ, NUM) and not _before_noun(tags, i):
            tags[i] = PARTICIPLE
    return tags


def _is_verb(words: list[str], tags: list[str], i: int, by_rules: bool) -> bool:
    return tags[i] == VERB or (by_rules and (words[i] in prose.VERBS or bool(base_of(words[i]))))


def _finite_here(words: list[str], tags: list[str], i: int, before: str, form: str | None) -> bool:
    """Whether a word taken for a noun or adjective is the verb of its sentence."""
    word, previous = words[i], words[i - 1] if i else ""
    is_known = form in ("base", "s") or base_of(word) != ""
    if previous in prose.MODALS or previous in ("don't", "doesn't", "didn't", "do", "does"):
        return is_known or tags[i] == NOUN
    after = tags[i + 1] if i + 1 < len(tags) else STOP
    if previous in ("this", "that", "which", "it") and form == "s" and after not in (NOUN, VERB):
        return True
    if word in prose.VERBS_ONLY:
        return before not in (DET, POSS, ADJ)
    if not is_known or before in (DET, POSS, ADJ, NUM, PREP):
        return False
    if before in _TAKES_VERB:
        return True
    if before == ADV and i > 1 and tags[i - 2] == NOUN:
        before, previous = NOUN, words[i - 2]  # "the man also carries a bag"
    follows_plural = before == NOUN and lemma(previous) != previous
    is_third = word.endswith("s")
    if before == NOUN and is_third and after == PREP and base_of(word) in lexicon.CLEAR_VERBS:
        return True  # "a man in glasses stands by the door"
    if before == NOUN and (follows_plural is not is_third) and after in (DET, POSS, NUM, PRON):
        return True
    return before == NOUN and follows_plural and not is_third and after in (PREP, ADV) and form == "base"


def _before_noun(tags: list[str], i: int) -> bool:
    return i + 1 < len(tags) and tags[i + 1] in _NOMINAL


# --- noun phrases ---------------------------------------------------------------------------------


def _things(read: _Text) -> Iterator[_Thing]:
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
        is_definite = bool(opened & _DEFINITE) or (i > 0 and tags[i - 1] == OWNER) or (not opened and is_joined and was_definite)
        is_bare = not is_definite and not opened & _ARTICLES and not (is_joined and not was_bare)
        thing = _thing(read, chunk, opened, is_definite, is_bare)
        if thing is not None:
            yield thing
        i = last = chunk.end
        was_definite, was_bare = is_definite, is_bare


def _thing(read: _Text, chunk: Chunk, opened: set[str], is_definite: bool, is_bare: bool) -> _Thing | None:
    words, tags = read.words, read.tags
    end, head = chunk.end, chunk.head
    if head < 0 or not chunk.is_thing or not _is_nominal(words, tags, head):
        return None
    if "no" in opened or "neither" in opened:
        return None
    start = _after_counts(words, chunk)
    while start < head and (words[start] in _OPENERS or tags[start] == ADV or tags[start] in (COMMA, CONJ)):
        start += 1
    noun = lemma(words[head])
    if head < start or not prose.can_be_pointed_at(noun) or len(noun) < 2:
        return None
    if noun == "design" and tags[head - 1] != NOUN:  # "a ladybug design" is seen, "a classic design" judged
        return None
    if words[chunk.start - 2 : chunk.start] in (["made", "of"], ["made", "from"]):
        return None  # what it is made of has no border of its own
    if words[start:end] == ["other", "hand"] and words[chunk.start - 1 : chunk.start] == ["on"]:
        return None
    said = frozenset(lemma(words[i]) for i in range(start, end) if tags[i] not in (DET, POSS, CONJ, COMMA, PREP))
    is_counted = any(tags[i] == NUM or words[i] in _COUNTS for i in range(_after_counts(words, chunk), head))
    return _Thing(start, end, noun, said, is_definite, is_bare and not is_counted)


def _after_counts(words: list[str], chunk: Chunk) -> int:
    """Where a phrase begins behind what only counts: "a variety of dishes" is dishes; "a patch of grass" stays whole."""
    ofs = (i for i in range(chunk.start + 1, chunk.head) if words[i] == "of")
    return max((i + 1 for i in ofs if lemma(words[i - 1]) in prose.COUNTS_ONLY), default=chunk.start)


def _is_nominal(words: list[str], tags: list[str], head: int) -> bool:
    """A head that is only a quality ("the novel and fun nature") names no thing; a person may be named by one."""
    if tags[head] == ADJ:
        return words[head] in _NAMED_BY_QUALITY
    return tags[head] == NOUN and words[head] not in lexicon.RELATION_OPENERS


def _only_shows(words: list[str]) -> bool:
    """ "Can you describe ...", "What can be seen ...": no question about what might be."""
    asked = prose.ASKS_TO_SUPPOSE.intersection(words)
    return asked <= prose.MODALS and any(word in prose.SEES or word == "you" for word in words)


# --- what is said to be there ---------------------------------------------------------------------


def _moods(read: _Text, supposes: bool) -> list[int]:
    """For each word, how what it names is said: as being there, weakly, only supposed, or as absent."""
    words, tags = read.words, read.tags
    moods, mood, absent, weak = [], _SAID, False, False
    for i, word in enumerate(words):
        if tags[i] == STOP or (i and "\n\n" in read.text[read.tokens[i - 1].end : read.tokens[i].start]):
            mood, absent, weak = _SAID, False, False
        elif word in prose.MODALS:
            if not prose.SEES.intersection(words[i + 1 : i + 4]):
                mood = _SUPPOSED
        elif word in prose.CONDITIONS or word in prose.INFERS or (supposes and word in prose.EFFECTS):
            mood = _SUPPOSED
        elif word in prose.ABSENCE:
            absent = word != "not" or words[i + 1 : i + 2] != ["only"]
        elif word in prose.EVIDENCE or (tags[i] == REL and words[i + 1 : i + 2] in (["is"], ["are"])):
            mood = _SAID  # "by looking at the clock that is mounted on a pole"
        elif word in prose.HEDGES or word in ("like", "when") or (word == "to" and tags[i + 1 : i + 2] == [VERB]):
            weak = True
        elif word in ("as", "for") and tags[i + 1 : i + 2] != [PRON] and words[i + 1 : i + 2] != ["evidenced"]:
            weak = weak or word == "as" or tags[i + 1 : i + 2] == [PARTICIPLE]
        elif tags[i] == COMMA:
            weak = absent = False
        elif tags[i] in (VERB, REL) or word in ("but", "and"):
            absent = False
        moods.append(_ABSENT if absent else _SUPPOSED if mood else _WEAKLY if weak else _SAID)
    return moods


def _is_there(thing: _Thing, mood: int, supposes: bool, read: _Text) -> bool:
    """Whether the answer says that a thing is in the picture. `supposes`: the question asks for more than is seen."""
    following = next((i for i in range(thing.end, len(read.words)) if read.tags[i] != ADV), thing.start)
    if supposes and read.words[following] in prose.MODALS and mood == _SAID and not thing.is_definite:
        if not prose.SEES.intersection(read.words[following + 1 : following + 4]):
            return False  # "a person would wear one tie"
    if mood == _ABSENT:
        return thing.is_definite
    if thing.noun in prose.ROLES and (mood == _SUPPOSED or read.words[max(thing.start - 2, 0) : thing.start].count("for")):
        return False  # "providing shade for visitors", "the driver has parked to follow the rules"
    if supposes and thing.noun in prose.ANYBODY and thing.is_bare and not _is_witnessed(thing, read):
        return False  # "it protects people from the sun"
    is_seen = prose.is_seen(thing.noun)
    if mood == _SUPPOSED or (supposes and mood == _WEAKLY):
        return thing.is_definite and is_seen
    if mood == _WEAKLY and not is_seen:
        return thing.is_definite
    word = read.words[thing.end - 1]
    is_one = thing.is_bare and plural(word) != word
    if supposes and not _is_witnessed(thing, read):
        return is_seen and (not is_one or thing.noun in prose.STUFF)
    return is_seen or not is_one or thing.end - thing.start > 1 or len(read.words) <= 3


def _is_witnessed(thing: _Thing, read: _Text) -> bool:
    """Whether the sentence so far speaks of what is seen: "she is wearing a wrist brace", "there is a hydrant"."""
    i = thing.start - 1
    while i >= 0 and read.tags[i] != STOP:
        if read.words[i] in prose.WITNESSES and read.words[i - 1 : i] != ["of"]:
            return True
        i -= 1
    return False


def _make_general(moods: list[int], start: int, read: _Text) -> None:
    """Let what a sentence says from `start` on count as supposed."""
    while start < len(moods) and read.tags[start] != STOP:
        moods[start] = max(moods[start], _SUPPOSED)
        start += 1


def _opens_sentence(thing: _Thing, read: _Text) -> bool:
    i = thing.start - 1
    while i >= 0 and read.tags[i] in (ADV, COMMA):
        i -= 1
    return i < 0 or read.tags[i] == STOP  # "Furthermore, felines are ..."


# --- what a thing of the question looks like or does ----------------------------------------------


def _predicates(read: _Text, question: _Text, spoken: frozenset[str], asked: bool, taken: set[int]) -> Iterator[tuple[int, str]]:
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
        if words[i] in prose.MODALS or tags[i] in (REL, AUX):
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

