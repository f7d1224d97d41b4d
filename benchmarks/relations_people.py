# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Relations that people wrote, as graphs of real pictures: which of several things of one noun stands in the relation?

A case is a relation one of whose ends has rivals: other things of the same noun in the picture ("the man wearing the hat",
"the hat that the man is wearing"). The evidence is the box of the other end, the words are the annotator's. A rival is left
out where the graph says the same of it, or where its box is the target's. Compared are the composed grounder's functions with
their defaults, the candidate whose middle is nearest to the evidence's middle, and chance; and the functions weighted with
nearness, where the weights of a picture are fitted on all the others.
"""

import argparse
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from promvil_hf.boxes import Box, iou
from promvil_hf.compovl.graph_files import FORMS, GraphFiles
from promvil_hf.compovl.scene_graph import SceneGraph
from promvil_hf.compovl.visual_genome import VisualGenome
from promvil_hf.frames import ImageSize
from promvil_hf.grounding.geometry import Pairs, Things
from promvil_hf.grounding.relations import Relation, near
from promvil_hf.grounding.wordings import relation_of
from promvil_hf.metrics.intervals import bootstrap_interval, paired_test


_OBJECT = re.compile(r"^Object (\d+) : (.*?) at \[([\d., ]+)\]", re.MULTILINE)
_RELATION = re.compile(r"^object (\d+) : .*? -> (.*?) -> object (\d+) : .*?\.$", re.MULTILINE)
_COMPUTED = ("to the left of", "to the right of")
_SQUARE = (1000, 1000)  # Ferret's boxes are fractions, and the shapes of its pictures are not given


@dataclass(frozen=True)
class Graph:
    """One picture: things by id (noun, box) and relations (subject, words, object)."""

    name: str
    size: ImageSize
    things: dict[int, tuple[str, Box]]
    relations: list[tuple[int, str, int]]


@dataclass(frozen=True)
class Case:
    """The first candidate is the target. `inverse`: the candidates are what the relation is said to hold to."""

    picture: str
    size: ImageSize
    noun: str
    words: str
    evidence_noun: str
    candidates: tuple[Box, ...]
    evidence: Box
    inverse: bool = False

    @property
    def relation(self) -> Relation:
        noun, other = self.noun.split()[-1], self.evidence_noun.split()[-1]
        return relation_of(self.words, other, noun).inverse if self.inverse else relation_of(self.words, noun, other)

    @property
    def pairs(self) -> Pairs:
        return Pairs(Things.of(self.candidates, self.size), Things.of([self.evidence], self.size))

    def __str__(self) -> str:
        parts = [f"[{self.noun}]", self.words, self.evidence_noun]
        return f"{self.picture} {' '.join(reversed(parts) if self.inverse else parts)} ({self.relation.name})"


def ferret(data: Path) -> Iterator[Graph]:
    path = data / "ferret_bench" / "ground_conv_context.jsonl"
    for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        things = {}
        for number, noun, corners in _OBJECT.findall(row["text"]):
            box = Box.clipped(*map(float, corners.split(",")))
            if box is not None:
                things[int(number)] = (noun.lower(), box)
        relations = [(int(a), words.lower(), int(b)) for a, words, b in _RELATION.findall(row["text"])]
        yield Graph(row["image"], _SQUARE, things, relations)


def visual_genome(data: Path) -> Iterator[Graph]:
    with VisualGenome(data / "visual_genome" / "v1.2.0") as source:
        for image in source.images():
            yield _graph(f"vg {image.image_id}", source.graph(image))


def graph_file(path: Path, form: str) -> Iterator[Graph]:
    """Scene graphs of a file, in GQA's form or the plain one. GQA's left and right are computed from boxes."""
    source = GraphFiles([path], form)
    for image in source.images():
        graph = _graph(f"{form} {image.image_id}", source.graph(image))
        yield replace(graph, relations=[stated for stated in graph.relations if stated[1] not in _COMPUTED])


def _graph(name: str, graph: SceneGraph) -> Graph:
    scale = (graph.width, graph.height) * 2
    boxes = {
        key: Box.clipped(*(edge / side for edge, side in zip(thing.xyxy, scale))) for key, thing in graph.things.items()
    }
    things = {key: (thing.names[0].lower(), boxes[key]) for key, thing in graph.things.items() if boxes[key] is not None}
    relations = [(relation.subject, relation.predicate.lower(), relation.object) for relation in graph.relations]
    return Graph(name, (graph.width, graph.height), things, relations)


def cases(graph: Graph) -> Iterator[Case]:
    """Both ends of each relation, once, where they have rivals that the graph does not say the same of."""
    relations = list(dict.fromkeys((a, _plain(words), b) for a, words, b in graph.relations))
    for subject, words, other in relations:
        if subject == other or not {subject, other} <= graph.things.keys():
            continue
        for asked, evidence, inverse in ((subject, other, False), (other, subject, True)):
            same = {(b if inverse else a) for a, w, b in relations if w == words and (a if inverse else b) == evidence}
            noun, target = graph.things[asked]
            rivals = [
                box
                for key, (name, box) in graph.things.items()
                if name == noun and key not in same | {evidence} and iou(box, target) < 0.7
            ]
            if rivals:
                name, place = graph.things[evidence]
                yield Case(graph.name, graph.size, noun, words, name, (target, *rivals), place, inverse)


def _plain(words: str) -> str:
    """Without articles and forms of "be": "are in a" is "in"."""
    return " ".join(word for word in words.split() if word not in ("a", "an", "the", "is", "are"))


def fits(case: Case) -> np.ndarray:
    return case.relation.fit(case.pairs)[:, 0]


def nearness(case: Case) -> np.ndarray:
    return -np.linalg.norm(case.pairs.a.middles - case.pairs.b.middles, axis=-1)


def fitted(found: list[Case], pictures: list[str]) -> list[np.ndarray]:
    """The scores of each case, with weights that make the targets of all other pictures likeliest."""
    columns = [
        np.stack([np.log(fits(case)), np.log(near(case.pairs)[:, 0])], 1) for case in found
    ]
    start = np.array([1.0, 0.0])
    weights = {}
    for left_out in set(pictures):
        others = [row for row, picture in zip(columns, pictures) if picture != left_out]

        def loss(weight, others=others):
            scores = [row @ weight for row in others]
            return sum(np.logaddexp.reduce(row) - row[0] for row in scores) + ((weight - start) ** 2).sum()

        weights[left_out] = minimize(loss, start, method="L-BFGS-B").x
    return [row @ weights[picture] for row, picture in zip(columns, pictures)]


def right(scores: np.ndarray) -> float:
    """Whether the target has the highest score; of a tie its share."""
    best = scores == scores.max()
    return float(best[0]) / best.sum()


def main(arguments: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.relations_people", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="folder that holds ferret_bench and visual_genome")
    source.add_argument("--graphs", nargs="+", metavar="FORM=FILE",
                        help=f"files of scene graphs instead, each behind its form ({' or '.join(FORMS)})")
    parser.add_argument("--wrong", action="store_true", help="list the cases that went wrong")
    options = parser.parse_args(arguments)
    graphs = (*ferret(options.data), *visual_genome(options.data)) if options.data else tuple(_of_files(parser, options.graphs))
    found = [case for graph in graphs for case in cases(graph)]
    if not found:
        parser.error("no relation in these graphs has a rival, a second thing of the same noun: nothing can be measured.")
    pictures = [case.picture for case in found]
    columns = {
        "composed": [right(fits(case)) for case in found],
        "fitted elsewhere": [right(scores) for scores in fitted(found, pictures)],
        "nearest middle": [right(nearness(case)) for case in found],
        "chance": [1 / len(case.candidates) for case in found],
    }
    known = np.mean([case.relation.known for case in found])
    print(f"{len(found)} relations of {len(set(pictures))} pictures; the words of {known:.3f} are in the table")
    for name, row in columns.items():
        interval = bootstrap_interval(np.array([row, [1.0] * len(row)]).T, clusters=pictures)
        ends = [np.mean([score for score, case in zip(row, found) if case.inverse is end]) for end in (False, True)]
        print(f"{name:<17} {interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]  "
              f"subjects {ends[0]:.3f}  objects {ends[1]:.3f}")  # fmt: skip
    for name in ("composed", "fitted elsewhere"):
        test = paired_test(np.array(columns[name]), np.array(columns["nearest middle"]), clusters=pictures)
        gain = test.difference
        print(f"{name} - nearest middle: {gain.estimate:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}], p = {test.p_value:.4f}")
    if options.wrong:
        for case, score, near_too in zip(found, columns["composed"], columns["nearest middle"]):
            if score < 1:
                print(f"wrong: {case} {' '.join(f'{fit:.2f}' for fit in fits(case))}  nearest {near_too:g}")
    return {name: float(np.mean(row)) for name, row in columns.items()}


def _of_files(parser: argparse.ArgumentParser, named: list[str]) -> Iterator[Graph]:
    for text in named:
        form, is_given, path = text.partition("=")
        if not is_given or form not in FORMS:
            parser.error(f"You passed --graphs {text}: name the form and the file, such as gqa=val_sceneGraphs.json.")
        if not Path(path).is_file():
            parser.error(f"You passed --graphs {text}: there is no file {path}.")
        yield from graph_file(Path(path), form)


if __name__ == "__main__":
    main()
