# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The other parts of PromViL's training mix, in its own row schema: spatial relations (VSR), LLaVA, Visual Genome's questions.

Each converter yields `(key, row or Rejected)`; nothing is left out in silence. Rows have the six fields that
`promvil_hf.phrases.to_row` writes; those without boxes have `bboxes` and `box_obj_match` None. `mix` writes the parts that
a build was given as JSON Lines.
"""

import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from promvil_hf.boxes import Box
from promvil_hf.compovl.leakage import Leakage, coco_id_of
from promvil_hf.compovl.visual_genome_records import Image, Question
from promvil_hf.files import one_path
from promvil_hf.jobs import Rejected
from promvil_hf.json_records import document, plain_records
from promvil_hf.markup import escape
from promvil_hf.phrases import PROMVIL_VSR, GroundedPhrase, PhraseChain, PhraseStep, to_row


VG_QA_TRAIN, VG_QA_VALIDATION, VG_QA_SEED = 8_000, 500, 5020  # the reference's numbers

Converted = Iterator[tuple[str, dict | Rejected]]


def qa_row(dataset: str, question: str, answer: str, image_path: str) -> dict:
    """A question-answer row. LLaVA's answers are long and follow "Answer:", the others' are short."""
    lead = "Answer" if dataset == "llava" else "Short Answer"
    return {
        "dataset": dataset,
        "text": [f"Question: {escape(question.strip())} {lead}: {escape(answer.strip())}"],
        "bboxes": None,
        "box_obj_match": None,
        "image_path": image_path,
        "relation": None,
    }


def vsr_rows(rows: Iterable[Mapping], instances: Mapping) -> Converted:
    """True statements of VSR with the boxes of COCO instances: "the person at the right side of the refrigerator".

    The anchor has all boxes of its category. The statement names one subject, so images with several are rejected: which
    one is meant is not known.
    """
    sizes, boxes = _instances(instances)
    for number, row in enumerate(rows):
        key = f"vsr-{number}"
        missing = [name for name in ("image", "label", "relation", "subj", "obj") if row.get(name) in (None, "")]
        if missing:
            yield key, Rejected("missing field", ", ".join(missing))
            continue
        if not int(row["label"]):
            yield key, Rejected("statement is false", row.get("caption", ""))
            continue
        name = row["image"].rpartition("/")[2]
        image_id = coco_id_of(name)
        if image_id not in sizes:
            yield key, Rejected("image has no instances", name)
            continue
        subjects, anchors = boxes[image_id, row["subj"]], boxes[image_id, row["obj"]]
        if not subjects or not anchors:
            yield key, Rejected("category is not annotated", row["subj"] if not subjects else row["obj"])
        elif len(subjects) > 1:
            yield key, Rejected("several subjects", f"{len(subjects)} times {row['subj']}")
        elif row["subj"] == row["obj"]:
            yield key, Rejected("subject and object are of one category", row["subj"])
        else:
            anchor = f"the {row['obj']}"
            text = f"the {row['subj']} {row['relation']} {anchor}"
            steps = (
                PhraseStep(GroundedPhrase(anchor, tuple(anchors))),
                PhraseStep(GroundedPhrase(text, tuple(subjects)), (0,), (anchor,)),
            )
            chain = PhraseChain(str(image_id), steps)
            yield key, to_row(chain, name, "vsr", row["relation"], PROMVIL_VSR)


def _instances(file: Mapping) -> tuple[dict[int, tuple], defaultdict]:
    """Image sizes, and the boxes of each (image, category name); crowds are left out, as they are no single thing."""
    for name in ("images", "annotations", "categories"):
        if not isinstance(file.get(name), list):
            raise ValueError(
                f"You passed a file without the list `{name}`: VSR's boxes come from COCO's instances_*.json, with "
                "images, annotations and categories."
            )
    sizes = {image["id"]: (image["width"], image["height"]) for image in file["images"]}
    names = {category["id"]: category["name"] for category in file["categories"]}
    boxes: defaultdict[tuple[int, str], list[Box]] = defaultdict(list)
    for own in file["annotations"]:
        if own.get("iscrowd") or own["image_id"] not in sizes:
            continue
        width, height = sizes[own["image_id"]]
        x, y, w, h = own["bbox"]
        box = Box.clipped(x / width, y / height, (x + w) / width, (y + h) / height)
        if box is not None:
            boxes[own["image_id"], names[own["category_id"]]].append(box)
    return sizes, boxes


def llava_rows(rows: Iterable[Mapping]) -> Converted:
    """LLaVA conversations, one row a turn: a row that held them all would train the later questions too."""
    for number, row in enumerate(rows):
        key = f"llava-{row.get('id', number)}-{number}"
        image = row.get("image")
        if not isinstance(image, str):
            yield key, Rejected("no image", str(image))
            continue
        turns = list(_turns(row))
        if not turns:
            yield key, Rejected("no question with an answer")
        for k, (question, answer) in enumerate(turns):
            yield f"{key}-{k}", qa_row("llava", question, answer, image)


def _turns(row: Mapping) -> Iterator[tuple[str, str]]:
    if "instruction" in row:
        said = [("human", row["instruction"]), ("gpt", row.get("output"))]
    else:
        said = [(turn.get("from"), turn.get("value")) for turn in row.get("conversations") or ()]
    for (asker, question), (answerer, answer) in zip(said, said[1:], strict=False):
        if asker == "human" and answerer == "gpt" and isinstance(question, str) and isinstance(answer, str):
            question = question.replace("<image>", "").strip()
            if question and answer.strip():
                yield question, answer


def vg_qa_rows(
    asked: Iterable[tuple[Image, Iterable[Question]]],
    train: int = VG_QA_TRAIN,
    validation: int = VG_QA_VALIDATION,
    seed: int = VG_QA_SEED,
) -> tuple[list[dict], list[dict]]:
    """A random sample of Visual Genome's questions: rows for training and for validation, no image in both.

    Streams: only the sample is held. Images are drawn into the two parts first, so validation knows no training image;
    the reference draws questions and cannot say that.
    """
    share = validation / max(train + validation, 1)
    number = 0  # breaks ties, so that rows are never compared
    parts: tuple[list, list] = ([], [])  # max-heaps of (-draw, row): the smallest draws win
    for image, questions in asked:
        which = _draw(f"{seed} image {image.image_id}") < share
        heap, size = parts[which], validation if which else train
        for question in questions:
            draw = _draw(f"{seed} question {question.qa_id}")
            if size and (len(heap) < size or draw < -heap[0][0]):
                row = qa_row("vg_qa", question.question, question.answer, image.path)
                push = heapq.heappush if len(heap) < size else heapq.heappushpop
                number += 1
                push(heap, (-draw, number, row))
    for heap in parts:
        heap.sort(reverse=True, key=lambda drawn: drawn[:2])
    return tuple([row for _, _, row in heap] for heap in parts)


def _draw(name: str) -> float:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") / 2**64


# --- into a build ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mixing:
    """Other parts of PromViL's training mix. Visual Genome's questions are drawn when `vg_qa` is set."""

    vg_qa: bool = False
    vg_qa_train: int = VG_QA_TRAIN
    vg_qa_validation: int = VG_QA_VALIDATION
    llava: Path | None = None
    vsr_train: Path | None = None
    vsr_validation: Path | None = None
    coco_instances: Path | None = None


def mix(
    mixing: Mixing, asked: Iterable[tuple[Image, Iterable[Question]]], leakage: Leakage, folder: Path
) -> tuple[dict[str, list[str]], dict]:
    """Write the other parts of the mixture to `folder`; leak lists hold for them too.

    Gives the files of each split, and the rows and rejects of each part.
    """
    files: dict[str, list[str]] = {"train": [], "validation": []}
    counts: dict[str, dict] = {}
    for name, split, converted in _parts(mixing, asked):
        rejected: Counter[str] = Counter()
        rows, path = 0, folder / f"{name}-{split}.jsonl"
        with open(path, "w", encoding="utf-8") as file:
            for _, row in converted:
                if isinstance(row, Rejected):
                    rejected[row.reason] += 1
                elif leakage.hits(None, coco_id_of(row["image_path"])):
                    rejected["image is on a leakage list"] += 1
                else:
                    rows += 1
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
        files[split].append(str(path))
        counts[f"{name} {split}"] = {"rows": rows, "rejected": dict(sorted(rejected.items()))}
    return files, counts


def _parts(mixing: Mixing, asked: Iterable) -> Iterator[tuple[str, str, Converted]]:
    statements = {"train": mixing.vsr_train, "validation": mixing.vsr_validation}
    if any(statements.values()):
        if mixing.coco_instances is None:
            raise ValueError("VSR has no boxes of its own: pass COCO's instances_*.json too (--coco-instances).")
        instances = document(one_path(mixing.coco_instances, "COCO's instances")).whole_fields()
        for split, path in statements.items():
            if path is not None:
                yield "vsr", split, vsr_rows(plain_records(one_path(path, "VSR's statements")), instances)
    if mixing.llava is not None:
        yield "llava", "train", llava_rows(plain_records(one_path(mixing.llava, "LLaVA's conversations")))
    if mixing.vg_qa:
        drawn = vg_qa_rows(asked, mixing.vg_qa_train, mixing.vg_qa_validation)
        for split, rows in zip(("train", "validation"), drawn, strict=True):
            yield "vg_qa", split, enumerate(rows)
