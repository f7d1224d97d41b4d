# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""PaliGemma, Gemma 3 and Gemma 4."""

from collections.abc import Mapping

from promvil_hf.backends import token_boxes
from promvil_hf.backends.families.family import FRACTIONS, Family, Shown
from promvil_hf.backends.token_boxes import TokenBoxes
from promvil_hf.dialects import GeminiJson, PaliGemmaLoc


def _paligemma(shown: Shown) -> TokenBoxes:
    return token_boxes.single_view(shown.settings, shown.image_size, shown.patch)


def _gemma3(shown: Shown) -> TokenBoxes:
    each = shown.processor.image_seq_length
    return token_boxes.whole_and_crops(shown.image_size, shown.image_tokens // each - 1, each)


def _gemma4(shown: Shown) -> TokenBoxes:
    block = shown.settings["pooling_kernel_size"]
    columns, rows = (max(places) + 1 for places in zip(*shown.grid, strict=True))  # x and y of each patch; padding is -1
    return token_boxes.raster(token_boxes.WHOLE, rows // block, columns // block)


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


FAMILIES = {
    "paligemma": Family(
        known_as="PaliGemma",
        dialect=lambda _: PaliGemmaLoc(),
        token_boxes=_paligemma,
        prompt="{prompt}",  # `encode` puts the picture before it
        encode=_encode_paligemma,
        answer_type=1,  # the prompt, type 0, sees itself both ways
    ),
    "gemma3": Family(
        known_as="Gemma 3",
        dialect=lambda _: FRACTIONS,
        token_boxes=_gemma3,
        mark="<start_of_image>",
        prompt="<start_of_turn>user\n{picture}{prompt}<end_of_turn>\n<start_of_turn>model\n",
    ),
    "gemma4": Family(
        known_as="Gemma 4",
        dialect=lambda _: GeminiJson(),
        token_boxes=_gemma4,
        processor="promvil_hf.backends.image_text_processors:Gemma4ImageTextProcessor",
        mark="<|image|>",
        prompt="<|turn>user\n{picture}{prompt}<turn|>\n<|turn>model\n",
        grid="image_position_ids",
        projector="embed_vision",
    ),
}
