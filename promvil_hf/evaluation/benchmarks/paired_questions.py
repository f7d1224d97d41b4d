# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Questions that count together: HallusionBench's figures, NaturalBench's groups of four, MMVP's pairs.

A row names the units it belongs to; a unit is right when all its rows are. Answers are single words or letters.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from promvil_hf.evaluation.benchmarks.benchmark_rows import Benchmark, BenchmarkRow
from promvil_hf.evaluation.benchmarks.known_sizes import size_warning
from promvil_hf.files import Files, one_path, paths_of, unfolded
from promvil_hf.json_records import Record, RecordError, read_bytes, records, shown


YES_NO, A_B = ("yes", "no"), ("A", "B")
_FIGURES = {"0": "none", "1": "original", "2": "edited"}
_PARTS = {"VD": "visual dependent", "VS": "visual supplement"}

_COLUMNS = ("question", "image", "answer", "type")
_KINDS = {"yes_no": YES_NO, "mcq": A_B, "multiple_choice": A_B}
_INSTRUCTION = re.compile(r"\s*Please (?:answer Yes or No|output the letter corresponding to the correct option)\.\s*\Z")

# https://github.com/tsb0601/MMVP/issues/14 and /30, and lmms-eval's task mmvp: two pairs had their answers exchanged.
_MMVP_CORRECTED = {99: "b", 100: "a", 279: "b", 280: "a"}
_OPTION = re.compile(r"\(([a-z])\)\s*(.*?)\s*(?=\([a-z]\)|\Z)", re.IGNORECASE | re.DOTALL)


def read_hallusionbench(files: Files, split: str | None = None) -> Benchmark:
    """HallusionBench.json (or its folder), or its Parquet copy (with the files of both its splits).

    A row's id is category/subcategory/set/figure/question, as in "VD/illusion/0/1/0". Its units are the figure, which 178
    questions do not have, and the question, which is asked of several figures.
    """
    paths = unfolded(paths_of(files), "HallusionBench.json", "**/*.parquet")
    rows = [_hallusion(record) for path in paths for record in records(path)]
    name = split or "all"
    warnings = [size_warning("hallusionbench", name, len(rows), "questions")]
    return Benchmark("hallusionbench", name, "one_word", rows, paths, warnings)


def _hallusion(record: Record) -> BenchmarkRow:
    category, subcategory, figures, figure, question = (
        record.identifier(name) for name in ("category", "subcategory", "set_id", "figure_id", "question_id")
    )
    seen, right = record.identifier("visual_input"), record.identifier("gt_answer")
    if seen not in _FIGURES:
        raise record.wrong(("visual_input",), seen, "0 (no figure), 1 (the original) or 2 (an edited one)")
    if right not in ("0", "1"):
        raise record.wrong(("gt_answer",), right, "1 (yes) or 0 (no)")
    kind = f"{category}/{subcategory}/{figures}"
    units = {"question": f"{kind}/{question}"}
    if seen != "0":
        units["figure"] = f"{kind}/{figure}"
    return BenchmarkRow(
        id=f"{kind}/{figure}/{question}",
        image=record.text("filename", default="").removeprefix("./") if seen != "0" else "",
        text=record.text("question"),
        answers=(YES_NO[0] if right == "1" else YES_NO[1],),
        choices=YES_NO,
        strata={"part": _PARTS.get(category, category), "figure": _FIGURES[seen], "subject": subcategory},
        units=units,
    )


def read_naturalbench(files: Files, split: str | None = None) -> Benchmark:
    """NaturalBench's lists of four (question, picture, answer, type), such as test_set.json, or its Parquet on the Hub.

    Four rows that follow each other are one group: two questions about two pictures. A row's id names the group and its
    place in it, "17/q0_i1". What the question ends in, "Please answer Yes or No.", is taken away: asking says it anew.
    """
    paths = unfolded(paths_of(files), "**/*.parquet", "test_set.json")
    groups = 0
    rows: list[BenchmarkRow] = []
    for path in paths:
        for four in _fours(path):
            rows += _group(four, str(groups))
            groups += 1
    name = split or (paths[0].stem if paths[0].stem.endswith("_set") else "all")
    warnings = [size_warning("naturalbench", name, len(rows), "questions")]
    return Benchmark("naturalbench", name, "one_word", rows, paths, warnings)


def _fours(path: Path) -> Iterator[list[Record]]:
    """The rows of each group: question 0 about picture 0 and 1, then question 1."""
    waiting: list[Record] = []
    for record in records(path, _COLUMNS):
        if record.has("Question_0"):
            yield [_of_hub(record, question, picture) for question in (0, 1) for picture in (0, 1)]
            continue
        waiting.append(record)
        if len(waiting) == 4:
            yield waiting
            waiting = []
    if waiting:
        raise RecordError(f"{waiting[0].where}: the last group has {len(waiting)} rows, and each has four.")


def _of_hub(record: Record, question: int, picture: int) -> Record:
    image = record.get(f"Image_{picture}", default=None)
    path = image.get("path") if isinstance(image, dict) else image
    fields = {
        "question": record.text(f"Question_{question}"),
        "image": path if isinstance(path, str) and path else f"{record.identifier('Index')}_{picture}.jpg",
        "answer": record.text(f"Image_{picture}_Question_{question}"),
        "type": record.text("Question_Type"),
    }
    return Record(record.where, fields)


def _group(four: list[Record], group: str) -> list[BenchmarkRow]:
    texts = [_INSTRUCTION.sub("", record.text("question")) for record in four]
    images = [record.text("image") for record in four]
    if texts[0] != texts[1] or texts[2] != texts[3] or images[0] != images[2] or images[1] != images[3]:
        raise RecordError(
            f"{four[0].where}: this row and the three behind it are no group: a group is question 0 about picture 0 and 1, "
            f"then question 1 about the same two. They ask {shown(texts)} about {shown(images)}."
        )
    rows = []
    for place, record in enumerate(four):
        question, picture = divmod(place, 2)
        kind, answer = record.text("type"), record.text("answer")
        if kind not in _KINDS:
            raise record.wrong(("type",), kind, f"one of {', '.join(_KINDS)}")
        words = _KINDS[kind]
        right = next((word for word in words if word.lower() == answer.strip().lower()), None)
        if right is None:
            raise record.wrong(("answer",), answer, " or ".join(words))
        rows.append(
            BenchmarkRow(
                id=f"{group}/q{question}_i{picture}",
                image=images[place],
                text=texts[place],
                answers=(right,),
                choices=words,
                strata={"answer": " or ".join(words)},
                units={"group": group, "question": f"{group}/q{question}", "picture": f"{group}/i{picture}"},
            )
        )
    return rows


def read_mmvp(files: Files, split: str | None = None) -> Benchmark:
    """MMVP's Questions.csv (or its folder), or a Parquet copy. A row's id is the number of its question, from 1.

    Questions 1 and 2, 3 and 4 and so on are pairs. Four published answers are wrong and corrected here: two pairs, 99 and
    100, 279 and 280, have them exchanged.
    """
    path = one_path(files, "MMVP's Questions.csv")
    if path.is_dir():
        path = path / "Questions.csv"
    rows, corrected = [], []
    for record in _csv_records(path) if path.suffix == ".csv" else records(path):
        number = record.whole("Index", "lndex", "index", "idx", least=1, most=10**6)  # the published file spells it with an l
        choices = _options(record)
        given = record.text("Correct Answer", "answer").strip().lower().strip("()")
        right = _MMVP_CORRECTED.get(number, given)
        if given != right:
            corrected.append(str(number))
        place = ord(right) - ord("a") if len(right) == 1 else -1
        if not 0 <= place < len(choices):
            raise record.wrong(("Correct Answer", "answer"), given, "the letter of an option, such as (a)")
        rows.append(
            BenchmarkRow(
                id=str(number),
                image=f"{number}.jpg",
                text=record.text("Question", "question"),
                answers=(str(place),),
                choices=choices,
                units={"pair": str((number + 1) // 2)},
            )
        )
    name = split or "all"
    warnings = [size_warning("mmvp", name, len(rows), "questions")]
    alone = sum(count != 2 for count in Counter(row.units["pair"] for row in rows).values())
    if alone:
        warnings.append(f"{alone:,} pairs have one question only: pair accuracy then counts that one.")
    if corrected:
        warnings.append(
            f"The published answers of the questions {', '.join(corrected)} are wrong and corrected here: numbers on the "
            "published ones differ by up to 2 of 150 pairs."
        )
    return Benchmark("mmvp", name, "choice", rows, [path], warnings)


def _options(record: Record) -> tuple[str, ...]:
    """The options, which the published file holds as "(a) Open (b) Closed"."""
    listed = record.get("Options", "options")
    if isinstance(listed, list) and len(listed) > 1 and all(isinstance(option, str) for option in listed):
        return tuple(listed)
    found = _OPTION.findall(listed) if isinstance(listed, str) else []
    if len(found) < 2 or [letter.lower() for letter, _ in found] != [chr(ord("a") + k) for k in range(len(found))]:
        raise record.wrong(("Options", "options"), listed, "options with their letters, (a) … (b) …")
    return tuple(words for _, words in found)


def _csv_records(path: Path) -> Iterator[Record]:
    """The rows of a table with a line of names."""
    try:
        table = io.StringIO(read_bytes(path).decode(), newline="")
        for number, row in enumerate(csv.DictReader(table, strict=True), 1):
            fields = {name: value for name, value in row.items() if isinstance(name, str) and isinstance(value, str)}
            index = next((name for name in ("Index", "lndex") if fields.get(name, "").strip().isdecimal()), None)
            if index is not None and len(fields[index].strip()) < 10:
                fields[index] = int(fields[index])
            yield Record(f"{path} row {number}", fields)
    except UnicodeDecodeError as error:
        raise RecordError(f"{path} is not UTF-8 ({error.reason} at byte {error.start}): get it again.") from error
    except csv.Error as error:
        raise RecordError(f"{path} is no table of comma-separated values ({error}): get it again.") from error
