# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The families whose image tokens are patches of the picture: what differs between them, in one table.

A `Family` is plain functions and strings, and `FAMILIES` has one for each `config.model_type`; `docs/extending.md` shows
how to make another. Floor 3.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promvil_hf.backends import geometry
from promvil_hf.backends.geometry import TokenBoxes
from promvil_hf.dialects import GroundingDialect, LlavaBrackets, PaliGemmaLoc, QwenJson
from promvil_hf.frames import Fractions, ImageSize, Pixels, ResizedPixels


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture as the processor showed it to the model, for a function that finds its token boxes."""

    processor: Any
    settings: Mapping[str, Any]  # of the image processor, with the options given at the call
    patch: int  # side of a patch of the vision tower, in pixels
    image_size: ImageSize  # of the original
    input_ids: Sequence[int]  # of its row, padding included
    image_tokens: int  # how many of them are image tokens
    grid: Sequence[int] | None  # this picture's row of `image_grid_thw`, where the family has one


@dataclass(frozen=True, slots=True)
class Family:
    """What the generic backend must know of a family.

    `token_boxes` and `dialect` are functions of a `Shown` and of the image processor's settings. `mark` is what stands
    for a picture in a prompt, `prompt` is the prompt around it where the processor has no chat template; `encode`
    replaces the call of the processor where that call cannot be trusted.
    """

    token_boxes: Callable[[Shown], TokenBoxes]
    dialect: Callable[[Mapping[str, Any]], GroundingDialect]
    mark: str
    prompt: str
    encode: Callable[..., Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class StretchedPixels:
    """The frame of Qwen2.5-VL: whole pixels of the image as its processor stretched it, to a size of its own per image.

    Sides are multiples of `multiple` pixels, their product lies between `least` and `most`.
    """

    multiple: int
    least: int
    most: int

    def of(self, image_size: ImageSize) -> ResizedPixels:
        """The frame of one image."""
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

        width, height = (int(side) for side in Pixels().limits(image_size)[:2])  # refuses what is no image size
        height, width = smart_resize(height, width, self.multiple, self.least, self.most)
        return ResizedPixels((width, height))

    def encode(self, box, image_size):
        return self.of(image_size).encode(box)

    def corners(self, numbers, image_size):
        return self.of(image_size).corners(numbers)

    def resolution(self, image_size):
        return self.of(image_size).resolution()

    def limits(self, image_size):
        return self.of(image_size).limits()


def _llava(shown: Shown) -> TokenBoxes:
    processor = shown.processor
    # Towers with a CLS token keep it as the first image token under the strategy "full".
    extra = processor.num_additional_image_tokens - (processor.vision_feature_select_strategy == "default")
    return [None] * extra + geometry.single_view(shown.settings, shown.image_size, processor.patch_size)


def _llava_next(shown: Shown) -> TokenBoxes:
    return geometry.best_grid_with_newlines(shown.settings, shown.image_size, shown.processor.patch_size)


def _paligemma(shown: Shown) -> TokenBoxes:
    return geometry.single_view(shown.settings, shown.image_size, shown.patch)


def _idefics3(shown: Shown) -> TokenBoxes:
    words = shown.processor.tokenizer.convert_ids_to_tokens(shown.input_ids)
    return geometry.tiles_and_whole(words, shown.processor.image_seq_len)


def _qwen(shown: Shown) -> TokenBoxes:
    _, rows, columns = shown.grid
    merge = shown.settings["merge_size"]
    return geometry.raster(geometry.WHOLE, rows // merge, columns // merge)


def _gemma3(shown: Shown) -> TokenBoxes:
    each = shown.processor.image_seq_length
    return geometry.whole_and_crops(shown.image_size, shown.image_tokens // each - 1, each)


def _stretched_pixels(settings: Mapping[str, Any]) -> GroundingDialect:
    size = settings["size"]
    multiple = settings["patch_size"] * settings["merge_size"]
    return QwenJson(frame=StretchedPixels(multiple, size["shortest_edge"], size["longest_edge"]))


def _encode_paligemma(processor, images: list, prompts: list[str], padding_side: str, image_options: Mapping) -> dict:
    """As `PaliGemmaProcessor`, for rows with and without a picture.

    In transformers 5.23 that call refuses a batch without pictures, puts `<bos>` behind the sixth letter of a row
    without one, and adds labels. A test says when upstream encodes such rows like this.
    """
    tokenizer = processor.tokenizer
    places = processor.image_token * processor.image_seq_length
    texts = [
        f"{places if picture else ''}{tokenizer.bos_token}{prompt.removesuffix(chr(10))}\n"
        for picture, prompt in zip(images, prompts, strict=True)
    ]
    batch = tokenizer(
        texts,
        add_special_tokens=False,
        return_token_type_ids=True,
        padding=True,
        padding_side=padding_side,
        return_tensors="pt",
    )
    pictures = [picture for row in images for picture in row]
    if pictures:
        batch = {**batch, **processor.image_processor(pictures, return_tensors="pt", **image_options)}
    return dict(batch)


_FRACTIONS = LlavaBrackets(frame=Fractions(decimals=2))  # for families that were never taught a way of their own
_IDEFICS3 = Family(_idefics3, lambda _: _FRACTIONS, "<image>", "User:{picture}{prompt}<end_of_utterance>\nAssistant:")
_QWEN_MARK = "<|vision_start|><|image_pad|><|vision_end|>"
_QWEN_PROMPT = "<|im_start|>user\n{picture}{prompt}<|im_end|>\n<|im_start|>assistant\n"

FAMILIES: dict[str, Family] = {
    "llava": Family(_llava, lambda _: LlavaBrackets(), "<image>", "USER: {picture}\n{prompt} ASSISTANT:"),
    "llava_next": Family(_llava_next, lambda _: LlavaBrackets(), "<image>", "USER: {picture}\n{prompt} ASSISTANT:"),
    "paligemma": Family(_paligemma, lambda _: PaliGemmaLoc(), "<image>", "{prompt}", _encode_paligemma),
    "idefics3": _IDEFICS3,
    "smolvlm": _IDEFICS3,
    "qwen2_5_vl": Family(_qwen, _stretched_pixels, _QWEN_MARK, _QWEN_PROMPT),
    "qwen3_vl": Family(_qwen, lambda _: QwenJson(), _QWEN_MARK, _QWEN_PROMPT),
    "gemma3": Family(
        _gemma3,
        lambda _: _FRACTIONS,
        "<start_of_image>",
        "<start_of_turn>user\n{picture}{prompt}<end_of_turn>\n<start_of_turn>model\n",
    ),
}
