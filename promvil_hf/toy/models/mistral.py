# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A tiny Mistral Small 3.1: Pixtral's vision tower before a Mistral."""

from typing import Any

import transformers

from promvil_hf.backends.image_text_processors import PixtralImageTextProcessor
from promvil_hf.toy.models.chat_templates import MISTRAL_CHAT
from promvil_hf.toy.models.parts import TinyModel, TinySizes


def tiny_mistral3(*, longest_edge: int = 84, **sizes: Any) -> TinyModel:
    """Mistral Small 3.1: a picture keeps its shape, at most `longest_edge` pixels a side, rounded up to whole tokens.

    2 x 2 patches are one token, and a token that is no place ends each row of them. `sizes` are those of `TinySizes`,
    without `image_size`.
    """
    sizes = TinySizes(**{"context": 1024, **sizes}, image_size=longest_edge)
    special = ["<unk>", "<s>", "</s>", "<pad>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"]
    tokenizer = sizes.tokenizer(
        special_tokens=[*special, "[IMG]", "[IMG_BREAK]", "[IMG_END]"],
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        add_bos_token=True,
    )
    image_processor = transformers.PixtralImageProcessorPil(
        size={"longest_edge": longest_edge}, patch_size={"height": sizes.patch_size, "width": sizes.patch_size}
    )
    processor = PixtralImageTextProcessor(
        image_processor,
        tokenizer,
        patch_size=sizes.patch_size,
        spatial_merge_size=2,
        chat_template=MISTRAL_CHAT,
    )
    config = transformers.Mistral3Config(
        vision_config=sizes.vision(model_type="pixtral"),
        text_config=sizes.text(
            tokenizer, model_type="mistral", head_dim=sizes.width // sizes.heads, sliding_window=None
        ),
        image_token_index=processor.image_token_id,
        spatial_merge_size=2,
        tie_word_embeddings=False,
    )
    return sizes.model("mistral3", transformers.Mistral3ForConditionalGeneration, config, processor)
