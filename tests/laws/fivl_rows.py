# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Rows and tiny models for the laws of FiVL's training, the same in every process."""

from functools import cache

from promvil_hf.commands.train_fivl import toy_rows
from promvil_hf.training.fivl_config import FiVLConfig
from promvil_hf.training.fivl_trainer import FiVLTrainer
from tests.unit.toy.models.families import fresh


TEXT_ONLY = {"row_id": "text", "turns": [{"question": "Hello?", "answer": "Good morning to you."}], "key_expressions": []}


def rows(scenes: int = 6, seed: int = 0) -> list[dict]:
    """Rows of several lengths; one without key expressions and one without a picture."""
    return [dict(row) for row in _drawn(scenes, seed)]


@cache
def _drawn(scenes: int, seed: int) -> list[dict]:
    made = list(toy_rows(scenes, seed))
    made.insert(1, {**made[0], "row_id": "unlabelled", "turns": made[0]["turns"][:1], "key_expressions": []})
    made.insert(4, TEXT_ONLY)
    return made


# A step that is large beside the rounding of the weights it changes shows its gradient best.
SETTINGS = {
    "use_cpu": True, "disable_tqdm": True, "save_strategy": "no", "report_to": "none", "logging_steps": 1,
    "learning_rate": 10.0, "optim": "sgd", "warmup_steps": 0, "max_grad_norm": 0.0, "max_steps": 1, "seed": 3,
    "per_device_train_batch_size": 8, "train_sampling_strategy": "sequential", "lr_scheduler_type": "constant",
}  # fmt: skip


def config(folder, **options):
    return FiVLConfig(str(folder), **SETTINGS | options)


def trainer(folder, train=None, *, family="llava", evaluated=None, peft_config=None, **options):
    """A trainer of a tiny model in fp32, one step of plain gradient descent unless `options` say otherwise."""
    tiny = fresh(family)
    return FiVLTrainer(
        tiny.model,
        config(folder, **options),
        processing_class=tiny.processor,
        train_dataset=rows() if train is None else train,
        eval_dataset=evaluated,
        peft_config=peft_config,
    )


def weights(trainer) -> dict:
    return {name: p.detach().clone() for name, p in trainer.model.named_parameters() if p.requires_grad}


def apart(some: dict, others: dict) -> float:
    """The largest relative difference of any tensor; what is a thousandth of the largest counts as if it were that.

    The gradient of a key's bias, for one, is zero but for rounding.
    """
    assert some.keys() == others.keys()
    least = 1e-3 * max(tensor.norm() for tensor in others.values())
    return max(float((some[name] - others[name]).norm() / max(others[name].norm(), least)) for name in others)


def moved(run) -> dict:
    """What one step of plain gradient descent did to each weight: its gradient, up to the learning rate."""
    return {name: tensor - begun()[name] for name, tensor in weights(run).items()}


@cache
def begun() -> dict:
    """The weights of a LLaVA that `trainer` made, before its first step."""
    return {name: p.detach() for name, p in fresh("llava").model.named_parameters()}


def log(trainer) -> dict:
    return trainer.state.log_history[0]


TERMS = {"lm": 0.0, "joint": 0.1, "vm": 1.0}  # the weight of the vision term
