# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A scene graph: the objects of one image, what they are like, how they relate, and phrases that people wrote about them.

Boxes are fractions of the image, already cut to it. The values are msgspec structs, not dataclasses, because a build
makes tens of millions of them and these are some five times cheaper.
"""

import msgspec


Corners = tuple[float, float, float, float]


class Thing(msgspec.Struct, frozen=True, gc=False):
    """An object: its names (lower case, the first is the one to use), its box, its attributes."""

    object_id: int
    names: tuple[str, ...]
    xyxy: Corners
    attributes: tuple[str, ...] = ()


class Relation(msgspec.Struct, frozen=True, gc=False):
    """`subject` and `object` are ids of things in the same graph; the predicate is in lower case."""

    relation_id: int
    subject: int
    predicate: str
    object: int


class Region(msgspec.Struct, frozen=True, gc=False):
    """A phrase somebody wrote about a part of the image, with what of the graph it speaks about, where that is known."""

    region_id: int
    phrase: str
    xyxy: Corners
    things: tuple[int, ...] = ()
    relations: tuple[Relation, ...] = ()


class Broken(msgspec.Struct, frozen=True, gc=False):
    """A record that could not be used, and why. `reason` is a short phrase to count by."""

    file: str
    image_id: int | None
    record_id: int | None
    reason: str
    detail: str = ""


class SceneGraph(msgspec.Struct, frozen=True):
    """What Visual Genome says about one image, cleaned. `counts` has the records of each file as they stand in it.

    Every record is in the graph or in `broken`; attributes sit on their things. Nothing is left out in silence.
    """

    image_id: int
    width: int
    height: int
    image_path: str
    image_url: str
    coco_id: int | None
    things: dict[int, Thing]
    relations: tuple[Relation, ...]
    regions: tuple[Region, ...]
    broken: tuple[Broken, ...]
    counts: dict[str, int]
    clipped: int = 0


def assembled(graph: SceneGraph) -> SceneGraph:
    """The graph with relations found for regions that name none: how region descriptions stand in for region graphs.

    A relation belongs to a region when the region's phrase has every word of its subject's name, its predicate and its
    object's name, and the centres of both boxes lie in the region. Several such relations (two men, two hats) give none.
    """
    named = [(graph.things[r.subject].names[0], graph.things[r.object].names[0], r) for r in graph.relations]
    names = {name for subject, thing, _ in named for name in (subject, thing)}
    regions = []
    for region in graph.regions:
        if region.relations:
            regions.append(region)
            continue
        words = set(region.phrase.lower().strip(" .,;!").split())
        spoken = {name for name in names if words.issuperset(name.split())}
        found = [
            relation
            for subject, thing, relation in named
            if subject in spoken
            and thing in spoken
            and words.issuperset(relation.predicate.split())
            and _centre_in(graph.things[relation.subject].xyxy, region.xyxy)
            and _centre_in(graph.things[relation.object].xyxy, region.xyxy)
        ]
        if len(found) == 1:
            things = tuple(dict.fromkeys((*region.things, found[0].subject, found[0].object)))
            region = msgspec.structs.replace(region, things=things, relations=(found[0],))
        regions.append(region)
    return msgspec.structs.replace(graph, regions=tuple(regions))


def _centre_in(inner: Corners, outer: Corners) -> bool:
    x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3]
