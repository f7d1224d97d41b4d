# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Faults of Kosmos-2 in transformers 5.0 to 5.23, mended on one model instance; the library's classes stay as they are.

Two modules of the instance get a subclass of their own class. Each method below says what is wrong upstream and when it
can go; `tests/unit/backends/test_kosmos2_fixes.py` fails with that same sentence once upstream is right.
"""

import functools

import torch
from transformers import Kosmos2Config
from transformers.models.kosmos2.modeling_kosmos2 import (
    Kosmos2ForConditionalGeneration,
    Kosmos2TextForCausalLM,
    Kosmos2TextTransformer,
)


class MendedKosmos2Text(Kosmos2TextForCausalLM):
    """The language model whose positions count tokens and not padding."""

    def prepare_inputs_for_generation(self, input_ids, attention_mask=None, **model_kwargs):
        """Upstream drops the positions, and once a cache exists it counts padding: every row of a left-padded batch is
        wrong from its second token on. Remove when a left-padded batch generates what single prompts do."""
        prepared = super().prepare_inputs_for_generation(input_ids, attention_mask=attention_mask, **model_kwargs)
        if prepared.get("input_ids") is None:
            return prepared
        # `generate` drops a mask that hides nothing; the positions are set all the same, because upstream would not
        # count a `<pad>` that the model wrote itself.
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask.long()
        first = self.config.pad_token_id + 1
        positions = (mask.cumsum(-1) - 1 + first).masked_fill(mask == 0, self.config.pad_token_id)
        prepared["position_ids"] = positions[:, -prepared["input_ids"].shape[1] :].contiguous()
        return prepared


class MendedKosmos2Decoder(Kosmos2TextTransformer):
    """The decoder that can be trained from its embeddings on, and takes a ready mask."""

    def forward_embedding(self, input_ids, inputs_embeds=None, image_embeds=None, **rest):
        """Upstream writes the image into the output of the embedding in place, which fails once
        `enable_input_require_grads` made that a leaf. Remove when a training step after that call passes upstream."""
        if inputs_embeds is None and image_embeds is not None:
            inputs_embeds = self.embed_tokens(input_ids).clone()
        return super().forward_embedding(input_ids, inputs_embeds, image_embeds, **rest)

    def _prepare_decoder_attention_mask(self, attention_mask, *shape):
        """Upstream takes (B, K) masks only; a packed row needs (B, 1, Q, K), additive. Remove when upstream's forward
        accepts such a mask."""
        if attention_mask is not None and attention_mask.dim() == 4:
            return attention_mask
        return super()._prepare_decoder_attention_mask(attention_mask, *shape)


def mend(model: Kosmos2ForConditionalGeneration) -> Kosmos2ForConditionalGeneration:
    """Mend this instance, once or again, before or after PEFT, activation checkpointing or quantisation touched it."""
    _know_by_name()
    model.text_model.__class__ = MendedKosmos2Text
    model.text_model.model.__class__ = MendedKosmos2Decoder
    return model


@functools.cache
def _know_by_name() -> None:
    """transformers looks up what a class can record (`output_attentions` ...) by the class's name, and learns a name
    when an instance is built: build one of each, without memory."""
    config = Kosmos2Config(
        text_config={"vocab_size": 8, "embed_dim": 8, "layers": 1, "ffn_dim": 8, "attention_heads": 1}
    )
    with torch.device("meta"):
        MendedKosmos2Text(config.text_config)
        MendedKosmos2Decoder(config.text_config)
