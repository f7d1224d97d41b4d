# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Says what is in a scene in Visual Genome's own records: the rows of its seven JSON files, in the layouts 1.2 and 1.4.

The relationships are complete: whatever holds is listed, so a reader may judge by the graph alone whether an expression is
ambiguous. Layout 1.4 keeps the real one's habits: some objects were merged with another object id, `objects.json` and
`relationships.json` know the surviving id (with `names` and `merged_object_ids`), while attributes and region graphs
still use the old ones. No torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from promvil_hf.toy.config import WORDINGS_OF
from promvil_hf.toy.gqa import visual_genome_questions
from promvil_hf.toy.language import described, with_article
from promvil_hf.toy.objects import ToyObject
from promvil_hf.toy.scenery import Scene


LAYOUTS = ("1.2", "1.4")
IMAGE_FOLDER = "VG_100K"
SYNSETS = {  # as in Visual Genome, not every noun and predicate has one
    "circle": "circle.n.01",
    "square": "square.n.01",
    "triangle": "triangle.n.01",
    "star": "star.n.05",
    "ring": "ring.n.02",
    "cross": "cross.n.01",
    "diamond": "rhombus.n.01",
    "moon": "crescent.n.01",
    "table": "table.n.02",
    "robot": "automaton.n.02",
    "above": "above.r.01",
    "below": "below.r.01",
    "inside": "inside.r.01",
    "on": "along.r.01",
    "touching": "touch.v.01",
    "holding": "hold.v.02",
    "held by": "hold.v.02",
    "next to": "next.r.01",
}


@dataclass(frozen=True, slots=True)
class Region:
    """A described part of a scene: its phrase, the objects in it by position, its relations, and where its nouns stand."""

    phrase: str
    objects: tuple[int, ...]
    triples: tuple[tuple[int, str, int], ...]
    entities: tuple[tuple[int, int, int], ...]  # object position, start and end of its noun in the phrase


def records(scene: Scene, layout: str = "1.2", noise: float = 0.0) -> dict[str, dict]:
    """The record of a scene for each of Visual Genome's files, by the name of the file.

    Args:
        scene: The scene.
        layout: `"1.2"` or `"1.4"`.
        noise: Share of records roughened as real ones are: predicates in upper case, phrases with outer blanks or a final
            newline, relationships with an end that no object has.
    """
    if layout not in LAYOUTS:
        raise ValueError(
            f"You passed layout={layout!r}. Toy scenes are written in Visual Genome's layouts {' and '.join(LAYOUTS)}."
        )
    if not 0 <= noise <= 1:
        raise ValueError(f"You passed noise={noise}. It is a share of records: pass a number from 0 to 1.")
    writer = _Records(scene, layout, noise, scene.random("noise"))
    image_id = scene.image_id
    head = {"image_id": image_id} | ({"image_url": image_url(scene)} if layout == "1.4" else {})
    graph = writer.region_graph()
    return {
        "image_data": writer.image_data(),
        "objects": head | {"objects": [writer.thing(thing) for thing in scene.objects]},
        "attributes": head | {"attributes": writer.attributes()},
        "relationships": {"image_id": image_id, "relationships": writer.relationships()},
        "region_graphs": {"image_id": image_id, "regions": graph},
        "region_descriptions": {
            "id": image_id,
            "regions": [
                {key: row[key] for key in ("region_id", "width", "height", "image_id", "phrase", "y", "x")}
                for row in graph
            ],
        },
        "question_answers": {
            "id": image_id,
            "qas": [
                {"a_objects": [], "question": question, "image_id": image_id, "qa_id": image_id * 100 + k}
                | {"answer": answer, "q_objects": []}
                for k, (question, answer) in enumerate(visual_genome_questions(scene))
            ],
        },
    }


def image_url(scene: Scene) -> str:
    """Where the picture would lie if Visual Genome hosted it; the path of the file ends the same way."""
    return f"https://toy.invalid/{IMAGE_FOLDER}/{scene.image_id}.png"


def regions(scene: Scene) -> tuple[Region, ...]:
    """Describe parts of a scene: single objects, pairs, and a few triples.

    Every relation that the scene's expressions use has a region of its own, and regions share objects: so each expression can
    be composed again from pairs of regions.
    """
    rng = scene.random("regions")
    first_id = scene.objects[0].object_id
    found = [_alone(scene, position, rng) for position in range(len(scene.objects)) if rng.random() < 0.8]
    triples_of_each = [
        tuple((s - first_id, predicate, o - first_id) for s, predicate, o in expression.triples)
        for expression in scene.expressions()
    ]
    pairs = list(dict.fromkeys(triple for triples in triples_of_each for triple in triples))
    usable = [triple for triple in scene.geometry.triples() if triple[1] in scene.config.predicates]
    others = [triple for triple in usable if triple not in pairs]
    pairs += rng.sample(others, min(len(others), len(scene.objects) // 2))
    found += [_related(scene, (pair,), rng) for pair in pairs]
    chains = list(dict.fromkeys(triples[::-1] for triples in triples_of_each if len(triples) == 2))
    found += [_related(scene, chain, rng) for chain in chains[:2]]
    rng.shuffle(found)
    return tuple(found)


def _alone(scene: Scene, position: int, rng: Random) -> Region:
    """ "a small red circle", "the circle is red", "red circle" """
    thing = scene.objects[position]
    adjectives = [word for word in thing.attributes if rng.random() < 0.6] or list(thing.attributes[-1:])
    words = described(thing, adjectives)
    manner = rng.randrange(4)
    if manner == 0 and adjectives:
        start = len("the ")
        phrase = f"the {thing.name} is {adjectives[-1]}"
    else:
        phrase = [f"the {words}", with_article(words), words, with_article(words)][manner]
        start = len(phrase) - len(thing.name)
    return Region(phrase, (position,), (), ((position, start, start + len(thing.name)),))


def _related(scene: Scene, triples: Sequence[tuple[int, str, int]], rng: Random) -> Region:
    """ "a red circle above the square"; with two triples "circle above a square left of the star" """
    subject = triples[0][0]
    positions = [subject, *(anchor for _, _, anchor in triples)]
    phrase, entities = "", []
    for rank, position in enumerate(positions):
        thing = scene.objects[position]
        if rank:
            predicate = triples[rank - 1][1]
            link = rng.choice(WORDINGS_OF[predicate])
            phrase += f" is {link} " if len(positions) == 2 and rng.random() < 0.15 else f" {link} "
        words = described(thing, [word for word in thing.attributes if rng.random() < 0.35])
        phrase += rng.choice((with_article(words), f"the {words}", words))
        entities.append((position, len(phrase) - len(thing.name), len(phrase)))
    return Region(phrase, tuple(positions), tuple(triples), tuple(entities))


class _Records:
    """Writes one scene; ids and roughness are settled once for all its files."""

    def __init__(self, scene: Scene, layout: str, noise: float, rng: Random):
        self.scene, self.layout, self.noise, self.rng = scene, layout, noise, rng
        self.triples = scene.geometry.triples()
        self.relationship_ids = {triple: scene.image_id * 10_000 + k for k, triple in enumerate(self.triples)}
        self.predicates = {triple: self.rough_predicate(triple[1]) for triple in self.triples}

    def rough_predicate(self, predicate: str) -> str:
        return predicate.upper() if self.rng.random() < self.noise else predicate

    def merged(self, thing: ToyObject) -> list[int]:
        """Ids that were merged into an object in layout 1.4."""
        return [thing.object_id + 50] if self.layout == "1.4" and thing.object_id % 7 == 3 else []

    def image_data(self) -> dict:
        scene = self.scene
        known = scene.image_id % 2 == 0  # every other picture also belongs to COCO, so that leaks can be looked for
        return {
            "width": scene.size[0],
            "url": image_url(scene),
            "height": scene.size[1],
            "image_id": scene.image_id,
            "coco_id": 500_000 + scene.image_id if known else None,
            "flickr_id": 700_000 + scene.image_id if known else None,
        }

    def thing(self, thing: ToyObject) -> dict:
        row = self.row(thing, thing.object_id)
        return row | {"merged_object_ids": self.merged(thing)} if self.layout == "1.4" else row

    @staticmethod
    def row(thing: ToyObject, object_id: int) -> dict:
        """A record of a thing under one of its ids."""
        return {"synsets": _synsets(thing.name), **_box(thing), "object_id": object_id, "names": [thing.name]}

    def attributes(self) -> list[dict]:
        return [
            self.row(thing, object_id) | ({"attributes": list(thing.attributes)} if thing.attributes else {})
            for thing in self.scene.objects
            for object_id in (thing.object_id, *self.merged(thing))
        ]

    def end(self, thing: ToyObject) -> dict:
        """An end of a relationship: `name`, or `names` with the merged ids."""
        row = {**_box(thing), "object_id": thing.object_id, "synsets": _synsets(thing.name)}
        merged = self.merged(thing)
        return row | ({"names": [thing.name], "merged_object_ids": merged} if merged else {"name": thing.name})

    def relationships(self) -> list[dict]:
        objects, rows = self.scene.objects, []
        for triple, relationship_id in self.relationship_ids.items():
            subject, predicate, anchor = triple
            rows.append(
                {
                    "predicate": self.predicates[triple],
                    "object": self.end(objects[anchor]),
                    "relationship_id": relationship_id,
                    "synsets": _synsets(predicate),
                    "subject": self.end(objects[subject]),
                }
            )
        if rows and self.rng.random() < self.noise:
            lost = dict(self.rng.choice(rows), relationship_id=self.scene.image_id * 10_000 + len(rows))
            lost["object"] = lost["object"] | {"object_id": self.scene.image_id * 100 + 99}
            rows.append(lost)
        return rows

    def region_graph(self) -> list[dict]:
        rows = []
        for k, region in enumerate(regions(self.scene)):
            things = {position: self.scene.objects[position] for position in region.objects}
            ids = {
                position: self.merged(thing)[0] if k % 2 and self.merged(thing) else thing.object_id
                for position, thing in things.items()
            }
            lefts, tops, rights, bottoms = zip(*(thing.xyxy_px for thing in things.values()), strict=True)
            rows.append(
                {
                    "region_id": self.scene.image_id * 1000 + k,
                    "image_id": self.scene.image_id,
                    "x": min(lefts),
                    "y": min(tops),
                    "width": max(rights) - min(lefts),
                    "height": max(bottoms) - min(tops),
                    "phrase": self.rough_phrase(region.phrase),
                    "objects": [
                        {"name": thing.name, "object_id": ids[position], "synsets": _synsets(thing.name), **_box(thing)}
                        for position, thing in things.items()
                    ],
                    "relationships": [
                        {
                            "relationship_id": self.relationship_ids[triple],
                            "predicate": self.predicates[triple],
                            "subject_id": ids[triple[0]],
                            "object_id": ids[triple[2]],
                            "synsets": _synsets(triple[1]),
                        }
                        for triple in region.triples
                    ],
                    "synsets": [
                        {
                            "synset_name": synset,
                            "entity_name": things[position].name,
                            "entity_idx_start": start,
                            "entity_idx_end": end,
                        }
                        for position, start, end in region.entities
                        for synset in _synsets(things[position].name)
                    ],
                }
            )
        return rows

    def rough_phrase(self, phrase: str) -> str:
        """Blanks only behind the words, so that the places of the nouns stay true."""
        return phrase + self.rng.choice((" ", "\n")) if self.rng.random() < self.noise else phrase


def _box(thing: ToyObject) -> dict[str, int]:
    return {"h": thing.h, "w": thing.w, "y": thing.y, "x": thing.x}


def _synsets(word: str) -> list[str]:
    """Of a noun or a predicate; empty where Visual Genome has none either."""
    return [SYNSETS[word]] if word in SYNSETS else []
