# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A small detector answers 200 presence questions made of COCO's annotations: was the picture needed, and which part of it?

    python -m benchmarks.presence_by_detector --data ../shared/data

It says "yes" where it finds the thing. `--data` holds coco_photos and real_models (FastestDet, as a file of ONNX; extra `onnx`).
The blind runs are one that always says yes, and one of habit: "yes" for whatever stands in one photograph of twenty or more.
"""

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.twins_at_hand import Coco, made, presence
from promvil_hf.backends.onnx_detectors import load_onnx_detector
from promvil_hf.evaluation import picture_needed_page, reliance_page
from promvil_hf.evaluation.benchmarks import Benchmark
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.picture_needed import picture_needed
from promvil_hf.evaluation.predictions import Answer, Predictions
from promvil_hf.evaluation.reliance import RelianceReport, reliance
from promvil_hf.evaluation.results import evaluate
from promvil_hf.evaluation.twin_answers import TwinSettings, twin_id


def words_of(text: str) -> str:
    """The thing that a presence question names."""
    return text.split(" there ", 1)[1].removesuffix(" in the picture?").removeprefix("an ").removeprefix("a ")


def answered(detect, asked: list[tuple]) -> list[str]:
    """"yes" where something is found, "no" where nothing is or where there is no picture."""
    shown = [(image, words) for image, words in asked if image is not None]
    found = iter(detect(shown))
    return ["no" if image is None else "yes" if next(found).detections else "no" for image, _ in asked]


def by_habit(benchmark: Benchmark, coco: Coco, least: float = 0.05) -> Predictions:
    photos = Counter(name for there in coco.places.values() for name in there)
    often = {name for name, count in photos.items() if count >= least * len(coco.places)}
    said = {row.id: "yes" if words_of(row.text) in often else "no" for row in benchmark.rows}
    return Predictions({row_id: Answer(text=text) for row_id, text in said.items()})


def twins_answered(detect, benchmark, places, pictures: Pictures, folder: Path, settings: TwinSettings) -> RelianceReport:
    found, said = made(benchmark, places, pictures, folder, settings), {}
    for row in found.rows:
        twins = list(settings.twins(row, pictures))
        texts = answered(detect, [(twin.image, words_of(row.turns[0].question)) for twin in twins])
        said |= {twin_id(row.row_id, twin.kind): Answer(text=text) for twin, text in zip(twins, texts, strict=True)}
    return reliance(
        found.rows, Predictions(said), benchmark=found.benchmark, settings=settings, name=f"presence, hidden by {settings.fill}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--fills", nargs="+", default=["black", "mean", "blur", "noise"])
    args = parser.parse_args()
    coco, pictures = Coco(args.data), Pictures(args.data / "coco_photos/images")
    detect = load_onnx_detector(args.data / "real_models/FastestDet.onnx")
    benchmark, places = presence(coco, 200)

    texts = answered(detect, [(pictures.open(row.image), words_of(row.text)) for row in benchmark.rows])
    seen = Predictions({row.id: Answer(text=text) for row, text in zip(benchmark.rows, texts, strict=True)})
    blind = {
        "always yes": Predictions({row.id: Answer(text="yes") for row in benchmark.rows}),
        "habit": by_habit(benchmark, coco),
    }
    without = {name: evaluate(benchmark, answers) for name, answers in blind.items()}
    found = picture_needed(benchmark, evaluate(benchmark, seen), without)
    rows = set(found.needed)
    part = replace(benchmark, rows=tuple(row for row in benchmark.rows if row.id in rows))
    needed = evaluate(part, replace(seen, answers={row_id: seen.answers[row_id] for row_id in rows})) if rows else None
    print(picture_needed_page.summary(found, needed))
    with TemporaryDirectory() as folder:
        for fill in args.fills:
            settings = TwinSettings(fill=fill)
            report = twins_answered(detect, benchmark, places, pictures, Path(folder) / fill, settings)
            print("", reliance_page.summary(report), sep="\n")


if __name__ == "__main__":
    main()
