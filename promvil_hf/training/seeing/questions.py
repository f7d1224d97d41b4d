# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Batches of questions about places that are known already: no tower runs, and no question sees the answer of another.

A row has `places` (places, channels), `turns` of question and answer, and, for the vision loss, `row_id`, `image_size` and
`key_expressions`. All questions of a row stand behind its places, each in a branch (`promvil_hf.training.chain_layout`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from PIL import Image
from torch import nn

from promvil_hf.backends.base import unwrapped
from promvil_hf.backends.kept_features import features_given
from promvil_hf.key_expressions import KeyExpression
from promvil_hf.markup import escape
from promvil_hf.training.chain_losses import chain_losses
from promvil_hf.training.chain_texts import ChatText
from promvil_hf.training.curriculum import NO_LEVEL
from promvil_hf.training.fivl_collator import turns_of
from promvil_hf.training.losses import UNLABELLED
from promvil_hf.training.patch_chain_collator import PatchChainCollator, PictureText
from promvil_hf.training.promvil_trainer import PromViLTrainer
from promvil_hf.training.vision_labels import LabelRules, PatchLabeller


ANY_SIZE = (32, 32)  # of the picture that stands for places in the processor


@dataclass
class PlaceQuestions(PatchChainCollator):
    """Batches as `PatchChainCollator` makes them, with places instead of pixels. `label_rules`: how masks become labels."""

    label_rules: LabelRules | None = None

    def __post_init__(self):
        super().__post_init__()
        if not self.backend.family.causal:
            known_as = self.backend.family.known_as
            raise ValueError(f"Questions stand behind a picture that must not see them, and that of {known_as} does.")
        if self.label_rules is not None:
            self._key_labeller = PatchLabeller(self.backend.processor.tokenizer, self.label_rules)

    def __call__(self, rows: Sequence[Mapping]) -> dict[str, torch.Tensor]:
        sizes = [tuple(row.get("image_size") or ANY_SIZE) for row in rows]
        pictures = [Image.new("RGB", size) for size in sizes]
        batch = self._packed(pictures, [self._texts(row) for row in rows])
        batch["pixel_values"] = torch.stack([row["places"] for row in rows])
        if self.label_rules is not None:
            batch |= self._labels(rows, sizes, batch)
        return batch

    def _texts(self, row: Mapping) -> list[PictureText]:
        turns = ((escape(turn.question.strip()), escape(turn.answer.strip())) for turn in turns_of(row))
        return [PictureText(ChatText((turn,), NO_LEVEL), self.chat.filled([turn]), {}) for turn in turns]

    def _labels(self, rows: Sequence[Mapping], sizes: Sequence, batch: Mapping) -> dict[str, torch.Tensor]:
        """What image tokens are to predict: patches stand before all questions, so each is labelled once a row."""
        found, weights = [], []
        image = self.backend.image_positions(batch)
        for number, boxes in enumerate(self.backend.token_boxes(batch, sizes)):
            row = rows[number]
            keys = [KeyExpression.from_dict(key) for key in row.get("key_expressions") or ()]
            patch_labels = self._key_labeller(row.get("row_id", str(number)), keys, boxes, sizes[number], turns_of(row))
            self.unused.update(patch_labels.unused)
            places = image[number].nonzero()[:, 0].tolist()
            for place, tokens in zip(places, patch_labels.labels.tolist(), strict=True):
                tokens = [token for token in tokens if token != UNLABELLED]
                found += [(number, place, token) for token in tokens]
                weights += [1 / max(1, len(tokens))] * len(tokens)
        columns = torch.tensor(found, dtype=torch.long).reshape(-1, 3).unbind(1)
        names = ("patch_row", "patch_place", "patch_token")
        return {**dict(zip(names, columns, strict=True)), "patch_weight": torch.tensor(weights)}


@contextmanager
def places_given(model, projected: bool) -> Iterator[None]:
    """Inside the block `pixel_values` are places: what the tower gives, or with `projected` what the projector gives."""
    inner = unwrapped(model).model
    projector = inner.multi_modal_projector
    with features_given(model):
        if projected:
            inner.multi_modal_projector = nn.Identity()
        try:
            yield
        finally:
            inner.multi_modal_projector = projector


class PlaceTrainer(PromViLTrainer):
    """Trains on rows of `PlaceQuestions`. `projected` says whether their places went through the projector already."""

    projected = True

    @staticmethod
    def levels_of(row: Mapping) -> tuple[int, ...]:
        return (NO_LEVEL,)

    def terms(self, model, inputs):
        with places_given(model, self.projected):
            return super().terms(model, inputs)


@torch.no_grad()
def margins(
    model, collator: PlaceQuestions, rows: Sequence[Mapping], projected: bool = True, batch: int = 8
) -> list[list[float]]:
    """For each row and question by how much the logit of "yes" is above that of "no" where the answer begins."""
    yes, no = (_first_answer_token(collator, word) for word in ("yes", "no"))
    found: list[list[float]] = []
    model.eval()
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        made = collator([{**row, "turns": [{**turn, "answer": "yes"} for turn in row["turns"]]} for row in part])
        begins = _first_of_each_branch(made)
        row, place = made["target_row"][begins], made["target_place"][begins]
        made |= {"target_row": row.repeat(2), "target_place": place.repeat(2)}
        made["target_token"] = torch.tensor([yes, no]).repeat_interleave(len(row))
        with places_given(model, projected):
            less_likely = chain_losses(model, made).targets.float()
        by_row: list[list[float]] = [[] for _ in part]
        for number, margin in zip(row.tolist(), (less_likely[len(row) :] - less_likely[: len(row)]).tolist(), strict=True):
            by_row[number].append(margin)
        found += by_row
    return found


def _first_of_each_branch(batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Which targets are the first of their question."""
    pairs = torch.stack([batch["target_row"], batch["target_branch"]], 1)
    changed = (pairs[1:] != pairs[:-1]).any(1)
    return torch.cat([torch.ones(1, dtype=torch.bool), changed])


def _first_answer_token(collator: PlaceQuestions, word: str) -> int:
    batch = collator([{"places": torch.zeros(1, 1), "turns": [{"question": "?", "answer": word}]}])
    return int(batch["target_token"][0])
