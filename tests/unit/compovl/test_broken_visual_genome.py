# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What is damaged in Visual Genome's files costs itself: rejected with reason, file and place, and no other image changes."""

import json

import msgspec
import pyarrow
import pytest

from promvil_hf.cli import main
from promvil_hf.compovl.compose import Composing
from promvil_hf.compovl.compose_images import ComposeImages
from promvil_hf.compovl.compovl_publish import FEATURES
from promvil_hf.compovl.compovl_rows import ImageRow, chain_rows
from promvil_hf.compovl.region_pairs import build_region_pairs
from promvil_hf.compovl.visual_genome import VisualGenome
from promvil_hf.job_files import decode_line, encoded
from tests.mutations.within import drawn
from tests.reference import source_files


DEEP = b"[" * 5_000 + b"]" * 5_000
ROW = msgspec.json.Decoder(ImageRow)
SCHEMA = FEATURES["default"].arrow_schema


def written(folder, files, **damaged):
    folder.mkdir(exist_ok=True)
    for name, content in (files | damaged).items():
        (folder / f"{name}.json").write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return folder


def with_bytes(value, text: bytes) -> bytes:
    """A file in which the text "HERE" stands for bytes that no JSON writer makes."""
    return json.dumps(value).encode().replace(b'"HERE"', text)


def composed(folder) -> tuple[dict[str, dict], list]:
    """The rows that a build would keep, as Parquet takes them, and what belongs to no image."""
    with VisualGenome(folder) as source:
        compose = ComposeImages(source.reader, Composing())
        rows = {}
        for image in source.images():
            line = decode_line(encoded(str(image.image_id), compose.one(image)))
            row = ROW.decode(line.row)
            pyarrow.Table.from_pylist(list(chain_rows(row)), schema=SCHEMA)
            rows[line.key] = msgspec.to_builtins(row)
        return rows, source.broken


IMAGE_LINES = [  # a line of image_data, its reason and a part of its message
    (b'{"image_id": 9999999999999999999, "width": 64, "height": 48}', "record without an image", "`image_id` is 99999"),
    (b'{"width": 64, "height": 48}', "record without an image", "no `image_id` or `id`"),
    (b'{"image_id": -4, "width": 64, "height": 48}', "record without an image", "`image_id` is -4"),
    (b'{"image_id": 4, "width": 2147483648, "height": 48}', "wrong type or missing field", "$.width"),
    (b'{"image_id": 4, "width": 64, "height": 48, "coco_id": 9223372036854775808}', "wrong type or missing field", "$.coco_id"),
    (b'{"image_id": 4, "width": 64, "height": 48, "url": "\xff"}', "wrong type or missing field", "not UTF-8"),
    (b'{"image_id": 4, "width": 64, "height": 48, "url": "\\ud800"}', "wrong type or missing field", "surrogate"),
    (b'{"image_id": 4, "width": NaN, "height": 48}', "wrong type or missing field", ""),
    (b'{"image_id": 4, "width": 64, "height": 48, "other": ' + DEEP + b"}", "wrong type or missing field", "nested too"),
    (b'{"image_id": 1, "width": 64, "height": 48}', "second line of the image", ""),
    (b'"text"', "record without an image", "must be an object"),
    (b"tru", "record without an image", "not JSON"),
]


@pytest.mark.parametrize("line", IMAGE_LINES, ids=lambda line: f"{line[1]} {line[2]}"[:40])
def test_a_bad_line_of_image_data_costs_this_image_only(tmp_path, line):
    files = source_files.visual_genome()
    whole, _ = composed(written(tmp_path / "whole", files))
    content, reason, why = line
    data = with_bytes([*files["image_data"], "HERE"], content)
    rows, broken = composed(written(tmp_path / "bad", files, image_data=b"\xef\xbb\xbf" + data))
    assert rows == whole
    assert [(reject.file, reject.reason) for reject in broken] == [("image_data", reason)]
    assert why in broken[0].detail


ENTRIES = {  # an entry among the objects of image 2, and a part of its message
    "a byte that is no UTF-8": (b'{"object_id": 5, "names": ["\xff"], "x": 1, "y": 1, "w": 9, "h": 9}', "not UTF-8"),
    "half a surrogate pair": (b'{"object_id": 5, "names": ["\\ud800"], "x": 1, "y": 1, "w": 9, "h": 9}', "surrogate"),
    "NaN": (b'{"object_id": 5, "names": ["cat"], "x": NaN, "y": 1, "w": 9, "h": 9}', "box is empty or outside"),
    "an id of 30 digits": (b'{"object_id": ' + b"9" * 30 + b', "names": ["cat"], "x": 1, "y": 1, "w": 9, "h": 9}', "$.object_id"),
    "5,000 digits": (b'{"object_id": 5, "names": ["cat"], "x": ' + b"9" * 5_000 + b', "y": 1, "w": 9, "h": 9}', "digits"),
    "5,000 lists": (b'{"object_id": 5, "names": ["cat"], "z": ' + DEEP + b"}", "nested too deeply"),
    "no JSON": (b"tru", "not JSON"),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_a_bad_entry_costs_itself_and_not_its_image(tmp_path, name):
    content, why = ENTRIES[name]
    files = source_files.visual_genome()
    whole, _ = composed(written(tmp_path / "whole", files))
    files["objects"][1]["objects"].append("HERE")
    rows, broken = composed(written(tmp_path / "bad", files, objects=with_bytes(files["objects"], content)))
    assert not broken
    assert [rows["2"][part] == whole["2"][part] for part in ("chains", "left_out")] == [True, True]
    (record,) = rows["2"]["broken"]
    assert (record["file"], record["image_id"]) == ("objects", 2) and why in record["reason"] + record["detail"]
    assert why.startswith("box") or "`objects` 4" in record["detail"]
    assert {key: row for key, row in rows.items() if key != "2"} == {key: row for key, row in whole.items() if key != "2"}


def test_an_unknown_field_5000_deep_is_passed_over(tmp_path):
    files = source_files.visual_genome()
    whole, _ = composed(written(tmp_path / "whole", files))
    files["objects"][0] = {"other": "HERE"} | files["objects"][0]  # before the field that shows the release
    files["relationships"][1]["other"] = "HERE"
    deep = {name: with_bytes(files[name], DEEP * 20) for name in ("objects", "relationships")}
    rows, broken = composed(written(tmp_path / "bad", files, **deep))
    assert rows == whole and not broken


@pytest.mark.parametrize("release", ["1.0", "1.2", "1.4"])
@pytest.mark.parametrize("file", source_files.VISUAL_GENOME)
def test_a_place_damaged_in_one_image_changes_no_other_and_nothing_is_lost(tmp_path, file, release):
    files = source_files.visual_genome(release)
    folder = written(tmp_path / "vg", files)
    whole, _ = composed(folder)
    for place, name, content in drawn(files[file], 12, seed=11, within=(1,)):
        written(folder, files, **{file: content})
        rows, broken = composed(folder)
        assert {key: rows[key] for key in ("1", "3")} == {key: whole[key] for key in ("1", "3")}, (place, name)
        assert "2" in rows or broken, (place, name)
        if "2" in rows and file != "question_answers" and len(place) > 3:  # within an entry, which is read or reported
            assert rows["2"]["counts"].get(file) == whole["2"]["counts"].get(file) or broken, (place, name)
        with VisualGenome(folder) as source:
            asked = [source.questions(image) for image in source.images()]
        if file == "question_answers" and len(place) > 3:  # a question is read or reported
            assert sum(len(part) for pair in asked for part in pair) == 3, (place, name)


def test_a_build_ends_with_every_bad_item_in_its_rejects(tmp_path):
    files = source_files.visual_genome()
    files["objects"][1]["objects"].append("HERE")
    lines = b", ".join(line for line, _, _ in IMAGE_LINES)
    bad = {
        "image_data": with_bytes([*files["image_data"], "HERE"], lines),
        "objects": with_bytes(files["objects"], b", ".join(entry for entry, _ in ENTRIES.values())),
        "question_answers": with_bytes([*files["question_answers"][:2], {"id": 3, "qas": ["HERE"]}], b'"x", ' + DEEP),
    }
    folder = written(tmp_path / "vg", files, **bad)
    assert main(["build", "compovl", "--vg", str(folder), "--out", str(tmp_path / "out"), "--vg-qa", "--quiet"]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["images"]["composed"] == 3
    rejects = [json.loads(line) for line in (tmp_path / "out" / "rejects.jsonl").read_text().split("\n")[:-1]]
    assert len(rejects) == sum(report["rejects"].values()) == len(IMAGE_LINES) + len(ENTRIES) + 2
    assert {reject["file"] for reject in rejects} == {"image_data", "objects", "question_answers"}


@pytest.mark.parametrize("file", ["attributes", "region_graphs"])
def test_pairs_of_regions_lose_what_is_damaged_only(tmp_path, file):
    files = source_files.visual_genome()
    folder = written(tmp_path / "vg", files)
    for place, name, content in drawn(files[file], 25, seed=5, within=(1,)):
        written(folder, files, **{file: content})
        pairs = build_region_pairs(folder, tmp_path / "out")
        assert pairs.images in (2, 3), (place, name)
        rejects = [json.loads(line) for line in (tmp_path / "out" / "rejects.jsonl").read_bytes().splitlines()]
        assert all(reject["file"] and reject["reason"] for reject in rejects)
        assert pairs.images == 3 or rejects
