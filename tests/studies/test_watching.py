# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A training that is watched is the same training, and what was seen of it survives an interruption."""

import pytest

from promvil_hf.backends.lora_scopes import lora_config
from promvil_hf.toy.models import tiny_kosmos2
from studies.promvil import WORLD
from studies.promvil_work import rows_of
from studies.shared import train, training_settings
from studies.watching import COUNTED, Watch


SCENES = 27  # one a batch: the updates 0 and 25 are counted


def trained(folder, watch=None, fail_at=None):
    import torch

    from promvil_hf.training.promvil_config import PromViLConfig
    from promvil_hf.training.promvil_trainer import PromViLTrainer

    class Failing(PromViLTrainer):
        def training_step(self, *args, **kwargs):
            if self.state.global_step == fail_at:
                raise RuntimeError("the power failed")
            return super().training_step(*args, **kwargs)

    torch.manual_seed(0)
    tiny = tiny_kosmos2(width=32, layers=1, vision_layers=1, image_size=64, patch_size=32, latent_query_num=4, gain=1.0)
    config = PromViLConfig(str(folder), **training_settings(0, SCENES, 1, 1, 0.01))
    rows = list(rows_of(WORLD, 0, SCENES, 1))
    adapter = lora_config("text", r=2, alpha=2, dropout=0.0)
    adapter.base_model_name_or_path = "tiny"
    return train(Failing, config, tiny.model, tiny.processor, rows, adapter, watch)


def weights(trainer):
    return {name: parameter for name, parameter in trainer.model.named_parameters() if parameter.requires_grad}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("plain"))


def watcher(folder, trained_so_far):
    import torch

    def probe():
        torch.rand(7)  # as a careless probe might
        trained_so_far.append(1)
        return len(trained_so_far) / 100

    return Watch(folder, (5, 20), probe)


def test_a_watched_training_is_the_same_training(plain, tmp_path):
    import torch

    watch = watcher(tmp_path, [])
    same = weights(trained(tmp_path, watch))
    assert all(torch.equal(tensor, same[name]) for name, tensor in weights(plain).items())
    assert watch.curve == {5: 0.01, 20: 0.02} and list(watch.counted) == [0, COUNTED]
    assert watch.flops_of_an_update > 1e6


def test_what_was_seen_survives_an_interruption(tmp_path):
    with pytest.raises(RuntimeError, match="the power failed"):
        trained(tmp_path, watcher(tmp_path, []), fail_at=22)
    again = watcher(tmp_path, [1])
    trained(tmp_path, again)
    assert again.curve[5] == 0.01 and set(again.curve) == {5, 20} and set(again.counted) == {0, COUNTED}


def test_operations_of_attention_are_counted(tmp_path):
    """torch's counter gives 0 for those of a CPU, so that longer texts would seem to cost less than they do."""
    import torch
    from transformers import TrainerState

    watch, state = Watch(tmp_path, (), lambda: 0.0), TrainerState(global_step=0)
    one = torch.rand(1, 2, 6, 4)
    watch.on_step_begin(None, state, None)
    torch.nn.functional.scaled_dot_product_attention(one, one, one)
    state.global_step = 1
    watch.on_step_end(None, state, None)
    assert watch.counted == {0: 2 * 2 * (2 * 6 * 6 * 4)}  # two products of 2 heads
