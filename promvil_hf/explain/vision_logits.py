# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What each image token would say: the language head read at the image's own positions, and the segmentation it makes.

The reference's rule: of each token the likeliest word of the whole vocabulary; tokens that agree are one segment, shown
if its word has more than one character and no "<". Where the image comes before the question and attention is causal
(LLaVA), this does not depend on the question. Logits are made some hundred positions at a time and never kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from promvil_hf import masks
from promvil_hf.backends.base import Request, unwrapped
from promvil_hf.backends.decoding import in_evaluation_mode
from promvil_hf.boxes import Box
from promvil_hf.explain.answered import require_places
from promvil_hf.explain.maps import is_shown, labelled
from promvil_hf.fivl.mask_making import ImagePhrases, MaskAnnotator
from promvil_hf.frames import ImageSize
from promvil_hf.jobs import Rejected
from promvil_hf.key_expressions import KeyExpression
from promvil_hf.metrics.segmentation import mask_iou


_ROWS_AT_ONCE = 256
# Words of an expression that name nothing by themselves.
_SMALL_WORDS = frozenset("a an the of on in at to by with and or is are its his her their that this".split())


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """The likeliest vocabulary entry of each image token of one picture, how likely it is, and how each entry reads."""

    tokens: np.ndarray  # (image tokens,)
    probability: np.ndarray  # (image tokens,)
    boxes: tuple[Box | None, ...]
    image_size: ImageSize
    words: Mapping[int, str]

    def shown(self) -> dict[int, str]:
        """The entries that the reference's rule shows, those of most tokens first."""
        placed = self.tokens[[box is not None for box in self.boxes]]
        found, counts = np.unique(placed, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return {int(found[k]): self.words[int(found[k])] for k in order if is_shown(self.words[int(found[k])])}

    def map(self, size: ImageSize | None = None) -> np.ndarray:
        """(height, width) of entries over the original picture, -1 where no token looks."""
        return labelled(self.tokens, self.boxes, size or self.image_size)


@torch.inference_mode()
def say(backend, requests: Sequence[Request], image_sizes: Sequence[ImageSize]) -> list[Said]:
    """One batch of pictures, each with the question it is asked with."""
    require_places(backend)
    if backend.family.encoder_decoder:
        raise ValueError(f"What image tokens say cannot be read. {backend.family.encoder_decoder}")
    plain = unwrapped(backend.model)
    trunk, head = plain.base_model, plain.get_output_embeddings()
    if trunk is plain or head is None:
        raise ValueError(
            f"You passed a {type(plain).__name__}, which has no language head apart from its trunk: what its image tokens "
            "say cannot be read."
        )
    inputs = backend.inputs(requests)
    boxes = backend.token_boxes(inputs, image_sizes)
    positions = backend.image_positions(inputs)
    softcap = getattr(plain.config.text_config, "final_logit_softcapping", None)
    with in_evaluation_mode(plain):
        hidden = trunk(**inputs, use_cache=False).last_hidden_state
    said = []
    for row, (token_boxes, size) in enumerate(zip(boxes, image_sizes, strict=True)):
        best, sure = [], []
        for part in hidden[row][positions[row]].split(_ROWS_AT_ONCE):
            logits = head(part).float()
            if softcap:
                logits = softcap * torch.tanh(logits / softcap)
            top, place = logits.max(-1)
            best.append(place)
            sure.append((top - logits.logsumexp(-1)).exp())
        tokens = torch.cat(best).cpu().numpy() if best else np.empty(0, int)
        likely = torch.cat(sure).cpu().numpy() if sure else np.empty(0)
        words = {int(t): backend.processor.tokenizer.decode([int(t)]) for t in np.unique(tokens)}
        said.append(Said(tokens, likely, tuple(token_boxes), tuple(size), words))
    return said


def first_tokens(tokenizer, words: str) -> set[int]:
    """The entries that may begin any word of an expression, written in a sentence or alone, in small or capital."""
    found = set()
    for word in words.split():
        plain = word.strip(".,;:!?\"'()")
        if not plain or plain.lower() in _SMALL_WORDS:
            continue
        for form in {plain, plain.lower(), plain.capitalize()}:
            for text in (form, f" {form}"):
                ids = tokenizer(text, add_special_tokens=False)["input_ids"]
                # SentencePiece may put a lone blank before the word.
                found.update(next(([token] for token in ids if tokenizer.decode([token]).strip()), []))
    return found


def key_iou(said: Said, key: KeyExpression, tokenizer) -> float:
    """IoU of an expression's mask with the segments whose word begins one of its words; NaN without a mask."""
    mask = masks.of_key(key, said.image_size)
    if mask is None:
        return float("nan")
    predicted = np.isin(said.map(), sorted(first_tokens(tokenizer, key.text)))
    return float(mask_iou(predicted, masks.decode(mask)))


def segmentation_table(
    samples: Sequence[tuple[Image.Image, Said]], maskers: Mapping[float, MaskAnnotator]
) -> list[dict[str, Any]]:
    """FiVL's table: every shown word of every picture is looked for by a detector and segmenter, at each threshold.

    `maskers` holds an annotator of `promvil_hf.fivl.mask_making` for each threshold of its detector. Columns: mean IoU
    of segment and mask over the words that were found, words per sample, samples with at least one word found, and the
    share of words that were found ("processed").
    """
    rows = []
    words_of = [said.shown() for _, said in samples]
    maps = [said.map() for _, said in samples]
    items = [
        ImagePhrases(image, tuple(dict.fromkeys(word.strip() for word in words.values())))
        for (image, _), words in zip(samples, words_of, strict=True)
    ]
    asked = sum(map(len, words_of))
    for threshold, annotate in sorted(maskers.items()):
        overlaps, with_any = [], 0
        for found, item, words, drawn in zip(annotate(items), items, words_of, maps, strict=True):
            places = {} if isinstance(found, Rejected) else dict(zip(item.phrases, found, strict=True))
            picture_overlaps = [
                float(mask_iou(drawn == token, masks.decode(places[word.strip()].mask)))
                for token, word in words.items()
                if not isinstance(places.get(word.strip(), Rejected("")), Rejected)
            ]
            overlaps += picture_overlaps
            with_any += bool(picture_overlaps)
        rows.append(
            {
                "threshold": threshold,
                "iou": float(np.mean(overlaps)) if overlaps else float("nan"),
                "tokens_per_sample": asked / len(samples) if samples else float("nan"),
                "samples": with_any,
                "processed": len(overlaps) / asked if asked else float("nan"),
            }
        )
    return rows


def heat_iou(heat: np.ndarray, mask: np.ndarray, thresholds: Sequence[float]) -> np.ndarray:
    """IoU of a mask with where a heat map reaches shares of its own range, one number a threshold."""
    finite = np.where(np.isfinite(heat), heat, np.nanmin(heat) if np.isfinite(heat).any() else 0.0)
    span = finite.max() - finite.min()
    scaled = (finite - finite.min()) / (span or 1.0)
    return np.array([float(mask_iou(scaled >= threshold, mask)) if span else 0.0 for threshold in thresholds])
