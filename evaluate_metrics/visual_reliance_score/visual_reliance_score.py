# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`evaluate` module: FiVL's Visual Reliance Score with its controls. A thin layer over `promvil_hf`."""

import dataclasses

import datasets
import evaluate

from promvil_hf.metrics.gqa import exact_matches
from promvil_hf.metrics.pope import pope_score, strict_yes_no
from promvil_hf.metrics.reliance import visual_reliance
from promvil_hf.metrics.vqa import soft_accuracies


_DESCRIPTION = """
How much of the accuracy is lost when the boxes of the key expressions are masked: (A_original - A_masked) / A_original.
Beside it stand the absolute drop, the same drop under controls (random boxes of the same size, the whole image, no image
at all), the difference to each control, and intervals that draw whole images. Undefined scores are NaN with the reason.
"""

_KWARGS_DESCRIPTION = """
Args:
    original: for each question its accuracy (0 to 1), or the model's answer, on the original image.
    masked: the same on the image with the key regions masked.
    controls: {"random boxes": [...], "whole image": [...], "blind": [...]} of the same questions, any of them.
    gold: with answers as texts, what is right: GQA's answer, POPE's yes or no, or VQAv2's list of ten answers.
    scoring: how texts are scored: "gqa" (exact match), "pope" (yes or no), "vqa" (soft accuracy).
    image_ids: the image of each question, so that intervals come from resampling images.
    confidence, resamples, seed: of the bootstrap intervals.
Per-question keywords follow the order in which the questions were added.
Returns:
    visual_reliance_score, reason (why it is NaN, else ""), absolute_drop, original_accuracy, masked_accuracy, interval,
    absolute_interval, controls (for each its accuracy, relative and absolute drop with intervals), beyond (the score
    minus that of each control, with interval), rows, settings, notes.
Examples:
    >>> metric = evaluate.load("promvil/visual_reliance_score")
    >>> result = metric.compute(
    ...     original=[1, 1, 1, 0], masked=[0, 0, 1, 0], controls={"random boxes": [1, 0, 1, 0]}
    ... )
    >>> round(result["visual_reliance_score"], 3), round(result["absolute_drop"], 3)
    (0.667, 0.5)
    >>> round(result["beyond"]["random boxes"]["estimate"], 3)
    0.333
    >>> result = metric.compute(original=["no", "no"], masked=["no", "yes"], gold=["yes", "yes"], scoring="pope")
    >>> result["visual_reliance_score"], result["reason"]
    (nan, 'nothing right on the original images')
"""

_CITATION = """
@misc{aflalo2024fivl,
    title = {FiVL: A Framework for Improved Vision-Language Alignment},
    author = {The authors of arXiv:2412.14672},
    year = {2024},
    eprint = {2412.14672},
    archivePrefix = {arXiv}
}
"""

_CONTROLS = ("random boxes", "whole image", "blind")


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class VisualRelianceScore(evaluate.Metric):
    def _info(self):
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=[
                datasets.Features({"original": datasets.Value(kind), "masked": datasets.Value(kind)})
                for kind in ("string", "float64")
            ],
        )

    def _compute(
        self, original, masked, *, controls=None, gold=None, scoring=None, image_ids=None, confidence=0.95,
        resamples=9_999, seed=0,
    ):  # fmt: skip
        columns = {"original": original, "masked": masked, **(controls or {})}
        if any(isinstance(answer, str) for answer in original):
            columns = {name: _accuracies(name, answers, gold, scoring) for name, answers in columns.items()}
        elif scoring is not None:
            raise ValueError(f"You passed accuracies and scoring={scoring!r}: scoring is for answers as texts.")
        original, masked = columns.pop("original"), columns.pop("masked")
        score = visual_reliance(
            original, masked, columns, clusters=image_ids, confidence=confidence, resamples=resamples, seed=seed
        )
        missing = [name for name in _CONTROLS if name not in columns]
        return {
            "visual_reliance_score": score.score,
            "reason": score.reason,
            "absolute_drop": score.absolute_drop,
            "original_accuracy": score.original_accuracy,
            "masked_accuracy": score.masked.accuracy,
            "interval": dataclasses.asdict(score.masked.relative),
            "absolute_interval": dataclasses.asdict(score.masked.absolute),
            "controls": {name: dataclasses.asdict(drop) for name, drop in score.controls.items()},
            "beyond": {name: dataclasses.asdict(spread) for name, spread in score.beyond.items()},
            "rows": score.rows,
            "settings": {"scoring": scoring or "accuracies as given"},
            "notes": [
                f"No control {name!r}: masking anything costs accuracy, so say what it costs." for name in missing
            ],
        }


def _accuracies(name, answers, gold, scoring):
    """Texts to one accuracy per question."""
    scorers = {"gqa": exact_matches, "pope": _yes_no, "vqa": soft_accuracies}
    if gold is None or scoring not in scorers:
        raise ValueError(
            f"You passed answers as texts with gold={'None' if gold is None else 'given'} and scoring={scoring!r}: give "
            f"`gold` and a scoring, one of {', '.join(scorers)}; or pass accuracies."
        )
    if len(answers) != len(gold):
        raise ValueError(f"You passed {len(answers)} {name} answers and {len(gold)} gold answers: reliance is paired.")
    return [float(score) for score in scorers[scoring](answers, gold)]


def _yes_no(answers, gold):
    return [pope_score([answer], [label], strict_yes_no).accuracy for answer, label in zip(answers, gold, strict=True)]
