# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`promvil convert`: there and back between all formats, within what each frame states, with a reason for what is left out."""

import json

import pytest
from PIL import Image

from promvil_hf.cli import main
from promvil_hf.commands.convert import CONVERSATIONS
from promvil_hf.conventions import DIALECTS, dialect


FORMATS = ["swift", "promvil", "fivl", *CONVERSATIONS]
SIZES = {"a.png": (640, 427), "b.png": (120, 300)}


def coco():
    """Two images, a phrase with two boxes, one that needs care in every format, and what is no box."""
    boxes = [(1, 1, [64, 42.7, 320, 213.5]), (1, 1, [10, 10, 40, 80]), (1, 2, [400, 100, 200, 300]), (2, 2, [0, 0, 120, 300])]
    annotations = [
        {"id": place, "image_id": image, "category_id": category, "bbox": box, "iscrowd": 0}
        for place, (image, category, box) in enumerate(boxes, 1)
    ]
    annotations.append({"id": 9, "image_id": 2, "category_id": 1, "bbox": [0, 0, 9, 9], "iscrowd": 1})
    images = [
        {"id": place, "file_name": name, "width": width, "height": height}
        for place, (name, (width, height)) in enumerate(SIZES.items(), 1)
    ]
    names = [{"id": 1, "name": "the man"}, {"id": 2, "name": "a \"cup\" of <tea>"}]
    return {"images": images, "annotations": annotations, "categories": names}


@pytest.fixture
def folder(tmp_path):
    for name, size in SIZES.items():
        Image.new("RGB", size, "white").save(tmp_path / name)
    (tmp_path / "coco.json").write_text(json.dumps(coco()))
    return tmp_path


def convert(folder, source, target, come_from, go_to, *more, images=True):
    for name, option in ((come_from, "--frame"), (go_to, "--to-frame")):
        if name == "qwen_json" and option not in more:
            more += (option, "thousandths")
    words = ["convert", folder / source, folder / target, "--from", come_from, "--to", go_to, *more]
    return main([str(word) for word in (*words, *(["--images", folder] if images else []))])


def boxes_of(file):
    """(image, phrase) -> boxes in fractions, of a COCO file."""
    names = {entry["id"]: entry["name"] for entry in file["categories"]}
    sizes = {entry["id"]: (entry["file_name"], entry["width"], entry["height"]) for entry in file["images"]}
    found = {}
    for annotation in file["annotations"]:
        if not annotation["iscrowd"]:
            name, width, height = sizes[annotation["image_id"]]
            x, y, w, h = annotation["bbox"]
            corners = (x / width, y / height, (x + w) / width, (y + h) / height)
            found.setdefault((name, names[annotation["category_id"]]), []).append(corners)
    return found


def allowed(name, frame, size):
    if name not in CONVERSATIONS:
        return 1e-9
    spoken = dialect(name, frame)
    return max((getattr(spoken, "frame", None) or spoken.grid).resolution(size))


IN_ANY_FRAME = ["qwen_json", "gemini_json", "glm_boxes", "internvl_tags", "qwen_tags", "deepseek_tags"]


@pytest.mark.parametrize(
    "name, frame",
    [*((name, None) for name in FORMATS), *((name, f) for name in IN_ANY_FRAME for f in ("resized", "pixels", "fractions"))],
)
def test_there_and_back_is_the_same_within_what_the_frame_states(folder, capsys, name, frame):
    there, back = (["--to-frame", frame], ["--frame", frame]) if frame else ([], [])
    assert convert(folder, "coco.json", "rows.jsonl", "coco", name, *there) == 0
    printed = capsys.readouterr().out
    assert "2 rows with 4 boxes" in printed and "left out: 1 × crowd" in printed
    assert convert(folder, "rows.jsonl", "again.json", name, "coco", *back) == 0
    before, after = boxes_of(coco()), boxes_of(json.loads((folder / "again.json").read_text()))
    assert before.keys() == after.keys()
    for (image, phrase), wrote in before.items():
        limit = allowed(name, frame, SIZES[image]) + 1e-9
        for ours, theirs in zip(wrote, after[image, phrase], strict=True):
            assert ours == pytest.approx(theirs, abs=limit)


def test_the_page_shows_some_rows_with_what_was_written(folder, capsys):
    page = ["--html", str(folder / "look.html"), "--sample", "1"]
    assert convert(folder, "coco.json", "rows.jsonl", "coco", "qwen_json", *page) == 0
    page = (folder / "look.html").read_text()
    assert "1 of 2 rows of rows.jsonl" in page and page.count("<figure") == 1 and "bbox_2d" in page
    assert "page: " in capsys.readouterr().out
    reasons = [json.loads(line) for line in (folder / "rows.jsonl.rejects.jsonl").read_text().splitlines()]
    assert [line["reason"] for line in reasons] == ["crowd"]


def test_a_frame_that_was_not_declared_is_not_guessed(folder, capsys):
    row = {"image": "a.png", "conversations": [
        {"from": "human", "value": "<image>\n" + DIALECTS["qwen_json"].prompt("the man")},
        {"from": "gpt", "value": '[{"bbox_2d": [320, 213, 640, 400], "label": "the man"}]'},
    ]}  # fmt: skip
    (folder / "rows.jsonl").write_text(json.dumps(row) + "\n")
    words = ["convert", "rows.jsonl", "out.json", "--from", "qwen_json", "--to", "coco"]
    assert main([*(str(folder / word) if "." in word else word for word in words), "--images", str(folder)]) == 2
    assert "You passed qwen_json without --frame" in capsys.readouterr().err
    for frame, x0 in (("thousandths", 0.32), ("pixels", 0.5), ("resized", 320 / 644)):
        assert convert(folder, "rows.jsonl", "out.json", "qwen_json", "coco", "--frame", frame) == 0
        [[box]] = boxes_of(json.loads((folder / "out.json").read_text())).values()
        assert box[0] == pytest.approx(x0)


def test_nested_rows_leave_as_their_phrases_and_rows_of_fivl_as_their_key_expressions(folder):
    chain = {
        "dataset": "vg", "image_path": "a.png", "relation": None, "box_obj_match": [[0], [0, 1]],
        "text": ["<grounding><phrase>beards</phrase>.", "<grounding>We can see in the image: <phrase>beard</phrase>. Base on "
                 "that, we can detect: <phrase>man with beard</phrase>."],
        "bboxes": [[[0.1, 0.5, 0.2, 0.6]], [[0.1, 0.5, 0.2, 0.6], [0.0, 0.4, 0.3, 1.0]]],
    }  # fmt: skip
    question = {"dataset": "vg_qa", "text": ["Question: a? Short Answer: b."], "bboxes": None, "image_path": "a.png"}
    (folder / "rows.jsonl").write_text(json.dumps(chain) + "\n" + json.dumps(question) + "\nnot json\n")
    assert convert(folder, "rows.jsonl", "fivl.jsonl", "promvil", "fivl") == 0
    [row] = [json.loads(line) for line in (folder / "fivl.jsonl").read_text().splitlines()]
    assert [key["text"] for key in row["key_expressions"]] == ["beard", "man with beard"]
    assert row["turns"] == [{"question": "What can be seen in the image?", "answer": "beard, man with beard."}]
    reasons = [json.loads(line)["reason"] for line in (folder / "fivl.jsonl.rejects.jsonl").read_text().splitlines()]
    assert reasons == ["no box", "malformed"]
    assert convert(folder, "fivl.jsonl", "again.jsonl", "fivl", "promvil") == 0
    again = json.loads((folder / "again.jsonl").read_text())
    assert again["text"] == ["<grounding><phrase>beard</phrase>.", "<grounding><phrase>man with beard</phrase>."]


def test_a_row_that_a_format_cannot_hold_is_left_out_and_the_others_stay(folder, capsys):
    file = coco()
    file["categories"][1]["name"] = "a cup; of tea"  # PaliGemma ends a label there
    (folder / "coco.json").write_text(json.dumps(file))
    assert convert(folder, "coco.json", "rows.jsonl", "coco", "paligemma_loc") == 2
    assert "2 × does not read back as it was written" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, says",
    [
        (["coco", "promvil", "--to-frame", "pixels"], "You passed --to-frame pixels for promvil, which has a frame of its own"),
        (["coco", "swift", "--to-frame", "thousandths"], "for ms-swift, whose boxes are in pixels or in fractions"),
        (["coco", "swift", "--frame", "pixels"], "You passed --frame pixels for coco"),
        (["coco", "kosmos2", "--to-frame", "pixels"], "Kosmos2, which writes tokens for places"),
        (["coco", "swift", "--html", "x.html"], "You passed --html without --images"),
        (["swift", "coco"], "could be read as swift and written as coco"),
    ],
)
def test_what_cannot_work_is_said_in_a_sentence(folder, capsys, words, says):
    come_from, go_to, *more = words
    assert convert(folder, "coco.json", "out.jsonl", come_from, go_to, *more, images=False) == 2
    assert says in capsys.readouterr().err


def test_pixels_need_a_size_from_somewhere(folder, capsys):
    assert convert(folder, "coco.json", "rows.jsonl", "coco", "promvil") == 0
    assert convert(folder, "rows.jsonl", "out.json", "promvil", "coco", images=False) == 2
    assert "need --images where the file tells no sizes" in capsys.readouterr().err


# Real rows


@pytest.mark.parametrize("name", FORMATS)
def test_real_coco_boxes_go_there_and_back_within_what_the_frame_states(shared_data, tmp_path, name):
    file = json.loads((shared_data / "coco_photos" / "instances_val.json").read_text())
    sizes = {entry["file_name"]: (entry["width"], entry["height"]) for entry in file["images"]}
    (tmp_path / "coco.json").write_text(json.dumps(file))
    images = ["--images", str(shared_data / "coco_photos" / "images")]
    assert convert(tmp_path, "coco.json", "rows.jsonl", "coco", name, *images, images=False) == 0
    assert convert(tmp_path, "rows.jsonl", "again.json", name, "coco", *images, images=False) == 0
    before, after = boxes_of(file), boxes_of(json.loads((tmp_path / "again.json").read_text()))
    assert before.keys() == after.keys() and len(before) > 250
    for (image, phrase), wrote in before.items():
        limit = allowed(name, None, sizes[image]) + 1e-9
        for ours in wrote:  # boxes that became the same are one
            assert any(
                all(abs(one - other) <= limit for one, other in zip(ours, theirs, strict=True)) for theirs in after[image, phrase]
            )


@pytest.mark.parametrize("name", ["fivl", "qwen_json", "swift", "coco"])
def test_promvils_published_rows_go_there_and_back(shared_data, tmp_path, name):
    rows = [json.loads(line) for line in (shared_data / "promvil" / "data_sample.json").read_text().splitlines()]
    for row in rows:
        row["image_path"] = row["image_path"].rpartition("/")[2]
        Image.new("RGB", (500, 400)).save(tmp_path / row["image_path"])
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert convert(tmp_path, "rows.jsonl", "there", "promvil", name) == 0
    assert convert(tmp_path, "there", "back.jsonl", name, "promvil") == 0
    back = {row["image_path"]: row for row in map(json.loads, (tmp_path / "back.jsonl").read_text().splitlines())}
    with_boxes = [row for row in rows if row["bboxes"]]
    assert len(with_boxes) == 6 and len(back) == len({row["image_path"] for row in with_boxes})
    for row in with_boxes:
        before = {tuple(box) for text in row["bboxes"] for box in text}
        after = {tuple(box) for text in back[row["image_path"]]["bboxes"] for box in text}
        for box in before:
            assert any(box == pytest.approx(box_after, abs=5e-4 + 1e-9) for box_after in after)
