# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How a reliance report is shown: a table for the terminal, and one static page with every control, tables and cases."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from promvil_hf import pages
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.reliance import ReliancePoint, RelianceReport
from promvil_hf.evaluation.report_text import fault_lines, nested_lines, text_table
from promvil_hf.evaluation.twin_answers import MASKED, ORIGINAL, SCORED_BY, TwinSettings
from promvil_hf.fivl.fivl_rows import FivlRow
from promvil_hf.fivl.twins import twins
from promvil_hf.metrics.reliance_and_accuracy import Follows


CASES = 6
_LEAD = "How much of the accuracy is lost when what the answer names is hidden."
_NEAR = "random boxes"  # the control that stands in every table


def summary(report: RelianceReport) -> str:
    """The report for a terminal."""
    scores, rows = report.scores, report.rows
    lines = [
        f"{report.name}: {rows['rows_with_twins']:,} of {rows['rows']:,} rows have something to hide, "
        f"{rows['images']:,} images, {rows['hidden_area']:.1%} of a picture hidden on average",
        f"accuracy ({SCORED_BY[report.metric]}) {pages.number(scores['original_accuracy'])}",
        f"Visual Reliance Score {_estimate(scores['masked']['relative'])}, absolute drop "
        f"{_estimate(scores['masked']['absolute'])}" + (f" ({scores['reason']})" if scores["reason"] else ""),
        "",
        *text_table(["hidden", "accuracy", "relative drop", "absolute drop", "score beyond it"], _costs(report)),
    ]
    for title, groups in report.tables.items():
        header = [title, "rows", "accuracy", "key boxes hidden", "score", "beyond random boxes"]
        lines += ["", *text_table(header, _groups(groups))]
    lines += [f"fault: {line}" for line in fault_lines(report.faults)]
    lines += [f"note: {sentence}" for sentence in notes(report)]
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
    random_drop = report.scores["controls"].get(_NEAR)
    if random_drop is None:
        found.append("Random boxes were not asked about: how much of the drop is mere damage is not known.")
    elif (low := report.scores["beyond"][_NEAR]["low"]) is not None and low <= 0:
        found.append(
            "The score is not clearly above that of random boxes of the same sizes: mere damage would explain it."
        )
    if "blind" not in report.scores["controls"]:
        found.append("The model was not asked blind: how much of its accuracy needs no image is not known.")
    return found


def write_page(
    path: str | os.PathLike, report: RelianceReport, rows: Sequence[FivlRow] = (), pictures: Pictures | None = None
) -> Path:
    return pages.write(path, reliance_page(report, rows, pictures))


def reliance_page(
    report: RelianceReport, rows: Sequence[FivlRow] = (), pictures: Pictures | None = None
) -> pages.Html:
    tables = [
        pages.section(
            f"By {title}",
            pages.table(
                _groups(groups),
                [title, "rows", "accuracy", "key boxes hidden", "score", "beyond random boxes"],
                numeric=range(1, 6),
            ),
        )
        for title, groups in report.tables.items()
    ]
    return pages.page(
        f"Visual reliance on {report.name}",
        _in_short(report),
        _perturbations(report),
        *tables,
        pages.section("Cases", _cases(report, rows, pictures)) if pictures is not None and rows else None,
        pages.section(
            "Settings",
            pages.facts({name: str(value) for name, value in {**report.settings, **report.rows}.items()}),
            pages.details("Where the answers come from", pages.code(nested_lines(report.answers))),
            pages.details("Environment", pages.code(nested_lines(report.environment))),
        ),
        lead=_LEAD,
    )


def points_summary(models: Sequence[ReliancePoint], found: Follows) -> str:
    rows = [[one.name, pages.number(one.accuracy), pages.estimate(one.reliance, one.low, one.high)] for one in models]
    lines = [*text_table(["model", "accuracy", "score"], rows), "", *text_table(_CORRELATION, _correlations(found))]
    return "\n".join([*lines, "", f"note: {BY_CONSTRUCTION}", f"note: {verdict(found)}"])


BY_CONSTRUCTION = (
    "The score is 1 - masked / original accuracy, so it rises with accuracy by construction. \"By its definition\" is what "
    "remains of the correlation when masked accuracies are dealt to other models. Only what lies outside is a finding."
)
_CORRELATION = ["score and accuracy", "correlation", "over bases", "by its definition", "p"]
_NAMES = {
    "pearson": "Pearson, same rows", "spearman": "Spearman, same rows", "pearson_other_rows": "Pearson, other rows",
    "spearman_other_rows": "Spearman, other rows",
}  # fmt: skip


def verdict(found: Follows) -> str:
    """What may be said of these models, in a sentence."""
    one = found.pearson
    beyond = one.is_beyond_the_definition
    if beyond is None:
        return f"Whether the score follows accuracy cannot be told: {one.note}."
    counted = f"{one.models} models" + (f" of {one.units} bases" if one.units < one.models else "")
    where = "lies outside" if beyond else "lies inside"
    return (
        f"Over {counted} the correlation {pages.number(one.over_units)} {where} what its definition alone brings about "
        f"({pages.number(one.null_mean)} on average, {pages.interval(one.null_low, one.null_high)})"
        + (": more than it must." if beyond else ": it is no evidence that the score follows accuracy.")
    )


def _correlations(found: Follows) -> list[list[str]]:
    return [
        [
            name, pages.estimate(one.estimate, one.low, one.high) + (f" ({one.note})" if one.note else ""),
            pages.number(one.over_units), pages.estimate(one.null_mean, one.null_low, one.null_high), pages.number(one.p_value),
        ]
        for name, one in ((name, getattr(found, field)) for field, name in _NAMES.items())
    ]  # fmt: skip


def points_page(models: Sequence[ReliancePoint], found: Follows) -> pages.Html:
    """Reliance against accuracy."""
    return pages.page(
        "Reliance against accuracy",
        pages.section(
            "Models",
            pages.line_chart(
                [pages.Series(one.name, [one.accuracy], [one.reliance], [one.low], [one.high]) for one in models],
                alt="Visual Reliance Score of each model over its accuracy.",
                x_label="accuracy on the original images",
                y_label="Visual Reliance Score",
            ),
            pages.table(
                [
                    [
                        one.name,
                        one.accuracy,
                        pages.estimate(one.reliance, one.low, one.high),
                        ", ".join(one.benchmarks),
                    ]
                    for one in models
                ],
                ["model", "accuracy", "score", "benchmarks"],
                numeric=(1, 2),
            ),
        ),
        pages.section(
            "Correlation",
            pages.note("In a sentence", pages.paragraph(verdict(found))),
            pages.table(_correlations(found), _CORRELATION, numeric=range(1, 5)),
            pages.note(
                "What this is",
                pages.paragraph(BY_CONSTRUCTION),
                pages.paragraph(
                    "Other rows: the score of one half of the images against the accuracy on the other half, so that the "
                    "same lucky rows cannot raise both. Intervals draw bases, each with its variants, and \"over bases\" gives "
                    "each base the mean of them: a model called BASE:NAME is a variant of BASE. Over a handful of models an "
                    "interval is wide. p is two-sided, in what the definition brings about; the four are views of one "
                    "question and are not corrected."
                ),
            ),
        ),
    )


def _in_short(report: RelianceReport) -> pages.Html:
    scores, rows = report.scores, report.rows
    masked, beyond = scores["masked"], scores["beyond"].get(_NEAR)
    relative = masked["relative"]
    return pages.section(
        "In short",
        pages.tiles(
            pages.stat(
                "Visual Reliance Score",
                scores["score"],
                pages.known_interval(relative["low"], relative["high"]) or scores["reason"],
            ),
            pages.stat("accuracy", scores["original_accuracy"], SCORED_BY[report.metric]),
            pages.stat(
                "accuracy, key boxes hidden",
                masked["accuracy"],
                f"absolute drop {pages.number(scores['absolute_drop'])}",
            ),
            pages.stat(
                "beyond random boxes",
                beyond and beyond["estimate"],
                beyond and pages.known_interval(beyond["low"], beyond["high"]),
            ),
            pages.stat("rows", rows["rows_with_twins"], f"of {rows['rows']:,}; {rows['images']:,} images"),
        ),
        *(pages.note("Before you compare", pages.paragraph(sentence), warn=True) for sentence in notes(report)),
    )


def _perturbations(report: RelianceReport) -> pages.Html:
    bars = [
        pages.Bar(name, drop["relative"]["estimate"], drop["relative"]["low"], drop["relative"]["high"], place != 0)
        for place, (name, drop) in enumerate(_drops(report).items())
    ]
    return pages.section(
        "What each perturbation costs",
        pages.bar_chart(
            bars,
            alt="Relative drop of accuracy under each perturbation.",
            caption="Share of the accuracy on the original images that is lost. Intervals come from resampling images.",
        ),
        pages.table(
            _costs(report),
            ["hidden", "accuracy", "relative drop", "absolute drop", "score beyond this control"],
            numeric=range(1, 5),
        ),
    )


def _costs(report: RelianceReport) -> list[list[str]]:
    """What each perturbation costs, a line each."""
    beyond = report.scores["beyond"]
    return [
        [
            name, pages.number(drop["accuracy"]), _estimate(drop["relative"]), _estimate(drop["absolute"]),
            _estimate(beyond.get(name)),
        ]
        for name, drop in _drops(report).items()
    ]  # fmt: skip


def _groups(groups: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    return [
        [
            label, pages.number(group["rows"]), pages.number(group["original_accuracy"]),
            pages.number(group["masked"]["accuracy"]), _estimate(group["masked"]["relative"]),
            _estimate(group["beyond"].get(_NEAR)),
        ]
        for label, group in groups.items()
    ]  # fmt: skip


def _cases(report: RelianceReport, rows: Sequence[FivlRow], pictures: Pictures) -> pages.Html:
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
            disturbed = scores.get(_NEAR, scores[ORIGINAL]) < scores[ORIGINAL]
            groups["Lost by random boxes too" if disturbed else "Lost when hidden"].append(row)
        elif scores[ORIGINAL] > 0:
            groups["Right even when hidden"].append(row)
    parts = []
    for title, found in groups.items():
        shown = [
            _case(row, by_id[row["id"]], pictures, settings)
            for row in found[:CASES]
            if row["id"] in by_id and pictures.path(row["image"]) is not None
        ]
        if shown:
            parts.append(pages.section(f"{title}: {len(found):,}", *shown, level=3))
    return pages.fragment(*parts)


def _case(scored: dict, row: FivlRow, pictures: Pictures, settings: TwinSettings) -> pages.Html:
    kinds = [kind for kind in (ORIGINAL, MASKED, _NEAR) if kind in scored["said"]]
    said = [
        pages.figure(
            twin.image,
            alt=f"{twin.kind} twin of {scored['image']}",
            max_side=320,
            caption=[f"{twin.kind}: ", pages.tag("strong", scored["said"][twin.kind] or "(nothing)")],
        )
        for twin in twins(row, pictures.open(scored["image"]), kinds, settings.fill, settings.seed)
    ]
    asked = pages.paragraph(scored["question"], f" (right: {scored['truth']})")
    return pages.fragment(asked, pages.gallery(said, 160))


def _drops(report: RelianceReport) -> dict[str, dict[str, Any]]:
    return {MASKED: report.scores["masked"], **report.scores["controls"]}


def _estimate(found: Mapping[str, Any] | None) -> str:
    return "–" if found is None else pages.estimate(found["estimate"], found["low"], found["high"])
