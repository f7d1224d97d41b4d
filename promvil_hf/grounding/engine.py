# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`ProgressiveGrounder`: expressions about pictures, grounded level by level, many at a time and exactly.

The answers are those of asking one phrase after the other about one picture, token for token; only the order of
the work differs. A picture is read once, all steps of a level run together across expressions and pictures, a prompt
that was asked about a picture is never asked again, and what is held at a time stays within a token budget. Results
stream.
"""

import hashlib
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from PIL import Image

from promvil_hf.backends.base import Decoding, Generated, GroundingBackend
from promvil_hf.backends.stops import box_tokens, first_text
from promvil_hf.dialects import GroundingDialect, Kosmos2
from promvil_hf.dialects.reasoning import answer_of
from promvil_hf.frames import ImageSize
from promvil_hf.grounding.constrained import first_box
from promvil_hf.grounding.options import GroundingOptions
from promvil_hf.grounding.planning import Planned, Refused, plan, prompt_of, text_of
from promvil_hf.grounding.shared_prefix import shared, tokenizer_of
from promvil_hf.grounding.trace import GroundingTrace, ImageSource, Query, Step
from promvil_hf.grounding.windows import Question, all_in_order, by_picture, in_order, windows
from promvil_hf.images import UnreadableImage, read_image
from promvil_hf.nesting import Decomposer, Nesting, decompose
from promvil_hf.phrases import PhraseChain


ENDINGS = ("stop", "end", "length")  # any other word is a reason why there is no answer
TOO_LONG_TEXT = "text too long for the model"
_PICTURES = 64  # open at a time, at most, whatever the budget


@dataclass(slots=True, eq=False)
class _Picture:
    """An open image and the answers so far."""

    size: ImageSize  # of the upright original
    opened: Any = None
    refused: str | None = None
    asked: dict[tuple[str, bool], Generated] = field(default_factory=dict)

    @property
    def is_unread(self) -> bool:
        return self.opened is None and self.refused is None


@dataclass(slots=True, eq=False)
class _Job:
    """A query that is being answered."""

    index: int
    query: Query
    text: str
    picture: _Picture | None = None
    parts: tuple[Planned, ...] = ()
    steps: list[Step | None] = field(default_factory=list)
    reason: str | None = None


class ProgressiveGrounder:
    """Grounds expressions, and answers questions, over any backend.

    `decomposer` finds the phrases of an expression. `token_budget` bounds what is held at a time, in tokens whose keys
    and values are kept (196,608 bytes each for Kosmos-2 in 16 bits, half a megabyte for LLaVA 7B); more of it means
    larger batches, never other answers.
    """

    def __init__(
        self,
        backend: GroundingBackend,
        options: GroundingOptions = GroundingOptions(),  # noqa: B008
        *,
        decomposer: Decomposer = decompose,
        token_budget: int = 16_384,
    ):
        if token_budget < 1:
            raise ValueError(f"You passed token_budget={token_budget}: at least one token must fit.")
        self.backend, self.options, self.decomposer, self.token_budget = backend, options, decomposer, token_budget
        if options.constrained and not isinstance(backend.dialect, Kosmos2):
            raise ValueError(
                f"You asked for constrained boxes in the dialect {type(backend.dialect).__name__}: only Kosmos-2 writes "
                "boxes as cells. Leave out `constrained`."
            )
        if options.second_level_joint is not None and not hasattr(backend.dialect, "wording"):
            raise ValueError(
                f"You passed second_level_joint={options.second_level_joint!r}, but {type(backend.dialect).__name__} has "
                "no wording to change. Leave it out."
            )
        self._shared = shared(backend, token_budget)
        stop = self._shared.stop
        self._for_boxes = Decoding(options.max_new_tokens, stop=stop)
        answer_stop = None
        if isinstance(backend.dialect, Kosmos2) and stop is not None:
            # The model was taught to end a short answer with a period.
            answer_stop = first_text(tokenizer_of(backend), ".")
        self._for_answers = Decoding(options.max_answer_tokens, stop=answer_stop)

    @property
    def dialect(self) -> GroundingDialect:
        return self.backend.dialect

    @property
    def pictures_read(self) -> int:
        """How often a picture went through the vision encoder here, over all calls."""
        return self._shared.pictures_read

    @property
    def most_slots(self) -> int:
        """The most tokens whose keys and values were ever held at a time."""
        return self._shared.most_slots

    def ground(self, image: ImageSource, expression: str | Nesting | PhraseChain, **query: Any) -> GroundingTrace:
        """One expression about one picture; `query` goes to `Query`. A `Nesting` or a `PhraseChain` is not decomposed again."""
        return self.ground_all([Query(image, expression, **query)], progress=False)[0]

    def answer(self, image: ImageSource, question: str, **query: Any) -> GroundingTrace:
        """Ground the phrases of a question, put their boxes into it, and ask it."""
        return self.ground_all([Query(image, question, "answer", **query)], progress=False)[0]

    def ground_all(self, queries: Iterable[Question], progress: bool | None = None) -> list[GroundingTrace]:
        """A trace for each query, in order. Queries about the same picture are brought together first, so that each
        picture is read once wherever its queries stand. `progress` shows a bar (None: on a terminal)."""
        return all_in_order(self.as_finished, queries, progress)

    def stream(self, queries: Iterable[Question], window: int = 256) -> Iterator[GroundingTrace]:
        """Traces in the order of the queries, which may be endless: `window` of them are worked on at a time."""
        return in_order(self.as_finished(queries, window))

    def as_finished(self, queries: Iterable[Question], window: int = 256) -> Iterator[tuple[int, GroundingTrace]]:
        """(number of the query, trace) as they get done. A picture is read once for each run of queries about it; bring
        them side by side."""
        for queue in windows(queries, window):
            yield from self._window(queue)

    # One window

    def _window(self, queries: Sequence[tuple[int, Query]]) -> Iterator[tuple[int, GroundingTrace]]:
        """As many pictures at a time as the budget allows, all queries about them together."""
        waiting = deque(by_picture(queries))
        while waiting:
            jobs: list[_Job] = []
            held = 0
            pictures: dict[bytes, _Picture] = {}  # by what they show: sources with the same pixels share one
            while waiting and len(pictures) < _PICTURES and (room := self._room(held)):
                group = [waiting.popleft() for _ in range(min(room, len(waiting)))]
                begun, left = self._begin(group, pictures, held)
                jobs += begun
                held = _slots(pictures.values())
                waiting.extendleft(reversed(left))
                if left:
                    break
            yield from self._sitting(jobs, held)

    def _room(self, held: int) -> int:
        """How many pictures to try next: their prefixes may take half of the budget, and one always fits."""
        if not self._shared.slots:  # not known yet, or nothing is kept
            return 1 if not held else 8
        fitting = (self.token_budget // 2 - held) // self._shared.slots
        return max(0 if held else 1, min(fitting, 8))

    def _begin(
        self, group: Sequence[list[tuple[int, Query]]], pictures: dict[bytes, _Picture], held: int
    ) -> tuple[list[_Job], list[list[tuple[int, Query]]]]:
        """Plan these queries and read their pictures, each source with all of its queries at a time; and the sources that turn
        out to have no room beside what is held."""
        begun: list[list[_Job]] = []
        shown: list[_Picture | None] = []
        new: list[tuple[_Picture, Image.Image]] = []
        for queries in group:
            jobs, picture, fault = [], None, None
            for index, query in queries:
                job = _Job(index, query, query.text if isinstance(query.text, str) else "")
                jobs.append(job)
                try:
                    job.text = text_of(query)
                    if picture is None and fault is None:
                        picture, fault = _read(query.image, pictures, new)
                    job.picture, job.reason = picture, fault
                    job.parts = () if fault else plan(query, self.options, self.decomposer)
                except Refused as error:
                    job.reason = str(error)
                job.steps = [None] * len(job.parts)
            begun.append(jobs)
            shown.append(picture)
        self._open(new, held)
        left = [picture is not None and picture.is_unread for picture in shown]
        for content in [content for content, picture in pictures.items() if picture.is_unread]:
            del pictures[content]
        jobs = [job for source_jobs, is_left in zip(begun, left, strict=True) if not is_left for job in source_jobs]
        return jobs, [queries for queries, is_left in zip(group, left, strict=True) if is_left]

    def _open(self, pictures: Sequence[tuple[_Picture, Image.Image]], held: int) -> None:
        """Show these pictures to the model, in order, while there is room. One that its processor refuses gets its reason, the
        others do not suffer."""
        try:
            room = self.token_budget // 2 - held
            opened = self._shared.open([image for _, image in pictures], room, 0 if held else 1)
        except ValueError as error:
            if len(pictures) == 1:
                pictures[0][0].refused = f"picture refused: {error}"
                return
            for one in pictures:
                self._open([one], held)
                if one[0].is_unread:
                    return
                held += _slots([one[0]])
            return
        for (picture, _), open_picture in zip(pictures, opened, strict=False):
            picture.opened = open_picture

    def _sitting(self, jobs: list[_Job], held: int) -> Iterator[tuple[int, GroundingTrace]]:
        """All levels of the queries about the pictures that are open, which hold so many slots."""
        for job in jobs:
            if job.reason is None:
                job.reason = job.picture.refused or self._too_long(job)
        level = 0
        while jobs:
            going = []
            for job in jobs:
                if job.reason is not None or all(step is not None for step in job.steps):
                    yield job.index, self._trace(job)
                else:
                    going.append(job)
            jobs = going
            level += 1
            self._level(jobs, level, held)

    def _too_long(self, job: _Job) -> str | None:
        """A text that is beyond the model by itself is not taken apart and asked about phrase by phrase."""
        if len(job.text) < 256:
            return None
        prompt = self.backend.dialect.prompt(job.text, image_size=job.picture.size)
        return None if self._shared.fits(job.picture.opened, prompt) else TOO_LONG_TEXT

    def _level(self, jobs: Sequence[_Job], level: int, held: int) -> None:
        """Ask every step of this level, of all queries, together: each different prompt about a picture once."""
        asked: list[tuple[_Job, int, str, tuple[int, ...]]] = []
        new: dict[tuple[_Picture, str, bool], None] = {}
        for job in jobs:
            for index, part in enumerate(job.parts):
                if _level_of(job.parts, index) != level:
                    continue
                if part.given is not None:
                    job.steps[index] = _given(part)
                    continue
                found = [() if step is None else step.boxes for step in job.steps[:index]]
                dialect, size = self.backend.dialect, job.picture.size
                prompt, fed = prompt_of(job.parts, index, found, dialect, self.options, size)
                asked.append((job, index, prompt, fed))
                if (prompt, part.is_question) not in job.picture.asked:
                    new[job.picture, prompt, part.is_question] = None
        seconds = self._ask(list(new), held)
        timed: set[tuple[_Picture, str, bool]] = set()
        for job, index, prompt, fed in asked:
            part = job.parts[index]
            key = job.picture, prompt, part.is_question
            is_first = key in new and key not in timed
            timed.add(key)
            generated = job.picture.asked[prompt, part.is_question]
            job.steps[index] = self._step(
                part, prompt, fed, generated, job.picture.size, seconds if is_first else None
            )

    def _ask(self, new: Sequence[tuple[_Picture, str, bool]], held: int) -> float:
        """Fills the memory of the pictures; the seconds that one prompt took."""
        started = time.perf_counter()
        for is_question in (False, True):
            rows = [(picture, prompt) for picture, prompt, for_answer in new if for_answer is is_question]
            if not rows:
                continue
            decoding, boxes = self._for_boxes, None
            if is_question:
                decoding = self._for_answers
            elif self.options.constrained:
                boxes = self.options.max_boxes or self.options.max_new_tokens
            opening = "<object>" if boxes is not None and not self.backend.dialect.force_object else ""
            answers = self._shared.ask(
                [(picture.opened, prompt + opening) for picture, prompt in rows], decoding, boxes, held
            )
            for (picture, prompt), answer in zip(rows, answers, strict=True):
                picture.asked[prompt, is_question] = answer
        return (time.perf_counter() - started) / max(len(new), 1)

    # Values

    def _step(
        self, part: Planned, prompt: str, fed: tuple[int, ...], generated: Generated, size, seconds: float | None
    ) -> Step:
        values = {
            "phrase": part.phrase,
            "level": part.level,
            "anchors": part.anchors,
            "mentions": part.mentions,
            "fed": fed,
            "prompt": prompt,
            "answer": generated.text,
            "ended": generated.ended,
            "tokens": generated.tokens,
            "seconds": seconds or 0.0,
            "source": "memory" if seconds is None else "model",
        }
        if generated.ended not in ENDINGS:
            return Step(**values, reason=generated.ended)
        if part.is_question:
            reason = None if _reply(generated.text, self.backend.dialect) else "no answer"
            return Step(**values, reason=reason, score=_mean(generated.log_probs))
        parsed = self.backend.dialect.parse(generated.text, image_size=size)
        return Step(
            **values,
            boxes=parsed.boxes,
            points=parsed.points,
            reason=parsed.reason,
            problems=parsed.problems,
            score=self._score(generated) if parsed.ok else None,
        )

    def _score(self, generated: Generated) -> float | None:
        if not isinstance(self.backend.dialect, Kosmos2) or not generated.tokens:
            return _mean(generated.log_probs)
        cells, delimiter = self._cells
        place = first_box(generated.tokens, cells, self.backend.dialect.grid.side, delimiter)
        return None if place is None else _mean(generated.log_probs[place])

    @cached_property
    def _cells(self) -> tuple[dict[int, int], int]:
        """The cell of each token that is one, and the delimiter's id."""
        *cells, delimiter, _ = box_tokens(tokenizer_of(self.backend), self.backend.dialect.grid.side)
        return {token: cell for cell, token in enumerate(cells)}, delimiter

    def _trace(self, job: _Job) -> GroundingTrace:
        query, steps = job.query, tuple(step for step in job.steps if step is not None)
        reason, answer = job.reason, None
        if reason is None:
            reason = steps[-1].reason
            if query.task == "answer":
                answer = _reply(steps[-1].answer, self.backend.dialect)
        size = job.picture.size if job.picture is not None else None
        return GroundingTrace(job.text, self.options.mode, query.task, query.id, size, steps, reason, answer)


def _slots(pictures: Iterable[_Picture]) -> int:
    """How much of the budget these pictures hold."""
    return sum(picture.opened.slots for picture in pictures if picture.opened is not None)


def _read(
    source: Any, pictures: dict[bytes, _Picture], new: list[tuple[_Picture, Image.Image]]
) -> tuple[_Picture | None, str | None]:
    """The picture of a source, or the reason why there is none; one that was not there goes on the list to open."""
    try:
        image = read_image(source)
    except UnreadableImage as error:
        return None, str(error)
    content = hashlib.blake2b(image.tobytes(), person=b"%dx%d" % image.size).digest()
    if content not in pictures:
        pictures[content] = _Picture(image.size)
        new.append((pictures[content], image))
    return pictures[content], None


def _level_of(parts: Sequence[Planned], index: int) -> int:
    """The round in which a step is asked: a question after all of its phrases, whose boxes its prompt may give."""
    part = parts[index]
    return part.level if not part.is_question else max([earlier.level for earlier in parts[:index]], default=0) + 1


def _given(part: Planned) -> Step:
    return Step(
        part.phrase,
        part.level,
        part.anchors,
        part.mentions,
        boxes=part.given,
        reason=None if part.given else "no box given",
        source="given" if part.given else "",
    )


def _reply(text: str, dialect) -> str:
    """The answer proper, without thinking: of Kosmos-2 the words before the first period, boxes and tags taken out."""
    text, _ = answer_of(text)
    return dialect.read(text.partition(".")[0]).text if isinstance(dialect, Kosmos2) else text.strip()


def _mean(log_probs: Sequence[float]) -> float | None:
    return sum(log_probs) / len(log_probs) if log_probs else None
