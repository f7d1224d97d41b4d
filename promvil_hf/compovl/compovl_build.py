# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Builds CompoVL from a Visual Genome folder: resumable, decontaminated, whole or not there.

    out/work/                composed images, shard by shard (`promvil_hf.jobs`): a killed build goes on there
    out/data, steps, mixture Parquet of the three views
    out/rejects.jsonl        every record that could not be used, with its reason
    out/README.md            the dataset card
    out/report.json          counts; written last, so a folder without it is not finished

Nothing in `out` depends on the time or on where a build was interrupted, and but for how many Parquet files there are,
nothing on the number of workers. Floor 2: datasets (for the Parquet part only) and huggingface_hub (to push).
"""

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from promvil_hf import __version__, jobs
from promvil_hf.compovl.compose import DEFAULT, Chain, Composing, compose
from promvil_hf.compovl.compovl_rows import (
    ImageRow,
    Splitting,
    hold_out,
    image_rows,
    splits_of,
)
from promvil_hf.compovl.leakage import Leakage, LeakageList, coco_id_of
from promvil_hf.compovl.mixture import llava_rows, read_rows, vg_qa_rows, vsr_rows
from promvil_hf.compovl.scene_graph import assembled
from promvil_hf.compovl.visual_genome import GRAPH_FILES, Image, Reader, VisualGenome
from promvil_hf.files import draft_folder, move, remove_drafts
from promvil_hf.progress import bars_on_a_terminal_only


FORMAT = 1  # of the working folder: raise it when composing changes what it writes
SHARD = 256
VIEWS = ("default", "steps", "mixture")
_FOLDERS = {"default": "data", "steps": "steps", "mixture": "mixture"}

Writer = Callable[[list[Chain]], list[Chain]]  # see promvil_hf.compovl.phrase_writer


@dataclass(frozen=True, slots=True)
class Mixing:
    """Other parts of PromViL's training mix. Visual Genome's questions are drawn when `vg_qa` is set."""

    vg_qa: bool = False
    vg_qa_train: int = 8_000
    vg_qa_validation: int = 500
    llava: Path | None = None
    vsr_train: Path | None = None
    vsr_validation: Path | None = None
    coco_instances: Path | None = None


NOTHING_ELSE = Mixing()
DEFAULT_SPLITTING = Splitting()


@dataclass(frozen=True, slots=True)
class Built:
    """A finished build: where it is, and the report that stands in it too."""

    out: Path
    report: dict
    images_reused: int

    def __str__(self) -> str:
        return tell(self.report)


@dataclass
class ComposeImages:
    """What worker processes do: images in, one `ImageRow` each out."""

    reader: Reader
    how: Composing
    writer: Writer | None = None

    def __call__(self, images: list[Image]) -> list[ImageRow]:
        rows = [self.one(image) for image in images]
        if self.writer is not None:
            written = iter(self.writer([chain for row in rows for chain in row.chains]))
            for row in rows:
                row.chains = [next(written) for _ in row.chains]
        return rows

    def one(self, image: Image) -> ImageRow:
        graph = self.reader.graph(image)
        if "region_graphs" not in image.spans and self.how.sources != "graph":
            graph = assembled(graph)
        composed = compose(graph, self.how)
        return ImageRow(
            str(graph.image_id),
            graph.image_path,
            graph.image_url,
            graph.width,
            graph.height,
            graph.coco_id,
            composed.chains,
            graph.broken,
            graph.counts,
            dict(composed.left_out),
            graph.clipped,
        )


@dataclass
class _Kept:
    """The images to compose: those on no leakage list, the first `limit` of them."""

    source: VisualGenome
    lists: tuple[LeakageList, ...]
    limit: int | None
    leakage: Leakage = field(init=False)
    size: int = field(init=False)

    def __post_init__(self):
        self.leakage = Leakage(self.lists)
        kept = sum(self.leakage.keeps(image.image_id, image.coco_id) for image in self.source.images())
        self.size = kept if self.limit is None else min(kept, self.limit)

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[Image]:
        left = self.size
        for image in self.source.images():
            if not left:
                return
            if not self.leakage.hits(image.image_id, image.coco_id):
                left -= 1
                yield image


def build(
    vg: str | os.PathLike,
    out: str | os.PathLike,
    how: Composing = DEFAULT,
    splitting: Splitting = DEFAULT_SPLITTING,
    *,
    release: str | None = None,
    leakage: tuple[LeakageList, ...] = (),
    limit: int | None = None,
    workers: int = 1,
    writer: Writer | None = None,
    writer_name: str = "grammar",
    mixing: Mixing = NOTHING_ELSE,
    embed_images: str | os.PathLike | None = None,
    views: tuple[str, ...] = VIEWS,
    restart: bool = False,
    progress: bool = True,
    shard_size: int = SHARD,
) -> Built:
    """Compose every image of the Visual Genome folder `vg` into `out`, split it, and write it as Parquet.

    Call it again after an interruption: images of finished shards are reused. `leakage` lists exclude images before they
    are divided into splits. `embed_images` is the folder of the photographs; without it rows refer to them.
    """
    out = Path(out)
    unknown = set(views) - set(VIEWS)
    if unknown or not views:
        raise ValueError(f"You passed views={views}: choose from {', '.join(VIEWS)}.")
    if embed_images is not None and not Path(embed_images).is_dir():
        raise ValueError(f"You asked to embed the images of {embed_images}, and there is no such folder.")
    with VisualGenome(vg, _files(Path(vg), how, mixing), release) as source:
        items, described, done = _compose(
            source, out, how, leakage, limit, workers, writer, writer_name, restart, progress, shard_size
        )
        made_from = _hash(
            [
                described,
                asdict(splitting),
                asdict(mixing),
                str(embed_images),
                list(views),
                __version__,
                hashlib.sha256((out / "work" / "job.json").read_bytes()).hexdigest(),
            ]
        )
        report = _finished(out, made_from)
        if report is None:
            with _draft(out) as draft:
                report = {"made_from": made_from, "release": source.release, "writer": writer_name}
                _publish(report, draft, out, source, items, how, splitting, mixing, embed_images, views, workers)
                _write_json(draft / "report.json", report)
        return Built(out, report, done.reused_items)


def compose_only(
    vg: str | os.PathLike,
    out: str | os.PathLike,
    how: Composing = DEFAULT,
    *,
    leakage: tuple[LeakageList, ...] = (),
    limit: int | None = None,
    workers: int = 1,
    progress: bool = True,
    shard_size: int = SHARD,
) -> jobs.JobReport:
    """The first half of `build`: the composed images in `out/work`, without splits and Parquet."""
    with VisualGenome(vg, _files(Path(vg), how, Mixing())) as source:
        return _compose(source, Path(out), how, leakage, limit, workers, None, "grammar", False, progress, shard_size)[2]


def _compose(source, out, how, leakage, limit, workers, writer, writer_name, restart, progress, shard_size):
    if limit is not None and limit < 1:
        raise ValueError(f"You passed limit={limit}: pass 1 or more, or nothing for all images.")
    if writer is not None and workers > 1:
        raise ValueError(f"You passed workers={workers} and a writer: an endpoint has threads of its own, pass workers=1.")
    items = _Kept(source, leakage, limit)
    if not len(items):
        raise ValueError(
            f"No image is left to compose: {source.folder} has {len(source):,}, and the lists exclude "
            f"{items.leakage.excluded:,}."
        )
    described = {
        "dataset": "compovl",
        "format": FORMAT,
        "release": source.release,
        "files": source.fingerprint(),
        "composing": asdict(how),
        "writer": writer_name,
        "leakage": [[own.name, own.kind, _hash(sorted(own.ids))] for own in leakage],
        "limit": limit,
    }
    done = jobs.run(
        items,
        ComposeImages(source.reader, how, writer),
        out / "work",
        key=_key,
        describe=described,
        shard_size=shard_size,
        workers=workers,
        restart=restart,
        progress=progress,
    )
    return items, described, done


def _key(image: Image) -> str:
    return str(image.image_id)


def _hash(value) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _files(vg: Path, how: Composing, mixing: Mixing) -> tuple[str, ...]:
    """The files of the folder that this build reads."""
    there = [file for file in GRAPH_FILES if (vg / f"{file}.json").is_file()]
    if "region_graphs" in there:
        there = [file for file in there if file != "region_descriptions"]
    told = {"graph": ("relationships",), "regions": ("region_graphs",)}.get(how.sources, ("relationships", "region_graphs"))
    if vg.is_dir() and not any(file in there for file in told):
        if how.sources == "regions" and {"relationships", "region_descriptions"} <= set(there):
            told = ()  # regions are assembled
        if told:
            names = " or ".join(f"{file}.json" for file in told)
            raise ValueError(f"{vg} has no {names}: expressions are composed of relations, so one of Visual Genome's is needed.")
    return ("image_data", *dict.fromkeys(("objects", *there)), *(("question_answers",) if mixing.vg_qa else ()))


# From shards to Parquet


def _finished(out: Path, made_from: str) -> dict | None:
    with suppress(OSError, ValueError):
        report = json.loads((out / "report.json").read_text(encoding="utf-8"))
        if report.get("made_from") == made_from:
            return report
    return None


@contextmanager
def _draft(out: Path):
    """A folder beside what is there; its content takes its place in `out` only when all of it is written."""
    remove_drafts(out)
    try:
        with draft_folder(out) as draft:
            yield draft
            (out / "report.json").unlink(missing_ok=True)  # from here on the folder counts as unfinished
            for name in (*_FOLDERS.values(), "rejects.jsonl", "README.md"):
                if (draft / name).exists():
                    move(draft / name, out / name)
                elif (out / name).is_dir():
                    shutil.rmtree(out / name)
                else:
                    (out / name).unlink(missing_ok=True)
            move(draft / "report.json", out / "report.json")
    except OSError as error:
        if error.filename and not str(error.filename).startswith(str(out)):
            raise
        raise OSError(
            f"Cannot write {out}: {error.strerror or error}. The composed images in {out / 'work'} are kept: mend that and "
            "run the same command again."
        ) from error


def _publish(report, draft, out, source, items, how, splitting, mixing, embed_images, views, workers):
    from promvil_hf.compovl.compovl_card import card

    parts = [out / "work" / part["name"] for part in json.loads((out / "work" / "job.json").read_text())["parts"]]
    tested = (image for part in parts for image in image_rows(part, lambda own: splitting.part_of(own) == "test"))
    held = hold_out(tested, splitting)
    report |= _count(draft, parts, source, items, how, splitting, held)
    scratch = draft / "scratch"
    scratch.mkdir()
    (scratch / "held_out.json").write_text(json.dumps(sorted(held.chosen)))
    extra: dict[str, list[str]] = {}
    if "mixture" in views:
        extra, report["mixture"] = _mix(scratch, out, source, items, mixing)
    infos = _parquet(draft, scratch, parts, splitting, embed_images, views, extra, workers)
    report["rows"] = {
        view: {split: own.num_examples for split, own in info.splits.items()} for view, info in infos.items()
    }
    shutil.rmtree(scratch)
    (draft / "README.md").write_text(card(report, infos), encoding="utf-8")


def _count(draft, parts, source, items, how, splitting, held) -> dict:
    """One pass over the composed images: what there is of everything, and the rejects file."""
    counts, rejects, left_out, written, sources = Counter(), Counter(), Counter(), Counter(), Counter()
    images: Counter[str] = Counter()
    rows: dict[str, Counter] = {}
    words, boxes, clipped, ambiguous = Counter(), Counter(), 0, 0
    with open(draft / "rejects.jsonl", "w", encoding="utf-8") as file:

        def reject(broken):
            rejects[f"{broken.file}: {broken.reason}"] += 1
            file.write(json.dumps({name: getattr(broken, name) for name in broken.__struct_fields__}) + "\n")

        for broken in source.broken:
            reject(broken)
        for part in parts:
            for image in image_rows(part):
                images[splitting.part_of(image.image_id)] += 1
                counts.update(image.counts)
                left_out.update(image.left_out)
                clipped += image.clipped
                for broken in image.broken:
                    reject(broken)
                for number, chain in enumerate(image.chains):
                    splits = splits_of(image, number, splitting, held.chosen)
                    for split in splits:
                        rows.setdefault(split, Counter())[chain.level] += 1
                    if splits:
                        sources[chain.sources] += 1
                        written[chain.writer] += 1
                        words[len(chain.expression.split())] += 1
                        ambiguous += chain.ambiguous
                        boxes.update(len(step.boxes) for step in chain.steps if step.level == 1)
    return {
        "images": {"read": len(source), "composed": len(items), "by_part": dict(sorted(images.items()))},
        "records": dict(sorted(counts.items())),
        "rejects": dict(sorted(rejects.items())),
        "boxes_cut_to_the_image": clipped,
        "leakage": items.leakage.to_dict(),
        "splitting": asdict(splitting),
        "composing": asdict(how),
        "expressions_by_level": {
            split: {str(level): found[level] for level in sorted(found)} for split, found in sorted(rows.items())
        },
        "expressions_by_source": dict(sorted(sources.items())),
        "expressions_by_writer": dict(sorted(written.items())),
        "ambiguous_expressions": ambiguous,
        "words_per_expression": _mean(words),
        "boxes_per_simple_noun": _mean(boxes),
        "test_candidates_beyond_the_cap": held.candidates - len(held.chosen),
        "left_out": dict(sorted(left_out.items())),
    }


def _mean(found: Counter) -> float:
    return round(sum(value * times for value, times in found.items()) / max(found.total(), 1), 3)


def _mix(scratch, out, source, items, mixing) -> tuple[dict[str, list[str]], dict]:
    """Convert the other parts of the mixture to JSON Lines; leak lists hold for them too."""
    parts: dict[str, list[str]] = {"train": [], "validation": []}
    told: dict[str, dict] = {}
    hits = items.leakage.hits

    def write(name: str, split: str, converted):
        rejected: Counter[str] = Counter()
        rows, path = 0, scratch / f"{name}-{split}.jsonl"
        with open(path, "w", encoding="utf-8") as file:
            for _, row in converted:
                if isinstance(row, jobs.Rejected):
                    rejected[row.reason] += 1
                elif hits(None, coco_id_of(row["image_path"])):
                    rejected["image is on a leakage list"] += 1
                else:
                    rows += 1
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
        parts[split].append(str(path))
        told[f"{name} {split}"] = {"rows": rows, "rejected": dict(sorted(rejected.items()))}

    instances = None
    for split, path in (("train", mixing.vsr_train), ("validation", mixing.vsr_validation)):
        if path is not None:
            if instances is None:
                if mixing.coco_instances is None:
                    raise ValueError("VSR has no boxes of its own: pass COCO's instances_*.json too (--coco-instances).")
                instances = _json(mixing.coco_instances)
            write("vsr", split, vsr_rows(read_rows(path), instances))
    if mixing.llava is not None:
        write("llava", "train", llava_rows(read_rows(mixing.llava)))
    if mixing.vg_qa:
        asked = ((image, source.questions(image)[0]) for image in items)
        drawn = vg_qa_rows(asked, mixing.vg_qa_train, mixing.vg_qa_validation)
        for split, rows in zip(("train", "validation"), drawn, strict=True):
            write("vg_qa", split, enumerate(rows))
    return parts, told


def _json(path):
    try:
        return json.loads(Path(path).read_bytes())
    except OSError as error:
        raise ValueError(f"Cannot read {path}: {error.strerror}.") from None
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}).") from None


def _parquet(draft, scratch, parts, splitting, embed_images, views, extra, workers) -> dict:
    from datasets.exceptions import DatasetGenerationError

    from promvil_hf.compovl.compovl_publish import CompoVL

    infos = {}
    with bars_on_a_terminal_only():
        for view in views:
            builder = CompoVL(
                config_name=view,
                cache_dir=str(scratch / "cache"),
                parts=[str(part) for part in parts],
                held_out=str(scratch / "held_out.json"),
                splitting=asdict(splitting),
                image_root=None if embed_images is None else str(embed_images),
                extra=extra if view == "mixture" else None,
            )
            processes = min(workers, len(parts))
            try:
                builder.download_and_prepare(
                    str(scratch / view), file_format="parquet", num_proc=processes if processes > 1 else None
                )
            except DatasetGenerationError as error:
                raise (error.__cause__ or error) from None
            _take(scratch / view, draft / _FOLDERS[view], builder.info)
            infos[view] = builder.info
    return infos


def _take(made: Path, folder: Path, info):
    """Move Parquet files into `folder` under the names the Hub uses; splits without rows get no file."""
    folder.mkdir()
    for split, own in list(info.splits.items()):
        files = sorted(made.glob(f"*-{split}.parquet")) + sorted(made.glob(f"*-{split}-*-of-*.parquet"))
        if not own.num_examples:
            del info.splits[split]
            continue
        for number, path in enumerate(files):
            move(path, folder / f"{split}-{number:05d}-of-{len(files):05d}.parquet")
    info.download_size = sum(path.stat().st_size for path in folder.iterdir())


def _write_json(path: Path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


# After the build


def push(out: str | os.PathLike, repo_id: str, *, private: bool = False) -> str:
    """Upload a finished build to the Hub; `load_dataset(repo_id)` reads it. Gives the address."""
    from huggingface_hub import HfApi

    out = Path(out)
    if not (out / "report.json").is_file():
        raise ValueError(f"{out} is not a finished build: it has no report.json. Run `promvil build compovl` to its end.")
    api = HfApi()
    url = api.create_repo(repo_id, repo_type="dataset", exist_ok=True, private=private)
    api.upload_folder(
        repo_id=repo_id,
        repo_type="dataset",
        folder_path=out,
        # Never a .py: a repository that holds a script of its own name cannot be loaded any more.
        allow_patterns=["README.md", "report.json", "rejects.jsonl", *(f"{own}/*.parquet" for own in _FOLDERS.values())],
        delete_patterns=["*.parquet"],
        commit_message="CompoVL, built from Visual Genome",
    )
    return str(url)


def tell(report: dict) -> str:
    """The report for people: rows per level, rejects, leakage."""
    levels = sorted({level for found in report["expressions_by_level"].values() for level in found})
    lines = [
        f"{report['images']['composed']:,} images of Visual Genome {report['release']} composed "
        f"({report['images']['read']:,} read, {report['leakage']['excluded']:,} excluded as leakage)",
        "",
        "expressions  " + "".join(f"{'level ' + level:>10}" for level in levels) + f"{'all':>10}",
    ]
    for split, found in report["expressions_by_level"].items():
        numbers = [found.get(level, 0) for level in levels]
        lines.append(f"  {split:<11}" + "".join(f"{number:>10,}" for number in (*numbers, sum(numbers))))
    lines += ["", "rejected records"]
    lines += [f"  {reason:<58}{count:>10,}" for reason, count in report["rejects"].items()] or ["  none"]
    lines += ["", f"leakage: {report['leakage']['images_with_coco_id']:,} images have a COCO id"]
    for own in report["leakage"]["lists"]:
        lines.append(f"  {own['name']}: {own['ids']:,} {own['ids_of']} ids, {own['images_found']:,} images found and excluded")
    if not report["leakage"]["lists"]:
        lines.append("  no list was given: nothing was excluded, so zero-shot claims on COCO or GQA images are not safe")
    return "\n".join(lines)
