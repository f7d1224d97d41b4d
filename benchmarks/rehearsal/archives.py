# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Data sets in the real ones' forms and archives, as a mirror holds them: MIRROR/SOURCE/NAME.

    python -m benchmarks.rehearsal.archives --images 108077 --out mirror

Visual Genome, the three RefCOCO and GQA's validation questions are as large as the real ones; photographs are small and
three in number, under the real count of names. The other data sets are those of `promvil_hf.toy.real_forms`. The truth
behind LLaVA's drawn scenes, which nobody publishes, lies in MIRROR/key_expressions.jsonl.
"""

import argparse
import io
import json
import pickle
import random
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec
from PIL import Image, ImageDraw

from benchmarks.build_compovl import ATTRIBUTES, image_records
from promvil_hf.files import draft_folder, move
from promvil_hf.toy.real_forms import write_real_forms


GRAPHS = {  # record of `image_records` -> archive
    "image_data": "image_data", "objects": "objects_v1_2", "attributes": "attributes", "relationships": "relationships_v1_2",
    "region_graphs": "region_graphs", "region_descriptions": "region_descriptions", "question_answers": "question_answers",
}  # fmt: skip
SIZES = ((800, 600), (500, 375), (640, 480))  # of the images that `image_records` makes
DRAWN = {  # archive -> folder of the drawn data, and which of its files
    "gqa/eval.zip": ("gqa", "*_choices.json"), "gqa-images/images.zip": ("gqa", "images/*"),
    "coco-val2014/val2014.zip": ("coco", "val2014/*"), "coco-train2017/train2017.zip": ("coco", "train2017/*"),
    "coco-annotations-2017/annotations_trainval2017.zip": ("coco", "annotations/*"),
}  # fmt: skip
PLAIN = {"vsr": ("vsr", "*.jsonl"), "llava-detail": ("llava", "detail_23k.json"), "pope": ("pope", "coco_pope_*.json")}
REFERRED = {"refcoco": ("unc", (1,)), "refcoco+": ("unc", (1,)), "refcocog": ("umd", (1, 3))}  # last digits of COCO's ids
ASKED = 5  # last digit of the images that GQA's validation asks about


def write_archives(mirror: Path, images: int) -> dict[str, int]:
    """Write all archives; how many there are of what."""
    mirror.mkdir(parents=True, exist_ok=True)
    with draft_folder(mirror) as folder:
        drawn, made = folder / "drawn", folder / "mirror"
        write_real_forms(drawn)
        for name, (source, pattern) in DRAWN.items():
            _zipped(made / name, drawn / source, pattern)
        for name, (source, pattern) in PLAIN.items():
            for path in sorted((drawn / source).glob(pattern)):
                _place(made / name / path.name)
                shutil.copy(path, made / name / path.name)
        shutil.copy(drawn / "llava" / "key_expressions.jsonl", made / "key_expressions.jsonl")
        counts = _visual_genome(made, images, drawn / "gqa")
        for path in sorted(made.iterdir()):
            move(path, mirror / path.name)
    return counts


def _zipped(archive: Path, folder: Path, pattern: str) -> None:
    with zipfile.ZipFile(_place(archive), "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        for path in sorted(folder.glob(pattern)):
            made.write(path, path.relative_to(folder).as_posix())


def _place(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


# --- Visual Genome, and what others say of its images ---------------------------------------------


def _visual_genome(mirror: Path, images: int, drawn_gqa: Path) -> dict[str, int]:
    photos, encode = {size: _photo(size) for size in SIZES}, msgspec.json.Encoder().encode
    asked = json.loads((drawn_gqa / "val_balanced_questions.json").read_text())
    refs = {name: Refs(name) for name in REFERRED}
    counts = {"images": images, "objects": 0, "regions": 0, "questions": 0}
    with ExitStack() as stack:
        files = {name: stack.enter_context(_json_in_zip(mirror / "vg" / f"{archive}.json.zip"))
                 for name, archive in GRAPHS.items()}  # fmt: skip
        pictures = [stack.enter_context(zipfile.ZipFile(_place(mirror / "vg-images" / name), "w")) for name in
                    ("images.zip", "images2.zip")]  # fmt: skip
        train2014 = stack.enter_context(zipfile.ZipFile(_place(mirror / "coco-train2014" / "train2014.zip"), "w"))
        for image_id in range(1, images + 1):
            records = _records(image_id)
            for name, record in records.items():
                files[name].write((b", " if image_id > 1 else b"[") + encode(record))
            photo = photos[records["image_data"]["width"], records["image_data"]["height"]]
            folder = records["image_data"]["url"].split("/")[-2]
            pictures[folder == "VG_100K_2"].writestr(f"{folder}/{image_id}.jpg", photo)
            for ref in refs.values():
                if ref.takes(image_id):
                    ref.add(records)
            if refs["refcocog"].takes(image_id):
                train2014.writestr(f"train2014/{_train2014(image_id)}", photo)
            if image_id % 10 == ASKED:
                asked |= _gqa_questions(records)
            counts["objects"] += len(records["objects"]["objects"])
            counts["regions"] += len(records["region_graphs"]["regions"])
            counts["questions"] += len(records["question_answers"]["qas"])
        for file in files.values():
            file.write(b"]")
    for name, ref in refs.items():
        ref.write(mirror / name / f"{name}.zip")
        counts[name] = len(ref.refs)
    testdev = (drawn_gqa / "testdev_balanced_questions.json").read_bytes()
    with zipfile.ZipFile(_place(mirror / "gqa" / "questions1.2.zip"), "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("val_balanced_questions.json", encode(asked))
        archive.writestr("testdev_balanced_questions.json", testdev)
    return counts | {"gqa": len(asked)}


@contextmanager
def _json_in_zip(archive: Path) -> Iterator[IO[bytes]]:
    """The one JSON file in a new archive, to be written piece by piece."""
    with zipfile.ZipFile(_place(archive), "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        with made.open(archive.name.removesuffix(".zip"), "w", force_zip64=True) as file:
            yield file


def _records(image_id: int) -> dict[str, dict]:
    """All seven records of an image."""
    rng = random.Random(f"rehearsal {image_id}")
    records = dict(zip(GRAPHS, image_records(image_id, rng), strict=False))
    if image_id % 5 in (1, 3):
        records["image_data"]["url"] = records["image_data"]["url"].replace("VG_100K/", "VG_100K_2/")
    regions = [
        {key: region[key] for key in ("region_id", "width", "height", "image_id", "phrase", "y", "x")}
        for region in records["region_graphs"]["regions"]
    ]
    records["region_descriptions"] = {"id": image_id, "regions": regions}
    things = [thing for thing in records["attributes"]["attributes"] if thing["attributes"]][:17]
    asked = [(f"What is the {thing['names'][0]} like?", f"{thing['attributes'][0].capitalize()}.") for thing in things]
    records["question_answers"] = {
        "id": image_id,
        "qas": [
            {"a_objects": [], "question": question, "image_id": image_id, "qa_id": image_id * 100 + k, "answer": answer,
             "q_objects": []}
            for k, (question, answer) in enumerate(asked)
        ],
    }  # fmt: skip
    return records


def _photo(size: tuple[int, int]) -> bytes:
    picture = Image.linear_gradient("L").resize(size).convert("RGB")
    draw = ImageDraw.Draw(picture)
    for number, colour in enumerate(ATTRIBUTES[:6]):
        left, top = size[0] * number // 7, size[1] * number // 8
        draw.rectangle((left, top, left + size[0] // 6, top + size[1] // 5), fill=colour)
    held = io.BytesIO()
    picture.save(held, "JPEG", quality=30)
    return held.getvalue()


def _gqa_questions(records: dict[str, dict]) -> dict[str, dict]:
    things = records["attributes"]["attributes"]
    return {
        f"{records['image_data']['image_id']:06d}{number:03d}": {
            "imageId": str(records["image_data"]["image_id"]), "question": f"Is there a {thing['names'][0]} in the picture?",
            "answer": "yes", "fullAnswer": f"Yes, there is a {thing['names'][0]}.", "isBalanced": True,
            "groups": {"global": None, "local": "verify"}, "entailed": [], "equivalent": [],
            "types": {"structural": "verify", "semantic": "obj", "detailed": "existC"}, "annotations": {},
            "semantic": [], "semanticStr": "",
        }
        for number, thing in enumerate(things[:12])
    }  # fmt: skip


# --- RefCOCO, RefCOCO+, RefCOCOg ------------------------------------------------------------------


@dataclass
class Refs:
    """References to objects of those images that are COCO's, in the form of refs(...).p."""

    name: str
    refs: list[dict] = field(default_factory=list)
    images: list[dict] = field(default_factory=list)
    annotations: list[dict] = field(default_factory=list)

    def takes(self, image_id: int) -> bool:
        return image_id % 10 in REFERRED[self.name][1]

    def add(self, records: dict[str, dict]) -> None:
        image = records["image_data"]
        image_id, number = image["coco_id"], len(self.images)
        splits = ("train", "train", "train", "val", "test") if self.name == "refcocog" else ("train", "val", "testA", "testB")
        self.images.append(
            {"id": image_id, "file_name": _train2014(image_id), "width": image["width"], "height": image["height"]}
        )
        for place, thing in enumerate(records["attributes"]["attributes"][:8]):
            box = [thing["x"], thing["y"], thing["w"], thing["h"]]
            self.annotations.append(
                {"id": thing["object_id"], "image_id": image_id, "bbox": box, "iscrowd": 0, "area": box[2] * box[3],
                 "category_id": 1}
            )  # fmt: skip
            if place < 3:
                self.refs.append(self._ref(image_id, thing, splits[number % len(splits)]))

    def _ref(self, image_id: int, thing: dict, split: str) -> dict:
        words = [*thing["attributes"], thing["names"][0]]
        texts = [" ".join(words), " ".join(["the", *words])]
        first = 2 * len(self.refs)
        said = [{"sent_id": first + k, "sent": text, "raw": text, "tokens": text.split()} for k, text in enumerate(texts)]
        return {
            "ref_id": len(self.refs), "ann_id": thing["object_id"], "image_id": image_id, "split": split, "category_id": 1,
            "file_name": _train2014(image_id).replace(".jpg", f"_{thing['object_id']}.jpg"),
            "sent_ids": [row["sent_id"] for row in said], "sentences": said,
        }  # fmt: skip

    def write(self, archive: Path) -> None:
        instances = {"images": self.images, "annotations": self.annotations,
                     "categories": [{"id": 1, "name": "thing", "supercategory": "thing"}]}  # fmt: skip
        with zipfile.ZipFile(_place(archive), "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
            made.writestr(f"{self.name}/refs({REFERRED[self.name][0]}).p", pickle.dumps(self.refs, protocol=2))
            made.writestr(f"{self.name}/instances.json", msgspec.json.encode(instances))


def _train2014(coco_id: int) -> str:
    return f"COCO_train2014_{coco_id:012d}.jpg"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, required=True, help="of Visual Genome")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    args = parser.parse_args()
    print(json.dumps(write_archives(args.out, args.images)))
