# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""All sources by name, and the sets that go together: what a paper needs, and small real models."""

from collections.abc import Iterable

from promvil_hf.fetching.benchmark_sources import BENCHMARK_SOURCES
from promvil_hf.fetching.real_parts import NAMES, REAL_SOURCES
from promvil_hf.fetching.sources import Source
from promvil_hf.fetching.training_sources import TRAINING_SOURCES
from promvil_hf.spelling import close_to


SOURCES: dict[str, Source] = {source.name: source for source in (*TRAINING_SOURCES, *BENCHMARK_SOURCES, *REAL_SOURCES)}
SETS: dict[str, tuple[str, ...]] = {
    "promvil": (
        "vg", "vg-images", "refcoco", "refcoco+", "refcocog", "vsr", "coco-annotations-2017", "coco-train2017", "coco-val2017",
        "llava-detail", "coco-train2014", "gqa", "gqa-ood", "gqa-images",
    ),
    "fivl": (
        "llava-mix665k", "fivl-instruct", "coco-train2017", "gqa-images", "textvqa-images", "vg-images", "ocr-vqa-images",
        "pope", "vqav2", "gqa", "coco-val2014",
    ),
    "real": NAMES,
}  # fmt: skip


def chosen(names: Iterable[str]) -> list[Source]:
    """The sources of these names and sets, each once, in the order they were named."""
    found: dict[str, Source] = {}
    for name in names:
        if name not in SETS and name not in SOURCES:
            known = [*SETS, *SOURCES]
            hint = f" Did you mean {' or '.join(close)}?" if (close := close_to(name, known)) else ""
            raise ValueError(f"You asked for {name!r}, which is no source.{hint} `promvil fetch --list` shows all.")
        found |= {source_name: SOURCES[source_name] for source_name in SETS.get(name, (name,))}
    return list(found.values())
