# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Writes CompoVL's dataset card from the report of a build: schema, figures, provenance, licence, leakage."""

import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from promvil_hf.compovl.compovl_settings import source_of
from promvil_hf.publishing import dataset_card
from promvil_hf.shown_text import in_markdown


if TYPE_CHECKING:
    from datasets import DatasetInfo

FOLDERS = {"default": "data", "steps": "steps", "mixture": "mixture", "negatives": "negatives"}
TEMPLATE = Template(Path(__file__).with_suffix(".md").read_text(encoding="utf-8"))


def card(report: dict, infos: Mapping[str, "DatasetInfo"]) -> str:
    """README.md of a built dataset."""
    return dataset_card(
        body(report),
        sum(report["rows"].get("default", {}).values()),
        infos,
        FOLDERS,
        "default",
        pretty_name="CompoVL",
        task_categories=["object-detection", "image-text-to-text"],
        tags=["visual-grounding", "referring-expressions", "visual-genome", "compositionality", "promvil"],
        source_datasets=["extended|visual_genome"],
        annotations_creators=["machine-generated", "crowdsourced"],
    )


def body(report: dict) -> str:
    return TEMPLATE.substitute(statistics=_statistics(report), leakage=_leakage(report), settings=_settings(report))


def _statistics(report: dict) -> str:
    by_level = report["expressions_by_level"]
    levels = sorted({level for found in by_level.values() for level in found})
    head = "| split | " + " | ".join(f"level {level}" for level in levels) + " | all |"
    lines = ["## Statistics", "", head, "|---" * (len(levels) + 2) + "|"]
    for split, found in by_level.items():
        numbers = [found.get(level, 0) for level in levels]
        lines.append(f"| {split} | " + " | ".join(f"{number:,}" for number in (*numbers, sum(numbers))) + " |")
    images = report["images"]
    parts = ", ".join(f"{count:,} {part}" for part, count in images["by_part"].items())
    sources = ", ".join(f"{count:,} {source}" for source, count in report["expressions_by_source"].items())
    lines += [
        "",
        f"{images['composed']:,} images of {source_of(report['release'])} ({parts}); no image is in two splits, except that "
        "`hard` is the part of `test` whose head noun has distractors.",
        f"Mean words an expression: {report['words_per_expression']}. Mean boxes of a simple noun: "
        f"{report['boxes_per_simple_noun']}. Relations worded by: {sources}.",
    ]
    if report["ambiguous_expressions"]:
        lines.append(f"{report['ambiguous_expressions']:,} expressions fit several objects and are marked `ambiguous`.")
    for split, kinds in report["negatives"].items():
        counted = ", ".join(f"{times:,} {kind}" for kind, times in kinds.items())
        lines.append(f"Negatives, {split}: {counted}.")
    rejected = sum(report["rejects"].values())
    lines.append(
        f"{rejected:,} records of the source could not be used; `rejects.jsonl` names each with its reason, "
        "`report.json` counts them."
    )
    for name, part in report.get("mixture", {}).items():
        lines.append(f"Mixture, {name}: {part['rows']:,} rows, {sum(part['rejected'].values()):,} rejected.")
    return "\n".join(lines) + "\n"


def _leakage(report: dict) -> str:
    leakage = report["leakage"]
    lines = [
        "## Leakage statement",
        "",
        f"Visual Genome shares images with COCO ({leakage['images_with_coco_id']:,} of the {leakage['images']:,} images read "
        "here have a COCO id), and GQA's images are Visual Genome's.",
    ]
    if leakage["lists"]:
        lines += [
            f"{leakage['excluded']:,} images were excluded before the splits were drawn:",
            "",
            "| list | ids | of | images excluded | names that are no id |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {in_markdown(id_list['name'])} | {id_list['ids']:,} | {id_list['ids_of']} | {id_list['images_found']:,} | "
            f"{id_list['names_that_are_no_id']:,} |"
            for id_list in leakage["lists"]
        ]
        lines += ["", "Nothing is claimed about benchmarks that are not in this table."]
    else:
        lines.append(
            "**No list of evaluation images was given to this build: nothing was excluded.** Results of a model trained on it "
            "are not zero-shot on RefCOCO, RefCOCO+, RefCOCOg or GQA."
        )
    return "\n".join(lines) + "\n"


def _settings(report: dict) -> str:
    settings = {name: report[name] for name in ("release", "writer", "composing", "splitting")}
    return f"## How it was built\n\n```json\n{json.dumps(settings, indent=1)}\n```\n"
