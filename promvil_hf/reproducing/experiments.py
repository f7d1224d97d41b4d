# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""An experiment: the commands that lead to a table or claim, what they cost, and what is published of it."""

import shlex
from dataclasses import dataclass
from pathlib import Path


FULL, SMALL = "full", "small"
MODELS = {  # what stands for {kosmos2}, {llava} and {vlm4b} in commands
    FULL: {
        "kosmos2": "microsoft/kosmos-2-patch14-224", "llava": "llava-hf/llava-1.5-7b-hf", "vlm4b": "Qwen/Qwen3-VL-4B-Instruct",
    },
    SMALL: {"kosmos2": "toy:kosmos2", "llava": "toy:llava", "vlm4b": "toy:llava"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Work:
    """What a model does in a step, as far as it decides about time and memory.

    Args:
        model: One of `estimates.MODELS`.
        rows: Pictures that are looked at.
        texts: Texts about each of them that are run, the picture's tokens with each.
        words: Tokens of such a text, prompt and target.
        writes: Tokens that are generated for each text; 0 in training.
        trains: "lora", "full" or "".
        bits: Of the weights.
        batch: Texts at a time.
        known: Where the numbers of rows and texts come from.
    """

    model: str
    rows: int
    texts: float
    words: int
    writes: int = 0
    trains: str = ""
    bits: int = 32
    batch: int = 8
    known: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One command.

    Args:
        name: Of the step; steps of one name are the same in all experiments, and done once for all of them.
        words: Of `promvil`, with {out}, {data}, {kosmos2}, {llava} and {vlm4b}.
        why: In a few words.
        small: Words that are added at size small, and win.
        full: Words that are added at full size.
        makes: File or folder below {out} that is there afterwards.
        trains: Folder below {out} with checkpoints, from which a training goes on.
        work: What a model does, if one is needed.
        minutes: On one CPU core, where that is what it takes; measured by the command in `measured`.
        measured: A command.
        disk: Bytes it writes, as far as known.
    """

    name: str
    words: str
    why: str
    small: str = ""
    full: str = ""
    makes: str = ""
    trains: str = ""
    work: Work | None = None
    minutes: float = 0.0
    measured: str = ""
    disk: int = 0

    def template(self, size: str) -> list[str]:
        """The words with their placeholders."""
        return shlex.split(f"{self.words} {self.small if size == SMALL else self.full}")

    def argv(self, size: str, out: Path, data: Path) -> list[str]:
        """The words as they are called."""
        return [word.format(out=out, data=data, **MODELS[size]) for word in self.template(size)]

    def shown(self, size: str, out: Path, data: Path) -> str:
        """The command as it is typed."""
        return shlex.join(["promvil", *self.argv(size, out, data)])


@dataclass(frozen=True, slots=True)
class Experiment:
    """A table, a claim or a first experiment of a paper.

    Args:
        name: On the command line.
        paper: "PromViL" or "FiVL".
        what: Which table or claim.
        published: What the paper has, as quoted, and where it was read.
        sources: Of `promvil fetch`.
        steps: In order.
        result: File below {out} that answers the claim.
        differs: What is not as in the paper, or not known of it.
    """

    name: str
    paper: str
    what: str
    published: str
    sources: tuple[str, ...]
    steps: tuple[Step, ...]
    result: str
    differs: str
