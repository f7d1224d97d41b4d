# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A model's answers to a benchmark, as a resumable job: killed and called again, it goes on where it stopped.

Under `torchrun` (or any launcher that sets RANK and WORLD_SIZE) each process answers its own shards of the same folder;
whoever ends last finds it complete. What is asked is decided here and stated in the report. This module does not import
torch by itself: it is handed a backend.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from promvil_hf import jobs
from promvil_hf.dialects import Kosmos2
from promvil_hf.distributed import Ranks
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.predictions import Answer, Predictions, write_predictions
from promvil_hf.images import UnreadableImage
from promvil_hf.markup import escape


if TYPE_CHECKING:
    from PIL import Image

    from promvil_hf.backends.base import GroundingBackend


T = TypeVar("T")
SHARD = 64  # rows
EVIDENCE = ("none", "gold")
NO_PICTURE = "no picture"
MODES = ("one_shot", "progressive", "all")
SHORT_ANSWER = {  # what is asked where an answer in words is wanted, by kind of benchmark
    "kosmos2": "Question: {text} Short Answer:",
    "kosmos2_choice": "Question: {text} Options: {choices} Short Answer:",
    "kosmos2_one_word": "Question: {text} Options: {words} Short Answer:",
    "kosmos2_true_false": "Question: Is it true or false that: {text} Short Answer:",
    "chat": "{text}\nAnswer the question using a single word or phrase.",
    "chat_choice": "{text}\n{choices}\nAnswer with the option's letter from the given choices directly.",
    "chat_one_word": "{text}\nAnswer with one word: {words}.",
    "chat_true_false": "Is this statement about the image true or false? {text}\nAnswer with one word, true or false.",
}


@dataclass(frozen=True, slots=True)
class Asking:
    """How a benchmark is put to a model. `prompt` replaces the wording for answers in words; `{text}` stands for the
    question, `{choices}` for its choices, each on a line with its letter, `{words}` for "yes or no" and its like.
    `evidence="gold"` puts the true boxes of the steps a phrase refers to into the prompt.

    `mode` is "one_shot", each row by itself, or "progressive" and "all" of `promvil_hf.grounding`: the phrases in a row's
    text are grounded first, and the row is asked with the boxes the model itself found. What a benchmark calls simple
    (level 1) has none in it and is asked as in "one_shot". `token_budget` is the grounder's.
    """

    prompt: str | None = None
    evidence: str = "none"
    max_new_tokens: int = 64
    batch_size: int = 8
    blind: bool = False  # ask without the picture: a control
    mode: str = "one_shot"
    token_budget: int = 16_384

    def __post_init__(self):
        if self.evidence not in EVIDENCE:
            raise ValueError(f"You passed evidence={self.evidence!r}: it is one of {', '.join(EVIDENCE)}.")
        if self.mode not in MODES:
            raise ValueError(f"You passed mode={self.mode!r}: it is one of {', '.join(MODES)}.")
        if self.mode != "one_shot" and (self.blind or self.evidence == "gold"):
            raise ValueError(
                f"You passed mode={self.mode!r} with {'blind=True' if self.blind else 'gold evidence'}: the evidence of "
                "this mode is what the model itself finds in the picture. Drop one of the two."
            )
        if self.prompt is not None and "{text}" not in self.prompt:
            raise ValueError(f"You passed the prompt {self.prompt!r}: it needs {{text}} where the question goes.")


def prompt_of(row: BenchmarkRow, kind: str, dialect: Any, asking: Asking) -> str:
    """What the model reads about this row, the image apart."""
    if _wants_boxes(kind, asking):
        evidence = row.evidence if asking.evidence == "gold" else ()
        return dialect.prompt(row.text, evidence, level=row.level, image_size=row.image_size)
    wording = _wording(kind, dialect, asking)
    choices = "\n".join(f"{chr(ord('A') + place)}. {choice}" for place, choice in enumerate(row.choices))
    parts = {"{text}": escape(row.text), "{choices}": escape(choices), "{words}": escape(" or ".join(row.choices))}
    return re.sub("|".join(map(re.escape, parts)), lambda mark: parts[mark[0]], wording)  # at once: a question may hold a mark


def answer(
    benchmark: Benchmark,
    backend: "GroundingBackend",
    pictures: Pictures | None,
    out: str | os.PathLike,
    *,
    asking: Asking = Asking(),  # noqa: B008
    model: Mapping[str, Any],
    progress: bool = True,
    restart: bool = False,
) -> Predictions | None:
    """Ask the backend about every row; None while other ranks still have shards to do.

    `model` names what answers (checkpoint, adapter, revision ...): a folder begun with another one is refused, or with
    `restart` emptied.
    Answers also land in `out`/predictions.jsonl.
    """
    if pictures is None and not asking.blind:
        raise ValueError("You passed no folder of pictures: name it, or ask blind.")
    ask = (_one_by_one if asking.mode == "one_shot" else _level_by_level)(backend, benchmark.kind, asking)
    work = with_pictures(ask, None if asking.blind else pictures)
    describe = {
        "model": dict(model),
        "benchmark": name_of(benchmark),
        "dialect": repr(backend.dialect),
        "asking": {
            "prompt": asking.prompt, "evidence": asking.evidence, "max_new_tokens": asking.max_new_tokens,
            "blind": asking.blind, "mode": asking.mode,
        },
    }  # fmt: skip
    job = {"key": lambda row: row.id, "describe": describe, "shard_size": max(SHARD, asking.batch_size),
           "progress": progress, "restart": restart}  # fmt: skip
    return run_answers(
        benchmark.rows, work, Path(out), lambda row_id, row: [(row_id, Answer(text=row["text"]))], **job
    )


_Ask = Callable[[Sequence[tuple[BenchmarkRow, "Image.Image | None"]]], list[dict[str, Any]]]


def name_of(benchmark: Benchmark) -> dict[str, Any]:
    """What was asked, for reports, and so that answers to other rows are not mixed in."""
    return {"name": benchmark.name, "split": benchmark.split, "content_hash": benchmark.content_hash}


def with_pictures(ask: _Ask, pictures: Pictures | None) -> Callable[[Sequence[BenchmarkRow]], list[Any]]:
    """The work of a job over rows: each picture is opened once, a row whose picture cannot be read is rejected. Without a
    folder of pictures rows are asked about blind."""

    def work(rows: Sequence[BenchmarkRow]) -> list[Any]:
        results: list[Any] = [None] * len(rows)
        shown, places, opened = [], [], {}
        for place, row in enumerate(rows):
            try:
                if pictures is not None and row.image and row.image not in opened:
                    opened[row.image] = pictures.open(row.image)
                shown.append((row, None if pictures is None else opened.get(row.image)))
                places.append(place)
            except UnreadableImage as error:
                results[place] = jobs.Rejected(NO_PICTURE, str(error))
        for place, said in zip(places, ask(shown), strict=True):
            results[place] = said
        return results

    return work


def run_answers(
    items: Sequence[T],
    work: Callable[[list[T]], list[Any]],
    out: Path,
    answers_of: Callable[[str, Mapping[str, Any]], Iterable[tuple[str, Answer]]],
    **job: Any,
) -> Predictions | None:
    """Runs `work` as a job in `out`/answers and collects the answers of its rows; None while other ranks are at work.

    `answers_of` reads the answers from a row of the job, by id. They also land in `out`/predictions.jsonl. `job` holds
    what else `jobs.run` takes; what it describes becomes the source of the answers.
    """
    folder = out / "answers"
    report = jobs.run(items, work, folder, **asdict(Ranks.of_environment()), **job)
    if not report.finished:
        return None
    answers = dict(found for row_id, row in jobs.rows(folder) for found in answers_of(row_id, row))
    jobs.check_some(len(answers), {"no request was answered": len(items)}, str(folder))
    write_predictions(out / "predictions.jsonl", answers.items())
    counts = {"answered": len(answers), "without_picture": report.rejected.get(NO_PICTURE, 0)}
    others = {reason: count for reason, count in report.rejected.items() if reason != NO_PICTURE}
    return Predictions(answers, {}, {**job["describe"], **counts, **({"rejected": others} if others else {})})


def _given(answers: Sequence[dict | jobs.Rejected]) -> list[dict | jobs.Rejected]:
    """The answers, without those that a server refused to give: its reason is no answer."""
    from promvil_hf.endpoint import REASONS, check_answered

    check_answered([answer["ended"] for answer in answers if isinstance(answer, dict)])
    refused = (isinstance(answer, dict) and answer["ended"] in REASONS for answer in answers)
    return [jobs.Rejected(answer["ended"]) if no else answer for no, answer in zip(refused, answers, strict=True)]


def _one_by_one(backend: "GroundingBackend", kind: str, asking: Asking) -> _Ask:
    """Each row by itself, `asking.batch_size` at a time."""
    from promvil_hf.backends.base import Decoding, Request

    decoding = Decoding(max_new_tokens=asking.max_new_tokens)

    def ask(shown):
        requests = [Request(prompt_of(row, kind, backend.dialect, asking), image) for row, image in shown]
        answers = []
        for start in range(0, len(requests), asking.batch_size):
            batch = requests[start : start + asking.batch_size]
            answers += [
                {"text": said.text, "prompt": request.prompt, "ended": said.ended}
                for request, said in zip(batch, backend.generate(batch, decoding), strict=True)
            ]
        return _given(answers)

    return ask


def _level_by_level(backend: "GroundingBackend", kind: str, asking: Asking) -> _Ask:
    """The phrases in a row first; an answer also holds its lower steps, as a trace writes them."""
    from promvil_hf.grounding import GroundingOptions, ProgressiveGrounder, Query

    if kind == "choice":
        raise ValueError(
            f"You passed mode={asking.mode!r} for questions with choices, which the grounder does not put to a model. "
            'Ask them with mode="one_shot".'
        )
    most = asking.max_new_tokens
    options, task = GroundingOptions(asking.mode, max_new_tokens=most, max_answer_tokens=most), "ground"
    if not _wants_boxes(kind, asking):
        wording = _wording(kind, backend.dialect, asking).replace("{text}", "{question}")
        options, task = replace(options, question=wording), "answer"
    grounder = ProgressiveGrounder(backend, options, token_budget=asking.token_budget)
    alone = _one_by_one(backend, kind, asking)

    def ask(shown):
        simple = [place for place, (row, _) in enumerate(shown) if row.level == 1]
        answers = dict(zip(simple, alone([shown[place] for place in simple]), strict=True))
        others = [place for place in range(len(shown)) if place not in answers]
        queries = [Query(shown[place][1], shown[place][0].text, task) for place in others]
        for place, trace in zip(others, grounder.ground_all(queries, progress=False), strict=True):
            if not trace.steps:
                reason, _, detail = (trace.reason or "").partition(": ")
                answers[place] = jobs.Rejected(reason, detail)
                continue
            *lower, last = trace.to_dict(times=False)["steps"]
            said = last["answer"] if trace.answer is None else trace.answer
            answers[place] = {"text": said, "prompt": last["prompt"], "ended": last["ended"], "lower": lower}
        return _given([answers[place] for place in range(len(shown))])

    return ask


def _wants_boxes(kind: str, asking: Asking) -> bool:
    return kind == "grounding" or (kind == "unlabelled" and asking.prompt is None)


def _wording(kind: str, dialect: Any, asking: Asking) -> str:
    """How an answer in words is asked for."""
    if asking.prompt is not None:
        return asking.prompt
    family = "kosmos2" if isinstance(dialect, Kosmos2) else "chat"
    return SHORT_ANSWER.get(f"{family}_{kind}", SHORT_ANSWER[family])
