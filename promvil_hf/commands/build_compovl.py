# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil build compovl`, over `promvil_hf.compovl`."""

from pathlib import Path

from promvil_hf.commands import dry_run, options
from promvil_hf.compovl.compose import SOURCES, Composing
from promvil_hf.compovl.compovl_build import CompoVLSettings, build, images_of
from promvil_hf.compovl.compovl_rows import USUAL_VIEWS, Splitting
from promvil_hf.compovl.compovl_settings import source_of
from promvil_hf.compovl.graph_files import GraphFiles
from promvil_hf.compovl.leakage import read_lists
from promvil_hf.compovl.mixture import Mixing
from promvil_hf.compovl.visual_genome_files import RELEASES
from promvil_hf.distributed import Ranks
from promvil_hf.job_terms import Terms


HELP = """
Build CompoVL: nested phrases with boxes from scene graphs.

    promvil build compovl --vg visual_genome --out compovl --workers 2
    promvil build compovl --gqa train_sceneGraphs.json --out compovl
    promvil build compovl --graphs mine.jsonl --out compovl
    promvil build compovl --vg visual_genome --out compovl --exclude-coco refs.json --exclude-vg gqa_val.json
    promvil build compovl --vg visual_genome --out compovl --negatives
    promvil build compovl --vg visual_genome --out compovl --push promvil/compovl
    promvil build compovl --vg visual_genome --out compovl --dry-run     counts images, and those that lists exclude

After an interruption the same command continues where it was. --region-pairs writes the paper's first stage instead: pairs
of regions that share an object, as prompts for a language model. With --base-url a served model words the expressions.
"""
MIXED = ("vg_qa", "llava", "vsr_train", "vsr_validation", "coco_instances")
_LIST = "images with these {} ids: RefCOCO refs, GQA questions, splits, COCO instances, or one a line; may be repeated"


def add_arguments(parser):
    composing, splitting = Composing(), Splitting()
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--vg", type=Path, help="folder with Visual Genome's JSON files (image_data, objects, ...)")
    gqa = "GQA's scene graphs, as published: train_sceneGraphs.json"
    source.add_argument("--gqa", type=Path, nargs="+", metavar="FILE", help=gqa)
    plain = "scene graphs of your own, one image a line, in the plain form that docs/scene_graphs.md describes"
    source.add_argument("--graphs", type=Path, nargs="+", metavar="FILE", help=plain)
    options.add(parser, "--out", required=True)
    add("--release", choices=RELEASES, help="refuse files of another release of Visual Genome than this one")
    options.add(parser, "--limit", "--workers", "--restart", "--quiet", "--dry-run")

    group = parser.add_argument_group("leakage: images that must not be trained on")
    for name, ids in (("--exclude-coco", "COCO"), ("--exclude-vg", "Visual Genome")):
        group.add_argument(name, type=Path, action="append", default=[], metavar="FILE", help=_LIST.format(ids))

    group = parser.add_argument_group("composition")
    group.add_argument("--levels", type=options.positive, default=composing.levels, help="highest level of an expression")
    group.add_argument("--per-image", type=options.positive, default=composing.per_image, help="most expressions of an image")
    group.add_argument("--sources", choices=SOURCES, default=composing.sources, help="where relations come from")
    group.add_argument("--keep-ambiguous", action="store_true", help="keep expressions that fit several objects, and mark them")
    group.add_argument("--negatives", type=options.positive, nargs="?", const=1, default=0, metavar="N", help="also write "
                       "changed expressions that fit nothing, N or 1 of each: the view negatives")  # fmt: skip
    options.add(parser.add_argument_group("a model that words the expressions"), *options.SERVER)

    group = parser.add_argument_group("splits, by image")
    options.add(group, "--seed", default=splitting.seed)
    group.add_argument("--test-share", type=float, default=splitting.test_share, help="share of images to test on")
    group.add_argument("--validation-share", type=float, default=splitting.validation_share, help="share to validate on")
    group.add_argument("--test-per-level", type=int, default=splitting.test_per_level, help="limit of test rows of a level")

    group = parser.add_argument_group("mixture: other parts of PromViL's training data")
    group.add_argument("--vg-qa", action="store_true", help="draw 8,000 + 500 of Visual Genome's questions")
    group.add_argument("--llava", type=Path, metavar="FILE", help="LLaVA conversations (JSON)")
    group.add_argument("--vsr-train", type=Path, metavar="FILE", help="VSR statements to train on (JSON Lines)")
    group.add_argument("--vsr-validation", type=Path, metavar="FILE", help="VSR statements to validate on")
    group.add_argument("--coco-instances", type=Path, metavar="FILE", help="instances_*.json: where VSR's boxes come from")

    group = parser.add_argument_group("what is written")
    group.add_argument("--views", nargs="+", choices=USUAL_VIEWS, default=list(USUAL_VIEWS), help="views of the chains to write")
    options.add(group, "--images", "--embed-images", "--push", "--private")
    group.add_argument("--region-pairs", action="store_true", help="write the paper's first stage instead of chains")
    group.add_argument("--compat", choices=("fixed", "reference"), default="fixed", help="of --region-pairs; reference: the "
                       "published code's rows, defects and all")  # fmt: skip


def run(args):
    if (ranks := Ranks.of_environment()).world_size > 1:
        raise ValueError(
            f"You started {ranks.world_size} processes: CompoVL is built by one, which starts others with --workers. A core "
            "needs minutes for all of Visual Genome."
        )
    if args.region_pairs and args.vg is None:
        raise ValueError("You passed --region-pairs without --vg: the paper's first stage reads Visual Genome's regions.")
    if args.region_pairs and args.dry_run:
        raise ValueError("You passed --region-pairs with --dry-run, which only says how chains would be built: leave one out.")
    if args.region_pairs:
        from promvil_hf.compovl.region_pairs import build_region_pairs

        print(build_region_pairs(args.vg, args.out, compat=args.compat, limit=args.limit, release=args.release))
        return
    if args.embed_images and args.images is None:
        raise ValueError("You passed --embed-images without --images: name the folder of Visual Genome's photographs.")
    terms = Terms(restart=args.restart, progress=not args.quiet, workers=args.workers)
    graphs = args.gqa or args.graphs
    source = GraphFiles(graphs, "gqa" if args.gqa else "plain") if graphs else args.vg
    if args.dry_run:
        return print(dry_run.plan(_plan(args, source, _settings(args)), "built", "build"))
    built = build(source, args.out, _settings(args), terms)
    print(f"{built.images_reused:,} images reused from {args.out / 'work'}")
    print(built)
    print(f"\nWritten to {args.out}: load_dataset({str(args.out)!r})")
    if args.push:
        from promvil_hf.compovl.compovl_publish import push

        print(f"Pushed to {push(args.out, args.push, private=args.private)}")


def _plan(args, source, settings: CompoVLSettings) -> list[str]:
    """What a build would do. Graphs are counted, not read."""
    from promvil_hf.reproducing.large_scale import Build

    if lost := [str(path) for name in MIXED[1:] if (path := getattr(args, name)) is not None and not path.is_file()]:
        raise ValueError(f"There is no file {', '.join(lost)}, which you named for the mixture.")
    title, images, excluded = images_of(source, settings)
    hours = Build("", images).cpu_hours
    took = f"{hours:.1f} hours" if hours > 1 else f"{round(60 * hours)} minutes" if hours > 0.025 else "a minute"
    lines = [
        f"graphs: {images:,} images of {source_of(title)}, {excluded:,} more are on the lists and left out",
        f"chains: up to {args.levels} levels, at most {args.per_image} an image, worded by {settings.writer_name}",
        f"time: about {took} of one core" + f", divided over {args.workers} workers" * (args.workers > 1),
        f"views: {', '.join(settings.written)}, as Parquet in {args.out}",
    ]
    mixed = [name.replace("_", "-") for name in MIXED if getattr(args, name)]
    lines += [f"mixture: {', '.join(mixed)} as well"] if mixed else []
    return lines + ([] if args.restart else dry_run.answered(args.out / "work", images))


def _settings(args) -> CompoVLSettings:
    writer, name = _writer(args)
    return CompoVLSettings(
        Composing(args.levels, args.per_image, args.sources, args.keep_ambiguous, negatives=args.negatives),
        Splitting(args.seed, args.validation_share, args.test_share, args.test_per_level),
        Mixing(**{name: getattr(args, name) for name in MIXED}),
        release=args.release,
        leakage=(*read_lists(args.exclude_coco, "coco"), *read_lists(args.exclude_vg, "vg")),
        limit=args.limit,
        writer=writer,
        writer_name=name,
        embed_images=args.images if args.embed_images else None,
        views=tuple(args.views),
    )


def _writer(args):
    if not args.base_url:
        return None, "grammar"
    from promvil_hf.compovl.phrase_writer import EndpointWriter

    return EndpointWriter(options.make_endpoint(args, max_tokens=128)), args.served_model
