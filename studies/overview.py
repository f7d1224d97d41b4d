# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The table of primary outcomes in studies/README.md: p-values corrected for all studies together, and a verdict for each."""

from collections.abc import Mapping
from pathlib import Path

from promvil_hf.pages.blocks import interval, number
from studies.pages import filled
from studies.protocol import VERSION, Conduct, holm, text_hash, verdict
from studies.results import read
from studies.terms import Study


BEGIN, END = "<!-- primary outcomes: written by python -m studies write -->", "<!-- end of primary outcomes -->"
HEAD = "| study | primary outcome | difference [95 %] | p, corrected | verdict |\n|---|---|---|---|---|"


def conducts(studies: Mapping[str, Study], folder: Path) -> dict[str, Conduct | None]:
    """How the protocol was kept by each study that has a design; None where its result was not made under it."""
    found = {}
    for name, study in studies.items():
        if study.design is not None:
            path = folder / name / "result.json"
            found[name] = read(path).conduct if path.is_file() else None
    return found


def corrected(done: Mapping[str, Conduct | None], studies: Mapping[str, Study]) -> dict[str, float]:
    """Holm's p of each primary outcome that was measured."""
    primary = [name for name, conduct in done.items() if conduct is not None and studies[name].design.primary]
    return dict(zip(primary, holm([done[name].outcome.p for name in primary]), strict=True))


def overview(studies: Mapping[str, Study], folder: Path) -> str:
    done = conducts(studies, folder)
    p = corrected(done, studies)
    lines = [f"Protocol {VERSION}, `{text_hash()}`.\n", HEAD]
    for name, conduct in done.items():
        outcome = studies[name].design.outcome
        asked = f"[{name}]({name}/README.md) | {outcome.measure}: {outcome.a} less {outcome.b}"
        if conduct is None:
            lines.append(f"| {asked} | | | not run under the protocol yet: `python -m studies {name}` |")
        else:
            shown = f"{number(conduct.outcome.estimate)} {interval(conduct.outcome.low, conduct.outcome.high)}"
            p_and_verdict = f"{p[name]:.2g} | {verdict(conduct.outcome, p[name])}" if name in p else "| exploratory"
            lines.append(f"| {asked} | {shown} | {p_and_verdict} |")
    return "\n".join(lines)


def write_overview(studies: Mapping[str, Study], folder: Path) -> None:
    path = folder / "README.md"
    path.write_text(filled(path, BEGIN, END, overview(studies, folder)), encoding="utf-8")


def overview_faults(studies: Mapping[str, Study], folder: Path) -> list[str]:
    path = folder / "README.md"
    if filled(path, BEGIN, END, overview(studies, folder)) != path.read_text(encoding="utf-8"):
        return ["studies/README.md: the primary outcomes are not those of the results: run python -m studies write"]
    return []
