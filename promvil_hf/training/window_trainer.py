# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A `transformers.Trainer` for losses that are sums over targets: exact, logged term by term, saved whole or not at all.

A subclass is an objective: what its rows are and how they are laid out, how many targets of each term a batch has, what
the terms of a batch sum up to, and how they mix. The loss is the mixture of each term's sum over its count in the whole
accumulation window, on all ranks: the same number, and the same gradient, however the window is cut into micro-batches
and ranks. Everything else stands here once.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from transformers import Trainer, TrainerCallback, TrainerState, set_seed
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, TrainOutput

from promvil_hf.backends.families import PROJECTORS
from promvil_hf.files import write_json
from promvil_hf.training.adapter_card import CardFacts, write_card
from promvil_hf.training.adapters import adapted, with_lora
from promvil_hf.training.checkpoints import check_whole, last_whole, mark_whole, rotate, weights_read
from promvil_hf.training.curriculum import CurriculumSampler, CutRows, InOrder
from promvil_hf.training.shown_batches import ShownText
from promvil_hf.training.window_config import WindowConfig


LOSSES = "losses.json"  # in a checkpoint: what was trained and is not in a log yet


class WindowTrainer(Trainer):
    """Override what stands under "Objective".

    `note(name, total, count)` inside `terms` logs any other average, such as an accuracy or a loss by level, and
    `tally(name, count)` a count over the whole run.

    Args:
        model: The model, with an adapter or not.
        peft_config: Puts an adapter on it. Its first weights depend on the seed alone.
        image_root: Where relative image paths of the rows start from.
        data_collator: In place of that of the objective.
        make_optimizer: Gives an optimizer of the model, its adapter put on, in place of that of the options.
        kwargs: What else `transformers.Trainer` takes, except for what needs logits.
    """

    card: CardFacts | None = None
    levels_are_at_hand = False  # in the rows, so that they can be counted before a run that needs none
    loss_is_scaled_for_ga = True  # nothing is left for the parent to divide by the accumulation steps

    def __init__(
        self,
        model,
        args: WindowConfig,
        *,
        processing_class,
        train_dataset=None,
        eval_dataset=None,
        data_collator=None,
        peft_config=None,
        image_root="",
        make_optimizer=None,
        **kwargs,
    ):
        for name in ("compute_loss_func", "compute_metrics", "preprocess_logits_for_metrics"):
            if kwargs.get(name) is not None:
                raise ValueError(
                    f"You passed {name}, which would wait for logits that are never made. Override `terms` and call "
                    "`note`, or use `transformers.Trainer`."
                )
        self.backend = self.backend_for(model, processing_class)
        if peft_config is not None:
            set_seed(args.seed)  # the parent does it too late for the adapter's first weights
            model = with_lora(model, peft_config)  # the adapter's layers are put into the backend's model, too
        if make_optimizer is not None:
            kwargs["optimizers"] = make_optimizer(model), None
        super().__init__(
            model,
            args,
            data_collator=data_collator or self.collator(args, image_root),
            train_dataset=self._by_cut(train_dataset),
            eval_dataset=self._by_cut(eval_dataset),
            processing_class=processing_class,
            **kwargs,
        )
        if self.args.n_gpu > 1:
            raise ValueError(
                f"You started one process for {self.args.n_gpu} GPUs, which transformers would split each batch for. "
                "Start one process a GPU with `accelerate launch` or `torchrun --nproc_per_node`, or name one GPU in "
                "CUDA_VISIBLE_DEVICES."
            )
        self.mixture = self.shares(any_patch=True)
        self._window: dict[str, torch.Tensor] = {}
        self._noted: dict[str, dict[str, torch.Tensor]] = {"train": {}, "eval": {}}
        self._tallies: dict[str, torch.Tensor] = {}
        self._resumed_from: str | None = None
        self.add_callback(_Resuming(self))

    # Objective

    @staticmethod
    def backend_for(model, processor):
        """The backend of a model that this objective can train; a sentence for any other."""
        raise NotImplementedError

    def collator(self, args, image_root):
        """What makes batches of rows."""
        raise NotImplementedError

    @staticmethod
    def levels_of(row: Mapping[str, Any]) -> tuple[int, ...]:
        """The levels of a row that a curriculum orders."""
        raise NotImplementedError

    def shown(self, rows: Sequence[Mapping], batch: Mapping[str, torch.Tensor]) -> Iterator[ShownText]:
        """What is trained in this batch of these rows, to be looked at."""
        raise NotImplementedError

    def remarks(self) -> Iterator[str]:
        """What the user should know of the rows that were trained."""
        if unused := getattr(self.data_collator, "unused", None):
            reasons = ", ".join(f"{why} {count:,}" for why, count in unused.most_common())
            yield f"phrases whose region taught no patch: {reasons}"

    def shares(self, any_patch: bool) -> dict[str, float]:
        """The weight of each term in a window that has labelled patches, or has none."""
        return {"loss": 1.0}

    def count(self, batch: Mapping[str, Any]) -> dict[str, float | torch.Tensor]:
        """The number (or the total weight) of targets of each term of `mixture`, before the batch goes to the device."""
        raise NotImplementedError

    def terms(self, model, inputs: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        """The sum over the targets of a batch for each term of `mixture`. Each rank must go through the model."""
        raise NotImplementedError

    # Order

    def _by_cut(self, rows):
        """Rows that samplers of cuts can index. None, streams and names of evaluation sets stay what they are."""
        if isinstance(rows, dict):
            return {name: self._by_cut(part) for name, part in rows.items()}
        return CutRows(rows, self.levels_of) if hasattr(rows, "__getitem__") and not isinstance(rows, (CutRows, str)) else rows

    def _get_train_sampler(self, train_dataset=None):
        rows = self.train_dataset if train_dataset is None else train_dataset
        schedule = self.args.schedule()
        if schedule is None:
            return super()._get_train_sampler(train_dataset)
        return CurriculumSampler(
            rows.levels,
            schedule,
            self.args.data_seed if self.args.data_seed is not None else self.args.seed,
            current_epoch=lambda: int((self.state.epoch or 0) + 1e-6),
            multiple_of=self.args.per_device_train_batch_size * self.args.world_size,
        )

    def get_eval_dataloader(self, eval_dataset=None):
        return super().get_eval_dataloader(self._by_cut(eval_dataset))

    def _get_eval_sampler(self, eval_dataset):
        return InOrder(len(eval_dataset), self.args.per_device_eval_batch_size * self.args.world_size)

    def create_optimizer(self, *args, **kwargs):
        optimizer = super().create_optimizer(*args, **kwargs)
        rate = self.args.projector_learning_rate
        if rate is not None and len(optimizer.param_groups) <= 2:  # called once or more
            projector_ids = {id(p) for name, p in self.model.named_parameters() if any(part in name for part in PROJECTORS)}
            for group in list(optimizer.param_groups):
                apart = [parameter for parameter in group["params"] if id(parameter) in projector_ids]
                if apart:
                    group["params"] = [parameter for parameter in group["params"] if id(parameter) not in projector_ids]
                    rest = {name: value for name, value in group.items() if name != "params"}
                    optimizer.add_param_group(rest | {"params": apart, "lr": rate})
        return optimizer

    # Loss

    def get_batch_samples(self, epoch_iterator, num_batches, device):
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        counts = [self.count(batch) for batch in batches]
        totals = torch.tensor([float(sum(count[name] for count in counts)) for name in self.mixture], device=device)
        totals = self.accelerator.reduce(totals, "sum")
        self._window = dict(zip(self.mixture, totals, strict=True))
        if "vm_loss" in self._window:
            self.mixture = self.shares(any_patch=bool(self._window["vm_loss"] > 0))
        return batches, None

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        training = self.model.training
        counted = self.count(inputs)
        counts = self._window if training else counted
        sums = self.terms(model, inputs)
        loss = sum(
            share * sums[name] / torch.as_tensor(counts[name], device=sums[name].device).clamp(min=1e-9)
            for name, share in self.mixture.items()
        )
        for name in self.mixture:
            self.note(name, sums[name], counted[name])
        if training:
            loss = loss * self.accelerator.num_processes  # ranks average their gradients
        return (loss, {"loss": loss}) if return_outputs else loss

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            return self.compute_loss(model, inputs).detach(), None, None

    # Logging

    def note(self, name: str, total, count) -> None:
        """Add to an average that is logged under `name`, over all batches and ranks since the last log."""
        noted = self._noted["train" if self.model.training else "eval"]
        noted[name] = noted.get(name, 0) + self._pair(total, count)

    def _pair(self, total, count) -> torch.Tensor:
        device = self.args.device  # no copy to the host, which a GPU would have to wait for
        exact = torch.float32 if device.type == "mps" else torch.float64
        return torch.stack([torch.as_tensor(value).detach().to(device, exact) for value in (total, count)])

    def tally(self, name: str, count: torch.Tensor) -> None:
        """Add to a count of the whole run, which is logged where it is not 0."""
        self._tallies[name] = self._tallies.get(name, 0) + count.detach().to(self.args.device)

    def averages(self, mode: str) -> dict[str, float]:
        """What was noted since the last call, averaged over all ranks. Call it on every rank."""
        totals = self._sums(self._noted[mode])
        self._noted[mode] = {}
        return {name: total / count for name, (total, count) in totals.items() if count}

    def _sums(self, numbers: Mapping[str, torch.Tensor]) -> dict[str, Any]:
        """Numbers or pairs of numbers, added up over all ranks."""
        ranks = gather_object([{name: value.reshape(-1).tolist() for name, value in numbers.items()}])
        names = sorted({name for rank in ranks for name in rank})
        return {name: [sum(some) for some in zip(*(rank[name] for rank in ranks if name in rank))] for name in names}

    def log(self, logs, start_time=None):
        if "loss" in logs:  # a training log
            noted = self.averages("train")
            noted.pop("loss", None)  # the trainer's own loss is of the same steps
            logs.update(noted)
            logs.update({name: count for name, [count] in self._sums(self._tallies).items() if count})
        elif "train_loss" in logs:  # the end of a run: the parent leaves out the steps before it was resumed
            logs["train_loss"] = self._total_loss_scalar / max(self.state.global_step, 1)
        super().log(logs, start_time)

    def evaluation_loop(self, *args, metric_key_prefix="eval", **kwargs):
        self._noted["eval"] = {}
        self.mixture = self.shares(any_patch=True)
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        averages = self.averages("eval")
        averages["loss"] = sum(share * averages.get(name, 0.0) for name, share in self.mixture.items())
        output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in averages.items()})
        return output

    # Checkpoints

    def train(self, resume_from_checkpoint=None, *args, **kwargs):
        """`True` takes the last whole checkpoint of the output folder; one that is not whole is never taken."""
        if resume_from_checkpoint is True:
            resume_from_checkpoint, cut_short = last_whole(self.args.output_dir)
            if self.is_world_process_zero():
                for path, wrong in cut_short.items():
                    print(f"{path} is passed over: {wrong}")
            if resume_from_checkpoint is None:
                raise ValueError(
                    f"You asked to go on from the last checkpoint, but {self.args.output_dir} has no whole one. Leave "
                    "--resume_from_checkpoint out to start anew."
                )
            if self.is_world_process_zero():  # a run that was killed may not have come to this
                best = TrainerState.load_from_json(os.path.join(resume_from_checkpoint, TRAINER_STATE_NAME)).best_model_checkpoint
                rotate(self.args.output_dir, self.args.save_total_limit, needed=(resume_from_checkpoint, best))
        elif resume_from_checkpoint:
            check_whole(resume_from_checkpoint)
        if resume_from_checkpoint and self._finished(resume_from_checkpoint):
            kept = json.loads(Path(resume_from_checkpoint, LOSSES).read_text(encoding="utf-8"))
            self._total_loss_scalar = kept["logged"] + kept["since_the_last_log"]
            metrics = {"total_flos": self.state.total_flos, "train_loss": 0.0}
            self.log(metrics)  # which puts in the loss, as the end of a run does
            return TrainOutput(self.state.global_step, metrics["train_loss"], metrics)
        self._resumed_from = resume_from_checkpoint or None
        output = super().train(resume_from_checkpoint, *args, **kwargs)
        return output._replace(training_loss=output.metrics["train_loss"])

    def _finished(self, checkpoint) -> bool:
        """Whether this is the last checkpoint of a run like this one, which is then loaded; the parent would train on."""
        state = TrainerState.load_from_json(os.path.join(checkpoint, TRAINER_STATE_NAME))
        same = self.args.max_steps in (-1, 0, state.max_steps) and self.args.num_train_epochs <= state.num_train_epochs
        if not same or state.global_step < state.max_steps:
            return False
        self.state = state
        self._load_from_checkpoint(checkpoint)
        return True

    def create_model_card(self, **kwargs):
        """A filled card where `card` says what the trainer cannot know, else the parent's draft."""
        if self.card is None:
            super().create_model_card(**kwargs)
        elif self.is_world_process_zero():
            write_card(self.args.output_dir, self.card, self.last_scores(), adapted(self.model))

    def last_scores(self) -> dict[str, float]:
        """The last value of each score of an evaluation, without its times."""
        last = {name: value for entry in self.state.log_history for name, value in entry.items()}
        times = ("_runtime", "_per_second", "_time")
        return {name: last[name] for name in sorted(last) if name.startswith("eval_") and not name.endswith(times)}

    def _save_checkpoint(self, model, trial):
        kept, self.args.save_total_limit = self.args.save_total_limit, None  # no old one goes before this one is whole
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self.args.save_total_limit = kept
        losses = self._losses()
        self.accelerator.wait_for_everyone()  # each rank writes its own random state
        if self.args.should_save:
            folder = self._get_output_dir(trial=trial)
            written = os.path.join(folder, f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}")
            write_json(Path(written, LOSSES), losses)
            mark_whole(written)
            rotate(folder, kept, needed=(written, self.state.best_model_checkpoint))

    def _losses(self) -> dict[str, Any]:
        """What a run that goes on from here must know to log what was trained. Call it on every rank."""
        return {
            "since_the_last_log": self._sums({"loss": self._tr_loss})["loss"][0] / self.args.world_size,
            "logged": self._total_loss_scalar,
            "last_log": self._globalstep_last_logged,
            "noted": self._sums(self._noted["train"]),
            "tallies": self._sums(self._tallies),
        }

    def take_over_losses(self) -> None:
        """Go on with the losses of the checkpoint that this run is resumed from."""
        self._tallies, self._noted["train"] = {}, {}
        if self._resumed_from is None:
            return
        kept = json.loads(Path(self._resumed_from, LOSSES).read_text(encoding="utf-8"))
        self._tr_loss += kept["since_the_last_log"]
        self._total_loss_scalar, self._globalstep_last_logged = kept["logged"], kept["last_log"]
        if self.is_world_process_zero():  # sums of all ranks
            self._noted["train"] = {name: self._pair(*pair) for name, pair in kept["noted"].items()}
            self._tallies = {name: torch.tensor(count, device=self.args.device) for name, [count] in kept["tallies"].items()}

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        if not weights_read(self, resume_from_checkpoint):
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_best_model(self):
        if self.state.best_model_checkpoint is not None:
            check_whole(self.state.best_model_checkpoint)
            if not hasattr(self.model, "peft_config") and weights_read(self, self.state.best_model_checkpoint):
                return
        super()._load_best_model()


class _Resuming(TrainerCallback):
    """Reaches the trainer when its losses have been set to 0 and nothing is trained yet."""

    def __init__(self, trainer: WindowTrainer):
        self.trainer = trainer

    def on_train_begin(self, args, state, control, **kwargs):
        self.trainer.take_over_losses()
