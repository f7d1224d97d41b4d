# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil publish`: what was made here, to the Hub, with a card that says where it comes from."""

from collections.abc import Mapping
from pathlib import Path

from promvil_hf.commands import options
from promvil_hf.fetching.sources import size_text
from promvil_hf.hub_names import is_local
from promvil_hf.json_documents import json_document
from promvil_hf.publishing import commit, matching
from promvil_hf.shown_text import printable


HELP = """
Put what was made here on the Hub: a data set, an adapter, an atlas of heads or a report.

    promvil publish compovl compovl YOU/compovl --dry-run
    promvil publish fivl fivl YOU/fivl-instruct
    promvil publish adapter runs/kosmos2-lora YOU/kosmos2-promvil
    promvil publish atlas runs/atlas YOU/llava-heads
    promvil publish report runs/refcocog YOU/refcocog-kosmos2-promvil

--dry-run shows the card and every file with its size, and contacts no server. It refuses what is not finished, and what
depends on a folder of this machine. Pages of a report or an atlas show pictures of others, so they are uploaded with
--pages only.
"""
KINDS = ("compovl", "fivl", "adapter", "atlas", "report")
_OF_A_RUN = ("training_args.bin", "trainer_state.json", "optimizer.pt", "scheduler.pt", "sweep.json")  # not of the adapter


def add_arguments(parser):
    parser.add_argument("what", choices=KINDS, help="what you publish")
    parser.add_argument("folder", type=Path, help="folder where it was made: the --out of its command")
    parser.add_argument("to", metavar="REPO", help="repository on the Hub, OWNER/NAME")
    options.add(parser, "--private", "--dry-run")
    parser.add_argument("--pages", action="store_true", help="report or atlas: also its HTML page, with others' pictures")


def run(args):
    if not args.folder.is_dir():
        raise ValueError(f"There is no folder {args.folder}.")
    if args.to.count("/") != 1:
        raise ValueError(f"You passed the repository {args.to!r}: its name is OWNER/NAME.")
    kind, files = contents(args.what, args.folder, args.pages)
    if args.dry_run:
        print(f"{kind} {args.to}{' (private)' if args.private else ''}: {len(files)} files\n")
        for name, content in files.items():
            print(f"{size_text(len(content) if isinstance(content, bytes) else content.stat().st_size):>10}  {name}")
        card = files["README.md"]
        print("\n" + printable((card if isinstance(card, bytes) else card.read_bytes()).decode("utf-8", "replace")))
        return
    print(f"Published: {_push(args, kind, files)}")


def contents(what: str, folder: Path, pages: bool = False) -> tuple[str, dict[str, Path | bytes]]:
    """Kind of the repository, and what goes into it, by the names there. Raises for what cannot be published."""
    if what == "compovl":
        from promvil_hf.compovl.compovl_publish import pushed

        return "dataset", matching(folder, pushed(folder))
    if what == "fivl":
        from promvil_hf.fivl.fivl_publish import pushed

        return "dataset", matching(folder, pushed(folder))
    if what == "adapter":
        return "model", _adapter(folder)
    if what == "atlas":
        from promvil_hf.explain.atlas_card import atlas_card

        names = ("atlas.json", "explanations.jsonl")
        return "dataset", _with_card(folder, names, "atlas.html", pages, atlas_card, "promvil explain --rows")
    from promvil_hf.evaluation.report_card import report_card

    names = ("report.json", "predictions.jsonl")
    return "dataset", _with_card(folder, names, "report.html", pages, report_card, "promvil evaluate")


def _adapter(folder: Path) -> dict[str, Path]:
    """Top-level files of a finished training, without what only goes on with it."""
    needed = ("adapter_config.json", "adapter_model.safetensors", "README.md")
    if missing := [name for name in needed if not (folder / name).is_file()]:
        raise ValueError(f"{folder} is no finished adapter: it lacks {', '.join(missing)}. Run its training to the end.")
    base = json_document(folder / "adapter_config.json").text("base_model_name_or_path")
    if is_local(base):
        raise ValueError(
            f"{folder}/adapter_config.json names the base {base}, a folder of this machine: nobody else could load the adapter. "
            "Publish the base first, write its name on the Hub there and into README.md, and run this again."
        )
    files = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
    files |= {path.relative_to(folder).as_posix(): path for path in sorted(folder.glob(".eval_results/*.yaml"))}
    return {
        name: path for name, path in files.items() if name not in _OF_A_RUN and not Path(name).name.startswith(("_", ".lock"))
    }


def _with_card(folder: Path, names, page: str, pages: bool, card, made_by: str) -> Mapping[str, Path | bytes]:
    """The files of these names that are there, of which the first must be; their card is made of it."""
    if not (folder / names[0]).is_file():
        raise ValueError(f"{folder} has no {names[0]}: it is what `{made_by}` writes. Run it to the end.")
    text = card(folder / names[0])
    found = {name: folder / name for name in (*names, *((page,) if pages else ())) if (folder / name).is_file()}
    return {"README.md": text.encode(), **found}


def _push(args, kind: str, files: Mapping[str, Path | bytes]) -> str:
    if args.what == "compovl":
        from promvil_hf.compovl.compovl_publish import push

        return push(args.folder, args.to, private=args.private)
    if args.what == "fivl":
        from promvil_hf.fivl.fivl_publish import push

        return push(args.folder, args.to, private=args.private)
    return commit(args.to, kind, files, f"{args.what} made with promvil_hf", args.private)
