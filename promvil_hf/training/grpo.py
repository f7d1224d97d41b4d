# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Training by rewards with trl's `GRPOTrainer`: its options, its rows, and one run from arguments to a measured model.

`train_by_reward` is what `run_training` calls for the recipe. Which functions judge answers is given to it
(`promvil_hf.commands.train_grpo` takes them from `promvil_hf.rewards`).
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import RepeatSampler

from promvil_hf.backends.families import family_of
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.files import write_json
from promvil_hf.json_documents import json_document
from promvil_hf.training.adapters import adapted, frozen_vision, lora, with_lora
from promvil_hf.training.answer_probabilities import AnswerProbabilities
from promvil_hf.training.checkpoints import check_adapter, last_whole, mark_whole
from promvil_hf.training.held_out_answers import AnswerScore, held_out_answers
from promvil_hf.training.option import one_of, option
from promvil_hf.training.reward_rows import TASKS, PromptMaker, RewardPrompt, prompt_rows
from promvil_hf.training.run_training import Objective, Settings, how, load_base, say
from promvil_hf.training.window_config import refuse_bf16_without_gpu


HELD_OUT = "held_out.json"  # in the output folder: scores before and after
REWARDS = ("iou", "beyond", "hit", "form", "refusal", "chain", "answer", "twin", "reliance")
USUAL = {"phrases": ("iou", "form"), "chains": ("chain", "form"), "questions": ("answer",)}


@dataclass
class RewardConfig(GRPOConfig):
    """trl's options, and what is asked and rewarded."""

    bf16: bool | None = option(None, "By default on a GPU that can, off on a CPU. trl's default is on everywhere.")

    task: str = option("phrases", f"What rows become: {', '.join(TASKS)}.", TASKS)
    rewards: list[str] = option(None, f"Which rewards: {', '.join(REWARDS)}. Their weights are reward_weights.", REWARDS)
    evidence: bool = option(False, "phrases: put the boxes of the phrases below a phrase into its prompt.")
    question_prompt: str = option("{text}", "questions: how they are worded; {text} stands for the question.")
    metric: str = option("gqa", "questions: how answers are scored, gqa, vqa or pope.")
    fill: str = option("black", "questions: what stands where something is hidden.")

    def __post_init__(self):
        refuse_bf16_without_gpu(self)
        if self.generation_batch_size and self.steps_per_generation:  # trl derives one from the other, and refuses both in a sweep
            self.generation_batch_size = None
        if self.bf16 is None and not self.fp16:
            self.bf16 = not self.use_cpu and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        super().__post_init__()
        self.rewards = self.rewards or list(USUAL[self.task])
        for name in self.rewards:
            one_of("rewards", name, REWARDS)
        of_questions = {"answer", "twin", "reliance"}
        wrong = [name for name in self.rewards if (name in of_questions) != (self.task == "questions")]
        if wrong:
            raise ValueError(
                f"You passed rewards={' '.join(self.rewards)} with task={self.task}: {', '.join(sorted(of_questions))} are for "
                "questions, all others for boxes."
            )
        if self.reward_weights is not None and len(self.reward_weights) != len(self.rewards):
            raise ValueError(f"You passed {len(self.reward_weights)} reward_weights for {len(self.rewards)} rewards: give one each.")

    def maker(self, dialect, image_root: str = "") -> PromptMaker:
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
    """trl's trainer, whose checkpoints are whole or not used, and whose order after a resume is that of an unbroken run."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.add_callback(_MarksWhole(self))

    def _get_train_sampler(self, dataset=None):
        return _ByEpoch(super()._get_train_sampler(dataset), lambda: int((self.state.epoch or 0) + 1e-6))

    @property
    def mixture(self) -> list[str]:
        """What a sweep's table shows beside the last scores."""
        return ["reward", *(f"rewards/{name}/mean" for name in self.reward_func_names)]

    def last_scores(self) -> dict[str, float]:
        return {name: value for name, value in getattr(self, "measured", {}).items()}


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


class _MarksWhole(TrainerCallback):
    """Marks a checkpoint when all of it is written."""

    def __init__(self, trainer: GRPOTrainer):
        self.trainer = trainer

    def on_save(self, args, state, control, **kwargs):
        self.trainer.accelerator.wait_for_everyone()
        if state.is_world_process_zero:
            mark_whole(Path(args.output_dir, f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"))


def check_family(config) -> None:
    """Refuse, in a sentence, what trl cannot show pictures to."""
    family = family_of(config)
    if family is None:
        raise ValueError(f"You passed the model {config.name_or_path}, which is of no family of docs/models.md.")
    if family.token_boxes is None:
        raise ValueError(
            f"You passed {family.known_as}: trl shows pictures by a chat template, and its processor has none and takes boxes and "
            "picture places by itself. Train it with recipes/train_kosmos2.py, or take a model of another family."
        )
    if family.encoder_decoder:
        raise ValueError(f"You passed {family.known_as}: trl reads prompt and answer as one row. {family.encoder_decoder}")


def check_processor(processor) -> None:
    if getattr(processor, "chat_template", None) is None:
        raise ValueError(
            f"This {type(processor).__name__} has no chat template, and trl shows pictures by one. Take a checkpoint for chat, or "
            "give the processor a template and save it."
        )


def train_by_reward(objective: Objective, settings: Settings, judging: MakeJudging) -> RewardTrainer:
    """One run: held-out answers before, training, held-out answers after, saved; gives the trainer."""
    model_arguments, adapter, data, run, config = settings
    if run.show_batch or run.show_labels:
        raise ValueError("You passed show_batch or show_labels, which show what is trained by labels: rewards have none. Use "
                         "--log_completions true to see answers with their rewards.")  # fmt: skip
    if not sys.stderr.isatty():
        config.disable_tqdm = True  # bars are for people
    rows = data.training_rows(objective.read_rows, config.seed)
    evaluated = data.evaluation_rows(objective.read_rows, config.seed)
    model, processor = load_base(objective, model_arguments)
    check_processor(processor)
    backend = PatchTokenBackend(model, processor)
    maker = config.maker(backend.dialect, data.images)
    asked = prompt_rows(rows, maker)
    judge = judging(config, backend.dialect, maker.of_rows(rows), AnswerProbabilities(backend, maker))
    if adapter.tune == "full":
        model = model if adapter.tune_vision else frozen_vision(model)
    else:
        torch.manual_seed(config.seed)
        model = with_lora(model, lora(adapter, model, revision=model_arguments.revision))
    trainer = RewardTrainer(
        model,
        reward_funcs=judge.rewards,
        args=config,
        train_dataset=asked,
        eval_dataset=None if evaluated is None or str(config.eval_strategy.value) == "no" else prompt_rows(evaluated, maker),
        processing_class=processor,
        callbacks=[] if run.early_stopping is None else [EarlyStoppingCallback(run.early_stopping)],
    )
    say(f"{config.world_size} process{'es' * (config.world_size > 1)} on {config.device.type}, {len(asked):,} prompts of "
        f"{len(rows):,} rows, rewards: {', '.join(trainer.reward_func_names)}")  # fmt: skip
    say(f"{how(settings)} {adapted(trainer.model)}")

    def measure(name: str) -> None:
        if evaluated is None:
            return
        held = held_out_answers(
            backend, evaluated, maker, judge.score, max_new_tokens=config.max_completion_length or 64,
            progress=not config.disable_tqdm,
        ).to_dict()  # fmt: skip
        trainer.measured = {**getattr(trainer, "measured", {}), f"held_out_{name}": held["estimate"]}
        say(f"held-out answers {name}: {held['estimate']:.3f} [{held['low']:.3f}, {held['high']:.3f}], {held['rows']:,} prompts "
            f"about {held['clusters']:,} pictures")  # fmt: skip
        if trainer.is_world_process_zero():
            path = Path(config.output_dir, HELD_OUT)
            known = json_document(path).fields if name == "after" and path.is_file() else {}
            write_json(path, {**known, name: held})

    asked_for = {"true": True, "false": None}.get(str(config.resume_from_checkpoint).lower(), config.resume_from_checkpoint)
    resume = last_whole(config.output_dir)[0] if asked_for is True else asked_for if asked_for != "None" else None
    if resume is None:
        measure("before")
    trainer.train(resume_from_checkpoint=resume)
    trainer.save_model()
    trainer.save_state()
    measure("after")
    if trainer.is_world_process_zero():
        for name in trainer.mixture:
            values = [entry[name] for entry in trainer.state.log_history if entry.get(name) is not None]
            if values:
                say(f"  {name} {values[0]:.3f} -> {values[-1]:.3f}")
        if hasattr(trainer.model, "peft_config"):
            tensors = check_adapter(trainer.model, config.output_dir, same_values=True)
            say(f"  {tensors} adapter tensors in {config.output_dir} read back equal")
        trainer.create_model_card(tags=list(objective.tags))
    if config.push_to_hub:
        trainer.push_to_hub()
    return trainer


def plan_of(objective: Objective, settings: Settings, rows: Sequence[Mapping], steps: int) -> str:
    """The line of a dry run."""
    config = settings.config
    answers = config.per_device_train_batch_size * config.gradient_accumulation_steps * config.world_size
    return (
        f"{steps:,} steps of {answers // config.num_generations} prompts with {config.num_generations} answers each, rewards "
        f"{', '.join(config.rewards)}"
    )
