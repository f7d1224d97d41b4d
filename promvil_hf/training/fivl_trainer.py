# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FiVL's training: the language loss of the answers, and patches that predict the words that speak of them.

    trainer = FiVLTrainer(model, FiVLConfig("out"), processing_class=processor, train_dataset=rows, eval_dataset=held_out)
    trainer.train()

The model's own forward is run, inside DDP, FSDP or PEFT, but its LM head is asked only about labelled positions and
answers with their losses, so no logits of a batch exist. Rows are those of `promvil_hf.training.fivl_collator`. Logged beside
the loss: `lm_loss`, `vm_loss`, `vm_accuracy`, `vm_patches` (labelled patches a row), in evaluation also `patch_iou`.
"""

from collections.abc import Mapping

import torch

from promvil_hf.backends.base import unwrapped
from promvil_hf.training.fivl_collator import FiVLCollator, backend_of, row_levels
from promvil_hf.training.head_losses import losses_at
from promvil_hf.training.losses import UNLABELLED, LossSums, gather, likely_tokens, shares
from promvil_hf.training.shown_batches import shown_conversations
from promvil_hf.training.window_trainer import WindowTrainer


def score(model, batch: Mapping[str, torch.Tensor], likely: bool = False) -> tuple[LossSums, torch.Tensor | None]:
    """The loss sums of a `FiVLCollator` batch, and if asked for the most likely token at each of its image tokens.

    `model` may be wrapped (DDP, FSDP, PEFT). The sums are differentiable; divide them by the counts of the window.
    """
    inputs = dict(batch)
    labels, vision_labels = inputs.pop("labels"), inputs.pop("vision_labels")
    image = inputs["input_ids"] == unwrapped(model).config.image_token_id
    found: list = []

    def pick(hidden: torch.Tensor, head) -> tuple[torch.Tensor, torch.Tensor]:
        gathered = gather(hidden, labels.to(hidden.device), vision_labels.to(hidden.device))
        found.append(gathered)
        found.append(likely_tokens(hidden[image.to(hidden.device)], head) if likely else None)
        return gathered.rows, gathered.targets

    losses, hits = losses_at(model, inputs, pick)
    gathered, tokens = found
    return gathered.sums(losses, hits), tokens


def patch_ious(predicted: torch.Tensor, labels: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
    """(words,) IoU of each labelled word of each row: the patches that predict it against those that are labelled with it.

    `predicted` and `row` are (P,), `labels` (P, K): all image tokens of a batch, the row of each, -100 where unlabelled.
    """
    ious = []
    for number in row.unique():
        in_row = row == number
        guesses, wanted = predicted[in_row], labels[in_row]
        for word in wanted[wanted[:, 0] != UNLABELLED].unique(dim=0):
            said = torch.isin(guesses, word)
            meant = (wanted == word).all(1)
            ious.append((said & meant).sum() / (said | meant).sum())
    return torch.stack(ious) if ious else torch.zeros(0)


class FiVLTrainer(WindowTrainer):
    """See the module. `model` is of any family with patches as image tokens."""

    backend_for = staticmethod(backend_of)
    levels_of = staticmethod(row_levels)

    def collator(self, args, image_root):
        return FiVLCollator(
            self.backend, args.label_rules(), args.system_prompt, args.max_length, image_root=image_root
        )

    def shown(self, rows, batch):
        return shown_conversations(batch, rows, self.data_collator)

    def shares(self, any_patch):
        weights = shares(self.args.vision_loss_weight, any_patch, self.args.scale_lm_when_empty)
        return dict(zip(("lm_loss", "vm_loss"), weights, strict=True))

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

    def terms(self, model, inputs):
        training = self.model.training
        sums, likely = score(model, inputs, likely=not training)
        self.note("vm_accuracy", sums.hits, sums.patches)
        self.note("vm_patches", sums.patches, len(inputs["input_ids"]))
        if not training:
            image = inputs["input_ids"] == unwrapped(model).config.image_token_id
            labels = inputs["vision_labels"][image]
            labels = labels if labels.dim() > 1 else labels[:, None]
            ious = patch_ious(likely.to(labels.device), labels, image.nonzero()[:, 0])
            self.note("patch_iou", ious.sum(), len(ious))
        return {"lm_loss": sums.lm, "vm_loss": sums.vm}
