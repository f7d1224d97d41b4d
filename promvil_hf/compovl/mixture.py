# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The other parts of PromViL's training mix, in its own row schema: spatial relations (VSR), LLaVA, Visual Genome's questions.

Each converter yields `(key, row or Rejected)`; nothing is left out in silence. Rows have the six fields that
`promvil_hf.phrases.to_row` writes; those without boxes have `bboxes` and `box_obj_match` None. `mix` writes the parts that
a build was given as JSON Lines.
"""

import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from promvil_hf.boxes import Box
from promvil_hf.compovl.leakage import Leakage, coco_id_of
from promvil_hf.compovl.scene_graph import Broken
from promvil_hf.compovl.visual_genome_records import Image, Question
from promvil_hf.files import one_path
from promvil_hf.jobs import Rejected
from promvil_hf.json_records import Record, RecordError, document, records
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


def vsr_rows(rows: Iterable[Record], instances: Record) -> Converted:
    """True statements of VSR with the boxes of COCO instances: "the person at the right side of the refrigerator".

    The anchor has all boxes of its category. The statement names one subject, so images with several are rejected: which
    one is meant is not known.
    """
    known = _Instances.of(instances)
    for number, row in enumerate(rows):
        try:
            yield f"vsr-{number}", _vsr_row(row, known)
        except RecordError as error:
            yield f"vsr-{number}", Rejected("unreadable record", str(error))


def _vsr_row(row: Record, known: "_Instances") -> dict | Rejected:
    texts = {name: row.text(name, default="") for name in ("image", "relation", "subj", "obj")}
    label = row.identifier("label", default="")
    missing = [name for name, text in {**texts, "label": label}.items() if not text.strip()]
    if missing:
        return Rejected("missing field", f"{row.where}: {', '.join(missing)}")
    if label not in ("0", "1"):
        raise row.wrong(("label",), label, "0 or 1")
    if label == "0":
        return Rejected("statement is false", row.text("caption", default=""))
    name, subject, thing = texts["image"].rpartition("/")[2], texts["subj"], texts["obj"]
    image_id = coco_id_of(name)
    if image_id in known.damaged:
        return Rejected("image has instances that cannot be read", known.damaged[image_id])
    if image_id not in known.sizes:
        return Rejected("image has no instances", name)
    subjects, anchors = known.boxes[image_id, subject], known.boxes[image_id, thing]
    if not subjects or not anchors:
        return Rejected("category is not annotated", thing if subjects else subject)
    if len(subjects) > 1:
        return Rejected("several subjects", f"{len(subjects)} times {subject}")
    if subject == thing:
        return Rejected("subject and object are of one category", subject)
    anchor = f"the {thing}"
    steps = (
        PhraseStep(GroundedPhrase(anchor, tuple(anchors))),
        PhraseStep(GroundedPhrase(f"the {subject} {texts['relation']} {anchor}", tuple(subjects)), (0,), (anchor,)),
    )
    return to_row(PhraseChain(str(image_id), steps), name, "vsr", texts["relation"], PROMVIL_VSR)


@dataclass(frozen=True, slots=True)
class _Instances:
    """Image sizes, and the boxes of each (image, category name); crowds are left out, as they are no single thing.

    Of a `damaged` image an annotation cannot be read, so that its boxes may not be all there are.
    """

    sizes: dict[int, tuple[int, int]]
    boxes: defaultdict[tuple[int, str], list[Box]]
    damaged: dict[int, str]

    @classmethod
    def of(cls, file: Record) -> "_Instances":
        for name in ("images", "annotations", "categories"):
            if not isinstance(file.get(name, default=None), list):
                raise ValueError(
                    f"You passed {file.where}, a file without the list `{name}`: VSR's boxes come from COCO's "
                    "instances_*.json, with images, annotations and categories."
                )
        found = cls({}, defaultdict(list), {})
        names: dict[int, str] = {}
        for category in file.records("categories"):
            with suppress(RecordError):  # its annotations are then damaged
                names[category.whole("id")] = category.text("name")
        for image in file.records("images"):
            with suppress(RecordError):  # its statements are then rejected
                found.sizes[image.whole("id")] = tuple(image.whole(side, least=1) for side in ("width", "height"))
        for annotation in file.records("annotations"):
            try:
                found._add(annotation, names)
            except RecordError as error:
                with suppress(RecordError):
                    found.damaged[annotation.whole("image_id")] = str(error)
        return found

    def _add(self, annotation: Record, names: Mapping[int, str]) -> None:
        image_id = annotation.whole("image_id")
        if annotation.get("iscrowd", default=0) or image_id not in self.sizes:
            return
        name = names.get(annotation.whole("category_id"))
        if name is None:
            raise annotation.wrong(("category_id",), annotation.get("category_id"), "the id of one of `categories`")
        width, height = self.sizes[image_id]
        x, y, w, h = annotation.numbers("bbox", 4)
        box = Box.clipped(x / width, y / height, (x + w) / width, (y + h) / height)
        if box is not None:
            self.boxes[image_id, name].append(box)


def llava_rows(rows: Iterable[Record]) -> Converted:
    """LLaVA conversations, one row a turn: a row that held them all would train the later questions too."""
    for number, row in enumerate(rows):
        key = f"llava-{number}"
        try:
            image = row.text("image", default=None)
            key = f"llava-{row.identifier('id', default=number)}-{number}"
            turns = list(_turns(row)) if image else []
        except RecordError as error:
            yield key, Rejected("unreadable record", str(error))
            continue
        if not turns:
            yield key, Rejected("no question with an answer" if image else "no image", row.where)
        for k, (question, answer) in enumerate(turns):
            yield f"{key}-{k}", qa_row("llava", question, answer, image)


def _turns(row: Record) -> Iterator[tuple[str, str]]:
    if row.has("instruction"):
        said = [("human", row.text("instruction")), ("gpt", row.text("output"))]
    else:
        spoken = row.records("conversations") if row.has("conversations") else []
        said = [(turn.text("from"), turn.text("value")) for turn in spoken]
    for (asker, question), (answerer, answer) in zip(said, said[1:], strict=False):
        if asker == "human" and answerer == "gpt":
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
    mixing: Mixing,
    asked: Iterable[tuple[Image, Iterable[Question]]],
    leakage: Leakage,
    folder: Path,
    reject: Callable[[Broken], object] = lambda broken: None,
) -> tuple[dict[str, list[str]], dict]:
    """Write the other parts of the mixture to `folder`; leak lists hold for them too. Rejects go to `reject`.

    Gives the files of each split, and the rows and rejects of each part.
    """
    files: dict[str, list[str]] = {"train": [], "validation": []}
    counts: dict[str, dict] = {}
    for name, split, converted in _parts(mixing, asked):
        rejected: Counter[str] = Counter()
        rows, path = 0, folder / f"{name}-{split}.jsonl"
        with open(path, "w", encoding="utf-8") as file:
            for key, row in converted:
                if isinstance(row, Rejected):
                    rejected[row.reason] += 1
                    reject(Broken(f"{name} {split}", None, None, row.reason, f"{key}: {row.detail}"))
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
        instances = document(one_path(mixing.coco_instances, "COCO's instances"))
        for split, path in statements.items():
            if path is not None:
                yield "vsr", split, vsr_rows(records(one_path(path, "VSR's statements")), instances)
    if mixing.llava is not None:
        yield "llava", "train", llava_rows(records(one_path(mixing.llava, "LLaVA's conversations")))
    if mixing.vg_qa:
        drawn = vg_qa_rows(asked, mixing.vg_qa_train, mixing.vg_qa_validation)
        for split, rows in zip(("train", "validation"), drawn, strict=True):
            yield "vg_qa", split, enumerate(rows)
