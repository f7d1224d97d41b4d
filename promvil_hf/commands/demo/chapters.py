# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How the demo keeps its chapters: each is done once, written down, and read back by the next run.

Floor 5. No torch.
"""

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from promvil_hf import __version__


Found = TypeVar("Found")
SETTINGS, CHAPTERS = "demo.json", "chapters"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything. The defaults fill five minutes on two cores; `QUICK` shows the path, not the result."""

    nested_scenes: int = 250  # for CompoVL; one epoch of them
    chain_batch: int = 8  # pictures in a step, each with the levels of its chains that are trained now
    talk_scenes: int = 400  # for FiVL-Instruct
    test_scenes: int = 80  # held out, of each world
    expressions: int = 2  # asked about a held-out scene at each level
    questions: int = 150  # asked with everything that can be hidden
    joint_steps: int = 110  # of the training with and without vision modeling
    batch: int = 16
    shuffles: int = 200  # of the atlas
    turns: int = 120  # of the atlas


QUICK = Sizes(
    nested_scenes=12,
    chain_batch=4,
    talk_scenes=12,
    test_scenes=8,
    expressions=1,
    questions=20,
    joint_steps=2,
    batch=4,
    shuffles=10,
    turns=16,
)


@dataclass(frozen=True, slots=True)
class Told:
    """A chapter as the run remembers it: its title, how long its work took, and whether that was now."""

    title: str
    seconds: float
    now: bool


class Folder:
    """The folder of a demo: where chapters are kept, under one set of settings.

    A folder that was made with other settings is not gone on with, because its chapters would tell of other models.
    """

    def __init__(self, out: Path, settings: dict, restart: bool = False):
        self.out = out
        self.told: list[Told] = []
        settings = json.loads(json.dumps({"version": __version__, **settings}))
        if restart and (out / SETTINGS).is_file():
            shutil.rmtree(out)
        if (out / SETTINGS).is_file():
            before = json.loads((out / SETTINGS).read_text(encoding="utf-8"))
            if before != settings:
                names = sorted(name for name in {*before, *settings} if before.get(name) != settings.get(name))
                was = ", ".join(f"{name} {before.get(name)!r} there, {settings.get(name)!r} now" for name in names)
                raise ValueError(
                    f"{out} holds a demo that was made with other settings ({was}). Pass --restart to make it afresh, or "
                    "another folder as --out."
                )
        elif out.is_dir() and any(out.iterdir()):
            raise ValueError(f"{out} is not empty and holds no demo: pass a new folder as --out.")
        (out / CHAPTERS).mkdir(parents=True, exist_ok=True)
        _write(out / SETTINGS, settings)

    def place(self, name: str) -> Path:
        """A folder for what a chapter writes."""
        path = self.out / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def chapter(self, title: str, name: str, kind: type[Found], work: Callable[[], Found]) -> Found:
        """What `work` finds, a `kind`; or what it found in an earlier run of the same settings."""
        path = self.out / CHAPTERS / f"{name}.json"
        if path.is_file():
            record = json.loads(path.read_text(encoding="utf-8"))
            self.told.append(Told(title, record["seconds"], False))
            return msgspec.convert(record["found"], kind, str_keys=True)
        started = time.perf_counter()
        found = work()
        seconds = round(time.perf_counter() - started, 1)
        _write(path, {"seconds": seconds, "found": msgspec.to_builtins(found, str_keys=True)})
        self.told.append(Told(title, seconds, True))
        return found


def settings_of(sizes: Sizes, seed: int, bases: dict[str, str]) -> dict:
    return {"sizes": asdict(sizes), "seed": seed, **bases}


def _write(path: Path, record: dict) -> None:
    draft = path.with_name(f".{path.name}.part")
    draft.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(draft, path)
