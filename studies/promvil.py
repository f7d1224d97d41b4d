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
from studies.protocol import Arm, onset
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
    "vision_loss_weight": 0.0,
    "watched": None,
}
TRAININGS = {"base": None, "flat": {"evidence": False}, "chain": {}}  # models that several studies compare
INFERENCES = {"one-shot": "one_shot", "progressive": "progressive"}
PROMVIL = Method(fine_tune, TUNING, {"scenes": 4, "batch": 2}, WORLD, scenes=150, quick_scenes=3)
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
    by_seed: Mapping[int, Mapping],
    mode: str,
    level: int,
    keep: Callable[[Mapping, int], bool] = lambda found, row: True,
    same_scenes: bool = False,
) -> Sample:
    """Whether the first box is right (IoU 0.5), of the expressions of a level that `keep(found, row)` keeps."""
    kept = {}
    for seed, found in by_seed.items():
        rows = [row for row, row_level in enumerate(found["level"]) if row_level == level and keep(found, row)]
        kept[seed] = [found["iou"][mode][row] >= 0.5 for row in rows], [found["scene"][row] for row in rows]
    return Sample.of(kept, same_scenes)


def samples_of(
    terms: Terms, results: Results, models: Iterable[tuple], same_scenes: bool = False
) -> dict[tuple, Sample]:
    """(*model, inference, "level 1" ...) -> its sample, out of the results called (*model, seed)."""
    return {
        (*model, inference, f"level {level}"): accuracy(
            of_seeds(terms, results, *model), mode, level, same_scenes=same_scenes
        )
        for model in models
        for inference, mode in INFERENCES.items()
        for level in LEVELS
    }


def arm_of(by_seed: Mapping[int, Mapping], trials: int, threshold: float) -> Arm:
    """What the trainings of an arm did, for the protocol. Operations and texts are means over seeds."""
    found = list(by_seed.values())
    return Arm(
        updates=found[0]["updates"],
        flops=sum(training["flops"] for training in found) / len(found),
        texts=round(sum(training["texts_trained"] for training in found) / len(found)),
        trials=trials,
        onset={str(seed): onset(training["curve"], threshold) for seed, training in by_seed.items()},
    )


def shown_settings(terms: Terms, trainings: Results, **changes: Any) -> dict[str, Any]:
    """The settings that stand in result.json; `trainings` are results of `fine_tune` by name, `changes` are theirs."""
    return {
        **PROMVIL.shown_settings(terms, trainings, changes),
        "texts_trained": {name: found["texts_trained"] for name, found in trainings.items()},
        "last_loss": {name: found["losses"][-1] for name, found in trainings.items()},
    }


def so_far(kept: Mapping[str, Mapping]) -> list[str]:
    """A table of the measurements that are kept (see `studies.kept_cells`), and the curves of the trainings."""
    columns = [(inference, mode, level) for inference, mode in INFERENCES.items() for level in LEVELS]
    lines = [
        "| measured | " + " | ".join(f"{inference}, level {level}" for inference, _, level in columns) + " |",
        "|---|" + "---|" * len(columns),
    ]
    for name, left in kept.items():
        if "iou" in left["result"]:
            means = [accuracy({0: left["result"]}, mode, level).means()["0"] for _, mode, level in columns]
            lines.append(f"| {name} | {' | '.join(f'{mean:.3f}' for mean in means)} |")
    lines += ["\n| trained | updates | texts | accuracy on the way, by update |\n|---|---|---|---|"]
    for name, left in kept.items():
        if "curve" in left["result"]:
            found = left["result"]
            way = ", ".join(f"{update}: {score:.2f}" for update, score in found["curve"])
            lines.append(f"| {name} | {found['updates']:,} | {found['texts_trained']:,} | {way} |")
    return lines


def by_level(result: Result, settings: Mapping[str, Mapping[str, str]], levels: Sequence[int] = LEVELS) -> list[Series]:
    """A curve over levels for each setting, by the name it shall have."""
    measures = [f"level {level}" for level in levels]
    return [
        curve(name, {measure: result.score(measure, **setting) for measure in measures}) for name, setting in settings.items()
    ]
