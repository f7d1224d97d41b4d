# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What FiVL's studies share: the world that is asked about, joint fine-tuning, and what is measured of it.

`tuned` gives the cell of a fine-tuned model; `answers`, `speech`, `places`, `reliance` and `ablation` those of what a model (None
is the base) does on held-out scenes. Equal settings are equal cells, so the reference (λ 0.1, exact masks) is
trained once for all studies. Public code of the package only.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from promvil_hf.inflection import plural
from promvil_hf.pages.charts import Series
from promvil_hf.toy.gqa import gqa_questions
from promvil_hf.toy.questions import KeyRegion, conversation, pope_questions
from promvil_hf.toy.scenery import Scene, scene
from promvil_hf.toy.small_world import ASKED_ABOUT, QUESTIONS, held_out
from studies.cells import Cell, Given
from studies.results import Result, Sample
from studies.sentences import agreement, bleu, rouge_l
from studies.shared import changed, curve, world_of
from studies.terms import Terms


WORLD = ASKED_ABOUT

# Found by trying a few on seed 9, which no study shows (see studies/README.md).
TUNING = {
    "scenes": 1440,
    "passes": 1,
    "batch": 12,
    "tune": "full",  # as the published code: the language model and the projector; "lora" takes the three below
    "learning_rate": 0.02,  # of Muon
    "rank": 32,
    "alpha": 32,
    "dropout": 0.0,
    "vision_loss_weight": 0.1,
    "masks": "perfect",
    "task": "talk",
    "world": asdict(WORLD),
}
QUICK_TUNING = {"scenes": 16, "batch": 8}
SCENES = 100
QUICK_SCENES = 10  # a head atlas needs eight turns

TASKS = ("talk", "caption")
PICTURES = ("clean", "noise", "blur")
TWINS = ("original", "key boxes", "random boxes", "whole image")
LOOK = "What does the image show?"
SENTENCE = " Answer in a sentence."  # or nobody could know which of two answers "What color is the ring?" asks for
Turn = tuple[str, str, tuple[KeyRegion, ...]]  # question, answer, what of it stands where


def tuned(terms: Terms, seed: int, **changes: Any) -> Cell:
    """The cell of a fine-tuned model. `changes` are to `TUNING`."""
    settings = {**TUNING, **(QUICK_TUNING if terms.quick else {}), "seed": seed}
    return Cell(fine_tune, changed(settings, changes), {"base": terms.base})


def answers(terms: Terms, seed: int, trained: Cell | None, pictures: str = "clean", **world: Any) -> Cell:
    """The cell of short answers; `pictures` are spoilt as `PICTURES` says, `world` changes `WORLD`."""
    return _measuring(short_answers, terms, seed, trained, pictures=pictures, world=asdict(replace(WORLD, **world)))


def speech(terms: Terms, seed: int, trained: Cell | None, task: str = "talk") -> Cell:
    """The cell of answers in sentences, or of captions."""
    return _measuring(sentences, terms, seed, trained, task=task)


def places(terms: Terms, seed: int, trained: Cell | None, task: str = "talk") -> Cell:
    """The cell of what image tokens say, and of where heads look."""
    return _measuring(grounding, terms, seed, trained, task=task)


def reliance(terms: Terms, seed: int, trained: Cell | None) -> Cell:
    """The cell of short answers to pictures with parts hidden."""
    return _measuring(hidden, terms, seed, trained, per_scene=2 if terms.quick else 6)


def ablation(terms: Terms, seed: int, trained: Cell | None, counts: Sequence[int], draws: int) -> Cell:
    """The cell of short answers without some heads."""
    return _measuring(ablated, terms, seed, trained, counts=list(counts), draws=draws)


def _measuring(work: Callable, terms: Terms, seed: int, trained: Cell | None, **settings: Any) -> Cell:
    own = {"seed": seed, "scenes": QUICK_SCENES if terms.quick else SCENES, "world": asdict(WORLD), **settings}
    needs: dict[str, Cell | Given] = {"base": terms.base}
    return Cell(work, own, needs if trained is None else {**needs, "trained": trained})


# What is read out of them


def accuracy(by_seed: Mapping[int, Mapping]) -> Sample:
    """Of short answers, word for word."""
    return _sample(by_seed, lambda found: found["right"])


def sentence_score(by_seed: Mapping[int, Mapping], which: str) -> Sample:
    """`which` is "exact", "bleu", "rouge" or, of captions, "named"."""
    return _sample(by_seed, lambda found: found[which])


def patch_iou(by_seed: Mapping[int, Mapping]) -> Sample:
    """Each noun of a scene: the image tokens that say it against the exact mask of what it names."""
    return _sample(by_seed, lambda found: found["iou"], "iou_scene")


def head_score(by_seed: Mapping[int, Mapping]) -> Sample:
    """Spearman's rho of the best head, which was chosen on other scenes than it is scored on."""
    return _sample(by_seed, lambda found: found["rho"], "rho_scene")


def reliance_score(by_seed: Mapping[int, Mapping], hidden: str = "key boxes", beyond: str = "original") -> Sample:
    """Visual Reliance Score; with `beyond="random boxes"`, what hiding the key boxes costs beyond hiding other boxes."""
    return _sample(
        by_seed,
        lambda found: [
            (less - own, whole)
            for less, own, whole in zip(
                found["right"][beyond], found["right"][hidden], found["right"]["original"], strict=True
            )
        ],
    )


def _sample(by_seed: Mapping[int, Mapping], values: Callable[[Mapping], Sequence], scenes: str = "scene") -> Sample:
    return Sample.of({seed: (values(found), found[scenes]) for seed, found in by_seed.items()})


def told(terms: Terms, trainings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The settings that stand in result.json; `trainings` are results of `fine_tune` by what they are called."""
    plain = {**TUNING, **(QUICK_TUNING if terms.quick else {})}
    del plain["world"]
    return {
        "training": plain,
        "held_out_scenes": QUICK_SCENES if terms.quick else SCENES,
        "updates": {name: found["updates"] for name, found in trainings.items()},
        "last_lm_loss": {name: found["lm_losses"][-1] for name, found in trainings.items()},
        "last_vm_loss": {name: found["vm_losses"][-1] for name, found in trainings.items() if found["vm_losses"]},
    }


def along(
    result: Result, setting: str, values: Iterable[str | float], measure: str, name: str = "", **fixed: str
) -> Series:
    """A measure along the values of a setting, numbers or names."""
    scores = {value: result.score(measure, **{setting: str(value)}, **fixed) for value in values}
    return curve(name or measure, scores)


# Rows


def questions(drawn: Scene) -> list[tuple[str, Turn]]:
    """(kind, turn) of the short questions the base was trained on, with what they speak of."""
    asked = [(own.types["detailed"], (own.question, own.answer, own.keys)) for own in gqa_questions(drawn, 9)]
    asked += [("pope", (own.question, own.answer, own.keys)) for own in pope_questions(drawn, per_scene=4)]
    return [own for own in asked if own[0] in QUESTIONS]


def talk(drawn: Scene) -> list[Turn]:
    """Four questions, answered in sentences."""
    held = conversation(drawn)
    return [
        (question + SENTENCE, answer, tuple(key for key in held.keys if key.turn == number))
        for number, (question, answer) in enumerate(held.turns)
    ]


def caption(drawn: Scene) -> list[Turn]:
    """One question, answered with the scene's caption; each thing it mentions is a key expression."""
    told = drawn.caption()
    things: dict[str, tuple[int, ...]] = {}
    for start, end, object_id in told.mentions:
        words = told.text[start:end].partition(" ")[2]  # without its article
        things[words] = (*things.get(words, ()), object_id)
    return [(LOOK, told.text, tuple(KeyRegion(words, 0, ids) for words, ids in things.items()))]


def turns_of(task: str, drawn: Scene) -> list[Turn]:
    if task not in TASKS:
        raise ValueError(f"You passed the task {task!r}: it is one of {', '.join(TASKS)}.")
    return talk(drawn) if task == "talk" else caption(drawn)


def row_of(task: str, drawn: Scene) -> dict:
    """A row of FiVL-Instruct. A talk has a short question of each kind among its sentences, so that none is unlearned.

    They are mixed: were the sentences first, the model would answer whatever is asked first in a sentence.
    """
    turns = turns_of(task, drawn)
    if task == "talk":
        turns += dict(questions(drawn)).values()
        Random(f"{drawn.image_id}/short").shuffle(turns)
    return {
        "row_id": str(drawn.image_id),
        "image": drawn.image(),
        "turns": [{"question": question, "answer": answer} for question, answer, _ in turns],
        "key_expressions": [key.to_dict() for number, turn in enumerate(turns) for key in _keys(drawn, turn, number)],
    }


def _keys(drawn: Scene, turn: Turn, number: int = 0) -> tuple:
    return tuple(replace(key, turn=number).located(drawn) for key in turn[2])


def spoilt(picture: Image.Image, how: str, seed: int) -> Image.Image:
    """The picture as it is, with noise of a standard deviation of 40 (of 255), or blurred with a radius of 1.5 pixels."""
    if how not in PICTURES:
        raise ValueError(f"You passed pictures={how!r}: it is one of {', '.join(PICTURES)}.")
    if how == "clean":
        return picture
    if how == "blur":
        return picture.filter(ImageFilter.GaussianBlur(1.5))
    pixels = np.asarray(picture, float) + np.random.default_rng(seed).normal(0, 40, (*picture.size[::-1], 3))
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


# Work of the cells; torch is loaded where the work begins


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
    from transformers import set_seed

    from promvil_hf.commands.train_fivl import FiVLRecipe, load_base, lora
    from promvil_hf.fivl.mask_noise import MaskNoise, NoisyRows
    from promvil_hf.toy.muon import Muon
    from promvil_hf.training.adapters import with_lora
    from promvil_hf.training.checkpoints import last_whole
    from promvil_hf.training.fivl_config import FiVLConfig
    from promvil_hf.training.fivl_trainer import FiVLTrainer

    recipe = FiVLRecipe(str(base), tune=tune, lora_r=rank, lora_alpha=alpha, lora_dropout=dropout)
    model, processor = load_base(recipe)
    adapter = lora(recipe, model) if tune == "lora" else None
    drawn = (scene(world_of(world), seed, index) for index in range(scenes))
    rows: Any = [row_of(task, own) for own in drawn]
    if masks != "perfect":
        rows = NoisyRows(rows, MaskNoise(masks, seed=seed))
    updates = max(1, round(scenes * passes / batch))
    config = FiVLConfig(
        str(folder),
        seed=seed,
        vision_loss_weight=vision_loss_weight,
        learning_rate=learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.1,
        max_steps=updates,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=1,
        logging_steps=max(1, updates // 10),
        save_steps=min(100, max(1, updates // 3)),
        save_total_limit=1,
        disable_tqdm=True,
        report_to="none",
        use_cpu=True,
    )
    if adapter is not None:
        set_seed(seed)  # for its first weights
        model = with_lora(model, adapter)
    trainer = FiVLTrainer(
        model,
        config,
        processing_class=processor,
        train_dataset=rows,
        optimizers=(Muon(model.named_parameters(), learning_rate), None),
    )
    trainer.train(resume_from_checkpoint=last_whole(folder)[0])
    trainer.save_model()
    for path in folder.glob("checkpoint-*"):
        shutil.rmtree(path)
    logs = trainer.state.log_history
    return {
        "updates": trainer.state.global_step,
        "lm_losses": [round(entry["lm_loss"], 4) for entry in logs if "lm_loss" in entry],
        "vm_losses": [round(entry["vm_loss"], 4) for entry in logs if "vm_loss" in entry],
    }


def short_answers(
    folder: Path, base: Path, trained: Path | None = None, *, seed: int, scenes: int, world: Mapping, pictures: str
) -> dict:
    """For each short question: its scene, its kind, and whether it was answered word for word."""
    return _answered(_backend(base, trained), held_out(world_of(world), scenes, seed), pictures)


def sentences(
    folder: Path, base: Path, trained: Path | None = None, *, seed: int, scenes: int, world: Mapping, task: str
) -> dict:
    """For each question that asks for a sentence: how near the answer is to the true one."""
    drawn = held_out(world_of(world), scenes, seed)
    asked = [
        (number, own.image(), question, answer)
        for number, own in enumerate(drawn)
        for question, answer, _ in turns_of(task, own)
    ]
    said = _generated(_backend(base, trained), [(question, picture) for _, picture, question, _ in asked], 72)
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
    """What image tokens say of each noun, and how the best head looks at what it speaks of while it is told the answer.

    The best head is chosen on scenes with even numbers and scored on those with odd ones: chosen and scored on the same
    scenes, the best of many heads would look better than it is.
    """
    from promvil_hf.backends.base import Request
    from promvil_hf.explain.vision_logits import key_iou, say

    backend = _backend(base, trained)
    drawn = held_out(world_of(world), scenes, seed)
    found: dict[str, Any] = {"iou": [], "iou_scene": []}
    for first in range(0, len(drawn), 32):
        part = drawn[first : first + 32]
        said = say(backend, [Request(LOOK, own.image()) for own in part], [own.size for own in part])
        for number, (own, heard) in enumerate(zip(part, said, strict=True), first):
            for name in dict.fromkeys(thing.name for thing in own.objects):
                ids = [thing.object_id for thing in own.objects if thing.name == name]
                key = own.key_expression(f"{name} {plural(name)}", 0, ids)
                iou = key_iou(heard, key, backend.processor.tokenizer)
                found["iou"].append(round(iou, 4))
                found["iou_scene"].append(number)
    turns = [(number, own, turn) for number, own in enumerate(drawn) for turn in turns_of(task, own)]
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
            keys = tuple(Key(key, key.text) for key in _keys(drawn, turn))
            row_id = f"{number}-{place}"
            text = (RowTurn(0, turn[0], turn[1]),)
            rows.append(FivlRow(row_id, "gqa", row_id, f"{number}.png", drawn.size, text, keys, (turn[1],)))
    settings = TwinSettings(TWINS, seed=seed)
    told = answer_twins(
        rows, Pictures(shown), _backend(base, trained), folder, settings=settings,
        asking=Asking("{text}", max_new_tokens=8, batch_size=64), model={"cell": folder.name},
        progress=False,
    )  # fmt: skip
    report = scored(rows, told, settings=settings, resampling=Resampling(resamples=1))
    shutil.rmtree(shown)
    shutil.rmtree(folder / "answers")
    return {
        "scene": [int(own["image"].partition(".")[0]) for own in report.row_scores],
        "right": {kind: [own["scores"][kind] for own in report.row_scores] for kind in TWINS},
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
    backend = _backend(base, trained)
    choosing = held_out(world_of(world), 2 * scenes, seed)[scenes:]
    turns = [(number, own, turn) for number, own in enumerate(choosing) for _, turn in questions(own)]
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
                round(float(np.mean([atlas.rho[own] for own in heads])), 4) for heads in choices
            ]
    return found


def best_heads(rho: np.ndarray, count: int, most_of_a_layer: int | None = None) -> list[tuple[int, int]]:
    """(layer, head) of the highest scores; at most so many of one layer."""
    order = np.argsort(-np.where(np.isfinite(rho), rho, -np.inf), axis=None, kind="stable")
    best: list[tuple[int, int]] = []
    for place in order:
        layer, head = divmod(int(place), rho.shape[1])
        if sum(own == layer for own, _ in best) < (most_of_a_layer or rho.shape[1]):
            best.append((layer, head))
        if len(best) == count:
            return best
    raise ValueError(f"You asked for {count} heads, at most {most_of_a_layer} of a layer: there are only {len(best)}.")


def others(heads: Sequence[tuple[int, int]], of_a_layer: int, random: Random) -> list[tuple[int, int]]:
    """As many heads of each layer, none of them among `heads`."""
    chosen = []
    for layer in sorted({layer for layer, _ in heads}):
        left = [head for head in range(of_a_layer) if (layer, head) not in heads]
        chosen += [(layer, head) for head in random.sample(left, of_a_layer - len(left))]
    return chosen


@contextmanager
def without_heads(model, heads: Sequence[tuple[int, int]]) -> Iterator[None]:
    """The language model runs with the output of these (layer, head) set to 0, before the layer mixes its heads."""
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    mixers = [module for name, module in plain.named_modules() if name.endswith("self_attn.o_proj")]
    several = plain.config.get_text_config().num_attention_heads

    def silence(own: Sequence[int]):
        def hook(module, inputs):
            states, width = inputs[0].clone(), module.in_features // several
            for head in own:
                states[..., head * width : (head + 1) * width] = 0
            return (states,)

        return hook

    hooks = [
        mixers[layer].register_forward_pre_hook(silence([head for own, head in heads if own == layer]))
        for layer in sorted({layer for layer, _ in heads})
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _atlas(backend, turns: Sequence[tuple[int, Scene, Turn]], seed: int):
    """The atlas of these (scene's number, scene, turn), told the right answers."""
    from promvil_hf.explain.heads import AskedTurn, head_atlas, tell

    asked = [
        AskedTurn(str(place), own.image, own.size, turn[0], _keys(own, turn), turn[1], str(number))
        for place, (number, own, turn) in enumerate(turns)
    ]
    told, skipped = tell(backend, asked, own_answers=False, batch_size=32)
    return head_atlas(backend, told, skipped=skipped, shuffles=100, seed=seed, batch_size=32)


def _answered(backend, drawn: Sequence[Scene], pictures: str = "clean") -> dict:
    asked = [
        (number, spoilt(own.image(), pictures, own.image_id), kind, turn)
        for number, own in enumerate(drawn)
        for kind, turn in questions(own)
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
        texts += [own.text.strip() for own in backend.generate(part, Decoding(max_new_tokens=most))]
    return texts


def _backend(base: Path, trained: Path | None):
    """Of the base, of an adapter on it, or of a checkpoint that is whole."""
    from promvil_hf.backends.loading import load

    if trained is None or (trained / "adapter_config.json").is_file():
        return load(base, trained, device="cpu")
    return load(trained, device="cpu")
