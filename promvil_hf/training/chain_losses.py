# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The losses of a `PatchChainCollator` batch: answers, and patches that predict what a phrase names, in one forward."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from promvil_hf.backends.base import unwrapped
from promvil_hf.backends.kosmos2_prefix import tree_mask
from promvil_hf.training.head_losses import losses_at


NOT_FOR_THE_MODEL = ("target_", "patch_", "image_of_row", "branch", "refused")


@dataclass(frozen=True, slots=True)
class ChainLosses:
    """Cross entropies of T targets and of V labels of patches, and whether each patch says its label."""

    targets: torch.Tensor
    patches: torch.Tensor
    hits: torch.Tensor


def chain_losses(model, batch: Mapping[str, torch.Tensor]) -> ChainLosses:
    """Of a batch; `model` may be wrapped."""
    base = unwrapped(model)
    inputs = {name: value for name, value in batch.items() if not name.startswith(NOT_FOR_THE_MODEL)}
    if "branch" in batch:
        inputs["attention_mask"] = tree_mask(batch["branch"], batch["branch"], base.dtype)
    of_row = batch["image_of_row"]
    once_each = len(of_row) == int(of_row.max()) + 1
    text = len(batch["target_row"])

    def pick(hidden: torch.Tensor, _) -> tuple[torch.Tensor, torch.Tensor]:
        row, place, token = (
            torch.cat([batch[f"target_{name}"], batch[f"patch_{name}"]]).to(hidden.device)
            for name in ("row", "place", "token")
        )
        return hidden[row, place], token

    with nullcontext() if once_each else _pictures_read_once(base, batch):
        losses, hits = losses_at(model, inputs, pick)
    return ChainLosses(losses[:text], losses[text:], hits[text:])


@contextmanager
def _pictures_read_once(base, batch: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """For one forward the vision tower sees each picture once, and each row gets its own picture's features."""
    inner, of_row = base.model, batch["image_of_row"].tolist()
    tokens = (batch["input_ids"] == base.config.image_token_id).sum(1).tolist()
    of_picture = dict(zip(of_row, tokens, strict=True))
    read, override = inner.get_image_features, inner.__dict__.get("get_image_features")

    def of_rows(*args: Any, **kwargs: Any):
        found = read(*args, **kwargs)
        found.pooler_output = _chosen(found.pooler_output, of_row, of_picture)
        if getattr(found, "deepstack_features", None) is not None:
            found.deepstack_features = [_chosen(layer, of_row, of_picture) for layer in found.deepstack_features]
        return found

    inner.get_image_features = of_rows
    try:
        yield
    finally:
        if override is None:
            del inner.get_image_features
        else:
            inner.get_image_features = override


def _chosen(features, of_row: list[int], tokens: Mapping[int, int]):
    """The features of each row's picture. They come as one for each picture, or as tiles or tokens one after another."""
    if not isinstance(features, torch.Tensor):
        return type(features)(features[number] for number in of_row)
    each = features.shape[1] if features.dim() > 2 else 1
    ends, end = {}, 0
    for number in sorted(tokens):
        end += tokens[number] // each
        ends[number] = end
    if end != len(features):
        raise ValueError(
            f"The pictures of this batch have {end} places in the text, but the vision tower gave {len(features)}: rows "
            "cannot share a picture. Use `pack`, or a family whose pictures can be shared."
        )
    return torch.cat([features[ends[number] - tokens[number] // each : ends[number]] for number in of_row])
