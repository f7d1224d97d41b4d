# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A form for sets that have no reader of their own: one row a line, with its truth and how it is counted.

    {"id": "1", "image": "7.jpg", "text": "the red cup", "boxes": [[0.1, 0.2, 0.4, 0.5]]}
    {"id": "2", "image": "7.jpg", "text": "the blue cup", "absent": true, "strata": {"colour": "blue"}}

docs/evaluation.md describes every field. What is right decides which kind of question all rows are.
"""

from collections.abc import Callable, Sequence
from typing import Any

from promvil_hf import masks
from promvil_hf.boxes import Box
from promvil_hf.conventions import DEFAULT_FRAME, FRAMES
from promvil_hf.evaluation.benchmarks.benchmark_rows import WANTED, Benchmark, BenchmarkRow
from promvil_hf.evaluation.benchmarks.questions import choice_index
from promvil_hf.files import Files, paths_of
from promvil_hf.frames import ImageSize, Pixels
from promvil_hf.json_records import Record, RecordError, is_number, records, shown
from promvil_hf.key_expressions import Rle


_PLACES = ("boxes", "points", "masks", "polygons")
_YES_NO = ("yes", "no")
_FIELDS = {
    "id", "question_id", "image", "text", "question", "phrase", "expression", "width", "height", "frame", *_PLACES, "within",
    "absent", "wanted", "answer", "answers", "choices", "words", "level", "group", "strata", "units",
}  # fmt: skip


def read_rows(files: Files, split: str | None = None) -> Benchmark:
    """JSON Lines, a JSON array or Parquet in the form of docs/evaluation.md. A field that is not part of it is refused."""
    paths = paths_of(files)
    rows, kinds = [], {}
    for record in (record for path in paths for record in records(path)):
        kind, row = _row(record)
        kinds.setdefault(kind, record.where)
        rows.append(row)
    if len(kinds) > 1:
        listed = ", ".join(f"{kind} ({where})" for kind, where in kinds.items())
        raise RecordError(f"The rows are of several kinds: {listed}. Each kind is scored by itself: put each into its own file.")
    name = split or paths[0].stem
    return Benchmark("rows", name, next(iter(kinds), "grounding"), rows, paths)


def _row(record: Record) -> tuple[str, BenchmarkRow]:
    unknown = sorted(name for name in record.whole_fields() if record.has(name) and name not in _FIELDS)
    if unknown:
        raise RecordError(f"{record.where}: the form has no field {shown(unknown[0])}: it has {', '.join(sorted(_FIELDS))}.")
    truths = [kind for kind, names in _KINDS_BY_FIELD.items() if any(record.has(name) for name in names)]
    if len(truths) != 1:
        raise RecordError(
            f"{record.where} says what is right in {len(truths)} ways ({', '.join(truths) or 'none'}): give one of "
            f"{', '.join(_PLACES)} or `absent`, or `answers`, or `answer`."
        )
    kind, fields = _TRUTHS[truths[0]](record)
    size = _size(record)
    return kind, BenchmarkRow(
        id=record.identifier("id", "question_id"),
        image=record.text("image", default=""),
        text=record.text("text", "question", "phrase", "expression"),
        image_size=size,
        level=record.whole("level", least=1, default=None),
        group=record.identifier("group", default=None),
        strata=_named(record, "strata"),
        units=_named(record, "units"),
        **fields,
    )


def _place(record: Record) -> tuple[str, dict[str, Any]]:
    """Where the thing is: boxes, points with a distance, masks, polygons; or nowhere."""
    absent = record.get("absent", default=False)
    if not isinstance(absent, bool):
        raise record.wrong(("absent",), absent, "true or false")
    given = [name for name in _PLACES if record.has(name) and record.get(name) != []]
    if absent:
        if given:
            raise RecordError(f"{record.where} is absent and has {given[0]}: what is not there is nowhere.")
        return "grounding", {"absent": True}
    if len(given) != 1:
        raise RecordError(
            f"{record.where} has {' and '.join(given) or f'no {_PLACES[0]}'}: give one of {', '.join(_PLACES)}, or "
            '"absent": true where nothing of the kind is in the picture.'
        )
    wanted = record.text("wanted", default=WANTED[0])
    if wanted not in WANTED:
        raise record.wrong(("wanted",), wanted, " or ".join(WANTED))
    found: Sequence[Rle] = ()
    if given[0] in ("masks", "polygons"):
        found = _masks(record, given[0])
        boxes = [masks.bounding_box(mask) for mask in found]
    elif given[0] == "points":
        boxes = _around_points(record)
    else:
        boxes = [_clipped(record, numbers) for numbers in _lists(record, "boxes", 4)]
    if None in boxes:
        raise RecordError(f"{record.where}: entry {boxes.index(None) + 1} of `{given[0]}` has no area inside the image.")
    return "grounding", {"boxes": tuple(boxes), "masks": tuple(found), "wanted": wanted}


def _choice(record: Record) -> tuple[str, dict[str, Any]]:
    """One answer: of choices, of words that the question names, yes or no, or true or false."""
    if record.has("choices"):
        choices = record.texts("choices")
        return "choice", {"choices": choices, "answers": (str(choice_index(record, choices)),)}
    answer = record.get("answer")
    if isinstance(answer, bool):
        return "true_false", {"answers": ("true" if answer else "false",)}
    words = record.texts("words", default=_YES_NO)
    said = record.text("answer").strip().lower()
    right = next((word for word in words if word.lower() == said), None)
    if right is None:
        raise record.wrong(("answer",), answer, f"one of {', '.join(words)}; or give `choices`, `words` or a list `answers`")
    return "one_word", {"choices": words, "answers": (right,)}


def _people(record: Record) -> tuple[str, dict[str, Any]]:
    answers = record.texts("answers")
    if not answers:
        raise record.wrong(("answers",), [], "a list of at least one text")
    return "vqa", {"answers": answers}


_KINDS_BY_FIELD = {"a place": (*_PLACES, "absent"), "an answer": ("answer",), "answers of people": ("answers",)}
_TRUTHS: dict[str, Callable[[Record], tuple[str, dict[str, Any]]]] = {
    "a place": _place, "an answer": _choice, "answers of people": _people,
}  # fmt: skip


def _size(record: Record) -> ImageSize | None:
    if record.has("width") != record.has("height"):
        raise RecordError(f"{record.where} has one of width and height: give both or neither.")
    return (record.whole("width", least=1), record.whole("height", least=1)) if record.has("width") else None


def _clipped(record: Record, numbers: Sequence[float]) -> Box | None:
    """A box of a row's own frame; fractions where it names none."""
    name = record.text("frame", default=DEFAULT_FRAME)
    if name not in FRAMES:
        raise record.wrong(("frame",), name, f"one of {', '.join(FRAMES)}")
    try:
        return Box.clipped(*FRAMES[name].corners(tuple(numbers), _size(record)))
    except (TypeError, ValueError) as error:
        if _size(record) is not None:
            raise RecordError(f"{record.where}: {error}") from error
        raise RecordError(f"{record.where}: boxes in {name} need the size of the picture: give width and height.") from None


def _around_points(record: Record) -> list[Box | None]:
    """A point is right where it is at most `within` away in each direction, counted as the points are."""
    within = record.number("within")
    if within <= 0:
        raise record.wrong(("within",), within, "a distance above 0, counted as the points are")
    name = record.text("frame", default=DEFAULT_FRAME)
    if FRAMES.get(name) == Pixels(wh=True):
        raise record.wrong(("frame",), name, "a frame of corners: a point has no width")
    return [_clipped(record, (x - within, y - within, x + within, y + within)) for x, y in _lists(record, "points", 2)]


def _masks(record: Record, name: str) -> list[Rle]:
    """COCO's run lengths (compressed, or a list of counts), or polygons in pixels, one thing an entry."""
    size, found = _size(record), []
    for number, value in enumerate(_list(record, name), 1):
        try:
            if name == "polygons":
                if size is None:
                    raise ValueError("polygons need the size of the picture: give width and height")
                rings = value if value and isinstance(value, list) and isinstance(value[0], list) else [value]
                found.append(masks.from_polygons(rings, size))
            elif isinstance(value, dict) and isinstance(value.get("counts"), list):
                found.append(masks.from_run_lengths(value["counts"], tuple(value.get("size") or ())))
            else:
                found.append(Rle.from_dict(value))
            masks.run_lengths(found[-1])
            masks.area(found[-1])
        except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
            raise RecordError(f"{record.where}: entry {number} of `{name}` is no mask: {error}") from error
        if size is not None and found[-1].image_size != size:
            raise RecordError(
                f"{record.where}: entry {number} of `{name}` is a mask of {found[-1].image_size}, and the picture is {size}."
            )
    return found


def _list(record: Record, name: str) -> list[Any]:
    value = record.get(name)
    if not isinstance(value, list):
        raise record.wrong((name,), value, "a list")
    return value


def _lists(record: Record, name: str, count: int) -> list[Sequence[float]]:
    """Entries of so many numbers; a single one may stand without the list around it."""
    value = _list(record, name)
    entries = [value] if value and is_number(value[0]) else value
    for entry in entries:
        if not isinstance(entry, list) or len(entry) != count or not all(map(is_number, entry)):
            raise record.wrong((name,), value, f"a list of entries of {count} finite numbers")
    return entries


def _named(record: Record, name: str) -> dict[str, str]:
    """An object of short texts; numbers and true or false are written out."""
    if not record.has(name):
        return {}
    inner = record.record(name)
    found = {}
    for key, value in inner.whole_fields().items():
        if isinstance(value, bool):
            found[key] = "yes" if value else "no"
        elif value is not None:
            found[key] = inner.identifier(key)
    return found
