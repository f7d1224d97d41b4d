# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Kinds of files: what the builds of CompoVL and FiVL-Instruct read, what they keep on the way, and what they publish."""

import json
import tempfile
from functools import cache
from pathlib import Path

from promvil_hf import jobs
from promvil_hf.boxes import Box
from promvil_hf.compovl.compose import Composing
from promvil_hf.compovl.compose_images import ComposeImages
from promvil_hf.compovl.leakage import Leakage, read_list
from promvil_hf.compovl.mixture import Mixing, mix
from promvil_hf.compovl.region_pairs import build_region_pairs
from promvil_hf.compovl.visual_genome import VisualGenome
from promvil_hf.fivl.conversation_sources import Source
from promvil_hf.fivl.extraction import annotate, given, rules, seen_turns
from promvil_hf.fivl.fivl_publish import read_rows
from promvil_hf.fivl.fivl_rows import FivlRow, Key, Statistics
from promvil_hf.fivl.given_masks import given as given_masks
from promvil_hf.fivl.mask_making import ImagePhrases
from promvil_hf.fivl.release import Release, export
from promvil_hf.fivl.row_files import fivl_rows_of
from promvil_hf.job_files import encoded
from promvil_hf.key_expressions import KeyExpression, Turn
from promvil_hf.masks import from_boxes
from promvil_hf.publishing import read_report
from promvil_hf.toy.config import WorldConfig
from promvil_hf.toy.scenery import scenes
from promvil_hf.toy.world import write_visual_genome
from tests.mutations.files_of_benchmarks import (
    POPE,
    VQA_ANNOTATIONS,
    VQA_QUESTIONS,
    VSR,
    gqa_questions,
    json_file,
    json_lines,
    png,
)
from tests.mutations.running import Kind, lines_in


LLAVA = [
    {
        "id": f"00{number}",
        "image": f"{number}.png",
        "conversations": [
            {"from": "human", "value": "<image>\nWhat is it?"},
            {"from": "gpt", "value": "A red bus and a tree."},
            {"from": "human", "value": "Where?"},
            {"from": "gpt", "value": "On the road."},
        ],
    }
    for number in (1, 2, 3)
]
INSTRUCTIONS = [
    {"id": str(number), "image": "1.png", "instruction": "What?", "output": "A red bus."} for number in (1, 2)
]
CAPTIONS = {
    "images": [{"id": 1, "file_name": "1.png"}, {"id": 2, "file_name": "2.png"}],
    "annotations": [{"id": number, "image_id": number % 2 + 1, "caption": "A bus."} for number in (1, 2, 3)],
}
PHRASES = [{"id": "1", "question": "What is it?", "answer": "A red bus and a tree.", "prompts": "red bus:::tree"}]
SIZE = (20, 10)
PICTURES = {f"images/{number}.png": (png(*SIZE), "") for number in (1, 2, 3)}
RELATION = {
    "image": "COCO_train2014_000000000001.jpg",
    "label": 1,
    "relation": "left of",
    "subj": "cup",
    "obj": "table",
    "caption": "x",
}
INSTANCES = {
    "images": [{"id": 1, "file_name": "COCO_train2014_000000000001.jpg", "width": 20, "height": 10}],
    "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "table"}],
    "annotations": [{"id": number, "image_id": 1, "category_id": number, "bbox": [1, 1, 5, 5]} for number in (1, 2)],
}


def source_rows(name: str, *paths: str):
    """Every record is a row, if only one with a fault; annotated by rules, as a build begins."""

    def reading(folder: Path) -> int:
        found = list(Source(name, [folder / path for path in paths]))
        for row in annotate(list(seen_turns(found, folder)), rules):
            encoded("key", row)
        return len(found)

    return reading


def _given_phrases(folder):
    turns = list(seen_turns(Source("llava", [folder / "conversations.json"]), folder))
    annotate(turns, given(folder / "phrases.jsonl"))


def _given_masks(folder):
    locate = given_masks(folder / "masks.jsonl", folder / "images")
    locate([ImagePhrases(folder / "images" / "1.png", ("red bus", "tree"))])


def key(text: str, turn: int, box: Box) -> Key:
    return Key(KeyExpression(text, turn, (box,), from_boxes([box], SIZE)), text, (0.9,))


@cache
def fivl_rows() -> tuple[FivlRow, ...]:
    turns = (Turn(0, "What is it?", "A red bus and a tree."), Turn(1, "Where?", "On the road."))
    keys = (
        key("red bus", 0, Box(0.1, 0.2, 0.5, 0.7)),
        key("tree", 0, Box(0.6, 0.1, 0.9, 0.9)),
        key("road", 1, Box(0, 0.7, 1, 1)),
    )
    return tuple(
        FivlRow(f"llava-{number:08d}", "llava", f"00{number}", f"{number}.png", SIZE, turns, keys, ("bus",))
        for number in (1, 2, 3)
    )


def _used(rows) -> int:
    """Rows as every command after the build uses them."""
    rows = list(rows)
    json.dumps([Statistics.of(rows).to_dict(), *(row.to_dict() for row in rows)], allow_nan=False).encode()
    return len(rows)


def _rows_file(folder):
    return _used(fivl_rows_of(folder / "rows.jsonl"))


@cache
def built() -> dict[str, tuple[bytes, str]]:
    """The working folder of a build, as far as later commands read it."""
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder, "work", "default", "masks")
        rows = [row.to_dict() for row in fivl_rows()]
        jobs.run(rows, jobs.each(dict), job, key=lambda row: row["row_id"], describe={}, shard_size=2, progress=False)
        forms = {".jsonl": "lines", ".json": "json"}
        return {
            str(path.relative_to(folder)): (path.read_bytes(), forms[path.suffix])
            for path in sorted(job.iterdir())
            if path.suffix in forms and path.name != "rejects.jsonl"
        }


def _built(folder):
    return _used(read_rows(folder))


@cache
def released() -> dict[str, tuple[bytes, str]]:
    with tempfile.TemporaryDirectory() as folder:
        export(fivl_rows(), folder)
        return {
            "fivl_instruct.json": (Path(folder, "fivl_instruct.json").read_bytes(), "json"),
            "dataset_grounded.tar": (Path(folder, "dataset_grounded.tar").read_bytes(), "bytes"),
            "conversations.json": (json_file(LLAVA), ""),
            **PICTURES,
        }


def _released(folder):
    with Release(folder / "fivl_instruct.json", folder / "dataset_grounded.tar") as release:
        for source in Source("llava", [folder / "conversations.json"]):
            row = release.row(source, folder / "images")
            assert isinstance(row, dict | jobs.Rejected)


# Visual Genome


@cache
def visual_genome(layout: str) -> dict[str, tuple[bytes, str]]:
    with tempfile.TemporaryDirectory() as folder:
        write_visual_genome(scenes(WorldConfig(objects=(3, 3), levels=1, distractors=0), 2), folder, layout)
        return {path.name: (path.read_bytes(), "json") for path in sorted(Path(folder).glob("*.json"))}


def _composed(folder):
    with VisualGenome(folder) as source:
        images = list(source.images())
        rows = ComposeImages(source.reader, Composing())(images)
        for row in rows:
            encoded("key", row)
        for image in images:
            source.questions(image)


def _pairs(folder):
    with tempfile.TemporaryDirectory() as out:
        build_region_pairs(folder, out)


def _leakage(kind: str, path: str):
    def reading(folder):
        Leakage((read_list(folder / path, kind),)).keeps(1, 1)

    return reading


def _mixed(**files):
    def reading(folder):
        with tempfile.TemporaryDirectory() as out:
            mixing = Mixing(**{name: folder / path for name, path in files.items()})
            _, counts = mix(mixing, (), Leakage(), Path(out))
            return sum(
                part["rows"] + sum(part["rejected"].values())
                for name, part in counts.items()
                if name.startswith("vsr")
            )

    return reading


REPORT = {
    "release": "1.2",
    "rows": {"default": {"train": 3}},
    "images": {"composed": 2, "by_part": {"train": 2}},
    "rejects": {"x": 1},
    "expressions_by_level": {"train": {"1": 3}},
    "expressions_by_source": {"graph": 3},
    "words_per_expression": 4.0,
    "boxes_per_simple_noun": 1.0,
    "ambiguous_expressions": 0,
    "leakage": {"lists": [], "images": 2, "images_with_coco_id": 0, "excluded": 0},
    "left_out": {},
    "writer": "grammar",
    "composing": {},
    "splitting": {},
    "relationships": {},
    "clipped_boxes": 0,
}


def _report(folder):
    read_report(folder, "promvil build compovl")


def _lines(path: str):
    return lambda contents: lines_in(contents, path)


CONVERSATION = {"conversations.json": (json_file(LLAVA), "")}
MASKS = [
    {"image": "1.png", "text": "the red bus", "boxes": [[0.1, 0.2, 0.5, 0.7]]},
    {"image_id": "1", "text": "tree", "mask": from_boxes([Box(0.1, 0.2, 0.5, 0.7)], SIZE).to_dict()},
]
BUILDS = {
    "llava": Kind(lambda: {"rows.json": (json_file(LLAVA), "json")}, source_rows("llava", "rows.json"), share=2),
    "llava lines": Kind(
        lambda: {"rows.jsonl": (json_lines(*LLAVA), "lines")},
        source_rows("llava", "rows.jsonl"),
        _lines("rows.jsonl"),
        share=2,
    ),
    "llava instructions": Kind(
        lambda: {"rows.jsonl": (json_lines(*INSTRUCTIONS), "lines")},
        source_rows("llava", "rows.jsonl"),
        _lines("rows.jsonl"),
    ),
    "captions": Kind(
        lambda: {"captions.json": (json_file(CAPTIONS), "json")}, source_rows("captions", "captions.json"), share=2
    ),
    "fivl from pope": Kind(lambda: {"pope.json": (json_lines(*POPE), "lines")}, source_rows("pope", "pope.json")),
    "fivl from gqa": Kind(lambda: {"gqa.json": (json_file(gqa_questions()), "json")}, source_rows("gqa", "gqa.json")),
    "fivl from vqav2": Kind(
        lambda: {"q.json": (json_file(VQA_QUESTIONS), "json"), "a.json": (json_file(VQA_ANNOTATIONS), "json")},
        source_rows("vqav2", "q.json", "a.json"),
    ),
    "given phrases": Kind(
        lambda: {**CONVERSATION, "phrases.jsonl": (json_lines(*PHRASES * 2), "lines")}, _given_phrases
    ),
    "given masks": Kind(lambda: {**PICTURES, "masks.jsonl": (json_lines(*MASKS), "lines")}, _given_masks),
    "fivl rows": Kind(
        lambda: {"rows.jsonl": (json_lines(*(row.to_dict() for row in fivl_rows())), "lines")}, _rows_file, share=2
    ),
    "fivl build": Kind(built, _built, share=2),
    "fivl release": Kind(released, _released, share=2),
    "visual genome 1.2": Kind(lambda: visual_genome("1.2"), _composed, share=2),
    "visual genome 1.4": Kind(lambda: visual_genome("1.4"), _composed, share=2),
    "region pairs": Kind(
        lambda: {
            name: made
            for name, made in visual_genome("1.2").items()
            if name in ("attributes.json", "region_graphs.json")
        },
        _pairs,
    ),
    "leakage list of ids": Kind(
        lambda: {"ids.txt": (b"1\n2\nCOCO_val2014_000000000042.jpg\n", "bytes")}, _leakage("coco", "ids.txt")
    ),
    "leakage list of vsr": Kind(lambda: {"vsr.jsonl": (json_lines(*VSR), "lines")}, _leakage("vg", "vsr.jsonl")),
    "leakage list of coco": Kind(
        lambda: {"instances.json": (json_file(INSTANCES), "json")}, _leakage("coco", "instances.json")
    ),
    "mixture vsr": Kind(
        lambda: {
            "vsr.jsonl": (json_lines(*[RELATION] * 3), "lines"),
            "instances.json": (json_file(INSTANCES), "json"),
        },
        _mixed(vsr_train="vsr.jsonl", coco_instances="instances.json"),
        _lines("vsr.jsonl"),
    ),
    "mixture llava": Kind(lambda: {"llava.json": (json_file(LLAVA), "json")}, _mixed(llava="llava.json")),
    "report of a build": Kind(lambda: {"report.json": (json_file(REPORT), "json")}, _report),
}
