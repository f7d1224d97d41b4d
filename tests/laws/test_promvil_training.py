# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of PromViL's training, on a tiny Kosmos-2 in fp32: shared is repeated, cut up is whole, resumed is uninterrupted."""

from collections import Counter

import pytest
import torch
from transformers import Trainer

from benchmarks.train_step import Ready
from promvil_hf.toy.models import tiny_kosmos2
from promvil_hf.training.chain_texts import Texts, row_levels
from promvil_hf.training.curriculum import Curriculum, Cut, times_trained
from promvil_hf.training.promvil_trainer import target_losses
from tests.laws.promvil_rows import apart, logged, losses, rows, same_logs, trainer, weights


pytestmark = [
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning"),  # peft 0.21 asks for it
]
CURRICULA = ("none", "levels", "cumulative", "competence")


def lively(model):
    """LoRA's second factor starts at zero, which hides half of the gradients."""
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    return model


def gradients(model) -> dict:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


# One vision pass


def test_one_vision_pass_and_a_packed_row_give_the_loss_and_each_gradient_of_the_repeated_way(tmp_path):
    run = trainer(tmp_path)
    model = lively(run.model)
    ready = Ready(k=4, samples=2, model=model, processor=run.processing_class)
    loss = ready.step("big_batch")
    expected = ready.gradients()
    assert len(expected) == sum(p.requires_grad for p in model.parameters())
    assert {"vision_model", "text_model", "image_to_text_projection"} <= {
        part for name in expected for part in name.split(".")
    }
    for variant in ("reference", "image_shared", "packed"):
        assert ready.step(variant) == pytest.approx(loss, abs=2e-6), variant
        assert apart(ready.gradients(), expected) < 2e-5, variant
    counted = [ready.counted(variant) for variant in ("reference", "image_shared", "packed")]
    found = counted[2].apart(counted[0])
    assert abs(found["loss"]) <= 2e-6 and found["gradient"] <= 1e-6
    assert [step.pictures for step in counted] == [8, 2, 2]


def test_rows_split_over_a_picture_give_the_same_gradients(tmp_path):
    run = trainer(tmp_path, dropout=0.0)
    model = lively(run.model).train()
    collate = run.data_collator
    mixed = [row for row in rows() for _ in range(2)][:6]  # two chains a picture
    found = {}
    for limit in (2048, 70):
        collate.max_row_tokens = limit
        batch = collate(mixed)
        assert (len(batch["branch"]) == len(batch["pixel_values"])) == (limit == 2048)
        model.zero_grad()
        (target_losses(model, batch) * batch["target_weight"]).mean().backward()
        found[limit] = gradients(model)
    assert apart(found[70], found[2048]) < 2e-5


def test_the_packed_step_costs_a_quarter_of_the_repeated_one():
    """Floating-point operations, which are counted and therefore the same on every machine."""
    ready = Ready("quarter", k=4, samples=1)
    assert ready.counted("reference").flops / ready.counted("packed").flops >= 3.8


def test_packed_rows_of_like_samples_are_hardly_padded(tmp_path):
    run = trainer(tmp_path)
    ready = Ready(k=4, samples=4, model=run.model, processor=run.processing_class)
    assert ready.counted("packed").flops / ready.counted("floor").flops <= 1.05


# Windows


def test_eight_rows_at_once_are_eight_rows_one_by_one(tmp_path):
    runs = {}
    for size, windows in ((8, 1), (1, 8)):
        run = trainer(
            tmp_path / str(size), rows(8, 2), per_device_train_batch_size=size, gradient_accumulation_steps=windows,
            curriculum="levels", level_weights=[1.0, 0.5, 2.0], optim="sgd", max_steps=4,
        )  # fmt: skip
        run.train()
        runs[size] = run
    assert losses(runs[1]) == pytest.approx(losses(runs[8]), abs=2e-6)
    assert apart(weights(runs[1]), weights(runs[8])) < 1e-5


def test_the_loss_is_logged_by_level_and_adds_up(tmp_path):
    run = trainer(tmp_path, curriculum="none", per_device_train_batch_size=4, max_steps=1, gradient_accumulation_steps=1)
    seen = []
    collate = run.data_collator
    run.data_collator = lambda some: (seen.append(collate(some)), seen[-1])[1]
    run.train()
    (entry,) = [entry for entry in run.state.log_history if "loss" in entry]
    counts = Counter(seen[0]["target_level"].tolist())
    names = {0: "loss_questions", 1: "loss_level_1", 2: "loss_level_2", 3: "loss_level_3"}
    assert {name for name in entry if name.startswith("loss_")} == {names[level] for level in counts}
    total = sum(counts[level] * entry[names[level]] for level in counts)
    assert total / sum(counts.values()) == pytest.approx(entry["loss"], abs=1e-5)


# Order


def consumed(trainer) -> list[Cut]:
    """The cuts in the order in which the collator meets them."""
    seen: list[Cut] = []
    collate = trainer.data_collator
    trainer.data_collator = lambda some: (seen.extend(row["cut"] for row in some), collate(some))[1]
    return seen


def test_without_a_curriculum_the_order_is_that_of_the_plain_trainer(tmp_path):
    run = trainer(tmp_path, curriculum="none", num_train_epochs=2, per_device_train_batch_size=2)
    seen = consumed(run)
    run.train()

    class Model(torch.nn.Module):
        weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, number):
            return {"loss": (self.weight * number.float()).sum()}

    plain: list[int] = []
    model = Model()
    model.register_forward_pre_hook(lambda module, args, kwargs: plain.extend(kwargs["number"].tolist()), with_kwargs=True)
    settings = run.args
    Trainer(
        model, settings, train_dataset=[{"number": number} for number in range(len(run.train_dataset))]
    ).train()
    assert [cut.row for cut in seen] == plain and sorted(plain[:11]) == list(range(11))


@pytest.mark.parametrize("curriculum", CURRICULA)
def test_each_step_is_trained_as_often_as_the_schedule_states(tmp_path, curriculum):
    run = trainer(
        tmp_path, curriculum=curriculum, curriculum_repeat=0.5, num_train_epochs=2, per_device_train_batch_size=2
    )  # fmt: skip
    trained: Counter = Counter()
    identity = {id(row["image"]): None for row in run.train_dataset.rows}
    assert len(identity) < len(run.train_dataset)
    collate = run.data_collator

    def watched(some):
        for row in some:
            for text in Texts().of_row(row):
                if row["cut"].trains(text.level):
                    trained[row["cut"].row, text.level, text.text] += 1
        return collate(some)

    run.data_collator = watched
    run.training_step = lambda *given, **more: torch.zeros(())  # which texts come is asked, not what they teach
    run.train()
    levels = [row_levels(row) for row in run.train_dataset.rows]
    stated: Counter = Counter()
    for epoch in range(2):
        if curriculum == "none":
            times = Counter((row, level) for row, levels_of_row in enumerate(levels) for level in levels_of_row)
        else:
            times = times_trained(Curriculum(curriculum, 0.5).epoch(levels, 3, epoch), levels)
        for (row, level), often in times.items():
            for text in Texts().of_row(run.train_dataset.rows[row]):
                if text.level == level:
                    stated[row, level, text.text] += often
    assert trained == stated
    repeated = set(stated.values())
    assert repeated == {2} if curriculum in ("none", "levels") else len(repeated) > 1


def check_resuming(folder, curriculum, every, **others):
    """Two epochs with dropout; the run is resumed from each checkpoint in turn."""
    options = {
        "curriculum": curriculum, "num_train_epochs": 2, "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 2, "save_strategy": "steps", "save_steps": 1 if every else 0.55, "dropout": 0.2,
        "logging_steps": 3, **others,
    }  # fmt: skip
    few = rows(4, 1)
    whole = trainer(folder / "whole", few, **options)
    order = consumed(whole)
    whole.train()
    steps = whole.state.max_steps
    assert steps >= 4 and order[: len(order) // 2] != order[len(order) // 2 :]
    saved = sorted(int(path.name.rpartition("-")[2]) for path in (folder / "whole").glob("checkpoint-*"))
    assert saved[0] == 1 if every else steps // 2 < saved[0] < steps  # within the second epoch
    for step in saved[:-1]:
        again = trainer(folder / "again", few, **{**options, "save_strategy": "no"})
        seen = consumed(again)
        again.train(resume_from_checkpoint=str(folder / "whole" / f"checkpoint-{step}"))
        assert seen[-1] == order[-1] and seen == order[-len(seen) :], step
        assert apart(weights(again), weights(whole)) < 1e-6, step
        assert same_logs(logged(again), logged(whole)), step


@pytest.mark.parametrize("curriculum", ["none", "competence"])
def test_a_run_resumed_in_the_middle_of_an_epoch_is_the_uninterrupted_one(tmp_path, curriculum):
    """Both ways to an order: the trainer's sampler and ours. The next test has levels; the slow one has all, anywhere."""
    check_resuming(tmp_path, curriculum, every=False)


def test_a_run_that_trains_all_weights_is_resumed_as_if_never_interrupted(tmp_path):
    check_resuming(tmp_path, "levels", every=False, scope=None, learning_rate=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("curriculum", CURRICULA)
def test_a_run_resumed_at_any_checkpoint_is_the_uninterrupted_one(tmp_path, curriculum):
    check_resuming(tmp_path, curriculum, every=True)


# What moves


def test_every_lora_tensor_moves_and_no_base_tensor_does(tmp_path):
    run = trainer(tmp_path, max_steps=3, gradient_accumulation_steps=1)
    lively(run.model)
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    run.train()
    after = run.model.state_dict()
    moved = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert moved == {name for name in before if "lora_" in name}
    assert {part for part in ("vision_model", "text_model", "image_to_text_projection") if any(part in n for n in moved)} == {
        "vision_model", "text_model", "image_to_text_projection",
    }  # fmt: skip


def test_activation_checkpointing_gives_the_same_gradients_in_both_towers(tmp_path):
    found = {}
    for on in (False, True):
        run = trainer(tmp_path, max_steps=1, optim="sgd", activation_checkpointing=on, gradient_accumulation_steps=1)
        lively(run.model)
        before = weights(run)
        run.train()
        after = weights(run)
        found[on] = {name: after[name] - before[name] for name in after}
        assert run.model.base_model.model.text_model.model.gradient_checkpointing == on
    assert any("vision_model" in name for name in found[True])
    assert all(change.norm() > 0 for change in found[True].values())
    assert apart(found[True], found[False]) < 1e-5


def test_a_four_bit_base_is_trained_on_the_cpu(tmp_path):
    pytest.importorskip("bitsandbytes")
    from transformers import AutoModelForImageTextToText, BitsAndBytesConfig

    from promvil_hf.backends.lora_scopes import lora_config
    from promvil_hf.training.promvil_config import PromViLConfig
    from promvil_hf.training.promvil_trainer import PromViLTrainer

    tiny = tiny_kosmos2(latent_query_num=8, width=64)
    tiny.model.save_pretrained(tmp_path / "base")
    model = AutoModelForImageTextToText.from_pretrained(
        tmp_path / "base", quantization_config=BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4"), device_map="cpu"
    )
    config = PromViLConfig(
        str(tmp_path), max_steps=4, use_cpu=True, save_strategy="no", logging_steps=1, learning_rate=1e-2,
        disable_tqdm=True, activation_checkpointing=True,
    )  # fmt: skip
    run = PromViLTrainer(
        model, config, processing_class=tiny.processor, train_dataset=rows(3, 0),
        peft_config=lora_config("reference", r=8, alpha=8, dropout=0.0),
    )  # fmt: skip
    before = weights(run)
    run.train()
    seen = losses(run)
    assert seen[-1] < seen[0]
    assert not any(torch.equal(tensor, before[name]) for name, tensor in weights(run).items())
