# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""No half-written checkpoint is ever taken for a whole one."""

import functools
import os

import pytest
import torch

from promvil_hf.backends.loading import with_adapter
from promvil_hf.toy.models import tiny_kosmos2
from promvil_hf.trainers.checkpoints import MARK, check_adapter, check_whole, last_whole, mark_whole, what_is_missing
from tests.laws.promvil_rows import rows, trainer, weights


pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft 0.21 asks for it


@functools.cache
def few():
    return rows(3, 0)


def checkpoint(folder, step, size=10):
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "adapter_model.safetensors").write_bytes(b"x" * size)
    (path / "rng").mkdir()
    (path / "rng" / "0.pth").write_bytes(b"y")
    mark_whole(path)
    return path


def test_the_last_whole_checkpoint_is_found_and_later_ones_are_named(tmp_path):
    checkpoint(tmp_path, 5)
    whole = checkpoint(tmp_path, 10)
    cut = checkpoint(tmp_path, 15)
    (cut / MARK).unlink()
    short = checkpoint(tmp_path, 20)
    (short / "adapter_model.safetensors").write_bytes(b"x")
    (tmp_path / "checkpoint-best").mkdir()
    found, passed_over = last_whole(tmp_path)
    assert found == str(whole)
    assert passed_over == {
        str(short): "adapter_model.safetensors should have 10 bytes and has 1",
        str(cut): f"it has no {MARK}, which is written last: saving it was cut short",
    }
    assert last_whole(tmp_path / "nothing") == (None, {})


@pytest.mark.parametrize("gone", ["adapter_model.safetensors", "rng/0.pth"])
def test_a_missing_part_is_noticed(tmp_path, gone):
    path = checkpoint(tmp_path, 1)
    assert what_is_missing(path) is None
    (path / gone).unlink()
    assert gone in what_is_missing(path)
    with pytest.raises(ValueError, match="Name a whole checkpoint, or pass `--resume_from_checkpoint true`"):
        check_whole(path)


def test_a_run_killed_at_any_moment_of_saving_leaves_no_whole_looking_half(tmp_path, monkeypatch):
    """Saving is cut short after each file that it writes."""
    own = trainer(tmp_path, few(), max_steps=1, save_strategy="steps", save_steps=1)
    own.train()
    path = tmp_path / "checkpoint-1"
    names = sorted(file.name for file in path.iterdir())
    assert what_is_missing(path) is None and MARK in names and "optimizer.pt" in names and "trainer_state.json" in names
    for kept in range(len(names)):
        part = tmp_path / f"cut-{kept}"
        part.mkdir()
        for name in [name for name in names if name != MARK][:kept]:
            os.link(path / name, part / name)
        assert what_is_missing(part) is not None


def test_training_goes_on_from_the_last_whole_checkpoint_and_refuses_a_half_one(tmp_path, capsys):
    options = {"max_steps": 4, "save_strategy": "steps", "save_steps": 1}
    trainer(tmp_path, few(), **options).train()
    (tmp_path / "checkpoint-4" / MARK).unlink()
    again = trainer(tmp_path, few(), **options)
    again.train(resume_from_checkpoint=True)
    assert "checkpoint-4 is passed over: it has no" in capsys.readouterr().out
    assert [entry["step"] for entry in again.state.log_history if "loss" in entry] == [1, 2, 3, 4]
    (tmp_path / "checkpoint-2" / "optimizer.pt").write_bytes(b"")
    with pytest.raises(ValueError, match="checkpoint-2, but optimizer.pt should have"):
        trainer(tmp_path, few(), **options).train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    with pytest.raises(ValueError, match="has no whole one. Leave"):
        trainer(tmp_path / "empty", few(), **options).train(resume_from_checkpoint=True)


def test_a_finished_run_is_not_trained_on(tmp_path):
    options = {"max_steps": 2, "save_strategy": "steps", "save_steps": 1}
    first = trainer(tmp_path, few(), **options)
    first.train()
    again = trainer(tmp_path, few(), **options)
    again.train(resume_from_checkpoint=True)
    assert again.state.global_step == 2
    assert all(torch.equal(some, other) for some, other in zip(weights(again).values(), weights(first).values(), strict=True))
    longer = trainer(tmp_path, few(), **{**options, "max_steps": 3})
    longer.train(resume_from_checkpoint=True)
    assert longer.state.global_step == 3


def test_an_old_checkpoint_goes_only_when_the_new_one_is_whole(tmp_path, monkeypatch):
    from promvil_hf.trainers import base

    own = trainer(tmp_path, few(), max_steps=2, save_strategy="steps", save_steps=1, save_total_limit=1)
    monkeypatch.setattr(base, "mark_whole", lambda folder: (_ for _ in ()).throw(KeyboardInterrupt) if str(folder).endswith("-2")
                        else mark_whole(folder))  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        own.train()
    assert last_whole(tmp_path)[0] == str(tmp_path / "checkpoint-1")


def test_an_adapter_that_does_not_fit_is_refused_when_training_goes_on(tmp_path):
    options = {"max_steps": 2, "save_strategy": "steps", "save_steps": 1}
    trainer(tmp_path, few(), **options).train()
    others = {"of another shape": {"rank": 8}, "unexpected": {"scope": "text"}, "missing": {"scope": "all-linear"}}
    for told, other in others.items():
        with pytest.raises(ValueError, match=f"does not fit this model: its tensors are .*{told}"):
            trainer(tmp_path / "other", few(), **{**options, **other}).train(str(tmp_path / "checkpoint-1"))


def test_a_cut_adapter_file_is_an_error_wherever_it_is_read(tmp_path):
    own = trainer(tmp_path, few(), max_steps=1)
    own.train()
    own.save_model()
    assert check_adapter(own.model, tmp_path, same_values=True) == len(
        [name for name, p in own.model.named_parameters() if p.requires_grad]
    )
    with torch.no_grad():
        next(p for p in own.model.parameters() if p.requires_grad).add_(1)
    with pytest.raises(ValueError, match="1 of other values"):
        check_adapter(own.model, tmp_path, same_values=True)
    file = tmp_path / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ValueError, match="cannot be read: .*It may have been cut short"):
        check_adapter(own.model, tmp_path)
    with pytest.raises(Exception, match="(?i)safetensor|incomplete|fit"):
        with_adapter(tiny_kosmos2(latent_query_num=8, gain=1).model, tmp_path)
