# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of training on two ranks: they train and evaluate what one does, and go on as if never interrupted."""

from collections import Counter

import pytest
import torch

from promvil_hf.training.chain_texts import row_levels
from promvil_hf.training.curriculum import Curriculum, Cut, times_trained
from tests.laws import chat_chains, chat_chains_two_ranks, fivl_rows, fivl_two_ranks
from tests.laws.promvil_rows import apart, losses, rows, trainer, weights
from tests.laws.two_ranks import on_two_ranks


pytestmark = [
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning"),  # peft 0.21 asks for it
]
CURRICULA = ("none", "levels", "cumulative", "competence")


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory):
    """All trainings in one pair of processes: most of their time is loading the libraries."""
    folder = tmp_path_factory.mktemp("ranks")
    return on_two_ranks(folder, "promvil_two_ranks:middle", "fivl_two_ranks", "chat_chains_two_ranks"), folder


# PromViL


def test_two_ranks_train_what_one_does(two_ranks, tmp_path):
    ranks = two_ranks[0]["promvil_two_ranks"]
    assert ranks[0]["world"] == 2
    run = trainer(
        tmp_path, rows(8, 2), per_device_train_batch_size=4, gradient_accumulation_steps=2, curriculum="levels",
        level_weights=[1.0, 0.5, 2.0], optim="sgd", max_steps=4,
    )  # fmt: skip
    run.train()
    saved = torch.load(two_ranks[1] / "promvil_two_ranks" / "weights.pt")
    assert apart(saved, weights(run)) < 1e-5
    assert ranks[0]["losses"] == pytest.approx(losses(run), abs=2e-6) == ranks[1]["losses"]
    for name in ("loss_level_1", "loss_level_2"):
        expected = [entry[name] for entry in run.state.log_history if name in entry]
        assert ranks[0][name] == pytest.approx(expected, abs=1e-5) and expected


@pytest.mark.parametrize("family", chat_chains_two_ranks.FAMILIES)
def test_two_ranks_train_chains_of_other_families_with_the_vision_loss_as_one_does(family, two_ranks, tmp_path):
    ranks = two_ranks[0]["chat_chains_two_ranks"]
    run = chat_chains.trainer(tmp_path, family, per_device_train_batch_size=8, **chat_chains_two_ranks.OPTIONS)
    run.train()
    saved = torch.load(two_ranks[1] / "chat_chains_two_ranks" / f"{family}.pt")
    assert fivl_rows.apart(saved, fivl_rows.weights(run)) < 1e-5
    assert ranks[0][family] == pytest.approx(losses(run), abs=4e-6) == ranks[1][family]


def test_two_ranks_evaluate_each_row_once(two_ranks, tmp_path):
    ranks = two_ranks[0]["promvil_two_ranks"]
    run = trainer(tmp_path, eval_generate=2)
    expected = run.evaluate(run.train_dataset)
    for name, value in ranks[0]["evaluation"].items():
        assert value == pytest.approx(expected[name], abs=1e-5), name


def check_resumed(ranks, curriculum):
    for rank in ranks:
        run = rank["resumed"][curriculum]
        assert run["orders"] and all(order == run["order"][-len(order) :] for order in run["orders"])
        assert max(run["apart"]) < 1e-6
    if curriculum != "none":
        cuts = [Cut(*cut) for rank in ranks for cut in rank["resumed"][curriculum]["order"]]
        levels = [row_levels(row) for row in rows(4, 1)]
        stated: Counter = Counter()
        for epoch in range(2):
            stated += times_trained(Curriculum(curriculum).epoch(levels, 3, epoch), levels)
        assert times_trained(cuts, levels) == stated


def test_two_ranks_resume_in_the_middle_of_an_epoch_as_if_never_interrupted(two_ranks):
    """Of the curriculum whose order differs most between epochs; the slow test takes each, at any checkpoint."""
    check_resumed(two_ranks[0]["promvil_two_ranks"], "competence")


@pytest.mark.slow
def test_shards_of_fsdp2_give_the_loss_and_each_gradient_of_the_whole_model(tmp_path):
    """torch's own, over gloo: accelerate, which would call it, does so on GPUs only."""
    for rank in on_two_ranks(tmp_path, "promvil_sharded")["promvil_sharded"]:
        assert rank["sharded"] and rank["same"] and rank["layers"] >= 4
        assert rank["compared"] == sum(p.requires_grad for p in trainer(tmp_path).model.parameters())
        assert rank["loss"][1] == pytest.approx(rank["loss"][0], abs=2e-6) and rank["apart"] < 1e-5


@pytest.mark.slow
def test_two_ranks_resume_at_any_checkpoint_as_if_never_interrupted(tmp_path):
    ranks = on_two_ranks(tmp_path, "promvil_two_ranks:every")["promvil_two_ranks"]
    for curriculum in CURRICULA:
        check_resumed(ranks, curriculum)


# FiVL


def test_two_ranks_train_and_evaluate_fivl_as_one_does(two_ranks, tmp_path):
    ranks = two_ranks[0]["fivl_two_ranks"]
    assert ranks[0]["world"] == 2
    fresh = fivl_rows.begun()
    for name in fivl_two_ranks.TRIED:
        run = fivl_rows.trainer(tmp_path, vision_loss_weight=fivl_rows.TERMS[name])
        run.train()
        ended = torch.load(two_ranks[1] / "fivl_two_ranks" / f"{name}.pt")
        assert fivl_rows.apart({key: ended[key] - fresh[key] for key in ended}, fivl_rows.moved(run)) < 2e-5
        for key, value in ranks[0][name].items():
            assert value == pytest.approx(fivl_rows.log(run)[key], rel=1e-5, abs=1e-7), (name, key)
    expected = fivl_rows.trainer(tmp_path, per_device_eval_batch_size=8).evaluate(fivl_rows.rows(3, 9))
    for rank in ranks:
        for key in ("eval_loss", "eval_lm_loss", "eval_vm_loss", "eval_vm_accuracy", "eval_patch_iou"):
            assert rank["evaluation"][key] == pytest.approx(expected[key], rel=1e-5, abs=1e-7), key
