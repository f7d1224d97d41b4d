# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`python -m promvil_hf.commands.reproduce_page > docs/reproduce.md` writes the page from an empty disk to the papers' tables."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from promvil_hf.commands.reproduce import needs
from promvil_hf.fetching.catalog import chosen
from promvil_hf.fetching.fetch import room_needed
from promvil_hf.fetching.fetch import steps as files_of
from promvil_hf.fetching.sources import size_text
from promvil_hf.json_documents import json_document
from promvil_hf.reproducing.catalog import EXPERIMENTS, WITHOUT_SMALL
from promvil_hf.reproducing.estimates import GPUS, MOVED, REACHED, estimate, hours_text
from promvil_hf.reproducing.experiments import FULL, Experiment


OUT, DATA = Path("runs/NAME"), Path("data")
REHEARSAL = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "rehearsal.json"  # in a clone
START = f"""# From an empty disk to the papers' tables

<!-- `python -m promvil_hf.commands.reproduce_page > docs/reproduce.md` writes this page from its tables: do not edit it. -->

Nobody has run these tables at full size with this package: its authors had neither the data nor the weights nor a GPU of
that size. This page has the exact commands and the papers' numbers, so that you can compare a row that you measure. What the
commands need is calculated, not measured. Every small form was run, from an empty folder to its report.
The [appendix](#appendix-a-rehearsal) says what was run at full size with random weights.

## First, in minutes

    pip install .                                        in a clone, after the torch that you want
    promvil reproduce promvil-compovl --size small --out runs/small
    promvil reproduce fivl-pope --size small --out runs/small

They need two cores and no download, and take under five minutes each, about one minute of which is CPU time. Scenes are drawn and
written in the forms and folders of the real data. The commands are those of the full size, with toy models and small limits. Open
`runs/small/compovl-compared/report.html` and `runs/small/reliance-pope/reliance.html`. **These numbers say nothing about
the papers**: the toy training is too short to help.

## Then, at full size

    promvil reproduce promvil-kosmos2 --dry-run          what it is, what it needs, the commands
    promvil fetch refcoco refcoco+ refcocog coco-train2014 --out data
    promvil reproduce promvil-kosmos2 --fetched data --out runs/promvil

Begin with this one: it trains nothing, and its eight numbers are known from Kosmos-2's own README. If they lie in
the intervals of your eight reports, model, pictures, boxes and scoring are as they should be.

## Questions

**Where do I get the data?** `promvil fetch NAME --out data`, by the names in each table below. [sources.md](sources.md) has
every address with its licence. We could not try the addresses; each says where it was read. Weights are
downloaded from the Hub when a command first names the model. They are not in the sizes below: Kosmos-2 has 6.7 GB and
LLaVA-1.5-7B 14 GB, by their numbers of parameters.

**How large is it?** See the second column of the table below. `promvil fetch ... --dry-run` says what is missing and
looks at the disk. A download does not start if its published size does not fit on the disk.

**How long does it take?** The hours below. They are estimates (`promvil_hf/reproducing/estimates.py`): we calculate the
work from the model's shape and assume that the GPU reaches {REACHED:.0%} of its data-sheet speed and {MOVED:.0%} of its
memory speed. Kosmos-2 is trained in float32, as its authors' code does, where an A100 is slower than an RTX 4090. The true
time may be half or twice as long, and more where few CPU cores open the pictures. For several GPUs, run the training step
yourself with `torchrun` or `accelerate launch`, then give `promvil reproduce` again: it uses the result that it finds.

**What if it stops?** Give the same command again. A download continues in the middle of a file. A build, or the answers of a
model, continue after the last finished shard, and a training after its last whole checkpoint. Finished steps
(`OUT/steps/*.json`) are not done again. The result is the same wherever it was stopped, even by `kill -9` (`make kills` in a
clone).

**What if a step fails?** Its message says what to mend. `--dry-run` prints its command, which you can run by hand. To repeat a
step, delete its output or its file in `OUT/steps`. For other settings take another `--out`: one folder holds one setting.

**Can I compare my number with the paper's?** In general no. Only the numbers of promvil-kosmos2 can be compared directly, with
Kosmos-2's own README. Each table says what the paper has, from where, and what differs here. Most of the papers' tables
could not be read; where no number is known, none is given. Before you compare numbers, check that the rows, the split
and the rules in your report are the same. The papers' numbers are always labelled.

**May I publish it?** Read the licences of the data and models that you used. `promvil publish --dry-run` shows the
files and the card of a data set, an adapter, an atlas or a report. Nothing is uploaded without `promvil publish`.

## Traps

- Visual Genome 1.2 and 1.4 differ in objects and ids: `--release 1.2` refuses a mixture of both.
- POPE was edited after LLaVA-1.5 was scored on it: `promvil fetch pope` takes the older commit.
- RefCOCO's server is gone. The copy of the Internet Archive is tried first, and its checksum is known.
  `refs(google).p` is another partition and is left out.
- Half of Visual Genome's pictures are COCO's, and some are in RefCOCO's test sets: the build leaves them out by
  `--exclude-coco`.
- VSR's pictures are in COCO's train2017 and val2017; boxes are taken from the instances of train2017, and statements about
  the others are counted as rejected.
- The mixture names pictures of Visual Genome and of COCO: `--images data` finds both.
- Kosmos-2 trains in float32 in the paper. On an A100 that is slow. `--bf16 true` takes half the time, but is not
  the paper's setting.
- GQA's choices, which validity needs, are published for train and val, not for testdev.
"""

ABOUT_REHEARSAL = """`python -m benchmarks.rehearsal --out runs/rehearsal` runs the whole way in a clone, with everything real but
the weights and the data: the published sizes, configurations, archives, commands and libraries, and a Hub and a mirror on
the same machine. Weights are random and data is made up, so no score of it means anything, and none is shown. Kosmos-2 has
its published size; LLaVA its published widths and one layer. With `--data` Kosmos-2 has its published processor, otherwise one
made in code. `--size small` takes minutes.
"""


def page(rehearsal: Path = REHEARSAL) -> str:
    """The page, the same on every machine."""
    sections = [line for experiment in EXPERIMENTS.values() for line in _experiment(experiment)]
    return "\n".join([START, *_overview(), *sections, *_appendix(rehearsal)])


def _overview() -> Iterator[str]:
    yield "## The experiments: sizes and estimated hours\n"
    names = " | ".join(gpu.name for gpu in GPUS)
    yield f"| name | to download; disk at most | GPU memory | {names} |\n| --- | --- | --- | {'--- | ' * len(GPUS)}"
    for experiment in EXPERIMENTS.values():
        works = [step.work for step in experiment.steps if step.work]
        memory = max(estimate(work, GPUS[0]).memory for work in works)
        hours = [
            hours_text(sum(estimate(work, gpu).hours for work in works)) if memory < 0.92 * gpu.memory else "does not fit"
            for gpu in GPUS
        ]
        yield f"| [`{experiment.name}`](#{experiment.name}) | {_room(experiment)} | {memory / 1e9:.0f} GB | {' | '.join(hours)} |"
    yield "\n“Disk at most” counts an archive and its unpacked files together. Sizes that nobody publishes are not in it.\n"


def _room(experiment: Experiment) -> str:
    sources = chosen(experiment.sources)
    files = files_of(sources, Path("/nonexistent"))
    most = room_needed(files, False) + sum(step.disk for step in experiment.steps)
    return f"{size_text(sum(source.size for source in sources))}; {size_text(most)}"


def _experiment(experiment: Experiment) -> Iterator[str]:
    yield f"## {experiment.name}\n"
    yield f"- **Table of the paper**: {experiment.paper}, {experiment.what}."
    yield f"- **The paper has**: {experiment.published}."
    yield f"- **What differs here**: {experiment.differs}\n"
    if experiment.name in WITHOUT_SMALL:
        yield "It has no small form.\n"
    yield "To get the data and run it:\n"
    yield f"    promvil fetch {' '.join(experiment.sources)} --out data"
    yield f"    promvil reproduce {experiment.name} --fetched data --out {OUT}\n"
    yield "Its steps:\n"
    for step in experiment.steps:
        known = f" Basis: {step.work.known}." if step.work and step.work.known else ""
        measured = f" (`{step.measured}`)" if step.measured else ""
        yield f"- **{step.name}**: {step.why}{needs(step)}{measured}.{known}\n\n      {step.shown(FULL, OUT, DATA)}\n"
    yield f"The answer is `{OUT / experiment.result}`.\n"


def _appendix(rehearsal: Path) -> Iterator[str]:
    """What the dress rehearsal measured."""
    yield f"## Appendix: a rehearsal\n\n{ABOUT_REHEARSAL}"
    if not rehearsal.is_file():
        yield "Not yet run.\n"
        return
    found = json_document(rehearsal).fields
    machine, settings = found["machine"], found["settings"]
    yield (
        f"Run on {found['date']} with {settings['images']:,} images; the processor of Kosmos-2 was {settings['processor']}: "
        f"{machine['cores']} CPU cores, {machine['memory_gib']} GiB of memory, torch {machine['torch']}, one thread a process, "
        "beside other work on the same machine. Compare CPU seconds, not seconds.\n"
    )
    yield f"| step | what | seconds | CPU seconds | peak memory | without mapped files |\n|{' --- |' * 6}"
    for cell in found["cells"]:
        sizes = f"{size_text(cell['peak_bytes'])} | {size_text(cell['own_bytes'])}"
        yield f"| {cell['name']} | {cell['why']} | {cell['seconds']:,.0f} | {cell['cpu_seconds']:,.0f} | {sizes} |"
    yield from _memory_growth(found["cells"])
    if found["undone"]:
        yield f"\nNot reached in this run: {', '.join(found['undone'])}."
    names = {**settings, "out": "runs/rehearsal", "data": "runs/rehearsal/data", "mirror": "URL", "layers": "", "processor": ""}
    yield "\nThe commands:\n\n" + "\n".join(f"    {cell['command'].format_map(names).rstrip()}" for cell in found["cells"]) + "\n"


def _memory_growth(cells: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Of the build: a quarter of the images against all."""
    grown = {cell["name"]: cell["own_bytes"] for cell in cells}
    if {"build", "build, a quarter"} <= grown.keys():
        times = grown["build"] / grown["build, a quarter"]
        yield f"\nFour times as many images take {times:.2f} times the memory in the build, mapped files left out."


if __name__ == "__main__":
    print(page(), end="")
