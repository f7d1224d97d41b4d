# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil demo`. A module a chapter: world, promvil, fivl; page shows them."""

import hashlib
import shutil
import sys
import time
from functools import cache
from pathlib import Path

from promvil_hf.commands import options
from promvil_hf.folder_lock import held
from promvil_hf.toy import adapters


HELP = """
Both methods on a drawn toy world, and a page that shows what they change.

    promvil demo --out runs/demo                 about two minutes on two cores, with the adapters that come with the package
    promvil demo --train --out runs/demo_train   trains the adapters first: about ten minutes more

PromViL: CompoVL is built, and expressions are grounded level by level and at once. FiVL: rows with masks are built; then come
the words of patches, the Visual Reliance Score and the atlas of heads. The code is the same as for Visual Genome and the
published checkpoints; only the world and the models are small. Every figure on the page is measured in this run. Given again,
the command keeps finished chapters.
"""


def add_arguments(parser):
    add = parser.add_argument
    options.add(parser, "--out", default=Path("runs/demo"))
    options.add(parser, "--seed", "--restart")
    add("--train", action="store_true", help="train the adapters from nothing instead of using the shipped ones")
    add("--quick", action="store_true", help="a few scenes and steps: shows the path, not the result")
    add("--kosmos2-base", type=Path, metavar="DIR", help="with --train: start from this toy Kosmos-2, not the shipped one")
    add("--llava-base", type=Path, metavar="DIR", help="with --train: start from this toy LLaVA, not the shipped one")


def run(args):
    import torch
    from transformers.utils import logging

    from promvil_hf.commands.demo.chapters import QUICK, Folder, Sizes, settings_of

    logging.disable_progress_bar()  # of loading a model that is loaded at once
    torch.set_num_threads(1)  # models this small gain little from a second thread, and lose much where cores are shared
    started = time.perf_counter()
    given = {"kosmos2": args.kosmos2_base, "llava": args.llava_base}
    if any(given.values()) and not args.train:
        raise ValueError("You passed another base: the shipped adapters belong to the shipped bases. Add --train.")
    bases = {name: _base(name, folder) for name, folder in given.items()}
    sizes = QUICK if args.quick else Sizes()
    digests = {name: _digest(folder, "model") for name, folder in bases.items()}
    if not args.train:
        digests |= {name: _digest(adapters.folder(name), "adapter_model") for name in adapters.ADAPTERS}
    elif not args.quick:
        print("Training four adapters first: about 10 minutes on two cores.")
    with held(args.out):
        folder = Folder(args.out, settings_of(sizes, args.seed, args.train, digests), args.restart)
        page = run_chapters(folder, sizes, args.seed, args.train, bases)
    seconds = time.perf_counter() - started
    kept = [chapter.title for chapter in folder.done if not chapter.now]
    trained = (
        (args.out / "adapters", "the LoRA adapters of PromViL, plain PEFT checkpoints"),
        (args.out / "joint", "those trained with and without vision modeling"),
    )
    print(f"\nDone in {seconds:.0f} s. Written:")
    for path, about in (
        (page, "open this one in a browser"),
        (args.out / "compovl", "CompoVL as Parquet with its card"),
        (args.out / "fivl" / "train", "FiVL-Instruct as Parquet with its card"),
        *(trained if args.train else ()),
        (args.out / "reliance", "a reliance report and page for each model"),
        (args.out / "atlas", "a head atlas and page for each model"),
    ):
        print(f"  {path!s:<{len(str(args.out)) + 14}} {about}")
    if kept:
        print(f"\nKept from an earlier run: {', '.join(kept)}. Begin afresh with --restart.")
    if shutil.which("promvil") is None:
        print(f"\nThe command promvil is in {Path(sys.prefix) / 'bin'}: source {Path(sys.prefix) / 'bin/activate'}")
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


def run_chapters(folder, sizes, seed: int, train: bool, bases: dict[str, Path]) -> Path:
    """All chapters in order; gives the page."""
    from promvil_hf.commands.demo import fivl, promvil, world
    from promvil_hf.commands.demo.page import write_page

    counts = {
        "nested": sizes.nested_scenes,
        "talk": sizes.talk_scenes if train else max(1, sizes.talk_scenes // 10),
        "talk_test": sizes.test_scenes,
    }
    worlds = folder.chapter("Toy world", "world", world.Worlds, lambda out: world.draw_worlds(out, counts, seed))
    nested, talk, talk_test = (Path(worlds.folders[name]) for name in ("nested", "talk", "talk_test"))
    tests = world.scenes_of("nested_test", sizes.phrase_scenes, seed)
    kosmos2, llava = bases["kosmos2"], bases["llava"]

    compovl = folder.chapter(
        "CompoVL", "compovl", promvil.Compovl, lambda out: promvil.build_compovl(nested, out, tests)
    )
    tuned = promvil.shipped() if not train else folder.chapter(
        "Training on chains, and flat", "adapters", promvil.Adapters,
        lambda out: promvil.train_both(kosmos2, out, sizes, seed),
    )  # fmt: skip
    grounded = folder.chapter(
        "Level by level and at once", "ground", promvil.Grounded,
        lambda out: promvil.ground(kosmos2, tuned.folders, tests, out, sizes),
    )  # fmt: skip

    @cache
    def load(base, adapter):
        from promvil_hf.backends import loading

        return loading.load(base, adapter)

    data = folder.place("fivl")
    rows = folder.chapter("FiVL rows", "fivl", fivl.Rows, lambda out: fivl.build_rows(talk, talk_test, out))
    scenes = world.scenes_of("talk", counts["talk"], seed)
    joint = folder.chapter(
        "Vision modeling", "joint", fivl.Jointly,
        lambda out: fivl.train_both(load, llava, data, worlds.folders, scenes, out, sizes, seed) if train
        else fivl.shipped(load, llava, data, worlds.folders),
    )  # fmt: skip
    models = fivl.models_of(llava, joint.folders)
    relied = folder.chapter(
        "Visual reliance", "reliance", fivl.Reliance,
        lambda out: fivl.measure_reliance(load, models, data, talk_test, out, sizes),
    )  # fmt: skip
    looked = folder.chapter(
        "Head atlas", "atlas", fivl.Looked, lambda out: fivl.look(load, models, data, talk_test, out, sizes, seed)
    )
    return write_page(folder, sizes, seed, (worlds, compovl, tuned, grounded, rows, joint, relied, looked))


def _base(name: str, given: Path | None) -> Path:
    from promvil_hf.toy.bases import folder

    if given is None:
        return folder(name)
    if not (given / "model.safetensors").is_file():
        raise ValueError(
            f"You passed {given} as the toy {name} base, and it holds no model.safetensors: name a checkpoint folder."
        )
    return given


def _digest(folder: Path, name: str) -> str:
    return hashlib.sha256((folder / f"{name}.safetensors").read_bytes()).hexdigest()[:16]
