# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the two papers say and ask, and what the studies answer: a table in studies/README.md, made from the results alone.

`claims.yaml` has the statements, each with the differences of studies that it foretells. A difference speaks for it when the
interval over scenes and the one over seeds both lie on that side of 0, against it when both lie on the other side, and else it
decides nothing.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from promvil_hf.pages.blocks import interval, number
from studies.pages import filled
from studies.results import Difference, read


BEGIN, END = "<!-- statements of the papers: written by python -m studies write -->", "<!-- end of statements -->"
HEAD = "| statement | verdict | differences [over scenes], seeds [over seeds] | what would change it |\n|---|---|---|---|"
FILE = Path(__file__).with_suffix(".yaml")
MARKS = {1: "+", 0: "o", -1: "-"}


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of claims.yaml, whose head says what stands in it."""

    paper: str
    kind: Literal["claim", "next check", "limitation", "open question"]
    says: str
    changes: str
    shows: list[str] = []
    elsewhere: str = ""


def all_statements(path: Path = FILE) -> list[Statement]:
    return msgspec.yaml.decode(path.read_bytes(), type=list[Statement])


def speaks(difference: Difference, sign: int) -> int:
    """1 for the statement, -1 against it, 0 undecided."""
    lowest = min(difference.low, difference.over_seeds[0])
    highest = max(difference.high, difference.over_seeds[1])
    return sign if lowest > 0 else -sign if highest < 0 else 0


def verdict(found: list[int]) -> str:
    if all(speech > 0 for speech in found):
        return "holds"
    if all(speech < 0 for speech in found):
        return "fails"
    if any(speech > 0 for speech in found):
        return "holds in part"
    return "fails in part" if any(speech < 0 for speech in found) else "not decided"


def statements(folder: Path, find: Callable[[str], Difference] | None = None) -> str:
    """The table; `find` gives a difference of a study by "study: words" (default: from the results in `folder`)."""
    find = find or _in_results(folder)
    lines = [HEAD]
    for statement in all_statements():
        asked = f"{statement.paper}, {statement.kind}: {statement.says}"
        if statement.elsewhere:
            lines.append(f"| {asked} | {statement.elsewhere} | | {statement.changes} |")
            continue
        names = [shown.removeprefix("-") for shown in statement.shows]
        signs = [-1 if shown.startswith("-") else 1 for shown in statement.shows]
        differences = [find(name) for name in names]
        found = [speaks(difference, sign) for difference, sign in zip(differences, signs, strict=True)]
        shown = "<br>".join(
            f"{MARKS[speech]} {difference.what}: {number(difference.estimate)} "
            f"{interval(difference.low, difference.high)}, seeds {interval(*difference.over_seeds)}"
            for speech, difference in zip(found, differences, strict=True)
        )
        studies = ", ".join(f"[{name}]({name}/README.md)" for name in dict.fromkeys(name.partition(": ")[0] for name in names))
        lines.append(f"| {asked} | **{verdict(found)}** ({studies}) | {shown} | {statement.changes} |")
    return "\n".join(lines)


def _in_results(folder: Path) -> Callable[[str], Difference]:
    kept: dict[str, dict[str, Difference]] = {}

    def find(name: str) -> Difference:
        study, _, what = name.partition(": ")
        if study not in kept:
            kept[study] = {difference.what: difference for difference in read(folder / study / "result.json").differences}
        if what not in kept[study]:
            raise LookupError(f"{study} has no difference {what!r}: studies/claims.yaml must name one of its result.json.")
        return kept[study][what]

    return find


def write_statements(folder: Path) -> None:
    path = folder / "README.md"
    path.write_text(filled(path, BEGIN, END, statements(folder)), encoding="utf-8")


def statements_faults(folder: Path) -> list[str]:
    path = folder / "README.md"
    if filled(path, BEGIN, END, statements(folder)) != path.read_text(encoding="utf-8"):
        return ["studies/README.md: the statements of the papers are not judged by the results: run python -m studies write"]
    return []
