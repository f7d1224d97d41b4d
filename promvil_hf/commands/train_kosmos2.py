# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The objective of `recipes/train_kosmos2.py`: nested phrases on Kosmos-2."""

from dataclasses import replace

import torch

from promvil_hf.backends.families import KOSMOS2, family_of
from promvil_hf.commands import train_grounding
from promvil_hf.toy.chains import toy_sentences
from promvil_hf.toy.models import tiny_kosmos2
from promvil_hf.training.run_training import run_as_script, run_training


HELP = """
Fine-tune Kosmos-2 on nested phrases (PromViL).

    accelerate launch recipes/train_kosmos2.py --config recipes/kosmos2/lora.yaml --rows compovl --images vg
    promvil recipe run kosmos2/smoke
    promvil recipe run kosmos2/smoke --sweep lora_r=4,16 curriculum=none,levels

Every option may be in the YAML file too; the command line wins over it. All options of `transformers.TrainingArguments` can
be given as well (learning_rate, eval_strategy, report_to, push_to_hub …).
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
            "Kosmos-2 by the paper's setting. For other models there is train_grounding."
        )


def toy_base():
    """A small random Kosmos-2 whose words are those of drawn scenes."""
    tiny = tiny_kosmos2(sentences=toy_sentences(), width=96, layers=3, image_size=56, gain=1)
    words = tiny.model.get_input_embeddings()
    with torch.no_grad():  # as large as a trained model's, or the frozen head could say nothing with confidence
        words.weight.mul_(words.embedding_dim**0.5)
    return tiny.model, tiny.processor


OBJECTIVE = replace(
    train_grounding.OBJECTIVE,
    script="train_kosmos2",
    help=HELP,
    about="A LoRA adapter that grounds nested phrases level by level, trained with promvil_hf after PromViL (arXiv "
    "2412.08125). Boxes are pairs of cells of a 32x32 grid over the whole picture.",
    licence_note="Kosmos-2's weights are MIT; Visual Genome's annotations are CC BY 4.0, and its photographs belong to "
    "their authors.",
    check_family=check_family,
    toy_base=toy_base,
    defaults={
        "model": "microsoft/kosmos-2-patch14-224", "rows": "promvil/compovl", "view": "mixture", "licence": "mit",
    },  # fmt: skip
)
