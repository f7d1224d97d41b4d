# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FiVL's studies: the cells they are made of, and what is read out of them.

`tuned` gives the cell of a fine-tuned model; `answers`, `speech`, `places`, `reliance` and `ablation` those of what a model (None
is the base) does on held-out scenes. Equal settings are equal cells, so the reference (λ 0.1, exact masks) is
trained once for all studies.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from promvil_hf.pages.charts import Series
from promvil_hf.toy.small_world import ASKED_ABOUT
from studies.cells import Cell
from studies.fivl_work import ablated, fine_tune, grounding, hidden, sentences, short_answers
from studies.results import Difference, Result, Sample, difference
from studies.shared import Method, Results, curve, of_seeds
from studies.terms import Terms


WORLD = ASKED_ABOUT

# Found by trying a few on seed 9, which no study shows (see studies/README.md).
TUNING = {
    "scenes": 1440,
    "passes": 1,
    "batch": 12,
    "tune": "full",  # as the published code: the language model and the projector; "lora" takes the three below
    "learning_rate": 0.02,  # of Muon
    "rank": 32,
    "alpha": 32,
    "dropout": 0.0,
    "vision_loss_weight": 0.1,
    "masks": "perfect",
    "task": "talk",
    "world": asdict(WORLD),
}
FIVL = Method(
    fine_tune, TUNING, {"scenes": 4, "batch": 2}, WORLD, scenes=100, quick_scenes=10  # a head atlas needs eight turns
)
tuned = FIVL.tuned


def answers(terms: Terms, seed: int, trained: Cell | None, pictures: str = "clean", **world: Any) -> Cell:
    """The cell of short answers; `pictures` are spoilt as `PICTURES` says, `world` changes `WORLD`."""
    world = asdict(replace(WORLD, **world))
    return FIVL.measured(short_answers, terms, seed, trained, pictures=pictures, world=world)


def speech(terms: Terms, seed: int, trained: Cell | None, task: str = "talk") -> Cell:
    """The cell of answers in sentences, or of captions."""
    return FIVL.measured(sentences, terms, seed, trained, task=task)


def places(terms: Terms, seed: int, trained: Cell | None, task: str = "talk") -> Cell:
    """The cell of what image tokens say, and of where heads look."""
    return FIVL.measured(grounding, terms, seed, trained, task=task)


def reliance(terms: Terms, seed: int, trained: Cell | None) -> Cell:
    """The cell of short answers to pictures with parts hidden."""
    return FIVL.measured(hidden, terms, seed, trained, per_scene=2 if terms.quick else 6)


def ablation(terms: Terms, seed: int, trained: Cell | None, counts: Sequence[int], draws: int) -> Cell:
    """The cell of short answers without some heads."""
    return FIVL.measured(ablated, terms, seed, trained, counts=list(counts), draws=draws)


def compared(
    terms: Terms, models: Mapping[Hashable, Mapping[str, Any] | None], kinds: Sequence[str], task: str = "talk"
) -> dict[Hashable, Cell]:
    """Cells of models and of their `kinds` of measurements, "answers", "speech" or "places", by (kind, model, seed)."""
    measures = {"answers": answers, "speech": partial(speech, task=task), "places": partial(places, task=task)}
    return FIVL.compared(terms, models, {(kind,): measures[kind] for kind in kinds})


# What is read out of them


def accuracy(by_seed: Mapping[int, Mapping]) -> Sample:
    """Of short answers, word for word."""
    return _sample(by_seed, lambda found: found["right"])


def sentence_score(by_seed: Mapping[int, Mapping], which: str) -> Sample:
    """`which` is "exact", "bleu", "rouge" or, of captions, "named"."""
    return _sample(by_seed, lambda found: found[which])


def patch_iou(by_seed: Mapping[int, Mapping]) -> Sample:
    """Each noun of a scene: the image tokens that say it against the exact mask of what it names."""
    return _sample(by_seed, lambda found: found["iou"], "iou_scene")


def head_score(by_seed: Mapping[int, Mapping]) -> Sample:
    """Spearman's rho of the best head, which was chosen on other scenes than it is scored on."""
    return _sample(by_seed, lambda found: found["rho"], "rho_scene")


def reliance_score(by_seed: Mapping[int, Mapping], hidden: str = "key boxes", beyond: str = "original") -> Sample:
    """Visual Reliance Score; with `beyond="random boxes"`, what hiding the key boxes costs beyond hiding other boxes."""
    return _sample(
        by_seed,
        lambda found: [
            (less - covered, whole)
            for less, covered, whole in zip(
                found["right"][beyond], found["right"][hidden], found["right"]["original"], strict=True
            )
        ],
    )


def _sample(by_seed: Mapping[int, Mapping], values: Callable[[Mapping], Sequence], scenes: str = "scene") -> Sample:
    return Sample.of({seed: (values(found), found[scenes]) for seed, found in by_seed.items()})


MEASURES: dict[str, tuple[str, Callable[[Mapping[int, Mapping]], Sample]]] = {  # of what kind of cell, read how
    "short answers": ("answers", accuracy),
    "things named: F1": ("speech", lambda found: sentence_score(found, "named")),
    "BLEU": ("speech", lambda found: sentence_score(found, "bleu")),
    "ROUGE-L": ("speech", lambda found: sentence_score(found, "rouge")),
    "patch IoU": ("places", patch_iou),
    "best head's rho": ("places", head_score),
}


def samples_of(
    terms: Terms, results: Results, models: Iterable[Hashable], measures: Iterable[str]
) -> dict[tuple[Hashable, str], Sample]:
    """(model, measure) -> its sample, out of the results of `compared`; "sentences: BLEU" is "BLEU" of talks."""
    found = {}
    for model in models:
        for measure in measures:
            kind, read = MEASURES[measure.removeprefix("sentences: ")]
            found[model, measure] = read(of_seeds(terms, results, kind, model))
    return found


def less_reference(
    samples: Mapping[tuple, Sample], setting: str, models: Iterable, reference: Hashable, measures: Iterable[str], label: str
) -> list[Difference]:
    """Each of the models less the reference, measure by measure; `label` words a value of the setting."""
    return [
        difference(
            f"{measure}: {label.format(model)} less {label.format(reference)}", samples[model, measure],
            samples[reference, measure], {setting: str(model)}, {setting: str(reference)},
        )
        for measure in measures
        for model in models
    ]  # fmt: skip


def shown_settings(terms: Terms, trainings: Results) -> dict[str, Any]:
    """The settings that stand in result.json; `trainings` are results of `fine_tune` by what they are called."""
    return {
        **FIVL.shown_settings(terms, trainings, {}),
        "last_lm_loss": {name: found["lm_losses"][-1] for name, found in trainings.items()},
        "last_vm_loss": {name: found["vm_losses"][-1] for name, found in trainings.items() if found["vm_losses"]},
    }


def along(
    result: Result, setting: str, values: Iterable[str | float], measure: str, name: str = "", **fixed: str
) -> Series:
    """A measure along the values of a setting, numbers or names."""
    scores = {value: result.score(measure, **{setting: str(value)}, **fixed) for value in values}
    return curve(name or measure, scores)
