# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Copies of grounding sets for harnesses, from the files and pictures at hand: one row a phrase, its picture embedded.

    python -m promvil_hf.tasks.copies ref_l4 --files ref_l4 --images ref_l4/images --out promvil/ref_l4

A task's `dataset_path` is then that folder, seen from where the harness is started. The licences of most of these sets forbid
to publish such a copy.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from promvil_hf.evaluation.benchmarks import READERS, Benchmark, read
from promvil_hf.files import atomic_write
from promvil_hf.images import image_bytes, image_size


def write_copy(benchmark: Benchmark, images: Path, out: Path) -> Path:
    """`out`/test.parquet, which `datasets.load_dataset(out)` reads as the split test."""
    import datasets

    if benchmark.kind != "grounding":
        raise ValueError(f"You passed {benchmark.name}, {benchmark.kind}: only phrases that are grounded have such a task.")
    lost = [row for row in benchmark.rows if not (images / row.image).is_file()]
    if lost:
        raise ValueError(
            f"{len(lost):,} of {len(benchmark.rows):,} rows have no picture in {images}, e.g. {lost[0].image}: pass the folder "
            "that their names are relative to (--images)."
        )
    numbers = datasets.List(datasets.List(datasets.Value("float64")))
    features = datasets.Features(
        {
            "id": datasets.Value("string"), "image": datasets.Image(), "text": datasets.Value("string"),
            "level": datasets.Value("int32"), "boxes": numbers,
            "evidence": datasets.List({"text": datasets.Value("string"), "boxes": numbers}),
            "image_size": datasets.List(datasets.Value("int32")), "absent": datasets.Value("bool"),
            "wanted": datasets.Value("string"),
        }
    )  # fmt: skip

    def rows() -> Iterator[dict[str, Any]]:
        for row in benchmark.rows:
            data, size = image_bytes(images / row.image)[0], image_size(images / row.image)
            yield {
                "id": row.id, "image": {"bytes": data, "path": None}, "text": row.text, "level": row.level,
                "boxes": [list(box.xyxy) for box in row.boxes], "evidence": [], "image_size": list(size),
                "absent": row.absent, "wanted": row.wanted,
            }  # fmt: skip

    out.mkdir(parents=True, exist_ok=True)
    with atomic_write(out / "test.parquet", "wb") as file:
        datasets.Dataset.from_generator(rows, features=features, keep_in_memory=True).to_parquet(file)
    return out / "test.parquet"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m promvil_hf.tasks.copies", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("benchmark", choices=READERS, metavar="BENCHMARK")
    parser.add_argument("--files", type=Path, nargs="+", required=True, help="as their authors published them")
    parser.add_argument("--images", type=Path, required=True, help="folder that the names of pictures are relative to")
    parser.add_argument("--split", help="which part of the files")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    args = parser.parse_args(arguments)
    print(write_copy(read(args.benchmark, args.files, args.split), args.images, args.out))


if __name__ == "__main__":
    main()
