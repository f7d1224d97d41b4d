# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""JSON Lines in and out, pictures of a trace, and the command `promvil ground`."""

import json

import numpy as np
import pytest
from PIL import Image

from promvil_hf import jobs
from promvil_hf.backends.kosmos2 import Kosmos2Backend
from promvil_hf.boxes import Box
from promvil_hf.cli import main
from promvil_hf.grounding import GroundingOptions, GroundingTrace, ProgressiveGrounder, Step, drawing
from promvil_hf.grounding.batch_job import ground_file
from promvil_hf.toy import models


TEXTS = ["a dog", "the man in a hat", "", "the woman holding an umbrella next to a dog"]


@pytest.fixture(scope="module")
def tiny():
    return models.tiny_kosmos2()


@pytest.fixture(scope="module")
def checkpoint(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    tiny.model.save_pretrained(folder)
    tiny.processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def queries(photographs):
    path = photographs / "queries.jsonl"
    lines = [
        json.dumps({"id": f"q{number}", "image": f"{number // 8}.png", "expression": TEXTS[number % 4]})
        for number in range(20)
    ]
    lines += ["{not json", "[1]", '{"image": "0.png"}', '{"image": "missing.png", "expression": "a dog"}', "",
              '{"image": "0.png", "question": "Is the dog red?"}']  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    return path


def grounder(tiny):
    return ProgressiveGrounder(
        Kosmos2Backend(tiny.model, tiny.processor), GroundingOptions(constrained=True, max_boxes=1)
    )


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in (".json", ".jsonl")}


def test_a_job_gives_a_trace_or_a_reason_for_every_line(tiny, queries, tmp_path):
    report = ground_file(grounder(tiny), queries, tmp_path / "out", progress=False)
    assert report.items == 25 and report.rows == 16
    assert report.rejected == {
        "blank text": 5,
        "line has not the keys": 1,
        "line is not JSON": 2,
        "no such file": 1,
    }
    rows = dict(jobs.rows(tmp_path / "out"))
    trace = GroundingTrace.from_dict(rows["q3"])
    assert trace.text == TEXTS[3] and trace.boxes and trace.image_size == (60, 40) and trace.id == "q3"
    assert rows["line 26"]["task"] == "answer"


def test_an_interrupted_job_redoes_at_most_one_shard_and_ends_like_an_uninterrupted_one(tiny, queries, tmp_path):
    whole = tmp_path / "whole"
    ground_file(grounder(tiny), queries, whole, shard_size=5, progress=False)
    broken = grounder(tiny)
    asked, ground_all = [], broken.ground_all

    def falls_over(batch, progress):
        asked.append(len(batch))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return ground_all(batch, progress=progress)

    broken.ground_all = falls_over
    with pytest.raises(KeyboardInterrupt):
        ground_file(broken, queries, tmp_path / "again", shard_size=5, progress=False)
    report = ground_file(grounder(tiny), queries, tmp_path / "again", shard_size=5, progress=False)
    assert (report.reused_shards, report.shards) == (2, 5)
    assert contents(tmp_path / "again") == contents(whole)


def test_a_job_does_not_go_on_with_other_options(tiny, queries, tmp_path):
    ground_file(grounder(tiny), queries, tmp_path / "out", progress=False)
    other = ProgressiveGrounder(
        Kosmos2Backend(tiny.model, tiny.processor), GroundingOptions("one_shot", constrained=True)
    )
    with pytest.raises(jobs.JobError, match="begun with other settings"):
        ground_file(other, queries, tmp_path / "out", progress=False)


STEPS = (
    Step("a hat", 1, boxes=(Box(0.1, 0.1, 0.5, 0.5),)),
    Step("a bag", 1, reason="no box"),
    Step("the man with a hat and a bag", 2, (0, 1), ("a hat", "a bag"), (0,), boxes=(Box(0.2, 0.2, 0.9, 0.9),)),
)
TRACE = GroundingTrace("the man with a hat and a bag", "progressive", steps=STEPS)


@pytest.mark.parametrize("installed", [True, False])
def test_a_trace_is_drawn_level_by_level_with_and_without_supervision(installed, monkeypatch):
    if not installed:
        monkeypatch.setattr(drawing, "find_spec", lambda name: None)
    grey = Image.new("RGB", (200, 100), (128, 128, 128))
    drawn = drawing.draw(TRACE, grey, side=200)
    pixels = np.asarray(drawn).astype(int)
    assert drawn.width == 2 * 208 + 8 and drawn.height > 100
    grey_left = (pixels[8:108, 8:208] == 128).all(-1)
    assert not grey_left[10:51, 19:23].all() and grey_left[60:95].all()  # the hat's left edge; nothing below it
    with pytest.raises(ValueError, match="nothing to draw for ' ': blank text"):
        drawing.draw(GroundingTrace(" ", "progressive", reason="blank text"), grey)


def test_the_command_prints_draws_and_writes_a_page(checkpoint, photographs, tmp_path, capsys):
    image, text = str(photographs / "0.png"), "the man in a hat"
    model = ["--model", str(checkpoint), "--device", "cpu", "--constrained"]
    assert (
        main(["ground", image, text, *model, "--html", str(tmp_path / "t.html"), "--png", str(tmp_path / "t.png")])
        == 0
    )
    out = capsys.readouterr().out
    assert "1  a hat  [" in out and "<- a hat" in out
    assert "the man in a hat" in (tmp_path / "t.html").read_text() and Image.open(tmp_path / "t.png").width > 100
    assert main(["ground", image, text, "a dog", *model, "--json"]) == 0
    traces = [GroundingTrace.from_dict(json.loads(line)) for line in capsys.readouterr().out.splitlines()]
    assert [trace.text for trace in traces] == [text, "a dog"] and all(trace.boxes for trace in traces)


def test_the_command_grounds_a_file_and_goes_on_where_it_stopped(checkpoint, queries, tmp_path, capsys):
    common = [
        "ground",
        "--queries",
        str(queries),
        "--out",
        str(tmp_path / "out"),
        "--model",
        str(checkpoint),
        "--device",
        "cpu",
    ]
    assert main([*common, "--constrained"]) == 0
    assert "25 items, 16 rows, 9 rejected" in capsys.readouterr().out
    assert main([*common, "--constrained"]) == 0
    assert "reused 1 of 1 shards" in capsys.readouterr().out
    assert main(common) == 2
    assert "begun with other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ([], "Nothing to ground. Pass a picture and an expression"),
        (["x.png"], "Nothing to ground"),
        (["0.png", "", "--model", "nowhere"], "You passed a blank expression"),
        (["0.png", "a dog", " ", "--model", "nowhere"], "You passed a blank expression"),
        (["0.png", "", "--answer", "--model", "nowhere"], "You passed a blank question"),
        (["--queries", "q.jsonl"], "pass --out DIR with it"),
        (["x.png", "a dog", "--out", "d"], "--out, which belongs to --queries"),
        (["0.png", "a dog", "--reference", "--constrained"], "the published code does not constrain"),
        (["0.png", "a dog", "--max-boxes", "1"], "--max-boxes without --constrained"),
        (["0.png", "a dog", "--base-url", "http://localhost:1/v1"], "pass both --base-url"),
        # Found before any model is looked for:
        (["missing.png", "a dog", "--model", "nowhere"], "Cannot read missing.png: no such file."),
        (["--queries", "q.jsonl", "--out", "d", "--model", "nowhere"], "There is no file q.jsonl"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, sentence, photographs, monkeypatch, capsys):
    monkeypatch.chdir(photographs)
    assert main(["ground", *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_pictures_of_several_expressions_are_numbered_as_these_stand(checkpoint, photographs, tmp_path, capsys):
    command = [
        "ground",
        str(photographs / "0.png"),
        "a dog",
        "\ud800",
        "a cat",
        "--model",
        str(checkpoint),
        "--device",
        "cpu",
    ]
    command += ["--constrained", "--max-boxes", "1", "--png", str(tmp_path / "new" / "t.picture")]
    assert main(command) == 1  # one expression has no result
    assert "no result: not Unicode text" in capsys.readouterr().out
    written = sorted((tmp_path / "new").iterdir())
    assert [path.name for path in written] == ["t-1.picture", "t-3.picture"]
    assert {Image.open(path).format for path in written} == {"PNG"}
