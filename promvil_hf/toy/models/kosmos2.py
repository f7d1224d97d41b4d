# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A tiny Kosmos-2. Floor 3: transformers."""

from collections.abc import Iterable
from typing import Literal

import transformers

from promvil_hf.toy.models.parts import (
    TinyModel,
    check_sizes,
    clip_image_processor,
    token_ids,
    vision_sizes,
    with_random_weights,
)
from promvil_hf.toy.models.tokenizers import DEFAULT_SENTENCES, piece_tokenizer


def tiny_kosmos2(
    *,
    sentences: Iterable[str] = DEFAULT_SENTENCES,
    vocabulary_size: int = 512,
    width: int = 32,
    layers: int = 2,
    heads: int = 4,
    vision_width: int | None = None,
    vision_layers: int = 2,
    image_size: int = 28,
    patch_size: int = 14,
    latent_query_num: int = 64,
    fit: Literal["stretch", "crop"] = "stretch",
    context: int = 512,
    gain: float = 3.0,
    seed: int = 0,
) -> TinyModel:
    """Kosmos-2: pieces, tags and all 1,024 patch tokens; the image becomes queries that are no places.

    With another `latent_query_num` than 64, pass `num_image_tokens=latent_query_num` at every call of the processor:
    upstream does not save it, and `pipeline` cannot pass it. The patch tokens are 32 x 32 in any case, because
    decoding is fixed to that grid. `gain` enlarges the random weights: its large position signal drowns the rest of a
    narrow model, which would then write one token over and over. Take 1 for a base that is to be trained.
    """
    vision_width = vision_width or width
    check_sizes(width, heads, vision_width, image_size, patch_size)
    tokenizer = piece_tokenizer(sentences, vocabulary_size)
    if len(tokenizer) < 5 + latent_query_num:
        raise ValueError(
            f"latent_query_num={latent_query_num} needs as many pieces after <unk>, but the vocabulary has "
            f"{len(tokenizer) - 5}: Kosmos-2 writes its image slots with the ids of ordinary pieces. Ask for fewer "
            "queries or give more sentences."
        )
    processor = transformers.Kosmos2Processor(clip_image_processor(image_size, fit), tokenizer)
    config = transformers.Kosmos2Config(
        text_config=dict(
            vocab_size=len(tokenizer),
            embed_dim=width,
            layers=layers,
            ffn_dim=2 * width,
            attention_heads=heads,
            max_position_embeddings=context,
            dropout=0.0,
            attention_dropout=0.0,
            **token_ids(tokenizer),
        ),
        vision_config=vision_sizes(vision_width, vision_layers, heads, image_size, patch_size),
        latent_query_num=latent_query_num,
    )
    model = with_random_weights(transformers.Kosmos2ForConditionalGeneration, config, seed, gain)
    return TinyModel("kosmos2", model, processor)
