# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Many answers about few pictures, written together: each picture's prefix is read once, each prompt adds its own tokens.

No number changes. A prompt sees its prefix and its own tokens, counts its own positions, and stops by its own
rule; a mask hides the rest. Where the prefix is long beside the prompts (576 image tokens and a short question), several
prompts stand in one row behind one copy of it. Keys and values lie in buffers that are filled in place, so a step copies
nothing, and rows that are done leave the batch.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

from promvil_hf.backends.base import Generated, StopRule
from promvil_hf.backends.kosmos2_prefix import tree_mask


@dataclass(frozen=True, slots=True)
class OpenPicture:
    """A picture that was read: the keys and values of everything up to and including it, one pair a layer."""

    tokens: tuple[int, ...]
    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]  # (heads, tokens, width of a head)
    position: int  # of the token that comes next

    @property
    def slots(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, slots=True)
class Decoder:
    """The language half of a model: `read(ids, mask, positions, cache)` gives the last hidden states (B, T, width).

    The mask is additive, (B, 1, T, all keys).
    """

    read: Callable[[torch.Tensor, torch.Tensor, torch.Tensor, Cache], torch.Tensor]
    head: torch.nn.Module
    ends: frozenset[int]
    padding: int
    device: torch.device


@dataclass(slots=True, eq=False)
class _Branch:
    """One prompt and its answer so far, and where it stands in the batch it is in."""

    prompt: Sequence[int]
    tokens: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    ended: str = ""
    row: int = 0
    number: int = 0  # in its row, from 1
    position: int = 0  # of the first token of the answer


@dataclass(frozen=True, slots=True)
class _Row:
    """A picture's prefix and the prompts that stand behind it, each blind to the others."""

    picture: OpenPicture
    branches: tuple[_Branch, ...]

    @property
    def width(self) -> int:
        return sum(len(branch.prompt) for branch in self.branches)

    def slots(self, max_new_tokens: int) -> int:
        return self.picture.slots + self.width + len(self.branches) * max_new_tokens


def write(
    decoder: Decoder,
    prompts: Sequence[tuple[OpenPicture, Sequence[int]]],
    choice: Any,
    max_new_tokens: int,
    stop: StopRule | None,
    budget: int,
    decode: Callable[[list[int]], str],
) -> tuple[list[Generated], int]:
    """An answer for each (picture, tokens of the prompt after its prefix), in order, and the most slots ever in use.

    `budget` bounds the keys and values of a batch, in slots: rows times tokens, prefixes included.
    """
    branches = [_Branch(tokens) for _, tokens in prompts]
    by_picture: dict[int, tuple[OpenPicture, list[_Branch]]] = {}
    for (picture, _), branch in zip(prompts, branches, strict=True):
        by_picture.setdefault(id(picture), (picture, []))[1].append(branch)
    rows = [row for picture, its_branches in by_picture.values() for row in _rows(picture, its_branches, max_new_tokens, budget)]
    most = 0
    # Below so many tokens a pass is bound by its launches or by reading the weights, and padding costs nothing.
    enough = 256 if decoder.device.type == "cpu" else 4096
    for batch in _batches(rows, max_new_tokens, budget, enough):
        most = max(most, _write_batch(decoder, batch, choice, max_new_tokens, stop))
    written = []
    for branch in branches:
        shown = branch.tokens[:-1] if branch.ended == "end" else branch.tokens
        written.append(Generated(decode(shown), tuple(branch.tokens), tuple(branch.log_probs), branch.ended))
    return written, most


def _rows(picture: OpenPicture, branches: Sequence[_Branch], max_new_tokens: int, budget: int) -> Iterator[_Row]:
    """Prompts about one picture in rows of like width: as many in a row as make it at most half as long
    again as its prefix, and at least one.

    More of them in a row save copies of the prefix, and cost attention that a mask throws away.
    """
    ordered = sorted(branches, key=lambda branch: len(branch.prompt))
    longest = len(ordered[-1].prompt)
    together = picture.slots // (2 * (longest + min(max_new_tokens, 4)))
    together = min(together, (budget - picture.slots) // (longest + max_new_tokens))
    count = -(-len(ordered) // max(1, together))
    if together <= 1:
        yield from (_Row(picture, (branch,)) for branch in ordered)
    else:
        yield from (_Row(picture, tuple(ordered[start::count])) for start in range(count))


def _batches(rows: Sequence[_Row], max_new_tokens: int, budget: int, enough: int) -> Iterator[list[_Row]]:
    """Rows of like width together, each batch within the budget.

    A batch of `enough` tokens ends where the next row would make the others carry more than a few percent of padding.
    """
    waste = 1.04
    batch: list[_Row] = []
    real = slots = 0
    for row in sorted(rows, key=lambda row: (row.width, row.picture.slots)):
        width = max(slots, row.slots(max_new_tokens))
        padded = (len(batch) + 1) * row.width
        if batch and ((len(batch) + 1) * width > budget or (real >= enough and padded > waste * (real + row.width))):
            yield batch
            batch, real, width = [], 0, row.slots(max_new_tokens)
        batch.append(row)
        real, slots = real + row.width, width
    if batch:
        yield batch


def _write_batch(decoder: Decoder, rows: list[_Row], choice: Any, max_new_tokens: int, stop: StopRule | None) -> int:
    """Fill in the answers of a batch; the most slots it took."""
    device = decoder.device
    rows = sorted(rows, key=lambda row: id(row.picture))  # equal prefixes side by side are copied in one go
    prefix, width = max(row.picture.slots for row in rows), max(row.width for row in rows)
    ids = torch.full((len(rows), width), decoder.padding)
    positions = torch.zeros(len(rows), width, dtype=torch.long)
    owner = torch.full((len(rows), prefix + width), -1)  # of each slot: 0 the prefix, 1 … a prompt, -1 nobody
    live: list[_Branch] = []  # those that go on
    ends: list[int] = []  # where the last token of each prompt stands
    for number, row in enumerate(rows):
        owner[number, : row.picture.slots] = 0
        at = 0
        for branch_number, branch in enumerate(row.branches, 1):
            place = slice(at, at + len(branch.prompt))
            branch.row, branch.number, branch.position = number, branch_number, row.picture.position + len(branch.prompt)
            ids[number, place] = torch.tensor(branch.prompt)
            positions[number, place] = torch.arange(row.picture.position, branch.position)
            owner[number, prefix + at : prefix + place.stop] = branch_number
            live.append(branch)
            ends.append(place.stop - 1)
            at = place.stop
    owner = owner.to(device)
    columns = max(len(row.branches) for row in rows)
    most = prefix + width + columns * max_new_tokens
    cache = _reserve([row.picture for row in rows], prefix, width + columns * min(max_new_tokens - 1, 2), most)
    states = decoder.read(ids.to(device), _mask(owner, width, cache), positions.to(device), cache)
    states = states[[branch.row for branch in live], ends]  # (live, width of the model)
    last, peak = None, _slots(cache)
    for place in range(max_new_tokens):
        forced = choice.forced(place)
        if forced is None:
            last, log_probs = choice.next(states, place, last)
            new = zip(last.tolist(), log_probs.tolist(), strict=True)
        else:
            new = ((forced, 0.0) for _ in live)
        for branch, (token, log_prob) in zip(live, new, strict=True):
            _take(branch, token, log_prob, decoder.ends, stop)
        going = [index for index, branch in enumerate(live) if not branch.ended]
        if not going or place + 1 == max_new_tokens:
            break
        live = [live[index] for index in going]
        if choice.forced(place + 1) is not None:
            continue  # nothing is asked of the model, so nothing is read
        last = last[going]
        kept = sorted({branch.row for branch in live})
        if len(kept) <= 0.75 * len(owner):  # a copy of the rest costs about as much as a step
            index = torch.tensor(kept, device=device)
            _keep_rows(cache, index)
            owner = owner[index]
            moved = {row: number for number, row in enumerate(kept)}
            for branch in live:
                branch.row = moved[branch.row]
        states, owner = _read_new(decoder, cache, owner, live, last, place)
        peak = max(peak, _slots(cache))
    for branch in (branch for row in rows for branch in row.branches):
        branch.ended = branch.ended or "length"
    return peak


def _read_new(
    decoder: Decoder, cache: Cache, owner: torch.Tensor, live: Sequence[_Branch], last: torch.Tensor, place: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Read the newest token of each prompt that goes on: their states, and the owners of all slots after that."""
    device = decoder.device
    rows, columns, used = [branch.row for branch in live], [], Counter()
    for row in rows:
        columns.append(used[row])
        used[row] += 1
    ids = torch.full((len(owner), max(columns) + 1), decoder.padding, device=device)
    positions, new_owner = torch.zeros_like(ids), torch.full_like(ids, -1)
    ids[rows, columns] = last
    positions[rows, columns] = torch.tensor([branch.position + place for branch in live], device=device)
    new_owner[rows, columns] = torch.tensor([branch.number for branch in live], device=device)
    owner = torch.cat([owner, new_owner], dim=1)
    states = decoder.read(ids, _mask(owner, ids.shape[1], cache), positions, cache)
    return states[rows, columns], owner


def _mask(owner: torch.Tensor, queries: int, cache: Cache) -> torch.Tensor:
    return tree_mask(owner[:, -queries:], owner, cache.layers[0].keys.dtype)


def _take(branch: _Branch, token: int, log_prob: float, ends: frozenset[int], stop: StopRule | None) -> None:
    branch.tokens.append(token)
    branch.log_probs.append(log_prob)
    if token in ends:
        branch.ended = "end"
    elif stop is not None and stop(branch.tokens):
        branch.ended = "stop"


class _Reserved(DynamicLayer):
    """A layer's keys and values in buffers that have room for what is still to come, up to `most` slots."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, filled: int, most: int):
        super().__init__()
        self.buffers, self.filled, self.most = (keys, values), filled, most
        self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True
        self.show()

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args, **kwargs):
        start = self.filled
        self.filled += key_states.shape[-2]
        if self.filled > self.buffers[0].shape[-2]:
            slots = max(self.filled, min(self.filled + start // 4, self.most))
            self.buffers = tuple(_wider(buffer, slots) for buffer in self.buffers)
        for buffer, new in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[:, :, start : self.filled] = new
        self.show()
        return self.keys, self.values

    def show(self) -> None:
        self.keys, self.values = (buffer[:, :, : self.filled] for buffer in self.buffers)


def _reserve(pictures: Sequence[OpenPicture], prefix: int, room: int, most: int) -> Cache:
    """A cache with a row for each picture, its prefix from the left, and room for more; in time up to `most` slots."""
    runs: list[tuple[int, int, OpenPicture]] = []  # rows from, to, all about this picture
    for row, picture in enumerate(pictures):
        if runs and runs[-1][2] is picture:
            runs[-1] = (runs[-1][0], row + 1, picture)
        else:
            runs.append((row, row + 1, picture))
    layers = []
    for number in range(len(pictures[0].layers)):
        buffers = []
        for half in (0, 1):
            first = pictures[0].layers[number][half]
            heads, _, width = first.shape
            buffer = first.new_empty(len(pictures), heads, prefix + room, width)
            for start, end, picture in runs:
                buffer[start:end, :, : picture.slots] = picture.layers[number][half]
                buffer[start:end, :, picture.slots : prefix] = 0  # masked, but masking does not remove NaN: 0 * NaN is NaN
            buffers.append(buffer)
        layers.append(_Reserved(*buffers, prefix, most))
    return Cache(layers=layers)


def _keep_rows(cache: Cache, rows: torch.Tensor) -> None:
    """These rows stay, layer by layer, so that never more than one layer is held twice."""
    for layer in cache.layers:
        layer.buffers = tuple(buffer.index_select(0, rows) for buffer in layer.buffers)
        layer.show()


def _wider(buffer: torch.Tensor, slots: int) -> torch.Tensor:
    rows, heads, filled, width = buffer.shape
    wider = buffer.new_empty(rows, heads, slots, width)
    wider[:, :, :filled] = buffer
    return wider


def _slots(cache: Cache) -> int:
    rows, _, slots, _ = cache.layers[0].buffers[0].shape
    return rows * slots
