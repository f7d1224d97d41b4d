# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""CompoVL for the `datasets` library: a builder over the shards of a build, and the folder that is published.

    builder = CompoVL(config_name="default", parts=sorted(map(str, Path("out/work").glob("part-*.jsonl"))))
    builder.download_and_prepare(file_format="parquet", num_proc=2)

Images are referred to, not embedded: the photographs belong to their authors. `image_root` embeds them, which is the
user's own decision.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import datasets
from datasets import Features, List, Value

from promvil_hf.compovl.chains import promvil_row
from promvil_hf.compovl.compose_images import KeptImages
from promvil_hf.compovl.compovl_card import FOLDERS, card
from promvil_hf.compovl.compovl_report import Rejects, count, sorted_counts
from promvil_hf.compovl.compovl_rows import (
    SPLITS,
    VIEWS,
    Held,
    Splitting,
    chain_rows,
    hold_out,
    image_rows,
    negative_rows,
    splits_of,
    step_rows,
)
from promvil_hf.compovl.compovl_settings import CompoVLSettings
from promvil_hf.compovl.mixture import mix
from promvil_hf.compovl.visual_genome_records import Image, Question
from promvil_hf.files import write_json
from promvil_hf.job_files import check_some
from promvil_hf.publishing import (
    image_to_embed,
    parts_of,
    read_report,
    replacement,
    upload,
    write_parquet,
)


VERSION = datasets.Version("1.0.0")
SPLITS_OF_VIEW = {"default": SPLITS, "steps": SPLITS, "mixture": ("train", "validation"), "negatives": SPLITS}

_BOXES = List(List(Value("float64"), length=4))
_IMAGE = {
    "image_id": Value("string"),
    "image_path": Value("string"),
    "image_url": Value("string"),
    "width": Value("int32"),
    "height": Value("int32"),
}
_STEP = {
    "text": Value("string"),
    "level": Value("int32"),
    "head": Value("string"),
    "boxes": _BOXES,
    "object_ids": List(Value("int64")),
    "anchors": List(Value("int32")),
    "mentions": List(Value("string")),
}
FEATURES = {
    "default": Features(
        {
            "chain_id": Value("string"),
            **_IMAGE,
            "coco_id": Value("int64"),
            "expression": Value("string"),
            "level": Value("int32"),
            "steps": List({**_STEP, "relation_ids": List(Value("int64")), "ambiguous": Value("bool")}),
            "sources": Value("string"),
            "distractors": Value("int32"),
            "ambiguous": Value("bool"),
            "given": List(Value("string")),
            "region_ids": List(Value("int64")),
            "writer": Value("string"),
        }
    ),
    "steps": Features(
        {
            "step_id": Value("string"),
            "chain_id": Value("string"),
            **_IMAGE,
            "text": Value("string"),
            "level": Value("int32"),
            "boxes": _BOXES,
            "evidence": List({"text": Value("string"), "boxes": _BOXES}),
        }
    ),
    "mixture": Features(
        {
            "dataset": Value("string"),
            "text": List(Value("string")),
            "bboxes": List(_BOXES),
            "box_obj_match": List(List(Value("int32"))),
            "image_path": Value("string"),
            "relation": Value("string"),
        }
    ),
    "negatives": Features(
        {
            "negative_id": Value("string"),
            "chain_id": Value("string"),
            **_IMAGE,
            "coco_id": Value("int64"),
            "expression": Value("string"),
            "level": Value("int32"),
            "steps": List({**_STEP, "absent": Value("bool")}),
            "changed_step": Value("int32"),
            "changed_level": Value("int32"),
            "kind": Value("string"),
            "old": Value("string"),
            "new": Value("string"),
            "was": Value("string"),
            "was_boxes": _BOXES,
        }
    ),
}


@dataclass
class CompoVLConfig(datasets.BuilderConfig):
    """One view of a build.

    Args:
        parts: Shards of the build, `out/work/part-*.jsonl`.
        held_out: JSON file with the ids of the chains of the test split.
        splitting: How images are divided, as a dict of `Splitting`'s fields.
        image_root: Folder of the photographs; given, each row of the default view embeds its image.
        extra: JSON Lines files of further mixture rows, by split.
    """

    version: datasets.Version = VERSION
    parts: list[str] | None = None
    held_out: str | None = None
    splitting: dict | None = None
    image_root: str | None = None
    extra: dict[str, list[str]] | None = None


class CompoVL(datasets.GeneratorBasedBuilder):
    """Nested phrases with boxes from Visual Genome."""

    BUILDER_CONFIG_CLASS = CompoVLConfig
    BUILDER_CONFIGS = [CompoVLConfig(name=name, description=about) for name, about in VIEWS.items()]
    DEFAULT_CONFIG_NAME = "default"

    def _info(self):
        features = FEATURES[self.config.name].copy()
        if self._embeds:
            features["image"] = datasets.Image()
        return datasets.DatasetInfo(features=features)

    @property
    def _embeds(self) -> bool:
        return bool(self.config.image_root) and self.config.name == "default"  # once is enough

    def _split_generators(self, dl_manager):
        if not self.config.parts:
            raise ValueError(
                "You made a CompoVL builder without `parts`. Build first: `promvil build compovl --vg VISUAL_GENOME --out OUT`, "
                "then pass the files OUT/work/part-*.jsonl."
            )
        extra = self.config.extra or {}
        return [
            datasets.SplitGenerator(
                split, gen_kwargs={"files": [*self.config.parts, *extra.get(split, ())], "split": split}
            )
            for split in SPLITS_OF_VIEW[self.config.name]
        ]

    def _generate_examples(self, files, split):
        splitting = Splitting(**(self.config.splitting or {}))
        chosen = frozenset(json.loads(Path(self.config.held_out).read_text())) if self.config.held_out else frozenset()
        for file in files:
            if file in (self.config.extra or {}).get(split, ()):
                with open(file, encoding="utf-8") as lines:
                    for number, line in enumerate(lines):
                        yield f"{Path(file).stem}-{number}", json.loads(line)
                continue
            part = "test" if split == "hard" else split
            for image in image_rows(file, lambda image_id, part=part: splitting.part_of(image_id) == part):
                rows = negative_rows(image) if self.config.name == "negatives" else enumerate(chain_rows(image))
                for number, row in rows:
                    if split in splits_of(image, number, splitting, chosen):
                        yield from self._view(row)

    def _view(self, row: dict) -> Iterator[tuple[str, dict]]:
        if self.config.name == "default":
            if self._embeds:
                path = row["image_path"]
                embedded = image_to_embed(Path(self.config.image_root) / path, "path and address")
                row = row | {"image": {**embedded, "path": path}}
            yield row["chain_id"], row
        elif self.config.name == "negatives":
            yield row["negative_id"], row
        elif self.config.name == "steps":
            for step in step_rows(row):
                yield step["step_id"], step
        else:
            yield row["chain_id"], promvil_row(row)


# --- from a build to a folder that can be published -----------------------------------------------


def publish(out: Path, images: KeptImages, settings: CompoVLSettings, workers: int, made_from: str) -> dict:
    """Write rejects, Parquet, card and report of a build whose images are composed. Gives the report."""
    with replacement(out, (*FOLDERS.values(), "rejects.jsonl", "README.md")) as draft:
        parts = parts_of(out / "work")
        held = _held_out(parts, settings.splitting)
        report = {"made_from": made_from, "release": images.source.release, "writer": settings.writer_name}
        scratch = draft / "scratch"
        scratch.mkdir()
        mixed: dict[str, list[str]] = {}
        with Rejects(draft / "rejects.jsonl") as rejects:
            report |= count(parts, images, settings, held, rejects)
            composed = sum(sum(found.values()) for found in report["expressions_by_level"].values())
            left_out = Counter(rejects.counts) + Counter(report["left_out"]) or {"no expression": len(images)}
            check_some(composed, left_out, str(out / "work"))
            if settings.writer is not None:
                writers = Counter(report["expressions_by_writer"])
                check_some(writers.pop(settings.writer_name, 0), writers, str(out / "work"))
            if "mixture" in settings.views:
                asked = _asked(images, rejects)
                mixed, report["mixture"] = mix(settings.mixing, asked, images.leakage, scratch, rejects.add)
            report["rejects"] = sorted_counts(rejects.counts)
        infos = _views(draft, parts, settings, held, mixed, workers)
        report["rows"] = {
            view: {split: split_info.num_examples for split, split_info in info.splits.items()} for view, info in infos.items()
        }
        (draft / "README.md").write_text(card(report, infos), encoding="utf-8")
        write_json(draft / "report.json", report)
    return report


def _asked(images: KeptImages, rejects: Rejects) -> Iterator[tuple[Image, tuple[Question, ...]]]:
    for image in images:
        found, broken = images.source.questions(image)
        for reject in broken:
            rejects.add(reject)
        yield image, found


def _held_out(parts: list[str], splitting: Splitting) -> Held:
    tested = (image for part in parts for image in image_rows(part, lambda image_id: splitting.part_of(image_id) == "test"))
    return hold_out(tested, splitting)


def _views(
    draft: Path, parts: list[str], settings: CompoVLSettings, held: Held, mixed: dict[str, list[str]], workers: int
) -> dict[str, datasets.DatasetInfo]:
    scratch, infos = draft / "scratch", {}
    write_json(scratch / "held_out.json", sorted(held.chosen))
    for view in settings.written:
        builder = CompoVL(
            config_name=view,
            cache_dir=str(scratch / "cache"),
            parts=parts,
            held_out=str(scratch / "held_out.json"),
            splitting=asdict(settings.splitting),
            image_root=None if settings.embed_images is None else str(settings.embed_images),
            extra=mixed if view == "mixture" else None,
        )
        infos[view] = write_parquet(builder, scratch / view, draft / FOLDERS[view], min(workers, len(parts)))
    return infos


def push(out: str | os.PathLike, repo_id: str, *, private: bool = False) -> str:
    """Upload a finished build to the Hub; `load_dataset(repo_id)` reads it. Gives the address."""
    return upload(Path(out), repo_id, pushed(out), "CompoVL, built from Visual Genome", private)


def pushed(out: str | os.PathLike) -> list[str]:
    """Patterns of the files of a finished build that are uploaded beside its card."""
    read_report(Path(out), "promvil build compovl")
    return ["report.json", "rejects.jsonl", *(f"{folder}/*.parquet" for folder in FOLDERS.values())]
