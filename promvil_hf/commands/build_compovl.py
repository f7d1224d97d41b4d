# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Build CompoVL: nested phrases with boxes from a Visual Genome folder.

    promvil build compovl --vg visual_genome --out compovl --workers 2
    promvil build compovl --vg visual_genome --out compovl --exclude-coco refs.json --exclude-vg gqa_val.json
    promvil build compovl --vg visual_genome --out compovl --push promvil/compovl

The same command goes on after an interruption. --mode preprocess writes the paper's first stage instead: pairs of regions
that share an object, as prompts for a language model.

Floor 5.
"""

import sys
from pathlib import Path

from promvil_hf.compovl.compose import SOURCES, Composing
from promvil_hf.compovl.compovl_build import VIEWS, Mixing, build, push, tell
from promvil_hf.compovl.compovl_rows import Splitting
from promvil_hf.compovl.leakage import read_list
from promvil_hf.compovl.visual_genome import RELEASES


MODES = ("chains", "preprocess")


def add_arguments(parser):
    composing, splitting = Composing(), Splitting()
    add = parser.add_argument
    add("--vg", type=Path, required=True, help="folder with Visual Genome's JSON files (image_data, objects, ...)")
    add("--out", type=Path, required=True, help="folder to write; an interrupted build there goes on")
    add("--mode", choices=MODES, default="chains", help="what to build (default: %(default)s)")
    add("--release", choices=RELEASES, help="refuse files of another release than this one")
    add("--limit", type=int, metavar="N", help="only the first N images")
    add("--workers", type=int, default=1, help="processes (default: %(default)s)")
    add("--restart", action="store_true", help="throw away what a former build left in --out")
    add("--quiet", action="store_true", help="no progress")

    group = parser.add_argument_group("leakage: images that must not be trained on")
    group.add_argument("--exclude-coco", type=Path, action="append", default=[], metavar="FILE", help=_LIST.format("COCO"))
    group.add_argument(
        "--exclude-vg", type=Path, action="append", default=[], metavar="FILE", help=_LIST.format("Visual Genome")
    )

    group = parser.add_argument_group("composition")
    group.add_argument("--levels", type=int, default=composing.levels, help="deepest expression (default: %(default)s)")
    group.add_argument("--per-image", type=int, default=composing.per_image, help="most expressions (default: %(default)s)")
    group.add_argument("--sources", choices=SOURCES, default=composing.sources, help="where relations come from")
    group.add_argument("--keep-ambiguous", action="store_true", help="keep, and mark, what fits several objects")
    group.add_argument("--writer-url", metavar="URL", help="let a model behind this OpenAI-compatible address word expressions")
    group.add_argument("--writer-model", metavar="NAME", help="its name there")

    group = parser.add_argument_group("splits, by image")
    group.add_argument("--seed", type=int, default=splitting.seed)
    group.add_argument("--test-share", type=float, default=splitting.test_share, help="of images (default: %(default)s)")
    group.add_argument("--validation-share", type=float, default=splitting.validation_share, help="(default: %(default)s)")
    group.add_argument("--test-per-level", type=int, default=splitting.test_per_level, help="cap (default: %(default)s)")

    group = parser.add_argument_group("mixture: other parts of PromViL's training data")
    group.add_argument("--vg-qa", action="store_true", help="draw 8,000 + 500 of Visual Genome's questions")
    group.add_argument("--llava", type=Path, metavar="FILE", help="LLaVA conversations (JSON)")
    group.add_argument("--vsr-train", type=Path, metavar="FILE", help="VSR statements (JSON Lines)")
    group.add_argument("--vsr-validation", type=Path, metavar="FILE")
    group.add_argument("--coco-instances", type=Path, metavar="FILE", help="instances_*.json: where VSR's boxes come from")

    group = parser.add_argument_group("what is written")
    group.add_argument("--views", nargs="+", choices=VIEWS, default=list(VIEWS), help="(default: all)")
    group.add_argument("--embed-images", type=Path, metavar="DIR", help="put the photographs of this folder into the rows")
    group.add_argument("--push", metavar="REPO", help="upload to the Hub, such as promvil/compovl")
    group.add_argument("--private", action="store_true", help="push to a private repository")
    group.add_argument("--compat", choices=("fixed", "reference"), default="fixed", help="of --mode preprocess: the "
                       "reference's rows, defects and all")  # fmt: skip


_LIST = "images with these {} ids: RefCOCO refs, GQA questions, COCO instances, or one a line; may be repeated"


def run(args):
    if args.mode == "preprocess":
        from promvil_hf.compovl.region_pairs import build_region_pairs

        counts = build_region_pairs(args.vg, args.out, compat=args.compat, limit=args.limit, release=args.release)
        print(counts)
        return
    writer, name = _writer(args)
    built = build(
        args.vg,
        args.out,
        Composing(args.levels, args.per_image, args.sources, args.keep_ambiguous),
        Splitting(args.seed, args.validation_share, args.test_share, args.test_per_level),
        release=args.release,
        leakage=(*(read_list(path, "coco") for path in args.exclude_coco), *(read_list(path, "vg") for path in args.exclude_vg)),
        limit=args.limit,
        workers=args.workers,
        writer=writer,
        writer_name=name,
        mixing=Mixing(
            vg_qa=args.vg_qa,
            llava=args.llava,
            vsr_train=args.vsr_train,
            vsr_validation=args.vsr_validation,
            coco_instances=args.coco_instances,
        ),
        embed_images=args.embed_images,
        views=tuple(args.views),
        restart=args.restart,
        progress=not args.quiet,
    )
    print(f"{built.images_reused:,} images reused from {args.out / 'work'}")
    print(tell(built.report))
    print(f"\nWritten to {args.out}: load_dataset({str(args.out)!r})")
    if args.push:
        print(f"Pushed to {push(args.out, args.push, private=args.private)}")


def _writer(args):
    if not args.writer_url:
        return None, "grammar"
    if not args.writer_model:
        raise ValueError("You passed --writer-url without --writer-model: name the model that should write.")
    from promvil_hf.compovl.phrase_writer import EndpointWriter
    from promvil_hf.endpoint import Endpoint

    endpoint = Endpoint(args.writer_url, args.writer_model, args.out / "answers", max_tokens=128)
    return EndpointWriter(endpoint), args.writer_model


if __name__ == "__main__":
    from promvil_hf.cli import main

    sys.exit(main(["build", "compovl", *sys.argv[1:]]))
