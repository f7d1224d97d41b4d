# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Batches for FiVL's training: conversations about pictures, and the word that each patch is to predict.

In: rows of FiVL-Instruct (`promvil_hf.fivl.fivl_rows`): `turns` of question and answer, `key_expressions` with masks in
original image coordinates, `image` (a picture, a path, bytes) or `image_path`, or neither for plain text; `row_id` for
messages. Out, for B rows of L tokens, beside `input_ids`, `attention_mask` and what else the processor makes for its model:

    labels         (B, L)  answers and the mark that ends each, at their own places (models shift them); else -100
    vision_labels  (B, L)  at image tokens the token that the patch is to predict, NOT shifted; else -100.
                           (B, L, K) where words of several tokens are labelled whole

What is trained is known from the characters laid out here, never found again by looking for token ids, and a
picture is never cut.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from PIL import Image

from promvil_hf.backends.families import PATCH_FAMILIES, family_of
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.key_expressions import KeyExpression, Turn
from promvil_hf.markup import escape
from promvil_hf.nesting import decompose
from promvil_hf.training.chat_format import ChatFormat, Conversation
from promvil_hf.training.losses import UNLABELLED
from promvil_hf.training.row_pictures import opened, picture_of
from promvil_hf.training.vision_labels import LabelRules, PatchLabeller, nouns


@dataclass
class FiVLCollator:
    """See the module. `FiVLCollator(backend_of(model, processor))`.

    Args:
        backend: Of a model whose image tokens are patches.
        rules: How masks become labels.
        system: What the conversation begins with, as the system's words; nothing by default.
        max_length: Longest row in tokens: what is beyond is cut off the last answers. A row whose picture would be cut is
            refused. None never cuts.
        padding_side: Losses do not depend on it.
        image_root: Folder that relative image names start from.
        nouns: The tagger that finds the nouns of an expression.

    `unused` counts the key expressions that gave no label, by reason, of the batches made in this process.
    """

    backend: PatchTokenBackend
    rules: LabelRules = LabelRules()
    system: str | None = None
    max_length: int | None = None
    padding_side: str = "right"
    image_root: str | os.PathLike = ""
    nouns: Callable[[str], Sequence[str]] = nouns
    unused: Counter = field(default_factory=Counter)

    def __post_init__(self):
        if self.padding_side not in ("left", "right"):
            raise ValueError(f"You passed padding_side={self.padding_side!r}: it is left or right.")
        _refuse_no_places(self.backend.family)
        self._labeller = PatchLabeller(self.backend.processor.tokenizer, self.rules, self.nouns)
        self.chat = ChatFormat(self.backend, self.system)

    def __call__(self, rows: Sequence[Mapping]) -> dict[str, torch.Tensor]:
        if not rows:
            raise ValueError("You passed no rows: a batch needs at least one.")
        rows = [row.to_dict() if hasattr(row, "to_dict") else row for row in rows]
        pictures = [self.picture(row) for row in rows]
        talks = [self.conversation(turns_of(row), picture is not None) for row, picture in zip(rows, pictures)]
        batch, offsets, shifts = self.chat.encoded(talks, pictures)
        image = self.backend.image_positions(batch)
        trained = [row.get("cut") is None or row["cut"].trains(row_level(row)) for row in rows]
        labels = self._labels(batch["input_ids"], offsets, shifts, talks)
        vision_labels = self._vision_labels(rows, pictures, batch, image)
        for number, is_trained in enumerate(trained):
            if not is_trained:
                labels[number] = vision_labels[number] = UNLABELLED
        batch = {**batch, "labels": labels, "vision_labels": vision_labels}
        batch = self._cut(batch, image, rows)
        return self._padded_left(batch) if self.padding_side == "left" else batch

    def conversation(self, turns: Sequence[Turn], with_picture: bool = True) -> Conversation:
        """The model's own chat format filled with these turns. Whatever looks like a tag in them is escaped."""
        escaped_turns = [(escape(turn.question.strip()), escape(turn.answer.strip())) for turn in turns]
        return self.chat.filled(escaped_turns, with_picture)

    # Tokens

    def _labels(self, input_ids, offsets, shifts, talks) -> torch.Tensor:
        labels = torch.full_like(input_ids, UNLABELLED)
        for row, (talk, places, grown) in enumerate(zip(talks, offsets, shifts, strict=True)):
            trained = torch.tensor(self.chat.trained(talk, places, grown))
            labels[row, trained] = input_ids[row, trained]
        return labels

    def _cut(self, batch: dict, image: torch.Tensor, rows: Sequence[Mapping]) -> dict:
        length = batch["input_ids"].shape[1]
        if self.max_length is None or length <= self.max_length:
            return batch
        beyond = image[:, self.max_length :].any(1)
        if beyond.any():
            number = int(beyond.int().argmax())
            last = int(image[number].nonzero().max()) + 1
            raise ValueError(
                f"Row {_name(rows[number], number)} holds {int(image[number].sum()):,} image tokens up to position {last:,}, "
                f"and max_length={self.max_length:,} would cut some off: the model would see a picture it cannot place. "
                f"Raise max_length to at least {last:,}, pass None, or give the image processor smaller pictures."
            )
        return {
            name: value[:, : self.max_length] if value.dim() > 1 and value.shape[:2] == image.shape else value
            for name, value in batch.items()
        }

    def _padded_left(self, batch: dict) -> dict:
        shape = batch["input_ids"].shape
        pads = (batch["attention_mask"] == 0).sum(1).tolist()
        return {
            name: torch.stack([row.roll(pad, 0) for row, pad in zip(value, pads, strict=True)])
            if value.dim() > 1 and value.shape[:2] == shape
            else value
            for name, value in batch.items()
        }

    # Patches

    def _vision_labels(self, rows, pictures, batch, image: torch.Tensor) -> torch.Tensor:
        sizes = [None if picture is None else picture.size for picture in pictures]
        found = []
        for number, (row, size, boxes) in enumerate(
            zip(rows, sizes, self.backend.token_boxes(batch, sizes), strict=True)
        ):
            expressions = [_expression(key) for key in row.get("key_expressions") or ()]
            if expressions and size is None:
                raise ValueError(
                    f"Row {_name(row, number)} has key expressions but no picture: give it `image` or `image_path`."
                )
            patch_labels = self._labeller(_name(row, number), expressions, boxes, size or (1, 1), turns_of(row))
            self.unused.update(patch_labels.unused)
            found.append(torch.from_numpy(patch_labels.labels))
        several = max(row_labels.shape[1] for row_labels in found)
        labels = torch.full((*image.shape, several), UNLABELLED)
        for number, row_labels in enumerate(found):
            labels[number, image[number], : row_labels.shape[1]] = row_labels
        return labels.squeeze(-1) if several == 1 else labels

    def picture(self, row: Mapping) -> Image.Image | None:
        """The picture of a row, upright, in RGB; None for plain text."""
        image = picture_of(row, self.image_root)
        return None if image is None else opened(image, self.image_root)


def backend_of(model, processor, **options) -> PatchTokenBackend:
    """The backend to train this model with."""
    check_family(model.config)
    return PatchTokenBackend(model, processor, **options)


def check_family(config) -> None:
    """Raise for a model whose image tokens have no known place."""
    family = family_of(config)
    _refuse_no_places(family)
    if family is not None and family.encoder_decoder:
        raise ValueError(f"The vision-modeling loss needs patches that can predict words. {family.encoder_decoder}")
    if family is None:
        known = ", ".join(sorted(name for name, patch_family in PATCH_FAMILIES.items() if not patch_family.encoder_decoder))
        raise ValueError(
            f"You passed a model of type {config.model_type!r}: the vision-modeling loss needs to know which part of the "
            f"picture each image token sees, and that is known for {known}. Models that see a "
            "picture through query tokens (BLIP-2, InstructBLIP) have no patches to train; docs/extending.md shows how to "
            "add a family."
        )


def _refuse_no_places(family) -> None:
    if family is not None and family.token_boxes is None:
        raise ValueError(f"The vision-modeling loss needs patches that can predict words. {family.why_no_places}")


def turns_of(row: Mapping) -> tuple[Turn, ...]:
    return tuple(
        turn if isinstance(turn, Turn) else Turn(index, turn["question"], turn["answer"])
        for index, turn in enumerate(row["turns"])
    )


def row_levels(row: Mapping) -> tuple[int]:
    """The level of a row, as the curriculum takes it."""
    return (row_level(row),)


def row_level(row: Mapping) -> int:
    """How deeply the key expressions of a row nest, for a curriculum: 1 for plain phrases, 0 without any."""
    texts = [_expression(key).text for key in row.get("key_expressions") or ()]
    return max((phrase.level for text in texts for phrase in decompose(text).phrases), default=0)


def _expression(record) -> KeyExpression:
    return record if isinstance(record, KeyExpression) else KeyExpression.from_dict(record)


def _name(row: Mapping, number: int) -> str:
    return str(row.get("row_id", number))
