# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Rows and tiny models for the laws of training, the same in every process."""

from functools import cache

from promvil_hf.backends.lora_scopes import lora_config
from promvil_hf.toy.chains import chain_of
from promvil_hf.toy.world import WorldConfig, scenes
from promvil_hf.training.promvil_config import PromViLConfig
from promvil_hf.training.promvil_trainer import PromViLTrainer
from tests.unit.toy.models.families import fresh


QUESTION = {"dataset": "vg_qa", "text": ["Question: How many circles are there? Short Answer: One."], "bboxes": None}


def rows(chains: int = 9, questions: int = 2) -> list[dict]:
    """Chains of one to three levels, and a few questions, with their pictures."""
    return [dict(row) for row in _drawn(chains, questions)]


@cache
def _drawn(chains: int, questions: int) -> list[dict]:
    made: list[dict] = []
    for scene in scenes(WorldConfig(image_size=(56, 56)), chains, 0):
        expressions = sorted(scene.expressions(), key=lambda expression: expression.level)
        chosen = expressions[-1 - len(made) % 3 * 2] if len(expressions) > 5 else expressions[-1]
        made.append({"image": scene.image(), "chain": chain_of(scene, chosen)})
    for number in range(questions):
        made.insert(3 * number + 1, {**QUESTION, "image": made[number]["image"]})
    return made


def trainer(folder, train=None, *, dropout=0.0, rank=4, scope="reference", evaluated=None, **options):
    """A trainer of a tiny Kosmos-2 in fp32, with LoRA unless `scope` is None."""
    tiny = fresh("kosmos2", latent_query_num=8, gain=1)
    settings = {
        "use_cpu": True,
        "disable_tqdm": True,
        "save_strategy": "no",
        "logging_steps": 1,
        "learning_rate": 1e-2,
        "warmup_steps": 0,
        "max_grad_norm": 0.0,
        "seed": 3,
        **options,
    }
    return PromViLTrainer(
        tiny.model,
        PromViLConfig(str(folder), **settings),
        processing_class=tiny.processor,
        train_dataset=rows() if train is None else train,
        peft_config=None if scope is None else lora_config(scope, r=rank, alpha=rank, dropout=dropout),
        eval_dataset=evaluated,
    )


def weights(trainer) -> dict:
    return {name: p.detach().clone() for name, p in trainer.model.named_parameters() if p.requires_grad}


def apart(some: dict, others: dict) -> float:
    """The largest relative difference of any tensor."""
    assert some.keys() == others.keys()
    return max(float((some[name] - others[name]).norm() / others[name].norm().clamp(min=1e-12)) for name in others)


def losses(trainer) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def logged(trainer) -> list[dict]:
    """What was logged of losses, by step, and at the end."""
    return [
        {name: value for name, value in entry.items() if "loss" in name or name in ("step", "refused_texts", "vm_accuracy")}
        for entry in trainer.state.log_history
    ]


def same_logs(some: list[dict], others: list[dict], within: float = 1e-5) -> bool:
    return [entry.keys() for entry in some] == [entry.keys() for entry in others] and all(
        abs(entry[name] - other[name]) <= within * max(1, abs(other[name]))
        for entry, other in zip(some, others, strict=True)
        for name in entry
    )
