# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the numbers of a served model count is declared, for `ground`, `evaluate` and `reliance`, or asked for in words."""

import json

import pytest
from PIL import Image

from promvil_hf.cli import main
from promvil_hf.conventions import DIALECTS, dialect, frame, frame_advice, needs_frame
from promvil_hf.evaluation.results import Report
from promvil_hf.frames import Pixels, ResizedPixels, StretchedPixels, Thousandths
from tests.unit.fivl.fake_model import fake_model


SIZE = (640, 480)
PIXELS = '```json\n[{"bbox_2d": [320, 240, 640, 480], "label": "the cup"}]\n```'  # the lower right quarter, in pixels
WIDE = '[{"bbox_2d": [320, 240, 1280, 960], "label": "the cup"}]'


@pytest.fixture
def online(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)


def called(server, *words):
    return main([str(word) for word in (*words, "--base-url", server.url, "--served-model", "tiny")])


def grounded(folder, capsys, answer, *words):
    Image.new("RGB", SIZE).save(folder / "1.jpg")
    with fake_model(lambda body: answer) as server:
        status = called(server, "ground", folder / "1.jpg", "the cup", "--json", "--cache", folder / "paid", *words)
    said = capsys.readouterr()
    return status, json.loads(said.out) if said.out else None, said.err


@pytest.mark.parametrize(
    "words, box",
    [
        (["--frame", "pixels"], [0.5, 0.5, 1.0, 1.0]),
        (["--frame", "thousandths"], [0.32, 0.24, 0.64, 0.48]),
        (["--frame", "resized"], [320 / 644, 0.5, 640 / 644, 480 / 476]),
        (["--frame", "resized:3136-78400"], None),  # 308x224: the box lies outside
        (["--dialect", "qwen_json", "--frame", "pixels"], [0.5, 0.5, 1.0, 1.0]),
        (["--dialect", "glm_boxes"], [0.32, 0.24, 0.64, 0.48]),
    ],
)
def test_ground_reads_a_served_model_in_the_frame_that_was_declared(tmp_path, capsys, online, words, box):
    status, trace, _ = grounded(tmp_path, capsys, PIXELS, *words)
    found = trace["boxes"]
    if box is None or max(box) > 1:
        assert (found, status) == ([], 1) and trace["reason"] == "out of range"
    else:
        assert found == [pytest.approx(box)] and status == 0


def test_ground_asks_for_the_frame_where_models_do_not_agree(tmp_path, capsys, online):
    status, trace, errors = grounded(tmp_path, capsys, PIXELS)
    assert status == 2 and trace is None
    assert "You asked a served model for boxes in qwen_json without --frame" in errors and "resized (Qwen2.5-VL)" in errors
    status, _, errors = grounded(tmp_path, capsys, PIXELS, "--dialect", "kosmos2", "--frame", "pixels")
    assert status == 2 and "Kosmos2, which writes tokens for places and no other numbers: leave the frame out" in errors
    with pytest.raises(SystemExit):
        grounded(tmp_path, capsys, PIXELS, "--frame", "inches")
    assert "You passed the frame 'inches': it is one of fractions" in capsys.readouterr().err


def test_boxes_outside_the_frame_ask_for_another_one_in_words(tmp_path, capsys, online):
    status, trace, errors = grounded(tmp_path, capsys, WIDE, "--frame", "thousandths")
    assert status == 1 and trace["reason"] == "out of range"
    assert "1 of 1 have numbers beyond Thousandths(); no frame known here fits them all. Declare it with --frame." in errors


def test_a_file_of_queries_asks_for_another_frame_too(tmp_path, capsys, online):
    Image.new("RGB", SIZE).save(tmp_path / "1.jpg")
    (tmp_path / "queries.jsonl").write_text(json.dumps({"image": "1.jpg", "expression": "the cup"}) + "\n")
    with fake_model(lambda body: PIXELS.replace("640", "1040")) as server:
        words = ["ground", "--queries", tmp_path / "queries.jsonl", "--out", tmp_path / "out", "--frame", "thousandths"]
        assert called(server, *words) == 2  # nothing came of it
    errors = capsys.readouterr().err
    assert "1 of 1 have numbers beyond Thousandths()" in errors and "Nothing came of all 1 items: 'out of range'" in errors


def test_a_refusal_of_a_served_model_is_an_answer(tmp_path, capsys, online):
    status, trace, _ = grounded(tmp_path, capsys, '{"bbox_2d": null}', "--frame", "thousandths")
    assert status == 0 and trace["reason"] == trace["steps"][-1]["reason"] == "refused"


def test_evaluate_reads_a_served_model_and_a_file_in_the_frame_that_was_declared(tmp_path, capsys, online):
    Image.new("RGB", SIZE).save(tmp_path / "1.jpg")
    files = tmp_path / "rows.jsonl"
    row = {"dataset": "vg", "text": ["<grounding><phrase>the cup</phrase>."], "bboxes": [[[0.5, 0.5, 1.0, 1.0]]],
           "box_obj_match": [[0]], "image_path": "1.jpg", "relation": None}  # fmt: skip
    files.write_text(json.dumps(row) + "\n")
    words = ["evaluate", "--benchmark", "compovl", "--files", files, "--images", tmp_path, "--resamples", 50]
    with fake_model(lambda body: PIXELS) as server:
        assert called(server, *words, "--out", tmp_path / "a") == 2
        assert "without --frame" in capsys.readouterr().err
        assert called(server, *words, "--out", tmp_path / "a", "--frame", "pixels") == 0
    report = Report.load(tmp_path / "a" / "report.json")
    assert report.scores["value"] == 1.0 and "Pixels" in report.scores["settings"]["dialect"]
    answers = [*map(str, words), "--predictions", str(tmp_path / "a" / "predictions.jsonl"), "--dialect", "qwen_json"]
    for counted, value in (("pixels", 1.0), ("thousandths", 0.0)):
        assert main([*answers, "--frame", counted, "--out", str(tmp_path / counted)]) == 0
        report = Report.load(tmp_path / counted / "report.json")
        assert (report.scores["value"], report.scores["settings"]["frame"]) == (value, counted)


def test_a_checkpoint_s_family_says_what_its_numbers_count(tmp_path, capsys):
    Image.new("RGB", SIZE).save(tmp_path / "1.jpg")
    assert main(["ground", str(tmp_path / "1.jpg"), "a cup", "--model", "toy:llava", "--frame", "pixels"]) == 2
    assert "You passed --frame with --model, whose family says what its numbers count" in capsys.readouterr().err


def test_reliance_takes_the_same_two_options():
    from promvil_hf.commands.parsers import loaded_parsers

    for parser in loaded_parsers():
        if parser.prog in ("promvil ground", "promvil evaluate", "promvil reliance"):
            assert {"--dialect", "--frame"} <= parser._option_string_actions.keys()


def test_a_frame_of_a_name_and_a_dialect_in_a_frame():
    assert frame("resized:100-2000") == StretchedPixels(least=100, most=2000)
    assert dialect("qwen_json", "pixels").frame == Pixels(whole=True)  # a model writes whole pixels
    assert dialect("gemini_json", Thousandths()) == DIALECTS["gemini_json"]
    assert dialect("qwen_json", ResizedPixels((10, 10))).frame == ResizedPixels((10, 10))
    assert [name for name, spoken in DIALECTS.items() if needs_frame(spoken)] == ["qwen_json", "qwen_points"]


def test_numbers_that_fit_get_no_advice_and_fractions_do():
    spoken, fits = DIALECTS["qwen_json"], '[{"bbox_2d": [1, 2, 300, 400]}]'
    assert frame_advice([fits, None, "none", ""], spoken, [SIZE] * 4) is None
    assert frame_advice([WIDE] + [fits] * 10, spoken, [SIZE] * 11) is None  # one of eleven: a slip, not a frame
    assert frame_advice(['{"bbox_2d": [0.1, 0.2, 0.3, 0.4]}'], spoken, [None]) == (
        "Check what the model's numbers count: no number in the answers is above 1, as in fractions; all are inside their "
        "image as fractions. Declare it with --frame."
    )
    advice = frame_advice(['{"bbox_2d": [10, 20, 1300, 400]}'], spoken, [(1400, 900)])
    assert "all are inside their image as resized or pixels. Declare" in advice
    assert frame_advice(["<object><patch_index_9999><patch_index_9999></object>"], DIALECTS["kosmos2"], [None]) is None
