# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the studies of photographs share: cells of arms that differ in the vision loss alone, and what is read out of them.

An arm is (weight of the vision loss, kind of masks). All start from one model that sees (rule 6 of the protocol).
"""

from promvil_hf.pages.chart_file import Panel
from studies.cells import Cell
from studies.photographs.looking import HIDDEN, hidden_answers, hidden_features, patch_words
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
from studies.protocol import conduct
from studies.results import Sample, difference, outcome, scored
from studies.shared import curve, of_seeds
from studies.terms import Findings


OF_BASE = 9  # the seed of alignment, names and seeing; no score shows it
TRIALS = 1
THRESHOLD = 0.7  # of pairs of the photographs of the curves: does the one with the thing get the higher "yes"? By chance 0.5
ALIGNMENT = "half of the names"  # the other one that the work knows is "distilled"
SIZES = {"steps": 200, "folds": 3, "name_rows": 300, "seeing_rows": 96, "rows": 72, "probed": [8], "looked_at": 60}
QUICK = {"steps": 2, "folds": 2, "name_rows": 2, "seeing_rows": 2, "rows": 4, "probed": [1, 2], "looked_at": 6}
HOW = {"batch": 4, "questions": 8, "learning_rate": 1.5e-3, "lora_r": 16, "checkpoints": 10}
QUICK_HOW = {**HOW, "batch": 2, "lora_r": 2, "checkpoints": 1}
BATCH = 2  # rows an update of the arms: twice the updates for the same work
BALANCED, REVERSED, PAIRS = "balanced", "reversed", "pairs"
MEASURES = [*(f"{way}{blind}" for way in (BALANCED, REVERSED) for blind in ("", ", blind")), PAIRS]
SHOWN = (BALANCED, REVERSED, PAIRS)
YES, NO, DRAWN = "answer yes", "answer no", "classes drawn"  # the last: intervals draw classes in place of photographs
WORDS = {"patch IoU": "iou", "patches parted": "parted"}
RELIANCE = {"reliance": "original", "reliance beyond other regions": "random boxes"}


def cells_of(terms, arms, looked=()):
    """The cells of these arms; `looked` are those whose reliance is measured."""
    sizes, how = (QUICK, QUICK_HOW) if terms.quick else (SIZES, HOW)
    known, base = contents(), {"base": terms.base}

    def files(*more: str) -> dict:
        """What decides a cell beside its settings: the hashes of the files it reads, and of no other."""
        return {name: known[name] for name in ("train", "test", *more)}

    features = Cell(computed_features, {"files": files()}, base)
    looked_at = {"photographs": sizes["looked_at"], "files": files()}
    hidden = Cell(hidden_features, {"seed": OF_BASE, **looked_at}, {**base, "features": features})
    cells = {("features",): features, ("hidden features",): hidden}
    reading = {"seed": OF_BASE, "rows": sizes["name_rows"], "places": _places(terms), "how": how, "files": files()}
    read = cells["names",] = Cell(names_read, reading, base)
    settings = {"alignment": ALIGNMENT, "seed": OF_BASE, "steps": sizes["steps"], "folds": sizes["folds"], "files": files()}
    aligned = cells["aligned",] = Cell(aligned_projector, settings, {**base, "features": features})
    needs = {**base, "features": features, "aligned": aligned}
    settings = {"seed": OF_BASE, "rows": sizes["seeing_rows"], "names_share": 0.25, "presence": "balanced",
                "vision_loss_weight": 0.0, "masks": "true", "probed": [], "how": how, "files": files()}  # fmt: skip
    seeing = cells["seeing",] = Cell(tuned, settings, {**needs, "read": read})
    for seed in terms.seeds:
        for arm, (weight, masks) in arms.items():
            settings = {
                "seed": seed,
                "rows": sizes["rows"],
                "names_share": 0.0,
                "presence": "prior",
                "vision_loss_weight": weight,
                "masks": masks,
                "probed": sizes["probed"],
                "how": {**how, "batch": BATCH},
                "files": files(*["made_masks"] * (masks == "made")),
            }
            trained = cells["tuned", arm, seed] = Cell(tuned, settings, {**needs, "read": seeing})
            asked = {"seed": seed, "questions": how["questions"], "files": files()}
            of_arm = {**needs, "read": trained}
            cells[arm, seed] = Cell(measured, asked, of_arm)
            cells["words", arm, seed] = Cell(patch_words, {"batch": 2 * how["batch"], **looked_at}, of_arm)
            if arm in looked:
                settings = {"questions": how["questions"], "files": files()}
                cells["hidden", arm, seed] = Cell(hidden_answers, settings, {**of_arm, "hidden": hidden})
    return cells


def findings(terms, results, arms, design, compared, looked=()):
    """The scores of all arms; the differences `compared`, each (a, b, measure, classes); and how the protocol was kept."""
    samples = {(arm, *key): sample for arm in arms for key, sample in _samples(terms, results, arm, looked).items()}
    differences = [
        difference(f"{measure}{'' if classes == 'all' else f', {classes}'}: {a} less {b}", samples[a, classes, measure],
                   samples[b, classes, measure], {"arm": a}, {"arm": b})
        for a, b, measure, classes in compared
    ]  # fmt: skip
    did = {name: arm_of(of_seeds(terms, results, "tuned", name), TRIALS, THRESHOLD) for name in arms}
    a, b, sizes = design.outcome.a, design.outcome.b, QUICK if terms.quick else SIZES
    updates = {name: arm.updates for name, arm in did.items()}
    return Findings(
        scored({key: sample for key, sample in samples.items() if key[1] not in (YES, NO, DRAWN)}, "arm", "classes"),
        differences,
        {**sizes, "photographs": results["features",]["photographs"], "updates": updates},
        conduct(did, outcome(samples[a, "all", REVERSED], samples[b, "all", REVERSED]), design.outcome.margin, [OF_BASE]),
    )


def drawn(result, arms):
    shown = [curve(measure, {arm: result.score(measure, arm=arm, classes="all") for arm in arms}) for measure in SHOWN]
    return [Panel("questions about photographs", shown, y_label="share", y_range=(0, 1))]


def _samples(terms, results, arm, looked):
    """By classes and measure, what was answered rightly; a scene is a photograph."""
    found = {}
    answered = of_seeds(terms, results, arm)
    for measure in MEASURES:
        groups = ("all", ALIGNED, NEVER, DRAWN) + ((YES, NO) if measure in (BALANCED, REVERSED) else ())
        for classes in groups:
            by_seed = {seed: _chosen(left[measure], classes) for seed, left in answered.items()}
            found[classes, measure] = Sample.of(by_seed, same_scenes=True)
    said = of_seeds(terms, results, "words", arm)
    for measure, field in WORDS.items():
        rows = {seed: [number for number, value in enumerate(left[field]) if value is not None] for seed, left in said.items()}
        by_seed = {
            seed: ([left[field][row] for row in rows[seed]], [left["photograph"][row] for row in rows[seed]])
            for seed, left in said.items()
        }
        found["all", measure] = Sample.of(by_seed, same_scenes=True)
    if arm in looked:
        hidden = of_seeds(terms, results, "hidden", arm)
        for measure, less in RELIANCE.items():
            by_seed = {seed: _lost(answered[seed][BALANCED], hidden[seed], less) for seed in terms.seeds}
            found["all", measure] = Sample.of(by_seed, same_scenes=True)
    return found


def _chosen(rows, classes):
    """(what was right, what intervals draw) of the questions of these classes, or with this answer."""
    kept = range(len(rows["right"]))
    if classes in (YES, NO):
        kept = [row for row in kept if ((rows["margin"][row] > 0) == rows["right"][row]) == (classes == YES)]
    elif classes not in ("all", DRAWN):
        kept = [row for row in kept if rows["group"][row] == classes]
    return [rows["right"][row] for row in kept], [rows["class" if classes == DRAWN else "photograph"][row] for row in kept]


def _lost(rows, hidden, less):
    """The Visual Reliance Score as sums: right answers that are lost where the thing is hidden, of those to the whole photograph.

    With `less` "random boxes", what is lost beyond what hiding as much elsewhere costs.
    """
    pairs = list(zip(hidden["photograph"], hidden["class"], strict=True))
    whole = dict(zip(zip(rows["photograph"], rows["class"], strict=True), rows["margin"], strict=True))
    margins = {"original": whole} | {kind: dict(zip(pairs, hidden[kind], strict=True)) for kind in HIDDEN}
    asked = [pair for pair in pairs if pair in whole]
    right = {kind: [int(margin[pair] > 0) for pair in asked] for kind, margin in margins.items()}
    values = [
        (before - now, base) for before, now, base in zip(right[less], right[HIDDEN[0]], right["original"], strict=True)
    ]
    return values, [image_id for image_id, _ in asked]


def _places(terms) -> int:
    """Image tokens of a picture, from the base's configuration."""
    from promvil_hf.json_documents import json_document

    return json_document(terms.base.folder / "config.json").fields["image_seq_length"]
