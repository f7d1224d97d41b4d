# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""One change of a file: a field, an element, a line or a range of bytes, exchanged for something hostile."""

import copy
import io
import json
import pickle
import re
from collections.abc import Callable
from random import Random
from typing import Any

import yaml


DEEP = 5_000
_MARK = "@@ what goes here @@"
# What a field is exchanged for, as JSON writes it, or as some program wrongly does.
FRAGMENTS = [
    b"null", b"true", b"false", b"0", b"-1", b"7", b"0.5", b"-0.0", b"1e5", b"2147483648", b"9223372036854775808",
    b"1" + b"0" * 19, b"1" + b"0" * 400, b"1" + b"0" * 5000, b"1e999", b"NaN", b"Infinity", b"-Infinity", b"1000000000",
    b'""', b'" "', b'"x"', b'"7"', b'"yes"', b"[]", b"{}", b"[null]", b"[[]]", b'[""]', b"[0, 0, 0, 0]", b'{"a": 1}',
    b'[{"a": 1}]',
    b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP + b"1" + b"}" * DEEP, b'"\\ud800"', b'"\\u0000"', b'"a\\nb"', b'"\\u001b[31m"',
    "\"a\u2028b\"".encode(), "\"\u202egnp\"".encode(), "\"\ufeff\"".encode(), "\"\u00e9\u4e2d\U0001f600\"".encode(),
    b'"\xff\xfe"',
    b'"../../../etc/passwd"', b'"/etc/passwd"', b'"a/../../b"', b'"' + b"a" * 100_000 + b'"', b'"' + b"a b " * 2_000 + b'"',
    b"[" + b"1," * 20_000 + b"1]", b"", b"nonsense", b"'x'", b"undefined",
]  # fmt: skip
# The same as Python values, for pickles, Parquet and YAML.
VALUES: list[Any] = [
    None, True, False, 0, -1, 7, 0.5, 2**31, 2**63, 10**19, 10**400, float("nan"), float("inf"), 1e308, "", " ", "x", "7", b"x",
    [], {}, [None], [[]], [0, 0, 0, 0], {"a": 1}, [{"a": 1}], (), (1, 2), "\ud800", "\0", "a\nb", "\x1b[31m", "\u2028", "\u202e",
    "\ufeff", "../../../etc/passwd", "/etc/passwd", "a" * 100_000, list(range(2_000)), set(), {1: 2}, 1j,
]  # fmt: skip
BYTES = [
    b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xc2\x85", b"\r", b"\n", b'"', b"{", b"[", b"}", b"]", b",", b":",
    b"\\", b"<", b">", b"&", b"-1", b"1" + b"0" * 400, b"NaN", b"1e999", b"0", b"\xed\xa0\x80", b"../", b" ", b"a" * 10_000,
]  # fmt: skip


def changed(data: bytes, form: str, random: Random) -> bytes:
    """The content of a file after one change; `form` is json, lines, pickle, parquet, yaml or bytes."""
    if form != "bytes" and random.random() < 0.75:
        try:
            return _FORMS[form](data, random)
        except _NotThisOne:
            pass
    return changed_bytes(data, random)


class _NotThisOne(Exception):
    """The changed value cannot be written in this form."""


def changed_bytes(data: bytes, random: Random) -> bytes:
    start = random.randrange(len(data) + 1)
    end = min(len(data), start + random.choice([0, 1, 2, 8, 64, 1024]))
    kind = random.randrange(10)
    if kind < 4:
        return data[:start] + random.choice(BYTES) + data[end:]
    if kind == 4:
        return data[:start]
    if kind == 5:
        return data[:start] + random.randbytes(end - start) + data[end:]
    if kind == 6:
        return random.choice(
            [data * 2, b"", b"\xef\xbb\xbf" + data, data.replace(b"\n", b"\r\n"), data + b"\0", data.upper()]
        )
    if kind == 7:  # a number exchanged for another
        found = list(re.finditer(rb"-?\d+(\.\d+)?", data))
        if found:
            start, end = random.choice(found).span()
            return (
                data[:start]
                + random.choice([b"-1", b"0", b"NaN", b"1e999", b"1" + b"0" * 400, b"x", b"", b"0.5"])
                + data[end:]
            )
    if kind == 8:  # a line left out, doubled, or put elsewhere
        lines = data.split(b"\n")
        line = lines.pop(random.randrange(len(lines)))
        for _ in range(random.choice([0, 1, 2])):
            lines.insert(random.randrange(len(lines) + 1), line)
        return b"\n".join(lines)
    return data[:start] + data[start:end][::-1] + data[end:]


# Structured files


def changed_json(data: bytes, random: Random) -> bytes:
    value = json.loads(data)
    places = [(None, None), *_places(value)]
    holder, key = random.choice(places)
    if holder is None:
        return random.choice(FRAGMENTS)
    kind, old = random.random(), holder[key]
    fragment = random.choice(FRAGMENTS)
    if kind < 0.1:
        del holder[key]
    elif kind < 0.2 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(old))
    elif kind < 0.2:  # the same key once more
        holder[key] = _MARK
        fragment = json.dumps(old).encode() + b"," + json.dumps(key).encode() + b":" + (fragment or b"1")
    elif kind < 0.26:
        other, other_key = random.choice(places[1:])
        holder[key] = copy.deepcopy(other[other_key])
    elif kind < 0.32 and isinstance(holder, dict):
        holder[random.choice(["", "id", "x" * 1000, "\ud800", "a\nb", key.upper()])] = holder.pop(key)
    elif kind < 0.4:
        holder[key] = random.choice([[old], {"a": old}, str(old), [old, old]])
    else:
        holder[key] = _MARK
    written = json.dumps(value).encode()
    return written.replace(json.dumps(_MARK).encode(), fragment, 1)


def changed_lines(data: bytes, random: Random) -> bytes:
    lines = data.split(b"\n")
    full = [number for number, line in enumerate(lines) if line.strip()]
    place = random.choice(full)
    lines[place] = changed_json(lines[place], random)
    return b"\n".join(lines)


def changed_value(value: Any, random: Random, shared: bool = False) -> Any:
    """`shared` allows lists that hold one another twice, which a file can say shortly and nobody can unfold."""
    value = copy.deepcopy(value)
    places = list(_places(value))
    if not places or random.random() < 0.03:
        return random.choice(VALUES)
    holder, key = random.choice(places)
    kind, old = random.random(), holder[key]
    if kind < 0.15:
        del holder[key]
    elif kind < 0.25:
        holder[key] = random.choice([[old], str(old), {"a": old}])
    elif kind < 0.28 and shared:
        for _ in range(40):
            old = [old, old]
        holder[key] = old
    else:
        holder[key] = random.choice(VALUES)
    return value


def changed_pickle(data: bytes, random: Random) -> bytes:
    value = changed_value(pickle.loads(data), random, shared=True)  # noqa: S301 - our own, a moment ago
    try:
        return pickle.dumps(value, random.choice([0, 2, 4]))
    except (RecursionError, UnicodeEncodeError, ValueError) as error:
        raise _NotThisOne from error


def changed_parquet(data: bytes, random: Random) -> bytes:
    import pyarrow
    import pyarrow.parquet

    rows = changed_value(pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist(), random)
    written = io.BytesIO()
    try:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), written)
    except (pyarrow.ArrowException, TypeError, ValueError, AttributeError, OverflowError, KeyError) as error:
        raise _NotThisOne from error
    return written.getvalue()


def changed_yaml(data: bytes, random: Random) -> bytes:
    value = changed_value(yaml.safe_load(data), random)
    try:
        return yaml.safe_dump(value, allow_unicode=True).encode()
    except (yaml.YAMLError, ValueError) as error:
        raise _NotThisOne from error


_FORMS: dict[str, Callable[[bytes, Random], bytes]] = {
    "json": changed_json, "lines": changed_lines, "pickle": changed_pickle, "parquet": changed_parquet, "yaml": changed_yaml,
}  # fmt: skip


def _places(value: Any):
    """Each place of a value: what holds it, and under which key."""
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        if not isinstance(holder, dict | list):
            continue
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            yield holder, key
            waiting.append(holder[key])
