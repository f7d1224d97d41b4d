# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FiVL's loss on photographs, on a model of real parts whose language has a prior, by alignment, weight and masks."""

from promvil_hf.pages.chart_file import Panel
from promvil_hf.pages.charts import Series
from studies.cells import Cell
from studies.photographs.work import (
    ALIGNED,
    NEVER,
    aligned_projector,
    computed_features,
    contents,
    measured,
    names_read,
    tuned,
)
from studies.promvil import arm_of
from studies.protocol import Design, Outcome, conduct
from studies.results import Sample, difference, outcome, scored
from studies.shared import of_seeds
from studies.terms import Findings, Study


QUESTION = (
    "On photographs, with a language prior that is wrong at test: does FiVL's loss make a model look, and do masks have to be "
    "right?"
)
SEARCHED_ON = 9  # the seed of the search; no score shows it
OF_BASE = 9  # the seed of alignment and reading: all trainings start from the same model (rule 6 of the protocol)
TRIALS = 1
THRESHOLD = 0.7  # of pairs of the photographs of the curves: does the one with the thing get the higher "yes"? By chance 0.5
NAMED, DISTILLED = "half of the names", "distilled"
ALIGNMENTS = (NAMED, DISTILLED)
LOSSES = {"no vision loss": (0.0, "true")} | {
    f"λ {weight}, {masks} masks": (weight, masks) for weight in (0.1, 0.3) for masks in ("true", "made", "random")
}
ARMS = {f"{alignment}: {loss}": (alignment, *LOSSES[loss]) for alignment in ALIGNMENTS for loss in LOSSES}
CLAIM, WITHOUT = (f"{NAMED}: {loss}" for loss in ("λ 0.1, true masks", "no vision loss"))
RIGHT = "reversed"
DESIGN = Design(
    {
        name: f"places by {alignment}; " + (f"the vision loss weighs {weight}, {masks} masks" if weight else "answers alone")
        for name, (alignment, weight, masks) in ARMS.items()
    },
    Outcome(CLAIM, WITHOUT, "accuracy of questions whose prior is reversed", margin=0.03),
    THRESHOLD,
    primary=False,
)
SIZES = {"steps": 200, "folds": 3, "name_rows": 120, "rows": 240, "every": 20}
QUICK = {"steps": 2, "folds": 2, "name_rows": 2, "rows": 4, "every": 1}
HOW = {"batch": 4, "questions": 8, "learning_rate": 1.5e-3, "lora_r": 16, "checkpoints": 10}
QUICK_HOW = {**HOW, "batch": 2, "lora_r": 2, "checkpoints": 1}
MEASURES = [*(f"{way}{blind}" for way in ("balanced", RIGHT) for blind in ("", ", blind")), "pairs"]


SHOWN = ("balanced", RIGHT, "pairs")


def plan(terms):
    sizes, how = (QUICK, QUICK_HOW) if terms.quick else (SIZES, HOW)
    known, base = contents(), {"base": terms.base}

    def files(*more: str) -> dict:
        """What decides a cell beside its settings: the hashes of the files it reads, and of no other."""
        return {name: known[name] for name in ("train", "test", *more)}

    features = Cell(computed_features, {"files": files()}, base)
    cells = {("features",): features}
    reading = {"seed": OF_BASE, "rows": sizes["name_rows"], "places": _places(terms), "how": how, "files": files()}
    read = cells["names",] = Cell(names_read, reading, base)
    for alignment in ALIGNMENTS:
        read_too = () if alignment == NAMED else ("classifier", "classifier_names")
        settings = {"alignment": alignment, "seed": OF_BASE, "steps": sizes["steps"], "folds": sizes["folds"],
                    "files": files(*read_too)}  # fmt: skip
        cells["aligned", alignment] = Cell(aligned_projector, settings, {**base, "features": features})
    for seed in terms.seeds:
        for arm, (alignment, weight, masks) in ARMS.items():
            needs = {**base, "features": features, "aligned": cells["aligned", alignment], "read": read}
            settings = {
                "seed": seed,
                "rows": sizes["rows"],
                "presence": "prior",
                "vision_loss_weight": weight,
                "masks": masks,
                "every": sizes["every"],
                "how": how,
                "files": files(*["made_masks"] * (masks == "made")),
            }
            cells["tuned", arm, seed] = Cell(tuned, settings, needs)
            asked = {"seed": seed, "questions": how["questions"], "files": files()}
            cells[arm, seed] = Cell(measured, asked, {**needs, "read": cells["tuned", arm, seed]})
    return cells


def read(terms, results):
    samples = {(arm, *key): sample for arm in ARMS for key, sample in _samples(terms, results, arm).items()}
    differences = [
        difference(f"{measure}: {arm} less no vision loss", samples[arm, "all", measure], samples[without, "all", measure],
                   {"arm": arm}, {"arm": without})
        for arm, (alignment, weight, _) in ARMS.items()
        if weight
        for without in (f"{alignment}: no vision loss",)
        for measure in SHOWN
    ]  # fmt: skip
    arms = {name: arm_of(of_seeds(terms, results, "tuned", name), TRIALS, THRESHOLD) for name in ARMS}
    found = outcome(samples[CLAIM, "all", RIGHT], samples[WITHOUT, "all", RIGHT])
    sizes = QUICK if terms.quick else SIZES
    return Findings(
        scored(samples, "arm", "classes"),
        differences,
        {**sizes, "updates": {name: arm.updates for name, arm in arms.items()}},
        conduct(arms, found, DESIGN.outcome.margin, [SEARCHED_ON]),
    )


def _samples(terms, results, arm):
    """By classes and measure, what was answered rightly; a scene is a photograph."""
    found = {}
    for classes in ("all", ALIGNED, NEVER):
        for measure in MEASURES:
            by_seed = {}
            for seed, left in of_seeds(terms, results, arm).items():
                rows = left[measure]
                kept = [number for number, group in enumerate(rows["group"]) if classes in ("all", group)]
                by_seed[seed] = ([rows["right"][number] for number in kept], [rows["photograph"][number] for number in kept])
            found[classes, measure] = Sample.of(by_seed, same_scenes=True)
    return found


def draw(result):
    weights = list(LOSSES)
    return [
        Panel(
            alignment,
            [
                Series(
                    measure,
                    weights,
                    *(
                        [getattr(result.score(measure, arm=f"{alignment}: {loss}", classes="all"), part) for loss in weights]
                        for part in ("estimate", "low", "high")
                    ),
                )
                for measure in SHOWN
            ],
            y_label="accuracy",
            y_range=(0, 1),
        )
        for alignment in ALIGNMENTS
    ]


def _places(terms) -> int:
    """Image tokens of a picture, from the base's configuration."""
    from promvil_hf.json_documents import json_document

    return json_document(terms.base.folder / "config.json").fields["image_seq_length"]


STUDY = Study("photographs", QUESTION, "real:smol", plan, read, draw, DESIGN)
