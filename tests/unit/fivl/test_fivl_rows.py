# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FiVL-Instruct rows: sources into one form, rows by number and not by id, statistics, and the sample for judges."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from promvil_hf import masks
from promvil_hf.boxes import Box
from promvil_hf.fivl.conversation_sources import Source, read_captions, read_llava
from promvil_hf.fivl.fivl_rows import FivlRow, Key, Statistics, image_file, whole_boxes
from promvil_hf.fivl.fivl_sample import agreement, sample_keys
from promvil_hf.key_expressions import KeyExpression, Turn


def conversation(name, *turns, image="coco/1.jpg"):
    said = []
    for number, (question, answer) in enumerate(turns):
        said += [
            {"from": "human", "value": f"<image>\n{question}" if not number else question},
            {"from": "gpt", "value": answer},
        ]
    return {"id": name, **({"image": image} if image else {}), "conversations": said}


# -- sources


def test_rows_are_named_by_their_number_because_ids_repeat(tmp_path):
    path = tmp_path / "mix.json"
    records = [
        conversation("7", ("What?", "A cat.")),
        conversation("7", ("Where?", "On a mat."), ("Why?", "It sleeps.")),
    ]
    path.write_text(json.dumps(records))
    first, second = read_llava(path)
    assert (first.row_id, second.row_id) == ("llava-00000000", "llava-00000001")
    assert first.source_id == second.source_id == "7"
    assert second.turns == (Turn(0, "Where?", "On a mat."), Turn(1, "Why?", "It sleeps."))
    assert [row.row_id for row in Source("llava", (path, path))][2:] == ["llava-00000002", "llava-00000003"]
    assert len(list(Source("llava", (path, path), limit=3))) == 3


@pytest.mark.parametrize(
    ("record", "reason", "detail"),
    [
        (conversation("1", ("Hi", "Ho"), image=None), "no image", ""),
        ({"id": "1", "image": "x"}, "unreadable record", "mix.json "),
        (
            {"id": "1", "image": "x", "conversations": [{"from": "gpt", "value": "a"}]},
            "unreadable record",
            "the turns of `conversations` are not human and gpt",
        ),
        (
            {"id": "1", "image": "x", "conversations": [{"from": "human"}, {"from": "gpt"}]},
            "unreadable record",
            "`conversations` 1 has no `value`: it holds from.",
        ),
        ({"id": "1", "image": "x", "conversations": 3}, "unreadable record", "`conversations` is 3"),
        ({"id": "1", "image": 5, "instruction": "a", "output": "b"}, "unreadable record", "`image` is 5, and it must be text"),
        ("text", "unreadable record", "it is 'text', and it must be an object"),
        (3, "unreadable record", "it is 3"),
    ],
)
def test_what_is_no_conversation_is_a_row_with_a_fault_and_its_neighbours_are_read(tmp_path, record, reason, detail):
    good = conversation("2", ("What?", "A cat."))
    for text in (json.dumps([record, good]), json.dumps(record) + "\n" + json.dumps(good)):
        path = tmp_path / "mix.json"
        path.write_text(text)
        bad, kept = read_llava(path)
        assert bad.fault.reason == reason
        assert detail in bad.fault.detail
        assert kept.fault is None
        assert kept.row_id == "llava-00000001"


def test_pairs_of_instruction_and_output_and_captions_are_turns(shared_data, tmp_path):
    rows = list(read_llava(shared_data / "llava" / "coco2014_val_gpt4_qa_30x3.jsonl"))
    assert len(rows) == 90
    assert all(row.fault is None and len(row.turns) == 1 for row in rows)
    assert len({row.row_id for row in rows}) == 90
    assert len({row.source_id for row in rows}) == 30  # each image three times
    path = tmp_path / "captions.json"
    whole = {
        "images": [{"id": 5, "file_name": "5.jpg"}],
        "annotations": [{"id": 1, "image_id": 5, "caption": " A cat. "}],
    }
    path.write_text(json.dumps(whole))
    (row,) = read_captions(path)
    assert (row.image, row.turns[0].answer, row.source_id) == ("5.jpg", "A cat.", "1")


def test_benchmarks_come_through_their_own_readers(shared_data):
    rows = list(Source("pope", (shared_data / "pope" / "coco_pope_popular.jsonl",)))
    assert len(rows) == 3000
    assert rows[0].turns[0].question == "Is there a snowboard in the image?"
    assert (rows[0].turns[0].answer, rows[0].answers, rows[0].source_id) == ("yes", ("yes",), "1")
    rows = list(Source("gqa", (shared_data / "gqa" / "gqa_testdev_250.json",)))
    assert (rows[0].image, rows[0].turns[0].answer) == ("n54424.jpg", "couch")


def test_the_most_frequent_answer_of_vqav2s_ten_is_the_turns(tmp_path):
    people = ["red"] * 4 + ["blue"] * 4 + ["green"] * 2
    (tmp_path / "q.json").write_text(
        json.dumps({"questions": [{"question_id": 1, "image_id": 2, "question": "Colour?"}]})
    )
    annotation = {"question_id": 1, "image_id": 2, "answers": [{"answer": each} for each in people]}
    (tmp_path / "a.json").write_text(json.dumps({"annotations": [annotation]}))
    (row,) = Source("vqav2", (tmp_path / "q.json", tmp_path / "a.json"))
    assert (row.turns[0].answer, row.answers, row.image) == ("blue", tuple(people), "COCO_val2014_000000000002.jpg")


def test_a_wrong_source_or_file_says_what_there_is(tmp_path):
    with pytest.raises(ValueError, match="You passed the source 'cc12m': it is one of llava, captions, vqav2"):
        Source("cc12m", ())
    with pytest.raises(ValueError, match="as a file of llava, and there is no such file"):
        Source("llava", (tmp_path / "x.json",))
    (tmp_path / "x.json").write_text("[1, ")
    with pytest.raises(ValueError, match="ends in the middle of its JSON"):
        list(Source("llava", (tmp_path / "x.json",)))


# -- rows


def fivl_row(number=0, keys=2, size=(20, 10), source_id="7"):
    mask = masks.from_boxes([Box(0.0, 0.0, 0.5, 0.5)], size)
    made = tuple(
        Key(KeyExpression(f"thing {k}", 0, (Box(0.0, 0.0, 0.5, 0.5),), mask), f"thing {k}", (0.5,))
        for k in range(keys)
    )
    turns = (Turn(0, "What?", "thing 0, thing 1"), Turn(1, "And?", "no"))
    return FivlRow(f"llava-{number:08d}", "llava", source_id, f"{number // 2}.png", size, turns, made)


def test_rows_survive_json():
    row = fivl_row()
    assert FivlRow.from_dict(json.loads(json.dumps(row.to_dict()))) == row
    assert row.of_turn(0) == row.keys
    assert row.of_turn(1) == ()


def test_a_mask_of_another_size_or_a_turn_that_is_not_there_is_refused():
    with pytest.raises(
        ValueError, match="a mask of 20x10 for an image of 10x20: masks are in original image coordinates"
    ):
        FivlRow("a", "llava", "1", "1.png", (10, 20), fivl_row().turns, fivl_row().keys)
    with pytest.raises(ValueError, match="of turn 0 in a row of 0 turns: turns count from 0"):
        FivlRow("a", "llava", "1", "1.png", (20, 10), (), fivl_row().keys)


def test_image_names_stay_in_their_folder_and_suffixes_may_differ(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "1.png")
    assert image_file(tmp_path, "1.jpg") == tmp_path / "1.png"
    assert image_file(tmp_path, "1.png") == tmp_path / "1.png"
    assert image_file(tmp_path, "2.jpg") == tmp_path / "2.jpg"
    for name in ("/etc/passwd", "../1.png", "a/../../1.png"):
        with pytest.raises(ValueError, match="leads out of the image folder"):
            image_file(tmp_path, name)


def test_statistics_count_what_the_rows_hold():
    statistics = Statistics.of([fivl_row(0), fivl_row(1), fivl_row(2, keys=0, source_id="8")]).to_dict()
    assert statistics == {
        "rows": 3,
        "images": 2,
        "rows_without_key_expressions": 1,
        "rows_whose_source_id_repeats": 2,
        "turns": 6,
        "key_expressions": 4,
        "masks": 4,
        "key_expressions_per_turn": 0.6667,
        "words_per_key_expression": 2.0,
        "mask_area": {"mean": 0.25, "quartiles": [0.25, 0.25, 0.25], "above_0.3": 0.0},
    }


def test_whole_boxes_reach_outwards_and_not_beyond_float_dust():
    assert whole_boxes([Box(0.1, 0.2, 0.3, 0.41)], (10, 10)) == [(1, 2, 3, 5)]
    assert whole_boxes([Box(0.0, 0.0, 1.0, 1.0)], (7, 9)) == [(0, 0, 7, 9)]


# -- the sample for judges


def test_the_sample_is_even_seeded_and_in_order():
    rows = [fivl_row(number) for number in range(50)]
    drawn = sample_keys(rows, 10, seed=3)
    assert [item.name for item in drawn] == [item.name for item in sample_keys(rows, 10, seed=3)]
    assert len(drawn) == 10
    assert [item.name for item in drawn] == sorted(item.name for item in drawn)
    assert len(sample_keys(rows, 1000)) == 100
    counts = np.zeros(100)
    for seed in range(400):
        for item in sample_keys(rows, 10, seed=seed):
            counts[2 * int(item.row.row_id[-8:]) + item.index] += 1
    assert 20 < counts.min() < counts.max() < 65  # 40 expected
    assert sample_keys([fivl_row(keys=0)], 3) == []


def test_agreement_is_known_by_hand():
    first = {"a/0/0": True, "a/0/1": True, "b/0/0": False, "c/0/0": False, "d/0/0": True}
    second = {"a/0/0": True, "a/0/1": False, "b/0/0": False, "c/0/0": False, "x/0/0": True}
    found = agreement(first, second, lambda name: name.split("/")[0])
    assert found.both == 4
    assert found.same.estimate == 0.75
    assert found.kappa.estimate == pytest.approx((0.75 - 0.5) / 0.5)
    assert found.same.clusters == 3
    assert found.precision.estimate == 0.5 and found.recall.estimate == 1.0
    assert agreement({"a": False}, {"a": False}, str).precision is None
    assert agreement(first, {}, str) is None
    assert math.isnan(agreement({"a": True}, {"a": True}, str).kappa.estimate)
