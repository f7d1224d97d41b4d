# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The shipped adapters of the toy bases: small, with a card, loaded by their names."""

import json

import pytest
import torch

from promvil_hf.backends.loading import load
from promvil_hf.toy.adapters import ADAPTERS, folder, located


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_is_small_and_has_a_card_made_of_its_scores(name):
    assert sum(path.stat().st_size for path in folder(name).iterdir()) < 2e6
    card = (folder(name) / "README.md").read_text(encoding="utf-8")
    scores = json.loads((folder(name) / "scores.json").read_text(encoding="utf-8"))
    assert f"python -m studies.toy_adapters {name} --out" in card
    for what, interval in scores.items():
        assert f"| {what} | {interval['estimate']:.3f} | {interval['low']:.3f} to {interval['high']:.3f} |" in card


def test_an_adapter_is_loaded_by_its_name_and_changes_the_base():
    base, tuned = load("toy:kosmos2"), load("toy:kosmos2", "toy:chains")
    weights = dict(tuned.model.named_parameters())
    trained = [name for name in weights if "lora_B" in name]
    assert trained and all(weights[name].abs().max() > 0 for name in trained)
    assert all(torch.isfinite(weights[name]).all() for name in trained)
    assert not any("lora" in name for name, _ in base.model.named_parameters())


def test_a_name_that_is_no_adapter_is_refused():
    with pytest.raises(ValueError, match="toy adapter 'chain': there are chains, flat"):
        located("toy:chain")
