# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Training masks that are exact, too large, moved, anywhere, or cut off; what is measured stays exact."""

from promvil_hf.pages.chart_file import Panel
from studies.fivl import accuracy, along, answers, head_score, patch_iou, places, told, tuned
from studies.results import difference, score
from studies.terms import Findings, Study


QUESTION = "How good must the masks of the training rows be?"
MASKS = {
    "none (λ 0)": {"vision_loss_weight": 0.0},
    "perfect": {},
    "dilated": {"masks": "dilated"},
    "shifted": {"masks": "shifted"},
    "incomplete": {"masks": "incomplete"},
    "random": {"masks": "random"},
}
MEASURES = ("short answers", "patch IoU", "best head's rho")


def plan(terms):
    cells = {}
    for seed in terms.seeds:
        for name, changes in MASKS.items():
            cells["tuned", name, seed] = trained = tuned(terms, seed, **changes)
            cells["answers", name, seed] = answers(terms, seed, trained)
            cells["places", name, seed] = places(terms, seed, trained)
    return cells


def read(terms, results):
    samples = {}
    for name in MASKS:
        said, placed = ({seed: results[kind, name, seed] for seed in terms.seeds} for kind in ("answers", "places"))
        found = (accuracy(said), patch_iou(placed), head_score(placed))
        samples |= {(name, measure): own for measure, own in zip(MEASURES, found, strict=True)}
    scores = [score(sample, measure, masks=name) for (name, measure), sample in samples.items()]
    differences = [
        difference(
            f"{measure}: {name} less perfect", samples[name, measure], samples["perfect", measure],
            {"masks": name}, {"masks": "perfect"},
        )
        for measure in MEASURES
        for name in MASKS if name != "perfect"
    ]  # fmt: skip
    return Findings(scores, differences, told(terms, {name: results["tuned", name, terms.seeds[0]] for name in MASKS}))


def draw(result):
    return [Panel("by training masks", [along(result, "masks", MASKS, own) for own in MEASURES], y_label="score")]


STUDY = Study("mask_noise", QUESTION, "llava", plan, read, draw)
