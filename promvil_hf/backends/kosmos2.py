# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Kosmos-2, the published checkpoint or a tiny one: prompts and images in, text out.

The upstream faults are mended on the model that is handed in (`promvil_hf.backends.kosmos2_fixes`). Prompts are
laid out here, image slots included, because the processor forgets how many slots a model has, refuses rows without an
image and does not check boxes: those are written into the text by the dialect. A picture is squashed to a square, as the
model was trained, and encoded once however many prompts ask about it. Its 64 latent queries are no places: each looks at
the whole picture.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from PIL import Image

from promvil_hf.backends.base import Decoding, Generated, Request, unwrapped
from promvil_hf.backends.decoding import decode, in_evaluation_mode
from promvil_hf.backends.families import KOSMOS2, Family, family_of
from promvil_hf.backends.kosmos2_fixes import mend
from promvil_hf.backends.kosmos2_prefix import Prefix, encode_images
from promvil_hf.dialects import Kosmos2
from promvil_hf.images import as_rgb
from promvil_hf.toy.bases import warn_of_other_pictures


@dataclass(frozen=True, slots=True)
class Kosmos2Backend:
    """A Kosmos-2 model, plain, quantised or wrapped by PEFT, and its processor.

    At most `batch_size` prompts go through the model at a time, in the order they come.
    """

    model: Any
    processor: Any
    dialect: Kosmos2 = Kosmos2()
    batch_size: int = 32

    family: ClassVar[Family] = KOSMOS2

    def __post_init__(self):
        if family_of(self.model) is not self.family:
            raise ValueError(
                f"You passed a model of type {self.model.config.model_type!r} to Kosmos2Backend. Use "
                "`promvil_hf.backends.loading.load`, which picks the backend by the type."
            )
        if any(config.is_prompt_learning for config in getattr(self.model, "peft_config", {}).values()):
            raise ValueError(
                "You passed a model with a prompt-learning adapter: its virtual tokens would be lost, because prompts "
                "are laid out here. Use LoRA or another adapter inside the layers."
            )
        _check_squash(self.processor.image_processor, self.model.config.vision_config.image_size)
        mend(self.base)

    @property
    def base(self):
        """The `Kosmos2ForConditionalGeneration` itself, adapter layers included."""
        return unwrapped(self.model)

    @property
    def tokenizer(self):
        return self.processor.tokenizer

    @property
    def image_tokens(self) -> int:
        """How many slots a picture takes in the text."""
        return self.model.config.latent_query_num

    def generate(self, requests: Sequence[Request], decoding: Decoding = Decoding()) -> list[Generated]:  # noqa: B008
        """Answers in the order of the requests, equal to asking one by one; equal pictures of a batch are encoded once."""
        answers: list[Generated] = []
        for start in range(0, len(requests), self.batch_size):
            answers += self._generate(requests[start : start + self.batch_size], decoding)
        return answers

    def token_boxes(self, inputs=None, image_sizes=()) -> None:
        """None: see `family.why_no_places`."""

    def prompt_tokens(self, prompts: Sequence[str], image: bool = True, end: bool = False) -> list[list[int]]:
        """What the model reads, unpadded: `<s>`, with `image` also `<image>`, the slots and `</image>`, then the text;
        with `end` also `</s>`. Blanks around a prompt do not count."""
        tokenizer = self.tokenizer
        start, opening, closing = [tokenizer.bos_token_id], self.processor.boi_token, self.processor.eoi_token
        texts = [prompt.strip() for prompt in prompts]
        if image:
            # Image slots use the ids of ordinary pieces, from the one after <unk> on; the model ignores them.
            first = tokenizer.unk_token_id + 1
            start += [tokenizer.convert_tokens_to_ids(opening), *range(first, first + self.image_tokens)]
            texts = [f"{closing} {text}" for text in texts]
        encoded = tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"] if texts else []
        ending = [tokenizer.eos_token_id] if end else []
        return [start + tokens + ending for tokens in encoded]

    def batch(
        self, rows: Sequence[Sequence[int]], image: Sequence[bool] | bool = True, padding_side: str = "left"
    ) -> dict[str, torch.Tensor]:
        """Rows of `prompt_tokens` as one padded batch: `input_ids`, `attention_mask`, `image_embeds_position_mask`."""
        image = [image] * len(rows) if isinstance(image, bool) else image
        shape = len(rows), max(map(len, rows))
        ids = torch.full(shape, self.tokenizer.pad_token_id)
        mask, slots = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
        for number, row in enumerate(rows):
            start = shape[1] - len(row) if padding_side == "left" else 0
            ids[number, start : start + len(row)] = torch.tensor(row)
            mask[number, start : start + len(row)] = 1
            slots[number, start + 2 : start + 2 + self.image_tokens] = int(image[number])
        named = {"input_ids": ids, "attention_mask": mask, "image_embeds_position_mask": slots}
        return {name: tensor.to(self.model.device) for name, tensor in named.items()}

    def pixels(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """(N, 3, side, side), the whole of each picture squashed to a square."""
        warn_of_other_pictures(self.base, (image.size for image in images))
        shown = self.processor.image_processor([as_rgb(image) for image in images], return_tensors="pt")
        return shown["pixel_values"].to(self.model.device)

    def encode_images(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """`image_embeds` with one row for each picture; gradients flow."""
        return encode_images(self.base, pixel_values)

    @torch.inference_mode()
    def open_prefix(self, image_embeds: torch.Tensor, lead: str = "<grounding>") -> Prefix:
        """Read the beginning that all prompts about these pictures share, once for each picture."""
        tokens = self.prompt_tokens([lead])[0]
        batch = self.batch([tokens] * len(image_embeds))
        with in_evaluation_mode(self.model):
            decoded = self.base.text_model.model(**batch, image_embeds=image_embeds, use_cache=True)
        return Prefix(tuple(tokens), decoded.past_key_values)

    @torch.inference_mode()
    def _generate(self, requests: Sequence[Request], decoding: Decoding) -> list[Generated]:
        shown = [request.image is not None for request in requests]
        rows: list[list[int]] = [
            self.prompt_tokens([request.prompt], image)[0] for request, image in zip(requests, shown, strict=True)
        ]
        inputs = self.batch(rows, shown)
        if any(shown):
            images, image_of_row = _unique([request.image for request in requests if request.image is not None])
            with in_evaluation_mode(self.model):
                embeds = self.encode_images(self.pixels(images))
            inputs["image_embeds"] = embeds.index_select(0, torch.tensor(image_of_row, device=embeds.device))
        else:
            del inputs["image_embeds_position_mask"]
        return decode(self.base.text_model, inputs, self.tokenizer, decoding)


def _unique(images: Sequence[Image.Image]) -> tuple[list[Image.Image], list[int]]:
    """The pictures that differ, and for each picture given the number of its like."""
    by_object: dict[int, int] = {}
    by_content: dict[tuple, int] = {}
    different: list[Image.Image] = []
    for image in images:
        if id(image) in by_object:
            continue
        rgb = as_rgb(image)
        content = (rgb.size, hashlib.blake2b(rgb.tobytes()).digest())
        if content not in by_content:
            by_content[content] = len(different)
            different.append(rgb)
        by_object[id(image)] = by_content[content]
    return different, [by_object[id(image)] for image in images]


def _check_squash(image_processor, side: int) -> None:
    """Boxes are fractions of the whole picture, so the model must see the whole picture."""
    size, square = dict(image_processor.size), {"height": side, "width": side}
    crop = dict(image_processor.crop_size) if image_processor.do_center_crop else square
    if not image_processor.do_resize or size != square or crop != square:
        raise ValueError(
            f"This processor's images get do_resize={image_processor.do_resize}, size={size} and "
            f"{f'a centre crop to {crop}' if image_processor.do_center_crop else 'no crop'}, but Kosmos-2 must see the "
            f"whole picture squashed to {side}x{side}, or every box would be shifted. Before building the backend set "
            f"`processor.image_processor.size = {square}`, `processor.image_processor.do_resize = True` and "
            "`processor.image_processor.do_center_crop = False` (a model that was trained on cropped pictures cannot "
            "give boxes of whole ones)."
        )
