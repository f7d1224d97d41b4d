# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil build fivl`, over `promvil_hf.fivl`."""

from collections import Counter
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

from promvil_hf import jobs, pages
from promvil_hf.backends.segmenters import PICKS
from promvil_hf.commands import dry_run, options
from promvil_hf.distributed import Ranks
from promvil_hf.files import sha256_of
from promvil_hf.fivl import extraction as keys
from promvil_hf.fivl import mask_making as masks
from promvil_hf.fivl.conversation_sources import SOURCES, Source
from promvil_hf.fivl.fivl_build import (
    EXPRESSIONS,
    OnFirstUse,
    annotate_expressions,
    annotate_masks,
    import_release,
)
from promvil_hf.fivl.fivl_rows import image_file
from promvil_hf.fivl.fivl_sample import drawn
from promvil_hf.fivl.given_masks import given
from promvil_hf.fivl.photograph_questions import KINDS, SOURCE, WAYS, Choosing
from promvil_hf.fivl.photograph_rows import Asked, make_rows
from promvil_hf.fivl.ways_page import ways_page
from promvil_hf.fivl.with_ray import ask_with_ray, masks_with_ray
from promvil_hf.folder_lock import held
from promvil_hf.job_terms import Terms
from promvil_hf.jobs import JobReport
from promvil_hf.nesting.taggers import tagger


HELP = """
Build FiVL-Instruct: questions and answers about images, with key expressions and their masks.

    promvil build fivl --source llava --files mix665k.json --images images --out fivl
    promvil build fivl --source llava --files mix665k.json --images images --out fivl \\
        --expressions endpoint --base-url https://api.openai.com/v1 --served-model gpt-4o
    promvil build fivl --source pope --files coco_pope_popular.json --images val2014 --out fivl
    promvil build fivl --source coco --files instances.json --images images --out fivl --presence prior
    promvil build fivl --source llava --files mix665k.json --images images --out fivl --dry-run     counts turns and pictures
    promvil build fivl --source llava --files mix665k.json --images images --out fivl \\
        --published fivl_instruct.json --tensors dataset_grounded.tar

--html writes a page to judge --sample turns: their key expressions beside those of the offline way, with the prompt, the
schema and the checks.

After an interruption the same command continues where it was. For many images, run the stages one by one and divide the second:

    promvil build fivl ... --stage expressions
    torchrun --nproc_per_node 8 -m promvil_hf build fivl ... --stage masks        (or: accelerate launch, or --ray 8)
    promvil build fivl ... --stage rows
"""
STAGES = ("all", "expressions", "masks", "rows")


def add_arguments(parser):
    add = parser.add_argument
    add("--source", choices=(*SOURCES, SOURCE), required=True, help="what the files hold")
    options.add(parser, "--files", "--images", "--out", required=True)
    add("--stage", choices=STAGES, default="all", help="run only this stage")
    options.add(parser, "--limit", "--restart", "--quiet", "--dry-run")

    group = parser.add_argument_group("key expressions")
    ways = "words (offline, see --tagger), endpoint (a model on a server), or a file of those that you have"
    group.add_argument("--expressions", default="words", metavar="HOW", help=ways)
    options.add(group, "--tagger")
    options.add(group, *options.SERVER, "--blind")
    options.add(group, "--html", "--sample", "--seed")
    group.add_argument("--whole-words", action="store_true", help="filter by whole words; FiVL compares characters")

    group = parser.add_argument_group("masks")
    ways = (
        "grounded-sam, boxes (a detector only), sam3, composed (of the detector's boxes only those that stand in the relations "
        "of the phrase; masks by --segmenter, if any), or a file of masks or boxes that you have, in the form of "
        "docs/fivl_instruct.md"
    )
    group.add_argument("--masks", default="grounded-sam", metavar="HOW", help=ways)
    paper = "FiVL's own settings, with its defects, instead of the defaults"
    group.add_argument("--paper", action="store_true", help=paper)
    options.add(group, "--detector", default=masks.GROUNDING_DINO)
    options.add(group, "--segmenter", "--device")
    options.add(group, "--box-threshold")
    group.add_argument("--sam-masks", choices=PICKS, help=f"which of SAM's three masks (default: {masks.DEFAULTS.sam_masks})")
    options.add(group, "--batch-size", default=masks.DEFAULTS.batch_size)
    options.add(group, "--shard-size", default=64)
    options.add(group, "--dtype", default="float32")
    group.add_argument("--ray", type=options.positive, metavar="N", help="divide the masks, and then the "
                       "requests for key expressions, over N actors of Ray")
    group.add_argument("--gpus-per-task", type=float, default=0.0, help="GPUs that an actor of Ray takes")

    group = parser.add_argument_group("instead of both, with --source coco: questions made from true annotations")
    asked = "what is asked (default: all of them; captions need a file of captions)"
    group.add_argument("--questions", nargs="+", choices=KINDS, default=KINDS, help=asked)
    ways = (
        "which classes are asked about. POPE's ways: random, popular, adversarial. prior: 9 of 10 questions about a class have "
        "the same answer; reversed: the opposite one, to test with; balanced: as many yes as no (default: balanced)"
    )
    group.add_argument("--presence", choices=WAYS, default="balanced", help=ways)
    apart = "share of the photographs kept for --split test; other splits are made of the rest"
    group.add_argument("--held-out", type=float, default=0.0, metavar="SHARE", help=apart)

    group = parser.add_argument_group("instead of both: the published data")
    group.add_argument("--published", type=Path, metavar="JSON", help="fivl_instruct.json of Intel/fivl-instruct")
    tensors = "dataset_grounded.tar, or the folder it was unpacked to"
    group.add_argument("--tensors", type=Path, metavar="TAR", help=tensors)

    group = parser.add_argument_group("what is written")
    options.add(group, "--split", "--embed-images", "--workers")
    group.add_argument("--export", type=Path, metavar="DIR", help="write the rows in the published form too")
    options.add(group, "--push", "--private")


def run(args):
    ranks = Ranks.of_environment()
    if ranks.world_size > 1 and args.stage != "masks":
        raise ValueError(
            f"You started {ranks.world_size} processes for the stage {args.stage!r}: only the masks are divided. Run "
            "--stage expressions in one process, then --stage masks in many, then --stage rows in one."
        )
    if (args.published is None) != (args.tensors is None):
        raise ValueError("You passed one of --published and --tensors: the published data needs both.")
    if not args.images.is_dir():
        raise ValueError(f"You passed --images {args.images}, and there is no such folder.")
    if args.dry_run:
        return print(_plan(args) if args.source != SOURCE else _plan_of_photographs(args))
    with held(args.out, ranks):
        _build(args, ranks)


def _plan(args) -> str:
    """What a build would do, and which pictures are missing."""
    source = Source(args.source, tuple(args.files), args.limit)
    turns, pictures, unreadable = 0, set(), 0
    for row in source:
        turns += len(row.turns)
        unreadable += row.fault is not None
        if row.image is not None:
            pictures.add(row.image)
    stages = {
        "expressions": f"key expressions of {turns:,} turns by {args.expressions}",
        "masks": f"masks of their phrases in {len(pictures):,} pictures by {args.masks}",
        "rows": f"rows as Parquet in {args.out}",
    }
    lines = [f"{name}: {about}" for name, about in stages.items() if args.stage in ("all", name)]
    if unreadable:
        lines.append(f"{unreadable:,} rows cannot be read and would be rejected")
    lines += dry_run.missing(pictures, lambda name: image_file(args.images, name).is_file(), args.images)
    return dry_run.plan(lines, "built", "build")


def _plan_of_photographs(args) -> str:
    asked = list(Asked(args.files, _choosing(args), args.limit))
    counts = Counter(question.kind for question in asked)
    pictures = {question.photograph.file_name for question in asked}
    lines = [f"{counts[kind]:,} questions: {kind}" for kind in args.questions]
    lines.append(f"about {len(pictures):,} photographs, as Parquet in {args.out}")
    if counts["fault"]:
        lines.append(f"{counts['fault']:,} photographs cannot be read and would be rejected")
    lines += dry_run.missing(pictures, lambda name: image_file(args.images, name).is_file(), args.images)
    return dry_run.plan(lines, "built", "build")


def _choosing(args) -> Choosing:
    side = "test" if args.split == "test" else "train"
    return Choosing(tuple(args.questions), args.presence, args.seed, args.held_out, side)


def _build(args, ranks: Ranks) -> None:
    from promvil_hf.fivl.fivl_publish import CONFIG_OF, publish, push, read_rows, report_text

    config = CONFIG_OF[args.source]
    work = args.out / "work" / config
    terms = Terms(args.shard_size, ranks, args.restart, not args.quiet)
    source = None if args.source == SOURCE else Source(args.source, tuple(args.files), args.limit)

    if source is None:
        make_rows(args.files, args.images, _choosing(args), work, limit=args.limit, terms=terms)
    elif args.published is not None and args.stage in ("all", "masks"):
        import_release(source, args.images, args.published, args.tensors, work, terms=terms)
    else:
        if args.stage in ("all", "expressions"):
            _expressions(args, source, work, terms)
        if args.stage in ("all", "masks"):
            _masks(args, source, work, terms)
    if args.stage in ("expressions", "masks"):
        return
    embedded = args.images if args.embed_images else None
    print(report_text(publish(args.out, config, split=args.split, embed_images=embedded, processes=args.workers)))
    print(f"\nWritten to {args.out}: load_dataset({str(args.out)!r}, {config!r})")
    if args.export:
        from promvil_hf.fivl.release import export

        class Rows:  # read anew each time, never held
            def __iter__(self):
                return read_rows(args.out, config)

        print(f"Exported to {args.export}: {export(Rows(), args.export)}")
    if args.push:
        print(f"Pushed to {push(args.out, args.push, private=args.private)}")


def _expressions(args, source: Source, work: Path, terms: Terms) -> None:
    endpoint = None
    if args.expressions == "words":
        chosen = tagger(args.tagger)
        annotator, describe = keys.by_words(chosen), {"annotator": "words", "tagger": chosen.name}
    elif args.expressions == "endpoint":
        endpoint = options.make_endpoint(args)
        annotator = keys.by_endpoint(endpoint, not args.blind)
        asked = sha256(repr((keys.INSTRUCTIONS, keys.EXAMPLES)).encode()).hexdigest()[:16]
        describe = {"annotator": "endpoint", "model": args.served_model, "sees_image": not args.blind, "prompt": asked}
    else:
        path = _given(args.expressions, "--expressions", "words, endpoint")
        annotator, describe = keys.given(path), {"annotator": "given", "file": sha256_of(path)}
    if endpoint is not None and args.ray and not (work / EXPRESSIONS / "job.json").exists():
        if args.requests_per_minute:
            raise ValueError("You passed --requests-per-minute with --ray, whose senders keep no common pace: leave one out.")
        ended = ask_with_ray(keys.seen_turns(source, args.images), endpoint, not args.blind, senders=args.ray)
        print(f"Ray asked: {ended.get(200, 0):,} answers; {sum(ended.values()):,} prompts")
    filters = replace(keys.FIVL_FILTERS, whole_words=args.whole_words)
    annotate_expressions(source, args.images, annotator, work, describe=describe, filters=filters, terms=terms)
    if endpoint is not None:
        print(f"asked {args.served_model}: {endpoint.spent()}")
    if args.html:
        _both_ways(args, source, work, describe, filters)


def _both_ways(args, source: Source, work: Path, describe: dict, filters: keys.Filters) -> None:
    turns = drawn(keys.seen_turns(source, args.images), args.sample, args.seed)
    made = {**dict(jobs.rows(work / EXPRESSIONS)), **dict(jobs.rejects(work / EXPRESSIONS))}
    way = " ".join(str(describe[name]) for name in ("annotator", "model", "tagger", "file") if name in describe)
    page = ways_page(turns, made, way, tagger(args.tagger), filters)
    print(f"{len(turns)} turns, both ways, on {pages.write(args.html, page)}")


def _given(path: str, option: str, others: str) -> Path:
    if not Path(path).is_file():
        named = f" To use those that you have, name their file: {option} mine.jsonl." if path == "given" else ""
        raise ValueError(f"You passed {option} {path}: it is {others}, or a file, and there is no such file.{named}")
    return Path(path)


def _load_composed(*terms, **where) -> masks.MaskAnnotator:
    from promvil_hf.grounding.composed_masks import load_composed  # loads torch, which other ways may not need

    return load_composed(*terms, **where)


def _masks(args, source: Source, work: Path, terms: Terms) -> JobReport:
    settings = masks.PAPER if args.paper else masks.DEFAULTS
    changed = {"box_threshold": args.box_threshold, "sam_masks": args.sam_masks, "batch_size": args.batch_size}
    settings = replace(settings, **{name: value for name, value in changed.items() if value is not None})
    if args.masks in (*masks.NAMES, "composed"):
        where = {"device": args.device or "auto", "dtype": args.dtype}
        others = {"composed": _load_composed}
        make, describe = masks.by_name(args.masks, args.detector, args.segmenter, settings, others, **where)
    else:
        path = _given(args.masks, "--masks", "grounded-sam, boxes, sam3, composed")
        make = partial(given, path, args.images)
        describe = {"annotator": "given", "file": sha256_of(path)}

    annotator = OnFirstUse(make)

    def run_rank(ranks: Ranks) -> JobReport:
        rank_terms = replace(terms, ranks=ranks, restart=terms.restart and ranks.world_size == 1)
        return annotate_masks(source, args.images, annotator, work, describe=describe, terms=rank_terms)

    if args.ray:
        return masks_with_ray(run_rank, args.ray, num_gpus=args.gpus_per_task)
    return run_rank(terms.ranks)
