# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Plain supervised training with trl's `SFTTrainer`: the baseline beside training by rewards, on the same rows.

Rows are those of `promvil_hf.training.reward_rows`, whose right answers are trained, or conversations that `promvil convert`
wrote: each question is a prompt, each answer what is trained.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import datasets
from transformers import EarlyStoppingCallback
from trl import SFTConfig, SFTTrainer

from promvil_hf.boxes import Box
from promvil_hf.phrases import GroundedPhrase
from promvil_hf.training.adapters import adapted
from promvil_hf.training.checkpoints import weights_read
from promvil_hf.training.held_out_answers import AnswerScore
from promvil_hf.training.option import option
from promvil_hf.training.reward_rows import PromptMaker, RewardPrompt
from promvil_hf.training.run_training import Objective, Settings, how, say
from promvil_hf.training.trl_runs import base_to_train, bf16_where_possible, run_measured


TASKS = ("phrases", "questions")


@dataclass
class PlainConfig(SFTConfig):
    """trl's options, and what is asked."""

    bf16: bool | None = option(None, "By default on a GPU that can, off on a CPU. trl's default is on everywhere.")
    gradient_checkpointing: bool | None = option(None, "The old name of activation_checkpointing; trl's default is on.")
    max_length: int | None = option(None, "Longest row in tokens. None cuts nothing: a cut picture cannot be read.")
    remove_unused_columns: bool = option(False, "Must stay False: examples are made when they are asked for.")
    task: str = option("phrases", f"What rows become: {', '.join(TASKS)}. Conversations are trained as they are.", TASKS)
    evidence: bool = option(False, "phrases: put the boxes of the phrases below a phrase into its prompt.")
    question_prompt: str = option("{text}", "questions: how they are worded; {text} stands for the question.")
    metric: str = option("gqa", "questions: how held-out answers are scored, gqa, vqa or pope.")
    longest_answer: int = option(64, "Tokens of a held-out answer.")

    def __post_init__(self):
        bf16_where_possible(self)
        super().__post_init__()

    def maker(self, dialect: Any, image_root: str = "") -> PromptMaker:
        return PromptMaker(self.task, dialect, evidence=self.evidence, prompt=self.question_prompt, image_root=image_root)


class PlainTrainer(SFTTrainer):
    """trl's trainer, with what is said at the end of a run."""

    measured: dict[str, float]
    mixture = ("loss", "mean_token_accuracy")

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        if not weights_read(self, resume_from_checkpoint):  # transformers would pass over every weight of LLaVA
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def last_scores(self) -> dict[str, float]:
        return dict(self.measured)


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and its right answer, about the picture of a row."""

    row: int
    prompt: str
    answer: str


def examples(rows: Sequence[Mapping], maker: PromptMaker) -> list[Example]:
    """What is trained of these rows."""
    found = [example for number, row in enumerate(rows) for example in _conversation(number, row)]
    if found:
        return found
    asked = ((prompt, _right(prompt, maker.dialect)) for prompt in maker.of_rows(rows))
    found = [Example(prompt.row, prompt.text, answer) for prompt, answer in asked if answer]
    if not found:
        raise ValueError(
            f"None of the {len(rows):,} rows can be trained as {maker.task}: they need `conversations`, as `promvil convert` "
            "writes them, a chain with boxes, or `turns`."
        )
    return found


def _conversation(number: int, row: Mapping) -> Iterator[Example]:
    turns = row.get("conversations") or row.get("messages") or ()
    said = [(turn.get("from") or turn.get("role"), turn.get("value") or turn.get("content")) for turn in turns]
    for (asker, question), (answerer, answer) in zip(said, said[1:], strict=False):
        if asker in ("human", "user") and answerer in ("gpt", "assistant"):
            yield Example(number, question.replace("<image>", "").strip(), answer)


def _right(prompt: RewardPrompt, dialect: Any) -> str | None:
    columns = prompt.columns
    if "answers" in columns:
        return columns["answers"][0]
    if not columns["boxes"]:
        return None
    return dialect.target(GroundedPhrase("it", [Box(*box) for box in columns["boxes"]]), image_size=tuple(columns["image_size"]))


def example_rows(rows: Sequence[Mapping], maker: PromptMaker) -> datasets.Dataset:
    """The examples as trl reads them; pictures are opened when they are asked for."""
    found = examples(rows, maker)

    def shown(batch: Mapping[str, list]) -> dict[str, list]:
        chosen = [found[number] for number in batch["number"]]
        return {
            "prompt": [[{"role": "user", "content": one.prompt}] for one in chosen],
            "completion": [[{"role": "assistant", "content": one.answer}] for one in chosen],
            "images": [[maker.picture(rows[one.row])] for one in chosen],
        }

    return datasets.Dataset.from_dict({"number": list(range(len(found)))}).with_transform(shown)


def train_plainly(objective: Objective, settings: Settings, score_of) -> PlainTrainer:
    """One run: held-out answers before, training, held-out answers after, saved; gives the trainer.

    `score_of(config, dialect)` gives the score of a held-out answer.
    """
    _, _, data, run, config = settings
    rows = data.training_rows(objective.read_rows, config.seed)
    evaluated = data.evaluation_rows(objective.read_rows, config.seed)
    model, processor, backend = base_to_train(objective, settings)
    maker = config.maker(backend.dialect, data.images)
    score: AnswerScore = score_of(config, backend.dialect)
    during = None if evaluated is None or config.eval_strategy.value == "no" else example_rows(evaluated, maker)
    trainer = PlainTrainer(
        model,
        args=config,
        train_dataset=example_rows(rows, maker),
        eval_dataset=during,
        processing_class=processor,
        callbacks=[] if run.early_stopping is None else [EarlyStoppingCallback(run.early_stopping)],
    )
    processes = f"{config.world_size} process{'es' * (config.world_size > 1)} on {config.device.type}"
    say(f"{processes}, {len(trainer.train_dataset):,} examples")
    say(f"{how(settings)} {adapted(trainer.model)}")
    return run_measured(objective, settings, trainer, backend, evaluated, maker, score, config.longest_answer)
