# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil twins`, over `promvil_hf.evaluation.twin_regions` and `promvil_hf.evaluation.twin_folder`."""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from promvil_hf import jobs
from promvil_hf.commands import options
from promvil_hf.conventions import DIALECTS
from promvil_hf.distributed import Ranks
from promvil_hf.evaluation import twin_page
from promvil_hf.evaluation.answering import MODES
from promvil_hf.evaluation.benchmarks import READERS, Benchmark, read
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.row_ids import only_rows, read_ids
from promvil_hf.evaluation.twin_answers import TwinSettings
from promvil_hf.evaluation.twin_folder import write_folder
from promvil_hf.evaluation.twin_regions import (
    PHRASES,
    by_annotator,
    by_grounding,
    by_places,
    find_regions,
    given_phrases,
    phrases_of,
    places_of_file,
    places_of_row,
)
from promvil_hf.files import sha256_of
from promvil_hf.fivl import mask_making as masks
from promvil_hf.fivl.fivl_build import OnFirstUse
from promvil_hf.fivl.fivl_rows import FivlRow
from promvil_hf.fivl.row_files import read_fivl_rows
from promvil_hf.fivl.twins import FILLS, KINDS
from promvil_hf.folder_lock import held
from promvil_hf.job_terms import Terms
from promvil_hf.nesting.taggers import tagger
from promvil_hf.pages import read_verdicts


HELP = """
Twins of any question set: the same questions, but with the thing that they are about hidden in the picture; and the
controls.

    promvil twins --benchmark refcocog --files refcocog/ --split test --images train2014 --out twins
    promvil twins --benchmark mmvp --files Questions.csv --images MMVP --regions grounded-sam --out twins
    promvil twins --benchmark pope --files coco_pope_popular.json --images val2014 --regions ground --model MODEL --out twins
    promvil twins --benchmark vqav2 --files questions.json annotations.json --images val2014 --regions places.jsonl --out twins
    promvil twins --rows fivl --config gqa --images gqa/images --pictures --out twins
    promvil reliance --twins twins --model MODEL --out runs/reliance                then: the Visual Reliance Score
    promvil twins --verdicts twins-verdicts.json                                    what a reader said of the page

--regions says where things are: `given`, the boxes or masks of the rows themselves (the truth of an expression, or the key
expressions of --rows); a file with a line {"id": ..., "boxes": [[x0, y0, x1, y1]], "mask": ..., "text": ...} for each
place, boxes in fractions; a detector; a detector with a segmenter; or `ground`: a model or a detector grounds the phrases
level by level. --phrases says which phrases: the key expressions of question and answer, or the things that the question
alone names.

A question whose right answer is that there is no such thing has no region. It is left out, and counted with its reason in
left_out.jsonl. The folder named by --out also holds index.html, with each original beside its twins. After a stop the same
command continues where it was. To answer the twins elsewhere pass --pictures: twins.jsonl then names a file for each.
"""


def add_arguments(parser):
    data = parser.add_argument_group("questions")
    options.add(data, "--benchmark", choices=READERS)
    options.add(data, "--files", "--split", "--rows", "--config", "--images", "--limit", "--ids")

    where = parser.add_argument_group("where things are")
    ways = "given, grounded-sam, boxes (a detector only), sam3, ground (a model), or a file of places"
    where.add_argument("--regions", metavar="HOW", default="given", help=ways)
    where.add_argument("--phrases", choices=PHRASES, default="answer", help="key expressions of the answer, or the question's")
    options.add(where, "--tagger", *options.DETECTOR)

    who = parser.add_argument_group("a model or a server that grounds")
    options.add(who, *options.MODEL, *options.SERVER)
    options.add(who, "--dialect", choices=DIALECTS)
    options.add(who, "--frame")
    options.add(who, "--mode", choices=MODES, default="progressive")
    options.add(who, "--max-new-tokens", "--batch-size", "--token-budget")

    how = parser.add_argument_group("twins")
    options.add(how, "--kinds", choices=KINDS, default=list(KINDS))
    options.add(how, "--fill", choices=FILLS)
    options.add(how, "--seed")

    out = parser.add_argument_group("output")
    options.add(out, "--out", default=Path("runs/twins"))
    out.add_argument("--pictures", action="store_true", help="write the picture of each twin, to answer them elsewhere")
    options.add(out, "--sample", default=twin_page.SHOWN)
    options.add(out, "--verdicts", "--restart", "--quiet")


def run(args):
    if args.verdicts:
        forms = [read_verdicts(path, twin_page.FORM, twin_page.QUESTIONS) for path in args.verdicts]
        print("\n".join(map(twin_page.summary, forms)))
        return
    if (args.benchmark is None) == (args.rows is None):
        raise ValueError(
            "You passed neither --benchmark nor --rows, or both: name the questions, with --files, or rows of FiVL-Instruct."
        )
    if args.images is None:
        raise ValueError("You passed no --images: name the folder of pictures, in which things are hidden.")
    pictures, settings = Pictures(args.images), TwinSettings(tuple(args.kinds), args.fill, args.seed)
    ranks = Ranks.of_environment()
    if args.restart and ranks.world_size > 1:
        raise ValueError(f"You passed --restart to {ranks.world_size} processes at once: delete {args.out} first.")
    terms = Terms(ranks=ranks, restart=args.restart, progress=not args.quiet)
    if args.rows is not None:
        if args.regions != "given":
            raise ValueError(f"You passed --regions {args.regions} with --rows, which have their regions: leave it out.")
        rows = read_fivl_rows(args.rows, args.config, args.limit)
        wanted = read_ids(args.ids) if args.ids else None
        rows = [row for row in rows if wanted is None or row.row_id in wanted]
        with held(args.out, ranks):
            if ranks.rank == 0:
                _write(args, rows, None, pictures, settings, {"regions": "given", "rows": str(args.rows)}, [], terms)
        return
    benchmark = _benchmark(args, pictures)
    phrases, make_work, describe = _finding(args, benchmark)
    with held(args.out, ranks):
        work = OnFirstUse(make_work)
        report = find_regions(benchmark, pictures, args.out / "work/regions", phrases, work, describe=describe, terms=terms)
        if not report.finished:
            print(f"This rank is done; another one writes {args.out / 'twins.json'}.")
            return
        rows = [FivlRow.from_dict(row) for _, row in jobs.rows(args.out / "work/regions")]
        left_out = list(jobs.rejects(args.out / "work/regions"))
        _write(args, rows, benchmark, pictures, settings, {"regions": args.regions, **describe}, left_out, terms)


def _write(args, rows, benchmark, pictures, settings, regions, left_out, terms):
    made = write_folder(
        args.out, rows, benchmark, pictures, settings, regions=regions, left_out=left_out, with_pictures=args.pictures,
        terms=replace(terms, ranks=Ranks()),
    )  # fmt: skip
    page = twin_page.write_page(args.out / "index.html", made, pictures, args.sample)
    print(f"{len(made.rows):,} questions with twins in {args.out}")
    for reason, count in made.about["left_out"].items():
        print(f"  left out: {count:,} × {reason}")
    for sentence in twin_page.notes(made):
        print(f"note: {sentence}")
    print(f"page: {page}", file=sys.stderr)


def _benchmark(args, pictures: Pictures) -> Benchmark:
    if not args.files:
        raise ValueError(f"You passed no files of {args.benchmark}: name them with --files.")
    benchmark = read(args.benchmark, args.files, args.split)
    if args.ids:
        benchmark = only_rows(benchmark, args.ids)
    if args.limit is not None:
        benchmark = replace(benchmark, rows=benchmark.rows[: args.limit])
    if not any(pictures.path(row.image) for row in benchmark.rows):
        raise ValueError(
            f"None of the pictures of {benchmark.name} lies under {args.images}, such as {benchmark.rows[0].image!r}: name their "
            "folder with --images."
        )
    return benchmark


def _finding(args, benchmark: Benchmark) -> tuple[Callable, Callable, dict]:
    """Which phrases are looked for, what makes the work of the job, and what the job must say of both."""
    if args.regions == "given" or args.regions not in (*masks.NAMES, "ground"):
        lost = ""
        if args.regions == "given":
            places, describe = places_of_row, {"places": "of the rows"}
            if not any(map(places_of_row, benchmark.rows)):
                raise ValueError(
                    f"The rows of {benchmark.name} have no boxes or masks of their own: say with --regions who finds them "
                    f"({', '.join(masks.NAMES)} or ground), or name a file of places."
                )
        elif Path(args.regions).is_file():
            (places, lost), describe = places_of_file(args.regions, benchmark), {"places": sha256_of(args.regions)}
        else:
            raise ValueError(
                f"You passed --regions {args.regions}: it is given, {', '.join(masks.NAMES)}, ground, or a file, and there is no "
                "such file."
            )
        return (
            lambda row: given_phrases(row, benchmark.kind, places, lost), lambda: by_places(benchmark, places), describe
        )  # fmt: skip
    chosen = tagger(args.tagger)
    describe = {"phrases": args.phrases, "tagger": chosen.name}
    phrases = partial(phrases_of, kind=benchmark.kind, tagger=chosen, part=args.phrases)
    if args.regions == "ground":
        if sum(who is not None for who in (args.model, args.base_url, args.detector)) != 1:
            raise ValueError("You passed --regions ground: say what grounds, with one of --model, --base-url and --detector.")
        describe |= {"model": options.describe_model(args), "mode": args.mode, "max_new_tokens": args.max_new_tokens}
        return phrases, lambda: by_annotator(by_grounding(_grounder(args))), describe
    where = {"device": args.device or "auto", "dtype": "float32" if args.dtype == "auto" else args.dtype}
    settings = replace(masks.DEFAULTS, batch_size=args.batch_size)
    if args.box_threshold is not None:
        settings = replace(settings, box_threshold=args.box_threshold)
    detector = args.detector or masks.GROUNDING_DINO
    make, annotated_by = masks.by_name(args.regions, detector, args.segmenter, settings, **where)
    return phrases, lambda: by_annotator(make()), describe | annotated_by


def _grounder(args):
    if args.detector:
        return options.load_composer(args)
    from promvil_hf.grounding import GroundingOptions, ProgressiveGrounder

    how = GroundingOptions(args.mode, max_new_tokens=args.max_new_tokens)
    return ProgressiveGrounder(options.load_backend(args, boxes=True), how, token_budget=args.token_budget)
