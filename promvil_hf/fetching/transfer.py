# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A file from its address to the disk, in as many tries as it takes, and checked before it has its name.

What came so far lies in `NAME.partial`, and `NAME.partial.json` says of what it is a part. A try begins a little before the end
of that and compares: a file that was changed on the server is noticed even where the server does not say so, and begun anew.
"""

import hashlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tqdm import tqdm

from promvil_hf.fetching.contents import fault
from promvil_hf.fetching.requests import Answer, Final, Passing, get
from promvil_hf.fetching.sources import size_text
from promvil_hf.files import move, write_json
from promvil_hf.json_documents import json_document


OVERLAP = 4_096  # bytes that are asked for again and compared
CHUNK = 1 << 20
_SYNC_EVERY = 256 * CHUNK


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is waited for.

    Args:
        tries: In a row that bring nothing new, of a server that answered before in this run.
        first_tries: In a row that do not reach a server which has not answered yet: there may be no network at all.
        timeout: Seconds without a byte that end a try.
        longest: Seconds to wait at most where a server asks for more.
        first: Seconds before the second try; doubled at each further one.
    """

    tries: int = 8
    first_tries: int = 4
    timeout: float = 60.0
    longest: float = 600.0
    first: float = 2.0


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known of a file beforehand: bytes, if exact, and "sha256:..." or "md5:..."."""

    size: int | None = None
    checksum: str = ""


def download(
    urls: Sequence[str],
    place: Path,
    expected: Expected,
    patience: Patience = Patience(),  # noqa: B008
    shown: bool = True,
    wait: Callable[[float], None] = time.sleep,
    answered: dict[str, bool] | None = None,
) -> dict:
    """Bring the file of the first of these addresses that gives it to `place`. Gives what came: size, sha256.

    `answered` is kept over the files of one run: which servers answered, and which were given up and are not asked again.
    A file that lies there is taken as it is, if it fits: it was checked before it got its name, or put there by hand.
    """
    if place.is_file():
        return _checked(place, place, expected, "delete it or get it again")
    place.parent.mkdir(parents=True, exist_ok=True)
    partial, refusals = place.with_name(f"{place.name}.partial"), []
    answered = {} if answered is None else answered
    for url in urls:
        try:
            _complete(url, partial, expected, patience, shown, wait, answered)
            found = _checked(partial, place, expected)
        except Final as error:
            refusals.append(str(error))
            continue
        move(partial, place)
        _record(partial).unlink(missing_ok=True)
        return found
    raise ValueError(f"{place.name} did not come. {' '.join(refusals)}")


def _record(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _complete(
    url: str,
    partial: Path,
    expected: Expected,
    patience: Patience,
    shown: bool,
    wait: Callable[[float], None],
    answered: dict[str, bool],
) -> None:
    """Ask until the whole file is in `partial`."""
    server = urlsplit(url).netloc
    if answered.get(server) is False:
        raise Final(f"{server} could not be reached for a file before and was not asked again.")
    _say(f"{partial.stem}: asking {url}; a try ends after {patience.timeout:g} s without an answer", shown)
    known = _begun(url, partial)
    most, idle = _length(partial), 0
    hidden = None if shown else True  # None: on a terminal only
    with tqdm(total=known.get("total"), initial=most, unit="B", unit_scale=True, desc=partial.stem, disable=hidden) as bar:
        while True:
            after, unreachable = None, False
            try:
                known, whole = _one_try(url, partial, known, expected, patience, bar)
                answered[server] = True
                if whole:
                    return
                why = f"{url} ends after {_length(partial):,} of {known['total']:,} bytes"
            except Passing as error:
                why, after, unreachable = str(error), error.after, error.unreachable
                if error.anew:
                    known = _anew(partial)
            if _length(partial) > most:
                most, idle = _length(partial), 0
            idle += 1
            if not unreachable:
                answered[server] = True
            tries = patience.tries if server in answered else patience.first_tries
            if idle >= tries:
                if unreachable:
                    answered[server] = False
                raise Final(_given_up(why, idle, _length(partial), unreachable))
            pause = patience.first * 2 ** (idle - 1) if after is None else after
            if pause > patience.longest:
                if after is not None:
                    raise Final(f"{why} and asks to be left alone for {after:,.0f} seconds. Run the same command then.")
                pause = patience.longest
            _say(f"{partial.stem}: {why}; try {idle + 1} of {tries} in {pause:g} s", shown)
            wait(pause)


def _say(line: str, shown: bool) -> None:
    """On stderr at once, above a progress bar where there is one."""
    if shown:
        tqdm.write(line, file=sys.stderr)
        sys.stderr.flush()


def _given_up(why: str, tries: int, kept: int, unreachable: bool) -> str:
    """The sentence at the end: how often it was tried, and what a user can do."""
    came = f" What came is kept ({size_text(kept)})." if kept else ""
    proxy = ", set HTTPS_PROXY if a proxy leads to the network" if unreachable else ""
    return f"{why}, and {tries} tries in a row brought nothing new.{came} Run the same command later{proxy}, or name a --mirror."


def _one_try(url: str, partial: Path, known: dict, expected: Expected, patience: Patience, bar: tqdm) -> tuple[dict, bool]:
    """What is known of the file now, and whether all of it is here."""
    have = _length(partial)
    if have and have == known.get("total"):
        return known, True
    with get(url, max(0, have - OVERLAP), known.get("version", ""), patience.timeout) as answer:
        if answer.total is not None and expected.size not in (None, answer.total):
            raise Final(
                f"{url} has {answer.total:,} bytes where {expected.size:,} are known: it is another file than the table means. "
                "--accept-changed takes it."
            )
        if answer.start and not _goes_on(answer, partial, known):
            raise Passing(f"the file at {url} was changed meanwhile", after=0.0, anew=True)
        if not answer.start:
            known = _anew(partial, {"url": url, "version": answer.version, "total": answer.total})
            bar.reset(answer.total)
        _append(answer, partial, expected, bar)
    if known["total"] is None:  # the server did not say how much there is, and ended as one that is done
        return {**known, "total": _length(partial)}, True
    return known, _length(partial) >= known["total"]


def _goes_on(answer: Answer, partial: Path, known: dict) -> bool:
    """Whether what the server sends is the rest of what is here. Reads the overlap."""
    if answer.total != known.get("total") or (known.get("version") and answer.version != known["version"]):
        return False
    with open(partial, "rb") as file:
        file.seek(answer.start)
        before = file.read()
    again = b""
    while len(again) < len(before) and (piece := answer.read(len(before) - len(again))):
        again += piece
    return again == before


def _append(answer: Answer, partial: Path, expected: Expected, bar: tqdm) -> None:
    size = synced = _length(partial)
    with open(partial, "ab") as file:
        while chunk := answer.read(CHUNK):
            file.write(chunk)
            size += len(chunk)
            bar.update(len(chunk))
            if expected.size is not None and size > expected.size:
                raise Final(f"More than the known {expected.size:,} bytes came: it is another file than the table means.")
            if size - synced > _SYNC_EVERY:
                os.fsync(file.fileno())
                synced = size
        file.flush()
        os.fsync(file.fileno())


def _begun(url: str, partial: Path) -> dict:
    """What an earlier run knew of the part that lies here; a part of another address is thrown away."""
    with suppress(ValueError, FileNotFoundError):
        known = dict(json_document(_record(partial)).fields)
        if known.get("url") == url and known.keys() >= {"total", "version"}:
            return known
    return _anew(partial)


def _anew(partial: Path, known: dict | None = None) -> dict:
    """Nothing is here; then it is written what will be."""
    if partial.exists():
        os.truncate(partial, 0)
    if known is not None:
        write_json(_record(partial), known)
    return known or {}


def _length(partial: Path) -> int:
    return partial.stat().st_size if partial.exists() else 0


def _checked(file: Path, place: Path, expected: Expected, else_do: str = "") -> dict:
    """Size and SHA-256 of a file that is what was expected. Another one is removed, unless `else_do` says what to do."""
    size, why = _length(file), ""
    kind, _, wanted = expected.checksum.partition(":")
    sums = {name: hashlib.new(name, usedforsecurity=False) for name in {"sha256", kind} - {""}}
    with open(file, "rb") as opened:
        while chunk := opened.read(CHUNK):
            for digest in sums.values():
                digest.update(chunk)
    if expected.size not in (None, size):
        why = f"it has {size:,} bytes where {expected.size:,} are known"
    elif wanted and sums[kind].hexdigest() != wanted:
        why = f"its {kind.upper()} is {sums[kind].hexdigest()}, and {wanted} is known"
    else:
        why = fault(file, place.name)
    if why:
        if not else_do:
            file.unlink()
        done = else_do or "it was removed: run the same command again, or name a --mirror"
        raise Final(f"{place} is not what it should be, for {why}; {done}.")
    return {"size": size, "sha256": sums["sha256"].hexdigest()}
