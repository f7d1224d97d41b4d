# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Ground an expression in a picture, simple parts first, or answer a question with its things located.

    promvil ground photo.jpg "the man next to the woman holding an umbrella"
    promvil ground photo.jpg "what is the man holding?" --answer --adapter my-adapter --html trace.html
    promvil ground --queries queries.jsonl --out traces          # thousands, resumable
    promvil ground photo.jpg "the red cup" --base-url http://localhost:8000/v1 --served Qwen/Qwen3-VL-8B-Instruct

A line of the queries file is {"image": "photo.jpg", "expression": "the red cup"}, or "question" in place of
"expression"; lines about one picture should stand together.

Floor 5. The model comes from `promvil_hf.backends.loading`, all else from `promvil_hf.grounding`.
"""

import json
import sys
from pathlib import Path

from promvil_hf.conventions import DEFAULT_DIALECT, DIALECTS, dialect


def add_arguments(parser):
    add = parser.add_argument
    add("image", nargs="?", help="picture file")
    add("expression", nargs="*", help="expressions in quotes, or questions with --answer")
    add("--answer", action="store_true", help="the expressions are questions: locate what they name, then answer them")

    model = parser.add_argument_group("model")
    add = model.add_argument
    add("--base", default="microsoft/kosmos-2-patch14-224", help="checkpoint folder or Hub id (default: %(default)s)")
    add("--adapter", help="LoRA adapter, folder or Hub id")
    add("--revision", help="of the base")
    add("--dtype", default="auto", help="of the weights: auto (as saved), float32, bfloat16, float16")
    add("--device", help="(default: the first GPU, or the CPU)")
    add("--quantize", choices=("nf4", "int8"), help="load in 4 or 8 bits (extra `quant`)")
    add("--base-url", metavar="URL", help="ask a served model (OpenAI-compatible) instead of loading one")
    add("--served", metavar="MODEL", help="its name on that server")
    add(
        "--dialect",
        choices=DIALECTS,
        default=DEFAULT_DIALECT,
        help="how a served model writes boxes (default: %(default)s)",
    )
    add(
        "--cache",
        type=Path,
        default=Path(".promvil-answers"),
        help="where answers of a served model are kept (default: %(default)s)",
    )

    way = parser.add_argument_group("way of grounding")
    add = way.add_argument
    add(
        "--mode",
        choices=("progressive", "all", "one_shot"),
        default="progressive",
        help="which phrases in it a phrase is told about: those one level below, all, none (default: %(default)s)",
    )
    add("--reference", action="store_true", help="as the published code, its 80 %% rule and 32 tokens included")
    add("--constrained", action="store_true", help="only well-formed boxes can be written (Kosmos-2); faster")
    add("--max-boxes", type=int, metavar="N", help="end an answer after so many boxes (with --constrained)")
    add("--token-budget", type=int, default=16_384, help="tokens held in memory at a time (default: %(default)s)")

    out = parser.add_argument_group("output")
    add = out.add_argument
    add("--json", action="store_true", help="one JSON object an expression on standard output")
    add("--html", type=Path, metavar="FILE", help="write a page that shows each level")
    add("--png", type=Path, metavar="FILE", help="write a picture of the levels (several expressions: FILE-1.png …)")
    add("--queries", type=Path, metavar="FILE", help="JSON Lines of queries in place of an image and expressions")
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for their traces; the same command goes on after an interruption",
    )
    add("--shard-size", type=int, default=256, help="lines that an interruption can cost (default: %(default)s)")
    add("--restart", action="store_true", help="throw away what a former run left in --out")


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
        image = _read(args.image)
        return _picture(make_grounder(args), image, args)
    if not args.queries.is_file():
        raise ValueError(f"There is no file {args.queries}: pass JSON Lines of queries with --queries.")
    return _file(make_grounder(args), args)


def make_grounder(args):
    from promvil_hf.grounding import GroundingOptions, ProgressiveGrounder

    if args.reference and args.constrained:
        raise ValueError(
            "You passed --reference and --constrained, but the published code does not constrain. Drop one."
        )
    if args.max_boxes is not None and not args.constrained:
        raise ValueError(
            "You passed --max-boxes without --constrained: only then are boxes counted as they are written."
        )
    options = (
        GroundingOptions.reference(args.mode)
        if args.reference
        else GroundingOptions(args.mode, constrained=args.constrained, max_boxes=args.max_boxes)
    )
    return ProgressiveGrounder(_backend(args), options, token_budget=args.token_budget)


def _backend(args):
    if args.base_url:
        if not args.served:
            raise ValueError("You passed --base-url: pass --served with the model's name on that server.")
        from promvil_hf.backends.endpoint import EndpointBackend
        from promvil_hf.endpoint import Endpoint

        return EndpointBackend(Endpoint(args.base_url, args.served, args.cache), dialect(args.dialect))
    from promvil_hf.backends.loading import load

    return load(
        args.base,
        args.adapter,
        dtype=args.dtype,
        device=args.device,
        quantize=args.quantize,
        revision=args.revision,
    )


def _read(path):
    from promvil_hf.images import UnreadableImage, read_image

    try:
        return read_image(path)
    except UnreadableImage as error:
        raise ValueError(f"Cannot read {path}: {error}.") from error


def _picture(grounder, image, args):
    from promvil_hf.grounding.trace import Query

    task = "answer" if args.answer else "ground"
    traces = grounder.ground_all(
        [Query(image, text, task, str(number)) for number, text in enumerate(args.expression, 1)]
    )
    for trace in traces:
        print(json.dumps(trace.to_dict(), ensure_ascii=False) if args.json else f"{trace}\n")
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
                    pages.paragraph(f"Answer: {trace.answer}") if trace.answer is not None else None,
                    pages.table(
                        [
                            [step.level, step.phrase, step.answer or step.source, step.reason or "", step.score]
                            for step in trace.steps
                        ],
                        ["level", "phrase", "what the model wrote", "why no box", "score"],
                    ),
                )
                for trace in traces
            ),
            lead="Grounded level by level: the boxes of one level are the evidence of the next (dashed).",
        ),
    )


def _file(grounder, args):
    from promvil_hf.grounding.batch_job import ground_file

    model = {"served": args.served, "base_url": args.base_url} if args.base_url else {
        "base": args.base, "adapter": args.adapter, "revision": args.revision, "dtype": args.dtype, "quantize": args.quantize
    }  # fmt: skip
    report = ground_file(
        grounder, args.queries, args.out, describe=model, shard_size=args.shard_size, restart=args.restart
    )
    print(report)
