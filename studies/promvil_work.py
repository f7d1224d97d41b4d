# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The work of PromViL's cells: training rows of nested phrases, fine-tuning on them, grounding in held-out scenes.

torch is loaded where the work begins. Public code of the package only.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

from promvil_hf.boxes import Box
from promvil_hf.metrics.grounding import answer_iou
from promvil_hf.phrases import GroundedPhrase, PhraseChain
from promvil_hf.toy.chains import chain_of, scene_chain
from promvil_hf.toy.config import WorldConfig
from promvil_hf.toy.scenery import Scene, scene
from promvil_hf.toy.small_world import held_out
from studies.shared import backend_of, logged, train, training_settings, world_of


LEVELS = 3  # of the expressions that are trained, and so of the cuts of a scene
LONGEST_ANSWER = 24  # tokens: a box in any base's dialect
EVIDENCE = ("none", "predicted", "right", "shifted", "swapped")


@lru_cache(maxsize=1)  # trainings on the same scenes often come one after another
def rows_of(world: WorldConfig, seed: int, scenes: int, per_level: int) -> tuple[dict, ...]:
    """Training rows. Fewer scenes are the first of more."""
    drawn = (scene(world, seed, index) for index in range(scenes))
    return tuple({"image": drawn_scene.image(), "chain": scene_chain(drawn_scene, per_level)} for drawn_scene in drawn)


def fine_tune(
    folder: Path,
    base: Path,
    *,
    seed: int,
    scenes: int,
    passes: float,
    batch: int,
    learning_rate: float,
    scope: str,
    rank: int,
    alpha: float,
    dropout: float,
    evidence: bool,
    supervise: str,
    curriculum: str,
    per_level: int,
    world: Mapping,
    vision_loss_weight: float,
    watched: Mapping | None,
) -> dict:
    """A LoRA adapter in `folder`, by the trainer that trains real checkpoints. Goes on from the last whole checkpoint.

    `batch` is in scenes: a curriculum cuts a scene into its levels, so as many more cuts make a batch, and the number of
    updates stays what it is without one. `watched` says what is measured on the way (see `watch_of`), if anything is; then
    the curve and the operations of the training are in the result, too.
    """
    from promvil_hf.backends.lora_scopes import lora_config
    from promvil_hf.training.chain_texts import steps_to_train
    from promvil_hf.training.curriculum import whole
    from promvil_hf.training.promvil_config import PromViLConfig
    from promvil_hf.training.promvil_trainer import PromViLTrainer

    backend = backend_of(base)
    lora = lora_config(scope, r=rank, alpha=alpha, dropout=dropout)
    lora.base_model_name_or_path = str(base)
    rows = list(rows_of(world_of(world), seed, scenes, per_level))
    settings = training_settings(seed, scenes, passes, batch, learning_rate)
    if curriculum != "none":
        settings["per_device_train_batch_size"] = batch * LEVELS
    config = PromViLConfig(
        str(folder),
        curriculum=curriculum,
        train_evidence=evidence,
        supervise=supervise,
        vision_loss_weight=vision_loss_weight,
        **settings,
    )
    watch = watch_of(folder, backend, world_of(world), config.max_steps, **watched) if watched else None
    trainer = train(PromViLTrainer, config, backend.model, backend.processor, rows, lora, watch)
    schedule = config.schedule()
    cuts = map(whole, range(scenes)) if schedule is None else schedule.epoch(trainer.train_dataset.levels, seed, 0)
    trained = sum(cut.trains(level) for cut in cuts for *_, level in steps_to_train(rows[cut.row]["chain"], evidence))
    seen = {} if watch is None else {
        "curve": sorted(watch.curve.items()), "flops": watch.flops_of_an_update * trainer.state.global_step
    }  # fmt: skip
    return {
        "updates": trainer.state.global_step,
        "texts_trained": round(trained * passes),
        "losses": logged(trainer, "loss"),
        **seen,
    }


def watch_of(
    folder: Path,
    backend,
    world: WorldConfig,
    updates: int,
    *,
    mode: str,
    level: int,
    every: int,
    seed: int,
    scenes: int,
    per_level: int,
):
    """A `Watch`: after every so many updates, the accuracy on expressions of this level in held-out scenes, asked in this mode.

    `backend` holds the model that is trained.
    """
    from studies.watching import Watch

    grounder = _grounder(backend)(mode)
    asked = _asked(world, seed, scenes, per_level)
    queries = [(picture, chain) for _, picture, chain, _ in asked if chain.levels[-1] == level]

    def probe() -> float:
        traces = grounder.ground_all(queries, progress=False)
        right = [overlap >= 0.5 for overlap in _iou([trace.boxes for trace in traces], _gold([chain for _, chain in queries]))]
        return sum(right) / len(right)

    return Watch(folder, range(every, updates + 1, every), probe)


def answers(
    folder: Path,
    base: Path,
    trained: Path | None = None,
    *,
    seed: int,
    scenes: int,
    per_level: int,
    modes: Sequence[str],
    world: Mapping,
) -> dict:
    """For each expression of the held-out scenes: its scene and level, and in each mode the IoU of the first box.

    The decomposition is the world's own, so that a fault of the grammar is not taken for one of the model. `unseen` says
    that the expression's target is of a pair of color and shape that is held out.
    """
    config = world_of(world)
    asked = list(_asked(config, seed, scenes, per_level))
    grounder = _grounder(backend_of(base, trained))
    found: dict[str, Any] = {
        "scene": [number for number, *_ in asked],
        "level": [chain.levels[-1] for _, _, chain, _ in asked],
        "unseen": [target in config.held_out for *_, target in asked],
        "iou": {},
        "parsed": {},
    }
    queries = [(picture, chain) for _, picture, chain, _ in asked]
    for mode in modes:
        traces = grounder(mode).ground_all(queries, progress=False)
        found["iou"][mode] = _iou([trace.boxes for trace in traces], _gold([chain for _, chain in queries]))
        found["parsed"][mode] = sum(bool(trace.boxes) for trace in traces) / len(traces)
    return found


def answers_under_evidence(
    folder: Path, base: Path, trained: Path | None = None, *, seed: int, scenes: int, per_level: int, world: Mapping
) -> dict:
    """For each expression above level 1: the IoU of its answer under each kind of evidence, and of the evidence itself.

    Only the evidence of the whole expression changes. `told` is the IoU of the predicted evidence of its last step.
    """
    asked = [row for row in _asked(world_of(world), seed, scenes, per_level) if row[2].levels[-1] > 1]
    grounder = _grounder(backend_of(base, trained))
    found: dict[str, Any] = {
        "scene": [number for number, *_ in asked],
        "level": [chain.levels[-1] for _, _, chain, _ in asked],
        "iou": {},
    }
    drawn = held_out(world_of(world), scenes, seed)
    for kind in EVIDENCE:
        mode = {"none": "one_shot", "predicted": "progressive"}.get(kind, "oracle")
        chains = [
            chain if mode != "oracle" else misled(chain, kind, drawn[number], Random(f"{seed}/{number}/{chain.levels}"))
            for number, _, chain, _ in asked
        ]
        queries = [(picture, chain) for (_, picture, *_), chain in zip(asked, chains, strict=True)]
        traces = grounder(mode).ground_all(queries, progress=False)
        found["iou"][kind] = _iou([trace.boxes for trace in traces], _gold(chains))
        if kind == "predicted":
            anchors = [chain.steps[-1].anchors[0] for chain in chains]
            evidence = [trace.steps[anchor].boxes for trace, anchor in zip(traces, anchors, strict=True)]
            gold = [chain.steps[anchor].target.boxes for chain, anchor in zip(chains, anchors, strict=True)]
            found["told"] = _iou(evidence, gold)
    return found


def misled(chain: PhraseChain, kind: str, drawn: Scene, rng: Random) -> PhraseChain:
    """The chain with other boxes on what its last step refers to: moved by half their size, or those of another object."""
    if kind == "right":
        return chain
    steps = list(chain.steps)
    for anchor in steps[-1].anchors:
        step = steps[anchor]
        (box,) = step.target.boxes
        if kind == "shifted":
            wrong = shifted(box)
        else:
            taken = (box, *steps[-1].target.boxes)
            others = [drawn.box(place) for place in range(len(drawn.objects))]
            wrong = rng.choice([other for other in others if other not in taken])
        steps[anchor] = replace(step, target=GroundedPhrase(step.target.text, [wrong]))
    return replace(chain, steps=tuple(steps))


def shifted(box: Box) -> Box:
    """The box moved by half its size, to the right and down where there is room: an IoU of a seventh."""
    x = box.width / 2 if box.x1 + box.width / 2 <= 1 else -box.width / 2
    y = box.height / 2 if box.y1 + box.height / 2 <= 1 else -box.height / 2
    return Box(box.x0 + x, box.y0 + y, box.x1 + x, box.y1 + y)


def _asked(config: WorldConfig, seed: int, scenes: int, per_level: int) -> Iterator[tuple]:
    """(scene's number, picture, chain, (color, shape) of the target) of each expression."""
    for number, drawn in enumerate(held_out(config, scenes, seed)):
        picture = drawn.image()
        for expression in drawn.expressions(per_level):
            thing = drawn.objects[drawn.position_of(expression.target_id)]
            yield number, picture, chain_of(drawn, expression), (thing.color, thing.name)


def _grounder(backend) -> Callable:
    """mode -> a grounder."""
    from promvil_hf.grounding import GroundingOptions, ProgressiveGrounder

    return lambda mode: ProgressiveGrounder(backend, GroundingOptions(mode, max_new_tokens=LONGEST_ANSWER))


def _iou(found: Sequence[Sequence[Box]], gold: Sequence[Sequence[Box]]) -> list[float]:
    """Of the first box of each answer; no box is 0."""
    ious = answer_iou(*([[box.xyxy for box in boxes] for boxes in side] for side in (found, gold)))
    return [round(iou, 4) for iou in ious.tolist()]


def _gold(chains: Sequence[PhraseChain]) -> list[Sequence[Box]]:
    return [chain.steps[-1].target.boxes for chain in chains]
