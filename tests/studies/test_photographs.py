# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The study of photographs: its arms differ in what they are for, and its cells run on a tiny model and drawn pictures."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from promvil_hf import masks
from promvil_hf.boxes import Box
from promvil_hf.toy.models import tiny_llava
from studies.cells import Given, run
from studies.photograph_masks import study as of_masks
from studies.photographs import looking, method, study, work
from studies.terms import Terms


WORDS = ("dog", "car", "cup", "cat")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    sentences = [f"Is there a {word} in the image? yes no" for word in WORDS]
    tiny = tiny_llava(sentences=sentences, width=32, layers=1, image_size=28, patch_size=7)
    tiny.model.save_pretrained(folder)
    tiny.processor.save_pretrained(folder)
    return folder


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    """Photographs with a square for each thing, a classifier of the tower, and masks of a detector."""
    folder = tmp_path / "photographs"
    (folder / "images").mkdir(parents=True)
    draw, made = np.random.default_rng(0), []
    for part, numbers in (("train", range(12)), ("val", range(12, 24))):
        images, annotations = [], []
        for number in numbers:
            Image.fromarray(draw.integers(0, 255, (28, 28, 3), np.uint8)).save(folder / "images" / f"{number}.png")
            images.append({"id": number, "file_name": f"{number}.png", "width": 28, "height": 28})
            for k, name in enumerate(WORDS):
                if (number >> k) % 2:
                    square = {"bbox": [7 * k, 0, 7, 7], "segmentation": [[7 * k, 0, 7 * k + 7, 0, 7 * k + 7, 7, 7 * k, 7]]}
                    annotations.append({"image_id": number, "category_id": k, "iscrowd": 0, **square})
                    mask = masks.from_boxes([Box(0, 0.5, 0.5, 1)], (28, 28)).to_dict()
                    made.append({"image": f"{number}.png", "text": name, "mask": mask})
        categories = [{"id": k, "name": name} for k, name in enumerate(WORDS)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / f"instances_{part}.json").write_text(json.dumps(content))
    (tmp_path / "classifier").mkdir()
    weights = {"weight": torch.randn(6, 32), "bias": torch.zeros(6)}
    save_file(weights, tmp_path / "classifier" / "classifier.safetensors")
    (tmp_path / "classifier" / "classifier_names.txt").write_text("\n".join([*WORDS, "bird", "tree"]) + "\n")
    (tmp_path / "made.jsonl").write_text("\n".join(map(json.dumps, made)))
    for name, place in (("PHOTOGRAPHS", "photographs"), ("CLASSIFIER", "classifier"), ("MADE_MASKS", "made.jsonl")):
        monkeypatch.setenv(f"PROMVIL_{name}", str(tmp_path / place))


@pytest.mark.parametrize("chosen", [study, of_masks])
def test_arms_differ_in_weight_and_masks_alone(chosen, base):
    cells = chosen.plan(Terms(Given(base), chosen.STUDY.seeds))
    assert chosen.STUDY.seeds == (0, 1, 2) and chosen.ARMS.keys() == chosen.DESIGN.arms.keys()
    plain = cells["tuned", study.CLAIM, 1]
    for arm, (weight, kind) in chosen.ARMS.items():
        cell = cells["tuned", arm, 1]
        changed = {name: value for name, value in cell.settings.items() if value != plain.settings[name] and name != "files"}
        wanted = {"vision_loss_weight": weight, "masks": kind}
        assert changed == {name: value for name, value in wanted.items() if value != plain.settings[name]}
        assert cell.needs["aligned"] is cells["aligned",] and cell.needs["read"] is cells["seeing",]
        assert cells[arm, 1].settings["seed"] == cell.settings["seed"]  # the prior that was trained is the one reversed


def test_both_studies_share_the_cells_of_true_masks(base):
    one, other = (chosen.plan(Terms(Given(base), (0,))) for chosen in (study, of_masks))
    assert one[study.CLAIM, 0].key == other[of_masks.TRUE, 0].key


def test_a_file_changes_the_cells_that_read_it_and_no_other(base, photographs, tmp_path):
    def keys():
        made = method.cells_of(Terms(Given(base), (0,), quick=True), {"true": (0.1, "true"), "made": (0.1, "made")})
        return {name: cell.key for name, cell in made.items()}

    before = keys()
    with open(tmp_path / "made.jsonl", "a") as file:
        file.write("\n")
    changed = {name for name, key in keys().items() if key != before[name]}
    assert changed == {("tuned", "made", 0), ("made", 0), ("words", "made", 0)}


def test_made_masks_are_those_of_the_file_for_what_is_there(base, photographs, tmp_path):
    album, _ = work.albums_of(work.backend_with(base), tmp_path / "features")
    true, made = (work.keys_of(album, kind) for kind in ("true", "made"))
    assert made.keys() == true.keys() and made
    left_half_of_the_bottom = masks.from_boxes([Box(0, 0.5, 0.5, 1)], (28, 28))
    assert all(key.mask == left_half_of_the_bottom for key in made.values())


def test_a_missing_folder_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMVIL_PHOTOGRAPHS", str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="nowhere: set PROMVIL_PHOTOGRAPHS"):
        work.place_of("PROMVIL_PHOTOGRAPHS")


@pytest.mark.parametrize("alignment", ["half of the names", "distilled"])
def test_both_alignments_give_each_photograph_its_places(alignment, base, photographs, tmp_path):
    features = tmp_path / "computed"
    assert work.computed_features(features, base, files={}) == {"photographs": [12, 12]}
    settings = {"alignment": alignment, "seed": 0, "steps": 2, "folds": 2, "files": {}}
    (tmp_path / "aligned").mkdir()
    assert work.aligned_projector(tmp_path / "aligned", base, features, **settings)["photographs"] == 12


def test_the_study_runs_from_pixels_to_its_table(base, photographs, tmp_path):
    terms = Terms(Given(base), (0, 1), quick=True)
    cells = study.plan(terms)
    left = run(cells.values(), tmp_path / "store", progress=False)
    results = {name: left[cell.key]["result"] for name, cell in cells.items()}
    for arm in study.ARMS:
        found, trained, said = results[arm, 0], results["tuned", arm, 0], results["words", arm, 0]
        assert set(found) == set(method.MEASURES)
        blind = found["balanced, blind"]["right"]
        assert len(blind) == len(found["balanced"]["right"]) == 2 * sum(blind)  # who does not look is right half of the time
        assert trained["updates"] == 2 and trained["flops"] > 1e6 and [update for update, _ in trained["curve"]] == [1, 2]
        assert len(said["iou"]) == len(said["parted"]) > 0 and all(shared <= both for shared, both in said["iou"])
    table = study.read(terms, results)
    assert {score.measure for score in table.scores} == {*method.MEASURES, *method.WORDS, *method.RELIANCE}
    assert table.conduct.arms.keys() == study.ARMS.keys()

    kinds = method.cells_of(Terms(Given(base), (0,), quick=True), {kind: (0.1, kind) for kind in ("made", "random")})
    trained = run([kinds["tuned", kind, 0] for kind in ("made", "random")], tmp_path / "store", progress=False)
    assert [left["result"]["updates"] for left in trained.values()] == [2, 2]


def test_what_is_hidden_is_the_thing_or_as_much_elsewhere(base, photographs, tmp_path):
    features = tmp_path / "computed"
    work.computed_features(features, base, files={})
    (tmp_path / "hidden").mkdir()
    asked = looking.hidden_features(tmp_path / "hidden", base, features, seed=0, photographs=6, files={})["asked"]
    assert asked and all(one["key boxes"] == one["random boxes"] == 1 / 16 for one in asked)
    seen = load_file(tmp_path / "hidden" / "hidden.safetensors")
    assert {kind: len(part) for kind, part in seen.items()} == dict.fromkeys(looking.HIDDEN, len(asked))
    assert not (seen["key boxes"] == seen["random boxes"]).all()


def test_likelihood_parts_places_by_the_share_of_pairs():
    assert looking.parted([2.0, 3.0], [1.0, 2.0]) == 0.875 and looking.parted([1.0], []) is None


def test_a_lost_answer_counts_against_what_was_right():
    rows = {"photograph": ["a", "b", "c"], "class": ["cup", "cup", "dog"], "margin": [1.0, 1.0, -1.0]}
    hidden = {"photograph": ["a", "b", "c"], "class": ["cup", "cup", "dog"], "key boxes": [-1.0, 1.0, -1.0]}
    hidden["random boxes"] = [-1.0, 1.0, -1.0]
    assert method._lost(rows, hidden, "original") == ([(1, 1), (0, 1), (0, 0)], ["a", "b", "c"])
    assert [lost for lost, _ in method._lost(rows, hidden, "random boxes")[0]] == [0, 0, 0]


def test_no_photograph_of_a_curve_is_scored(base, photographs, tmp_path):
    exam = work.albums_of(work.backend_with(base), tmp_path / "features")[1]
    chosen = work.watched(exam)
    assert 0 < sum(chosen) < len(chosen) and chosen == work.watched(exam)
