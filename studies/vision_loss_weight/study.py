# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Joint training with λ from 0 to 0.9: what is said, and how well it is tied to places."""

from promvil_hf.pages.chart_file import Panel
from studies.fivl import accuracy, along, answers, head_score, patch_iou, places, sentence_score, speech, told, tuned
from studies.results import difference, score
from studies.terms import Findings, Study


QUESTION = "How does the weight λ of the vision-modeling loss trade the quality of the text against grounding?"
WEIGHTS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
NONE = "base"
MEASURES = ("short answers", "sentences: BLEU", "sentences: ROUGE-L", "patch IoU", "best head's rho")


def plan(terms):
    cells = {}
    for seed in terms.seeds:
        for weight in (NONE, *WEIGHTS):
            trained = None if weight == NONE else tuned(terms, seed, vision_loss_weight=weight)
            cells["answers", weight, seed] = answers(terms, seed, trained)
            cells["speech", weight, seed] = speech(terms, seed, trained)
            cells["places", weight, seed] = places(terms, seed, trained)
            if trained is not None:
                cells["tuned", weight, seed] = trained
    return cells


def samples_of(terms, results, weight):
    """Of one λ, a sample for each of `MEASURES`."""
    said, spoken, placed = (
        {seed: results[kind, weight, seed] for seed in terms.seeds} for kind in ("answers", "speech", "places")
    )
    found = (
        accuracy(said), sentence_score(spoken, "bleu"), sentence_score(spoken, "rouge"), patch_iou(placed),
        head_score(placed),
    )  # fmt: skip
    return dict(zip(MEASURES, found, strict=True))


def read(terms, results):
    samples = {weight: samples_of(terms, results, weight) for weight in (NONE, *WEIGHTS)}
    scores = [
        score(sample, measure, **{"λ": str(weight)}) for weight, own in samples.items() for measure, sample in own.items()
    ]
    differences = [
        difference(
            f"{measure}: λ {weight} less λ 0.0", samples[weight][measure], samples[0.0][measure],
            {"λ": str(weight)}, {"λ": "0.0"},
        )
        for measure in MEASURES
        for weight in (0.1, 0.5, 0.9)
    ]  # fmt: skip
    trainings = {f"λ {weight}": results["tuned", weight, terms.seeds[0]] for weight in WEIGHTS}
    heads = {str(weight): [results["places", weight, seed]["head"] for seed in terms.seeds] for weight in samples}
    passing = {str(weight): [results["places", weight, seed]["passing"] for seed in terms.seeds] for weight in samples}
    more = {"best_heads": heads, "heads_that_pass_at_0.05": passing, "heads": results["places", 0.0, terms.seeds[0]]["heads"]}
    return Findings(scores, differences, {**told(terms, trainings), **more})


def draw(result):
    text, grounding = MEASURES[:3], MEASURES[3:]
    return [
        Panel("text", [along(result, "λ", WEIGHTS, own) for own in text], x_label="λ", y_label="score", y_range=(0, 1)),
        Panel("grounding", [along(result, "λ", WEIGHTS, own) for own in grounding], x_label="λ", y_label="score"),
    ]


STUDY = Study("vision_loss_weight", QUESTION, "llava", plan, read, draw)
