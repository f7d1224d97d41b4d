# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Chains for tiny patch-token models, and the plain way to train them: each text alone, with its picture."""

import torch
import torch.nn.functional as F

from promvil_hf.backends.families import PATCH_FAMILIES
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.training.chain_losses import chain_losses
from promvil_hf.training.losses import UNLABELLED
from promvil_hf.training.patch_chain_collator import PatchChainCollator
from promvil_hf.training.promvil_config import PromViLConfig
from promvil_hf.training.promvil_trainer import PromViLTrainer
from promvil_hf.training.vision_labels import LabelRules
from tests.laws.fivl_rows import SETTINGS
from tests.laws.promvil_rows import rows
from tests.unit.toy.models.families import fresh


PACKED = tuple(sorted(name for name, family in PATCH_FAMILIES.items() if family.causal and name != "glm4v"))  # as glm46v
APART = tuple(sorted(name for name, family in PATCH_FAMILIES.items() if not family.causal and not family.encoder_decoder))
LAMBDA = 0.3


def backend(family) -> PatchTokenBackend:
    tiny = fresh(family)
    return PatchTokenBackend(tiny.model, tiny.processor)


def collator(patch_backend: PatchTokenBackend, **options) -> PatchChainCollator:
    return PatchChainCollator(patch_backend, **{"rules": LabelRules(), **options})


def joint(patch_backend: PatchTokenBackend, batch) -> torch.Tensor:
    found = chain_losses(patch_backend.model, batch)
    text = (found.targets * batch["target_weight"]).sum() / batch["target_weight"].sum()
    patches = (found.patches * batch["patch_weight"]).sum() / batch["patch_weight"].sum()
    return (1 - LAMBDA) * text + LAMBDA * patches


def repeated(patch_backend: PatchTokenBackend, some) -> torch.Tensor:
    """The same by the model's plain forward: one text and one picture at a time, labels of the whole row."""
    collate = collator(patch_backend)
    text, targets, patches, labels = 0.0, 0, 0.0, 0.0
    for row in some:
        picture = collate.open_image(row)
        for chain_text in texts_of(collate, row):
            batch, offsets, shifts = collate.chat.encoded([chain_text.talk], [picture])
            logits = patch_backend.model(**batch).logits[0].float()
            wanted = batch["input_ids"][0].clone()
            wanted[~torch.tensor(collate.chat.trained(chain_text.talk, offsets[0], shifts[0]))] = UNLABELLED
            text = text + F.cross_entropy(logits[:-1], wanted[1:], ignore_index=UNLABELLED, reduction="sum")
            targets += int((wanted != UNLABELLED).sum())
            if chain_text.chat_text.step is None:
                continue
            [boxes] = patch_backend.token_boxes(batch, [picture.size])
            key = collate._key(chain_text, picture.size)
            says = torch.from_numpy(collate._labeller("", [key], boxes, picture.size).labels[:, 0])
            at = patch_backend.image_positions(batch)[0].nonzero()[:, 0]
            patches = patches + F.cross_entropy(logits[at], says, ignore_index=UNLABELLED, reduction="sum")
            labels += int((says != UNLABELLED).sum())
    return (1 - LAMBDA) * text / targets + LAMBDA * patches / labels


def texts_of(collate: PatchChainCollator, row) -> list:
    return collate._texts_of(row, collate.open_image(row))


def as_a_whole(some: dict, others: dict) -> float:
    """The relative difference of all tensors taken as one."""
    return float(sum((some[name] - others[name]).norm() ** 2 for name in others) ** 0.5
                 / sum(tensor.norm() ** 2 for tensor in others.values()) ** 0.5)  # fmt: skip


def gradients(model) -> dict:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def trainer(folder, family="llava", train=None, evaluated=None, **options):
    """One step of plain gradient descent unless `options` say otherwise."""
    tiny = fresh(family)
    return PromViLTrainer(
        tiny.model,
        PromViLConfig(str(folder), **SETTINGS | {"gradient_accumulation_steps": 1} | options),
        processing_class=tiny.processor,
        train_dataset=rows(8, 2) if train is None else train,
        eval_dataset=evaluated,
    )
