# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the benchmarks of training steps share: rows of chains, drawn or published, and what is counted of a step."""

import io
import random
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import torch
from PIL import Image

from promvil_hf.boxes import Box
from promvil_hf.json_records import plain_records
from promvil_hf.phrases import GroundedPhrase, PhraseChain, PhraseStep
from promvil_hf.training.chain_texts import chain_in, steps_to_train


@dataclass(frozen=True, slots=True)
class Counted:
    """What a step gave, its floating-point operations by kernel, and the pictures that went through the vision tower."""

    loss: float
    gradients: dict[str, torch.Tensor]
    of_kernel: Mapping[str, int]
    pictures: int

    @property
    def flops(self) -> int:
        return sum(self.of_kernel.values())

    @property
    def attention(self) -> int:
        return sum(count for kernel, count in self.of_kernel.items() if "attention" in kernel)

    def apart(self, reference: "Counted") -> dict[str, float]:
        """The difference of the loss, and that of all gradients relative to their norm."""
        if self.gradients.keys() != reference.gradients.keys():
            raise ValueError("one way gives other parameters a gradient than the other does")
        pairs = [(self.gradients[name].double(), gradient.double()) for name, gradient in reference.gradients.items()]
        apart = torch.stack([(mine - theirs).norm() for mine, theirs in pairs]).norm()
        norm = torch.stack([theirs.norm() for _, theirs in pairs]).norm()
        return {"loss": self.loss - reference.loss, "gradient": (apart / norm).item()}


PROMPT = "We can see in the image: . Base on that, we can detect: ."
COLOURS = ("red", "blue", "green", "yellow", "purple", "orange", "gray", "pink")
SHAPE_WORDS = ("circle", "square", "triangle", "star", "diamond", "cross", "ring")
LINKS = ("above the", "below the", "next to the", "inside the")


def rows(k: int, samples: int, chains: int = 1, seed: int = 0) -> list[dict]:
    """Chains that make k texts a picture, a noisy JPEG of 640x480."""
    draw = random.Random(seed)
    made, file = [], b""
    for number in range(samples * chains):
        phrase, steps = f"{draw.choice(COLOURS)} {draw.choice(SHAPE_WORDS)}", []
        for level in range(k // chains // 2 + 1):
            x, y = draw.uniform(0, 0.6), draw.uniform(0, 0.6)
            box = Box(x, y, x + draw.uniform(0.1, 0.4), y + draw.uniform(0.1, 0.4))
            below = [phrase] if level else []
            if level:
                phrase = f"{draw.choice(COLOURS)} {draw.choice(SHAPE_WORDS)} {draw.choice(LINKS)} {phrase}"
            steps.append(PhraseStep(GroundedPhrase(phrase, [box]), [level - 1] if level else [], below))
        if number % chains == 0:
            file = noisy_picture(draw)
        made.append({"image": file, "chain": PhraseChain(str(number), steps)})
    return made


def published_rows(path: Path, k: int, samples: int, chains: int = 1, seed: int = 0) -> list[dict]:
    """The same of a file of PromViL's rows: its chains that have k / chains texts, in turn, about noisy JPEGs."""
    found = [chain for row in plain_records(path) if (chain := chain_in(row)) and texts_of(chain) * chains == k]
    if not found:
        raise ValueError(f"{path} has no chain of {k / chains:g} texts: pass another --k or --chains.")
    draw = random.Random(seed)
    pictures = [noisy_picture(draw) for _ in range(samples)]
    in_turn = islice(cycle(found), samples * chains)
    return [{"image": pictures[number // chains], "chain": chain} for number, chain in enumerate(in_turn)]


def texts_of(chain: PhraseChain) -> int:
    """How many texts a chain trains."""
    return sum(bool(step.target.boxes) for step, *_ in steps_to_train(chain))


def noisy_picture(draw: random.Random) -> bytes:
    noise = Image.frombytes("RGB", (640, 480), draw.randbytes(640 * 480 * 3))
    file = io.BytesIO()
    noise.resize((320, 240)).resize((640, 480)).save(file, "jpeg", quality=90)
    return file.getvalue()
