# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""CompoVL's rows: what a build keeps of each image, and the rows of its views made of it.

Splits are drawn by image from a hash of seed and image id: no image is in two splits, and neither order nor number of
images matters. `datasets` is not imported, so that worker processes start quickly.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import msgspec

from promvil_hf.compovl.chains import Chain
from promvil_hf.compovl.negatives import Negative
from promvil_hf.compovl.scene_graph import Broken
from promvil_hf.publishing import raw_rows


SPLITS = ("train", "validation", "test", "hard")
VIEWS = {
    "default": "one row an expression, with its nested steps",
    "steps": "one row a step, with the evidence it may refer to",
    "mixture": "PromViL's own training rows, with VSR, LLaVA and Visual Genome questions where they were given",
    "negatives": "one row a changed expression: from one step on, nothing in the image fits it",
}
USUAL_VIEWS = tuple(view for view in VIEWS if view != "negatives")


@dataclass(frozen=True, slots=True)
class Splitting:
    """How images are divided. `test_per_level` caps the expressions of each level in the test split."""

    seed: int = 0
    validation_share: float = 0.02
    test_share: float = 0.05
    test_per_level: int = 1_000

    def __post_init__(self):
        shares = self.validation_share, self.test_share
        if min(shares) < 0 or sum(shares) >= 1:
            raise ValueError(
                f"You passed validation_share={shares[0]} and test_share={shares[1]}: each is 0 or more, and together they "
                "leave something to train on."
            )
        if self.test_per_level < 1:
            raise ValueError(f"You passed test_per_level={self.test_per_level}: pass 1 or more.")

    def part_of(self, image_id: str) -> str:
        """train, validation or test: the images a split's rows are taken from."""
        drawn = self.draw(image_id)
        if drawn < self.test_share:
            return "test"
        return "validation" if drawn < self.test_share + self.validation_share else "train"

    def draw(self, name: str) -> float:
        """A number in [0, 1) that depends on the seed and the name alone."""
        return int.from_bytes(blake2b(f"{self.seed}:{name}".encode(), digest_size=8).digest(), "big") / 2**64


class ImageRow(msgspec.Struct):
    """All that a build says about one image; a line of its working folder."""

    image_id: str
    image_path: str
    image_url: str
    width: int
    height: int
    coco_id: int | None
    chains: list[Chain]
    broken: tuple[Broken, ...]
    counts: dict[str, int]
    left_out: dict[str, int]
    clipped: int
    negatives: list[Negative] = []


def image_rows(part: str | Path, wanted: Callable[[str], bool] | None = None) -> Iterator[ImageRow]:
    """The images of one shard, or those whose id is wanted; the others are not decoded."""
    row_of = msgspec.json.Decoder(ImageRow).decode
    return (row_of(raw) for key, raw in raw_rows(part) if wanted is None or wanted(key))


_IMAGE = ("image_id", "image_path", "image_url", "width", "height")


def chain_id(image: ImageRow, number: int) -> str:
    return f"{image.image_id}-{number}"


def chain_rows(image: ImageRow) -> Iterator[dict]:
    """The rows of the default view: one expression with its steps."""
    shared = {name: getattr(image, name) for name in (*_IMAGE, "coco_id")}
    for number, chain in enumerate(image.chains):
        yield {"chain_id": chain_id(image, number), **shared, **msgspec.to_builtins(chain)}


def negative_rows(image: ImageRow) -> Iterator[tuple[int, dict]]:
    """The rows of the view of negatives, each with the number of the chain it comes from."""
    shared = {name: getattr(image, name) for name in (*_IMAGE, "coco_id")}
    made: dict[int, int] = {}
    for negative in image.negatives:
        made[negative.chain] = made.get(negative.chain, -1) + 1
        name, negative_fields = chain_id(image, negative.chain), msgspec.to_builtins(negative)
        del negative_fields["chain"]
        yield negative.chain, {"negative_id": f"{name}-n{made[negative.chain]}", "chain_id": name, **shared, **negative_fields}


def step_rows(row: Mapping) -> Iterator[dict]:
    """The flat view: each step of a chain with the evidence it may refer to."""
    for number, step in enumerate(row["steps"]):
        yield {
            "step_id": f"{row['chain_id']}-{number}",
            **{name: row[name] for name in ("chain_id", *_IMAGE) if name in row},
            "text": step["text"],
            "level": step["level"],
            "boxes": step["boxes"],
            "evidence": _evidence(step, row["steps"]),
        }


AS_IT_WAS, UNCHANGED, CHANGED, ABOVE = "as it was", "unchanged", "changed", "above the change"


def negative_step_rows(row: Mapping) -> Iterator[dict]:
    """The steps of a row of the negatives, as `step_rows` has them, with `absent` and `place`, and the changed one as it was.

    An absent step is no evidence: the others refer to what is there.
    """
    shared = {name: row[name] for name in ("chain_id", *_IMAGE) if name in row}
    for number, step in enumerate(row["steps"]):
        place = UNCHANGED if not step["absent"] else CHANGED if number == row["changed_step"] else ABOVE
        step_fields = {name: step[name] for name in ("text", "level", "boxes", "absent")}
        evidence = _evidence(step, row["steps"])
        yield {"step_id": f"{row['negative_id']}-{number}", **shared, **step_fields, "place": place, "evidence": evidence}
        if place == CHANGED:
            was = {"text": row["was"], "level": step["level"], "boxes": row["was_boxes"], "absent": False}
            yield {"step_id": f"{row['negative_id']}-was", **shared, **was, "place": AS_IT_WAS, "evidence": evidence}


def _evidence(step: Mapping, steps: Sequence[Mapping]) -> list[dict]:
    return [
        {"text": mention, "boxes": steps[anchor]["boxes"]}
        for anchor, mention in zip(step["anchors"], step["mentions"], strict=True)
        if not steps[anchor].get("absent")
    ]


@dataclass(frozen=True, slots=True)
class Held:
    """Which chains of the test images are the test split: a seeded draw, up to a cap for each level."""

    chosen: frozenset[str]
    candidates: int


def hold_out(images: Iterable[ImageRow], splitting: Splitting) -> Held:
    """Choose the test split from its images. Ambiguous expressions are never tested on. Holds no more than the cap."""
    heaps: dict[int, list[tuple[float, str]]] = {}
    candidates = 0
    for image in images:
        for number, chain in enumerate(image.chains):
            if chain.ambiguous:
                continue
            candidates += 1
            name = chain_id(image, number)
            heap = heaps.setdefault(chain.level, [])
            entry = (-splitting.draw(name), name)
            if len(heap) < splitting.test_per_level:
                heapq.heappush(heap, entry)
            else:
                heapq.heappushpop(heap, entry)
    return Held(frozenset(name for heap in heaps.values() for _, name in heap), candidates)


def splits_of(image: ImageRow, number: int, splitting: Splitting, chosen: frozenset[str]) -> tuple[str, ...]:
    """The splits a chain is in: none where a test image has more of them than the cap lets in."""
    part = splitting.part_of(image.image_id)
    if part != "test":
        return (part,)
    if chain_id(image, number) not in chosen:
        return ()
    return ("test", "hard") if image.chains[number].distractors else ("test",)
