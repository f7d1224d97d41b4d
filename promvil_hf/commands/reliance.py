# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How much a model relies on what its answers name: the accuracy it loses when that is hidden, with all controls.

    promvil reliance fivl --config gqa --images gqa/images --model llava-hf/llava-1.5-7b-hf --out runs/reliance
    promvil reliance fivl --config gqa --images gqa/images --base-url http://localhost:8000/v1 --served qwen --out runs/q
    torchrun --nproc_per_node 8 -m promvil_hf reliance ... the same, by eight processes
    promvil reliance fivl --config gqa --images gqa/images --write-twins twins      (to answer them elsewhere)
    promvil reliance fivl --config gqa --predictions answers.jsonl --out runs/mine  ({"id": "ROW/KIND", "text": ...})
    promvil reliance --compare llava=runs/llava/reliance.json qwen=runs/q/reliance.json ... --out runs/models

Each row is asked about its original image, with the key boxes hidden, and under the controls: silhouettes, random boxes
of the same sizes, the whole image, no image. The folder named by --out then holds reliance.json, reliance.html and
predictions.jsonl; stopped in between, the same command goes on. A file of answers never loads torch.

Floor 5. Thin over `promvil_hf.evaluation.reliance`.
"""

import json
import sys
from pathlib import Path

from promvil_hf.commands import fivl_rows
from promvil_hf.evaluation.answering import Asking
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.predictions import read_predictions
from promvil_hf.evaluation.reliance import RelianceReport, against_accuracy, points, reliance
from promvil_hf.evaluation.reliance_page import points_page, points_told, told, write_page
from promvil_hf.evaluation.scores import Resampling
from promvil_hf.evaluation.twin_answers import METRICS, TwinSettings, answer_twins, write_twins
from promvil_hf.fivl.twins import FILLS, KINDS
from promvil_hf.jobs import JobError
from promvil_hf.pages import write


def add_arguments(parser):
    parser.add_argument("rows", type=Path, nargs="?", help="folder that `promvil build fivl` wrote, or a file of rows")
    fivl_rows.add_row_arguments(parser.add_argument_group("rows"))

    who = parser.add_argument_group("answers: a model, a server or a file")
    fivl_rows.add_model_arguments(who)
    who.add_argument("--base-url", metavar="URL", help="an OpenAI-compatible server, such as http://localhost:8000/v1")
    who.add_argument("--served", metavar="NAME", help="the model's name there; the key is taken from PROMVIL_API_KEY")
    who.add_argument(
        "--predictions", type=Path, metavar="FILE", help='answers: {"id": "ROW/KIND", "text": ...} a line'
    )
    who.add_argument("--prompt", help="wording of the question; {text} stands for it")

    how = parser.add_argument_group("twins and scoring")
    how.add_argument("--kinds", nargs="+", default=list(KINDS), metavar="KIND", help=f"of {', '.join(KINDS)}")
    how.add_argument("--fill", choices=FILLS, default="black", help="what hides (default: %(default)s)")
    how.add_argument("--seed", type=int, default=0, help="of random boxes and intervals (default: %(default)s)")
    how.add_argument("--metric", choices=METRICS, help="default: the data set's own")
    how.add_argument("--types", type=Path, metavar="FILE", help="GQA's questions, or {question id: type}")
    how.add_argument("--resamples", type=int, default=9_999, help="of the bootstrap (default: %(default)s)")
    how.add_argument("--strict", action="store_true", help="fail on any fault of the answers")

    out = parser.add_argument_group("output")
    out.add_argument("--out", type=Path, default=Path("runs/reliance"), help="folder to write (default: %(default)s)")
    out.add_argument("--name", help="of these rows in the report (default: their source)")
    out.add_argument("--write-twins", type=Path, metavar="DIR", help="only write the pictures and questions")
    out.add_argument("--compare", nargs="+", metavar="NAME=REPORT", help="reports of several models, against accuracy")
    out.add_argument("--json", action="store_true", help="print the scores as JSON")


def run(args):
    try:
        return _run(args)
    except JobError as error:
        raise ValueError(str(error)) from error


def _run(args):
    resampling = Resampling(resamples=args.resamples, seed=args.seed)
    if args.compare:
        return _compare(args, resampling)
    if args.rows is None:
        raise ValueError(
            "You passed no rows: name the folder that `promvil build fivl` wrote, or reports (--compare)."
        )
    rows = fivl_rows.read(args.rows, args.config, args.limit)
    settings = TwinSettings(tuple(args.kinds), args.fill, args.seed, args.metric)
    pictures = Pictures(args.images) if args.images else None
    if pictures is None and (args.write_twins or args.predictions is None):
        raise ValueError("You passed no --images: name the folder of pictures, which are perturbed.")
    if args.write_twins:
        count = write_twins(rows, pictures, args.write_twins, settings)
        print(f"{count:,} twins in {args.write_twins}: answer twins.jsonl and pass the answers as --predictions.")
        return None
    given = [name for name in ("model", "base_url", "predictions") if getattr(args, name) is not None]
    if len(given) != 1:
        raise ValueError(
            f"You passed {' and '.join('--' + name.replace('_', '-') for name in given) or 'nothing that answers'}: give one "
            "of --model, --base-url (with --served) and --predictions."
        )
    if args.predictions is not None:
        predictions = read_predictions(args.predictions)
    else:
        backend, model = _backend(args)
        asking = Asking(args.prompt, max_new_tokens=args.max_new_tokens, batch_size=args.batch_size)
        predictions = answer_twins(
            rows, pictures, backend, args.out, settings=settings, asking=asking, model=model
        )
        if predictions is None:
            print(f"This rank is done; another one writes {args.out / 'reliance.json'}.")
            return None
    report = reliance(
        rows, predictions, name=args.name or "", types=_types(args.types), settings=settings, resampling=resampling,
        strict=args.strict,
    )  # fmt: skip
    report.save(args.out / "reliance.json")
    page = write_page(args.out / "reliance.html", report, rows, pictures)
    print(json.dumps(report.scores, indent=2) if args.json else told(report))
    print(f"page: {page}", file=sys.stderr)
    return None


def _backend(args):
    if args.base_url is None:
        return fivl_rows.load_backend(args), fivl_rows.model_name(args)
    from promvil_hf.backends.endpoint import EndpointBackend
    from promvil_hf.dialects import LlavaBrackets
    from promvil_hf.endpoint import Endpoint

    if not args.served:
        raise ValueError("You passed --base-url without --served: name the model as the server knows it.")
    endpoint = Endpoint(args.base_url, args.served, args.out / "paid")
    return EndpointBackend(endpoint, LlavaBrackets()), {"base_url": args.base_url, "served": args.served}


def _types(path: Path | None) -> dict[str, str] | None:
    if path is None:
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict) or not found:
        raise ValueError(f"{path} is no object of question types by id, nor GQA's questions.")
    return {
        str(name): value["types"]["structural"] if isinstance(value, dict) else str(value)
        for name, value in found.items()
    }


def _compare(args, resampling: Resampling):
    pairs = []
    for text in args.compare:
        name, found, path = text.rpartition("=")
        pairs.append((name if found else Path(path).parent.name or path, RelianceReport.load(path)))
    models = points(pairs)
    found = against_accuracy(models, resampling)
    page = write(args.out / "models.html", points_page(models, found))
    print(points_told(models, found))
    print(f"page: {page}", file=sys.stderr)
