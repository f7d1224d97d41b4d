# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The work of the cells of the study of photographs. torch is loaded where the work begins.

Photographs with COCO's annotations lie in the folder that PROMVIL_PHOTOGRAPHS names (`../shared/data/coco_photos`), the tower's
classifier with the names of its outputs in that of PROMVIL_CLASSIFIER (where `promvil fetch real` puts them), masks by a detector
and a segmenter in the file of PROMVIL_MADE_MASKS, in the form that `promvil build fivl --masks` takes.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from promvil_hf.fetching.real_parts import CLASSIFIER, cache_folder
from promvil_hf.files import sha256_of


USUAL = {
    "PROMVIL_PHOTOGRAPHS": "../shared/data/coco_photos",
    "PROMVIL_CLASSIFIER": str(cache_folder() / CLASSIFIER),
    "PROMVIL_MADE_MASKS": "runs/made_masks.jsonl",
}
WATCHED = 14  # photographs of the curves, which no score shows
COUNTED = 3  # every so many updates the operations are counted: a training is short
ALIGNED, NEVER = "aligned", "never aligned"


def place_of(variable: str) -> Path:
    """What an environment variable names, or its usual place; refused where nothing is there."""
    place = Path(os.environ.get(variable, USUAL[variable]))
    if not place.exists():
        raise ValueError(f"There is no {place}: set {variable} to what `studies/photographs/README.md` says of it.")
    return place


def contents() -> dict[str, str]:
    """Hashes of the files that cells read; "absent" where there are none yet."""
    photographs, classifier = (Path(os.environ.get(name, USUAL[name])) for name in ("PROMVIL_PHOTOGRAPHS", "PROMVIL_CLASSIFIER"))
    files = {
        "train": photographs / "instances_train.json",
        "test": photographs / "instances_val.json",
        "classifier": classifier / "classifier.safetensors",
        "classifier_names": classifier / "classifier_names.txt",
        "made_masks": Path(os.environ.get("PROMVIL_MADE_MASKS", USUAL["PROMVIL_MADE_MASKS"])),
    }
    return {name: sha256_of(path) if path.is_file() else "absent" for name, path in files.items()}


def albums_of(backend, features: Path) -> list:
    """The photographs to learn from, and those to measure with."""
    from promvil_hf.training.seeing.album import read_album

    folder = place_of("PROMVIL_PHOTOGRAPHS")
    return [read_album([folder / f"instances_{part}.json"], folder / "images", backend, features) for part in ("train", "val")]


def computed_features(folder: Path, base: Path, *, files: Mapping) -> dict:
    """What the frozen tower gives of all photographs; every other cell reads it."""
    return {"photographs": [len(album.photographs) for album in albums_of(backend_with(base), folder / "features")]}


def aligned_projector(
    folder: Path, base: Path, features: Path, *, alignment: str, seed: int, steps: int, folds: int, files: Mapping
) -> dict:
    """A projector of all photographs, and places for reading by projectors that never saw the photograph."""
    import torch
    from safetensors.torch import save_file

    from promvil_hf.training.seeing.align import Aligning, Names
    from promvil_hf.training.seeing.stages import Seeing, align_stage

    backend = backend_with(base)
    album, _ = albums_of(backend, features / "features")
    how = Seeing(seed=seed, align=Aligning(steps=steps), folds=folds)
    if alignment == "half of the names":
        how = _changed(how, aligned_classes="half")
    else:
        classifier = place_of("PROMVIL_CLASSIFIER")
        where = {"classifier": "classifier.safetensors", "classifier_names": "classifier_names.txt"}
        how = _changed(how, **{name: str(classifier / file) for name, file in where.items()})
    names = Names.of(backend.model, backend.processor.tokenizer, album.classes)
    plan = {"alignment": alignment, "seed": seed, "steps": steps}
    whole, places = align_stage(backend, album, names, folder / "parts", how, plan)
    save_file({name: weight.contiguous() for name, weight in whole.items()}, folder / "projector.safetensors")
    save_file({"places": places}, folder / "places.safetensors")
    return {"photographs": len(places), "norm": round(float(torch.linalg.norm(places, dim=-1).mean()), 3)}


def names_read(folder: Path, base: Path, *, seed: int, rows: int, places: int, how: Mapping, files: Mapping) -> dict:
    """An adapter that reads names among noise; no photograph takes part, so all alignments share it."""
    from promvil_hf.fivl.photographs import read_photographs
    from promvil_hf.training.seeing.align import Names
    from promvil_hf.training.seeing.questions import PlaceQuestions
    from promvil_hf.training.seeing.reading import NameRows
    from promvil_hf.training.seeing.stages import Seeing, trained_on

    backend = backend_with(base)
    classes, _ = read_photographs([place_of("PROMVIL_PHOTOGRAPHS") / "instances_train.json"])
    names = Names.of(backend.model, backend.processor.tokenizer, classes)
    seeing = Seeing(seed=seed, **how)
    made = NameRows(names, places, rows, seeing.questions, seeing.noise, seed)
    collator = PlaceQuestions(backend)
    trainer = trained_on(made, backend.model, backend.processor, collator, folder, seeing, "constant_with_warmup")
    trainer.save_model()
    return {"updates": trainer.state.global_step}


def tuned(
    folder: Path,
    base: Path,
    features: Path,
    aligned: Path,
    read: Path,
    *,
    seed: int,
    rows: int,
    names_share: float,
    presence: str,
    vision_loss_weight: float,
    masks: str,
    probed: Sequence[int],
    how: Mapping,
    files: Mapping,
) -> dict:
    """The adapter after rows of photographs, with FiVL's loss on these masks or without.

    `presence` says how questions are chosen, `names_share` how many of the rows are names without a photograph; the curve has a
    point after each of the updates `probed`.
    """
    from peft import PeftModel
    from safetensors.torch import load_file

    from promvil_hf.fivl.mask_noise import MaskNoise, NoisyRows
    from promvil_hf.fivl.photograph_questions import Choosing
    from promvil_hf.training.seeing.align import Names, projected
    from promvil_hf.training.seeing.measure import balanced_pairs
    from promvil_hf.training.seeing.questions import PlaceQuestions
    from promvil_hf.training.seeing.reading import NameRows, PhotographRows
    from promvil_hf.training.seeing.stages import Seeing, trained_on
    from promvil_hf.training.seeing.table import asked
    from promvil_hf.training.vision_labels import LabelRules
    from studies.watching import Watch

    backend = backend_with(base)
    album, exam = albums_of(backend, features / "features")
    names = Names.of(backend.model, backend.processor.tokenizer, album.classes)
    places = load_file(aligned / "places.safetensors")["places"]
    seeing = Seeing(seed=seed, **how)
    keys = keys_of(album, masks) if vision_loss_weight else None
    noise = NameRows(names, places.shape[1], rows, seeing.questions, seeing.noise, seed)
    choosing = Choosing(("presence",), presence, seed)
    made = PhotographRows(album.classes, album.photographs, places, noise, rows, choosing, 1 - names_share, keys)
    if masks == "random":
        made = NoisyRows(made, MaskNoise("random", seed=seed))
    model = PeftModel.from_pretrained(backend.model, read, is_trainable=True)
    collator = PlaceQuestions(backend)
    shown = [place for place, is_watched in enumerate(watched(exam)) if is_watched]
    curve_of = [exam.photographs[place] for place in shown]
    seen = projected(exam.features[shown], load_file(aligned / "projector.safetensors"))
    pairs = balanced_pairs(exam.classes, curve_of)

    def probe() -> float:
        return asked(model, collator, pairs, seen, seeing.questions, len(curve_of))["pairs"]["estimate"]

    watch = Watch(folder, probed, probe, COUNTED)
    training = PlaceQuestions(backend, label_rules=LabelRules(seed=seed) if vision_loss_weight else None)
    more = {"vision_loss_weight": vision_loss_weight, "callbacks": [watch]}
    trainer = trained_on(made, model, backend.processor, training, folder, seeing, "linear", **more)
    trainer.save_model()
    texts = sum(len(made[number]["turns"]) for number in range(len(made)))
    return {
        "updates": trainer.state.global_step,
        "texts_trained": texts,
        "flops": watch.flops_of_an_update * trainer.state.global_step,
        "curve": sorted(watch.curve.items()),
    }


def keys_of(album, masks: str) -> Mapping:
    """Key expressions by photograph and class: with true masks, also where they are spoilt later, or as a detector made them."""
    from promvil_hf.fivl.photograph_rows import true_keys

    true = true_keys(album.photographs)
    if masks != "made":
        return true
    from promvil_hf.fivl.given_masks import given
    from promvil_hf.fivl.mask_making import ImagePhrases, Located
    from promvil_hf.key_expressions import KeyExpression

    images = place_of("PROMVIL_PHOTOGRAPHS") / "images"
    annotator, found = given(place_of("PROMVIL_MADE_MASKS"), images), {}
    for photograph in album.photographs:
        names = tuple(sorted(photograph.names))
        [located] = annotator([ImagePhrases(images / photograph.file_name, names)])
        for name, place in zip(names, located, strict=True):
            if isinstance(place, Located) and (photograph.image_id, name) in true:
                found[photograph.image_id, name] = KeyExpression(name, 0, place.boxes, place.mask)
    return found


def measured(
    folder: Path, base: Path, features: Path, aligned: Path, read: Path, *, seed: int, questions: int, files: Mapping
) -> dict:
    """For each question about photographs of no curve: its photograph, whether its class took part in an alignment by names, and
    whether it is answered rightly; of pairs, whether the photograph with the thing gets the higher "yes". `seed` is that of the
    training, whose prior is reversed.
    """
    from safetensors.torch import load_file

    from promvil_hf.fivl.photograph_questions import Choosing, Questions
    from promvil_hf.training.seeing.align import Names, projected
    from promvil_hf.training.seeing.measure import balanced_pairs
    from promvil_hf.training.seeing.questions import PlaceQuestions

    backend = backend_with(base, read)
    _, exam = albums_of(backend, features / "features")
    model, kept = backend.model.eval(), kept_of(exam)
    ways = {way: list(Questions(exam.classes, kept, Choosing(("presence",), way, seed))) for way in ("balanced", "reversed")}
    asked = sorted({(each.photograph.image_id, each.name) for way in ways.values() for each in way})
    seen = projected(exam.features, load_file(aligned / "projector.safetensors"))
    places = {photograph.image_id: place for photograph, place in zip(exam.photographs, seen, strict=True)}
    blind = Names.of(backend.model, backend.processor.tokenizer, exam.classes).centre.expand_as(seen[0])
    collator, taught = PlaceQuestions(backend), set(sorted(exam.classes)[::2])
    said = asked_once(model, collator, places, asked, questions)
    without = asked_once(model, collator, {"": blind}, [("", name) for name in sorted({name for _, name in asked})], questions)
    found = {}
    for way, wanted in ways.items():
        margins = {
            way: [said[each.photograph.image_id, each.name] for each in wanted],
            f"{way}, blind": [without["", each.name] for each in wanted],
        }
        for name, of_questions in margins.items():
            found[name] = {
                "photograph": [each.photograph.image_id for each in wanted],
                "class": [each.name for each in wanted],
                "group": [ALIGNED if each.name in taught else NEVER for each in wanted],
                "margin": [round(margin, 3) for margin in of_questions],
                "right": [(margin > 0) == (each.turn.answer == "yes") for each, margin in zip(wanted, of_questions, strict=True)],
            }
    pairs = balanced_pairs(exam.classes, kept, seed)
    there, away = ([kept[getattr(pair, side)].image_id for pair in pairs] for side in ("with_it", "without_it"))
    found["pairs"] = {
        "photograph": there,
        "class": [pair.name for pair in pairs],
        "group": [ALIGNED if pair.name in taught else NEVER for pair in pairs],
        "right": [said[one, pair.name] > said[other, pair.name] for pair, one, other in zip(pairs, there, away, strict=True)],
    }
    return found


def asked_once(model, collator, places: Mapping, asked: list[tuple[str, str]], questions: int) -> dict[tuple[str, str], float]:
    """By photograph and class how much more likely "yes" is than "no"; `places` are those of each photograph."""
    from promvil_hf.training.seeing.questions import margins
    from promvil_hf.training.seeing.reading import presence_turn

    of_photograph: dict[str, list[str]] = {}
    for image_id, name in asked:
        of_photograph.setdefault(image_id, []).append(name)
    parts = [
        (image_id, names[start : start + questions])
        for image_id, names in of_photograph.items()
        for start in range(0, len(names), questions)
    ]
    parts.sort(key=lambda part: len(part[1]))  # rows of one batch are as long as its longest
    rows = [{"places": places[image_id], "turns": [presence_turn(name, True) for name in names]} for image_id, names in parts]
    said = margins(model, collator, rows)
    return {
        (image_id, name): margin
        for (image_id, names), row in zip(parts, said, strict=True)
        for name, margin in zip(names, row, strict=True)
    }


def watched(exam) -> list[bool]:
    """Which photographs are those of the curves."""
    chosen = set(Random(9).sample(sorted(each.image_id for each in exam.photographs), min(WATCHED, len(exam.photographs) // 3)))
    return [photograph.image_id in chosen for photograph in exam.photographs]


def kept_of(exam) -> list:
    """The photographs that are measured: those of no curve."""
    return [photograph for photograph, is_watched in zip(exam.photographs, watched(exam), strict=True) if not is_watched]


def backend_with(base: Path, adapter: Path | None = None):
    """The backend of the base, or of an adapter on it."""
    from studies.shared import backend_of

    return backend_of(base, adapter)


def _changed(how, **changes):
    from dataclasses import replace

    return replace(how, **changes)
