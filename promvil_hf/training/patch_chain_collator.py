# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Batches for PromViL's training of patch-token models, each text about a picture in the model's own chat format.

Where no token sees what stands behind it, all texts about a picture stand in one row behind it
(`promvil_hf.training.chain_layout`), also on Qwen's three axes of positions. Other families (PaliGemma, Gemma 3 and 4, and
hybrids such as Qwen3.5) get one row a text. Either way the vision tower sees a picture once, and losses and gradients are
the same.

In: rows as `promvil_hf.training.chain_texts.chain_in` takes them, with `image` or `image_path`, `cut`, and for the vision loss
`masks` where they are known ({phrase: run lengths}; boxes stand for the others). Out, for U pictures, R rows of L tokens, T
targets and V labelled patches: what the model takes, and

    image_of_row     (R,)    the picture of each row
    branch           (R, L)  as in `chain_layout`; only of packed rows
    target_row, target_place, target_token, target_branch, target_level, target_weight (T,)
    patch_row, patch_place, patch_token, patch_weight (V,)  what image tokens are to predict, at their own places
    refused          ()      texts that were too long
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from PIL import Image

from promvil_hf import masks
from promvil_hf.backends.base import unwrapped
from promvil_hf.backends.decoding import PER_TOKEN
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.frames import ImageSize
from promvil_hf.key_expressions import KeyExpression, Rle
from promvil_hf.nesting import decompose
from promvil_hf.training.chain_layout import Branch, Row, as_targets, check_weights, in_rows, lay_out, weights_of
from promvil_hf.training.chain_texts import ChatText, ChatTexts
from promvil_hf.training.chat_format import ChatFormat, Conversation
from promvil_hf.training.curriculum import whole
from promvil_hf.training.losses import UNLABELLED
from promvil_hf.training.row_pictures import by_picture, needed_picture, opened
from promvil_hf.training.vision_labels import LabelRules, PatchLabeller, nouns


@dataclass(frozen=True, slots=True)
class PictureText:
    """A text, its conversation, and the masks that its row knows."""

    chat_text: ChatText
    talk: Conversation
    masks: Mapping[str, Mapping]


@dataclass
class PatchChainCollator:
    """See the module.

    Args:
        backend: Of a model whose image tokens are patches.
        evidence: Put the phrases below a step before it.
        level_weights: Weight of a target of level 1, 2, ...; the last one also holds above. Questions weigh 1.
        max_tokens: Longest text and longest row, picture included. A longer text is refused, and counted in `refused`: it is
            never cut.
        pack: False gives each text a row of its own.
        rules: How the region of a phrase becomes labels of patches; None for no vision loss.
        system: What each conversation begins with.
        image_root: Where relative `image_path`s lie.

    `unused` counts the phrases whose region gave no label, by reason, of the batches made in this process.
    """

    backend: PatchTokenBackend
    evidence: bool = True
    level_weights: Sequence[float] = ()
    max_tokens: int = 2048
    pack: bool = True
    rules: LabelRules | None = None
    system: str | None = None
    image_root: str | os.PathLike = ""
    unused: Counter = field(default_factory=Counter)

    def __post_init__(self):
        check_weights(self.level_weights)
        self.texts = ChatTexts(self.backend.dialect, self.evidence)
        self.chat = ChatFormat(self.backend, self.system)
        if self.rules is not None:
            self._labeller = PatchLabeller(self.backend.processor.tokenizer, self.rules, head_noun)

    def __call__(self, rows: Sequence[Mapping]) -> dict[str, torch.Tensor]:
        groups = by_picture(rows, self._texts_of, self.image_root)
        laid_out = self._packed if self.backend.family.causal else self._each_alone
        return laid_out([picture for picture, _ in groups], [found for _, found in groups])

    def open_image(self, row: Mapping) -> Image.Image:
        """The picture of a row, upright, in RGB."""
        return opened(needed_picture(row, self.image_root), self.image_root)

    def _texts_of(self, row: Mapping, picture: Image.Image) -> list[PictureText]:
        cut = row.get("cut", whole(0))
        return [
            PictureText(text, self.chat.filled(text.turns), row.get("masks") or {})
            for text in self.texts.of_row(row, picture.size)
            if cut.trains(text.level)
        ]

    def _packed(self, pictures: list[Image.Image], texts: list[list[PictureText]]) -> dict[str, torch.Tensor]:
        """All texts about a picture behind it."""
        shown, *_ = self.chat.encoded([self._nothing_asked()] * len(pictures), pictures)
        places = [row.nonzero()[:, 0] for row in self.backend.image_positions(shown)]
        ends = [int(positions[-1]) + 1 for positions in places]
        rows: list[tuple[int, Row]] = []
        patches: list[tuple[int, torch.Tensor, int, PictureText]] = []
        refused = 0
        for number, (ids, end) in enumerate(zip(shown["input_ids"], ends, strict=True)):
            pairs = list(zip(self._branches(texts[number]), texts[number], strict=True))
            fitting = [pair for pair in pairs if end + len(pair[0].tokens) <= self.max_tokens]
            refused += len(pairs) - len(fitting)
            for group in in_rows(end, fitting, lambda pair: len(pair[0].tokens), self.max_tokens, self.pack):
                patches += [(len(rows), places[number], number, text) for _, text in group]
                rows.append((number, Row(ids[:end].tolist(), [branch for branch, _ in group])))
        batch = lay_out([row for _, row in rows], self.backend.processor.tokenizer.pad_token_id or 0)
        of_row = torch.tensor([number for number, _ in rows])
        return {
            **{name: tensor for name, tensor in shown.items() if name not in PER_TOKEN},
            "position_ids": self._positions(shown, ends, of_row, batch.pop("place")),
            **batch,
            "image_of_row": of_row,
            "target_weight": weights_of(batch["target_level"].tolist(), self.level_weights),
            **self._patch_targets(shown, pictures, patches),
            "refused": torch.tensor(refused),
        }

    def _branches(self, texts: Sequence[PictureText]) -> list[Branch]:
        """Tokens behind the picture, and which of them are targets. The picture's mark is a token that nothing merges with."""
        if not texts:
            return []
        tokenizer = self.backend.processor.tokenizer
        mark = self.backend.model.config.image_token_id
        behind = tokenizer.convert_tokens_to_ids(list(self.backend.family.behind_picture))
        encoded = tokenizer([text.talk.text for text in texts], add_special_tokens=False, return_offsets_mapping=True)
        found = []
        for text, tokens, offsets in zip(texts, encoded["input_ids"], encoded["offset_mapping"], strict=True):
            start = len(tokens) - tokens[::-1].index(mark)
            trained = [False] * len(behind) + self.chat.trained(text.talk, offsets)[start:]
            found.append(Branch((*behind, *tokens[start:]), tuple(trained), text.chat_text.level))
        return found

    def _positions(self, shown: Mapping, ends: Sequence[int], of_row: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """(R, L), or (axes, R, L) where a picture takes fewer positions than tokens."""
        axes = self.backend.family.rotary_axes
        found = place.clamp(min=0)
        if axes == 1:
            return found
        of_picture = self._on_axes(shown)
        found = found.repeat(axes, 1, 1)
        for row, number in enumerate(of_row.tolist()):
            picture_positions = of_picture[:, number, : ends[number]]
            found[:, row, ends[number] :] += picture_positions.max() + 1 - ends[number]
            found[:, row, : ends[number]] = picture_positions
        return found.masked_fill(place < 0, 0)

    def _on_axes(self, shown: Mapping) -> torch.Tensor:
        """(axes, R, L), as the model itself counts the positions of these rows."""
        model = unwrapped(self.backend.model).model
        per_token = {name: shown[name] for name in ("input_ids", "attention_mask", "mm_token_type_ids") if name in shown}
        return model.get_rope_index(**per_token, image_grid_thw=shown[self.backend.family.grid])[0]

    def _each_alone(self, pictures: list[Image.Image], texts: list[list[PictureText]]) -> dict[str, torch.Tensor]:
        """One row a text, for families whose prompt looks forward, or whose layers keep a state."""
        numbered = [(number, text) for number, found in enumerate(texts) for text in found]
        fitting = numbered
        batch, offsets, shifts = self._encoded(fitting, pictures)
        if batch["input_ids"].shape[1] > self.max_tokens:
            lengths = batch["attention_mask"].sum(1).tolist()
            fitting = [pair for pair, length in zip(numbered, lengths, strict=False) if length <= self.max_tokens]
            batch, offsets, shifts = self._encoded(fitting, pictures)
        of_row = [number for number, _ in fitting] or [0]
        targets, patches = [], []
        for row, (_, text) in enumerate(fitting):
            places = self.backend.image_positions(batch)[row].nonzero()[:, 0]
            patches.append((row, places, row, text))
            for place, trained in enumerate(self.chat.trained(text.talk, offsets[row], shifts[row])):
                if trained:
                    targets.append((row, place - 1, int(batch["input_ids"][row, place]), 1, text.chat_text.level))
        used = sorted(set(of_row))
        shown, *_ = self.chat.encoded([self._nothing_asked()] * len(used), [pictures[number] for number in used])
        # Where positions need the size of each row's picture, they are counted here: the model gets each picture once.
        positions = {"position_ids": self._on_axes(batch)} if self.backend.family.rotary_axes > 1 else {}
        found = as_targets(targets)
        return {
            **{name: value for name, value in batch.items() if name in PER_TOKEN},
            **{name: value for name, value in shown.items() if name not in PER_TOKEN},
            **positions,
            **found,
            "image_of_row": torch.tensor([used.index(number) for number in of_row]),
            "target_weight": weights_of(found["target_level"].tolist(), self.level_weights),
            **self._patch_targets(batch, [pictures[number] for number in of_row], patches),
            "refused": torch.tensor(len(numbered) - len(fitting)),
        }

    def _encoded(self, numbered: Sequence[tuple[int, PictureText]], pictures: Sequence[Image.Image]):
        """The padded batch of these texts; of the first picture alone where there are none."""
        talks = [text.talk for _, text in numbered] or [self._nothing_asked()]
        return self.chat.encoded(talks, [pictures[number] for number, _ in numbered] or pictures[:1])

    def _nothing_asked(self) -> Conversation:
        return self.chat.filled([("?", "!")])

    def _patch_targets(
        self, shown: Mapping, pictures: Sequence[Image.Image], texts: Sequence[tuple[int, torch.Tensor, int, PictureText]]
    ) -> dict[str, torch.Tensor]:
        """What image tokens are to predict. `texts` has (row, places of its image tokens, row of `shown`, text)."""
        found: list[tuple[int, int, int]] = []
        weights: list[float] = []
        if self.rules is not None:
            sizes = [picture.size for picture in pictures]
            boxes = self.backend.token_boxes(shown, sizes)
            for row, places, number, text in texts:
                if text.chat_text.step is None:
                    continue
                key = self._key(text, sizes[number])
                patch_labels = self._labeller(key.text, [key], boxes[number], sizes[number])
                self.unused.update(patch_labels.unused)
                for place, tokens in zip(places.tolist(), patch_labels.labels.tolist(), strict=True):
                    tokens = [token for token in tokens if token != UNLABELLED]
                    found += [(row, place, token) for token in tokens]
                    weights += [1 / max(1, len(tokens))] * len(tokens)
        columns = torch.tensor(found, dtype=torch.long).reshape(-1, 3).unbind(1)
        return {
            **dict(zip(("patch_row", "patch_place", "patch_token"), columns, strict=True)),
            "patch_weight": torch.tensor(weights),
        }

    def _key(self, text: PictureText, image_size: ImageSize) -> KeyExpression:
        """The phrase that a text grounds, with its mask, or its boxes for one."""
        target = text.chat_text.step.target
        known = text.masks.get(target.text)
        mask = masks.from_boxes(target.boxes, image_size) if known is None else Rle.from_dict(known)
        return KeyExpression(target.text, 0, target.boxes, mask)


def head_noun(phrase: str) -> list[str]:
    """The noun that a phrase is about: "man" of "the man with a jacket"."""
    head = decompose(phrase).top.head
    return [head] if head else nouns(phrase)[:1]
