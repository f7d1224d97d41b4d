# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""An explanation of a model that is known: its heat lies on the thing, and hiding the thing changes the answer."""

import json
import subprocess
import sys

import numpy as np
import pytest

from promvil_hf import masks
from promvil_hf.boxes import Box, iou
from promvil_hf.cli import main
from promvil_hf.explain.explanation_pages import explanation_page, segmentation_rows
from promvil_hf.explain.explanations import (
    ExplainSettings,
    Explanation,
    ToExplain,
    explain,
    read_explanations,
    write_explanations,
)
from promvil_hf.explain.head_atlas import HeadAtlas
from promvil_hf.toy import models
from tests.unit.explain import wired


@pytest.fixture(scope="module")
def backend():
    return wired.backend()


@pytest.fixture(scope="module")
def case():
    rows, pictures = wired.rows()
    row = next(row for row in rows if row.turns[0].answer == "blue")
    return row, pictures[row.image_path]


def explained(backend, case, **options) -> Explanation:
    row, picture = case
    options = {"heads": [wired.PLANTED], "keys": [key.expression for key in row.keys], "max_new_tokens": 3, **options}
    known = {name: options.pop(name) for name in ("keys", "region", "answer") if name in options}
    asked = ToExplain(picture, row.turns[0].question, image_name=row.image_path, **known)
    return explain(backend, asked, ExplainSettings(**options))


def test_the_heat_of_the_wired_head_lies_on_the_thing_and_hiding_it_changes_the_answer(backend, case):
    found = explained(backend, case)
    [key] = found.keys
    mask = masks.decode(case[0].keys[0].expression.mask)
    heat = np.array(key.heat)
    assert found.answer == "blue" and heat.shape == (48, 48)
    inside = np.array([[mask[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].all() for x in range(48)] for y in range(48)])
    assert heat[inside].mean() > 5 * heat[~inside].mean()
    assert max(key.heat_iou) > 0.4
    assert found.region == "given"
    assert found.hidden == {
        "original": "blue", "key boxes": "red", "silhouettes": "red", "random boxes": "blue", "whole image": "red",
        "blind": "red",
    }  # fmt: skip


def test_without_a_place_the_region_is_where_the_heads_looked(backend, case):
    found = explained(backend, case, keys=[])
    assert found.region == "heat" and [key.text for key in found.keys] == ["blue"]
    [corners] = found.hidden_boxes
    [truth] = case[0].keys[0].expression.boxes
    assert iou(Box(*corners), truth) > 0.4
    assert found.hidden["original"] == found.hidden["random boxes"] == "blue"
    elsewhere = explained(backend, case, keys=[], region=[Box(0, 0, 0.05, 0.05)], kinds=("original", "key boxes"))
    assert elsewhere.hidden == {"original": "blue", "key boxes": "blue"} and elsewhere.region == "given"


def test_phrases_come_from_the_finder_where_none_is_given_and_a_given_answer_is_explained(backend, case):
    asked = []

    def finder(turn):
        asked.append((turn.question, turn.answer))
        return ["large square", "zebra"]

    found = explained(backend, case, keys=[], find_keys=finder, answer="It is the large square.", kinds=("original",))
    assert asked == [(case[0].turns[0].question, "It is the large square.")]
    assert [key.text for key in found.keys] == ["large square"] and found.answer == "It is the large square."


def test_explanations_are_read_back_without_torch(backend, case, tmp_path):
    found = explained(backend, case)
    path = write_explanations(tmp_path / "deep" / "explanations.jsonl", [found, found])
    assert read_explanations(path) == [found, found]
    code = (
        "import sys\nfrom promvil_hf.explain.explanations import read_explanations\n"
        "from promvil_hf.explain.explanation_pages import *\n"
        f"from PIL import Image\none = read_explanations({str(path)!r})[0]\n"
        "page = ''.join(explanation_page(one, Image.new('RGB', (96, 96))).chunks())\nassert 'random boxes' in page\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (tmp_path / "bad.jsonl").write_text('{"name": "x"}\n')
    with pytest.raises(ValueError, match="bad.jsonl line 1 is not an explanation of `promvil explain`"):
        read_explanations(tmp_path / "bad.jsonl")


def test_the_page_shows_text_as_text_and_says_what_was_hidden(backend, case):
    found = explained(backend, case)
    record = found.to_dict() | {"question": "<script>alert(1)</script>", "answer": "</style>&"}
    page = "".join(explanation_page(Explanation.from_dict(record), case[1]).chunks())
    assert "<script>alert" not in page and "</style>&<" not in page
    assert "the boxes that came with the question" in page and "1.2 (layer.head)" in page
    assert segmentation_rows([found])[-1][0] == "vision logits, words of the phrase"


# The command


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain")
    made = wired.backend()
    made.model.save_pretrained(folder / "model")
    made.processor.save_pretrained(folder / "model")
    rows, pictures = wired.rows()
    (folder / "images").mkdir()
    for name, picture in list(pictures.items())[:12]:
        picture.save(folder / "images" / name)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row.to_dict()) + "\n" for row in rows[:12]))
    return folder


def promvil(*words) -> int:
    return main(["explain", *map(str, words)])


def test_batch_mode_writes_the_atlas_and_one_answer_is_explained_with_its_best_head(checkpoint, capsys):
    out = checkpoint / "atlas"
    assert promvil("--rows", checkpoint / "rows.jsonl", "--images", checkpoint / "images", "--model", checkpoint / "model",
                   "--prompt", "{text}", "--max-new-tokens", 3, "--shuffles", 60, "--examples", 3, "--out", out) == 0  # fmt: skip
    printed = capsys.readouterr().out
    assert "1 of 8 heads look at what is named (12 turns, null: images)" in printed and "head 1.2: rho" in printed
    atlas = HeadAtlas.from_dict(json.loads((out / "atlas.json").read_text()))
    assert atlas.best(1) == [wired.PLANTED]
    page = (out / "atlas.html").read_text()
    for text in ("Layer by head", "Best heads", "Chance", "Examples", "best heads, above 50%"):
        assert text in page
    assert len(read_explanations(out / "explanations.jsonl")) == 3

    picture = next(iter(sorted((checkpoint / "images").iterdir())))
    assert promvil(picture, "What color is it?", "--model", checkpoint / "model", "--atlas", out / "atlas.json", "--top", 1,
                   "--max-new-tokens", 3, "--out", checkpoint / "one") == 0  # fmt: skip
    assert "random boxes" in capsys.readouterr().out
    [found] = read_explanations(checkpoint / "one" / "explanations.jsonl")
    assert found.heads == [str(wired.PLANTED)]
    assert (checkpoint / "one" / "explanation.html").is_file()


def test_the_words_of_patches_are_held_against_a_detector_and_segmenter(checkpoint, capsys):
    for name, made in (("dino", models.tiny_grounding_dino()), ("sam", models.tiny_sam())):
        made.model.save_pretrained(checkpoint / name)
        made.processor.save_pretrained(checkpoint / name)
    assert promvil("--rows", checkpoint / "rows.jsonl", "--images", checkpoint / "images", "--model", checkpoint / "model",
                   "--limit", 8, "--given-answers", "--shuffles", 5, "--examples", 1, "--top", 2, "--null", "cells",
                   "--segment-with", "grounded-sam", "--detector", checkpoint / "dino", "--segmenter", checkpoint / "sam",
                   "--thresholds", 0.0, 1.0, "--out", checkpoint / "held") == 0  # fmt: skip
    rows = json.loads((checkpoint / "held" / "segmentation.json").read_text())
    assert [row["threshold"] for row in rows] == [0.0, 1.0]
    assert rows[0]["processed"] > rows[1]["processed"] == 0
    assert "as in FiVL&#x27;s table" in (checkpoint / "held" / "atlas.html").read_text()


def test_the_command_says_what_is_missing(checkpoint, capsys, tmp_path):
    picture = checkpoint / "images" / "1.png"
    (tmp_path / "no.json").write_text("{}")
    for words, message in (
        ([], "both or neither of a picture and --rows"),
        ([picture, "q"], "You passed no --model"),
        ([picture, "--model", "m"], "without a question"),
        (["--rows", checkpoint / "rows.jsonl", "--model", "m"], "without --images"),
        ([picture, "q", "--model", "m", "--box", "1,2,3"], "You passed the box '1,2,3': write x0,y0,x1,y1"),
        ([picture, "q", "--model", "m", "--atlas", tmp_path / "no.json"], "is not an atlas of `promvil explain --rows`"),
        (
            [picture, "q", "--model", checkpoint / "model", "--heads", "14"],
            "You passed the head '14': write layer.head",
        ),
    ):
        assert promvil(*words) == 2
        assert message in capsys.readouterr().err
