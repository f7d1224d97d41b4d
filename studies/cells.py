# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Work that is done once: a cell is a function with its settings, and its results lie under the hash of all of that.

Studies name the cells they need and never ask who made them. Two studies that need the same trained adapter
share it, and a study that was interrupted goes on with the cells that are missing. What stands in the hash decides the
result: the function, its settings, the cells it builds on, the weights it starts from, the versions of the libraries. The
text of the function does not: after a change of code that changes results, start with `--restart`.

    cell = Cell(fine_tune, {"seed": 0, "steps": 300}, {"base": Given(folder)})
    results = run([cell], Path("runs/studies"), workers=2)
    results[cell.key]["result"]

A function gets a folder of its own (kept after an interruption, so a training can resume in it), the folders of what it
needs by name, and its settings; it returns a JSON object.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from hashlib import sha256
from multiprocessing import active_children
from pathlib import Path
from typing import Any

from tqdm import tqdm

from promvil_hf.environment import environment
from promvil_hf.files import remove_drafts
from promvil_hf.kept_results import do_once, kept_result, key_of, read_back
from promvil_hf.worker_processes import process_pool


try:
    import fcntl
except ImportError:  # Windows: studies run, without the guard against a second writer of a cell
    fcntl = None

DONE = "done.json"
DECIDING = ("torch", "transformers", "peft", "trl", "accelerate")  # a new version of these may give other numbers


@cache
def versions(*names: str) -> dict[str, str]:
    """The versions of these: "promvil_hf", "python" and packages."""
    found = environment(devices=False)
    ours = {"promvil_hf": found["promvil_hf"]["version"], "python": found["promvil_hf"]["python"]}
    return {name: (found["packages"] | ours)[name] for name in names}


@dataclass(frozen=True)
class Given:
    """A folder that is there already, such as a base checkpoint. What is in it counts, not where it lies."""

    folder: Path

    @cached_property
    def key(self) -> str:
        deciding = [path for path in sorted(self.folder.glob("*")) if path.suffix in (".safetensors", ".json")]
        weights = [path for path in deciding if path.suffix == ".safetensors"]
        if not weights:
            raise ValueError(
                f"You passed the base {str(self.folder)!r}, but there is no .safetensors file in it: pass a folder that "
                "`from_pretrained` loads, as `python -m studies.toy_bases` writes it to OUT/base."
            )
        content = sha256()
        for path in deciding:
            if path.name not in ("curves.json", "scores.json"):  # about the base, not part of it
                content.update(path.name.encode() + b"\0" + sha256(path.read_bytes()).digest())
        return content.hexdigest()[:20]


@dataclass(frozen=True, eq=False)
class Cell:
    """One piece of work. `work` stands at the top level of a module, so that another process can find it."""

    work: Callable[..., Mapping[str, Any]]
    settings: Mapping[str, Any]
    needs: Mapping[str, "Cell | Given"] = field(default_factory=dict)

    @cached_property
    def plan(self) -> dict[str, Any]:
        """All that decides the result, as JSON."""
        return read_back(
            {
                "work": f"{self.work.__module__}.{self.work.__qualname__}",
                "settings": dict(self.settings),
                "needs": {name: need.key for name, need in self.needs.items()},
                "versions": versions("promvil_hf", *DECIDING),
            }
        )

    @cached_property
    def key(self) -> str:
        return key_of(self.plan)

    def folder(self, store: Path) -> Path:
        return store / f"{self.work.__name__}-{self.key}"


def done(cell: Cell, store: Path) -> dict[str, Any] | None:
    """What a finished cell left: `result`, `seconds`, `plan`. None while it is not finished."""
    return kept_result(cell.folder(store) / DONE, cell.plan)


def run(
    cells: Iterable[Cell], store: Path, *, workers: int = 1, restart: bool = False, progress: bool = True
) -> dict[str, dict[str, Any]]:
    """Do what is missing, each cell after those it needs, and give what all of them left, by key.

    `restart` does every cell again. With more than one worker, each is a process with one thread.
    """
    if workers < 1:
        raise ValueError(f"You passed workers={workers}: at least one is needed.")
    store = Path(store)
    if restart:
        for cell in _all(cells):
            (cell.folder(store) / DONE).unlink(missing_ok=True)
            _forget(cell.folder(store))
    wanted = {cell.key: cell for cell in cells}
    found = {key: left for key, cell in wanted.items() if (left := done(cell, store))}
    missing = {cell.key: cell for cell in _missing(wanted.values(), store)}
    with tqdm(total=len(wanted.keys() | missing.keys()), initial=len(found), unit="cell", disable=not progress) as bar:
        for cell in _finished(missing, store, workers):
            left = done(cell, store)
            if cell.key in wanted:
                found[cell.key] = left
            bar.update()
            if progress:
                tqdm.write(f"{cell.folder(store).name}: {left['seconds']:.0f} s, {_in_words(cell)}", file=sys.stderr)
    return found


def everything(cells: Iterable[Cell], store: Path) -> dict[str, dict[str, Any]]:
    """What these cells and all that they build on left, as far as it is there."""
    return {cell.key: left for cell in _all(cells) if (left := done(cell, store))}


def _all(cells: Iterable[Cell]) -> Iterator[Cell]:
    """Each cell after those it needs, once."""
    seen: set[str] = set()

    def below(cell: Cell) -> Iterator[Cell]:
        if cell.key in seen:
            return
        seen.add(cell.key)
        for need in cell.needs.values():
            if isinstance(need, Cell):
                yield from below(need)
        yield cell

    for cell in cells:
        yield from below(cell)


def _missing(cells: Iterable[Cell], store: Path) -> Iterator[Cell]:
    """What must be done: nothing below a finished cell."""
    for cell in cells:
        if done(cell, store) is None:
            yield from _missing([need for need in cell.needs.values() if isinstance(need, Cell)], store)
            yield cell


def _finished(missing: dict[str, Cell], store: Path, workers: int) -> Iterator[Cell]:
    """The missing cells as they get done."""
    if workers == 1:
        for cell in missing.values():
            _do(cell, store)
            yield cell
        return
    waiting, in_hand = dict(missing), {}
    with process_pool(workers, _use_one_thread) as pool:
        try:
            while waiting or in_hand:
                open_ = {*waiting, *(cell.key for cell in in_hand.values())}
                for key, cell in list(waiting.items()):
                    if len(in_hand) < workers and not any(need.key in open_ for need in cell.needs.values()):
                        future: Future = pool.submit(_do, cell, store)
                        in_hand[future] = waiting.pop(key)
                for future in wait(in_hand, return_when=FIRST_COMPLETED).done:
                    cell = in_hand.pop(future)
                    future.result()
                    yield cell
        except BaseException as problem:
            pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(problem, KeyboardInterrupt):  # who interrupts does not wait for minutes of unfinished work
                for worker in active_children():
                    worker.terminate()
            raise


def _use_one_thread() -> None:
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # torch reads them when it is loaded


def _do(cell: Cell, store: Path) -> None:
    folder = cell.folder(store)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        needs = {
            name: need.folder if isinstance(need, Given) else need.folder(store) for name, need in cell.needs.items()
        }
        try:
            do_once(folder / DONE, cell.plan, lambda: cell.work(folder, **needs, **cell.settings))
        except Exception as error:
            error.add_note(f"In the cell {folder}: {_in_words(cell)}. Cells done are kept: the same command goes on.")
            raise
        remove_drafts(folder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time in a cell; the kernel lets go of the lock however it ends."""
    with open(folder / ".lock", "ab") as file:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _forget(folder: Path) -> None:
    """Take away what a training would resume from."""
    import shutil

    for path in folder.glob("checkpoint-*"):
        shutil.rmtree(path, ignore_errors=True)


def _in_words(cell: Cell) -> str:
    plain = {name: value for name, value in cell.settings.items() if not isinstance(value, Mapping)}
    return ", ".join(f"{name}={value}" for name, value in plain.items())
