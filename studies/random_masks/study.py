# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Exact masks against the same silhouettes put anywhere, with a small and a large weight of the vision loss."""

from promvil_hf.pages.chart_file import Panel
from studies.fivl import along, compared, samples_of, shown_settings
from studies.results import difference, score
from studies.shared import first_trainings
from studies.terms import Findings, Study


QUESTION = "Is it the masks that help, or would any patches of the same number do?"
WEIGHTS = (0.1, 0.5)
MASKS = {"exact": "perfect", "random": "random"}
NONE = ("none", 0.0)
MEASURES = ("short answers", "sentences: ROUGE-L", "patch IoU", "best head's rho")


def settings():
    """(masks, λ) -> changes of the reference."""
    masked = {
        (name, weight): {"masks": kind, "vision_loss_weight": weight}
        for weight in WEIGHTS
        for name, kind in MASKS.items()
    }
    return {NONE: {"vision_loss_weight": 0.0}, **masked}


def plan(terms):
    return compared(terms, settings(), ("answers", "speech", "places"))


def read(terms, results):
    samples = samples_of(terms, results, settings(), MEASURES)
    scores = [
        score(sample, measure, masks=masks, **{"λ": str(weight)}) for ((masks, weight), measure), sample in samples.items()
    ]
    pairs = [(("exact", weight), ("random", weight)) for weight in WEIGHTS]
    pairs += [(("random", weight), NONE) for weight in WEIGHTS]
    differences = [
        difference(
            f"{measure}: {a[0]}, λ {a[1]} less {b[0]}, λ {b[1]}", samples[a, measure], samples[b, measure],
            {"masks": a[0], "λ": str(a[1])}, {"masks": b[0], "λ": str(b[1])},
        )
        for measure in MEASURES
        for a, b in pairs
    ]  # fmt: skip
    trainings = first_trainings(terms, results, {f"{masks}, λ {weight}": ((masks, weight),) for masks, weight in settings()})
    return Findings(scores, differences, shown_settings(terms, trainings))


def draw(result):
    return [
        Panel(
            f"λ {weight}",
            [along(result, "masks", MASKS, measure, **{"λ": str(weight)}) for measure in MEASURES],
            x_label="masks", y_label="score",
        )
        for weight in WEIGHTS
    ]  # fmt: skip


STUDY = Study("random_masks", QUESTION, "llava", plan, read, draw)
