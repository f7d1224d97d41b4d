# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Twins of every question at hand that has a photograph and boxes, and of presence questions made of COCO's annotations.

    python -m benchmarks.twins_at_hand --data ../shared/data --out runs/twins_at_hand

`--data` holds coco_photos, pope, vqa, vsr, ref_adv, ferret_bench and kosmos2. Each set gets a folder of `promvil twins`. Boxes
of POPE, VSR and VQAv2 are COCO's boxes of the categories that a question names; those of Ref-Adv are its truth; those of
Kosmos-2's phrases are what the published model wrote.
"""

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

import numpy as np

from promvil_hf import jobs, masks, pages
from promvil_hf.boxes import Box
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow, read
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.twin_answers import TwinSettings
from promvil_hf.evaluation.twin_folder import TwinFolder, write_folder
from promvil_hf.evaluation.twin_page import write_page
from promvil_hf.evaluation.twin_regions import by_places, find_regions, given_phrases, places_of_row
from promvil_hf.fivl.fivl_rows import FivlRow, Key
from promvil_hf.fivl.twins import key_boxes
from promvil_hf.images import image_size
from promvil_hf.job_terms import Terms
from promvil_hf.json_records import document, plain_records
from promvil_hf.key_expressions import KeyExpression, Turn


PLURAL = {"scissors", "skis"}
WORDS = {"people": "person", "tvmonitor": "tv", "television": "tv", "table": "dining table", "plant": "potted plant"}
Photo = Mapping[str, list]  # category -> places (mask, boxes)


class Coco:
    """The annotations of coco_photos: the places of each category in each photograph, in fractions and run lengths."""

    def __init__(self, data: Path):
        self.names: dict[int, str] = {}
        self.files: dict[int, str] = {}
        self.sizes: dict[int, tuple[int, int]] = {}
        self.places: dict[int, dict[str, list]] = {}
        for split in ("train", "val"):
            found = document(data / f"coco_photos/instances_{split}.json").whole_fields()
            self.names |= {one["id"]: one["name"] for one in found["categories"]}
            for one in found["images"]:
                self.files[one["id"]], self.sizes[one["id"]] = one["file_name"], (one["width"], one["height"])
                self.places[one["id"]] = {}
            for one in found["annotations"]:
                self._add(one)

    def _add(self, one: Mapping) -> None:
        width, height = self.sizes[one["image_id"]]
        x, y, w, h = one["bbox"]
        box = Box.clipped(x / width, y / height, (x + w) / width, (y + h) / height)
        shape = one["segmentation"]
        if isinstance(shape, dict):
            mask = masks.from_run_lengths(shape["counts"], (height, width))
        else:
            mask = masks.from_polygons(shape, (width, height)) if shape else masks.from_boxes([box], (width, height))
        if box is not None and masks.area(mask):
            of_photo = self.places[one["image_id"]]
            of_photo.setdefault(self.names[one["category_id"]], []).append((mask, (box,)))

    def photo(self, name: str) -> int | None:
        """The photograph that a file name of COCO means, if it is here."""
        number = re.search(r"(\d{12})", name)
        return int(number[1]) if number and int(number[1]) in self.files else None

    def named(self, text: str) -> list[str]:
        """The categories whose names stand in a text, the longest first."""
        plain, found = f" {re.sub(r'[^a-z ]', ' ', text.lower())} ", []
        for word, name in sorted([*((name, name) for name in self.names.values()), *WORDS.items()], key=lambda p: -len(p[0])):
            for form in (word, f"{word}s", f"{word}es"):
                if f" {form} " in plain:
                    found.append(name)
                    plain = plain.replace(f" {form} ", "  ")
        return found


def presence(coco: Coco, count: int, seed: int = 0) -> tuple[Benchmark, dict[str, Photo]]:
    """Half of the questions ask for a category that is in the photograph, half for one that is not."""
    random, rows, places = Random(seed), [], {}
    photos = random.sample(sorted(coco.files), count)
    for number, photo in enumerate(photos):
        there = coco.places[photo]
        is_there = number % 2 == 0 and bool(there)
        name = random.choice(sorted(there) if is_there else sorted(set(coco.names.values()) - set(there)))
        article = "" if name in PLURAL else "an " if name[0] in "aeiou" else "a "
        text = f"{'Are' if name in PLURAL else 'Is'} there {article}{name} in the picture?"
        row = BenchmarkRow(f"presence-{number:03d}", coco.files[photo], text, answers=("yes" if is_there else "no",))
        rows.append(row)
        if is_there:
            places[row.id] = {name: there[name]}
    return Benchmark("presence", "coco_photos", "pope", rows), places


def asked_of_coco(name: str, files: list[Path], coco: Coco) -> tuple[Benchmark, dict[str, Photo]]:
    """The questions of a benchmark about photographs that are here, with COCO's boxes of what each names."""
    whole = read(name, files)
    rows = [row for row in whole.rows if coco.photo(row.image) is not None]
    places = {}
    for row in rows:
        there = coco.places[coco.photo(row.image)]
        named = {one: there[one] for one in coco.named(row.text) if one in there}
        if named and row.answers != ("no",):
            places[row.id] = named
    rows = [_at(row, coco.files[coco.photo(row.image)]) for row in rows]
    return Benchmark(whole.name, files[0].stem, whole.kind, rows), places


def _at(row: BenchmarkRow, image: str) -> BenchmarkRow:
    from msgspec.structs import replace

    return replace(row, image=image)


def ref_adv(data: Path, coco: Coco) -> Benchmark:
    rows = []
    for one in plain_records(data / "ref_adv/qwen25a7b_cot_predictions.jsonl"):
        photo = coco.photo(one["file_name"])
        if photo is not None:
            found = next(image for image in _images(data) if image["id"] == photo)
            sides = (found["original_width"], found["original_height"]) * 2
            box = Box(*(corner / side for corner, side in zip(one["gt_bbox_xyxy"], sides, strict=True)))
            rows.append(BenchmarkRow(f"ref_adv-{one['row_idx']}", coco.files[photo], one["normal_caption"], (box,)))
    return Benchmark("ref_adv", "photographs at hand", "grounding", rows)


def _images(data: Path) -> Iterator[Mapping]:
    for split in ("val", "train"):
        yield from document(data / f"coco_photos/instances_{split}.json").whole_fields()["images"]


def kosmos2(data: Path) -> Benchmark:
    """The phrases that the published model grounded in a photograph: its boxes, not people's."""
    found = {}
    for one in plain_records(data / "kosmos2/outputs_with_entities.jsonl"):
        for phrase, _, boxes in one["entities"]:
            if phrase != "It":
                found.setdefault(phrase, tuple(Box(*corners) for corners in boxes))
    rows = [BenchmarkRow(f"kosmos2-{place}", "snowman.png", phrase, boxes) for place, (phrase, boxes) in enumerate(found.items())]
    return Benchmark("kosmos2", "snowman", "grounding", rows)


_BOXED = re.compile(r"([^\[\]]+?)\s*((?:\[[\d., ]+\]\s*)+)")


def ferret(data: Path, coco: Coco) -> list[FivlRow]:
    """Conversations whose answers carry boxes: each stands behind the words that it belongs to."""
    answers = {str(one["question_id"]): one["text"] for one in plain_records(data / "ferret_bench/ground_conv_answer.jsonl")}
    rows = []
    for one in plain_records(data / "ferret_bench/ground_conv_question.jsonl"):
        photo = coco.photo(one["image"])
        if photo is None:
            continue
        said, keys = answers[str(one["question_id"])], []
        for words, boxes in _BOXED.findall(said):
            found = [Box.clipped(*map(float, part.split(","))) for part in re.findall(r"\[([^\]]+)\]", boxes)]
            text = " ".join(words.split()[-3:]).strip(" ,.") or "it"
            keys.append(Key(KeyExpression(text, 0, tuple(box for box in found if box is not None)), text))
        path = data / "coco_photos/images" / coco.files[photo]
        rows.append(
            FivlRow(f"ferret-{one['question_id']}", "ferret_bench", str(one["question_id"]), coco.files[photo], image_size(path),
                    (Turn(0, one["text"], said),), tuple(keys))
        )  # fmt: skip
    return rows


def made(benchmark: Benchmark, places, pictures: Pictures, out: Path, settings: TwinSettings) -> TwinFolder:
    of_row = places_of_row if places is None else lambda row: places.get(row.id, {})
    source = {"places": "the rows' own" if places is None else "COCO's annotations"}
    quiet = Terms(progress=False, restart=True)
    find_regions(
        benchmark, pictures, out / "work/regions", lambda row: given_phrases(row, benchmark.kind, of_row),
        by_places(benchmark, of_row), describe=source, terms=quiet,
    )  # fmt: skip
    rows = [FivlRow.from_dict(row) for _, row in jobs.rows(out / "work/regions")]
    left_out = list(jobs.rejects(out / "work/regions"))
    return write_folder(out, rows, benchmark, pictures, settings, regions=source, left_out=left_out, terms=quiet)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/twins_at_hand"))
    parser.add_argument("--fill", default="black")
    parser.add_argument("--sample", type=int, default=40, help="questions on each page")
    args = parser.parse_args()
    data, settings = args.data, TwinSettings(fill=args.fill)
    coco, photos = Coco(data), Pictures(data / "coco_photos/images")
    sets = {
        "presence": (*presence(coco, 200), photos),
        "pope_popular": (*asked_of_coco("pope", [data / "pope/coco_pope_popular.jsonl"], coco), photos),
        "pope_aokvqa": (*asked_of_coco("pope", [data / "pope/aokvqa_pope_seem_random.json"], coco), photos),
        "vsr": (*asked_of_coco("vsr", [data / "vsr/zeroshot_dev.jsonl"], coco), photos),
        "vqav2": (*vqa(data, coco), photos),
        "ref_adv": (ref_adv(data, coco), None, photos),
        "kosmos2": (kosmos2(data), None, Pictures(data / "kosmos2/images")),
    }
    lines = [
        report_line(name, made(benchmark, places, pictures, args.out / name, settings), pictures, args)
        for name, (benchmark, places, pictures) in sets.items()
    ]
    rows, quiet = ferret(data, coco), Terms(progress=False, restart=True)
    folder = write_folder(args.out / "ferret", rows, None, photos, settings, regions={"places": "the answers' own"}, terms=quiet)
    lines.append(report_line("ferret", folder, photos, args))
    header = ["set", "questions with twins", "hidden on average", "boxes each", "left out"]
    index = pages.page(
        "Twins at hand", pages.table([[pages.link(line[0], f"{line[0]}/index.html"), *line[1:]] for line in lines], header),
        lead="Every set of questions that has photographs and boxes here. Which twin hides the wrong thing?",
    )  # fmt: skip
    print(f"page: {pages.write(args.out / 'index.html', index)}")


def vqa(data: Path, coco: Coco) -> tuple[Benchmark, dict[str, Photo]]:
    """The sample of VQAv2 has a form of its own."""
    asked = json.loads((data / "vqa/vqav2_mhug_sample.json").read_text())
    rows = [
        BenchmarkRow(key, coco.files[one["imageId"]], one["question"], answers=tuple(one["answer_set"]))
        for key, one in asked.items() if one["imageId"] in coco.files
    ]  # fmt: skip
    places = {}
    for row in rows:
        there = coco.places[coco.photo(row.image)]
        places[row.id] = {name: there[name] for name in coco.named(row.text) if name in there}
    return Benchmark("vqav2", "sample", "vqa", rows), places


def report_line(name: str, folder: TwinFolder, pictures: Pictures, args) -> list:
    write_page(args.out / name / "index.html", folder, pictures, args.sample)
    counts = folder.about["counts"]
    hidden = counts["covered"]["key boxes"]["mean"]
    left = ", ".join(f"{count} × {reason}" for reason, count in folder.about["left_out"].items()) or "nothing"
    sizes = np.mean([len(key_boxes(row)) for row in folder.rows])
    print(f"{name:<14} {len(folder.rows):>4} with twins, {hidden:.1%} hidden, {sizes:.1f} boxes each; left out: {left}")
    return [name, len(folder.rows), f"{hidden:.1%}", f"{sizes:.1f}", left]


if __name__ == "__main__":
    main()
