# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`ComposedGrounder`: a detector finds the nouns, and each level chooses among them by where its evidence is. No training.

    trace = ComposedGrounder(load_detector("IDEA-Research/grounding-dino-base")).ground(image, "the man left of the red car")

A phrase keeps a distribution over all of its candidates, "none of these" included, and the next level sums over it, so a
wrong first choice at one level can be corrected at the next. The detector is called once for all nouns of all queries of a
window. Values and ways of calling are those of `ProgressiveGrounder`.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from promvil_hf.backends.detectors import Detector, Found
from promvil_hf.dialects.base import REFUSED
from promvil_hf.grounding.composing import Composed, ComposerSettings, Seen, compose
from promvil_hf.grounding.reading import Reading, readings, unread
from promvil_hf.grounding.trace import GroundingTrace, ImageSource, Query, Step
from promvil_hf.grounding.windows import Question, all_in_order, by_picture, in_order, windows
from promvil_hf.images import UnreadableImage, read_image
from promvil_hf.nesting import Decomposer, Nesting, decompose
from promvil_hf.phrases import PhraseChain


UNKNOWN_NOUN = "unknown noun"
_NOT_ASKED = Found(known=False)
NO_ANSWERS = "a detector answers no questions"


@dataclass(slots=True, eq=False)
class _Job:
    """A query that is being answered."""

    index: int
    query: Query
    text: str = ""
    nesting: Nesting | None = None
    parts: tuple[Reading, ...] = ()
    picture: Image.Image | None = None
    reason: str | None = None


class ComposedGrounder:
    """Grounds expressions over any detector: pairs of picture and noun in, `Found` out."""

    dialect = None  # a detector writes no text

    def __init__(
        self,
        detector: Detector,
        settings: ComposerSettings = ComposerSettings(),  # noqa: B008
        *,
        decomposer: Decomposer = decompose,
    ):
        self.detector, self.options, self.decomposer = detector, settings, decomposer
        self._read_once = lru_cache(maxsize=4096)(self._read)  # the same expression is often asked of many pictures

    def ground(self, image: ImageSource, expression: str | Nesting | PhraseChain, **query: Any) -> GroundingTrace:
        """One expression about one picture; `query` goes to `Query`."""
        return self.ground_all([Query(image, expression, **query)], progress=False)[0]

    def ground_all(self, queries: Iterable[Question], progress: bool | None = None) -> list[GroundingTrace]:
        """A trace for each query, in order. `progress` shows a bar (None: on a terminal)."""
        return all_in_order(self.as_finished, queries, progress)

    def stream(self, queries: Iterable[Question], window: int = 256) -> Iterator[GroundingTrace]:
        """Traces in the order of the queries, which may be endless: `window` of them are worked on at a time."""
        return in_order(self.as_finished(queries, window))

    def as_finished(self, queries: Iterable[Question], window: int = 256) -> Iterator[tuple[int, GroundingTrace]]:
        """(number of the query, trace) as they get done."""
        for queue in windows(queries, window):
            jobs = [job for group in by_picture(queue) for job in self._begun(group)]
            found = self._found(jobs)
            seen = {id(job.picture): Seen(job.picture, self.options) for job in jobs if job.picture is not None}
            for job in jobs:
                yield job.index, self._trace(job, found, seen)

    def _begun(self, group: Sequence[tuple[int, Query]]) -> list[_Job]:
        """The queries about one picture, read; the picture is opened once."""
        picture, fault, jobs = None, None, []
        for index, query in group:
            job = _Job(index, query)
            jobs.append(job)
            if query.task != "ground":
                job.reason = NO_ANSWERS
                continue
            try:
                read = self._read_once if isinstance(query.text, str) else self._read
                job.nesting, job.parts = read(query.text)
            except (TypeError, ValueError) as error:
                job.text = query.text if isinstance(query.text, str) else ""
                job.reason = f"not decomposed: {error}" if job.text.strip() else "blank text"
                continue
            job.text = job.nesting.text
            if picture is None and fault is None:
                try:
                    picture = read_image(query.image)
                except UnreadableImage as error:
                    fault = str(error)
            job.picture, job.reason = picture, fault
        return jobs

    def _read(self, text: str | Nesting | PhraseChain) -> tuple[Nesting, tuple[Reading, ...]]:
        nesting = nesting_of(text, self.decomposer)
        return unread(nesting) if self.options.mode == "one_shot" else (nesting, readings(nesting))

    def _found(self, jobs: Sequence[_Job]) -> dict[tuple[int, str], Found]:
        """What the detector finds of every noun of these queries, each asked once about a picture."""
        pairs: dict[tuple[int, str], tuple[Image.Image, str]] = {}
        for job in jobs:
            if job.reason is None:
                for part in job.parts:
                    if noun := self.options.asked(part):
                        pairs[id(job.picture), noun] = job.picture, noun
        return dict(zip(pairs, self.detector(list(pairs.values())), strict=True)) if pairs else {}

    def _trace(self, job: _Job, found: dict[tuple[int, str], Found], seen: dict[int, Seen]) -> GroundingTrace:
        size = None if job.picture is None else job.picture.size
        if job.reason is not None:
            return GroundingTrace(job.text, self.options.mode, job.query.task, job.query.id, size, (), job.reason)
        started = time.perf_counter()
        picture = id(job.picture)
        composed = compose(
            job.parts, [found.get((picture, self.options.asked(part)), _NOT_ASKED) for part in job.parts], seen[picture]
        )
        seconds = (time.perf_counter() - started) / len(job.nesting.phrases)
        steps = tuple(
            _step(index, job.nesting, job.parts, composed, self.options, seconds) for index in range(len(job.nesting.phrases))
        )
        return GroundingTrace(job.text, self.options.mode, job.query.task, job.query.id, size, steps, steps[-1].reason)


def nesting_of(text: str | Nesting | PhraseChain, decomposer: Decomposer) -> Nesting:
    """The nesting of a query. Of a chain its last phrase counts, which names the others."""
    if isinstance(text, Nesting):
        return text
    return decomposer(text.steps[-1].target.text if isinstance(text, PhraseChain) else text)


def _step(
    index: int,
    nesting: Nesting,
    parts: Sequence[Reading],
    composed: Sequence[Composed],
    settings: ComposerSettings,
    seconds: float,
) -> Step:
    phrase, part, result = nesting.phrases[index], parts[index], composed[index]
    chosen = result.chosen(part)
    reason = None
    found = result.candidates.found
    if not found.known:
        reason = f"{UNKNOWN_NOUN}: {part.noun!r}" if part.noun else "names no thing"
    elif not chosen or (settings.refuse_above is not None and result.none > settings.refuse_above):
        reason, chosen = REFUSED, ()
    masks = tuple(found.detections[i].mask for i in chosen)
    return Step(
        phrase.text,
        phrase.level,
        phrase.anchors,
        tuple(nesting.phrases[anchor].text for anchor in phrase.anchors),
        fed=tuple(anchor for anchor in phrase.anchors if len(composed[anchor].weights)),
        prompt=settings.asked(part),
        answer=result.summary,
        ended="stop",
        boxes=tuple(found.detections[i].box for i in chosen),
        masks=masks if any(masks) else (),
        reason=reason,
        problems=result.problems,
        score=float(np.log(result.weights[chosen[0]])) if chosen else None,
        seconds=seconds,
    )
