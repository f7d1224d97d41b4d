# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Stages that teach a model to see: what a projector learns from, what a question can know, and what is measured."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.nn import functional as F
from transformers import AutoModelForImageTextToText

from promvil_hf import masks
from promvil_hf.backends.kept_features import kept_features
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.boxes import Box
from promvil_hf.commands import train_seeing
from promvil_hf.fivl.photograph_questions import Choosing
from promvil_hf.fivl.photographs import Photograph, Thing
from promvil_hf.key_expressions import KeyExpression
from promvil_hf.toy.models import tiny_llava
from promvil_hf.training.losses import UNLABELLED
from promvil_hf.training.seeing import stages
from promvil_hf.training.seeing.album import Album
from promvil_hf.training.seeing.align import Aligning, Names, aligned, distilled, folds_of, load_projector, projected
from promvil_hf.training.seeing.measure import Pair, balanced_pairs, in_rows, sight
from promvil_hf.training.seeing.questions import PlaceQuestions, PlaceTrainer, margins, places_given
from promvil_hf.training.seeing.reading import NameNoise, NameRows, PhotographRows, presence_turn
from promvil_hf.training.vision_labels import LabelRules


WORDS = ("dog", "car", "cup", "cat")
QUICK = Aligning(steps=60, batch=24, dropout=0.0, learning_rate=5e-3, sharpness=5.0)


@pytest.fixture(scope="module")
def backend():
    sentences = [f"{presence_turn(word, True)['question']} yes no" for word in WORDS]
    tiny = tiny_llava(sentences=sentences, width=32, layers=2, image_size=28, patch_size=7)
    return PatchTokenBackend(tiny.model.eval(), tiny.processor)


@pytest.fixture(scope="module")
def names(backend):
    return Names.of(backend.model, backend.processor.tokenizer, WORDS)


def seen_things(count, channels=12, places=6, seed=0):
    """Features in which one place shows each thing that is there."""
    generator = torch.Generator().manual_seed(seed)
    looks = torch.eye(len(WORDS), channels) * 4
    present = torch.rand(count, len(WORDS), generator=generator) < 0.4
    features = torch.randn(count, places, channels, generator=generator) * 0.2 + 1.0
    for number, there in enumerate(present):
        for name in there.nonzero()[:, 0].tolist():
            features[number, name] += looks[name]
    return features, present


def right_pairs(scores, present):
    """How often a picture with the thing scores higher than one without it."""
    return np.mean([(s[p][:, None] > s[~p][None]).float().mean() for s, p in zip(scores.T, present.T)])


def test_a_projector_learns_names_without_being_told_where_things_are(names):
    features, present = seen_things(60)
    projector = aligned(features, present, names, replace(QUICK, steps=150))
    other, there = seen_things(60, seed=1)
    places = projected(other, projector)
    cosines = names.cosines(places)
    assert right_pairs(cosines.amax(1), there) > 0.95
    shown = cosines[:, : len(WORDS)].diagonal(dim1=1, dim2=2)  # the place of each thing
    assert (cosines.argmax(1)[there] == torch.arange(len(WORDS)).expand_as(there)[there]).float().mean() > 0.9
    assert shown[there].mean() > shown[~there].mean() + 0.2
    assert (places - names.centre).norm(dim=-1).mean().item() == pytest.approx(names.length, rel=0.2)  # as long as names are


def test_a_name_that_is_never_there_teaches_nothing(names):
    features, present = seen_things(40)
    without = present.clone()
    without[:, 3] = False
    always = present.clone()
    always[:, 3] = True
    first, second = (aligned(features, labels, names, QUICK) for labels in (without, always))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_distilled_projector_says_what_the_classifier_says(names):
    features, present = seen_things(60)
    classifier = {"weight": F.normalize(torch.eye(len(WORDS), 12)) * 4, "bias": torch.full((len(WORDS),), -4.0)}
    places = projected(features, distilled(features, classifier, names, QUICK))
    assert right_pairs(names.cosines(places).amax(1), present) > 0.9


def test_the_model_projects_as_the_stages_do(backend, names):
    features = torch.randn(2, 16, 32)
    how = replace(QUICK, steps=1)
    projector = aligned(features, torch.rand(2, len(WORDS)) > 0.5, names, how)
    tiny = tiny_llava(sentences=["a dog"], width=32, layers=1, image_size=28, patch_size=7).model
    load_projector(tiny, projector)
    assert torch.allclose(tiny.model.multi_modal_projector(features), projected(features, projector), atol=1e-5)
    with pytest.raises(ValueError, match="not two linear layers"):
        load_projector(SimpleNamespace(model=SimpleNamespace(), config=SimpleNamespace(model_type="x")), projector)


def row(places, asked, **more):
    return {"places": places, "turns": [presence_turn(name, True) for name in asked], **more}


def test_a_question_sees_neither_other_questions_nor_their_answers(backend):
    places = torch.randn(1, 16, 32)
    collator = PlaceQuestions(backend)
    together = margins(backend.model, collator, [row(places[0], WORDS)])[0]
    alone = [margins(backend.model, collator, [row(places[0], [word])])[0][0] for word in WORDS]
    assert together == pytest.approx(alone, abs=1e-4)
    batch = margins(backend.model, collator, [row(torch.randn(16, 32), WORDS[:2]), row(places[0], WORDS)])
    assert batch[1] == pytest.approx(together, abs=1e-4) and len({round(margin, 4) for margin in together}) > 1


def test_given_places_are_what_the_model_sees_in_its_picture(backend, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (28, 28, 3), np.uint8)).save(tmp_path / "a.png")
    kept = kept_features(backend.model, backend.processor, {"a": tmp_path / "a.png"}, tmp_path / "kept", shown=False).of(["a"])
    collator = PlaceQuestions(backend)
    whole = margins(backend.model, collator, [row(kept[0], WORDS)], projected=False)
    places = backend.model.model.multi_modal_projector(kept)
    assert margins(backend.model, collator, [row(places[0].detach(), WORDS)])[0] == pytest.approx(whole[0], abs=1e-4)

    content = [{"type": "image"}, {"type": "text", "text": presence_turn("dog", True)["question"]}]
    text = backend.chat([{"role": "user", "content": content}], add_generation_prompt=True)
    inputs = backend.processor(images=[Image.open(tmp_path / "a.png")], text=[text], return_tensors="pt")
    with torch.no_grad():
        logits = backend.model(**inputs).logits[0, -1]
    tokenizer = backend.processor.tokenizer
    answer = [tokenizer(f" {word}", add_special_tokens=False)["input_ids"][-1] for word in ("yes", "no")]
    assert (logits[answer[0]] - logits[answer[1]]).item() == pytest.approx(whole[0][0], abs=1e-3)


def test_a_model_is_as_before_behind_the_block(backend):
    before = backend.model.model.vision_tower, backend.model.model.multi_modal_projector
    with pytest.raises(RuntimeError), places_given(backend.model, True):
        raise RuntimeError
    assert (backend.model.model.vision_tower, backend.model.model.multi_modal_projector) == before


def test_patches_are_labelled_once_whatever_is_asked(backend):
    mask = masks.from_boxes([Box(0, 0, 0.5, 0.5)], (28, 28))
    key = KeyExpression("dog", 0, (), mask).to_dict()
    collator = PlaceQuestions(backend, label_rules=LabelRules())
    batch = collator([row(torch.randn(16, 32), WORDS, image_size=(28, 28), key_expressions=[key], row_id="a")])
    assert len(batch["patch_token"]) == 4 and len(set(batch["patch_token"].tolist())) == 1
    assert (batch["input_ids"][0, batch["patch_place"]] == backend.model.config.image_token_id).all()
    assert UNLABELLED not in batch["patch_token"]


def test_rows_of_names_are_true_and_the_same_each_time(names):
    apart = Names(WORDS, torch.eye(len(WORDS), 32), names.centre, 1.0)
    clear = NameNoise(most=2, spread=0.2, strength=(0.6, 0.7), others=1, other_strength=(0.0, 0.1))
    for made in NameRows(apart, 16, 30, questions=4, noise=clear, seed=3):
        strongest = apart.cosines(made["places"]).amax(0)
        for turn in made["turns"]:
            [name] = [number for number, word in enumerate(WORDS) if word in turn["question"]]
            assert (strongest[name] > 0.55) == (turn["answer"] == "yes"), strongest
    rows = NameRows(names, 16, 30, questions=4, seed=3)
    answers = [turn["answer"] for made in rows for turn in made["turns"]]
    assert 0.3 < answers.count("yes") / len(answers) < 0.6
    again = NameRows(names, 16, 30, questions=4, seed=3)
    assert torch.equal(rows[7]["places"], again[7]["places"]) and rows[7]["turns"] == again[7]["turns"]


def photographs(count):
    """Every choice of the things is in one of sixteen of them."""
    things = [Thing(name, None, None, False) for name in WORDS]
    found = [tuple(thing for k, thing in enumerate(things) if (number >> k) % 2) for number in range(count)]
    return [Photograph(str(number), f"{number}.png", (28, 28), there) for number, there in enumerate(found)]


def test_three_quarters_of_the_rows_are_photographs_with_true_answers(names):
    pictures = photographs(16)
    places = torch.arange(16.0)[:, None, None].expand(16, 16, names.directions.shape[1])
    rows = PhotographRows(WORDS, pictures, places, NameRows(names, 16, 1), 40, Choosing())
    of_photographs = [made for made in rows if made["places"].std() == 0]
    assert len(rows) == 40 and len(of_photographs) == 30
    for made in of_photographs:
        there = pictures[int(made["places"][0, 0])].names
        for turn in made["turns"]:
            [name] = [word for word in WORDS if word in turn["question"]]
            assert (name in there) == (turn["answer"] == "yes")


def test_rows_of_photographs_bring_the_masks_of_what_is_asked_about_and_is_there(names):
    pictures = photographs(16)
    mask = masks.from_boxes([Box(0, 0, 0.5, 0.5)], (28, 28))
    keys = {(each.image_id, name): KeyExpression(name, 0, (), mask) for each in pictures for name in each.names - {"cat"}}
    places = torch.zeros(16, 16, names.directions.shape[1])
    rows = PhotographRows(WORDS, pictures, places, NameRows(names, 16, 1), 12, Choosing(presence="prior"), 1.0, keys)
    for made in rows:
        there = [(turn, made["turns"][turn["turn"]]) for turn in made["key_expressions"]]
        assert all(key["text"] in asked["question"] and asked["answer"] == "yes" for key, asked in there)
        with_mask = [asked for asked in made["turns"] if asked["answer"] == "yes" and "cat" not in asked["question"]]
        assert len(there) == len(with_mask) and made["image_size"] == (28, 28)


def test_places_for_reading_come_from_a_projector_that_never_saw_the_photograph(backend, names, tmp_path):
    features, present = seen_things(12, channels=8)
    how = stages.Seeing(align=replace(QUICK, steps=4), folds=3)

    def album(labels):
        things = [[Thing(word, None, None, False) for word, there in zip(WORDS, row) if there] for row in labels]
        return Album(WORDS, [Photograph(str(n), "", (1, 1), tuple(found)) for n, found in enumerate(things)], features)

    changed = present.clone()
    changed[5] = ~changed[5]
    first = stages.align_stage(backend, album(present), names, tmp_path / "a", how, {"a": 1})
    second = stages.align_stage(backend, album(changed), names, tmp_path / "b", how, {"b": 1})
    fold = folds_of(12, 3, 0)
    same = [torch.equal(one, other) for one, other in zip(first[1], second[1])]
    assert same == (fold == fold[5]).tolist()  # only its own part did not learn from its label
    assert not torch.equal(first[0]["linear_1.weight"], second[0]["linear_1.weight"])


def test_who_does_not_look_is_at_chance_and_who_looks_is_not():
    pairs = balanced_pairs(WORDS, photographs(16))
    assert len(pairs) == 32 and all(pair.with_it != pair.without_it for pair in pairs)
    blind = sight(pairs, np.ones(32), np.ones(32), 16)
    assert (blind.accuracy.estimate, blind.accuracy.low, blind.pairs.estimate, blind.yes) == (0.5, 0.5, 0.5, 1.0) or (
        blind.accuracy.estimate == 0.5 and blind.pairs.estimate == 0.5
    )
    looking = sight(pairs, np.ones(32), -np.ones(32), 16)
    assert looking.accuracy.estimate == looking.accuracy.low == looking.pairs.high == 1.0
    half = sight(pairs, np.where(np.arange(32) % 2, 1.0, -1.0), -np.ones(32), 16)
    assert half.accuracy.low < half.accuracy.estimate == 0.75 < half.accuracy.high
    asked = in_rows([Pair("dog", 0, 1), Pair("car", 0, 2), Pair("cup", 1, 0)], 2)
    assert asked == [(0, ["dog", "car"]), (0, ["cup"]), (1, ["dog", "cup"]), (2, ["car"])]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, backend):
    """A checkpoint, and files about eight photographs to learn from and four others."""
    folder = tmp_path_factory.mktemp("drawn")
    backend.model.save_pretrained(folder / "base")
    backend.processor.save_pretrained(folder / "base")
    rng = np.random.default_rng(0)
    categories = [{"id": number, "name": name} for number, name in enumerate(WORDS)]
    for part, numbers in (("train", range(8)), ("test", range(8, 12))):
        images, annotations = [], []
        for number in numbers:
            Image.fromarray(rng.integers(0, 255, (28, 28, 3), np.uint8)).save(folder / f"{number}.png")
            images.append({"id": number, "file_name": f"{number}.png", "width": 28, "height": 28})
            there = [k for k in range(len(WORDS)) if (number >> k) % 2]
            annotations += [{"image_id": number, "category_id": k, "bbox": [0, 0, 9, 9]} for k in there]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / f"{part}.json").write_text(json.dumps(content))
    return folder


TINY = stages.Seeing(align=replace(QUICK, steps=2), folds=2, name_rows=4, rows=8, batch=2, lora_r=2, checkpoints=1)


def seen(drawn, out, how=TINY):
    return stages.see(str(drawn / "base"), [drawn / "train.json"], [drawn / "test.json"], drawn, out, how, lambda line: None)


def test_all_stages_end_in_a_checkpoint_and_a_table_and_a_kill_changes_nothing(drawn, tmp_path, monkeypatch):
    whole = seen(drawn, tmp_path / "whole")
    assert whole["photographs"] == 4 and {"its photograph", "a tower of random weights"} <= whole["rows"].keys()
    assert whole["rows"]["no photograph"]["pairs"]["estimate"] == 0.5
    steps, step = iter(range(100)), PlaceTrainer.training_step

    def dies(*args, **kwargs):
        if next(steps) == 4:  # in the third stage
            raise KeyboardInterrupt
        return step(*args, **kwargs)

    monkeypatch.setattr(PlaceTrainer, "training_step", dies)
    with pytest.raises(KeyboardInterrupt):
        seen(drawn, tmp_path / "killed")
    assert seen(drawn, tmp_path / "killed") == whole
    assert next(steps) == 4 + 1 + 2  # what was done before was not done again
    first, second = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "killed"))
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    before = load_file(drawn / "base" / "model.safetensors")
    projector = next(name for name in before if name.endswith("projector.linear_1.weight"))
    assert not torch.equal(before[projector], first[projector])
    assert AutoModelForImageTextToText.from_pretrained(tmp_path / "whole" / "model").config.model_type == "llava"
    monkeypatch.setattr(stages, "load", None)  # a finished run loads nothing
    assert seen(drawn, tmp_path / "whole") == whole


def test_a_photograph_on_both_sides_is_refused(drawn, tmp_path):
    with pytest.raises(ValueError, match="8 photographs are both in --train and in --test"):
        stages.see(str(drawn / "base"), [drawn / "train.json"], [drawn / "train.json"], drawn, tmp_path, TINY)


def test_the_recipe_passes_its_options_on(drawn, tmp_path, monkeypatch, capsys):
    called = {}

    def noted(*where, how):
        called.update(where=where, how=how)
        return {"questions": 2, "photographs": 1, "rows": {}}

    monkeypatch.setattr(train_seeing, "see", lambda *words: noted(*words[:-1], how=words[-1]))
    files = ["--train", "a.json", "--test", "b.json", "--images", "photographs", "--output_dir", str(tmp_path)]
    train_seeing.train([*files, *"--align_steps 7 --reading_rows 9 --name_rows 3 --presence prior --seed 2".split()])
    assert called["where"] == ("real:smol", ["a.json"], ["b.json"], "photographs", str(tmp_path))
    expected = {"align": Aligning(steps=7), "rows": 9, "name_rows": 3, "presence": "prior", "seed": 2}
    assert called["how"] == replace(stages.Seeing(), **expected)
    with pytest.raises(ValueError, match="a classifier needs both"):
        train_seeing.train([*files, "--classifier", "x"])
    with pytest.raises(ValueError, match="Pass --train, --test and --images"):
        train_seeing.train([])
