# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Writes toy worlds to disk: Visual Genome's files and pictures, questions, and the truth behind them.

    from promvil_hf.toy.world import WorldConfig, scenes, write_world

    write_world(scenes(WorldConfig(), count=500, seed=0), "toy")

Scenes are taken one by one and written at once, so a world of any length fits in memory. A JSON file appears under its name only
when it is complete. No torch.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from promvil_hf.files import atomic_write
from promvil_hf.masks import encode
from promvil_hf.toy.config import WorldConfig, held_out_pairs
from promvil_hf.toy.gqa import gqa_questions
from promvil_hf.toy.questions import POPE_KINDS, KeyRegion, conversation, pope_questions
from promvil_hf.toy.scenery import Scene, scene, scenes
from promvil_hf.toy.visual_genome import IMAGE_FOLDER, records


__all__ = [
    "Scene",
    "WorldConfig",
    "WrittenWorld",
    "held_out_pairs",
    "scene",
    "scenes",
    "write_visual_genome",
    "write_world",
]

VISUAL_GENOME_FILES = dict.fromkeys(
    (
        "image_data.json",
        "objects.json",
        "attributes.json",
        "relationships.json",
        "region_descriptions.json",
        "region_graphs.json",
        "question_answers.json",
    ),
    "array",
)
QUESTION_FILES = {
    "gqa_questions.json": "object",
    **{f"pope_{kind}.jsonl": "lines" for kind in POPE_KINDS},
    "llava_conversations.json": "array",
    "key_expressions.jsonl": "lines",
}
TRUTH_FILES = {"expressions.jsonl": "lines", "captions.jsonl": "lines", "masks.jsonl": "lines"}


@dataclass(slots=True)
class WrittenWorld:
    """How much was written."""

    images: int = 0
    objects: int = 0
    relationships: int = 0
    regions: int = 0
    question_answers: int = 0
    expressions: int = 0
    gqa_questions: int = 0
    pope_questions: int = 0
    conversations: int = 0
    key_expressions: int = 0

    def __str__(self) -> str:
        counts = asdict(self)
        return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)


def write_world(
    scenes: Iterable[Scene], folder: str | os.PathLike, layout: str = "1.2", noise: float = 0.0
) -> WrittenWorld:
    """Write everything in one pass: Visual Genome's files (`write_visual_genome`), questions and the truth.

    Questions are `gqa_questions.json`, `pope_random.jsonl`, `pope_adversarial.jsonl`, `llava_conversations.json`, and
    `key_expressions.jsonl`: rows `{"source", "id", "image_id", "object_ids", "text", "turn", "boxes", "mask"}`, where `id` is the
    question's (or the conversation's), `turn` counts from 0, boxes are fractions of the image and the mask is COCO RLE. The truth
    is `expressions.jsonl` (with nested parts), `captions.jsonl` and `masks.jsonl` (COCO RLE per object).

    Args:
        scenes: The scenes, perhaps lazily.
        folder: Where to; made if it is missing. Files of an earlier world of the same names are replaced.
        layout: Visual Genome's layout, `"1.2"` or `"1.4"`.
        noise: Share of Visual Genome records roughened as real ones are; see `promvil_hf.toy.visual_genome.records`.
    """
    files = VISUAL_GENOME_FILES | QUESTION_FILES | TRUTH_FILES
    return _written(scenes, folder, files, layout, noise, (_Writer.visual_genome, _Writer.questions, _Writer.truth))


def write_visual_genome(
    scenes: Iterable[Scene], folder: str | os.PathLike, layout: str = "1.2", noise: float = 0.0
) -> WrittenWorld:
    """Write Visual Genome's seven JSON files, and the pictures as `VG_100K/<image_id>.png`. Arguments as in `write_world`."""
    return _written(scenes, folder, VISUAL_GENOME_FILES, layout, noise, (_Writer.visual_genome,))


def _written(scenes, folder, files, layout, noise, parts: Iterable[Callable[["_Writer", Scene], None]]) -> WrittenWorld:
    images = Path(folder) / IMAGE_FOLDER
    images.mkdir(parents=True, exist_ok=True)
    with _json_files(Path(folder), files) as write:
        writer = _Writer(images, write, layout, noise)
        for drawn in scenes:
            writer.counts.images += 1
            writer.counts.objects += len(drawn.objects)
            for part in parts:
                part(writer, drawn)
    return writer.counts


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes scenes into the open files of a world, and counts what it wrote."""

    images: Path
    write: dict[str, Callable[..., None]]
    layout: str
    noise: float
    counts: WrittenWorld = field(default_factory=WrittenWorld)

    def visual_genome(self, drawn: Scene) -> None:
        rows = records(drawn, self.layout, self.noise)
        for name, row in rows.items():
            self.write[f"{name}.json"](row)
        drawn.image().save(self.images / f"{drawn.image_id}.png", compress_level=4)
        self.counts.relationships += len(rows["relationships"]["relationships"])
        self.counts.regions += len(rows["region_graphs"]["regions"])
        self.counts.question_answers += len(rows["question_answers"]["qas"])

    def questions(self, drawn: Scene) -> None:
        for question in gqa_questions(drawn):
            self.write["gqa_questions.json"](question.to_gqa(), question.question_id)
            self.keys(drawn, "gqa", question.question_id, question.keys)
            self.counts.gqa_questions += 1
        for kind in POPE_KINDS:
            for question in pope_questions(drawn, kind):
                self.write[f"pope_{kind}.jsonl"](question.to_pope())
                self.keys(drawn, f"pope_{kind}", question.question_id, question.keys)
                self.counts.pope_questions += 1
        talk = conversation(drawn)
        row = talk.to_llava(IMAGE_FOLDER)
        self.write["llava_conversations.json"](row)
        self.keys(drawn, "llava", row["id"], talk.keys)
        self.counts.conversations += 1

    def keys(self, drawn: Scene, source: str, name: int | str, keys: Iterable[KeyRegion]) -> None:
        """Key expressions of a question or conversation."""
        for key in keys:
            row = {"source": source, "id": name, "image_id": drawn.image_id, "object_ids": list(key.object_ids)}
            self.write["key_expressions.jsonl"](row | key.located(drawn).to_dict())
            self.counts.key_expressions += 1

    def truth(self, drawn: Scene) -> None:
        for expression in drawn.expressions():
            self.write["expressions.jsonl"]({"image_id": drawn.image_id, **asdict(expression)})
            self.counts.expressions += 1
        self.write["captions.jsonl"]({"image_id": drawn.image_id, **asdict(drawn.caption())})
        for thing, mask in zip(drawn.objects, drawn.masks, strict=True):
            rle = encode(mask).to_dict()
            self.write["masks.jsonl"]({"image_id": drawn.image_id, "object_id": thing.object_id, **rle})


_BRACKETS = {"array": ("[", ",\n", "]\n"), "object": ("{", ",\n", "}\n"), "lines": ("", "\n", "\n")}


@contextmanager
def _json_files(folder: Path, kinds: dict[str, str]) -> Iterator[dict[str, Callable[..., None]]]:
    """Open several JSON files for row-by-row writing; they get their names when all went well, and vanish otherwise."""
    with ExitStack() as stack:
        handles = {name: stack.enter_context(atomic_write(folder / name)) for name in kinds}
        yield {name: _row_writer(handles[name], kind) for name, kind in kinds.items()}
        for name, kind in kinds.items():
            opening, _, closing = _BRACKETS[kind]
            if handles[name].tell() == 0:
                closing = opening + closing if opening else ""
            handles[name].write(closing)


def _row_writer(handle, kind: str) -> Callable[..., None]:
    opening, between, _ = _BRACKETS[kind]
    encoder = json.JSONEncoder(separators=(", ", ": "))
    lead = opening

    def write(row: dict, key: str | None = None) -> None:
        nonlocal lead
        handle.write(lead + (f"{json.dumps(key)}: " if key is not None else "") + encoder.encode(row))
        lead = between

    return write
