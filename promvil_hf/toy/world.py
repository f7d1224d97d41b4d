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
from dataclasses import asdict, dataclass
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
    "write_ground_truth",
    "write_questions",
    "write_visual_genome",
    "write_world",
]

VISUAL_GENOME_FILES = (
    "image_data",
    "objects",
    "attributes",
    "relationships",
    "region_descriptions",
    "region_graphs",
    "question_answers",
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
    """Write everything: what `write_visual_genome`, `write_questions` and `write_ground_truth` write, in one pass.

    Args:
        scenes: The scenes, perhaps lazily.
        folder: Where to; made if it is missing. Files of an earlier world of the same names are replaced.
        layout: Visual Genome's layout, `"1.2"` or `"1.4"`.
        noise: Share of Visual Genome records roughened as real ones are; see `promvil_hf.toy.visual_genome.records`.
    """
    folder = Path(folder)
    with (
        _visual_genome(folder, layout, noise) as first,
        _questions(folder) as second,
        _ground_truth(folder) as third,
    ):
        return _write_all(scenes, (first, second, third))


def write_visual_genome(
    scenes: Iterable[Scene], folder: str | os.PathLike, layout: str = "1.2", noise: float = 0.0
) -> WrittenWorld:
    """Write Visual Genome's seven JSON files, and the pictures as `VG_100K/<image_id>.png`. Arguments as in `write_world`."""
    with _visual_genome(Path(folder), layout, noise) as add:
        return _write_all(scenes, (add,))


def write_questions(scenes: Iterable[Scene], folder: str | os.PathLike) -> WrittenWorld:
    """Write the questions in the forms of their benchmarks, and their key expressions beside them.

    `gqa_questions.json`, `pope_random.jsonl`, `pope_adversarial.jsonl`, `llava_conversations.json`, and
    `key_expressions.jsonl`: rows `{"source", "id", "image_id", "object_ids", "text", "turn", "boxes", "mask"}`, where `id` is the
    question's (or the conversation's), `turn` counts from 0, boxes are fractions of the image and the mask is COCO RLE.
    """
    with _questions(Path(folder)) as add:
        return _write_all(scenes, (add,))


def write_ground_truth(scenes: Iterable[Scene], folder: str | os.PathLike) -> WrittenWorld:
    """Write `expressions.jsonl` (with nested parts), `captions.jsonl` and `masks.jsonl` (COCO RLE per object)."""
    with _ground_truth(Path(folder)) as add:
        return _write_all(scenes, (add,))


_Add = Callable[[Scene, WrittenWorld], None]


def _write_all(scenes: Iterable[Scene], writers: Iterable[_Add]) -> WrittenWorld:
    counts = WrittenWorld()
    for drawn in scenes:
        counts.images += 1
        counts.objects += len(drawn.objects)
        for add in writers:
            add(drawn, counts)
    return counts


@contextmanager
def _visual_genome(folder: Path, layout: str, noise: float) -> Iterator[_Add]:
    images = folder / IMAGE_FOLDER
    images.mkdir(parents=True, exist_ok=True)
    with _json_files(folder, {f"{name}.json": "array" for name in VISUAL_GENOME_FILES}) as write:

        def add(drawn: Scene, counts: WrittenWorld) -> None:
            rows = records(drawn, layout, noise)
            for name in VISUAL_GENOME_FILES:
                write[f"{name}.json"](rows[name])
            drawn.image().save(images / f"{drawn.image_id}.png", compress_level=4)
            counts.relationships += len(rows["relationships"]["relationships"])
            counts.regions += len(rows["region_graphs"]["regions"])
            counts.question_answers += len(rows["question_answers"]["qas"])

        yield add


@contextmanager
def _questions(folder: Path) -> Iterator[_Add]:
    folder.mkdir(parents=True, exist_ok=True)
    with _json_files(folder, QUESTION_FILES) as write:

        def add_keys(
            drawn: Scene, source: str, name: int | str, keys: Iterable[KeyRegion], counts: WrittenWorld
        ) -> None:
            for key in keys:
                row = {
                    "source": source,
                    "id": name,
                    "image_id": drawn.image_id,
                    "object_ids": list(key.object_ids),
                    **key.located(drawn).to_dict(),
                }
                write["key_expressions.jsonl"](row)
                counts.key_expressions += 1

        def add(drawn: Scene, counts: WrittenWorld) -> None:
            for question in gqa_questions(drawn):
                write["gqa_questions.json"](question.to_gqa(), question.question_id)
                add_keys(drawn, "gqa", question.question_id, question.keys, counts)
                counts.gqa_questions += 1
            for kind in POPE_KINDS:
                for question in pope_questions(drawn, kind):
                    write[f"pope_{kind}.jsonl"](question.to_pope())
                    add_keys(drawn, f"pope_{kind}", question.question_id, question.keys, counts)
                    counts.pope_questions += 1
            talk = conversation(drawn)
            row = talk.to_llava(IMAGE_FOLDER)
            write["llava_conversations.json"](row)
            add_keys(drawn, "llava", row["id"], talk.keys, counts)
            counts.conversations += 1

        yield add


@contextmanager
def _ground_truth(folder: Path) -> Iterator[_Add]:
    folder.mkdir(parents=True, exist_ok=True)
    with _json_files(folder, TRUTH_FILES) as write:

        def add(drawn: Scene, counts: WrittenWorld) -> None:
            for expression in drawn.expressions():
                write["expressions.jsonl"]({"image_id": drawn.image_id, **asdict(expression)})
                counts.expressions += 1
            write["captions.jsonl"]({"image_id": drawn.image_id, **asdict(drawn.caption())})
            for thing, mask in zip(drawn.objects, drawn.masks, strict=True):
                rle = encode(mask).to_dict()
                write["masks.jsonl"]({"image_id": drawn.image_id, "object_id": thing.object_id, **rle})

        yield add


_BRACKETS = {"array": ("[", ",\n", "]\n"), "object": ("{", ",\n", "}\n"), "lines": ("", "\n", "\n")}


@contextmanager
def _json_files(folder: Path, kinds: dict[str, str]) -> Iterator[dict[str, Callable[..., None]]]:
    """Open several JSON files for row-by-row writing; they get their names when all went well, and vanish otherwise."""
    with ExitStack() as stack:
        handles = {name: stack.enter_context(atomic_write(folder / name)) for name in kinds}
        yield {name: _row_writer(handles[name], kind) for name, kind in kinds.items()}
        for name, kind in kinds.items():
            empty = handles[name].tell() == 0
            opening, _, closing = _BRACKETS[kind]
            handles[name].write((opening + closing if kind != "lines" else "") if empty else closing)


def _row_writer(handle, kind: str) -> Callable[..., None]:
    opening, between, _ = _BRACKETS[kind]
    encoder = json.JSONEncoder(separators=(", ", ": "))
    lead = opening

    def write(row: dict, key: str | None = None) -> None:
        nonlocal lead
        handle.write(lead + (f"{json.dumps(key)}: " if key is not None else "") + encoder.encode(row))
        lead = between

    return write
