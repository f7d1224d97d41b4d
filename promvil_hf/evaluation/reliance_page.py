# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How a reliance report is shown: a table for the terminal, and one static page with every control, tables and cases.

Floor 5, no torch.
"""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.reliance import ReliancePoint, RelianceReport
from promvil_hf.evaluation.twin_answers import MASKED, METRICS, ORIGINAL, TwinSettings
from promvil_hf.fivl.fivl_rows import FivlRow
from promvil_hf.fivl.twins import twins
from promvil_hf.metrics.intervals import Interval
from promvil_hf.pages import (
    Bar,
    Html,
    Series,
    bar_chart,
    details,
    facts,
    figure,
    fragment,
    gallery,
    interval,
    line_chart,
    note,
    number,
    page,
    paragraph,
    section,
    stat,
    table,
    tag,
    tiles,
    write,
)


CASES = 6
_LEAD = "How much of the accuracy is lost when what the answer names is hidden."


def told(report: RelianceReport) -> str:
    """The report for a terminal."""
    scores = report.scores
    lines = [
        f"{report.name}: {report.rows['rows_with_twins']:,} of {report.rows['rows']:,} rows have something to hide, "
        f"{report.rows['images']:,} images, {report.rows['hidden_area']:.1%} of a picture hidden on average",
        f"accuracy ({METRICS[report.metric]}) {_short(scores['original_accuracy'])}",
        f"Visual Reliance Score {_spread(scores['masked']['relative'])}, absolute drop "
        f"{_spread(scores['masked']['absolute'])}" + (f" ({scores['reason']})" if scores["reason"] else ""),
        "",
        f"  {'hidden':<14} {'accuracy':>8}  {'relative drop':<24} score beyond it",
    ]
    for name, drop in _drops(report).items():
        beyond = scores["beyond"].get(name)
        lines.append(
            f"  {name:<14} {_short(drop['accuracy']):>8}  {_spread(drop['relative']):<24} {_spread(beyond) if beyond else ''}"
        )
    for title, groups in report.tables.items():
        lines += ["", f"  {title:<24} {'rows':>6} {'accuracy':>8}  score"]
        lines += [
            f"  {label[:24]:<24} {group['rows']:>6} {_short(group['original_accuracy']):>8}  "
            f"{_spread(group['masked']['relative'])}"
            for label, group in groups.items()
        ]
    for name, fault in report.faults.items():
        lines.append(f"  fault: {fault['count']:,} × {name}, such as {fault['examples'][0]}")
    lines += [f"  note: {sentence}" for sentence in notes(report)]
    return "\n".join(lines)


def notes(report: RelianceReport) -> list[str]:
    """What a reader must know before the number is compared."""
    found = []
    kept = report.rows["labels_with_twins"]
    yes, no = kept.get("yes", 0), kept.get("no", 0)
    if yes + no and 2 * max(yes, no) > 1.2 * (yes + no):
        most = "yes" if yes > no else "no"
        found.append(
            f"{max(yes, no) / (yes + no):.0%} of the yes-or-no rows that can be perturbed are answered {most!r}: a model that "
            f"always says {most} loses nothing by hiding. Rows without a thing to hide drop out."
        )
    random_drop = report.scores["controls"].get("random boxes")
    if random_drop is None:
        found.append("Random boxes were not asked about: how much of the drop is mere damage is not known.")
    elif (low := report.scores["beyond"]["random boxes"]["low"]) is not None and low <= 0:
        found.append(
            "The score is not clearly above that of random boxes of the same sizes: mere damage would explain it."
        )
    if "blind" not in report.scores["controls"]:
        found.append("The model was not asked blind: how much of its accuracy needs no image is not known.")
    return found


def write_page(
    path: str | os.PathLike, report: RelianceReport, rows: Sequence[FivlRow] = (), pictures: Pictures | None = None
) -> Path:
    return write(path, reliance_page(report, rows, pictures))


def reliance_page(report: RelianceReport, rows: Sequence[FivlRow] = (), pictures: Pictures | None = None) -> Html:
    scores = report.scores
    masked = scores["masked"]
    content = [
        section(
            "In short",
            tiles(
                stat("Visual Reliance Score", scores["score"], _interval(masked["relative"]) or scores["reason"]),
                stat("accuracy", scores["original_accuracy"], METRICS[report.metric]),
                stat("accuracy, key boxes hidden", masked["accuracy"], f"absolute drop {number(scores['absolute_drop'])}"),
                stat(
                    "beyond random boxes",
                    scores["beyond"].get("random boxes", {}).get("estimate"),
                    _interval(scores["beyond"].get("random boxes")),
                ),
                stat("rows", report.rows["rows_with_twins"], f"of {report.rows['rows']:,}; {report.rows['images']:,} images"),
            ),
            *(note("Before you compare", paragraph(sentence), warn=True) for sentence in notes(report)),
        ),
        section(
            "What each perturbation costs",
            bar_chart(
                [
                    Bar(name, drop["relative"]["estimate"], drop["relative"]["low"], drop["relative"]["high"], place != 0)
                    for place, (name, drop) in enumerate(_drops(report).items())
                ],
                alt="Relative drop of accuracy under each perturbation.",
                caption="Share of the accuracy on the original images that is lost. Intervals draw whole images.",
            ),
            table(
                [
                    [
                        name, drop["accuracy"], f"{number(drop['relative']['estimate'])} {_interval(drop['relative'])}",
                        f"{number(drop['absolute']['estimate'])} {_interval(drop['absolute'])}",
                        _cell(scores["beyond"].get(name)),
                    ]
                    for name, drop in _drops(report).items()
                ],
                ["hidden", "accuracy", "relative drop", "absolute drop", "score beyond this control"],
                numeric=(1, 2, 3, 4),
            ),
        ),
    ]  # fmt: skip
    for title, groups in report.tables.items():
        content.append(
            section(
                f"By {title}",
                table(
                    [
                        [
                            label, group["rows"], group["original_accuracy"], group["masked"]["accuracy"],
                            _cell(group["masked"]["relative"]), _cell(group["beyond"].get("random boxes")),
                        ]
                        for label, group in groups.items()
                    ],
                    [title, "rows", "accuracy", "key boxes hidden", "score", "beyond random boxes"],
                    numeric=(1, 2, 3, 4, 5),
                ),
            )
        )  # fmt: skip
    if pictures is not None and rows:
        content.append(section("Cases", _cases(report, rows, pictures)))
    content.append(
        section(
            "Settings",
            facts({name: str(value) for name, value in {**report.settings, **report.rows}.items()}),
            details("Answers and environment", facts({**_flat(report.answers), **_flat(report.environment)})),
        )
    )
    return page(
        f"Visual reliance on {report.name}",
        *content,
        lead="How much of the accuracy is lost when what the answer names is hidden.",
    )


def points_told(models: Sequence[ReliancePoint], found: Interval) -> str:
    lines = [f"  {'model':<28} {'accuracy':>8}  score"]
    lines += [
        f"  {one.name[:28]:<28} {_short(one.accuracy):>8}  {_short(one.reliance)}"
        + (f" [{_short(one.low)}, {_short(one.high)}]" if math.isfinite(one.low) else "")
        for one in models
    ]
    lines.append(f"\ncorrelation of score and accuracy over {found.rows} models: {_told_interval(found)}")
    return "\n".join(lines)


def points_page(models: Sequence[ReliancePoint], found: Interval) -> Html:
    """Reliance against accuracy."""
    return page(
        "Reliance against accuracy",
        section(
            "Models",
            line_chart(
                [Series(one.name, [one.accuracy], [one.reliance], [one.low], [one.high]) for one in models],
                alt="Visual Reliance Score of each model over its accuracy.",
                x_label="accuracy on the original images",
                y_label="Visual Reliance Score",
            ),
            table(
                [
                    [one.name, one.accuracy, one.reliance, interval(one.low, one.high), ", ".join(one.benchmarks)]
                    for one in models
                ],
                ["model", "accuracy", "score", "interval", "benchmarks"],
                numeric=(1, 2, 3),
            ),
        ),
        section(
            "Correlation",
            tiles(stat("Pearson's r", found.estimate, f"{interval(found.low, found.high)}, {found.rows} models")),
            note("What this is", paragraph(
                "Models are drawn for the interval. Over a handful of models it is wide, and a correlation says nothing about "
                "causes: models that answer more questions have more accuracy to lose."
            )),
            paragraph(found.note) if found.note else None,
        ),
    )  # fmt: skip


def _cases(report: RelianceReport, rows: Sequence[FivlRow], pictures: Pictures) -> Html:
    """Rows that hiding changed, rows that it did not, and rows that random boxes changed as well."""
    by_id = {row.row_id: row for row in rows}
    settings = TwinSettings(tuple(report.settings["kinds"]), report.settings["fill"], report.settings["seed"])
    groups: dict[str, list[dict]] = {
        "Lost when hidden": [],
        "Right even when hidden": [],
        "Lost by random boxes too": [],
    }
    for row in report.row_scores:
        scores = row["scores"]
        if scores[ORIGINAL] > scores[MASKED]:
            disturbed = scores.get("random boxes", scores[ORIGINAL]) < scores[ORIGINAL]
            groups["Lost by random boxes too" if disturbed else "Lost when hidden"].append(row)
        elif scores[ORIGINAL] > 0:
            groups["Right even when hidden"].append(row)
    parts = []
    for title, found in groups.items():
        shown = []
        for row in found[:CASES]:
            if row["id"] not in by_id or pictures.path(row["image"]) is None:
                continue
            kinds = [kind for kind in (ORIGINAL, MASKED, "random boxes") if kind in row["said"]]
            made = twins(by_id[row["id"]], pictures.open(row["image"]), kinds, settings.fill, settings.seed)
            said = [
                figure(
                    twin.image, alt=f"{twin.kind} twin of {row['image']}", max_side=320,
                    caption=[f"{twin.kind}: ", tag("strong", row["said"][twin.kind] or "(nothing)")],
                )
                for twin in made
            ]  # fmt: skip
            shown.append(fragment(paragraph(row["question"], f" (right: {row['truth']})"), gallery(said, 160)))
        if shown:
            parts.append(section(f"{title}: {len(found):,}", *shown, level=3))
    return fragment(*parts)


def _drops(report: RelianceReport) -> dict[str, dict[str, Any]]:
    return {MASKED: report.scores["masked"], **report.scores["controls"]}


def _spread(found: Mapping[str, Any]) -> str:
    estimate, low, high = (_float(found[name]) for name in ("estimate", "low", "high"))
    return _short(estimate) + (f" [{_short(low)}, {_short(high)}]" if math.isfinite(low) else "")


def _cell(found: Mapping[str, Any] | None) -> str:
    return "–" if found is None else f"{number(_float(found['estimate']))} {_interval(found) or ''}"


def _interval(found: Mapping[str, Any] | None) -> str | None:
    if found is None or found["low"] is None or not math.isfinite(_float(found["low"])):
        return None
    return interval(found["low"], found["high"])


def _told_interval(found: Interval) -> str:
    if not math.isfinite(found.estimate):
        return found.note
    return f"{_short(found.estimate)} [{_short(found.low)}, {_short(found.high)}]" + (
        f" ({found.note})" if found.note else ""
    )


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in values.items():
        found |= _flat(value, f"{before}{name}.") if isinstance(value, Mapping) else {f"{before}{name}": str(value)}
    return found


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _short(value: float | None) -> str:
    value = _float(value)
    return "–" if math.isnan(value) else f"{value:.3f}"
