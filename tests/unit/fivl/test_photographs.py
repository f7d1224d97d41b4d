# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Questions about photographs: who is asked what, how often the answer is yes, and where the things are."""

import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from promvil_hf import masks
from promvil_hf.cli import main
from promvil_hf.fivl.fivl_publish import read_rows
from promvil_hf.fivl.photograph_questions import POPE_WAYS, WAYS, Choosing, Questions, presence_question
from promvil_hf.fivl.photograph_rows import row_of
from promvil_hf.fivl.photographs import Photograph, Thing, read_photographs
from promvil_hf.json_records import RecordError


NAMES = {1: "person", 18: "dog", 3: "car", 87: "scissors", 88: "teddy bear"}
SIZE = (40, 20)


def square(left, top, side, category, **more):
    corners = [left, top, left + side, top, left + side, top + side, left, top + side]
    return {"category_id": category, "bbox": [left, top, side, side], "segmentation": [corners], "iscrowd": 0, **more}


def coco(folder, photographs, captions=None):
    """Files of instances and captions; `photographs` are lists of annotations."""
    images = [{"id": number, "file_name": f"{number}.png", "width": 40, "height": 20} for number in range(len(photographs))]
    annotations = [{**thing, "image_id": number} for number, things in enumerate(photographs) for thing in things]
    categories = [{"id": number, "name": name} for number, name in NAMES.items()]
    files = [folder / "instances.json"]
    files[0].write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    if captions:
        said = [{"id": number, "image_id": number, "caption": text} for number, text in captions.items()]
        files.append(folder / "captions.json")
        files[1].write_text(json.dumps({"images": images, "annotations": said}))
    return files


def asked(files, **choosing):
    return list(Questions(*read_photographs(files), Choosing(**choosing)))


@pytest.fixture
def forty(tmp_path):
    """Forty photographs; each class is in another share of them, and dogs come with persons."""
    rng = np.random.default_rng(0)
    photographs = []
    for number in range(40):
        here = [category for category in (1, 3, 87, 88) if rng.random() < 0.4]
        here += [18] if 1 in here and number % 2 else []
        photographs.append([square(2 * place, 3, 4, category) for place, category in enumerate(here)])
    return coco(tmp_path, photographs)


@pytest.mark.parametrize("way", WAYS)
def test_answers_are_true_and_the_same_seed_asks_the_same(forty, way):
    questions = asked(forty, kinds=("presence",), presence=way)
    assert all((question.name in question.photograph.names) == (question.turn.answer == "yes") for question in questions)
    assert questions == asked(forty, kinds=("presence",), presence=way)
    assert len({question.row_id for question in questions}) == len(questions) > 20


@pytest.mark.parametrize("way", POPE_WAYS)
def test_in_the_ways_of_pope_each_photograph_has_as_many_absent_classes_as_present_ones(forty, way):
    for photograph, answers in answers_by(forty, way, lambda question: question.photograph.image_id).items():
        assert answers["yes"] == answers["no"] > 0, photograph


def answers_by(files, way, key, **choosing):
    found = {}
    for question in asked(files, kinds=("presence",), presence=way, **choosing):
        found.setdefault(key(question), Counter())[question.turn.answer] += 1
    return found


def test_of_absent_classes_adversarial_asks_for_what_mostly_comes_with_those_there(tmp_path):
    person, dog, car, scissors = (square(1, 1, 5, category) for category in (1, 18, 3, 87))
    files = coco(tmp_path, [[person, dog], [person, dog], [car], [car], [car], [scissors], [scissors, car], [person]])

    def absent(way):
        return {q.name for q in asked(files, kinds=("presence",), presence=way) if q.row_id.startswith("coco-7-")} - {"person"}

    assert absent("adversarial") == {"dog"} and absent("popular") == {"car"}


def test_balanced_classes_have_as_many_yes_as_no(forty):
    found = answers_by(forty, "balanced", lambda question: question.name)
    assert found.keys() == set(NAMES.values()) and all(answers["yes"] == answers["no"] for answers in found.values())


def test_a_prior_of_nine_in_ten_is_reversed_at_test(tmp_path):
    files = coco(tmp_path, [[square(1, 1, 5, category)] for category in NAMES for _ in range(90)])
    train, test = (answers_by(files, way, lambda question: question.name) for way in ("prior", "reversed"))
    leans = Questions(tuple(NAMES.values()), (), Choosing()).leans_to_yes()
    assert sorted(leans.values()) == [False, False, True, True, True]
    for name, to_yes in leans.items():
        often, rarely = ("yes", "no") if to_yes else ("no", "yes")
        assert train[name] == {often: 90, rarely: 10} and test[name] == {often: 10, rarely: 90}


def test_photographs_that_are_kept_apart_are_not_trained(forty):
    sides = [
        {question.photograph.image_id for question in asked(forty, kinds=("count",), held_out=0.3, side=side)}
        for side in ("train", "test")
    ]
    whole = {question.photograph.image_id for question in asked(forty, kinds=("count",))}
    assert not sides[0] & sides[1] and sides[0] | sides[1] == whole and len(sides[1]) <= 12


def test_a_key_expression_has_the_true_mask_of_all_such_things(tmp_path):
    run_lengths = {"size": [20, 40], "counts": [0, 20, 780]}  # the first column
    crowd = {"category_id": 18, "bbox": [0, 0, 1, 20], "segmentation": run_lengths, "iscrowd": 1}
    boxed = square(30, 10, 4, 3, segmentation=[])
    files = coco(tmp_path, [[square(2, 2, 6, 18), crowd, boxed]])
    rows = {row.row_id: row for row in map(row_of, asked(files, kinds=("presence", "count"), presence="random"))}
    [dog] = rows["coco-0-presence-dog"].keys
    pixels = masks.decode(dog.expression.mask)
    assert pixels.shape == (20, 40) and pixels[:, 0].all() and pixels[2:8, 2:8].all() and pixels.sum() == 20 + 36
    assert len(dog.expression.boxes) == 2
    [car] = rows["coco-0-presence-car"].keys
    assert car.expression.mask is None and len(car.expression.boxes) == 1  # a box is no true mask
    assert "coco-0-count-dog" not in rows and rows["coco-0-count-car"].turns[0].answer == "1"  # a crowd cannot be counted
    assert all(not row.keys for row in rows.values() if row.turns[0].answer == "no")


def test_counts_and_sides_are_asked_where_they_are_clear(tmp_path):
    files = coco(tmp_path, [[square(1, 1, 4, 18), square(30, 1, 4, 18), square(32, 8, 4, 87)]])
    found = {q.row_id: (q.turn.question, q.turn.answer) for q in asked(files, kinds=("count", "side"))}
    assert found == {
        "coco-0-count-dog": ("How many dogs are in the image?", "2"),
        "coco-0-count-scissors": ("How many scissors are in the image?", "1"),
        "coco-0-side-scissors-across": ("Are the scissors on the left side or on the right side of the image?", "right"),
    }
    assert presence_question("scissors") == "Are there scissors in the image?"


def test_words_of_a_caption_that_name_a_thing_are_its_key_expressions(tmp_path):
    things = [square(1, 1, 4, 88), square(9, 1, 4, 1), square(20, 1, 4, 1)]
    files = coco(tmp_path, [things], {0: "Two  women hug a brown teddy bear on a chair. "})
    [row] = map(row_of, asked(files, kinds=("caption",)))
    assert row.turns[0].answer == "Two women hug a brown teddy bear on a chair."
    assert [(key.text, len(key.expression.boxes)) for key in row.keys] == [("women", 2), ("teddy bear", 1)]


def test_a_build_gives_rows_and_names_what_it_left_out(tmp_path, capsys):
    broken = square(1, 1, 4, 18, segmentation=[[1, 2]])
    files = coco(tmp_path, [[square(1, 1, 5, 18)], [square(1, 1, 5, 3)], [broken], [square(1, 1, 5, 1)]])
    for name in ("0.png", "1.png"):
        Image.new("RGB", SIZE).save(tmp_path / name)
    command = ["build", "fivl", "--source", "coco", "--files", *map(str, files), "--images", str(tmp_path), "--quiet"]
    command += ["--out", str(tmp_path / "out"), "--questions", "presence", "--presence", "balanced"]
    assert main([*command, "--dry-run"]) == 0
    planned = capsys.readouterr().out
    assert "1 photographs cannot be read" in planned and "2 of the pictures are not in" in planned
    assert main(command) == 0
    said = capsys.readouterr().out
    rows = list(read_rows(tmp_path / "out", "photographs"))
    rejects = [json.loads(line) for line in (tmp_path / "out/photographs/rejects.jsonl").read_text().splitlines()]
    assert {row.image_path for row in rows} == {"0.png", "1.png"}
    assert Counter(reject["reason"] for reject in rejects)["unreadable annotation"] == 1
    without = sum(not row.keys for row in rows)
    assert without and f"7 rows in, {len(rows) - without} with key expressions" in said
    assert len(rows) + len(rejects) == 1 + 6  # three classes, each asked twice, and one photograph that cannot be read


def test_captions_alone_hold_no_photographs(tmp_path):
    files = coco(tmp_path, [[square(1, 1, 5, 18)]], {0: "A dog."})
    with pytest.raises(RecordError, match="give COCO's file of instances"):
        read_photographs(files[1:])


def test_published_photographs_are_read(shared_data):
    folder = shared_data / "coco_photos"
    read = [read_photographs([folder / f"instances_{part}.json", folder / f"captions_{part}.json"]) for part in ("train", "val")]
    assert [len(photographs) for _, photographs in read] == [282, 128]
    assert all(len(classes) == 80 for classes, _ in read) and read[0][0] == read[1][0]
    assert not any(photograph.fault for _, photographs in read for photograph in photographs)
    questions = list(Questions(*read[1], Choosing(("presence",))))
    assert Counter(question.turn.answer for question in questions) == {"yes": 355, "no": 355}


def test_a_thing_of_another_size_is_refused():
    wrong = Thing("dog", None, {"size": [2, 2], "counts": [4]}, False)
    with pytest.raises(ValueError, match="add up to 4"):
        wrong.mask(SIZE)
    assert Photograph("1", "1.png", SIZE).names == frozenset()
