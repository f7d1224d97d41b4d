# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""One bad record of a source costs itself: it is rejected with its reason, file and place, and the others become rows."""

import json

import pytest

from promvil_hf import jobs
from promvil_hf.cli import main
from promvil_hf.fivl.conversation_sources import Source
from promvil_hf.fivl.extraction import annotate, given, rules, seen_turns
from promvil_hf.fivl.fivl_build import RowPhrases, locate
from promvil_hf.fivl.given_masks import given as given_masks
from promvil_hf.job_files import encoded
from promvil_hf.jobs import Rejected
from tests.mutations.within import drawn
from tests.reference import source_files


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return source_files.pictures(tmp_path_factory.mktemp("images"))


def text_of(*fields: bytes) -> bytes:
    return b'{"id": "1", "image": "0.png", "instruction": "What is there?", "output": "A red cup."' + b"".join(fields) + b"}"


BAD = [  # a record, its reason, and a part of its message
    (text_of(b', "image": 5'), "unreadable record", "`image` is 5, and it must be text"),
    (text_of(b', "image": null'), "no image", "names no image"),
    (text_of(b', "image": ""'), "no image", "names no image"),
    (text_of(b', "image": "a\\u0000.png"'), "image unreadable", "null byte"),
    (text_of(b', "image": "' + b"a" * 5_000 + b'"'), "image unreadable", "too long"),
    (text_of(b', "output": "\\ud800"'), "unreadable record", "half a surrogate pair"),
    (text_of(b', "output": "\xff"'), "unreadable record", "not UTF-8"),
    (text_of(b', "id": ' + b"9" * 5_000), "unreadable record", "thousands of digits"),
    (text_of(b', "id": [1]'), "unreadable record", "`id` is [1]"),
    (text_of(b', "other": ' + b"[" * 100_000 + b"]" * 100_000), "unreadable record", "nested too deeply"),
    (text_of(b', "conversations": [{"from": "human", "value": 5}]'), "unreadable record", "`value` is 5"),
    (b"tru", "unreadable record", "not JSON"),
    (b'["a"]', "unreadable record", "must be an object"),
]


@pytest.mark.parametrize("layout", ["lines", "list"])
def test_each_bad_record_is_rejected_with_its_reason_and_place_and_the_rest_is_built(images, tmp_path, layout, capsys):
    records = [text_of(), *(record for record, _, _ in BAD), text_of()]
    content = b"\n".join(records) if layout == "lines" else b"[" + b",\n".join(records) + b"]"
    (tmp_path / "mix.json").write_bytes(b"\xef\xbb\xbf" + content)
    (tmp_path / "masks.jsonl").write_text("\n".join(map(json.dumps, source_files.given_masks())))
    options = ["--files", tmp_path / "mix.json", "--images", images, "--out", tmp_path / "out"]
    options += ["--masks", tmp_path / "masks.jsonl"]
    assert main(["build", "fivl", "--source", "llava", *map(str, options), "--quiet"]) == 0
    work = tmp_path / "out" / "work" / "instruct" / "masks"
    assert [key for key, _ in jobs.rows(work)] == ["llava-00000000", f"llava-{len(BAD) + 1:08d}"]
    found = list(jobs.rejects(work))
    for number, ((_, reason, why), (key, rejected)) in enumerate(zip(BAD, found, strict=True), 1):
        assert (key, rejected.reason) == (f"llava-{number:08d}", reason)
        assert why in rejected.detail
        place = f"mix.json {'line' if layout == 'lines' else 'item'} {number + 1}"
        assert place in rejected.detail or reason == "image unreadable"


def test_rare_line_ends_do_not_end_a_record(images, tmp_path):
    text = "A red\u2028cup\u2029on\x85it."
    record = {"id": 1, "image": "0.png", "instruction": "What?", "output": text}
    (tmp_path / "mix.jsonl").write_text(json.dumps(record, ensure_ascii=False) + "\n", encoding="utf-8")
    (row,) = Source("llava", (tmp_path / "mix.jsonl",))
    assert row.fault is None and row.turns[0].answer == text


@pytest.mark.parametrize("change", [{"images": None}, {"images": 5}, {"images": [5, {"id": 0}]}])
def test_captions_whose_images_are_not_named_are_rejected_one_by_one(tmp_path, change):
    path = tmp_path / "captions.json"
    path.write_text(json.dumps(source_files.captions() | change))
    rows = list(Source("captions", (path,)))
    assert [row.fault.reason for row in rows] == ["unreadable record"] * 3
    assert f"{path}, `annotations` 2: `images` has no image '1' with a file_name" in rows[1].fault.detail


def outcome(source, images):
    """What becomes of each row, as a job would write it: its phrases, with a mask where that is given."""
    seen = list(seen_turns(source, images))
    results = annotate(seen, rules)
    found = dict.fromkeys((one.row_id for one in seen), b"")
    for one, result in zip(seen, results, strict=True):
        found[one.row_id] += encoded(one.key, result)
        if not isinstance(result, Rejected) and result["phrases"]:
            phrases = tuple((one.turn.index, each["text"], each["phrase"]) for each in result["phrases"])
            (row,) = (row for row in source if row.row_id == one.row_id)
            (made,) = locate([RowPhrases(row, one.image, phrases)], given_masks(images / "masks.jsonl", images))
            found[one.row_id] += encoded(one.key, made)
    return found


@pytest.mark.parametrize("kind", ["llava", "llava_pairs", "captions", "caption_records"])
def test_a_record_with_one_place_damaged_changes_no_other_and_is_never_lost(images, tmp_path, kind):
    value = getattr(source_files, kind)()
    masks = "\n".join(map(json.dumps, source_files.given_masks()))
    (images / "masks.jsonl").write_text(masks)
    path = tmp_path / "source.json"
    path.write_text(json.dumps(value))
    source = Source("captions" if "caption" in kind else "llava", (path,))
    whole = outcome(source, images)
    within = ("annotations", 1) if kind == "captions" else (1,)
    for place, name, content in drawn(value, 50, seed=7, within=within):
        path.write_bytes(content)
        found = outcome(source, images)
        assert found.keys() == whole.keys(), (place, name)
        changed = [key for key in whole if found[key] != whole[key]]
        assert not changed or changed == list(whole)[1:2], (place, name)


@pytest.mark.parametrize("name", ["given_masks", "given_expressions"])
def test_a_bad_record_of_given_places_or_phrases_costs_itself_and_is_reported(images, tmp_path, name):
    value = getattr(source_files, name)()
    path = tmp_path / "given.json"
    for place, kind, content in drawn(value, 50, seed=3, within=(1,)):
        path.write_bytes(content)
        if name == "given_masks":
            item = RowPhrases(None, images / "0.png", ())
            located = given_masks(path, images)([type("Asked", (), {"image": item.path, "phrases": ("red cup", "sea")})])
            assert not isinstance(located[0][0], Rejected), (place, kind)
            missing = located[0][1]
        else:
            annotator = given(path)
            (row,) = [row for row in _pairs(tmp_path) if row.row_id == "llava-00000000"]
            assert annotator(list(seen_turns([row])))[0] == ("red cup",), (place, kind)
            missing = annotator(list(seen_turns(_pairs(tmp_path, "Where?"))))[0]
        assert missing.reason in ("not given", "no such turn")


def _pairs(folder, question=None):
    value = source_files.llava_pairs()
    if question:
        value = [record | {"instruction": question} for record in value]
    (folder / "pairs.json").write_text(json.dumps(value))
    return Source("llava", (folder / "pairs.json",))


def test_where_given_places_are_missing_the_bad_record_is_named(images, tmp_path):
    value = source_files.given_masks()
    value[0]["boxes"] = [[0.5, 0.1, 0.1, 0.5]]
    (tmp_path / "given.json").write_text(json.dumps(value))
    item = type("Asked", (), {"image": images / "0.png", "phrases": ("red cup",)})
    ((missing,),) = given_masks(tmp_path / "given.json", images)([item])
    assert missing.reason == "not given"
    assert "red cup; 1 records of " in missing.detail and "given.json item 1: You passed (0.5, 0.1, 0.1, 0.5)" in missing.detail
