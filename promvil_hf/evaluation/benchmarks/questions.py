# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Questions with answers: GQA, GQA-OOD, POPE, VQAv2, TextVQA, VSR and multiple choice. Floor 2: standard library only."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from promvil_hf.evaluation.benchmarks.benchmark_rows import Benchmark, BenchmarkRow, left_out, numbered_records
from promvil_hf.evaluation.benchmarks.known_sizes import size_warning
from promvil_hf.files import Files, paths_of, read_json, read_records, text_field


def read_gqa(files: Files, split: str | None = None, choices: Files | None = None) -> Benchmark:
    """GQA's question files (one or several of a split); `choices` is its choices file, which validity needs.

    `split` defaults to the file's name without "_questions". Only questions marked balanced are scored.
    """
    paths = _unfolded(paths_of(files), "*.json")
    split = split or re.sub(r"_questions?", "", paths[0].stem)
    return _gqa("gqa", split, [(path, None) for path in paths], choices)


def read_gqa_ood(files: Files, split: str | None = None, choices: Files | None = None) -> Benchmark:
    """GQA-OOD's head and tail files of a split, such as ood_testdev_head.json and ood_testdev_tail.json."""
    paths = _unfolded(paths_of(files), "ood_*_*.json")
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
    return _gqa("gqa_ood", split or found.pop(), list(groups.items()), choices)


def read_pope(files: Files, split: str | None = None) -> Benchmark:
    """POPE's files of yes-or-no questions: JSON Lines under a .json name, a JSON array, or Parquet.

    `split` (random, popular, adversarial) is read from the file names. Several files become groups of one benchmark.
    """
    paths = _unfolded(paths_of(files), "*pope*.json*")
    strategies = [_strategy(path) for path in paths]
    rows = []
    for path, strategy in zip(paths, strategies, strict=True):
        for where, record in numbered_records(path):
            label = text_field(record, ("label", "answer"), where).strip().lower()
            if label not in ("yes", "no"):
                raise ValueError(f"{where} has the label {label!r}: POPE's labels are yes and no.")
            row_id = text_field(record, ("question_id", "id"), where)
            rows.append(
                BenchmarkRow(
                    id=f"{strategy}/{row_id}" if len(paths) > 1 else row_id,
                    image=text_field(record, ("image_source", "image"), where),
                    text=text_field(record, ("text", "question"), where),
                    answers=(label,),
                    group=strategy,
                )
            )
    split = split or ("+".join(strategies) if len(set(strategies)) == len(strategies) else strategies[0])
    counts = Counter(row.group for row in rows)
    warnings = [size_warning("pope", strategy, counts[strategy]) for strategy in dict.fromkeys(strategies)]
    yes = sum(row.answers == ("yes",) for row in rows)
    if 2 * yes != len(rows):
        warnings.append(
            f"{yes:,} of {len(rows):,} answers are yes: POPE is balanced, so rows are missing or were added."
        )
    return Benchmark("pope", split, "pope", rows, paths, warnings)


def read_vqav2(files: Files, split: str | None = None) -> Benchmark:
    """VQAv2's questions file and annotations file, in any order."""
    paths = paths_of(files)
    loaded = {path: read_json(path) for path in paths}
    questions = [found for found in loaded.values() if isinstance(found, dict) and "questions" in found]
    annotations = [found for found in loaded.values() if isinstance(found, dict) and "annotations" in found]
    if len(questions) != 1 or len(annotations) != 1 or len(paths) != 2:
        raise ValueError(
            f"You passed {', '.join(path.name for path in paths)}: VQAv2 needs its questions file (with `questions`) and "
            "its annotations file (with `annotations`). Test splits have no annotations and cannot be scored here."
        )
    subtype = questions[0].get("data_subtype") or annotations[0].get("data_subtype") or split or "val2014"
    people = {annotation["question_id"]: annotation for annotation in annotations[0]["annotations"]}
    rows, lost = [], []
    for question in questions[0]["questions"]:
        annotation = people.get(question["question_id"])
        if annotation is None:
            lost.append("a question without answers in the annotations file")
            continue
        rows.append(
            BenchmarkRow(
                id=str(question["question_id"]),
                image=f"COCO_{subtype}_{question['image_id']:012d}.jpg",
                text=question["question"],
                answers=tuple(answer["answer"] for answer in annotation["answers"]),
                group=annotation.get("answer_type"),
            )
        )
    warnings = [*left_out(lost), size_warning("vqav2", split or subtype, len(rows))]
    return Benchmark("vqav2", split or subtype, "vqa", rows, paths, warnings)


def read_textvqa(files: Files, split: str | None = None) -> Benchmark:
    """TextVQA's file, such as TextVQA_0.5.1_val.json."""
    (path,) = paths_of(files)
    loaded = read_json(path)
    records = loaded.get("data") if isinstance(loaded, dict) else None
    if not isinstance(records, list):
        raise ValueError(f"{path} is not TextVQA's: it needs a list `data`.")
    split = split or loaded.get("dataset_type") or path.stem.rpartition("_")[2]
    rows = []
    for number, record in enumerate(records, 1):
        if not record.get("answers"):
            raise ValueError(f"{path} question {number} has no answers: TextVQA's test split cannot be scored here.")
        size = (record.get("image_width"), record.get("image_height"))
        rows.append(
            BenchmarkRow(
                id=str(record["question_id"]),
                image=f"{record['image_id']}.jpg",
                text=record["question"],
                answers=tuple(record["answers"]),
                image_size=size if all(size) else None,
            )
        )
    return Benchmark("textvqa", split, "vqa", rows, [path], [size_warning("textvqa", split, len(rows))])


def read_vsr(files: Files, split: str | None = None) -> Benchmark:
    """Visual Spatial Reasoning's JSON Lines. Its rows have no id: theirs here is "image|caption".

    `split` is zeroshot_ or random_ with train, dev or test; it defaults to the file's name.
    """
    (path,) = paths_of(files)
    split = split or path.stem
    rows, seen = [], Counter()
    for where, record in numbered_records(path):
        image, caption = text_field(record, ("image",), where), text_field(record, ("caption",), where)
        label = record.get("label")
        if label not in (0, 1):
            raise ValueError(f"{where} has the label {label!r}: VSR's labels are 0 and 1.")
        name = f"{image}|{caption}"
        seen[name] += 1
        rows.append(
            BenchmarkRow(
                id=name if seen[name] == 1 else f"{name}|{seen[name]}",
                image=image,
                text=caption,
                answers=("true" if label else "false",),
                group=record.get("relation"),
            )
        )
    return Benchmark("vsr", split, "true_false", rows, [path], [size_warning("vsr", split, len(rows))])


def read_choices(files: Files, split: str | None = None) -> Benchmark:
    """Multiple choice: ScienceQA's problems.json, or rows with `id`, `question`, `choices`, `answer` and `image`.

    `answer` is the index of the choice, its letter or its words. Of ScienceQA the split must be named.
    """
    (path,) = paths_of(files)
    name = "choice"
    loaded = read_json(path) if path.suffix == ".json" else None
    if isinstance(loaded, dict) and loaded and all(isinstance(problem, dict) for problem in loaded.values()):
        name = "scienceqa"
        splits = sorted({problem.get("split", "") for problem in loaded.values()})
        if split not in splits:
            raise ValueError(f"You passed split={split!r} for {path}: it has {', '.join(splits)}.")
        records = [
            {**problem, "id": key, "image": f"{split}/{key}/{problem['image']}" if problem.get("image") else ""}
            for key, problem in loaded.items()
            if problem.get("split") == split
        ]
    else:
        records = read_records(path)
    rows, blind = [], 0
    for number, record in enumerate(records, 1):
        where = f"{path} row {number}"
        choices = tuple(map(str, record.get("choices") or ()))
        image = str(record.get("image") or "")
        blind += not image
        hint = str(record.get("hint") or "").strip()
        question = text_field(record, ("question", "text"), where)
        rows.append(
            BenchmarkRow(
                id=text_field(record, ("id", "question_id"), where),
                image=image,
                text=f"{hint}\n{question}" if hint else question,
                answers=(str(_choice_index(record.get("answer"), choices, where)),),
                choices=choices,
                group=record.get("subject") or record.get("category"),
            )
        )
    warnings = [size_warning(name, split or "", len(rows))]
    if blind:
        warnings.append(f"{blind:,} of {len(rows):,} questions have no image: say whether a number includes them.")
    return Benchmark(name, split or path.stem, "choice", rows, [path], warnings)


def _gqa(name: str, split: str, parts: Sequence[tuple[Path, str | None]], choices: Files | None) -> Benchmark:
    rows = []
    for path, group in parts:
        questions = read_json(path)
        if not isinstance(questions, dict) or not all(
            isinstance(question, dict) and {"question", "answer"} <= question.keys() for question in questions.values()
        ):
            raise ValueError(
                f"{path} is not a questions file of GQA: an object of questions by id, each with `question`, `answer`, "
                "`types`, `groups` and `semantic`. Submission splits without answers cannot be scored."
            )
        for question_id, question in questions.items():
            image = str(question.get("imageId", ""))
            rows.append(
                BenchmarkRow(
                    id=str(question_id),
                    image=f"{image}.jpg",
                    text=question["question"],
                    answers=(question["answer"],),
                    group=group,
                    record=question,
                )
            )
    known = split if split.endswith("balanced") or name != "gqa" else f"{split}_balanced"
    balanced = sum(row.record.get("isBalanced", True) for row in rows)
    warnings = [size_warning(name, known, balanced, "balanced questions")]
    return Benchmark(name, split, "gqa", rows, [path for path, _ in parts], warnings, _choices(choices))


def _choices(files: Files | None) -> Mapping[str, Mapping] | None:
    if files is None:
        return None
    (path,) = paths_of(files)
    found = read_json(path)
    if not isinstance(found, dict) or not all(
        isinstance(sets, dict) and {"valid", "plausible"} <= sets.keys() for sets in found.values()
    ):
        raise ValueError(f"{path} is not GQA's choices file: for each question id `valid` and `plausible` answers.")
    return found


def _unfolded(paths: list[Path], pattern: str) -> list[Path]:
    found = [part for path in paths for part in (sorted(path.glob(pattern)) if path.is_dir() else [path])]
    if not found:
        raise ValueError(f"{paths[0]} holds no file {pattern}.")
    return found


def _strategy(path: Path) -> str:
    return next((name for name in ("random", "popular", "adversarial") if name in path.stem), path.stem)


def _choice_index(answer: Any, choices: tuple[str, ...], where: str) -> int:
    if isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < len(choices):
        return answer
    if isinstance(answer, str):
        if answer in choices:
            return choices.index(answer)
        if len(answer) == 1 and 0 <= ord(answer.upper()) - ord("A") < len(choices):
            return ord(answer.upper()) - ord("A")
        if answer.isdecimal() and int(answer) < len(choices):
            return int(answer)
    raise ValueError(f"{where} has the answer {answer!r} to the choices {list(choices)}: none of them is it.")
