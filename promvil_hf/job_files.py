# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The files in the folder of a job: what a shard's file holds, and how it is written, read back and checked.

`promvil_hf.jobs` says which files there are. Rows and rejects of a shard share one file, so that a single move commits
both. Each shard is known by a fingerprint of its items' keys, and by the SHA-256 of its bytes.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from promvil_hf.files import atomic_write
from promvil_hf.json_documents import json_document
from promvil_hf.json_records import RecordError, shown


class JobError(ValueError):
    """A job that cannot start or go on. The message says all there is to say: show it without a traceback."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why an item gave no row: a short ``reason`` to count by, and the ``detail`` of this one case."""

    reason: str
    detail: str = ""


def check_some(done: int, failed: Mapping[str, int], where: str, examples: Iterable[tuple[str, str]] = ()) -> None:
    """Raise where all items of a job failed: none is done, and `failed` counts the reasons.

    Here it is decided, for every job, that such a run has failed. The message names the commonest reason with an example of
    it, from pairs of reason and detail; `where` says what holds the rest.
    """
    if done or not (total := sum(failed.values())):
        return
    reason, often = max(failed.items(), key=lambda found: found[1])
    detail = next((f", such as {shown(text, 200)}" for why, text in examples if why == reason and text), "")
    raise JobError(
        f"Nothing came of all {total:,} items: {reason!r} {often:,} times{detail}. {where} holds every reason. Mend what is "
        "wrong and run the same again."
    )


class Line(msgspec.Struct):
    key: str
    row: msgspec.Raw = msgspec.Raw()
    reject: str | None = None
    detail: str = ""


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # numpy scalars and arrays, torch tensors
        return value.tolist()
    raise TypeError(f"JSON has no {type(value).__name__}: give numbers, text, lists and dicts")


encoder = msgspec.json.Encoder(enc_hook=_plain)
decode_line = msgspec.json.Decoder(Line).decode


def encoded(key: str, result: Any) -> bytes:
    if not isinstance(result, Rejected):
        try:
            row = encoder.encode(result)
        except UnicodeEncodeError as error:  # half a surrogate pair: one item's text, no reason to stop the rest
            result = Rejected("text is not Unicode", str(error))
        else:
            if not row.startswith(b"{"):
                raise JobError(f"work returned {result!r:.60} for {key!r}: return a dict or Rejected(reason).")
            return encoder.encode({"key": key, "row": msgspec.Raw(row)}) + b"\n"
    reason, detail = (text.encode("utf-8", "backslashreplace").decode() for text in (result.reason, result.detail))
    return encoder.encode({"key": key, "reject": reason, "detail": detail}) + b"\n"


def fingerprint(keys: list[str]) -> str:
    return f"{len(keys)} items, {keys[0]!r} to {keys[-1]!r}, key hash {sha256(encoder.encode(keys)).hexdigest()[:32]}"


@dataclass(frozen=True, slots=True)
class Part:
    items: int
    rejected: Counter[str]
    sha256: str


_REDO = "Delete it and job.json and run the job again: only this shard is redone."
AGAIN = "--restart (in Python restart=True)"
SAME_ITEMS = f"Give the same items in the same order, use another folder, or pass {AGAIN}, which discards what is there."


def _lines(path: Path, content: Any) -> Iterator[Line]:
    """The decoded lines of a part, while the hash `content` takes in their bytes."""
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            content.update(line)
            try:
                decoded = decode_line(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise JobError(f"{path} is damaged at line {number} ({error}). {_REDO}") from error
            if not line.endswith(b"\n"):
                raise JobError(f"{path} is damaged: line {number} has no end. {_REDO}")
            yield decoded


def survey(path: Path, expected: str) -> Part:
    """Read a part back; refuse it when its keys are not those of the input's shard."""
    content, keys, rejected = sha256(), [], Counter()
    for line in _lines(path, content):
        keys.append(line.key)
        if line.reject is not None:
            rejected[line.reject] += 1
    found = fingerprint(keys) if keys else "no items"
    if found != expected:
        raise JobError(
            f"{path} was made from other items than the input gives now (then {found}; now {expected}): "
            f"items were added, removed or reordered since. {SAME_ITEMS}"
        )
    return Part(len(keys), rejected, content.hexdigest())


def count(parts: Iterable[Part]) -> tuple[int, dict[str, int]]:
    items, rejected = 0, Counter()
    for part in parts:
        items += part.items
        rejected += part.rejected
    return items, dict(sorted(rejected.items()))


def part_name(index: int) -> str:
    return f"part-{index:05d}.jsonl"


def part_indices(out: Path) -> list[int]:
    found = (re.fullmatch(r"part-(\d{5,})\.jsonl", path.name) for path in out.iterdir())
    return sorted(int(match[1]) for match in found if match)


def commit(path: Path, lines: Iterable[bytes]) -> None:
    """All of the file or none of it, even if the power fails."""
    try:
        with atomic_write(path, "wb") as file:
            file.writelines(lines)
    except OSError as error:
        why = error.strerror or error
        raise JobError(f"Cannot write {path}: {why}. Shards done are kept: mend that and run again.") from error


def reject_lines(paths: Iterable[Path]) -> Iterator[bytes]:
    for path in paths:
        with open(path, "rb") as lines:
            yield from (line for line in lines if decode_line(line).reject is not None)


def listed_parts(out: Path) -> list[dict[str, str]]:
    """Name and SHA-256 of each part of a finished job; FileNotFoundError where it is not finished."""
    try:
        job = json_document(out / "job.json")
        parts, items = job.records("parts"), job.whole("items")
        found = [{"name": part.text("name"), "sha256": part.text("sha256")} for part in parts]
        names = [part["name"] for part in found] == [part_name(index) for index in range(len(found))]
        if not names or sum(part.whole("items") for part in parts) != items:
            raise RecordError(f"{out / 'job.json'} does not list the parts of {items:,} items.")
    except RecordError as error:
        raise JobError(f"{error} Run the job again: the list is written anew.") from error
    return found


def results(out: Path) -> tuple[int, dict[str, int]]:
    """How many rows a finished job has, and how many rejects of each reason."""
    job = json_document(out / "job.json")
    rejected = job.record("rejected")
    return job.whole("rows"), {reason: rejected.whole(reason) for reason in rejected.fields}


def read_lines(out: str | os.PathLike, partial: bool) -> Iterator[Line]:
    out = Path(out)
    try:
        parts = listed_parts(out)
    except FileNotFoundError:
        if not (out / "plan.json").exists():
            raise JobError(f"{out} holds no job: there is no plan.json in it.") from None
        parts = [{"name": part_name(index)} for index in part_indices(out)]
        if not partial:
            raise JobError(
                f"{out} is not finished: {len(parts):,} shards are there, but no job.json. "
                "Run the job to its end, or read what there is with partial=True."
            ) from None
    return _read_parts(out, parts)


def row_of(out: str | os.PathLike, line: Line) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line.row)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise JobError(f"The row {line.key!r:.100} in {out} is damaged ({error}). {_REDO}") from error


def _read_parts(out: Path, parts: list[dict[str, Any]]) -> Iterator[Line]:
    for part in parts:
        path, content = out / part["name"], sha256()
        try:
            yield from _lines(path, content)
        except FileNotFoundError as error:
            raise JobError(
                f"{path} is gone, though job.json lists it. Run the job again: only it is redone."
            ) from error
        if part.get("sha256", content.hexdigest()) != content.hexdigest():
            raise JobError(f"{path} is not what job.json lists: it was changed after the job finished. {_REDO}")
