# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Choosing the next token: the likeliest of all, or the likeliest that keeps a Kosmos-2 answer a list of boxes.

A constrained answer is `cell cell (delimiter cell cell)* </object>`, the second cell never above or left of
the first, and the last box is closed before the tokens run out, so that every answer reads back as boxes. All rows of a
batch are at the same place of that pattern, whatever they wrote: the place is the number of tokens modulo 3. The head
is then computed for the cells, or for the two tokens that may follow a box, and for nothing else.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch


class LikeliestToken:
    """Greedy decoding over the whole vocabulary."""

    def __init__(self, head: torch.nn.Module):
        self.head = head

    def next(self, states: torch.Tensor, place: int, last: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, width) -> the tokens and their log-probabilities, both (B,)."""
        return _likeliest(self.head(states))

    def forced(self, place: int) -> int | None:
        """The token that must stand at this place, whatever the model would say."""


class WellFormedBoxes:
    """Greedy decoding among the tokens that keep the answer well-formed; `next` and `forced` as above."""

    def __init__(self, head: torch.nn.Module, ids: Sequence[int], max_new_tokens: int, max_boxes: int | None):
        """`ids` are those of `promvil_hf.backends.stops.box_tokens`. Make one for each use: it holds a copy of the rows of
        the head it needs."""
        self.close = ids[-1]
        self.boxes = min(max_new_tokens // 3, max_boxes or max_new_tokens)
        device = next(head.parameters()).device
        self.head, self.ids = head, torch.tensor(ids, device=device)
        self.cells = len(ids) - 2
        self.side = math.isqrt(self.cells)
        # A head that is more than a matrix (an adapter, 4 bits) is computed whole.
        plain = type(head) is torch.nn.Linear
        self.weight = head.weight.detach()[self.ids] if plain else None  # (cells + 2, width)
        self.bias = head.bias.detach()[self.ids] if plain and head.bias is not None else None
        self.number_of = torch.zeros(max(ids) + 1, dtype=torch.long, device=device)
        self.number_of[self.ids[: self.cells]] = torch.arange(self.cells, device=device)

    @property
    def longest(self) -> int:
        """How many tokens an answer can have."""
        return 3 * self.boxes

    def forced(self, place: int) -> int | None:
        return self.close if place == self.longest - 1 else None

    def next(self, states: torch.Tensor, place: int, last: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        if place % 3 == 2:
            part = slice(self.cells, None)
            scores = self._scores(states, part)
        else:
            part = slice(0, self.cells)
            scores = self._scores(states, part)
            if place % 3 == 1:
                number = torch.arange(self.cells, device=scores.device)
                first = self.number_of[last][:, None]  # (B, 1)
                right_of = number % self.side >= first % self.side
                below = number // self.side >= first // self.side
                scores = scores.masked_fill(~(right_of & below), -torch.inf)
        chosen, log_probs = _likeliest(scores)
        return self.ids[part][chosen], log_probs

    def _scores(self, states: torch.Tensor, part: slice) -> torch.Tensor:
        if self.weight is None:
            return self.head(states)[:, self.ids[part]]
        bias = None if self.bias is None else self.bias[part]
        return torch.nn.functional.linear(states, self.weight[part], bias)


def first_box(tokens: Sequence[int], cells: dict[int, Any], side: int, delimiter: int) -> slice | None:
    """Where the first readable box of the object that ends an answer is written; an answer that breaks off counts too."""
    end = next((place + 1 for place in range(len(tokens) - 1, -1, -1) if tokens[place] in cells), 0)
    places = []
    at = end
    while at >= 2 and tokens[at - 1] in cells and tokens[at - 2] in cells:
        places.append(at - 2)
        at -= 2
        if at < 1 or tokens[at - 1] != delimiter:
            break
        at -= 1
    for place in reversed(places):
        (top, left), (bottom, right) = (divmod(cells[token], side) for token in tokens[place : place + 2])
        if left <= right and top <= bottom:
            return slice(place, place + 2)
    return None


def _likeliest(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scores = scores.float()
    best, chosen = scores.max(-1)
    return chosen, best - scores.logsumexp(-1)
