# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import json
import random

import msgspec
import pytest

from benchmarks.build_compovl import write_data
from promvil_hf.compovl import region_pairs
from promvil_hf.compovl.region_pairs import ImageAttributes, ImageRegions, build_region_pairs, lines_of_image
from tests.reference.region_pairs import pairs as region_pairs_reference


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vg")
    write_data(folder, 12)
    return folder


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def loose(folder):
    return [json.loads((folder / f"{name}.json").read_text()) for name in ("attributes", "region_graphs")]


def test_compat_reference_gives_the_published_rows_defects_and_all(data, tmp_path):
    expected = region_pairs_reference(*loose(data), tmp_path / "reference.jsonl", every_pair=False)
    build_region_pairs(data, tmp_path, compat="reference")
    assert lines(tmp_path / "region_pairs.jsonl") == expected and len(expected) > 50


def test_the_default_differs_from_the_reference_only_by_its_two_defects(data, tmp_path):
    expected = region_pairs_reference(*loose(data), tmp_path / "reference.jsonl", every_pair=True)  # all pairs, as was meant
    pairs = build_region_pairs(data, tmp_path)
    found = lines(tmp_path / "region_pairs.jsonl")
    for row in found:
        row["prompt"] = region_pairs.TEMPLATE.format(phrases=row["prompt"])
    assert found == expected and pairs.rows == len(expected) and pairs.images == 12


def test_images_are_joined_by_id_and_not_by_position(data, tmp_path):
    build_region_pairs(data, tmp_path / "before")
    for name in ("attributes", "region_graphs"):
        records = json.loads((data / f"{name}.json").read_text())
        (tmp_path / f"{name}.json").write_text(json.dumps(records if name == "attributes" else records[::-1]))
    build_region_pairs(tmp_path, tmp_path / "after")
    assert lines(tmp_path / "before" / "region_pairs.jsonl") == lines(tmp_path / "after" / "region_pairs.jsonl")


def test_of_more_than_100_regions_100_are_drawn_and_always_the_same(data):
    attributes = msgspec.json.decode((data / "attributes.json").read_bytes(), type=list[ImageAttributes])[0].attributes
    regions = msgspec.json.decode((data / "region_graphs.json").read_bytes(), type=list[ImageRegions])[0].regions
    related = [region for region in regions if region.relationships]
    many = [
        msgspec.structs.replace(region, region_id=region.region_id + 10_000 * k, phrase=f"{region.phrase} {k}")
        for k in range(-(-120 // len(related)))
        for region in related
    ]

    def drawn(rng=None):
        return [json.loads(line) for line in lines_of_image(attributes, many, 0, rng)]

    first, second = (drawn() for _ in range(2))
    assert first == second and first
    assert len({region_id for row in first for region_id in row["regions"]}) <= 100
    assert first != drawn(random.Random(1))


def test_damage_is_reported(data, tmp_path):
    with pytest.raises(ValueError, match=r"has no attributes\.json, and pairs of regions need it"):
        build_region_pairs(tmp_path, tmp_path / "out")
    with pytest.raises(ValueError, match="You passed compat='old'"):
        build_region_pairs(data, tmp_path, compat="old")
    attributes, graphs = loose(data)
    del graphs[3]
    graphs[0]["regions"][0]["phrase"] = 7
    for name, content in (("attributes", attributes), ("region_graphs", graphs)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    pairs = build_region_pairs(tmp_path, tmp_path / "out")
    assert (pairs.images, pairs.broken) == (11, 1)
    assert {row["reason"].split(":")[0] for row in lines(tmp_path / "out" / "rejects.jsonl")} == {
        "no region graph",
        "wrong type or missing field",
    }
