# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Forms in which readers label decompositions and chains that nobody looked at, and what the filled forms say.

    python -m benchmarks.word_forms decompositions --data DATA > lines.txt
    python -m benchmarks.word_forms chains --data DATA > chains.txt
    python -m benchmarks.word_forms decompositions --data DATA --labels reader_1.txt reader_2.txt
    python -m benchmarks.word_forms chains --data DATA --labels reader_1.txt reader_2.txt

Without `--data` the rows come from anywhere. `--lines FILE` has one expression a line, or a row, a tab and an expression.
`--graphs PATH` is GQA's JSON, the plain form of docs/scene_graphs.md (`.jsonl`) or a folder with Visual Genome's files.
`--count N` draws N expressions or chains.

    python -m benchmarks.word_forms decompositions --lines mine.txt --count 80 > lines.txt
    python -m benchmarks.word_forms chains --graphs train_sceneGraphs.json --count 80 > chains.txt

docs/labelling.md has the rules. A line of the first form is a row, a tab and the expression. The reader puts [ ] around every
phrase but the whole expression, and { } around a phrase that may be one or not; | inside means that the phrase may end here
already; a line with the same row is a second reading.
The second form lists the objects and relations of a graph, then chains with the objects of each step; the reader writes yes or
no behind `words:` and `boxes:`. A page with pictures of chains is `promvil inspect compovl`. With `--keep FOLDER` each form is
written there without its text, as ids and offsets in JSON, which `--labels` reads too.
"""

import argparse
import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import combinations, product
from math import prod
from pathlib import Path

from benchmarks.negatives_on_real_graphs import graphs
from benchmarks.nesting_quality import read_expressions
from promvil_hf.compovl.chains import Chain
from promvil_hf.compovl.compose import Composing, compose
from promvil_hf.compovl.graph_files import GQA, PLAIN, GraphFiles
from promvil_hf.compovl.scene_graph import Corners, SceneGraph, assembled
from promvil_hf.compovl.visual_genome import VisualGenome
from promvil_hf.fivl.fivl_sample import agreement, share
from promvil_hf.metrics.intervals import Interval
from promvil_hf.nesting import TAGGERS, Decomposer, tagged_decomposer, tagger


LABELS = Path(__file__).with_name("word_labels")
Reading = frozenset[tuple[int, int]]
Marked = Sequence  # the kind of a bracket, its start, and the places where it may end
_OPEN, _CLOSE = "[{", "]}"
_READINGS = 4096  # most readings of one line


# Decompositions


def unseen_lines(data: Path) -> dict[int, str]:
    """The expressions that were set aside, by row."""
    [(file, rows)] = json.loads((LABELS / "unseen_decompositions.json").read_text()).items()
    lines = list(read_expressions(data / file))
    return {row["row"]: lines[row["row"]] for row in rows}


def lines_of(path: Path) -> dict[int, str]:
    """The expressions of a file by row: the number before a tab, else the number of the line from 0. Blank lines are left out."""
    lines: dict[int, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        row, tab, text = line.partition("\t")
        if tab and not row.strip().isdigit():
            raise ValueError(f"Line {number + 1} of {path} has a tab, and what stands before it is no row number.")
        if not (text if tab else line).strip():
            continue
        key = int(row) if tab else number
        if key in lines:
            raise ValueError(f"Line {number + 1} of {path} is a second row {key}: give each expression its own number.")
        lines[key] = (text if tab else line).strip()
    return lines


def drawn(names: Iterable[str], count: int) -> set[str]:
    """`count` of the names, or all of them if there are fewer: the first by their hash, so always the same ones."""
    return set(sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:count])


def read_brackets(marked: str) -> tuple[str, list[Marked]]:
    """The text without marks, and for each bracket its kind, its start and where it may end.

    >>> read_brackets("a man in [a hat| worn] {at night}")
    ('a man in a hat worn at night', [('[', 9, 14, 19), ('{', 20, 28)])
    """
    text, marks, opened = "", [], []
    for letter in marked:
        if letter in _OPEN:
            opened.append((letter, len(text), []))
        elif letter == "|" and opened:
            opened[-1][2].append(len(text))
        elif letter in _CLOSE:
            if not opened or _OPEN.index(opened[-1][0]) != _CLOSE.index(letter):
                raise ValueError(f"in {marked!r} a {letter} closes nothing: put [ ] or {{ }} around each phrase.")
            kind, start, ends = opened.pop()
            marks.append((kind, start, *ends, len(text)))
        else:
            text += letter
    if opened:
        raise ValueError(f"in {marked!r} a {opened[-1][0]} is never closed.")
    if prod(len(ends) + (kind == "{") for kind, _, *ends in marks) > _READINGS:
        raise ValueError(f"{marked!r} can be read in more than {_READINGS} ways: use fewer of {{ }} and |.")
    return text, marks


def readings_of(marks: Iterable[Marked]) -> list[Reading]:
    """Each set of phrases that the marks of a line allow.

    >>> len(readings_of([("[", 9, 14, 19), ("{", 20, 28)]))
    4
    """
    choices = [[*[(start, end) for end in ends], *([None] if kind == "{" else [])] for kind, start, *ends in marks]
    return [frozenset(span for span in chosen if span) for chosen in product(*choices)]


def read_lines(path: Path, lines: dict[int, str]) -> dict[int, list[list[Marked]]]:
    """The marks of each row of a filled form, one list a reading. The words must be those of the expression."""
    if path.suffix == ".json":
        return {int(row): marks for row, marks in json.loads(path.read_text(encoding="utf-8")).items()}
    labelled: dict[int, list[list[Marked]]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        row, tab, marked = line.partition("\t")
        if not line.strip() or line.startswith("#"):
            continue
        if not tab or not row.strip().isdigit() or int(row) not in lines:
            raise ValueError(f"Line {number} of {path} is not a row of the form, a tab and its expression.")
        try:
            text, marks = read_brackets(marked.rstrip())
        except ValueError as error:
            raise ValueError(f"Line {number} of {path} cannot be read: {error}") from error
        if text != lines[int(row)]:
            raise ValueError(f"Line {number} of {path} has other words than row {row}: only brackets may be added.")
        labelled.setdefault(int(row), []).append(marks)
    return labelled


def judged_lines(lines: dict[int, str], labelled: dict[int, list[list[Marked]]], decompose: Decomposer) -> dict[str, bool]:
    """Whether each row's phrases are exactly those of a reading."""
    judged = {}
    for row, marked in labelled.items():
        phrases = frozenset(phrase.chars for phrase in decompose(lines[row]).phrases[:-1])
        judged[str(row)] = any(phrases in readings_of(marks) for marks in marked)
    return judged


# Chains


def chain_id(name: str, chain: Chain) -> str:
    """Where a chain is from, its thing and its relations: "ferret-3-17-2+5"."""
    relations = sorted({relation for step in chain.steps for relation in step.relation_ids})
    return f"{name.replace(' ', '-')}-{chain.steps[-1].object_ids[0]}-{'+'.join(map(str, relations))}"


Composed = list[tuple[str, SceneGraph, dict[str, Chain]]]


def unseen_chains(data: Path, count: int) -> Composed:
    """Of the graphs that were set aside: `count` chains drawn by a hash of their ids, none of which was labelled before."""
    aside = {f"{row['source']} {row['image']}" for row in json.loads((LABELS / "unseen_chains.json").read_text())}
    labelled = {
        f"{row['source']}-{row['image']}-{row['target']}-{'+'.join(map(str, sorted(row['relations'])))}"
        for row in json.loads((LABELS / "chains.json").read_text())
    }
    return chains_of(((name, graph) for name, graph, _ in graphs(data) if name in aside), count, labelled)


def chains_of(found: Iterable[tuple[str, SceneGraph]], count: int, labelled: Collection[str] = ()) -> Composed:
    """`count` of the chains of these graphs, drawn by a hash of their ids."""
    made = []
    for name, graph in found:
        chains = {chain_id(name, chain): chain for chain in compose(graph, Composing(per_image=12)).chains}
        made.append((name, graph, {key: chain for key, chain in chains.items() if key not in labelled}))
    kept = drawn([key for _, _, chains in made for key in chains], count)
    return [(name, graph, {key: chains[key] for key in chains if key in kept}) for name, graph, chains in made]


def graphs_of(paths: Iterable[Path]) -> Iterator[tuple[str, SceneGraph]]:
    """The graphs of files: a folder is Visual Genome's, `.jsonl` the plain form, anything else GQA's."""
    for path in paths:
        form = PLAIN if path.suffix == ".jsonl" else GQA
        with VisualGenome(path) if path.is_dir() else GraphFiles([path], form) as source:
            for image in source.images():
                graph = source.reader.graph(image)
                yield f"{path.stem} {image.image_id}", assembled(graph) if path.is_dir() else graph


def chain_form(name: str, graph: SceneGraph, made: dict[str, Chain]) -> Iterator[str]:
    """What a reader sees of one graph: its objects with their boxes in hundredths, its relations, and the chains."""
    yield f"==== {name}: objects as name [left top right bottom], in hundredths of the picture"
    for thing in graph.things.values():
        words = f" ({', '.join(thing.attributes)})" if thing.attributes else ""
        yield f"  #{thing.object_id} {'/'.join(thing.names)} {_hundredths(thing.xyxy)}{words}"
    yield "  relations: " + "; ".join(f"#{one.subject} {one.predicate} #{one.object}" for one in graph.relations)
    for key, chain in made.items():
        yield f"\n== {key}"
        for step in chain.steps:
            yield f"  {step.level} {step.text} = " + " ".join(f"#{thing}" for thing in step.object_ids)
        yield "words: \nboxes: "
    yield ""


def _hundredths(box: Corners) -> str:
    return "[" + " ".join(f"{100 * side:.0f}" for side in box) + "]"


def read_verdicts(path: Path) -> dict[str, dict[str, bool]]:
    """The answers of a filled form of chains: "words" and "boxes" of each chain."""
    if path.suffix == ".json":
        return json.loads(path.read_text(encoding="utf-8"))
    verdicts: dict[str, dict[str, bool]] = {}
    key = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("== "):
            key = line[3:].strip()
        elif asked := re.match(r"(words|boxes):\s*(\w*)", line):
            if asked[2].lower() not in ("yes", "no") or not key:
                raise ValueError(f"Line {number} of {path} says {line!r}: write yes or no behind `words:` and `boxes:`.")
            verdicts.setdefault(key, {})[asked[1]] = asked[2].lower() == "yes"
    return verdicts


# What filled forms say


def with_interval(found: Interval, of: int) -> str:
    return f"{found.estimate:.3f} [{found.low:.3f}, {found.high:.3f}] of {of}"


def say(readers: dict[str, dict[str, bool]], what: str) -> None:
    """The share of each reader, and how far each two agree."""
    for name, judged in readers.items():
        print(f"{what}, {name}: {with_interval(share(list(judged.values()), list(judged)), len(judged))}")
    for (one, first), (two, second) in combinations(readers.items(), 2):
        if found := agreement(first, second, str):
            print(f"{what}, {one} and {two} say the same in {with_interval(found.same, found.both)}")
            print(f"{what}, {one} and {two}, kappa over all of them: {with_interval(found.kappa, found.both)}")


def keep(folder: Path | None, kind: str, labels: dict[str, dict]) -> None:
    """Write each reader's labels without texts, for the repository."""
    for name, rows in labels.items() if folder else ():
        lines = ",\n".join(f"{json.dumps(str(key))}: {json.dumps(row)}" for key, row in rows.items())
        path = folder / f"{kind}.{Path(name).stem}.json"
        path.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
        print(f"{len(rows)} labels without texts are in {path}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.word_forms", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("kind", choices=["decompositions", "chains"])
    parser.add_argument("--data", type=Path, help="folder that holds promvil, ferret_bench and visual_genome: the rows set aside")
    parser.add_argument("--lines", type=Path, metavar="FILE", help="other expressions, one a line, or a row, a tab and one")
    parser.add_argument("--graphs", type=Path, nargs="+", metavar="PATH", help="other scene graphs: GQA's, plain, or a folder")
    parser.add_argument("--labels", type=Path, nargs="+", default=[], help="filled forms, one a reader; without, the empty form")
    parser.add_argument("--tagger", nargs="+", choices=TAGGERS, default=["rules"], help="which ones decompose (default: rules)")
    parser.add_argument("--count", type=int, default=80, help="chains or other lines of the empty form (default: 80)")
    parser.add_argument("--keep", type=Path, help="folder for the labels as ids and offsets")
    options = parser.parse_args(arguments)
    given = options.lines if options.kind == "decompositions" else options.graphs
    if not (options.data or given):
        parser.error("name the rows: --data FOLDER, --lines FILE for decompositions or --graphs PATH for chains")
    if options.kind == "decompositions":
        lines = lines_of(given) if given else unseen_lines(options.data)
        if not options.labels:
            shown = drawn(map(str, lines), options.count if given else len(lines))
            print("\n".join(f"{row}\t{line}" for row, line in lines.items() if str(row) in shown))
        labelled = {str(path): read_lines(path, lines) for path in options.labels}
        for chosen in map(tagger, options.tagger if labelled else []):
            decompose = tagged_decomposer(chosen)
            judged = {name: judged_lines(lines, marked, decompose) for name, marked in labelled.items()}
            say(judged, f"fully right by {chosen.name}")
        keep(options.keep, options.kind, labelled)
        return
    count = 10**6 if options.labels else options.count
    made = chains_of(graphs_of(given), count) if given else unseen_chains(options.data, count)
    if not options.labels:
        for name, graph, chains in made:
            if chains:
                print("\n".join(chain_form(name, graph, chains)))
    else:
        verdicts = {str(path): read_verdicts(path) for path in options.labels}
        for what in ("words", "boxes"):
            answers = {name: {key: given[what] for key, given in judged.items()} for name, judged in verdicts.items()}
            say(answers, f"right in {what}")
        both = {name: {key: all(given.values()) for key, given in judged.items()} for name, judged in verdicts.items()}
        say(both, "right in both")
        keep(options.keep, options.kind, verdicts)
        composed = {key for _, _, chains in made for key in chains}
        keys = {key for judged in verdicts.values() for key in judged}
        print(f"{len(keys & composed)} of {len(keys)} judged chains are composed by this code")
        left = {name: {key: right for key, right in judged.items() if key in composed} for name, judged in both.items()}
        say({name: judged for name, judged in left.items() if judged}, "right in both, of those that are composed")


if __name__ == "__main__":
    main()
