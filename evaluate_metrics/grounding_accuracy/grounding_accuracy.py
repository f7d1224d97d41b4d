# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`evaluate` module: grounding accuracy with everything that makes it comparable. A thin layer over `promvil_hf`."""

import datasets
import evaluate

from promvil_hf.conventions import DEFAULT_FRAME, boxes_in_fractions, dialect, frame
from promvil_hf.evaluation.box_scores import BoxRules, grounding_scores
from promvil_hf.evaluation.scores import Grouping, Resampling
from promvil_hf.frames import Pixels
from promvil_hf.metrics.answers import read_texts


_DESCRIPTION = """
Share of phrases whose predicted box reaches an IoU threshold with a gold box, under a declared box policy. An answer
without a well-formed box scores 0 and is counted. The result also holds parse rate, mean IoU, tables per level and per
object size, the policy, the frame, and a bootstrap interval that draws whole images.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions: for each phrase one box, a list of boxes (it may be empty), or the model's raw text with `dialect`.
    references: for each phrase its gold box or the list of its gold boxes.
    frame: what the numbers count: "fractions" of the image (default for boxes), "pixels", "pixels_xywh", "thousandths",
        "resized", "padded_square", "location_bins". Raw text is read in its dialect's own frame unless one is given.
    reference_frame: the frame of the references, if it is another one.
    dialect: how raw text writes boxes: "kosmos2", "qwen_json", "gemini_json", "llava_brackets" and others, see
        `promvil_hf.conventions.DIALECTS`. The references are then in fractions unless `reference_frame` says otherwise.
    image_sizes: (width, height) of each phrase's image, where a frame depends on it.
    box_policy: which of several boxes counts: "first" (default), "mean", "all", "any" (an upper bound).
    gold_policy: with several gold boxes, "any" of them (default) or the box around all of them, "merged".
    iou_thresholds: a hit is an IoU of at least this; the first is the headline. Default (0.5,).
    levels: the level of each phrase, 1 for a simple one, for the table per level.
    image_ids: the image of each phrase, so that intervals come from resampling images.
    confidence, resamples, seed: of the bootstrap interval.
Per-phrase keywords follow the order in which the phrases were added.
Returns:
    grounding_accuracy, interval, rows, accuracy@t, accuracy@0.5:0.95, mean_iou, parse_rate, refused_rate, no_box_rate,
    unreadable_rate, missing_rate, boxes_per_answer, most_boxes, box_precision, settings, tables, problems, notes.
Examples:
    >>> metric = evaluate.load("promvil/grounding_accuracy")
    >>> result = metric.compute(
    ...     predictions=[[[0.1, 0.1, 0.5, 0.5]], [[0.0, 0.0, 0.2, 0.2], [0.6, 0.6, 0.9, 0.9]], []],
    ...     references=[[[0.1, 0.1, 0.5, 0.6]], [[0.6, 0.6, 0.9, 0.9]], [[0.2, 0.2, 0.3, 0.3]]],
    ...     levels=[1, 1, 2],
    ... )
    >>> round(result["grounding_accuracy"], 3), round(result["parse_rate"], 3), result["rows"]
    (0.333, 0.667, 3)
    >>> result["settings"]["box_policy"], result["problems"]
    ('first', {'refused': 1})
    >>> {level: line["accuracy"] for level, line in result["tables"]["level"].items()}
    {'1': 0.5, '2': 0.0}

    Raw text, in the words of a model family:

    >>> answer = "<phrase>a red cup</phrase><object><patch_index_0044><patch_index_0863></object>"
    >>> result = metric.compute(
    ...     predictions=[answer], references=[[[0.39, 0.05, 0.98, 0.83]]], dialect="kosmos2"
    ... )
    >>> result["grounding_accuracy"], result["settings"]["dialect"]
    (1.0, 'kosmos2')
"""

_CITATION = """
@inproceedings{kazemzadeh-etal-2014-referitgame,
    title = {ReferItGame: Referring to Objects in Photographs of Natural Scenes},
    author = {Kazemzadeh, Sahar and Ordonez, Vicente and Matten, Mark and Berg, Tamara},
    booktitle = {EMNLP},
    year = {2014}
}
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class GroundingAccuracy(evaluate.Metric):
    def _info(self):
        number = datasets.Value("float64")
        one, many, text = datasets.List(number), datasets.List(datasets.List(number)), datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=[
                datasets.Features({"predictions": predictions, "references": references})
                for predictions in (text, many, one)
                for references in (many, one)
            ],
        )

    def _compute(
        self, predictions, references, *, frame=None, reference_frame=None, dialect=None, image_sizes=None,
        box_policy="first", gold_policy="any", iou_thresholds=(0.5,), levels=None, image_ids=None, confidence=0.95,
        resamples=9_999, seed=0,
    ):  # fmt: skip
        thresholds = (iou_thresholds,) if isinstance(iou_thresholds, (int, float)) else tuple(iou_thresholds)
        answers, gold, sizes, settings = _read(predictions, references, frame, reference_frame, dialect, image_sizes)
        resampling = Resampling(confidence=confidence, resamples=resamples, seed=seed)
        grouping = Grouping(image_ids, levels=levels, resampling=resampling)
        rules = BoxRules(box_policy, gold_policy, thresholds)
        scores = grounding_scores(answers, gold, rules, grouping, sizes=sizes, settings=settings)
        result = scores.to_dict()
        return {"grounding_accuracy": result.pop("value"), **result}


def _read(predictions, references, answer_frame, gold_frame, spoken, image_sizes):
    """Both sides as boxes of one frame: fractions, or pixels where no image size is known and none is needed."""
    if any(isinstance(answer, str) for answer in predictions):
        if spoken is None:
            raise ValueError(
                'You passed raw text without a dialect: say how it writes boxes, e.g. dialect="kosmos2" or "qwen_json".'
            )
        answers = read_texts(predictions, dialect(spoken, answer_frame), image_sizes)
        gold_frame = gold_frame or DEFAULT_FRAME
    else:
        answer_frame = answer_frame or DEFAULT_FRAME
        gold_frame = gold_frame or answer_frame
        answers = boxes_in_fractions(predictions, answer_frame, image_sizes, "predictions")
    gold = boxes_in_fractions(references, gold_frame, image_sizes, "references")
    unit_is_pixel = image_sizes is None and isinstance(frame(gold_frame), Pixels)
    if unit_is_pixel and (spoken is not None or not isinstance(frame(answer_frame), Pixels)):
        raise ValueError(
            "You passed references in pixels and predictions in another frame: pass `image_sizes`, one (width, height) "
            "per phrase, to bring them together."
        )
    settings = {
        "dialect": _name(spoken) if spoken is not None else None,
        "frame": answer_frame and _name(answer_frame),
        "reference_frame": _name(gold_frame),
    }
    return answers, gold, not unit_is_pixel, settings


def _name(choice):
    return choice if isinstance(choice, str) else repr(choice)
