# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Damages one place of a JSON value: another type, a missing field, a number or text that no reader expects."""

import json
import random
from collections.abc import Iterator
from typing import Any


MARK = "\ue000here\ue000"
REPLACEMENTS = {
    "missing": None,
    "null": b"null",
    "true": b"true",
    "text": b'"x"',
    "a blank text": b'" "',
    "a number": b"5",
    "a negative number": b"-1",
    "a fraction": b"1.5",
    "2**31": b"2147483648",
    "2**63": b"9223372036854775808",
    "an id of 19 digits": b"9999999999999999999",
    "400 digits": b"9" * 400,
    "5,000 digits": b"9" * 5_000,
    "1e999": b"1e999",
    "1e300": b"1e300",
    "NaN": b"NaN",
    "-Infinity": b"-Infinity",
    "an empty list": b"[]",
    "an empty object": b"{}",
    "a list of lists": b'[[1, "a"], null]',
    "5,000 lists": b"[" * 5_000 + b"]" * 5_000,
    "20,000 objects": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    "half a surrogate pair": b'"\\ud800"',
    "no UTF-8": b'"\xff\xfe"',
    "NUL": b'"a\\u0000.jpg"',
    "5,000 characters": b'"' + b"a" * 5_000 + b'"',
    "a path upwards": b'"../../etc/passwd"',
    "rare line ends": b'"a\xe2\x80\xa8b\xc2\x85c"',
    "an escape sequence": b'"\\u001b[31m\\u202e"',
    "no JSON": b"tru",
}


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The way to each field and each entry of a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield (*path, key)
        yield from places(part, (*path, key))


def mutated(value: Any, path: tuple, name: str) -> bytes:
    """The JSON text of a value in which the place at `path` is replaced by what `name` stands for."""
    copy = json.loads(json.dumps(value))
    holder = copy
    for key in path[:-1]:
        holder = holder[key]
    replacement = REPLACEMENTS[name]
    if replacement is None:
        del holder[path[-1]]
        return json.dumps(copy).encode()
    holder[path[-1]] = MARK
    return json.dumps(copy, ensure_ascii=False).encode().replace(json.dumps(MARK, ensure_ascii=False).encode(), replacement)


def drawn(value: Any, count: int, seed: int, within: tuple = ()) -> Iterator[tuple[tuple, str, bytes]]:
    """So many mutations (place, name, text), drawn from all there are; places begin with `within`."""
    found = [path for path in places(value) if path[: len(within)] == within and path != within]
    generator = random.Random(seed)
    for _ in range(count):
        path, name = generator.choice(found), generator.choice(list(REPLACEMENTS))
        yield path, name, mutated(value, path, name)
