# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Batches for PromViL's training of Kosmos-2: each picture once, and behind it all that is trained about it, in one row.

The texts about a picture share what they begin with, the picture above all. They are laid out one after the other behind
that beginning; `branch` says which token belongs to which text, so that a tree mask keeps them blind to each other, and
positions restart with each. Special: losses and gradients equal those of one padded row a text with the picture encoded
for each (the reference), at a quarter of the work for four texts. Targets are flat lists, because the last shared token
predicts the first token of every text.

In: rows (`promvil_hf.training.chain_texts.chain_in` says which) with `image` or `image_path`, and `cut` (what of it is trained;
everything without). Out, for U pictures, R rows of L tokens and T targets:

    pixel_values     (U, 3, side, side)
    image_of_row     (R,)    the picture of each row
    input_ids        (R, L)  padded on the right
    position_ids     (R, L)
    branch           (R, L)  0 shared beginning, 1 … texts, -1 padding
    image_slots      (R, L)  where the picture goes
    target_row, target_place (T,)  whose logits predict the target
    target_token, target_branch, target_level, target_weight (T,)
    refused          ()      texts that were too long
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from PIL import Image

from promvil_hf.training.chain_texts import Texts, TrainingText
from promvil_hf.training.curriculum import whole
from promvil_hf.training.row_pictures import opened, picture_of


@dataclass(frozen=True, slots=True)
class _Branch:
    """A text's tokens after the picture; `trained[i]` says whether token i is a target."""

    tokens: tuple[int, ...]
    trained: tuple[bool, ...]
    level: int


@dataclass
class ChainCollator:
    """See the module. `ChainCollator(processor, image_tokens=model.config.latent_query_num)`.

    Args:
        processor: Kosmos-2's.
        image_tokens: How many slots a picture takes in the text.
        texts: What is written and trained.
        end: End each text with a trained `</s>`. The reference never does, so its model is not trained to stop.
        level_weights: Weight of a target of level 1, 2, …; the last one also holds above. Questions weigh 1.
        max_tokens: Longest text, picture included. A longer one is refused, and counted in `refused`: it is never cut.
        max_row_tokens: Longest packed row. Texts that do not fit go to a further row, which shares the encoded picture.
        pack: False gives each text a row of its own (for models and engines without a tree mask); pictures are still
            encoded once.
        image_root: Where relative `image_path`s lie.
    """

    processor: Any
    image_tokens: int = 64
    texts: Texts = field(default_factory=Texts)
    end: bool = False
    level_weights: Sequence[float] = ()
    max_tokens: int = 2048
    max_row_tokens: int = 2048
    pack: bool = True
    image_root: str | os.PathLike = ""

    def __post_init__(self):
        tokenizer = self.processor.tokenizer
        first = tokenizer.unk_token_id + 1  # the slots wear the ids of ordinary pieces
        self._opening = (
            tokenizer.bos_token_id,
            tokenizer.convert_tokens_to_ids(self.processor.boi_token),
            *range(first, first + self.image_tokens),
        )
        self._first_position = tokenizer.pad_token_id + 1  # Kosmos-2 counts from there
        if any(weight < 0 for weight in self.level_weights):
            raise ValueError(f"You passed level_weights={list(self.level_weights)}: weights are 0 or more.")

    def __call__(self, rows: Sequence[Mapping]) -> dict[str, torch.Tensor]:
        images: dict[Any, Any] = {}
        by_image: dict[Any, list[_Branch]] = {}
        refused = 0
        for row in rows:
            image = self._image_of(row)
            key = _identity(image)
            cut = row.get("cut", whole(0))
            branches = self.branches([text for text in self.texts.of_row(row) if cut.trains(text.level)])
            fitting = [own for own in branches if len(self._opening) + len(own.tokens) <= self.max_tokens]
            refused += len(branches) - len(fitting)
            if fitting:
                images[key] = image
                by_image.setdefault(key, []).extend(fitting)
        if not by_image:  # nothing to train, but the model must still run, or other ranks would wait
            image = self._image_of(rows[0])
            images, by_image = {_identity(image): image}, {_identity(image): []}
        packed: list[tuple[int, list[_Branch]]] = []
        for number, branches in enumerate(by_image.values()):
            packed += [(number, group) for group in self._rows(branches)]
        pictures = [opened(image, self.image_root) for image in images.values()]
        shown = self.processor.image_processor(pictures, return_tensors="pt")
        return {
            "pixel_values": shown["pixel_values"],
            "image_of_row": torch.tensor([number for number, _ in packed]),
            **self._lay_out([group for _, group in packed]),
            "refused": torch.tensor(refused),
        }

    def branches(self, texts: Sequence[TrainingText]) -> list[_Branch]:
        """Tokens from `</image>` on, and which of them are targets."""
        if not texts:
            return []
        lead = f"{self.processor.eoi_token} "
        encoded = self.processor.tokenizer(
            [lead + text.text for text in texts],
            add_special_tokens=False,
            return_attention_mask=False,
            return_offsets_mapping=True,
        )
        found = []
        for text, tokens, offsets in zip(texts, encoded["input_ids"], encoded["offset_mapping"], strict=True):
            spans = [(start + len(lead), end + len(lead)) for start, end in text.spans]
            # By its end: a tag's token takes the blank before it along.
            trained = [any(start < right <= end for start, end in spans) for _, right in offsets]
            if self.end:
                tokens, trained = [*tokens, self.processor.tokenizer.eos_token_id], [*trained, True]
            found.append(_Branch(tuple(tokens), tuple(trained), text.level))
        return found

    def _rows(self, branches: list[_Branch]) -> list[list[_Branch]]:
        """Branches that go into one row each, in their order."""
        if not self.pack:
            return [[branch] for branch in branches] or [[]]
        groups: list[list[_Branch]] = [[]]
        length = len(self._opening)
        for branch in branches:
            if groups[-1] and length + len(branch.tokens) > self.max_row_tokens:
                groups.append([])
                length = len(self._opening)
            groups[-1].append(branch)
            length += len(branch.tokens)
        return groups

    def _lay_out(self, rows: list[list[_Branch]]) -> dict[str, torch.Tensor]:
        tokenizer = self.processor.tokenizer
        closing = (tokenizer.convert_tokens_to_ids(self.processor.eoi_token),)
        shared = [len(self._opening) + _common(branches) if branches else len(self._opening) + 1 for branches in rows]
        lengths = [
            start + sum(len(self._opening) + len(branch.tokens) - start for branch in branches)
            for start, branches in zip(shared, rows, strict=True)
        ]
        shape = len(rows), max(lengths)
        ids = torch.full(shape, tokenizer.pad_token_id)
        positions = torch.full(shape, tokenizer.pad_token_id)
        branch = torch.full(shape, -1)
        slots = torch.zeros(shape, dtype=torch.bool)
        slots[:, 2 : 2 + self.image_tokens] = True
        targets: list[tuple[int, int, int, int, int]] = []  # row, place, token, branch, level
        for row, (start, branches) in enumerate(zip(shared, rows, strict=True)):
            skip = start - len(self._opening)
            opening = self._opening + (branches[0].tokens if branches else closing)[:skip]
            ids[row, :start] = torch.tensor(opening)
            positions[row, :start] = torch.arange(start) + self._first_position
            branch[row, :start] = 0
            at = start
            for number, own in enumerate(branches, 1):
                tokens = own.tokens[skip:]
                end = at + len(tokens)
                ids[row, at:end] = torch.tensor(tokens)
                positions[row, at:end] = torch.arange(len(tokens)) + start + self._first_position
                branch[row, at:end] = number
                for k, (token, trained) in enumerate(zip(tokens, own.trained[skip:], strict=True)):
                    if trained:
                        targets.append((row, at + k - 1 if k else start - 1, token, number, own.level))
                at = end
        found = torch.tensor(targets, dtype=torch.long).reshape(-1, 5)
        return {
            "input_ids": ids,
            "position_ids": positions,
            "branch": branch,
            "image_slots": slots,
            "target_row": found[:, 0],
            "target_place": found[:, 1],
            "target_token": found[:, 2],
            "target_branch": found[:, 3],
            "target_level": found[:, 4],
            "target_weight": torch.tensor([self._weight(level) for *_, level in targets], dtype=torch.float32),
        }

    def _weight(self, level: int) -> float:
        if not level or not self.level_weights:
            return 1.0
        return float(self.level_weights[min(level, len(self.level_weights)) - 1])

    def _image_of(self, row: Mapping) -> Any:
        image = picture_of(row, self.image_root)
        if image is None:
            named = row.get("image_id") or row.get("chain_id") or (row.get("text") or ["?"])[0]
            raise ValueError(
                f"The row {str(named)[:80]!r} has no image: each row needs `image` (a picture, a path or bytes) or "
                "`image_path`, relative to the folder of images."
            )
        return image

    def open_image(self, row: Mapping) -> Image.Image:
        """The picture of a row, upright, in RGB."""
        return opened(self._image_of(row), self.image_root)


def _common(branches: Sequence[_Branch]) -> int:
    """How many tokens all texts begin with, before any of them is trained."""
    shared = 0
    for tokens in zip(*(zip(branch.tokens, branch.trained, strict=True) for branch in branches), strict=False):
        if any(token != tokens[0] or token[1] for token in tokens):
            break
        shared += 1
    return shared


def _identity(image: Any) -> Any:
    """Equal for equal pictures, as far as that can be told without decoding."""
    return id(image) if isinstance(image, Image.Image) else image
