# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A tiny Idefics3 and a tiny SmolVLM: tiles and a whole picture before a Llama."""

from typing import Any

import transformers

from promvil_hf.toy.models.chat_templates import IDEFICS_CHAT
from promvil_hf.toy.models.parts import TinyModel, TinySizes, check_sizes


def tiny_idefics3(**sizes: Any) -> TinyModel:
    """Idefics3: tiles of `image_size`, row by row, then the whole picture as the last tile.

    Arguments are those of `TinySizes` and `scale_factor` (that many patches squared become one token), `longest_edge`
    (the picture is scaled to it before it is cut: three tiles by default), `split` (False: one stretched tile).
    """
    return _tiled("idefics3", "Idefics3", **sizes)


def tiny_smolvlm(**sizes: Any) -> TinyModel:
    """SmolVLM: its own model and image processor under the processor of Idefics3, which writes the same text.

    The processor of SmolVLM itself asks for num2words and for a video processor, hence torchvision, even for pictures.
    Arguments as in `tiny_idefics3`.
    """
    return _tiled("smolvlm", "SmolVLM", **sizes)


def _tiled(
    family: str, name: str, *, scale_factor: int = 2, longest_edge: int | None = None, split: bool = True, **sizes: Any
) -> TinyModel:
    """`name` is what the family's classes begin with."""
    sizes = TinySizes(**{"context": 1024, **sizes})
    side = sizes.image_size
    check_sizes(sizes.width, sizes.heads, sizes.vision_width, side, sizes.patch_size * scale_factor)
    longest_edge = longest_edge or 3 * side
    if longest_edge > 6 * side:
        raise ValueError(
            f"longest_edge={longest_edge} would need more than 6 tiles of {side} pixels a side, but this family "
            f"has names for 6 x 6 tiles only: choose at most {6 * side}."
        )
    tile_tokens = [f"<row_{row + 1}_col_{column + 1}>" for row in range(6) for column in range(6)]
    texts = ["<|endoftext|>", "<|im_start|>", "<end_of_utterance>", "<pad>"]
    images = ["<image>", "<fake_token_around_image>", "<global-img>"]
    tokenizer = sizes.tokenizer(
        special_tokens=[*texts, *images, *tile_tokens],
        bos_token="<|im_start|>",
        eos_token="<end_of_utterance>",
        pad_token="<pad>",
        add_bos_token=True,
    )
    image_processor = getattr(transformers, f"{name}ImageProcessorPil")(
        size={"longest_edge": longest_edge}, max_image_size={"longest_edge": side}, do_image_splitting=split
    )
    processor = transformers.Idefics3Processor(
        image_processor, tokenizer, image_seq_len=(sizes.patches // scale_factor) ** 2, chat_template=IDEFICS_CHAT
    )
    config = getattr(transformers, f"{name}Config")(
        vision_config=sizes.vision(),
        text_config=sizes.text(tokenizer, model_type="llama"),
        scale_factor=scale_factor,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
    )
    return sizes.model(family, getattr(transformers, f"{name}ForConditionalGeneration"), config, processor)
