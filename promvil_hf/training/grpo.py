# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Training by rewards with trl's `GRPOTrainer`: its options, its trainer, and one run from arguments to a measured model.

`train_by_reward` is what `run_training` calls for the recipe. Which functions judge answers is given to it
(`promvil_hf.commands.train_grpo` takes them from `promvil_hf.rewards`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import EarlyStoppingCallback
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import RepeatSampler

from promvil_hf.training.adapters import adapted
from promvil_hf.training.answer_probabilities import AnswerProbabilities
from promvil_hf.training.checkpoints import weights_read
from promvil_hf.training.held_out_answers import AnswerScore
from promvil_hf.training.option import one_of, option
from promvil_hf.training.reward_rows import TASKS, PromptMaker, RewardPrompt, prompt_rows
from promvil_hf.training.run_training import Objective, Settings, how, say
from promvil_hf.training.trl_runs import base_to_train, bf16_where_possible, run_measured


REWARDS = ("iou", "beyond", "hit", "form", "refusal", "chain", "answer", "twin", "reliance")
OF_QUESTIONS = ("answer", "twin", "reliance")
USUAL = {"phrases": ("iou", "form"), "chains": ("chain", "form"), "questions": ("answer",)}


@dataclass
class RewardConfig(GRPOConfig):
    """trl's options, and what is asked and rewarded."""

    bf16: bool | None = option(None, "By default on a GPU that can, off on a CPU. trl's default is on everywhere.")
    gradient_checkpointing: bool | None = option(None, "The old name of activation_checkpointing; trl's default is on.")
    task: str = option("phrases", f"What rows become: {', '.join(TASKS)}.", TASKS)
    rewards: list[str] = option(None, f"Which rewards: {', '.join(REWARDS)}. Their weights are reward_weights.", REWARDS)
    evidence: bool = option(False, "phrases: put the boxes of the phrases below a phrase into its prompt.")
    question_prompt: str = option("{text}", "questions: how they are worded; {text} stands for the question.")
    metric: str = option("gqa", "questions: how answers are scored, gqa, vqa or pope.")
    fill: str = option("black", "questions: what stands where something is hidden.")

    def __post_init__(self):
        bf16_where_possible(self)
        if self.generation_batch_size and self.steps_per_generation:  # trl derives one, then refuses both in a sweep
            self.generation_batch_size = None
        super().__post_init__()
        self.rewards = self.rewards or list(USUAL[self.task])
        for name in self.rewards:
            one_of("rewards", name, REWARDS)
        if any((name in OF_QUESTIONS) != (self.task == "questions") for name in self.rewards):
            raise ValueError(
                f"You passed rewards={' '.join(self.rewards)} with task={self.task}: {', '.join(OF_QUESTIONS)} are for "
                "questions, all others for boxes."
            )
        if self.reward_weights is not None and len(self.reward_weights) != len(self.rewards):
            raise ValueError(
                f"You passed {len(self.reward_weights)} reward_weights for {len(self.rewards)} rewards: give one each."
            )

    def maker(self, dialect: Any, image_root: str = "") -> PromptMaker:
        """How rows become prompts."""
        return PromptMaker(
            self.task, dialect, evidence=self.evidence, twins="twin" in self.rewards, fill=self.fill, prompt=self.question_prompt,
            seed=self.seed, image_root=image_root,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judging:
    """What judges answers: the functions that trl calls, and the score of a held-out answer."""

    rewards: list[Callable]
    score: AnswerScore


# config, dialect, prompts, probabilities -> what judges
MakeJudging = Callable[[RewardConfig, Any, Sequence[RewardPrompt], AnswerProbabilities], Judging]


class RewardTrainer(GRPOTrainer):
    """trl's trainer, whose order of prompts after a resume is that of an unbroken run."""

    measured: dict[str, float]

    def _get_train_sampler(self, dataset=None):
        return _ByEpoch(super()._get_train_sampler(dataset), lambda: int((self.state.epoch or 0) + 1e-6))

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        if not weights_read(self, resume_from_checkpoint):  # transformers would pass over every weight of LLaVA
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    @property
    def mixture(self) -> list[str]:
        """What is said at the end of a run, and stands in a sweep's table."""
        return ["reward", *(f"rewards/{name}/mean" for name in self.reward_func_names)]

    def last_scores(self) -> dict[str, float]:
        return dict(self.measured)


class _ByEpoch(torch.utils.data.Sampler):
    """trl's `RepeatSampler` draws each epoch's order from one generator, which a resumed run begins anew. Here an epoch's order
    depends on the seed and the epoch alone."""

    def __init__(self, sampler: RepeatSampler, epoch: Callable[[], int]):
        self.sampler, self.epoch = sampler, epoch

    def __iter__(self):
        if self.sampler.shuffle:
            self.sampler.generator.manual_seed((self.sampler.seed or 0) + self.epoch())
        return iter(self.sampler)

    def __len__(self):
        return len(self.sampler)


def train_by_reward(objective: Objective, settings: Settings, judging: MakeJudging) -> RewardTrainer:
    """One run: held-out answers before, training, held-out answers after, saved; gives the trainer."""
    _, _, data, run, config = settings
    rows = data.training_rows(objective.read_rows, config.seed)
    evaluated = data.evaluation_rows(objective.read_rows, config.seed)
    model, processor, backend = base_to_train(objective, settings)
    maker = config.maker(backend.dialect, data.images)
    asked = prompt_rows(rows, maker)
    judge = judging(config, backend.dialect, maker.of_rows(rows), AnswerProbabilities(backend, maker))
    during = None if evaluated is None or config.eval_strategy.value == "no" else prompt_rows(evaluated, maker)
    trainer = RewardTrainer(
        model,
        reward_funcs=judge.rewards,
        args=config,
        train_dataset=asked,
        eval_dataset=during,
        processing_class=processor,
        callbacks=[] if run.early_stopping is None else [EarlyStoppingCallback(run.early_stopping)],
    )
    say(f"{config.world_size} process{'es' * (config.world_size > 1)} on {config.device.type}, {len(asked):,} prompts of "
        f"{len(rows):,} rows, rewards: {', '.join(trainer.reward_func_names)}")  # fmt: skip
    say(f"{how(settings)} {adapted(trainer.model)}")
    return run_measured(
        objective, settings, trainer, backend, evaluated, maker, judge.score, config.max_completion_length
    )


def plan_of(objective: Objective, settings: Settings, rows: Sequence[Mapping], steps: int) -> str:
    """The line of a dry run."""
    config = settings.config
    answers = config.per_device_train_batch_size * config.gradient_accumulation_steps * config.world_size
    prompts = f"{answers / config.num_generations:g} prompts with {config.num_generations} answers each"
    return f"{steps:,} steps of {prompts}, rewards {', '.join(config.rewards)},"
