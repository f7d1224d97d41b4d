# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""POPE for harnesses, with a third class for answers that are neither yes nor no.

A comparison of whole strings calls "Yes." wrong and gives some models 0; here the first word decides, and the share of
unknown answers stands beside the score.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from promvil_hf.metrics.pope import PopeScore, pope_score
from promvil_hf.tasks.aggregates import aggregates


def prompt(document: Mapping[str, Any], lmms_eval_specific_kwargs: Mapping[str, Any] | None = None) -> str:
    options = lmms_eval_specific_kwargs or {}
    return f"{options.get('pre_prompt', '')}{document['question'].strip()}{options.get('post_prompt', '')}"


AGGREGATES = ("f1", "accuracy", "yes_rate", "unknown_rate")


def process_results(document: Mapping[str, Any], results: Sequence[str]) -> dict[str, dict]:
    found = {"id": str(document["question_id"]), "said": results[0] if results else "", "label": document["answer"]}
    return {f"promvil_{name}": found for name in AGGREGATES}


def score(results: Sequence[Mapping[str, Any]]) -> PopeScore:
    return pope_score([result["said"] for result in results], [result["label"] for result in results])


f1, accuracy, yes_rate, unknown_rate = aggregates(score, AGGREGATES)  # the names that YAML files call
