# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Key expressions against readers who marked them in the text, and readers against each other (docs/labelling.md).

    python -m benchmarks.words_readers --blank DATA > blank.jsonl
    python -m benchmarks.words_readers first.jsonl second.jsonl --tagger auto rules

A file has one JSON object a line: `file`, `row`, `kind`, `question` and `marked`, the answer with its marks, `[2:a red hat]`.
A number says which mentions are of one thing, `?` that the words could be guessed without the picture; both may be missing.
The rows set aside for readers are named in `word_labels/unseen.json`; `--blank` writes those that lie in DATA, unmarked.
Another list of the same form is `--rows LIST.json`: `{"FILE": {"kind": "conv", "rows": [0, 3]}}`. Without `rows` all rows of FILE
are meant. With `"kind": "by row"` each row says its kind, in `kind` or `category`.
With `--keep FOLDER` the marks of each file are written there without texts, as ids and offsets in JSON. Such a file is read
with `--data DATA`, which has the texts; rows whose texts are not there are left out and counted.
"""

import argparse
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.words_quality import (
    KINDS,
    LABELS,
    MATCHES,
    judge_turn,
    print_shares,
    same,
    turns,
    turns_and_kinds,
    words_at,
)
from promvil_hf.fivl.by_words import key_phrases
from promvil_hf.fivl.extraction import filtered
from promvil_hf.key_expressions import Turn
from promvil_hf.metrics.agreement import kappa
from promvil_hf.nesting import tagger


_OPENING = re.compile(r"\[(?:(\d*)(\??):)?")


@dataclass(frozen=True, slots=True)
class MarkedRow:
    """One answer as a reader marked it. `things` has the spans of each thing's mentions in the answer."""

    name: str
    kind: str
    turn: Turn
    things: tuple[tuple[tuple[int, int], ...], ...]
    needs_picture: tuple[bool, ...]


def unmarked(marked: str) -> tuple[str, list[list[tuple[int, int]]], list[bool]]:
    """The text without its marks, the spans of each thing's mentions, and which things need the picture."""
    text, spans, needs, opened, at = "", {}, {}, [], 0
    while at < len(marked):
        if marked[at] == "[":
            found = _OPENING.match(marked, at)
            opened.append((found[1] or f"alone {at}", bool(found[2]), len(text)))
            at = found.end()
        elif marked[at] == "]":
            if not opened:
                raise ValueError(f"A mark is closed that was not opened: …{marked[max(at - 40, 0) : at + 1]}")
            name, can_be_guessed, start = opened.pop()
            spans.setdefault(name, []).append((start, len(text)))
            needs[name] = needs.get(name, True) and not can_be_guessed
            at += 1
        else:
            text += marked[at]
            at += 1
    if opened:
        raise ValueError(f"A mark is not closed: {marked[:80]}")
    return text, list(spans.values()), list(needs.values())


def read_marked(path: Path, data: Path | None = None) -> list[MarkedRow]:
    """The rows of a reader's file: one JSON object a line with `file`, `row`, `kind`, `question` and `marked`."""
    if path.suffix == ".json":
        return _read_kept(path, data)
    rows = []
    for line in filter(None, path.read_text(encoding="utf-8").splitlines()):
        record = json.loads(line)
        text, things, needs = unmarked(record["marked"])
        turn = Turn(0, record["question"], text)
        rows.append(MarkedRow(f"{record['file']}/{record['row']}", record["kind"], turn, tuple(map(tuple, things)), tuple(needs)))
    return rows


def _read_kept(path: Path, data: Path | None) -> list[MarkedRow]:
    """The rows of a file that `keep` wrote whose texts lie in `data`."""
    if data is None:
        raise ValueError(f"{path} has offsets and no texts: pass --data, the folder that holds the texts.")
    rows = []
    for file, kept in json.loads(path.read_text(encoding="utf-8")).items():
        if not (data / file).is_file():
            print(f"{path.stem}: {len(kept)} rows left out, since {data} has no {file}")
            continue
        found = turns(data, file)
        for row in kept:
            turn = found[row["row"]]
            if len(turn.answer) != row["letters"]:
                raise ValueError(f"Row {row['row']} of {file} in {data} is another text than the one that {path} is about.")
            spans = tuple(tuple(map(tuple, thing["at"])) for thing in row["things"])
            needs = tuple(thing["needs_picture"] for thing in row["things"])
            rows.append(MarkedRow(f"{file}/{row['row']}", row["kind"], turn, spans, needs))
    return rows


def keep(folder: Path, path: Path, rows: Sequence[MarkedRow]) -> None:
    """Write a reader's marks without texts, as `key_expressions.NAME.json`."""
    files = defaultdict(list)
    for row in rows:
        file, _, number = row.name.rpartition("/")
        things = [{"at": at, "needs_picture": needs} for at, needs in zip(row.things, row.needs_picture, strict=True)]
        files[file].append({"row": int(number), "kind": row.kind, "letters": len(row.turn.answer), "things": things})
    parts = (f"{json.dumps(file)}: [\n" + ",\n".join(map(json.dumps, kept)) + "\n]" for file, kept in files.items())
    kept_in = folder / f"key_expressions.{path.stem}.json"
    kept_in.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
    print(f"{len(rows)} rows without texts are in {kept_in}")


def blank(data: Path, chosen_rows: Path = LABELS / "unseen.json") -> Iterator[dict]:
    """The rows of a list whose texts lie in `data`, as a reader gets them."""
    for file, chosen in json.loads(chosen_rows.read_text(encoding="utf-8")).items():
        if not (data / file).is_file():
            continue
        found = turns_and_kinds(data, file)
        for row in chosen.get("rows", range(len(found))):
            turn, kind = found[row]
            kind = chosen["kind"] if chosen["kind"] in KINDS else kind or chosen["kind"]
            yield {"file": file, "row": row, "kind": kind, "question": turn.question, "marked": turn.answer}


def marked_words(row: MarkedRow) -> dict[int, bool]:
    """For each word of an answer, by where it begins, whether it is in a mention."""
    text = row.turn.answer
    mentions = (words_at(text, *span) for thing in row.things for span in thing)
    inside = frozenset().union(*mentions)
    return {word.start(): word.start() in inside for word in re.finditer(r"[\w'-]+", text)}


def agreed(first: Sequence[MarkedRow], second: Sequence[MarkedRow]) -> str:
    """Kappa of two readers over the words of the rows that both marked, with its interval over rows."""
    others = {row.name: row for row in second}
    a, b, names = [], [], []
    for row in first:
        other = others.get(row.name)
        if other is None:
            continue
        if other.turn.answer != row.turn.answer:
            raise ValueError(f"{row.name} has two texts: the readers did not mark the same answer.")
        mine, theirs = marked_words(row), marked_words(other)
        a += mine.values()
        b += theirs.values()
        names += [row.name] * len(mine)
    if not names:
        return "no row that both marked"
    found = kappa(a, b, names)
    return f"kappa {found.estimate:.3f} [{found.low:.3f}, {found.high:.3f}] over {len(a)} words of {found.clusters} rows"


def differ(first: Sequence[MarkedRow], second: Sequence[MarkedRow], chosen, match: str = "head") -> str:
    """How many proposals are right by one reader alone, and how many of these lie inside a longer mention of the other."""
    others, alone, longer = {row.name: row for row in second}, [0, 0], [0, 0]
    for row in first:
        both = (row, others[row.name]) if row.name in others else ()
        text = row.turn.answer
        for key in filtered(key_phrases(row.turn, chosen), row.turn)[0] if both else ():
            right = [any(same(text, key.phrase, spans, match) for spans in one.things) for one in both]
            if right[0] != right[1]:
                mentions = (text[slice(*at)] for spans in both[right[0]].things for at in spans)
                alone[right[1]] += 1
                longer[right[1]] += any(key.phrase in mention for mention in mentions)
    found = f"right by the first alone {alone[0]}, by the second alone {alone[1]}"
    return f"{found}; inside a longer mention of the other {sum(longer)}"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.words_readers", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("files", type=Path, nargs="*", help="one of each reader")
    parser.add_argument("--blank", type=Path, metavar="DATA", help="write the rows that lie in this folder, unmarked")
    parser.add_argument("--rows", type=Path, metavar="LIST", default=LABELS / "unseen.json", help="which rows --blank writes")
    parser.add_argument("--tagger", nargs="+", default=["auto", "rules"], help="which ones (default: auto rules)")
    parser.add_argument("--match", choices=MATCHES, default="head", help="which proposals name a mention (default: head)")
    parser.add_argument("--data", type=Path, help="folder with the texts of files that were kept without")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write the marks there as ids and offsets")
    options = parser.parse_args(arguments)
    if options.blank:
        for row in blank(options.blank, options.rows):
            print(json.dumps(row, ensure_ascii=False))
        return
    readers = [read_marked(path, options.data) for path in options.files]
    for path, rows in zip(options.files if options.keep else (), readers):
        keep(options.keep, path, rows)
    for number, (path, rows) in enumerate(zip(options.files, readers, strict=True)):
        print(f"{path.stem}: {len(rows)} rows, {sum(len(row.things) for row in rows)} things")
        for other, before in zip(options.files[:number], readers[:number], strict=True):
            print(f"  with {other.stem}: {agreed(before, rows)}")
            for chosen in map(tagger, options.tagger):
                print(f"  with {other.stem}, proposals, {chosen.name}: {differ(before, rows, chosen, options.match)}")
        for chosen in map(tagger, options.tagger):
            counts = defaultdict(list)
            for row in rows:
                counts[(row.kind,)].append(judge_turn(row.turn, row.things, chosen, options.match))
            print(f"  {chosen.name}")
            print_shares(counts)


if __name__ == "__main__":
    main()
