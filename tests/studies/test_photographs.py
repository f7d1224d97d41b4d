# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The study of photographs: its arms differ in what they are for, and its cells run on a tiny model and drawn pictures."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from promvil_hf import masks
from promvil_hf.boxes import Box
from promvil_hf.toy.models import tiny_llava
from studies.cells import Given, run
from studies.photographs import study, work
from studies.terms import Terms


WORDS = ("dog", "car", "cup", "cat")
TRIED = (f"{study.ALIGNMENTS[0]}: λ 0.3, random masks", f"{study.ALIGNMENTS[1]}: λ 0.1, made masks")


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


def test_arms_differ_in_alignment_weight_and_masks_alone(base):
    cells = study.plan(Terms(Given(base), study.STUDY.seeds))
    assert study.STUDY.seeds == (0, 1, 2) and len(study.ARMS) == 14 and study.ARMS.keys() == study.DESIGN.arms.keys()
    plain = cells["tuned", study.WITHOUT, 1]
    for arm, (alignment, weight, kind) in study.ARMS.items():
        cell = cells["tuned", arm, 1]
        changed = {name: value for name, value in cell.settings.items() if value != plain.settings[name]}
        wanted = {"vision_loss_weight": weight, "masks": kind}
        assert changed == {name: value for name, value in wanted.items() if value != plain.settings[name]}
        assert cell.needs["aligned"] is cells["aligned", alignment, 1] and cell.needs["read"] is cells["names", 1]
        assert cells[arm, 1].settings["seed"] == cell.settings["seed"]  # the prior that was trained is the one reversed


def test_a_missing_folder_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMVIL_PHOTOGRAPHS", str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="nowhere: set PROMVIL_PHOTOGRAPHS"):
        work.place_of("PROMVIL_PHOTOGRAPHS")


def test_cells_of_two_arms_run_from_pixels_to_answers(base, photographs, tmp_path):
    terms = Terms(Given(base), (0,), quick=True)
    cells = study.plan(terms)
    asked = [cells[arm, 0] for arm in TRIED]
    left = run(asked, tmp_path / "store", progress=False)
    trained = {arm: json.loads((cells["tuned", arm, 0].folder(tmp_path / "store") / "done.json").read_text()) for arm in TRIED}
    for arm, cell in zip(TRIED, asked, strict=True):
        found = left[cell.key]["result"]
        assert set(found) == set(study.MEASURES)
        assert {len(found[measure]["right"]) for measure in ("balanced", "balanced, blind")} == {len(found["balanced"]["group"])}
        blind = found["balanced, blind"]["right"]
        assert 2 * sum(blind) == len(blind)  # who does not look is right half of the time
        done = trained[arm]["result"]
        assert done["updates"] == 2 and done["flops"] > 1e6 and [update for update, _ in done["curve"]] == [1, 2]


def test_no_photograph_of_a_curve_is_scored(base, photographs, tmp_path):
    exam = work.albums_of(work._backend(base), tmp_path / "features")[1]
    chosen = work.watched(exam)
    assert 0 < sum(chosen) < len(chosen) and chosen == work.watched(exam)
