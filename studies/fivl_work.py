# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The work of FiVL's cells: joint fine-tuning, and what is measured of a model on held-out scenes.

torch is loaded where the work begins. Public code of the package only.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from promvil_hf.inflection import plural
from promvil_hf.toy.scenery import Scene, scene
from promvil_hf.toy.small_world import held_out
from studies.fivl_rows import LOOK, Turn, keys_of, questions, row_of, spoilt, turns_of
from studies.heads import best_heads, others, without_heads
from studies.sentences import agreement, bleu, rouge_l
from studies.shared import backend_of, logged, train, training_settings, world_of


TWINS = ("original", "key boxes", "random boxes", "whole image")


def fine_tune(
    folder: Path,
    base: Path,
    *,
    seed: int,
    scenes: int,
    passes: float,
    batch: int,
    tune: str,
    learning_rate: float,
    rank: int,
    alpha: float,
    dropout: float,
    vision_loss_weight: float,
    masks: str,
    task: str,
    world: Mapping,
) -> dict:
    """A checkpoint in `folder`, whole or a LoRA adapter, by the trainer that trains real ones. Goes on where it was cut."""
    from promvil_hf.backends.lora_scopes import WITH_PROJECTOR
    from promvil_hf.fivl.mask_noise import MaskNoise, NoisyRows
    from promvil_hf.training.adapters import AdapterArguments, frozen_vision, lora
    from promvil_hf.training.fivl_config import FiVLConfig
    from promvil_hf.training.fivl_trainer import FiVLTrainer

    backend = backend_of(base)
    adapter = None
    if tune == "lora":
        scope = AdapterArguments(lora_scope=WITH_PROJECTOR, lora_r=rank, lora_alpha=alpha, lora_dropout=dropout)
        adapter = lora(scope, backend.model)
    else:
        frozen_vision(backend.model)
    drawn = (scene(world_of(world), seed, index) for index in range(scenes))
    rows: Any = [row_of(task, drawn_scene) for drawn_scene in drawn]
    if masks != "perfect":
        rows = NoisyRows(rows, MaskNoise(masks, seed=seed))
    settings = training_settings(seed, scenes, passes, batch, learning_rate)
    config = FiVLConfig(str(folder), vision_loss_weight=vision_loss_weight, **settings)
    trainer = train(FiVLTrainer, config, backend.model, backend.processor, rows, adapter)
    return {
        "updates": trainer.state.global_step,
        "lm_losses": logged(trainer, "lm_loss"),
        "vm_losses": logged(trainer, "vm_loss"),
    }


def short_answers(
    folder: Path, base: Path, trained: Path | None = None, *, seed: int, scenes: int, world: Mapping, pictures: str
) -> dict:
    """For each short question: its scene, its kind, and whether it was answered word for word."""
    return _answered(backend_of(base, trained), held_out(world_of(world), scenes, seed), pictures)


def sentences(
    folder: Path, base: Path, trained: Path | None = None, *, seed: int, scenes: int, world: Mapping, task: str
) -> dict:
    """For each question that asks for a sentence: how near the answer is to the true one."""
    drawn = held_out(world_of(world), scenes, seed)
    asked = [
        (number, drawn_scene.image(), question, answer)
        for number, drawn_scene in enumerate(drawn)
        for question, answer, _ in turns_of(task, drawn_scene)
    ]
    said = _generated(backend_of(base, trained), [(question, picture) for _, picture, question, _ in asked], 72)
    pairs = [(text, answer) for text, (*_, answer) in zip(said, asked, strict=True)]
    found: dict[str, Any] = {
        "scene": [number for number, *_ in asked],
        "exact": [text == answer for text, answer in pairs],
        "bleu": [round(bleu(*pair), 4) for pair in pairs],
        "rouge": [round(rouge_l(*pair), 4) for pair in pairs],
        "said": [text for text, _ in pairs[:8]],
    }
    return {**found, "named": [agreement(*pair) for pair in pairs]} if task == "caption" else found


def grounding(
    folder: Path, base: Path, trained: Path | None = None, *, seed: int, scenes: int, world: Mapping, task: str
) -> dict:
    """What image tokens say of each noun, and how well the best head looks at the named thing when the true answer is given.

    The best head is chosen on scenes with even numbers and scored on those with odd ones: chosen and scored on the same
    scenes, the best of many heads would look better than it is.
    """
    from promvil_hf.backends.base import Request
    from promvil_hf.explain.vision_logits import key_iou, say

    backend = backend_of(base, trained)
    drawn = held_out(world_of(world), scenes, seed)
    found: dict[str, Any] = {"iou": [], "iou_scene": []}
    for first in range(0, len(drawn), 32):
        part = drawn[first : first + 32]
        requests = [Request(LOOK, drawn_scene.image()) for drawn_scene in part]
        said = say(backend, requests, [drawn_scene.size for drawn_scene in part])
        for number, (drawn_scene, heard) in enumerate(zip(part, said, strict=True), first):
            for name in dict.fromkeys(thing.name for thing in drawn_scene.objects):
                ids = [thing.object_id for thing in drawn_scene.objects if thing.name == name]
                key = drawn_scene.key_expression(f"{name} {plural(name)}", 0, ids)
                iou = key_iou(heard, key, backend.processor.tokenizer)
                found["iou"].append(round(iou, 4))
                found["iou_scene"].append(number)
    turns = [(number, drawn_scene, turn) for number, drawn_scene in enumerate(drawn) for turn in turns_of(task, drawn_scene)]
    atlas = _atlas(backend, turns, seed)
    of_scene = np.array([int(name) for name in atlas.image_ids])
    choosing, scored = of_scene % 2 == 0, of_scene % 2 == 1
    sums, counts = atlas.by_turn[choosing].sum(0), atlas.by_turn_tokens[choosing].sum(0)
    layer, head = best_heads(np.where(counts > 0, sums / np.maximum(counts, 1), -np.inf), 1)[0]
    columns = np.stack([atlas.by_turn[scored, layer, head], atlas.by_turn_tokens[scored, layer, head]], 1)
    return {
        **found,
        "rho": columns.round(5).tolist(),
        "rho_scene": of_scene[scored].tolist(),
        "head": f"{layer}.{head}",
        "ceiling": round(atlas.ceiling, 4),
        "passing": int(atlas.passing().sum()),
        "heads": int(atlas.rho.size),
    }


def hidden(
    folder: Path, base: Path, trained: Path | None = None, *, seed: int, scenes: int, world: Mapping, per_scene: int
) -> dict:
    """For each short question that speaks of something there: whether it is answered rightly, and when that is hidden."""
    from promvil_hf.evaluation.answering import Asking
    from promvil_hf.evaluation.picture_folder import Pictures
    from promvil_hf.evaluation.reliance import reliance as scored
    from promvil_hf.evaluation.scores import Resampling
    from promvil_hf.evaluation.twin_answers import TwinSettings, answer_twins
    from promvil_hf.fivl.fivl_rows import FivlRow, Key
    from promvil_hf.key_expressions import Turn as RowTurn

    shown = folder / "pictures"
    shown.mkdir(exist_ok=True)
    rows = []
    for number, drawn in enumerate(held_out(world_of(world), scenes, seed)):
        drawn.image().save(shown / f"{number}.png")
        asked = [turn for _, turn in questions(drawn) if turn[2]]
        for place, turn in enumerate(asked[:per_scene]):
            keys = tuple(Key(key, key.text) for key in keys_of(drawn, turn))
            row_id = f"{number}-{place}"
            text = (RowTurn(0, turn[0], turn[1]),)
            rows.append(FivlRow(row_id, "gqa", row_id, f"{number}.png", drawn.size, text, keys, (turn[1],)))
    settings = TwinSettings(TWINS, seed=seed)
    answers = answer_twins(
        rows, Pictures(shown), backend_of(base, trained), folder, settings=settings,
        asking=Asking("{text}", max_new_tokens=8, batch_size=64), model={"cell": folder.name},
        progress=False,
    )  # fmt: skip
    report = scored(rows, answers, settings=settings, resampling=Resampling(resamples=1))
    shutil.rmtree(shown)
    shutil.rmtree(folder / "answers")
    return {
        "scene": [int(row["image"].partition(".")[0]) for row in report.row_scores],
        "right": {kind: [row["scores"][kind] for row in report.row_scores] for kind in TWINS},
    }


def ablated(
    folder: Path,
    base: Path,
    trained: Path | None = None,
    *,
    seed: int,
    scenes: int,
    world: Mapping,
    counts: Sequence[int],
    draws: int,
) -> dict:
    """Short answers of the whole model, without its best heads, and without as many others of the same layers.

    Heads are scored on other scenes than those that are asked about. `random` is the mean over `draws` choices.
    """
    backend = backend_of(base, trained)
    choosing = held_out(world_of(world), 2 * scenes, seed)[scenes:]
    turns = [(number, drawn_scene, turn) for number, drawn_scene in enumerate(choosing) for _, turn in questions(drawn_scene)]
    atlas = _atlas(backend, turns, seed)
    drawn = held_out(world_of(world), scenes, seed)
    whole = _answered(backend, drawn)
    found: dict[str, Any] = {"scene": whole["scene"], "right": {"none": whole["right"]}, "heads": {}}
    for count in counts:
        best = best_heads(atlas.rho, count, most_of_a_layer=atlas.rho.shape[1] // 2)
        chosen = {f"top {count}": [best]}
        random = Random(f"{seed}/{count}")
        chosen[f"random {count}"] = [others(best, atlas.rho.shape[1], random) for _ in range(draws)]
        for name, choices in chosen.items():
            right = []
            for heads in choices:
                with without_heads(backend.model, heads):
                    right.append(_answered(backend, drawn)["right"])
            found["right"][name] = np.mean(right, 0).round(4).tolist()
            found["heads"][name] = [[f"{layer}.{head}" for layer, head in heads] for heads in choices]
            found["heads"][f"rho of {name}"] = [
                round(float(np.mean([atlas.rho[head] for head in heads])), 4) for heads in choices
            ]
    return found


def _atlas(backend, turns: Sequence[tuple[int, Scene, Turn]], seed: int):
    """The atlas of these (scene's number, scene, turn), where the model is given the true answers."""
    from promvil_hf.explain.heads import AskedTurn, Null, head_atlas, key_turns

    asked = [
        AskedTurn(str(place), drawn_scene.image, drawn_scene.size, turn[0], keys_of(drawn_scene, turn), turn[1], str(number))
        for place, (number, drawn_scene, turn) in enumerate(turns)
    ]
    answered, skipped = key_turns(backend, asked, own_answers=False, batch_size=32)
    return head_atlas(backend, answered, Null(shuffles=100, seed=seed), skipped=skipped, batch_size=32)


def _answered(backend, drawn: Sequence[Scene], pictures: str = "clean") -> dict:
    asked = [
        (number, spoilt(drawn_scene.image(), pictures, drawn_scene.image_id), kind, turn)
        for number, drawn_scene in enumerate(drawn)
        for kind, turn in questions(drawn_scene)
    ]
    said = _generated(backend, [(turn[0], picture) for _, picture, _, turn in asked], 8)
    return {
        "scene": [number for number, *_ in asked],
        "kind": [kind for _, _, kind, _ in asked],
        "right": [text == turn[1] for text, (*_, turn) in zip(said, asked, strict=True)],
    }


def _generated(backend, asked: Sequence[tuple[str, Image.Image]], most: int) -> list[str]:
    from promvil_hf.backends.base import Decoding, Request

    texts = []
    for first in range(0, len(asked), 64):
        part = [Request(question, picture) for question, picture in asked[first : first + 64]]
        texts += [answer.text.strip() for answer in backend.generate(part, Decoding(max_new_tokens=most))]
    return texts
