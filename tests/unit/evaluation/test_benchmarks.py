# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Readers of benchmarks: one row type from each file form, sizes and hashes stated, nothing executed, faults named."""

import io
import json
import pickle
import struct

import pytest
from PIL import Image

from promvil_hf.boxes import Box
from promvil_hf.evaluation import benchmarks
from promvil_hf.evaluation.benchmarks import (
    KINDS,
    READERS,
    Benchmark,
    BenchmarkRow,
    read,
    read_compovl,
    read_flickr30k,
    read_promvil_lines,
    read_refcoco,
)
from promvil_hf.evaluation.benchmarks.known_sizes import KNOWN_SIZES, MIXED_OBJECTS, size_warning
from promvil_hf.phrases import PROMVIL_VSR, GroundedPhrase, PhraseChain, PhraseStep, to_row


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def lines(*rows):
    return "\n".join(json.dumps(row) for row in rows) + "\n"


# RefCOCO

IMAGES = [{"id": 7, "file_name": "COCO_train2014_000000000007.jpg", "width": 200, "height": 100}]
ANNOTATIONS = [
    {"id": 71, "image_id": 7, "bbox": [20.0, 10.0, 100.0, 50.0]},
    {"id": 72, "image_id": 7, "bbox": [150.0, 0.0, 50.5, 100.0]},
]
REFS = [
    {"ref_id": 1, "ann_id": 71, "image_id": 7, "split": "testA", "file_name": "COCO_train2014_000000000007_1.jpg",
     "category_id": 1, "sent_ids": [0, 1],
     "sentences": [{"sent_id": 0, "sent": "man in black", "raw": "Man in black", "tokens": ["man"]},
                   {"sent_id": 1, "sent": "the left man", "raw": "the left man", "tokens": []}]},
    {"ref_id": 2, "ann_id": 72, "image_id": 7, "split": "testA", "file_name": "x_2.jpg", "category_id": 1, "sent_ids": [2],
     "sentences": [{"sent_id": 2, "sent": "right", "raw": "right", "tokens": []}]},
    {"ref_id": 3, "ann_id": 71, "image_id": 7, "split": "val", "file_name": "x_3.jpg", "category_id": 1, "sent_ids": [3],
     "sentences": [{"sent_id": 3, "sent": "someone", "raw": "someone", "tokens": []}]},
]  # fmt: skip


def python_2_pickle(value):
    """Protocol 2 with Python 2's byte strings, as the authors' files have them."""

    def put(value):
        if isinstance(value, str):
            return b"T" + struct.pack("<i", len(value.encode())) + value.encode()
        if isinstance(value, int):
            return b"J" + struct.pack("<i", value)
        if isinstance(value, list):
            return b"](" + b"".join(map(put, value)) + b"e"
        return b"}(" + b"".join(put(part) for pair in value.items() for part in pair) + b"u"

    return b"\x80\x02" + put(value) + b"."


def refcoco_folder(folder, content, partition="unc"):
    folder.mkdir()
    (folder / f"refs({partition}).p").write_bytes(content)
    write(folder / "instances.json", {"images": IMAGES, "annotations": ANNOTATIONS})
    return folder


@pytest.mark.parametrize(
    "content", [pickle.dumps(REFS, 0), pickle.dumps(REFS), python_2_pickle(REFS)], ids=["0", "newest", "Python 2"]
)
def test_a_refs_pickle_gives_one_row_per_expression_with_its_box_in_fractions(content, tmp_path):
    found = read_refcoco(refcoco_folder(tmp_path / "refcoco", content), "testA")
    assert [(row.id, row.text) for row in found.rows] == [("0", "man in black"), ("1", "the left man"), ("2", "right")]
    assert found.rows[0].boxes == (Box(0.1, 0.1, 0.6, 0.6),)
    assert found.rows[2].boxes == (Box(0.75, 0.0, 1.0, 1.0),)  # cut at the edge of the image
    assert found.rows[0].image == "COCO_train2014_000000000007.jpg" and found.rows[0].image_size == (200, 100)
    assert found.warnings == (
        "refcoco testA has 3 expressions here, 5,657 when it is whole: numbers on it are not comparable.",
    )


class Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (open, (str(self.marker), "w"))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(protocol, tmp_path):
    marker = tmp_path / "ran"
    folder = refcoco_folder(tmp_path / "refcoco", pickle.dumps([Evil(marker)], protocol))
    with pytest.raises(ValueError, match="can run any code when it is opened without this check"):
        read_refcoco(folder, "testA")
    assert not marker.exists()
    pickle.loads(pickle.dumps(Evil(marker), protocol)).close()  # the check bites: opened otherwise, it does run
    assert marker.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"(S'true'\nios\nsystem\n.",
        b"\x80\x02\x82\x01.",
        b"Pmodule\n.",
        b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.",
        b"",
        b"\x80\x04",
        b"not a pickle",
        pickle.dumps(REFS)[:-40],
    ],
)
def test_every_other_way_out_of_a_pickle_is_shut_and_broken_ones_are_named(content, tmp_path):
    with pytest.raises(ValueError, match="is refused: a file of references holds lists"):
        read_refcoco(refcoco_folder(tmp_path / "refcoco", content), "testA")


def test_refcoco_says_which_splits_and_which_partition_there_are(tmp_path):
    folder = refcoco_folder(tmp_path / "one", pickle.dumps(REFS), "google")
    with pytest.raises(ValueError, match=r"no split 'testB': it has testA, val"):
        read_refcoco(folder, "testB")
    assert "The partition is google; published refcoco numbers are on unc's." in read_refcoco(folder, "val").warnings
    (folder / "refs(unc).p").write_bytes(pickle.dumps(REFS))
    with pytest.raises(ValueError, match=r"pass the one you mean, and instances.json"):
        read_refcoco(folder, "val")
    paths = [folder / "instances.json", folder / "refs(unc).p"]
    assert len(read_refcoco(paths, "val").rows) == 1
    with pytest.raises(ValueError, match="one refs pickle and instances.json"):
        read_refcoco(paths[:1], "val")
    with pytest.raises(ValueError, match="neither refs"):
        read_refcoco(tmp_path, "val") if not list(tmp_path.glob("*.p")) else None
    with pytest.raises(ValueError, match="are not RefCOCO's"):
        read_refcoco(refcoco_folder(tmp_path / "two", pickle.dumps([1, 2])), "val")


def parquet(path, rows):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def test_both_parquet_layouts_of_the_hub_give_the_boxes_of_the_pickle(tmp_path):
    original = read_refcoco(refcoco_folder(tmp_path / "refcoco", pickle.dumps(REFS)), "testA")
    annotation = {annotation["id"]: annotation for annotation in ANNOTATIONS}
    raw = [
        {
            "ref_id": ref["ref_id"], "sentences": ref["sentences"], "raw_anns": json.dumps(annotation[ref["ann_id"]]),
            "raw_image_info": json.dumps(IMAGES[0]), "bbox": [1.0, 2.0, 3.0, 4.0],
        }
        for ref in REFS[:2]
    ]  # fmt: skip
    with_raw = read_refcoco(parquet(tmp_path / "raw.parquet", raw), "testA")
    assert with_raw.rows == original.rows and with_raw.content_hash == original.content_hash

    png = io.BytesIO()
    Image.new("RGB", (200, 100)).save(png, "PNG")
    answers = [
        {
            "question_id": str(ref["ref_id"]), "question": "Describe it.", "bbox": annotation[ref["ann_id"]]["bbox"],
            "answer": [sentence["sent"] for sentence in ref["sentences"]], "file_name": IMAGES[0]["file_name"],
            "image": {"bytes": png.getvalue(), "path": None},
        }
        for ref in REFS[:2]
    ]  # fmt: skip
    with_answers = read_refcoco(parquet(tmp_path / "answers.parquet", answers), "testA")
    assert [row.boxes for row in with_answers.rows] == [row.boxes for row in original.rows]
    assert [row.id for row in with_answers.rows] == ["1_0", "1_1", "2_0"]
    with pytest.raises(ValueError, match="has the columns a: known are layouts"):
        read_refcoco(parquet(tmp_path / "other.parquet", [{"a": 1}]), "testA")


def test_the_copy_that_mixes_two_partitions_is_named_by_its_number_of_objects(monkeypatch, tmp_path):
    monkeypatch.setitem(MIXED_OBJECTS, ("refcoco", "val", 2), MIXED_OBJECTS["refcoco", "val", 8_811])
    raw = [
        {
            "sentences": [{"sent_id": 10 * k, "sent": "a"}, {"sent_id": 10 * k + 1, "sent": "b"}],
            "raw_anns": json.dumps(ANNOTATIONS[0]), "raw_image_info": json.dumps(IMAGES[0]),
        }
        for k in range(2)
    ]  # fmt: skip
    (warning,) = read_refcoco(parquet(tmp_path / "val.parquet", raw), "val").warnings
    assert "2 objects here" in warning and "UNC's 3,811 and Google's 5,000" in warning
    assert "one row per object" in size_warning("refcoco", "testA", 1_975)


# Questions


def gqa_question(**other):
    return {
        "question": "Is it red?", "answer": "yes", "imageId": "n1", "isBalanced": True, "semantic": [], "entailed": [],
        "types": {"structural": "verify", "semantic": "attr", "detailed": "verifyAttr"}, "groups": {"global": None},
    } | other  # fmt: skip


def test_gqa_is_read_with_choices_and_from_several_files(tmp_path):
    path = write(
        tmp_path / "testdev_balanced_questions.json", {"q1": gqa_question(), "q2": gqa_question(isBalanced=False)}
    )
    choices = write(tmp_path / "choices.json", {"q1": {"valid": ["yes"], "plausible": []}})
    found = read("gqa", path, choices=choices)
    assert (found.split, found.kind, found.choices_file["q1"]["valid"]) == ("testdev_balanced", "gqa", ["yes"])
    assert found.rows[0].image == "n1.jpg" and found.rows[0].record["answer"] == "yes"
    assert found.warnings[0].startswith("gqa testdev_balanced has 1 balanced questions here, 12,578")
    more = write(tmp_path / "more.json", {"q3": gqa_question()})
    assert [row.id for row in read("gqa", [path, more]).rows] == ["q1", "q2", "q3"]
    with pytest.raises(ValueError, match="not GQA's choices file"):
        read("gqa", path, choices=path)
    with pytest.raises(ValueError, match="only gqa and gqa_ood have one"):
        read("pope", path, choices=choices)
    with pytest.raises(ValueError, match="Submission splits without answers"):
        read("gqa", write(tmp_path / "submission.json", {"q1": {"question": "?"}}))


def test_gqa_ood_joins_head_and_tail_and_knows_which_is_which(tmp_path):
    head = write(tmp_path / "ood_testdev_head.json", {"h": gqa_question()})
    tail = write(tmp_path / "ood_testdev_tail.json", {"t": gqa_question()})
    write(tmp_path / "ood_testdev_all.json", {"h": gqa_question(), "t": gqa_question()})
    found = read("gqa_ood", tmp_path)
    assert {row.id: row.group for row in found.rows} == {"h": "head", "t": "tail"} and found.split == "testdev"
    assert read("gqa_ood", [tail, head]).content_hash == found.content_hash
    with pytest.raises(ValueError, match="needs the head file and the tail file"):
        read("gqa_ood", head)


def test_pope_is_read_from_json_lines_under_a_json_name_an_array_and_parquet(tmp_path):
    rows = [
        {"question_id": k, "image": f"{k:012d}.jpg", "text": f"Is there a cup {k}?", "label": "yes" if k % 2 else "no"}
        for k in range(1, 5)
    ]
    as_lines = read("pope", write(tmp_path / "coco_pope_popular.json", lines(*rows)))
    as_array = read("pope", write(tmp_path / "array" / "coco_pope_popular.json", rows))
    assert as_lines.rows == as_array.rows and as_lines.split == "popular" and as_lines.rows[0].answers == ("yes",)
    hub = [
        {"id": str(k), "question_id": str(row["question_id"]), "question": row["text"], "answer": row["label"],
         "image_source": row["image"], "image": {"bytes": b""}}
        for k, row in enumerate(rows)
    ]  # fmt: skip
    assert read("pope", parquet(tmp_path / "popular.parquet", hub)).content_hash == as_lines.content_hash
    write(tmp_path / "array" / "coco_pope_random.json", lines(*rows[:3]))
    both = read("pope", tmp_path / "array")
    assert len(both.rows) == 7 and both.rows[0].id == "popular/1" and both.split == "popular+random"
    assert any("POPE is balanced" in warning for warning in both.warnings)
    with pytest.raises(ValueError, match="row 1 has the label 'maybe'"):
        read("pope", write(tmp_path / "x.json", lines(rows[0] | {"label": "maybe"})))
    with pytest.raises(ValueError, match="neither a JSON array nor JSON Lines: line 2"):
        read("pope", write(tmp_path / "y.json", json.dumps(rows[0]) + "\nnot json"))


def test_the_size_of_llavas_pope_random_is_told():
    assert "LLaVA-1.5" in size_warning("pope", "random", 2_910)
    assert size_warning("pope", "random", 3_000) is None and size_warning("pope", "mine", 5) is None


def test_vqav2_joins_questions_and_annotations_by_id(tmp_path):
    questions = {"data_subtype": "val2014", "questions": [
        {"question_id": 1000004, "image_id": 1000, "question": "How many?"},
        {"question_id": 5, "image_id": 1, "question": "What?"},
    ]}  # fmt: skip
    annotations = {"annotations": [
        {"question_id": 1000004, "image_id": 1000, "answer_type": "number", "answers": [{"answer": "2"}] * 10},
    ]}  # fmt: skip
    files = [write(tmp_path / "annotations.json", annotations), write(tmp_path / "questions.json", questions)]
    found = read("vqav2", files)
    assert found.rows == read("vqav2", files[::-1]).rows
    (row,) = found.rows
    assert (row.id, row.image, len(row.answers), row.group) == (
        "1000004",
        "COCO_val2014_000000001000.jpg",
        10,
        "number",
    )
    assert found.warnings[0] == "1 rows left out: a question without answers in the annotations file."
    with pytest.raises(ValueError, match="questions file"):
        read("vqav2", files[:1])


def test_textvqa_vsr_and_choices(tmp_path):
    text = {"dataset_type": "val", "data": [
        {"question_id": 3, "image_id": "ab", "question": "brand?", "answers": ["x"] * 10, "image_width": 10, "image_height": 5},
    ]}  # fmt: skip
    (row,) = read("textvqa", write(tmp_path / "t.json", text)).rows
    assert (row.id, row.image, row.image_size, len(row.answers)) == ("3", "ab.jpg", (10, 5), 10)
    with pytest.raises(ValueError, match="test split cannot be scored"):
        read(
            "textvqa", write(tmp_path / "test.json", {"data": [{"question_id": 1, "image_id": "a", "question": "?"}]})
        )

    said = {"image": "1.jpg", "caption": "The dog is on it.", "label": 1, "relation": "on"}
    vsr = read("vsr", write(tmp_path / "dev.jsonl", lines(said, said | {"label": 0})))
    assert [row.id for row in vsr.rows] == ["1.jpg|The dog is on it.", "1.jpg|The dog is on it.|2"]
    assert [row.answers[0] for row in vsr.rows] == ["true", "false"]

    problem = {
        "question": "Which?",
        "choices": ["a", "b"],
        "answer": 1,
        "hint": "Look.",
        "split": "test",
        "image": "image.png",
    }
    science = read(
        "choice", write(tmp_path / "problems.json", {"4": problem, "5": problem | {"split": "val"}}), "test"
    )
    (row,) = science.rows
    assert (row.image, row.text, row.answers) == ("test/4/image.png", "Look.\nWhich?", ("1",))
    with pytest.raises(ValueError, match="it has test, val"):
        read("choice", tmp_path / "problems.json")
    for answer in (1, "B", "b", "1", "b"):
        other = read("choice", write(tmp_path / "c.jsonl", lines({"id": 1, **problem, "answer": answer})))
        assert other.rows[0].answers == ("1",)
    with pytest.raises(ValueError, match="none of them is it"):
        read("choice", write(tmp_path / "c.jsonl", lines({"id": 1, **problem, "answer": "z"})))


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
    told = " ".join(found.warnings)
    assert "1 rows left out: phrases of nothing visible." in told and "whole scene" in told and "do not hold" in told
    assert "phrases with a box here, 14,481" in told
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
    with pytest.raises(ValueError, match="row 1 is no row of nested phrases"):
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


# Every benchmark


def test_the_content_hash_ignores_order_and_file_and_notices_any_change_of_question_or_truth():
    rows = [BenchmarkRow(str(k), "1.jpg", f"thing {k}", (Box(0, 0, 0.1 * k + 0.1, 1),)) for k in range(5)]
    one = Benchmark("a", "test", "grounding", tuple(rows), ("x",))
    assert Benchmark("b", "val", "grounding", tuple(rows[::-1])).content_hash == one.content_hash
    for change in (
        {"text": "other"},
        {"boxes": (Box(0, 0, 0.5, 0.5),)},
        {"image": "2.jpg"},
        {"id": "9"},
        {"answers": ("a",)},
    ):
        from dataclasses import replace

        changed = (replace(rows[0], **change), *rows[1:])
        assert Benchmark("a", "test", "grounding", changed).content_hash != one.content_hash
    assert one.describe() == {
        "name": "a", "split": "test", "kind": "grounding", "rows": 5, "images": 1, "content_hash": one.content_hash,
        "files": ["x"], "warnings": [],
    }  # fmt: skip


def test_double_ids_and_empty_benchmarks_are_refused():
    row = BenchmarkRow("1", "1.jpg", "a")
    with pytest.raises(ValueError, match="1 row ids more than once, e.g. '1'"):
        Benchmark("a", "test", "grounding", (row, row))
    with pytest.raises(ValueError, match="has no rows"):
        Benchmark("a", "test", "grounding", ())
    with pytest.raises(ValueError, match="it is one of grounding, gqa"):
        Benchmark("a", "test", "captions", (row,))


def test_unknown_names_and_missing_files_say_what_there_is(tmp_path):
    with pytest.raises(ValueError, match="it is one of refcoco, refcoco"):
        read("refcocos", tmp_path)
    with pytest.raises(FileNotFoundError, match="There is no file"):
        read("pope", tmp_path / "nothing.json")
    with pytest.raises(ValueError, match="no split for refcoco"):
        read("refcoco", tmp_path)
    assert set(benchmarks.__all__) <= set(dir(benchmarks)) and len(READERS) == 13 and "grounding" in KINDS
    assert all(rows > 0 for sizes in KNOWN_SIZES.values() for rows in sizes.values())


def test_the_published_files_are_read_whole(shared_data):
    pope = read("pope", shared_data / "pope/coco_pope_popular.jsonl")
    assert (len(pope.rows), pope.warnings) == (3000, ()) and len({row.image_id for row in pope.rows}) == 500
    seem = read("pope", shared_data / "pope/aokvqa_pope_seem_random.json")
    assert (len(seem.rows), seem.warnings) == (3000, ())
    vsr = read("vsr", shared_data / "vsr/zeroshot_dev.jsonl")
    assert len(vsr.rows) == 340 and vsr.warnings == () and sum(row.answers == ("true",) for row in vsr.rows) == 167
    gqa = read("gqa", shared_data / "gqa/gqa_testdev_250.json")
    assert len(gqa.rows) == 250 and len(read("gqa", shared_data / "gqa/aird_sample_val_balanced.json").rows) == 5
    compovl = read("compovl", shared_data / "promvil/data_sample.json")
    assert len(compovl.rows) == 16 and {row.level for row in compovl.rows} == {1, 2, 3}
    assert compovl.warnings == ("3 rows left out: question-answer rows without boxes.",)
    prompts = read("promvil_lines", shared_data / "promvil/finetune_refcocog_test.first400.txt")
    assert len(prompts.rows) == 400 and len({row.image for row in prompts.rows}) == 188
    first = json.loads((shared_data / "refcoco/refcocog_umd_test_first.json").read_text())
    first = first[0] if isinstance(first, list) else first
    assert (prompts.rows[0].image, prompts.rows[0].text) == (first["image"], first["sentence"])
    joined = read_promvil_lines(shared_data / "promvil/gqa_testdev.first500.txt", labelled=gqa)
    assert len(joined.rows) == 11 and joined.kind == "gqa"
