# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Nested negatives of drawn scenes against the pixels: does anything fit what is said to be absent?

    python -m tests.reference.nested_negatives --count 1000

Phrases are read as text and looked for among all objects of the picture, by relations read off the pixels (`toy_world.View`).
It shares no code with what makes negatives.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from promvil_hf.compovl.compose import Composing, compose
from promvil_hf.compovl.negatives import Negative, negatives
from promvil_hf.compovl.visual_genome import VisualGenome
from promvil_hf.toy.world import WorldConfig, scenes, write_visual_genome
from tests.reference.toy_world import WORDINGS, View


CONFIG = WorldConfig(image_size=(64, 64), levels=4, objects=(7, 9))
WORDS = WORDINGS | {"under": "below", "on top of": "on"}
ENDINGS = sorted(WORDS, key=len, reverse=True)


def fitting(view: View, steps, index: int, test) -> set[int]:
    """The ids of all objects that a step's text fits, its anchors looked for in the same way."""
    text, anchors, found, link = steps[index].text, list(steps[index].anchors), None, ""
    if anchors and text.startswith(steps[anchors[0]].text + " "):
        found = fitting(view, steps, anchors[0], test)
        text = text[len(steps[anchors.pop(0)].text) :]
    for anchor in anchors:
        before, mention, text = text.partition(steps[anchor].text)
        assert mention, f"{steps[anchor].text!r} does not stand in {steps[index].text!r}"
        before = before.strip()
        if found is None:
            link = next((ending for ending in ENDINGS if before.endswith(f" {ending}")), None)
            assert link, f"{before!r} of {steps[index].text!r} ends in no known relation"
            found, before = view.named(before.removesuffix(link).removeprefix("the ").split()), link
        link = before.removeprefix("and").strip() or link
        others = fitting(view, steps, anchor, test)
        found = {one for one in found if any(one != other and test(one, WORDS[link], other) for other in others)}
    assert not text or found is None
    return view.named(text.removeprefix("the ").split()) if found is None else found


@dataclass
class Checked:
    """What brute force found. `wrong` has each case that is not as it should be, in words."""

    negatives: int = 0
    positives: int = 0
    kinds: Counter = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, view: View, chain, negative: Negative):
        self.negatives += 1
        self.kinds[negative.kind, negative.changed_level] += 1
        for index, step in enumerate(negative.steps):
            found = fitting(view, negative.steps, index, view.possible if step.absent else view.holds)
            if found != set(step.object_ids):
                self.wrong.append(f"{step.text!r} fits {sorted(found)} and not {step.object_ids}")
        absent = [index for index, step in enumerate(negative.steps) if step.absent]
        if absent[0] != negative.changed_step or negative.steps[-1].text != negative.expression or not negative.steps[-1].absent:
            self.wrong.append(f"{negative.expression!r} changed at {negative.changed_step}: absent are {absent}")
        if [step.level for step in negative.steps] != [step.level for step in chain.steps]:
            self.wrong.append(f"{negative.expression!r} has other levels than {chain.expression!r}")

    def __str__(self) -> str:
        kinds = ", ".join(f"{times} {kind} at level {level}" for (kind, level), times in sorted(self.kinds.items()))
        return (
            f"{self.negatives:,} negatives ({kinds}), {self.positives:,} positives, {len(self.wrong)} not as they should be"
            + "".join(f"\n  {case}" for case in self.wrong[:20])
        )


def worlds(count: int, seed: int, folder: Path) -> Iterator[tuple]:
    """Scenes with their graphs, as Visual Genome's files give them."""
    drawn = list(scenes(CONFIG, count, seed))
    write_visual_genome(drawn, folder)
    with VisualGenome(folder) as source:
        graphs = {graph.image_id: graph for graph in map(source.graph, source.images())}
    yield from ((one, graphs[one.image_id]) for one in drawn)


def check(pairs, most_negatives: int, most: int = 3) -> Checked:
    """Look at every chain and negative of these scenes, until there were so many negatives."""
    found = Checked()
    for scene, graph in pairs:
        view = View(scene)
        chains = compose(graph, Composing(per_image=12)).chains
        for chain in chains:
            found.positives += 1
            fits = fitting(view, chain.steps, len(chain.steps) - 1, view.holds)
            if fits != set(chain.steps[-1].object_ids) or len(fits) != 1:
                found.wrong.append(f"{chain.expression!r} fits {sorted(fits)}")
        for negative in negatives(graph, chains, most):
            if found.negatives == most_negatives:
                return found
            found.add(view, chains[negative.chain], negative)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1_000, help="negatives to look at")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = check(worlds(args.count // 5 + 1, args.seed, Path(folder)), args.count)
    print(found)
    raise SystemExit(bool(found.wrong) or found.negatives < args.count)


if __name__ == "__main__":
    main()
