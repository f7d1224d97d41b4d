# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Scene graphs of GQA and in the plain form make the chains that Visual Genome's make; what cannot be used has a reason."""

import json
import pickle

import pytest

from promvil_hf.compovl.compose import compose
from promvil_hf.compovl.compovl_build import build
from promvil_hf.compovl.compovl_settings import CompoVLSettings
from promvil_hf.compovl.graph_files import GraphFiles
from promvil_hf.compovl.mixture import Mixing
from promvil_hf.job_terms import Terms


GQA = {
    "2407890": {
        "width": 640, "height": 480, "location": "kitchen",
        "objects": {
            "271881": {"name": "man", "x": 10, "y": 20, "w": 100, "h": 400, "attributes": ["tall"],
                       "relations": [{"name": "holding", "object": "32452"}, {"name": "to the left of", "object": "9"}]},
            "32452": {"name": "cup", "x": 80, "y": 200, "w": 40, "h": 50, "attributes": [], "relations": []},
            "5": {"name": "table", "x": 700, "y": 0, "w": 10, "h": 10, "attributes": [], "relations": []},
        },
    },
    "n161313": {"width": 64, "height": 48, "objects": {}},
}  # fmt: skip
PLAIN = {
    "image": "kitchen/7.jpg", "width": 640, "height": 480,
    "objects": [{"id": 1, "name": "Man", "box": [10, 20, 110, 420], "attributes": ["tall"]},
                {"id": 2, "name": "cup", "box": [80, 200, 120, 250]}, {"name": "cup"},
                {"id": 4, "name": "cup", "box": [1, 2, 3]}],
    "relations": [{"subject": 1, "predicate": "HOLDS", "object": 2}, {"subject": 1, "predicate": "near", "object": 8}],
}  # fmt: skip


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return [path]


def test_gqa_and_the_plain_form_make_the_same_chain(tmp_path):
    gqa = GraphFiles(write(tmp_path / "gqa.json", json.dumps(GQA)), "gqa")
    plain = GraphFiles(write(tmp_path / "mine.jsonl", json.dumps(PLAIN)), "plain")
    for source, path in ((gqa, "2407890.jpg"), (plain, "kitchen/7.jpg")):
        image, *_ = source.images()
        graph = pickle.loads(pickle.dumps(source.reader)).graph(image)
        assert graph.image_path == path and (graph.width, graph.height) == (640, 480)
        [chain] = compose(graph).chains
        assert chain.expression == "the man holding the cup"
        assert chain.steps[-1].boxes == ((10 / 640, 20 / 480, 110 / 640, 420 / 480),)
    assert [image.image_id for image in gqa.images()] == [2407890, "n161313"]


def test_what_cannot_be_used_is_counted_with_its_reason(tmp_path):
    gqa = GraphFiles(write(tmp_path / "gqa.json", json.dumps(GQA)), "gqa")
    first, *_ = gqa.images()
    assert [broken.reason for broken in gqa.graph(first).broken] == ["object without a box in the image", "dangling end"]
    good = json.dumps(PLAIN)
    text = "\n".join([good, "{", "", good, '{"image": "b.jpg"}', '{"width": 1, "height": 1}', "7"])
    plain = GraphFiles(write(tmp_path / "mine.jsonl", text), "plain")
    assert len(plain) == 1 and [broken.reason for broken in plain.broken] == [
        "no record of an image", "second record of the image", "image without a size", "image without a name",
        "no record of an image",
    ]  # fmt: skip
    [image] = plain.images()
    assert [broken.reason for broken in plain.graph(image).broken] == [
        "object without a name or id", "object without a box in the image", "dangling end",
    ]  # fmt: skip


def test_a_build_takes_them_and_says_so(tmp_path):
    source = GraphFiles(write(tmp_path / "gqa.json", json.dumps(GQA)), "gqa")
    built = build(source, tmp_path / "out", CompoVLSettings(), Terms(progress=False))
    assert "2 images of GQA's scene graphs composed" in str(built)
    assert "GQA's scene graphs" in (tmp_path / "out" / "README.md").read_text()
    with pytest.raises(ValueError, match="other graphs than Visual Genome's with vg_qa or release"):
        build(source, tmp_path / "other", CompoVLSettings(mixing=Mixing(vg_qa=True)), Terms(progress=False))


def test_wrong_files_are_refused_with_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="it is no JSON object of image ids"):
        GraphFiles(write(tmp_path / "a.json", "[1]"), "gqa")
    with pytest.raises(ValueError, match="form='coco': scene graphs are gqa or plain"):
        GraphFiles(["a"], "coco")
    with pytest.raises(ValueError, match="You passed no file"):
        GraphFiles([], "plain")
