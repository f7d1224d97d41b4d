# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Toy worlds on disk: Visual Genome's own files, the same bytes for the same seed, nothing half-written."""

import hashlib
import json
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from promvil_hf.toy import __main__ as command
from promvil_hf.toy.visual_genome import records, regions
from promvil_hf.toy.world import WorldConfig, scenes, write_visual_genome, write_world


CONFIG = WorldConfig(image_size=(96, 80))
COUNT = 60


def load(folder: Path, name: str):
    return json.loads((folder / name).read_text())


def lines(folder: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


@pytest.fixture(scope="module", params=["1.2", "1.4"])
def world(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    write_world(scenes(CONFIG, COUNT, seed=2), folder, layout=request.param)
    return request.param, folder


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_world(scenes(CONFIG, 8, seed=seed), tmp_path / name, noise=0.2)
    first, second, other = (hashes(tmp_path / name) for name in "abc")
    assert first == second
    assert set(first) == set(other)
    assert [name for name in first if first[name] == other[name]] == ["image_data.json"]  # sizes and names of files


def test_visual_genome_alone_is_the_same_files(tmp_path):
    write_world(scenes(CONFIG, 5), tmp_path / "all")
    write_visual_genome(scenes(CONFIG, 5), tmp_path / "part")
    whole, part = hashes(tmp_path / "all"), hashes(tmp_path / "part")
    assert part.items() < whole.items() and len(part) == 7 + 5


def key_sets(value, path: str = "", found: dict[str, set] | None = None) -> dict[str, set]:
    """Which keys records have, by where they stand."""
    found = defaultdict(set) if found is None else found
    if isinstance(value, dict):
        found[path].add(frozenset(value))
        for key, part in value.items():
            key_sets(part, f"{path}/{key}", found)
    elif isinstance(value, list):
        for part in value:
            key_sets(part, path + "[]", found)
    return dict(found)


def test_key_sets_are_those_of_the_real_files(world, shared_data):
    layout, folder = world
    real = shared_data / "visual_genome"
    for name in (
        "image_data",
        "objects",
        "attributes",
        "relationships",
        "region_descriptions",
        "question_answers",
    ):
        sample = real / "v1.4_per_image" / f"{name}_1.json"
        if layout == "1.4" and sample.exists():
            expected = [json.loads(sample.read_text())]
        else:
            expected = json.loads((real / "v1.2.0" / f"{name}.json").read_text())
        ours, theirs = key_sets(load(folder, f"{name}.json")), key_sets(expected)
        if name == "relationships" and layout == "1.2":
            theirs["[]"] = {frozenset({"image_id", "relationships"}), *theirs["[]"]} & ours["[]"]
        assert ours == theirs, name


def test_region_graphs_have_the_keys_of_the_real_record(world, shared_data):
    _, folder = world
    ours = key_sets(load(folder, "region_graphs.json"))
    theirs = key_sets(json.loads((shared_data / "visual_genome" / "region_graph_1382.json").read_text()))
    relation = {"relationship_id", "predicate", "subject_id", "object_id", "synsets"}
    assert ours.pop("[]/regions[]/relationships[]") == {frozenset(relation)}
    assert ours == theirs


def test_ids_are_unique_and_point_to_records(world):
    layout, folder = world
    known, merged = {}, {}
    for record in load(folder, "objects.json"):
        for thing in record["objects"]:
            assert known.setdefault(thing["object_id"], thing) is thing
            for old in thing.get("merged_object_ids", ()):
                assert merged.setdefault(old, thing["object_id"]) == thing["object_id"]
    assert bool(merged) == (layout == "1.4") and not set(merged) & set(known)
    relations = {}
    for record in load(folder, "relationships.json"):
        for row in record["relationships"]:
            assert relations.setdefault(row["relationship_id"], row) is row
            for end in (row["subject"], row["object"]):
                thing = known[end["object_id"]]
                assert end.get("merged_object_ids", []) == thing.get("merged_object_ids", [])
                assert [end["name"]] if "name" in end else end["names"] == thing["names"]
                assert all(end[key] == thing[key] for key in "xywh")
    region_ids, old_ids = Counter(), 0
    for record in load(folder, "region_graphs.json"):
        for region in record["regions"]:
            region_ids[region["region_id"]] += 1
            ids = {thing["object_id"] for thing in region["objects"]}
            old_ids += len(ids & set(merged))
            for row in region["relationships"]:
                assert {row["subject_id"], row["object_id"]} <= ids
                full = relations[row["relationship_id"]]
                assert full["predicate"] == row["predicate"]
                for end, key in ((full["subject"], "subject_id"), (full["object"], "object_id")):
                    assert merged.get(row[key], row[key]) == end["object_id"]
    assert max(region_ids.values()) == 1
    assert (old_ids > 0) == (layout == "1.4")


def test_attributes_cover_every_object_and_only_robots_have_none(world):
    layout, folder = world
    things = {thing["object_id"] for record in load(folder, "objects.json") for thing in record["objects"]}
    rows = [row for record in load(folder, "attributes.json") for row in record["attributes"]]
    covered = {row["object_id"] for row in rows}
    assert things <= covered and (things == covered) == (layout == "1.2")
    assert {row["names"][0] for row in rows if "attributes" not in row} == {"robot"}
    assert "robot" not in {row["names"][0] for row in rows if "attributes" in row}


def test_a_region_is_the_box_around_its_objects_and_names_them_where_it_says(world):
    _, folder = world
    described = {
        region["region_id"]: region
        for record in load(folder, "region_descriptions.json")
        for region in record["regions"]
    }
    for record in load(folder, "region_graphs.json"):
        for region in record["regions"]:
            things = region["objects"]
            left, top = min(t["x"] for t in things), min(t["y"] for t in things)
            right, bottom = max(t["x"] + t["w"] for t in things), max(t["y"] + t["h"] for t in things)
            assert (region["x"], region["y"]) == (left, top)
            assert (region["width"], region["height"]) == (right - left, bottom - top)
            assert all(thing["name"] in region["phrase"].split() for thing in things)
            for entity in region["synsets"]:
                place = slice(entity["entity_idx_start"], entity["entity_idx_end"])
                assert region["phrase"][place] == entity["entity_name"]
            assert described.pop(region["region_id"]).items() <= region.items()
    assert not described


def test_regions_share_objects_and_cover_every_relation_of_the_expressions(world):
    for scene in scenes(CONFIG, COUNT, seed=2):
        found = regions(scene)
        covered = {triple for region in found for triple in region.triples}
        first = scene.objects[0].object_id
        for expression in scene.expressions():
            assert {(s - first, p, o - first) for s, p, o in expression.triples} <= covered
        appearances = Counter(position for region in found if region.triples for position in region.objects)
        assert max(appearances.values()) >= 2
        holding = set(scene.geometry.triples())
        assert covered <= holding


def test_pictures_and_masks_are_those_of_the_scene(world):
    _, folder = world
    masks = lines(folder, "masks.jsonl")
    data = {row["image_id"]: row for row in load(folder, "image_data.json")}
    for scene in scenes(CONFIG, COUNT, seed=2):
        row = data[scene.image_id]
        path = folder / "/".join(row["url"].split("/")[-2:])
        with Image.open(path) as picture:
            assert picture.size == (row["width"], row["height"]) == CONFIG.image_size
            assert (np.asarray(picture) == np.asarray(scene.image())).all()
        mine = {m["object_id"]: m for m in masks if m["image_id"] == scene.image_id}
        for thing, mask in zip(scene.objects, scene.masks, strict=True):
            rle = mine[thing.object_id]
            assert (coco.decode({"size": rle["size"], "counts": rle["counts"]}) == mask).all()
            assert coco.toBbox(rle).tolist() == [thing.x, thing.y, thing.w, thing.h]


def test_expressions_and_key_expressions_on_disk_are_those_of_the_scene(world):
    _, folder = world
    on_disk = defaultdict(list)
    for row in lines(folder, "expressions.jsonl"):
        on_disk[row["image_id"]].append((row["text"], row["level"], row["target_id"], len(row["parts"])))
    for scene in scenes(CONFIG, COUNT, seed=2):
        assert on_disk[scene.image_id] == [(e.text, e.level, e.target_id, len(e.parts)) for e in scene.expressions()]
    questions = load(folder, "gqa_questions.json")
    pope = {
        kind: {row["question_id"]: row for row in lines(folder, f"pope_{kind}.jsonl")}
        for kind in ("random", "adversarial")
    }
    talks = {row["id"]: row for row in load(folder, "llava_conversations.json")}
    for row in lines(folder, "key_expressions.jsonl"):
        assert set(row) == {"source", "id", "image_id", "object_ids", "text", "turn", "boxes", "mask"}
        match row["source"]:
            case "gqa":
                assert questions[row["id"]]["imageId"] == str(row["image_id"])
            case "llava":
                assert row["text"] in talks[row["id"]]["conversations"][2 * row["turn"] + 1]["value"]
            case source:
                assert row["text"] in pope[source.removeprefix("pope_")][row["id"]]["text"]


def test_noise_roughens_some_records_and_leaves_the_rest_alone():
    clean, rough = [], []
    for scene in scenes(CONFIG, 40, seed=2):
        clean.append(records(scene))
        rough.append(records(scene, noise=0.3))
    predicates = [row["predicate"] for record in rough for row in record["relationships"]["relationships"]]
    assert 0.2 < np.mean([predicate.isupper() for predicate in predicates]) < 0.4
    phrases = [region["phrase"] for record in rough for region in record["region_graphs"]["regions"]]
    assert 0.2 < np.mean([phrase != phrase.strip() for phrase in phrases]) < 0.4
    dangling = 0
    for before, after in zip(clean, rough, strict=True):
        assert before["objects"] == after["objects"] and before["attributes"] == after["attributes"]
        ids = {thing["object_id"] for thing in after["objects"]["objects"]}
        rows = after["relationships"]["relationships"]
        lost = [row for row in rows if row["object"]["object_id"] not in ids]
        dangling += len(lost)
        assert len(rows) - len(lost) == len(before["relationships"]["relationships"])
    assert 0 < dangling < 40
    with pytest.raises(ValueError, match="It is a share of records: pass a number from 0 to 1"):
        records(scene, noise=2)
    with pytest.raises(ValueError, match="written in Visual Genome's layouts 1.2 and 1.4"):
        records(scene, layout="1.0")


def test_writing_takes_scenes_one_by_one_and_leaves_nothing_half_written(tmp_path):
    taken = []

    def failing():
        for scene in scenes(CONFIG, 6):
            pictures = list((tmp_path / "VG_100K").glob("*.png"))
            assert len(pictures) == len(taken)
            taken.append(scene.index)
            if len(taken) == 5:
                raise RuntimeError("the power went out")
            yield scene

    with pytest.raises(RuntimeError, match="the power went out"):
        write_world(failing(), tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_an_empty_world_is_written_as_empty_files(tmp_path):
    counts = write_world([], tmp_path)
    assert counts.images == 0
    assert load(tmp_path, "objects.json") == [] and load(tmp_path, "gqa_questions.json") == {}
    assert lines(tmp_path, "masks.jsonl") == []


def test_the_command_writes_a_world_and_says_what(tmp_path, capsys):
    out = tmp_path / "toy"
    arguments = ["--scenes", "4", "--out", str(out), "--size", "64", "--layout", "1.4", "--style", "sketch"]
    arguments += ["--held-out-share", "0.2", "--split", "test", "--levels", "2"]
    assert command.main(arguments) == 0
    assert "Wrote 4 images" in capsys.readouterr().out
    assert len(list((out / "VG_100K").glob("*.png"))) == 4
    assert load(out, "image_data.json")[0]["width"] == 64
    assert command.main(arguments) == 2
    assert "is not empty. Pass a new folder with --out." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scenes", "0"], "Pass 1 or more."),
        (["--levels", "7"], "Toy expressions have 1 to 4 levels"),
        (["--size", "20"], "Shapes cannot be told apart below 48 pixels"),
        (["--size", "64", "64", "64"], "with both sides from 48 to 4096"),
        (["--split", "test"], "A test scene shows a held-out pair: name some."),
    ],
)
def test_the_command_refuses_in_one_sentence(tmp_path, capsys, arguments, message):
    assert command.main([*arguments, "--out", str(tmp_path / "toy")]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_drawing_a_world_never_loads_torch():
    code = (
        "import sys; from promvil_hf.toy.world import WorldConfig, scenes; "
        "next(scenes(WorldConfig(), 1)).image(); print(any(m in sys.modules for m in ('torch', 'transformers')))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
