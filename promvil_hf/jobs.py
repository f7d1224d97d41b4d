# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Resumable work: items stream in, JSONL shards come out, and a kill costs at most the shard that is being written.

A job is a folder, and nothing in it depends on time, machine, number of processes or where it was interrupted:

    plan.json          written first: what the job is (``describe``, ``shard_size``); another plan may not resume it
    part-00000.jsonl   one line an item, in input order: {"key", "row"} or {"key", "reject", "detail"}
    rejects.jsonl      the rejects of all parts, gathered at the end
    job.json           written last: counts, reasons, SHA-256 of each part; a folder without it is not finished

This module touches nothing outside the folder it is given; `promvil_hf.job_files` says what is in its files.

What it needs of the file system: a file that was moved onto a name inside its folder is there whole for whoever opens that
name next, and is listed; that is all. Locks (`promvil_hf.folder_lock`) keep a second writer out, and no result rests on
them: two writers of one shard write the same bytes. Nothing is appended, mapped, linked or written in place.
"""

import os
import pickle
import sys
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from functools import partial as bound
from hashlib import blake2b
from itertools import islice, repeat
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from tqdm import tqdm

from promvil_hf.distributed import Ranks
from promvil_hf.folder_lock import held
from promvil_hf.job_files import (
    AGAIN,
    SAME_ITEMS,
    JobError,
    Part,
    Rejected,
    check_some,
    commit,
    count,
    encoded,
    encoder,
    fingerprint,
    part_indices,
    part_name,
    read_lines,
    reject_lines,
    results,
    row_of,
    survey,
)
from promvil_hf.json_documents import json_document
from promvil_hf.json_records import RecordError
from promvil_hf.kept_results import differences
from promvil_hf.worker_processes import process_pool


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class JobReport:
    """What a run left in `out`. While other ranks still work, `finished` is False and the counts are this rank's."""

    out: Path
    finished: bool
    shards: int
    items: int
    rejected: dict[str, int]  # reason -> items
    reused_shards: int
    reused_items: int

    @property
    def rows(self) -> int:
        return self.items - sum(self.rejected.values())

    def __str__(self) -> str:
        return (
            f"{self.out}: {'finished' if self.finished else 'other ranks have shards to do'}: {self.items:,} items, "
            f"{self.rows:,} rows, {self.items - self.rows:,} rejected; "
            f"reused {self.reused_shards:,} of {self.shards:,} shards ({self.reused_items:,} items)"
        )


def each(fn: Callable[[T], Any], rejecting: tuple[type[Exception], ...] = ()) -> Callable[[list[T]], list[Any]]:
    """Lift a function of one item to the batch form `run` wants. Exceptions named in `rejecting` are the item's fault.

    >>> each(int, rejecting=(ValueError,))(["7", "seven"])
    [7, Rejected(reason='ValueError', detail="invalid literal for int() with base 10: 'seven'")]
    """
    return bound(_each, fn, rejecting)


def run(
    items: Iterable[T],
    work: Callable[[list[T]], list[Any]],
    out: str | os.PathLike,
    *,
    key: Callable[[T], str],
    describe: Mapping[str, Any],
    shard_size: int = 256,
    workers: int = 1,
    rank: int = 0,
    world_size: int = 1,
    restart: bool = False,
    progress: bool = True,
) -> JobReport:
    """Do `work` on every item once and leave the results in the folder `out`; called again, go on where it stopped.

    `work` takes the items of one shard and returns, in order, a row (anything that encodes to a JSON object) or
    `Rejected` for each; `each` makes it from a function of one item. Any exception stops the job and keeps what is done.

    `key` names an item, uniquely and the same on every run: done shards are recognised by their keys. What else decides
    the result (settings, code version, hash of the input file) belongs in `describe`. Items are streamed, never held
    whole; a later run streams them again and skips the work, so let them be cheap (paths rather than pictures).

    `workers` processes hold one shard each (`work` must be picklable). `rank` of `world_size` does every
    `world_size`-th shard: give all ranks the same items, and whichever ends last finishes the folder.
    `restart` throws away what a former run left there.

    A job that ends without a row raises: see `promvil_hf.job_files.check_some`. The next call does it anew.
    """
    if shard_size < 1 or workers < 1 or not 0 <= rank < world_size:
        raise ValueError(
            f"You passed shard_size={shard_size}, workers={workers}, rank={rank}, world_size={world_size}: sizes and "
            "workers start at 1, ranks at 0 and end below world_size."
        )
    if restart and world_size > 1:
        raise JobError(f"You passed restart=True to {world_size} ranks at once: delete {out} before you start them.")
    out = Path(out)
    plan = {"format": 1, "shard_size": shard_size, "describe": dict(describe)}
    plan = msgspec.json.decode(encoder.encode(plan))  # as it will read back: tuples are lists
    inputs: list[str] = []  # what the input holds: one fingerprint a shard
    parts: dict[int, Part] = {}  # what this rank has of it
    reused: list[Part] = []

    def undone() -> Iterator[tuple[int, list[str], list[T]]]:
        for index, (keys, batch) in enumerate(_sharded(items, key, shard_size)):
            inputs.append(fingerprint(keys))
            if index % world_size != rank:
                continue
            if (out / part_name(index)).exists():
                parts[index] = survey(out / part_name(index), inputs[index])
                reused.append(parts[index])
                bar.advance(index, parts[index], reused=True)
            else:
                yield index, keys, batch

    with held(out, Ranks(rank, world_size)) as alone:
        with alone():
            if restart or _came_to_nothing(out):
                _clear(out)
            _agree(out, plan)
        with closing(_Progress(out, items, shard_size, world_size, shown=progress and rank == 0)) as bar:
            for index, lines in _worked(undone(), work, workers):
                (out / "job.json").unlink(missing_ok=True)  # an input that grew: finished no more
                commit(out / part_name(index), lines)
                parts[index] = survey(out / part_name(index), inputs[index])
                bar.advance(index, parts[index])
            with alone():
                _agree(out, plan)
                finished = _finish(out, plan, inputs, parts)
            items_done, rejected = count(parts.values())
            report = JobReport(out, finished, len(parts), items_done, rejected, len(reused), count(reused)[0])
            bar.say(str(report))
    if finished:
        failed = ((rejected.reason, rejected.detail) for _, rejected in rejects(out))
        check_some(*results(out), str(out / "rejects.jsonl"), failed)  # of all ranks
    return report


def rows(out: str | os.PathLike, *, partial: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
    """`(key, row)` of a finished job in input order; `partial=True` reads what an unfinished one has so far."""
    return ((line.key, row_of(out, line)) for line in read_lines(out, partial) if line.reject is None)


def rejects(out: str | os.PathLike, *, partial: bool = False) -> Iterator[tuple[str, Rejected]]:
    """`(key, Rejected)` of a finished job in input order; `partial` as in `rows`."""
    return ((line.key, Rejected(line.reject, line.detail)) for line in read_lines(out, partial) if line.reject is not None)


# Items and keys


def _each(fn: Callable[[T], Any], rejecting: tuple[type[Exception], ...], batch: list[T]) -> list[Any]:
    results = []
    for item in batch:
        try:
            results.append(fn(item))
        except rejecting as error:
            results.append(Rejected(type(error).__name__, str(error)))
    return results


class _Seen:
    """The keys so far as 64-bit hashes in sorted buckets: some ten bytes a key where a set takes a hundred."""

    def __init__(self) -> None:
        self.buckets = list(map(array, repeat("Q", 4096)))

    def add(self, key: str) -> bool:
        """False when the key was there."""
        mark = int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big")
        bucket = self.buckets[mark >> 52]
        place = bisect_left(bucket, mark)
        if place < len(bucket) and bucket[place] == mark:
            return False
        bucket.insert(place, mark)
        return True


def _sharded(items: Iterable[T], key: Callable[[T], str], size: int) -> Iterator[tuple[list[str], list[T]]]:
    seen, stream = _Seen(), iter(items)
    while batch := list(islice(stream, size)):
        keys = [key(item) for item in batch]
        for name in keys:
            if not isinstance(name, str):
                raise JobError(f"key gave {name!r}, a {type(name).__name__}: an item's key must be a string.")
            try:
                new = seen.add(name)
            except UnicodeEncodeError as error:
                raise JobError(f"The key {name!r} is not Unicode text: make one that is, as repr() does.") from error
            if not new:
                raise JobError(f"Two items have the key {name!r}: make keys unique, so that each result has its item.")
        yield keys, batch


# Work


def _done(work: Callable[[list[T]], list[Any]], keys: list[str], batch: list[T]) -> list[bytes]:
    try:
        results = list(work(batch))
    except Exception as error:
        error.add_note(
            f"In the shard of {fingerprint(keys)}. Shards done are kept: the same call goes on after them."
        )
        raise
    if len(results) != len(keys):
        raise JobError(f"work got {len(keys)} items and returned {len(results)} results: return one each, in order.")
    return [encoded(name, result) for name, result in zip(keys, results, strict=True)]


def _worked(shards: Iterable[tuple], work: Callable, workers: int) -> Iterator[tuple[int, list[bytes]]]:
    """The lines of each shard as it gets done. At most `workers` are being worked on at a time, so a kill costs no more."""
    if workers == 1:
        for index, keys, batch in shards:
            yield index, _done(work, keys, batch)
        return
    try:
        pickle.dumps(work)
    except Exception as error:
        raise JobError(
            f"You passed workers={workers}, and work cannot be sent to other processes ({error}): "
            "define it at the top level of a module, or use workers=1."
        ) from error
    in_hand: dict[Future, int] = {}

    def ready() -> Iterator[tuple[int, list[bytes]]]:
        for future in wait(in_hand, return_when=FIRST_COMPLETED).done:
            yield in_hand.pop(future), future.result()

    try:
        with process_pool(workers, _begin_worker, work) as pool:
            for index, keys, batch in shards:
                in_hand[pool.submit(_done_in_worker, keys, batch)] = index
                if len(in_hand) == workers:
                    yield from ready()
            while in_hand:
                yield from ready()
    except BrokenProcessPool as error:
        raise JobError(
            "A worker process died (killed, or out of memory?). Shards done are kept: run again, with fewer workers."
        ) from error


_work: Callable  # set in worker processes only: sent once, not with every shard


def _begin_worker(work: Callable) -> None:
    global _work
    _work = work


def _done_in_worker(keys: list[str], batch: list) -> list[bytes]:
    return _done(_work, keys, batch)


# The folder


def _agree(out: Path, plan: dict[str, Any]) -> None:
    """Write the plan, or refuse when the folder was begun with another."""
    try:
        old = _described(out / "plan.json")
    except FileNotFoundError:
        if part_indices(out):
            raise JobError(f"{out} holds part files but no plan.json: no job can go on there, use another.") from None
        return commit(out / "plan.json", [encoder.encode(plan) + b"\n"])
    if old == plan:
        return None
    raise JobError(
        f"{out} holds a job begun with other settings, and going on would mix the two: "
        + differences(_settings(old), _settings(plan))
        + f". Use another folder, go back to the old settings, or pass {AGAIN}, which discards what is there."
    )


def _described(path: Path) -> dict[str, Any]:
    try:
        return {**json_document(path).fields, "describe": dict(json_document(path).record("describe").whole_fields())}
    except RecordError as error:
        raise JobError(f"{error} The job cannot go on there: use another folder, or delete this one.") from error


def _settings(plan: dict[str, Any]) -> dict[str, Any]:
    return plan["describe"] | {f"the job's {name}": value for name, value in plan.items() if name != "describe"}


def _came_to_nothing(out: Path) -> bool:
    """Whether a finished job has no row: what was wrong may be mended now."""
    if not (out / "job.json").exists():
        return False
    try:
        rows, rejected = results(out)
    except RecordError as error:
        raise JobError(f"{error} Delete it and run the job again: it is written anew.") from error
    return not rows and any(rejected.values())


def _clear(out: Path) -> None:
    # plan.json last: killed in between, this is an unfinished job of the old plan
    for name in (*map(part_name, part_indices(out)), "rejects.jsonl", "job.json", "plan.json"):
        (out / name).unlink(missing_ok=True)


def _finish(out: Path, plan: dict[str, Any], inputs: list[str], parts: dict[int, Part]) -> bool:
    """Write rejects.jsonl and job.json, unless other ranks still have shards to do."""
    found = part_indices(out)
    if found and found[-1] >= len(inputs):
        raise JobError(f"{out / part_name(found[-1])} is there, but the input ends after {len(inputs)} shards. {SAME_ITEMS}")
    if len(found) < len(inputs):
        return False
    whole = {out / part_name(i): parts.get(i) or survey(out / part_name(i), keys) for i, keys in enumerate(inputs)}
    commit(out / "rejects.jsonl", reject_lines(path for path, part in whole.items() if part.rejected))
    items, rejected = count(whole.values())
    counts = {"items": items, "rows": items - sum(rejected.values()), "rejected": rejected}
    files = [
        {"name": path.name, "items": part.items, "rejected": part.rejected.total(), "sha256": part.sha256}
        for path, part in whole.items()
    ]
    commit(out / "job.json", [msgspec.json.format(encoder.encode(plan | counts | {"parts": files})) + b"\n"])
    return True


class _Progress:
    """A bar on a terminal, elsewhere a line per shard; on stderr, since results may go to stdout."""

    def __init__(self, out: Path, items: Iterable, shard_size: int, world_size: int, shown: bool) -> None:
        self.shown, self.fresh, self.start = shown, 0, time.monotonic()
        size = len(items) if isinstance(items, Sized) else None
        if there := len(part_indices(out)):
            of = "" if size is None else f" of {-(-size // shard_size):,}"
            self.say(f"{out}: resuming: {there:,}{of} shards are done and will be reused")
        self.bar = None  # even a disabled bar starts a thread
        if shown and sys.stderr.isatty():
            self.bar = tqdm(total=size and size // world_size, unit="item", dynamic_ncols=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()

    def advance(self, index: int, part: Part, reused: bool = False) -> None:
        if self.bar is not None:
            self.bar.update(part.items)
        elif not reused:
            self.fresh += part.items
            speed = self.fresh / max(time.monotonic() - self.start, 1e-9)
            rejected = part.rejected.total()
            self.say(f"{part_name(index)}: {part.items:,} items, {rejected:,} rejected ({speed:,.1f} items/s)")

    def say(self, text: str) -> None:
        if self.shown:
            tqdm.write(text, file=sys.stderr)
