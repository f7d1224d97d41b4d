# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of the tiny models: quick, repeatable, awake to their picture, and able to learn."""

import re

import pytest
import torch

from promvil_hf.backends.families import KOSMOS2, PATCH_FAMILIES, load_processor
from promvil_hf.toy import models
from tests.unit.toy.models.families import CHATTY, TEXTS, encode, every_family, parameter_count, tiny


@every_family
def test_a_tiny_model_is_small(family):
    assert parameter_count(tiny(family).model) < 300_000


@every_family
def test_the_seed_alone_decides_the_weights_and_the_callers_random_state_stays(family):
    build = getattr(models, f"tiny_{family}")
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    again = build()
    assert torch.equal(torch.rand(3), expected)
    first, second = tiny(family).model.state_dict(), again.model.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert tiny(family).processor.tokenizer.get_vocab() == again.processor.tokenizer.get_vocab()
    other = build(seed=1).model.state_dict()
    assert not all(torch.equal(first[name], other[name]) for name in first)


@every_family
def test_a_loss_reaches_the_words_and_the_picture(family, images):
    model = tiny(family).model
    batch = encode(tiny(family), images, TEXTS, side="right")
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    extra = {"token_type_ids": batch["attention_mask"] * 0 + 1} if family == "paligemma" else {}
    loss = model(**{**batch, **extra}, labels=labels).loss
    assert torch.isfinite(loss)
    assert loss.item() > 1
    model.zero_grad()
    loss.backward()
    patch_embedding = next(p for name, p in model.named_parameters() if re.search("patch_(embed|conv)", name) and p.dim() > 1)
    assert patch_embedding.grad.abs().max() > 0
    assert model.get_input_embeddings().weight.grad.abs().max() > 0
    model.zero_grad()


@every_family
def test_turning_the_picture_round_changes_the_answer(family, images):
    model = tiny(family).model
    with torch.no_grad():
        one = model(**encode(tiny(family), images[:1], TEXTS[:1])).logits[0, -1]
        turned = model(**encode(tiny(family), [images[0].rotate(180)], TEXTS[:1])).logits[0, -1]
    assert (one - turned).abs().max() > 0.02 * one.std()


@every_family
def test_a_row_of_a_padded_batch_equals_the_row_alone(family, images):
    model = tiny(family).model
    batch = encode(tiny(family), images, TEXTS)
    assert (batch["attention_mask"] == 0).any()
    with torch.no_grad():
        together = model(**batch).logits
        for row in range(2):
            alone = model(**encode(tiny(family), images[row : row + 1], TEXTS[row : row + 1])).logits
            torch.testing.assert_close(together[row, -1], alone[0, -1], atol=1e-4, rtol=0)


@every_family
def test_greedy_generation_writes_five_tokens_for_a_padded_batch(family, images):
    batch = encode(tiny(family), images, TEXTS)
    written = tiny(family).model.generate(**batch, max_new_tokens=5, min_new_tokens=5, do_sample=False)
    assert written.shape == (2, batch["input_ids"].shape[1] + 5)
    # Two prompts and two pictures: a model that answers both alike would hide a mix-up of rows.
    assert written[0, -5:].tolist() != written[1, -5:].tolist()


@every_family
def test_the_saved_model_and_processor_load_and_say_the_same(family, images, tmp_path):
    made = tiny(family)
    made.model.save_pretrained(tmp_path)
    made.processor.save_pretrained(tmp_path)
    model = type(made.model).from_pretrained(tmp_path)
    family = PATCH_FAMILIES.get(family, KOSMOS2)
    processor = made.processor if family.needs_torchvision else load_processor(tmp_path, family)
    assert type(processor) is type(made.processor)
    expected, loaded = (encode(made, images, TEXTS, processor=p) for p in (made.processor, processor))
    assert expected.keys() == loaded.keys()
    assert all(torch.equal(expected[key], loaded[key]) for key in expected)
    assert processor.chat_template == made.processor.chat_template
    with torch.no_grad():
        assert torch.equal(model(**loaded).logits, made.model(**expected).logits)


@pytest.mark.parametrize("family", CHATTY)
def test_the_assistant_mask_of_a_chat_covers_the_answers_and_nothing_else(family, images):
    processor = tiny(family).processor
    chat = [
        {"role": "user", "content": [{"type": "image", "image": images[0]}, {"type": "text", "text": "What is red?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "The circle is red."}]},
        {"role": "user", "content": [{"type": "text", "text": "And blue?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "The star is."}]},
    ]
    batch = processor.apply_chat_template(
        chat, tokenize=True, return_dict=True, return_assistant_tokens_mask=True, processor_kwargs={}
    )
    ids, mask = batch["input_ids"][0], batch["assistant_masks"][0]
    said = processor.tokenizer.decode([i for i, marked in zip(ids, mask, strict=True) if marked])
    end = {"gemma3": "<end_of_turn>", "gemma4": "<turn|>"}.get(family, processor.tokenizer.eos_token)
    assert said.replace(" The", "The") == f"The circle is red.{end}The star is.{end}"
    prompt = processor.apply_chat_template(chat[:1], add_generation_prompt=True)
    whole = processor.apply_chat_template(chat[:2])
    assert whole.startswith(prompt)
    asked, answered = (processor.tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, whole))
    assert answered[: len(asked)] == asked  # what a model reads before it answers is what it was trained to read there


def test_sizes_that_cannot_work_are_refused_with_what_to_choose():
    with pytest.raises(ValueError, match="width=40 cannot be shared by heads=4: .* Choose a multiple of 16"):
        models.tiny_qwen3_vl(width=40)
    with pytest.raises(ValueError, match="image_size=30 is not a multiple of 7 pixels, the side of one image token"):
        models.tiny_llava(image_size=30)
    with pytest.raises(ValueError, match="longest_edge=200 would need more than 6 tiles of 28 pixels a side"):
        models.tiny_idefics3(longest_edge=200)
    with pytest.raises(ValueError, match="tokens_per_side=3 does not divide the 4 patches of a side"):
        models.tiny_gemma3(tokens_per_side=3)
    with pytest.raises(ValueError, match="width=48 is not a multiple of 32, the number of groups"):
        models.tiny_grounding_dino(width=48)
    with pytest.raises(ValueError, match="layers=1: the decoder of Grounding DINO ties its box heads"):
        models.tiny_grounding_dino(layers=1)


@pytest.mark.parametrize("family", ["kosmos2", "llava"])
def test_a_wider_base_of_over_a_million_parameters_learns_a_batch_by_heart(family, images):
    gain = {"gain": 1.0} if family == "kosmos2" else {}
    made = tiny(family, width=128, layers=5, image_size=64, patch_size=8, **gain)
    model = made.model
    assert 1_000_000 < parameter_count(model) < 2_000_000
    batch = encode(made, images, TEXTS, side="right")
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    if family == "kosmos2":
        labels = labels.masked_fill(batch["image_embeds_position_mask"] == 1, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        loss = model(**batch, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
