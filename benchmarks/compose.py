# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What composed grounding costs: passes of the detector, and the CPU time beside them.

    python -m benchmarks.compose [--images 4] [--expressions 16] [--things 6] [--data ../shared/data] [--out FILE]

Expressions of up to three levels are drawn over the things of each picture. A detector is asked for pairs of a picture and a
noun. Grounding DINO runs each pair once; OWLv2, SAM 3 and files of ONNX run a picture once for all of its nouns. Both counts
are divided by the number of different (picture, set of nouns of an expression). What is composed is the same for every
detector, so its time is taken over boxes that are known beforehand (`--candidates` for each noun), and compared with one pass
of Grounding DINO in the shape of its tiny checkpoint (random weights, one picture of 640x480, one noun), and with `--data` of
FastestDet, the smallest detector at hand. One thread, CPU seconds, the median of `--repeats`.
"""

import sys
from pathlib import Path
from random import Random

import numpy as np
import torch
import transformers
from PIL import Image

from benchmarks.timing import cpu_seconds, once, parsed, parser, printed, with_versions
from promvil_hf.backends.detectors import Detection, Found, remembered
from promvil_hf.backends.onnx_detectors import load_onnx_detector
from promvil_hf.backends.text_detectors import grounding_dino
from promvil_hf.boxes import Box
from promvil_hf.grounding import ComposedGrounder
from promvil_hf.grounding.reading import readings
from promvil_hf.nesting import decompose
from promvil_hf.toy.models.tokenizers import wordpiece_tokenizer


THINGS = "man woman dog car bus table chair cup hat jacket umbrella bag horse bench tree lamp".split()
RELATIONS = "left of,right of,above,below,next to,in front of,behind,on,near".split(",")
PLACES = ("", "", "", "largest ", "leftmost ", "second ")
SIZE = (640, 480)


def expressions(random: Random, count: int, things: list[str]) -> list[str]:
    """Of one to three levels."""
    found = []
    for _ in range(count):
        nouns = random.sample(things, random.randint(2, 3))
        text = f"the {random.choice(PLACES)}{nouns[0]}"
        for noun in nouns[1:]:
            text += f" {random.choice(RELATIONS)} the {noun}"
        found.append(text)
    return found


class Counting:
    """A detector whose boxes are known beforehand; it counts the pairs that it is asked for, and the pictures of each call."""

    def __init__(self, candidates: int, seed: int):
        rng = np.random.default_rng(seed)
        self.pairs = self.pictures = 0
        self.found = {}
        for noun in THINGS:
            corners = np.sort(rng.random((candidates, 2, 2)), 1)  # (n, corner, axis)
            boxes = [Box.clipped(*low, *high) for low, high in corners.tolist()]
            self.found[noun] = Found(
                [Detection(box, float(score)) for box, score in zip(boxes, rng.random(candidates)) if box]
            )

    def __call__(self, pairs):
        self.pairs += len(pairs)
        self.pictures += len({id(picture) for picture, _ in pairs})
        return [self.found.get(noun, Found(known=False)) for _, noun in pairs]


def dino_pass():
    """One pass of Grounding DINO in the shape of its tiny checkpoint, on a processor's thread."""
    config = transformers.GroundingDinoConfig(disable_custom_kernels=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.GroundingDinoForObjectDetection(config).eval()
    processor = transformers.GroundingDinoProcessor(
        transformers.GroundingDinoImageProcessorPil(), wordpiece_tokenizer()
    )
    detect = grounding_dino(model, processor)
    return lambda: detect([(Image.new("RGB", SIZE, "grey"), "man")])


def main(argv=None):
    options = parser(__doc__, images=4, expressions=(16, "for each picture"), things=(6, "kinds of things in a picture"),
                     candidates=(8, "boxes for each noun"), repeats=5, seed=0)  # fmt: skip
    options.add_argument("--data", type=str, help="folder that holds real_models")
    options.add_argument("--out", type=Path, metavar="FILE", help="write the numbers as JSON")
    options = parsed(options, argv)
    random, noise = Random(options.seed), np.random.default_rng(options.seed)
    pictures = [
        Image.fromarray(noise.integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)) for _ in range(options.images)
    ]
    queries = [
        (picture, text)
        for picture in pictures
        for text in expressions(random, options.expressions, random.sample(THINGS, options.things))
    ]
    sets = {(id(picture), frozenset(part.noun for part in readings(decompose(text)))) for picture, text in queries}
    counting = Counting(options.candidates, options.seed)
    traces = ComposedGrounder(remembered(counting), decomposer=decompose).ground_all(queries, progress=False)

    def composed():  # nothing is remembered from one time to the next
        ComposedGrounder(remembered(Counting(options.candidates, options.seed))).ground_all(queries, progress=False)

    ways = {"composed": composed}
    if options.data is not None:
        file = Path(options.data) / "real_models" / "FastestDet.onnx"
        fresh = iter(range(10**9))
        fastest = load_onnx_detector(file)

        def run_fastest():
            shown = Image.new("RGB", SIZE, (next(fresh) % 256, next(fresh) % 256, 0))  # another picture each time
            fastest([(shown, "man")])

        ways["fastestdet_pass"] = run_fastest
    seconds = cpu_seconds(ways, options.repeats)
    _, seconds["dino_pass"] = once(dino_pass())
    report = {
        "queries": len(queries),
        "answered": sum(bool(trace.boxes) for trace in traces),
        "noun_sets": len(sets),
        "pairs": counting.pairs,
        "pictures": counting.pictures,
        "pairs_per_noun_set": counting.pairs / len(sets),
        "pictures_per_noun_set": counting.pictures / len(sets),
        "seconds": seconds,
        "composed_over_dino_pass": seconds["composed"] / seconds["dino_pass"],
    }
    if "fastestdet_pass" in seconds:
        report["composed_over_fastestdet_pass"] = seconds["composed"] / seconds["fastestdet_pass"]
    return printed(with_versions(report, options), options.out)


if __name__ == "__main__":
    main(sys.argv[1:])
