# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil reliance`, over `promvil_hf.evaluation.reliance`."""

import json
import sys
from dataclasses import replace
from pathlib import Path

from promvil_hf.commands import dry_run, options
from promvil_hf.conventions import DIALECTS
from promvil_hf.distributed import Ranks
from promvil_hf.evaluation.answering import Asking
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.predictions import read_predictions
from promvil_hf.evaluation.reliance import RelianceReport, follows_accuracy, points, reliance
from promvil_hf.evaluation.reliance_page import points_page, points_summary, summary, write_page
from promvil_hf.evaluation.results import Settings
from promvil_hf.evaluation.row_ids import read_ids
from promvil_hf.evaluation.scores import Resampling
from promvil_hf.evaluation.twin_answers import METRICS, TwinSettings, answer_twins, usable
from promvil_hf.evaluation.twin_folder import TwinFolder
from promvil_hf.fivl.row_files import read_fivl_rows
from promvil_hf.fivl.twins import FILLS, KINDS
from promvil_hf.folder_lock import held
from promvil_hf.json_documents import json_document
from promvil_hf.pages import write


HELP = """
How much a model relies on what its answers name: the accuracy it loses when that is hidden, with all controls.

    promvil reliance --rows fivl --config gqa --images gqa/images --model llava-hf/llava-1.5-7b-hf --out runs/reliance
    promvil reliance --rows fivl --config gqa --images gqa/images --out runs/q \\
        --base-url http://localhost:8000/v1 --served-model qwen
    torchrun --nproc_per_node 8 -m promvil_hf reliance ...       the same, by eight processes
    promvil reliance --twins twins --model llava-hf/llava-1.5-7b-hf --out runs/mmvp         (of any question set)
    promvil reliance --twins twins --predictions answers.jsonl --out runs/mine
    promvil reliance --compare llava=runs/reliance/reliance.json qwen=runs/q/reliance.json ... --out runs/models

--rows are those of FiVL-Instruct; --twins is a folder that `promvil twins` wrote, with its questions, pictures and settings.
Each row is asked about its original image, with the key boxes hidden, and under the controls: silhouettes, random boxes
of the same sizes, the whole image, no image. The folder named by --out then holds reliance.json, reliance.html and
predictions.jsonl. After a stop the same command continues where it was. A file of answers never loads torch; the id of an answer
in it is ROW/KIND, as in twins.jsonl.

The score is 1 - masked / original accuracy, so over models it rises with accuracy by definition. --compare takes the
reports of several models (NAME=REPORT or REPORT). It says how much of the correlation between score and accuracy this formula
alone explains, and what is left if they are taken from different images. Variants of one base count as one unit if they are
called BASE:NAME.
"""


def add_arguments(parser):
    data = parser.add_argument_group("rows")
    options.add(data, "--rows", "--config")
    data.add_argument("--twins", type=Path, metavar="DIR", help="folder that `promvil twins` wrote, instead of --rows")
    options.add(data, "--images", "--limit", "--ids")

    who = parser.add_argument_group("answers: a model, a server or a file")
    options.add(who, *options.MODEL, *options.SERVER)
    options.add(who, "--dialect", choices=DIALECTS)
    options.add(who, "--frame", "--predictions", "--prompt", "--max-new-tokens", "--batch-size")

    how = parser.add_argument_group("twins and scoring")
    options.add(how, "--kinds", choices=KINDS, default=list(KINDS))
    options.add(how, "--fill", choices=FILLS)
    how.add_argument("--metric", choices=METRICS, help="how answers are scored (default: the data set's own)")
    how.add_argument("--types", type=Path, metavar="FILE", help="GQA's questions, or {question id: type}")
    options.add(how, "--strict", "--resamples", "--seed")

    out = parser.add_argument_group("output")
    options.add(out, "--out", default=Path("runs/reliance"))
    options.add(out, "--compare", "--json", "--restart", "--dry-run")
    out.add_argument("--name", help="name of these rows in the report (default: their source)")


def run(args):
    resampling = Resampling(resamples=args.resamples, seed=args.seed)
    if args.compare:
        return _compare(args, resampling)
    if (args.rows is None) == (args.twins is None):
        raise ValueError(
            f"You passed {'neither --rows nor --twins' if args.rows is None else 'both --rows and --twins'}: name the folder "
            "that `promvil build fivl` or `promvil twins` wrote, or reports (--compare)."
        )
    options.check_one_answers(args)
    made = _of_rows(args) if args.twins is None else _of_folder(args)
    if args.images is not None:
        made = replace(made, images=args.images)
    if args.limit is not None and args.twins is not None:
        made = replace(made, rows=made.rows[: args.limit])
    if args.ids is not None:
        made = replace(made, rows=_only(made.rows, args.ids))
    pictures = Pictures(made.images) if made.images.is_dir() or args.predictions is None else None
    if args.dry_run:
        return print(dry_run.plan(_plan(args, made, pictures), "asked or scored", "do it"))
    with held(args.out, Ranks.of_environment()):
        return _write(args, made, pictures, resampling)


def _plan(args, made: TwinFolder, pictures: Pictures | None) -> list[str]:
    """What would be asked, and which pictures are missing."""
    kinds, rows = made.settings.kinds, usable(made.rows)
    images = {row.image_path for row in rows}
    lines = [f"{len(rows):,} rows about {len(images):,} pictures, each asked in {len(kinds)} ways: {', '.join(kinds)}"]
    if len(rows) < len(made.rows):
        lines.append(f"{len(made.rows) - len(rows):,} rows have nothing to hide and are left out")
    if args.predictions is None:
        lines.append(f"asked: up to {len(rows) * len(kinds):,} questions, of {dry_run.who(args)}")
        lines += [] if args.restart else dry_run.answered(args.out / "answers", len(rows))
    else:
        lines.append(f"scored: {len(read_predictions(args.predictions).answers):,} answers of {args.predictions}")
    if pictures is not None:
        lines += dry_run.missing(images, pictures.path, made.images)
    if made.benchmark is None:
        lines.append(f"scored: as {made.settings.metric_of(rows)} scores its answers")
    return [*lines, f"written: {args.out}"]


def _of_rows(args) -> TwinFolder:
    if args.images is None and args.predictions is None:
        raise ValueError("You passed no --images: name the folder of pictures, which are perturbed.")
    rows = read_fivl_rows(args.rows, args.config, args.limit)
    settings = TwinSettings(tuple(args.kinds), args.fill, args.seed, args.metric)
    return TwinFolder(tuple(rows), settings, args.images or Path("no pictures"), None, {})


def _of_folder(args) -> TwinFolder:
    """A folder of twins says itself how they are drawn; of its kinds fewer may be asked."""
    made = TwinFolder.load(args.twins)
    asked = made.settings.kinds if set(args.kinds) == set(KINDS) else tuple(args.kinds)
    if strange := [kind for kind in asked if kind not in made.settings.kinds]:
        raise ValueError(
            f"You passed --kinds {', '.join(strange)}, and {args.twins} has {', '.join(made.settings.kinds)}: make it anew."
        )
    if args.fill not in (made.settings.fill, "black"):
        raise ValueError(f"You passed --fill {args.fill}, and {args.twins} hides with {made.settings.fill}: make it anew.")
    if args.metric is not None and made.benchmark is not None:
        raise ValueError(
            f"You passed --metric {args.metric}, and the questions of {args.twins} are scored as {made.benchmark.name} scores "
            "them: leave it out."
        )
    return replace(made, settings=replace(made.settings, kinds=asked, metric=args.metric or made.settings.metric))


def _write(args, made: TwinFolder, pictures, resampling):
    """Everything that lands in --out."""
    boxes = made.benchmark is not None and made.benchmark.kind == "grounding"
    scoring = Settings(dialect=args.dialect, frame=args.frame)
    if args.predictions is not None:
        predictions = read_predictions(args.predictions)
    else:
        backend, model = options.load_backend(args, boxes), options.describe_model(args)
        scoring = Settings(dialect=backend.dialect if boxes else None)
        asking = Asking(args.prompt, max_new_tokens=args.max_new_tokens, batch_size=args.batch_size)
        predictions = answer_twins(
            made.rows, pictures, backend, args.out, benchmark=made.benchmark, settings=made.settings, asking=asking,
            model=model, restart=args.restart,
        )  # fmt: skip
        if predictions is None:
            print(f"This rank is done; another one writes {args.out / 'reliance.json'}.")
            return None
    report = reliance(
        made.rows, predictions, name=args.name or _name(made), benchmark=made.benchmark, scoring=scoring,
        types=_types(args.types), settings=made.settings, resampling=resampling, strict=args.strict,
    )  # fmt: skip
    report.save(args.out / "reliance.json")
    page = write_page(args.out / "reliance.html", report, made.rows, pictures)
    print(json.dumps(report.scores, indent=2) if args.json else summary(report))
    print(f"page: {page}", file=sys.stderr)
    return None


def _name(made: TwinFolder) -> str:
    return "" if made.benchmark is None else f"{made.benchmark.name} {made.benchmark.split}"


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
    found = json_document(path)
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
    found = follows_accuracy(pairs, resampling)
    with held(args.out):
        page = write(args.out / "models.html", points_page(models, found))
    print(points_summary(models, found))
    print(f"page: {page}", file=sys.stderr)
