# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import io
import json
import math
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promvil_hf import json_scanning
from promvil_hf.files import read_pickle
from promvil_hf.json_records import (
    Damaged,
    Record,
    RecordError,
    decoded,
    document,
    keyed,
    lines,
    records,
    salvaged,
    shown,
    split,
)


def written(tmp_path, content, name="file.json"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


DEEP = b"[" * 100_000 + b"]" * 100_000
BAD = {  # what one record may hold that must not end the others
    "half a surrogate pair": b'{"text": "\\ud800"}',
    "thousands of digits": b'{"text": ' + b"9" * 5_000 + b"}",
    "nested too deeply": b'{"text": ' + DEEP + b"}",
    "not UTF-8": b'{"text": "\xff"}',
    "must be an object": b"[1]",
}


@pytest.mark.parametrize("layout", ["lines", "list", "object"])
@pytest.mark.parametrize("reason", BAD)
def test_one_bad_record_comes_out_with_its_reason_and_the_others_are_read(tmp_path, layout, reason):
    whole = [b'{"text": "first"}', BAD[reason], b'{"text": "last"}']
    if layout == "object":
        path = written(tmp_path, b"{" + b", ".join(b'"%d": %s' % pair for pair in enumerate(whole)) + b"}")
        found = [record for _, record in keyed(path)]
    else:
        joined = b"\n".join(whole) if layout == "lines" else b"[" + b",\n".join(whole) + b"]"
        found = list(records(written(tmp_path, joined)))
    assert [found[0].text("text"), found[2].text("text")] == ["first", "last"]
    assert reason in found[1].fault
    with pytest.raises(RecordError, match=r"file\.json (line 2|item 2|1) cannot be read"):
        found[1].text("text")


def test_nan_is_read_and_refused_where_a_number_is_wanted(tmp_path):
    (record,) = records(written(tmp_path, '{"text": "x", "score": NaN, "width": Infinity}'))
    assert record.text("text") == "x" and math.isnan(record.get("score"))
    with pytest.raises(RecordError, match="`score` is nan, and it must be a finite number"):
        record.number("score")


def test_a_mark_before_utf8_and_rare_line_ends_are_no_part_of_a_record(tmp_path):
    content = b'\xef\xbb\xbf{"text": "a\xe2\x80\xa8b\xe2\x80\xa9c\xc2\x85d"}\r\n{"text": "e"}\n'
    assert [record.text("text") for record in records(written(tmp_path, content))] == ["a\u2028b\u2029c\x85d", "e"]


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda r: r.text("n"), "file.json item 1: `n` is 5, and it must be text."),
        (lambda r: r.text("gone", "lost"), "file.json item 1 has no `gone` or `lost`: it holds n, box, flag, big, inner."),
        (lambda r: r.whole("box"), "`box` is [1, 2, 'x', 4], and it must be a whole number."),
        (lambda r: r.whole("flag"), "`flag` is True, and it must be a whole number."),
        (lambda r: r.whole("big"), "`big` is a whole number of more than 60 digits, and it must be a whole number."),
        (lambda r: r.whole("n", least=0, most=1), "`n` is 5, and it must be a whole number from 0 to 1."),
        (lambda r: r.number("big"), "and it must be a finite number."),
        (lambda r: r.numbers("box", 4), "`box` is [1, 2, 'x', 4], and it must be a list of 4 finite numbers."),
        (lambda r: r.texts("box"), "`box` is [1, 2, 'x', 4], and it must be a list of texts."),
        (lambda r: r.record("n").text("x"), "item 1, `n` cannot be read: it is 5, and it must be an object."),
        (lambda r: r.record("inner").text("x"), "file.json item 1, `inner`: `x` is 1, and it must be text."),
        (lambda r: r.records("box")[0].text("x"), "item 1, `box` 1 cannot be read: it is 1, and it must be an object."),
        (lambda r: r.identifier("flag"), "`flag` is True, and it must be an id: text or a whole number."),
    ],
)
def test_a_wrong_field_is_named_with_its_file_and_record(tmp_path, call, sentence):
    row = {"n": 5, "box": [1, 2, "x", 4], "flag": True, "big": 10**400, "inner": {"x": 1}}
    (record,) = records(written(tmp_path, json.dumps([row])))
    with pytest.raises(RecordError) as error:
        call(record)
    assert str(error.value).endswith(sentence) and "file.json" in str(error.value)


def test_fields_of_the_right_type_are_given_as_they_are(tmp_path):
    row = {"id": 7, "float_id": 201.0, "name": "x", "box": [1, 2.5, 3, 4], "texts": ["a"], "inner": {"y": 1}}
    (record,) = records(written(tmp_path, json.dumps([row])))
    assert (record.identifier("id"), record.identifier("float_id"), record.whole("float_id")) == ("7", "201", 201)
    assert (record.numbers("box", 4), record.texts("texts"), record.record("inner").whole("y")) == ((1, 2.5, 3, 4), ("a",), 1)
    assert record.text("none", default=None) is None and record.whole("none", default=3) == 3


@pytest.mark.parametrize(
    "content, sentence",
    [
        ("[1, 2", "ends in the middle of its JSON"),
        ('[{"a": 1}] [2]', "something follows its end"),
        ('[{"a": "b]', "ends in the middle of its JSON"),
    ],
)
def test_a_list_that_is_no_json_is_refused_whole(tmp_path, content, sentence):
    with pytest.raises(RecordError, match=sentence):
        list(records(written(tmp_path, content)))


def test_a_document_is_one_object(tmp_path):
    assert document(written(tmp_path, '{"images": []}')).get("images") == []
    with pytest.raises(RecordError, match="must be a JSON object"):
        document(written(tmp_path, "[1]"))
    with pytest.raises(RecordError, match="is not JSON"):
        document(written(tmp_path, "images"))


@pytest.mark.parametrize("reason", [reason for reason in BAD if reason != "must be an object"])
def test_a_damaged_entry_of_a_document_costs_itself(tmp_path, reason):
    content = b'{"info": ' + BAD[reason] + b', "images": [{"id": 1}, ' + BAD[reason] + b', {"id": 3}]}'
    found = document(written(tmp_path, content))
    assert [image.fault is None for image in found.records("images")] == [True, False, True]
    assert reason in found.records("images")[1].fault
    with pytest.raises(RecordError, match=f"file.json, `info`: `text` cannot be read: .*{reason}"):
        found.record("info").text("text")


def test_what_is_salvaged_is_all_that_can_be_decoded():
    assert salvaged(b'[1, {"a": [tru, 2]}, "b"]') == [1, {"a": Damaged("it is not JSON (JSON is malformed: "
                                                                        "invalid character (byte 5))")}, "b"]  # fmt: skip
    assert isinstance(salvaged(b"[1, 2"), Damaged)


@pytest.mark.parametrize("content", [b'{"a": 1, junk}', b'{"a": 1} 2', b"\xff", b'{"a": [}'])
def test_an_object_that_is_no_json_is_refused_whole(tmp_path, content):
    with pytest.raises(RecordError, match="file.json .*JSON"):
        list(keyed(written(tmp_path, content)))


def test_a_name_without_a_value_is_a_record_with_a_fault(tmp_path):
    found = dict(keyed(written(tmp_path, b'{"a": , "b": {}}')))
    assert found["a"].fault and not found["b"].fault


def test_a_value_that_would_fill_the_memory_when_written_out_is_named_briefly(tmp_path):
    nested = ["x"]
    for _ in range(40):
        nested = [nested, nested]  # 2^40 elements in a pickle of some hundred bytes
    path = tmp_path / "refs.p"
    path.write_bytes(pickle.dumps({"sent": nested, "half": "\ud800", (1, 2): 3}))
    record = Record("refs.p item 1", read_pickle(path))
    with pytest.raises(RecordError, match=r"`sent` is \[\[a list of 2, a list of 2\], .*, and it must be text"):
        record.text("sent")
    with pytest.raises(RecordError, match=r"`half` is '\\ud800', and it must be text"):
        record.text("half")
    with pytest.raises(RecordError, match="it holds sent, half, "):
        record.text("gone")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.lists(JSON), st.sampled_from([None, 1]), st.booleans())
def test_splitting_a_list_gives_its_elements(values, indent, ascii_only):
    data = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert [json.loads(data[start:end]) for _, start, end in split(data)] == values


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON))
def test_splitting_an_object_gives_its_elements_by_key(values):
    data = json.dumps(values).encode()
    assert {key: json.loads(data[start:end]) for key, start, end in split(data)} == values


@given(st.binary(max_size=200))
def test_any_bytes_give_records_or_a_sentence(data):
    found = list(lines(io.BytesIO(data), "file"))
    assert all(record.fault is None or isinstance(record.fault, str) for record in found)
    for read in (decoded, lambda data: list(split(data))):
        try:
            read(data)
        except RecordError as error:
            assert str(error)


@pytest.mark.parametrize("block", [1, 3, 64])
@settings(max_examples=10)
@given(values=st.lists(JSON | st.text('\\"[]{},a', max_size=8), max_size=5))
def test_where_the_blocks_of_a_file_end_does_not_matter(values, block):
    data = json.dumps(values, ensure_ascii=False).encode("utf-8", "replace")
    with pytest.MonkeyPatch.context() as patched:
        whole = list(split(data))
        patched.setattr(json_scanning, "_BLOCK", block)
        assert list(split(data)) == whole


def test_what_a_message_shows_is_short_and_harmless():
    texts = [shown(value) for value in ("\x1b[31mred\u202e", "x" * 5_000, {"\n": 1}, list(range(99)), 10**5_000, None)]
    assert texts == ["'\\x1b[31mred\\u202e'", repr("x" * 60 + "…"), "an object with '\\n'", "a list of 99",
                    "a whole number of more than 60 digits", "null"]  # fmt: skip
