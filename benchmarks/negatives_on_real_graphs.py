# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Negatives of real scene graphs, to be read by people: how many there are, and a drawn batch with what describes each image.

    python benchmarks/negatives_on_real_graphs.py --data ../shared/data --show 40 --seed b

Reads Visual Genome's two sample images in releases 1.0 and 1.2, and the 40 contexts of Ferret-Bench, whose objects and relations
are Visual Genome's, in text. Captions are shown, and never used to make negatives.
"""

import argparse
import hashlib
import json
import re
from collections import Counter
from pathlib import Path

from promvil_hf.compovl.compose import Composing, compose
from promvil_hf.compovl.negatives import negatives
from promvil_hf.compovl.scene_graph import Region, Relation, SceneGraph, Thing, assembled
from promvil_hf.compovl.visual_genome import VisualGenome


_OBJECT = re.compile(r"Object (\d+) : (.+?) at \[([\d., ]+)\]")
_RELATION = re.compile(r"object (\d+) : .+? -> (.+?) -> object (\d+) : ")
_REGION = re.compile(r"Region Description at \[([\d., ]+)\] : (.+)")


def of_text(number: int, text: str) -> SceneGraph:
    """A context of Ferret-Bench as a graph. It has no attributes."""
    things = {}
    for key, name, corners in _OBJECT.findall(text):
        left, top, right, bottom = map(float, corners.split(","))
        if left < right and top < bottom:
            things[int(key)] = Thing(int(key), (name.lower().strip(),), (left, top, right, bottom))
    relations = [
        Relation(place, int(subject), predicate.lower(), int(thing))
        for place, (subject, predicate, thing) in enumerate(_RELATION.findall(text))
        if int(subject) in things and int(thing) in things
    ]
    regions = [
        Region(place, phrase, tuple(map(float, corners.split(","))))
        for place, (corners, phrase) in enumerate(_REGION.findall(text))
    ]
    return SceneGraph(number, 100, 100, f"{number}.jpg", "", None, things, tuple(relations), tuple(regions), (), {})


def graphs(data: Path):
    """(name, graph, captions)"""
    with open(data / "ferret_bench" / "ground_conv_context.jsonl", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            text = json.loads(line)["text"]
            yield f"ferret {number}", of_text(number, text), text.split("Global Caption:")[-1].strip().splitlines()
    for release in ("v1.0.0", "v1.2.0"):
        with VisualGenome(data / "visual_genome" / release) as source:
            for image in source.images():
                yield f"{release} {image.image_id}", assembled(source.graph(image)), []


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--most", type=int, default=1, help="negatives of a chain")
    parser.add_argument("--show", type=int, default=0, help="how many to print")
    parser.add_argument("--seed", default="", help="which are printed")
    args = parser.parse_args()
    chains_of_all, found, counts = 0, [], Counter()
    for name, graph, captions in graphs(args.data):
        chains = compose(graph, Composing(per_image=12)).chains
        chains_of_all += len(chains)
        for negative in negatives(graph, chains, args.most):
            counts[negative.kind, negative.changed_level] += 1
            found.append((name, chains[negative.chain].expression, negative, graph, captions))
    summary = ", ".join(f"{times} {kind} at level {level}" for (kind, level), times in sorted(counts.items()))
    print(f"{chains_of_all} chains, {len(found)} negatives: {summary}")
    found.sort(key=lambda one: hashlib.sha256(f"{args.seed}:{one[0]}:{one[2].expression}".encode()).digest())
    for name, expression, negative, graph, captions in found[: args.show]:
        print(f"\n{name}: {negative.old} -> {negative.new}\n  {expression}\n  {negative.expression}")
        print("  names:", ", ".join(sorted({word for thing in graph.things.values() for word in thing.names})))
        print("  regions:", "; ".join(region.phrase.strip() for region in graph.regions[:40]))
        print("  captions:", "; ".join(captions))


if __name__ == "__main__":
    main()
