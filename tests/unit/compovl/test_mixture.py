# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import json

import pytest

from promvil_hf.compovl.leakage import Leakage
from promvil_hf.compovl.mixture import Mixing, llava_rows, mix, qa_row, vg_qa_rows, vsr_rows
from promvil_hf.compovl.visual_genome_records import Image, Question
from promvil_hf.jobs import Rejected
from promvil_hf.json_records import Record, records
from tests.mutations.within import drawn
from tests.reference import source_files


INSTANCES = {
    "images": [{"id": 294751, "width": 480, "height": 640}, {"id": 7, "width": 100, "height": 100}],
    "categories": [{"id": 1, "name": "person"}, {"id": 82, "name": "refrigerator"}],
    "annotations": [
        {"image_id": 294751, "category_id": 82, "bbox": [95.5, 278.5, 173.0, 287.0], "iscrowd": 0},
        {"image_id": 294751, "category_id": 1, "bbox": [210.0, 64.5, 202.0, 489.0], "iscrowd": 0},
        {"image_id": 7, "category_id": 1, "bbox": [0, 0, 10, 10], "iscrowd": 0},
        {"image_id": 7, "category_id": 1, "bbox": [50, 50, 10, 10], "iscrowd": 0},
        {"image_id": 7, "category_id": 82, "bbox": [5, 5, 200, 20], "iscrowd": 0},
    ],
}
STATEMENT = {
    "image": "000000294751.jpg",
    "caption": "The person is at the right side of the refrigerator.",
    "label": 1,
    "relation": "at the right side of",
    "subj": "person",
    "obj": "refrigerator",
}


def records_of(*rows):
    return [Record.of(f"rows.json item {number}", row) for number, row in enumerate(rows, 1)]


def published(shared_data, dataset):
    lines = (shared_data / "promvil" / "data_sample.json").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row["dataset"] == dataset]


def test_a_vsr_statement_becomes_the_published_row(shared_data):
    ((_, row),) = vsr_rows(records_of(STATEMENT), Record("instances", INSTANCES))
    (expected,) = published(shared_data, "vsr")
    assert row["text"] == expected["text"] and row["box_obj_match"] == expected["box_obj_match"]
    assert row["relation"] == expected["relation"] and row["dataset"] == "vsr"
    for ours, theirs in zip(row["bboxes"], expected["bboxes"], strict=True):
        for box, other in zip(ours, theirs, strict=True):
            assert box == pytest.approx(other, abs=2e-3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"label": 0}, "statement is false"),
        ({"relation": ""}, "missing field"),
        ({"image": "000000000001.jpg"}, "image has no instances"),
        ({"obj": "dog"}, "category is not annotated"),
        ({"image": "000000000007.jpg"}, "several subjects"),
        ({"subj": "refrigerator"}, "subject and object are of one category"),
    ],
)
def test_a_vsr_statement_that_cannot_be_used_says_why(change, reason):
    ((_, rejected),) = vsr_rows(records_of(STATEMENT | change), Record("instances", INSTANCES))
    assert isinstance(rejected, Rejected) and rejected.reason == reason


def test_real_vsr_rows_are_all_converted_or_rejected(shared_data):
    rows = list(records(shared_data / "vsr" / "zeroshot_dev.jsonl"))
    nothing = Record("instances", {"images": [], "annotations": [], "categories": []})
    converted = list(vsr_rows(rows, nothing))
    assert len(converted) == len(rows)
    assert {found.reason for _, found in converted} == {"statement is false", "image has no instances"}


def test_question_answer_rows_have_the_published_form(shared_data):
    for dataset in ("llava", "vg_qa"):
        for expected in published(shared_data, dataset):
            lead = " Short Answer: " if dataset == "vg_qa" else " Answer: "
            question, answer = expected["text"][0].removeprefix("Question: ").split(lead, 1)
            assert qa_row(dataset, question, answer, expected["image_path"]) == expected


def test_a_conversation_becomes_one_row_a_turn_and_no_tag_gets_through():
    row = {
        "id": "x",
        "image": "coco/a.jpg",
        "conversations": [
            {"from": "human", "value": "<image>\nWhat is <phrase>?"},
            {"from": "gpt", "value": "A dog."},
            {"from": "human", "value": "And where?"},
            {"from": "gpt", "value": "Here."},
        ],
    }
    found = list(llava_rows(records_of(row)))
    assert [converted["text"][0] for _, converted in found] == [
        "Question: What is <\\phrase>? Answer: A dog.",
        "Question: And where? Answer: Here.",
    ]
    assert len({key for key, _ in found}) == 2
    unusable = records_of({"id": 1}, {"id": 2, "image": "a", "conversations": []})
    assert [rejected.reason for _, rejected in llava_rows(unusable)] == [
        "no image",
        "no question with an answer",
    ]


def test_real_llava_rows_convert(shared_data):
    rows = list(records(shared_data / "llava" / "coco2014_val_gpt4_qa_30x3.jsonl"))
    assert all(isinstance(row, dict) for _, row in llava_rows(rows)) and len(list(llava_rows(rows))) == 90


def asked(images, each=3):
    for k in range(images):
        image = Image(k, 10, 10, f"https://x/VG_100K/{k}.jpg", None, {})
        yield image, [Question(k * 100 + n, f"What {n}?", "Red.") for n in range(each)]


def test_visual_genome_questions_are_drawn_without_an_image_in_both_parts():
    train, validation = vg_qa_rows(asked(400), 200, 50)
    assert (len(train), len(validation)) == (200, 50)
    assert not {row["image_path"] for row in train} & {row["image_path"] for row in validation}
    assert vg_qa_rows(asked(400), 200, 50) == (train, validation)
    assert vg_qa_rows(reversed(list(asked(400))), 200, 50) == (train, validation)  # whatever the order
    assert vg_qa_rows(asked(400), 200, 50, seed=1) != (train, validation)
    assert vg_qa_rows(asked(2), 0, 0) == ([], [])


def test_files_that_are_no_rows_are_refused(tmp_path):
    def mixed(**parts):
        return mix(Mixing(**parts), (), Leakage(), tmp_path)

    path = tmp_path / "rows.json"
    path.write_text("[1")
    with pytest.raises(ValueError, match="rows.json ends in the middle of its JSON"):
        mixed(llava=path)
    with pytest.raises(FileNotFoundError, match="There is no file .*nothing"):
        mixed(llava=tmp_path / "nothing")
    path.write_text("{}")
    with pytest.raises(ValueError, match="rows.json, a file without the list `images`"):
        mixed(vsr_train=path, coco_instances=path)


@pytest.mark.parametrize("kind", ["llava", "vsr", "coco_instances"])
def test_a_damaged_record_of_another_part_costs_itself_and_is_among_the_rejects(tmp_path, kind):
    files = {name: getattr(source_files, name)() for name in ("llava", "vsr", "coco_instances")}
    paths = {name: tmp_path / f"{name}.json" for name in files}

    def mixed(**damaged):
        for name, path in paths.items():
            path.write_bytes(damaged.get(name, json.dumps(files[name]).encode()))
        rejects = []
        parts = Mixing(llava=paths["llava"], vsr_train=paths["vsr"], coco_instances=paths["coco_instances"])
        _, counts = mix(parts, (), Leakage(), tmp_path, rejects.append)
        lines = [line for name in ("llava", "vsr") for line in (tmp_path / f"{name}-train.jsonl").read_bytes().split(b"\n")]
        return {line for line in lines if b"2.png" in line or b"02.jpg" in line}, counts, rejects

    untouched, counts, rejects = mixed()
    assert len(untouched) == 3 and not rejects and counts["vsr train"]["rows"] == 3
    within = ("annotations", 1) if kind == "coco_instances" else (1,)
    for place, name, content in drawn(files[kind], 40, seed=4, within=within):
        found, counts, rejects = mixed(**{kind: content})
        assert found == untouched, (place, name)
        assert len(rejects) == sum(sum(part["rejected"].values()) for part in counts.values())
        rows = counts["vsr train"]["rows"] + len([reject for reject in rejects if reject.file == "vsr train"])
        assert rows == 3 and all(reject.detail for reject in rejects), (place, name)
