# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A trained adapter goes to the Hub as a plain PEFT checkpoint, and comes back the same."""

import pytest
import torch

from promvil_hf.backends.loading import load
from promvil_hf.toy.models import tiny_kosmos2
from promvil_hf.training.adapter_card import CardFacts
from tests.laws.promvil_rows import rows, trainer


pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft 0.21 asks for it


def test_a_pushed_adapter_gives_equal_logits_to_whoever_loads_it(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("transformers.utils.hub._hf_api", None)  # it keeps the address it was made with
    from huggingface_hub import ModelCard
    from peft import PeftModel

    tiny = tiny_kosmos2(latent_query_num=8, gain=1)
    tiny.model.save_pretrained(tmp_path / "base")
    tiny.processor.save_pretrained(tmp_path / "base")
    few = rows(3, 0)
    run = trainer(
        tmp_path / "run", few, max_steps=3, push_to_hub=False, hub_model_id="promvil/tiny-adapter", hub_token=None
    )
    run.card = CardFacts(
        base_model="microsoft/kosmos-2-patch14-224", title="Tiny", about="A test.", data="3 rows.", settings={"lora_r": 4}
    )
    run.train()
    run.push_to_hub(blocking=True)

    batch = run.data_collator(few)
    backend = run.backend
    prompts = backend.batch(backend.prompt_tokens(["<grounding>the star", "<grounding>the ring above"]))
    inputs = {**prompts, "pixel_values": batch["pixel_values"][:2]}

    def logits(model):
        with torch.no_grad():
            return model.eval()(**inputs).logits

    expected = logits(run.model)
    plain = logits(tiny_kosmos2(latent_query_num=8, gain=1).model)
    assert (expected - plain).abs().max() > 1e-4  # training did something
    by_peft = PeftModel.from_pretrained(tiny_kosmos2(latent_query_num=8, gain=1).model, "promvil/tiny-adapter")
    assert torch.equal(logits(by_peft), expected)
    by_us = load(tmp_path / "base", adapter="promvil/tiny-adapter")
    assert torch.equal(logits(by_us.model), expected)
    card = ModelCard.load("promvil/tiny-adapter")
    assert card.data.base_model == "microsoft/kosmos-2-patch14-224" and card.data.library_name == "peft"
    assert card.data.license == "mit" and "lora_r: 4" in card.text and "trains " in card.text
