# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""CompoVL from Visual Genome: the reference's control flow, ours, and the cost of typed parsing alone.

    python -m benchmarks.build_compovl [--images 10000] [--reference-images 50 200]

Writes its own data in Visual Genome's schema (release 1.2: 35 objects and 50 regions an image on average) to a temporary
folder, about 0.6 GB for 10,000 images. CPU seconds of one process (`time.process_time`), variants taking turns; memory and
scaling in processes of their own.

preprocess  pairs of regions: the control flow of PromViL's `preprocess.py`, on data already in memory, against ours, on
            data already decoded. `every_pair` repairs the reference's aliased dict on its side and compares with ours as it
            is by default; `as_published` leaves it in and compares with `compat="reference"`. Both store the template.
            Only its call `tqdm(len(...))`, which cannot run, is mended; ids are positions here, so they agree.
chains      Visual Genome to encoded rows of CompoVL (`ours`: parse, join, compose, encode) against typed parsing of the
            same files (`floor`), at a quarter, half and all images: `exponent` is the slope of the logs.
parquet     the three views written by `datasets`, timed apart.
memory      peak anonymous bytes (RssAnon) of a whole composing run at 1x and 4x input.
scaling     wall seconds of composing with 1 and 2 processes, the best of a few turns; `ratio_on_free_cores` follows from CPU
            seconds alone (what the parent does cannot be shared), for machines that others use too.
"""

import argparse
import itertools
import json
import math
import os
import random
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.timing import cpu_seconds, in_its_own_process, memory, once, parsed, parser, printed
from promvil_hf.compovl import region_pairs
from promvil_hf.compovl.compose import Composing
from promvil_hf.compovl.compose_images import ComposeImages
from promvil_hf.compovl.compovl_build import build, compose_only
from promvil_hf.compovl.visual_genome import VisualGenome
from promvil_hf.job_terms import Terms
from tests.reference.region_pairs import pairs as reference


NOUNS = (
    "man woman boy girl dog cat car bus truck bicycle tree house window door table chair plate cup glass fork knife pizza "
    "shirt jacket hat shoe bag umbrella sign pole street sidewalk grass bench bird horse clock lamp book bottle"
).split()
ATTRIBUTES = "red blue green white black brown yellow orange small large tall old wooden metal striped round".split()
PREDICATES = "on,in,near,holding,wearing,behind,in front of,next to,under,has,of,ON,sitting on,attached to".split(",")


def write_data(folder: Path, images: int, seed: int = 52) -> None:
    """The files of `images` images, written image by image."""
    rng, encode = random.Random(seed), msgspec.json.Encoder().encode
    names = ("image_data", "objects", "attributes", "relationships", "region_graphs")
    files = {name: open(folder / f"{name}.json", "wb") for name in names}
    for image_id in range(images):
        for name, record in zip(names, image_records(image_id, rng), strict=True):
            files[name].write((b", " if image_id else b"[") + encode(record))
    for file in files.values():
        file.write(b"]")
        file.close()


def image_records(image_id: int, rng: random.Random) -> Iterator[dict]:
    """Its records in image_data, objects, attributes, relationships and region_graphs."""
    width, height = rng.choice(((800, 600), (500, 375), (640, 480)))
    things = []
    for k in range(max(5, round(rng.gauss(35, 12)))):
        w, h = rng.randrange(10, width // 2), rng.randrange(10, height // 2)
        noun = rng.choice(NOUNS)
        box = {"h": h, "w": w, "y": rng.randrange(height - h), "x": rng.randrange(width - w)}
        things.append({"synsets": [f"{noun}.n.01"], **box, "object_id": image_id * 1000 + k, "names": [noun]})
    attributes = [thing | {"attributes": rng.sample(ATTRIBUTES, rng.randrange(3))} for thing in things]
    regions, relations = [], []
    for k in range(max(5, round(rng.gauss(50, 15)))):
        two = rng.random() < 2 / 3
        chosen = rng.sample(range(len(things)), 2 if two or rng.random() < 0.2 else 1)
        shown = [things[i] for i in chosen]
        words = [f"the {rng.choice((*attributes[i]['attributes'], ''))} {things[i]['names'][0]}".split() for i in chosen]
        predicate, related = rng.choice(PREDICATES), []
        phrase = " ".join(words[0]) + (f" {predicate.lower()} {' '.join(words[1])}" if two else "")
        if two:
            relation = {"relationship_id": image_id * 1000 + k, "predicate": predicate, "synsets": ["along.r.01"]}
            related.append(relation | {"subject_id": shown[0]["object_id"], "object_id": shown[1]["object_id"]})
            ends = [{("name" if key == "names" else key): value for key, value in thing.items()} for thing in shown]
            ends = [end | {"name": end["name"][0]} for end in ends]
            relations.append(relation | {"subject": ends[0], "object": ends[1]})
        left, top = min(thing["x"] for thing in shown), min(thing["y"] for thing in shown)
        regions.append(
            {
                "region_id": image_id * 1000 + k,
                "image_id": image_id,
                "x": left,
                "y": top,
                "width": max(thing["x"] + thing["w"] for thing in shown) - left,
                "height": max(thing["y"] + thing["h"] for thing in shown) - top,
                "phrase": phrase,
                "objects": [
                    {"name": thing["names"][0], **{key: value for key, value in thing.items() if key != "names"}}
                    for thing in shown
                ],
                "relationships": related,
                "synsets": [{"synset_name": thing["synsets"][0], "entity_name": thing["names"][0],
                             "entity_idx_start": 4, "entity_idx_end": 9} for thing in shown],  # fmt: skip
            }
        )
    url = f"https://cs.stanford.edu/people/rak248/VG_100K/{image_id}.jpg"
    coco_id = image_id if image_id % 2 else None
    yield {"width": width, "url": url, "height": height, "image_id": image_id, "coco_id": coco_id, "flickr_id": None}
    yield {"image_id": image_id, "objects": things}
    yield {"image_id": image_id, "attributes": attributes}
    yield {"image_id": image_id, "relationships": relations}
    yield {"image_id": image_id, "regions": regions}


def ours_preprocess(attributes, regions, out: Path, every_pair: bool) -> None:
    rng = random.Random(region_pairs.SEED)
    with open(out, "wb") as file:
        for position, (things, graph) in enumerate(zip(attributes, regions, strict=True)):
            file.writelines(region_pairs.lines_of_image(things, graph, position, rng, every_pair, template=True))


def preprocess(folder: Path, sizes: list[int]) -> dict:
    report = {}
    for images in sizes:
        data = folder / f"pairs-{images}"
        data.mkdir()
        write_data(data, images)
        typed = [
            msgspec.json.decode((data / "attributes.json").read_bytes(), type=list[region_pairs.ImageAttributes]),
            msgspec.json.decode((data / "region_graphs.json").read_bytes(), type=list[region_pairs.ImageRegions]),
        ]
        typed = [[image.attributes for image in typed[0]], [image.regions for image in typed[1]]]
        for every_pair in (True, False):
            loose = [json.loads((data / f"{name}.json").read_bytes()) for name in ("attributes", "region_graphs")]
            expected, naive = once(lambda: reference(*loose, data / "reference.jsonl", every_pair))  # noqa: B023
            way = {"ours": lambda: ours_preprocess(*typed, data / "ours.jsonl", every_pair)}  # noqa: B023
            ours = cpu_seconds(way, 3, warm_up=False)["ours"]
            found = [json.loads(line) for line in (data / "ours.jsonl").read_text().splitlines()]
            report[f"{images} images, {'every_pair' if every_pair else 'as_published'}"] = {
                "naive": naive,
                "ours": ours,
                "ratio": naive / ours,
                "rows": len(expected),
                "equal": found == expected,
            }
    return report


# --- chains ---


def floor(source: VisualGenome) -> None:
    """Typed decoding of every record, joined to nothing."""
    for image in source.images():
        for file in source.files[1:]:
            source.reader.records(image, file, [])


def chains(folder: Path, images: int, repeats: int) -> dict:
    encode = msgspec.json.Encoder().encode
    points = []
    with VisualGenome(folder) as source:
        work = ComposeImages(source.reader, Composing())

        def run(count: int) -> tuple[float, float, int]:
            def compose() -> int:
                rows = 0
                for image in itertools.islice(source.images(), count):
                    row = work.one(image)
                    rows += len(row.chains)
                    encode(row)
                return rows

            rows, whole = once(compose)
            _, joined = once(lambda: deque(map(source.graph, itertools.islice(source.images(), count)), maxlen=0))
            return whole, joined, rows

        for count in (images // 4, images // 2, images):
            turns = [run(count) for _ in range(repeats if count == images else 1)]
            whole, joined, rows = sorted(turns)[len(turns) // 2]
            points.append({"images": count, "ours": whole, "parse_and_join": joined, "rows": rows})
        least = cpu_seconds({"floor": lambda: floor(source)}, repeats, warm_up=False)["floor"]
    first, last = points[0], points[-1]
    return {
        "unit": "CPU seconds",
        "floor": least,
        "ours": last["ours"],
        "whole_over_floor": last["ours"] / least,
        "graph_to_rows_over_floor": (last["ours"] - last["parse_and_join"]) / least,
        "milliseconds_per_image": last["ours"] / images * 1e3,
        "rows_per_image": last["rows"] / images,
        "exponent": math.log(last["ours"] / first["ours"]) / math.log(images / first["images"]),
        "points": points,
        "input_bytes": sum(path.stat().st_size for path in folder.glob("*.json")),
    }


def parquet(folder: Path, out: Path) -> dict:
    start = time.process_time(), time.perf_counter()
    build(folder, out, terms=Terms(progress=False))
    whole = time.process_time() - start[0], time.perf_counter() - start[1]
    composed = timed_compose(folder, out.with_name("composed-again"), 1)
    return {
        "cpu_seconds_of_parquet_and_card": whole[0] - composed["cpu"],
        "wall_seconds_of_a_build": whole[1],
        "bytes": sum(path.stat().st_size for path in out.rglob("*.parquet")),
        "bytes_of_the_working_folder": sum(path.stat().st_size for path in (out / "work").iterdir()),
    }


# --- in processes of their own ---


def timed_compose(folder: Path, out: Path, workers: int) -> dict:
    start, wall = os.times(), time.perf_counter()
    compose_only(folder, out, terms=Terms(progress=False, workers=workers))
    wall, end = time.perf_counter() - wall, os.times()
    cpu = end.user + end.system - start.user - start.system
    return {"wall": wall, "cpu": cpu, "cpu_of_workers": end.children_user + end.children_system}


def scaling(folder: Path, out: Path, repeats: int) -> dict:
    """Walls depend on who else uses the machine; CPU seconds say what two free cores could do."""
    turns = [
        (workers, in_its_own_process("build_compovl", "--only", "scaling", folder, out / f"scaling-{turn}-{workers}", workers))
        for turn in range(repeats)
        for workers in (1, 2)
    ]
    best = {n: min((timing for workers, timing in turns if workers == n), key=lambda timing: timing["wall"]) for n in (1, 2)}
    return {
        "wall_1": best[1]["wall"],
        "wall_2": best[2]["wall"],
        "ratio": best[1]["wall"] / best[2]["wall"],
        "cpu_1": best[1]["cpu"],
        "cpu_2_parent": best[2]["cpu"],
        "cpu_2_workers": best[2]["cpu_of_workers"],
        "ratio_on_free_cores": best[1]["cpu"] / (best[2]["cpu"] + best[2]["cpu_of_workers"] / 2),
        "load_average": os.getloadavg()[0],
        "cores": os.cpu_count(),
    }


def peak_compose(folder: Path, out: Path) -> dict:
    """The highest RssAnon seen, looked at every 5 ms."""
    highest, stop = [memory("RssAnon")], threading.Event()

    def watch():
        while not stop.wait(0.005):
            highest.append(max(highest.pop(), memory("RssAnon")))

    watcher = threading.Thread(target=watch)
    watcher.start()
    before = memory("RssAnon")
    compose_only(folder, out, terms=Terms(progress=False))
    stop.set()
    watcher.join()
    return {"before": before, "peak": highest[0]}


def main(argv=None):
    options = parser(__doc__, images=10_000, repeats=3)
    sizes = {"type": int, "nargs": "*", "default": [50, 200], "help": "the reference is quadratic"}
    options.add_argument("--reference-images", **sizes)
    options.add_argument("--only", nargs="*", help=argparse.SUPPRESS)
    args = parsed(options, argv)
    if args.only:
        what, folder, out, *rest = args.only
        run = peak_compose if what == "peak" else timed_compose
        print(json.dumps(run(Path(folder), Path(out), *map(int, rest))))
        return None
    with tempfile.TemporaryDirectory(prefix="promvil-compovl-") as temporary:
        folder = Path(temporary)
        report = {"preprocess": preprocess(folder, args.reference_images)}
        whole, quarter = folder / "whole", folder / "quarter"
        for place, images in ((whole, args.images), (quarter, args.images // 4)):
            place.mkdir()
            write_data(place, images)
        report["chains"] = chains(whole, args.images, args.repeats)
        report["parquet"] = parquet(whole, folder / "built")
        peaks = [
            in_its_own_process("build_compovl", "--only", "peak", place, folder / f"{place.name}-peak")
            for place in (quarter, whole)
        ]
        growth = peaks[1]["peak"] / peaks[0]["peak"] - 1
        report["memory"] = {"at_1x": peaks[0], "at_4x": peaks[1], "growth": growth}
        report["scaling"] = scaling(whole, folder, args.repeats)
    largest = report["preprocess"].get(f"{max(args.reference_images, default=0)} images, every_pair", {})
    result = {name: largest.get(name) for name in ("naive", "ours", "ratio", "equal")}
    result |= {"floor": report["chains"]["floor"], **report, "settings": vars(args)}
    return printed(result)


if __name__ == "__main__":
    main()
