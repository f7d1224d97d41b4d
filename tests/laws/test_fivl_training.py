# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of FiVL's training on tiny models in fp32: cut up is whole, λ = 0 is plain, forgetting labels is an error."""

import json
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from peft import LoraConfig
from transformers import Trainer, TrainingArguments

from promvil_hf.commands.train_fivl import toy_rows, train
from promvil_hf.toy import models
from promvil_hf.training.fivl_collator import FiVLCollator, backend_of
from promvil_hf.training.fivl_trainer import score
from tests.laws.fivl_rows import SETTINGS, TERMS, TEXT_ONLY, apart, config, log, moved, rows, trainer, weights
from tests.laws.promvil_rows import logged, same_logs
from tests.unit.toy.models.families import fresh


pytestmark = [pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")]
ROOT = Path(__file__).resolve().parents[2]
FAMILIES = ("llava", "paligemma", "qwen2_5_vl")  # takes num_items_in_batch; has a prefix; takes none and pads its own way


# λ = 0


class WithoutVision(FiVLCollator):
    def __call__(self, some):
        batch = super().__call__(some)
        del batch["vision_labels"]
        return batch


@pytest.mark.parametrize("accumulation", [1, 4])
def test_weight_zero_is_a_plain_trainer(tmp_path, accumulation):
    options = {
        "vision_loss_weight": 0.0, "per_device_train_batch_size": 8 // accumulation, "max_steps": 2,
        "gradient_accumulation_steps": accumulation, "learning_rate": 0.05,
    }  # fmt: skip
    fivl = trainer(tmp_path / "fivl", **options)
    fivl.train()
    tiny = models.tiny_llava()
    del options["vision_loss_weight"]
    plain = Trainer(
        tiny.model,
        TrainingArguments(str(tmp_path / "plain"), remove_unused_columns=False, **SETTINGS | options),
        data_collator=WithoutVision(backend_of(tiny.model, tiny.processor)),
        train_dataset=rows(),
    )
    plain.train()
    losses = [[entry["loss"] for entry in each.state.log_history if "loss" in entry] for each in (fivl, plain)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6) and len(losses[0]) == 2
    assert apart(weights(fivl), weights(plain)) < 1e-6
    assert log(fivl)["vm_loss"] > 0 and log(fivl)["lm_loss"] == pytest.approx(log(fivl)["loss"], rel=1e-6)


# Cut up is whole


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Eight rows in one batch, for each mixture of the terms."""
    made = {}
    for name, weight in TERMS.items():
        made[name] = trainer(tmp_path_factory.mktemp(name), vision_loss_weight=weight)
        made[name].train()
    return made


@pytest.mark.parametrize(("term", "size"), [("lm", 2), ("vm", 1), ("joint", 1), ("joint", 2)])
def test_micro_batches_train_what_the_whole_batch_does(whole, tmp_path, term, size):
    """With one row a batch, rows 1 and 4, which have no patch labels, are not weighed as a separate window."""
    run = trainer(
        tmp_path, vision_loss_weight=TERMS[term], per_device_train_batch_size=size, gradient_accumulation_steps=8 // size
    )
    if size == 1:
        patches = [int(run.count(run.data_collator([row]))["vm_loss"]) for row in rows()]
        assert patches[1] == patches[4] == 0 and sum(patches) > 20
    run.train()
    assert apart(moved(run), moved(whole[term])) < 2e-5
    for name in ("loss", "lm_loss", "vm_loss", "vm_accuracy", "vm_patches"):
        assert log(run)[name] == pytest.approx(log(whole[term])[name], rel=1e-5, abs=1e-7), name


def test_the_terms_are_what_the_weights_say(whole):
    logs = {name: log(run) for name, run in whole.items()}
    for name, weight in TERMS.items():
        mixed = (1 - weight) * logs[name]["lm_loss"] + weight * logs[name]["vm_loss"]
        assert logs[name]["loss"] == pytest.approx(mixed, rel=1e-5)
    parts = {name: moved(run) for name, run in whole.items()}
    mixed = {key: 0.9 * parts["lm"][key] + 0.1 * parts["vm"][key] for key in parts["lm"]}
    assert apart(parts["joint"], mixed) < 2e-5


def test_a_window_without_any_patch_trains_the_whole_language_loss_unless_asked_otherwise(tmp_path):
    bare = [{**row, "key_expressions": []} for row in rows()]
    plain, joint = (trainer(tmp_path, bare, vision_loss_weight=weight) for weight in (0.0, 0.4))
    scaled = trainer(tmp_path, bare, vision_loss_weight=0.4, scale_lm_when_empty=True)
    for run in (plain, joint, scaled):
        run.train()
    assert apart(moved(joint), moved(plain)) < 1e-6
    assert apart(moved(scaled), {name: 0.6 * tensor for name, tensor in moved(plain).items()}) < 1e-5


@pytest.mark.parametrize("family", FAMILIES[1:])
def test_models_that_take_a_count_of_the_window_and_those_that_do_not_are_exact(tmp_path, family):
    logs, ended = [], []
    for size in (8, 2):
        run = trainer(
            tmp_path, family=family, vision_loss_weight=0.3, per_device_train_batch_size=size,
            gradient_accumulation_steps=8 // size, learning_rate=1e-3,
        )  # fmt: skip
        assert run.model_accepts_loss_kwargs == (family == "paligemma")
        run.train()
        logs.append(log(run))
        ended.append(weights(run))
    for name in ("loss", "lm_loss", "vm_loss"):
        assert logs[0][name] == pytest.approx(logs[1][name], rel=1e-5)
    assert apart(*ended) < 1e-5


# Stopped and resumed


@pytest.mark.parametrize("adapter", [False, True])
def test_a_run_resumed_in_the_middle_of_an_epoch_is_the_uninterrupted_one(tmp_path, adapter):
    options = {
        "max_steps": -1, "num_train_epochs": 2, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2,
        "save_strategy": "steps", "save_steps": 1, "learning_rate": 1e-2, "optim": "adamw_torch", "curriculum": "levels",
        "train_sampling_strategy": "random", "logging_steps": 2,
    }  # fmt: skip
    settings = {"r": 4, "lora_dropout": 0.2, "target_modules": ["q_proj", "v_proj"], "modules_to_save": ["linear_1"]}
    lora = LoraConfig(**settings) if adapter else None
    whole = trainer(tmp_path / "whole", peft_config=lora, **options)
    whole.train()
    assert whole.state.max_steps == 4
    for step in (1, 3):
        again = trainer(tmp_path / "again", peft_config=lora, **options)
        fresh = weights(again)
        again.train(resume_from_checkpoint=str(tmp_path / "whole" / f"checkpoint-{step}"))
        assert apart(weights(again), weights(whole)) < 1e-6 < 1e-3 < apart(fresh, weights(whole)), step
        assert same_logs(logged(again), logged(whole)), step


# The model's own forward


@pytest.mark.parametrize("family", FAMILIES)
def test_the_sums_are_those_of_full_logits_with_every_gradient(family):
    tiny = fresh(family)
    batch = FiVLCollator(backend_of(tiny.model, tiny.processor))(rows())
    sums, _ = score(tiny.model, batch)
    (sums.lm + 0.5 * sums.vm).backward()
    ours = {name: p.grad.clone() for name, p in tiny.model.named_parameters() if p.grad is not None}
    tiny.model.zero_grad(set_to_none=True)
    inputs = {name: tensor for name, tensor in batch.items() if name not in ("labels", "vision_labels")}
    logits = tiny.model(**inputs).logits.flatten(0, 1)
    lm = F.cross_entropy(
        logits, F.pad(batch["labels"], (0, 1), value=-100)[:, 1:].flatten(), reduction="sum"
    )
    vm = F.cross_entropy(logits, batch["vision_labels"].flatten(), reduction="sum")
    (lm + 0.5 * vm).backward()
    naive = {name: p.grad for name, p in tiny.model.named_parameters() if p.grad is not None}
    assert sums.lm.item() == pytest.approx(lm.item(), rel=1e-6)
    assert sums.vm.item() == pytest.approx(vm.item(), rel=1e-6)
    assert apart(ours, naive) < 1e-5
    assert tiny.model(**inputs).logits.shape[:2] == batch["labels"].shape  # the head is itself again


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_and_neighbours_change_no_loss(family):
    tiny = fresh(family)
    backend = backend_of(tiny.model, tiny.processor)
    ragged = [*rows(4), *toy_rows(2, 7, image_size=(168, 56))]
    image = FiVLCollator(backend)(ragged)["input_ids"] == tiny.model.config.image_token_id
    assert set(image.sum(1).tolist()) == ({0, 25, 27} if family == "qwen2_5_vl" else {0, 16})
    sides = [FiVLCollator(backend, padding_side=side)(ragged) for side in ("right", "left")]
    assert not torch.equal(sides[0]["attention_mask"], sides[1]["attention_mask"])
    right, left = (score(tiny.model, batch)[0] for batch in sides)
    alone = [score(tiny.model, FiVLCollator(backend)([row]))[0] for row in ragged]
    for name in ("lm", "vm"):
        wanted = sum(getattr(sums, name).item() for sums in alone)
        assert getattr(right, name).item() == pytest.approx(wanted, rel=2e-6)
        assert getattr(left, name).item() == pytest.approx(wanted, rel=2e-6)
    assert right.patches == left.patches == sum(sums.patches for sums in alone) > 0


def test_patch_labels_do_not_leak_into_the_language_loss():
    tiny = models.tiny_llava()
    batch = FiVLCollator(backend_of(tiny.model, tiny.processor))(rows())
    image = batch["input_ids"] == tiny.model.config.image_token_id
    assert (batch["labels"][image] == -100).all() and (batch["vision_labels"][~image] == -100).all()
    assert image.any() and (batch["vision_labels"] != -100).any()


# Forgetting


class Forgets(FiVLCollator):
    def __call__(self, some):
        batch = super().__call__(some)
        del batch["vision_labels"]
        return batch


def test_forgetting_the_labels_is_an_error_and_no_silent_language_model(tmp_path):
    forgetful = trainer(tmp_path)
    forgetful.data_collator = Forgets(forgetful.data_collator.backend)
    for run in (forgetful.train, lambda: forgetful.evaluate(rows(2))):
        with pytest.raises(ValueError, match="has no 'vision_labels' .* in silence. Use .*FiVLCollator"):
            run()
    batch = forgetful.data_collator(rows(2))
    assert forgetful.model(**batch, vision_labels=None).loss > 0  # the model itself takes and ignores what it does not know


# Under TRL


@pytest.mark.filterwarnings("ignore::FutureWarning:trl", "ignore::DeprecationWarning:trl")
def test_the_documented_trainer_under_trl_trains_what_ours_does(whole, tmp_path, monkeypatch):
    from datasets import Dataset
    from trl import SFTConfig

    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs/vision_modeling.md").read_text()
    block = next(code for code in re.findall(r"^```python\n(.*?)^```", page, re.S | re.M) if "SFTTrainer" in code)
    names: dict = {}
    exec(block.partition("\ntiny = ")[0], names)  # noqa: S102
    tiny = models.tiny_llava()
    labelled = [row for row in rows() if row is not TEXT_ONLY]  # its column of pictures cannot be empty
    sft = SFTConfig(
        str(tmp_path), max_length=None, remove_unused_columns=False, dataset_kwargs={"skip_prepare_dataset": True},
        activation_checkpointing=False, bf16=False,
        **SETTINGS | {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4},
    )  # fmt: skip
    under_trl = names["VisionModelingSFTTrainer"](
        tiny.model, sft, processing_class=tiny.processor, train_dataset=Dataset.from_list(labelled),
        data_collator=FiVLCollator(backend_of(tiny.model, tiny.processor), config(tmp_path).label_rules()),
    )  # fmt: skip
    under_trl.train()
    ours = trainer(tmp_path, labelled)
    ours.train()
    assert log(under_trl)["loss"] == pytest.approx(log(ours)["loss"], rel=1e-5)
    assert apart(moved(under_trl), moved(ours)) < 2e-5


# The whole path


def smoke(folder, *words):
    return train(["--config", str(ROOT / "recipes/llava/smoke.yaml"), "--output_dir", str(folder), *words])


def check_smoke(folder, iou, *words):
    joint = smoke(folder / "joint", *words)
    plain = smoke(folder / "plain", "--vision_loss_weight", "0", *words)
    losses = [entry["vm_loss"] for entry in joint.state.log_history if "vm_loss" in entry]
    assert losses[-1] < 0.6 * losses[0]
    with_vision, without = (run.state.log_history[-1] for run in (joint, plain))
    assert with_vision["eval_vm_loss"] < 0.6 * without["eval_vm_loss"]
    assert with_vision["eval_patch_iou"] > iou > 0.02 > without["eval_patch_iou"]
    assert with_vision["eval_lm_loss"] < 1.25 * without["eval_lm_loss"]
    check_reloaded(joint)
    card = (folder / "joint" / "README.md").read_text()
    for part in ("base_model: toy", "library_name: peft", "vision_loss_weight: 0.1", "| eval_patch_iou |", "rows of toy:"):
        assert part in card, part


def check_reloaded(run):
    from peft import PeftModel

    from promvil_hf.backends.adapter_loading import with_adapter
    from promvil_hf.commands.train_fivl import toy_base

    batch = run.data_collator([run.train_dataset[0]])
    inputs = {name: tensor for name, tensor in batch.items() if not name.endswith("labels")}
    with torch.no_grad():
        expected = run.model.eval()(**inputs).logits
        for load in (PeftModel.from_pretrained, with_adapter):
            model, _ = toy_base()
            before = model(**inputs).logits
            assert torch.equal(load(model, run.args.output_dir).eval()(**inputs).logits, expected)
            assert not torch.allclose(before, expected)


def test_a_short_smoke_run_learns_where_words_are_and_its_adapter_reloads_equal(tmp_path):
    check_smoke(tmp_path, 0.06, "--rows", "toy:14", "--eval_rows", "toy:4:1000", "--num_train_epochs", "6",
                "--per_device_train_batch_size", "4", "--eval_strategy", "no", "--logging_steps", "5")  # fmt: skip


@pytest.mark.slow
def test_the_smoke_recipe_learns_where_words_are_and_its_adapter_reloads_equal(tmp_path):
    check_smoke(tmp_path, 0.15)


@pytest.mark.slow
def test_a_sweep_runs_each_combination_and_writes_a_table(tmp_path):
    table = smoke(
        tmp_path, "--rows", "toy:16", "--eval_rows", "toy:4:1000", "--num_train_epochs", "1", "--eval_strategy", "no",
        "--sweep", "vision_loss_weight=0,0.3", "mask_noise=perfect,random",
    )  # fmt: skip
    assert json.loads((tmp_path / "sweep.json").read_text()) == table
    assert [(row["vision_loss_weight"], row["mask_noise"]) for row in table] == [
        (0.0, "perfect"), (0.0, "random"), (0.3, "perfect"), (0.3, "random"),
    ]  # fmt: skip
    assert len({row["eval_vm_loss"] for row in table}) >= 3  # without the vision term the masks do not matter


def test_a_qlora_step_of_the_joint_loss_runs_on_a_cpu(tmp_path):
    pytest.importorskip("bitsandbytes")
    import transformers

    from promvil_hf.training.adapters import AdapterArguments, lora

    tiny = models.tiny_llava(width=64)
    tiny.model.save_pretrained(tmp_path / "base")
    quantised = transformers.AutoModelForImageTextToText.from_pretrained(
        tmp_path / "base",
        quantization_config=transformers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4"),
        device_map="cpu",
    )
    from promvil_hf.training.fivl_trainer import FiVLTrainer

    run = FiVLTrainer(
        quantised, config(tmp_path, vision_loss_weight=0.5, learning_rate=1.0), processing_class=tiny.processor,
        train_dataset=rows(), peft_config=lora(AdapterArguments(lora_scope="text_and_projector", lora_r=4), quantised),
    )  # fmt: skip
    before = weights(run)
    assert any("lora" in name for name in before) and any("multi_modal_projector" in name for name in before)
    run.train()
    changed = [name for name, tensor in weights(run).items() if not torch.equal(tensor, before[name])]
    assert sum("lora_B" in name for name in changed) == sum("lora_B" in name for name in before)
    assert log(run)["vm_loss"] > 0


def test_lora_on_the_head_is_trained_through_the_head_itself(tmp_path):
    run = trainer(tmp_path, peft_config=LoraConfig(r=4, target_modules=["lm_head"]), vision_loss_weight=0.5)
    with torch.no_grad():
        for name, parameter in run.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    batch = run.data_collator(rows())
    sums, likely = score(run.model, batch, likely=True)
    inputs = {name: tensor for name, tensor in batch.items() if not name.endswith("labels")}
    logits = run.model(**inputs).logits
    vm = F.cross_entropy(logits.flatten(0, 1), batch["vision_labels"].flatten(), reduction="sum")
    assert sums.vm.item() == pytest.approx(vm.item(), rel=1e-6)
    image = batch["input_ids"] == run.model.config.image_token_id
    assert torch.equal(likely, logits[image].argmax(-1))
    run.train()
    assert log(run)["vm_loss"] > 0


def test_an_adapter_begins_with_the_same_weights_whenever_it_is_made(tmp_path):
    """Or the runs of a sweep would differ by more than the option that is swept."""
    made = [trainer(tmp_path, peft_config=LoraConfig(r=4, target_modules=["q_proj"]), seed=seed) for seed in (3, 3, 4)]
    first, again, other = map(weights, made)
    assert apart(again, first) == 0 < apart(other, first)


@pytest.mark.usefixtures("half_precision")
def test_bf16_trains_as_full_precision_up_to_its_rounding(whole, tmp_path):
    run = trainer(tmp_path, vision_loss_weight=0.1, bf16=True)
    run.train()
    assert log(run)["loss"] == pytest.approx(log(whole["joint"])["loss"], rel=2e-2)


def test_text_alone_trains_the_language_loss(tmp_path):
    run = trainer(tmp_path, [TEXT_ONLY] * 3)
    run.train()
    assert log(run)["lm_loss"] > 0 and "vm_loss" not in log(run)
