# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Each upstream fault of Kosmos-2, shown to be there, and shown to be gone on a mended model.

A test that fails with "upstream is mended" is good news: remove what it names, and the test.
"""

import copy
import pickle

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from PIL import Image
from transformers.models.kosmos2 import modeling_kosmos2

from promvil_hf.backends import kosmos2_fixes
from promvil_hf.backends.kosmos2 import Kosmos2Backend
from promvil_hf.backends.kosmos2_fixes import mend
from promvil_hf.backends.kosmos2_prefix import tree_mask
from promvil_hf.boxes import Box
from promvil_hf.dialects import Kosmos2
from promvil_hf.phrases import GroundedPhrase
from promvil_hf.toy.models import tiny_kosmos2


pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft 0.21 asks for it
QUERIES = 8
TEXTS = ("<grounding><phrase> the red circle</phrase>", "<grounding>Is there a blue square to the left of a star")


@pytest.fixture
def tiny():
    return tiny_kosmos2(latent_query_num=QUERIES)


def encode(tiny, rows=(0, 1), side="left"):
    generator = np.random.default_rng(0)
    pictures = [Image.fromarray(generator.integers(0, 255, (40, 60, 3), dtype=np.uint8)) for _ in TEXTS]
    tiny.processor.tokenizer.padding_side = side
    return dict(
        tiny.processor(
            images=[pictures[row] for row in rows],
            text=[TEXTS[row] for row in rows],
            padding=True,
            num_image_tokens=QUERIES,
            return_tensors="pt",
        )
    )


def step_logits(tiny, rows) -> torch.Tensor:
    """(rows, steps, vocabulary) of greedy generation, as a user of transformers would run it."""
    steps = tiny.model.generate(
        **encode(tiny, rows), max_new_tokens=5, output_logits=True, return_dict_in_generate=True, use_cache=True
    )
    return torch.stack(steps.logits, dim=1)


def largest_difference(tiny) -> float:
    together = step_logits(tiny, (0, 1))
    return max((together[row] - step_logits(tiny, (row,))[0]).abs().max().item() for row in range(2))


def test_left_padded_batches_generate_what_single_prompts_do(tiny):
    upstream = largest_difference(tiny)
    assert upstream > 0.1, "upstream is mended: remove MendedKosmos2Text.prepare_inputs_for_generation"
    mend(tiny.model)
    assert largest_difference(tiny) < 1e-5


def test_a_pad_token_that_the_model_wrote_has_a_place_like_any_other(tiny):
    """Single prompts go through `generate` without a mask, batches with one: both must count it."""
    model, pad = mend(tiny.model), tiny.processor.tokenizer.pad_token_id
    ids = torch.tensor([[0, 9, 10, pad, 11]])
    for mask in (None, torch.ones_like(ids)):
        prepared = model.text_model.prepare_inputs_for_generation(ids, attention_mask=mask, use_cache=False)
        assert prepared["position_ids"].tolist() == [[2, 3, 4, 5, 6]]
    last = model.text_model.prepare_inputs_for_generation(ids, next_sequence_length=1, use_cache=True)
    assert last["position_ids"].tolist() == [[6]]
    padded = torch.tensor([[0, 0, 1, 1, 1]])
    prepared = model.text_model.prepare_inputs_for_generation(ids, attention_mask=padded, use_cache=False)
    assert prepared["position_ids"].tolist() == [[1, 1, 2, 3, 4]]


def gradients(model, batch) -> dict[str, torch.Tensor]:
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    model.train()
    model.zero_grad()
    model(**batch, labels=labels).loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_a_training_step_passes_after_enable_input_require_grads_whenever_it_was_called(tiny):
    batch = encode(tiny, side="right")
    expected = gradients(tiny.model, batch)
    broken = copy.deepcopy(tiny.model)
    broken.enable_input_require_grads()
    frozen = get_peft_model(broken, LoraConfig(target_modules=["q_proj"]))
    with pytest.raises(RuntimeError) as fault:
        gradients(frozen, batch)
        pytest.fail("upstream is mended: remove MendedKosmos2Decoder.forward_embedding")
    assert "in-place operation" in str(fault.value)

    before, after = copy.deepcopy(tiny.model), copy.deepcopy(tiny.model)
    before.enable_input_require_grads()
    mend(before)
    mend(after).enable_input_require_grads()
    for model in (before, after):
        found = gradients(model, batch)
        assert found.keys() == expected.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-5)
    adapted = get_peft_model(after, LoraConfig(target_modules=["q_proj"]))
    assert len(gradients(adapted, batch)) == 2 * (2 + 2 + 1)  # lora A and B in both towers and the projection


def test_activation_checkpointing_changes_no_gradient_of_either_tower(tiny):
    batch = encode(tiny, side="right")
    torch.manual_seed(0)
    config = LoraConfig(target_modules=["q_proj", "fc1"], init_lora_weights=False)
    plain = get_peft_model(mend(tiny.model), config)
    checkpointed = copy.deepcopy(plain)
    base = checkpointed.get_base_model()
    base.enable_input_require_grads()
    getattr(base, "activation_checkpointing_enable", base.gradient_checkpointing_enable)()  # the latter before 5.23
    expected, found = gradients(plain, batch), gradients(checkpointed, batch)
    assert expected.keys() == found.keys()
    assert {name.split(".")[2] for name in found} == {"text_model", "vision_model", "image_to_text_projection"}
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-5)


def test_the_decoder_takes_a_ready_mask(tiny):
    batch = encode(tiny, rows=(0,))
    branch = torch.zeros_like(batch["input_ids"])
    ready = batch | {"attention_mask": tree_mask(branch, branch, torch.float32)}
    with torch.no_grad():
        expected = tiny.model(**batch).logits
        try:
            tiny.model(**ready)
        except ValueError:
            pass
        else:
            pytest.fail("upstream is mended: remove MendedKosmos2Decoder._prepare_decoder_attention_mask")
        torch.testing.assert_close(mend(tiny.model)(**ready).logits, expected, atol=1e-5, rtol=0)


def test_a_mended_model_still_records_its_attentions(tiny, monkeypatch):
    batch = encode(tiny)
    tiny.model.set_attn_implementation("eager")
    with torch.no_grad():
        expected = tiny.model(**batch, output_attentions=True, output_hidden_states=True)
    unknown = copy.deepcopy(tiny.model)
    unknown.text_model.model.__class__ = type("Nameless", (kosmos2_fixes.MendedKosmos2Decoder,), {})
    with torch.no_grad():
        silent = not unknown(**batch, output_attentions=True).attentions
        assert silent, "upstream is mended: remove kosmos2_fixes._know_by_name"
        found = mend(tiny.model)(**batch, output_attentions=True, output_hidden_states=True)
    assert len(found.attentions) == 2
    assert len(found.hidden_states) == 3
    for ours, theirs in zip(found.attentions + found.hidden_states, expected.attentions + expected.hidden_states):
        assert torch.equal(ours, theirs)


def test_mending_touches_one_instance_only_and_may_be_repeated(tiny):
    mend(mend(tiny.model))
    assert type(tiny.model.text_model) is kosmos2_fixes.MendedKosmos2Text
    assert type(tiny.model.text_model.model) is kosmos2_fixes.MendedKosmos2Decoder
    other = tiny_kosmos2().model
    assert type(other.text_model) is modeling_kosmos2.Kosmos2TextForCausalLM
    assert "promvil" not in modeling_kosmos2.Kosmos2TextForCausalLM.prepare_inputs_for_generation.__module__


def test_a_mended_model_is_copied_pickled_and_saved_like_any_other(tiny, tmp_path):
    batch = encode(tiny)
    with torch.no_grad():
        expected = mend(tiny.model)(**batch).logits
        for again in (copy.deepcopy(tiny.model), pickle.loads(pickle.dumps(tiny.model))):
            assert type(again.text_model) is kosmos2_fixes.MendedKosmos2Text
            assert torch.equal(again(**batch).logits, expected)
        tiny.model.save_pretrained(tmp_path)
        loaded = type(tiny.model).from_pretrained(tmp_path)
        assert type(loaded.text_model) is modeling_kosmos2.Kosmos2TextForCausalLM
        assert torch.equal(loaded(**batch).logits, expected)


def test_boxes_go_into_the_text_because_the_processor_does_not_check_them(tiny):
    """Upstream cuts no box at the edge and takes no lists; the dialect's boxes are `Box`es, which lie inside."""
    tokenizer, text = tiny.processor.tokenizer, "<grounding><phrase> a star</phrase>"
    beyond = (0.5, 0.5, 1.02, 1.0)
    with pytest.raises(ValueError):
        tiny.processor(text=text, bboxes=[list(beyond)])
        pytest.fail("upstream is mended: the processor takes boxes as lists")
    shredded = tokenizer.convert_ids_to_tokens(tiny.processor(text=text, bboxes=[beyond])["input_ids"])
    cells = [token for token in shredded if token.startswith("<patch_index_")]
    assert len(cells) < 2, "upstream is mended: the processor cuts boxes at the edge"
    known = GroundedPhrase("a star", [Box.clipped(*beyond)])
    written = text + Kosmos2(force_object=False).target(known)
    ours = tokenizer.convert_ids_to_tokens(Kosmos2Backend(tiny.model, tiny.processor).prompt_tokens([written])[0])
    assert [token for token in ours if token.startswith("<patch_index_")] == [
        "<patch_index_0528>",
        "<patch_index_1023>",
    ]


def test_the_processor_does_not_know_how_many_slots_its_model_has(tiny, tmp_path):
    tiny.processor.num_image_tokens = QUERIES
    tiny.processor.save_pretrained(tmp_path)
    loaded = type(tiny.processor).from_pretrained(tmp_path)
    slots = loaded(images=Image.new("RGB", (9, 9)), text="a")["image_embeds_position_mask"]
    assert sum(slots) != QUERIES, "upstream is mended: Kosmos2Backend.prompt_tokens may leave the slots to it"
    assert sum(encode(tiny, (0,))["image_embeds_position_mask"][0]) == QUERIES
