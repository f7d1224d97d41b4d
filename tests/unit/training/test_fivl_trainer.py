# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FiVL's rows as batches, what is refused and in which words, and the parts of its trainer. The laws stand in tests/laws."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from promvil_hf import masks
from promvil_hf.backends.kosmos2 import Kosmos2Backend
from promvil_hf.backends.lora_scopes import tower_of
from promvil_hf.commands import train_fivl
from promvil_hf.commands.train_fivl import FiVLDataArguments, toy_rows
from promvil_hf.key_expressions import KeyExpression
from promvil_hf.toy import models
from promvil_hf.training.adapters import AdapterArguments, adapted, lora, with_lora
from promvil_hf.training.arguments import ModelArguments
from promvil_hf.training.curriculum import nothing
from promvil_hf.training.fivl_collator import FiVLCollator, backend_of, row_level
from promvil_hf.training.fivl_config import FiVLConfig
from promvil_hf.training.fivl_trainer import FiVLTrainer, patch_ious
from promvil_hf.training.run_training import first_batches, run_training, settings_of, swept
from promvil_hf.training.shown_batches import write_batches
from promvil_hf.training.vision_labels import LabelRules
from tests.unit.toy.models.families import ONE_STACK, fresh


FAMILIES = ONE_STACK
TWO_TURNS = [{"question": "What is it?", "answer": "A red circle."}, {"question": "How large?", "answer": "It is small."}]


def tiny(family="llava", **options):
    return fresh(family, context=2048, **options)


def collator(tiny_model=None, **options):
    tiny_model = tiny_model or tiny()
    return FiVLCollator(backend_of(tiny_model.model, tiny_model.processor), **options)


@pytest.fixture(scope="module")
def drawn():
    return list(toy_rows(3, 0))


def config(folder, **options):
    return FiVLConfig(str(folder), use_cpu=True, report_to="none", **options)


def pixels_mask(row, **where):
    """A row whose only expression covers these fractions of the picture."""
    width, height = row["image"].size
    pixels = np.zeros((height, width), bool)
    left, top, right, bottom = where["box"]
    pixels[int(top * height) : int(bottom * height), int(left * width) : int(right * width)] = True
    turns = [{"question": "What is there?", "answer": "A circle."}]
    return {**row, "turns": turns, "key_expressions": [KeyExpression("circle", 0, (), masks.encode(pixels)).to_dict()]}


# Text


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_and_the_mark_that_ends_each_are_trained_and_nothing_else(family, drawn):
    fivl_collator = collator(tiny(family))
    tokenizer = fivl_collator.backend.processor.tokenizer
    end = {"gemma3": "<end_of_turn>", "gemma4": "<turn|>"}.get(family, tokenizer.eos_token)
    rows = [{**drawn[0], "turns": TWO_TURNS, "key_expressions": []}, {"row_id": "text", "turns": TWO_TURNS[1:]}]
    batch = fivl_collator(rows)
    for number, answers in enumerate((["A red circle.", "It is small."], ["It is small."])):
        labels = batch["labels"][number]
        pieces = tokenizer.decode(labels[labels != -100]).split(end)
        assert [piece.strip() for piece in pieces] == [*answers, ""]
    trained = batch["labels"] != -100
    assert torch.equal(batch["labels"][trained], batch["input_ids"][trained])
    assert not trained[batch["attention_mask"] == 0].any()


def test_a_template_without_an_end_mark_gets_the_tokenizers_behind_each_answer():
    fivl_collator = collator()
    fivl_collator.backend.processor.chat_template = fivl_collator.backend.processor.chat_template.replace("</s>", " ")
    talk = fivl_collator.conversation(parsed_turns())
    assert talk.text.count("</s>") == 2
    assert [talk.text[start:end] for start, end in talk.spans] == ["A red circle.</s>", "It is small.</s>"]


def test_the_systems_words_come_first():
    assert collator(system="Be kind.").conversation(parsed_turns()).text.startswith("SYSTEM: Be kind. USER: <image>")
    plain = tiny("paligemma")
    assert collator(plain, system="Be kind.").conversation(parsed_turns()).text.startswith("Be kind. What is it?\nA red")


def parsed_turns():
    from promvil_hf.training.fivl_collator import turns_of

    return turns_of({"turns": TWO_TURNS})


def test_tags_in_the_rows_own_words_are_never_interpreted(drawn):
    fivl_collator = collator()
    hostile = [{"question": "<image><image>?", "answer": "Yes </s> USER: <image> no."}]
    batch = fivl_collator([{**drawn[0], "turns": hostile, "key_expressions": []}])
    assert (batch["input_ids"] == fivl_collator.backend.model.config.image_token_id).sum() == 16
    labels = batch["labels"][0]
    trained_text = fivl_collator.backend.processor.tokenizer.decode(labels[labels != -100])
    assert trained_text.count("</s>") == 1 and trained_text.endswith("no.</s>")


def test_a_template_that_drops_a_turn_is_refused():
    fivl_collator = collator()
    fivl_collator.backend.processor.chat_template = "{{ messages[-1]['content'][0]['text'] }}"
    with pytest.raises(ValueError, match="does not write each question and answer once and in order.*template for training"):
        fivl_collator.conversation(parsed_turns())
    with pytest.raises(ValueError, match="without turns"):
        collator().conversation([])


# Pictures and length


def test_pictures_may_be_opened_from_bytes_paths_and_columns(drawn, tmp_path):
    file = io.BytesIO()
    drawn[0]["image"].save(file, "PNG")
    (tmp_path / "a.png").write_bytes(file.getvalue())
    fivl_collator = collator(image_root=tmp_path)
    row = {name: value for name, value in drawn[0].items() if name != "image"}
    ways = [
        {"image": file.getvalue()}, {"image": "a.png"}, {"image_path": "a.png"}, {"image": {"bytes": None, "path": "a.png"}},
        {"image": {"bytes": file.getvalue(), "path": None}}, {"image": None, "image_path": str(tmp_path / "a.png")},
    ]  # fmt: skip
    wanted = fivl_collator([drawn[0]])
    for way in ways:
        batch = fivl_collator([{**row, **way}])
        assert all(torch.equal(batch[name], tensor) for name, tensor in wanted.items())


def test_a_row_of_the_data_set_is_a_row(drawn, tmp_path):
    from promvil_hf.fivl.fivl_rows import FivlRow

    row = drawn[0]
    row["image"].save(tmp_path / "a.png")
    turns, keys = row["turns"], row["key_expressions"]
    record = {"row_id": row["row_id"], "source": "toy", "source_id": "1", "image_path": "a.png", "width": 112, "height": 112}
    stored = FivlRow.from_dict({**record, "turns": turns, "key_expressions": keys})
    fivl_collator = collator(image_root=tmp_path)
    wanted = fivl_collator([row])
    for same in (stored, stored.to_dict(), {**stored.to_dict(), "image": row["image"]}):
        batch = fivl_collator([same])
        assert all(torch.equal(batch[name], tensor) for name, tensor in wanted.items())


def test_answers_beyond_the_longest_row_are_cut_and_a_picture_never(drawn):
    tiny_model = tiny()
    whole = collator(tiny_model)(drawn)
    cut = collator(tiny_model, max_length=40)(drawn)
    for name in ("input_ids", "labels", "vision_labels", "attention_mask"):
        assert torch.equal(cut[name], whole[name][:, :40]), name
    assert torch.equal(cut["pixel_values"], whole["pixel_values"])
    left = collator(tiny_model, max_length=40, padding_side="left")(drawn)
    assert left["labels"].ne(-100).sum() == cut["labels"].ne(-100).sum()
    with pytest.raises(ValueError, match=r"Row toy-0-1 holds 16 image tokens up to position 2\d, and max_length=10 would cut"):
        collator(tiny_model, max_length=10)(drawn)


def test_rows_that_cannot_be_trained_are_refused_in_a_sentence(drawn, tmp_path):
    fivl_collator = collator(image_root=tmp_path)
    row = drawn[0]
    small = KeyExpression(row["key_expressions"][0]["text"], 0, (), masks.encode(np.eye(50) > 0)).to_dict()
    cases = [
        ([{**row, "image": "none.png"}], "Cannot open the image .*none.png: no such file. Check the folder"),
        ([{**row, "image": b"no picture"}], "Cannot open the image 10 bytes"),
        ([{**row, "image": None}], "Row toy-0-1 has key expressions but no picture"),
        ([{**row, "key_expressions": [small]}], "Row toy-0-1.*mask of an image of 50x50 for boxes of one of 112x112"),
        ([{**row, "key_expressions": [{**small, "text": "a unicorn"}]}], "'a unicorn', which turn 0 does not say"),
        ([{**row, "key_expressions": [{**small, "turn": 9}]}], "of turn 9, but only"),
        ([], "no rows: a batch needs at least one"),
    ]
    for rows, sentence in cases:
        with pytest.raises(ValueError, match=sentence):
            fivl_collator(rows)
    with pytest.raises(ValueError, match="padding_side='top'"):
        collator(padding_side="top")


# Patches


@pytest.mark.parametrize("fit", ["crop", "stretch", "pad"])
def test_labels_lie_where_the_model_sees_the_mask_however_it_is_shown_the_picture(fit):
    row = next(iter(toy_rows(1, 0)))
    row = {**row, "image": row["image"].resize((224, 112))}
    fivl_collator = collator(tiny(fit=fit), rules=LabelRules(max_mask_fraction=1.0, min_patch_coverage=0.5))
    batch = fivl_collator([pixels_mask(row, box=(0.5, 0.0, 1.0, 1.0))])  # the right half
    image = batch["input_ids"] == fivl_collator.backend.model.config.image_token_id
    grid = (batch["vision_labels"][image] != -100).reshape(4, 4)
    assert grid[:, 2].any() and not grid[:, :2].any()
    if fit == "pad":  # padding above and below is no place
        assert not grid[0].any() and not grid[3].any() and grid[1:3, 2:].all()
    else:
        assert grid[:, 2:].all()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_labels_the_patches_of_a_corner_and_no_others(family, drawn):
    fivl_collator = collator(tiny(family))
    row = pixels_mask(drawn[0], box=(0.0, 0.0, 0.25, 0.25))
    batch = fivl_collator([row])
    image = fivl_collator.backend.image_positions(batch)
    labelled = batch["vision_labels"][image] != -100
    boxes = fivl_collator.backend.token_boxes(batch, [row["image"].size])[0]
    assert not (batch["vision_labels"][~image] != -100).any()
    assert labelled.tolist() == [box is not None and box.x0 < 0.25 and box.y0 < 0.25 for box in boxes]


def test_words_of_several_tokens_give_a_further_axis(drawn, tmp_path):
    fivl_collator = collator(rules=LabelRules(token="whole_word"), nouns=lambda text: ["unheardof"])
    batch = fivl_collator([pixels_mask(drawn[0], box=(0, 0, 0.25, 0.25)), {"row_id": "text", "turns": TWO_TURNS}])
    assert batch["vision_labels"].dim() == 3 and batch["vision_labels"].shape[2] > 2
    backend = fivl_collator.backend
    trainer = FiVLTrainer(
        backend.model, config(tmp_path), processing_class=backend.processor, data_collator=fivl_collator
    )
    assert trainer.count(batch)["vm_loss"] == (batch["vision_labels"][..., 0] != -100).sum() > 0
    assert trainer.evaluate([pixels_mask(drawn[0], box=(0, 0, 0.25, 0.25))])["eval_vm_loss"] > 0


def test_what_a_cut_does_not_train_has_no_labels(drawn):
    batch = collator()([{**drawn[0], "cut": nothing(0)}, drawn[1]])
    assert (batch["labels"][0] == -100).all() and (batch["vision_labels"][0] == -100).all()
    assert (batch["labels"][1] != -100).any() and (batch["vision_labels"][1] != -100).any()


# Which models


def test_models_without_patches_are_refused_with_what_to_use_instead(tmp_path):
    kosmos = models.tiny_kosmos2()
    for refused in (
        lambda: backend_of(kosmos.model, kosmos.processor),
        lambda: FiVLCollator(Kosmos2Backend(kosmos.model, kosmos.processor)),
        lambda: FiVLTrainer(kosmos.model, config(tmp_path), processing_class=kosmos.processor),
    ):
        with pytest.raises(ValueError, match="needs patches that can predict words. Kosmos-2 sees .* LLaVA, PaliGemma or"):
            refused()
    blip = SimpleNamespace(config=SimpleNamespace(model_type="blip-2"))
    with pytest.raises(ValueError, match="type 'blip-2': .* known for .*gemma3, .*BLIP-2, InstructBLIP"):
        backend_of(blip, None)


@pytest.mark.parametrize("name", ["compute_metrics", "compute_loss_func", "preprocess_logits_for_metrics"])
def test_what_would_wait_for_logits_is_refused(name, tmp_path):
    tiny_model = tiny()
    with pytest.raises(ValueError, match=f"You passed {name}, which would wait for logits that are never made"):
        FiVLTrainer(tiny_model.model, config(tmp_path), processing_class=tiny_model.processor, **{name: print})


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"vision_loss_weight": 1.1}, "between 0 and 1"),
        ({"remove_unused_columns": True}, "would take pictures, boxes and masks out of the rows"),
        ({"overlap": "last"}, "it is one of first, smallest"),
        ({"max_mask_fraction": 2.0}, "it is a share"),
        ({"curriculum": "hard"}, "none, levels, cumulative, competence"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_anything_is_loaded(options, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        config(tmp_path, **options)


def test_the_published_rules_are_the_default(tmp_path):
    assert config(tmp_path).label_rules() == LabelRules(seed=42)
    assert config(tmp_path).vision_loss_weight == 0.1 and not config(tmp_path).scale_lm_when_empty


# Parts of the trainer


def test_patch_iou_of_a_word_is_over_the_patches_of_its_row():
    labels = torch.tensor([5, 5, -100, -100, 5, 9, 9, -100])[:, None]
    row = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    predicted = torch.tensor([5, 2, 5, 1, 5, 9, 9, 9])
    assert patch_ious(predicted, labels, row).tolist() == pytest.approx([1 / 3, 1.0, 2 / 3])
    whole = torch.tensor([[5, 6], [5, 6], [-100, -100], [-100, -100]])
    assert patch_ious(torch.tensor([6, 5, 6, 1]), whole, row[:4]).tolist() == pytest.approx([2 / 3])
    assert patch_ious(predicted, torch.full((8, 1), -100), row).tolist() == []


def test_the_projector_may_learn_at_its_own_rate(drawn, tmp_path):
    tiny_model = tiny()
    trainer = FiVLTrainer(
        tiny_model.model, config(tmp_path, learning_rate=1e-3, projector_learning_rate=1e-5),
        processing_class=tiny_model.processor, train_dataset=drawn,
    )  # fmt: skip
    trainer.create_optimizer()
    trainer.create_optimizer()
    names = {id(parameter): name for name, parameter in tiny_model.model.named_parameters()}
    rates = {names[id(p)]: group["lr"] for group in trainer.optimizer.param_groups for p in group["params"]}
    assert len(rates) == len(names)
    assert all((rate == 1e-5) == ("multi_modal_projector" in name) for name, rate in rates.items())


def test_the_first_weights_of_an_adapter_hang_on_the_seed_alone(drawn, tmp_path):
    def first(seed, before):
        torch.manual_seed(before)  # what ran earlier in this process
        tiny_model = tiny()
        adapter = lora(AdapterArguments(lora_scope="text_and_projector", lora_r=2), tiny_model.model)
        trainer = FiVLTrainer(
            tiny_model.model,
            config(tmp_path, seed=seed),
            processing_class=tiny_model.processor,
            train_dataset=drawn,
            peft_config=adapter,
        )
        return [parameter.clone() for name, parameter in trainer.model.named_parameters() if "lora_A" in name]

    one, same, other = first(0, 1), first(0, 2), first(3, 1)
    assert one and all(map(torch.equal, one, same)) and not any(map(torch.equal, one, other))


def test_a_curriculum_goes_from_plain_phrases_to_nested_ones(drawn, tmp_path):
    texts = ["the circle left of the square above the star", "a circle", "the star above the square", "a square"]
    rows = [{**drawn[0], "turns": [{"question": "What?", "answer": text}],
             "key_expressions": [{"text": text, "turn": 0}]} for text in texts]  # fmt: skip
    assert [row_level(row) for row in rows] == [3, 1, 2, 1] and row_level({"turns": []}) == 0
    tiny_model = tiny()
    trainer = FiVLTrainer(
        tiny_model.model, config(tmp_path, curriculum="levels", per_device_train_batch_size=3, max_steps=2, save_strategy="no"),
        processing_class=tiny_model.processor, train_dataset=rows,
    )  # fmt: skip
    order = [cut.row for cut in trainer._get_train_sampler()]
    assert sorted(order[:2]) == [1, 3] and order[2:4] == [2, 0]
    trainer.train()
    assert trainer.state.global_step == 2


def test_a_map_style_row_may_come_from_datasets(drawn, tmp_path):
    from datasets import Dataset

    tiny_model = tiny()
    trainer = FiVLTrainer(
        tiny_model.model, config(tmp_path, max_steps=1, save_strategy="no"), processing_class=tiny_model.processor,
        train_dataset=Dataset.from_list(drawn), eval_dataset=Dataset.from_list(drawn),
    )  # fmt: skip
    assert set(trainer.train_dataset.levels) == {(1,)}
    trainer.train()
    assert trainer.evaluate()["eval_vm_loss"] > 0


# The command


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl"])
def test_batches_are_shown_as_words_and_on_a_page(family, drawn, tmp_path):
    tiny_model = tiny(family)
    trainer = FiVLTrainer(tiny_model.model, config(tmp_path), processing_class=tiny_model.processor, train_dataset=drawn)
    shown_batch = str(next(trainer.shown(drawn, trainer.data_collator(drawn))))
    assert shown_batch.startswith("row toy-0-1: ") and "trained text:" in shown_batch and "trained patches: '" in shown_batch
    html = write_batches(tmp_path / "page.html", first_batches(trainer), "rows").read_text()
    assert html.count("<figure") == 3 and "<mark>" in html and "vision_labels" in html and "row toy-0-1" in html
    assert trainer.data_collator(drawn).keys() >= {"input_ids", "labels"}


def test_what_is_trained_is_counted_by_part():
    tiny_model = tiny()
    for name, parameter in tiny_model.model.named_parameters():
        parameter.requires_grad_("vision" not in name)
    summary = adapted(tiny_model.model)
    assert "text" in summary and "projection" in summary and "vision" not in summary


@pytest.mark.parametrize("family", ["kosmos2", "llava", "qwen2_5_vl", "idefics3"])
def test_the_projector_of_every_family_is_trained_whole_beside_lora_in_the_text_model(family):
    model = getattr(models, f"tiny_{family}")().model
    adapter = with_lora(model, lora(AdapterArguments(lora_scope="text_and_projector", lora_r=2), model))
    trained = {name for name, parameter in adapter.named_parameters() if parameter.requires_grad}
    whole = {name for name in trained if "lora_" not in name}
    assert whole and all(tower_of(name) == "projection" for name in whole)
    assert {tower_of(name) for name in trained - whole} == {"text"}


def test_a_sweep_reads_values_of_the_options_own_type():
    settings = settings_of(train_fivl.OBJECTIVE, ["--use_cpu", "true"])
    assert swept("vision_loss_weight=0,0.1", settings) == ("vision_loss_weight", [0.0, 0.1])
    assert swept("mask_noise=perfect,random", settings) == ("mask_noise", ["perfect", "random"])
    assert swept("max_samples=10,null", settings) == ("max_samples", [10, None])
    for wrong in ("lambda=0,1", "vision_loss_weight", "output_dir=a,b"):
        with pytest.raises(ValueError, match=f"You passed the sweep '{wrong}': write an option and its values"):
            swept(wrong, settings)


@pytest.mark.parametrize(
    "kind, options, sentence",
    [
        (AdapterArguments, {"tune": "head"}, "tune='head': it is one of lora, full"),
        (ModelArguments, {"quantize": "int3"}, "quantize='int3': it is one of nf4, int8"),
        (ModelArguments, {"dtype": "float8"}, "dtype='float8': it is one of float32"),
        (FiVLDataArguments, {"mask_noise": "blurred"}, "mask noise 'blurred': it is one of perfect, dilated"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(kind, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        kind(**options)


def test_rounded_weights_are_not_trained_whole():
    with pytest.raises(ValueError, match="rounded weights cannot be trained"):
        run_training(train_fivl.OBJECTIVE, ["--use_cpu", "true", "--quantize", "nf4", "--tune", "full"])
