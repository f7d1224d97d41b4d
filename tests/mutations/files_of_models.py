# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Kinds of files: checkpoints, adapters, recipes, rows to train on, pictures, masks, and boxes as other programs write them."""

import io
import tempfile
from functools import cache
from pathlib import Path

import yaml
from PIL import Image

from promvil_hf import masks
from promvil_hf.backends.adapter_loading import _checked
from promvil_hf.backends.loading import load, read_config
from promvil_hf.box_formats import from_coco, from_conversation, from_swift
from promvil_hf.commands import recipe
from promvil_hf.commands.parsers import command_parser
from promvil_hf.dialects import LlavaBrackets, QwenJson
from promvil_hf.images import image_bytes, image_size, read_image
from promvil_hf.json_records import document, records
from promvil_hf.key_expressions import KeyExpression
from promvil_hf.training.row_sources import read_source
from tests.mutations.files_of_benchmarks import ROWS, json_file, json_lines
from tests.mutations.files_of_builds import INSTANCES, fivl_rows
from tests.mutations.running import Kind


# Models


@cache
def checkpoint() -> dict[str, tuple[bytes, str]]:
    """A tiny base and an adapter for it."""
    from peft import get_peft_model

    from promvil_hf.backends.lora_scopes import lora_config
    from promvil_hf.toy import models

    with tempfile.TemporaryDirectory() as folder:
        tiny = models.tiny_kosmos2()
        tiny.model.save_pretrained(f"{folder}/base")
        tiny.processor.save_pretrained(f"{folder}/base")
        get_peft_model(tiny.model, lora_config(r=4)).save_pretrained(f"{folder}/adapter", save_embedding_layers=False)
        forms = {".json": "json", ".safetensors": "bytes"}
        return {
            str(path.relative_to(folder)): (path.read_bytes(), forms.get(path.suffix, ""))
            for path in sorted(Path(folder).rglob("*"))
            if path.is_file()
        }


def _only(*names: str):
    return lambda: {name: (data, form if name in names else "") for name, (data, form) in checkpoint().items()}


def _small(*names: str):
    return lambda: {name: made for name, made in checkpoint().items() if name in names}


def _loaded(folder: Path) -> None:
    load(folder / "base", folder / "adapter", device="cpu")


# Recipes and rows


RECIPE = {
    "script": "train_kosmos2",
    "model": "toy:kosmos2",
    "rows": "toy:20",
    "learning_rate": 1e-4,
    "num_train_epochs": 1,
    "per_device_train_batch_size": 2,
    "lora_r": 4,
    "lora_scope": "reference",
    "seed": 1,
    "bf16": False,
}


def _recipe(folder: Path) -> None:
    path = folder / "mine.yaml"
    recipe.script_of(path)
    recipe.about(path)
    from promvil_hf.commands.train_kosmos2 import OBJECTIVE
    from promvil_hf.training.run_training import settings_of

    settings_of(OBJECTIVE, ["--config", str(path), "--output_dir", str(folder / "out"), "--use_cpu"])


def _training_rows(folder: Path) -> None:
    rows = read_source(str(folder / "rows.jsonl"), "train", None)
    from promvil_hf.phrases import from_row

    for row in rows:
        from_row(row) if isinstance(row, dict) and "bboxes" in row else None


# Pictures and masks


def picture(form: str, **options) -> bytes:
    written = io.BytesIO()
    Image.effect_noise((24, 16), 60).convert("RGB").save(written, form, **options)
    return written.getvalue()


def _picture(path: str):
    def reading(folder: Path) -> None:
        image_size(folder / path)
        read_image(folder / path, 32)
        image_bytes(folder / path)

    return reading


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif.tobytes()


MASK = {
    "text": "bus",
    "turn": 0,
    "boxes": [[0.1, 0.2, 0.5, 0.7]],
    "mask": fivl_rows()[0].keys[0].expression.mask.to_dict(),
}


def _mask(folder: Path) -> None:
    """A mask as given by another program: a value, not yet a file that the package reads by itself."""
    for record in records(folder / "masks.jsonl"):
        key = KeyExpression.from_dict(record.whole_fields())
        if key.mask is not None:
            masks.area(key.mask)
            masks.bounding_box(key.mask)
            if key.mask.size[0] * key.mask.size[1] < 10**6:
                masks.decode(key.mask)
                masks.coverage(key.mask, key.boxes)


# Boxes of others


SWIFT = {
    "messages": [
        {"role": "user", "content": "<image>Where is <ref-object>?"},
        {"role": "assistant", "content": "<bbox>"},
    ],
    "images": ["1.png"],
    "objects": {"ref": ["the bus"], "bbox": [[0.1, 0.1, 0.5, 0.8]], "bbox_type": "norm1"},
    "width": 20,
    "height": 10,
}
CONVERSATION = {
    "image": "1.png",
    "width": 20,
    "height": 10,
    "conversations": [
        {
            "from": "human",
            "value": "<image>\nPlease provide the bounding box coordinate of the region this sentence describes: the bus.",
        },
        {"from": "gpt", "value": "[0.10, 0.20, 0.50, 0.70]"},
    ],
}


def _coco(folder: Path) -> None:
    from_coco(document(folder / "instances.json").whole_fields())


def _swift(folder: Path) -> None:
    for record in records(folder / "rows.jsonl"):
        from_swift(record.whole_fields())


def _conversation(folder: Path) -> None:
    for record in records(folder / "rows.jsonl"):
        from_conversation(record.whole_fields(), LlavaBrackets())
        from_conversation(record.whole_fields(), QwenJson())


def _converted(source: str, of: str, *more: str):
    """The whole command, with what it writes read back."""

    def reading(folder: Path) -> None:
        words = ["convert", folder / source, folder / "out.jsonl", "--from", of, "--to", "promvil", *more]
        args = command_parser(description="").parse_args(list(map(str, words)))
        try:
            args.run(args)
        finally:
            for path in folder.glob("out.jsonl*"):
                path.unlink()

    return reading


COCO = {**INSTANCES, "annotations": [{**row, "caption": "a cup"} for row in INSTANCES["annotations"]]}
ADAPTER = ("adapter/adapter_config.json", "adapter/adapter_model.safetensors")
MODELS = {
    "adapter": Kind(_small(*ADAPTER), lambda folder: _checked(folder / "adapter")),
    "config of a model": Kind(_small("base/config.json"), lambda folder: read_config(folder / "base"), share=0.5),
    "adapter loaded": Kind(_only(*ADAPTER), _loaded, share=0.05),
    "model loaded": Kind(
        _only(
            *(
                f"base/{name}"
                for name in (
                    "config.json",
                    "model.safetensors",
                    "generation_config.json",
                    "processor_config.json",
                    "preprocessor_config.json",
                    "tokenizer.json",
                    "tokenizer_config.json",
                )
            )
        ),
        _loaded,
        share=0.05,
    ),
    "recipe": Kind(
        lambda: {"mine.yaml": (b"# Mine.\n" + yaml.safe_dump(RECIPE).encode(), "yaml")}, _recipe, share=0.5
    ),
    "training rows": Kind(lambda: {"rows.jsonl": (json_lines(*ROWS), "lines")}, _training_rows),
    "picture png": Kind(lambda: {"1.png": (picture("PNG"), "bytes")}, _picture("1.png"), share=2),
    "picture jpeg": Kind(lambda: {"1.jpg": (picture("JPEG", exif=_exif()), "bytes")}, _picture("1.jpg"), share=2),
    "picture gif": Kind(lambda: {"1.gif": (picture("GIF"), "bytes")}, _picture("1.gif")),
    "picture webp": Kind(lambda: {"1.webp": (picture("WEBP"), "bytes")}, _picture("1.webp")),
    "picture tiff": Kind(lambda: {"1.tiff": (picture("TIFF"), "bytes")}, _picture("1.tiff")),
    "picture bmp": Kind(lambda: {"1.bmp": (picture("BMP"), "bytes")}, _picture("1.bmp")),
    "coco of others": Kind(lambda: {"instances.json": (json_file(COCO), "json")}, _coco),
    "swift rows of others": Kind(lambda: {"rows.jsonl": (json_lines(SWIFT, SWIFT), "lines")}, _swift),
    "conversations of others": Kind(
        lambda: {"rows.jsonl": (json_lines(CONVERSATION, CONVERSATION), "lines")}, _conversation
    ),
    "convert coco": Kind(
        lambda: {"instances.json": (json_file(COCO), "json")}, _converted("instances.json", "coco"), share=0.2
    ),
    "convert swift": Kind(
        lambda: {"rows.jsonl": (json_lines(SWIFT, SWIFT), "lines")}, _converted("rows.jsonl", "swift"), share=0.2
    ),
    "convert conversations": Kind(
        lambda: {"rows.jsonl": (json_lines(CONVERSATION, CONVERSATION), "lines")},
        _converted("rows.jsonl", "llava_brackets"),
        share=0.2,
    ),
    "convert promvil": Kind(
        lambda: {"rows.jsonl": (json_lines(*ROWS), "lines")}, _converted("rows.jsonl", "promvil"), share=0.2
    ),
    "convert fivl": Kind(
        lambda: {"rows.jsonl": (json_lines(*(row.to_dict() for row in fivl_rows())), "lines")},
        _converted("rows.jsonl", "fivl"),
        share=0.2,
    ),
}
