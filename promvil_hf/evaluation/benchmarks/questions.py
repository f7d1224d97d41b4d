# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Questions with one answer: GQA, GQA-OOD, POPE, VSR and multiple choice."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from promvil_hf.evaluation.benchmarks.benchmark_rows import BadRows, Benchmark, BenchmarkRow, each_row
from promvil_hf.evaluation.benchmarks.known_sizes import size_warning
from promvil_hf.files import Files, one_path, paths_of, unfolded
from promvil_hf.json_records import Record, RecordError, keyed, read_bytes, records, shown


_YES_OR_NO = {"yes": ("yes",), "no": ("no",)}
_shared = lru_cache(4_096)(str)  # a text that rows have in common is held once


def read_gqa(
    files: Files, split: str | None = None, choices: Files | None = None, bad: BadRows | None = None
) -> Benchmark:
    """GQA's question files (one or several of a split); `choices` is its choices file, which validity needs.

    `split` defaults to the file's name without "_questions". Only questions marked balanced are scored.
    """
    paths = unfolded(paths_of(files), "*.json")
    split = split or re.sub(r"_questions?", "", paths[0].stem)
    return _gqa("gqa", split, [(path, None) for path in paths], choices, bad)


def read_gqa_ood(
    files: Files, split: str | None = None, choices: Files | None = None, bad: BadRows | None = None
) -> Benchmark:
    """GQA-OOD's head and tail files of a split, such as ood_testdev_head.json and ood_testdev_tail.json."""
    paths = unfolded(paths_of(files), "ood_*_*.json")
    groups = {}
    for path in paths:
        group = next((group for group in ("head", "tail") if path.stem.endswith(group)), None)
        if group is None:
            if path.stem.endswith("all"):  # head and tail once more
                continue
            raise ValueError(f"{path} is called neither head nor tail: GQA-OOD's files say which group they hold.")
        groups[path] = group
    found = {path.stem.rpartition("_")[0].removeprefix("ood_") for path in groups}
    if len(found) > 1 and split:
        groups = {path: group for path, group in groups.items() if path.stem.startswith(f"ood_{split}_")}
        found = {split}
    if len(found) != 1 or sorted(groups.values()) != ["head", "tail"]:
        raise ValueError(
            f"You passed {', '.join(path.name for path in paths)}: GQA-OOD needs the head file and the tail file of one "
            "split."
        )
    return _gqa("gqa_ood", split or found.pop(), list(groups.items()), choices, bad)


def read_pope(files: Files, split: str | None = None, bad: BadRows | None = None) -> Benchmark:
    """POPE's files of yes-or-no questions: JSON Lines under a .json name, a JSON array, or Parquet.

    `split` (random, popular, adversarial) is read from the file names. Several files become groups of one benchmark.
    """
    paths = unfolded(paths_of(files), "*pope*.json*")
    strategies = [_strategy(path) for path in paths]

    def row_of(record: Record, strategy: str) -> BenchmarkRow:
        label = record.text("label", "answer").strip().lower()
        if label not in _YES_OR_NO:
            raise record.wrong(("label", "answer"), label, "yes or no")
        row_id = record.identifier("question_id", "id")
        return BenchmarkRow(
            id=f"{strategy}/{row_id}" if len(paths) > 1 else row_id,
            image=_shared(record.identifier("image_source", "image")),
            text=_shared(record.text("text", "question")),
            answers=_YES_OR_NO[label],
            group=strategy,
        )

    found = ((record, strategy) for path, strategy in zip(paths, strategies, strict=True) for record in records(path))
    rows = list(each_row(found, row_of, bad))
    split = split or ("+".join(strategies) if len(set(strategies)) == len(strategies) else strategies[0])
    counts = Counter(row.group for row in rows)
    warnings = [size_warning("pope", strategy, counts[strategy]) for strategy in dict.fromkeys(strategies)]
    yes = sum(row.answers == ("yes",) for row in rows)
    if 2 * yes != len(rows):
        warnings.append(
            f"{yes:,} of {len(rows):,} answers are yes: POPE is balanced, so rows are missing or were added."
        )
    return Benchmark("pope", split, "pope", rows, paths, warnings)


def read_vsr(files: Files, split: str | None = None) -> Benchmark:
    """Visual Spatial Reasoning's JSON Lines. Its rows have no id: theirs here is "image|caption".

    `split` is zeroshot_ or random_ with train, dev or test; it defaults to the file's name.
    """
    path = one_path(files, "VSR's, such as zeroshot_test.jsonl")
    split = split or path.stem
    rows, seen = [], Counter()
    for record in records(path):
        image, caption = record.text("image"), record.text("caption")
        name = f"{image}|{caption}"
        seen[name] += 1
        rows.append(
            BenchmarkRow(
                id=name if seen[name] == 1 else f"{name}|{seen[name]}",
                image=image,
                text=caption,
                answers=("true" if record.whole("label", least=0, most=1) else "false",),
                group=record.text("relation", default=None),
            )
        )
    return Benchmark("vsr", split, "true_false", rows, [path], [size_warning("vsr", split, len(rows))])


def read_choices(files: Files, split: str | None = None) -> Benchmark:
    """Multiple choice: ScienceQA's problems.json, or rows with `id`, `question`, `choices`, `answer` and `image`.

    `answer` is the index of the choice, its letter or its words. Of ScienceQA the split must be named.
    """
    path = one_path(files, "ScienceQA's problems.json, or rows with choices")
    if path.suffix == ".json" and read_bytes(path).lstrip()[:1] == b"{":
        name, listed = "scienceqa", list(_science_qa(path, split))
    else:
        name, listed = "choice", [(record.identifier("id", "question_id"), record) for record in records(path)]
    rows = []
    for row_id, record in listed:
        choices = record.texts("choices", default=())
        image = record.text("image", default="")
        hint, question = record.text("hint", default="").strip(), record.text("question", "text")
        rows.append(
            BenchmarkRow(
                id=row_id,
                image=f"{split}/{row_id}/{image}" if image and name == "scienceqa" else image,
                text=f"{hint}\n{question}" if hint else question,
                answers=(str(choice_index(record, choices)),),
                choices=choices,
                group=record.text("subject", "category", default=None),
            )
        )
    blind = sum(not row.image for row in rows)
    warnings = [size_warning(name, split or "", len(rows))]
    if blind:
        warnings.append(f"{blind:,} of {len(rows):,} questions have no image: say whether a number includes them.")
    return Benchmark(name, split or path.stem, "choice", rows, [path], warnings)


def _science_qa(path: Path, split: str | None) -> Iterator[tuple[str, Record]]:
    problems = list(keyed(path))
    splits = sorted({problem.text("split", default="") for _, problem in problems})
    if split not in splits:
        raise ValueError(f"You passed split={split!r} for {path}: it has {', '.join(splits)}.")
    return ((key, problem) for key, problem in problems if problem.text("split", default="") == split)


def _gqa(
    name: str, split: str, parts: Sequence[tuple[Path, str | None]], choices: Files | None, bad: BadRows | None
) -> Benchmark:
    def row_of(question: Record, known: tuple[str, str | None]) -> BenchmarkRow:
        question_id, group = known
        if not question.get("answer", default=None):
            raise RecordError(f"{question.where} has no `answer`. Submission splits without answers cannot be scored.")
        return BenchmarkRow(
            id=question_id,
            image=f"{question.identifier('imageId', default='')}.jpg",
            text=question.text("question"),
            answers=(question.text("answer"),),
            group=group,
            record=_checked(question),
        )

    found = ((question, (name, group)) for path, group in parts for name, question in keyed(path))
    rows = list(each_row(found, row_of, bad))
    known = split if split.endswith("balanced") or name != "gqa" else f"{split}_balanced"
    balanced = sum(row.record.get("isBalanced", True) for row in rows)
    warnings = [size_warning(name, known, balanced, "balanced questions")]
    return Benchmark(name, split, "gqa", rows, [path for path, _ in parts], warnings, _choices(choices))


def _checked(question: Record) -> Mapping[str, Any]:
    """GQA's own row, once the fields that its metrics read are known to be right."""
    if not isinstance(question.whole_fields().get("isBalanced", True), bool):
        raise question.wrong(("isBalanced",), question.fields["isBalanced"], "true or false")
    types = question.record("types")
    for name in ("structural", "semantic", "detailed"):
        types.text(name)
    question.record("groups").text("global", default=None)
    for step in question.records("semantic"):
        step.text("operation")
        step.text("argument")
    question.texts("entailed", default=())
    return question.fields


def _choices(files: Files | None) -> Mapping[str, Mapping] | None:
    if files is None:
        return None
    path = one_path(files, "GQA's choices file")
    return {
        question_id: {name: list(sets.texts(name)) for name in ("valid", "plausible")} for question_id, sets in keyed(path)
    }


def _strategy(path: Path) -> str:
    return next((name for name in ("random", "popular", "adversarial") if name in path.stem), path.stem)


def choice_index(record: Record, choices: Sequence[str]) -> int:
    """The place of a row's `answer` among its choices: its place, its words or its letter."""
    answer = record.get("answer", default=None)
    if isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < len(choices):
        return answer
    if isinstance(answer, str):
        if answer in choices:
            return choices.index(answer)
        if len(answer) == 1 and 0 <= ord(answer.upper()[0]) - ord("A") < len(choices):
            return ord(answer.upper()) - ord("A")
        if answer.isdecimal() and len(answer) < 5 and int(answer) < len(choices):
            return int(answer)
    raise record.wrong(("answer",), answer, f"one of the choices {shown(list(choices))}")
