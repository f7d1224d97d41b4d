# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The objective of `recipes/train_sft.py`: right answers, trained plainly by trl's SFTTrainer."""

from functools import partial
from typing import Any

from promvil_hf.commands.train_grpo import RewardDataArguments, read_rows, score_of, toy_base
from promvil_hf.training.plain_sft import PlainConfig, PlainTrainer, train_plainly
from promvil_hf.training.run_training import Objective, run_as_script, run_training
from promvil_hf.training.trl_runs import check_family


HELP = """
Train a model plainly on right answers with trl's SFTTrainer, as the baseline beside training by rewards.

    accelerate launch recipes/train_sft.py --config recipes/toy/sft.yaml
    promvil convert boxes.json rows.jsonl --from coco --to llava_brackets --to-frame fractions
    accelerate launch recipes/train_sft.py --model MODEL --rows rows.jsonl --images PICTURES

Every option may be in a YAML file too; the command line wins over it. All options of `trl.SFTConfig` can be given as well.
"""


def main(argv=None):
    run_as_script(train, argv)


def train(argv=None):
    """Parse, measure, train, save, measure; gives the trainer, or a sweep's table."""
    return run_training(OBJECTIVE, argv)


def _score(config: PlainConfig, dialect: Any):
    return score_of(config.task, config.metric, dialect)


OBJECTIVE = Objective(
    script="train_sft",
    help=HELP,
    method="SFT",
    about="A LoRA adapter trained on right answers with promvil_hf and trl's SFTTrainer.",
    licence_note="The licence of the base model holds for what is made from it.",
    tags=("promvil", "sft", "grounding"),
    trainer=PlainTrainer,
    config=PlainConfig,
    check_family=check_family,
    read_rows=read_rows,
    toy_base=toy_base,
    data=RewardDataArguments,
    defaults={"model": "Qwen/Qwen3-VL-2B-Instruct", "rows": "promvil/compovl", "view": "mixture", "lora_scope": "text"},
    train=partial(train_plainly, score_of=_score),
)
