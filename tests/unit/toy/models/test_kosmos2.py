# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of the tiny Kosmos-2: image slots, patch tokens and the number of queries."""

import pytest
import transformers

from promvil_hf.toy import models
from tests.unit.toy.models.families import tiny


def test_kosmos2_writes_image_slots_with_ids_of_ordinary_pieces_and_boxes_with_patch_tokens(images):
    made = tiny("kosmos2")
    tokenizer = made.processor.tokenizer
    tokenizer.padding_side = "right"
    batch = made.processor(
        images=images[0], text="<grounding><phrase> a snowman</phrase>", bboxes=[(44, 863)], return_tensors="pt"
    )
    slots = batch["input_ids"][batch["image_embeds_position_mask"].bool()]
    assert slots.tolist() == list(range(4, 68))
    assert tokenizer.convert_tokens_to_ids(".") == 4
    written = tokenizer.convert_ids_to_tokens(batch["input_ids"][0].tolist())[66:]
    assert written == [
        *("</image>", "<grounding>", "<phrase>", "▁a", "▁snowman", "</phrase>"),
        *("<object>", "<patch_index_0044>", "<patch_index_0863>", "</object>"),
    ]
    assert len(tokenizer) == made.model.config.text_config.vocab_size
    assert len([token for token in tokenizer.get_vocab() if token.startswith("<patch_index_")]) == 1024


def test_kosmos2_runs_in_the_pipeline_and_takes_other_query_counts_by_argument(images):
    made = tiny("kosmos2")
    pipe = transformers.pipeline("image-text-to-text", model=made.model, processor=made.processor)
    answer = pipe(images=images[0], text="<grounding> the", max_new_tokens=3)
    assert answer[0]["generated_text"].startswith("<grounding> the")
    small = models.tiny_kosmos2(latent_query_num=8)
    batch = small.processor(images=images[0], text="a", num_image_tokens=8, return_tensors="pt")
    assert small.model(**batch).logits.shape[1] == batch["input_ids"].shape[1] == 1 + 10 + 1


def test_kosmos2_needs_a_piece_for_every_query():
    with pytest.raises(
        ValueError, match="latent_query_num=5000 needs as many pieces after <unk>, but the vocabulary has"
    ):
        models.tiny_kosmos2(latent_query_num=5000)
