# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import json
import os
import pickle
import random

import pytest

from promvil_hf.compovl.scene_graph import assembled
from promvil_hf.compovl.visual_genome import VisualGenome
from promvil_hf.toy.world import WorldConfig, scenes, write_visual_genome


def write(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / f"{name}.json").write_text(text)
    return folder


def image(image_id=1, **other):
    url = f"https://x/VG_100K/{image_id}.jpg"
    return {"image_id": image_id, "width": 100, "height": 50, "url": url, "coco_id": None, "flickr_id": None} | other


def object_record(object_id, name="dog", **other):
    return {"object_id": object_id, "names": [name], "x": 10, "y": 5, "w": 20, "h": 10, "synsets": []} | other


def relation_record(relationship_id, subject, predicate, object_):
    subject, object_ = (end if isinstance(end, dict) else {"object_id": end, "name": "it"} for end in (subject, object_))
    return {"relationship_id": relationship_id, "predicate": predicate, "synsets": [], "subject": subject, "object": object_}


def graph_of(folder):
    with VisualGenome(folder) as source:
        return source.graph(next(source.images()))


def reasons(graph):
    return [(broken.file, broken.record_id, broken.reason) for broken in graph.broken]


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    write_visual_genome(scenes(WorldConfig(image_size=(64, 64)), 12, 3), folder, "1.4", 0.3)
    return folder


# Real files


@pytest.mark.parametrize(
    ("release", "objects", "attributes", "relationships", "regions", "questions"),
    [("v1.0.0", 85, 109, 59, 521, 256), ("v1.2.0", 67, 67, 64, 518, 256)],
)
def test_counts_of_the_real_images_equal_the_files(
    shared_data, release, objects, attributes, relationships, regions, questions
):
    with VisualGenome(shared_data / "visual_genome" / release) as source:
        assert source.release == release[1:4]
        assert [found.path for found in source.images()] == ["VG_100K_2/1.jpg", "VG_100K/2.jpg"]
        graphs = [source.graph(found) for found in source.images()]
        asked = [source.questions(found) for found in source.images()]
    assert sum(len(graph.things) for graph in graphs) == objects
    assert sum(graph.counts["attributes"] for graph in graphs) == attributes
    assert sum(len(graph.relations) for graph in graphs) == relationships
    assert sum(len(graph.regions) for graph in graphs) == regions
    assert sum(len(found) for found, _ in asked) == questions
    assert not any(graph.broken or graph.clipped for graph in graphs) and not source.broken


@pytest.fixture
def real_1_4(shared_data, tmp_path):
    """The files of image 1 in release 1.4, put together as the released files are."""
    real = shared_data / "visual_genome"
    files = {"image_data": json.loads((real / "v1.2.0" / "image_data.json").read_text())[:1]}
    for name in ("objects", "attributes", "relationships"):
        files[name] = [json.loads((real / "v1.4_per_image" / f"{name}_1.json").read_text())]
    return write(tmp_path / "real", **files)


def test_release_1_4_keeps_every_record_or_says_why(real_1_4):
    graph = graph_of(real_1_4)
    assert len(graph.things) == 31
    assert len(graph.relations) + sum(broken.file == "relationships" for broken in graph.broken) == 41
    lost = {broken.detail for broken in graph.broken if broken.file == "relationships"}
    assert lost == {"object 1058529", "object 1058532", "object 1058544", "object 3798575"}
    street = next(thing for thing in graph.things.values() if thing.names == ("sidewalk",) and thing.object_id == 1058534)
    # one relation calls it "street"
    assert any(relation.object == street.object_id and relation.predicate == "on" for relation in graph.relations)


def test_regions_of_the_real_images_find_their_relations_by_word_and_place(shared_data):
    with VisualGenome(shared_data / "visual_genome" / "v1.2.0") as source:
        graphs = [assembled(source.graph(found)) for found in source.images()]
    found = [(graph, region) for graph in graphs for region in graph.regions if region.relations]
    assert 10 <= len(found) <= 48  # 48 by words alone
    for graph, region in found:
        (relation,) = region.relations
        words = region.phrase.lower().strip(" .").split()
        for text in (graph.things[relation.subject].names[0], relation.predicate, graph.things[relation.object].names[0]):
            assert set(text.split()) <= set(words)


# Joining


@pytest.mark.parametrize("layout", ["1.2", "1.4"])
def test_files_are_joined_by_id_whatever_their_order(tmp_path, layout):
    write_visual_genome(scenes(WorldConfig(image_size=(64, 64)), 9, 1), tmp_path, layout, 0.2)
    with VisualGenome(tmp_path) as source:
        assert source.release == layout
        expected = [source.graph(found) for found in source.images()]
    for seed, path in enumerate(sorted(tmp_path.glob("*.json"))):
        if path.name not in ("image_data.json",):
            records = json.loads(path.read_text())
            if isinstance(records, list):
                random.Random(seed).shuffle(records)
                path.write_text(json.dumps(records, indent=1 if seed % 2 else None))
    with VisualGenome(tmp_path) as source:
        assert [source.graph(found) for found in source.images()] == expected


def test_toy_scenes_come_back_with_their_objects_relations_and_phrases(toy):
    drawn = list(scenes(WorldConfig(image_size=(64, 64)), 12, 3))
    with VisualGenome(toy) as source:
        graphs = [source.graph(found) for found in source.images()]
    assert [graph.image_id for graph in graphs] == [scene.image_id for scene in drawn]
    for graph, scene in zip(graphs, drawn, strict=True):
        assert {thing.object_id: thing.names for thing in graph.things.values()} == {
            drawn_object.object_id: (drawn_object.name,) for drawn_object in scene.objects
        }
        for drawn_object in scene.objects:
            left, top, right, bottom = drawn_object.xyxy_px
            assert graph.things[drawn_object.object_id].xyxy == (left / 64, top / 64, right / 64, bottom / 64)
            assert graph.things[drawn_object.object_id].attributes == tuple(drawn_object.attributes)
        assert all(region.phrase == region.phrase.strip() for region in graph.regions)
        assert all(relation.predicate == relation.predicate.lower() for relation in graph.relations)
        assert {broken.reason for broken in graph.broken} <= {"dangling object"}
        counted = len(graph.relations) + sum(broken.file == "relationships" for broken in graph.broken)
        assert counted == graph.counts["relationships"]


@pytest.mark.parametrize("where", ["first", "middle", "last", "called id"])
def test_the_image_id_may_stand_anywhere_in_a_record(tmp_path, where):
    things = [object_record(1), object_record(2, "mat")]
    records = {
        "first": {"image_id": 1, "objects": things},
        "middle": {"image_url": "id: 7}", "image_id": 1, "objects": things},
        "last": {"objects": things, "image_id": 1},
        "called id": {"objects": things, "id": 1},
    }
    folder = write(tmp_path, image_data=[image()], objects=[records[where]], relationships=[])
    assert set(graph_of(folder).things) == {1, 2}


def test_a_reader_crosses_to_another_process(toy):
    with VisualGenome(toy) as source:
        found = list(source.images())
        again = pickle.loads(pickle.dumps(source.reader))
        assert again.graph(found[3]) == source.graph(found[3])


# Noise


def test_noise_is_cleaned(tmp_path):
    folder = write(
        tmp_path,
        image_data=[image()],
        objects=[
            {
                "image_id": 1,
                "objects": [
                    object_record(1, " Big\nDog "),
                    object_record(2, "mat", x=-5, y=0, w=500, h=50),
                    object_record(3, "old", merged_object_ids=[30, 31]),
                ],
            }
        ],
        attributes=[{"image_id": 1, "attributes": [{"object_id": 1}, {"object_id": 30, "attributes": [" RED ", "", "red"]}]}],
        relationships=[
            {
                "image_id": 1,
                "relationships": [
                    relation_record(7, 1, " ON ", 2),
                    relation_record(8, {"object_id": 31, "names": ["old"], "merged_object_ids": [3]}, "near", 2),
                    relation_record(9, {"object_id": 99, "names": ["dog"], "merged_object_ids": [1]}, "near", 2),
                ],
            }
        ],
        region_descriptions=[
            {"id": 1, "regions": [{"region_id": 5, "phrase": " the dog \n on  it\n", "x": 0, "y": 0, "width": 9, "height": 9}]}
        ],
    )
    graph = graph_of(folder)
    assert graph.things[1].names == ("big dog",) and graph.things[2].xyxy == (0, 0, 1, 1) and graph.clipped == 1
    assert graph.things[3].attributes == ("red",) and graph.things[1].attributes == ()
    triples = [(relation.subject, relation.predicate, relation.object) for relation in graph.relations]
    assert triples == [(1, "on", 2), (3, "near", 2), (1, "near", 2)]
    assert graph.regions[0].phrase == "the dog on it"
    assert graph.broken == ()


def test_each_broken_record_is_left_out_with_its_reason_and_the_rest_stays(tmp_path):
    folder = write(
        tmp_path,
        image_data=[image()],
        objects=[
            {
                "image_id": 1,
                "objects": [
                    object_record(1),
                    object_record(2, "mat"),
                    object_record(1, "twin"),
                    object_record(3, "  "),
                    object_record(4, x=500),
                    object_record(5, w=0),
                    {"object_id": 6, "names": ["boxless"]},
                    object_record(7, x="left"),
                    object_record(None),
                    "no object",
                ],
            }
        ],
        attributes=[
            {"image_id": 1, "attributes": [{"object_id": 77, "attributes": ["red"]}, {"object_id": 1, "attributes": "red"}]}
        ],
        relationships=[
            {
                "image_id": 1,
                "relationships": [
                    relation_record(1, 1, "on", 2),
                    relation_record(2, 1, " ", 2),
                    relation_record(3, 1, "on", 88),
                    relation_record(4, 88, "on", 1),
                    relation_record(5, 1, "on", 1),
                    relation_record(6, 1, 5, 1),
                    relation_record(None, 1, "on", 2),
                ],
            }
        ],
        region_descriptions=[
            {"id": 1, "regions": [{"region_id": 9, "phrase": " \n", "x": 0, "y": 0, "width": 9, "height": 9}]}
        ],
    )
    graph = graph_of(folder)
    assert set(graph.things) == {1, 2} and len(graph.relations) == 1 and graph.regions == ()
    assert sorted(reasons(graph), key=str) == sorted(
        [
            ("objects", 1, "second object of this id"),
            ("objects", 3, "no name"),
            ("objects", 4, "box is empty or outside the image"),
            ("objects", 5, "box is empty or outside the image"),
            ("objects", 6, "wrong type or missing field"),
            ("objects", 7, "wrong type or missing field"),
            ("objects", None, "no object id"),
            ("objects", None, "wrong type or missing field"),
            ("attributes", 77, "dangling object"),
            ("attributes", 1, "wrong type or missing field"),
            ("relationships", 2, "blank predicate"),
            ("relationships", 3, "dangling object"),
            ("relationships", 4, "dangling subject"),
            ("relationships", 5, "relates an object to itself"),
            ("relationships", 6, "wrong type or missing field"),
            ("relationships", None, "no relationship id"),
            ("region_descriptions", 9, "blank phrase"),
        ],
        key=str,
    )
    assert graph.counts == {"objects": 10, "attributes": 2, "relationships": 7, "region_descriptions": 1}


def test_records_that_belong_to_no_image_are_reported(tmp_path):
    folder = write(
        tmp_path,
        image_data=[image(1), image(2, width=0), image(1), {"image_id": 4}, image(5)],
        objects=[
            {"image_id": 5, "objects": [object_record(50)]},
            {"image_id": 1, "objects": [object_record(1)]},
            {"image_id": 9, "objects": []},
            {"image_id": 1, "objects": [object_record(2)]},
            {"objects": []},
            "nothing",
        ],
        relationships=[],
    )
    with VisualGenome(folder) as source:
        assert [found.image_id for found in source.images()] == [1, 5]
        assert set(source.graph(next(source.images())).things) == {1}
        assert [(broken.file, broken.image_id, broken.reason) for broken in source.broken] == [
            ("image_data", 2, "image without a size"),
            ("image_data", 1, "second line of the image"),
            ("image_data", 4, "wrong type or missing field"),
            ("objects", None, "record without an image"),
            ("objects", None, "record without an image"),
            ("objects", 9, "image is not in image_data"),
            ("objects", 1, "second record of the image"),
        ]


def test_an_unreadable_image_record_costs_this_image_only(tmp_path):
    folder = write(
        tmp_path,
        image_data=[image(1), image(2)],
        objects=[{"image_id": 1, "objects": "none"}, {"image_id": 2, "objects": [object_record(1)]}],
        relationships=[],
    )
    with VisualGenome(folder) as source:
        first, second = (source.graph(found) for found in source.images())
    assert reasons(first) == [("objects", None, "unreadable record of the image")]
    assert set(second.things) == {1}


# Bad input


def whole(tmp_path, **files):
    base = {"image_data": [image()], "objects": [{"image_id": 1, "objects": [object_record(1)]}], "relationships": []}
    return write(tmp_path, **(base | files))


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"objects": '[{"image_id": 1, "objects": [{"object_id": 1, "na'}, "is not whole JSON .* The download was probably cut"),
        ({"relationships": ""}, "is empty: unpack or download it again"),
        ({"objects": {"a": {"object_id": 1}}}, "is not a list of images"),
        ({"objects": [{"image_id": 1, "objects": [{"class": "dog"}]}]}, "of no Visual Genome release this reader knows"),
    ],
)
def test_damaged_files_stop_with_a_sentence(tmp_path, files, sentence):
    with pytest.raises(ValueError, match=sentence):
        VisualGenome(whole(tmp_path, **files))


def resident_of_files() -> int:
    """Bytes of mapped files that this process holds."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("RssFile"))


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="Linux says what a process holds")
def test_of_large_files_little_is_held(tmp_path):
    count, padding = 96, "x" * (1 << 19)
    folder = write(
        tmp_path,
        image_data=[image(number) for number in range(count)],
        objects=[{"image_id": number, "objects": [object_record(1, name=padding)]} for number in range(count)],
    )
    before = resident_of_files()
    with VisualGenome(folder, ("image_data", "objects")) as source:
        held = [resident_of_files() - before]
        for one in source.images():
            source.graph(one)
            held.append(resident_of_files() - before)
    assert max(held) < count * len(padding) / 2


def test_a_missing_folder_or_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="there is no such folder"):
        VisualGenome(tmp_path / "nowhere")
    folder = whole(tmp_path)
    (folder / "image_data.json").unlink()
    with pytest.raises(ValueError, match=r"has no image_data\.json\. Download image_data\.json\.zip of Visual Genome"):
        VisualGenome(folder)


def test_a_folder_of_another_release_is_refused(tmp_path):
    folder = whole(tmp_path)
    with pytest.raises(ValueError, match=r"You asked for release 1\.4, and .* is of release 1\.2"):
        VisualGenome(folder, release="1.4")
    with pytest.raises(ValueError, match=r"This reader knows 1\.0, 1\.2, 1\.4"):
        VisualGenome(folder, release="2.0")


def test_files_of_different_releases_are_refused(tmp_path):
    strangers = [relation_record(k, 5000 + k, "on", 6000 + k) for k in range(12)]
    folder = whole(tmp_path, relationships=[{"image_id": 1, "relationships": strangers}])
    with pytest.raises(ValueError, match="12 of the first 12 relations of .* the two are of different releases"):
        VisualGenome(folder)
