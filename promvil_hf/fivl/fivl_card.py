# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Writes FiVL-Instruct's dataset card from the reports of a build: schema, figures, provenance, licence. Floor 2."""

import json
from collections.abc import Mapping

import yaml


_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def card(reports: Mapping[str, Mapping]) -> str:
    """README.md of a folder with these configurations; of none, what is true of every build."""
    head = yaml.safe_dump(metadata(reports), sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n\n{body(reports)}"


def metadata(reports: Mapping[str, Mapping]) -> dict:
    from datasets import DatasetInfo, Features, SplitDict, SplitInfo
    from datasets.info import DatasetInfosDict
    from huggingface_hub import DatasetCardData

    rows = sum(report["rows"] for report in reports.values())
    infos = {}
    for config, report in reports.items():
        split = SplitInfo(report["split"], report["num_bytes"], report["rows"], dataset_name="fivl_instruct")
        infos[config] = DatasetInfo(
            features=Features.from_dict(report["features"]),
            splits=SplitDict({report["split"]: split}, dataset_name="fivl_instruct"),
            dataset_name="fivl_instruct",
            config_name=config,
            download_size=report["download_size"],
            dataset_size=report["num_bytes"],
        )
    data = DatasetCardData(
        pretty_name="FiVL-Instruct",
        license="cc-by-4.0",
        language=["en"],
        task_categories=["visual-question-answering", "image-text-to-text", "image-segmentation"],
        tags=["vision-language-alignment", "key-expressions", "masks", "visual-reliance", "fivl"],
        annotations_creators=["machine-generated"],
    )
    if not infos:
        return data.to_dict()
    data.size_categories = [next((name for limit, name in _SIZES if rows < limit), "1M<n<10M")]
    DatasetInfosDict(infos).to_dataset_card_data(data)
    whole = data.to_dict()
    whole["configs"] = [
        {
            "config_name": config,
            **({"default": True} if index == 0 else {}),
            "data_files": [{"split": report["split"], "path": f"{config}/{report['split']}-*"}],
        }
        for index, (config, report) in enumerate(reports.items())
    ]
    return whole


def body(reports: Mapping[str, Mapping]) -> str:
    figures = (_statistics(reports), _settings(reports)) if reports else (_UNBUILT, "")
    return "\n".join(filter(None, (_INTRODUCTION, figures[0], _PROVENANCE, figures[1], _CITATION)))


def _statistics(reports: Mapping[str, Mapping]) -> str:
    lines = [
        "## Statistics",
        "",
        "| configuration | split | rows | images | turns | key expressions | masks | per turn | mean area |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for config, report in reports.items():
        numbers = " | ".join(f"{report[name]:,}" for name in ("rows", "images", "turns", "key_expressions", "masks"))
        area = report["mask_area"]["mean"]
        lines.append(f"| {config} | {report['split']} | {numbers} | {report['key_expressions_per_turn']} | {area} |")
    lines += ["", "What was left out, and why (`rejects.jsonl` names each):", ""]
    for config, report in reports.items():
        told = [f"{count:,} rows {reason}" for reason, count in report["rows_rejected"].items()]
        told += [f"{count:,} phrases {reason}" for reason, count in report.get("phrases_dropped", {}).items()]
        told += [f"{count:,} phrases {reason}" for reason, count in report["phrases_not_found"].items()]
        lines.append(f"- {config}, of {report['rows_in']:,} rows: {'; '.join(told) or 'nothing'}.")
    return "\n".join(lines) + "\n"


def _settings(reports: Mapping[str, Mapping]) -> str:
    settings = {config: report["settings"] for config, report in reports.items()}
    return f"## How it was built\n\n```json\n{json.dumps(settings, indent=1, ensure_ascii=False)}\n```\n"


_INTRODUCTION = """# FiVL-Instruct

Questions and answers about images with their **key expressions**, the phrases that cannot be said without looking, and a
mask for each: for training with vision modeling and for measuring visual reliance (FiVL, arXiv 2412.14672). Made by
`promvil build fivl`, which is an independent implementation of the paper's pipeline.

```python
from datasets import load_dataset

rows = load_dataset("promvil/fivl_instruct", "instruct", split="train", streaming=True)
```

## Schema

| field | content |
|---|---|
| `row_id` | source and row number; unique, unlike `source_id` |
| `source`, `source_id` | where the row comes from, and its id there, which may repeat |
| `image_path`, `width`, `height` | the image's name below the image folder, and its size; `image` only where it was embedded |
| `turns` | questions and answers, in order |
| `answers` | every right answer of a benchmark's question; empty for conversations |
| `key_expressions` | a list of: `text`, its `turn` (from 0), the `phrase` a detector looked for, `boxes` with `scores`, `mask` |
| `boxes` | x0, y0, x1, y1 in fractions of the original image |
| `mask` | COCO run lengths (`size` is height, width) in original image coordinates |

`phrase` differs from `text` where the answer is one word that names nothing ("yes"): the phrase is what was looked for.

```python
import pycocotools.mask

mask = row["key_expressions"][0]["mask"]
pixels = pycocotools.mask.decode({"size": mask["size"], "counts": mask["counts"].encode()})
```
"""

_UNBUILT = """## Statistics

Every build writes its own here: rows, images, turns, key expressions, mask areas, and what each step left out.
"""

_PROVENANCE = """## Provenance, licence and limits

- Conversations: LLaVA-1.5's instruction mix, whose text is partly by GPT-4 (OpenAI's terms apply). Questions: VQAv2 and GQA
  (CC BY 4.0), POPE (MIT). Photographs: COCO, Visual Genome and others, each under its own licence; they are referred to.
- Key expressions and masks are machine-made. Of the published data, the paper's authors had people judge a sample: 77 % were
  good samples, 58 % of the masks were relevant. Judge this build the same way before you rely on it:
  `promvil inspect fivl --rows OUT --images IMAGES --html judge.html`.
- Rows of POPE whose answer is "no" mostly drop out, because there is nothing to find: report the balance of the labels.
- Masks say where a detector and a segmenter saw the phrase, not where a person would.
"""

_CITATION = """## Citation

```bibtex
@article{fivl2024,
  title = {FiVL: A Framework for Improved Vision-Language Alignment},
  author = {{The authors of arXiv:2412.14672}},
  journal = {arXiv preprint arXiv:2412.14672},
  year = {2024}
}
```
"""
