# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What a build of CompoVL holds and what it left out: the counts of `report.json`, the rejects file, a text for people."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import msgspec

from promvil_hf.compovl.compose_images import KeptImages
from promvil_hf.compovl.compovl_rows import Held, ImageRow, Splitting, image_rows, splits_of
from promvil_hf.compovl.compovl_settings import CompoVLSettings, source_of
from promvil_hf.compovl.scene_graph import Broken


class Counted:
    """Counts over the composed images of a build."""

    def __init__(self, splitting: Splitting, held: Held):
        self.splitting, self.held = splitting, held
        self.images, self.records, self.left_out = Counter(), Counter(), Counter()
        self.sources, self.writers, self.words, self.boxes = Counter(), Counter(), Counter(), Counter()
        self.levels: dict[str, Counter] = {}
        self.negatives: dict[str, Counter] = {}
        self.clipped = self.ambiguous = 0

    def add(self, image: ImageRow) -> None:
        self.images[self.splitting.part_of(image.image_id)] += 1
        self.records.update(image.counts)
        self.left_out.update(image.left_out)
        self.clipped += image.clipped
        for number, chain in enumerate(image.chains):
            splits = splits_of(image, number, self.splitting, self.held.chosen)
            for split in splits:
                self.levels.setdefault(split, Counter())[chain.level] += 1
            if splits:
                self.sources[chain.sources] += 1
                self.writers[chain.writer] += 1
                self.words[len(chain.expression.split())] += 1
                self.ambiguous += chain.ambiguous
                self.boxes.update(len(step.boxes) for step in chain.steps if step.level == 1)
        for negative in image.negatives:
            for split in splits_of(image, negative.chain, self.splitting, self.held.chosen):
                self.negatives.setdefault(split, Counter())[f"{negative.kind}, level {negative.changed_level}"] += 1


class Rejects:
    """A file with a line for each record that could not be used, and how often each reason stands there."""

    def __init__(self, path: Path):
        self.path, self.counts = path, Counter()

    def __enter__(self) -> "Rejects":
        self._file = open(self.path, "w", encoding="utf-8")
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def add(self, broken: Broken) -> None:
        self.counts[f"{broken.file}: {broken.reason}"] += 1
        self._file.write(json.dumps(msgspec.structs.asdict(broken)) + "\n")


def count(parts: Sequence[str], images: KeptImages, settings: CompoVLSettings, held: Held, rejects: Rejects) -> dict:
    """One pass over the shards of a build: the counts of everything; broken records go to `rejects`."""
    counted = Counted(settings.splitting, held)
    for broken in images.source.broken:
        rejects.add(broken)
    for part in parts:
        for image in image_rows(part):
            counted.add(image)
            for broken in image.broken:
                rejects.add(broken)
    return {
        "images": {"read": len(images.source), "composed": len(images), "by_part": sorted_counts(counted.images)},
        "records": sorted_counts(counted.records),
        "boxes_cut_to_the_image": counted.clipped,
        "leakage": images.leakage.to_dict(),
        "splitting": asdict(settings.splitting),
        "composing": asdict(settings.composing),
        "expressions_by_level": {
            split: {str(level): times for level, times in sorted_counts(found).items()}
            for split, found in sorted_counts(counted.levels).items()
        },
        "expressions_by_source": sorted_counts(counted.sources),
        "expressions_by_writer": sorted_counts(counted.writers),
        "negatives": {split: sorted_counts(found) for split, found in sorted_counts(counted.negatives).items()},
        "ambiguous_expressions": counted.ambiguous,
        "words_per_expression": _mean(counted.words),
        "boxes_per_simple_noun": _mean(counted.boxes),
        "test_candidates_beyond_the_cap": held.candidates - len(held.chosen),
        "left_out": sorted_counts(counted.left_out),
    }


def sorted_counts(found: Mapping) -> dict:
    return dict(sorted(found.items()))


def _mean(found: Counter) -> float:
    return round(sum(value * times for value, times in found.items()) / max(found.total(), 1), 3)


def report_text(report: dict) -> str:
    """The report for people: rows per level, rejects, leakage."""
    levels = sorted({level for found in report["expressions_by_level"].values() for level in found})
    lines = [
        f"{report['images']['composed']:,} images of {source_of(report['release'])} composed "
        f"({report['images']['read']:,} read, {report['leakage']['excluded']:,} excluded as leakage)",
        "",
        "expressions  " + "".join(f"{'level ' + level:>10}" for level in levels) + f"{'all':>10}",
    ]
    for split, found in report["expressions_by_level"].items():
        numbers = [found.get(level, 0) for level in levels]
        lines.append(f"  {split:<11}" + "".join(f"{number:>10,}" for number in (*numbers, sum(numbers))))
    for split, kinds in report["negatives"].items():
        lines.append(f"negatives    {split}: " + ", ".join(f"{times:,} {kind}" for kind, times in kinds.items()))
    lines += ["", "rejected records"]
    lines += [f"  {reason:<58}{count:>10,}" for reason, count in report["rejects"].items()] or ["  none"]
    lines += ["", f"leakage: {report['leakage']['images_with_coco_id']:,} images have a COCO id"]
    for id_list in report["leakage"]["lists"]:
        counted = f"{id_list['ids']:,} {id_list['ids_of']} ids, {id_list['images_found']:,} images found and excluded"
        lines.append(f"  {id_list['name']}: {counted}")
    if not report["leakage"]["lists"]:
        lines.append("  no list was given: nothing was excluded, so zero-shot claims on COCO or GQA images are not safe")
    return "\n".join(lines)
