# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""From a tree of noun phrases to the `Nesting` value: one place where spans, anchors and levels are made.

Every decomposer ends here, so the laws hold by construction: a phrase is a run of whole tokens, its anchors
lie inside it and never cover its own head, level = 1 + the highest level of its anchors, and the last phrase is the
whole expression. Standard library only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from promvil_hf.nesting.tokens import Token


@dataclass(frozen=True, slots=True)
class NestedPhrase:
    """One noun phrase of an expression.

    `span` counts tokens and `chars` characters of `Nesting.text`, both half-open, `head` the head noun as written,
    `anchors` the indices of the noun phrases directly inside it, and `relations` for each anchor the words that tie it
    to the head ("to the left of", "and", "'s"; empty where two phrases just stand side by side).
    """

    text: str
    head: str
    level: int
    span: tuple[int, int]
    chars: tuple[int, int]
    anchors: tuple[int, ...] = ()
    relations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Nesting:
    """An expression and its noun phrases, simple to complex; the last one is the whole expression."""

    text: str
    tokens: tuple[tuple[int, int], ...]
    phrases: tuple[NestedPhrase, ...]

    @property
    def top(self) -> NestedPhrase:
        return self.phrases[-1]

    @property
    def levels(self) -> tuple[tuple[int, ...], ...]:
        """The indices of the phrases of level 1, of level 2, and so on."""
        numbers = range(1, self.top.level + 1)
        return tuple(tuple(i for i, phrase in enumerate(self.phrases) if phrase.level == level) for level in numbers)


@dataclass(slots=True, eq=False)
class Node:
    """A noun phrase while it is being read: its own words `[start, end)`, its head, and what hangs on it with which
    words.
    """

    start: int
    end: int
    head: int
    kind: str = ""
    relation: tuple[int, int] = (0, 0)
    children: list["Node"] = field(default_factory=list)
    joined: bool = False  # tied to its parent by "and" or "or"


def build_nesting(text: str, tokens: Sequence[Token], root: Node) -> Nesting:
    """The value for a tree of nodes; `root` is widened to the whole expression."""
    order: list[Node] = []
    stack = [root]
    while stack:  # parents before children, without recursion: expressions may be very long
        node = stack.pop()
        order.append(node)
        stack.extend(node.children)
    level: dict[Node, int] = {}
    span: dict[Node, tuple[int, int]] = {}
    for node in reversed(order):
        start, end, highest = node.start, node.end, 0
        for child in node.children:
            child_start, child_end = span[child]
            start, end, highest = min(start, child_start), max(end, child_end), max(highest, level[child])
        level[node], span[node] = highest + 1, (start, end)
    span[root] = (0, len(tokens))
    order.sort(key=lambda node: (level[node], span[node]))
    index = {node: i for i, node in enumerate(order)}
    def written(start: int, end: int) -> str:
        return text[tokens[start].start : tokens[end - 1].end] if start < end else ""

    phrases = []
    for node in order:
        start, end = span[node]
        chars = (0, len(text)) if node is root else (tokens[start].start, tokens[end - 1].end)
        phrase_text, head = text[chars[0] : chars[1]], written(node.head, node.head + 1)
        children = sorted(node.children, key=span.__getitem__)
        anchors = tuple(index[child] for child in children)
        relations = tuple(written(*child.relation) for child in children)
        phrases.append(NestedPhrase(phrase_text, head, level[node], (start, end), chars, anchors, relations))
    return Nesting(text, tuple((token.start, token.end) for token in tokens), tuple(phrases))


def spread_coordination(root: Node) -> None:
    """Members of "a hat and a scarf" hang beside each other, unless something behind them belongs to both."""
    stack = [root]
    while stack:
        parent = stack.pop()
        spread: list[Node] = []
        for child in parent.children:
            spread.append(child)
            kept = len(child.children)
            while kept and child.children[kept - 1].joined:
                kept -= 1
            members = child.children[kept:]
            if members and child.end <= members[0].start:
                del child.children[kept:]
                for member in members:
                    member.joined = child.joined
                    if not child.joined:
                        member.relation = child.relation
                spread.extend(members)
        parent.children = spread
        stack.extend(parent.children)
