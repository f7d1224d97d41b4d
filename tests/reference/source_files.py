# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Small valid files of every kind that the builds and `promvil ground --queries` read, as values: `json.dumps` writes them.

Each has three items, 0, 1 and 2, which do not depend on each other.
"""

from pathlib import Path
from typing import Any

from PIL import Image


SIZE = (64, 48)


def pictures(folder: Path) -> Path:
    """0.png, 1.png and 2.png, of `SIZE`."""
    folder.mkdir(exist_ok=True)
    for number in range(3):
        Image.new("RGB", SIZE, (80 * number, 0, 0)).save(folder / f"{number}.png")
    return folder


def llava() -> list[dict[str, Any]]:
    said = ["<image>\nWhat is on the table?", "A red cup and a blue plate.", "And below it?", "A small dog."]
    turns = [{"from": ("human", "gpt")[place % 2], "value": text} for place, text in enumerate(said)]
    return [{"id": f"{number:03d}", "image": f"{number}.png", "conversations": turns} for number in range(3)]


def llava_pairs() -> list[dict[str, Any]]:
    return [{"id": n, "image": f"{n}.png", "instruction": f"What is in box {n}?", "output": "A red cup."} for n in range(3)]


def captions() -> dict[str, Any]:
    """COCO's caption file."""
    return {
        "info": {"year": 2014},
        "images": [{"id": number, "file_name": f"{number}.png", "width": 64, "height": 48} for number in range(3)],
        "annotations": [{"id": 10 + n, "image_id": n, "caption": "A red cup on a table."} for n in range(3)],
    }


def caption_records() -> list[dict[str, Any]]:
    return [{"image": f"{number}.png", "caption": "A red cup on a table."} for number in range(3)]


def given_masks() -> list[dict[str, Any]]:
    return [{"image": f"{number}.png", "text": "red cup", "boxes": [[0.1, 0.1, 0.5, 0.5]]} for number in range(3)]


def given_expressions() -> list[dict[str, Any]]:
    """For the turns of `llava_pairs`."""
    return [{"id": n, "question": f"What is in box {n}?", "answer": "A red cup.", "prompts": "red cup"} for n in range(3)]


def queries() -> list[dict[str, Any]]:
    return [{"id": f"q{number}", "image": f"{number}.png", "expression": "a dog"} for number in range(3)]


def visual_genome(release: str = "1.2") -> dict[str, list[dict[str, Any]]]:
    """The files of Visual Genome by name, of images 1, 2 and 3: a dog on a mat near a tree, said in relations and regions."""
    object_key, image_key = ("id", "id") if release == "1.0" else ("object_id", "image_id")
    files: dict[str, list] = {name: [] for name in VISUAL_GENOME}
    for image in (1, 2, 3):
        things = [
            {object_key: 10 * image + place, "names": [name], "x": 5 * place, "y": 10, "w": 20, "h": 15, "synsets": []}
            for place, name in enumerate(("dog", "mat", "tree"))
        ]
        if release == "1.4":
            things[0]["merged_object_ids"] = [90 + image]
        ends = [{k: v for k, v in thing.items() if k != "names"} | {"name": thing["names"][0]} for thing in things]
        links = [("on", 0, 1), ("near", 1, 2)]
        relations = [
            {"relationship_id" if release != "1.0" else "id": 100 * image + place, "predicate": predicate, "synsets": [],
             "subject": ends[first], "object": ends[second]}
            for place, (predicate, first, second) in enumerate(links)
        ]  # fmt: skip
        region = {"region_id": 7 + image, "phrase": "dog on mat", "x": 0, "y": 5, "width": 40, "height": 30}
        region_relations = [
            {"relationship_id": 200 + image, "predicate": "on", "subject_id": 10 * image, "object_id": 10 * image + 1}
        ]
        url = f"https://x/VG_100K/{image}.jpg"
        files["image_data"].append(
            {"image_id": image, "width": 64, "height": 48, "url": url, "coco_id": 500 + image, "flickr_id": None}
        )
        files["objects"].append({image_key: image, "objects": things})
        files["attributes"].append({image_key: image, "attributes": [things[0] | {"attributes": ["brown"]}]})
        files["relationships"].append({image_key: image, "relationships": relations})
        files["region_graphs"].append(
            {"image_id": image, "regions": [region | {"objects": [{"object_id": 10 * image}], "relationships": region_relations}]}
        )
        asked = {"qa_id": 300 + image, "question": "What is on the mat?", "answer": "A dog."}
        files["question_answers"].append({"id": image, "qas": [asked]})
    return files


VISUAL_GENOME = ("image_data", "objects", "attributes", "relationships", "region_graphs", "question_answers")


def vsr() -> list[dict[str, Any]]:
    """True statements of VSR about the images of `coco_instances`."""
    return [
        {"image": f"{n:012d}.jpg", "caption": "The cat is on the mat.", "label": 1, "relation": "on", "subj": "cat", "obj": "mat"}
        for n in range(3)
    ]


def coco_instances() -> dict[str, Any]:
    return {
        "images": [{"id": n, "file_name": f"{n:012d}.jpg", "width": 64, "height": 48} for n in range(3)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "mat"}],
        "annotations": [
            {"id": 10 * n + kind, "image_id": n, "category_id": kind, "bbox": [4, 4, 20 * kind, 12 * kind], "iscrowd": 0}
            for n in range(3)
            for kind in (1, 2)
        ],
    }


def leakage_lists() -> dict[str, Any]:
    """Lists for `--exclude-vg`, in the forms that benchmarks ship; each names the images 1, 2 and 3."""
    return {
        "ids": [1, 2, 3],
        "questions": {str(n): {"imageId": str(n), "question": "Is it red?"} for n in (1, 2, 3)},
        "instances": {"images": [{"id": n, "file_name": f"{n}.jpg"} for n in (1, 2, 3)]},
        "refs": [{"image_id": n, "split": "test"} for n in (1, 2, 3)],
        "splits": {"train": [7, 8], "val": [1], "test": [2, 3]},
    }
