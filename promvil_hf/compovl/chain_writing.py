# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Composed expressions while they are searched for, and how one is written: a chain of steps, parts first."""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from promvil_hf.compovl.chains import Chain, Step
from promvil_hf.compovl.scene_graph import Region, Thing


class Edge(msgspec.Struct, gc=False):
    subject: int  # positions, not ids
    object: int
    key: str  # what the graph calls the relation, normalised: expressions are judged by it
    link: str  # how it is worded here
    relation_id: int
    region: Region | None


class Node(msgspec.Struct, gc=False):
    """A composed expression: `prefix` (or a bare head) joined by `edges` to `anchors` (None: the simple noun)."""

    level: int
    target: int
    fits: int
    used: int
    adjective: str
    edges: tuple[Edge, ...]
    anchors: tuple["Node | None", ...]
    prefix: "Node | None" = None


class ChainWriter:
    """Writes the expressions of one image. `simple` gives the simple noun phrase of a position and what it fits."""

    def __init__(
        self,
        things: Sequence[Thing],
        nouns: Sequence[str | None],
        simple: Callable[[int], tuple[str, int]],
        distractors: Callable[[Node], int],
    ):
        self.things, self.nouns, self.simple, self.distractors = things, nouns, simple, distractors

    def chain(self, node: Node, covered: set[int]) -> Chain:
        """The chain of an expression; every expression that is a step of it goes into `covered`."""
        steps: list[Step] = []
        edges: list[Edge] = []
        self._write(node, steps, {}, edges, covered)
        edges = list({id(edge): edge for edge in edges}.values())
        regions = list(dict.fromkeys([edge.region.region_id for edge in edges if edge.region is not None]))
        from_region = [edge.region is not None for edge in edges]
        return Chain(
            steps[-1].text,
            steps[-1].level,
            steps,
            "regions" if all(from_region) else "both" if any(from_region) else "graph",
            self.distractors(node),
            steps[-1].ambiguous,
            tuple([self._given(edge) for edge in edges]),
            tuple(regions),
        )

    def _given(self, edge: Edge) -> str:
        return edge.region.phrase if edge.region else f"{self.nouns[edge.subject]} {edge.link} {self.nouns[edge.object]}"

    def _write(self, node: Node, steps: list[Step], known: dict, edges: list[Edge], covered: set[int]) -> int:
        """Append the steps of a node, parts first. Gives the index of the node's step."""
        if id(node) in known:
            return known[id(node)]
        covered.add(id(node))
        anchors = [] if node.prefix is None else [self._write(node.prefix, steps, known, edges, covered)]
        noun = self.nouns[node.target]
        text = steps[anchors[0]].text if anchors else f"the {node.adjective} {noun}" if node.adjective else f"the {noun}"
        for k, (edge, anchor) in enumerate(zip(node.edges, node.anchors)):
            if anchor is None:
                at = self._write_simple(edge.object, steps, known)
            else:
                at = self._write(anchor, steps, known, edges, covered)
            anchors.append(at)
            edges.append(edge)
            before = node.edges[k - 1] if k else node.prefix.edges[-1] if node.prefix is not None else None
            joint = " " if before is None else " and " if before.link != edge.link else " and"
            link = edge.link if joint != " and" else ""  # "with the beard and the hat"
            text = f"{text}{joint}{link} {steps[at].text}"
        positions = [node.target, *(member for member in members(node.fits) if member != node.target)]
        steps.append(
            Step(
                text,
                node.level,
                noun,
                tuple([self.things[position].xyxy for position in positions]),
                tuple([self.things[position].object_id for position in positions]),
                tuple(anchors),
                tuple([steps[at].text for at in anchors]),
                tuple([edge.relation_id for edge in node.edges]),
                len(positions) > 1,
            )
        )
        known[id(node)] = len(steps) - 1
        return len(steps) - 1

    def _write_simple(self, position: int, steps: list[Step], known: dict) -> int:
        text, fits = self.simple(position)
        if text not in known:
            fitting = list(members(fits))
            steps.append(
                Step(
                    text,
                    1,
                    self.nouns[position],
                    tuple([self.things[member].xyxy for member in fitting]),
                    tuple([self.things[member].object_id for member in fitting]),
                    (),
                    (),
                    (),
                    False,
                )
            )
            known[text] = len(steps) - 1
        return known[text]


def members(bits: int) -> Iterator[int]:
    """The places of the bits that are set."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest
