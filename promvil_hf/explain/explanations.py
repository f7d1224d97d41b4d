# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""One answer explained, as plain values: what the best heads looked at, what the patches say, what hiding it changes.

An `Explanation` is JSON all through and small (maps of at most 48 cells a side), so that it can be kept, shown and
compared where no model is at hand: reading one never loads torch.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from msgspec import Meta
from PIL import Image

from promvil_hf import masks
from promvil_hf.boxes import Box
from promvil_hf.explain.layer_names import Head
from promvil_hf.explain.maps import painted, small_size
from promvil_hf.files import write_json_lines
from promvil_hf.fivl.fivl_rows import FivlRow, Key
from promvil_hf.fivl.twins import KINDS, twins
from promvil_hf.frames import ImageSize
from promvil_hf.images import as_rgb
from promvil_hf.json_documents import typed
from promvil_hf.json_records import records
from promvil_hf.key_expressions import KeyExpression, Turn


if TYPE_CHECKING:
    from promvil_hf.explain.heads import KeyTurn


REGIONS = {
    "given": "the boxes that came with the question",
    "heat": "the box around what the heads looked at: at least a quarter of their highest value",
    "none": "nothing",
}
IOU_THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


Corners = Annotated[list[float], Meta(min_length=4, max_length=4)]


@dataclass(frozen=True, slots=True)
class ExplainedKey:
    """A phrase of the answer. `heat` is the mean attention of the heads while they wrote it; rows from top to bottom."""

    text: str
    heat: list[list[float | None]]
    boxes: list[Corners] = field(default_factory=list)
    mask: dict | None = None
    heat_iou: Annotated[list[float], Meta(min_length=7, max_length=7)] | None = None  # with its mask, at `IOU_THRESHOLDS`
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
    heads: list[str]  # names such as "14.11", see `layer_names`; empty: the mean over all heads
    keys: list[ExplainedKey]
    said: list[list[int]]
    words: dict[int, str]
    hidden: dict[str, str]
    region: Literal["given", "heat", "none"]  # a key of REGIONS
    hidden_boxes: list[Corners]

    def __post_init__(self):
        if any(len({len(row) for row in rows}) != 1 for rows in (self.said, *(key.heat for key in self.keys)) if rows):
            raise ValueError("You passed a map whose rows differ in length: `said` and `heat` are rectangles.")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], where: str = "This") -> "Explanation":
        """What `to_dict` wrote; `where` names it in messages."""
        return typed(record, cls, where, "an explanation of `promvil explain`")


def write_explanations(path: str | os.PathLike, explanations: Iterable[Explanation]) -> Path:
    """JSON Lines; the file appears when it is whole."""
    return write_json_lines(path, (one.to_dict() for one in explanations))


def read_explanations(path: str | os.PathLike) -> list[Explanation]:
    found = [Explanation.from_dict(record.whole_fields(), record.where) for record in records(path)]
    if not found:
        raise ValueError(f"{path} holds no explanation.")
    return found


@dataclass(frozen=True, slots=True)
class ToExplain:
    """A question about a picture, and what is known of it beforehand.

    `keys` are phrases that may stand in the answer, with what is known of their place; `region` is what shall be hidden.
    With `answer` the model reads this answer instead of writing one; `truth` is only shown beside it.
    """

    image: Image.Image
    question: str
    name: str = "question"
    image_name: str = ""
    keys: Sequence[KeyExpression] = ()
    region: Sequence[Box] = ()
    truth: str = ""
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class ExplainSettings:
    """How answers are explained. `heads` None is the mean over all; `find_keys` proposes phrases of an
    answer that has none of the given ones; `kinds`, `fill` and `seed` make the twins; `model` is a name to show."""

    heads: Sequence[Head] | None = None
    find_keys: Callable[[Turn], Sequence[str]] | None = None
    max_new_tokens: int = 64
    kinds: Sequence[str] = KINDS
    fill: str = "black"
    seed: int = 0
    model: str = ""


@dataclass(frozen=True, slots=True)
class _Written:
    """An answer by its tokens: its text, the text with special tokens, and which characters of it each token wrote."""

    tokens: Sequence[int]
    text: str
    whole: str
    spans: Sequence[tuple[int, int]]


def explain(backend, asked: ToExplain, settings: ExplainSettings = ExplainSettings()) -> Explanation:  # noqa: B008
    """Ask, look, and ask again with what was looked at hidden.

    What is hidden is the region of the question, else the place of the keys, else where the heat is.
    """
    asked = replace(asked, image=as_rgb(asked.image))
    written = _answer(backend, asked, settings)
    chosen = _chosen_keys(asked, written, settings.find_keys)
    explained, said = _looked_at(backend, asked, written, chosen, settings.heads)
    regions, source = list(asked.region) or _places(chosen), "given"
    if not regions:
        regions = [box for key in explained if (box := _hottest(np.array(key.heat, float)))]
        source = "heat" if regions else "none"
    return Explanation(
        name=asked.name,
        image=asked.image_name,
        image_size=asked.image.size,
        question=asked.question,
        answer=written.text.strip(),
        truth=asked.truth,
        model=settings.model,
        heads=list(map(str, settings.heads or ())),
        keys=explained,
        said=[] if said is None else said.map(small_size(asked.image.size)).tolist(),
        words={} if said is None else dict(said.words),
        hidden=_hidden_answers(backend, asked, written.text, regions, settings) if regions else {},
        region=source,
        hidden_boxes=[list(box.xyxy) for box in regions],
    )


def explain_turns(backend, turns: Iterable["KeyTurn"], settings: ExplainSettings, own_answers: bool) -> list[Explanation]:
    """The turns that `heads.key_turns` gives, each explained for its key expression."""
    return [
        explain(
            backend,
            ToExplain(
                image=one.turn.request().image,
                question=one.turn.question,
                name=one.turn.name,
                image_name=one.turn.image_id,
                keys=[one.key],
                truth=one.turn.answer or "",
                answer=None if own_answers else one.turn.answer,
            ),
            settings,
        )
        for one in turns
    ]


def _answer(backend, asked: ToExplain, settings: ExplainSettings) -> _Written:
    from promvil_hf.backends.base import Decoding, Request
    from promvil_hf.explain.answered import answer_tokens, token_spans

    request = Request(asked.question, asked.image)
    if asked.answer is None:
        [said] = backend.generate([request], Decoding(max_new_tokens=settings.max_new_tokens))
        tokens, text = said.tokens, said.text
    else:
        tokens, text = answer_tokens(backend, request, asked.answer), asked.answer
    return _Written(tokens, text, *token_spans(backend.processor.tokenizer, tokens))


def _chosen_keys(
    asked: ToExplain, written: _Written, find_keys: Callable[[Turn], Sequence[str]] | None
) -> list[tuple[KeyExpression, list[int]]]:
    """The phrases that are explained, each with the tokens that write it: given ones, else found ones, else the answer."""
    from promvil_hf.explain.answered import tokens_of

    def standing(keys: Iterable[KeyExpression]) -> list[tuple[KeyExpression, list[int]]]:
        return [(key, places) for key in keys if (places := tokens_of(key.text, written.whole, written.spans))]

    chosen = standing(asked.keys)
    if not chosen and find_keys is not None:
        proposed = find_keys(Turn(0, asked.question, written.text))
        chosen = standing(KeyExpression(phrase, 0) for phrase in proposed if phrase.strip())
    if chosen:
        return chosen
    places = [  # the whole answer without its end token
        place
        for place, (start, end) in enumerate(written.spans)
        if written.whole[start:end].strip() and start < len(written.text)
    ]
    return [(KeyExpression(written.text.strip() or "(nothing)", 0), places or list(range(len(written.tokens))))]


def _looked_at(
    backend,
    asked: ToExplain,
    written: _Written,
    chosen: Sequence[tuple[KeyExpression, list[int]]],
    heads: Sequence[Head] | None,
) -> tuple[list[ExplainedKey], Any]:
    """The heat of each phrase, and what the image tokens would say: nothing in an encoder-decoder."""
    from promvil_hf.backends.base import Request
    from promvil_hf.explain.heads import head_rows
    from promvil_hf.explain.vision_logits import key_iou, say

    request, size = Request(asked.question, asked.image), asked.image.size
    [attention], row = head_rows(backend, [(request, written.tokens)], heads)
    [boxes] = backend.token_boxes(row.inputs, [size])
    said = None if backend.family.encoder_decoder else say(backend, [request], [size])[0]
    explained = []
    for key, places in chosen:
        values, mask = attention[places].mean(0), masks.of_key(key, size)
        explained.append(
            ExplainedKey(
                text=key.text,
                heat=_listed(painted(values, boxes, small_size(size))),
                boxes=[list(box.xyxy) for box in key.boxes],
                mask=None if mask is None else mask.to_dict(),
                heat_iou=None if mask is None else _heat_iou(painted(values, boxes, size), mask),
                words_iou=None if mask is None or said is None else round(key_iou(said, key, backend.processor.tokenizer), 4),
            )
        )
    return explained, said


def _hidden_answers(
    backend, asked: ToExplain, text: str, regions: Sequence[Box], settings: ExplainSettings
) -> dict[str, str]:
    """What the model answers to each twin of the picture, the regions hidden."""
    from promvil_hf.backends.base import Decoding, Request

    key = Key(KeyExpression(text.strip() or "(nothing)", 0, tuple(regions)), text)
    row = FivlRow(asked.name, "", "", asked.image_name, asked.image.size, (Turn(0, asked.question, text),), (key,))
    made = list(twins(row, asked.image, settings.kinds, settings.fill, settings.seed))
    requests = [Request(asked.question, twin.image) for twin in made]
    answers = backend.generate(requests, Decoding(max_new_tokens=settings.max_new_tokens))
    return {twin.kind: said.text.strip() for twin, said in zip(made, answers, strict=True)}


def _places(chosen: Sequence[tuple[KeyExpression, list[int]]]) -> list[Box]:
    """The boxes of the phrases; where one has none, the box of its mask."""
    return [
        box
        for key, _ in chosen
        for box in key.boxes or ([] if key.mask is None else [masks.bounding_box(key.mask)])
        if box is not None
    ]


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
