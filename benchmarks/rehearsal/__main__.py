# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The whole way from an empty disk to a report, at full size, with everything real but the weights.

    python -m benchmarks.rehearsal --out runs/rehearsal --data ../shared/data
    python -m benchmarks.rehearsal --out runs/rehearsal-small --size small

A Hub and a mirror of the data sets run on 127.0.0.1; nothing else is asked. Each cell is a command in its own process, done
once; the same command goes on after a stop. The table, with seconds and peak memory of each, goes to OUT/rehearsal.json and
from there to the appendix of docs/reproduce.md. --data names a folder with kosmos2/processor_hf_derived, Kosmos-2's own
processor; without it one is made in code. The numbers say nothing about the papers: weights are random, data is made up.
"""

import argparse
import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import date
from pathlib import Path

from benchmarks.rehearsal.cells import CELLS, FETCHED, Cell
from benchmarks.rehearsal.measuring import measured
from promvil_hf.environment import environment
from promvil_hf.files import write_json
from promvil_hf.folder_lock import held
from promvil_hf.kept_results import do_once, kept_result
from tests.hub.disk import Disk, mapped
from tests.hub.server import LoopbackHub
from tests.unit.file_server import FileServer, file_server


ROOT = Path(__file__).resolve().parents[2]
CUT = "/vg/region_graphs.json.zip"  # its first download breaks off in the middle
FULL_IMAGES = 108_077


def rehearse(out: Path, images: int, processor: Path | None, layers: int | None, limit: int) -> Iterator[dict]:
    """Do every cell that is not done yet; the table after each."""
    facts = environment(devices=False)
    machine = {"python": platform.python_version(), **facts["machine"]}
    machine |= {name: facts["packages"][name] for name in ("torch", "transformers", "datasets", "peft")}
    settings = {
        "images": images, "quarter": max(1, images // 4), "limit": limit,
        "layers": "" if layers is None else f"--layers={layers}",
        "processor": "" if processor is None else f"--processor={processor}",
    }  # fmt: skip
    shown = settings | {"processor": "published" if processor else "made in code"}
    rows = []
    with ExitStack() as stack:
        stack.enter_context(held(out))
        disk = Disk(out / "hub")
        hub, mirror = stack.enter_context(LoopbackHub(disk)), stack.enter_context(file_server())
        disk.load(hub)
        for cell in CELLS:
            if cell.name == f"fetch {FETCHED[0]}":
                _serve(mirror, out / "mirror")
            record = do_cell(cell, out, settings, hub, mirror)
            if cell.gives and ("models", cell.gives[0]) not in hub.repositories:
                disk.put_folder(hub, "models", cell.gives[0], out / cell.gives[1])
            disk.save(hub)
            if hub.unknown:
                raise RuntimeError(f"{cell.name} asked the Hub for what its loopback form does not know: {hub.unknown}")
            rows.append({"name": cell.name, "why": cell.why, "command": cell.words, **record})
            print(line(rows[-1]), flush=True)
            undone = [cell.name for cell in CELLS[len(rows) :]]
            yield {"date": date.today().isoformat(), "machine": machine, "settings": shown, "cells": rows, "undone": undone}


def do_cell(cell: Cell, out: Path, settings: dict, hub: LoopbackHub, mirror: FileServer) -> dict:
    """What a cell took: from its record, or measured now."""
    data = out / "data"
    argv = cell.argv(**settings, out=out, data=data, mirror=mirror.url)
    if cell.trains and any((out / cell.trains).glob("checkpoint-*/whole.json")):
        argv += ["--resume_from_checkpoint", "true"]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    env = os.environ | hub.environment(out / "hf_home") | threads | {"TOKENIZERS_PARALLELISM": "false"}
    file = cell.name.replace(" ", "-")
    log = out / "logs" / f"{file}.txt"
    plan, record = {"words": cell.words, "settings": settings}, out / "cells" / f"{file}.json"
    if kept_result(record, plan) is None:
        print(f"{cell.name}: {cell.why}", flush=True)
    given = {"{out}": str(out), "{hub}": hub.url, "{mirror}": mirror.url}
    return do_once(record, plan, lambda: measured(argv, env, ROOT, log) | {"said": last_line(log, given)})["result"]


def last_line(log: Path, given: Mapping[str, str]) -> str:
    """The last line of a log, with the name of a place of this machine instead of the place."""
    lines = [text for text in log.read_text(errors="replace").splitlines() if text.strip()]
    last = lines[-1].strip() if lines else ""
    for name, place in given.items():
        last = last.replace(place, name)
    return last[:300]


def _serve(mirror: FileServer, folder: Path) -> None:
    """All archives; one is cut at its first download."""
    for path in folder.rglob("*"):
        if path.is_file():
            mirror.files[f"/{path.relative_to(folder).as_posix()}".replace("+", "%2B")] = mapped(path)
    mirror.scripts[CUT] = [f"drop:{len(mirror.files[CUT]) // 2}"]


def line(row: dict) -> str:
    """A cell in the log."""
    return (
        f"{row['name']:<28}{row['seconds']:>9,.1f} s {row['cpu_seconds']:>9,.1f} s of CPU "
        f"{row['peak_bytes'] / 1e9:>7.2f} GB at most, {row['own_bytes'] / 1e9:.2f} GB without mapped files"
    )


def main(argv: list[str] | None = None) -> dict:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, required=True, help="folder of the rehearsal")
    options.add_argument("--data", type=Path, help="folder with kosmos2/processor_hf_derived")
    options.add_argument("--size", choices=("full", "small"), default="full", help="small: 200 images, two narrow layers")
    options.add_argument("--images", type=int, help=f"of Visual Genome (default: {FULL_IMAGES}, or 200 if small)")
    options.add_argument("--limit", type=int, default=2, help="rows that are evaluated (default: 2)")
    options.add_argument("--result", type=Path, help="also write the table here")
    args = options.parse_args(argv)
    small = args.size == "small"
    processor = args.data and (args.data / "kosmos2" / "processor_hf_derived").resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    images, layers = args.images or (200 if small else FULL_IMAGES), 2 if small else None
    table: dict = {}
    for table in rehearse(args.out.resolve(), images, processor, layers, args.limit):
        for path in filter(None, (args.out / "rehearsal.json", args.result)):
            write_json(path, table)
    print(json.dumps(table["machine"] | table["settings"]))
    return table


if __name__ == "__main__":
    main()
