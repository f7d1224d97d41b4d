# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil recipe`."""

import argparse
import re
import shutil
from importlib import import_module
from pathlib import Path

import promvil_hf
from promvil_hf.files import read_yaml


HELP = """
List, copy and run the training recipes that come with the package.

    promvil recipe list
    promvil recipe copy kosmos2/lora my-lora.yaml
    promvil recipe run kosmos2/lora --rows compovl --images visual_genome --dry-run    counts rows and steps, loads no model
    promvil recipe run kosmos2/smoke --max_steps 50
    accelerate launch --config_file ddp.yaml $(promvil recipe path train_kosmos2.py) --config my-lora.yaml

`run` takes the name of a recipe, or a file. Options after it replace those of the recipe. It starts one process; for
several GPUs launch the script itself.
"""


def add_arguments(parser):
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="name and first sentence of each recipe")
    copy = actions.add_parser("copy", help="write a recipe where you can change it")
    copy.add_argument("name")
    copy.add_argument("to", nargs="?", type=Path, help="file or folder (default: here, under its own name)")
    path = actions.add_parser("path", help="where a recipe or a script lies")
    path.add_argument("name")
    run = actions.add_parser("run", help="train by a recipe")
    run.add_argument("name")
    run.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="options of the script; they replace the recipe's")


def run(args):
    return {"list": _list, "copy": _copy, "path": _path, "run": _run}[args.action](args)


def folder() -> Path:
    """Where the recipes lie: inside an installed package, beside it in a checkout."""
    inside = Path(promvil_hf.__file__).parent / "recipes"
    return inside if inside.is_dir() else Path(promvil_hf.__file__).parents[1] / "recipes"


def names() -> list[str]:
    return sorted(path.relative_to(folder()).with_suffix("").as_posix() for path in folder().glob("*/*.yaml"))


def find(name: str) -> Path:
    """A file of this path, else the recipe of this name."""
    for path in (Path(name), folder() / name, folder() / f"{name}.yaml"):
        if path.is_file():
            return path
    raise ValueError(f"There is no recipe {name!r}: it is a file, or one of {', '.join(names())}.")


def script_of(path: Path) -> str:
    """The training script that the recipe names under `script`."""
    recipe = read_yaml(path)
    script = recipe.get("script") if isinstance(recipe, dict) else None
    scripts = sorted(path.stem for path in folder().glob("train_*.py"))
    if script not in scripts:
        raise ValueError(
            f"{path} does not say what runs it: give it a line `script: NAME`, where NAME is one of {', '.join(scripts)}."
        )
    return script


def about(path: Path) -> str:
    """The first sentence of a recipe's comment."""
    comment = re.match(r"(?:#.*\n)+", path.read_text(encoding="utf-8"))
    words = " ".join(line.lstrip("# ") for line in comment[0].splitlines()) if comment else ""
    return re.split(r"(?<=[.:])\s", words, maxsplit=1)[0].rstrip(":")


def _list(args):
    for name in names():
        print(f"{name:<26} {about(find(name))}")
    print("\n`promvil recipe copy NAME` writes one here to change, `promvil recipe run NAME` trains by it.")


def _copy(args):
    source = find(args.name)
    target = args.to or Path(source.name)
    target = target / source.name if target.is_dir() else target
    if target.exists():
        raise ValueError(f"You asked to write {target}, which is there already: name another file.")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    print(target)


def _path(args):
    print(find(args.name))


def _run(args):
    path = find(args.name)
    module = import_module(f"promvil_hf.commands.{script_of(path)}")
    module.train(["--config", str(path), *args.rest])
