# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""One answer explained, as plain values: what the best heads looked at, what the patches say, what hiding it changes.

An `Explanation` is JSON all through and small (maps of at most 48 cells a side), so that it can be kept, shown and
compared where no model is at hand: reading one never loads torch. Floor 4.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from promvil_hf import masks
from promvil_hf.boxes import Box
from promvil_hf.explain.maps import painted, small_size
from promvil_hf.files import write_json_lines
from promvil_hf.fivl.fivl_rows import FivlRow, Key
from promvil_hf.fivl.twins import KINDS, twins
from promvil_hf.frames import ImageSize
from promvil_hf.images import as_rgb
from promvil_hf.key_expressions import KeyExpression, Turn


REGIONS = {
    "given": "the boxes that came with the question",
    "heat": "the box around what the heads looked at: at least a quarter of their highest value",
    "none": "nothing",
}
IOU_THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


@dataclass(frozen=True, slots=True)
class ExplainedKey:
    """A phrase of the answer. `heat` is the mean attention of the heads while they wrote it; rows from top to bottom."""

    text: str
    heat: list[list[float | None]]
    boxes: list[list[float]] = field(default_factory=list)
    mask: dict | None = None
    heat_iou: list[float] | None = None  # with its mask, at `IOU_THRESHOLDS`
    words_iou: float | None = None  # of the vision logits' segments with its mask


@dataclass(frozen=True, slots=True)
class Explanation:
    """`said` is a small map of vocabulary entries, `words` how they read; `hidden` the answer to each twin."""

    name: str
    image: str
    image_size: ImageSize
    question: str
    answer: str
    truth: str
    model: str
    heads: list[list[int]]  # (layer, head); empty: the mean over all heads
    keys: list[ExplainedKey]
    said: list[list[int]]
    words: dict[int, str]
    hidden: dict[str, str]
    region: str
    hidden_boxes: list[list[float]]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Explanation":
        return cls(
            **{
                **record,
                "image_size": tuple(record["image_size"]),
                "keys": [ExplainedKey(**key) for key in record["keys"]],
                "words": {int(token): word for token, word in record["words"].items()},
            }
        )


def write_explanations(path: str | os.PathLike, explanations: Iterable[Explanation]) -> Path:
    """JSON Lines; the file appears when it is whole."""
    return write_json_lines(path, (one.to_dict() for one in explanations))


def read_explanations(path: str | os.PathLike) -> list[Explanation]:
    found = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        try:
            found.append(Explanation.from_dict(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} line {number} is no explanation of `promvil explain` ({error}).") from error
    if not found:
        raise ValueError(f"{path} holds no explanation.")
    return found


def explain(
    backend,
    image: Image.Image,
    question: str,
    *,
    name: str = "question",
    image_name: str = "",
    heads: Sequence[tuple[int, int]] | None = None,
    keys: Sequence[KeyExpression] = (),
    find_keys: Callable[[Turn], Sequence[str]] | None = None,
    region: Sequence[Box] = (),
    truth: str = "",
    answer: str | None = None,
    model: str = "",
    max_new_tokens: int = 64,
    kinds: Sequence[str] = KINDS,
    fill: str = "black",
    seed: int = 0,
) -> Explanation:
    """Ask, look, and ask again with what was looked at hidden.

    `keys` are phrases that may stand in the answer, with what is known of their place; `find_keys` proposes phrases
    where none of them does. What is hidden is `region`, else the place of the keys, else where the heat is. With `answer`
    the model is told its answer instead of asked.
    """
    from promvil_hf.backends.base import Decoding, Request
    from promvil_hf.explain.answered import answer_tokens, token_spans, tokens_of
    from promvil_hf.explain.heads import head_rows
    from promvil_hf.explain.vision_logits import key_iou, say

    image = as_rgb(image)
    tokenizer = backend.processor.tokenizer
    decoding = Decoding(max_new_tokens=max_new_tokens)
    request = Request(question, image)
    if answer is None:
        [written] = backend.generate([request], decoding)
        tokens, text = written.tokens, written.text
    else:
        tokens, text = answer_tokens(backend, request, answer), answer
    whole, spans = token_spans(tokenizer, tokens)
    chosen = [(key, tokens_of(key.text, whole, spans)) for key in keys]
    chosen = [(key, places) for key, places in chosen if places]
    if not chosen and find_keys is not None:
        proposed = [KeyExpression(phrase, 0) for phrase in find_keys(Turn(0, question, text)) if phrase.strip()]
        chosen = [(key, places) for key in proposed if (places := tokens_of(key.text, whole, spans))]
    if not chosen:  # the whole answer, then, without its end token
        places = [place for place, (start, end) in enumerate(spans) if whole[start:end].strip() and start < len(text)]
        chosen = [(KeyExpression(text.strip() or "(nothing)", 0), places or list(range(len(tokens))))]

    [attention], row = head_rows(backend, [(request, tokens)], heads)
    [boxes] = backend.token_boxes(row.inputs, [image.size])
    [said] = say(backend, [request], [image.size])
    small = small_size(image.size)
    explained, regions = [], []
    for key, places in chosen:
        values = attention[places].mean(0)
        mask = key.mask or (masks.from_boxes(key.boxes, image.size) if key.boxes else None)
        explained.append(
            ExplainedKey(
                text=key.text,
                heat=_listed(painted(values, boxes, small)),
                boxes=[list(box.xyxy) for box in key.boxes],
                mask=None if mask is None else mask.to_dict(),
                heat_iou=None if mask is None else _heat_iou(painted(values, boxes, image.size), mask),
                words_iou=None if mask is None else round(key_iou(said, key, tokenizer), 4),
            )
        )
        regions += key.boxes or ([] if mask is None else filter(None, [masks.bounding_box(mask)]))
    regions = list(region) or regions
    source = "given" if regions else "heat"
    if not regions:
        regions = [box for key in explained if (box := _hottest(np.array(key.heat, float)))]
    hidden = {}
    if regions:
        found = FivlRow(name, "", "", image_name, image.size, (Turn(0, question, text),),
                        (Key(KeyExpression(chosen[0][0].text, 0, tuple(regions)), chosen[0][0].text),))  # fmt: skip
        made = list(twins(found, image, kinds, fill, seed))
        answers = backend.generate([Request(question, twin.image) for twin in made], decoding)
        hidden = {twin.kind: one.text.strip() for twin, one in zip(made, answers, strict=True)}
    return Explanation(
        name=name,
        image=image_name,
        image_size=image.size,
        question=question,
        answer=text.strip(),
        truth=truth,
        model=model,
        heads=[list(head) for head in heads or ()],
        keys=explained,
        said=said.map(small).tolist(),
        words=dict(said.words),
        hidden=hidden,
        region=source if regions else "none",
        hidden_boxes=[list(box.xyxy) for box in regions],
    )


def _heat_iou(heat: np.ndarray, mask) -> list[float]:
    from promvil_hf.explain.vision_logits import heat_iou

    return [round(float(value), 4) for value in heat_iou(heat, masks.decode(mask), IOU_THRESHOLDS)]


def _hottest(heat: np.ndarray) -> Box | None:
    """The box around the cells that reach a quarter of the highest value."""
    if not np.isfinite(heat).any():
        return None
    rows, columns = np.nonzero(np.where(np.isfinite(heat), heat, -np.inf) >= 0.25 * np.nanmax(heat))
    height, width = heat.shape
    return Box(columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height)


def _listed(values: np.ndarray) -> list[list[float | None]]:
    return [[None if np.isnan(value) else float(f"{value:.4g}") for value in row] for row in values]
