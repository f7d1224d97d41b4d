# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What metrics and settings are called where people read them. In JSON they keep their keys."""

import re


_WORDS = {
    "f1": "F1",
    "mean_iou": "mean IoU",
    "parse_rate": "share of answers with a box",
    "refused_rate": "share that refuses",
    "no_box_rate": "share with neither a box nor a refusal",
    "unreadable_rate": "share that cannot be read",
    "missing_rate": "share of rows without an answer",
    "unknown_rate": "share that is none of the possible answers",
    "yes_rate": "share of yes",
    "true_rate": "share of true",
    "boxes_per_answer": "boxes per answer",
    "points_per_answer": "points per answer",
    "most_boxes": "most boxes in an answer",
    "box_precision": "share of boxes that are right",
    "box_recall": "share of true boxes that are found",
    "box_f1": "F1 over all boxes at IoU 0.5",
    "point_precision": "share of points that are right",
    "pointing_accuracy": "pointing accuracy",
    "accuracy_where_present": "accuracy where the thing is there",
    "absent_rows": "rows whose thing is absent",
    "absent_refused_rate": "of these refused, which is right",
    "absent_wrong_box_rate": "of these answered with a box",
    "absent_no_box_rate": "of these with neither",
    "absent_unreadable_rate": "of these that cannot be read",
    "absent_missing_rate": "of these without an answer",
    "false_refusal_rate": "refused although the thing is there",
    "perfect_rate": "share of rows whose boxes are all right (F1 of 1)",
    "n_acc": "N-acc (no target: refused)",
    "t_acc": "T-acc (target: some box)",
    "mean_f1": "mean F1 of a row",
    "ap": "average precision at IoU 0.5 to 0.95",
    "ap50": "average precision at IoU 0.5",
    "ap75": "average precision at IoU 0.75",
    "auroc": "AUROC of there against absent",
    "fpr95": "false positives at 95 % recall",
    "aupr": "area under precision and recall",
    "class_mean_accuracy": "mean accuracy of a class",
    "chance": "chance",
    "empty_answers": "empty answers",
    "missing_choices": "questions without choices",
    "delta": "head over tail, less one",
    "ood": "GQA-OOD",
    "box_policy": "which of several boxes counts",
    "gold_policy": "which of several true boxes counts",
    "iou_thresholds": "IoU thresholds",
    "iou_rule": "an IoU counts as a hit from the threshold on, or above it",
    "point_policy": "which of several points counts",
    "yes_no_rule": "rule for yes and no",
    "answer_rule": "rule for answers",
    "normalise": "normalisation",
    "overlap": "overlap of boxes",
    "order_of_boxes": "order of boxes",
    "min_score": "boxes are dropped below the score",
}


def in_words(key: str) -> str:
    """The name for people.

    >>> in_words("mean_iou"), in_words("accuracy@0.5"), in_words("accuracy@0.5:0.95"), in_words("pair_accuracy")
    ('mean IoU', 'accuracy at IoU 0.5', 'mean accuracy at IoU 0.5 to 0.95', 'share of pairs all right')
    """
    if key in _WORDS:
        return _WORDS[key]
    kind, at, number = key.partition("@")
    if at and kind in ("accuracy", "class_mean_accuracy", "ceiling"):
        low, several, high = number.partition(":")
        whole = {"ceiling": "the most its grid allows", "class_mean_accuracy": "mean accuracy of a class"}.get(kind, "accuracy")
        return f"mean accuracy at IoU {low} to {high}" if several and kind == "accuracy" else f"{whole} at IoU {number}"
    if at and kind == "precision":
        return f"precision: a right box among the {number} best" if number != "1" else "precision: the best box is right"
    if at and kind == "recall":
        return f"recall among the {number} best"
    if unit := re.fullmatch(r"(\w+)_accuracy(_low|_high)?", key):
        bound = {"_low": ", lower bound", "_high": ", upper bound"}.get(unit[2], "")
        return f"share of {unit[1].replace('_', ' ')}s all right{bound}"
    return key.replace("_", " ")
