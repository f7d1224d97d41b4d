# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FiVL-Instruct for the `datasets` library: a builder over the shards of a build, and the folder that is published.

    builder = FivlInstruct(config_name="instruct", parts=sorted(map(str, Path("out/work/instruct/masks").glob("part-*.jsonl"))))
    builder.download_and_prepare(file_format="parquet", num_proc=2)

Images are referred to by name, not embedded: the photographs belong to their authors. `image_root` embeds them, which is
the user's own decision.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import datasets
from datasets import Features, List, Value

from promvil_hf import jobs
from promvil_hf.files import write_json, write_json_lines
from promvil_hf.fivl.fivl_card import card
from promvil_hf.fivl.fivl_rows import FivlRow, Statistics, image_file
from promvil_hf.json_records import Record, decoded, shown
from promvil_hf.publishing import (
    image_to_embed,
    parts_of,
    raw_rows,
    read_report,
    replacement,
    upload,
    write_parquet,
)


VERSION = datasets.Version("1.0.0")
CONFIGS = {
    "instruct": "conversations and captions, for training with vision modeling",
    "vqav2": "VQAv2's questions, with the answers of ten people, for visual reliance",
    "gqa": "GQA's questions, for visual reliance",
    "pope": "POPE's questions, for visual reliance",
    "photographs": "questions about photographs that COCO annotates, with true masks, for training and for visual reliance",
}
SPLIT_OF = {"instruct": "train", "vqav2": "validation", "gqa": "test", "pope": "test", "photographs": "train"}
CONFIG_OF = {
    "llava": "instruct",
    "captions": "instruct",
    "vqav2": "vqav2",
    "gqa": "gqa",
    "gqa_ood": "gqa",
    "pope": "pope",
    "coco": "photographs",
}

FEATURES = Features(
    {
        "row_id": Value("string"),
        "source": Value("string"),
        "source_id": Value("string"),
        "image_path": Value("string"),
        "width": Value("int32"),
        "height": Value("int32"),
        "turns": List({"question": Value("string"), "answer": Value("string")}),
        "answers": List(Value("string")),
        "key_expressions": List(
            {
                "text": Value("string"),
                "phrase": Value("string"),
                "turn": Value("int32"),
                "boxes": List(List(Value("float64"), length=4)),
                "scores": List(Value("float32")),
                "mask": {"size": List(Value("int32"), length=2), "counts": Value("string")},
            }
        ),
    }
)


@dataclass
class FivlInstructConfig(datasets.BuilderConfig):
    """One part of the data.

    Args:
        parts: Shards of a build, `out/work/<config>/masks/part-*.jsonl`.
        split: Name of the one split; by default train for `instruct`, validation or test for the benchmarks.
        image_root: Folder of the photographs; given, each row embeds its image.
    """

    version: datasets.Version = VERSION
    parts: list[str] | None = None
    split: str | None = None
    image_root: str | None = None


class FivlInstruct(datasets.GeneratorBasedBuilder):
    """Questions and answers about images, with key expressions and their masks."""

    BUILDER_CONFIG_CLASS = FivlInstructConfig
    BUILDER_CONFIGS = [FivlInstructConfig(name=name, description=about) for name, about in CONFIGS.items()]
    DEFAULT_CONFIG_NAME = "instruct"
    DEFAULT_WRITER_BATCH_SIZE = 100  # rows may hold images

    def _info(self):
        features = FEATURES.copy()
        if self.config.image_root:
            features["image"] = datasets.Image()
        return datasets.DatasetInfo(features=features)

    def _split_generators(self, dl_manager):
        if not self.config.parts:
            raise ValueError(
                "You made a FivlInstruct builder without `parts`. Build first: `promvil build fivl --conversations FILE "
                "--images FOLDER --out OUT`, then pass the files OUT/work/instruct/masks/part-*.jsonl."
            )
        split = self.config.split or SPLIT_OF.get(self.config.name, "train")
        return [datasets.SplitGenerator(split, gen_kwargs={"files": list(self.config.parts)})]

    def _generate_examples(self, files):
        for file in files:
            for row in rows_of_part(file):
                if self.config.image_root:
                    path = image_file(self.config.image_root, row["image_path"])
                    row["image"] = {**image_to_embed(path, "its name"), "path": row["image_path"]}
                yield row["row_id"], row


def rows_of_part(path: str | os.PathLike) -> Iterator[dict]:
    """The rows of one shard of a build, in the form of `FEATURES`; rejects are passed over."""
    for key, raw in raw_rows(path):
        row = Record.of(f"{path} {key}", decoded(bytes(raw)))
        yield {name: row.get(name) for name in FEATURES}


def read_rows(folder: str | os.PathLike, config: str | None = None) -> Iterator[FivlRow]:
    """The rows of a built folder, or of a data set that `datasets` loads under this name."""
    folder = Path(folder)
    if (folder / "work").is_dir():
        configs = sorted(path.name for path in (folder / "work").iterdir() if (path / "masks" / "job.json").is_file())
        if config is None and len(configs) != 1:
            raise ValueError(f"{folder} holds {', '.join(configs) or 'no finished part'}: say which with --config.")
        chosen = config or configs[0]
        if chosen not in configs:
            raise ValueError(f"{folder} has no finished part {chosen!r}: it holds {', '.join(configs) or 'none'}.")
        for part in parts_of(folder / "work" / chosen / "masks"):
            for row in rows_of_part(part):
                try:
                    yield FivlRow.from_dict(row)
                except ValueError as error:
                    raise ValueError(f"{part}, row {shown(row['row_id'])}: {error}") from error
        return
    loaded = datasets.load_dataset(str(folder), config)
    for split in loaded.values():
        columns = [name for name in split.column_names if name != "image"]
        yield from map(FivlRow.from_dict, split.select_columns(columns))


# --- from a build to a folder that can be published -----------------------------------------------


def publish(
    out: str | os.PathLike,
    config: str,
    *,
    split: str | None = None,
    embed_images: str | os.PathLike | None = None,
    processes: int = 1,
) -> dict:
    """Write the Parquet files of one configuration of a finished build, with statistics, rejects and the card.

    A folder may hold several configurations; the card describes all of them. Gives this one's report.
    """
    out = Path(out)
    work = out / "work" / config
    parts = parts_of(work / "masks")
    with replacement(out, (config, "README.md")) as draft:
        report = _report(work, parts)
        builder = FivlInstruct(
            config_name=config,
            cache_dir=str(draft / "cache"),
            parts=parts,
            split=split,
            image_root=None if embed_images is None else str(embed_images),
        )
        info = write_parquet(builder, draft / "made", draft / config, min(processes, len(parts)))
        report["split"], report["features"] = next(iter(info.splits)), info.features.to_dict()
        report["num_bytes"], report["download_size"] = info.dataset_size, info.download_size
        _write_rejects(draft / config / "rejects.jsonl", work)
        write_json(draft / config / "report.json", report)
        places = {name: (draft if name == config else out) / name / "report.json" for name in CONFIGS}
        reports = {name: json.loads(place.read_bytes()) for name, place in places.items() if place.is_file()}
        (draft / "README.md").write_text(card(reports), encoding="utf-8")
        write_json(draft / "report.json", {"configs": sorted(reports)})
    return report


def _report(work: Path, parts: list[str]) -> dict:
    """Counts of both stages: what came in, what each filter and each stage dropped, and what the rows hold."""
    statistics, not_found = Statistics(), Counter()
    for part in parts:
        for row in rows_of_part(part):
            statistics.add(FivlRow.from_dict(row))
    for _, row in jobs.rows(work / "masks"):
        not_found.update(row["dropped"])
    masks = json.loads((work / "masks" / "job.json").read_bytes())
    report = {
        "settings": masks["describe"],
        "rows_in": masks["items"],
        "rows_rejected": masks["rejected"],
        "phrases_not_found": dict(sorted(not_found.items())),
        **statistics.to_dict(),
    }
    if (work / "expressions" / "job.json").is_file():
        report |= _report_of_expressions(work / "expressions")
    return report


_MADE_BY = ("annotator", "tagger", "model", "sees_image", "prompt", "file", "filters")


def _report_of_expressions(work: Path) -> dict:
    kept, dropped = 0, Counter()
    for _, row in jobs.rows(work):
        kept += len(row["phrases"])
        dropped.update({reason: len(phrases) for reason, phrases in row["dropped"].items()})
    job = json.loads((work / "job.json").read_bytes())
    return {
        "expressions_by": {name: job["describe"][name] for name in _MADE_BY if name in job["describe"]},
        "turns_in": job["items"],
        "turns_rejected": job["rejected"],
        "phrases_proposed": kept + dropped.total(),
        "phrases_kept": kept,
        "phrases_dropped": dict(sorted(dropped.items())),
    }


def _write_rejects(path: Path, work: Path) -> None:
    stages = [stage for stage in ("expressions", "masks") if (work / stage / "job.json").is_file()]
    found = ((stage, *reject) for stage in stages for reject in jobs.rejects(work / stage))
    records = ({"stage": stage, "key": key, "reason": why.reason, "detail": why.detail} for stage, key, why in found)
    write_json_lines(path, records)


def push(out: str | os.PathLike, repo_id: str, *, private: bool = False) -> str:
    """Upload a published folder to the Hub; `load_dataset(repo_id, "instruct")` reads it. Gives the address."""
    return upload(Path(out), repo_id, pushed(out), "FiVL-Instruct", private)


def pushed(out: str | os.PathLike) -> list[str]:
    """Patterns of the files of a finished build that are uploaded beside its card."""
    configs = read_report(Path(out), "promvil build fivl")["configs"]
    return [f"{name}/{kind}" for name in configs for kind in ("*.parquet", "*.json", "*.jsonl")]


def report_text(report: Mapping) -> str:
    """A report for people: what came in, what each step dropped, what is there."""
    lines = []

    def counted(title: str, counts: Mapping[str, int]) -> None:
        lines.append(title)
        lines.extend(f"  {reason:<34}{count:>10,}" for reason, count in sorted(counts.items()))

    if "turns_in" in report:
        made_by = [str(value) for name, value in report["expressions_by"].items() if name in ("annotator", "tagger", "model")]
        lines.append(f"key expressions by {', '.join(made_by)}")
        lines.append(f"{report['turns_in']:,} turns, {sum(report['turns_rejected'].values()):,} of them rejected")
        counted("", report["turns_rejected"])
        lines.append(f"{report['phrases_proposed']:,} phrases proposed, {report['phrases_kept']:,} kept")
        counted("dropped by the filters", report["phrases_dropped"] or {"none": 0})
    counted("phrases not found in the image", report["phrases_not_found"] or {"none": 0})
    without = report.get("rows_without_key_expressions", 0)
    lines.append(f"{report['rows_in']:,} rows in, {report['rows'] - without:,} with key expressions; the others:")
    nothing = {"kept: about what is not there": without} if without else {}
    counted("", {**report["rows_rejected"], **nothing} or {"none": 0})
    area = report["mask_area"]
    lines += [
        f"{report['key_expressions']:,} key expressions in {report['images']:,} images, {report['masks']:,} masks",
        f"  per turn {report['key_expressions_per_turn']}, words {report['words_per_key_expression']}, mean mask area "
        f"{area['mean']}, above 0.3 of the image {area['above_0.3']}",
    ]
    if report["rows_whose_source_id_repeats"]:
        lines.append(f"  {report['rows_whose_source_id_repeats']:,} rows share their source id with another row")
    return "\n".join(line for line in lines if line)
