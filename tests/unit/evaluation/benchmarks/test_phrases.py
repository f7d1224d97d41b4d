# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Benchmarks of phrases: Flickr30k Entities, nested phrases and the prompt lines of PromViL."""

import pickle

import pytest

from promvil_hf.boxes import Box
from promvil_hf.compovl.compovl_build import CompoVLSettings, build
from promvil_hf.compovl.compovl_rows import Splitting
from promvil_hf.evaluation.benchmarks import read, read_compovl, read_flickr30k, read_promvil_lines, read_refcoco
from promvil_hf.job_terms import Terms
from promvil_hf.phrases import PROMVIL_VSR, GroundedPhrase, PhraseChain, PhraseStep, to_row
from promvil_hf.toy.world import WorldConfig, scenes, write_visual_genome
from promvil_hf.training.row_sources import read_source
from tests.unit.evaluation.benchmarks.files import REFS, lines, parquet, refcoco_folder, write


# Flickr30k Entities


XML = """<annotation><filename>36979.jpg</filename><size><width>100</width><height>50</height><depth>3</depth></size>
<object><name>1</name><name>2</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>50</xmax><ymax>25</ymax></bndbox></object>
<object><name>1</name><bndbox><xmin>51</xmin><ymin>26</ymin><xmax>100</xmax><ymax>50</ymax></bndbox></object>
<object><name>3</name><scene>1</scene><nobndbox>0</nobndbox></object></annotation>"""
SENTENCES = """[/EN#1/people A group of friends] play [/EN#2/other cards] in [/EN#3/scene a room] with [/EN#0/notvisual it] .
[/EN#2/bodyparts/people Their hands] near [/EN#9/other a cup] .
"""


def test_flickr30k_gives_phrases_with_all_their_boxes_and_counts_the_others(tmp_path):
    write(tmp_path / "Annotations" / "36979.xml", XML)
    write(tmp_path / "Sentences" / "36979.txt", SENTENCES)
    write(tmp_path / "test.txt", "36979\n")
    found = read_flickr30k(tmp_path, "test")
    assert [(row.id, row.text, row.group) for row in found.rows] == [
        ("36979/0/0", "A group of friends", "people"), ("36979/0/1", "cards", "other"), ("36979/1/0", "Their hands", "bodyparts"),
    ]  # fmt: skip
    assert found.rows[0].boxes == (Box(0, 0, 0.5, 0.5), Box(0.5, 0.5, 1, 1)) and found.rows[0].image_size == (100, 50)
    warnings = " ".join(found.warnings)
    assert "1 rows left out: phrases of nothing visible." in warnings and "whole scene" in warnings and "do not hold" in warnings
    assert "phrases with a box here, 14,481" in warnings
    with pytest.raises(ValueError, match="needs the folders Annotations and Sentences"):
        read_flickr30k(tmp_path, "val")
    write(tmp_path / "Annotations" / "36979.xml", '<!DOCTYPE a [<!ENTITY b "c">]>' + XML)
    with pytest.raises(ValueError, match="it is refused"):
        read_flickr30k(tmp_path, "test")
    write(tmp_path / "Annotations" / "36979.xml", "<annotation>")
    with pytest.raises(ValueError, match="not an annotation of Flickr30k Entities"):
        read_flickr30k(tmp_path, "test")


# PromViL


CHAIN = PhraseChain(
    "5",
    [
        PhraseStep(GroundedPhrase("the jacket", [Box(0.4, 0.4, 0.6, 0.6)])),
        PhraseStep(GroundedPhrase("the man wearing the jacket", [Box(0.3, 0.2, 0.7, 0.9)]), [0], ["the jacket"]),
    ],
)


def test_compovl_rows_become_one_row_per_step_with_level_and_evidence(tmp_path):
    rows = [
        to_row(CHAIN, "VG_100K/5.jpg"),
        {"dataset": "llava", "text": ["Question: How many? Short Answer: One."], "bboxes": None, "box_obj_match": None,
         "image_path": "x.jpg", "relation": None},
        to_row(CHAIN, "vsr/6.jpg", "vsr", "on", PROMVIL_VSR),
    ]  # fmt: skip
    found = read("compovl", write(tmp_path / "rows.jsonl", lines(*rows)))
    assert [(row.id, row.level, row.text) for row in found.rows] == [
        ("0/0", 1, "the jacket"), ("0/1", 2, "the man wearing the jacket"), ("2/0", 1, "the jacket"),
        ("2/1", 2, "the man wearing the jacket"),
    ]  # fmt: skip
    assert found.rows[1].evidence == (GroundedPhrase("the jacket", [Box(0.4, 0.4, 0.6, 0.6)]),)
    assert found.warnings == ("1 rows left out: question-answer rows without boxes.",)
    assert [row.boxes for row in found.rows[:2]] == [step.target.boxes for step in CHAIN.steps]
    assert read_compovl(parquet(tmp_path / "rows.parquet", [rows[0]])).rows == found.rows[:2]
    with pytest.raises(ValueError, match="line 1 is no row of nested phrases"):
        read_compovl(write(tmp_path / "bad.jsonl", lines(rows[0] | {"text": ["<grounding>nothing"] * 3})))


def test_the_published_views_of_compovl_give_the_same_rows_with_the_steps_own_ids(tmp_path):
    where = {"chain_id": "5-0", "image_path": "VG_100K/5.jpg", "width": 100, "height": 50}
    steps = [
        {"text": step.target.text, "level": level, "boxes": [list(box.xyxy) for box in step.target.boxes],
         "anchors": list(step.anchors), "mentions": list(step.mentions)}
        for step, level in zip(CHAIN.steps, CHAIN.levels, strict=True)
    ]  # fmt: skip
    chains = read_compovl(parquet(tmp_path / "default.parquet", [{**where, "steps": steps}]))
    evidence = [{"text": "the jacket", "boxes": steps[0]["boxes"]}]
    flat = [
        {**where, "step_id": f"5-0-{number}", **{name: step[name] for name in ("text", "level", "boxes")},
         "evidence": evidence if number else []}
        for number, step in enumerate(steps)
    ]  # fmt: skip
    assert chains.rows == read_compovl(parquet(tmp_path / "steps.parquet", flat)).rows
    assert [(row.id, row.level, row.image_size) for row in chains.rows] == [
        ("5-0-0", 1, (100, 50)),
        ("5-0-1", 2, (100, 50)),
    ]
    assert chains.rows[1].evidence == CHAIN.evidence(1)


def test_prompt_lines_take_their_truth_from_the_benchmark_they_were_made_of(tmp_path):
    path = write(
        tmp_path / "finetune_refcocog_test.txt",
        "[image]/path/to/COCO_train2014_000000000007.jpg<tab><grounding><phrase>man in black</phrase>\n"
        "[image]/path/to/COCO_train2014_000000000007.jpg<tab><grounding><phrase>nobody</phrase>\n",
    )
    bare = read_promvil_lines(path)
    assert bare.kind == "unlabelled" and [row.text for row in bare.rows] == ["man in black", "nobody"]
    assert bare.split == "refcocog_test" and "9,602" in bare.warnings[0]
    labels = read_refcoco(refcoco_folder(tmp_path / "refcoco", pickle.dumps(REFS)), "testA")
    found = read_promvil_lines(path, labelled=labels)
    assert [(row.id, row.boxes) for row in found.rows] == [("1", labels.rows[0].boxes)]
    assert found.warnings[-1] == "1 rows left out: no row of refcoco testA has their image and text."
    with pytest.raises(ValueError, match="<tab> spelled out"):
        read_promvil_lines(write(tmp_path / "x.txt", "[image]a.jpg\tIs it?\n"))


def test_a_folder_that_a_build_wrote_is_read_as_it_stands(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    write_visual_genome(scenes(WorldConfig(image_size=(48, 48)), 6, 0), tmp_path / "vg")
    settings = CompoVLSettings(splitting=Splitting(test_share=0.5, validation_share=0.0))
    built = build(tmp_path / "vg", tmp_path / "built", settings, Terms(progress=False)).out
    found = read("compovl", built)
    assert found.split == "test" and {row.level for row in found.rows} >= {1, 2}
    views = [read("compovl", built / view) for view in ("data", "steps")]
    assert {view.content_hash for view in views} == {found.content_hash}
    assert read("compovl", sorted((built / "steps").glob("test-*.parquet"))).content_hash == found.content_hash
    train = read("compovl", built, split="train")
    assert {row.image for row in train.rows}.isdisjoint(row.image for row in found.rows)
    chains = read_source(str(built), "train", None)  # training takes the same folder
    assert len(chains) and "steps" in chains.column_names
    assert set(read_source(f"{built}:mixture", "train", None)[0]) >= {"text", "bboxes"}
    with pytest.raises(ValueError, match=r"steps has no split 'validation': it has .*test, train. Name one with --split."):
        read("compovl", built, split="validation")
    with pytest.raises(ValueError, match="vg holds neither steps nor data with Parquet files: it is no folder that `promvil"):
        read("compovl", tmp_path / "vg")
