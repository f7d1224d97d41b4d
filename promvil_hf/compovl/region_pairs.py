# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Pairs of regions that share an object, as prompts for a language model: the first stage of PromViL's own data generation.

This is what the reference's `preprocess.py` computes, streamed: one image at a time, joined by image id, duplicates
dropped within the image, every row written once. `compat="reference"` gives the reference's rows to the letter, its
defects included: `image_id` is a position in the list, and of all pairs of a group only the last survives. The chains of
`promvil_hf.compovl.compose` need no language model; this is for those who want to repeat the paper's way.
"""

import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated

import msgspec

from promvil_hf.compovl.scene_graph import Broken
from promvil_hf.compovl.visual_genome_files import RELEASES, Id, MappedFiles, entries, release_of, split_file
from promvil_hf.files import atomic_write
from promvil_hf.folder_lock import held
from promvil_hf.job_files import check_some
from promvil_hf.json_records import RecordError


SEED, REGION_LIMIT = 52, 100
COMPAT = ("fixed", "reference")
_TAIL = re.compile(r"[^A-Za-z0-9()]+$")

TEMPLATE = """[INST] You help with wording. Below stand phrases about one object of an image, perhaps under different names. \
Combine them into long compound noun phrases, each between <phrase> and </phrase>. Do not repeat the phrases, do not explain. \
Use only what the phrases say and connect nothing they do not connect. Write as naturally as you can.
* Given Phrases: spoon on a brown placemat; red napkin under placemat; (brown placemat, placemat refer to the same object)
<phrase>spoon on the placemat above the red napkin</phrase>
* Given Phrases: cat wearing a hat; black cat on the wall; (cat, black cat refer to the same object)
<phrase>black cat on the wall wearing a hat</phrase>
* Given Phrases: shirt of the man; a man in a black hat; (the man, a man refer to the same object)
<phrase>the shirt of the man in a black hat</phrase>
* Given Phrases: man holding a cake; child reaching for the cake; (a cake, the cake refer to the same object)
<phrase>child reaching for the cake that the man is holding</phrase>
* Given Phrases: car behind a bicycle; the red bicycle on the sidewalk; (a bicycle, the red bicycle refer to the same object)
<phrase>the car behind the red bicycle on the sidewalk</phrase>
* Given Phrases: {phrases} [/INST]"""


class Attributed(msgspec.Struct, gc=False):
    object_id: Id
    names: Annotated[list[str], msgspec.Meta(min_length=1)]
    x: int | float
    y: int | float
    w: int | float
    h: int | float


class RegionObject(msgspec.Struct, gc=False):
    object_id: Id


class RegionRelation(msgspec.Struct, gc=False):
    subject_id: Id


class Region(msgspec.Struct, gc=False):
    region_id: Id
    phrase: str
    x: int | float
    y: int | float
    width: int | float
    height: int | float
    objects: list[RegionObject]
    relationships: list[RegionRelation]


class ImageAttributes(msgspec.Struct):
    attributes: list[Attributed]


class ImageRegions(msgspec.Struct):
    regions: list[Region]


_encode = msgspec.json.Encoder().encode
_TEMPLATE_AROUND = tuple(_encode(text)[1:-1] for text in TEMPLATE.split("{phrases}"))


def lines_of_image(
    attributes: list[Attributed],
    regions: list[Region],
    image_id: int,
    rng: random.Random | None = None,
    every_pair: bool = True,
    template: bool = False,
) -> Iterator[bytes]:
    """The rows of one image as JSON lines. What the rows of a group share, and the template, are encoded once.

    Args:
        rng: Draws the regions where there are more than 100; None: a generator seeded by the image's id.
        every_pair: False keeps the last pair of a group only, as the reference does by accident.
        template: Put the template around each prompt, as the reference does, though it is the same in every row.
    """
    before, after = _TEMPLATE_AROUND if template else (b"", b"")
    tail = b'%s","image_id":%d}\n' % (after, image_id)
    boxed = {thing.object_id: thing for thing in attributes}
    kept = _related_regions(regions, boxed, image_id, rng)
    described, groups = _groups(kept, boxed)
    prompts: set[str] = set()
    for object_id, (members, objects, _) in groups.items():
        fresh = _fresh_prompts(members, described[object_id]["names"], every_pair, prompts)
        if fresh:
            shown = [described[other] for other in objects]
            group = {"regions": members, "common_objects": described[object_id], "objects": shown}
            head = _encode(group)[:-1] + b',"prompt":"' + before
            yield from (head + _encode(prompt)[1:-1] + tail for prompt in fresh)


def _related_regions(
    regions: list[Region], boxed: dict[int, Attributed], image_id: int, rng: random.Random | None
) -> list[Region]:
    """Regions with a relation and an object that has a box, 100 at most, by the subject of their first relation."""
    kept = [
        region
        for region in regions
        if region.relationships
        and "cloud" not in region.phrase
        and "sky" not in region.phrase
        and any(mention.object_id in boxed for mention in region.objects)
    ]
    if rng is not None or len(kept) > REGION_LIMIT:  # the reference draws for every image
        drawing = rng or random.Random(f"{SEED}:{image_id}")
        drawn = drawing.sample([region.region_id for region in kept], min(REGION_LIMIT, len(kept)))
        if len(kept) > REGION_LIMIT:
            chosen = set(drawn)
            kept = [region for region in kept if region.region_id in chosen]
    return sorted(kept, key=lambda region: region.relationships[0].subject_id)


def _groups(
    kept: list[Region], boxed: dict[int, Attributed]
) -> tuple[dict[int, dict], dict[int, tuple[dict, list[int], set[int]]]]:
    """How rows show each object, and for each object that several regions share: the regions, and all their objects."""
    seen = Counter(object_id for region in kept for object_id in {mention.object_id for mention in region.objects})
    described: dict[int, dict] = {}  # `region_id` is the last region that has the object
    groups: dict[int, tuple[dict, list[int], set[int]]] = {}
    for region in kept:
        ids = [mention.object_id for mention in region.objects if mention.object_id in boxed]
        for object_id in ids:
            if object_id not in described:
                thing = boxed[object_id]
                described[object_id] = {"object_id": object_id, "names": thing.names, "box": [thing.x, thing.y, thing.h, thing.w]}
            described[object_id]["region_id"] = region.region_id
        shared: tuple[list[int], set[int]] | None = None  # groups opened by one region share their list of objects
        for object_id in ids:
            if seen[object_id] < 2 or boxed[object_id].names[0] not in region.phrase:
                continue
            entry = {"box": [region.x, region.y, region.width, region.height], "phrase": region.phrase}
            group = groups.get(object_id)
            if group is None:
                shared = shared or (list(ids), set(ids))
                groups[object_id] = ({region.region_id: entry}, *shared)
                continue
            new = [other for other in ids if other not in group[2]]
            if new:
                group[0][region.region_id] = entry
                group[1].extend(new)
                group[2].update(new)
    return described, groups


def _fresh_prompts(members: dict[int, dict], names: list[str], every_pair: bool, prompts: set[str]) -> list[str]:
    """The prompts of a group's pairs that are not in `prompts` yet; they are added to it."""
    phrases = [entry["phrase"] for entry in members.values()]
    if len(set(phrases)) < 2:
        return []
    context = f"; (In this context: {', '.join(names)} refer to the same object)"
    fresh = []
    for first, second in combinations(phrases, 2) if every_pair else [phrases[-2:]]:
        prompt = _TAIL.sub("", f"{first}; {second}{context}").lower()
        if prompt not in prompts:
            prompts.add(prompt)
            fresh.append(prompt)
    return fresh


@dataclass(frozen=True, slots=True)
class Pairs:
    """What was written."""

    images: int
    rows: int
    broken: int

    def __str__(self) -> str:
        return f"{self.rows:,} pairs of regions from {self.images:,} images; {self.broken:,} images could not be read"


def build_region_pairs(
    vg, out, compat: str = "fixed", limit: int | None = None, release: str | None = None
) -> Pairs:
    """Write `out/region_pairs.jsonl` (and `template.txt`, `rejects.jsonl`) from attributes.json and region_graphs.json."""
    if compat not in COMPAT:
        raise ValueError(f"You passed compat={compat!r}: it is one of {', '.join(COMPAT)}.")
    if release is not None and release not in RELEASES:
        raise ValueError(f"You passed release={release!r}. This reader knows {', '.join(RELEASES)}.")
    files, out = _files(vg, release), Path(out)
    spans, rejects = _joined(files)
    lost = len(rejects)
    exact = compat == "reference"
    rng = random.Random(SEED) if exact else None
    images = rows = unreadable = 0
    try:
        with held(out), atomic_write(out / "region_pairs.jsonl", "wb") as file:
            for position, (image_id, attributes, regions, broken) in enumerate(_records(files, spans)):
                if images == limit:
                    break
                rejects += broken
                if regions is None:
                    unreadable += 1
                    continue
                images += 1
                for line in lines_of_image(attributes, regions, position if exact else image_id, rng, not exact, exact):
                    file.write(line)
                    rows += 1
            (out / "rejects.jsonl").write_bytes(b"".join(_encode(row) + b"\n" for row in rejects))
            (out / "template.txt").write_text(TEMPLATE + "\n", encoding="utf-8")
    except OSError as error:
        raise OSError(f"Cannot write {out}: {error.strerror or error}. Mend that and run it again.") from error
    finally:
        files.close()
    reasons = [(row.reason, row.detail) for row in rejects]
    check_some(images, Counter(reason for reason, _ in reasons), str(out / "rejects.jsonl"), reasons)
    return Pairs(images, rows, unreadable + lost)


def _files(vg, release: str | None) -> MappedFiles:
    files = MappedFiles(vg, ("attributes", "region_graphs"))
    for file in files.files:
        if not (files.folder / f"{file}.json").is_file():
            raise ValueError(f"{files.folder} has no {file}.json, and pairs of regions need it. Download {file}.json.zip.")
    found = next(filter(None, map(release_of, files.windows_of("attributes"))), None)
    if found == "1.0" or (release and found != release and "1.4" in (release, found)):
        raise ValueError(f"{files.folder / 'attributes.json'} is of release {found}: region graphs go with 1.2 and 1.4.")
    return files


Span = tuple[int, int]


def _joined(files: MappedFiles) -> tuple[list[tuple[int, Span, Span | None]], list[Broken]]:
    """For each image of attributes.json where its two records lie; and the records that belong to no image."""
    ids, starts, sizes, lost = split_file(files, "region_graphs")
    graphs = dict(zip(ids, zip(starts, sizes, strict=True), strict=True))
    image_ids, starts, sizes, also_lost = split_file(files, "attributes")
    spans = [
        (image_id, (start, size), graphs.get(image_id))
        for image_id, start, size in zip(image_ids, starts, sizes, strict=True)
        if image_id >= 0
    ]
    return spans, [*lost, *also_lost]


def _records(files: MappedFiles, spans) -> Iterator[tuple[int, list[Attributed], list[Region] | None, list[Broken]]]:
    """Image id, attributes and regions (None: it has none to read), and what of them cannot be read."""
    decoders = msgspec.json.Decoder(ImageAttributes), msgspec.json.Decoder(ImageRegions)
    for image_id, attributes, regions in spans:
        if regions is None:
            yield image_id, [], None, [Broken("region_graphs", image_id, None, "no region graph")]
            continue
        broken: list[Broken] = []
        found = []
        for file, key, decoder, entry, span in (
            ("attributes", "attributes", decoders[0], Attributed, attributes),
            ("region_graphs", "regions", decoders[1], Region, regions),
        ):
            try:
                good, bad = entries(files.bytes_of(file, span), key, decoder, entry)
            except RecordError as error:
                good, bad = None, []
                broken.append(Broken(file, image_id, None, "unreadable record of the image", str(error)))
            found.append(good)
            broken += [Broken(file, image_id, None, "wrong type or missing field", why) for _, why in bad]
        yield image_id, found[0] or [], None if None in found else found[1], broken
