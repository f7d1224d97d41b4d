# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""PromViL's trainer and its settings: what is refused, what is logged, how it grounds while it trains."""

import functools
import re

import datasets
import pytest
import torch
from transformers import TrainingArguments

from promvil_hf.backends.base import Decoding, Generated, Request
from promvil_hf.backends.loading import load
from promvil_hf.backends.lora_scopes import lora_config
from promvil_hf.backends.stops import complete_object
from promvil_hf.dialects import Kosmos2
from promvil_hf.metrics.grounding import grounding_table
from promvil_hf.phrases import GroundedPhrase
from promvil_hf.toy.chains import chain_of
from promvil_hf.toy.models import tiny_kosmos2, tiny_llava
from promvil_hf.toy.small_world import NESTED
from promvil_hf.toy.world import scenes
from promvil_hf.training import promvil_trainer as promvil
from promvil_hf.training.adapters import adapted, with_lora
from promvil_hf.training.chain_texts import Texts, chain_in, row_levels
from promvil_hf.training.curriculum import Curriculum, CutRows
from promvil_hf.training.promvil_config import PromViLConfig
from promvil_hf.training.promvil_trainer import PromViLTrainer, ground
from promvil_hf.training.window_trainer import WindowTrainer
from tests.laws.promvil_rows import rows, trainer
from tests.reference.full_size import full_size_without_memory


pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft 0.21 asks for it


@functools.cache
def few():
    return rows(4, 1)


# Settings


def test_the_defaults_are_those_of_the_paper(tmp_path):
    config = PromViLConfig(str(tmp_path))
    assert (config.learning_rate, config.num_train_epochs, config.warmup_steps, config.seed) == (1e-4, 1, 0.1, 5020)
    assert config.per_device_train_batch_size * config.gradient_accumulation_steps == 4
    assert config.schedule() is None and config.supervise == "phrase" and not config.supervise_end
    lora = lora_config("reference")
    assert (lora.r, lora.lora_alpha, lora.lora_dropout, lora.bias) == (64, 32, 0.1, "none")


def test_the_papers_adapter_trains_its_share_of_the_published_size():
    model = with_lora(full_size_without_memory(), lora_config("reference"))
    assert adapted(model) == (
        "trains 85,983,232 of 1,750,468,608 parameters (4.912%): text 56,623,104, vision 28,311,552, projection 1,048,576"
    )


def test_a_schedule_is_made_of_the_settings(tmp_path):
    config = PromViLConfig(str(tmp_path), curriculum="competence", curriculum_repeat=0.5, competence_root=1)
    assert config.schedule() == Curriculum("competence", 0.5, 0.01, 1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"curriculum": "easy"}, "the curriculum 'easy': it is one of none, levels"),
        ({"supervise": "all"}, "supervise='all': it is one of phrase, boxes"),
        ({"curriculum": "levels", "curriculum_repeat": 2}, "repeat=2: it is a share"),
        ({"remove_unused_columns": True}, "remove_unused_columns=True, which would take pictures"),
        ({"activation_checkpointing_kwargs": {"use_reentrant": True}}, "the adapter of the vision tower would get no gradient"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path, options, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        PromViLConfig(str(tmp_path), **options)


def test_our_own_settings_are_few_and_each_says_what_it_is():
    added = PromViLConfig.__dataclass_fields__.keys() - TrainingArguments.__dataclass_fields__.keys()
    assert len(added) == 21
    assert all(PromViLConfig.__dataclass_fields__[name].metadata["help"] for name in added)


# Models


def test_an_unknown_family_is_refused(tmp_path):
    tiny = tiny_llava()
    tiny.model.config.model_type = "made_up"
    with pytest.raises(ValueError, match="is of the type 'made_up', for which there is no backend"):
        PromViLTrainer(tiny.model, PromViLConfig(str(tmp_path)), processing_class=tiny.processor, train_dataset=few())


def test_lora_targets_that_match_nothing_are_refused():
    config = lora_config("reference")
    config.target_modules = {"query_key_value"}
    with pytest.raises(ValueError, match="match no layer of this kosmos-2 model .*Use a named scope"):
        with_lora(tiny_kosmos2(latent_query_num=8).model, config)


def test_a_second_adapter_is_refused():
    model = with_lora(tiny_kosmos2(latent_query_num=8).model, lora_config("text", r=2))
    with pytest.raises(ValueError, match="a model that has an adapter already"):
        with_lora(model, lora_config("text", r=2))


def test_several_gpus_in_one_process_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(PromViLConfig, "n_gpu", property(lambda self: 2))
    with pytest.raises(ValueError, match="You started one process for 2 GPUs"):
        trainer(tmp_path, few())


# Training and evaluation


@pytest.mark.usefixtures("half_precision")
def test_the_loss_is_that_of_mixed_precision_too(tmp_path):
    found = {}
    for bf16 in (False, True):
        tiny_trainer = trainer(tmp_path, few(), bf16=bf16, max_steps=1)
        tiny_trainer.train()
        found[bf16] = next(entry["loss"] for entry in tiny_trainer.state.log_history if "loss" in entry)
    assert found[True] == pytest.approx(found[False], abs=0.05) and found[True] != found[False]


@pytest.mark.usefixtures("half_precision")
def test_a_frozen_base_in_half_precision_is_trained(tmp_path):
    tiny = tiny_kosmos2(latent_query_num=8, gain=1)
    config = PromViLConfig(str(tmp_path), use_cpu=True, max_steps=1, save_strategy="no", disable_tqdm=True)
    tiny_trainer = PromViLTrainer(
        tiny.model.to(torch.bfloat16), config, processing_class=tiny.processor, train_dataset=few(),
        peft_config=lora_config("reference", r=2),
    )  # fmt: skip
    tiny_trainer.train()
    assert tiny_trainer.state.global_step == 1


def test_texts_that_were_refused_are_counted_in_the_log(tmp_path):
    tiny_trainer = trainer(tmp_path, few(), max_length=60, num_train_epochs=1)
    tiny_trainer.train()
    entries = [entry for entry in tiny_trainer.state.log_history if "refused_texts" in entry]
    assert entries and entries[-1]["refused_texts"] == int(tiny_trainer._tallies["refused_texts"]) > 0


def test_evaluation_gives_exact_losses_by_level_and_accuracy_by_generation(tmp_path):
    tiny_trainer = trainer(tmp_path, few(), eval_generate=3, per_device_eval_batch_size=2)
    scores = tiny_trainer.evaluate(few())
    one = trainer(tmp_path, few(), per_device_eval_batch_size=1).evaluate(few())
    assert scores["eval_loss"] == pytest.approx(one["eval_loss"], abs=1e-5)
    assert scores["eval_loss_level_1"] == pytest.approx(one["eval_loss_level_1"], abs=1e-5)
    assert {"eval_accuracy", "eval_parse_rate", "eval_accuracy_level_1"} <= scores.keys()
    assert "eval_accuracy" not in one


def test_grounding_leans_on_what_the_model_answered_below_and_scores_it(tmp_path, monkeypatch):
    """A model that always answers right has accuracy 1, and sees its own boxes as evidence."""
    tiny_trainer = trainer(tmp_path, few())
    chains = [row for row in few() if "chain" in row]
    gold = {}
    for row in chains:
        for text in Texts().of_row(row):
            prompt, _, answer = text.text.rpartition("<object>")
            gold[prompt + "<object>"] = answer
    asked = []

    def answer(requests, decoding):
        asked.extend(request.prompt for request in requests)
        return [Generated(gold[request.prompt], (), (), "stop") for request in requests]

    class Backend:
        dialect = Kosmos2()
        tokenizer = tiny_trainer.processing_class.tokenizer
        generate = staticmethod(answer)

    found = ground(Backend(), chains, tiny_trainer.data_collator)
    assert len(found) == len(asked) == sum(len(row["chain"].steps) for row in chains)
    with_evidence = ["We can see" in prompt for prompt in asked]
    assert any(with_evidence) and with_evidence == sorted(with_evidence)  # level by level, all rows at a time
    monkeypatch.setattr(promvil, "ground", lambda *args: found)
    scores = tiny_trainer.grounding(chains)
    ceiling = {name: value for name, value in scores.items() if "accuracy" in name}
    assert scores["parse_rate"] == 1 and min(ceiling.values()) > 0.5  # the grid of 32x32 cells is all that errs


def naive_grounding(backend, rows, collator):
    """One prompt after the other with `backend.generate`: (answered boxes, gold boxes, level) of each step with gold boxes."""
    found = []
    for row in rows:
        chain, answered = chain_in(row), []
        for step, level in zip(chain.steps, chain.levels, strict=True):
            evidence = [
                GroundedPhrase(mention, answered[anchor])
                for anchor, mention in zip(step.anchors, step.mentions, strict=True)
                if answered[anchor] and collator.texts.evidence
            ]
            request = Request(backend.dialect.prompt(step.target.text, evidence, level=level), collator.open_image(row))
            (answer,) = backend.generate([request], Decoding(64, stop=complete_object(backend.tokenizer)))
            answered.append(backend.dialect.parse(answer.text).boxes)
            if step.target.boxes:
                found.append(([box.xyxy for box in answered[-1]], [box.xyxy for box in step.target.boxes], level))
    return found


@pytest.mark.parametrize("evidence", [True, False])
def test_grounding_while_training_equals_one_prompt_after_the_other(tmp_path, evidence):
    base = load("toy:kosmos2", device="cpu")
    tiny_trainer = PromViLTrainer(
        base.model, PromViLConfig(str(tmp_path), use_cpu=True, report_to="none", train_evidence=evidence),
        processing_class=base.processor,
    )  # fmt: skip
    chains = []
    for drawn in scenes(NESTED, 3, 5):
        chains += [{"image": drawn.image(), "chain": chain_of(drawn, expression)} for expression in drawn.expressions(1)]
    expected = naive_grounding(tiny_trainer.backend, chains, tiny_trainer.data_collator)
    assert sum(bool(boxes) for boxes, *_ in expected) > len(expected) / 2 and max(level for *_, level in expected) > 1
    assert ground(tiny_trainer.backend, chains, tiny_trainer.data_collator) == expected
    scores = tiny_trainer.grounding(chains)
    answers, gold, levels = zip(*expected, strict=True)
    table = grounding_table(answers, gold, None)[None]
    assert (scores["accuracy"], scores["parse_rate"]) == (table.accuracy, table.parse_rate)
    assert {f"accuracy_level_{level}" for level in levels} <= scores.keys()


def test_pictures_of_a_dataset_are_not_decoded_before_the_collator(tmp_path):
    file = tmp_path / "a.png"
    few()[0]["image"].save(file)
    steps = [{"text": "the star", "boxes": [[0.1, 0.1, 0.5, 0.5]], "anchors": [], "mentions": []}]
    table = datasets.Dataset.from_list([{"image": str(file), "image_id": "1", "steps": steps}] * 3)
    table = table.cast_column("image", datasets.Image())
    made = CutRows(table, row_levels)
    assert isinstance(made[0]["image"], dict) and made.levels == [(1,)] * 3
    tiny_trainer = trainer(tmp_path, table, max_steps=1)
    tiny_trainer.train()
    assert tiny_trainer.state.global_step == 1


# Base


def test_a_window_trainer_says_what_it_needs(tmp_path):
    tiny_trainer = WindowTrainer.__new__(WindowTrainer)
    for call in (tiny_trainer.backend_for, tiny_trainer.collator, tiny_trainer.shown, tiny_trainer.terms):
        with pytest.raises(NotImplementedError):
            call(None, {})
    for call in (tiny_trainer.count, tiny_trainer.levels_of):
        with pytest.raises(NotImplementedError):
            call({})
