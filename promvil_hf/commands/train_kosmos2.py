# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The objective of `recipes/train_kosmos2.py`: nested phrases on Kosmos-2."""

import torch

from promvil_hf.backends.families import KOSMOS2, family_of
from promvil_hf.toy.chains import chain_of, toy_sentences
from promvil_hf.toy.models import tiny_kosmos2
from promvil_hf.toy.world import WorldConfig, scenes
from promvil_hf.training.promvil_config import PromViLConfig
from promvil_hf.training.promvil_trainer import PromViLTrainer
from promvil_hf.training.row_sources import read_source
from promvil_hf.training.run_training import Objective, run_as_script, run_training


HELP = """
Fine-tune Kosmos-2 on nested phrases (PromViL).

    accelerate launch recipes/train_kosmos2.py --config recipes/kosmos2/lora.yaml --rows compovl --images vg
    promvil recipe run kosmos2/smoke
    promvil recipe run kosmos2/smoke --sweep lora_r=4,16 curriculum=none,levels

Every option can stand in the YAML file; the command line wins. Besides those below, all options of
`transformers.TrainingArguments` hold (learning_rate, eval_strategy, report_to, push_to_hub …).
"""


def main(argv=None):
    run_as_script(train, argv)


def train(argv=None):
    """Parse, train, save, evaluate; gives the trainer, or a sweep's table."""
    return run_training(OBJECTIVE, argv)


def check_family(config) -> None:
    """Raise for a model that is no Kosmos-2."""
    if family_of(config) is not KOSMOS2:
        raise ValueError(
            f"You passed the model {config.name_or_path}, which is of the type {config.model_type!r}: this recipe trains "
            "Kosmos-2, whose text and layers it knows. For models whose image tokens are patches there is train_fivl."
        )


def toy_base():
    """A small random Kosmos-2 whose words are those of drawn scenes."""
    tiny = tiny_kosmos2(sentences=toy_sentences(), width=96, layers=3, image_size=56, gain=1, latent_query_num=16)
    words = tiny.model.get_input_embeddings()
    with torch.no_grad():  # as large as a trained model's, or the frozen head could say nothing with confidence
        words.weight.mul_(words.embedding_dim**0.5)
    return tiny.model, tiny.processor


def toy_rows(count: int, seed: int):
    """Every expression of `count` drawn scenes."""
    for scene in scenes(WorldConfig(image_size=(112, 112)), count, seed):
        image = scene.image()
        for expression in scene.expressions():
            yield {"image": image, "chain": chain_of(scene, expression)}


OBJECTIVE = Objective(
    script="train_kosmos2",
    help=HELP,
    method="PromViL",
    about="A LoRA adapter that grounds nested phrases level by level, trained with promvil_hf after PromViL (arXiv "
    "2412.08125). Boxes are pairs of cells of a 32x32 grid over the whole picture.",
    licence_note="Kosmos-2's weights are MIT; Visual Genome's annotations are CC BY 4.0, and its photographs belong to "
    "their authors.",
    tags=("promvil", "grounding", "referring-expressions"),
    trainer=PromViLTrainer,
    config=PromViLConfig,
    check_family=check_family,
    read_rows=lambda source, split: read_source(source, split, toy_rows),
    toy_base=toy_base,
    defaults={"model": "microsoft/kosmos-2-patch14-224", "rows": "promvil/compovl:mixture", "licence": "mit"},
)
