# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`evaluate` module: GQA's validity, and its siblings where their inputs are given. A thin layer over `promvil_hf`."""

import json
import math
from pathlib import Path

import datasets
import evaluate
import numpy as np

from promvil_hf.evaluation.scores import Resampling
from promvil_hf.evaluation.text_scores import gqa_scores
from promvil_hf.metrics.gqa import lower_without_period, promvil_answer


_DESCRIPTION = """
Validity as GQA defines it: the share of answers that could in principle answer the question (a colour to a colour
question), by per-question choices. With GQA's own files also plausibility, consistency, distribution and accuracy.
It is not the share of well-formed answers, which is called parse rate.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions: the answers.
    references: for each answer the list of valid answers; or, with `questions`, its GQA question id.
    questions: GQA's questions (their dict, or the path of the JSON file); only balanced ones count.
    choices: GQA's choices (their dict, or the path), {id: {"valid": [...], "plausible": [...]}}.
    answer_rule: what is done to an answer before it is compared: "lower_without_period" (default) or "promvil".
    confidence, resamples, seed: of the bootstrap intervals.
Returns:
    validity with validity_low and validity_high, rows, settings, notes; with `questions` also accuracy, interval, binary,
    open, plausibility, consistency, distribution, tables, missing_answers, unasked_answers, missing_choices. What cannot
    be computed from what was given is None, and a note says why.
Examples:
    >>> metric = evaluate.load("promvil/validity")
    >>> result = metric.compute(predictions=["Red.", "left"], references=[["red", "blue"], ["red", "blue"]])
    >>> result["validity"], result["rows"]
    (0.5, 2)
    >>> questions = {
    ...     "q1": {"question": "What color is the cup?", "answer": "red", "imageId": "n1", "isBalanced": True,
    ...            "semantic": [{"operation": "query", "argument": "color", "dependencies": []}], "entailed": [],
    ...            "types": {"detailed": "categoryAttr", "semantic": "attr", "structural": "query"},
    ...            "groups": {"global": "color"}},
    ... }
    >>> choices = {"q1": {"valid": ["red", "blue"], "plausible": ["blue"]}}
    >>> result = metric.compute(predictions=["Blue."], references=["q1"], questions=questions, choices=choices)
    >>> result["validity"], result["plausibility"], result["accuracy"], result["consistency"]
    (1.0, 1.0, 0.0, None)
"""

_CITATION = """
@inproceedings{hudson2019gqa,
    title = {GQA: A New Dataset for Real-World Visual Reasoning and Compositional Question Answering},
    author = {Hudson, Drew A. and Manning, Christopher D.},
    booktitle = {CVPR},
    year = {2019}
}
"""

_RULES = {"lower_without_period": lower_without_period, "promvil": promvil_answer}


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class Validity(evaluate.Metric):
    def _info(self):
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            reference_urls=["https://cs.stanford.edu/people/dorarad/gqa/evaluate.html"],
            features=[
                datasets.Features({"predictions": text, "references": references})
                for references in (text, datasets.List(text))
            ],
        )

    def _compute(
        self, predictions, references, *, questions=None, choices=None, answer_rule="lower_without_period",
        confidence=0.95, resamples=9_999, seed=0,
    ):  # fmt: skip
        if answer_rule not in _RULES:
            raise ValueError(f"You passed answer_rule={answer_rule!r}: it is one of {', '.join(_RULES)}.")
        rule, resampling = _RULES[answer_rule], Resampling(confidence=confidence, resamples=resamples, seed=seed)
        if questions is not None:
            return _official(predictions, references, _loaded(questions), _loaded(choices), rule, resampling)
        if any(isinstance(reference, str) for reference in references):
            raise ValueError(
                "You passed question ids as references without `questions`: pass GQA's questions and choices too, or "
                "for each answer the list of its valid answers."
            )
        flags = np.array(
            [rule(said or "") in valid for said, valid in zip(predictions, references, strict=True)], float
        )
        spread = resampling.interval(flags)
        return {
            "validity": spread.estimate if len(flags) else math.nan,
            "validity_low": spread.low,
            "validity_high": spread.high,
            "rows": len(flags),
            "settings": {"answer_rule": answer_rule, "choices": "one list of valid answers per question"},
            "notes": [],
        }


def _official(predictions, references, questions, choices, rule, resampling):
    if len(set(references)) < len(references):
        raise ValueError("You passed a question id more than once as reference: give each question one answer.")
    said = {qid: answer or "" for qid, answer in zip(references, predictions, strict=True)}
    scores = gqa_scores(
        [said.get(qid) for qid in questions], questions, choices=choices, normalise=rule, resampling=resampling
    )
    result = scores.to_dict()
    result["accuracy"] = result.pop("value")
    missing = sum(qid not in said for qid, question in questions.items() if question.get("isBalanced", True))
    unasked = sum(qid not in questions for qid in said)
    return {"validity": result.pop("validity"), **result, "missing_answers": missing, "unasked_answers": unasked}


def _loaded(source):
    return json.loads(Path(source).read_text(encoding="utf-8")) if isinstance(source, (str, Path)) else source
