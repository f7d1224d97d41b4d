# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Tags of sentences. The rules of `nesting` are made for short expressions: here they learn the verbs of prose, and a tagger's
slips on words that photographs show are mended.
"""

from dataclasses import dataclass

from promvil_hf.fivl import prose
from promvil_hf.inflection import lemma
from promvil_hf.nesting import lexicon
from promvil_hf.nesting.tags import (
    ADJ,
    ADV,
    AUX,
    COMMA,
    DET,
    NOUN,
    NUM,
    PARTICIPLE,
    POSS,
    PREP,
    PRON,
    REL,
    STOP,
    VERB,
    base_of,
)
from promvil_hf.nesting.tokens import Token


_TAKES_VERB = frozenset({PRON, REL})
_CANS = frozenset("trash garbage soda beer tin spray watering litter recycling paint".split())
_REGION = frozenset("region scene image picture area object".split())
_STATES = frozenset("features corresponds contains shows includes depicts".split())  # what a region or a scene does
_SOMEBODY = lexicon.PERSONS | lexicon.ANIMALS
_NOMINAL = frozenset({NOUN, ADJ, NUM})


@dataclass(frozen=True, slots=True)
class TaggedText:
    """A text, its words in lower case and their tags."""

    text: str
    tokens: list[Token]
    words: list[str]
    tags: list[str]

    @property
    def opens(self) -> list[bool]:
        """Whether each word begins a line."""
        if "\n" not in self.text:
            return [False] * len(self.tokens)
        ends = [0, *(token.end for token in self.tokens)]
        return ["\n" in self.text[end : token.start] for end, token in zip(ends, self.tokens)]

    def is_quoted(self, start: int, end: int) -> bool:
        """Whether any of these words are quoted: what a sign says is no thing."""
        if '"' not in self.text:
            return False
        before, inside = self.text[: self.tokens[start].start], self.written(start, end)
        return before.count('"') % 2 == 1 or '"' in inside

    def written(self, start: int, end: int) -> str:
        return self.text[self.tokens[start].start : self.tokens[end - 1].end]


def in_prose(words: list[str], tags: list[str], by_rules: bool) -> list[str]:
    """The tags of sentences. The rules are made for short expressions: here they learn the verbs of prose."""
    tags = list(tags)
    count = len(words)
    for i, word in enumerate(words):
        before, after = tags[i - 1] if i else STOP, tags[i + 1] if i + 1 < count else STOP
        if word == "can" and words[i - 1 : i] and words[i - 1] in _CANS:
            tags[i] = NOUN
        elif word == "can" and before == NOUN and (after in (PREP, COMMA, STOP) or words[i + 1 : i + 2] == ["nearby"]):
            tags[i] = NOUN  # "a cola can nearby"
        elif word in _STATES and tags[i] == NOUN == before and (words[i - 1] in _REGION or after in (NOUN, NUM)):
            tags[i] = VERB  # "the region features windows"
        elif word in prose.MODALS and before not in (DET, ADJ, NUM, POSS):
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
        elif word.endswith("ing") and tags[i] in (ADJ, NOUN) and after in (NOUN, ADJ, NUM, DET) and _has_object(words, tags, i):
            tags[i] = PARTICIPLE  # "some holding umbrellas"
        elif word == "top" and before == DET and words[i - 2] in prose.IS_WORN and words[i - 1] == "a":
            tags[i] = NOUN
        elif word == "top" and before == ADJ and after not in (NOUN, PREP) and {"a", "an"} & set(words[max(i - 4, 0) : i]):
            tags[i] = NOUN  # "an orange sleeveless top"
        elif word in prose.FUNCTION_WORDS:
            tags[i] = ADV
        elif tags[i] == NOUN == before and word in lexicon.ADJECTIVES and after != NOUN and not prose.is_seen(word):
            tags[i] = ADJ  # "he has coloured his hair purple"
        if tags[i] == NOUN == before and word.endswith("s") and _does(words[i - 1], word):
            tags[i] = VERB  # "a catcher crouches"
        if tags[i] == NOUN == before and after == REL and words[i + 1] == "that" and word in prose.VERBS:
            tags[i] = VERB  # "the cans on the table show that"
        if not by_rules:
            is_known = word in prose.VERBS or base_of(word) or words[i - 1] == "to"
            if tags[i] == VERB and not is_known and prose.is_seen(lemma(word)):
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


def _does(noun: str, word: str) -> bool:
    """Whether a word in -s behind somebody is what they do: "a catcher crouches"."""
    if noun not in _SOMEBODY or lemma(noun) != noun or prose.is_seen(lemma(word)):
        return False
    return base_of(word) in lexicon.AGENT_VERBS or base_of(word) in lexicon.CLEAR_VERBS


def _has_object(words: list[str], tags: list[str], i: int) -> bool:
    """Whether a word in -ing that nothing describes does something to the plural after it, rather than describe it."""
    if i and (tags[i - 1] in (ADJ, POSS, NUM) or (tags[i - 1] == DET and words[i - 1] not in ("some", "many"))):
        return False
    if words[i] in lexicon.GERUND_COMPOUNDS or not (base_of(words[i]) in lexicon.AGENT_VERBS or words[i] in prose.VERBS):
        return False
    last = next((k - 1 for k in range(i + 1, len(tags)) if tags[k] not in (NOUN, ADJ, NUM, DET)), len(tags) - 1)
    return lemma(words[last]) != words[last] or DET in tags[i + 1 : last]


def _is_verb(words: list[str], tags: list[str], i: int, by_rules: bool) -> bool:
    if tags[i] == VERB or words[i] in prose.DONE_TO_THINGS:
        return True
    return by_rules and (words[i] in prose.VERBS or bool(base_of(words[i])))


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
