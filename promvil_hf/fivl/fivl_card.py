# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Writes FiVL-Instruct's dataset card from the reports of a build: schema, figures, provenance, licence."""

import json
from collections.abc import Mapping
from pathlib import Path
from string import Template

from promvil_hf.publishing import dataset_card
from promvil_hf.shown_text import in_markdown


TEMPLATE = Template(Path(__file__).with_suffix(".md").read_text(encoding="utf-8"))


def card(reports: Mapping[str, Mapping]) -> str:
    """README.md of a folder with these configurations; of none, what is true of every build."""
    return dataset_card(
        body(reports),
        sum(report["rows"] for report in reports.values()),
        {config: _info(config, report) for config, report in reports.items()},
        {config: config for config in reports},
        next(iter(reports), ""),
        pretty_name="FiVL-Instruct",
        task_categories=["visual-question-answering", "image-text-to-text", "image-segmentation"],
        tags=["vision-language-alignment", "key-expressions", "masks", "visual-reliance", "fivl"],
        annotations_creators=["machine-generated"],
    )


def _info(config: str, report: Mapping):
    """What `datasets` knows of a configuration, from its report."""
    from datasets import DatasetInfo, Features, SplitDict, SplitInfo

    name, split = "fivl_instruct", report["split"]
    return DatasetInfo(
        features=Features.from_dict(report["features"]),
        splits=SplitDict({split: SplitInfo(split, report["num_bytes"], report["rows"], dataset_name=name)}, dataset_name=name),
        dataset_name=name,
        config_name=config,
        download_size=report["download_size"],
        dataset_size=report["num_bytes"],
    )


def body(reports: Mapping[str, Mapping]) -> str:
    if not reports:
        return TEMPLATE.substitute(statistics=_UNBUILT, settings="")
    return TEMPLATE.substitute(statistics=_statistics(reports), settings=_settings(reports) + "\n")


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
        names = f"{in_markdown(config)} | {in_markdown(report['split'])}"
        lines.append(f"| {names} | {numbers} | {report['key_expressions_per_turn']} | {area} |")
    lines += ["", "What was left out, and why (`rejects.jsonl` names each):", ""]
    for config, report in reports.items():
        reasons = [f"{count:,} rows {in_markdown(reason)}" for reason, count in report["rows_rejected"].items()]
        reasons += [f"{count:,} phrases {in_markdown(reason)}" for reason, count in report.get("phrases_dropped", {}).items()]
        reasons += [f"{count:,} phrases {in_markdown(reason)}" for reason, count in report["phrases_not_found"].items()]
        lines.append(f"- {in_markdown(config)}, of {report['rows_in']:,} rows: {'; '.join(reasons) or 'nothing'}.")
    return "\n".join(lines) + "\n"


def _settings(reports: Mapping[str, Mapping]) -> str:
    settings = {
        config: {"key expressions": report.get("expressions_by", "published"), "masks": report["settings"]}
        for config, report in reports.items()
    }
    return f"## How it was built\n\n```json\n{json.dumps(settings, indent=1, ensure_ascii=False)}\n```\n"


_UNBUILT = """## Statistics

Every build writes its own here: rows, images, turns, key expressions, mask areas, and what each step left out.
"""
