# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Run a study, or all of them, and write its result.json, plot.svg and the numbers of its README.

    python -m studies flat_vs_chain            # about 20 minutes on two cores; what was done before is used again
    python -m studies all --workers 2
    python -m studies flat_vs_chain --quick    # a minute: that everything runs; written to runs/studies/quick
    python -m studies check                    # do README, plot and result of each study agree, and are they complete?
    python -m studies write flat_vs_chain      # README and plot once more from result.json, nothing is run
    python -m studies keep second_family       # the finished cells of a study that is not run to its end, for git

Interrupted, the same command goes on: finished cells lie in the --store, under the hash of all that decides them.
"""

import argparse
import os
import platform
import shlex
import sys
import time
from importlib import import_module
from pathlib import Path

from studies.cells import Given, everything, run, versions
from studies.claims import statements_faults, write_statements
from studies.kept_cells import FOLDER as CELLS
from studies.kept_cells import keep, restore
from studies.overview import conducts, corrected, overview_faults, write_overview
from studies.pages import BEGIN, END, FOLDER, check, filled, is_not_run, not_run, plot, publish, with_numbers
from studies.results import HOW, Base, Result, read
from studies.terms import Study, Terms


ON_FILES = ("check", "write", "keep")  # what is done with studies that were run
SHOWN_VERSIONS = ("promvil_hf", "python", "torch", "transformers", "peft", "accelerate", "numpy", "scipy")


def names() -> list[str]:
    """The studies there are: the folders with a study.py."""
    return sorted(path.parent.name for path in FOLDER.glob("*/study.py"))


def study(name: str) -> Study:
    return import_module(f"studies.{name}.study").STUDY


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded: each worker is one thread
    try:
        _check_names(options)
        if options.what == "check":
            return _tell_faults(options.names or names())
        if options.what == "write":
            return _write_again(options.names or names())
        if options.what == "keep":
            return _keep(options)
        for name in names() if options.what == "all" else [options.what]:
            do(study(name), options, "python -m studies " + shlex.join([name, *arguments[1:]]))
    except (ValueError, OSError) as problem:
        print("\n".join([str(problem), *getattr(problem, "__notes__", [])]), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted. Cells done are kept: the same command goes on after them.", file=sys.stderr)
        return 130
    return 0


def do(study: Study, options: argparse.Namespace, command: str) -> Result:
    """Run what is missing of a study and publish it."""
    started = time.perf_counter()
    terms = terms_of(study, options)
    cells = study.plan(terms)
    print(f"{study.name}: {study.question}", file=sys.stderr)
    if not options.restart:
        restore(cells, options.store, FOLDER / study.name / CELLS)
    before = everything(cells.values(), options.store).keys()
    done = run(cells.values(), options.store, workers=options.workers, restart=options.restart)
    findings = study.read(terms, {name: done[cell.key]["result"] for name, cell in cells.items()})
    work = everything(cells.values(), options.store)
    result = Result(
        study=study.name,
        question=study.question,
        command=command,
        base=Base(study.base, terms.base.key),
        seeds=list(terms.seeds),
        settings=dict(findings.settings),
        interval=HOW,
        scores=list(findings.scores),
        differences=list(findings.differences),
        versions=versions(*SHOWN_VERSIONS),
        machine={
            "platform": platform.platform(),
            "processor": _processor(),
            "cores": str(os.cpu_count()),
            "workers": str(options.workers),
            "threads_of_a_worker": "1",
        },
        seconds={
            "cells": round(sum(left["seconds"] for left in work.values()), 1),
            "cells_cpu": round(sum(left["cpu_seconds"] for left in work.values()), 1),
            "this_run": round(time.perf_counter() - started, 1),
        },
        cells={"all": len(work), "used_again": 0 if options.restart else len(before & work.keys())},
        conduct=findings.conduct,
    )
    folder = options.out / study.name if options.out else FOLDER / study.name
    if options.quick and not options.out:
        folder = options.store / "quick" / study.name
    publish(study, result, folder)
    print(f"Written: {folder}/result.json, plot.svg, README.md ({result.seconds['this_run']:.0f} s)\n", file=sys.stderr)
    return result


def terms_of(study: Study, options: argparse.Namespace) -> Terms:
    """The terms of a run, from its options."""
    return Terms(Given(_base(study, options.base)), tuple(options.seeds or study.seeds), options.quick)


def _base(study: Study, given: Path | None) -> Path:
    if given is not None:
        return given
    from promvil_hf.backends.checkpoint_names import located
    from promvil_hf.toy.bases import folder

    return Path(located(study.base)) if ":" in study.base else folder(study.base)


def _check_names(options: argparse.Namespace) -> None:
    asked = options.names if options.what in ON_FILES else [options.what]
    if options.names and options.what not in ON_FILES:
        raise ValueError(f"You passed {' '.join([options.what, *options.names])}: name one study, or say all.")
    for name in asked:
        if name != "all" and name not in names():
            raise ValueError(f"You asked for the study {name!r}: there are {', '.join(names())}.")
    if options.seeds and len(set(options.seeds)) < len(options.seeds):
        raise ValueError(f"You passed the seeds {options.seeds}: each of them once.")


def _tell_faults(asked: list[str]) -> int:
    studies = {name: study(name) for name in names()}
    p = corrected(conducts(studies, FOLDER), studies)
    found = [fault for name in asked for fault in check(studies[name], FOLDER / name, p.get(name))]
    found += overview_faults(studies, FOLDER) + statements_faults(FOLDER)
    if found:
        print("\n".join(found))
        return 1
    waiting = [name for name in asked if is_not_run(studies[name], FOLDER / name)]
    print(f"{len(asked) - len(waiting)} studies are complete, and README, plot and result agree.")
    if waiting:
        print(f"Not run to the end, as their READMEs say: {', '.join(waiting)}.")
    return 0


def _write_again(asked: list[str]) -> int:
    for name in asked:
        folder = FOLDER / name
        readme = folder / "README.md"
        if not (folder / "result.json").is_file():
            inside = not_run(study(name), folder)
            readme.write_text(filled(readme, BEGIN, END, inside), encoding="utf-8")
            continue
        result = read(folder / "result.json")
        readme.write_text(with_numbers(readme.read_text(encoding="utf-8"), result, readme), encoding="utf-8")
        (folder / "plot.svg").write_text(plot(study(name), result), encoding="utf-8")
    write_overview({name: study(name) for name in names()}, FOLDER)
    write_statements(FOLDER)
    return 0


def _keep(options: argparse.Namespace) -> int:
    for name in options.names:
        chosen, folder = study(name), FOLDER / name / CELLS
        files = keep(chosen.plan(terms_of(chosen, options)), options.store, folder)
        print(f"{len(files)} cells of {name} are kept in {folder}.", file=sys.stderr)
    return _write_again(options.names)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m studies",
        description=__doc__,
        epilog="Studies: " + ", ".join(names()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", metavar="WHAT", help="a study, all, check, write or keep")
    parser.add_argument("names", nargs="*", metavar="STUDY", help="for check, write and keep: which (default: each)")
    parser.add_argument("--base", type=Path, help="checkpoint folder to start from (default: the package's toy base)")
    parser.add_argument("--workers", type=int, default=2, help="processes, one thread each (default: %(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", help="default: as many as the protocol asks for, from 0 on")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything runs")
    parser.add_argument("--restart", action="store_true", help="do every cell again")
    store = "folder of finished cells (default: %(default)s)"
    parser.add_argument("--store", type=Path, default=Path("runs/studies"), help=store)
    parser.add_argument("--out", type=Path, help="where to write DIR/STUDY (default: studies/STUDY)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
