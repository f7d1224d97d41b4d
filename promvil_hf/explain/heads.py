# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Which attention heads follow the mask of the named object: the head atlas of FiVL, with a null and error control.

For each token of a key expression in the answer, the row of the query that predicts it is compared with the
expression's mask, for every layer and head: Spearman's rho (FiVL's score; the mask stays soft) and, because raw rho
grows with the mask, the area under the ROC curve. Scores are means over all tokens, without those that have no answer,
which are counted.

Chance is measured, not assumed: each of some hundred shuffles gives every turn a wrong mask, and the same means are
taken. `promvil_hf.explain.head_atlas` makes p-values of them. Nothing here holds more than the rows of one layer. Needs torch and
transformers.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from promvil_hf import masks
from promvil_hf.backends.base import Decoding, Request
from promvil_hf.boxes import Box
from promvil_hf.explain.answered import answer_tokens, answered, require_places, token_spans, tokens_of
from promvil_hf.explain.attention_rows import Wanted, language_layers, stream_attention_rows
from promvil_hf.explain.head_atlas import HeadAtlas
from promvil_hf.explain.layer_names import Head, Layer
from promvil_hf.fivl.fivl_rows import FivlRow
from promvil_hf.frames import ImageSize
from promvil_hf.key_expressions import KeyExpression, Rle
from promvil_hf.metrics.rank_correlation import Ranked
from promvil_hf.metrics.significance import benjamini_hochberg, p_values


NULLS = {
    "auto": "images where there are turns enough to exchange masks, else cells",
    "images": "each turn gets the mask of another turn: what masks have in common, such as the middle, counts as chance",
    "cells": "the cells of each mask are shuffled: chance has no shape, so smooth heads pass too easily",
}
LEAST_TURNS = 8  # for the null "images": seven turns have too few orders to shuffle


@dataclass(frozen=True, slots=True)
class Null:
    """How chance is measured: which wrong masks a turn gets (see `NULLS`), and how many."""

    kind: str = "images"
    shuffles: int = 200
    seed: int = 0

    def __post_init__(self):
        if self.kind not in NULLS or self.shuffles < 1:
            raise ValueError(
                f"You passed kind={self.kind!r}, shuffles={self.shuffles}: nulls are {', '.join(NULLS)}, and one shuffle "
                "is the least."
            )


@dataclass(frozen=True, slots=True)
class AskedTurn:
    """A question about an image, its answer (None: the model is asked) and the key expressions that may stand in it."""

    name: str
    image: Image.Image | Callable[[], Image.Image]
    image_size: ImageSize
    question: str
    keys: tuple[KeyExpression, ...]
    answer: str | None = None
    image_id: str = ""

    def request(self) -> Request:
        return Request(self.question, self.image() if callable(self.image) else self.image)


@dataclass(frozen=True, slots=True)
class KeyTurn:
    """A turn with its answer's tokens, and the key expression that is looked for: the smallest one the answer has."""

    turn: AskedTurn
    tokens: tuple[int, ...]
    text: str
    key: KeyExpression
    mask: Rle
    key_tokens: tuple[int, ...]  # places in `tokens`


def turns_of(
    row: FivlRow, open_image: Callable[[FivlRow], Image.Image], prompt: str = "{question}"
) -> list[AskedTurn]:
    """The turns of a dataset row, each asked by itself; `prompt` words the question."""
    return [
        AskedTurn(
            name=f"{row.row_id}/{turn.index}",
            image=partial(open_image, row),
            image_size=row.image_size,
            question=prompt.format(question=turn.question),
            keys=tuple(key.expression for key in row.of_turn(turn.index)),
            answer=turn.answer,
            image_id=row.image_path,
        )
        for turn in row.turns
    ]


def key_turns(
    backend,
    turns: Iterable[AskedTurn],
    *,
    own_answers: bool = True,
    decoding: Decoding = Decoding(max_new_tokens=200),  # noqa: B008
    batch_size: int = 8,
    progress: bool = False,
) -> tuple[list[KeyTurn], Counter]:
    """Answers, and where in them the key expressions stand. What cannot be used is counted by reason."""
    require_places(backend)
    tokenizer = backend.processor.tokenizer
    found, skipped = [], Counter()
    for batch in _batches(_shown(turns, progress, "answering"), batch_size):
        requests = [turn.request() for turn in batch]
        if own_answers:
            written = [answer.tokens for answer in backend.generate(requests, decoding)]
        else:
            missing = [turn.name for turn in batch if not turn.answer]
            if missing:
                raise ValueError(
                    f"You asked to give the model its answers, but {missing[0]} has none: give `answer`, or let the "
                    "model answer itself (own_answers=True)."
                )
            written = [answer_tokens(backend, r, turn.answer) for r, turn in zip(requests, batch, strict=True)]
        for turn, tokens in zip(batch, written, strict=True):
            made = _key_turn(tokenizer, turn, tokens)
            if isinstance(made, str):
                skipped[made] += 1
            else:
                found.append(made)
    return found, skipped


def head_atlas(
    backend,
    turns: Sequence[KeyTurn],
    null: Null = Null(),  # noqa: B008
    *,
    skipped: Mapping[str, int] | None = None,
    batch_size: int = 4,
    progress: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> HeadAtlas:
    """The atlas of the turns that `key_turns` gives. Memory does not grow with the number of turns but for one small map each."""
    require_places(backend)
    if not turns:
        raise ValueError(
            "No turn is left to look at. "
            + ("; ".join(f"{count} × {reason}" for reason, count in (skipped or {}).items()) or "You passed none.")
        )
    if null.kind == "auto":
        null = replace(null, kind="images" if len(turns) >= LEAST_TURNS else "cells")
    if null.kind == "images" and len(turns) < LEAST_TURNS:
        raise ValueError(
            f"You passed {len(turns)} turns and the null 'images', which exchanges masks between turns: at least "
            f"{LEAST_TURNS} are needed. Give more turns, or take the null 'cells', which is easier to pass."
        )
    shuffled, tally = _Shuffles(turns, null), _Tally(Counter(skipped or {}))
    for batch in _batches(_shown(range(len(turns)), progress, "looking"), batch_size):
        _look(backend, {index: turns[index] for index in batch}, shuffled, tally)
    if not tally.image_ids:
        raise ValueError(
            f"None of the {len(turns)} masks lies in what the model sees: its processor cuts them all away."
        )
    without = tuple(layer for layer in language_layers(backend.model) if layer not in tally.layers)
    settings = {"null": null.kind, "shuffles": null.shuffles, "seed": null.seed, **(settings or {})}
    return tally.finished(settings, without)


def _look(backend, batch: Mapping[int, KeyTurn], shuffled: "_Shuffles", tally: "_Tally") -> None:
    """One forward pass: the scores of each turn of the batch, by its index, into the tally."""
    row = answered(backend, [one.turn.request() for one in batch.values()], [one.tokens for one in batch.values()])
    boxes = backend.token_boxes(row.inputs, [one.turn.image_size for one in batch.values()])
    positions = backend.image_positions(row.inputs)
    wanted: list[Wanted] = []
    targets: list[tuple[Ranked, np.ndarray, Ranked] | None] = []  # the right mask, cells inside it, wrong masks
    for turn_boxes, turn_positions, (index, one) in zip(boxes, positions, batch.items(), strict=True):
        grid = _Grid.of(turn_boxes, one.turn.name)
        ranked = grid.ranked(one.mask)
        if not ranked.norms[0] > 0:
            tally.skipped["mask outside what the model sees"] += 1
            wanted.append(Wanted((), ()))
            targets.append(None)
        else:
            keys = turn_positions.nonzero()[:, 0].cpu().numpy()[grid.places]
            wanted.append(Wanted([row.query_of(token) for token in one.key_tokens], keys.tolist()))
            targets.append((ranked, grid.inside(one.mask), shuffled.ranked(index, grid)))
    scores: list[dict[Layer, _Scores]] = [{} for _ in targets]

    def take(layer: Layer, rows) -> None:
        for turn_scores, attention, target in zip(scores, rows, targets, strict=True):
            if target is not None:
                turn_scores[layer] = _Scores.of(attention.cpu().numpy(), *target)

    stream_attention_rows(backend.model, row.inputs, wanted, take)
    for one, turn_scores, target in zip(batch.values(), scores, targets, strict=True):
        if target is not None:
            tally.add(one, turn_scores, ceiling=float(target[0].ceiling[0]))


def head_rows(backend, turns: Sequence[tuple[Request, Sequence[int]]], heads: Sequence[Head] | None):
    """For each (request, answer tokens): (tokens of the answer, image tokens) of attention, the mean over `heads`, or
    over all where None. Float32 arrays, one a turn; the places of image tokens follow `token_boxes`."""
    require_places(backend)
    row = answered(backend, [request for request, _ in turns], [tokens for _, tokens in turns])
    positions = backend.image_positions(row.inputs)
    wanted = [
        Wanted([row.query_of(token) for token in range(len(tokens))], is_image.nonzero()[:, 0].tolist())
        for tokens, is_image in zip(row.tokens, positions, strict=True)
    ]
    sums: list[np.ndarray | None] = [None] * len(turns)
    chosen: dict[Layer, list[int]] = {}
    for layer, number in heads or ():
        chosen.setdefault(layer, []).append(number)
    seen: dict[Layer, int] = {}  # heads of each layer that has some

    def take(layer: Layer, rows) -> None:
        several = seen[layer] = rows[0].shape[0]
        picked = list(range(several)) if heads is None else [index for index in chosen.get(layer, ()) if index < several]
        if picked:
            for place, attention in enumerate(rows):
                part = attention[picked].sum(0).cpu().numpy()
                sums[place] = part if sums[place] is None else sums[place] + part

    stream_attention_rows(backend.model, row.inputs, wanted, take)
    for head in heads or ():
        _check_head(head, seen, language_layers(backend.model))
    counted = sum(seen.values()) if heads is None else len(heads)
    return [rows / counted for rows in sums], row


def _check_head(head: Head, seen: Mapping[Layer, int], layers: Sequence[Layer]) -> None:
    if head.number < seen.get(head.layer, 0):
        return
    if head.layer in seen:
        why = f"which has {seen[head.layer]} heads"
    elif head.layer in layers:
        why = f"which has no attention heads: of this model's layers only {', '.join(map(str, seen))} have some"
    else:
        why = f"but the model's layers are {', '.join(map(str, layers or seen))}"
    raise ValueError(f"You asked for head {head.number} of layer {head.layer}, {why}. Layers and heads count from 0.")


def _key_turn(tokenizer, turn: AskedTurn, tokens: Sequence[int]) -> KeyTurn | str:
    text, spans = token_spans(tokenizer, tokens)
    choices = []
    for key in turn.keys:
        mask = masks.of_key(key, turn.image_size)
        if mask is not None and masks.area(mask) and (places := tokens_of(key.text, text, spans)):
            choices.append((masks.area(mask), len(choices), key, mask, places))
    if not choices:
        return "key expression not in the answer" if turn.keys else "no key expression"
    _, _, key, mask, places = min(choices)
    return KeyTurn(turn, tuple(tokens), text, key, mask, tuple(places))


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """The image tokens of one row that are places, and how masks of any picture fall on them."""

    boxes: tuple[Box, ...]
    places: np.ndarray

    @classmethod
    def of(cls, boxes: Sequence[Box | None], name: str) -> "_Grid":
        places = np.array([index for index, box in enumerate(boxes) if box is not None], int)
        if len(places) < 2:
            raise ValueError(
                f"{name} has {len(places)} image tokens with a place: a correlation needs at least two."
            )
        return cls(tuple(boxes[index] for index in places), places)

    def coverage(self, mask: Rle) -> np.ndarray:
        return masks.coverage(mask, self.boxes)

    def ranked(self, mask: Rle) -> Ranked:
        return Ranked.of(self.coverage(mask))

    def inside(self, mask: Rle) -> np.ndarray:
        """Cells at least half covered; of a mask smaller than that everywhere, the cells it covers most."""
        covered = self.coverage(mask)
        return covered >= min(0.5, covered.max())


class _Shuffles:
    """Which wrong masks each turn gets. Masks on the same cells are ranked once."""

    def __init__(self, turns: Sequence[KeyTurn], null: Null):
        self.masks = [one.mask for one in turns]
        self.null = null
        rng = np.random.default_rng(null.seed)
        images = null.kind == "images"
        self.orders = np.stack([rng.permutation(len(turns)) for _ in range(null.shuffles)]) if images else None
        self._known: dict[tuple, tuple[np.ndarray, np.ndarray]] = {}
        self._cells: dict[tuple, masks.Cells] = {}

    def ranked(self, index: int, grid: _Grid) -> Ranked:
        """The wrong masks of one turn, (shuffles, cells)."""
        if self.orders is None:
            ranked = grid.ranked(self.masks[index])
            rng = np.random.default_rng([self.null.seed, index])
            mixed = rng.permuted(np.repeat(ranked.centred, self.null.shuffles, axis=0), axis=1)
            return Ranked(mixed, np.repeat(ranked.norms, self.null.shuffles))
        found = [self._of(other, grid) for other in self.orders[:, index]]
        return Ranked(np.stack([centred for centred, _ in found]), np.array([norm for _, norm in found]))

    def _of(self, other: int, grid: _Grid) -> tuple[np.ndarray, np.ndarray]:
        name = (other, grid.boxes)
        if name not in self._known:
            mask = self.masks[other]
            layout = (mask.image_size, grid.boxes)  # boxes are fractions: they lie on any picture
            if layout not in self._cells:
                self._cells[layout] = masks.Cells.of(grid.boxes, mask.image_size)
            ranked = Ranked.of(self._cells[layout].coverage(mask))
            self._known[name] = (ranked.centred[0], ranked.norms[0])
        return self._known[name]


@dataclass(frozen=True, slots=True, eq=False)
class _Scores:
    """One layer of one turn: sums over its tokens, and how many tokens had an answer."""

    rho: np.ndarray  # (heads,)
    rho_tokens: np.ndarray
    auroc: np.ndarray
    auroc_tokens: np.ndarray
    null: np.ndarray  # (shuffles, heads)
    null_tokens: np.ndarray

    @classmethod
    def of(cls, attention: np.ndarray, mask: Ranked, inside: np.ndarray, wrong: Ranked) -> "_Scores":
        heads, tokens, cells = attention.shape
        ranked = Ranked.of(attention.reshape(-1, cells))

        def summed(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            values = values.reshape(heads, tokens, -1)
            return np.nansum(values, 1).T, np.isfinite(values).sum(1).T

        rho, rho_tokens = summed(ranked.spearman(mask))
        auroc, auroc_tokens = summed(ranked.auroc(inside))
        return cls(rho[0], rho_tokens[0], auroc[0], auroc_tokens[0], *summed(ranked.spearman(wrong)))


class _Tally:
    """Sums over turns, (layers, heads) and (layers, shuffles, heads), beside each turn's own rho."""

    def __init__(self, skipped: Counter):
        self.skipped = skipped
        self.layers: tuple[Layer, ...] = ()
        self.auroc = self.auroc_tokens = self.null = self.null_tokens = 0
        self.rho: list[np.ndarray] = []
        self.rho_tokens: list[np.ndarray] = []
        self.ceilings: list[float] = []  # one for each token
        self.image_ids: list[str] = []

    def add(self, key_turn: KeyTurn, by_layer: Mapping[Layer, _Scores], ceiling: float) -> None:
        self.layers, scores = tuple(by_layer), list(by_layer.values())
        self.ceilings += [ceiling] * len(key_turn.key_tokens)
        self.image_ids.append(key_turn.turn.image_id or key_turn.turn.name)
        self.rho.append(np.stack([layer.rho for layer in scores]))
        self.rho_tokens.append(np.stack([layer.rho_tokens for layer in scores]))
        for name in ("auroc", "auroc_tokens", "null", "null_tokens"):
            setattr(self, name, getattr(self, name) + np.stack([getattr(layer, name) for layer in scores]))

    def finished(self, settings: Mapping[str, Any], without_heads: tuple[Layer, ...]) -> HeadAtlas:
        by_turn, by_turn_tokens = np.stack(self.rho), np.stack(self.rho_tokens)
        rho = _mean(by_turn.sum(0), by_turn_tokens.sum(0))
        null = _mean(self.null, self.null_tokens).swapaxes(0, 1)
        p_head, p_family = p_values(rho.ravel(), null.reshape(len(null), -1))
        return HeadAtlas(
            layers=self.layers,
            without_heads=without_heads,
            rho=rho,
            auroc=_mean(self.auroc, self.auroc_tokens),
            tokens=by_turn_tokens.sum(0),
            p_head=p_head.reshape(rho.shape),
            p_family=p_family.reshape(rho.shape),
            q_value=benjamini_hochberg(p_head).reshape(rho.shape),
            null=null,
            ceiling=float(np.mean(self.ceilings)),
            turns=len(by_turn),
            skipped=dict(self.skipped),
            settings=settings,
            by_turn=by_turn,
            by_turn_tokens=by_turn_tokens,
            image_ids=tuple(self.image_ids),
        )


def _mean(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)


def _batches(items: Iterable, size: int):
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _shown(items: Iterable, progress: bool, words: str):
    from tqdm import tqdm

    return tqdm(items, desc=words, leave=False, disable=None if progress else True)
