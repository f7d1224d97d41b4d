# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FiVL's training: the language loss of the answers, and patches that predict the words that speak of them.

    trainer = FiVLTrainer(model, FiVLConfig("out"), processing_class=processor, train_dataset=rows, eval_dataset=held_out)
    trainer.train()

Special: the model's own forward is run, inside DDP, FSDP or PEFT, but its LM head is asked only about labelled positions
and answers with their losses, so no logits of a batch exist. Rows are those of `promvil_hf.training.fivl_collator`. Logged beside
the loss: `lm_loss`, `vm_loss`, `vm_accuracy`, `vm_patches` (labelled patches a row), in evaluation also `patch_iou`. Floor 4.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import nn
from transformers import set_seed

from promvil_hf.backends.families import PROJECTORS
from promvil_hf.training.adapters import with_lora
from promvil_hf.training.curriculum import CurriculumSampler, CutRows, InOrder
from promvil_hf.training.fivl_collator import FiVLCollator, backend_of, row_level
from promvil_hf.training.fivl_config import FiVLConfig
from promvil_hf.training.losses import UNLABELLED, LossSums, gather, likely_tokens, shares, token_losses
from promvil_hf.training.window_trainer import WindowTrainer


def score(model, batch: Mapping[str, torch.Tensor], likely: bool = False) -> tuple[LossSums, torch.Tensor | None]:
    """The loss sums of a `FiVLCollator` batch, and if asked for the most likely token at each of its image tokens.

    `model` may be wrapped (DDP, FSDP, PEFT). The sums are differentiable; divide them by the counts of the window.
    """
    inputs = dict(batch)
    labels, vision_labels = inputs.pop("labels"), inputs.pop("vision_labels")
    base = _unwrapped(model)
    softcap = getattr(base.config.get_text_config(), "final_logit_softcapping", None)
    image = inputs["input_ids"] == base.config.image_token_id
    found: list = []

    def answer(hidden: torch.Tensor, head: nn.Module, forward) -> torch.Tensor:
        device = hidden.device
        gathered = gather(hidden, labels.to(device), vision_labels.to(device))
        if type(head) is nn.Linear:
            losses, hits = token_losses(gathered.rows, head.weight, gathered.targets, bias=head.bias, softcap=softcap)
        else:  # an adapter or a quantised layer: it knows its own product
            logits = forward(gathered.rows).float()
            logits = logits if softcap is None else softcap * torch.tanh(logits / softcap)
            losses = F.cross_entropy(logits, gathered.targets, reduction="none")
            hits = logits.argmax(-1) == gathered.targets
        found.append(gathered.sums(losses, hits))
        found.append(likely_tokens(hidden[image.to(device)], forward) if likely else None)
        return losses.sum()  # stands for the logits: DDP looks in the outputs for what the gradient will reach

    with _head_answers(base, answer):
        model(**inputs, use_cache=False)
    if not found:
        raise ValueError(
            f"The forward of {type(base).__name__} never called its output embeddings, so there is nothing to train. "
            "Compiled models do that: leave torch_compile out."
        )
    sums, tokens = found
    return sums, tokens


@contextmanager
def _head_answers(model, answer) -> Iterator[None]:
    """For one forward the LM head answers with `answer(hidden, head, forward)` in place of logits."""
    head = model.get_output_embeddings()
    forward, own = head.forward, head.__dict__.get("forward")
    head.forward = lambda hidden: answer(hidden, head, forward)
    try:
        yield
    finally:
        if own is None:
            del head.forward
        else:
            head.forward = own


def _unwrapped(model):
    model = getattr(model, "module", model)
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def patch_ious(predicted: torch.Tensor, labels: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
    """(words,) IoU of each labelled word of each row: the patches that predict it against those that are labelled with it.

    `predicted` and `row` are (P,), `labels` (P, K): all image tokens of a batch, the row of each, -100 where unlabelled.
    """
    ious = []
    for number in row.unique():
        own = row == number
        guesses, wanted = predicted[own], labels[own]
        for word in wanted[wanted[:, 0] != UNLABELLED].unique(dim=0):
            said = torch.isin(guesses, word)
            meant = (wanted == word).all(1)
            ious.append((said & meant).sum() / (said | meant).sum())
    return torch.stack(ious) if ious else torch.zeros(0)


class FiVLRows(CutRows):
    """Rows by cut, with the level of each for a curriculum. Pictures are opened by the collator, once."""

    def __init__(self, rows):
        features = getattr(rows, "features", None) or {}
        if "image" in features and hasattr(features["image"], "decode"):
            rows = rows.cast_column("image", replace(features["image"], decode=False))
        super().__init__(rows)

    @cached_property
    def levels(self) -> list[tuple[int]]:
        bare = self.rows.select_columns("key_expressions") if hasattr(self.rows, "select_columns") else self.rows
        return [(row_level(row),) for row in bare]


def _by_cut(rows):
    streamed = rows is not None and not hasattr(rows, "__getitem__")
    return rows if rows is None or streamed or isinstance(rows, CutRows) else FiVLRows(rows)


class FiVLTrainer(WindowTrainer):
    """See the module. `model` is of any family with patches as image tokens; `peft_config` puts an adapter on it."""

    def __init__(
        self,
        model,
        args: FiVLConfig,
        *,
        processing_class,
        train_dataset=None,
        eval_dataset=None,
        data_collator=None,
        peft_config=None,
        image_root="",
        **kwargs,
    ):
        for name in ("compute_loss_func", "compute_metrics", "preprocess_logits_for_metrics"):
            if kwargs.get(name) is not None:
                raise ValueError(
                    f"You passed {name}, which would wait for logits that are never made. Override `terms` and call "
                    "`note`, or use `transformers.Trainer`."
                )
        backend = backend_of(model, processing_class)
        if peft_config is not None:
            set_seed(args.seed)  # the parent does it too late for the adapter's first weights
            model = with_lora(model, peft_config)
        if data_collator is None:
            data_collator = FiVLCollator(
                backend,
                args.label_rules(),
                system=args.system_prompt,
                max_length=args.max_length,
                image_root=image_root,
            )
        super().__init__(
            model,
            args,
            data_collator=data_collator,
            train_dataset=_by_cut(train_dataset),
            eval_dataset={name: _by_cut(part) for name, part in eval_dataset.items()}
            if isinstance(eval_dataset, dict)
            else _by_cut(eval_dataset),
            processing_class=processing_class,
            **kwargs,
        )
        self._mix(any_patch=True)

    def _mix(self, any_patch: bool) -> None:
        weights = shares(self.args.vision_loss_weight, any_patch, self.args.scale_lm_when_empty)
        self.mixture = dict(zip(("lm_loss", "vm_loss"), weights, strict=True))

    def create_optimizer(self, *args, **kwargs):
        optimizer = super().create_optimizer(*args, **kwargs)
        if self.args.projector_learning_rate is not None and len(optimizer.param_groups) <= 2:  # called once or more
            own = {id(p) for name, p in self.model.named_parameters() if any(part in name for part in PROJECTORS)}
            for group in list(optimizer.param_groups):
                apart = [parameter for parameter in group["params"] if id(parameter) in own]
                if apart:
                    group["params"] = [parameter for parameter in group["params"] if id(parameter) not in own]
                    rest = {name: value for name, value in group.items() if name != "params"}
                    optimizer.add_param_group(rest | {"params": apart, "lr": self.args.projector_learning_rate})
        return optimizer

    # Order

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
        return super().get_eval_dataloader(eval_dataset if isinstance(eval_dataset, str) else _by_cut(eval_dataset))

    def _get_eval_sampler(self, eval_dataset):
        return InOrder(len(eval_dataset), self.args.per_device_eval_batch_size * self.args.world_size)

    # Loss

    def count(self, batch):
        for name in ("labels", "vision_labels"):
            if name not in batch:
                raise ValueError(
                    f"The batch has no {name!r} (it has {', '.join(batch)}), and the model would be trained without them "
                    "in silence. Use `promvil_hf.training.fivl_collator.FiVLCollator`, or one that gives labels (B, L) and "
                    "vision_labels (B, L), -100 where there is none."
                )
        labels, patches = batch["labels"], batch["vision_labels"] != UNLABELLED
        patches = patches.any(-1) if patches.dim() > labels.dim() else patches
        return {"lm_loss": (labels[:, 1:] != UNLABELLED).sum(), "vm_loss": patches.sum()}

    def get_batch_samples(self, epoch_iterator, num_batches, device):
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        self._mix(any_patch=bool(self._window["vm_loss"] > 0))
        return batches, items

    def terms(self, model, inputs):
        training = self.model.training
        sums, likely = score(model, inputs, likely=not training)
        self.note("vm_accuracy", sums.hits, sums.patches)
        self.note("vm_patches", sums.patches, len(inputs["input_ids"]))
        if not training:
            image = inputs["input_ids"] == _unwrapped(model).config.image_token_id
            labels = inputs["vision_labels"][image]
            labels = labels if labels.dim() > 1 else labels[:, None]
            ious = patch_ious(likely.to(labels.device), labels, image.nonzero()[:, 0])
            self.note("patch_iou", ious.sum(), len(ious))
        return {"lm_loss": sums.lm, "vm_loss": sums.vm}

    def evaluation_loop(self, *args, **kwargs):
        self._mix(any_patch=True)
        return super().evaluation_loop(*args, **kwargs)
