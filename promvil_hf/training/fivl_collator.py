# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Batches for FiVL's training: conversations about pictures, and the word that each patch is to predict.

In: rows of FiVL-Instruct (`promvil_hf.fivl.fivl_rows`): `turns` of question and answer, `key_expressions` with masks in
original image coordinates, `image` (a picture, a path, bytes) or `image_path`, or neither for plain text; `row_id` for
messages. Out, for B rows of L tokens, beside `input_ids`, `attention_mask` and what else the processor makes for its model:

    labels         (B, L)  answers and the mark that ends each, at their own places (models shift them); else -100
    vision_labels  (B, L)  at image tokens the token that the patch is to predict, NOT shifted; else -100.
                           (B, L, K) where words of several tokens are labelled whole

Special: what is trained is known from the characters laid out here, never found again by looking for token ids, and a
picture is never cut.
"""

import os
import re
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
from promvil_hf.training.losses import UNLABELLED
from promvil_hf.training.row_pictures import opened, picture_of
from promvil_hf.training.vision_labels import LabelRules, PatchLabeller, nouns


_SLOT = re.compile("\ue000(\\d+)\ue001")  # private characters: no template writes them


@dataclass(frozen=True, slots=True)
class Conversation:
    """A text with its picture's mark in place, and the characters of it that are trained."""

    text: str
    spans: tuple[tuple[int, int], ...]


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
        self._frames: dict[tuple[int, bool], list[str]] = {}
        tokenizer = self.backend.processor.tokenizer
        marks = sorted({*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}, key=len, reverse=True)
        self._marks = re.compile("|".join(map(re.escape, marks)))

    def __call__(self, rows: Sequence[Mapping]) -> dict[str, torch.Tensor]:
        if not rows:
            raise ValueError("You passed no rows: a batch needs at least one.")
        rows = [row.to_dict() if hasattr(row, "to_dict") else row for row in rows]
        pictures = [self.picture(row) for row in rows]
        talks = [self.conversation(turns_of(row), picture is not None) for row, picture in zip(rows, pictures)]
        batch, offsets, shifts = self._encoded(talks, pictures)
        image = self.backend.image_positions(batch)
        trained = [row.get("cut") is None or row["cut"].trains(row_level(row)) for row in rows]
        labels = self._labels(batch["input_ids"], offsets, shifts, talks)
        vision_labels = self._vision_labels(rows, pictures, batch, image)
        for number, own in enumerate(trained):
            if not own:
                labels[number] = vision_labels[number] = UNLABELLED
        batch = {**batch, "labels": labels, "vision_labels": vision_labels}
        batch = self._cut(batch, image, rows)
        return self._padded_left(batch) if self.padding_side == "left" else batch

    # Text

    def conversation(self, turns: Sequence[Turn], with_picture: bool = True) -> Conversation:
        """The model's own chat format filled with these turns. Whatever looks like a tag in them is escaped.

        Trained are the answers and the mark that ends each: the format's own, or, where it has none, the tokenizer's end
        token, written behind the answer as LLaVA's training code does.
        """
        if not turns:
            raise ValueError("You passed a conversation without turns: there is nothing to train.")
        frame = self._frame(len(turns), with_picture)
        text, spans = frame[0], []
        for turn, between, after in zip(turns, frame[1::2], frame[2::2], strict=True):
            text += escape(turn.question.strip()) + between
            start = len(text)
            text += escape(turn.answer.strip())
            ending = self._marks.match(after)
            if ending:
                spans.append((start, len(text) + ending.end()))
            else:
                text += self.backend.processor.tokenizer.eos_token
                spans.append((start, len(text)))
            text += after
        return Conversation(text, tuple(spans))

    def _frame(self, turns: int, with_picture: bool) -> list[str]:
        """What stands around the questions and answers: one piece more than there are of both."""
        if (turns, with_picture) in self._frames:
            return self._frames[turns, with_picture]
        slots = [(f"\ue000{2 * k}\ue001", f"\ue000{2 * k + 1}\ue001") for k in range(turns)]
        family, processor = self.backend.family, self.backend.processor
        if getattr(processor, "chat_template", None) is None:
            lead = f"{self.system} " if self.system else ""
            gap = "\n" if family.encode else " "  # PaliGemma's question ends with a line
            text = lead + "".join(
                family.prompt.format(picture=family.mark if with_picture and not k else "", prompt=question) + gap + answer
                for k, (question, answer) in enumerate(slots)
            )
        else:
            messages = [] if not self.system else [{"role": "system", "content": [{"type": "text", "text": self.system}]}]
            for k, (question, answer) in enumerate(slots):
                picture = [{"type": "image"}] if with_picture and not k else []
                messages.append({"role": "user", "content": [*picture, {"type": "text", "text": question}]})
                messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
            text = processor.apply_chat_template(messages, tokenize=False)
        pieces = _SLOT.split(text)
        if pieces[1::2] != [str(number) for number in range(2 * turns)]:
            raise ValueError(
                f"The chat template of this {type(processor).__name__} does not write each question and answer once and in "
                "order, so it is not known which tokens are answers. Give the processor a template for training, "
                "`processor.chat_template = …`."
            )
        self._frames[turns, with_picture] = pieces[::2]
        return pieces[::2]

    # Tokens

    def _encoded(self, talks: Sequence[Conversation], pictures: Sequence) -> tuple[dict, list, list]:
        """The batch, padded on the right; the characters of each token; and where the text grew, by how much."""
        processor, family = self.backend.processor, self.backend.family
        images = [[] if picture is None else [picture] for picture in pictures]
        if family.encode:
            return self._encoded_prefix(talks, images)
        bos = processor.tokenizer.bos_token  # some templates write it, and the tokenizer would add a second one
        batch = dict(
            processor(
                images=images if any(images) else None,
                text=[talk.text for talk in talks],
                images_kwargs=dict(self.backend.image_options),
                text_kwargs={
                    "padding": True,
                    "padding_side": "right",
                    "add_special_tokens": not (bos and talks[0].text.startswith(bos)),
                    "return_offsets_mapping": True,
                },
                return_text_replacement_offsets=True,
                return_tensors="pt",
            )
        )
        offsets = batch.pop("offset_mapping").tolist()
        grown = batch.pop("text_replacement_offsets")
        shifts = [[(own["span"][1], own["new_span"][1] - own["span"][1]) for own in row] for row in grown]
        return batch, offsets, shifts

    def _encoded_prefix(self, talks: Sequence[Conversation], images: Sequence[list]) -> tuple[dict, list, list]:
        """PaliGemma: picture and first question see each other both ways (token type 0), the rest is a suffix (type 1)."""
        processor, tokenizer = self.backend.processor, self.backend.processor.tokenizer
        places = processor.image_token * processor.image_seq_length
        texts = [
            f"{places if own else ''}{tokenizer.bos_token}{talk.text}"
            for talk, own in zip(talks, images, strict=True)
        ]
        encoded = tokenizer(
            texts,
            add_special_tokens=False,
            padding=True,
            padding_side="right",
            return_offsets_mapping=True,
            return_tensors="pt",
        )
        offsets = encoded.pop("offset_mapping")
        shifts = [[(0, len(text) - len(talk.text))] for text, talk in zip(texts, talks, strict=True)]
        suffix = torch.tensor([talk.spans[0][0] + own[0][1] for talk, own in zip(talks, shifts, strict=True)])
        batch = {**encoded, "token_type_ids": (offsets[..., 0] >= suffix[:, None]).long()}
        if any(images):
            pictures = [picture for row in images for picture in row]
            batch |= processor.image_processor(pictures, return_tensors="pt", **self.backend.image_options)
        return batch, offsets.tolist(), shifts

    def _labels(self, input_ids, offsets, shifts, talks) -> torch.Tensor:
        labels = torch.full_like(input_ids, UNLABELLED)
        for row, (talk, places, grown) in enumerate(zip(talks, offsets, shifts, strict=True)):
            for span in talk.spans:
                start, end = (edge + sum(by for after, by in grown if after <= edge) for edge in span)
                for place, (left, right) in enumerate(places):
                    if left < end and right > max(left, start):
                        labels[row, place] = input_ids[row, place]
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
            name: own[:, : self.max_length] if own.dim() > 1 and own.shape[:2] == image.shape else own
            for name, own in batch.items()
        }

    def _padded_left(self, batch: dict) -> dict:
        shape = batch["input_ids"].shape
        pads = (batch["attention_mask"] == 0).sum(1).tolist()
        return {
            name: torch.stack([row.roll(pad, 0) for row, pad in zip(own, pads, strict=True)])
            if own.dim() > 1 and own.shape[:2] == shape
            else own
            for name, own in batch.items()
        }

    # Patches

    def _vision_labels(self, rows, pictures, batch, image: torch.Tensor) -> torch.Tensor:
        sizes = [None if picture is None else picture.size for picture in pictures]
        found = []
        for number, (row, size, boxes) in enumerate(
            zip(rows, sizes, self.backend.token_boxes(batch, sizes), strict=True)
        ):
            expressions = [_expression(own) for own in row.get("key_expressions") or ()]
            if expressions and size is None:
                raise ValueError(
                    f"Row {_name(row, number)} has key expressions but no picture: give it `image` or `image_path`."
                )
            own = self._labeller(_name(row, number), expressions, boxes, size or (1, 1), turns_of(row))
            self.unused.update(own.unused)
            found.append(torch.from_numpy(own.labels))
        several = max(own.shape[1] for own in found)
        labels = torch.full((*image.shape, several), UNLABELLED)
        for number, own in enumerate(found):
            labels[number, image[number], : own.shape[1]] = own
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
    if family is None:
        raise ValueError(
            f"You passed a model of type {config.model_type!r}: the vision-modeling loss needs to know which part of the "
            f"picture each image token sees, and that is known for {', '.join(sorted(PATCH_FAMILIES))}. Models that see a "
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
    texts = [_expression(own).text for own in row.get("key_expressions") or ()]
    return max((phrase.level for text in texts for phrase in decompose(text).phrases), default=0)


def _expression(record) -> KeyExpression:
    return record if isinstance(record, KeyExpression) else KeyExpression.from_dict(record)


def _name(row: Mapping, number: int) -> str:
    return str(row.get("row_id", number))
