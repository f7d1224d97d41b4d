# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""No half-written checkpoint is ever taken for a whole one."""

import functools
import os
import shutil

import pytest
import torch

from promvil_hf.backends.adapter_loading import with_adapter
from promvil_hf.backends.families import PATCH_FAMILIES
from promvil_hf.files import remove_drafts
from promvil_hf.toy.models import tiny_kosmos2
from promvil_hf.training import window_trainer
from promvil_hf.training.checkpoints import (
    MARK,
    check_adapter,
    check_whole,
    last_whole,
    load_weights,
    mark_whole,
    rotate,
    what_is_missing,
)
from tests.laws import fivl_rows
from tests.laws.promvil_rows import rows, trainer, weights
from tests.unit.toy.models.families import fresh


pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft 0.21 asks for it
FAMILIES = ("kosmos2", *sorted(PATCH_FAMILIES))


@functools.cache
def few():
    return rows(3, 0)


TWO_STEPS = {"max_steps": 2, "save_strategy": "steps", "save_steps": 1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of an adapter with a checkpoint after each of its two steps. Tests that write into its folder take a copy."""
    run = trainer(tmp_path_factory.mktemp("trained"), few(), **TWO_STEPS)
    run.train()
    return run


@pytest.fixture(scope="module")
def all_trained(tmp_path_factory):
    """The same of all weights."""
    run = trainer(tmp_path_factory.mktemp("all"), few(), scope=None, **TWO_STEPS)
    run.train()
    return run


@pytest.fixture
def copied(trained, tmp_path):
    return shutil.copytree(trained.args.output_dir, tmp_path / "copied")


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


def test_a_run_killed_at_any_moment_of_saving_leaves_no_whole_looking_half(copied, tmp_path):
    """Saving is cut short after each file that it writes."""
    path = copied / "checkpoint-1"
    names = sorted(file.name for file in path.iterdir())
    assert what_is_missing(path) is None and MARK in names and "optimizer.pt" in names and "trainer_state.json" in names
    for kept in range(len(names)):
        part = tmp_path / f"cut-{kept}"
        part.mkdir()
        for name in [name for name in names if name != MARK][:kept]:
            os.link(path / name, part / name)
        assert what_is_missing(part) is not None


def test_training_goes_on_from_the_last_whole_checkpoint_and_refuses_a_half_one(copied, tmp_path, capsys):
    (copied / "checkpoint-2" / MARK).unlink()
    again = trainer(copied, few(), **TWO_STEPS | {"max_steps": 3})
    again.train(resume_from_checkpoint=True)
    assert "checkpoint-2 is passed over: it has no" in capsys.readouterr().out
    assert [entry["step"] for entry in again.state.log_history if "loss" in entry] == [1, 2, 3]
    (copied / "checkpoint-2" / "optimizer.pt").write_bytes(b"")
    with pytest.raises(ValueError, match="checkpoint-2, but optimizer.pt should have"):
        again.train(resume_from_checkpoint=str(copied / "checkpoint-2"))
    again.args.output_dir = str(tmp_path / "empty")
    with pytest.raises(ValueError, match="has no whole one. Leave"):
        again.train(resume_from_checkpoint=True)


def test_a_finished_run_is_not_trained_on(trained, copied):
    again = trainer(copied, few(), **TWO_STEPS)
    again.train(resume_from_checkpoint=True)
    assert again.state.global_step == 2
    assert all(torch.equal(some, other) for some, other in zip(weights(again).values(), weights(trained).values(), strict=True))
    longer = trainer(copied, few(), **TWO_STEPS | {"max_steps": 3, "save_strategy": "no"})
    longer.train(resume_from_checkpoint=True)
    assert longer.state.global_step == 3


def test_an_old_checkpoint_goes_only_when_the_new_one_is_whole(tmp_path, monkeypatch):
    tiny_trainer = trainer(tmp_path, few(), save_total_limit=1, **TWO_STEPS)

    def interrupted(folder):
        if str(folder).endswith("-2"):
            raise KeyboardInterrupt
        mark_whole(folder)

    monkeypatch.setattr(window_trainer, "mark_whole", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tiny_trainer.train()
    assert last_whole(tmp_path)[0] == str(tmp_path / "checkpoint-1")


def test_old_checkpoints_go_by_their_steps_whatever_the_clock_says(tmp_path):
    for step, written in ((2, 300), (10, 100), (4, 400), (300, 200)):  # 300 is left of a run before this one
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        os.utime(folder, (written, written))
    rotate(tmp_path, 2, needed=(str(tmp_path / "checkpoint-10"), None))
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-10", "checkpoint-300"}
    rotate(tmp_path, 1, needed=(str(tmp_path / "checkpoint-10"), str(tmp_path / "checkpoint-300")))
    assert len(list(tmp_path.iterdir())) == 2
    rotate(tmp_path, None, needed=())
    assert len(list(tmp_path.iterdir())) == 2


def test_a_clock_that_jumps_back_does_not_delete_the_newest_checkpoint(tmp_path, monkeypatch):
    tiny_trainer = trainer(tmp_path, few(), save_total_limit=1, **TWO_STEPS)

    def written_in_the_past(folder):
        mark_whole(folder)
        step = int(str(folder).rpartition("-")[2])
        os.utime(folder, (10_000 - 1_000 * step,) * 2)

    monkeypatch.setattr(window_trainer, "mark_whole", written_in_the_past)
    tiny_trainer.train()
    assert last_whole(tmp_path)[0] == str(tmp_path / "checkpoint-2")


def test_a_run_killed_before_it_removed_an_old_checkpoint_ends_as_if_it_had_not_been(trained, tmp_path, monkeypatch):
    options = {**TWO_STEPS, "save_total_limit": 1}

    def killed(folder, *others, **more):
        if last_whole(folder)[0].endswith("-2"):
            raise KeyboardInterrupt

    monkeypatch.setattr(window_trainer, "rotate", killed)
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "killed", few(), **options).train()
    monkeypatch.undo()
    again = trainer(tmp_path / "killed", few(), **options)
    again.train(True)
    assert [path.name for path in (tmp_path / "killed").glob("checkpoint-*")] == ["checkpoint-2"]
    assert again.state.log_history[-1]["train_loss"] == trained.state.log_history[-1]["train_loss"]  # also of no step more


def test_an_old_checkpoint_is_removed_whole_or_not_at_all(tmp_path, monkeypatch):
    (tmp_path / "checkpoint-1").mkdir()
    (tmp_path / "checkpoint-2").mkdir()
    monkeypatch.setattr(shutil, "rmtree", lambda folder, **how: None)  # killed there
    rotate(tmp_path, 1, needed=())
    assert sorted(path.name for path in tmp_path.iterdir()) == [".draft-checkpoint-1.part", "checkpoint-2"]
    monkeypatch.undo()
    remove_drafts(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-2"]


def test_scores_of_the_card_hold_no_times(tmp_path):
    tiny_trainer = trainer(tmp_path, few(), max_steps=1)
    times = {"eval_runtime": 1.0, "eval_steps_per_second": 1.0, "eval_model_preparation_time": 0.1}
    tiny_trainer.state.log_history.append({"eval_loss": 0.5, **times})
    assert tiny_trainer.last_scores() == {"eval_loss": 0.5}


def test_an_adapter_that_does_not_fit_is_refused_when_training_goes_on(trained, tmp_path):
    path = f"{trained.args.output_dir}/checkpoint-1"
    others = {"of another shape": {"rank": 8}, "unexpected": {"scope": "text"}, "missing": {"scope": "all-linear"}}
    for difference, other in others.items():
        with pytest.raises(ValueError, match=f"does not fit this model: its tensors are .*{difference}"):
            trainer(tmp_path, few(), **TWO_STEPS | other).train(path)


@pytest.mark.parametrize("family", FAMILIES)
def test_saved_weights_of_every_family_are_read_back_under_whatever_names_they_have(family, tmp_path):
    model = fresh(family).model
    saved = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.save_pretrained(tmp_path)
    for tensor in model.state_dict().values():
        tensor.fill_(7)
    assert load_weights(model, tmp_path) == len(saved)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, saved[name]), name


def test_weights_that_do_not_fit_are_refused_when_training_goes_on(all_trained, tmp_path):
    from safetensors.torch import load_file, save_file

    path = shutil.copytree(f"{all_trained.args.output_dir}/checkpoint-1", tmp_path / "checkpoint-1")
    tiny_trainer = trainer(tmp_path / "other", few(), scope=None, **TWO_STEPS)
    before = weights(tiny_trainer)
    whole = load_file(path / "model.safetensors")
    name = next(name for name in whole if "fc1.weight" in name)
    spoilt = {
        f"1 missing .{name}": {key: value for key, value in whole.items() if key != name},
        "1 unexpected .extra": whole | {"extra": torch.zeros(2)},
        f"1 of another shape .{name}": whole | {name: whole[name][:, :3].clone()},
    }
    for difference, tensors in spoilt.items():
        save_file(tensors, path / "model.safetensors", {"format": "pt"})
        mark_whole(path)
        sentence = f"weights in .*checkpoint-1 do not fit this model: .*{difference}.* Go on with the model"
        with pytest.raises(ValueError, match=sentence):
            tiny_trainer.train(str(path))
        assert all(torch.equal(tensor, before[name]) for name, tensor in weights(tiny_trainer).items())


def test_an_adapter_is_not_gone_on_from_with_all_weights_nor_the_other_way_round(trained, all_trained, tmp_path):
    for run, other, sentence in ((trained, None, "which holds an adapter alone"), (all_trained, "text", "cannot be read")):
        with pytest.raises(ValueError, match=sentence):
            trainer(tmp_path, few(), scope=other, **TWO_STEPS).train(f"{run.args.output_dir}/checkpoint-1")


def test_the_best_weights_are_put_back_at_the_end_of_a_run_that_trains_all_of_them(tmp_path):
    """LLaVA's are saved under older names than the model's own.

    The loss of the rows that are trained falls in the first step, which goes down their gradient, and rises in the
    others, which go up: which step is best is no matter of rounding.
    """
    options = {
        "max_steps": 3, "save_strategy": "steps", "save_steps": 1, "eval_strategy": "steps", "eval_steps": 1,
        "load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "learning_rate": 0.5, "vision_loss_weight": 0.5,
    }  # fmt: skip
    tiny_trainer = fivl_rows.trainer(tmp_path, evaluated=fivl_rows.rows(), **options)
    before = tiny_trainer.evaluate()["eval_loss"]
    optimizer = tiny_trainer.create_optimizer()
    tiny_trainer.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 if step < 1 else -1)
    tiny_trainer.train()
    scores = [entry["eval_loss"] for entry in tiny_trainer.state.log_history if "eval_loss" in entry]
    assert scores[0] < 0.99 * min(before, *scores[1:])
    assert tiny_trainer.evaluate()["eval_loss"] == pytest.approx(scores[0], rel=1e-6)


def test_a_cut_adapter_file_is_an_error_wherever_it_is_read(tmp_path):
    tiny_trainer = trainer(tmp_path, few(), max_steps=1)
    tiny_trainer.save_model()
    assert check_adapter(tiny_trainer.model, tmp_path, same_values=True) == len(
        [name for name, p in tiny_trainer.model.named_parameters() if p.requires_grad]
    )
    with torch.no_grad():
        next(p for p in tiny_trainer.model.parameters() if p.requires_grad).add_(1)
    with pytest.raises(ValueError, match="1 of other values"):
        check_adapter(tiny_trainer.model, tmp_path, same_values=True)
    file = tmp_path / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ValueError, match="cannot be read: .*It may have been cut short"):
        check_adapter(tiny_trainer.model, tmp_path)
    with pytest.raises(Exception, match="(?i)safetensor|incomplete|fit"):
        with_adapter(tiny_kosmos2(latent_query_num=8, gain=1).model, tmp_path)
