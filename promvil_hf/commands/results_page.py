# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`python -m promvil_hf.commands.results_page > docs/results.md` writes the page of results on public weights."""

from collections.abc import Iterator
from pathlib import Path

from promvil_hf.json_documents import json_document, typed
from promvil_hf.reproducing.catalog import RESULTS
from promvil_hf.reproducing.experiments import FULL
from promvil_hf.reproducing.results import TABLES, Line, Results, Row, Table


KEPT = Path("docs/results.json")
START = """# Results on public weights

<!-- `python -m promvil_hf.commands.results_page > docs/results.md` writes this page from docs/results.json: do not edit it. -->

What this package measured on the real checkpoints and data. Cells that say *not yet run* are empty:
the authors had neither weights nor data. The commands below a table fill it. All commands together are one job for
one GPU of 24 GB:

    hf jobs uv run -v hf://buckets/YOU/promvil:/data recipes/jobs/results.py --out /data/results --fetched /data/sources
    promvil results add /data/results/results.json

After a stop, the same command continues. `promvil results add` needs the reports of the rows: it recomputes each row from its
report. It refuses another protocol, a missing seed or revision, and drawn data.
"""


SPEED = """## Speed on a GPU

Training steps, grounding and the joint loss, at the published widths with random weights, against the repeated way, cached image
features, a copied image cache, trl and torch's own fused loss, in 15 minutes of one GPU. Not yet run on any:

    python -m benchmarks.gpu --out benchmarks/results/gpu.json
"""


def page(kept: Path = KEPT) -> str:
    """The page, the same on every machine."""
    found = typed(json_document(kept).whole_fields(), Results, kept, "the kept rows") if kept.exists() else None
    rows = {row.place: row for row in found.rows} if found else {}
    return "\n".join([START, *(line for table in TABLES for line in _table(table, rows)), SPEED]).rstrip("\n") + "\n"


def _table(table: Table, rows: dict[tuple[str, str, str], Row]) -> Iterator[str]:
    yield f"## {table.title}\n"
    yield f"{table.about}\n"
    yield f"| | {' | '.join(f'level {name}' if name.isdigit() else name for name in table.columns)} |"
    yield f"| --- | {'--- | ' * len(table.columns)}".rstrip()
    for line in table.lines:
        yield f"| {line.label} | {' | '.join(_cell(rows.get((table.title, line.label, name))) for name in table.columns)} |"
    yield ""
    missing = [line for line in table.lines if (table.title, line.label, "all") not in rows]
    if missing:
        yield "Not yet run:\n"
        yield from _commands(missing)
    for line in table.lines:
        if (row := rows.get((table.title, line.label, "all"))) is not None:
            adapter = f", adapter sha256 {row.adapter}" if row.adapter else ""
            yield (
                f"- {line.label}: {row.model} at {row.revision}{adapter}; {row.rows:,} rows {row.content_hash}; {row.metric}; "
                f"95 % intervals, seed {row.seed}; report sha256 {row.report_sha256}; `{row.command}`"
            )
    yield ""


def _cell(row: Row | None) -> str:
    return "*not yet run*" if row is None else f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})"


def _commands(lines: list[Line]) -> Iterator[str]:
    steps = {step.name: step for step in RESULTS.steps}
    for name in dict.fromkeys(line.step for line in lines):
        yield f"    {steps[name].shown(FULL, Path('/data/results'), Path('/data/sources'))}"
    yield ""


if __name__ == "__main__":
    print(page(), end="")
