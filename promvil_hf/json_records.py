# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Records of files that other people wrote: JSON, JSON Lines and Parquet, with every field checked as it is read.

    for record in records("coco_pope_popular.json"):
        record.text("image"), record.whole("question_id")

A fault is a `RecordError` that names file, record and field. One unreadable record does not end a file: it comes out as a
`Record` whose `fault` says what is wrong, and whose fields raise. Only a file that is no JSON at all is refused whole.
NaN and Infinity, which Python writes into JSON, are read; `number` refuses them. Lines end at a line feed and nowhere else.
"""

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec


BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MISSING: Any = object()


class RecordError(ValueError):
    """A record or a field that is not what it must be. The message names file, record and field."""


@dataclass(frozen=True, slots=True)
class Record:
    """One object of a file. `where` names it in messages; `fault` says why it has no fields, if it has none."""

    where: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None

    @classmethod
    def of(cls, where: str, value: Any) -> "Record":
        """A value that should be an object."""
        if isinstance(value, Mapping):
            return cls(where, value)
        return cls(where, fault=f"it is {shown(value)}, and it must be an object")

    def whole_fields(self) -> Mapping[str, Any]:
        """All fields as they are."""
        if self.fault is not None:
            raise RecordError(f"{self.where} cannot be read: {self.fault}.")
        return self.fields

    def has(self, name: str) -> bool:
        """Whether a field is there and not null."""
        return self.fields.get(name) is not None

    def get(self, *names: str, default: Any = _MISSING) -> Any:
        """The first of these fields that is there, of any type."""
        fields = self.whole_fields()
        for name in names:
            if fields.get(name) is not None:
                return fields[name]
        if default is not _MISSING:
            return default
        held = ", ".join(map(_shown_name, fields)) or "nothing"
        wanted = " or ".join(f"`{name}`" for name in names)
        raise RecordError(f"{self.where} has no {wanted}: it holds {held}.")

    def text(self, *names: str, default: Any = _MISSING) -> str:
        value = self.get(*names, default=default)
        if value is default or isinstance(value, str):
            return value
        raise self.wrong(names, value, "text")

    def identifier(self, *names: str, default: Any = _MISSING) -> str:
        """An id: text, or a whole number, which is written out. 201.0, as table programs write it, is 201."""
        value = self.get(*names, default=default)
        if value is default or isinstance(value, str):
            return value
        if isinstance(value, float) and math.isfinite(value) and value == int(value):
            return str(int(value))
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        raise self.wrong(names, value, "an id: text or a whole number")

    def whole(self, *names: str, least: int = -(2**63), most: int = 2**63 - 1, default: Any = _MISSING) -> int:
        value = self.get(*names, default=default)
        if value is default:
            return value
        if isinstance(value, float) and math.isfinite(value) and value == int(value):
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        limits = "" if (least, most) == (-(2**63), 2**63 - 1) else f" from {least} to {most}"
        raise self.wrong(names, value, f"a whole number{limits}")

    def number(self, *names: str, default: Any = _MISSING) -> float:
        """A finite number."""
        value = self.get(*names, default=default)
        if value is default or is_number(value):
            return value
        raise self.wrong(names, value, "a finite number")

    def numbers(self, name: str, count: int) -> tuple[float, ...]:
        """So many finite numbers, such as the four of a box."""
        value = self.get(name)
        if isinstance(value, list) and len(value) == count and all(map(is_number, value)):
            return tuple(value)
        raise self.wrong((name,), value, f"a list of {count} finite numbers")

    def texts(self, name: str, default: Any = _MISSING) -> tuple[str, ...]:
        value = self.get(name, default=default)
        if value is default or isinstance(value, list) and all(isinstance(part, str) for part in value):
            return value if value is default else tuple(value)
        raise self.wrong((name,), value, "a list of texts")

    def record(self, name: str) -> "Record":
        """An object within this one."""
        return Record.of(f"{self.where}, `{name}`", self.get(name))

    def records(self, name: str) -> "list[Record]":
        """A list of objects within this one. An entry that is no object comes out with a fault."""
        value = self.get(name)
        if isinstance(value, list):
            return [Record.of(f"{self.where}, `{name}` {number}", part) for number, part in enumerate(value, 1)]
        raise self.wrong((name,), value, "a list of objects")

    def wrong(self, names: tuple[str, ...], value: Any, wanted: str) -> RecordError:
        """The error to raise when a field does not hold what is wanted."""
        name = next((name for name in names if self.has(name)), names[0])
        return RecordError(f"{self.where}: `{name}` is {shown(value)}, and it must be {wanted}.")


def records(path: str | os.PathLike) -> Iterator[Record]:
    """The objects of a JSON array, of JSON Lines or of Parquet. The content decides between the first two, not the name."""
    path = Path(path)
    if path.suffix == ".parquet":
        from promvil_hf.files import read_parquet

        for number, row in enumerate(read_parquet([path]), 1):
            yield Record(f"{path} row {number}", row)
        return
    data = read_bytes(path)
    if data.lstrip()[:1] == b"[":
        for number, (_, start, end) in enumerate(split(data, path), 1):
            yield _decoded(f"{path} item {number}", data[start:end])
    else:
        yield from lines(data, path)


def lines(data: bytes, path: str | os.PathLike) -> Iterator[Record]:
    """One object a line; blank lines are passed over."""
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            yield _decoded(f"{path} line {number}", line)


def keyed(path: str | os.PathLike) -> Iterator[tuple[str, Record]]:
    """The objects of a JSON object, such as GQA's questions by their ids."""
    data = read_bytes(path)
    if data.lstrip()[:1] != b"{":
        raise RecordError(f"{path} is not a JSON object: it must hold records by their ids.")
    for key, start, end in split(data, path):
        yield key, _decoded(f"{path} {_shown_name(key)}", data[start:end])


def plain_records(path: str | os.PathLike) -> list[dict[str, Any]]:
    """The same as plain dicts, all of them readable."""
    return [dict(record.whole_fields()) for record in records(path)]


def document(path: str | os.PathLike) -> Record:
    """A file that is one JSON object, such as COCO's instances. Damaged JSON refuses it whole."""
    try:
        value = decoded(read_bytes(path))
    except RecordError as error:
        raise RecordError(f"{path} is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise RecordError(f"{path} holds {shown(value)}: it must be a JSON object.")
    return Record(str(path), value)


def read_bytes(path: str | os.PathLike) -> bytes:
    """A file's content without the mark that Windows programs put before UTF-8."""
    return Path(path).read_bytes().removeprefix(BYTE_ORDER_MARK)


def decoded(data: bytes | str) -> Any:
    """The value of a JSON text; a `RecordError` says briefly why there is none.

    >>> decoded(b'{"x": NaN}')
    {'x': nan}
    """
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise RecordError("it is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        strict = error
    try:
        value = json.loads(data)
    except RecursionError:
        raise RecordError("it is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise RecordError(f"it is not UTF-8 ({error.reason} at byte {error.start})") from None
    except json.JSONDecodeError:
        raise RecordError(f"it is not JSON ({strict})") from None
    except ValueError:  # Python refuses to read whole numbers of more than 4,300 digits
        raise RecordError("it holds a number of thousands of digits") from None
    if _not_unicode(value):
        raise RecordError("its text is not Unicode: it holds half a surrogate pair")
    return value


# A string, or a character that opens, closes or separates. Possessive, so that no text makes it slow.
_STRUCTURE = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},:]', re.DOTALL)


def split(data: bytes, path: str | os.PathLike = "the text") -> Iterator[tuple[str | None, int, int]]:
    """Key (None in a list), start and end of each element of a top-level list or object.

    Elements are not looked into, so that one which is damaged in itself does not hide the others.
    """
    depth, key, start, pending = 0, None, 0, None
    opened = ended = False
    for token in _STRUCTURE.finditer(data):
        if ended:
            raise RecordError(f"{path} is not JSON: something follows its end.")
        mark = data[token.start() : token.start() + 1]
        if mark == b'"':
            if depth == 1 and pending is None and key is None:
                pending = token.group()
        elif mark in b"[{":
            depth += 1
            if depth == 1:
                if opened or data[: token.start()].strip():
                    break
                opened, start = True, token.end()
        elif mark == b":":
            if depth == 1 and key is None and pending is not None:
                key, start = _key(pending), token.end()
        elif depth == 1:  # the end of an element
            if data[start : token.start()].strip():
                yield key, *_trimmed(data, start, token.start())
            key, pending, start = None, None, token.end()
            if mark != b",":
                depth, ended = 0, True
        elif mark in b"]}":
            depth -= 1
    if not opened:
        raise RecordError(f"{path} is not JSON: it must be a list or an object.")
    if not ended:
        raise RecordError(f"{path} ends in the middle of its JSON: it was probably cut. Get it again.")


def _trimmed(data: bytes, start: int, end: int) -> tuple[int, int]:
    while data[start : start + 1].isspace():
        start += 1
    while data[end - 1 : end].isspace():
        end -= 1
    return start, end


def _key(quoted: bytes) -> str:
    try:
        return decoded(quoted)
    except RecordError:
        return quoted[1:-1].decode("utf-8", "backslashreplace")


def _decoded(where: str, data: bytes) -> Record:
    try:
        return Record.of(where, decoded(data))
    except RecordError as error:
        return Record(where, fault=str(error))


def is_number(value: Any) -> bool:
    """Whether this is a finite number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def shown(value: Any, longest: int = 60) -> str:
    """A value for a message: short, on one line, with nothing that a terminal would obey.

    >>> shown([1, 2]), shown(None)
    ('[1, 2]', 'null')
    """
    if value is None:
        return "null"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**longest:
        return f"a whole number of more than {longest} digits"
    if isinstance(value, str):
        return repr(value if len(value) <= longest else value[:longest] + "…")
    if isinstance(value, list | tuple) and len(value) > 8:
        return f"a list of {len(value):,}"
    if isinstance(value, Mapping):
        return f"an object with {', '.join(_shown_name(name) for name in list(value)[:5]) or 'nothing'}"
    try:
        told = repr(value)
    except (RecursionError, ValueError):
        return f"a {type(value).__name__}"
    return told if len(told) <= longest else told[:longest] + "…"


def _shown_name(name: Any) -> str:
    """A field's name as it is, unless it holds something that cannot be printed."""
    name = str(name)
    return (name if name.isprintable() else repr(name))[:60]


def _not_unicode(value: Any) -> bool:
    """Whether a text anywhere in a value cannot be written as UTF-8."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str):
            if not found.isascii() and any("\ud800" <= character <= "\udfff" for character in found):
                return True
        elif isinstance(found, dict):
            waiting += found.keys()
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found
    return False
