# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Making a batch of nested phrases: the picture opened and resized for each text, or once.

    python -m benchmarks.loading [--k 4] [--samples 16] [--repeats 5]

`k` is the number of texts about a picture, 640x480 JPEG in memory. `naive` is the reference's collator, which hands the
processor a picture for each text; `ours` is `ChainCollator`, which opens each picture of a batch once; `floor` is one
decode and the processor's own resize and normalisation, without any text. One thread, CPU time, ways taking turns,
medians. `equal` is the largest difference of the pixel values.
"""

from benchmarks.chain_steps import rows
from benchmarks.timing import cpu_seconds, parsed, parser, printed
from promvil_hf.images import read_image
from promvil_hf.toy.models import tiny_kosmos2
from promvil_hf.training.kosmos2_chain_collator import ChainCollator
from tests.reference.chain_batches import chain_batch


def main(argv=None):
    args = parsed(parser(__doc__, k=4, samples=16, repeats=5), argv)
    processor = tiny_kosmos2(image_size=224).processor
    made = rows(args.k, args.samples)
    collate = ChainCollator(processor, 64)

    def once(row):
        return processor.image_processor(read_image(row["image"]), return_tensors="pt")["pixel_values"]

    ways = {
        "naive": lambda row: chain_batch(row, processor, 64)["pixel_values"],
        "ours": lambda row: collate([row])["pixel_values"],
        "floor": once,
    }
    runs = {name: lambda way=way: [way(row) for row in made] for name, way in ways.items()}
    millis = {name: taken / len(made) * 1e3 for name, taken in cpu_seconds(runs, args.repeats).items()}
    report = {
        **millis,
        "ratio": millis["naive"] / millis["ours"],
        "over_floor": millis["ours"] / millis["floor"],
        "equal": max(float((ways["naive"](row) - ways["ours"](row)).abs().max()) for row in made[:2]),
        "pictures_opened": {"naive": args.k, "ours": 1},
        "unit": "CPU milliseconds a sample",
        "settings": vars(args),
    }
    return printed(report)


if __name__ == "__main__":
    main()
