# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Questions that several people answered, scored by how many of them agree: VQAv2, OK-VQA, TextVQA and VizWiz."""

from collections.abc import Iterator
from contextlib import suppress

from promvil_hf.evaluation.benchmarks.benchmark_rows import BadRows, Benchmark, BenchmarkRow, each_row, left_out
from promvil_hf.evaluation.benchmarks.known_sizes import size_warning
from promvil_hf.files import Files, one_path, paths_of, unfolded
from promvil_hf.json_records import Record, RecordError, document, records


def read_vqav2(
    files: Files, split: str | None = None, bad: BadRows | None = None, name: str = "vqav2"
) -> Benchmark:
    """VQAv2's questions file and annotations file, in any order, or their folder; OK-VQA's (`name`) have the same form."""
    paths = paths_of(files)
    if len(paths) == 1 and paths[0].is_dir():
        part = split or "val2014"
        paths = [unfolded(paths, f"*{part}*{what}.json")[0] for what in ("questions", "annotations")]
    loaded = [document(path) for path in paths]
    questions = [found for found in loaded if found.has("questions")]
    annotations = [found for found in loaded if found.has("annotations")]
    if len(questions) != 1 or len(annotations) != 1 or len(paths) != 2:
        raise ValueError(
            f"You passed {', '.join(path.name for path in paths)}: {name} needs its questions file (with `questions`) and "
            "its annotations file (with `annotations`). Test splits have no annotations and cannot be scored here."
        )
    [asked], [answered] = questions, annotations
    subtype = asked.text("data_subtype", default=None) or answered.text("data_subtype", default=None) or split or "val2014"
    people: dict[str, Record] = {}
    for annotation in answered.records("annotations"):
        with suppress(*(() if bad is None else (RecordError,))):  # its question then says that it has no answers
            people[annotation.identifier("question_id")] = annotation
    lost = []

    def with_answers() -> Iterator[tuple[Record, None]]:
        for question in asked.records("questions"):
            if bad is None and question.identifier("question_id") not in people:
                lost.append("a question without answers in the annotations file")
            else:
                yield question, None

    def row_of(question: Record, _: None) -> BenchmarkRow:
        question_id = question.identifier("question_id")
        annotation = people.get(question_id)
        if annotation is None:
            raise RecordError(f"{question.where}: no answers to it can be read in {answered.where}.")
        return BenchmarkRow(
            id=question_id,
            image=_vqa_image(question.identifier("image_id"), subtype),
            text=question.text("question"),
            answers=tuple(answer.text("answer") for answer in annotation.records("answers")),
            group=annotation.text("answer_type", default=None),
        )

    rows = list(each_row(with_answers(), row_of, bad))
    warnings = [*left_out(lost), size_warning(name, split or subtype, len(rows))]
    return Benchmark(name, split or subtype, "vqa", rows, paths, warnings)


def _vqa_image(image_id: str, subtype: str) -> str:
    """The picture of an image id: COCO's name for a number; other sets in this format name their pictures."""
    if image_id.isdecimal() and len(image_id) <= 12:
        return f"COCO_{subtype}_{int(image_id):012d}.jpg"
    return image_id if "." in image_id else f"{image_id}.jpg"


def read_textvqa(files: Files, split: str | None = None) -> Benchmark:
    """TextVQA's file, such as TextVQA_0.5.1_val.json."""
    path = one_path(files, "TextVQA's, such as TextVQA_0.5.1_val.json")
    loaded = document(path)
    split = split or loaded.text("dataset_type", default=None) or path.stem.rpartition("_")[2]
    rows = []
    for record in loaded.records("data"):
        if not record.get("answers", default=None):
            raise ValueError(f"{record.where} has no answers: TextVQA's test split cannot be scored here.")
        size = [record.whole(side, least=1, default=None) for side in ("image_width", "image_height")]
        rows.append(
            BenchmarkRow(
                id=record.identifier("question_id"),
                image=f"{record.identifier('image_id')}.jpg",
                text=record.text("question"),
                answers=record.texts("answers"),
                image_size=tuple(size) if all(size) else None,
            )
        )
    return Benchmark("textvqa", split, "vqa", rows, [path], [size_warning("textvqa", split, len(rows))])


def read_vizwiz(files: Files, split: str | None = None) -> Benchmark:
    """VizWiz's own file, such as val.json, its Parquet copy, or a questions file and an annotations file in VQA's form.

    Its rows have no id: theirs is the name of the picture, each of which has one question. Whether people could answer is in
    `strata`; "unanswerable" is one of the answers they gave.
    """
    paths = paths_of(files)
    if len(paths) == 2 and all(path.suffix == ".json" for path in paths):
        return read_vqav2(paths, split, name="vizwiz")
    path = one_path(unfolded(paths, f"{split or 'val'}.json", f"**/{split or 'val'}-*.parquet"), "VizWiz's, such as val.json")
    split = split or path.stem.partition("-")[0]
    rows = []
    for record in records(path):
        if not record.get("answers", default=None):
            raise RecordError(f"{record.where} has no answers: VizWiz's test split cannot be scored here.")
        image = record.get("image")
        name = image if isinstance(image, str) and image else record.identifier("question_id")
        answers = _answers(record)
        rows.append(
            BenchmarkRow(
                id=record.identifier("question_id", default=name),
                image=name if "." in name else f"{name}.jpg",
                text=record.text("question"),
                answers=answers,
                group=record.text("answer_type", "category", default=None),
                strata={"answerable": _answerable(record, answers)},
            )
        )
    return Benchmark("vizwiz", split, "vqa", rows, [path], [size_warning("vizwiz", split, len(rows))])


def _answers(record: Record) -> tuple[str, ...]:
    """What people said: a list of texts, or of objects with an `answer`."""
    listed = record.get("answers")
    if isinstance(listed, list) and all(isinstance(answer, str) for answer in listed):
        return record.texts("answers")
    return tuple(answer.text("answer") for answer in record.records("answers"))


def _answerable(record: Record, answers: tuple[str, ...]) -> str:
    """VizWiz's own field; without it, no if that is what most people said."""
    said = record.whole("answerable", least=0, most=1, default=None)
    if said is None:
        said = 2 * sum(answer == "unanswerable" for answer in answers) <= len(answers)
    return "yes" if said else "no"
