# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What training by trl's trainers has in common here: which models they can train, and one run measured before and after."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from promvil_hf.backends.families import family_of
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.files import write_json
from promvil_hf.json_documents import json_document
from promvil_hf.training.adapters import frozen_vision, lora, with_lora
from promvil_hf.training.checkpoints import check_adapter, last_whole, mark_whole
from promvil_hf.training.held_out_answers import AnswerScore, held_out_answers
from promvil_hf.training.reward_rows import PromptMaker
from promvil_hf.training.run_training import Objective, Settings, load_base, say
from promvil_hf.training.window_config import refuse_bf16_without_gpu


HELD_OUT = "held_out.json"  # in the output folder: scores before and after
LONGEST_ANSWER = 64  # tokens of a held-out answer, where nothing says how many


def bf16_where_possible(config) -> None:
    """trl's default is bf16 everywhere; here it is off where there is no GPU that can."""
    refuse_bf16_without_gpu(config)
    if config.bf16 is None and not config.fp16:
        config.bf16 = not config.use_cpu and torch.cuda.is_available() and torch.cuda.is_bf16_supported()


def check_family(config) -> None:
    """Refuse, in a sentence, what trl cannot show pictures to."""
    family = family_of(config)
    if family is None:
        raise ValueError(f"You passed the model {config.name_or_path}, which is of no family of docs/models.md.")
    if family.token_boxes is None:
        raise ValueError(
            f"You passed {family.known_as}: trl shows pictures by a chat template and asks a model for its last hidden state, "
            "and this family has neither. Train it with recipes/train_kosmos2.py, or take a model of another family."
        )
    if family.encoder_decoder:
        raise ValueError(f"You passed {family.known_as}: trl reads prompt and answer as one row. {family.encoder_decoder}")


def base_to_train(objective: Objective, settings: Settings) -> tuple[Any, Any, PatchTokenBackend]:
    """Model (with an adapter where one is asked for), processor and backend; the backend serves the model while it is trained."""
    if settings.run.show_batch or settings.run.show_labels:
        raise ValueError("You passed show_batch or show_labels, which trl's trainers cannot show: leave them out.")
    if not sys.stderr.isatty():
        settings.config.disable_tqdm = True  # bars are for people
    model, processor = load_base(objective, settings.model)
    if getattr(processor, "chat_template", None) is None:
        raise ValueError(
            f"This {type(processor).__name__} has no chat template, and trl shows pictures by one. Take a checkpoint for chat, "
            "or give the processor a template and save it."
        )
    backend = PatchTokenBackend(model, processor)
    adapter = settings.adapter
    if adapter.tune == "full":
        return model if adapter.tune_vision else frozen_vision(model), processor, backend
    torch.manual_seed(settings.config.seed)  # of the adapter's first weights
    return with_lora(model, lora(adapter, model, revision=settings.model.revision)), processor, backend


def run_measured(
    objective: Objective,
    settings: Settings,
    trainer: Any,
    backend: PatchTokenBackend,
    evaluated: Sequence | None,
    maker: PromptMaker,
    score: AnswerScore,
    longest: int | None,
) -> Any:
    """Held-out answers, training (or the rest of it), saving, held-out answers; its `measured` has both scores."""
    config = settings.config
    trainer.measured = {}
    trainer.add_callback(_MarksWhole(trainer))

    def measure(name: str) -> None:
        if evaluated is None:
            return
        held = held_out_answers(backend, evaluated, maker, score, max_new_tokens=longest or LONGEST_ANSWER,
                                progress=not config.disable_tqdm).to_dict()  # fmt: skip
        trainer.measured[f"held_out_{name}"] = held["estimate"]
        say(f"held-out answers {name}: {held['estimate']:.3f} [{held['low']:.3f}, {held['high']:.3f}], {held['rows']:,} prompts "
            f"about {held['clusters']:,} pictures")  # fmt: skip
        if trainer.is_world_process_zero():
            path = Path(config.output_dir, HELD_OUT)
            known = json_document(path).fields if name == "after" and path.is_file() else {}
            write_json(path, {**known, name: held})

    asked = str(config.resume_from_checkpoint)
    known = {"true": last_whole(config.output_dir)[0], "false": None, "none": None}
    resume = known.get(asked.lower(), asked)
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


class _MarksWhole(TrainerCallback):
    """Marks a checkpoint when all of it is written, so that a run killed while it saved goes on from the one before."""

    def __init__(self, trainer: Any):
        self.trainer = trainer

    def on_save(self, args, state, control, **kwargs):
        self.trainer.accelerator.wait_for_everyone()
        if state.is_world_process_zero:
            mark_whole(Path(args.output_dir, f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"))
