# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""GQA's official metrics, and GQA-OOD's head, tail and delta.

`validity` is the official one: the share of answers that could in principle answer the question (a colour to a
colour question), from the choices file. It is not the share of well-formed box answers, which is `parse_rate`.
Validity, plausibility and consistency are None where their inputs are not given. Inputs are GQA's own JSON forms.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class GQAScore:
    """Shares over the balanced questions. `tables`: (right, all) by structural and semantic type, words and steps."""

    accuracy: float
    binary: float
    open: float
    validity: float | None
    plausibility: float | None
    consistency: float | None
    distribution: float  # chi-square distance of the answers per question group, / 100; lower is better
    tables: dict[str, dict[str, tuple[int, int]]]
    rows: int
    missing_answers: int  # counted as wrong
    unasked_answers: int  # answers to no question here, left out
    missing_choices: int  # questions left out of validity and plausibility
    normalise: str


@dataclass(frozen=True, slots=True)
class OODScore:
    all: float
    head: float
    tail: float
    delta: float  # (head - tail) / tail
    rows: int
    head_rows: int
    tail_rows: int
    reason: str = ""  # why delta is NaN


def lower_without_period(answer: str) -> str:
    """LLaVA's conversion for GQA, and of what its generation had stripped before: " Couch." -> "couch"."""
    return answer.strip().rstrip(".").lower()


def promvil_answer(answer: str) -> str:
    """PromViL's clean-up: the text inside `<phrase>`, lower-cased, without one leading article or preposition."""
    answer = answer.replace("<phrase>", "").strip().split("</phrase>")[0].lower()
    for start in ("a ", "an ", "the ", "on the ", "in the ", "his ", "her ", "their ", "at the ", "to the "):
        if answer.startswith(start):
            return answer.removeprefix(start).strip()
    return answer


def exact_matches(
    answers: Sequence[str], gold: Sequence[str], normalise: Callable[[str], str] = lower_without_period
) -> np.ndarray:
    """Which answers equal the gold answer, bool (rows,). Only the model's answer is normalised, as everywhere."""
    if len(answers) != len(gold):
        raise ValueError(f"You passed {len(answers)} answers and {len(gold)} gold answers: match them by id first.")
    return np.fromiter((normalise(a) == g for a, g in zip(answers, gold, strict=True)), bool, len(gold))


def gqa_score(
    answers: Mapping[str, str],
    questions: Mapping[str, Mapping],
    *,
    choices: Mapping[str, Mapping] | None = None,
    normalise: Callable[[str], str] = lower_without_period,
) -> GQAScore:
    """`answers` and `choices` by question id; `questions` as in GQA's file. Only questions marked balanced count.

    The official script stops at a question without an answer; here it is wrong and counted. Consistency looks at the
    entailed questions that are in `questions`, and is None if there are none.
    """
    said = {qid: normalise(answers[qid]) for qid in questions if qid in answers}
    right = {qid: said.get(qid) == question["answer"] for qid, question in questions.items()}
    balanced = {qid: question for qid, question in questions.items() if question.get("isBalanced", True)}
    tables: dict[str, dict[str, list[int]]] = {
        name: defaultdict(lambda: [0, 0]) for name in ("kind", "structural", "semantic", "words", "steps")
    }
    gold_groups, said_groups = defaultdict(Counter), defaultdict(Counter)
    valid, plausible, consistent, missing_choices = [], [], [], 0
    for qid, question in balanced.items():
        types = question["types"]
        for name, key in (
            ("kind", "open" if types["structural"] == "query" else "binary"),
            ("structural", types["structural"]),
            ("semantic", types["semantic"]),
            ("words", str(len(question["question"].split()))),
            ("steps", str(_steps(question))),
        ):
            tables[name][key][0] += right[qid]
            tables[name][key][1] += 1
        group = question["groups"].get("global")
        if group is not None:
            gold_groups[group][question["answer"]] += 1
            said_groups[group][said.get(qid)] += 1
        if choices is not None:
            if qid in choices:
                valid.append(belongs(said.get(qid), choices[qid]["valid"], types))
                plausible.append(belongs(said.get(qid), choices[qid]["plausible"], types))
            else:
                missing_choices += 1
        entailed = [other for other in question.get("entailed") or () if other != qid and other in questions]
        if right[qid] and entailed:
            consistent.append(sum(right[other] for other in entailed) / len(entailed))
    kinds = tables.pop("kind")
    return GQAScore(
        accuracy=_mean([right[qid] for qid in balanced]),
        binary=_share(*kinds["binary"]),
        open=_share(*kinds["open"]),
        validity=_mean(valid) if valid else None,
        plausibility=_mean(plausible) if plausible else None,
        consistency=_mean(consistent) if consistent else None,
        distribution=_chi_square(gold_groups, said_groups) / 100,
        tables={
            name: {key: tuple(table[key]) for key in sorted(table, key=_in_order)} for name, table in tables.items()
        },
        rows=len(balanced),
        missing_answers=sum(qid not in said for qid in balanced),
        unasked_answers=sum(qid not in questions for qid in answers),
        missing_choices=missing_choices,
        normalise=getattr(normalise, "__name__", str(normalise)),
    )


def ood_score(right: Sequence[bool], tail: Sequence[bool]) -> OODScore:
    """GQA-OOD from the correctness of each question and whether it is in the tail file; the others are the head.

    The tail are questions whose answer is rarer than 1.2 times the mean of its question group (`alpha` 0.2).
    """
    right, tail = np.asarray(right, dtype=float), np.asarray(tail, dtype=bool)
    if right.shape != tail.shape or right.ndim != 1:
        raise ValueError(
            f"You passed {right.shape} results and {tail.shape} tail marks: pass one of each for every question."
        )
    head_score, tail_score = _mean(right[~tail]), _mean(right[tail])
    unknown = int((~np.isfinite(right)).sum())
    reason = "no tail rows" if not tail.any() else "no head rows" if tail.all() else ""
    if unknown:
        reason = f"{unknown} of {len(right)} results are NaN or infinite"
    if not reason and tail_score == 0:
        reason = "nothing right in the tail"
    return OODScore(
        all=_mean(right),
        head=head_score,
        tail=tail_score,
        delta=np.nan if reason else (head_score - tail_score) / tail_score,
        rows=len(right),
        head_rows=int((~tail).sum()),
        tail_rows=int(tail.sum()),
        reason=reason,
    )


def belongs(answer: str | None, group: Sequence[str], types: Mapping[str, str]) -> bool:
    """The official rule: in the group of answers, which is fixed for questions about what two things have in common."""
    return answer in (("color", "material", "shape") if "Common" in types["detailed"] else group)


def _steps(question: Mapping) -> int:
    """Reasoning steps as the official script counts them: the closing exist, query name and choose name are free."""
    steps = (f"{step['operation']}: {step['argument']}" for step in question["semantic"])
    return sum(not any(free in step for free in ("exist", "query: name", "choose name")) for step in steps)


def _chi_square(gold: Mapping[str, Counter], said: Mapping[str, Counter]) -> float:
    """Chi-square distance per group, averaged with the groups' sizes as weights."""
    weighted = total = 0.0
    for group, expected in gold.items():
        size = sum(expected.values())
        weighted += size * sum((said[group][answer] - count) ** 2 / count for answer, count in expected.items())
        total += size
    return weighted / total if total else np.nan


def _in_order(key: str) -> tuple[int, str]:
    return (int(key) if key.isdecimal() else 0), key


def _mean(values) -> float:
    return float(np.mean(values)) if len(values) else np.nan


def _share(part: int, whole: int) -> float:
    return part / whole if whole else np.nan
