# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Batches for PromViL's training of Kosmos-2: each picture once, and behind it all that is trained about it, in one row.

The layout is that of `promvil_hf.training.chain_layout`: a quarter of the work for four texts a picture.

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

from promvil_hf.training.chain_layout import Branch, Row, check_weights, in_rows, lay_out, weights_of
from promvil_hf.training.chain_texts import Texts, TrainingText
from promvil_hf.training.curriculum import whole
from promvil_hf.training.row_pictures import by_picture, needed_picture, opened


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
        first = tokenizer.unk_token_id + 1  # image slots use ordinary token ids, which the model ignores
        self._opening = (
            tokenizer.bos_token_id,
            tokenizer.convert_tokens_to_ids(self.processor.boi_token),
            *range(first, first + self.image_tokens),
        )
        self._first_position = tokenizer.pad_token_id + 1  # Kosmos-2 counts from there
        check_weights(self.level_weights)

    def __call__(self, rows: Sequence[Mapping]) -> dict[str, torch.Tensor]:
        refused = 0

        def fitting(row: Mapping, _) -> list[Branch]:
            nonlocal refused
            cut = row.get("cut", whole(0))
            branches = self.branches([text for text in self.texts.of_row(row) if cut.trains(text.level)])
            found = [branch for branch in branches if len(self._opening) + len(branch.tokens) <= self.max_tokens]
            refused += len(branches) - len(found)
            return found

        groups = by_picture(rows, fitting, self.image_root)
        packed = [
            (number, Row(self._opening, group))
            for number, (_, branches) in enumerate(groups)
            for group in in_rows(
                len(self._opening), branches, lambda branch: len(branch.tokens), self.max_row_tokens, self.pack
            )
        ]
        tokenizer = self.processor.tokenizer
        closing = tokenizer.convert_tokens_to_ids(self.processor.eoi_token)
        batch = lay_out([row for _, row in packed], tokenizer.pad_token_id, [closing])
        place = batch.pop("place")
        slots = torch.zeros(place.shape, dtype=torch.bool)
        slots[:, 2 : 2 + self.image_tokens] = True
        shown = self.processor.image_processor([picture for picture, _ in groups], return_tensors="pt")
        return {
            "pixel_values": shown["pixel_values"],
            "image_of_row": torch.tensor([number for number, _ in packed]),
            **batch,
            "position_ids": (place + self._first_position).masked_fill(place < 0, tokenizer.pad_token_id),
            "image_slots": slots,
            "target_weight": weights_of(batch["target_level"].tolist(), self.level_weights),
            "refused": torch.tensor(refused),
        }

    def branches(self, texts: Sequence[TrainingText]) -> list[Branch]:
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
            found.append(Branch(tuple(tokens), tuple(trained), text.level))
        return found

    def open_image(self, row: Mapping) -> Image.Image:
        """The picture of a row, upright, in RGB."""
        return opened(needed_picture(row, self.image_root), self.image_root)
