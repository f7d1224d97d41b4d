# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What prompts about one picture share, for each kind of backend: its vision pass and its prefix, once for all.

`shared(backend)` picks the way. Kosmos-2 and the causal patch-token families read a picture once and keep its
keys and values; families whose prompt looks forward (PaliGemma, Gemma 3), served models and backends of your own are
asked through `backend.generate`. Answers equal those of `generate`, whichever way.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from PIL import Image
from transformers import DynamicCache

from promvil_hf.backends.base import Decoding, Generated, GroundingBackend, Request, StopRule, text_of, unwrapped
from promvil_hf.backends.decoding import PER_TOKEN, end_tokens, in_evaluation_mode
from promvil_hf.backends.endpoint import EndpointBackend
from promvil_hf.backends.kosmos2 import Kosmos2Backend
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.backends.stops import box_tokens, complete_json, complete_object
from promvil_hf.dialects import Kosmos2, QwenJson
from promvil_hf.grounding.constrained import LikeliestToken, WellFormedBoxes
from promvil_hf.grounding.decode import Decoder, OpenPicture, write


TOO_LONG = "prompt too long"


@dataclass(frozen=True, slots=True)
class Unopened:
    """A picture that nothing was computed for."""

    image: Image.Image
    slots: int = 0


def shared(backend: GroundingBackend, token_budget: int) -> "SharedKosmos2 | SharedPatchTokens | Asked":
    """How prompts about the same pictures are asked of this backend."""
    if isinstance(backend, Kosmos2Backend):
        return SharedKosmos2(backend, token_budget)
    if isinstance(backend, PatchTokenBackend) and backend.family.causal:
        return SharedPatchTokens(backend, token_budget)
    return Asked(backend, token_budget)


class _Shared:
    """What both ways of keeping a prefix have in common; `budget` is in slots, keys and values of one token each."""

    def __init__(self, backend, tokenizer, base, decoder: Decoder, budget: int):
        self.backend, self.tokenizer, self.base, self.decoder, self.budget = backend, tokenizer, base, decoder, budget
        self.context = getattr(base.config.get_text_config(), "max_position_embeddings", None) or math.inf
        self.most_slots = 0  # ever in use at a time, open pictures included
        self.pictures_read = 0
        self.stop, self.opening = box_stop(backend), getattr(backend, "opening", "")
        self._box_tokens: list[int] | None = None

    def ask(
        self,
        rows: Sequence[tuple[OpenPicture, str]],
        decoding: Decoding,
        boxes: int | None = None,
        held: int = 0,
    ) -> list[Generated]:
        """Greedy answers in order, one for each picture and prompt. `boxes` is the most boxes of a constrained answer
        (None: not constrained); `held` slots of the budget are taken by open pictures."""
        choice, longest = LikeliestToken(self.decoder.head), decoding.max_new_tokens
        if boxes is not None:
            choice = self._constrained(decoding.max_new_tokens, boxes)
            longest = choice.longest
        suffixes = self._suffixes(rows)
        fits = [
            row
            for row, ((picture, _), suffix) in enumerate(zip(rows, suffixes, strict=True))
            if self._room(picture, suffix) >= longest
        ]
        answers = [Generated("", (), (), TOO_LONG)] * len(rows)
        with torch.inference_mode(), in_evaluation_mode(self.base):
            written, slots = write(
                self.decoder,
                [(rows[row][0], suffixes[row]) for row in fits],
                choice,
                longest,
                decoding.stop,
                self.budget - held,
                self._text,
            )
        self.most_slots = max(self.most_slots, slots + held)
        for row, answer in zip(fits, written, strict=True):
            answers[row] = answer
        return answers

    def _text(self, tokens: Sequence[int]) -> str:
        """What tokens write, as `backend.generate` gives it."""
        return self.opening + text_of(self.tokenizer, tokens)

    def fits(self, picture: OpenPicture, prompt: str) -> bool:
        """The model's context has room for this prompt and one more token."""
        return self._room(picture, self._suffixes([(picture, prompt)])[0]) >= 1

    def _room(self, picture: OpenPicture, suffix: Sequence[int]) -> float:
        return self.context - picture.position - len(suffix)

    def _constrained(self, max_new_tokens: int, boxes: int) -> WellFormedBoxes:
        if self._box_tokens is None:
            self._box_tokens = box_tokens(self.tokenizer, self.backend.dialect.grid.side)
        return WellFormedBoxes(self.decoder.head, self._box_tokens, max_new_tokens, boxes)


class SharedKosmos2(_Shared):
    """`<s><image>`, the slots, `</image><grounding>` are read once for each picture."""

    lead = "<grounding>"

    def __init__(self, backend: Kosmos2Backend, budget: int):
        base = backend.base
        text = base.text_model
        first = text.config.pad_token_id + 1  # Kosmos-2 counts positions from behind its padding's
        ends = frozenset(end_tokens(base, backend.tokenizer))
        read = _reader(text.model, lambda positions: positions + first)
        decoder = Decoder(read, text.lm_head, ends, backend.tokenizer.pad_token_id, backend.model.device)
        super().__init__(backend, backend.tokenizer, base, decoder, budget)
        self.slots = len(backend.prompt_tokens([self.lead])[0])  # of a picture

    def open(self, images: Sequence[Image.Image], room: float = math.inf, least: int = 0) -> list[OpenPicture]:
        """Vision and prefix, in batches of a few pictures: of the first that take at most `room` slots, or of `least`."""
        images = images[: int(max(least, min(room, self.slots * len(images)) // self.slots))]
        opened = []
        for start in range(0, len(images), 8):
            with torch.inference_mode(), in_evaluation_mode(self.base):
                embeds = self.backend.encode_images(self.backend.pixels(images[start : start + 8]))
            prefix = self.backend.open_prefix(embeds, self.lead)
            opened += _opened(prefix.cache, [prefix.tokens] * len(embeds), [len(prefix.tokens)] * len(embeds))
        self.pictures_read += len(images)
        return opened

    def _suffixes(self, rows: Sequence[tuple[OpenPicture, str]]) -> list[list[int]]:
        suffixes = []
        for (picture, prompt), tokens in zip(
            rows, self.backend.prompt_tokens([prompt for _, prompt in rows]), strict=True
        ):
            shared = picture.slots
            if tuple(tokens[:shared]) != picture.tokens or len(tokens) == shared:
                raise ValueError(
                    f"You passed the prompt {prompt!r}: every prompt about a kept picture must begin with {self.lead!r} "
                    "and go on after it."
                )
            suffixes.append(tokens[shared:])
        return suffixes


class SharedPatchTokens(_Shared):
    """Everything up to the picture's last token is read once; what follows it in the prompt is read for each row."""

    slots = 0  # of a picture: not known before one is read

    def __init__(self, backend: PatchTokenBackend, budget: int):
        base = unwrapped(backend.model)
        axes = backend.family.rotary_axes
        read = _reader(
            base.model, lambda positions: positions if axes == 1 else positions.expand(axes, *positions.shape)
        )
        tokenizer = backend.processor.tokenizer
        ends = frozenset(end_tokens(base, tokenizer))
        padding = 0 if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        decoder = Decoder(read, base.get_output_embeddings(), ends, padding, base.device)
        super().__init__(backend, tokenizer, base, decoder, budget)

    def open(self, images: Sequence[Image.Image], room: float = math.inf, least: int = 0) -> list[OpenPicture]:
        """Vision and prefix of the first pictures that take at most `room` slots, or of `least`; neighbours whose inputs have
        the same shapes go through the model together."""
        inputs, opened = [], []
        for image in images:
            picture_inputs = self.backend.inputs([Request("?", image)])
            room -= self._end(picture_inputs)
            if room < 0 and len(inputs) >= least:
                break
            inputs.append(picture_inputs)
        for _, alike in groupby(inputs, lambda picture_inputs: {name: value.shape for name, value in picture_inputs.items()}):
            opened += self._read(list(alike))
        self.pictures_read += len(opened)
        return opened

    def _end(self, inputs: Mapping[str, torch.Tensor]) -> int:
        """How many tokens the first row has up to its picture's last."""
        return int(self.backend.image_positions(inputs)[0].nonzero()[-1]) + 1

    @torch.inference_mode()
    def _read(self, inputs: Sequence[Mapping[str, torch.Tensor]]) -> list[OpenPicture]:
        inputs = {name: torch.cat([picture_inputs[name] for picture_inputs in inputs]) for name in inputs[0]}
        ids = inputs["input_ids"]
        end = self._end(inputs)
        # Only what has an entry for each token is cut; pixels and sizes stay whole.
        cut = {name: value[:, :end] if name in PER_TOKEN else value for name, value in inputs.items()}
        cache = DynamicCache()
        with in_evaluation_mode(self.base):
            self.base.model(**cut, past_key_values=cache, use_cache=True)
        # Where a picture takes fewer positions than tokens, the model has just noted how many fewer.
        deltas = getattr(self.base.model, "rope_deltas", None)
        after = [end] * len(ids) if deltas is None else (end + deltas.flatten()).tolist()
        self.slots = max(self.slots, end)
        return _opened(cache, [tuple(row) for row in ids[:, :end].tolist()], after)

    def _suffixes(self, rows: Sequence[tuple[OpenPicture, str]]) -> list[list[int]]:
        """What stands behind the picture, tokenised by itself: the picture's mark is a token that nothing merges with."""
        if not rows:
            return []
        tokenizer = self.tokenizer
        mark = self.base.config.image_token_id
        blank = Image.new("RGB", (1, 1))  # only says that there is a picture
        texts = [self.backend.prompt_of(Request(prompt, blank)) for _, prompt in rows]
        suffixes = []
        for tokens in tokenizer(texts, add_special_tokens=False)["input_ids"]:
            suffixes.append(tokens[len(tokens) - tokens[::-1].index(mark) :])
        behind = tokenizer.convert_tokens_to_ids(list(self.backend.family.behind_picture))
        return [behind + suffix for suffix in suffixes]


class Asked:
    """Backends that keep nothing: every prompt goes through `backend.generate`, with those of like length."""

    slots = 0

    def __init__(self, backend: GroundingBackend, budget: int):
        self.backend = backend
        self.served = isinstance(backend, EndpointBackend)
        self.rows = 1 << 30 if self.served else max(1, budget // 1024)
        self.stop = None if self.served else box_stop(backend)
        self.pictures_read = self.most_slots = 0
        config = getattr(getattr(backend, "model", None), "config", None)
        self.context = getattr(config and config.get_text_config(), "max_position_embeddings", None)

    def open(self, images: Sequence[Image.Image], room: float = math.inf, least: int = 0) -> list[Unopened]:
        """All of them: nothing is kept, so nothing takes room."""
        return [Unopened(image) for image in images]

    def ask(
        self, rows: Sequence[tuple[Unopened, str]], decoding: Decoding, boxes: int | None = None, held: int = 0
    ) -> list[Generated]:
        if boxes is not None:
            raise ValueError(
                f"You asked for constrained boxes of a {type(self.backend).__name__}: only Kosmos-2 writes boxes as "
                "cells. Leave out `constrained`."
            )
        if self.served and decoding.stop is not None:
            decoding = Decoding(decoding.max_new_tokens)
        answers: dict[int, Generated] = {
            row: Generated("", (), (), TOO_LONG) for row, asked in enumerate(rows) if not self.fits(*asked)
        }
        order = sorted(set(range(len(rows))) - answers.keys(), key=lambda row: len(rows[row][1]))
        for start in range(0, len(order), self.rows):
            part = order[start : start + self.rows]
            asked = [Request(rows[row][1], rows[row][0].image) for row in part]
            answers |= zip(part, self.backend.generate(asked, decoding), strict=True)
        return [answers[row] for row in range(len(rows))]

    def fits(self, picture: Unopened, prompt: str) -> bool:
        """The words alone do not fill the context; how much the picture takes only the backend knows."""
        if self.context is None or len(prompt) < self.context:  # a token has at least a letter
            return True
        return len(self.backend.processor.tokenizer(prompt)["input_ids"]) < self.context


def box_stop(backend: GroundingBackend) -> StopRule | None:
    """When an answer with boxes is complete, in the backend's dialect; None where only the end token shows it."""
    tokenizer = tokenizer_of(backend)
    if tokenizer is None:
        return None
    if isinstance(backend.dialect, Kosmos2):
        return complete_object(tokenizer, backend.dialect.grid.side)
    opening = getattr(backend, "opening", "")
    return complete_json(tokenizer, opening) if isinstance(backend.dialect, QwenJson) else None


def tokenizer_of(backend: GroundingBackend) -> Any | None:
    """The tokenizer of a backend that has one: a served model's is its server's."""
    return getattr(backend, "tokenizer", None) or getattr(getattr(backend, "processor", None), "tokenizer", None)


def _reader(model, placed: Callable[[torch.Tensor], torch.Tensor]):
    """How a `Decoder` reads tokens: states of (ids, mask, positions, cache), positions as `placed` for this model."""

    def read(ids, mask, positions, cache):
        return model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=placed(positions).contiguous(),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state

    return read


def _opened(cache: DynamicCache, tokens: Sequence[tuple[int, ...]], positions: Sequence[int]) -> list[OpenPicture]:
    return [
        OpenPicture(picture_tokens, tuple((layer.keys[row], layer.values[row]) for layer in cache.layers), position)
        for row, (picture_tokens, position) in enumerate(zip(tokens, positions, strict=True))
    ]
