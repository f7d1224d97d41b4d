# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil ground`, over `promvil_hf.grounding`."""

import json
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

from promvil_hf import jobs
from promvil_hf.commands import options
from promvil_hf.conventions import DIALECTS, frame_advice


HELP = """
Ground an expression in a picture, simple parts first; or answer a question after its things are located.

    promvil ground photo.jpg "the man next to the woman holding an umbrella"
    promvil ground photo.jpg "what is the man holding?" --answer --adapter my-adapter --html trace.html
    promvil ground --queries queries.jsonl --out traces          # thousands, resumable
    promvil ground photo.jpg "the red cup" --base-url http://localhost:8000/v1 --served-model Qwen/Qwen3-VL-8B-Instruct \\
        --frame thousandths
    promvil ground photo.jpg "the man left of the red car" --detector IDEA-Research/grounding-dino-base

With --detector no model reads the whole expression: the detector finds the nouns, and each level chooses among what was found.

A line of the queries file is {"image": "photo.jpg", "expression": "the red cup"}, or "question" in place of
"expression"; lines about one picture should stand together.
"""
MODES = ("one_shot", "progressive", "all")
MODEL = "microsoft/kosmos-2-patch14-224"


def add_arguments(parser):
    parser.add_argument("image", nargs="?", help="picture file")
    parser.add_argument("expression", nargs="*", help="expressions in quotes, or questions with --answer")
    parser.add_argument(
        "--answer", action="store_true", help="the expressions are questions: ground what they name first"
    )
    parser.add_argument(
        "--queries", type=Path, metavar="FILE", help="JSON Lines in place of a picture and expressions"
    )

    model = parser.add_argument_group("model: a checkpoint, a server or a detector")
    options.add(model, "--model", default=MODEL)
    options.add(model, *options.MODEL[1:], *options.SERVER)
    options.add(model, "--dialect", choices=DIALECTS)
    options.add(model, "--frame", *options.DETECTOR)

    way = parser.add_argument_group("way of grounding")
    options.add(way, "--mode", choices=MODES, default="progressive")
    way.add_argument(
        "--reference", action="store_true", help="do as the published code does, with its 80 %% rule and 32 tokens"
    )
    way.add_argument(
        "--constrained", action="store_true", help="only well-formed boxes can be written (Kosmos-2); faster"
    )
    way.add_argument(
        "--max-boxes",
        type=options.positive,
        metavar="N",
        help="end an answer after this many boxes (with --constrained)",
    )
    options.add(way, "--token-budget")

    out = parser.add_argument_group("output")
    options.add(out, "--json", "--html")
    out.add_argument(
        "--png", type=Path, metavar="FILE", help="picture of the levels; for several expressions FILE-1.png …"
    )
    options.add(out, "--out")
    options.add(out, "--shard-size", default=256)
    options.add(out, "--restart")


def run(args):
    if args.queries is not None:
        if args.image or not args.out:
            raise ValueError("You passed --queries: pass --out DIR with it, and no image or expression beside it.")
    elif not args.image or not args.expression:
        raise ValueError(
            'Nothing to ground. Pass a picture and an expression, promvil ground photo.jpg "the red cup", or --queries '
            "FILE --out DIR."
        )
    elif args.out:
        raise ValueError("You passed --out, which belongs to --queries. For one picture use --json, --html or --png.")
    # What a user can have mistyped is looked at before gigabytes of weights are.
    if args.queries is None:
        if not all(text.strip() for text in args.expression):
            kind = "question" if args.answer else "expression"
            raise ValueError(f'You passed a blank {kind}: there is nothing to ground. Name a thing, such as "the red cup".')
        image = options.read_picture(args.image)
        return _picture(make_grounder(args), image, args)
    if not args.queries.is_file():
        raise ValueError(f"There is no file {args.queries}: pass JSON Lines of queries with --queries.")
    return _file(make_grounder(args), args)


def make_grounder(args):
    from promvil_hf.grounding import GroundingOptions, ProgressiveGrounder

    if args.detector:
        if args.model != MODEL:
            raise ValueError("You passed --model and --detector: one of them answers. Leave one out.")
        return options.load_composer(args)
    if args.reference and args.constrained:
        raise ValueError(
            "You passed --reference and --constrained, but the published code does not constrain. Drop one."
        )
    if args.max_boxes is not None and not args.constrained:
        raise ValueError(
            "You passed --max-boxes without --constrained: only then are boxes counted as they are written."
        )
    settings = (
        GroundingOptions.reference(args.mode)
        if args.reference
        else GroundingOptions(args.mode, constrained=args.constrained, max_boxes=args.max_boxes)
    )
    return ProgressiveGrounder(options.load_backend(args, boxes=True), settings, token_budget=args.token_budget)


def _picture(grounder, image, args):
    from promvil_hf.grounding.trace import Query

    task = "answer" if args.answer else "ground"
    traces = grounder.ground_all(
        [Query(image, text, task, str(number)) for number, text in enumerate(args.expression, 1)]
    )
    for trace in traces:
        print(json.dumps(trace.to_dict(), ensure_ascii=False) if args.json else f"{trace}\n")
    _advise(traces, grounder.dialect)
    drawn = [trace for trace in traces if trace.steps]
    if args.html:
        print(f"written: {_page(args.html, image, args.image, drawn)}", file=sys.stderr)
    if args.png:
        from promvil_hf.grounding.drawing import draw

        for trace in drawn:
            path = args.png if len(traces) == 1 else args.png.with_stem(f"{args.png.stem}-{trace.id}")
            path.parent.mkdir(parents=True, exist_ok=True)
            draw(trace, image).save(path, "png")
            print(f"written: {path}", file=sys.stderr)
    return 0 if all(trace.ok for trace in traces) else 1


def _advise(traces, dialect):
    """Say so where the numbers in the answers do not fit the dialect's frame."""
    if dialect is None:  # no text was written
        return
    said = [
        (step.answer, trace.image_size)
        for trace in traces
        if trace.task == "ground"
        for step in trace.steps
        if step.ended
    ]
    if advice := frame_advice([answer for answer, _ in said], dialect, [size for _, size in said]):
        print(advice, file=sys.stderr)


def _page(path: Path, image, name: str, traces):
    from promvil_hf import pages

    return pages.write(
        path,
        pages.page(
            Path(name).name,
            *(
                pages.section(
                    trace.text,
                    pages.chain_strip(image, trace.chain(), alt=f"{Path(name).name}: {trace.text}"),
                    _masks(image, trace),
                    pages.paragraph(f"Answer: {trace.answer}") if trace.answer is not None else None,
                    pages.table(
                        [
                            [step.level, step.phrase, _step_answer(step, trace.mode), step.reason or "", step.score]
                            for step in trace.steps
                        ],
                        ["level", "phrase", _SAID.get(trace.mode, "what the model wrote"), "why no box", "score"],
                    ),
                )
                for trace in traces
            ),
            lead="Grounded level by level: the boxes of one level are the evidence of the next (dashed).",
        ),
    )


_SAID = {"composed": "what decided"}


def _step_answer(step, mode: str) -> str:
    """What a step answered; where it was composed also what could not be used."""
    return "; ".join([step.answer or step.source, *(step.problems if mode == "composed" else ())])


def _masks(image, trace):
    """The last step's masks, where it has any."""
    from promvil_hf import masks, pages

    decoded = [masks.decode(mask) for mask in trace.steps[-1].masks if mask is not None]
    return pages.figure(image, alt=f"Mask of {trace.text}", masks=decoded) if decoded else None


def _file(grounder, args):
    from promvil_hf.grounding.batch_job import ground_file
    from promvil_hf.grounding.trace import GroundingTrace

    model = options.describe_model(args)
    report = ground_file(
        grounder, args.queries, args.out, describe=model, shard_size=args.shard_size, restart=args.restart
    )
    print(report)
    first = islice(jobs.rows(args.out), 500)
    _advise([GroundingTrace.from_dict(row) for _, row in first], grounder.dialect)
    if all(row["reason"] for _, row in jobs.rows(args.out)):
        reasons = Counter(report.rejected) + Counter(row["reason"] for _, row in jobs.rows(args.out))
        jobs.check_some(0, reasons, str(args.out))
