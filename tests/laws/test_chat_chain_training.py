# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of chain training with FiVL's loss on patch-token families: packed is repeated, resumed is uninterrupted."""

import pytest
import torch

from promvil_hf import masks
from promvil_hf.backends.base import Request
from promvil_hf.boxes import Box
from promvil_hf.toy.models import tiny_kosmos2
from promvil_hf.training import row_pictures
from promvil_hf.training.chain_texts import chain_in
from promvil_hf.training.promvil_config import PromViLConfig
from promvil_hf.training.promvil_trainer import PromViLTrainer
from promvil_hf.training.vision_labels import LabelRules
from tests.laws.chat_chains import (
    APART,
    PACKED,
    as_a_whole,
    backend,
    collator,
    gradients,
    joint,
    repeated,
    texts_of,
    trainer,
)
from tests.laws.fivl_rows import apart, weights
from tests.laws.promvil_rows import logged, losses, rows, same_logs


# Rows are cut without looking at the family: one of plain positions, one of three axes, one of many tiles.
CUT_OTHERWISE = ("llava", "qwen3_vl", "smolvlm")


@pytest.mark.parametrize("family", PACKED + APART)
def test_one_picture_for_all_its_texts_gives_the_loss_and_each_gradient_of_the_repeated_way(family):
    times = 2 if family in CUT_OTHERWISE else 1  # twice, there are texts enough for several rows of a picture
    patch_backend, some = backend(family), [row for row in rows(2, 1)[:2] for _ in range(times)]
    loss = repeated(patch_backend, some)
    loss.backward()
    expected = gradients(patch_backend.model)
    seen = []
    towers = ("vision_tower", "visual", "vision_model")
    tower = next(module for name, module in patch_backend.model.named_modules() if name.endswith(towers))
    tower.register_forward_pre_hook(lambda module, args, kwargs: seen.append(1), with_kwargs=True)
    ways = {"packed": {}} if family in PACKED else {"apart": {}}
    if family in CUT_OTHERWISE:
        ways |= {"apart": {"pack": False}, "a few a row": {"max_tokens": 330}}
    pictures = len({id(row["image"]) for row in some})
    for way, options in ways.items():
        batch = collator(patch_backend, **options)(some)
        assert len(batch["image_of_row"].unique()) == pictures and ("branch" in batch) == (family in PACKED)
        patch_backend.model.zero_grad()
        found = joint(patch_backend, batch)
        found.backward()
        assert float(found.detach()) == pytest.approx(float(loss.detach()), abs=2e-6), way
        assert apart(gradients(patch_backend.model), expected) < 1e-5, way
        assert as_a_whole(gradients(patch_backend.model), expected) <= 1e-6, way
        assert (way == "packed") == (len(batch["image_of_row"]) == pictures)
    assert len(seen) == len(ways)


@pytest.mark.parametrize("family", ("llava", "qwen3_vl", "paligemma"))
def test_answers_are_trained_and_nothing_else(family):
    """No evidence, no question, no picture; and the prompt is the one that is asked at inference."""
    patch_backend, some = backend(family), rows(4, 1)
    collate = collator(patch_backend)
    for row in some:
        size = collate.open_image(row).size
        for chain_text in texts_of(collate, row):
            [(question, answer)] = chain_text.chat_text.turns
            assert chain_text.talk.text.startswith(patch_backend.prompt_of(Request(question, collate.open_image(row))).rstrip())
            trained = "".join(chain_text.talk.text[start:end] for start, end in chain_text.talk.spans)
            assert trained.startswith(answer) and len(trained) - len(answer) < 20
            if chain_text.chat_text.step is not None:
                assert patch_backend.dialect.parse(answer, image_size=size).boxes
        batch = collate([row])
        assert not patch_backend.image_positions(batch)[batch["target_row"], batch["target_place"] + 1].any()
        answered = torch.stack([batch["target_row"], batch["target_branch"]]).unique(dim=1)
        assert answered.shape[1] == len(texts_of(collate, row))


@pytest.mark.parametrize("family", ("llava", "qwen2_5_vl", "paligemma"))
def test_eight_rows_at_once_are_eight_rows_one_by_one(family, tmp_path):
    runs = {}
    for size, windows in ((8, 1), (1, 8)):
        run = trainer(
            tmp_path / str(size), family, per_device_train_batch_size=size, gradient_accumulation_steps=windows,
            vision_loss_weight=0.3, curriculum="levels", level_weights=[1.0, 0.5, 2.0], max_steps=2, learning_rate=0.1,
        )  # fmt: skip
        run.train()
        runs[size] = run
    assert losses(runs[1]) == pytest.approx(losses(runs[8]), abs=4e-6)
    assert apart(weights(runs[1]), weights(runs[8])) < 1e-5
    entry = runs[8].state.log_history[0]
    assert {"lm_loss", "vm_loss", "vm_accuracy", "loss_level_1"} <= entry.keys()
    assert entry["loss"] == pytest.approx(0.7 * entry["lm_loss"] + 0.3 * entry["vm_loss"], abs=1e-4)


def test_without_a_weight_it_is_plain_chain_training_and_nothing_is_labelled(tmp_path):
    plain, weighed = trainer(tmp_path / "plain"), trainer(tmp_path / "weighed", vision_loss_weight=0.0)
    for run in (plain, weighed):
        run.train()
        assert run.data_collator.rules is None and list(run.mixture) == ["loss"]
    assert logged(plain) == logged(weighed)
    assert all(torch.equal(tensor, weights(weighed)[name]) for name, tensor in weights(plain).items())
    joint_run = trainer(tmp_path / "joint", vision_loss_weight=0.3)
    joint_run.train()
    assert not all(torch.equal(tensor, weights(joint_run)[name]) for name, tensor in weights(plain).items())


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path):
    options = {
        "family": "smolvlm", "vision_loss_weight": 0.2, "curriculum": "competence", "max_steps": 4, "optim": "adamw_torch",
        "learning_rate": 1e-3, "per_device_train_batch_size": 2,
    }  # fmt: skip
    whole = trainer(tmp_path / "whole", **options, save_strategy="steps", save_steps=2)
    whole.train()
    again = trainer(tmp_path / "again", **options)
    again.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-2"))
    assert apart(weights(again), weights(whole)) < 1e-6 and same_logs(logged(again), logged(whole))


@pytest.mark.parametrize("family", ("llava", "gemma3"))
def test_too_long_texts_are_refused_and_counted_and_the_model_runs(family, tmp_path):
    patch_backend, some = backend(family), rows(2, 0)
    collate = collator(patch_backend)
    whole = collate(some)
    texts = sum(len(texts_of(collate, row)) for row in some)
    assert int(whole["refused"]) == 0
    few = collator(patch_backend, max_tokens=10)(some)
    assert int(few["refused"]) == texts and not len(few["target_row"]) and not len(few["patch_row"])
    chain_losses_of_nothing = trainer(tmp_path, family, train=some, max_length=10, max_steps=1, vision_loss_weight=0.3)
    chain_losses_of_nothing.train()
    assert logged(chain_losses_of_nothing)[0]["refused_texts"] == texts


def test_known_masks_are_used_and_boxes_stand_for_the_others():
    patch_backend, [row] = backend("llava"), rows(1, 0)
    collate = collator(patch_backend)
    [step, *_] = chain_in(row).steps
    size = collate.open_image(row).size


    def labelled(boxes):
        return collate([row | {"masks": {step.target.text: masks.from_boxes(boxes, size).to_dict()}}])["patch_place"]

    x0, y0, x1, y1 = step.target.boxes[0].xyxy
    assert torch.equal(labelled(step.target.boxes), collate([row])["patch_place"])
    assert len(labelled([Box(x0, y0, x0 + 0.01, y0 + 0.01)])) < len(labelled([Box(x0, y0, x1, y1)]))


def test_evaluation_grounds_with_the_model_that_is_trained(tmp_path):
    run = trainer(tmp_path, "qwen3_vl", train=rows(2, 0), evaluated=rows(3, 1), eval_generate=2, vision_loss_weight=0.3)
    found = run.evaluate()
    assert 0 <= found["eval_accuracy"] <= 1 and {"eval_lm_loss", "eval_vm_loss", "eval_parse_rate"} <= found.keys()


@pytest.mark.parametrize("options, said", [
    ({"vision_loss_weight": 0.1}, "latent queries, so it has no patches"),
    ({"system_prompt": "Be brief."}, "Its texts have no place for it"),
])  # fmt: skip
def test_kosmos2_says_what_it_cannot_do(options, said, tmp_path):
    tiny = tiny_kosmos2(latent_query_num=8)
    with pytest.raises(ValueError, match=said):
        PromViLTrainer(tiny.model, PromViLConfig(str(tmp_path), use_cpu=True, **options), processing_class=tiny.processor)


def test_a_picture_is_opened_once_and_what_taught_no_patch_is_said(tmp_path, monkeypatch):
    seen = []
    read = row_pictures.read_image
    monkeypatch.setattr(row_pictures, "read_image", lambda image: (seen.append(1), read(image))[1])
    [row] = rows(1, 0)
    collate = collator(backend("llava"), rules=LabelRules(max_mask_fraction=0.01))
    collate([row, row])
    assert len(seen) == 1 and collate.unused["too large"] > 0
    run = trainer(tmp_path, train=[row], max_steps=1, vision_loss_weight=0.3, max_mask_fraction=0.01)
    run.train()
    assert next(run.remarks()).startswith("phrases whose region taught no patch: too large ")


def test_what_is_trained_can_be_shown():
    from promvil_hf.training.shown_batches import shown_chat_chains

    for family in ("llava", "gemma3"):
        patch_backend, [row] = backend(family), rows(1, 0)
        collate = collator(patch_backend)
        texts = list(shown_chat_chains(collate([row]), [row], collate))
        assert len(texts) == len(texts_of(collate, row)) and all(text.boxes for text in texts)
