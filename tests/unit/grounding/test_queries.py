# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A file of queries: what is wrong with one line is said of that line, and all the others are asked."""

import json

import pytest
from PIL import Image

from promvil_hf import jobs
from promvil_hf.backends.kosmos2 import Kosmos2Backend
from promvil_hf.grounding import GroundingOptions, ProgressiveGrounder
from promvil_hf.grounding.batch_job import ground_file
from promvil_hf.toy import models
from tests.mutations.within import drawn
from tests.reference import source_files


GOOD = {"image": "0.png", "expression": "a dog"}
BAD = [  # a line, its reason, and the place in its message
    (b'{"image": "0.png", "expression": "\\ud800"}', "line is not JSON", "half a surrogate pair"),
    (b'{"image": "0.png", "expression": ' + b"9" * 5_000 + b"}", "line is not JSON", "thousands of digits"),
    (b'{"image": "0.png", "expression": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "line is not JSON", "nested too deeply"),
    (b'{"image": "0.png", "expression": "\xff"}', "line is not JSON", "not UTF-8"),
    (b"5", "line is not JSON", "must be an object"),
    (b"{", "line is not JSON", "it is not JSON"),
    (b'{"id": "first", "image": "0.png", "expression": "a dog"}', "id is not unique", "line 1 has it already"),
    (b'{"id": "line 2", "image": "0.png", "expression": "a dog"}', "id is not unique", "line 2 has it already"),
    (b'{"id": [1], "image": "0.png", "expression": "a dog"}', "wrong type or missing field", "`id` is [1]"),
    (b'{"image": 5, "expression": "a dog"}', "wrong type or missing field", "`image` is 5, and it must be text"),
    (b'{"expression": "a dog"}', "wrong type or missing field", "has no `image`"),
    (b'{"image": "0.png", "expression": NaN}', "wrong type or missing field", "`expression` is nan"),
    (b'{"image": "0.png"}', "line has not the keys", 'one of "expression" and "question"'),
    (b'{"image": "\\u0000.png", "expression": "a dog"}', "damaged picture", "null"),
    (b'{"image": "' + b"a" * 5_000 + b'.png", "expression": "a dog"}', "damaged picture", "too long"),
]


@pytest.fixture(scope="module")
def grounder():
    tiny = models.tiny_kosmos2()
    return ProgressiveGrounder(Kosmos2Backend(tiny.model, tiny.processor), GroundingOptions("one_shot"))


def asked(grounder, folder, content):
    Image.new("RGB", (8, 8)).save(folder / "0.png")
    (folder / "queries.jsonl").write_bytes(content)
    report = ground_file(grounder, folder / "queries.jsonl", folder / "out", progress=False)
    assert report.finished
    return dict(jobs.rows(folder / "out")), dict(jobs.rejects(folder / "out"))


def test_each_bad_line_is_rejected_with_its_reason_and_place_and_all_others_are_asked(grounder, tmp_path):
    good = [{"id": "first", **GOOD}, GOOD, GOOD, {"id": 7, **GOOD}]
    lines = [*(json.dumps(row).encode() for row in good[:2]), *(line for line, _, _ in BAD)]
    lines += [json.dumps(row).encode() for row in good[2:]]
    rows, rejects = asked(grounder, tmp_path, b"\n".join(lines) + b"\n")
    last = len(lines)
    assert list(rows) == ["first", "line 2", f"line {last - 1}", "7"]
    found = list(rejects.items())
    assert len(found) == len(BAD)
    for number, ((_, reason, why), (key, rejected)) in enumerate(zip(BAD, found, strict=True), 3):
        assert (key, rejected.reason) == (f"line {number}", reason)
        assert why in rejected.detail and f"queries.jsonl line {number}" in rejected.detail


def test_a_generated_name_never_collides_with_an_id(grounder, tmp_path):
    lines = [{"id": "line 2", **GOOD}, GOOD, {"id": "line 2", **GOOD}]
    rows, rejects = asked(grounder, tmp_path, "\n".join(map(json.dumps, lines)).encode())
    assert len(rows) == 2 and next(iter(rows)) == "line 2"
    assert [rejected.reason for rejected in rejects.values()] == ["id is not unique"]


def test_lines_end_at_a_line_feed_and_a_mark_before_the_first_is_no_part_of_it(grounder, tmp_path):
    lines = [GOOD | {"expression": text} for text in ("a\u2028dog", "a\u2029dog", "a\x85dog")]
    content = b"\xef\xbb\xbf" + "\r\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode()
    rows, rejects = asked(grounder, tmp_path, content)
    assert [row["text"] for row in rows.values()] == [line["expression"] for line in lines] and not rejects


def test_a_line_with_one_place_damaged_changes_no_other(grounder, tmp_path):
    pictures, path = source_files.pictures(tmp_path / "files"), tmp_path / "files" / "queries.jsonl"
    value = source_files.queries()

    def outcome(lines):
        path.write_bytes(b"\n".join(lines))
        ground_file(grounder, path, pictures / "out", restart=True, progress=False)
        return dict(jobs.rows(pictures / "out")), dict(jobs.rejects(pictures / "out"))

    lines = [json.dumps(row).encode() for row in value]
    whole, rejects = outcome(lines)
    assert list(whole) == ["q0", "q1", "q2"] and not rejects
    for place, fragment, content in drawn(value[1], 12, seed=6):
        rows, rejects = outcome([lines[0], content, lines[2]])
        assert (rows.get("q0"), rows.get("q2")) == (whole["q0"], whole["q2"]), (place, fragment)
        assert len(rows) + len(rejects) == 3, (place, fragment)
        assert all("line 2" in rejected.detail for rejected in rejects.values()), (place, fragment)
