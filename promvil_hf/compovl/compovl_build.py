# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Builds CompoVL from a Visual Genome folder: resumable, decontaminated, whole or not there.

    out/work/                composed images, shard by shard (`promvil_hf.jobs`): a killed build goes on there
    out/data, steps, mixture Parquet of the three views of the chains
    out/negatives            that of the negatives, where they were asked for
    out/rejects.jsonl        every record that could not be used, with its reason
    out/README.md            the dataset card
    out/report.json          counts; written last, so a folder without it is not finished

The way of a record: read (`visual_genome`), compose (`compose_images`), mix (`mixture`), publish (`compovl_publish`).
Nothing in `out` depends on the time or on where a build was interrupted, and but for how many Parquet files there are,
nothing on the number of workers.
"""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from promvil_hf import __version__
from promvil_hf.compovl.compose_images import KeptImages, compose_images, describe, hash_of
from promvil_hf.compovl.compovl_report import report_text
from promvil_hf.compovl.compovl_settings import USUAL, CompoVLSettings
from promvil_hf.compovl.graph_files import GraphFiles
from promvil_hf.compovl.visual_genome import VisualGenome
from promvil_hf.compovl.visual_genome_files import graph_files
from promvil_hf.folder_lock import held
from promvil_hf.job_terms import TERMS, Terms
from promvil_hf.jobs import JobReport


@dataclass(frozen=True, slots=True)
class Built:
    """A finished build: where it is, and the report that stands in it too."""

    out: Path
    report: dict
    images_reused: int

    def __str__(self) -> str:
        return report_text(self.report)


def build(
    vg: str | os.PathLike | GraphFiles,
    out: str | os.PathLike,
    settings: CompoVLSettings = USUAL,
    terms: Terms = TERMS,
) -> Built:
    """Compose every image of the Visual Genome folder `vg`, or of other graphs, into `out`, split it, and write it.

    Call it again after an interruption: images of finished shards are reused.
    """
    out = Path(out)
    with _read(vg, settings) as source, held(out):
        images, described, done = _compose(source, out / "work", settings, terms)
        made_from = _made_from(described, settings, out / "work")
        report = _finished(out, made_from)
        if report is None:
            from promvil_hf.compovl.compovl_publish import publish

            report = publish(out, images, settings, terms.workers, made_from)
        return Built(out, report, done.reused_items)


def images_of(vg: str | os.PathLike | GraphFiles, settings: CompoVLSettings = USUAL) -> tuple[str, int, int]:
    """What a build would read: the release or source, images that are composed, and images that the lists exclude."""
    with _read(vg, settings) as source:
        images = KeptImages(source, settings.leakage, settings.limit)
        return images.source.release, len(images), images.leakage.excluded


def compose_only(
    vg: str | os.PathLike | GraphFiles,
    out: str | os.PathLike,
    settings: CompoVLSettings = USUAL,
    terms: Terms = TERMS,
) -> JobReport:
    """The first half of `build`: the composed images in `out/work`, without splits and Parquet."""
    with _read(vg, settings) as source:
        return _compose(source, Path(out) / "work", settings, terms)[2]


def _read(vg: str | os.PathLike | GraphFiles, settings: CompoVLSettings) -> VisualGenome | GraphFiles:
    if isinstance(vg, GraphFiles):
        if settings.mixing.vg_qa or settings.release is not None:
            raise ValueError("You passed other graphs than Visual Genome's with vg_qa or release: those are Visual Genome's own.")
        return vg
    files = graph_files(Path(vg), settings.composing.sources)
    return VisualGenome(vg, (*files, *(("question_answers",) if settings.mixing.vg_qa else ())), settings.release)


def _compose(
    source: VisualGenome, work: Path, settings: CompoVLSettings, terms: Terms
) -> tuple[KeptImages, dict, JobReport]:
    images = KeptImages(source, settings.leakage, settings.limit)
    described = describe(images, settings.composing, settings.writer_name)
    return images, described, compose_images(images, settings.composing, settings.writer, described, work, terms)


def _made_from(described: dict, settings: CompoVLSettings, work: Path) -> str:
    """What a finished build is recognised by."""
    return hash_of(
        [
            described,
            asdict(settings.splitting),
            asdict(settings.mixing),
            str(settings.embed_images),
            list(settings.written),
            __version__,
            hashlib.sha256((work / "job.json").read_bytes()).hexdigest(),
        ]
    )


def _finished(out: Path, made_from: str) -> dict | None:
    with suppress(OSError, ValueError):
        report = json.loads((out / "report.json").read_text(encoding="utf-8"))
        if report.get("made_from") == made_from:
            return report
    return None
