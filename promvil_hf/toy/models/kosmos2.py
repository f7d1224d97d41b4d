# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A tiny Kosmos-2."""

from typing import Any, Literal

import transformers

from promvil_hf.toy.models.parts import TinyModel, TinySizes, clip_image_processor, token_ids
from promvil_hf.toy.models.tokenizers import piece_tokenizer


def tiny_kosmos2(
    *, latent_query_num: int = 64, fit: Literal["stretch", "crop"] = "stretch", gain: float = 3.0, **sizes: Any
) -> TinyModel:
    """Kosmos-2: pieces, tags and all 1,024 patch tokens; the image becomes queries that are no places.

    With another `latent_query_num` than 64, pass `num_image_tokens=latent_query_num` at every call of the processor:
    upstream does not save it, and `pipeline` cannot pass it. The patch tokens are 32 x 32 in any case, because
    decoding is fixed to that grid. `gain` enlarges the random weights: its large position signal drowns the rest of a
    narrow model, which would then write one token over and over. Take 1 for a base that is to be trained. `sizes` are
    those of `TinySizes`.
    """
    sizes = TinySizes(**{"patch_size": 14, **sizes})
    tokenizer = piece_tokenizer(sizes.sentences, sizes.vocabulary_size)
    if len(tokenizer) < 5 + latent_query_num:
        raise ValueError(
            f"latent_query_num={latent_query_num} needs as many pieces after <unk>, but the vocabulary has "
            f"{len(tokenizer) - 5}: Kosmos-2 writes its image slots with the ids of ordinary pieces. Ask for fewer "
            "queries or give more sentences."
        )
    processor = transformers.Kosmos2Processor(clip_image_processor(sizes.image_size, fit), tokenizer)
    config = transformers.Kosmos2Config(
        text_config=dict(
            vocab_size=len(tokenizer),
            embed_dim=sizes.width,
            layers=sizes.layers,
            ffn_dim=2 * sizes.width,
            attention_heads=sizes.heads,
            max_position_embeddings=sizes.context,
            dropout=0.0,
            attention_dropout=0.0,
            **token_ids(tokenizer),
        ),
        vision_config=sizes.vision(),
        latent_query_num=latent_query_num,
    )
    return sizes.model("kosmos2", transformers.Kosmos2ForConditionalGeneration, config, processor, gain)
