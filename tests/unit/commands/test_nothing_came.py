# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A command whose every item failed ends with a failing status and the commonest reason on the terminal."""

import json
import re
from functools import partial

import pytest

from promvil_hf.cli import main
from promvil_hf.commands import options
from promvil_hf.toy.world import WorldConfig, scenes, write_world


DEAD = ("--base-url", "http://127.0.0.1:9/v1", "--served-model", "m")
FRAME = ("--frame", "fractions")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    write_world(scenes(WorldConfig(image_size=(48, 48)), 3), folder)
    lines = [{"image": f"VG_100K/{number}.png", "expression": "the small red square"} for number in (1, 2)]
    (folder / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture
def fails(tmp_path, capsys, monkeypatch):
    """Runs a command that must fail; gives what it said on standard error."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(options, "make_endpoint", partial(options.make_endpoint, attempts=1))

    def run(*words):
        assert main([str(word) for word in (*words, "--out", tmp_path / "out")]) == 2
        return capsys.readouterr().err.splitlines()[-1]

    return run


def fivl(world, images, *more):
    files = ("--source", "llava", "--files", world / "llava_conversations.json")
    return "build", "fivl", *files, "--images", images, "--masks", world / "key_expressions.jsonl", "--quiet", *more


NO_SERVER = r"The server gave no answer to (\d+) of \1 requests \(\1 × connection failed\). Nothing is lost: mend that"


def test_a_build_of_fivl_without_its_pictures(world, tmp_path, fails):
    (tmp_path / "empty").mkdir()
    message = fails(*fivl(world, tmp_path / "empty"))
    assert "Nothing came of all 3 items: 'image missing' 3 times, such as " in message
    assert main([str(word) for word in (*fivl(world, world), "--out", tmp_path / "out")]) == 0  # mended


def test_a_build_of_fivl_with_other_masks_or_by_stages(world, tmp_path, fails):
    (tmp_path / "none.jsonl").write_text('{"image_id": 77, "turn": 0, "text": "a", "boxes": [[0, 0, 1, 1]], "source": "llava"}\n')
    words = [tmp_path / "none.jsonl" if word == world / "key_expressions.jsonl" else word for word in fivl(world, world)]
    assert "Nothing came of all 3 items" in fails(*words)
    assert "Nothing came of all 3 items" in fails(*words, "--stage", "rows")


def test_key_expressions_and_judgements_of_a_dead_server(world, tmp_path, fails):
    assert _matches(NO_SERVER, fails(*fivl(world, world, "--expressions", "endpoint", *DEAD)))
    rows = tmp_path / "rows"
    assert main([str(word) for word in (*fivl(world, world), "--out", rows)]) == 0
    assert _matches(NO_SERVER, fails("judge", "--rows", rows, "--images", world, *DEAD))


def test_an_evaluation_and_queries_of_a_dead_server(world, tmp_path, fails):
    pope = ("--benchmark", "pope", "--files", world / "pope_random.jsonl", "--images", world / "VG_100K", "--limit", "4")
    assert _matches(NO_SERVER, fails("evaluate", *pope, *DEAD))
    assert not list((tmp_path / "out").rglob("part-*"))
    assert _matches(NO_SERVER, fails("ground", "--queries", world / "queries.jsonl", *DEAD, *FRAME))


def test_queries_without_their_pictures_or_without_an_answer_that_can_be_read(world, tmp_path, fails, monkeypatch):
    from tests.unit.fivl.fake_model import fake_model

    lonely = tmp_path / "queries.jsonl"
    lonely.write_bytes((world / "queries.jsonl").read_bytes())
    assert "Nothing came of all 2 items: " in fails("ground", "--queries", lonely, *DEAD, *FRAME)
    with fake_model(lambda body: "I see nothing") as server:
        served = ("--base-url", server.url, "--served-model", "m")
        assert "Nothing came of all 2 items: 'no box'" in fails("ground", "--queries", world / "queries.jsonl", *served, *FRAME)


def test_a_build_of_compovl_without_an_expression_or_without_its_writer(world, tmp_path, fails):
    broken = tmp_path / "vg"
    broken.mkdir()
    for path in world.glob("*.json"):
        (broken / path.name).write_bytes(path.read_bytes())
    image_ids = [record["image_id"] for record in json.loads((broken / "objects.json").read_text())]
    relationships = [{"image_id": image_id, "relationships": []} for image_id in image_ids]
    (broken / "relationships.json").write_text(json.dumps(relationships))
    (broken / "region_graphs.json").unlink()
    outside = re.sub(r'"x": ?\d+', '"x": 99999', (broken / "objects.json").read_text())
    (broken / "objects.json").write_text(outside)
    assert re.search(r"Nothing came of all \d+ items: '.*' \d+ times", fails("build", "compovl", "--vg", broken))
    graphs = [{"image_id": image_id, "regions": 5} for image_id in image_ids]
    (broken / "region_graphs.json").write_text(json.dumps(graphs))
    message = fails("build", "compovl", "--vg", broken, "--region-pairs")
    assert "Nothing came of all 3 items: 'unreadable record of the image' 3 times" in message
    assert _matches(NO_SERVER, fails("build", "compovl", "--vg", world, "--restart", *DEAD))


def _matches(pattern, text):
    return re.search(pattern, text) or pytest.fail(text)
