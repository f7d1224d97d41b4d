# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Composes nested expressions from a scene graph, with the boxes of every step: CompoVL's chains.

Two relations that share an object nest. "man holding camera" and "camera on table" share an object and a subject: "the
man holding the camera on the table". "man with beard" and "man holding camera" share a subject: "the man with the beard
and holding the camera". Relations come from region graphs, in the words somebody used there, and from the relationships
themselves; boxes always come from the graph. A simple noun has the boxes of all its instances, a composed expression
that of the one object it picks out. What fits several objects by the graph is ambiguous; what another may fit that the
graph does not link is left out (`rivals`).

Composition is a bit-set search and fully deterministic: one image costs about a millisecond.
"""

from collections import Counter
from dataclasses import dataclass

import msgspec

from promvil_hf.compovl.chain_writing import ChainWriter, Edge, Node, members
from promvil_hf.compovl.chains import Chain
from promvil_hf.compovl.overlaps import area, closeness, same_box, share
from promvil_hf.compovl.relation_words import (
    fits_subject,
    is_adjective,
    kind_key,
    link_between,
    link_of,
    noun_of,
)
from promvil_hf.compovl.rivals import (
    APART,
    has_other_names,
    is_gaze,
    is_of_all,
    may_be,
    may_relate,
    must_meet,
    names_any,
)
from promvil_hf.compovl.scene_graph import Region, Relation, SceneGraph
from promvil_hf.nesting.kinds import PERSON, kind_of


SOURCES = ("both", "regions", "graph")
_STUFF = frozenset("water sky grass snow sand ground road floor street field ocean sea beach pavement dirt mud".split())
_SAME_STUFF = 0.6  # share of the smaller box in the other, from which two of them are one
_WHERE = frozenset("in on at inside into of under above".split())
_HAS = frozenset("with wearing holding carrying eating using".split())
_WIDTH = 2  # expressions kept for one object and level while composing: bounds the work, not the result's kinds


@dataclass(frozen=True, slots=True)
class Composing:
    """What is composed.

    Args:
        levels: Deepest expression, 2 to 6. Level 2 is one relation.
        per_image: Most chains of one image. Deep ones and those whose head noun has distractors come first.
        sources: `"regions"` uses the relations of region graphs only, `"graph"` the relationships only.
        keep_ambiguous: Keep expressions that fit several objects, marked as ambiguous.
        same_iou: Two objects of one name with at least this overlap count as one thing that was annotated twice; so do two
            with a little less of which one lies nearly whole in the other.
        negatives: Most changed chains that are made of each: see `promvil_hf.compovl.negatives`.
    """

    levels: int = 4
    per_image: int = 6
    sources: str = "both"
    keep_ambiguous: bool = False
    same_iou: float = 0.8
    negatives: int = 0

    def __post_init__(self):
        if not 2 <= self.levels <= 6:
            raise ValueError(f"You passed levels={self.levels}: nested expressions have 2 to 6 levels.")
        if self.per_image < 1:
            raise ValueError(f"You passed per_image={self.per_image}: pass 1 or more.")
        if self.sources not in SOURCES:
            raise ValueError(f"You passed sources={self.sources!r}: it is one of {', '.join(SOURCES)}.")
        if self.negatives < 0:
            raise ValueError(f"You passed negatives={self.negatives}: it is how many are made of an expression, 0 or more.")
        if not 0 < self.same_iou <= 1:
            raise ValueError(f"You passed same_iou={self.same_iou}: it is an overlap above 0, at most 1.")


class Composed(msgspec.Struct):
    """The chains of one image, and what became of the relations and expressions that are not among them."""

    chains: list[Chain]
    left_out: Counter


DEFAULT = Composing()


def compose(graph: SceneGraph, how: Composing = DEFAULT) -> Composed:
    """The nested expressions of one image."""
    return _Composer(graph, how).run()


class _Composer:
    def __init__(self, graph: SceneGraph, how: Composing):
        self.graph, self.how = graph, how
        self.left_out: Counter = Counter()
        self.things = list(graph.things.values())
        self.place = {thing.object_id: position for position, thing in enumerate(self.things)}
        self.nouns = [noun_of(thing.names[0]) for thing in self.things]
        self._merge_doubles()
        self._mark_words()
        self.related: dict[str, dict[int, int]] = {}  # key -> object position -> bit set of subjects
        self.edges = self._edges()
        self.simple_nouns: dict[int, tuple[str, int]] = {}

    def _merge_doubles(self):
        """Positions of one thing annotated twice map to the first of them."""
        by_noun: dict[str, list[int]] = {}
        for position, noun in enumerate(self.nouns):
            if noun is not None:
                kind = kind_key(noun)
                by_noun.setdefault(PERSON if kind_of(kind.split()[-1]) == PERSON else kind, []).append(position)
        self.same = list(range(len(self.things)))
        for kind, positions in by_noun.items():
            is_stuff = kind in _STUFF
            if is_stuff:
                positions.sort(key=lambda position: -area(self.things[position].xyxy))
            for k, later in enumerate(positions):
                for earlier in positions[:k]:
                    boxes = self.things[earlier].xyxy, self.things[later].xyxy
                    is_same = share(*boxes) >= _SAME_STUFF if is_stuff else same_box(*boxes, self.how.same_iou)
                    if self.same[earlier] == earlier and is_same:
                        self.same[later] = earlier
                        self.left_out["object annotated twice"] += 1
                        break

    def _mark_words(self):
        """For each noun, each kind of noun and each adjective the bit set of the things it fits; `kind` is by position.

        A kind is a noun in either number, with or without more words before it: "stop signs" are of the kind "sign".
        """
        self.fits: dict[str, int] = {}
        self.kinds: dict[str, int] = {}
        self.named: dict[str, int] = {}  # the same in either number, without more words before it
        self.likes: dict[str, int] = {}
        for position, thing in enumerate(self.things):
            bit = 1 << self.same[position]
            for name in thing.names:
                noun = noun_of(name)
                if noun is not None:
                    self.fits[noun] = self.fits.get(noun, 0) | bit
                    self.named[kind_key(noun)] = self.named.get(kind_key(noun), 0) | bit
                    words = kind_key(noun).split()
                    for start in range(len(words)):
                        kind = " ".join(words[start:])
                        self.kinds[kind] = self.kinds.get(kind, 0) | bit
            for attribute in thing.attributes:
                self.likes[attribute] = self.likes.get(attribute, 0) | bit
        self.kind = [0 if noun is None else self.kinds[kind_key(noun)] for noun in self.nouns]
        named = [(1 << self.same[position], noun) for position, noun in enumerate(self.nouns) if noun is not None]
        self.may_fit = list(self.kind)  # with what may be called by the noun too: a catcher may be a man
        for position, noun in enumerate(self.nouns):
            if noun is not None and has_other_names(noun):
                for bit, other in named:
                    if may_be(noun, other):
                        self.may_fit[position] |= bit
            if noun is not None and names_any(noun):
                self.fits[noun] |= self.may_fit[position]

    def _edges(self) -> list[Edge]:
        """Each relation once; the words of a region win over the predicate."""
        found: dict[tuple[int, int, str], Edge] = {}
        if self.how.sources != "graph":
            for region in self.graph.regions:
                for relation in region.relations:
                    self._add(found, relation, region)
        if self.how.sources != "regions":
            for relation in self.graph.relations:
                self._add(found, relation, None)
        for edge in found.values():
            self._relate(edge.key, edge.subject, edge.object)
        return list(found.values())

    def _relate(self, key: str, subject: int, thing: int) -> None:
        rows = self.related.setdefault(key, {})
        rows[thing] = rows.get(thing, 0) | 1 << subject

    def _add(self, found: dict, relation: Relation, region: Region | None):
        subject, thing = self.same[self.place[relation.subject]], self.same[self.place[relation.object]]
        if subject == thing:
            self.left_out["relation within an object annotated twice"] += 1
            return
        key = link_of(relation.predicate)
        if key is None:
            self.left_out["predicate is no wording"] += 1
            return
        if self.nouns[subject] is None or self.nouns[thing] is None:
            self.left_out["name is no plain noun"] += 1
            return
        if not fits_subject(key, self.nouns[subject]):
            self.left_out["clothes that wear or carry"] += 1
            return
        boxes = self.things[subject].xyxy, self.things[thing].xyxy
        if must_meet(key, self.nouns[thing]) and closeness(*boxes) < APART:
            self.left_out["boxes lie apart"] += 1
            self._relate(key, subject, thing)  # it may be true all the same, so nothing else is picked out by it
            return
        link = self._link_in_phrase(relation, region) if region is not None else None
        known = found.get((subject, thing, key))
        if known is None:
            found[subject, thing, key] = Edge(subject, thing, key, link or key, relation.relation_id, region)
        else:
            if known.region is None or (link and known.link == known.key):
                known.region, known.link = region or known.region, link or known.link
            self.left_out["relation stated before"] += 1

    def _link_in_phrase(self, relation: Relation, region: Region) -> str | None:
        """The joining words of a region's phrase, where it names subject and object in this order."""
        subject = self.things[self.place[relation.subject]].names[0]
        thing = self.things[self.place[relation.object]].names[0]
        phrase = f" {region.phrase.lower().rstrip(' .,;!')} "
        start = phrase.find(f" {subject} ")
        if start < 0:
            return None
        start += len(subject) + 2
        end = phrase.find(f" {thing} ", start - 1)
        return link_between(phrase[start:end], relation.predicate) if end >= start else None

    def simple(self, position: int) -> tuple[str, int]:
        """A simple noun phrase for a thing, and what it fits. One adjective where it excludes some things of the same kind."""
        if position not in self.simple_nouns:
            noun, adjective = self.nouns[position], ""
            fits = self.fits[noun]
            if fits & (fits - 1):
                bit = 1 << position
                for attribute in self.things[position].attributes:
                    liked = fits & self.likes[attribute]
                    if liked & bit and liked != fits and is_adjective(attribute):
                        adjective, fits = attribute + " ", liked
                        break
            self.simple_nouns[position] = f"the {adjective}{noun}", fits
        return self.simple_nouns[position]

    def _has_more(self, position: int) -> bool:
        """Whether the graph names more of the same under the other number: "the hot dog" beside "hot dogs" elsewhere."""
        text, fits = self.simple(position)
        noun = self.nouns[position]
        found = text == f"the {noun}" and bool(self.named[kind_key(noun)] & ~fits)
        self.left_out["more of them under the other number"] += found
        return found

    # Search

    def run(self) -> Composed:
        levels = self.how.levels
        self.ambiguous: list[Node] = []
        # by_target[level][position]: unambiguous expressions that pick out the thing at that position
        by_target: list[dict[int, list[Node]]] = [{} for _ in range(levels + 1)]
        joined: list[dict[int, list[Node]]] = [{} for _ in range(levels + 1)]  # the same, of heads with two clauses
        vague: dict[int, list[Node]] = {}  # of one relation, and ambiguous: a second relation may settle them
        by_subject: dict[int, list[Edge]] = {}
        for edge in self.edges:
            by_subject.setdefault(edge.subject, []).append(edge)
            self._settle(self._clause(edge, None, 2), by_target[2], vague)
        self._join_all(vague, by_subject, None, 2, joined[2])
        if levels > 2:
            self._join_all(by_target[2], by_subject, None, 3, joined[3])
        for level in range(3, levels + 1):
            # Nothing refers to a joined one: after "the shirt on the man with the hat and holding the cup", who holds it
            # would be anybody's guess.
            below = by_target[level - 1]
            if not below:
                break
            for edge in self.edges:
                for anchor in below.get(edge.object, ()):
                    if not anchor.used >> edge.subject & 1:
                        self._settle(self._clause(edge, anchor, level), by_target[level], None)
            for opening in (by_target[2], vague):
                self._join_all(opening, by_subject, below, level, joined[level])
        return Composed(self._chosen(by_target, joined), self.left_out)

    def _settle(self, node: Node | None, found: dict[int, list[Node]], vague: dict[int, list[Node]] | None):
        if node is None:
            return
        if node.fits & (node.fits - 1) == 0:
            _keep(found, node)
            return
        self.left_out["ambiguous expression"] += 1
        if vague is not None:
            _keep(vague, node)
        if self.how.keep_ambiguous:
            self.ambiguous.append(node)

    def _clause(self, edge: Edge, anchor: Node | None, level: int) -> Node | None:
        """head + link + anchor, with a bare head if that picks out the subject, else with an adjective that helps."""
        bit = 1 << edge.subject
        subject_kind = self.kind[edge.subject]
        if anchor is None:
            fits = self.simple(edge.object)[1]
            if self._has_more(edge.object):
                return None
            used = bit | 1 << edge.object
        else:
            fits, used = anchor.fits, bit | anchor.used
        if subject_kind & (fits | used & ~bit):  # "the man next to the man": the noun could mean the head itself
            return None
        subjects = self._subjects(edge.key, fits)
        subjects &= subject_kind
        if subjects == bit and self._rivals(edge, anchor, self.may_fit[edge.subject] & ~(bit | fits | used)):
            self.left_out["another of its kind may fit"] += 1
            return None
        adjective = ""
        if subjects != bit:
            for attribute in self.things[edge.subject].attributes:
                if subjects & self.likes[attribute] == bit and is_adjective(attribute):
                    adjective, subjects = attribute, bit
                    break
        return Node(level, edge.subject, subjects, used, adjective, (edge,), (anchor,))

    def _rivals(self, edge: Edge, anchor: Node | None, others: int) -> int:
        """Those of `others` that may be in the edge's relation too: graphs miss relations."""
        text, fits = self.simple(edge.object) if anchor is None else ("", anchor.fits)
        if is_gaze(edge.key) or (anchor is None and text.count(" ") == 1 and is_of_all(edge.key, self.nouns[edge.object])):
            return others
        subject, around = self.things[edge.subject].xyxy, self.things[edge.object].xyxy
        found = others & self._subjects(edge.key, fits)
        for other in members(others & ~found):
            box = self.things[other].xyxy
            if any(may_relate(edge.key, box, subject, around, self.things[thing].xyxy) for thing in members(fits)):
                found |= 1 << other
        return found

    def _subjects(self, key: str, objects: int) -> int:
        rows, subjects = self.related[key], 0
        while objects:
            lowest = objects & -objects
            subjects |= rows.get(lowest.bit_length() - 1, 0)
            objects ^= lowest
        return subjects

    def _join_all(self, openings: dict[int, list[Node]], by_subject, anchors: dict | None, level: int, found):
        """One clause about a head, "and" another: with simple nouns (`anchors` None) or with expressions of level - 1."""
        for target, nodes in openings.items():
            edges = by_subject[target]
            if len(edges) < 2:
                continue
            for node in nodes:
                for edge in edges:
                    if len(found.get(target, ())) >= _WIDTH:
                        break
                    if edge.link == "with" != node.edges[0].link and any(other.edges[0] is edge for other in nodes):
                        continue  # "with the beard and holding the camera" sounds better than the other way round
                    for anchor in (None,) if anchors is None else anchors.get(edge.object, ()):
                        self._join(node, edge, anchor, level, found)

    def _join(self, node: Node, edge: Edge, anchor: Node | None, level: int, found: dict[int, list[Node]]):
        first, bit = node.edges[0], 1 << node.target
        if self.kind[edge.object] & (1 << first.object | node.used):
            return  # "with the window and near the window"
        if edge.link == first.link and edge.link not in _HAS:
            return  # "worn on the neck and the person"
        if edge.link in _WHERE and first.link in _WHERE:
            return  # "in the field and on the hill": two places of one thing
        if anchor is None:
            fits = self.simple(edge.object)[1]
            used = 1 << edge.object
            if fits & bit or self._has_more(edge.object):
                return
        else:
            fits, used = anchor.fits, anchor.used
            if used & self.kind[node.target]:
                return
        if node.used & used or node.fits & self._subjects(edge.key, fits) != bit:
            return
        if node.fits != bit:  # both clauses together must rule out the others
            others = self.may_fit[node.target] & ~(bit | fits | used | node.used)
            if self._rivals(edge, anchor, self._rivals(first, None, others)):
                self.left_out["another of its kind may fit"] += 1
                return
        used |= node.used
        if node.fits == bit:  # the opening is a separate step
            whole = Node(level, node.target, bit, used, node.adjective, (edge,), (anchor,), node)
        else:
            edges, anchors = (first, edge), (None, anchor)
            whole = Node(level, node.target, bit, used, node.adjective, edges, anchors)
        _keep(found, whole)

    def _chosen(self, by_target, joined) -> list[Chain]:
        """Deep and hard ones first, levels and targets taking turns; nothing that is already a step of another."""
        queues = []
        for level in range(self.how.levels, 1, -1):
            kinds = (by_target[level], joined[level])
            nodes = [node for found in kinds for target_nodes in found.values() for node in target_nodes]
            if self.ambiguous:
                nodes += [node for node in self.ambiguous if node.level == level]
            turns: dict[int, int] = {}
            order = []
            for number, node in enumerate(nodes):
                turn = turns[node.target] = turns.get(node.target, 0) + 1
                order.append((turn, self._distractors(node) == 0, number))
            order.sort(reverse=True)
            queues.append([nodes[number] for _, _, number in order])
        chains, covered, seen = [], set(), set()
        writer = ChainWriter(self.things, self.nouns, self.simple, self._distractors)
        while any(queues) and len(chains) < self.how.per_image:
            for queue in queues:
                while queue:
                    node = queue.pop()
                    if id(node) in covered:
                        self.left_out["step of a chosen expression"] += 1
                        continue
                    chain = writer.chain(node, covered)
                    # The same relations in another order ("holding the camera and with the beard") say the same thing.
                    content = node.target, frozenset([relation_id for step in chain.steps for relation_id in step.relation_ids])
                    if content not in seen and chain.expression not in seen:
                        seen |= {content, chain.expression}
                        chains.append(chain)
                        break
                if len(chains) == self.how.per_image:
                    break
        self.left_out["beyond per_image"] += sum(map(len, queues))
        return chains

    def _distractors(self, node: Node) -> int:
        return self.kind[node.target].bit_count() - 1


def _keep(found: dict[int, list[Node]], node: Node):
    target_nodes = found.setdefault(node.target, [])
    if len(target_nodes) < _WIDTH:
        target_nodes.append(node)
