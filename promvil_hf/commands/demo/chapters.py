# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How the demo keeps its chapters: each is done once, written down, and read back by the next run. No torch.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from promvil_hf import __version__
from promvil_hf.files import write_json
from promvil_hf.folder_lock import LOCK
from promvil_hf.kept_results import differences, do_once, read_back


Found = TypeVar("Found")
SETTINGS, CHAPTERS = "demo.json", "chapters"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything. The defaults take two minutes on two cores with the shipped adapters; `QUICK` shows the path, not
    the result."""

    nested_scenes: int = 60  # for CompoVL
    talk_scenes: int = 400  # for FiVL-Instruct; a tenth of them where nothing is trained
    test_scenes: int = 80  # held out, to ask questions about
    phrase_scenes: int = 160  # held out, to ground phrases in
    expressions: int = 3  # asked about a held-out scene at each level
    questions: int = 120  # asked with everything that can be hidden
    shuffles: int = 200  # of the atlas
    turns: int = 100  # of the atlas
    explained: int = 3  # answers of each model
    answer_tokens: int = 24  # of an explained answer, where something is hidden
    chain_scenes: int = 4_800  # of the training on chains, 8 in a step
    chain_batch: int = 8
    joint_steps: int = 110  # of the training with and without vision modeling
    batch: int = 16


QUICK = Sizes(
    nested_scenes=6, talk_scenes=6, test_scenes=4, phrase_scenes=2, expressions=1, questions=6, shuffles=10, turns=4,
    explained=1, answer_tokens=8, chain_scenes=4, chain_batch=2, joint_steps=2, batch=2,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DoneChapter:
    """A chapter as the run remembers it: its title, how long its work took, and whether that was now."""

    title: str
    seconds: float
    now: bool


class Folder:
    """The folder of a demo: where chapters are kept, under one set of settings.

    A folder that was made with other settings is refused, because its chapters would describe other models.
    """

    def __init__(self, out: Path, settings: dict, restart: bool = False):
        self.out = out
        self.done: list[DoneChapter] = []
        self.settings = settings = read_back({"version": __version__, **settings})
        if restart and (out / SETTINGS).is_file():
            # the settings last: killed in between, it is a demo that lacks chapters
            written = set(out.iterdir()) - {out / LOCK}
            for path in sorted(written, key=lambda path: (path.name == SETTINGS, path.name != CHAPTERS)):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if (out / SETTINGS).is_file():
            before = json.loads((out / SETTINGS).read_text(encoding="utf-8"))
            if before != settings:
                raise ValueError(
                    f"{out} holds a demo that was made with other settings ({differences(before, settings)}). Pass "
                    "--restart to make it afresh, or another folder as --out."
                )
        elif out.is_dir() and set(out.iterdir()) - {out / LOCK}:
            raise ValueError(f"{out} is not empty and holds no demo: pass a new folder as --out.")
        (out / CHAPTERS).mkdir(parents=True, exist_ok=True)
        write_json(out / SETTINGS, settings)

    def place(self, name: str) -> Path:
        """A folder for what a chapter writes."""
        path = self.out / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def chapter(self, title: str, name: str, kind: type[Found], work: Callable[[Path], Found]) -> Found:
        """What `work` finds, a `kind`, given a folder for what it writes; or what it found in an earlier run of the same
        settings. Prints how long it took.
        """
        print(f"{title} ...", flush=True)
        path = self.out / CHAPTERS / f"{name}.json"
        kept = path.is_file()
        record = do_once(path, self.settings, lambda: msgspec.to_builtins(work(self.place(name)), str_keys=True))
        self.done.append(DoneChapter(title, record["seconds"], not kept))
        print(f"  {record['seconds']:.1f} s" + (", kept from an earlier run" if kept else ""), flush=True)
        return msgspec.convert(record["result"], kind, str_keys=True)


def settings_of(sizes: Sizes, seed: int, train: bool, weights: dict[str, str]) -> dict:
    """`weights` are digests of the bases, and of the adapters where they are not trained here."""
    return {"sizes": asdict(sizes), "seed": seed, "train": train, **weights}
