# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""CompoVL for the `datasets` library: a builder over the shards of a build, with the views default, steps and mixture.

    builder = CompoVL(config_name="default", parts=sorted(map(str, Path("out/work").glob("part-*.jsonl"))))
    builder.download_and_prepare(file_format="parquet", num_proc=2)

Images are referred to, not embedded: the photographs belong to their authors. `image_root` embeds them, which is the
user's own decision. Floor 2: datasets.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import datasets
from datasets import Features, List, Value

from promvil_hf.compovl.compovl_rows import (
    SPLITS,
    Splitting,
    chain_rows,
    image_rows,
    mixture_row,
    splits_of,
    step_rows,
)


VERSION = "1.0.0"
VIEWS = {
    "default": "one row an expression, with its nested steps",
    "steps": "one row a step, with the evidence it may lean on",
    "mixture": "PromViL's own training rows, with VSR, LLaVA and Visual Genome questions where they were given",
}
SPLITS_OF_VIEW = {"default": SPLITS, "steps": SPLITS, "mixture": ("train", "validation")}

_BOXES = List(List(Value("float64"), length=4))
_IMAGE = {
    "image_id": Value("string"),
    "image_path": Value("string"),
    "image_url": Value("string"),
    "width": Value("int32"),
    "height": Value("int32"),
}
FEATURES = {
    "default": Features(
        {
            "chain_id": Value("string"),
            **_IMAGE,
            "coco_id": Value("int64"),
            "expression": Value("string"),
            "level": Value("int32"),
            "steps": List(
                {
                    "text": Value("string"),
                    "level": Value("int32"),
                    "head": Value("string"),
                    "boxes": _BOXES,
                    "object_ids": List(Value("int64")),
                    "anchors": List(Value("int32")),
                    "mentions": List(Value("string")),
                    "relation_ids": List(Value("int64")),
                    "ambiguous": Value("bool"),
                }
            ),
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
}


class CompoVLConfig(datasets.BuilderConfig):
    """One view of a build.

    Args:
        parts: Shards of the build, `out/work/part-*.jsonl`.
        held_out: JSON file with the ids of the chains of the test split.
        splitting: How images are divided, as a dict of `Splitting`'s fields.
        image_root: Folder of the photographs; given, each row of the default view embeds its image.
        extra: JSON Lines files of further mixture rows, by split.
    """

    def __init__(
        self,
        parts: list[str] | None = None,
        held_out: str | None = None,
        splitting: dict | None = None,
        image_root: str | None = None,
        extra: dict[str, list[str]] | None = None,
        **kwargs,
    ):
        super().__init__(version=datasets.Version(VERSION), **kwargs)
        self.parts = parts
        self.held_out = held_out
        self.splitting = splitting
        self.image_root = image_root
        self.extra = extra


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
            for image in image_rows(file, lambda own, part=part: splitting.part_of(own) == part):
                for number, row in enumerate(chain_rows(image)):
                    if split in splits_of(image, number, splitting, chosen):
                        yield from self._view(row)

    def _view(self, row: dict) -> Iterator[tuple[str, dict]]:
        if self.config.name == "default":
            if self._embeds:
                path = row["image_path"]
                row = row | {"image": {"bytes": embedded(self.config.image_root, path), "path": path}}
            yield row["chain_id"], row
        elif self.config.name == "steps":
            for step in step_rows(row):
                yield step["step_id"], step
        else:
            yield row["chain_id"], mixture_row(row)


def embedded(root: str, path: str) -> bytes:
    """The bytes of an image that does open; the sentence names the file that does not."""
    from promvil_hf.images import UnreadableImage, image_bytes

    place = Path(root) / path
    try:
        return image_bytes(place)[0]
    except UnreadableImage as error:
        raise ValueError(
            f"The image {place} cannot be opened: {error}. Unpack or download it again, or build without --embed-images "
            "(rows then refer to the image by path and address)."
        ) from None
