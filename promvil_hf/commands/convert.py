# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil convert`, over `promvil_hf.box_formats`."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promvil_hf import box_formats, pages
from promvil_hf.box_formats import NO_PHRASE, GroundedImage, Imported
from promvil_hf.commands import options
from promvil_hf.conventions import DIALECTS, dialect, needs_frame
from promvil_hf.conventions import frame as named_frame
from promvil_hf.dialects import PointDialect
from promvil_hf.dialects.base import MALFORMED
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.files import write_json, write_json_lines
from promvil_hf.fivl.fivl_boxes import from_fivl, to_fivl
from promvil_hf.fivl.fivl_rows import FivlRow
from promvil_hf.frames import FLOAT_DUST, Fractions, ImageSize, Pixels
from promvil_hf.images import UnreadableImage
from promvil_hf.jobs import Rejected
from promvil_hf.json_records import RecordError, decoded, document, records
from promvil_hf.phrases import GroundedPhrase


HELP = """
Convert phrases with boxes from one format to another, and look at some of them before training.

    promvil convert instances.json train.jsonl --from coco --to qwen_json --to-frame thousandths --html look.html \\
        --images train2017                                     ten rows to look at, for Qwen3-VL
    promvil convert rows.jsonl train.jsonl --from promvil --to qwen_json --to-frame resized --images VG_100K
    promvil convert boxes.jsonl swift.jsonl --from qwen_json --frame pixels --to swift --images images

Formats: coco (a file of instances), swift (ms-swift's `objects`), promvil and fivl (this package's rows), and by the name of
a dialect the conversations that LLaVA's and Qwen's trainers read, such as qwen_json and llava_brackets. SOURCE is JSON, JSON
Lines or Parquet; all but coco are written as JSON Lines.

Each row is read back before it is kept: the command prints the largest shift of a box, and the page draws what was read.
What cannot be converted is counted, with its reasons beside TARGET. Nesting is not kept: a chain leaves as its phrases.
"""
CONVERSATIONS = [name for name, spoken in DIALECTS.items() if not isinstance(spoken, PointDialect)]
COCO = "coco"
NOT_ALIKE = "does not read back as it was written"
NOT_WRITTEN = "cannot be written in this format"


def add_arguments(parser):
    parser.add_argument("source", type=Path, metavar="SOURCE", help="file to read")
    parser.add_argument("target", type=Path, metavar="TARGET", help="file to write")
    names = [COCO, "swift", "promvil", "fivl", *CONVERSATIONS]
    for end in ("from", "to"):
        file = "SOURCE" if end == "from" else "TARGET"
        about = f"format of {file}"
        parser.add_argument(f"--{end}", dest=f"{end}_format", choices=names, required=True, metavar="FORMAT", help=about)
    options.add(parser, "--frame")
    parser.add_argument(
        "--to-frame", type=options.frame_name, metavar="FRAME", help="unit of the box numbers in TARGET, by the same names"
    )
    options.add(parser, "--images")
    parser.add_argument("--cut-outside", action="store_true", help="cut boxes that reach out of their image; else refuse them")
    options.add(parser, "--html")
    options.add(parser, "--sample", default=10)
    options.add(parser, "--seed")


def run(args):
    sizes = Sizes(args.images)
    source = _format(args.from_format, args.frame, "--frame", sizes, args.cut_outside)
    target = _format(args.to_format, args.to_frame, "--to-frame", sizes)
    if args.html and not args.images:
        raise ValueError("You passed --html without --images: pass the folder of the pictures to draw on.")
    if not args.source.is_file():
        raise ValueError(f"There is no file {args.source}.")
    images, rejects = _read(_rows(args.source, args.from_format), source, sizes)
    if args.to_format == COCO:
        images = _by_image(images)
    done = _converted(images, target, sizes)
    rejects += done.rejects
    reasons = [f"{count:,} × {reason}" for reason, count in Counter(one.reason for one in rejects).most_common()]
    if not done.rows:
        why = f"; such as {(done.rejects or rejects)[0].detail}" if rejects else ""
        raise ValueError(
            f"No row of {args.source} could be read as {args.from_format} and written as {args.to_format} "
            f"({', '.join(reasons) or 'it is empty'}{why}). Formats in pixels need --images where the file tells no sizes."
        )
    if args.to_format == COCO:
        write_json(args.target, box_formats.to_coco(done.images))
    else:
        write_json_lines(args.target, done.rows)
    boxes = sum(len(phrase.boxes) for grounded in done.images for phrase in grounded.phrases)
    print(f"{len(done.rows):,} rows with {boxes:,} boxes in {args.target}")
    print(f"read back: the same phrases, each box within {done.shift:.2g} of its image's side")
    if rejects:
        beside = args.target.with_name(f"{args.target.name}.rejects.jsonl")
        write_json_lines(beside, ({"reason": one.reason, "detail": one.detail} for one in rejects))
        print("\n".join(f"left out: {line}" for line in reasons) + f"\nreasons: {beside}")
    if args.html:
        chosen = sorted(random.Random(args.seed).sample(range(len(done.read)), min(args.sample, len(done.read))))
        page = _page(args, [(done.read[place], done.rows[place]) for place in chosen], sizes, len(done.rows))
        print(f"page: {pages.write(args.html, page)}")


class Sizes:
    """The sizes of images by their names, from a folder of pictures or from nowhere."""

    def __init__(self, folder: Path | None):
        self.pictures = Pictures(folder) if folder else None

    def of(self, name: Any) -> ImageSize | None:
        try:
            return self.pictures.size(name) if self.pictures is not None and isinstance(name, str) else None
        except UnreadableImage:
            return None


@dataclass(frozen=True, slots=True)
class Format:
    """How a row becomes phrases with boxes, and the other way round. A row of COCO is a file about one image.

    `shift` is the most by which writing and reading moves an edge, in x and in y.
    """

    read: Callable[[Mapping], Imported]
    write: Callable[[GroundedImage, int], Mapping]
    shift: Callable[[ImageSize | None], tuple[float, float]] = lambda size: (FLOAT_DUST, FLOAT_DUST)


def _format(name: str, frame: str | None, option: str, sizes: Sizes, cut_outside: bool = False) -> Format:
    """What a name stands for, in the frame that was asked for where the format leaves it open."""
    if name in CONVERSATIONS:
        spoken = dialect(name, frame)
        if frame is None and needs_frame(spoken):
            raise ValueError(
                f"You passed {name} without {option}, and models that write this do not agree on what the numbers count. Pass "
                f"{option} thousandths (Qwen2-VL, Qwen3-VL, Qwen3.5), resized (Qwen2.5-VL), pixels or fractions."
            )

        def read(row: Mapping) -> Imported:
            is_sized = row.get("width") and row.get("height")
            return box_formats.from_conversation(row, spoken, None if is_sized else sizes.of(row.get("image")))

        numbers = getattr(spoken, "frame", None) or spoken.grid
        return Format(read, lambda grounded, _: box_formats.to_conversation(grounded, spoken), numbers.resolution)
    if name == "swift":
        kinds = {None: "real", Pixels(): "real", Fractions(): "norm1"}
        counted = None if frame is None else named_frame(frame)
        if counted not in kinds:
            raise ValueError(f"You passed {option} {frame} for ms-swift, whose boxes are in pixels or in fractions.")

        def read_swift(row: Mapping) -> Imported:
            names = row.get("images")
            found = [sizes.of(name) for name in (names if isinstance(names, list) else [names])]
            return box_formats.from_swift(row, found if found and all(found) else None, cut_outside)

        return Format(read_swift, lambda grounded, _: box_formats.to_swift(grounded, kinds[counted]))
    if frame is not None:
        raise ValueError(f"You passed {option} {frame} for {name}, which has a frame of its own: leave it out.")
    return {
        COCO: Format(lambda row: box_formats.from_coco(row, cut_outside), lambda grounded, _: box_formats.to_coco([grounded])),
        "promvil": Format(box_formats.from_promvil, lambda grounded, _: box_formats.to_promvil(grounded)),
        "fivl": Format(_from_fivl, lambda grounded, place: to_fivl(grounded, f"boxes-{place:08d}").to_dict()),
    }[name]


def _from_fivl(row: Mapping) -> Imported:
    try:
        return from_fivl(FivlRow.from_dict(row.get("row", row)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return Imported((), (Rejected(MALFORMED, f"no row of FiVL-Instruct: {error!r}"),))


def _rows(path: Path, name: str) -> Iterator[Mapping | Rejected]:
    """The rows of a file; a `Rejected` where one cannot be decoded."""
    for record in [document(path)] if name == COCO else records(path):
        try:
            yield record.whole_fields()
        except RecordError as error:
            yield Rejected(MALFORMED, str(error))


def _read(rows: Iterable[Mapping | Rejected], form: Format, sizes: Sizes) -> tuple[list[GroundedImage], list[Rejected]]:
    """All images that have phrases with boxes, their sizes looked up where the file does not give them."""
    images, rejects = [], []
    for row in rows:
        found = Imported((), (row,)) if isinstance(row, Rejected) else form.read(row)
        rejects += found.rejects
        for grounded in found.images:
            phrases = tuple(replace(phrase, text=phrase.text.strip()) for phrase in grounded.phrases if phrase.boxes)
            if phrases:
                images.append(replace(grounded, phrases=phrases, size=grounded.size or sizes.of(grounded.image)))
            else:
                rejects.append(Rejected(NO_PHRASE, f"image {grounded.image}"))
    return images, rejects


@dataclass(slots=True)
class _Converted:
    """Images, the rows they became and what was read back from these, place by place; and the largest shift of an edge."""

    images: list[GroundedImage]
    rows: list[Mapping]
    read: list[GroundedImage]
    rejects: list[Rejected]
    shift: float = 0.0


def _converted(images: Sequence[GroundedImage], form: Format, sizes: Sizes) -> _Converted:
    done = _Converted([], [], [], [])
    for grounded in images:
        try:
            row = form.write(grounded, len(done.rows))
            again = decoded(json.dumps(row))
        except ValueError as error:
            done.rejects.append(Rejected(NOT_WRITTEN, str(error)))
            continue
        found, _ = _read([again], form, sizes)
        shift = _shift(grounded, found[0], form.shift(grounded.size)) if len(found) == 1 else None
        if shift is None:
            done.rejects.append(Rejected(NOT_ALIKE, f"image {grounded.image}: {json.dumps(row)[:300]}"))
            continue
        done.images.append(grounded)
        done.rows.append(row)
        done.read.append(found[0])
        done.shift = max(done.shift, shift)
    return done


def _shift(wrote: GroundedImage, read: GroundedImage, allowed: tuple[float, float]) -> float | None:
    """How far an edge moved at most; None where phrases or boxes are not the same within what the format allows."""
    if [(phrase.text, len(phrase.boxes)) for phrase in wrote.phrases] != [
        (phrase.text, len(phrase.boxes)) for phrase in read.phrases
    ]:
        return None
    ours, theirs = ([box.xyxy for phrase in one.phrases for box in phrase.boxes] for one in (wrote, read))
    moved = [[abs(a - b) for a, b in zip(*pair, strict=True)] for pair in zip(ours, theirs, strict=True)]
    if any(max(one[axis::2]) > allowed[axis] + FLOAT_DUST for one in moved for axis in (0, 1)):
        return None
    return max(max(one) for one in moved)


def _by_image(images: Sequence[GroundedImage]) -> list[GroundedImage]:
    """Rows about one image together, as COCO has them, and each box of a phrase once."""
    together: dict[str, list[GroundedImage]] = {}
    for grounded in images:
        together.setdefault(grounded.image, []).append(grounded)
    merged = (replace(of_image[0], phrases=tuple(p for one in of_image for p in one.phrases)) for of_image in together.values())
    return [
        replace(grounded, phrases=tuple(GroundedPhrase(p.text, dict.fromkeys(p.boxes)) for p in grounded.phrases))
        for grounded in merged
    ]


def _page(args, chosen: Sequence[tuple[GroundedImage, Mapping]], sizes: Sizes, count: int) -> pages.Html:
    counted = f", {args.to_frame}" if args.to_frame else ""
    return pages.page(
        f"{len(chosen)} of {count:,} rows of {args.target.name}",
        *(pages.section(grounded.image, *_drawn(grounded, row, sizes)) for grounded, row in chosen),
        lead=f"Converted from {args.from_format} to {args.to_format}{counted}. Each box is drawn as it was read back from the "
        "row that a trainer will read. Where one does not lie on what its words name, another frame was declared for SOURCE.",
    )


def _drawn(grounded: GroundedImage, row: Mapping, sizes: Sizes) -> list[pages.Content]:
    written = pages.details("The row", pages.code(json.dumps(row, indent=1, ensure_ascii=False)))
    try:
        picture = sizes.pictures.open(grounded.image)
    except UnreadableImage as error:
        return [pages.note("No picture", str(error), warn=True), written]
    marks = [pages.BoxMark(box, phrase.text) for phrase in grounded.phrases for box in phrase.boxes]
    return [pages.figure(picture, alt=f"{grounded.image} with {len(marks)} boxes", boxes=marks), written]
