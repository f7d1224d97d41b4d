# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`python -m promvil_hf.toy`: draw a toy world and write it to a folder. No torch."""

import argparse
import sys
import time
from pathlib import Path

from tqdm import tqdm

from promvil_hf.toy.config import SPLITS, STYLES, WORDINGS, WorldConfig, held_out_pairs
from promvil_hf.toy.visual_genome import LAYOUTS
from promvil_hf.toy.world import scenes, write_world


AS_GIVEN = ("levels", "distractors", "style", "split", "object_scale", "wording")  # fields of a WorldConfig


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit code is returned."""
    options = _parser().parse_args(arguments)
    if options.out.is_dir() and any(options.out.iterdir()):
        return _refuse(f"{options.out} is not empty. Pass a new folder with --out.")
    if options.out.exists() and not options.out.is_dir():
        return _refuse(f"{options.out} is a file. Pass a folder with --out.")
    if options.scenes < 1:
        return _refuse(f"You passed --scenes {options.scenes}. Pass 1 or more.")
    started = time.perf_counter()
    try:
        config = WorldConfig(
            image_size=tuple(options.size * 2 if len(options.size) == 1 else options.size),
            objects=tuple(options.objects),
            textures=tuple(options.textures) if options.textures else WorldConfig().textures,
            held_out=held_out_pairs(options.held_out_share, options.held_out_seed) if options.held_out_share else (),
            **{name: getattr(options, name) for name in AS_GIVEN},
        )
        drawn = scenes(config, options.scenes, options.seed, options.start)
        bar = tqdm(drawn, total=options.scenes, unit="scene", disable=not sys.stderr.isatty())
        counts = write_world(bar, options.out, options.layout, options.noise)
    except (ValueError, OSError) as problem:
        return _refuse(str(problem))
    print(f"Wrote {counts} to {options.out} in {time.perf_counter() - started:.1f} s.")
    print(
        f"Pictures: {options.out}/VG_100K. Visual Genome {options.layout} files, questions and the truth stand beside them."
    )
    return 0


def _refuse(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    default = WorldConfig()
    parser = argparse.ArgumentParser(
        prog="python -m promvil_hf.toy",
        description="Draw scenes of simple shapes and write them as Visual Genome writes its own, with PNG pictures, "
        "exact masks, questions of GQA's, POPE's and LLaVA's kinds, key expressions and unambiguous nested expressions.",
        epilog="Example: python -m promvil_hf.toy --scenes 500 --out toy --seed 0 --levels 3",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--scenes", type=int, default=500, help="how many scenes to draw")
    parser.add_argument("--out", type=Path, required=True, help="folder to write, new or empty")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another world")
    about = "number of the first scene; scene i is the same for every start"
    parser.add_argument("--start", type=int, default=0, help=about)
    parser.add_argument("--layout", choices=LAYOUTS, default="1.2", help="Visual Genome release to imitate")
    parser.add_argument("--noise", type=float, default=0.0, help="share of records roughened as real ones are, 0 to 1")
    pixels = {"type": int, "nargs": "+", "metavar": "PX"}
    parser.add_argument("--size", **pixels, default=list(default.image_size), help="side, or width and height")
    fewest_most = {"type": int, "nargs": 2, "metavar": ("MIN", "MAX")}
    parser.add_argument("--objects", **fewest_most, default=list(default.objects), help="objects in a scene")
    parser.add_argument("--levels", type=int, default=default.levels, help="deepest expression of every scene, 1 to 4")
    about = "objects that repeat another's noun"
    parser.add_argument("--distractors", type=int, default=default.distractors, help=about)
    parser.add_argument("--style", choices=STYLES, default=default.style, help="how scenes are drawn")
    parser.add_argument("--textures", nargs="+", metavar="NAME", help="textures to use, all of them by default")
    parser.add_argument("--object-scale", type=float, default=default.object_scale, help="multiplies object sizes")
    parser.add_argument("--wording", choices=WORDINGS, default=default.wording, help="how phrases are worded")
    about = "share of (color, shape) pairs kept for the test split"
    parser.add_argument("--held-out-share", type=float, default=0.0, help=about)
    parser.add_argument("--held-out-seed", type=int, default=0, help="which pairs are kept")
    about = "train: without held-out pairs; test: with at least one"
    parser.add_argument("--split", choices=SPLITS, default=default.split, help=about)
    return parser


if __name__ == "__main__":
    sys.exit(main())
