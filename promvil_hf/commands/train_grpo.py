# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The objective of `recipes/train_grpo.py`: trl's GRPO with the rewards of `promvil_hf.rewards`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from promvil_hf.backends.loading import load
from promvil_hf.boxes import Box
from promvil_hf.fivl.row_files import read_fivl_rows
from promvil_hf.phrases import GroundedPhrase
from promvil_hf.rewards import (
    WHOLE_PICTURE,
    answer_reward,
    chain_reward,
    iou_reward,
    parse_reward,
    refusal_reward,
    reliance_reward,
    twin_reward,
)
from promvil_hf.toy.chains import scene_chain
from promvil_hf.toy.config import STYLES
from promvil_hf.toy.scenery import scenes
from promvil_hf.toy.small_world import ASKED_ABOUT, asked
from promvil_hf.training.answer_probabilities import AnswerProbabilities
from promvil_hf.training.arguments import DataArguments
from promvil_hf.training.grpo import Judging, RewardConfig, RewardTrainer, plan_of, train_by_reward
from promvil_hf.training.held_out_answers import AnswerScore, box_score
from promvil_hf.training.option import one_of, option
from promvil_hf.training.reward_rows import RewardPrompt, commonest_box
from promvil_hf.training.row_sources import read_source
from promvil_hf.training.run_training import Objective, run_as_script, run_training
from promvil_hf.training.trl_runs import check_family


HELP = """
Train a model by rewards with trl's GRPO: it answers each prompt several times, and answers that earn more than the others of
their prompt become likelier.

    accelerate launch recipes/train_grpo.py --config recipes/toy/grpo.yaml
    accelerate launch recipes/train_grpo.py --config recipes/qwen3_vl/grpo.yaml --rows compovl --images visual_genome
    promvil recipe run toy/grpo --rewards answer twin

Every option may be in the YAML file too; the command line wins over it. All options of `trl.GRPOConfig` can be given as well
(num_generations, temperature, beta, use_vllm …). docs/reward.md says what each reward is and what it cannot do.
"""


@dataclass
class RewardDataArguments(DataArguments):
    """Which rows, and how drawn scenes look."""

    toy_style: str = option("flat", f"How drawn scenes of `toy:` rows look: {', '.join(STYLES)}.", STYLES)

    def __post_init__(self):
        one_of("toy_style", self.toy_style, STYLES)

    def training_rows(self, read, seed):
        return super().training_rows(partial(read, style=self.toy_style), seed)

    def evaluation_rows(self, read, seed):
        return super().evaluation_rows(partial(read, style=self.toy_style), seed)


def main(argv=None):
    run_as_script(train, argv)


def train(argv=None):
    """Parse, measure, train, save, measure; gives the trainer, or a sweep's table."""
    return run_training(OBJECTIVE, argv)


def judging(config: RewardConfig, dialect: Any, prompts: Sequence[RewardPrompt], probabilities: AnswerProbabilities) -> Judging:
    """The rewards that are named, and how held-out answers are scored."""
    tokenizer = probabilities.backend.processor.tokenizer
    decoded = {"tokenizer": tokenizer} if _drops_boxes(tokenizer, dialect, prompts) else {}
    makers: dict[str, Callable] = {
        "iou": lambda: iou_reward(dialect, **decoded),
        "hit": lambda: iou_reward(dialect, threshold=0.5, name="hit_reward", **decoded),
        "beyond": lambda: iou_reward(dialect, beyond=_said_without_looking(prompts), name="beyond_reward", **decoded),
        "form": lambda: parse_reward(dialect, name="form_reward", **decoded),
        "refusal": lambda: refusal_reward(dialect, absent=_absent(prompts), **decoded),
        "chain": lambda: chain_reward(dialect, beyond=[WHOLE_PICTURE], **decoded),
        "answer": lambda: answer_reward(config.metric),
        "twin": lambda: twin_reward(config.metric),
        "reliance": lambda: reliance_reward(probabilities, config.metric),
    }
    return Judging([makers[name]() for name in config.rewards], score_of(config.task, config.metric, dialect))


def score_of(task: str, metric: str, dialect: Any) -> AnswerScore:
    """How a held-out answer is scored: a box by IoU 0.5, a chain by its weighted IoU, an answer in words by the metric."""
    scores = {
        "phrases": lambda: box_score(dialect),
        "chains": lambda: _first(chain_reward(dialect)),
        "questions": lambda: _first(answer_reward(metric)),
    }
    return scores[task]()


def _first(reward: Callable) -> AnswerScore:
    """A reward as the score of one answer."""

    def score(text: str, columns: Mapping[str, Any]) -> float:
        return reward(completions=[text], **{name: [value] for name, value in columns.items()})[0]

    return score


def _said_without_looking(prompts: Sequence[RewardPrompt]) -> list:
    commonest = commonest_box(prompts)
    return [WHOLE_PICTURE] if commonest is None else [WHOLE_PICTURE, commonest]


def _absent(prompts: Sequence[RewardPrompt]) -> float:
    known = [len(prompt.columns["boxes"]) == 0 for prompt in prompts if prompt.columns.get("boxes") is not None]
    share = sum(known) / max(len(known), 1)
    if not 0 < share < 1:
        raise ValueError(
            f"You passed the reward refusal with rows of which {share:.0%} have no box: it needs rows where what is asked for is "
            "there and rows where it is not (`phrase` with `boxes: []`)."
        )
    return share


def _drops_boxes(tokenizer: Any, dialect: Any, prompts: Sequence[RewardPrompt]) -> bool:
    """Whether boxes are special tokens, which trl takes out of the text."""
    sizes = [prompt.columns.get("image_size") for prompt in prompts[:1]]
    size = tuple(sizes[0]) if sizes and sizes[0] else (64, 64)
    try:
        text = dialect.target(GroundedPhrase("it", [Box(0.25, 0.25, 0.75, 0.75)]), image_size=size)
    except (TypeError, ValueError):
        return False
    plain = tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"], skip_special_tokens=True)
    return not dialect.parse(plain, image_size=size).ok


def read_rows(source: str, split: str, style: str = "flat"):
    """Rows of CompoVL or of FiVL-Instruct: drawn scenes, a file, a built folder or a data set."""
    name, _, config = source.partition(":")
    if Path(name, "work").is_dir():
        return [row.to_dict() for row in read_fivl_rows(name, config or None)]
    rows = read_source(source, split, partial(toy_rows, style=style))
    return [row.get("row", row) for row in rows] if isinstance(rows, list) else rows


def toy_rows(count: int, seed: int, style: str = "flat"):
    """Drawn scenes of the small world: a chain of their simple phrases, and the questions that toy:llava knows, with exact masks
    of what they speak of."""
    for drawn in scenes(replace(ASKED_ABOUT, style=style), count, seed):
        questions = [question for _, question in asked(drawn)]
        keys = [replace(key, turn=turn).located(drawn) for turn, question in enumerate(questions) for key in question.keys]
        yield {
            "row_id": f"toy-{seed}-{drawn.image_id}",
            "source": "gqa",
            "image": drawn.image(),
            "chain": scene_chain(drawn, 2),
            "turns": [{"question": question.question, "answer": question.answer} for question in questions],
            "key_expressions": [key.to_dict() for key in keys],
        }


def toy_base():
    """The trained toy LLaVA: a random model never earns anything."""
    torch.set_num_threads(1)  # threads cost more than matrices of this size bring
    backend = load("toy:llava", device="cpu")
    return backend.model, backend.processor


OBJECTIVE = Objective(
    script="train_grpo",
    help=HELP,
    method="GRPO",
    about="A LoRA adapter trained by rewards with promvil_hf and trl's GRPO.",
    licence_note="The licence of the base model holds for what is made from it.",
    tags=("promvil", "fivl", "grpo", "grounding"),
    trainer=RewardTrainer,
    config=RewardConfig,
    check_family=check_family,
    read_rows=read_rows,
    toy_base=toy_base,
    data=RewardDataArguments,
    defaults={"model": "Qwen/Qwen3-VL-2B-Instruct", "rows": "promvil/compovl", "view": "mixture", "lora_scope": "text"},
    train=partial(train_by_reward, judging=judging),
    plan=plan_of,
)
