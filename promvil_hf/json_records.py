# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Records of files that other people wrote: JSON, JSON Lines and Parquet, with every field checked as it is read.

    for record in records("coco_pope_popular.json"):
        record.text("image"), record.whole("question_id")

A fault is a `RecordError` that names file, record and field. One unreadable record does not end a file: it comes out as a
`Record` whose `fault` says what is wrong, and whose fields raise. Only a file that is no JSON at all is refused whole.
NaN and Infinity, which Python writes into JSON, are read; `number` refuses them. Lines end at a line feed and nowhere else.
No other module decodes the JSON of users' files by itself; a few decode single records with types of their own, for speed,
and come here with those that fail.
"""

import json
import math
import mmap
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from promvil_hf.json_scanning import separators


BYTE_ORDER_MARK = b"\xef\xbb\xbf"
UNREADABLE = (ValueError, RecursionError)  # what decoders of JSON raise
_MISSING: Any = object()


class RecordError(ValueError):
    """A record or a field that is not what it must be. The message names file, record and field."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """Stands where a part of a file cannot be decoded, and says why."""

    why: str


class Record(msgspec.Struct, frozen=True):  # made millions of times: a frozen dataclass takes five times as long
    """One object of a file. `where` names it in messages; `fault` says why it has no fields, if it has none."""

    where: str
    fields: Mapping[str, Any] = {}
    fault: str | None = None

    @classmethod
    def of(cls, where: str, value: Any) -> "Record":
        """A value that should be an object."""
        if isinstance(value, dict | Mapping):
            return cls(where, value)
        if isinstance(value, Damaged):
            return cls(where, fault=value.why)
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
            value = fields.get(name)
            if isinstance(value, Damaged):
                raise RecordError(f"{self.where}: `{name}` cannot be read: {value.why}.")
            if value is not None:
                return value
        if default is not _MISSING:
            return default
        held = ", ".join(map(_shown_name, list(fields)[:20])) or "nothing"
        wanted = " or ".join(f"`{name}`" for name in names)
        raise RecordError(f"{self.where} has no {wanted}: it holds {held}.")

    def text(self, *names: str, default: Any = _MISSING) -> str:
        value = self.get(*names, default=default)
        if value is default or _is_text(value):
            return value
        raise self.wrong(names, value, "text")

    def identifier(self, *names: str, default: Any = _MISSING) -> str:
        """An id: text, or a whole number, which is written out. 201.0, as table programs write it, is 201."""
        value = self.get(*names, default=default)
        if value is default or _is_text(value):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, float) and math.isfinite(value) and value == int(value):
            return str(int(value))
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
        if value is default or isinstance(value, list) and all(map(_is_text, value)):
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


def records(path: str | os.PathLike, columns: Sequence[str] = ()) -> Iterator[Record]:
    """The objects of a JSON array, of JSON Lines or of Parquet. The content decides between the first two, not the name.

    With `columns`, an element of a JSON array may also be a list of that many values.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        from promvil_hf.files import read_parquet

        for number, row in enumerate(read_parquet([path]), 1):
            yield Record(f"{path} row {number}", row)
        return
    with open(path, "rb") as file:
        if _first_byte(file) == b"[":
            data = file.read()
            for number, (_, start, end) in enumerate(split(data, path), 1):
                yield _decoded(f"{path} item {number}", data[start:end], columns)
        else:
            yield from lines(file, path)


def lines(file: Iterable[bytes], path: str | os.PathLike) -> Iterator[Record]:
    """One object a line of a file opened in binary mode; blank lines are passed over."""
    return (record for _, record in numbered(file, path))


def numbered(file: Iterable[bytes], path: str | os.PathLike) -> Iterator[tuple[int, Record]]:
    """The same with the numbers of the lines."""
    path = str(path)  # once, not for each line
    for number, line in enumerate(file, 1):
        if number == 1:
            line = line.removeprefix(BYTE_ORDER_MARK)
        if line and not line.isspace():
            yield number, _decoded(f"{path} line {number}", line)


def _first_byte(file: IO[bytes]) -> bytes:
    """The first byte of what a file holds; blanks and a mark before them do not count. It is then read from its start."""
    start = file.read(1 << 16)
    file.seek(0)
    return start.removeprefix(BYTE_ORDER_MARK).lstrip()[:1]


def first_name(path: str | os.PathLike) -> str | None:
    """The first name in a file that begins as a JSON object does, which distinguishes files with the same ending; else None."""
    with open(path, "rb") as file:
        found = _FIRST_NAME.match(file.read(1 << 16))
    return found and found[1].decode("utf-8", "replace")


def keyed(path: str | os.PathLike) -> Iterator[tuple[str, Record]]:
    """The objects of a JSON object, such as GQA's questions by their ids."""
    data = read_bytes(path)
    if data.lstrip()[:1] != b"{":
        raise RecordError(f"{path} is not a JSON object: it must hold records by their ids.")
    for key, start, end in split(data, path):
        yield key, _decoded(f"{path} {_shown_name(key)}", data[start:end])


def each_record(path: str | os.PathLike, take: Callable[[Record], None], form: str) -> str:
    """Call `take` with every record. Gives a sentence about those that it cannot use, or "".

    A file without a record that can be used is refused; `form` then says what a record has.
    """
    used, bad = 0, []
    for record in records(path):
        try:
            take(record)
            used += 1
        except RecordError as error:
            bad.append(error)
    if bad and not used:
        raise RecordError(f"No record of {path} can be used. The first: {bad[0]} A record has {form}.")
    return f"{len(bad):,} records of {path} cannot be used; the first: {bad[0]}" if bad else ""


def plain_records(path: str | os.PathLike) -> list[dict[str, Any]]:
    """The same as plain dicts, all of them readable."""
    return [dict(record.whole_fields()) for record in records(path)]


def document(path: str | os.PathLike) -> Record:
    """A file that is one JSON object, such as COCO's instances. What is damaged in one of its lists costs itself only."""
    value = salvaged(read_bytes(path))
    if isinstance(value, Damaged):
        raise RecordError(f"{path} is not JSON: {value.why}.")
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


def fault_of(data: bytes) -> str:
    """Why a JSON text has no value; "" for one that has."""
    try:
        decoded(data)
    except RecordError as error:
        return str(error)
    return ""


def salvaged(data: bytes, depth: int = 2) -> Any:
    """The value of a JSON text, with a `Damaged` where a part of it cannot be decoded.

    Parts are the elements of an object or list and, while `depth` lasts, their elements in turn.

    >>> salvaged(b'{"images": [{"id": 1}, {"id": "\\\\ud800"}]}')["images"]
    [{'id': 1}, Damaged(why='its text is not Unicode: it holds half a surrogate pair')]
    """
    try:
        return decoded(data)
    except RecordError as error:
        whole = Damaged(str(error))
    try:
        parts = list(split(data)) if depth else []
    except RecordError:
        return whole
    if not parts:
        return whole
    found = [salvaged(data[start:end], depth - 1) for _, start, end in parts]
    keys = [key for key, _, _ in parts]
    return found if keys[0] is None else dict(zip(keys, found, strict=True))


# Possessive, so that no text makes them slow.
_OPENING = re.compile(rb"(?:" + BYTE_ORDER_MARK + rb")?\s*+[\[{]")
_FIRST_NAME = re.compile(rb'(?:' + BYTE_ORDER_MARK + rb')?\s*+\{\s*+"([^"\\]*+)"')
_NAME = re.compile(rb'\s*+("[^"\\]*+(?:\\.[^"\\]*+)*+")\s*+:', re.DOTALL)
_BLANKS = re.compile(rb"\s*+")


def split(data: bytes | mmap.mmap, path: str | os.PathLike = "the text") -> Iterator[tuple[str | None, int, int]]:
    """Key (None in a list), start and end of each element of a top-level list or object.

    Elements are not looked into, so that one which is damaged in itself does not hide the others. Of a mapped file little
    is held at a time.
    """
    opening = _OPENING.match(data)
    if opening is None:
        raise RecordError(f"{path} is not JSON: it must be a list or an object.")
    start = opening.end()
    named, mark = data[start - 1 : start] == b"{", b","
    for end in separators(data, start):
        name = _NAME.match(data, start, end) if named else None
        begin, end_of_element = _trimmed(data, name.end() if name else start, end)
        if name or begin < end_of_element:
            if named and not name:
                raise RecordError(f"{path} is not JSON: an element of its object has no name.")
            yield name and _key(name[1]), begin, end_of_element
        start, mark = end + 1, data[end : end + 1]
    if mark == b",":
        raise RecordError(f"{path} ends in the middle of its JSON: it was probably cut. Get it again.")
    if _BLANKS.match(data, start).end() < len(data):
        raise RecordError(f"{path} is not JSON: something follows its end.")


def _trimmed(data: bytes, start: int, end: int) -> tuple[int, int]:
    start = _BLANKS.match(data, start, end).end()
    return start, start + len(data[start:end].rstrip())


def _key(quoted: bytes) -> str:
    try:
        return decoded(quoted)
    except RecordError:
        return quoted[1:-1].decode("utf-8", "backslashreplace")


def _decoded(where: str, data: bytes, columns: Sequence[str] = ()) -> Record:
    try:
        value = decoded(data)
        if columns and isinstance(value, list) and len(value) == len(columns):
            value = dict(zip(columns, value, strict=True))
        return Record.of(where, value)
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


def shown(value: Any, longest: int = 60, inner: int = 2) -> str:
    """A value for a message: short, on one line, with nothing that a terminal would obey. `inner` lists are looked into.

    >>> shown([1, 2]), shown(None)
    ('[1, 2]', 'null')
    """
    if value is None:
        return "null"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**longest:
        return f"a whole number of more than {longest} digits"
    if isinstance(value, str):
        return repr(value if len(value) <= longest else value[:longest] + "…")
    if isinstance(value, list | tuple):
        if len(value) > 8 or not inner:
            return f"a list of {len(value):,}"
        text = f"[{', '.join(shown(part, longest, inner - 1) for part in value)}]"
        return text if len(text) <= longest else text[:longest] + "…"
    if isinstance(value, Mapping):
        return f"an object with {', '.join(_shown_name(name) for name in list(value)[:5]) or 'nothing'}"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Damaged):
        return f"damaged ({value.why})"
    return f"a {type(value).__name__}"


def _shown_name(name: Any) -> str:
    """A field's name as it is, unless it holds something that cannot be printed."""
    name = name if isinstance(name, str) else shown(name)
    return (name if name.isprintable() else repr(name))[:60]


def _is_text(value: Any) -> bool:
    """Whether this is text that can be written: a pickle may hold half a surrogate pair."""
    return isinstance(value, str) and (value.isascii() or not _not_unicode(value))


def _not_unicode(value: Any) -> bool:
    """Whether a text anywhere in a value cannot be written as UTF-8."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str):
            try:
                found.encode()
            except UnicodeEncodeError:
                return True
        elif isinstance(found, dict):
            waiting += found.keys()
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found
    return False
