# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A coarse tag for each word: what the nesting grammar reads.

The tagger is rules over `lexicon`; an unknown word is a noun. `tags_from_penn` turns the tags of another tagger into ours.
Standard library only.
"""

from collections.abc import Sequence
from functools import lru_cache

from promvil_hf.inflection import lemma
from promvil_hf.nesting import lexicon
from promvil_hf.nesting.kinds import ANIMATE, BODY, CLOTHES, THING, kind_of


NOUN, ADJ, DET, POSS, NUM, PRON, PREP, CONJ, REL, WH, AUX, ADV = (
    "NOUN ADJ DET POSS NUM PRON PREP CONJ REL WH AUX ADV".split()
)
VERB, PARTICIPLE, OWNER, COMMA, STOP, DIR, THERE = "VERB PARTICIPLE OWNER COMMA STOP DIR THERE".split()


# --- what a word can be, looked up alone ----------------------------------------------------------


_ING, _ED, _S, _BASE = "ing", "ed", "s", "base"


def _verb_forms() -> dict[str, tuple[str, str]]:
    """Every form of every listed verb: form -> (one of ing, ed, s, base; the base form)."""
    forms: dict[str, tuple[str, str]] = {}
    for base in sorted(lexicon.AGENT_VERBS | lexicon.POSTURE_VERBS):
        stem = base[:-1] if base.endswith("e") and not base.endswith(("ee", "ye", "oe", "ie")) else base
        if base in lexicon.DOUBLING:
            stem = base + base[-1]
        past, third = stem, base + ("es" if base.endswith(("s", "x", "ch", "sh", "o")) else "s")
        if base.endswith("y") and base[-2] not in "aeou":
            past, third = base[:-1] + "i", base[:-1] + "ies"
        forms.setdefault(base, (_BASE, base))
        forms.setdefault(third, (_S, base))
        forms[past + ("d" if past.endswith("e") else "ed")] = (_ED, base)
        forms[stem + "ing"] = (_ING, base)
        for irregular in lexicon.IRREGULAR_FORMS.get(base, ()):
            form = _ING if irregular.endswith(("in", "ing")) else _S if irregular.endswith("s") else _ED
            forms[irregular] = (form, base)
    return forms


VERB_FORMS = _verb_forms()


def base_of(word: str) -> str:
    """The base form of a verb, "" for any other word."""
    return VERB_FORMS.get(word, ("", ""))[1]


_PARTICIPLES = {base: word for word, (form, base) in VERB_FORMS.items() if form == _ING and word.endswith("ing")}


def participle(base: str) -> str:
    """The present participle of a listed verb: "wear" gives "wearing"."""
    return _PARTICIPLES[base]


def is_noun(word: str) -> bool:
    """Whether a word can stand alone for a thing: an unknown word can, unless its ending says otherwise."""
    known = _lookup(word)
    if known in (_BASE, _S):
        return True  # "plant", "waves"
    return known in (NOUN, DIR) or word in lexicon.PERSONS or word in lexicon.MATERIALS


_TRANSITIVE = frozenset(
    """
    wear hold carry use eat catch hit throw feed push pull watch pet read take give show hug kick touch cut wield
    swing look
""".split()
)
_PAST_LIKE_BASE = frozenset("cut put hit cast spread pet".split())
_LOOKUP = {
    **dict.fromkeys(lexicon.PREPOSITIONS, PREP),
    **dict.fromkeys(lexicon.ADVERBS - lexicon.PREPOSITIONS, ADV),
    **dict.fromkeys(lexicon.ADJECTIVES, ADJ),
    **dict.fromkeys(lexicon.HAVING, ADJ),
    **dict.fromkeys(lexicon.DIRECTIONS - {"inside", "outside"}, DIR),
    **dict.fromkeys(lexicon.NUMBERS, NUM),
    **dict.fromkeys(lexicon.DETERMINERS, DET),
    **dict.fromkeys(lexicon.POSSESSIVES, POSS),
    **dict.fromkeys(lexicon.PRONOUNS, PRON),
    **dict.fromkeys(lexicon.AUXILIARIES, AUX),
    **dict.fromkeys(lexicon.WH_WORDS, WH),
    **dict.fromkeys(lexicon.CONJUNCTIONS, CONJ),
    **dict.fromkeys("'re 've 'll 'd 'm".split(), AUX),
    **dict.fromkeys(", : - – —".split(), COMMA),
    **dict.fromkeys("; . ! ?".split(), STOP),
    "that": REL,
    "there": THERE,
    "'s": OWNER,
    "/": CONJ,
}


@lru_cache(maxsize=65536)
def _lookup(word: str) -> str:
    """The tag of a word alone, or a verb form still to be decided in its context."""
    if (known := _LOOKUP.get(word)) is not None:
        return known
    if word in lexicon.ING_NOUNS or word in lexicon.ED_NOUNS:
        return NOUN
    if (form := VERB_FORMS.get(word)) is not None:
        return form[0]
    if word[0].isdigit():
        return NUM
    if len(word) > 4:
        if word.endswith("ing"):
            return _ING
        if word.endswith("ed"):
            return ADJ if "-" in word else _ED
        if word.endswith(("ful", "less", "ous", "ish", "able", "ible", "tive")) and word not in lexicon.NOT_ADJECTIVES:
            return ADJ
        if word.endswith("est") and len(word) > 6 and word not in lexicon.NOT_ADJECTIVES:
            return ADJ
        if word.endswith("ly") and word not in lexicon.NOT_ADVERBS:
            return ADV
    return NOUN


@lru_cache(maxsize=65536)
def repaired(word: str) -> str:
    """The relation word that an unknown word misspells by one letter, else the word itself ("ftont" gives "front")."""
    if len(word) < 4 or word in lexicon.SLIPS:
        return lexicon.SLIPS.get(word, word)
    if not word.isalpha() or _lookup(word) not in (NOUN, _ING) or word in VERB_FORMS:
        return word
    for target in lexicon.REPAIRABLE:
        if word[0] == target[0] and one_slip_apart(word, target):
            return target
    if word in lexicon.ATTRIBUTES:
        return word
    for target in lexicon.SWAPPABLE:
        has_more = len(word) > len(target) and word[-1] == target[-1] and one_slip_apart(word, target)
        has_more = has_more or (len(word) == len(target) > 4 and word[:-1] == target[:-1])
        if word[0] == target[0] and (has_more or sorted(word) == sorted(target)):
            return target
    return word


def one_slip_apart(word: str, target: str) -> bool:
    """One letter missing, added, changed, or two neighbours swapped."""
    if abs(len(word) - len(target)) > 1:
        return False
    start = 0
    while start < min(len(word), len(target)) and word[start] == target[start]:
        start += 1
    left, right = word[start:], target[start:]
    return (
        left[1:] == right[1:]
        or left[1:] == right
        or left == right[1:]
        or (left[:2] == right[1::-1] and left[2:] == right[2:])
    )


# --- what a word is, in its context ---------------------------------------------------------------

_NOUNISH = frozenset({NOUN, ADJ, NUM, DIR, _S, _BASE})
_MODIFIES = frozenset({DET, POSS, ADJ, NUM, OWNER})
_OPENS_OBJECT = frozenset({DET, POSS, PREP, NUM, PRON})


def tag(words: list[str]) -> list[str]:
    """One tag a word, by lookup and then by the words beside it; every open verb form is decided."""
    raw = [_lookup(word) for word in words]
    for i in range(len(words) - 1):  # two words that only together are what they are
        word, following = words[i], words[i + 1]
        if raw[i + 1] == PREP and word in lexicon.RELATION_OPENERS:
            raw[i] = PREP
        elif word in lexicon.COLOUR_SHADES and raw[i + 1] == ADJ and following not in lexicon.RELATION_OPENERS:
            raw[i] = ADJ
        elif word == "half" and raw[i + 1] in (NOUN, ADJ) and (i == 0 or raw[i - 1] in (DET, ADJ)):
            raw[i] = ADJ  # "a half orange slice"
        elif word in ("both", "either") and i and raw[i + 1] in (DET, POSS):
            raw[i] = ADV  # "next to both the bus and the car"
        elif word in ("carry", "clip", "slip") and following == "on" and raw[i - 1 : i] in ([ADJ], [DET], []):
            raw[i] = raw[i + 1] = NOUN if raw[i + 2 : i + 3] == [NOUN] else raw[i + 1]
        elif (
            following in ("other", "another") and word in ("each", "one") and raw[i + 2 : i + 3] not in ([NOUN], [ADJ])
        ):
            raw[i] = raw[i + 1] = PRON
        elif (
            raw[i + 1] == PREP
            and word in lexicon.PARTICLE_COMPOUNDS
            and following in ("up", "down", "over", "out")
            and (raw[i + 2 : i + 3] in ([NOUN], ["base"]) or (word == "button" and raw[i - 1 : i] in ([ADJ], [DET])))
        ):
            raw[i] = raw[i + 1] = NOUN
        elif raw[i] == ADJ and word in lexicon.PERSONS and raw[i + 1] not in _NOUNISH:
            raw[i] = NOUN
        elif word in ("can", "cans") and raw[i - 1 : i] == [NOUN] and raw[i + 1] not in ("base", ADV, AUX):
            raw[i] = NOUN
        elif word == "more" and raw[i + 1] == NOUN:
            raw[i] = DET
        elif word in ("color", "colour") and raw[i - 1 : i] == [ADJ] and raw[i + 1] in (NOUN, ADJ):
            raw[i] = ADJ  # "a red color double bed"
        elif following in lexicon.HAVING and raw[i] == NOUN:
            raw[i] = ADJ
        elif word == "can" and raw[i - 1 : i] == [DET]:
            raw[i] = NOUN
        elif word == "in" and following in ("color", "colour") and raw[i - 2 : i] in ([AUX, NOUN], [AUX, _BASE]):
            raw[i - 1] = ADJ  # "a bag that is rust in color"
        elif word == "it" and following == "'s" and raw[i - 1 : i] == [PREP] and raw[i + 2 : i + 3] in ([NOUN], [DIR], [_BASE]):
            raw[i] = raw[i + 1] = POSS  # "on it 's face"
        elif raw[i] == PREP and raw[i - 1 : i] == [DET] and raw[i + 1] in (NOUN, ADJ):
            raw[i] = ADJ
        elif word == "another" and raw[i + 1] not in (NOUN, ADJ, NUM, DIR, _S, _BASE, _ING, _ED, DET):
            raw[i] = NOUN
        elif word in ("thumb", "thumbs") and following == "up":
            raw[i] = raw[i + 1] = ADV
        elif word == "no" and following == "one":
            raw[i] = raw[i + 1] = PRON
        elif (
            following == "hand"
            and word in ("left", "right")
            and raw[i - 1 : i] != [POSS]
            and raw[i + 2 : i + 3] in ([NOUN], [ADJ], [DIR])
        ):
            raw[i + 1] = ADJ
        elif following == "most" and raw[i] in (ADJ, DIR):
            raw[i + 1] = ADJ
        elif word == "straight" and raw[i + 1] == PREP:
            raw[i] = ADV
        elif word == "short" and raw[i - 1 : i] in ([ADJ], [NOUN]) and raw[i + 1] == PREP and i > 1:
            raw[i] = NOUN  # "a boy wearing a white short on the left"
    tags: list[str] = []
    asks_do = bool(words) and any(word in ("do", "does", "did", "can", "could", "will") for word in words[:3])
    count = len(words)
    for i, word in enumerate(words):
        now = raw[i]
        before = tags[-1] if tags else ""
        after = raw[i + 1] if i + 1 < count else ""
        if now == NOUN:
            if after == ADJ and before in (DET, ADJ) and _is_like_an_adjective(word):
                now = ADJ
            elif before == NOUN and word in lexicon.ING_NOUNS and word in VERB_FORMS:
                does = after == NOUN and kind_of(words[i - 1]) in ANIMATE and kind_of(words[i + 1]) in (BODY, CLOTHES)
                now = PARTICIPLE if does or after in (DET, POSS) else now
        elif now == DET:
            if after in (AUX, DET, POSS) and word in ("this", "these", "those"):
                now = PRON
        elif now == _ING:
            now = _tag_ing(words, i, before, after)
        elif now == _ED:
            now = _tag_ed(words, i, before, after)
        elif now == _S or now == _BASE:
            now = _tag_finite(words, i, now, before, after, asks_do)
        elif now == REL:
            now = (
                REL if before in (NOUN, ADJ, DIR, COMMA, NUM, PRON, PARTICIPLE, ADV) else PRON if after == AUX else DET
            )
        elif now == WH:
            is_relative = word in lexicon.RELATIVES and before in (NOUN, ADJ, DIR, COMMA, PREP, NUM, PRON, PARTICIPLE)
            now = REL if is_relative and not (before == PREP and i == 1) else WH
        elif word == "her":
            now = POSS if after in _NOUNISH or after in (_ING, _ED) else PRON
        elif word == "one" and now == NUM:
            now = NUM if after in (NOUN, ADJ, DIR, NUM) and before != DET else NOUN
        elif now == THERE:
            now = THERE if words[i + 1 : i + 2] and (words[i + 1] in lexicon.BE) or before == AUX else ADV
        elif now == OWNER:
            now = _tag_owner(before, after, i, words)
        elif word == "right":
            now = ADV if after == PREP and before not in (DET, PREP, POSS, ADJ, DIR) and words[i + 1] != "of" else DIR
        elif word == "like" and before in (AUX, PRON):
            now = VERB
        tags.append(now)
    return tags


def _is_like_an_adjective(word: str) -> bool:
    """An unknown word in -y: "a peppery hot soup"."""
    return len(word) > 4 and word.endswith("y") and kind_of(word) == THING and word not in lexicon.SHADES_OF

def _tag_ing(words: list[str], i: int, before: str, after: str) -> str:
    word = words[i]
    following = words[i + 1] if i + 1 < len(words) else ""
    if following in lexicon.GERUND_COMPOUNDS.get(word, ()):
        return NOUN if before == NOUN else ADJ
    if after in _NOUNISH and before in (DET, POSS, OWNER, NUM):
        return ADJ
    if after in _NOUNISH and before in ("", ADJ, PREP, CONJ) and base_of(word) not in _TRANSITIVE:
        return ADJ
    is_had = before == ADJ and words[i - 2 : i - 1] == ["with"] and following in ("", "and", ",") and not base_of(word)
    return NOUN if is_had or before in (DET, POSS, OWNER) else PARTICIPLE  # "a monitor with black casing"


def _tag_ed(words: list[str], i: int, before: str, after: str) -> str:
    if before == AUX or words[i] in lexicon.SAYING_VERBS:
        return PARTICIPLE
    if after in (NOUN, ADJ, DIR, _ING, _S, _BASE) or (after == NUM and before in _MODIFIES):
        return NOUN if before == NOUN and after != _ING else PARTICIPLE if before in (NOUN, PRON) else ADJ
    if before in (DET, POSS, OWNER, ADJ) and after not in (PREP, AUX, "", COMMA, STOP):
        return ADJ
    if after in (CONJ, COMMA) and before in (DET, NUM, POSS):
        return ADJ
    return PARTICIPLE


def _tag_finite(words: list[str], i: int, form: str, before: str, after: str, asks_do: bool) -> str:
    word = words[i]
    base = VERB_FORMS[word][1]
    previous = words[i - 1] if i else ""
    if before in (REL, THERE) or (before == PREP and previous == "to" and form == _BASE):
        return VERB
    if before == PRON:
        return VERB if after != "" or base in lexicon.CLEAR_VERBS else NOUN
    if (
        before == AUX
        and form == _BASE
        and previous not in lexicon.BE
        and previous not in ("has", "have", "had", "having")
    ):
        return VERB
    if before == ADV and i > 1 and form == _BASE and words[i - 2] in ("do", "does", "did"):
        return VERB
    clear = base in lexicon.CLEAR_VERBS
    if before in (COMMA, DIR) and clear and form == _S and i > 1 and (after in _OPENS_OBJECT or after in _NOUNISH):
        return VERB
    if before == WH and form == _S and after in _OPENS_OBJECT:
        return VERB
    if word in _PAST_LIKE_BASE and previous == "not":
        return PARTICIPLE
    if before == CONJ and form == _S and after in (DET, POSS):
        return VERB  # "... and puts its head"
    if before == AUX and previous in lexicon.BE and after == PREP and word in _PAST_LIKE_BASE:
        return PARTICIPLE
    if before != NOUN:
        return NOUN
    is_plural = lemma(previous) != previous
    if form == _S and base in lexicon.AGENT_VERBS and kind_of(previous) in ANIMATE and not is_plural and after == NOUN:
        return VERB  # "a man cuts carrots"
    if form == _BASE:
        if asks_do and (clear or after in (PREP, ADJ, "", STOP)):
            return VERB
        if word in _PAST_LIKE_BASE and after == PREP and (word == "cast" or words[i + 1] not in ("of", "with", "on")):
            return PARTICIPLE
        if kind_of(previous) in ANIMATE and (after in (DET, POSS, PRON) or (after == PREP and words[i + 1] == "by")):
            return VERB  # "woman bite a sandwich", "the elephant ride by three persons"
        if clear and after in (DET, POSS):
            return VERB
        acts = clear or after in (DET, POSS) or kind_of(previous) in ANIMATE
        return VERB if is_plural and acts and (after in _OPENS_OBJECT or (clear and after in _NOUNISH)) else NOUN
    if (is_plural and not (clear and after in (DET, POSS, REL))) or after == AUX:
        return NOUN
    if clear:
        return VERB if after != "" else NOUN
    kind = kind_of(previous)
    return VERB if after in (DET, POSS) or (after == PREP and kind in ANIMATE) else NOUN


def _tag_owner(before: str, after: str, i: int, words: list[str]) -> str:
    """The clitic is "is" behind a pronoun or before a participle or an article, else it marks an owner."""
    if before in (WH, THERE, PRON, REL, ADV, "") or after in (DET, PREP, AUX):
        return AUX
    following = words[i + 1] if i + 1 < len(words) else ""
    return AUX if after == _ING and following not in lexicon.GERUND_COMPOUNDS else OWNER


# --- tags of another tagger -----------------------------------------------------------------------

_PENN = {
    **dict.fromkeys("NN NNS NNP NNPS FW".split(), NOUN),
    **dict.fromkeys("JJ JJR JJS".split(), ADJ),
    **dict.fromkeys("VBG VBN".split(), PARTICIPLE),
    **dict.fromkeys("VBD VBZ VBP VB".split(), VERB),
    "CD": NUM,
}
_OPEN = frozenset({NOUN, ADJ, VERB, PARTICIPLE, NUM})


def tags_from_penn(words: Sequence[str], penn: Sequence[str]) -> list[str]:
    """Our tags with the open classes decided by Penn Treebank tags; function and direction words stay ours.

    A participle before a noun is a modifier ("the parked car"), as in `tag`.
    """
    tags = tag(list(words))
    for i, theirs in enumerate(penn):
        ours = _PENN.get(theirs)
        if ours is None or tags[i] not in _OPEN or words[i] == "one":
            continue
        if ours == PARTICIPLE and tags[i] in (ADJ, NOUN) and i + 1 < len(tags) and tags[i + 1] in (NOUN, ADJ, DIR):
            continue
        tags[i] = ours
    return tags
