# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Where the pictures of a question set show what the questions are about: the regions that twins hide.

    questions + phrases + annotator  --find_regions-->  rows of the FiVL form, and why the other questions have none

An annotator looks for phrases (a detector, a detector and a segmenter, or a model that grounds them); or the places are
given for each question. The work is a resumable job.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from promvil_hf import masks
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.fivl.by_words import key_phrases
from promvil_hf.fivl.conversation_sources import SourceRow, commonest
from promvil_hf.fivl.extraction import filtered
from promvil_hf.fivl.fivl_build import RowPhrases, locate, located_row
from promvil_hf.fivl.fivl_rows import rejected_image
from promvil_hf.fivl.given_masks import given_by_id, joined
from promvil_hf.fivl.mask_making import ImagePhrases, Located, MaskAnnotator
from promvil_hf.images import UnreadableImage, image_size
from promvil_hf.job_terms import TERMS, Terms
from promvil_hf.jobs import JobReport, Rejected
from promvil_hf.key_expressions import Turn
from promvil_hf.nesting.taggers import Tagger


if TYPE_CHECKING:
    from promvil_hf.grounding import ProgressiveGrounder


PHRASES = ("answer", "question")
ABSENT = "what is asked for is not in the picture"
NOT_GIVEN = "no place is given"
NOT_SCORED = "not scored by its benchmark"
NO_PHRASE = "no phrase to look for"
NO_PICTURE = "no picture"
SHARD = 32
Places = Callable[[BenchmarkRow], Mapping[str, list]]  # text -> (mask, boxes) of a question
Work = Callable[[Sequence[RowPhrases]], list]


def find_regions(
    benchmark: Benchmark,
    pictures: Pictures,
    out: str | os.PathLike,
    phrases: Callable[[BenchmarkRow], Sequence[tuple[str, str]] | Rejected],
    work: Work,
    *,
    describe: Mapping,
    terms: Terms = TERMS,
) -> JobReport:
    """A row of the FiVL form for each question whose region is found, in the folder of a job.

    `phrases` gives pairs of a text to show and a phrase to look for; `describe` says how all this is done.
    """
    asked = {"name": benchmark.name, "split": benchmark.split, "content_hash": benchmark.content_hash}
    return terms.run(
        question_items(benchmark, pictures, phrases), work, Path(out), key=lambda item: item.row.row_id,
        describe={"stage": "regions", "benchmark": asked, **describe}, shard_size=SHARD,
    )  # fmt: skip


def question_items(
    benchmark: Benchmark, pictures: Pictures, phrases: Callable[[BenchmarkRow], Sequence[tuple[str, str]] | Rejected]
) -> Iterator[RowPhrases]:
    for row in benchmark.rows:
        turn = Turn(0, row.text, answer_text(row, benchmark.kind))
        answers = () if benchmark.kind == "choice" else row.answers  # of choices they are numbers
        source = SourceRow(row.id, benchmark.name, row.id, row.image, (turn,), answers)
        path, fault = pictures.path(row.image), None
        if (row.record or {}).get("isBalanced", True) is False:
            fault = Rejected(NOT_SCORED)
        elif path is None:
            fault = Rejected(NO_PICTURE, row.image)
        found = phrases(row) if fault is None else ()
        if isinstance(found, Rejected):
            found, fault = (), found
        elif fault is None and not found:
            fault = Rejected(NO_PHRASE, row.text)
        yield RowPhrases(source, path, tuple((0, text, phrase) for text, phrase in found), fault)


def answer_text(row: BenchmarkRow, kind: str) -> str:
    """What is right, in words."""
    if kind == "choice":
        return row.choices[int(row.answers[0])]
    return commonest(row.answers) or ""


def phrases_of(row: BenchmarkRow, kind: str, tagger: Tagger, part: str = "answer") -> Sequence[tuple[str, str]] | Rejected:
    """What to look for: the key expressions of question and answer as FiVL has them, or the things that the question names.

    Of an expression to ground it is the expression, of a statement the things that it names. Where the right answer is that
    there is no such thing, there is no region.
    """
    if row.absent or (kind == "pope" and row.answers == ("no",)):
        return Rejected(ABSENT, row.text)
    if kind in ("grounding", "unlabelled"):
        return ((row.text, row.text),)
    if part == "question" or kind == "true_false":
        # Where the answer is one word that names no thing, key expressions are the things of the question.
        return tuple((phrase, phrase) for phrase in key_phrases(Turn(0, row.text, "yes"), tagger))
    turn = Turn(0, row.text, answer_text(row, kind))
    kept, _ = filtered(key_phrases(turn, tagger), turn)
    return tuple((each.text, each.phrase) for each in kept)


def by_annotator(annotator: MaskAnnotator) -> Work:
    return partial(locate, annotator=annotator)


def by_grounding(grounder: "ProgressiveGrounder") -> MaskAnnotator:
    """A phrase is where a model grounds it. The mask is the boxes, filled."""
    from promvil_hf.grounding import Query

    def annotator(items: Sequence[ImagePhrases]) -> list[tuple[Located | Rejected, ...] | Rejected]:
        queries = [Query(item.image, phrase) for item in items for phrase in item.phrases]
        traces = iter(grounder.ground_all(queries, progress=False))
        results = []
        for item in items:
            found = [next(traces) for _ in item.phrases]
            try:
                size = image_size(item.image)
            except UnreadableImage as error:
                results.append(rejected_image(item.image, error))
                continue
            results.append(tuple(
                Located(trace.boxes, (), masks.from_boxes(trace.boxes, size)) if trace.boxes
                else Rejected("not grounded", f"{trace.text}: {trace.reason}")
                for trace in found
            ))  # fmt: skip
        return results

    return annotator


# --- places that are given ------------------------------------------------------------------------


def places_of_row(row: BenchmarkRow) -> Mapping[str, list]:
    """The boxes and masks that are the truth of an expression."""
    if not row.boxes and not row.masks:
        return {}
    return {row.text: [(masks.union(row.masks) if row.masks else None, row.boxes)]}


def places_of_file(path: str | os.PathLike, benchmark: Benchmark) -> tuple[Places, str]:
    """Places from a file with {"id", "boxes" or "mask", "text"} lines, whose ids are those of the questions; and what of it
    could not be read."""
    found, lost = given_by_id(path)
    known = {row.id for row in benchmark.rows}
    if not known & found.keys():
        raise ValueError(
            f"{path} gives places for none of the {len(known):,} questions: its ids read like {next(iter(found), 'nothing')!r}, "
            f"those of the questions like {benchmark.rows[0].id!r}."
        )
    return lambda row: found.get(row.id, {}), lost


def given_phrases(
    row: BenchmarkRow, kind: str, places: Places, lost: str = ""
) -> Sequence[tuple[str, str]] | Rejected:
    """The texts of a row's places; `lost` is said where it has none."""
    texts = places(row)
    if not texts:
        absent = row.absent or (kind == "pope" and row.answers == ("no",))
        return Rejected(ABSENT, row.text) if absent else Rejected(NOT_GIVEN, f"{row.text}; {lost}" if lost else row.text)
    return tuple((text, text) for text in texts)


def by_places(benchmark: Benchmark, places: Places) -> Work:
    by_id = {row.id: row for row in benchmark.rows}

    def work(items: Sequence[RowPhrases]) -> list[dict | Rejected]:
        results: list[dict | Rejected] = []
        for item in items:
            if item.fault is not None:
                results.append(item.fault)
                continue
            try:
                size = image_size(item.path)
            except UnreadableImage as error:
                results.append(rejected_image(item.path, error))
                continue
            given = places(by_id[item.row.row_id])
            results.append(located_row(item, {text: joined(of_text, size) for text, of_text in given.items()}))
        return results

    return work
