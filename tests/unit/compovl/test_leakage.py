# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import json
import os
import pickle

import pytest

from promvil_hf.compovl.leakage import Leakage, LeakageList, coco_id_of, read_list, read_lists
from tests.mutations.within import drawn
from tests.reference import source_files


@pytest.mark.parametrize(
    ("name", "content", "kind", "ids"),
    [
        ("ids.txt", "# mine\n17\n 18 \n\n", "coco", {17, 18}),
        ("names.txt", "COCO_train2014_000000380440.jpg\n/data/000000000042.jpg\n", "coco", {380440, 42}),
        ("prompts.txt", "[image]/d/COCO_train2014_000000380440.jpg<tab><grounding><phrase>a</phrase>\n", "coco", {380440}),
        ("csv.csv", "5,a dog\n6,a cat\n", "vg", {5, 6}),
        ("vg.txt", "VG_100K_2/2370806.jpg\n2370807.jpg\n", "vg", {2370806, 2370807}),
        ("list.json", "[3, 4]", "vg", {3, 4}),
        ("gqa.json", {"201": {"imageId": "2354786", "question": "?"}, "202": {"imageId": "n161313"}}, "vg", {2354786}),
        ("graphs.json", {"2407890": {"objects": {}, "width": 5}}, "vg", {2407890}),
        ("coco.json", {"images": [{"id": 9, "file_name": "x.jpg"}], "annotations": []}, "coco", {9}),
        ("rows.jsonl", '{"image": "000000372029.jpg", "label": 1}\n{"image": "000000434275.jpg"}\n', "coco", {372029, 434275}),
        ("densecap_splits.json", {"train": [1, 2], "val": [3], "test": [4, 5]}, "vg", {3, 4, 5}),
        ("by_name.json", {"mine": [1, 2], "yours": ["7.jpg"]}, "vg", {1, 2, 7}),
        ("mark.txt", "\ufeff17\n18\n", "coco", {17, 18}),
        ("mark.json", "\ufeff[3, 4]", "vg", {3, 4}),
        ("mark.jsonl", '\ufeff{"image_id": 3}\r\n{"image_id": 4, "text": "a\u2028b\x85c"}\r\n', "vg", {3, 4}),
        ("some.json", '{"train": [1], "test": [2, NaN, "\\ud800", ' + "9" * 5_000 + ", [3], 4.5, null, true]}", "vg", {2}),
        ("bad.json", '{"a": {"imageId": "5"}, "b": {"imageId": "\\ud800"}, "c": 5}', "vg", {5}),
        ("bad.jsonl", '{"image_id": 3}\n{"image_id": \n[1]\n' + '{"image_id": 4}', "vg", {3, 4}),
        ("deep.json", "[1, " + "[" * 50_000 + "]" * 50_000 + ", 2]", "vg", {1, 2}),
        (
            "refs.json",
            [{"image_id": 1, "split": "train"}, {"image_id": 2, "split": "testA"}, {"image_id": 3, "split": "val"}],
            "coco",
            {2, 3},
        ),
    ],
)
def test_a_list_is_read_from_what_benchmarks_ship(tmp_path, name, content, kind, ids):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    found = read_list(path, kind)
    assert found.ids == ids and found.name == path.stem and found.kind == kind


def test_refs_pickles_are_read_and_cannot_run_anything(tmp_path):
    refs = [{"image_id": 8, "split": "test", "sentences": []}, {"image_id": 9, "split": "train"}]
    (tmp_path / "refs(umd).p").write_bytes(pickle.dumps(refs, protocol=0))
    assert read_list(tmp_path / "refs(umd).p", "coco").ids == {8}

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    (tmp_path / "evil.p").write_bytes(pickle.dumps([Evil()]))
    with pytest.raises(ValueError, match=r"is refused.*it asks for .*system"):
        read_list(tmp_path / "evil.p", "coco")
    assert not (tmp_path / "ran").exists()


def test_what_would_fill_the_memory_when_written_out_is_counted(tmp_path):
    nested = ["x"]
    for _ in range(40):
        nested = [nested, nested]
    (tmp_path / "refs.p").write_bytes(pickle.dumps([{"image_id": nested}, {"image_id": 5}, nested]))
    found = read_list(tmp_path / "refs.p", "coco")
    assert (found.ids, found.unmatched) == ({5}, 1)
    (tmp_path / "refs.p").write_bytes(pickle.dumps([nested]))
    with pytest.raises(ValueError, match=r"names no coco image: 1 entries, such as \[\[a list of 2, a list of 2\]"):
        read_list(tmp_path / "refs.p", "coco")


@pytest.mark.parametrize("name", source_files.leakage_lists())
def test_a_damaged_entry_of_a_list_hides_no_other(tmp_path, name):
    value = source_files.leakage_lists()[name]
    path = tmp_path / "list.json"
    for place, kind, content in drawn(value, 40, seed=2):
        path.write_bytes(content)
        try:
            found = read_list(path, "vg").ids
        except ValueError as error:
            assert "list.json" in str(error), (place, kind)
        else:
            whole_part = isinstance(value, dict) and len(place) == 1  # such as `images` itself
            assert whole_part or len(found & {1, 2, 3}) >= 2, (place, kind)


def test_names_that_are_no_visual_genome_image_are_counted(shared_data):
    testdev = read_list(shared_data / "gqa" / "gqa_testdev_250.json", "vg")
    assert testdev.ids == frozenset() and testdev.unmatched == 39  # its photographs are not Visual Genome's
    prompts = read_list(shared_data / "promvil" / "finetune_refcocog_test.first400.txt", "coco")
    assert len(prompts.ids) == 188 and 380440 in prompts.ids and prompts.unmatched == 0


def test_the_report_counts_images_once_and_each_list_for_itself():
    lists = LeakageList("a", "coco", frozenset((5, 6, 99))), LeakageList("b", "vg", frozenset((1,)), unmatched=2)
    leakage = Leakage(lists)
    kept = [image_id for image_id, coco_id in ((1, 5), (2, 6), (3, 7), (5, None)) if leakage.keeps(image_id, coco_id)]
    assert kept == [3, 5]
    report = leakage.to_dict()
    assert (report["images"], report["images_with_coco_id"], report["excluded"]) == (4, 3, 2)
    found = [(entry["name"], entry["images_found"], entry["names_that_are_no_id"]) for entry in report["lists"]]
    assert found == [("a", 2, 0), ("b", 1, 2)]


def test_coco_ids_come_from_coco_names_only():
    assert coco_id_of("d/COCO_val2014_000000000139.jpg") == 139
    assert coco_id_of("000000000139.png") == 139
    assert coco_id_of("VG_100K/2370806.jpg") is None


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("the dog\nthe cat\n", "names no coco image: 2 entries, such as"),
        ("{", "is neither JSON nor JSON Lines"),
    ],
)
def test_a_file_without_images_is_refused(tmp_path, content, sentence):
    (tmp_path / "list.txt").write_text(content)
    with pytest.raises(ValueError, match=sentence):
        read_list(tmp_path / "list.txt", "coco")
    with pytest.raises(ValueError, match="Cannot read the list .*: No such file"):
        read_list(tmp_path / "nothing.txt", "coco")
    with pytest.raises(ValueError, match="You passed kind='flickr': ids are coco or vg"):
        read_list(tmp_path / "list.txt", "flickr")


def test_lists_of_one_file_name_are_counted_apart(tmp_path):
    """RefCOCO's and RefCOCO+'s are both called refs(unc).p."""
    for number, folder in enumerate(("refcoco", "refcoco+"), 1):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "refs(unc).p").write_bytes(pickle.dumps([{"image_id": number, "split": "val"}]))
    lists = read_lists([tmp_path / folder / "refs(unc).p" for folder in ("refcoco", "refcoco+")], "coco")
    leakage = Leakage(tuple(lists))
    assert not leakage.keeps(10, 1) and not leakage.keeps(20, 2) and leakage.keeps(30, 3)
    assert {found["name"]: found["images_found"] for found in leakage.to_dict()["lists"]} == {
        "refcoco/refs(unc)": 1, "refcoco+/refs(unc)": 1,
    }  # fmt: skip
    assert [found.name for found in read_lists([tmp_path / "refcoco" / "refs(unc).p"], "coco")] == ["refs(unc)"]


def test_lists_of_one_name_are_counted_apart():
    leakage = Leakage((LeakageList("mine", "coco", frozenset({1})), LeakageList("mine", "vg", frozenset({9, 10}))))
    assert not leakage.keeps(10, 1) and not leakage.keeps(9, 2)
    assert [found["images_found"] for found in leakage.to_dict()["lists"]] == [1, 2]
