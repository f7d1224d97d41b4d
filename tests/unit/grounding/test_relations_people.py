# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Relations that people wrote, read from a file of anyone's scene graphs."""

import json

import pytest

from benchmarks import relations_people


OBJECTS = {
    "1": {"name": "man", "x": 10, "y": 20, "w": 20, "h": 60},
    "2": {"name": "man", "x": 70, "y": 20, "w": 20, "h": 60},
    "3": {"name": "hat", "x": 72, "y": 20, "w": 10, "h": 10},
}


def graphs(folder, name: str):
    wearer = {**OBJECTS["2"], "relations": [{"object": "3", "name": name}]}
    path = folder / "val_sceneGraphs.json"
    path.write_text(json.dumps({"7": {"width": 100, "height": 100, "objects": {**OBJECTS, "2": wearer}}}))
    return path


def test_a_relation_of_a_file_is_asked_against_rivals_of_its_noun(tmp_path):
    found = relations_people.main(["--graphs", f"gqa={graphs(tmp_path, 'wearing')}"])
    assert found["composed"] == 1 and found["chance"] == 0.5


def test_sides_that_were_computed_from_boxes_are_no_words_of_people(tmp_path, capsys):
    with pytest.raises(SystemExit):
        relations_people.main(["--graphs", f"gqa={graphs(tmp_path, 'to the left of')}"])
    assert "nothing can be measured" in capsys.readouterr().err


def test_a_file_without_its_form_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        relations_people.main(["--graphs", str(graphs(tmp_path, "wearing"))])
    assert "gqa=val_sceneGraphs.json" in capsys.readouterr().err


def test_a_missing_file_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit):
        relations_people.main(["--graphs", f"gqa={tmp_path / 'none.json'}"])
    assert "there is no file" in capsys.readouterr().err
