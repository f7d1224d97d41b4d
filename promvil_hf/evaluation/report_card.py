# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The card of a published report."""

import os

from promvil_hf.evaluation.results import Report
from promvil_hf.hub_names import public_name
from promvil_hf.publishing import plain_card
from promvil_hf.shown_text import in_markdown


def report_card(path: str | os.PathLike) -> str:
    """README.md for the report in a file: the score, and all that makes it comparable."""
    report = Report.load(path)
    benchmark, scores, spread = report.benchmark, report.scores, report.scores["interval"]
    if scores["value"] is None:
        raise ValueError(f"The score of {report.title} in {path} is not defined: there is nothing to publish.")
    model = report.answers.get("model") or {}
    named = public_name(model.get("model") or model.get("served_model") or report.answers.get("file") or "not named")
    adapter = f" with the adapter {in_markdown(public_name(model['adapter']))}" if model.get("adapter") else ""
    limits = "" if spread["low"] is None else f", {spread['confidence']:.0%} interval {spread['low']:.4f} to {spread['high']:.4f}"
    warnings = "\n".join(f"- {in_markdown(warning)}" for warning in benchmark["warnings"] if warning) or "- none"
    rules = "\n".join(f"| {name} | {in_markdown(value)} |" for name, value in scores["settings"].items() if value is not None)
    body = f"""# {in_markdown(report.title)}: {in_markdown(named)}

{in_markdown(named)}{adapter} scores **{scores["metric"]} {scores["value"]:.4f}**{limits}, on {benchmark["rows"]:,} rows of
{benchmark["images"]:,} images. Measured by this run with promvil_hf; it is no published number of anybody's.

The same questions have the same content hash: `{benchmark["content_hash"]}`.

| rule | |
|---|---|
{rules}

Warnings of the benchmark's reader:

{warnings}

`report.json` holds every row with its score: `promvil evaluate --compare OTHER/report.json report.json` compares two reports by a
paired test. The questions and their truth belong to the benchmark, whose licence holds for them.
"""
    return plain_card(body, ("promvil", "evaluation", benchmark["name"]), model)
