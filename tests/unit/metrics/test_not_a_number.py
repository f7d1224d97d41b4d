# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""NaN in, NaN out with a reason, or a sentence: no function of this room makes a number of what is none."""

import inspect
from importlib import import_module
from pkgutil import iter_modules

import numpy as np
import pytest

from promvil_hf import metrics
from promvil_hf.metrics import answers
from promvil_hf.metrics.reliance_and_accuracy import Asked


NAN = float("nan")
BOX, BROKEN, UNIT = [[0.0, 0.0, 1.0, 1.0]], [[NAN, 0.0, 1.0, 1.0]], np.arange(3.0)
SHUFFLED = np.arange(15.0).reshape(5, 3)
# What each function says of NaN: the values that must be NaN, and the reason where the result can hold one.
GIVE_NAN = {
    "intervals.ratio": lambda f: (f(np.array([NAN, 2.0])), None),
    "intervals.cluster_sums": lambda f: (f(np.array([[NAN], [1.0]]), [0, 0]), None),
    "intervals.resample": lambda f: (f(np.array([[NAN, 1.0]]), 9, 0)[:, 0], None),
    "intervals.bootstrap_interval": lambda f: _interval(f(np.array([NAN, 1.0, 0.0]))),
    "intervals.paired_test": lambda f: _tested(f(np.array([NAN, 1.0]), np.zeros(2))),
    "share_intervals.wilson": lambda f: (f(NAN, 20), None),
    "share_intervals.share_interval": lambda f: (f(np.array([[NAN, 1.0], [1.0, 1.0]])), None),
    "share_intervals.change_interval": lambda f: (f(np.array([[NAN, 1.0], [1.0, 1.0]]), np.array([[0.0, 1.0]] * 2)), None),
    "significance.p_values": lambda f: (np.stack(f(np.array([NAN, 1.0, 2.0]), SHUFFLED))[:, 0], None),
    "significance.holm": lambda f: (f([NAN, 0.01])[0], None),
    "ranking.separation": lambda f: (f([NAN, 1.0], [True, False]).auroc, None),
    "units.unit_scores": lambda f: (f([NAN, 1.0], ["a", "a"])[1], None),
    "significance.benjamini_hochberg": lambda f: (f(np.array([NAN, 0.01, 0.5]))[0], None),
    "blind.blind_share": lambda f: _interval(f([NAN, 1.0], [0.0, 1.0])),
    "reliance_and_accuracy.masked_accuracies": lambda f: (f([NAN, 0.5], [0.1, NAN]), None),
    "reliance_and_accuracy.of_table": lambda f: _correlated(f([NAN, 0.5, 0.6, 0.7], [0.1, 0.2, 0.3, 0.4])[0]),
    "reliance_and_accuracy.reliance_and_accuracy": lambda f: _correlated(f([_asked()], resamples=9).pearson),
    "reliance.average_reliance": lambda f: (f([NAN, 1.0]), None),
    "gqa.ood_score": lambda f: _ood(f([NAN, 1.0], [True, False])),
}
REFUSE = {
    "nested_negatives.first_failures": lambda f: f("aa", [1, 1], [NAN, True], [True, False], [False, True]),
    "reliance.visual_reliance": lambda f: f([NAN, 1.0], [0.0, 1.0]),
    "reliance.reliance_table": lambda f: f([NAN, 1.0], [0.0, 1.0], ["a", "a"]),
    "segmentation.mask_iou": lambda f: f(np.array([[NAN, 0.0]]), np.array([[1, 0]])),
    "segmentation.booleans": lambda f: f(np.array([[NAN, 0.0]])),
    "answers.grid_cells": lambda f: f(np.array(BROKEN)),
    "grounding.kosmos2_round_trip": lambda f: f(np.array(BROKEN)),
    "grounding.size_labels": lambda f: f([BROKEN]),
    "blind.guessing_interval": lambda f: f([NAN, 0.5]),
    "size_strata.ref_l4_sizes": lambda f: f([NAN]),
    "size_strata.coco_sizes": lambda f: f([NAN]),
    "detection.detection_score": lambda f: f(answers.read_boxes([BOX]), answers.read_boxes([BOX]), [NAN]),
    "grounding.quantisation_ceiling": lambda f: f([BROKEN], lambda xyxy: xyxy),
    "pope.truths": lambda f: f([NAN]),
    "pope.pope_score": lambda f: f(["yes"], [NAN]),
}
COUNT_AS_WRONG = {  # an answer with a broken box is a wrong answer, as it is documented: its IoU is 0 and never missing
    "grounding.merged_gold": lambda f: len(f(answers.read_boxes([BROKEN])).row),
    "grounding.iou_matrix": lambda f: f(np.array(BROKEN), np.array(BOX)),
    "grounding.paired_iou": lambda f: f(np.array(BROKEN), np.array(BOX)),
    "grounding.answer_iou": lambda f: f([BROKEN], [BOX]),
    "grounding.grounding_score": lambda f: f([BROKEN], [BOX]).mean_iou,
    "grounding.grounding_table": lambda f: f([BROKEN], [BOX], ["a"])["a"].mean_iou,
    "none_or_many.row_f1": lambda f: f(answers.read_boxes([BROKEN]), answers.read_boxes([BOX])),
    "none_or_many.none_or_many": lambda f: f(answers.read_boxes([BROKEN]), answers.read_boxes([BOX])).perfect,
    "none_or_many.matches": lambda f: f(np.array([[NAN]])),
    "answers.read_boxes": lambda f: len(f([BROKEN]).row),
}
OF_FINITE_SUMS = {  # `bootstrap_interval` and `paired_test` ask them only about finite numbers
    "share_intervals.is_share", "share_intervals.few_of_a_kind", "share_intervals.few_changes", "share_intervals.effective_rows",
}  # fmt: skip
OF_TEXTS = {  # these take no numbers, or only yes and no, or counts that are whole
    "agreement.kappa",
    "answers.kosmos2_boxes", "answers.read_texts", "answers.outcome_rates", "choice.first_named", "choice.first_word",
    "choice.picked",
    "choice.true_or_false", "gqa.belongs", "gqa.exact_matches", "gqa.gqa_score", "gqa.lower_without_period",
    "gqa.promvil_answer", "pope.llava_yes_no", "pope.strict_yes_no", "vqa.normalised", "vqa.soft_accuracies",
    "answers.grid_boxes", "pointing.answer_hits", "pointing.points_inside", "pointing.pointing_score",
    "none_or_many.generalised_iou", "none_or_many.rejection", "ranking.precision_at_k", "ranking.recall_at_k", "units.linked",
    "size_strata.aspect_labels", "size_strata.ordered", "size_strata.is_ordered",
    "nested_negatives.first_failures",
}  # fmt: skip


def _correlated(found):
    return np.array([found.estimate, found.low, found.high, found.p_value]), found.note


def _asked():
    scores = np.full((4, 6), 0.5)
    scores[0, 0] = NAN
    return Asked.of(scores, scores, list("aabbcc"))


def _interval(found):
    return [found.estimate, found.low, found.high], found.note


def _tested(found):
    values, reason = _interval(found.difference)
    return [*values, found.p_value], reason


def _ood(found):
    return [found.all, found.tail, found.delta], found.reason


def functions() -> dict:
    """The public functions of the room, by module and name."""
    modules = [import_module(f"promvil_hf.metrics.{module_info.name}") for module_info in iter_modules(metrics.__path__)]
    return {
        f"{module.__name__.rpartition('.')[2]}.{name}": function
        for module in modules
        for name, function in inspect.getmembers(module, lambda member: inspect.isfunction(inspect.unwrap(member)))
        if function.__module__ == module.__name__ and not name.startswith("_")
    }


def test_every_function_of_the_room_is_asked():
    assert functions().keys() == {*GIVE_NAN, *REFUSE, *COUNT_AS_WRONG, *OF_FINITE_SUMS, *OF_TEXTS}


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("name", GIVE_NAN)
def test_nan_gives_nan_with_a_reason(name):
    values, reason = GIVE_NAN[name](functions()[name])
    assert np.isnan(values).all()
    assert reason is None or "NaN" in reason


@pytest.mark.parametrize("name", REFUSE)
def test_nan_is_refused_with_a_sentence(name):
    with pytest.raises(ValueError, match=r"\.$|\.\s"):
        REFUSE[name](functions()[name])


@pytest.mark.parametrize("name", COUNT_AS_WRONG)
def test_a_broken_box_of_an_answer_is_a_wrong_answer(name):
    assert np.all(COUNT_AS_WRONG[name](functions()[name]) == 0)


def test_one_nan_spoils_no_other_value():
    alone, family = functions()["significance.p_values"](np.array([NAN, 1.0, 2.0]), SHUFFLED)
    assert np.isfinite(alone[1:]).all() and np.isfinite(family[1:]).all()
    np.testing.assert_allclose(
        functions()["significance.benjamini_hochberg"](np.array([NAN, 0.01, 0.5])), [NAN, 0.02, 0.5]
    )


def test_a_column_that_the_statistic_does_not_read_counts_too():
    columns = np.array([[1.0, NAN], [2.0, 1.0]])
    found = functions()["intervals.bootstrap_interval"](columns, statistic=lambda sums: sums[..., 0])
    assert np.isnan([found.estimate, found.low, found.high]).all() and found.note == "1 of 2 rows are NaN or infinite"


def test_ranks_of_nan_are_none():
    ranked = metrics_of("rank_correlation").Ranked.of(np.array([1.0, NAN, 3.0]))
    other = metrics_of("rank_correlation").Ranked.of(UNIT)
    assert np.isnan([ranked.spearman(other), ranked.auroc(np.array([1, 0, 1])), [ranked.ceiling]]).all()
    with pytest.raises(ValueError, match="a mask with 1 NaN"):
        other.auroc(np.array([NAN, 0.0, 1.0]))


def metrics_of(name):
    return import_module(f"promvil_hf.metrics.{name}")
