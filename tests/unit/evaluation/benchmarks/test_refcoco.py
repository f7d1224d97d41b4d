# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""RefCOCO: references are read from pickles and tables, and nothing in a pickle is run."""

import copy
import io
import json
import pickle
import struct

import pyarrow as pa
import pytest
from PIL import Image

from promvil_hf.boxes import Box
from promvil_hf.evaluation.benchmarks import read_refcoco
from promvil_hf.evaluation.benchmarks.known_sizes import MIXED_OBJECTS, size_warning
from tests.unit.evaluation.benchmarks.files import ANNOTATIONS, IMAGES, REFS, parquet, refcoco_folder


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


@pytest.mark.parametrize("name", ["sent", "sent_id", "split", "image_id", "sentences"])
def test_nested_shared_lists_in_a_pickle_are_a_sentence_and_never_unfolded(name, tmp_path):
    nested = ["x"]
    for _ in range(40):
        nested = [nested, nested]  # 2^40 texts in some hundred bytes
    refs = copy.deepcopy(REFS)
    holder = refs[1]["sentences"][0] if name.startswith("sent_") or name == "sent" else refs[1]
    holder[name] = nested
    folder = refcoco_folder(tmp_path / "refcoco", pickle.dumps(refs))
    with pytest.raises(ValueError, match=r"refs\(unc\)\.p item 2"):
        print(read_refcoco(folder, "testA").content_hash)


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
    with pytest.raises(ValueError, match="item 1 cannot be read: it is 1, and it must be an object"):
        read_refcoco(refcoco_folder(tmp_path / "two", pickle.dumps([1, 2])), "val")


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


@pytest.mark.parametrize("damage", [pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowSerializationError, KeyError])
def test_whatever_a_damaged_parquet_file_breaks_is_a_sentence(tmp_path, monkeypatch, damage):
    def broken(*_, **__):
        raise damage("Integers with less than 8 bits not implemented")

    path = parquet(tmp_path / "refs.parquet", [{"ref_id": 1}])
    monkeypatch.setattr("pyarrow.parquet.ParquetFile.iter_batches", broken)
    with pytest.raises(ValueError, match="refs.parquet cannot be read as Parquet .*Get it again"):
        read_refcoco(path, "testA")
