# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Writes CompoVL's dataset card from the report of a build: schema, figures, provenance, licence, leakage. Floor 2."""

import json

import yaml


_FOLDERS = {"default": "data", "steps": "steps", "mixture": "mixture"}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def card(report: dict, infos: dict | None = None) -> str:
    """README.md of a built dataset. `infos` are the `DatasetInfo`s of its views."""
    return f"---\n{yaml.safe_dump(metadata(report, infos or {}), sort_keys=False, allow_unicode=True)}---\n\n{body(report)}"


def metadata(report: dict, infos: dict) -> dict:
    from datasets.info import DatasetInfosDict
    from huggingface_hub import DatasetCardData

    rows = sum(report.get("rows", {}).get("default", {}).values())
    size = next((name for limit, name in _SIZES if rows < limit), "1M<n<10M")
    data = DatasetCardData(
        pretty_name="CompoVL",
        license="cc-by-4.0",
        language=["en"],
        task_categories=["object-detection", "image-text-to-text"],
        tags=["visual-grounding", "referring-expressions", "visual-genome", "compositionality", "promvil"],
        source_datasets=["extended|visual_genome"],
        annotations_creators=["machine-generated", "crowdsourced"],
        size_categories=[size],
    )
    if infos:
        DatasetInfosDict(infos).to_dataset_card_data(data)
    whole = data.to_dict()
    whole["configs"] = [
        {
            "config_name": view,
            **({"default": True} if view == "default" else {}),
            "data_files": [{"split": split, "path": f"{_FOLDERS[view]}/{split}-*"} for split in info.splits],
        }
        for view, info in infos.items()
    ]
    return whole


def body(report: dict) -> str:
    return "\n".join((_INTRODUCTION, _statistics(report), _leakage(report), _PROVENANCE, _settings(report), _CITATION))


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
        f"{images['composed']:,} images of Visual Genome {report['release']} ({parts}); no image is in two splits, except that "
        "`hard` is the part of `test` whose head noun has distractors.",
        f"Mean words an expression: {report['words_per_expression']}. Mean boxes of a simple noun: "
        f"{report['boxes_per_simple_noun']}. Relations worded by: {sources}.",
    ]
    if report["ambiguous_expressions"]:
        lines.append(f"{report['ambiguous_expressions']:,} expressions fit several objects and are marked `ambiguous`.")
    rejected = sum(report["rejects"].values())
    lines.append(
        f"{rejected:,} records of Visual Genome could not be used; `rejects.jsonl` names each with its reason, "
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
            f"| {own['name']} | {own['ids']:,} | {own['ids_of']} | {own['images_found']:,} | {own['names_that_are_no_id']:,} |"
            for own in leakage["lists"]
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


_INTRODUCTION = """# CompoVL

Nested referring expressions with the boxes of every step, from simple nouns to the whole: "the beard", "the man with the
beard", "the man with the beard and holding the camera". Made for progressive multi-granular grounding (PromViL, AAAI 2025)
from Visual Genome's scene graphs by `promvil build compovl`. It is a rebuild: the authors' own data were never published.

```python
from datasets import load_dataset

rows = load_dataset("promvil/compovl", split="train", streaming=True)   # views: "default", "steps", "mixture"
```

## Schema

A row of the default view is one expression in one image.

| field | meaning |
|---|---|
| `chain_id`, `image_id`, `coco_id` | `coco_id` is null for images that are not COCO's |
| `image_path`, `image_url`, `width`, `height` | the photograph is referred to, not contained, unless there is a field `image` |
| `expression`, `level` | the whole expression; level 1 is a simple noun, level n leans on one of level n - 1 |
| `steps` | its parts, simple to complex, the whole last |
| `steps[].boxes` | x0, y0, x1, y1 as fractions of the image: all instances of a simple noun, the one object of the composed |
| `steps[].object_ids` | Visual Genome's objects, one a box |
| `steps[].anchors`, `mentions` | earlier steps it leans on, and how it words each |
| `steps[].relation_ids` | Visual Genome's relationships that it adds |
| `steps[].head`, `ambiguous` | its head noun; whether it fits several objects |
| `distractors` | other objects of the image with the same head noun |
| `sources` | whether relations were worded by `regions`, by the predicates of the `graph`, or `both` |
| `given`, `region_ids` | the phrases it was composed from, and the regions they describe |
| `writer` | `grammar`, or the model that worded the expression |

`steps` is the flat view (one row a step, with its evidence); `mixture` has PromViL's own training rows.
"""

_PROVENANCE = """## Provenance and licence

Annotations derive from Visual Genome (Krishna et al., 2017), licensed CC BY 4.0; so is this dataset. Boxes and relations are
Visual Genome's; expressions are composed from them. The photographs belong to their authors on Flickr and are under their own
licences. Known limits: Visual Genome's graphs are incomplete, so an expression that is unique in the graph may fit a second,
unannotated object; nouns and predicates are crowd workers' and contain mistakes. Judge a sample with
`promvil inspect compovl`.
"""

_CITATION = """## Citation

```bibtex
@inproceedings{promvil2025,
  title = {Progressive Multi-granular Alignments for Grounded Reasoning in Large Vision-Language Models},
  booktitle = {AAAI}, year = {2025}, note = {arXiv:2412.08125}}
@article{krishna2017visual,
  title = {Visual Genome: Connecting Language and Vision Using Crowdsourced Dense Image Annotations},
  author = {Krishna, Ranjay and others}, journal = {IJCV}, year = {2017}}
```
"""
