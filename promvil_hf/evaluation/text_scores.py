# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Scores of answers in words: GQA, POPE, VQA, choices, true and false, each by the rules of its data set."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np

from promvil_hf.evaluation.scores import Grouping, Resampling, Scores, Table
from promvil_hf.metrics import choice, gqa, pope, vqa


def gqa_scores(
    answers: Sequence[str | None],
    questions: Mapping[str, Mapping],
    *,
    choices: Mapping[str, Mapping] | None = None,
    tail: Sequence[bool] | None = None,
    normalise: Callable[[str], str] = gqa.lower_without_period,
    resampling: Resampling = Resampling(),  # noqa: B008
) -> Scores:
    """GQA's official numbers. `answers` belong to `questions` in their order; None is a missing one. `tail` marks
    GQA-OOD's tail questions."""
    ids = list(questions)
    said = {qid: answer for qid, answer in zip(ids, answers, strict=True) if answer is not None}
    score = gqa.gqa_score(said, questions, choices=choices, normalise=normalise)
    normal = {qid: normalise(answer) for qid, answer in said.items()}
    right = np.array([normal.get(qid) == question["answer"] for qid, question in questions.items()], float)
    balanced = np.array([question.get("isBalanced", True) for question in questions.values()], bool)
    images = [question.get("imageId") for question in questions.values() if question.get("isBalanced", True)]
    numbers: dict[str, float | int | None] = {
        "binary": score.binary, "open": score.open, "validity": score.validity, "plausibility": score.plausibility,
        "consistency": score.consistency, "distribution": score.distribution, "missing_choices": score.missing_choices,
    }  # fmt: skip
    notes = []
    if choices is None:
        notes.append("Validity and plausibility need GQA's choices file, which was not given.")
    else:
        known = [qid for qid, counts in zip(ids, balanced, strict=True) if counts and qid in choices]
        for name, group in (("validity", "valid"), ("plausibility", "plausible")):
            flags = [gqa.belongs(normal.get(qid), choices[qid][group], questions[qid]["types"]) for qid in known]
            spread = resampling.interval(np.array(flags, float), [questions[qid].get("imageId") for qid in known])
            numbers |= {f"{name}_low": spread.low, f"{name}_high": spread.high}
    if score.consistency is None:
        notes.append("Consistency needs entailed questions among the questions, and right answers that entail them.")
    if tail is not None:
        ood = gqa.ood_score(right[balanced], np.asarray(tail, bool)[balanced])
        numbers |= {"tail": ood.tail, "head": ood.head, "delta": ood.delta}
        if ood.reason:
            notes.append(f"GQA-OOD's delta is not defined: {ood.reason}.")
    tables = {
        title: {
            label: {"accuracy": good / all_, "right": good, "rows": all_} for label, (good, all_) in counts.items()
        }
        for title, counts in score.tables.items()
    }
    return Scores(
        metric="accuracy",
        value=score.accuracy,
        interval=resampling.interval(right[balanced], images if any(images) else None),
        rows=score.rows,
        numbers=numbers,
        settings={"answer_rule": score.normalise, "only": "questions marked balanced"},
        tables=tables,
        problems={},
        row_scores=np.where(balanced, right, np.nan),
        notes=tuple(notes),
    )


def pope_scores(
    answers: Sequence[str | None],
    labels: Sequence[str | bool],
    grouping: Grouping = Grouping(),  # noqa: B008
    *,
    rule: Callable[[str], bool | None] = pope.strict_yes_no,
) -> Scores:
    """F1 of yes. A missing answer is unknown under every rule: wrong, and missed where the truth is yes."""
    read = lru_cache(4_096)(rule)  # many answers are the same few words
    said = [None if answer is None else read(answer) for answer in answers]
    score = pope.pope_score(said, labels, _as_it_is)
    truth = pope.truths(labels)
    yes = np.array([answer is True for answer in said], bool)
    both = 2.0 * (yes & truth)
    columns = np.stack([both, both + (yes ^ truth)], 1)  # F1 is a share: twice the hits, of these and all that is missed or wrong
    table: Table = {}
    for group in dict.fromkeys(grouping.labels().get("group", ())):
        part = [place for place, row_group in enumerate(grouping.groups) if row_group == group]
        of_group = pope.pope_score([said[place] for place in part], [labels[place] for place in part], _as_it_is)
        table[str(group)] = {
            "f1": of_group.f1, "accuracy": of_group.accuracy, "yes_rate": of_group.yes_rate, "rows": of_group.rows
        }
    numbers = dataclasses.asdict(score) | {"rule": getattr(rule, "__name__", str(rule))}
    scores = Scores(
        metric="f1",
        value=score.f1,
        interval=grouping.interval(columns),
        rows=numbers.pop("rows"),
        numbers=numbers,
        settings={"yes_no_rule": numbers.pop("rule")},
        tables={"group": table} if table else {},
        problems={},
        row_scores=np.array([answer is true for answer, true in zip(said, truth.tolist(), strict=True)], float),
    )
    return _with_unknown(scores, answers, said, "neither yes nor no")


def vqa_scores(
    answers: Sequence[str | None],
    people: Sequence[Sequence[str]],
    grouping: Grouping = Grouping(),  # noqa: B008
    *,
    normalise: str = "official",
) -> Scores:
    """Mean soft accuracy; a missing answer scores 0."""
    soft = vqa.soft_accuracies([answer or "" for answer in answers], people, normalise=normalise)
    soft = np.where([answer is not None for answer in answers], soft, 0.0)
    empty = sum(answer is not None and not answer.strip() for answer in answers)
    return _mean_scores(soft, grouping, {"normalise": normalise}, {"empty_answers": empty})


def picked_scores(
    answers: Sequence[str | None],
    choices: Sequence[Sequence[str]],
    gold: Sequence[int],
    grouping: Grouping = Grouping(),  # noqa: B008
    *,
    words: bool = False,
) -> Scores:
    """Accuracy over questions with choices. An answer that picks none of them is wrong and counted.

    With `words` the choices are single words that the question itself names, and the first of them in an answer counts.
    """
    pick = choice.first_named if words else choice.picked
    picks = [None if a is None else pick(a, c) for a, c in zip(answers, choices, strict=True)]
    right = np.array([pick == truth for pick, truth in zip(picks, gold, strict=True)], float)
    chance = float(np.mean([1 / len(c) for c in choices])) if choices else math.nan
    settings = {"answer_rule": "the first of its words" if words else "letter, else the words of one choice"}
    numbers = {"unknown_rate": _share(len(_unknown(answers, picks)), len(picks)), "chance": chance}
    return _with_unknown(_mean_scores(right, grouping, settings, numbers), answers, picks, "picks no choice")


def true_false_scores(
    answers: Sequence[str | None],
    gold: Sequence[bool],
    grouping: Grouping = Grouping(),  # noqa: B008
) -> Scores:
    """Accuracy of true and false. An answer that is neither is wrong and counted."""
    said = [None if answer is None else choice.true_or_false(answer) for answer in answers]
    right = np.array([answer is bool(true) for answer, true in zip(said, gold, strict=True)], float)
    settings = {"answer_rule": "first word true or yes, false or no"}
    numbers = {
        "unknown_rate": _share(len(_unknown(answers, said)), len(said)),
        "true_rate": _share(sum(answer is True for answer in said), len(said)),
    }
    return _with_unknown(_mean_scores(right, grouping, settings, numbers), answers, said, "neither true nor false")


def _mean_scores(row_scores: np.ndarray, grouping: Grouping, settings: dict, numbers: dict) -> Scores:
    return Scores(
        metric="accuracy",
        value=float(row_scores.mean()) if len(row_scores) else math.nan,
        interval=grouping.interval(row_scores),
        rows=len(row_scores),
        numbers=numbers,
        settings=settings,
        tables={title: grouping.table(labels, row_scores) for title, labels in grouping.labels().items()},
        problems={},
        row_scores=row_scores,
    )


def _unknown(answers: Sequence[str | None], read: Sequence) -> list[int]:
    """The rows whose answer was given and could not be read."""
    return [place for place, found in enumerate(read) if found is None and answers[place] is not None]


def _with_unknown(scores: Scores, answers: Sequence[str | None], read: Sequence, reason: str) -> Scores:
    unknown = _unknown(answers, read)
    if not unknown:
        return scores
    return dataclasses.replace(scores, problems={reason: len(unknown)}, row_notes=dict.fromkeys(unknown, reason))


def _as_it_is(said: bool | None) -> bool | None:
    return said


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
