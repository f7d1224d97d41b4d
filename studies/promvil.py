# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""PromViL's studies: the cells they are made of, and what is read out of them.

`tuned` gives the cell of a LoRA adapter, `measured` that of its answers on held-out scenes, `astray` that of its answers when
somebody else fills in the evidence. Equal settings are equal cells, so the adapters of one study serve the others.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from promvil_hf.pages.charts import Series
from promvil_hf.toy.small_world import NEAR
from studies.cells import Cell
from studies.promvil_work import answers, answers_under_evidence, fine_tune
from studies.results import Result, Sample
from studies.shared import Method, Results, curve, of_seeds
from studies.terms import Terms


# Five or six objects, expressions of three levels. A fifth of the pairs of color and shape is left for `transfer` to ask for.
WORLD, PAIRS = NEAR, NEAR.held_out
LEVELS = (1, 2, 3)
PER_LEVEL = 4  # expressions of each level that are asked of a held-out scene; training takes one, and more scenes

# Found by trying on seed 9, whose scenes no study shows (see studies/README.md).
TUNING = {
    "scenes": 4800,
    "passes": 1,
    "batch": 8,
    "learning_rate": 0.01,  # of Muon
    "scope": "text",  # the tower sees already
    "rank": 64,
    "alpha": 64,
    "dropout": 0.0,
    "evidence": True,
    "supervise": "boxes",  # the base was never taught to repeat a phrase of several levels
    "curriculum": "none",
    "per_level": 1,
    "world": asdict(WORLD),
}
TRAININGS = {"base": None, "flat": {"evidence": False}, "chain": {}}  # models that several studies compare
INFERENCES = {"one-shot": "one_shot", "progressive": "progressive"}
PROMVIL = Method(fine_tune, TUNING, {"scenes": 16, "batch": 8}, WORLD, scenes=150, quick_scenes=3)
tuned = PROMVIL.tuned  # with `evidence=False` each phrase stands alone (flat)


def measured(
    terms: Terms, seed: int, adapter: Cell | None, modes: Sequence[str] = ("one_shot", "progressive"), **world: Any
) -> Cell:
    """The cell of an adapter's answers (None: the base's) on held-out scenes; `world` changes `WORLD`."""
    settings = {"per_level": PER_LEVEL, "modes": list(modes), "world": asdict(replace(WORLD, **world))}
    return PROMVIL.measured(answers, terms, seed, adapter, **settings)


def astray(terms: Terms, seed: int, adapter: Cell | None) -> Cell:
    """The cell of an adapter's answers under evidence that is right, predicted, or wrong in several ways."""
    return PROMVIL.measured(answers_under_evidence, terms, seed, adapter, per_level=PER_LEVEL)


# What is read out of them


def accuracy(
    by_seed: Mapping[int, Mapping], mode: str, level: int, keep: Callable[[Mapping, int], bool] = lambda found, row: True
) -> Sample:
    """Whether the first box is right (IoU 0.5), of the expressions of a level that `keep(found, row)` keeps."""
    kept = {}
    for seed, found in by_seed.items():
        rows = [row for row, row_level in enumerate(found["level"]) if row_level == level and keep(found, row)]
        kept[seed] = [found["iou"][mode][row] >= 0.5 for row in rows], [found["scene"][row] for row in rows]
    return Sample.of(kept)


def samples_of(terms: Terms, results: Results, models: Iterable[tuple]) -> dict[tuple, Sample]:
    """(*model, inference, "level 1" ...) -> its sample, out of the results called (*model, seed)."""
    return {
        (*model, inference, f"level {level}"): accuracy(of_seeds(terms, results, *model), mode, level)
        for model in models
        for inference, mode in INFERENCES.items()
        for level in LEVELS
    }


def shown_settings(terms: Terms, trainings: Results, **changes: Any) -> dict[str, Any]:
    """The settings that stand in result.json; `trainings` are results of `fine_tune` by name, `changes` are theirs."""
    return {
        **PROMVIL.shown_settings(terms, trainings, changes),
        "texts_trained": {name: found["texts_trained"] for name, found in trainings.items()},
        "last_loss": {name: found["losses"][-1] for name, found in trainings.items()},
    }


def by_level(result: Result, settings: Mapping[str, Mapping[str, str]], levels: Sequence[int] = LEVELS) -> list[Series]:
    """A curve over levels for each setting, by the name it shall have."""
    measures = [f"level {level}" for level in levels]
    return [
        curve(name, {measure: result.score(measure, **setting) for measure in measures}) for name, setting in settings.items()
    ]
