# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The objective of `recipes/train_grounding.py`: nested phrases on any family, with FiVL's vision loss or without."""

from promvil_hf.backends.families import FAMILIES, family_of
from promvil_hf.toy.chains import chain_of, toy_sentences
from promvil_hf.toy.models import tiny_smolvlm
from promvil_hf.toy.world import WorldConfig, scenes
from promvil_hf.training.promvil_config import PromViLConfig
from promvil_hf.training.promvil_trainer import PromViLTrainer
from promvil_hf.training.row_sources import read_source
from promvil_hf.training.run_training import Objective, run_as_script, run_training


HELP = """
Fine-tune any supported model on nested phrases (PromViL), and its patches on what they show (FiVL) if you ask for it.

    accelerate launch recipes/train_grounding.py --config recipes/qwen3_vl/lora.yaml --rows compovl --images vg
    accelerate launch recipes/train_grounding.py --config recipes/qwen3_vl/lora.yaml --vision_loss_weight 0.1
    promvil recipe run smolvlm/smoke

Every option may be in the YAML file too; the command line wins over it. All options of `transformers.TrainingArguments` can
be given as well (learning_rate, eval_strategy, report_to, push_to_hub ...).
"""


def main(argv=None):
    run_as_script(train, argv)


def train(argv=None):
    """Parse, train, save, evaluate; gives the trainer, or a sweep's table."""
    return run_training(OBJECTIVE, argv)


def check_family(config) -> None:
    """Raise for a model of no known family."""
    if family_of(config) is None:
        raise ValueError(
            f"You passed the model {config.name_or_path}, which is of the type {config.model_type!r}: this recipe trains "
            f"{', '.join(sorted(FAMILIES))}. docs/extending.md shows how to add a family."
        )


def toy_base():
    """A small random SmolVLM whose words are those of drawn scenes."""
    tiny = tiny_smolvlm(sentences=toy_sentences())
    return tiny.model, tiny.processor


def toy_rows(count: int, seed: int):
    """Every expression of `count` drawn scenes."""
    for scene in scenes(WorldConfig(image_size=(112, 112)), count, seed):
        image = scene.image()
        for expression in scene.expressions():
            yield {"image": image, "chain": chain_of(scene, expression)}


OBJECTIVE = Objective(
    script="train_grounding",
    help=HELP,
    method="PromViL",
    about="A LoRA adapter that grounds nested phrases level by level, trained with promvil_hf after PromViL (arXiv "
    "2412.08125), in the way its base model writes boxes.",
    licence_note="The licence of the base model holds for what is made from it; Visual Genome's annotations are CC BY 4.0, "
    "and its photographs belong to their authors.",
    tags=("promvil", "grounding", "referring-expressions"),
    trainer=PromViLTrainer,
    config=PromViLConfig,
    check_family=check_family,
    read_rows=lambda source, split: read_source(source, split, toy_rows),
    toy_base=toy_base,
    defaults={"model": "Qwen/Qwen3-VL-2B-Instruct", "rows": "promvil/compovl", "view": "mixture", "lora_scope": "text"},
)
