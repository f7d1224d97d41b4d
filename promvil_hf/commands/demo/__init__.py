# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil demo`. A module a chapter: world, promvil, fivl; page shows them."""

import hashlib
import time
from pathlib import Path

from promvil_hf.commands import options
from promvil_hf.folder_lock import held


HELP = """
Both methods on a drawn toy world, from data to evidence, and a page that shows what came out.

    promvil demo --out runs/demo

PromViL: CompoVL -> LoRA with a curriculum -> one-shot against progressive grounding. FiVL: rows with masks -> training with
and without vision modeling -> Visual Reliance Score -> head atlas. Every step is the code that serves Visual Genome and the
published checkpoints; only the world and the two base models are small. Nothing on the page is known beforehand: the
figures are those of this run. Called again, finished chapters are kept.
"""


def add_arguments(parser):
    add = parser.add_argument
    options.add(parser, "--out", default=Path("runs/demo"))
    options.add(parser, "--seed", "--restart")
    add("--quick", action="store_true", help="a few scenes and steps: shows the path, not the result")
    add("--kosmos2-base", type=Path, metavar="DIR", help="another toy Kosmos-2 to begin with than the shipped one")
    add("--llava-base", type=Path, metavar="DIR", help="likewise another toy LLaVA")


def run(args):
    import torch
    from transformers.utils import logging

    from promvil_hf.commands.demo.chapters import QUICK, Folder, Sizes, settings_of

    logging.disable_progress_bar()  # of loading a model that is loaded at once
    torch.set_num_threads(1)  # models this small gain little from a second thread, and lose much where cores are shared
    started = time.perf_counter()
    bases = {"kosmos2": _base("kosmos2", args.kosmos2_base), "llava": _base("llava", args.llava_base)}
    sizes = QUICK if args.quick else Sizes()
    digests = {name: _digest(folder) for name, folder in bases.items()}
    with held(args.out):
        folder = Folder(args.out, settings_of(sizes, args.seed, digests), args.restart)
        page = tell_story(folder, sizes, args.seed, bases)
    seconds = time.perf_counter() - started
    kept = [told.title for told in folder.told if not told.now]
    print(f"\nDone in {seconds:.0f} s. Written:")
    for path, about in (
        (page, "open this one in a browser"),
        (args.out / "compovl", "CompoVL as Parquet with its card"),
        (args.out / "promvil", "the LoRA adapter, a plain PEFT checkpoint"),
        (args.out / "fivl" / "train", "FiVL-Instruct as Parquet with its card"),
        (args.out / "joint", "the models trained with and without vision modeling"),
        (args.out / "reliance", "a reliance report and page for each model"),
        (args.out / "atlas", "a head atlas and page for each model"),
    ):
        print(f"  {path!s:<{len(str(args.out)) + 14}} {about}")
    if kept:
        print(f"\nKept from an earlier run: {', '.join(kept)}. Begin afresh with --restart.")
    print(
        "\nTry next, with real checkpoints (the first call downloads them):\n"
        '  promvil ground photo.jpg "the man next to the woman holding an umbrella" --html trace.html\n'
        "  promvil build compovl --vg VISUAL_GENOME_DIR --out compovl        (docs/real_data.md)\n"
        "  promvil recipe run kosmos2/lora --rows compovl --images VISUAL_GENOME_DIR\n"
        "  promvil build fivl --help                                         (docs/fivl_instruct.md)\n"
        "  promvil recipe run llava/lora --rows fivl --images IMAGES\n"
        "  promvil reliance --rows fivl --config gqa --images IMAGES --model llava-hf/llava-1.5-7b-hf --out runs/llava\n"
        '  promvil explain photo.jpg "What is the man holding?" --model llava-hf/llava-1.5-7b-hf'
    )


def tell_story(folder, sizes, seed: int, bases: dict[str, Path]) -> Path:
    """All chapters in order; gives the page."""
    from promvil_hf.commands.demo import fivl, promvil, world
    from promvil_hf.commands.demo.page import write_page

    counts = {
        "nested": sizes.nested_scenes, "nested_test": sizes.test_scenes, "talk": sizes.talk_scenes,
        "talk_test": sizes.test_scenes,
    }  # fmt: skip
    worlds = folder.chapter("Toy world", "world", world.Worlds, lambda out: world.draw_worlds(out, counts, seed))
    nested, talk, talk_test = (Path(worlds.folders[name]) for name in ("nested", "talk", "talk_test"))
    tests = world.scenes_of("nested_test", sizes.test_scenes, seed)
    kosmos2, llava = bases["kosmos2"], bases["llava"]

    chains = folder.place("compovl")
    compovl = folder.chapter(
        "CompoVL", "compovl", promvil.Compovl, lambda out: promvil.build_compovl(nested, out, tests)
    )
    tuned = folder.chapter(
        "LoRA with a curriculum", "promvil", promvil.Tuned,
        lambda out: promvil.train(kosmos2, chains, nested, out, sizes, seed),
    )  # fmt: skip
    grounded = folder.chapter(
        "One-shot and progressive", "ground", promvil.Grounded,
        lambda out: promvil.ground(kosmos2, Path(tuned.adapter), tests, out, sizes),
    )  # fmt: skip

    data = folder.place("fivl")
    rows = folder.chapter("FiVL rows", "fivl", fivl.Rows, lambda out: fivl.build_rows(talk, talk_test, out))
    scenes = world.scenes_of("talk", sizes.talk_scenes, seed)
    joint = folder.chapter(
        "Vision modeling", "joint", fivl.Jointly,
        lambda out: fivl.train(llava, data, worlds.folders, scenes, out, sizes, seed),
    )  # fmt: skip
    models = fivl.models_of(llava, joint)
    relied = folder.chapter(
        "Visual reliance", "reliance", fivl.Reliance,
        lambda out: fivl.measure_reliance(models, data, talk_test, out, sizes),
    )  # fmt: skip
    looked = folder.chapter(
        "Head atlas", "atlas", fivl.Looked, lambda out: fivl.look(models, data, talk_test, out, sizes, seed)
    )
    found = (worlds, compovl, tuned, grounded, rows, joint, relied, looked)
    return write_page(folder, sizes, seed, found)


def _base(name: str, given: Path | None) -> Path:
    from promvil_hf.toy.bases import folder

    if given is None:
        return folder(name)
    if not (given / "model.safetensors").is_file():
        raise ValueError(
            f"You passed {given} as the toy {name} base, and it holds no model.safetensors: name a checkpoint folder."
        )
    return given


def _digest(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()[:16]
