# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How much of what people say about pictures the table of relations holds: RefCOCO, RefCOCOg and Ref-Adv, line by line.

For each set: the share of its expressions that hold a relation, the share whose relations are all in the table, what fell back
to nearness, and which words went into nothing. Then the commonest unknown relations of all sets. For the Ref-Adv expressions
whose photographs are at hand, the composed choice among the annotated boxes is compared with the published answers' rule (IoU
of at least 0.5 with the gold box).
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from benchmarks.nesting_quality import read_expressions
from benchmarks.relations_photographs import box_of
from promvil_hf.backends.class_names import classes_of
from promvil_hf.backends.detectors import Detection, Found
from promvil_hf.boxes import Box, iou
from promvil_hf.grounding import ComposedGrounder
from promvil_hf.grounding.reading import readings
from promvil_hf.nesting import decompose
from tests.reference.relation_truth import Photo, photos


def ref_adv(data: Path) -> list[dict]:
    """The rows of all published answers, each expression once."""
    rows: dict[int, dict] = {}
    for path in sorted((data / "ref_adv").glob("*.jsonl")):
        for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            rows.setdefault(row["row_idx"], row)
    return [rows[index] for index in sorted(rows)]


def counted(name: str, lines: Iterable[str]) -> tuple[Counter, Counter]:
    """Print one line about a set; the words of its unknown relations, and the words that went into nothing."""
    lines = list(lines)
    related = covered = read = 0
    unknown: Counter = Counter()
    unread: Counter = Counter()
    for line in lines:
        parts = readings(decompose(line))
        links = [link for part in parts for link in part.links]
        missing = [" ".join(link.words.lower().split()) or "(no word)" for link in links if not link.relation.known]
        left = [word for part in parts for word in part.unread]
        unknown.update(missing)
        unread.update(left)
        related += bool(links)
        covered += not missing
        read += not missing and not left
    count = len(lines)
    print(f"{name:<10} {count:>5} expressions: {related / count:.3f} with a relation, {covered / count:.3f} all relations in the "
          f"table ({(related - count + covered) / max(related, 1):.3f} of those with one), {read / count:.3f} every word used; "
          f"{unknown.total()} relations fell back")  # fmt: skip
    return unknown, unread


def annotated(photo: Photo):
    """A detector that finds every annotated box of the classes that a noun may mean."""
    nouns = sorted({thing.noun for thing in photo.things})

    def detect(pairs):
        classes = [classes_of(noun, nouns) for _, noun in pairs]
        boxes = [[Detection(box_of(photo, thing), 0.95) for thing in photo.things if thing.noun in named] for named in classes]
        return [Found(detections, known=bool(named), asked=",".join(named)) for named, detections in zip(classes, boxes)]

    return detect


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.relations_coverage", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--data", type=Path, required=True, help="folder that holds refcoco, promvil, ref_adv and coco_photos")
    parser.add_argument("--commonest", type=int, default=50, metavar="N", help="so many unknown relations (default: 50)")
    options = parser.parse_args(arguments)
    asked = json.loads((options.data / "refcoco" / "sample_expressions_testA.json").read_text(encoding="utf-8"))
    adversarial = ref_adv(options.data)
    sets = {
        "RefCOCO": [row["sent"] for row in asked["predictions"]],
        "RefCOCOg": list(read_expressions(options.data / "promvil" / "finetune_refcocog_test.first400.txt")),
        "Ref-Adv": [row["normal_caption"] for row in adversarial],
    }
    unknown: Counter = Counter()
    unread: Counter = Counter()
    for name, lines in sets.items():
        for total, counts in zip((unknown, unread), counted(name, (line for line in lines if line.strip()))):
            total.update(counts)
    for title, words in (("unknown relations", unknown), ("words that went into nothing", unread)):
        commonest = ", ".join(f"{word} {count}" for word, count in words.most_common(options.commonest))
        print(f"the commonest {title} ({len(words)} different ones): {commonest}")
    shown = {photo.file_name: photo for photo in photos(options.data / "coco_photos", "val")}
    tried = [row for row in adversarial if row["file_name"] in shown]
    hits = reachable = 0
    for row in tried:
        photo = shown[row["file_name"]]
        with_size = next(record for record in sizes(options.data) if record["file_name"] == row["file_name"])
        scale = (with_size["original_width"], with_size["original_height"]) * 2
        gold = Box.clipped(*(edge / side for edge, side in zip(row["gt_bbox_xyxy"], scale)))
        blank = Image.new("RGB", (photo.width, photo.height))
        trace = ComposedGrounder(annotated(photo)).ground(blank, row["normal_caption"])
        hit = bool(trace.boxes) and iou(trace.boxes[0], gold) >= 0.5
        best = max((iou(box_of(photo, thing), gold) for thing in photo.things), default=0)
        hits, reachable = hits + hit, reachable + (best >= 0.5)
        problems = "; ".join(problem for step in trace.steps for problem in step.problems) or "all words used"
        print(f"Ref-Adv {row['row_idx']:>2}: {'right' if hit else 'wrong'} {row['normal_caption']!r}  {problems}")
    print(f"Ref-Adv photographs: {hits} of {len(tried)} right; an annotated box is the gold one in {reachable}")


def sizes(data: Path) -> list[dict]:
    return json.loads((data / "coco_photos" / "instances_val.json").read_text(encoding="utf-8"))["images"]


if __name__ == "__main__":
    main()
