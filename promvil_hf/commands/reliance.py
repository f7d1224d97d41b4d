# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil reliance`, over `promvil_hf.evaluation.reliance`."""

import json
import sys
from pathlib import Path

from promvil_hf.commands import options
from promvil_hf.conventions import DIALECTS
from promvil_hf.distributed import Ranks
from promvil_hf.evaluation.answering import Asking
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.predictions import read_predictions
from promvil_hf.evaluation.reliance import RelianceReport, against_accuracy, points, reliance
from promvil_hf.evaluation.reliance_page import points_page, points_told, told, write_page
from promvil_hf.evaluation.row_ids import read_ids
from promvil_hf.evaluation.scores import Resampling
from promvil_hf.evaluation.twin_answers import METRICS, TwinSettings, answer_twins, write_twins
from promvil_hf.fivl.row_files import read_fivl_rows
from promvil_hf.fivl.twins import FILLS, KINDS
from promvil_hf.folder_lock import held
from promvil_hf.own_documents import own_document
from promvil_hf.pages import write


HELP = """
How much a model relies on what its answers name: the accuracy it loses when that is hidden, with all controls.

    promvil reliance --rows fivl --config gqa --images gqa/images --model llava-hf/llava-1.5-7b-hf --out runs/reliance
    promvil reliance --rows fivl --config gqa --images gqa/images --out runs/q \\
        --base-url http://localhost:8000/v1 --served-model qwen
    torchrun --nproc_per_node 8 -m promvil_hf reliance ...       the same, by eight processes
    promvil reliance --rows fivl --config gqa --images gqa/images --write-twins twins      (to answer them elsewhere)
    promvil reliance --rows fivl --config gqa --predictions answers.jsonl --out runs/mine
    promvil reliance --compare llava=runs/llava/reliance.json qwen=runs/q/reliance.json ... --out runs/models

Each row is asked about its original image, with the key boxes hidden, and under the controls: silhouettes, random boxes
of the same sizes, the whole image, no image. The folder named by --out then holds reliance.json, reliance.html and
predictions.jsonl; stopped in between, the same command goes on. A file of answers never loads torch; the id of an answer
in it is ROW/KIND, as in twins.jsonl.

--compare takes the reports of several models, NAME=REPORT or REPORT, and plots reliance against accuracy.
"""


def add_arguments(parser):
    options.add(parser.add_argument_group("rows"), "--rows", "--config", "--images", "--limit", "--ids")

    who = parser.add_argument_group("answers: a model, a server or a file")
    options.add(who, *options.MODEL, *options.SERVER)
    options.add(who, "--dialect", choices=DIALECTS)
    options.add(who, "--frame", "--predictions", "--prompt", "--max-new-tokens", "--batch-size")

    how = parser.add_argument_group("twins and scoring")
    how.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND", help="of twins")
    options.add(how, "--fill", choices=FILLS)
    how.add_argument("--metric", choices=METRICS, help="default: the data set's own")
    how.add_argument("--types", type=Path, metavar="FILE", help="GQA's questions, or {question id: type}")
    options.add(how, "--strict", "--resamples", "--seed")

    out = parser.add_argument_group("output")
    options.add(out, "--out", default=Path("runs/reliance"))
    options.add(out, "--compare", "--json")
    out.add_argument("--name", help="of these rows in the report (default: their source)")
    out.add_argument("--write-twins", type=Path, metavar="DIR", help="only write the pictures and questions")


def run(args):
    resampling = Resampling(resamples=args.resamples, seed=args.seed)
    if args.compare:
        return _compare(args, resampling)
    if args.rows is None:
        raise ValueError(
            "You passed no --rows: name the folder that `promvil build fivl` wrote, or reports (--compare)."
        )
    rows = read_fivl_rows(args.rows, args.config, args.limit)
    if args.ids:
        rows = _only(rows, args.ids)
    settings = TwinSettings(tuple(args.kinds), args.fill, args.seed, args.metric)
    pictures = Pictures(args.images) if args.images else None
    if pictures is None and (args.write_twins or args.predictions is None):
        raise ValueError("You passed no --images: name the folder of pictures, which are perturbed.")
    if args.write_twins:
        count = write_twins(rows, pictures, args.write_twins, settings)
        print(f"{count:,} twins in {args.write_twins}: answer twins.jsonl and pass the answers as --predictions.")
        return None
    options.check_one_answers(args)
    with held(args.out, Ranks.of_environment()):
        return _write(args, rows, pictures, settings, resampling)


def _write(args, rows, pictures, settings, resampling):
    """Everything that lands in --out."""
    if args.predictions is not None:
        predictions = read_predictions(args.predictions)
    else:
        backend, model = options.load_backend(args), options.describe_model(args)
        asking = Asking(args.prompt, max_new_tokens=args.max_new_tokens, batch_size=args.batch_size)
        predictions = answer_twins(rows, pictures, backend, args.out, settings=settings, asking=asking, model=model)
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


def _only(rows, path: Path):
    """The rows that a file names, by their own id or by that in the benchmark."""
    wanted = read_ids(path)
    found = [row for row in rows if row.row_id in wanted or row.source_id in wanted]
    if not found:
        raise ValueError(
            f"{path} names none of the {len(rows):,} rows: its ids read like {min(wanted)!r}, those of the rows like "
            f"{rows[0].row_id!r} or {rows[0].source_id!r}."
        )
    return found


def _types(path: Path | None) -> dict[str, str] | None:
    if path is None:
        return None
    found = own_document(path)
    if not found.fields:
        raise ValueError(f"{path} is no object of question types by id, nor GQA's questions.")
    return {
        name: found.record(name).record("types").text("structural") if isinstance(kind, dict) else str(kind)
        for name, kind in found.fields.items()
    }


def _compare(args, resampling: Resampling):
    pairs = []
    for text in args.compare:
        name, found, path = text.rpartition("=")
        pairs.append((name if found else Path(path).parent.name or path, RelianceReport.load(path)))
    models = points(pairs)
    found = against_accuracy(models, resampling)
    with held(args.out):
        page = write(args.out / "models.html", points_page(models, found))
    print(points_told(models, found))
    print(f"page: {page}", file=sys.stderr)
