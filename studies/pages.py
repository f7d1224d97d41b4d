# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The numbers of a README, made from result.json, and the check that README, plot and result say the same."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from promvil_hf.pages.blocks import interval, number
from promvil_hf.pages.chart_file import chart_file
from studies.kept_cells import FOLDER as CELLS
from studies.kept_cells import kept
from studies.protocol import EQUAL, Conduct, verdict
from studies.protocol import faults as faults_of
from studies.results import Difference, Result, Score, faults, read, write
from studies.terms import Study


FOLDER = Path(__file__).parent
BEGIN, END = "<!-- numbers: written by the study -->", "<!-- end of numbers -->"
BEFORE = "\nMade before [the protocol](../protocol.md): exploratory, and its differences are not corrected for being many."
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
    return filled(path, BEGIN, END, numbers(result), text)


def filled(path: Path, begin: str, end: str, inside: str, text: str | None = None) -> str:
    """The text of a page with something else between its two marks."""
    before, opened, rest = (path.read_text(encoding="utf-8") if text is None else text).partition(begin)
    _, closed, after = rest.partition(end)
    if not opened or not closed:
        raise ValueError(f"{path} has no place for numbers: put the lines {begin!r} and {end!r} where they shall stand.")
    return f"{before}{begin}\n{inside}\n{end}{after}"


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
            *(_difference(difference) for difference in result.differences),
        ]
    lines += [BEFORE] if result.conduct is None else _conduct(result.conduct)
    lines += [
        f"\n{result.machine['processor']}, {result.machine['cores']} cores, {result.machine['workers']} workers: "
        f"{result.seconds['cells'] / 60:.0f} minutes of work in {result.cells['all']} cells.",
        f"promvil_hf {result.versions['promvil_hf']}, torch {result.versions['torch']}, transformers "
        f"{result.versions['transformers']}, peft {result.versions['peft']}; base `{result.base.name}` {result.base.key}.",
    ]
    return "\n".join(lines)


def not_run(study: Study, folder: Path) -> str:
    """What stands instead of the numbers of a study that is not run to its end yet."""
    cells = kept(folder / CELLS)
    lines = [f"**Not run to its end yet.** `python -m studies {study.name}` does what is missing; {len(cells)} cells are done."]
    return "\n".join(lines + (["", *study.so_far(cells)] if cells and study.so_far else []))


def is_not_run(study: Study, folder: Path) -> bool:
    """Whether a study under the protocol has no result, as its README says."""
    readme = (folder / "README.md").read_text(encoding="utf-8")
    inside = readme.partition(BEGIN)[2].partition(END)[0].strip()
    return study.design is not None and not (folder / "result.json").is_file() and inside == not_run(study, folder)


def _scores(scores: Iterable[Score]) -> list[str]:
    scores = list(scores)
    names = list(dict.fromkeys(name for score in scores for name in score.setting))
    measures = list(dict.fromkeys(score.measure for score in scores))
    cells: dict[tuple, dict[str, str]] = {}
    for score in scores:
        row = tuple(score.setting.get(name, "") for name in names)
        cells.setdefault(row, {})[score.measure] = _with_interval(score)
    return [
        f"| {' | '.join([*names, *measures])} |",
        f"|{'---|' * (len(names) + len(measures))}",
        *(f"| {' | '.join([*row, *(row_cells.get(name, '') for name in measures)])} |" for row, row_cells in cells.items()),
    ]


def _difference(difference: Difference) -> str:
    each = ", ".join(number(value) for value in difference.by_seed.values())
    return f"| {difference.what} | {_with_interval(difference)} | {each} | {interval(*map(_plain, difference.over_seeds))} |"


def _conduct(done: Conduct) -> list[str]:
    """What each arm did, and the primary outcome."""
    found = done.outcome
    return [
        "\n| arm | updates | FLOPs | texts | settings tried | updates to the threshold, each seed |\n|---|---|---|---|---|---|",
        *(
            f"| {name} | {arm.updates:,} | {arm.flops:.4g} | {arm.texts:,} | {arm.trials} | "
            f"{', '.join('not reached' if updates is None else f'{updates:,}' for updates in arm.onset.values())} |"
            for name, arm in done.arms.items()
        ),
        f"\nPrimary outcome: {number(found.estimate)} {interval(found.low, found.high)}, scenes and seeds crossed. Its corrected "
        f"p and the verdict stand in [the overview](../README.md). Protocol {done.version}, `{done.hash}`.",
    ]


def _with_interval(measured: Score | Difference) -> str:
    return f"{number(measured.estimate)} {interval(_plain(measured.low), _plain(measured.high))}"


def _plain(value: float | None) -> float:
    return float("nan") if value is None else value


# Checks


def check(study: Study, folder: Path, corrected: float | None = None) -> list[str]:
    """What is wrong with a study's folder, in words; nothing for a good one. `corrected` is the p of its primary outcome."""
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
        missing = [] if is_not_run(study, folder) else ["there is no result.json: run the study"]
        return [f"{study.name}: {fault}" for fault in [*found, *missing]]
    try:
        result = read(path)
    except ValueError as error:
        return [f"{study.name}: {fault}" for fault in [*found, str(error)]]
    found += faults(result)
    found += _faults_of_conduct(study, result, text, corrected)
    if result.study != study.name or result.question != study.question:
        found.append("result.json answers another question than study.py asks")
    if TO_WRITE in text:
        found.append("README.md has no conclusion yet")
    if with_numbers(text, result, readme) != text:
        found.append(f"the numbers in README.md are not those of result.json: run python -m studies write {study.name}")
    found += [f"README.md says {stray_number}, which is no number of result.json" for stray_number in stray(text, result)]
    if not drawn.is_file() or drawn.read_text(encoding="utf-8") != plot(study, result):
        found.append(f"plot.svg does not show result.json: run python -m studies write {study.name}")
    return [f"{study.name}: {fault}" for fault in found]


def _faults_of_conduct(study: Study, result: Result, text: str, corrected: float | None) -> list[str]:
    """Promises that were not kept, and words that say more than the primary outcome does."""
    if study.design is None or result.conduct is None:
        return [] if result.conduct is None else ["it has a conduct, but study.py promises nothing"]
    found = faults_of(study.design, result.conduct, result.seeds)
    said = words_of(text)
    for p in re.findall(r"\bp\s*[=<≤]\s*(\d*\.\d+)", said):
        if corrected is None or f"{corrected:.{len(p.partition('.')[2])}f}" != p:
            known = "not known" if corrected is None else f"{corrected:.2g}"
            found.append(f"README.md says p = {p}: the corrected one is {known}")
    if re.search(r"no difference|do(es)? not differ|equally (good|well)", said):
        if corrected is None or verdict(result.conduct.outcome, corrected) != EQUAL:
            found.append("README.md speaks of no difference, which the test of equivalence does not bear out")
    return found


def words_of(text: str) -> str:
    """The words of a README: without its numbers' block, its code, and what stands in backticks."""
    before, _, rest = text.partition(BEGIN)
    return re.sub(r"```.*?```|`[^`]*`", "", before + rest.partition(END)[2], flags=re.DOTALL)


def stray(text: str, result: Result) -> list[str]:
    """Numbers in the words of a README that no number of the result rounds to; whole ones below ten are not looked at."""
    arms = {} if result.conduct is None else result.conduct.arms
    parts = [result.scores, result.differences, result.settings, result.seconds, result.seeds, arms]
    known = {abs(value) for value in _all_numbers(msgspec.to_builtins(parts))}
    known |= {95.0, 0.5}  # of intervals, and of what counts as a hit
    found = []
    for written, percent in re.findall(r"(?<![\w.\-])(\d+(?:,\d{3})*(?:\.\d+)?)( ?%)?(?![\w.]*\d)", words_of(text)):
        plain = written.replace(",", "")
        digits = len(plain.partition(".")[2])
        scale = 100 if percent else 1
        skipped = not percent and not digits and float(plain) < 10
        if not skipped and not any(f"{one * scale:.{digits}f}" == plain for one in known) and float(plain) not in known:
            found.append(written + percent)
    return found


def _all_numbers(value: Any) -> Iterable[float]:
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield float(value)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _all_numbers(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _all_numbers(part)
