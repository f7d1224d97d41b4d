# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Evaluate a model, or a file of answers, on a benchmark; or compare two reports.

    promvil evaluate --benchmark pope --data coco_pope_popular.json --predictions answers.jsonl --out runs/pope
    promvil evaluate --benchmark refcocog --data refcocog/ --split test --model microsoft/kosmos-2-patch14-224 \\
        --adapter runs/promvil --images train2014 --out runs/refcocog
    torchrun --nproc_per_node 2 -m promvil_hf evaluate ... the same, by two processes
    promvil evaluate ... --mode progressive --out runs/levels           the same model, simple phrases first
    promvil evaluate --compare before/report.json after/report.json --images train2014 --out runs/compared

Answers are matched by id. The folder named by --out then holds report.json, report.html and, where a model answered,
predictions.jsonl; stopped in between, the same command goes on. A file of answers never loads torch.

Floor 5. Thin over `promvil_hf.evaluation` and `promvil_hf.evaluation.report`.
"""

import sys
from dataclasses import replace
from pathlib import Path

from promvil_hf.conventions import DEFAULT_FRAME, DIALECTS, FRAMES
from promvil_hf.evaluation.answering import EVIDENCE, MODES, Asking, answer
from promvil_hf.evaluation.benchmarks import READERS, read, read_promvil_lines
from promvil_hf.evaluation.hub_scores import eval_results, write_eval_results
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.predictions import read_predictions
from promvil_hf.evaluation.report import table_text, write_page
from promvil_hf.evaluation.results import ANSWER_RULES, YES_NO_RULES, Report, Settings, compare, evaluate
from promvil_hf.evaluation.scores import Resampling
from promvil_hf.jobs import JobError
from promvil_hf.metrics.grounding import GOLD_POLICIES, POLICIES
from promvil_hf.metrics.vqa import NORMALISATIONS


def add_arguments(parser):
    data = parser.add_argument_group("benchmark")
    data.add_argument("--benchmark", choices=READERS, metavar="NAME", help=_listing())
    data.add_argument("--data", nargs="+", type=Path, metavar="FILE", help="its files, as they are published")
    data.add_argument("--split", help="where its files hold several, or to name one (val, testA, zeroshot_dev ...)")
    data.add_argument("--choices", type=Path, help="GQA's choices file, which validity needs")
    data.add_argument(
        "--labelled",
        nargs="+",
        metavar=("NAME", "FILE"),
        help="for promvil_lines: the benchmark that holds their truth",
    )
    data.add_argument("--images", type=Path, help="folder of pictures: to ask a model, and to show cases")
    data.add_argument("--limit", type=int, help="the first so many rows only; the content hash then tells it apart")

    who = parser.add_argument_group("answers: a file, or a model")
    who.add_argument("--predictions", type=Path, help="JSON Lines or JSON array of {id, text} or {id, boxes}")
    who.add_argument("--model", help="folder or Hub id of a checkpoint")
    who.add_argument("--adapter", help="folder or Hub id of an adapter")
    who.add_argument("--revision", help="of the checkpoint")
    who.add_argument("--quantize", choices=("nf4", "int8"))
    who.add_argument("--device", help="default: the first GPU (that of this rank), else the CPU")
    who.add_argument("--prompt", help="wording for answers in words; {text} stands for the question")
    who.add_argument(
        "--evidence", choices=EVIDENCE, default="none", help="tell the true boxes of the steps a phrase leans on"
    )
    who.add_argument(
        "--mode", choices=MODES, default="one_shot",
        help="ask each row by itself, or ground the phrases in it first and tell it what was found: one level below it, or "
        "at all of them (default: %(default)s)",
    )  # fmt: skip
    who.add_argument("--blind", action="store_true", help="ask without the picture: a control")
    who.add_argument("--max-new-tokens", type=int, default=64)
    who.add_argument("--batch-size", type=int, default=8)
    who.add_argument(
        "--token-budget", type=int, default=16_384,
        help="tokens held at a time with --mode progressive and all (default: %(default)s)",
    )  # fmt: skip

    how = parser.add_argument_group("scoring")
    how.add_argument("--dialect", choices=DIALECTS, help="how texts write boxes; default: the model's own")
    how.add_argument("--frame", choices=FRAMES, default=DEFAULT_FRAME, help="of boxes in a file (default: %(default)s)")
    how.add_argument("--box-policy", choices=POLICIES, default="first", help="which of several boxes counts")
    how.add_argument("--gold-policy", choices=GOLD_POLICIES, default="any")
    how.add_argument("--iou", nargs="+", type=float, default=[0.5], metavar="T", help="thresholds; the first counts")
    how.add_argument("--yes-no-rule", choices=YES_NO_RULES, default="strict")
    how.add_argument("--answer-rule", choices=ANSWER_RULES, default="lower_without_period", help="for GQA")
    how.add_argument("--vqa-normalise", choices=NORMALISATIONS, help="default: the data set's own")
    how.add_argument("--strict", action="store_true", help="fail on any fault of the file of answers")
    how.add_argument("--resamples", type=int, default=9_999, help="of the bootstrap (default: %(default)s)")
    how.add_argument("--seed", type=int, default=0)

    out = parser.add_argument_group("output")
    out.add_argument("--out", type=Path, default=Path("runs/evaluate"), help="folder to write (default: %(default)s)")
    out.add_argument(
        "--compare", nargs="+", type=Path, metavar="REPORT",
        help="two reports: a paired test of the second against the first. One report, with a benchmark: against it",
    )  # fmt: skip
    out.add_argument(
        "--eval-results", metavar="DATASET_ID", help="also write .eval_results/*.yaml for the model's page on the Hub"
    )
    out.add_argument("--task-id", default="default", help="the task of that data set (default: %(default)s)")
    out.add_argument("--json", action="store_true", help="print the scores as JSON instead of a table")


def run(args):
    try:
        return _run(args)
    except JobError as error:
        raise ValueError(str(error)) from error


def _run(args):
    pictures = Pictures(args.images) if args.images else None
    resampling = Resampling(resamples=args.resamples, seed=args.seed)
    if args.benchmark is None:
        if len(args.compare or ()) != 2:
            raise ValueError(
                "You passed no benchmark: name one (--benchmark), or two reports (--compare A.json B.json)."
            )
        before, after = map(Report.load, args.compare)
        _show(args, after, pictures, compare(before, after, resampling))
        return None
    if args.compare and len(args.compare) != 1:
        raise ValueError("You passed a benchmark and two reports to compare: pass the one report to compare it with.")
    before = Report.load(args.compare[0]) if args.compare else None
    if (args.predictions is None) == (args.model is None):
        raise ValueError("You passed both or neither of --predictions and --model: give one of them.")
    benchmark = _benchmark(args, pictures)
    settings = Settings(
        dialect=args.dialect, frame=args.frame, box_policy=args.box_policy, gold_policy=args.gold_policy,
        iou_thresholds=tuple(args.iou), yes_no_rule=args.yes_no_rule, answer_rule=args.answer_rule,
        vqa_normalise=args.vqa_normalise, resampling=resampling,
    )  # fmt: skip
    if args.predictions is not None:
        predictions = read_predictions(args.predictions)
    else:
        predictions, settings = _ask(args, benchmark, pictures, settings)
        if predictions is None:
            print(f"This rank is done; another one writes {args.out / 'report.json'}.")
            return None
        if benchmark.kind == "unlabelled":
            print(
                f"{len(predictions.answers):,} answers in {args.out / 'predictions.jsonl'}; there is no truth to score by."
            )
            return None
    report = evaluate(benchmark, predictions, settings, strict=args.strict)
    report.save(args.out / "report.json")
    if args.eval_results:
        entries = eval_results(report, args.eval_results, args.task_id)
        write_eval_results(args.out, entries, args.eval_results.rpartition("/")[2])
    _show(args, report, pictures, compare(before, report, resampling) if before else None)
    return None


def _benchmark(args, pictures):
    if not args.data:
        raise ValueError(f"You passed no files of {args.benchmark}: name them with --data.")
    if args.labelled:
        if args.benchmark != "promvil_lines":
            raise ValueError(f"You passed --labelled for {args.benchmark}: only promvil_lines lacks its truth.")
        name, *files = args.labelled
        # the lines are named by their own file, so --split is that of the labels
        benchmark = read_promvil_lines(args.data, labelled=read(name, files, args.split, args.choices))
    else:
        benchmark = read(args.benchmark, args.data, args.split, args.choices)
    if args.limit is not None:
        if args.limit < 1:
            raise ValueError(f"You passed --limit {args.limit}: it is at least 1.")
        told = f"Only the first {args.limit:,} of {len(benchmark.rows):,} rows."
        if args.limit < len(benchmark.rows):
            benchmark = replace(benchmark, rows=benchmark.rows[: args.limit], warnings=(*benchmark.warnings, told))
    if pictures is not None and benchmark.kind in ("grounding", "unlabelled"):
        benchmark = replace(benchmark, rows=pictures.with_sizes(benchmark.rows))
    return benchmark


def _ask(args, benchmark, pictures, settings):
    from promvil_hf.backends.loading import load
    from promvil_hf.conventions import dialect

    asking = Asking(
        args.prompt, args.evidence, args.max_new_tokens, args.batch_size, args.blind, args.mode, args.token_budget
    )  # fmt: skip
    backend = load(
        args.model, args.adapter, quantize=args.quantize, revision=args.revision, device=args.device,
        dialect=None if args.dialect is None else dialect(args.dialect),
    )  # fmt: skip
    model = {"model": args.model, "adapter": args.adapter, "revision": args.revision, "quantize": args.quantize}
    predictions = answer(benchmark, backend, pictures, args.out, asking=asking, model=model)
    return predictions, replace(settings, dialect=args.dialect or backend.dialect)


def _show(args, report, pictures, comparison):
    page = write_page(args.out / "report.html", report, pictures, comparison)
    if args.json:
        import json

        print(json.dumps(report.scores, indent=2))
    else:
        print(table_text(report))
    if comparison is not None:
        print(comparison)
    print(f"page: {page}", file=sys.stderr)


def _listing():
    return "; ".join(f"{name}: {about}" for name, (_, _, about) in READERS.items())
