# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Drawn scenes written as real data sets are published, in the folders where `promvil fetch` puts those.

    vg/                    Visual Genome 1.2: seven JSON files, VG_100K/
    refcoco/ refcoco+/ refcocog/    refs(...).p and instances.json; their pictures in coco/train2014
    gqa/                   balanced questions of val and testdev, choices of val, images/
    llava/detail_23k.json, vsr/, coco/annotations/instances_train2017.json; pictures in coco/train2017
    pope/                  three files; pictures in coco/val2014

key_expressions.jsonl in gqa/, pope/ and llava/ is the truth, which nobody publishes.

    python -m promvil_hf.toy.real_forms --out data

Scenes are those of the small world that the toy bases know; none of them was drawn in their training. Some pictures of
RefCOCOg are Visual Genome's, as in the real ones, so that there is a leak to be found. No torch.
"""

import argparse
import json
import pickle
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from promvil_hf.files import atomic_write, write_json, write_json_lines
from promvil_hf.toy.gqa import gqa_questions
from promvil_hf.toy.questions import conversation, pope_questions
from promvil_hf.toy.scenery import Scene, scene
from promvil_hf.toy.small_world import ASKED_ABOUT, HARD, HELD_OUT, NESTED
from promvil_hf.toy.world import write_visual_genome


BEHIND = HELD_OUT + 200_000  # no base has seen these scenes
COCO_ID = 500_000  # what Visual Genome's records of a scene add to its number
SHARED = 4  # pictures of RefCOCOg that are Visual Genome's too
POPE = {"random": "random", "popular": "random", "adversarial": "adversarial"}  # its file and how the toy world asks


@dataclass(frozen=True, slots=True)
class Amounts:
    """How many scenes of each kind are drawn."""

    graphs: int = 160
    referred: int = 40
    asked: int = 40
    described: int = 20


def write_real_forms(folder: Path, amounts: Amounts = Amounts(), seed: int = 0) -> dict[str, int]:  # noqa: B008
    """Write everything; how many pictures each data set has."""
    graphs = _scenes(NESTED, amounts.graphs, seed, 0)
    write_visual_genome(graphs, folder / "vg")
    referred = [*graphs[1 : 2 * SHARED : 2], *_scenes(HARD, amounts.referred, seed, 10_000)]
    _refcoco(folder, referred)
    asked = _scenes(ASKED_ABOUT, amounts.asked, seed, 20_000)
    _gqa(folder / "gqa", asked)
    _pope(folder, asked)
    described = _scenes(ASKED_ABOUT, amounts.described, seed, 30_000)
    _llava_and_vsr(folder, described)
    return {"vg": len(graphs), "refcoco": len(referred), "gqa and pope": len(asked), "llava and vsr": len(described)}


def _scenes(config, count: int, seed: int, first: int) -> list[Scene]:
    return [scene(config, seed, BEHIND + first + number) for number in range(count)]


def _photo(drawn: Scene, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn.image().save(path, quality=98, subsampling=0)


def _coco_id(drawn: Scene) -> int:
    return drawn.image_id + COCO_ID


# --- RefCOCO, RefCOCO+, RefCOCOg ------------------------------------------------------------------


def _refcoco(folder: Path, scenes: list[Scene]) -> None:
    for drawn in scenes:
        _photo(drawn, folder / "coco" / "train2014" / _train2014(drawn))
    instances = _instances(scenes, _train2014)
    for name, partition, splits in (
        ("refcoco", "unc", ("train", "val", "testA", "testB")), ("refcoco+", "unc", ("train", "val", "testA", "testB")),
        ("refcocog", "umd", ("train", "val", "test")),
    ):  # fmt: skip
        write_json(folder / name / "instances.json", instances)
        with atomic_write(folder / name / f"refs({partition}).p", "wb") as file:
            pickle.dump(list(_refs(scenes, splits)), file, protocol=2)


def _train2014(drawn: Scene) -> str:
    return f"COCO_train2014_{_coco_id(drawn):012d}.jpg"


def _refs(scenes: list[Scene], splits: tuple[str, ...]) -> Iterator[dict]:
    """One reference an object that an unambiguous phrase picks out; half of the pictures are of the last split."""
    number = sentence = 0
    for place, drawn in enumerate(scenes):
        split = splits[-1] if place % 2 == 0 else splits[place // 2 % (len(splits) - 1)]
        phrases: dict[int, list[str]] = {}
        for level in drawn.phrases:
            for phrase in level[:6]:
                phrases.setdefault(phrase.target, []).append(phrase.text)
        for target, texts in sorted(phrases.items()):
            said = [
                {"sent_id": sentence + k, "sent": text, "raw": text, "tokens": text.split()} for k, text in enumerate(texts[:2])
            ]
            yield {
                "ref_id": number, "ann_id": drawn.objects[target].object_id, "image_id": _coco_id(drawn), "split": split,
                "file_name": _train2014(drawn).replace(".jpg", f"_{drawn.objects[target].object_id}.jpg"), "category_id": 1,
                "sent_ids": [row["sent_id"] for row in said], "sentences": said,
            }  # fmt: skip
            number, sentence = number + 1, sentence + len(said)


def _instances(scenes: Iterable[Scene], name) -> dict:
    names: dict[str, int] = {}
    images, annotations = [], []
    for drawn in scenes:
        width, height = drawn.size
        images.append({"id": _coco_id(drawn), "file_name": name(drawn), "width": width, "height": height})
        for thing in drawn.objects:
            annotations.append(
                {"id": thing.object_id, "image_id": _coco_id(drawn), "bbox": [thing.x, thing.y, thing.w, thing.h], "iscrowd": 0,
                 "area": thing.w * thing.h, "category_id": names.setdefault(thing.name, len(names) + 1)}
            )  # fmt: skip
    categories = [{"id": number, "name": noun, "supercategory": "thing"} for noun, number in names.items()]
    return {"images": images, "annotations": annotations, "categories": categories}


# --- GQA and POPE ---------------------------------------------------------------------------------


def _gqa(folder: Path, scenes: list[Scene]) -> None:
    for drawn in scenes:
        _photo(drawn, folder / "images" / f"{drawn.image_id}.jpg")
    keys = [
        {"image": f"{drawn.image_id}.jpg", **key.located(drawn).to_dict()}
        for drawn in scenes
        for question in gqa_questions(drawn, 9)
        for key in question.keys
    ]
    write_json_lines(folder / "key_expressions.jsonl", {json.dumps(row): row for row in keys}.values())
    halves = {"val": scenes[::2], "testdev": scenes[1::2]}
    for split, half in halves.items():
        questions = {question.question_id: question.to_gqa() for drawn in half for question in gqa_questions(drawn, 9)}
        write_json(folder / f"{split}_balanced_questions.json", questions)
    asked = [question for drawn in halves["val"] for question in gqa_questions(drawn, 9)]
    answers = sorted({question.answer for question in asked})
    choices = {question.question_id: {"valid": answers, "plausible": [question.answer]} for question in asked}
    write_json(folder / "val_choices.json", choices)


def _pope(folder: Path, scenes: list[Scene]) -> None:
    keys = []
    for drawn in scenes:
        _photo(drawn, folder / "coco" / "val2014" / _val2014(drawn))
    for name, kind in POPE.items():
        rows = []
        for drawn in scenes:
            for question in pope_questions(drawn, kind):
                rows.append(question.to_pope() | {"question_id": len(rows) + 1, "image": _val2014(drawn)})
                located = [key.located(drawn).to_dict() for key in question.keys]
                keys += [{"image": _val2014(drawn), **key} for key in located]
        write_json_lines(folder / "pope" / f"coco_pope_{name}.json", rows)
    write_json_lines(folder / "pope" / "key_expressions.jsonl", {json.dumps(row): row for row in keys}.values())


def _val2014(drawn: Scene) -> str:
    return f"COCO_val2014_{_coco_id(drawn):012d}.jpg"


# --- LLaVA and VSR --------------------------------------------------------------------------------


def _llava_and_vsr(folder: Path, scenes: list[Scene]) -> None:
    for drawn in scenes:
        _photo(drawn, folder / "coco" / "train2017" / _plain(drawn))
    write_json(folder / "coco" / "annotations" / "instances_train2017.json", _instances(scenes, _plain))
    talks = [conversation(drawn).to_llava() | {"image": _plain(drawn)} for drawn in scenes]
    keys = [{"image": _plain(drawn), **key.located(drawn).to_dict()} for drawn in scenes for key in conversation(drawn).keys]
    write_json_lines(folder / "llava" / "key_expressions.jsonl", {json.dumps(row): row for row in keys}.values())
    write_json(folder / "llava" / "detail_23k.json", [talk for talk in talks if talk["conversations"]])
    statements = [row for drawn in scenes for row in _statements(drawn)]
    for split, places in {"train": (0, 2), "dev": (1,), "test": (3,)}.items():  # of four pairs, a true and a false one each
        chosen = [row for number, row in enumerate(statements) if number // 2 % 4 in places]
        write_json_lines(folder / "vsr" / f"{split}.jsonl", chosen)


def _plain(drawn: Scene) -> str:
    return f"{_coco_id(drawn):012d}.jpg"


def _statements(drawn: Scene) -> Iterator[dict]:
    """True and false statements in VSR's form: as many of each."""
    nouns = [thing.name for thing in drawn.objects]
    for subject, predicate, anchor in drawn.geometry.triples():
        if nouns.count(nouns[subject]) == nouns.count(nouns[anchor]) == 1 and predicate in ("left of", "above"):
            for one, other, label in ((subject, anchor, 1), (anchor, subject, 0)):
                yield {
                    "image": _plain(drawn), "image_link": f"https://toy.invalid/train2017/{_plain(drawn)}", "label": label,
                    "caption": f"The {nouns[one]} is {predicate} the {nouns[other]}.", "relation": predicate,
                    "subj": nouns[one], "obj": nouns[other], "annotator_id": 1, "vote_true_validator_id": [],
                    "vote_false_validator_id": [],
                }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    print(write_real_forms(parser.parse_args().out))
