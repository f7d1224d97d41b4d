# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The ways to decompose an expression: with a tagger (our rules, nltk, spaCy), or by a language model that answers in JSON.

The taggers only say what each word is and share the rule grammar; the language model only names phrases. Spans, anchors
and levels always come from `levels.build_nesting`, so the laws hold for all of them.
"""

import json
import re
from collections.abc import Callable, Sequence

from promvil_hf.nesting.grammar import read_tree
from promvil_hf.nesting.levels import Nesting, Node, build_nesting
from promvil_hf.nesting.taggers import RULES, Tagger
from promvil_hf.nesting.tags import repaired, tag
from promvil_hf.nesting.tokens import Token, tokenize


Decomposer = Callable[[str], Nesting]
"""Anything that turns an expression into its `Nesting`."""


class NestingError(ValueError):
    """A decomposition that cannot be trusted, with the reason."""


def decompose(expression: str) -> Nesting:
    """The nested noun phrases of a referring expression, a caption or a question.

    >>> [phrase.text for phrase in decompose("the car behind the man wearing a hat").phrases]
    ['a hat', 'the man wearing a hat', 'the car behind the man wearing a hat']
    """
    return _decompose(expression, RULES)


def tagged_decomposer(tagger: Tagger) -> Decomposer:
    """`decompose` with another tagger: `tagged_decomposer(promvil_hf.nesting.taggers.tagger("spacy"))`."""
    return lambda expression: _decompose(expression, tagger)


def endpoint_decomposer(ask: Callable[[str], str], fallback: Decomposer | None = None) -> Decomposer:
    """A language model names the phrases: `ask` takes a prompt and returns text that holds JSON.

    Its answer is checked: each phrase must stand in the expression on word boundaries and no two may cross. An answer
    that fails goes to `fallback` (for example `decompose`), or raises `NestingError` without one.
    """

    def from_answer(expression: str) -> Nesting:
        text = _checked(expression)
        try:
            tokens = _tokens(text)
            return build_nesting(text, tokens, _tree_of_answer(ask(ENDPOINT_PROMPT + text), text, tokens))
        except NestingError:
            if fallback is None:
                raise
            return fallback(expression)

    return from_answer


ENDPOINT_PROMPT = """List every noun phrase of the expression below: each thing it names together with all
words that describe it, and at the end the whole expression. Copy the words exactly. Leave out places such as
"the left", and the bare name of a thing whose description stands behind it. Answer with JSON only:
{"phrases": [{"text": "a hat", "head": "hat"}, {"text": "the man in a hat", "head": "man"}]}
Expression: """


def _decompose(expression: str, tags_of: Tagger) -> Nesting:
    text = _checked(expression)
    tokens = _tokens(text)
    words = [repaired(token.word) for token in tokens]
    return build_nesting(text, tokens, read_tree(words, tags_of(text, tokens, words)))


def _checked(expression: str) -> str:
    if not isinstance(expression, str):
        raise TypeError(
            f"You passed {type(expression).__name__}, but an expression is text. Pass one string at a time."
        )
    text = expression.strip()
    if not text:
        raise ValueError("You passed a blank expression, and it names nothing. Drop empty rows before decomposing.")
    return text


def _tokens(text: str) -> list[Token]:
    """The tokens of `text`; a text of symbols only is one token."""
    return tokenize(text) or [Token(0, len(text), text.lower())]


# --- the answer of a language model ---------------------------------------------------------------


def _tree_of_answer(answer: str, text: str, tokens: Sequence[Token]) -> Node:
    spans: dict[tuple[int, int], int] = {}
    for phrase, head in _named_phrases(answer):
        span = _locate(phrase, text, tokens, spans)
        spans[span] = _head_inside(head, phrase, span, text, tokens)
    whole = (0, len(tokens))
    if whole not in spans:
        words = [token.word for token in tokens]
        spans[whole] = read_tree(words, tag(words)).head
    root: Node | None = None
    open_nodes: list[Node] = []
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        node = Node(start, end, spans[start, end])
        while open_nodes and open_nodes[-1].end <= start:
            open_nodes.pop()
        if open_nodes and end > open_nodes[-1].end:
            raise NestingError(
                f"The answer holds phrases that cross: {_words(text, tokens, open_nodes[-1])!r} "
                f"and {_words(text, tokens, node)!r}. One must contain the other or they must lie apart."
            )
        if open_nodes:
            open_nodes[-1].children.append(node)
        root = root or node
        open_nodes.append(node)
    _drop_heads(root, tokens)
    return root


def _named_phrases(answer: str) -> list[tuple[str, str]]:
    found = re.search(r"\{.*\}", answer, re.DOTALL) if isinstance(answer, str) else None
    try:
        phrases = json.loads(found.group())["phrases"] if found else None
        named = [(phrase["text"], phrase["head"]) for phrase in phrases] if phrases else []
    except (ValueError, KeyError, TypeError, RecursionError):
        named = []
    if not named or not all(isinstance(part, str) and part.strip() for pair in named for part in pair):
        raise NestingError(
            'The answer is not {"phrases": [{"text": ..., "head": ...}, ...]}, so no phrase could be read from it: '
            f"{str(answer)[:200]!r}. Ask again or pass a fallback."
        )
    return named


def _locate(phrase: str, text: str, tokens: Sequence[Token], taken: dict[tuple[int, int], int]) -> tuple[int, int]:
    """The first free place where `phrase` stands in `text` from the start of a token to the end of one."""
    phrase = phrase.strip()
    starts = {token.start: i for i, token in enumerate(tokens)}
    ends = {token.end: i + 1 for i, token in enumerate(tokens)}
    if phrase == text:
        return 0, len(tokens)
    at = text.find(phrase)
    while at >= 0:
        start, end = starts.get(at), ends.get(at + len(phrase))
        if start is not None and end is not None and (start, end) not in taken:
            return start, end
        at = text.find(phrase, at + 1)
    raise NestingError(
        f"The answer names {phrase!r}, which does not stand in {text!r} on word boundaries, or not that often. "
        "Phrases must copy the words of the expression."
    )


def _head_inside(head: str, phrase: str, span: tuple[int, int], text: str, tokens: Sequence[Token]) -> int:
    wanted = head.split()[-1].lower()
    for i in range(*span):
        if tokens[i].word == wanted or text[tokens[i].start : tokens[i].end].lower() == wanted:
            return i
    raise NestingError(
        f"The answer gives {phrase!r} the head {head!r}, which is no word of it. The head must be one of its words."
    )


def _drop_heads(root: Node, tokens: Sequence[Token]) -> None:
    """A phrase around its parent's own head ("the man" in "the man in a hat") is no anchor: what hangs on it moves up.

    Every other child is tied by the words between it and what stands before it.
    """
    stack = [root]
    while stack:
        parent = stack.pop()
        queue, kept = list(parent.children), []
        while queue:
            child = queue.pop(0)
            if child.start <= parent.head < child.end:
                queue = child.children + queue
            else:
                kept.append(child)
        before = parent.start
        for child in kept:
            if child.start > parent.head >= before:
                before = parent.head + 1
            is_owner = child.end < len(tokens) and tokens[child.end].word.startswith("'s") and child.end <= parent.head
            child.relation = (child.end, child.end + 1) if is_owner else (min(before, child.start), child.start)
            before = child.end
        parent.children = kept
        stack.extend(kept)


def _words(text: str, tokens: Sequence[Token], node: Node) -> str:
    return text[tokens[node.start].start : tokens[node.end - 1].end]
