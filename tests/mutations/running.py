# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Reads damaged files and answers, and judges what happened: read, refused with a sentence, or one of four faults.

A fault is a **traceback** (an exception that `promvil` does not show as a sentence), a **hang** (30 s of CPU), an item **lost**
(neither among the rows nor among the rejects), or a message that is **unclear** (it comes from a library and names no file).
"""

import io
import linecache
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import process_time

from tests.mutations.changes import changed


SENTENCES = (ValueError, OSError, ImportError)  # what `promvil_hf.cli` shows without a traceback
FAULTS = ("traceback", "hang", "lost", "unclear")


@dataclass(frozen=True)
class Kind:
    """One kind of file, or of files that belong together.

    Args:
        make: The content of small valid files by name, with the form of each (`changes.changed`); an empty form is never changed.
        read: Reads them in a folder as the package does; gives how many items came out, rows and rejects together, or None.
        items: How many items these contents hold, where that can be said.
        share: How often it is drawn, against other kinds.
    """

    make: Callable[[], Mapping[str, tuple[bytes, str]]]
    read: Callable[[Path], int | None]
    items: Callable[[Mapping[str, bytes]], int | None] = lambda contents: None
    share: float = 1.0


@dataclass
class Outcome:
    """What became of the mutations of one kind. An example of a fault says how to see it again."""

    mutations: int = 0
    read: int = 0
    refused: int = 0
    faults: Counter = field(default_factory=Counter)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)
    places: Counter = field(default_factory=Counter)
    seconds: float = 0.0

    def add_fault(self, fault: str, place: str, example: str) -> None:
        self.faults[fault] += 1
        self.places[fault, place] += 1
        self.examples.setdefault((fault, place), example)

    def joined(self, other: "Outcome") -> "Outcome":
        return Outcome(
            self.mutations + other.mutations, self.read + other.read, self.refused + other.refused,
            self.faults + other.faults, {**other.examples, **self.examples}, self.places + other.places,
            self.seconds + other.seconds,
        )  # fmt: skip


class Hang(BaseException):
    """More CPU time than any small file may take."""


@contextmanager
def cpu_limit(seconds: float):
    def stop(*_):
        raise Hang

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def run(name: str, kind: Kind, numbers, folder: Path, seed: int = 0, limit: float = 30.0) -> Outcome:
    """The mutations of these numbers. A number and a seed always give the same mutation."""
    outcome, made = Outcome(), dict(kind.make())
    for file, (data, _) in made.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(data)
    changing = [file for file, (_, form) in made.items() if form]
    began = process_time()
    for number in numbers:
        random = Random(f"{seed} {name} {number}")
        file = random.choice(changing)
        data, form = made[file]
        mutated = changed(data, form, random)
        (folder / file).write_bytes(mutated)
        _judge(outcome, kind, folder, file, {**{path: data for path, (data, _) in made.items()}, file: mutated}, limit,
               f"--kind {name!r} --seed {seed} --only {number}")  # fmt: skip
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(data)
    outcome.seconds = process_time() - began
    return outcome


def _judge(
    outcome: Outcome, kind: Kind, folder: Path, file: str, contents: Mapping[str, bytes], limit: float, how: str
) -> None:
    outcome.mutations += 1
    try:
        with cpu_limit(limit), redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            came_out = kind.read(folder)
    except Hang as hang:
        outcome.add_fault("hang", _place(hang), how)
    except SystemExit as stop:  # argparse, which has said why
        outcome.refused += 1
        assert stop.code == 2
    except SENTENCES as error:
        outcome.refused += 1
        if _is_unclear(error, folder, contents):
            outcome.add_fault("unclear", f"{type(error).__name__} at {_place(error)}: {str(error)[:80]!r}", how)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        outcome.add_fault("traceback", f"{type(error).__name__} at {_place(error)}: {str(error)[:80]!r}", how)
    else:
        outcome.read += 1
        expected = kind.items(contents)
        if None not in (came_out, expected) and came_out != expected:
            outcome.add_fault("lost", f"{came_out - expected:+d} of {expected}", how)


def _is_unclear(error: Exception, folder: Path, contents: Mapping[str, bytes]) -> bool:
    """Whether a library speaks, and not a `raise` of the package, and does not name the file."""
    frame = _frame(error)
    if frame is not None and linecache.getline(frame.filename, frame.lineno).strip().startswith("raise "):
        return False
    names = [Path(file).name for file in contents] + ([] if isinstance(error, OSError) else [str(folder)])
    return isinstance(error, UnicodeError) or not any(name in str(error) for name in names)


def _place(error: BaseException) -> str:
    """The last line of the package on the way to the error."""
    frame = _frame(error)
    return "nowhere" if frame is None else f"{frame.filename.rpartition('/promvil_hf/')[2]}:{frame.lineno}"


def _frame(error: BaseException) -> traceback.FrameSummary | None:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/promvil_hf/" in frame.filename]
    return frames[-1] if frames else None


def lines_in(contents: Mapping[str, bytes], *files: str) -> int:
    return sum(
        bool(line.strip()) for file in files for line in contents[file].removeprefix(b"\xef\xbb\xbf").split(b"\n")
    )
