# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The objective of `recipes/train_fivl.py`: FiVL's joint loss on models whose image tokens are patches."""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from promvil_hf.backends.lora_scopes import WITH_PROJECTOR
from promvil_hf.commands.recipe import find
from promvil_hf.fivl.mask_noise import KINDS, MaskNoise, NoisyRows
from promvil_hf.fivl.row_files import read_fivl_rows
from promvil_hf.toy.models import tiny_llava
from promvil_hf.toy.questions import conversation
from promvil_hf.toy.world import WorldConfig, scenes
from promvil_hf.training.arguments import DataArguments
from promvil_hf.training.fivl_collator import check_family
from promvil_hf.training.fivl_config import FiVLConfig
from promvil_hf.training.fivl_trainer import FiVLTrainer
from promvil_hf.training.option import option
from promvil_hf.training.row_sources import read_source
from promvil_hf.training.run_training import Objective, run_as_script, run_training


HELP = """
Fine-tune a model whose image tokens are patches with FiVL's joint loss: answers, and patches that predict key words.

    accelerate launch recipes/train_fivl.py --config recipes/llava/lora.yaml --rows fivl --images images
    promvil recipe run llava/smoke
    promvil recipe run llava/smoke --sweep vision_loss_weight=0,0.1,0.3 mask_noise=perfect,random

Every option may be in the YAML file too; the command line wins over it. All options of `transformers.TrainingArguments` can
be given as well (learning_rate, eval_strategy, report_to, push_to_hub …).
"""


@dataclass
class FiVLDataArguments(DataArguments):
    """Which rows, and how good the masks are that are trained."""

    mask_noise: str = option(
        "perfect", f"Spoil the masks to train on, never those to evaluate on: {', '.join(KINDS)}.", KINDS
    )
    mask_noise_level: float | None = option(None, "How much; by default the usual of that noise.")

    def __post_init__(self):
        MaskNoise(self.mask_noise, self.mask_noise_level)

    def training_rows(self, read, seed):
        rows = super().training_rows(read, seed)
        noise = MaskNoise(self.mask_noise, self.mask_noise_level, seed)
        return rows if noise.kind == "perfect" else NoisyRows(rows, noise)


def main(argv=None):
    run_as_script(train, argv)


def train(argv=None):
    """Parse, train, save, evaluate; gives the trainer, or a sweep's table. Without a recipe it is that of LLaVA with LoRA."""
    return run_training(OBJECTIVE, with_recipe(sys.argv[1:] if argv is None else argv))


def with_recipe(argv):
    """The same words, with the recipe that stands for the method's settings where none is named."""
    return list(argv) if "--config" in argv else ["--config", str(find("llava/lora")), *argv]


def read_rows(source: str, split: str):
    """Rows of FiVL-Instruct: drawn scenes, a file, a built folder or a data set."""
    name, _, config = source.partition(":")
    if name.endswith(".jsonl") or Path(name, "work").is_dir():
        return [row.to_dict() for row in read_fivl_rows(name, config or None)]
    return read_source(source, split, toy_rows)


def toy_rows(count: int, seed: int, image_size: tuple[int, int] = (112, 112)):
    """Conversations about `count` drawn scenes, with the exact masks of what they name."""
    world = WorldConfig(
        image_size=image_size,
        objects=(2, 3),
        levels=1,
        distractors=0,
        shapes=("circle", "star", "square"),
        colors=("red", "blue", "green"),
        textures=("plain",),
        object_scale=1.5,
    )
    for scene in scenes(world, count, seed):
        talk = conversation(scene)
        yield {
            "row_id": f"toy-{seed}-{scene.image_id}",
            "image": scene.image(),
            "turns": [{"question": question, "answer": answer} for question, answer in talk.turns],
            "key_expressions": [key.located(scene).to_dict() for key in talk.keys],
        }


def toy_base():
    """A small random LLaVA whose words are those of drawn scenes."""
    torch.set_num_threads(1)  # threads cost more than matrices of this size bring
    sentences = [turn[side] for row in toy_rows(60, 0) for turn in row["turns"] for side in ("question", "answer")]
    tiny = tiny_llava(sentences=sentences, width=64, layers=2, image_size=56, patch_size=7, fit="stretch")
    return tiny.model, tiny.processor


OBJECTIVE = Objective(
    script="train_fivl",
    help=HELP,
    method="FiVL",
    about="A LoRA adapter trained with promvil_hf after FiVL (arXiv 2412.14672): while the model learns to answer, each "
    "patch that a key expression's mask touches learns to predict a word of it.",
    licence_note="The licence of the base model holds for what is made from it; FiVL-Instruct is CC BY 4.0.",
    tags=("fivl", "vision-modeling", "visual-question-answering"),
    trainer=FiVLTrainer,
    config=FiVLConfig,
    check_family=check_family,
    read_rows=read_rows,
    toy_base=toy_base,
    data=FiVLDataArguments,
    defaults={
        "model": "llava-hf/llava-1.5-7b-hf",
        "rows": "promvil/fivl-instruct",
        "view": "instruct",
        "lora_scope": WITH_PROJECTOR,
        "lora_r": 128,
        "lora_alpha": 256.0,
        "lora_dropout": 0.05,
    },
)
