# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Texts about one picture in one row: the beginning that they share, the picture above all, and then each text's own rest.

`branch` says which token belongs to which text, so that a tree mask keeps texts blind to each other, and places restart
with each. Losses and gradients equal those of one padded row a text. Targets are flat lists, because the last shared
token predicts the first token of every text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Branch:
    """A text's tokens after the picture; `trained[i]` says whether token i is a target."""

    tokens: tuple[int, ...]
    trained: tuple[bool, ...]
    level: int


@dataclass(frozen=True, slots=True)
class Row:
    """What begins all texts about a picture, and those texts."""

    opening: Sequence[int]
    branches: Sequence[Branch]


def in_rows(
    opening: int, texts: Sequence[T], length: Callable[[T], int], longest: int, pack: bool = True
) -> list[list[T]]:
    """Texts in rows of at most `longest` tokens, the `opening` tokens included, in their order; one a row without `pack`."""
    if not pack:
        return [[text] for text in texts] or [[]]
    groups: list[list[T]] = [[]]
    taken = opening
    for text in texts:
        if groups[-1] and taken + length(text) > longest:
            groups.append([])
            taken = opening
        groups[-1].append(text)
        taken += length(text)
    return groups


def lay_out(rows: Sequence[Row], padding: int, closing: Sequence[int] = ()) -> dict[str, torch.Tensor]:
    """For R rows of L tokens with T targets; a row without texts is its opening and `closing`.

    input_ids  (R, L)  padded on the right
    place      (R, L)  of a token in its own text, -1 padding
    branch     (R, L)  0 shared beginning, 1 ... texts, -1 padding
    target_row, target_place (T,)  whose state predicts the target
    target_token, target_branch, target_level (T,)
    """
    shared = [len(row.opening) + (_common(row.branches) if row.branches else len(closing)) for row in rows]
    lengths = [
        start + sum(len(row.opening) + len(branch.tokens) - start for branch in row.branches)
        for start, row in zip(shared, rows, strict=True)
    ]
    shape = len(rows), max(lengths)
    ids = torch.full(shape, padding)
    places = torch.full(shape, -1)
    branches = torch.full(shape, -1)
    targets: list[tuple[int, int, int, int, int]] = []  # row, place, token, branch, level
    for number, (start, row) in enumerate(zip(shared, rows, strict=True)):
        skip = start - len(row.opening)
        behind = row.branches[0].tokens if row.branches else tuple(closing)
        ids[number, :start] = torch.tensor([*row.opening, *behind[:skip]])
        places[number, :start] = torch.arange(start)
        branches[number, :start] = 0
        at = start
        for branch, text in enumerate(row.branches, 1):
            tokens = text.tokens[skip:]
            end = at + len(tokens)
            ids[number, at:end] = torch.tensor(tokens)
            places[number, at:end] = torch.arange(len(tokens)) + start
            branches[number, at:end] = branch
            for k, (token, trained) in enumerate(zip(tokens, text.trained[skip:], strict=True)):
                if trained:
                    targets.append((number, at + k - 1 if k else start - 1, token, branch, text.level))
            at = end
    return {"input_ids": ids, "place": places, "branch": branches, **as_targets(targets)}


def as_targets(targets: Sequence[tuple[int, int, int, int, int]]) -> dict[str, torch.Tensor]:
    found = torch.tensor(targets, dtype=torch.long).reshape(-1, 5)
    names = ("target_row", "target_place", "target_token", "target_branch", "target_level")
    return dict(zip(names, found.unbind(1), strict=True))


def weights_of(levels: Sequence[int], of_levels: Sequence[float]) -> torch.Tensor:
    """The weight of each target: that of its level, the last one also above; questions (level 0) weigh 1."""

    def weight(level: int) -> float:
        return float(of_levels[min(level, len(of_levels)) - 1]) if level and of_levels else 1.0

    return torch.tensor([weight(level) for level in levels], dtype=torch.float32)


def check_weights(of_levels: Sequence[float]) -> None:
    if any(weight < 0 for weight in of_levels):
        raise ValueError(f"You passed level_weights={list(of_levels)}: weights are 0 or more.")


def _common(branches: Sequence[Branch]) -> int:
    """How many tokens all texts begin with, before any of them is trained."""
    shared = 0
    for tokens in zip(*(zip(branch.tokens, branch.trained, strict=True) for branch in branches), strict=False):
        if any(token != tokens[0] or token[1] for token in tokens):
            break
        shared += 1
    return shared
