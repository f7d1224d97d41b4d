# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FiVL's chapters: rows with masks, adapters with and without vision modeling, visual reliance, the head atlas."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from promvil_hf.commands.demo.chapters import Sizes
from promvil_hf.commands.demo.training import CurvePoint, curve, on_a_terminal, quiet, settings
from promvil_hf.commands.demo.world import without_short_answers
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.fivl.fivl_publish import publish, read_rows, report_text
from promvil_hf.fivl.fivl_rows import FivlRow
from promvil_hf.metrics.intervals import Interval, bootstrap_interval, paired_test
from promvil_hf.toy.adapters import folder
from promvil_hf.toy.scenery import Scene
from promvil_hf.toy.small_world import QUESTIONS
from promvil_hf.toy.training_rows import question_row
from promvil_hf.training.vision_labels import nouns


WEIGHTS = {"λ = 0": 0.0, "λ = 0.1": 0.1}
ADAPTERS = {"λ = 0": "no_vision_loss", "λ = 0.1": "vision_loss"}  # the shipped ones
WITH, WITHOUT = "λ = 0.1", "λ = 0"
BASE = "base"
# Of LoRA with Muon, for a model of 1.5 million parameters; LLaVA's own LoRA recipe, with AdamW: 128, 256 and 2e-4.
RANK, ALPHA, LEARNING_RATE = 32, 32, 0.02
REMEMBERED = 2  # one row in so many asks what the base knows already, or it would forget how to answer in one word
IMAGES = "VG_100K"

Load = Callable[[Path, str | None], Any]  # a base with an adapter or without, as a backend; chapters that only ask share it


@dataclass(frozen=True, slots=True)
class Rows:
    """What the builds said, and how many rows there are to train on, to measure on, and to hide things in."""

    summary: str
    train: int
    test: int
    questions: int


def build_rows(train: Path, test: Path, out: Path) -> Rows:
    """Conversations to key expressions (by rules) to masks (the exact ones) to rows; GQA's questions likewise."""
    talk, talk_test = (
        without_short_answers(world / "llava_conversations.json", world / "talk.json") for world in (train, test)
    )
    summary = _build("llava", talk, train, out / "train")
    _build("llava", talk_test, test, out / "test")
    _build("gqa", _known_questions(test / "gqa_questions.json", test / "known_questions.json"), test, out / "test")
    parts = ("train", "instruct"), ("test", "instruct"), ("test", "gqa")
    return Rows(summary, *(sum(1 for _ in read_rows(out / part, config)) for part, config in parts))


def _build(kind: str, file: Path, world: Path, out: Path) -> str:
    from promvil_hf.fivl.conversation_sources import Source
    from promvil_hf.fivl.extraction import rules
    from promvil_hf.fivl.fivl_build import annotate_expressions, annotate_masks
    from promvil_hf.fivl.fivl_publish import CONFIG_OF
    from promvil_hf.fivl.given_masks import given
    from promvil_hf.job_terms import Terms

    config, images = CONFIG_OF[kind], world / IMAGES
    source, work = Source(kind, (str(file),)), out / "work" / config
    pictures = world if kind == "llava" else images  # conversations name the image folder themselves
    terms = Terms(progress=on_a_terminal())
    annotate_expressions(source, pictures, rules, work, describe={"annotator": "rules"}, terms=terms)
    masks = given(world / "key_expressions.jsonl", images)
    annotate_masks(source, pictures, masks, work, describe={"annotator": "given"}, terms=terms)
    return report_text(publish(out, config))


def _known_questions(questions: Path, out: Path) -> Path:
    """Of the questions only the kinds that the toy base was trained to answer."""
    asked = json.loads(questions.read_text(encoding="utf-8"))
    known = {name: question for name, question in asked.items() if question["types"]["detailed"] in QUESTIONS}
    out.write_text(json.dumps(known) + "\n", encoding="utf-8")
    return out


@dataclass(frozen=True, slots=True)
class Jointly:
    """Where adapters lie by the weight of the vision loss, how they came to be, and scores of held-out rows by model."""

    folders: dict[str, str]
    how: str
    points: dict[str, tuple[CurvePoint, ...]]  # of the trainings, where they were done now
    held_out: dict[str, dict[str, float]]  # of the base too


def shipped(load: Load, base: Path, rows: Path, worlds: dict[str, str]) -> Jointly:
    folders = {name: str(folder(adapter)) for name, adapter in ADAPTERS.items()}
    return Jointly(folders, "They come with the package.", {}, _held_out(load, models_of(base, folders), rows, worlds))


def train_both(
    load: Load, base: Path, rows: Path, worlds: dict[str, str], scenes: Sequence[Scene], out: Path, sizes: Sizes, seed: int
) -> Jointly:
    """(1 - λ)·LM + λ·VM from the same base, on the same rows in the same order, for each λ."""
    rows_taught = taught(rows, worlds, scenes, seed)
    folders = {name: str(out / adapter) for name, adapter in ADAPTERS.items()}
    points = {
        name: train(base, rows_taught, weight, name, Path(folders[name]), sizes, seed) for name, weight in WEIGHTS.items()
    }
    how = (
        f"Trained in this run on {len(rows_taught):,} rows: {sizes.joint_steps} steps of {sizes.batch}, LoRA of rank {RANK} "
        f"and the projector, Muon at {LEARNING_RATE:g}."
    )
    return Jointly(folders, how, points, _held_out(load, models_of(base, folders), rows, worlds))


def taught(rows: Path, worlds: dict[str, str], scenes: Sequence[Scene], seed: int) -> list[dict]:
    """The rows of the data set, and as many short questions as keep the base answering in one word."""
    from random import Random

    found = [_opened(row, worlds["talk"]) for row in read_rows(rows / "train", "instruct")]
    rng = Random(seed)
    return found + [question_row(drawn, rng) for drawn in scenes[: len(found) // (REMEMBERED - 1)]]


def train(
    base: Path, taught: Sequence[dict], weight: float, name: str, out: Path, sizes: Sizes, seed: int
) -> tuple[CurvePoint, ...]:
    """LoRA and the projector, by the joint loss of this weight."""
    from promvil_hf.backends.loading import load
    from promvil_hf.backends.lora_scopes import WITH_PROJECTOR
    from promvil_hf.toy.muon import Muon
    from promvil_hf.training.adapters import AdapterArguments, lora

    backend = load(base)
    scope = AdapterArguments(lora_scope=WITH_PROJECTOR, lora_r=RANK, lora_alpha=ALPHA, lora_dropout=0.0)
    config = {
        "vision_loss_weight": weight,
        "max_steps": sizes.joint_steps,
        "learning_rate": LEARNING_RATE,
        "logging_steps": 5 if sizes.joint_steps >= 20 else 1,
        **settings(seed, sizes.batch),
    }
    trainer = _trainer(
        backend, out, config, f"FiVL, {name}", train_dataset=taught, peft_config=lora(scope, backend.model),
        make_optimizer=lambda model: Muon(model.named_parameters(), LEARNING_RATE),
    )  # fmt: skip
    trainer.train()
    trainer.save_model()
    return curve(trainer, "loss", "lm_loss", "vm_loss", "vm_accuracy")


def _held_out(load: Load, models: "Models", rows: Path, worlds: dict[str, str]) -> dict[str, dict[str, float]]:
    """What the trainer says of held-out rows, for each model."""
    from tempfile import TemporaryDirectory

    held_out = [_opened(row, worlds["talk_test"]) for row in read_rows(rows / "test", "instruct")]
    found = {}
    for name, place in models.items():
        with TemporaryDirectory() as nothing:
            config = {"vision_loss_weight": 0.1, "per_device_eval_batch_size": 16, **settings(0, 16)}
            found[name] = _scores(_trainer(load(*place), Path(nothing), config, name, eval_dataset=held_out).evaluate())
    return found


def _trainer(backend, out: Path, config: dict, title: str, **given):
    from promvil_hf.training.fivl_config import FiVLConfig
    from promvil_hf.training.fivl_trainer import FiVLTrainer

    return quiet(FiVLTrainer(backend.model, FiVLConfig(str(out), **config), processing_class=backend.processor, **given), title)


def _opened(row: FivlRow, world: str) -> dict:
    return row.to_dict() | {"image": str(Path(world) / row.image_path)}


def _scores(metrics: dict) -> dict[str, float]:
    return {name: float(metrics[f"eval_{name}"]) for name in ("lm_loss", "vm_loss", "vm_accuracy", "patch_iou")}


# --- what it changed ------------------------------------------------------------------------------


Models = dict[str, tuple[Path, str | None]]  # by name: base and adapter


def models_of(base: Path, adapters: dict[str, str]) -> Models:
    return {BASE: (base, None), **{name: (base, adapter) for name, adapter in adapters.items()}}


@dataclass(frozen=True, slots=True)
class Reliance:
    """The report of each model, as it was saved."""

    reports: dict[str, str]


def measure_reliance(load: Load, models: Models, rows: Path, world: Path, out: Path, sizes: Sizes) -> Reliance:
    """Ask each model about every twin of held-out questions, and score what it loses."""
    from promvil_hf.evaluation.answering import Asking
    from promvil_hf.evaluation.reliance import reliance
    from promvil_hf.evaluation.reliance_page import write_page
    from promvil_hf.evaluation.twin_answers import answer_twins

    asked = list(read_rows(rows / "test", "gqa"))[: sizes.questions]
    pictures, reports = Pictures(world / IMAGES), {}
    for name, place in models.items():
        folder = out / file_name(name)
        asking = Asking(prompt="{text}", max_new_tokens=8, batch_size=64)  # the base never saw an instruction to be brief
        model, progress = {"name": name}, on_a_terminal()
        said = answer_twins(asked, pictures, load(*place), folder, asking=asking, model=model, progress=progress)
        report = reliance(asked, said, name=name)
        reports[name] = str(report.save(folder / "reliance.json"))
        write_page(folder / "reliance.html", report, asked, pictures)
    return Reliance(reports)


@dataclass(frozen=True, slots=True)
class Words:
    """IoU of held-out key expressions with the patches that say their noun, by model; and the change in pairs."""

    expressions: int
    iou: dict[str, Interval]
    gain: Interval  # with vision modeling minus without
    p_value: float
    words_a_picture: dict[str, float]


@dataclass(frozen=True, slots=True)
class Looked:
    """Atlases and explanations of each model, as they were saved, and what the patches say."""

    atlases: dict[str, str]
    explanations: dict[str, str]
    words: Words


def look(load: Load, models: Models, rows: Path, world: Path, out: Path, sizes: Sizes, seed: int) -> Looked:
    """Which heads look at what the words name; what the image tokens would say; three answers explained."""
    from promvil_hf.explain.explanation_pages import atlas_page
    from promvil_hf.explain.explanations import ExplainSettings, explain_turns, write_explanations
    from promvil_hf.explain.heads import Null, head_atlas, key_turns, turns_of
    from promvil_hf.pages import write

    asked, pictures = list(read_rows(rows / "test", "instruct")), Pictures(world)
    turns = [turn for row in asked for turn in turns_of(row, lambda row: pictures.open(row.image_path))][: sizes.turns]
    atlases, explanations, ious, counts = {}, {}, {}, {}
    for name, place in models.items():
        backend, folder = load(*place), out / file_name(name)
        folder.mkdir(parents=True, exist_ok=True)
        answered, skipped = key_turns(backend, turns, own_answers=False, batch_size=32, progress=True)
        atlas = head_atlas(
            backend, answered, Null("auto", sizes.shuffles, seed), skipped=skipped, batch_size=32, progress=True,
            settings={"model": name, "answers": "given"},
        )  # fmt: skip
        (folder / "atlas.json").write_text(json.dumps(atlas.to_dict()), encoding="utf-8")
        heads = [head for head in atlas.best(3) if atlas.passing()[atlas.place(head)]] or atlas.best(1)
        settings = ExplainSettings(heads, max_new_tokens=sizes.answer_tokens, seed=seed, model=name)
        chosen = answered[:: max(1, len(answered) // sizes.explained)][: sizes.explained]
        examples = explain_turns(backend, chosen, settings, own_answers=False)
        explanations[name] = str(write_explanations(folder / "explanations.jsonl", examples))
        write(folder / "atlas.html", atlas_page(atlas, examples, pictures.open, model=name))
        atlases[name] = str(folder / "atlas.json")
        ious[name], counts[name], images = said_words(backend, asked, pictures)
    test = paired_test(ious[WITH], ious[WITHOUT], clusters=images)
    words = Words(
        len(images), {name: bootstrap_interval(values, clusters=images) for name, values in ious.items()}, test.difference,
        test.p_value, counts,
    )  # fmt: skip
    return Looked(atlases, explanations, words)


def said_words(backend, rows: Sequence[FivlRow], pictures: Pictures) -> tuple[np.ndarray, float, list[str]]:
    """For each different key expression of each picture the IoU of the patches that say its noun with its mask; the number
    of words a picture says; the picture of each expression."""
    from promvil_hf.backends.base import Request
    from promvil_hf.explain.vision_logits import key_iou, say

    ious, images, words = [], [], []
    tokenizer = backend.processor.tokenizer
    for at in range(0, len(rows), 32):
        some = rows[at : at + 32]
        requests = [Request(row.turns[0].question, pictures.open(row.image_path)) for row in some]
        for row, said in zip(some, say(backend, requests, [row.image_size for row in some]), strict=True):
            words.append(len(said.shown()))
            for key in {key.text: key.expression for key in row.keys}.values():
                for noun in nouns(key.text)[-1:]:
                    ious.append(key_iou(said, replace(key, text=noun), tokenizer))
                    images.append(row.image_path)
    return np.array(ious), float(np.mean(words)), images


def file_name(name: str) -> str:
    return name.replace("λ = ", "weight_")
