# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How well a toy base does on held-out scenes, with intervals over scenes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from promvil_hf.backends.base import Decoding, Generated, GroundingBackend, Request
from promvil_hf.metrics.grounding import answer_iou
from promvil_hf.metrics.intervals import Interval, bootstrap_interval
from promvil_hf.toy.scenery import Scene
from promvil_hf.toy.small_world import questions


LONGEST_BOX = 24  # tokens


@dataclass(frozen=True, slots=True)
class Grounded:
    """One answer: the phrase, the number of its scene, and whether IoU is at least 0.5."""

    text: str
    scene: int
    right: bool


def grounding(
    backend: GroundingBackend,
    scenes: Sequence[Scene],
    *,
    level: int,
    plural: bool = False,
    per_scene: int = 4,
    resamples: int = 9_999,
) -> Interval:
    """Accuracy at IoU 0.5 of what `grounded` gives."""
    found = grounded(backend, scenes, level=level, plural=plural, per_scene=per_scene)
    right, of_scene = [float(answer.right) for answer in found], [answer.scene for answer in found]
    return bootstrap_interval(right, clusters=of_scene, resamples=resamples)


def by_length(answers: Sequence[Grounded]) -> dict[str, float]:
    """The share of right answers to phrases of so many words."""
    counts = [len(answer.text.split()) for answer in answers]
    return {
        f"{count} words": float(np.mean([answer.right for answer, words in zip(answers, counts, strict=True) if words == count]))
        for count in sorted(set(counts))
    }


def grounded(
    backend: GroundingBackend, scenes: Sequence[Scene], *, level: int, plural: bool = False, per_scene: int = 4
) -> list[Grounded]:
    """The answers to expressions of this level, each asked for at once and alone.

    `plural` words level 1 as PromViL words a simple phrase that stands alone ("large circles").
    """
    requests, gold, asked_for, sizes = [], [], [], []
    for number, drawn in enumerate(scenes):
        image = drawn.image()
        for expression in (expression for expression in drawn.expressions(per_scene) if expression.level == level):
            asked = 1 if plural else None
            requests.append(
                Request(backend.dialect.prompt(expression.text, level=asked, image_size=drawn.size), image)
            )
            gold.append([drawn.box(drawn.position_of(expression.target_id)).xyxy])
            asked_for.append((expression.text, number))
            sizes.append(drawn.size)
    written = in_batches(backend, requests, LONGEST_BOX)
    boxes = [
        [box.xyxy for box in backend.dialect.parse(answer.text, image_size=size).boxes]
        for answer, size in zip(written, sizes, strict=True)
    ]
    right = answer_iou(boxes, gold) >= 0.5
    return [Grounded(text, number, bool(is_right)) for (text, number), is_right in zip(asked_for, right, strict=True)]


def in_batches(
    backend: GroundingBackend, requests: Sequence[Request], most_tokens: int, batch_size: int = 64
) -> list[Generated]:
    """The answers to all requests."""
    starts, decoding = range(0, len(requests), batch_size), Decoding(max_new_tokens=most_tokens)
    return [answer for at in starts for answer in backend.generate(requests[at : at + batch_size], decoding)]


def answering(
    backend: GroundingBackend,
    scenes: Sequence[Scene],
    *,
    ask: Callable[[Scene], Iterable[tuple[str, str, str]]] = questions,
    batch_size: int = 64,
    resamples: int = 9_999,
) -> dict[str, Interval]:
    """Share of questions answered word for word, by kind and for "all" of them; `ask` gives (kind, question, answer)."""
    requests, asked = [], []
    for number, drawn in enumerate(scenes):
        image = drawn.image()
        for kind, question, answer in ask(drawn):
            requests.append(Request(question, image))
            asked.append((number, kind, answer))
    written = in_batches(backend, requests, 8, batch_size)
    right = np.array([reply.text.strip() == answer for reply, (_, _, answer) in zip(written, asked, strict=True)], float)
    of_scene, kinds = np.array([number for number, *_ in asked]), np.array([kind for _, kind, _ in asked])
    found = {"all": bootstrap_interval(right, clusters=of_scene, resamples=resamples)}
    for kind in dict.fromkeys(kinds.tolist()):
        of_kind = kinds == kind
        found[kind] = bootstrap_interval(right[of_kind], clusters=of_scene[of_kind], resamples=resamples)
    return found
