# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Whether a trained model looks where the thing is: what its image tokens say, and what is lost when the thing is hidden.

These cells read adapters that lie in the store; no training is done again for them. Of each photograph one thing is hidden, and
the question is whether it is there. Its boxes are filled with the mean colour; as a control, boxes of the same sizes elsewhere.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from studies.photographs.work import albums_of, asked_once, backend_with, kept_of, place_of


HIDDEN = ("key boxes", "random boxes")
LARGEST = 0.5  # share of a photograph that the boxes of the thing may take: else there is no room for others of their sizes


def hidden_features(folder: Path, base: Path, features: Path, *, seed: int, photographs: int, files: Mapping) -> dict:
    """What the tower gives of so many photographs in which one thing, or as much elsewhere, is hidden."""
    import torch
    from safetensors.torch import save_file

    from promvil_hf.backends.kept_features import kept_features
    from promvil_hf.files import write_json
    from promvil_hf.fivl.photograph_questions import Question, presence_question
    from promvil_hf.fivl.photograph_rows import row_of, true_keys
    from promvil_hf.fivl.twins import twins
    from promvil_hf.images import read_image
    from promvil_hf.key_expressions import Turn

    backend = backend_with(base)
    _, exam = albums_of(backend, features / "features")
    shown, images = folder / "pictures", place_of("PROMVIL_PHOTOGRAPHS") / "images"
    shown.mkdir(exist_ok=True)
    asked, pictures = [], {}
    for photograph in kept_of(exam):
        if len(asked) == photographs:
            break
        names = sorted(name for image_id, name in true_keys([photograph]) if image_id == photograph.image_id)
        Random(f"{seed} {photograph.image_id}").shuffle(names)
        picture = read_image(images / photograph.file_name)
        for name in names:
            question = Question(photograph.image_id, photograph, "presence", Turn(0, presence_question(name), "yes"), name)
            made = list(twins(row_of(question), picture, HIDDEN, "mean", seed))
            if made[0].covered <= LARGEST:
                break
        else:
            continue
        asked.append({"photograph": photograph.image_id, "class": name, **{twin.kind: round(twin.covered, 4) for twin in made}})
        for twin in made:
            path = shown / f"{photograph.image_id} {twin.kind}.png"
            twin.image.save(path)
            pictures[photograph.image_id, twin.kind] = path
    known = kept_features(backend.model, backend.processor, pictures, folder / "features")
    seen = {kind: known.of([(each["photograph"], kind) for each in asked]).float() for kind in HIDDEN}
    save_file({kind: torch.clone(part) for kind, part in seen.items()}, folder / "hidden.safetensors")
    for path in pictures.values():
        path.unlink()
    write_json(folder / "asked.json", {"asked": asked})
    return {"asked": asked}


def hidden_answers(
    folder: Path, base: Path, features: Path, aligned: Path, read: Path, hidden: Path, *, questions: int, files: Mapping
) -> dict:
    """For each of these questions how much more likely "yes" is than "no" where the thing is hidden, or as much elsewhere."""
    from safetensors.torch import load_file

    from promvil_hf.json_documents import json_document
    from promvil_hf.training.seeing.align import projected
    from promvil_hf.training.seeing.questions import PlaceQuestions

    asked = json_document(hidden / "asked.json").fields["asked"]
    backend = backend_with(base, read)
    projector, seen = load_file(aligned / "projector.safetensors"), load_file(hidden / "hidden.safetensors")
    pairs = [(each["photograph"], each["class"]) for each in asked]
    found: dict[str, list] = {"photograph": [image_id for image_id, _ in pairs], "class": [name for _, name in pairs]}
    for kind in HIDDEN:
        places = dict(zip(found["photograph"], projected(seen[kind], projector), strict=True))
        said = asked_once(backend.model, PlaceQuestions(backend), places, pairs, questions)
        found[kind] = [round(said[pair], 3) for pair in pairs]
    return found


def patch_words(
    folder: Path, base: Path, features: Path, aligned: Path, read: Path, *, photographs: int, batch: int, files: Mapping
) -> dict:
    """For each thing with a true mask in so many photographs: the IoU of the image tokens that say its word with those that it
    touches, and how well the word's likelihood parts tokens that are mostly on the thing from those off it (`parted`).
    """
    from safetensors.torch import load_file

    from promvil_hf import masks
    from promvil_hf.explain.vision_logits import first_tokens
    from promvil_hf.fivl.photograph_rows import true_keys
    from promvil_hf.training.seeing.align import projected
    from promvil_hf.training.seeing.questions import PlaceQuestions

    backend = backend_with(base, read)
    _, exam = albums_of(backend, features / "features")
    projector, kept = load_file(aligned / "projector.safetensors"), kept_of(exam)[:photographs]
    number_of = {photograph.image_id: number for number, photograph in enumerate(exam.photographs)}
    collator, tokenizer = PlaceQuestions(backend), backend.processor.tokenizer
    found: dict[str, list] = {"photograph": [], "class": [], "iou": [], "parted": []}
    for start in range(0, len(kept), batch):
        part = kept[start : start + batch]
        places = projected(exam.features[[number_of[each.image_id] for each in part]], projector)
        keys = true_keys(part)
        wanted = [
            (row, name, sorted(first_tokens(tokenizer, name)))
            for row, photograph in enumerate(part)
            for name in sorted(photograph.names)
            if (photograph.image_id, name) in keys
        ]
        boxes, said = _said(backend, collator, places, [each.size for each in part], wanted)
        for (row, name, _), (likely, hit) in zip(wanted, said, strict=True):
            photograph = part[row]
            coverage = masks.coverage(keys[photograph.image_id, name].mask, boxes[row])
            touched = coverage > 0
            found["photograph"].append(photograph.image_id)
            found["class"].append(name)
            found["iou"].append([int((hit & touched).sum()), int((hit | touched).sum())])
            found["parted"].append(parted(likely[coverage >= 0.5], likely[~touched]))
    return found


def parted(on: Sequence[float], off: Sequence[float]) -> float | None:
    """The share of pairs, one of each, in which the first is higher; by chance 0.5, and None without a pair."""
    import numpy as np

    if not len(on) or not len(off):
        return None
    above = np.asarray(on)[:, None] - np.asarray(off)
    return round(float((above > 0).mean() + (above == 0).mean() / 2), 4)


def _said(backend, collator, places, sizes, wanted) -> tuple[list, list[tuple]]:
    """The boxes of each row's image tokens; and for each wanted (row, name, first tokens of the name) how likely the likeliest of
    these is at each place, and whether one of them is the likeliest of the whole vocabulary."""
    import numpy as np
    import torch

    from promvil_hf.training.seeing.questions import places_given
    from promvil_hf.training.seeing.reading import presence_turn

    turns = [presence_turn("thing", True)]  # places stand before the question and do not see it
    rows = [{"places": each, "turns": turns, "image_size": size} for each, size in zip(places, sizes, strict=True)]
    made = collator(rows)
    with torch.no_grad(), places_given(backend.model.eval(), True):
        logits = backend.model(input_ids=made["input_ids"], pixel_values=made["pixel_values"], use_cache=False).logits
    said = [part[at].float().log_softmax(-1) for part, at in zip(logits, backend.image_positions(made), strict=True)]
    best = [part.argmax(-1).numpy() for part in said]
    found = [(said[row][:, tokens].amax(-1).numpy(), np.isin(best[row], tokens)) for row, _, tokens in wanted]
    return backend.token_boxes(made, sizes), found
