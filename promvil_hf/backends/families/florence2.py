# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Florence-2: an encoder reads picture and prompt, a decoder writes the answer."""

from collections.abc import Mapping

from promvil_hf.backends import token_boxes
from promvil_hf.backends.families.family import Family, Shown
from promvil_hf.backends.token_boxes import TokenBoxes
from promvil_hf.dialects import FlorenceLoc


def _florence2(shown: Shown) -> TokenBoxes:
    tower = shown.config.vision_config
    layers = list(zip(tower.patch_size, tower.patch_stride, tower.patch_padding, strict=True))
    # The first token is the mean of all others.
    return [None, *token_boxes.convolved(shown.settings, shown.image_size, layers)]


def _encode(processor, images: list, prompts: list[str], padding_side: str, image_options: Mapping) -> dict:
    """As `Florence2Processor`, for rows with and without a picture.

    Padding stands on the right whatever is asked: the encoder counts its positions from the first place of a row,
    padding included, so a row padded on the left would be another one.
    """
    tokenizer = processor.tokenizer
    places = processor.image_token * processor.num_image_tokens
    texts = [
        f"{places if picture else ''}{tokenizer.bos_token}{prompt}{tokenizer.eos_token}"
        for picture, prompt in zip(images, processor._construct_prompts(prompts), strict=True)
    ]
    batch = tokenizer(texts, add_special_tokens=False, padding=True, padding_side="right", return_tensors="pt")
    pictures = [picture for row in images for picture in row]
    if pictures:
        batch = {**batch, **processor.image_processor(pictures, return_tensors="pt", **image_options)}
    return dict(batch)


FAMILIES = {
    "florence2": Family(
        known_as="Florence-2",
        dialect=lambda _: FlorenceLoc(),
        token_boxes=_florence2,
        prompt="{prompt}",  # `encode` puts the picture before it
        encode=_encode,
        encoder_decoder="Florence-2 reads picture and prompt in an encoder and writes its answer in a decoder: its language "
        "head never reads an image token, so patches have no words, and an answer never stands behind its prompt in one "
        "row. It answers, has boxes of its tokens, and attention rows of encoder, decoder and cross attention. For the "
        "rest use a model of one stack, such as LLaVA or Qwen3-VL.",
    )
}
