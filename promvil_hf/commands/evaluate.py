# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil evaluate`, over `promvil_hf.evaluation`."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

from promvil_hf.commands import dry_run, options
from promvil_hf.conventions import DEFAULT_FRAME, DIALECTS
from promvil_hf.distributed import Ranks
from promvil_hf.evaluation import picture_needed_page, side_by_side_page
from promvil_hf.evaluation.answering import EVIDENCE, MODES, Asking, answer
from promvil_hf.evaluation.benchmarks import READERS, read, read_promvil_lines
from promvil_hf.evaluation.box_scores import IOU_RULES
from promvil_hf.evaluation.comparison import compare
from promvil_hf.evaluation.detector_answers import detector_answers
from promvil_hf.evaluation.hub_scores import eval_results, write_eval_results
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.picture_needed import picture_needed
from promvil_hf.evaluation.predictions import Predictions, read_predictions
from promvil_hf.evaluation.report import table_text, write_page
from promvil_hf.evaluation.report_files import plain
from promvil_hf.evaluation.results import ANSWER_RULES, YES_NO_RULES, Report, Settings, evaluate
from promvil_hf.evaluation.row_ids import only_answers, only_rows, write_ids
from promvil_hf.evaluation.scores import Resampling
from promvil_hf.evaluation.side_by_side import side_by_side
from promvil_hf.folder_lock import held
from promvil_hf.metrics.grounding import GOLD_POLICIES, POLICIES
from promvil_hf.metrics.none_or_many import OVERLAPS
from promvil_hf.metrics.vqa import NORMALISATIONS


HELP = f"""
Evaluate a model, or a file of answers, on a benchmark; or compare two reports.

    promvil evaluate --benchmark pope --files coco_pope_popular.json --predictions answers.jsonl --out runs/pope
    promvil evaluate --benchmark refcocog --files refcocog/ --split test --model microsoft/kosmos-2-patch14-224 \\
        --adapter runs/kosmos2-lora --images train2014 --out runs/refcocog
    torchrun --nproc_per_node 2 -m promvil_hf evaluate ...              the same, by two processes
    promvil evaluate ... --mode progressive --out runs/levels           the same model, simple phrases first
    promvil evaluate ... --detector sam3 --mode progressive --out runs/boxes    a detector, its boxes chosen level by level
    promvil evaluate ... --predictions seen.jsonl --blind-predictions blind.jsonl other.jsonl    was the picture needed?
    promvil evaluate --compare before/report.json after/report.json --images train2014 --out runs/compared
    promvil evaluate --compare runs/small runs/large --out runs/compared        two models on all sets that both were asked

Answers are matched by id. The folder named by --out then holds report.json, report.html and, where a model answered,
predictions.jsonl. After a stop the same command continues where it was. A file of answers never loads torch.

--compare takes two reports, and makes a paired test of the second against the first. With a benchmark it takes one report,
and tests the new answers against it. Of two folders it compares all reports of the same questions on one page.

With answers that were given without the picture (--blind-predictions, or --blind-too, which asks the model again), the
folder also holds picture_needed.html and .json: how much of the score remains without the picture. needed_ids.jsonl names
the rows that no blind run answers right; pass it to --ids.

Benchmarks and their files:

{"".join(f"    {name:<14} {about}" + chr(10) for name, (_, _, about) in READERS.items()).rstrip()}
"""


def add_arguments(parser):
    data = parser.add_argument_group("benchmark")
    options.add(data, "--benchmark", choices=READERS)
    options.add(data, "--files", "--split", "--images", "--limit", "--ids")
    data.add_argument("--choices", type=Path, metavar="FILE", help="GQA's choices, which validity needs")
    truth = "for promvil_lines: the benchmark that holds their truth"
    data.add_argument("--labelled", nargs="+", metavar=("NAME", "FILE"), help=truth)

    who = parser.add_argument_group("answers: a model, a server, a detector or a file")
    options.add(who, *options.MODEL, *options.SERVER, *options.DETECTOR, "--predictions", "--prompt")
    who.add_argument("--evidence", choices=EVIDENCE, default="none", help="gold: give the true boxes of a phrase's parts")
    options.add(who, "--mode", choices=MODES, default="one_shot")
    options.add(who, "--blind", "--max-new-tokens", "--batch-size", "--token-budget")

    blind = parser.add_argument_group("was the picture needed?")
    files = "answers to the same rows that were given without the picture; one file for each run"
    blind.add_argument("--blind-predictions", type=Path, nargs="+", metavar="FILE", default=[], help=files)
    blind.add_argument("--blind-too", action="store_true", help="ask the model a second time, without the picture")

    how = parser.add_argument_group("scoring")
    options.add(how, "--dialect", choices=DIALECTS)
    options.add(how, "--frame")
    how.add_argument("--box-policy", choices=POLICIES, default="first", help="which of several boxes counts")
    how.add_argument("--gold-policy", choices=GOLD_POLICIES, default="any", help="which of several true boxes counts")
    how.add_argument("--iou", nargs="+", type=float, default=[0.5], metavar="T", help="IoU thresholds; the first gives the score")
    how.add_argument("--iou-rule", choices=IOU_RULES, help="is an IoU equal to the threshold a hit? (default: the set's own)")
    how.add_argument("--overlap", choices=OVERLAPS, default="giou", help="which IoU matches several boxes; giou is generalised")
    how.add_argument("--min-score", type=float, metavar="S", help="drop boxes below this score (default: the data set's own)")
    how.add_argument("--yes-no-rule", choices=YES_NO_RULES, default="strict", help="how yes and no are read")
    how.add_argument("--answer-rule", choices=ANSWER_RULES, default="lower_without_period", help="how GQA's answers are compared")
    how.add_argument("--vqa-normalise", choices=NORMALISATIONS, help="when answers are normalised (default: the data set's own)")
    options.add(how, "--strict", "--resamples", "--seed")

    out = parser.add_argument_group("output")
    options.add(out, "--out", default=Path("runs/evaluate"))
    options.add(out, "--compare", "--json", "--restart", "--dry-run")
    out.add_argument(
        "--eval-results", metavar="DATASET_ID", help="also write .eval_results/*.yaml for the model's page on the Hub"
    )
    out.add_argument("--task-id", default="default", help="the task of that data set")


def run(args):
    pictures = Pictures(args.images) if args.images else None
    resampling = Resampling(resamples=args.resamples, seed=args.seed)
    if args.benchmark is None:
        if len(args.compare or ()) != 2:
            raise ValueError(
                "You passed no benchmark: name one (--benchmark), or two reports or folders of them (--compare A B)."
            )
        if any(Path(side).is_dir() for side in args.compare):
            _compare_sets(args, resampling)
            return
        before, after = map(Report.load, args.compare)
        with held(args.out):
            _show(args, after, pictures, compare(before, after, resampling))
        return
    if args.compare and len(args.compare) != 1:
        raise ValueError("You passed a benchmark and two reports to compare: pass the one report to compare it with.")
    before = Report.load(args.compare[0]) if args.compare else None
    options.check_one_answers(args)
    whole = _benchmark(args, pictures)
    benchmark = only_rows(whole, args.ids) if args.ids else whole
    seen, blind = _given_answers(args, benchmark, whole)
    settings = Settings(
        dialect=args.dialect, frame=args.frame, box_policy=args.box_policy, gold_policy=args.gold_policy,
        iou_thresholds=tuple(args.iou), iou_rule=args.iou_rule, overlap=args.overlap, min_score=args.min_score,
        yes_no_rule=args.yes_no_rule, answer_rule=args.answer_rule,
        vqa_normalise=args.vqa_normalise, resampling=resampling,
    )  # fmt: skip
    if args.dry_run:
        print(dry_run.plan(_plan(args, benchmark, pictures, seen, blind), "asked or scored", "do it"))
        return
    with held(args.out, Ranks.of_environment()):
        _write(args, benchmark, pictures, settings, before, seen, blind)


def _plan(args, benchmark, pictures, seen, blind) -> list[str]:
    """What would be asked and scored, and which pictures are missing."""
    rows, images = len(benchmark.rows), {row.image for row in benchmark.rows if row.image}
    lines = [f"{benchmark.name} {benchmark.split or ''}".rstrip() + f": {rows:,} rows about {len(images):,} pictures"]
    if seen is not None:
        lines.append(f"scored: {len(seen.answers):,} answers of {args.predictions}, and nothing is asked")
    else:
        if not args.detector:
            _asking(args)  # options that contradict each other
        if pictures is None and not args.blind:
            raise ValueError("You passed no folder of pictures: name it with --images, or ask --blind.")
        times = "twice, with and without the picture" if args.blind_too else "once, without the picture" * args.blind or "once"
        lines.append(f"asked: each row {times}, in the mode {args.mode}, of {dry_run.who(args)}")
        lines += [] if args.blind else dry_run.missing(images, pictures.path, args.images)
        lines += [] if args.restart else dry_run.answered(args.out / "answers", rows)
    lines += [f"compared: with {len(given.answers):,} blind answers of {name}" for name, given in blind.items()]
    return [*lines, *map(str, benchmark.warnings), f"written: {args.out}"]


def _compare_sets(args, resampling):
    """Two folders of reports: one page over all sets that both were asked."""
    found = side_by_side(*args.compare, resampling=resampling)
    with held(args.out):
        page = side_by_side_page.write_page(args.out / "compared.html", found)
    if args.json:
        print(json.dumps(plain(asdict(found)), indent=2))
    else:
        print(side_by_side_page.summary(found))
    print(f"page: {page}", file=sys.stderr)


def _given_answers(args, benchmark, whole) -> tuple[Predictions | None, dict[str, Predictions]]:
    """The answers of --predictions, and those of --blind-predictions by name: read before anything is asked."""
    if args.blind_too and (args.predictions is not None or args.blind or args.mode != "one_shot"):
        raise ValueError(
            "You passed --blind-too, which asks a model twice, with "
            + ("--predictions: pass the blind answers as --blind-predictions." if args.predictions is not None else
               "--blind: leave one of the two out." if args.blind else
               f"--mode {args.mode}: without the picture nothing can be grounded first.")
        )  # fmt: skip
    if benchmark.kind == "unlabelled" and (args.blind_too or args.blind_predictions):
        raise ValueError(f"{benchmark.name} holds prompts without truth: which blind answers are right cannot be said.")
    paths = [*([args.predictions] if args.predictions is not None else []), *args.blind_predictions]
    found = {path: only_answers(read_predictions(path), benchmark, whole) for path in paths}
    by_content: dict[str, Path] = {}
    for path, predictions in found.items():
        same = by_content.setdefault(predictions.source["sha256"], path)
        if same != path or paths.count(path) > 1:
            raise ValueError(f"You passed {same} and {path}, which hold the same: each run needs answers of its own.")
    stems = [path.stem for path in args.blind_predictions]
    names = [path.stem if stems.count(path.stem) == 1 else str(path) for path in args.blind_predictions]
    blind = {name: found[path] for name, path in zip(names, args.blind_predictions, strict=True)}
    return found.get(args.predictions), blind


def _write(args, benchmark, pictures, settings, before, predictions, blind):
    """Everything that lands in --out."""
    if predictions is None:
        predictions, blind, settings = _ask(args, benchmark, pictures, settings, blind)
        if predictions is None:
            print(f"This rank is done; another one writes {args.out / 'report.json'}.")
            return
        if benchmark.kind == "unlabelled":
            print(f"{len(predictions.answers):,} answers in {args.out / 'predictions.jsonl'}; there is no truth to score by.")
            return
    report = evaluate(benchmark, predictions, settings, strict=args.strict)
    report.save(args.out / "report.json")
    if args.eval_results:
        entries = eval_results(report, args.eval_results, args.task_id)
        write_eval_results(args.out, entries, args.eval_results.rpartition("/")[2])
    _show(args, report, pictures, compare(before, report, settings.resampling) if before else None)
    if blind:
        _show_needed(args, benchmark, predictions, report, settings, blind)


def _show_needed(args, benchmark, predictions, report, settings, blind):
    """Was the picture needed? The rows that no blind run answers, and the score on them."""
    few = replace(settings, resampling=replace(settings.resampling, resamples=1))  # of these only rows are read
    reports = {name: evaluate(benchmark, answers, few) for name, answers in blind.items()}
    found = picture_needed(benchmark, report, reports, settings.resampling)
    found.save(args.out / "picture_needed.json")
    write_ids(args.out / "needed_ids.jsonl", found.needed)
    needed = None
    if found.needed:
        rows = set(found.needed)
        part = replace(benchmark, rows=tuple(row for row in benchmark.rows if row.id in rows))
        needed = evaluate(part, only_answers(predictions, part, benchmark), settings)
    page = picture_needed_page.write_page(args.out / "picture_needed.html", found, needed)
    print("", picture_needed_page.summary(found, needed), sep="\n", file=sys.stderr if args.json else sys.stdout)
    print(f"page: {page}", file=sys.stderr)


def _benchmark(args, pictures):
    if not args.files:
        raise ValueError(f"You passed no files of {args.benchmark}: name them with --files.")
    if args.labelled:
        if args.benchmark != "promvil_lines":
            raise ValueError(f"You passed --labelled for {args.benchmark}: only promvil_lines lacks its truth.")
        name, *files = args.labelled
        # the lines are named by their own file, so --split is that of the labels
        benchmark = read_promvil_lines(args.files, labelled=read(name, files, args.split, args.choices))
    else:
        benchmark = read(args.benchmark, args.files, args.split, args.choices)
    if args.limit is not None and args.limit < len(benchmark.rows):
        warning = f"Only the first {args.limit:,} of {len(benchmark.rows):,} rows."
        benchmark = replace(benchmark, rows=benchmark.rows[: args.limit], warnings=(*benchmark.warnings, warning))
    if pictures is not None and benchmark.kind in ("grounding", "unlabelled"):
        benchmark = replace(benchmark, rows=pictures.with_sizes(benchmark.rows))
    return benchmark


def _ask(args, benchmark, pictures, settings, blind):
    """What the model says, with the picture and, where it is asked, without it; None while other ranks are at work."""
    if args.detector:
        return _detect(args, benchmark, pictures), blind, replace(settings, dialect=None, frame=DEFAULT_FRAME)
    asking = _asking(args)
    boxes = benchmark.kind in ("grounding", "unlabelled") or asking.mode != "one_shot"
    backend, model = options.load_backend(args, boxes), options.describe_model(args)

    def asked(asking, out):
        return answer(benchmark, backend, pictures, out, asking=asking, model=model, restart=args.restart)

    predictions = asked(asking, args.out)
    if args.blind_too:
        without = asked(replace(asking, blind=True), args.out / "blind")
        if without is None or predictions is None:  # the rank that ends last finds both whole
            predictions = without and asked(asking, args.out)
        blind = {"blind": without, **blind}
    return predictions, blind, replace(settings, dialect=backend.dialect, frame=None)


def _asking(args) -> Asking:
    names = ("prompt", "evidence", "max_new_tokens", "batch_size", "blind", "mode", "token_budget")
    return Asking(*(getattr(args, name) for name in names))


def _detect(args, benchmark, pictures):
    if args.blind_too or args.evidence != "none":
        raise ValueError(
            f"You passed --detector with {'--blind-too' if args.blind_too else '--evidence ' + args.evidence}, which only a "
            "model takes. Leave it out."
        )
    described = options.describe_model(args)
    return detector_answers(benchmark, options.load_composer(args), pictures, args.out, model=described, restart=args.restart)


def _show(args, report, pictures, comparison):
    page = write_page(args.out / "report.html", report, pictures, comparison)
    if args.json:
        print(json.dumps(report.scores, indent=2))
    else:
        print(table_text(report))
    if comparison is not None:
        print(comparison)
    print(f"page: {page}", file=sys.stderr)

