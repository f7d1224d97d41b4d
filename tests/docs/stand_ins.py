# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A folder in which every name that README and docs use is there, in its real form and small, so that commands run as shown.

Data are drawn scenes in the published forms; under the names of checkpoints lie the toy models, or tiny ones with random
weights. What commands read that other commands write (`compovl`, `fivl`, `twins`, reports) is made by those commands.
"""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from shutil import rmtree

import pyarrow.parquet as parquet

from promvil_hf.backends.text_detectors import GROUNDING_DINO
from promvil_hf.cli import main
from promvil_hf.evaluation.twin_page import QUESTIONS as TWIN_QUESTIONS
from promvil_hf.toy import adapters, models
from promvil_hf.toy.bases import folder as toy_base
from promvil_hf.toy.real_forms import Amounts, write_real_forms
from tests.mutations.files_of_results import CHAIN_QUESTIONS, KEY_QUESTIONS, verdicts
from tests.unit.assembling import parts


POPE = "--benchmark pope --files coco_pope_popular.json"
FEW_TURNS = "--given-answers --limit 4 --examples 1 --shuffles 20"  # the toy model would say something else
CHECKPOINTS = {
    "microsoft/kosmos-2-patch14-224": lambda: toy_base("kosmos2"), "llava-hf/llava-1.5-7b-hf": lambda: toy_base("llava"),
    "MODEL": lambda: toy_base("kosmos2"), "runs/kosmos2-lora": lambda: adapters.folder("chains"),
    "my-adapter": lambda: adapters.folder("chains"), "smol-llava": lambda: toy_base("llava"),
    "IDEA-Research/grounding-dino-base": lambda: toy_base("kosmos2"),  # its boxes are no noise
    "facebook/sam3": lambda: toy_base("kosmos2"),
}  # fmt: skip
PLACES = {  # a name of the pages, and where its data lie in the real forms
    "visual_genome": "vg", "VISUAL_GENOME": "vg", "VG_100K": "vg/VG_100K", "refcocog": "refcocog", "train2014": "coco/train2014",
    "val2014": "coco/val2014", "train2017": "coco/train2017", "images": "coco/train2017", "IMAGES": "coco/train2017",
    "gqa/images": "gqa/images", "mix665k.json": "llava/detail_23k.json", "coco_pope_popular.json": "pope/coco_pope_popular.json",
    "instances.json": "coco/annotations/instances_train2017.json", "gqa_val.json": "gqa/val_balanced_questions.json",
    "gqa_val_questions.json": "gqa/val_balanced_questions.json",
}  # fmt: skip


def write_data(folder: Path) -> None:
    """What people have before they call anything."""
    data = folder / "data"
    write_real_forms(data, Amounts(graphs=10, referred=1, asked=3, described=3))
    for name, place in PLACES.items():
        linked(folder / name, data / place)
    linked(folder / "photo.jpg", next((data / "vg/VG_100K").iterdir()))
    linked(folder / "MMVP", data / "coco/val2014")
    for name, found in CHECKPOINTS.items():
        linked(folder / name, Path(found()))
    for name, tiny in (("facebook/sam-vit-huge", models.tiny_sam()), (GROUNDING_DINO, models.tiny_grounding_dino())):
        for part in (tiny.model, tiny.processor):
            part.save_pretrained(folder / name)
    parts.siglip(folder / "google/siglip-base-patch16-224")
    parts.llama(folder / "HuggingFaceTB/SmolLM2-135M-Instruct")
    asked = [json.loads(line) for line in (folder / "coco_pope_popular.json").read_text().splitlines()]
    says = {"answers": None, "seen": None, "any": None, "blind": "yes", "other": "no", "other_blind": "no "}
    for name, said in says.items():
        lines(folder / f"{name}.jsonl", ({"id": row["question_id"], "text": said or row["label"]} for row in asked))
    (folder / "expressions.txt").write_text("the man left of the red car\nthe cup on the table\n", encoding="utf-8")
    lines(folder / "queries.jsonl", [{"image": "photo.jpg", "expression": "the red circle left of the ring"}])
    for name in ("refs", "refcocog_refs", "refcoco_refs"):
        (folder / f"{name}.json").write_text(json.dumps([{"image_id": 1_400_001 + len(name)}]))
    for name, questions, item in (("compovl", CHAIN_QUESTIONS, "5-0"), ("fivl", KEY_QUESTIONS, "llava-00000001/0/0")):
        (folder / f"{name}-verdicts.json").write_bytes(verdicts(name, questions, item))
    (folder / "twins-verdicts.json").write_bytes(verdicts("twins", TWIN_QUESTIONS, "pope-00000000"))
    _mmvp(folder, asked)
    _vqa(folder, asked)
    _graphs(folder)


def _mmvp(folder: Path, asked: list[dict]) -> None:
    """Two questions, on pictures 1.jpg and 2.jpg."""
    pictures = folder / "MMVP"
    target = pictures.resolve()
    pictures.unlink()
    for number, name in enumerate(sorted({row["image"] for row in asked})[:2], 1):
        linked(pictures / f"{number}.jpg", target / name)
    with open(folder / "Questions.csv", "w", newline="", encoding="utf-8") as file:
        written = csv.writer(file)
        written.writerow(["Index", "Question", "Options", "Correct Answer"])
        written.writerow([1, "Is there a circle in the image?", "(a) Yes (b) No", "(a)"])
        written.writerow([2, "Is there a circle in the image?", "(a) Yes (b) No", "(b)"])


def _vqa(folder: Path, asked: list[dict]) -> None:
    """POPE's questions in VQAv2's two files, and where what they ask about stands."""
    rows = [(1000 + n, int(row["image"].rpartition("_")[2].partition(".")[0]), row) for n, row in enumerate(asked[:4])]
    questions = [{"question_id": name, "image_id": image, "question": row["text"]} for name, image, row in rows]
    ten = [
        {"question_id": name, "image_id": image, "question_type": "is there a", "answer_type": "yes/no",
         "multiple_choice_answer": row["label"],
         "answers": [{"answer": row["label"], "answer_confidence": "yes", "answer_id": n} for n in range(1, 11)]}
        for name, image, row in rows
    ]  # fmt: skip
    about = {"data_type": "mscoco", "data_subtype": "val2014"}
    (folder / "questions.json").write_text(json.dumps({**about, "task_type": "Open-Ended", "questions": questions}))
    (folder / "annotations.json").write_text(json.dumps({**about, "annotations": ten}))
    lines(folder / "places.jsonl", ({"id": name, "boxes": [[0.1, 0.1, 0.4, 0.5]], "text": "circle"} for name, _, _ in rows))


def _graphs(folder: Path) -> None:
    """One scene graph in GQA's form and one in the plain form."""
    man, cup = {"name": "man", "attributes": ["tall"]}, {"name": "cup", "attributes": []}
    places = {"1": {"x": 10, "y": 20, "w": 100, "h": 400}, "2": {"x": 80, "y": 200, "w": 40, "h": 50}}
    held = {
        "1": {**man, **places["1"], "relations": [{"name": "holding", "object": "2"}]},
        "2": {**cup, **places["2"], "relations": []},
    }
    (folder / "train_sceneGraphs.json").write_text(json.dumps({"7": {"width": 640, "height": 480, "objects": held}}))
    things = [{"id": 1, **man, "box": [10, 20, 110, 420]}, {"id": 2, "name": "cup", "box": [80, 200, 120, 250]}]
    graph = {"image": "7.jpg", "width": 640, "height": 480, "objects": things,
             "relations": [{"subject": 1, "predicate": "holding", "object": 2}]}  # fmt: skip
    lines(folder / "mine.jsonl", [graph])


RESULTS = ("compovl", "fivl", "twins", "published")


def write_results(folder: Path) -> None:
    """What commands of these pages leave for others of them: rows, twins, reports, an atlas. The working folder is `folder`."""
    masks = "--masks data/{0}/key_expressions.jsonl --quiet"
    for command in (
        "build compovl --vg visual_genome --out compovl --negatives --test-share 0.2 --validation-share 0.2 --quiet",
        f"build fivl --source llava --files mix665k.json --images images --out fivl {masks.format('llava')} --export published",
        f"build fivl --source pope --files coco_pope_popular.json --images val2014 --out fivl {masks.format('pope')}",
        f"build fivl --source gqa --files gqa_val.json --images gqa/images --out fivl --limit 6 {masks.format('gqa')}",
        "twins --rows fivl --config pope --images val2014 --limit 6 --out twins",
        f"evaluate {POPE} --predictions answers.jsonl --blind-predictions blind.jsonl --out runs/small/pope",
        f"evaluate {POPE} --predictions blind.jsonl --out runs/large/pope",
        f"explain --rows fivl --config instruct --images images --model toy:llava {FEW_TURNS} --out runs/atlas",
    ):
        assert main(command.split()) == 0, command
    lines(folder / "twin_answers.jsonl", (
        {"id": json.loads(line)["id"], "text": "yes"} for line in (folder / "twins/twins.jsonl").read_text().splitlines()
    ))  # fmt: skip
    published = parquet.read_table(folder / "compovl/mixture/validation-00000-of-00001.parquet").to_pylist()
    for name in ("test", "rows"):
        lines(folder / f"{name}.jsonl", published)
    shown = json.loads((folder / "mix665k.json").read_text())[0]["image"]
    answer = '[{"bbox_2d": [4, 4, 30, 30], "label": "circle"}]'
    said = [{"from": "human", "value": "<image>\nLocate circle in the image."}, {"from": "gpt", "value": answer}]
    (folder / "boxes.jsonl").write_text(json.dumps({"image": shown, "conversations": said}) + "\n")


def restored(folder: Path, made: Path) -> None:
    """`folder` as somebody has it who ran all that a page needs: links to `made`, where `write_results` was at work."""
    for place in made.iterdir():
        link = folder / place.name
        if place.name in RESULTS and link.exists() and not link.is_symlink():
            rmtree(link)
        if not link.exists() and place.name != "runs":
            linked(link, place)
    for name, target in (
        ("before", "runs/large/pope"), ("after", "runs/small/pope"), ("runs/first", "runs/large"), ("runs/second", "runs/small"),
        ("runs/small", "runs/small"), ("runs/large", "runs/large"), ("runs/atlas", "runs/atlas"),
        ("runs/kosmos2-lora", "runs/kosmos2-lora"), ("promvil/compovl", "compovl"),
        ("fivl_instruct.json", "published/fivl_instruct.json"), ("dataset_grounded.tar", "published/dataset_grounded.tar"),
    ):  # fmt: skip
        if not (folder / name).exists():
            linked(folder / name, made / target)


def linked(name: Path, target: Path) -> None:
    name.parent.mkdir(parents=True, exist_ok=True)
    name.symlink_to(target, target_is_directory=target.is_dir())


def lines(path: Path, records: Iterable[dict]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def answer_of(body: dict) -> str:
    """What the server of the stand-ins says: the least that fits the schema, nested phrases, a box, or yes."""
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
    asked = json.dumps(body["messages"])
    if schema:
        return json.dumps(_least(schema))
    if "List every noun phrase" in asked:
        return json.dumps({"phrases": [{"text": "the man", "head": "man"}]})
    return '[{"bbox_2d": [100, 100, 500, 600], "label": "it"}]' if "bbox_2d" in asked else "yes"


def _least(schema: dict):
    if schema.get("type") == "object":
        return {name: _least(inner) for name, inner in schema["properties"].items()}
    return {"array": ["circle"], "string": "circle", "boolean": True, "integer": 7}[schema["type"]]
