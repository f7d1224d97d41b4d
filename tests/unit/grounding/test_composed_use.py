# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A composed grounder in the places where a model is: commands, files of queries, benchmarks, makers of masks."""

import json
import pickle

import pytest
from PIL import Image

from promvil_hf import masks
from promvil_hf.backends import detector_loading
from promvil_hf.backends.detectors import Detection, Found
from promvil_hf.boxes import Box
from promvil_hf.cli import main
from promvil_hf.fivl.mask_making import ImagePhrases, by_phrase, grounded_sam
from promvil_hf.grounding import ComposedGrounder, ComposerSettings, GroundingTrace
from promvil_hf.grounding.composed_detector import composed, composed_detector
from promvil_hf.jobs import Rejected


LEFT, RIGHT, CAR = Box(0.05, 0.3, 0.2, 0.9), Box(0.8, 0.3, 0.95, 0.9), Box(0.4, 0.4, 0.6, 0.8)
SIZE = (100, 50)
MASK = masks.from_boxes([Box(0.1, 0.4, 0.15, 0.8)], SIZE)
KNOWN = {
    "man": Found([Detection(RIGHT, 0.9), Detection(LEFT, 0.6, MASK)]),
    "car": Found([Detection(CAR, 0.8)]),
    "person": Found(),
}


def detect(pairs):
    """Fixed things; it takes words freely and looks for the last one, as free text detectors nearly do."""
    return [KNOWN.get(noun.split()[-1], Found(known=False)) for _, noun in pairs]


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Runs `promvil` in a folder with a picture, with `detect` as the detector of any name, and gives what it printed."""
    Image.new("RGB", SIZE, "white").save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(detector_loading, "load_detector", lambda *args, **options: detect)

    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return status or 0, said.out, said.err

    return run


def test_the_command_grounds_by_relation_and_one_shot_gives_the_best_box(command, tmp_path):
    status, out, _ = command(
        "ground", "photo.png", "the man left of the car", "--detector", "any", "--json", "--html", "t.html"
    )
    trace = GroundingTrace.from_dict(json.loads(out))
    assert (status, trace.mode, trace.boxes) == (0, "composed", (LEFT,))
    assert trace.steps[-1].masks == (MASK,)
    assert "what decided" in (tmp_path / "t.html").read_text()
    _, out, _ = command(
        "ground", "photo.png", "the man left of the car", "--detector", "onnx:any", "--json", "--mode", "one_shot"
    )
    trace = GroundingTrace.from_dict(json.loads(out))
    assert (trace.mode, trace.boxes, len(trace.steps)) == ("one_shot", (RIGHT,), 1)
    assert trace.steps[0].prompt == "man"  # fixed classes are asked for the head noun


def test_nothing_found_is_a_refusal_and_an_unknown_noun_is_said(command):
    status, out, _ = command("ground", "photo.png", "the person", "the chimney", "--detector", "any")
    assert status == 1
    assert "the person  refused" in out
    assert "the chimney  unknown noun: 'chimney'" in out


def test_a_file_of_queries_is_resumed_and_reads_back(command, tmp_path):
    texts = ["the man left of the car", "the man right of the car", "the chimney", ""]
    (tmp_path / "queries.jsonl").write_text(
        "".join(json.dumps({"image": "photo.png", "expression": text}) + "\n" for text in texts)
    )
    arguments = ("ground", "--queries", "queries.jsonl", "--out", "traces", "--detector", "any")
    assert command(*arguments)[0] == 0
    assert command(*arguments)[0] == 0  # finished: nothing is done again
    from promvil_hf import jobs

    found = [GroundingTrace.from_dict(row) for _, row in jobs.rows(tmp_path / "traces")]
    assert [trace.boxes for trace in found] == [(LEFT,), (RIGHT,), ()]
    assert found[0].steps[-1].masks == (MASK,)
    status, _, said = command(*arguments[:-1], "another")
    assert status and "another" in said  # another detector is not mixed in


@pytest.mark.parametrize(
    "more, sentence",
    [
        (("--model", "m"), "--model and --detector"),
        (("--constrained",), "--detector with --constrained, which a detector does not have"),
        (("--mode", "all"), "--detector with --mode all"),
        (("--answer",), "--detector with --answer"),
    ],
)
def test_what_only_a_model_has_is_refused(command, more, sentence):
    status, _, said = command("ground", "photo.png", "the man", "--detector", "any", *more)
    assert status and sentence in said


@pytest.mark.parametrize("mode, accuracy", [("one_shot", 0.5), ("progressive", 1.0)])
def test_a_benchmark_is_answered_in_both_modes(command, tmp_path, mode, accuracy):
    rows = [("the man left of the car", LEFT), ("the man right of the car", RIGHT)]
    instances = {
        "images": [{"id": 1, "file_name": "photo.png", "width": 100, "height": 50}],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": box.area * 5000,
             "bbox": [box.x0 * 100, box.y0 * 50, box.width * 100, box.height * 50]}
            for number, (_, box) in enumerate(rows, 1)
        ],
        "categories": [{"id": 1, "name": "person"}],
    }  # fmt: skip
    refs = [
        {"ref_id": number, "ann_id": number, "image_id": 1, "category_id": 1, "split": "val", "file_name": "photo.png",
         "sentences": [{"sent_id": number, "sent": text, "raw": text, "tokens": text.split()}], "sent_ids": [number]}
        for number, (text, _) in enumerate(rows, 1)
    ]  # fmt: skip
    (tmp_path / "instances.json").write_text(json.dumps(instances))
    (tmp_path / "refs(umd).p").write_bytes(pickle.dumps(refs))
    status, _, said = command(
        "evaluate", "--benchmark", "refcocog", "--files", "refs(umd).p", "instances.json", "--images", tmp_path,
        "--split", "val", "--detector", "onnx:any", "--mode", mode, "--out", "out", "--resamples", "9",
    )  # fmt: skip
    assert status == 0, said
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["scores"]["accuracy@0.5"] == accuracy
    steps = next(json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").read_text().splitlines())
    assert "boxes" in steps


def test_each_noun_is_looked_for_once_in_each_picture_over_all_expressions():
    asked = []

    def counted(pairs):
        asked.extend((picture.getpixel((0, 0)), noun) for picture, noun in pairs)
        return detect(pairs)

    pictures = [Image.new("RGB", SIZE, (shade, 0, 0)) for shade in (10, 20)]
    texts = ["the man left of the car", "the car", "the man right of the car", "the leftmost man"]
    queries = [(picture, text) for text in texts for picture in pictures]
    grounder = composed(counted, "onnx:any")
    together = grounder.ground_all(queries, progress=False)
    assert sorted(asked) == sorted(((shade, 0, 0), noun) for shade in (10, 20) for noun in ("man", "car"))
    alone = [composed(detect, "onnx:any").ground(*query) for query in queries]
    assert [trace.to_dict(times=False) for trace in together] == [trace.to_dict(times=False) for trace in alone]
    grounder.ground_all(queries, progress=False)
    assert len(asked) == 4  # and not again for the next call


def test_a_detector_answers_no_questions(command, tmp_path):
    (tmp_path / "pope.jsonl").write_text(
        json.dumps({"question_id": 1, "image": "photo.png", "text": "Is there a man?", "label": "yes"})
    )
    status, _, said = command(
        "evaluate", "--benchmark", "pope", "--files", "pope.jsonl", "--images", tmp_path, "--detector", "any"
    )
    assert status and "asks for answers in words" in said


def test_masks_of_a_relation_are_of_the_one_that_stands_in_it():
    picture = Image.new("RGB", SIZE, "white")
    chosen = composed_detector(ComposedGrounder(detect, ComposerSettings()))
    item = ImagePhrases(picture, ("the man left of the car", "the man right of the car", "the chimney", "the person"))
    (places,) = by_phrase(chosen)([item])
    assert [place.boxes for place in places[:2]] == [(LEFT,), (RIGHT,)]
    assert places[0].mask == MASK
    assert places[1].mask == masks.from_boxes([RIGHT], SIZE)  # no mask was made: the box
    assert places[2:] == (Rejected("unknown to the detector"), Rejected("nothing detected"))
    (whole,) = grounded_sam(detect, filling)([ImagePhrases(picture, ("the man",))])
    assert len(whole[0].boxes) == 2  # one-shot takes both


def filling(items):
    for picture, boxes in items:
        yield [masks.decode(masks.from_boxes([box], picture.size)) for box in boxes]
