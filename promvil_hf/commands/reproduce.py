# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil reproduce`, over `promvil_hf.reproducing`."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from promvil_hf.commands import options
from promvil_hf.fetching.catalog import chosen
from promvil_hf.fetching.fetch import room_needed
from promvil_hf.fetching.fetch import steps as files_of
from promvil_hf.fetching.sources import size_text
from promvil_hf.reproducing.catalog import EXPERIMENTS, experiment
from promvil_hf.reproducing.estimates import GPUS, estimate, hours_text
from promvil_hf.reproducing.experiments import FULL, SMALL, Experiment, Step
from promvil_hf.reproducing.running import check_form, is_done, missing_sources, reproduce


OUT = {FULL: Path("runs/reproduce"), SMALL: Path("runs/reproduce-small")}  # apart, or steps of one would be refused by the other

HELP = """
Run the commands that lead to a table or claim of the papers, each one only once.

    promvil reproduce --list
    promvil reproduce promvil-compovl --size small --out runs/small     two cores, minutes, drawn data in the real ones' forms
    promvil reproduce promvil-compovl --dry-run                         the commands, what they need, what the paper has
    promvil fetch promvil --out data
    promvil reproduce promvil-compovl --fetched data --out runs/promvil

After a stop the same command continues where it was. Experiments in one --out share their steps. Nothing is uploaded;
`promvil publish` does that. The small form shows that every step runs; its numbers say nothing about the papers. The
default of --out is runs/reproduce, and runs/reproduce-small for the small form. More in docs/reproduce.md.
"""


def add_arguments(parser):
    parser.add_argument("name", nargs="?", metavar="TABLE", help=", ".join(EXPERIMENTS))
    options.add(parser, "--list", "--dry-run")
    sizes = "full: the real data and models; small: drawn data and toy models, on two cores"
    parser.add_argument("--size", choices=(FULL, SMALL), default=FULL, help=sizes)
    where = "where `promvil fetch` put the data (default: data; OUT/data if small)"
    parser.add_argument("--fetched", type=Path, metavar="DIR", help=where)
    options.add(parser, "--out")
    have = "do not check that `promvil fetch` finished: you put the data there by hand"
    parser.add_argument("--have-data", action="store_true", help=have)


def run(args):
    if args.list or args.name is None:
        return _list()
    chosen_one = experiment(args.name)
    check_form(chosen_one, args.size)
    out = args.out or OUT[args.size]
    data = args.fetched or (out / "data" if args.size == SMALL else Path("data"))
    if args.dry_run:
        print("\n".join(plan(chosen_one, args.size, out, data)))
        return
    result = reproduce(chosen_one, args.size, out, data, run_command, partial(print, flush=True), args.have_data)
    print(f"\n{chosen_one.what}: {result}")
    print(f"The paper has: {chosen_one.published}.")
    if args.size == SMALL:
        print("This was the small form, on drawn scenes and a toy model: its numbers say nothing about the paper's.")
    print(f"What differs here: {chosen_one.differs}")


def run_command(words: Sequence[str]) -> int | None:
    """`promvil WORDS` in this process."""
    from promvil_hf.commands.parsers import command_parser

    args = command_parser().parse_args(list(words))
    return args.run(args)


def plan(chosen_one: Experiment, size: str, out: Path, data: Path) -> list[str]:
    """The experiment in words: commands, needs, what is published."""
    lines = [
        f"{chosen_one.paper}: {chosen_one.what}",
        f"The paper has: {chosen_one.published}.",
        f"What differs here: {chosen_one.differs}",
    ]
    if size == SMALL:
        lines += [
            "\ndata: scenes are drawn and written in the real ones' forms",
            f"    python -m promvil_hf.toy.real_forms --out {data}",
        ]
    else:
        sources = chosen(chosen_one.sources)
        missing = missing_sources(chosen_one, data)
        needed = room_needed([step for step in files_of(sources, data) if not step.is_done()], False)
        state = f"missing: {', '.join(missing)}" if missing else "all here"
        lines += [
            f"\ndata: {size_text(sum(source.size for source in sources))} to download in all, {size_text(needed)} of disk for "
            f"what is missing, as far as sizes are known; {state}",
            f"    promvil fetch {' '.join(chosen_one.sources)} --out {data}",
        ]
    for step in chosen_one.steps:
        done = " (done)" if is_done(step, size, out, data) else ""
        lines += [f"{step.name}{done}: {step.why}{needs(step) if size == FULL else ''}", f"    {step.shown(size, out, data)}"]
    return [*lines, "", f"Result: {out / chosen_one.result}"]


def needs(step: Step) -> str:
    """What a step takes at full size, as far as it is counted."""
    parts = []
    if step.work:
        found = [(gpu, estimate(step.work, gpu)) for gpu in GPUS]
        parts.append("estimated " + ", ".join(f"{cost.on(gpu)} on {gpu.name}" for gpu, cost in found))
        parts.append(f"{found[0][1].memory / 1e9:.0f} GB of GPU memory")
    if step.minutes:
        parts.append(f"{hours_text(step.minutes / 60)} of one CPU core")
    if step.disk:
        parts.append(f"{size_text(step.disk)} of disk")
    return f"; {', '.join(parts)}" if parts else ""


def _list():
    for name, entry in EXPERIMENTS.items():
        print(f"{name:<20}{entry.paper}: {entry.what}\n{'':<20}the paper: {entry.published}")
