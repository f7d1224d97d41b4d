# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The numbers of a README, made from result.json, and the check that README, plot and result say the same."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from promvil_hf.pages.blocks import interval, number
from promvil_hf.pages.chart_file import chart_file
from studies.results import Difference, Result, Score, faults, read, write
from studies.terms import Study


FOLDER = Path(__file__).parent
BEGIN, END = "<!-- numbers: written by the study -->", "<!-- end of numbers -->"
SECTIONS = ("Question", "Setting", "Command", "What we conclude")
TO_WRITE = "TO WRITE"  # stands in a conclusion until somebody has read the numbers


def publish(study: Study, result: Result, folder: Path) -> None:
    """result.json, plot.svg, and the numbers in README.md, whose other words stay."""
    folder.mkdir(parents=True, exist_ok=True)
    write(result, folder / "result.json")
    (folder / "plot.svg").write_text(plot(study, result), encoding="utf-8")
    readme = folder / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.is_file() else f"# {study.name}\n\n{BEGIN}\n{END}\n"
    readme.write_text(with_numbers(text, result, readme), encoding="utf-8")


def plot(study: Study, result: Result) -> str:
    return chart_file(study.draw(result), alt=study.question)


def with_numbers(text: str, result: Result, path: Path) -> str:
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no place for numbers: put the lines {BEGIN!r} and {END!r} where they shall stand.")
    return f"{before}{BEGIN}\n{numbers(result)}\n{END}{after}"


def numbers(result: Result) -> str:
    """Scores (a row for each setting, a column for each measure), differences, and how they came about."""
    seeds = ", ".join(map(str, result.seeds))
    lines = [
        f"![{result.question}](plot.svg)\n",
        f"Mean [95 % interval over scenes]; seeds {seeds}.\n",
        *_scores(result.scores),
    ]
    if result.differences:
        lines += [
            "\n| difference | estimate [over scenes] | each seed | interval over seeds |\n|---|---|---|---|",
            *(_difference(own) for own in result.differences),
        ]
    lines += [
        f"\n{result.machine['processor']}, {result.machine['cores']} cores, {result.machine['workers']} workers: "
        f"{result.seconds['cells'] / 60:.0f} minutes of work in {result.cells['all']} cells.",
        f"promvil_hf {result.versions['promvil_hf']}, torch {result.versions['torch']}, transformers "
        f"{result.versions['transformers']}, peft {result.versions['peft']}; base `{result.base.name}` {result.base.key}.",
    ]
    return "\n".join(lines)


def _scores(scores: Iterable[Score]) -> list[str]:
    scores = list(scores)
    names = list(dict.fromkeys(name for own in scores for name in own.setting))
    measures = list(dict.fromkeys(own.measure for own in scores))
    cells: dict[tuple, dict[str, str]] = {}
    for own in scores:
        row = tuple(own.setting.get(name, "") for name in names)
        cells.setdefault(row, {})[own.measure] = _told(own)
    return [
        f"| {' | '.join([*names, *measures])} |",
        f"|{'---|' * (len(names) + len(measures))}",
        *(f"| {' | '.join([*row, *(told.get(name, '') for name in measures)])} |" for row, told in cells.items()),
    ]


def _difference(own: Difference) -> str:
    each = ", ".join(number(value) for value in own.by_seed.values())
    return f"| {own.what} | {_told(own)} | {each} | {interval(*map(_plain, own.over_seeds))} |"


def _told(own: Score | Difference) -> str:
    return f"{number(own.estimate)} {interval(_plain(own.low), _plain(own.high))}"


def _plain(value: float | None) -> float:
    return float("nan") if value is None else value


# Checks


def check(study: Study, folder: Path) -> list[str]:
    """What is wrong with a study's folder, in words; nothing for a good one."""
    readme, path, drawn = folder / "README.md", folder / "result.json", folder / "plot.svg"
    if not readme.is_file():
        return [f"{study.name}: there is no README.md"]
    text = readme.read_text(encoding="utf-8")
    found = [f"README.md has no section {name!r}" for name in SECTIONS if f"\n## {name}\n" not in text]
    if f"python -m studies {study.name}" not in text:
        found.append(f"README.md does not name the command python -m studies {study.name}")
    if study.question not in " ".join(text.split()):
        found.append("README.md asks another question than study.py")
    if not path.is_file():
        return [f"{study.name}: {fault}" for fault in [*found, "there is no result.json: run the study"]]
    try:
        result = read(path)
    except ValueError as error:
        return [f"{study.name}: {fault}" for fault in [*found, str(error)]]
    found += faults(result)
    if result.study != study.name or result.question != study.question:
        found.append("result.json answers another question than study.py asks")
    if TO_WRITE in text:
        found.append("README.md has no conclusion yet")
    if with_numbers(text, result, readme) != text:
        found.append(f"the numbers in README.md are not those of result.json: run python -m studies write {study.name}")
    found += [f"README.md says {own}, which is no number of result.json" for own in stray(text, result)]
    if not drawn.is_file() or drawn.read_text(encoding="utf-8") != plot(study, result):
        found.append(f"plot.svg does not show result.json: run python -m studies write {study.name}")
    return [f"{study.name}: {fault}" for fault in found]


def stray(text: str, result: Result) -> list[str]:
    """Numbers with decimals in the words of a README that no number of the result rounds to."""
    before, _, rest = text.partition(BEGIN)
    words = re.sub(r"```.*?```|`[^`]*`", "", before + rest.partition(END)[2], flags=re.DOTALL)
    known = set(_all_numbers(msgspec.to_builtins([result.scores, result.differences, result.settings, result.seconds])))
    said = re.findall(r"(?<![\w.])(\d+\.\d+)(?![\w.]*\d)", words)
    return [own for own in said if not any(f"{abs(one):.{len(own.partition('.')[2])}f}" == own for one in known)]


def _all_numbers(value: Any) -> Iterable[float]:
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield float(value)
    elif isinstance(value, dict):
        for own in value.values():
            yield from _all_numbers(own)
    elif isinstance(value, list | tuple):
        for own in value:
            yield from _all_numbers(own)
