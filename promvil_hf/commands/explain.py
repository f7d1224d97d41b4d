# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil explain`, over `promvil_hf.explain`."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from promvil_hf.boxes import Box
from promvil_hf.commands import options
from promvil_hf.evaluation.answering import SHORT_ANSWER
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.explain.explanation_pages import atlas_page, explanation_page
from promvil_hf.explain.explanations import ExplainSettings, ToExplain, explain, explain_turns, write_explanations
from promvil_hf.explain.head_atlas import HeadAtlas, read_atlas
from promvil_hf.explain.layer_names import Head
from promvil_hf.files import write_text
from promvil_hf.fivl.mask_making import DEFAULTS, GROUNDING_DINO, SAM
from promvil_hf.fivl.row_files import read_fivl_rows
from promvil_hf.fivl.twins import FILLS
from promvil_hf.folder_lock import held
from promvil_hf.key_expressions import KeyExpression, Turn
from promvil_hf.pages import write


HELP = """
Explain one answer, or draw the atlas of a model's attention heads.

    promvil explain photo.jpg "What is the man holding?" --model llava-hf/llava-1.5-7b-hf --atlas runs/atlas/atlas.json
    promvil explain --rows fivl --config instruct --images images --model llava-hf/llava-1.5-7b-hf --out runs/atlas

The first writes a page: the answer, the heat of the best heads for each phrase of it, what the image tokens would say, and
how the answer changes when the region is hidden. The second needs rows with masks (`promvil build fivl`) and writes
atlas.html, atlas.json and explanations.jsonl, which `promvil explore` shows without a model.
"""
NULLS = ("auto", "images", "cells")
SEGMENTED = 200  # pictures that a detector and segmenter look at, at most


def add_arguments(parser):
    parser.add_argument("image", type=Path, nargs="?", help="a picture, with a question; or --rows")
    parser.add_argument("question", nargs="?", help="about the picture")
    options.add(parser.add_argument_group("rows: the atlas of a model"), "--rows", "--config", "--images", "--limit")

    model = parser.add_argument_group("model")
    options.add(model, *options.MODEL, "--prompt", "--max-new-tokens", "--batch-size")

    what = parser.add_argument_group("what is shown")
    what.add_argument("--atlas", type=Path, metavar="FILE", help="atlas.json of this model: its best heads are shown")
    what.add_argument("--heads", nargs="+", metavar="L.H", help="these heads, as layer.head from 0, such as 14.11")
    what.add_argument("--top", type=options.positive, default=5, help="how many heads: the best of those that pass")
    what.add_argument("--given-answer", metavar="TEXT", help="take this for the model's answer instead of asking it")
    what.add_argument("--key", nargs="+", default=[], metavar="PHRASE", help="phrases of the answer (default: those found in it)")
    what.add_argument("--box", nargs="+", default=[], metavar="X0,Y0,X1,Y1", help="the region to hide, in fractions")
    options.add(what, "--fill", choices=FILLS)
    options.add(what, "--seed")

    how = parser.add_argument_group("atlas")
    given = "take the rows' answers for the model's instead of asking it"
    how.add_argument("--given-answers", action="store_true", help=given)
    null = "masks of other images, or the shuffled cells of each mask; auto: images where there are enough"
    how.add_argument("--null", choices=NULLS, default="auto", help=null)
    how.add_argument("--shuffles", type=options.positive, default=200, help="how often masks are shuffled")
    how.add_argument("--level", type=float, default=0.05, help="how large the error that --control names may be")
    which = "the error that --level bounds: any false head at all (family), or the share of false heads (fdr)"
    how.add_argument("--control", choices=("family", "fdr"), default="family", help=which)
    words = "compare the words of patches with this, as FiVL does"
    how.add_argument("--segment-with", choices=("grounded-sam",), help=words)
    how.add_argument("--thresholds", nargs="+", type=float, default=[0.2, 0.4, 0.6], help="detector thresholds of --segment-with")
    options.add(how, "--detector", default=GROUNDING_DINO)
    options.add(how, "--segmenter", default=SAM)
    how.add_argument("--examples", type=int, default=12, metavar="N", help="answers on the page")
    options.add(parser, "--out", default=Path("runs/explain"))


def run(args):
    if (args.rows is None) == (args.image is None):
        raise ValueError(
            'You passed both or neither of a picture and --rows: promvil explain photo.jpg "question", or --rows.'
        )
    if not args.model:
        raise ValueError(
            "You passed no --model: name a checkpoint whose image tokens are patches, such as LLaVA's, or toy:llava, which "
            "comes with this package."
        )
    if args.rows is None:
        _explain_one(args)
    else:
        _draw_atlas(args)


def _explain_one(args):
    if not args.question:
        raise ValueError(f"You passed the picture {args.image} without a question.")
    boxes = tuple(_box(text) for text in args.box)
    image = options.read_picture(args.image)
    atlas = _read_atlas(args.atlas)
    keys = [KeyExpression(phrase, 0, boxes) for phrase in args.key]
    asked = ToExplain(image, args.question, args.image.name, str(args.image), keys, boxes, answer=args.given_answer)
    found = explain(options.load_backend(args), asked, replace(_settings(args, atlas), find_keys=_phrases))
    with held(args.out):
        write_explanations(args.out / "explanations.jsonl", [found])
        page = write(args.out / "explanation.html", explanation_page(found, image, atlas))
    print(f"{found.question}\n  {found.answer or '(nothing)'}")
    for kind, said in found.hidden.items():
        print(f"  {kind:<14} {said or '(nothing)'}")
    print(f"page: {page}", file=sys.stderr)


def _draw_atlas(args):
    if args.images is None:
        raise ValueError("You passed --rows without --images: name the folder of pictures.")
    pictures = Pictures(args.images)
    rows = read_fivl_rows(args.rows, args.config, args.limit)
    backend = options.load_backend(args)
    atlas, answered = _atlas(args, backend, rows, pictures)
    with held(args.out):
        write_text(args.out / "atlas.json", json.dumps(atlas.to_dict()))
        chosen = _spread(answered, args.examples)
        examples = explain_turns(backend, chosen, _settings(args, atlas), own_answers=not args.given_answers)
        write_explanations(args.out / "explanations.jsonl", examples)
        page = atlas_page(
            atlas, examples, lambda name: pictures.open(name) if pictures.path(name) else None, model=args.model,
            segmentation=_segmentation(args, backend, answered), level=args.level, control=args.control,
        )  # fmt: skip
        path = write(args.out / "atlas.html", page)
    _print_atlas(args, atlas)
    print(f"page: {path}", file=sys.stderr)


def _atlas(args, backend, rows, pictures: Pictures):
    """The atlas and the answers it was drawn from."""
    from promvil_hf.backends.base import Decoding
    from promvil_hf.explain.heads import Null, head_atlas, key_turns, turns_of

    wording = args.prompt or (SHORT_ANSWER["chat"] if rows[0].answers else "{text}")
    wording = wording.replace("{text}", "{question}")
    turns = [turn for row in rows for turn in turns_of(row, lambda row: pictures.open(row.image_path), wording)]
    answered, skipped = key_turns(
        backend, turns, own_answers=not args.given_answers, decoding=Decoding(max_new_tokens=args.max_new_tokens),
        batch_size=args.batch_size, progress=True,
    )  # fmt: skip
    settings = {"answers": "given" if args.given_answers else "own", "rows": str(args.rows)}
    atlas = head_atlas(
        backend, answered, Null(args.null, args.shuffles, args.seed), skipped=skipped, batch_size=args.batch_size,
        progress=True, settings={**options.describe_model(args), **settings},
    )  # fmt: skip
    return atlas, answered


def _print_atlas(args, atlas: HeadAtlas) -> None:
    passing = atlas.passing(args.level, args.control)
    print(
        f"{int(passing.sum())} of {passing.size:,} heads look at what is named "
        f"({atlas.turns:,} turns, null: {atlas.settings['null']})"
    )
    for head in atlas.best(args.top):
        spread, place = atlas.interval(head), atlas.place(head)
        print(
            f"  head {head}: rho {spread.estimate:.3f} [{spread.low:.3f}, {spread.high:.3f}], AUROC "
            f"{atlas.auroc[place]:.3f}, p {atlas.p_family[place]:.3f}"
        )
    if atlas.without_heads:
        print(f"  layers without attention heads: {', '.join(map(str, atlas.without_heads))}")
    for reason, count in atlas.skipped.items():
        print(f"  left out: {count:,} × {reason}")


def _segmentation(args, backend, answered) -> list[dict]:
    """FiVL's table, where a detector and segmenter were asked for."""
    if args.segment_with is None:
        return []
    from promvil_hf.explain.vision_logits import say, segmentation_table
    from promvil_hf.fivl.mask_making import load_grounded_sam

    samples = []
    for one in _spread(answered, SEGMENTED):
        request = one.turn.request()
        samples.append((request.image, say(backend, [request], [one.turn.image_size])[0]))
    maskers = {
        threshold: load_grounded_sam(args.detector, args.segmenter, replace(DEFAULTS, box_threshold=threshold))
        for threshold in args.thresholds
    }
    rows = segmentation_table(samples, maskers)
    write_text(args.out / "segmentation.json", json.dumps(rows))
    return rows


def _settings(args, atlas: HeadAtlas | None) -> ExplainSettings:
    return ExplainSettings(
        _heads(args, atlas), max_new_tokens=args.max_new_tokens, fill=args.fill, seed=args.seed, model=args.model
    )


def _heads(args, atlas: HeadAtlas | None) -> list[Head] | None:
    """Those asked for; else the best of the atlas that pass, or its best one where none does."""
    if args.heads:
        return [Head.named(text) for text in args.heads]
    if atlas is None:
        return None
    best, passing = atlas.best(args.top), atlas.passing(args.level, args.control)
    return [head for head in best if passing[atlas.place(head)]] or best[:1]


def _box(text: str) -> Box:
    try:
        return Box(*map(float, text.split(",")))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"You passed the box {text!r}: write x0,y0,x1,y1 in fractions of the picture ({error})."
        ) from error


def _read_atlas(path: Path | None) -> HeadAtlas | None:
    return None if path is None else read_atlas(path)


def _phrases(turn: Turn) -> Sequence[str]:
    """The phrases of an answer that name things the question does not give, offline."""
    from promvil_hf.fivl.extraction import SeenTurn, rules

    [found] = rules([SeenTurn("", turn)])
    return found if isinstance(found, tuple) else ()


def _spread(items: Sequence, count: int) -> list:
    """`count` of them, evenly from the first to the last."""
    if len(items) <= count:
        return list(items)
    return [items[round(place * (len(items) - 1) / max(count - 1, 1))] for place in range(count)]
