# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Ref-Adv, Ref-L4, FineCops-Ref and gRefCOCO: boxes, strata, things that are absent, boxes that are all wanted."""

import json

import pytest

from promvil_hf.boxes import Box
from promvil_hf.evaluation.benchmarks import read
from promvil_hf.evaluation.predictions import read_predictions
from promvil_hf.evaluation.results import Settings, evaluate
from promvil_hf.evaluation.scores import Resampling
from tests.unit.evaluation.benchmarks import hard_files as made
from tests.unit.evaluation.benchmarks.files import ANNOTATIONS, IMAGES, lines, parquet, write


CUP = Box(0.1, 0.1, 0.6, 0.6)


def test_refadv_is_the_same_from_the_data_set_and_from_predictions_beside_the_sizes(tmp_path):
    published = read("refadv", parquet(tmp_path / "train.parquet", made.REFADV_HUB))
    assert published.rows[0].boxes == (Box(0.05, 0.1, 0.3, 0.4),) and published.rows[0].id == "0"
    assert [dict(row.strata) for row in published.rows] == [
        {"distractors": "2-3", "negation": "no", "author": "person"},
        {"distractors": "4-6", "negation": "yes", "author": "model"},
        {"distractors": "7 and more", "negation": "no", "author": "person"},
    ]
    predictions = write(tmp_path / "predictions.jsonl", lines(*made.REFADV_PREDICTIONS))
    sizes = write(tmp_path / "instances_val2017.json", made.SIZES)
    said = read("refadv", [predictions, sizes])
    assert said.content_hash == published.content_hash and said.rows == published.rows
    with pytest.raises(ValueError, match="does not tell the size of 000000000000.jpg: pass a COCO file whose `images` do"):
        read("refadv", predictions)
    assert published.warnings == ("refadv s has 3 expressions here, 1,142 when it is whole: numbers on it are not comparable.",)


def test_predictions_as_they_are_published_are_read_as_answers_to_their_own_rows(tmp_path):
    predictions = write(tmp_path / "predictions.jsonl", lines(*made.REFADV_PREDICTIONS))
    benchmark = read("refadv", [predictions, write(tmp_path / "sizes.json", made.SIZES)])
    few = Settings(frame="pixels", resampling=Resampling(resamples=9))
    assert evaluate(benchmark, read_predictions(predictions), few, strict=True).scores["value"] == 1.0
    of_ref_l4 = read("ref_l4", write(tmp_path / "rows.jsonl", lines(*made.REF_L4)))
    said = lines(*({"id": row["id"], "pred_bbox": row["bbox"], "format": "xywh"} for row in made.REF_L4))
    wh = Settings(frame="pixels_xywh", resampling=Resampling(resamples=9))
    answers = read_predictions(write(tmp_path / "said.jsonl", said))
    assert evaluate(of_ref_l4, answers, wh, strict=True).scores["value"] == 1.0


def test_ref_l4_has_two_splits_and_calls_cocos_classes_by_their_partners(tmp_path):
    parquet(tmp_path / "ref-l4-val.parquet", made.REF_L4[:2])
    parquet(tmp_path / "ref-l4-test.parquet", made.REF_L4[2:])
    both = read("ref_l4", tmp_path)
    assert [row.id for row in both.rows] == ["test0", "test1", "val0", "val1"] and both.split == "all"
    assert {row.strata["class"] for row in both.rows} == {"o365_11"}  # COCO's 47, a cup, and Objects365's own
    assert [row.strata["pictures"] for row in both.rows] == ["COCO", "Objects365"] * 2
    assert both.rows[0].boxes == (CUP,) and both.rows[1].strata["reworded"] == "yes"
    one = read("ref_l4", tmp_path, split="val")
    assert [row.id for row in one.rows] == ["val0", "val1"] and one.split == "val"
    assert one.rows == read("ref_l4", write(tmp_path / "rows.jsonl", lines(*made.REF_L4)), split="val").rows


def test_finecops_is_the_same_in_both_forms_and_its_negatives_are_absent(tmp_path):
    coco = read("finecops", write(tmp_path / "test_expression_all_coco_format.json", made.finecops_coco()))
    positive, text, image = coco.rows
    assert positive.boxes == (CUP,) and not positive.absent and positive.units == {"positive": "1"}
    assert positive.strata == {"part": "positive", "level": "2", "tuple type": "1_hop"}
    assert text.absent and text.boxes == () and text.units == {"positive": "1"} and text.text == "The blue cup on the table."
    assert text.strata == {"part": "negative text", "negative type": "attribute", "negative level": "1"}
    assert image.absent and image.image == "neg_7.jpg" and image.strata["part"] == "negative image"
    assert coco.split == "test" and coco.warnings[0].startswith("finecops test positive has 1 rows here, 9,605 when")
    rows = write(tmp_path / "test_expression_all.json", made.finecops_rows())
    graphs = write(tmp_path / "val_sceneGraphs.json", made.SCENE_GRAPHS)
    assert read("finecops", [rows, graphs]).content_hash == coco.content_hash
    with pytest.raises(ValueError, match="no file you passed has the graph of its picture 2370: pass val_sceneGraphs.json"):
        read("finecops", rows)
    negatives = write(tmp_path / "negatives.json", made.finecops_rows()[1:])
    assert all(row.absent for row in read("finecops", negatives).rows)  # what is absent needs no graph
    wrong = made.finecops_rows()[1] | {"negative_cate": "sound"}
    with pytest.raises(ValueError, match="`negative_cate` is 'sound', and it must be text or image"):
        read("finecops", write(tmp_path / "wrong.json", [wrong]))


def test_finecops_ids_may_be_texts_or_numbers(tmp_path):
    ids = ("id", "image_id", "positive_id", "level")
    as_text = [{name: str(value) if name in ids else value for name, value in row.items()} for row in made.finecops_rows()]
    graphs = write(tmp_path / "val_sceneGraphs.json", made.SCENE_GRAPHS)
    texts = read("finecops", [write(tmp_path / "texts.json", as_text), graphs])
    assert texts.rows == read("finecops", [write(tmp_path / "numbers.json", made.finecops_rows()), graphs]).rows


def test_grefcoco_has_rows_of_nothing_of_one_and_of_many_that_are_all_wanted(tmp_path):
    write(tmp_path / "instances.json", {"images": IMAGES, "annotations": ANNOTATIONS})
    write(tmp_path / "grefs(unc).json", made.GREFS)
    found = read("grefcoco", tmp_path, split="val")
    assert [row.strata["targets"] for row in found.rows] == ["none", "none", "one", "one", "many", "many"]
    assert [row.absent for row in found.rows] == [True, True, False, False, False, False]
    assert [len(row.boxes) for row in found.rows] == [0, 0, 1, 1, 2, 2] and found.rows[4].wanted == "all"
    assert found.rows[2].boxes == (CUP,) and found.rows[0].image == "COCO_train2014_000000000007.jpg"
    assert [row.id for row in found.rows] == ["0", "1", "10", "11", "20", "21"]
    single = [ref | {"ann_id": ref["ann_id"][0]} if len(ref["ann_id"]) == 1 else ref for ref in made.GREFS]
    write(tmp_path / "grefs(unc).json", single)  # some entries are written as single values
    assert read("grefcoco", tmp_path, split="val").content_hash == found.content_hash
    with pytest.raises(ValueError, match="You passed no split for .* it has testA, val"):
        read("grefcoco", tmp_path)
    write(tmp_path / "grefs(unc).json", [made.GREFS[1] | {"ann_id": [5]}])
    with pytest.raises(ValueError, match="names the annotation 5, which .*instances.json does not have"):
        read("grefcoco", tmp_path, split="val")


def test_grefcoco_in_cocos_form_drops_the_number_that_some_copies_add_to_a_picture(tmp_path):
    found = read("grefcoco", write(tmp_path / "finetune_grefcoco_val.json", made.GREF_COCO))
    assert found.split == "val" and [row.absent for row in found.rows] == [True, False]
    assert {row.image for row in found.rows} == {"COCO_train2014_000000000007.jpg"} and len(found.rows[1].boxes) == 2
    lonely = made.GREF_COCO | {"annotations": made.GREF_COCO["annotations"][1:]}
    with pytest.raises(ValueError, match="has no annotation: one with `empty` stands for no target"):
        read("grefcoco", write(tmp_path / "finetune_grefcoco_val.json", lonely))


def test_the_published_predictions_on_refadv_are_read_with_their_truth(shared_data, tmp_path):
    files = sorted((shared_data / "ref_adv").glob("*_predictions.jsonl"))
    names = {json.loads(line)["file_name"] for path in files for line in path.read_text().splitlines()}
    images = [{"file_name": name, "width": 640, "height": 640} for name in sorted(names)]
    sizes = write(tmp_path / "sizes.json", {"images": images})
    counts = [len(read("refadv", [path, sizes]).rows) for path in files]
    assert counts == [30, 29, 29, 29]
    bands = [row.strata["distractors"] for row in read("refadv", [files[1], sizes]).rows]
    assert [bands.count(band) for band in ("2-3", "4-6", "7 and more")] == [6, 22, 1]


def test_the_invented_rows_of_finecops_are_read_beside_scene_graphs(shared_data, tmp_path):
    folder = shared_data / "finecops_format"
    things = {f"9000{number:02d}": {"x": 1, "y": 1, "w": 5, "h": 5} for number in range(1, 14)}
    graph = {"width": 10, "height": 10, "objects": things}
    graphs = write(tmp_path / "val_sceneGraphs.json", {"synthetic_0001": graph, "synthetic_0002": graph})
    found = read("finecops", [folder / "positive.json", folder / "negative.json", graphs])
    assert [row.absent for row in found.rows] == [False] * 3 + [True] * 3
    assert [row.strata["part"] for row in found.rows[3:]] == ["negative text", "negative text", "negative image"]
    assert [row.units["positive"] for row in found.rows] == ["1", "2", "3", "2", "3", "1"]
