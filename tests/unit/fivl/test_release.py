# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The published form, written and read again: rows survive, ids that repeat do no harm, torch reads what we write."""

import io
import json
import tarfile

import pytest
import torch
from PIL import Image

from promvil_hf import masks
from promvil_hf.boxes import Box
from promvil_hf.fivl.conversation_sources import Source, SourceRow
from promvil_hf.fivl.fivl_rows import FivlRow, Key
from promvil_hf.fivl.release import REASONS, Release, export
from promvil_hf.fivl.release_geometry import to_grid
from promvil_hf.key_expressions import KeyExpression, Turn


SIZES = {"coco/a.png": (640, 427), "coco/b.png": (427, 640), "vg/c.png": (1000, 200)}


@pytest.fixture
def images(tmp_path):
    for name, size in SIZES.items():
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size).save(tmp_path / "images" / name)
    return tmp_path / "images"


def key(text, turn, box, size):
    return Key(KeyExpression(text, turn, (box,), masks.from_boxes([box], size)), text)


def rows():
    made = []
    for number, (name, size) in enumerate(SIZES.items()):
        turns = (Turn(0, "What is it?", "A red bus and a tree."), Turn(1, "Where?", "On the road."))
        keys = (
            key("red bus", 0, Box(0.1, 0.2, 0.5, 0.7), size),
            key("tree", 0, Box(0.6, 0.1, 0.9, 0.9), size),
            key("road", 1, Box(0.0, 0.7, 1.0, 1.0), size),
        )
        made.append(FivlRow(f"llava-{number:08d}", "llava", f"00{number}", name, size, turns, keys))
    return made


def source_of(row):
    return SourceRow(row.row_id, row.source, row.source_id, row.image_path, row.turns)


def test_what_is_exported_is_what_the_reference_reads(tmp_path, images):
    export_report = export(rows(), tmp_path / "out")
    assert str(export_report) == "3 rows, 9 masks"
    index = json.loads((tmp_path / "out" / "fivl_instruct.json").read_text())
    assert list(index) == ["000", "001", "002"]
    first = index["000"][0]
    assert first["turn"] == 1  # theirs count from 1
    assert first["prompts"][0]["prompt"] == "red bus"
    assert first["prompts"][0]["mask_rel"] == "coco_segmented/000/000_0000.pt"
    assert first["prompts"][0]["bbox"] == [{"xmin": 34, "ymin": 100, "xmax": 168, "ymax": 213}]
    with tarfile.open(tmp_path / "out" / "dataset_grounded.tar") as tar:
        member = tar.extractfile(first["prompts"][0]["mask_rel"])
        tensor = torch.load(io.BytesIO(member.read()), weights_only=True)
    assert tensor.shape == (24, 24)
    assert tensor.dtype == torch.float64
    assert tensor.numpy() / 255 == pytest.approx(to_grid(rows()[0].keys[0].expression.mask))
    spoken = json.loads((tmp_path / "out" / "conversations.json").read_text())
    assert spoken[0]["conversations"][0] == {"from": "human", "value": "<image>\nWhat is it?"}
    assert spoken[0]["segment"] == index["000"]


def test_exporting_and_importing_keeps_every_mask_on_the_grid(tmp_path, images):
    export(rows(), tmp_path / "out")
    with Release(tmp_path / "out" / "fivl_instruct.json", tmp_path / "out" / "dataset_grounded.tar") as release:
        for row in rows():
            again = FivlRow.from_dict(release.row(source_of(row), images))
            assert (again.row_id, again.image_size, again.turns) == (row.row_id, row.image_size, row.turns)
            assert [(each.text, each.expression.turn) for each in again.keys] == [
                (each.text, each.expression.turn) for each in row.keys
            ]
            for row_key, other in zip(row.keys, again.keys, strict=True):
                difference = abs(to_grid(row_key.expression.mask) - to_grid(other.expression.mask)).max()
                assert difference < 0.005  # 0.02 is asked for


def test_the_same_rows_give_the_same_bytes(tmp_path, images):
    export(rows(), tmp_path / "a")
    export(rows(), tmp_path / "b")
    for name in ("fivl_instruct.json", "dataset_grounded.tar", "conversations.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "conversations.json",
        "dataset_grounded.tar",
        "fivl_instruct.json",
    ]


def test_rows_with_one_id_keep_their_own_masks(tmp_path, images):
    """In the reference the later conversation of an id overwrites the masks of the earlier one."""
    first, second = rows()[:2]
    second = FivlRow(second.row_id, "llava", "000", second.image_path, second.image_size, second.turns, second.keys)
    export_report = export([first, second], tmp_path / "out")
    assert "2 rows renamed, since their ids repeat" in str(export_report)
    with tarfile.open(tmp_path / "out" / "dataset_grounded.tar") as tar:
        names = tar.getnames()
    assert len(set(names)) == len(names) == 6
    with Release(tmp_path / "out" / "fivl_instruct.json", tmp_path / "out" / "dataset_grounded.tar") as release:
        for row in Source("llava", (tmp_path / "out" / "conversations.json",)):
            again = FivlRow.from_dict(release.row(row, images))
            assert len(again.keys) == 3
            assert again.image_size == SIZES[row.image]


def test_an_entry_is_taken_into_the_rows_whose_answers_hold_it(tmp_path, images):
    (row,) = rows()[:1]
    export([row], tmp_path / "out")
    turns = (Turn(0, "And here?", "Only a tree."),)  # another conversation of the same id and image
    with Release(tmp_path / "out" / "fivl_instruct.json", tmp_path / "out" / "dataset_grounded.tar") as release:
        found = release.row(SourceRow("llava-00000009", "llava", "000", "coco/a.png", turns), images)
        nothing = release.row(SourceRow("llava-00000010", "llava", "000", "coco/a.png", (Turn(0, "?", "no"),)), images)
        unknown = release.row(SourceRow("llava-00000011", "llava", "404", "coco/a.png", turns), images)
        missing = release.row(SourceRow("llava-00000012", "llava", "000", "coco/x.png", turns), images)
    assert [each["text"] for each in found["key_expressions"]] == ["tree"]
    assert found["dropped"] == {"no such turn": 1, "not in this answer": 1}
    assert nothing.reason == unknown.reason == "no key expression"
    assert missing.reason == "image missing"


def test_bad_tensors_are_counted_and_the_others_kept(tmp_path, images):
    (row,) = rows()[:1]
    export([row], tmp_path / "out")
    index = json.loads((tmp_path / "out" / "fivl_instruct.json").read_text())
    prompts = index["000"][0]["prompts"]
    prompts[0]["mask_rel"] = "missing.pt"
    prompts[1]["mask_rel"] = "evil.pt"
    prompts.append(
        {"prompt": [1, "A red bus"], "mask_rel": index["000"][1]["prompts"][0]["mask_rel"]}
    )  # the older form
    prompts.append({"prompt": "bus", "mask_rel": "empty.pt"})
    (tmp_path / "index.json").write_text(json.dumps(index))
    folder = tmp_path / "folder"
    with tarfile.open(tmp_path / "out" / "dataset_grounded.tar") as tar:
        tar.extractall(folder, filter="data")
    (folder / "evil.pt").write_bytes(b"no tensor")
    torch.save(torch.zeros(24, 24), folder / "empty.pt")
    with Release(tmp_path / "index.json", folder) as release:
        found = release.row(source_of(row), images)
    assert [each["text"] for each in found["key_expressions"]] == ["A red bus", "road"]
    assert found["dropped"] == {"empty mask": 1, "tensor missing": 1, "tensor refused": 1}
    assert set(found["dropped"]) <= set(REASONS)


@pytest.mark.parametrize("damage", [b"5", b'[{"turn": "1"}]', b'["\\ud800"]', b"[NaN, tru]", b"[" * 9_000 + b"]" * 9_000])
def test_a_damaged_entry_costs_its_row_and_a_name_that_is_no_file_its_mask(tmp_path, images, damage):
    export(rows(), tmp_path / "out")
    index = json.loads((tmp_path / "out" / "fivl_instruct.json").read_text())
    index["001"] = "HERE"
    index["000"][0]["prompts"][0] |= {"mask_rel": "a" * 5_000}
    index["000"][0]["prompts"][1] |= {"prompt": []}
    (tmp_path / "index.json").write_bytes(json.dumps(index).encode().replace(b'"HERE"', damage))
    with tarfile.open(tmp_path / "out" / "dataset_grounded.tar") as tar:
        tar.extractall(tmp_path / "folder", filter="data")
    with Release(tmp_path / "index.json", tmp_path / "folder") as release:
        first, second, third = (release.row(source_of(row), images) for row in rows())
    assert (second.reason, "index.json '001': " in second.detail) == ("unreadable record", True)
    assert {"not in this answer", "tensor missing"} <= set(first["dropped"]) and third["key_expressions"]


def test_a_release_imported_by_several_processes_equals_one(tmp_path, images):
    from promvil_hf.fivl.fivl_build import import_release
    from promvil_hf.job_terms import Ranks, Terms

    export_report = export(rows(), tmp_path / "out")
    assert export_report.rows == 3
    source = Source("llava", (tmp_path / "out" / "conversations.json",))
    for name, world_size in (("one", 1), ("two", 2)):
        for rank in reversed(range(world_size)):
            terms = Terms(shard_size=1, ranks=Ranks(rank, world_size), progress=False)
            files = (tmp_path / "out" / "fivl_instruct.json", tmp_path / "out" / "dataset_grounded.tar")
            report = import_release(source, images, *files, tmp_path / name, terms=terms)
        assert report.finished
    parts = sorted(path.name for path in (tmp_path / "one" / "masks").glob("*.json*"))
    assert all(
        (tmp_path / "one" / "masks" / name).read_bytes() == (tmp_path / "two" / "masks" / name).read_bytes()
        for name in parts
    )


def test_an_index_that_is_none_is_refused(tmp_path):
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(ValueError, match="is not the index of the release"):
        Release(tmp_path / "x.json", tmp_path)
    with pytest.raises(ValueError, match="You passed rows that can be read once only"):
        export(iter(rows()), tmp_path)
