# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of rows with boxes that others wrote: what is read out of them, and the reason where nothing is."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promvil_hf.box_formats import from_coco, from_conversation, from_swift
from promvil_hf.boxes import Box
from promvil_hf.dialects import Kosmos2, LlavaBrackets, PaliGemmaLoc, QwenJson
from promvil_hf.frames import Fractions
from promvil_hf.jobs import Rejected
from promvil_hf.phrases import GroundedPhrase


def test_rows_as_ms_swift_documents_them():
    caption = {
        "messages": [
            {"role": "user", "content": "<image>What is here?"},
            {"role": "assistant", "content": "<ref-object><bbox> beside <ref-object><bbox><bbox>."},
        ],
        "images": ["a.jpg"],
        "objects": {"ref": ["a dog", "two cats"], "bbox": [[10, 20, 50.5, 90], [0, 0, 20, 50], [50, 50, 100, 100]]},
    }
    [image] = from_swift(caption, [(100, 100)]).images
    assert image.phrases == (
        GroundedPhrase("a dog", (Box(0.1, 0.2, 0.505, 0.9),)),
        GroundedPhrase("two cats", (Box(0, 0, 0.2, 0.5), Box(0.5, 0.5, 1, 1))),
    )
    click = caption | {
        "messages": [{"role": "assistant", "content": "click(<bbox>)"}],
        "objects": {"ref": [], "bbox": [[61, 22]]},
    }
    assert from_swift(click, [(100, 100)]).rejects[0].reason == "no phrase"


def test_a_swift_row_of_two_images_gives_each_its_own_boxes():
    row = {
        "messages": [{"role": "assistant", "content": "<ref-object><bbox><bbox>"}],
        "images": ["a.jpg", "b.jpg"],
        "objects": {"ref": ["dog"], "bbox": [[0, 0, 5, 5], [0, 0, 5, 5]], "image_id": [0, 1]},
    }
    a, b = from_swift(row, [(10, 10), (5, 20)]).images
    assert (a.image, a.phrases[0].boxes) == ("a.jpg", (Box(0, 0, 0.5, 0.5),))
    assert (b.image, b.phrases[0].boxes) == ("b.jpg", (Box(0, 0, 1, 0.25),))


def llava(*turns):
    said = [{"from": who, "value": what} for who, what in zip(["human", "gpt"] * len(turns), turns, strict=False)]
    return {"image": "a.jpg", "width": 100, "height": 50, "conversations": said}


@pytest.mark.parametrize(
    "question, answer, phrase",
    [
        (
            "Please provide the bounding box coordinate of the region this sentence describes: red hat",
            "[0.1, 0.25, 0.3, 0.5]",
            "red hat",
        ),
        (
            "<image>\nPlease provide a short description for this region: [0.1, 0.25, 0.3, 0.5].",
            "A red hat",
            "A red hat",
        ),
        ("What is there? Give boxes.", "A red hat [0.1, 0.25, 0.3, 0.5].", "A red hat"),
    ],
)
def test_llava_names_a_box_by_question_answer_or_the_words_before(question, answer, phrase):
    found = from_conversation(llava(question, answer), LlavaBrackets())
    assert found.rejects == ()
    [grounded] = found.images[0].phrases
    assert grounded.text == phrase
    assert grounded.boxes[0].xyxy == pytest.approx(
        (0.1, 0.0, 0.3, 0.5)
    )  # the padded square of 100x50 begins at y = 0.25


def test_qwen_labels_win_over_a_question_for_several_things():
    answer = '```json\n[{"bbox_2d": [0, 0, 500, 500], "label": "dog"}, {"bbox_2d": [500, 0, 1000, 500], "label": "cat"}]\n```'
    row = {
        "images": ["a.jpg"],
        "messages": [{"role": "user", "content": "Detect all"}, {"role": "assistant", "content": answer}],
    }
    [image] = from_conversation(row, QwenJson()).images
    assert [phrase.text for phrase in image.phrases] == ["dog", "cat"] and image.size is None
    unlabelled = row | {
        "messages": [
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QwenJson().prompt("the dog")}]},
            {"role": "assistant", "content": '{"bbox_2d": [0, 0, 500, 500]}'},
        ]
    }
    [image] = from_conversation(unlabelled, QwenJson()).images
    assert image.phrases == (GroundedPhrase("the dog", (Box(0, 0, 0.5, 0.5),)),)


def coco(annotation, image=None):
    image = {"id": 1, "width": 100, "height": 50, "file_name": "a.jpg"} if image is None else image
    base = {"id": 9, "image_id": 1, "category_id": 3, "bbox": [10, 10, 20, 20], "iscrowd": 0}
    return {"images": [image], "annotations": [base | annotation], "categories": [{"id": 3, "name": "dog"}]}


@pytest.mark.parametrize(
    "file, reason, detail",
    [
        (coco({"bbox": [10, 10, 0, 20]}), "empty box", "annotation 9 of image 1: [10, 10, 0, 20]"),
        (coco({"bbox": [10, 10, -5, 20]}), "empty box", "annotation 9"),
        (coco({"bbox": [90, 10, 20, 20]}), "out of range", "annotation 9"),
        (coco({"bbox": [200, 10, 20, 20]}), "out of range", "annotation 9"),
        (coco({"bbox": None}), "no box", "annotation 9"),
        (coco({"bbox": [1, 2, 3]}), "malformed", "annotation 9"),
        (coco({"bbox": ["1", 2, 3, 4]}), "malformed", "annotation 9"),
        (coco({"bbox": [float("nan"), 2, 3, 4]}), "malformed", "annotation 9"),
        (coco({"bbox": [10**400, 2, 3, 4]}), "malformed", "annotation 9"),
        (coco({"category_id": 4}), "no phrase", "annotation 9"),
        (coco({"image_id": 2}), "no image", "annotation 9 of image 2"),
        (coco({"image_id": [1]}), "no image", "annotation 9"),
        (coco({"iscrowd": 1}), "crowd", "annotation 9"),
        (coco({}, {"id": 1, "file_name": "a.jpg"}), "no image size", "image 1"),
        (coco({}, {"id": 1, "width": 0, "height": 5}), "no image size", "image 1"),
        (coco({}, {"width": 5, "height": 5}), "malformed", "image 0 has the id None"),
        (coco({}, "a.jpg"), "malformed", "image 0"),
        ({"images": [], "annotations": ["?"]}, "no image", "annotation at 0"),
    ],
)
def test_coco_noise_is_rejected_with_its_reason(file, reason, detail):
    found = from_coco(file)
    assert found.rejects[0].reason == reason and detail in found.rejects[0].detail
    assert all(image.phrases == () for image in found.images)


def test_coco_boxes_a_pixel_outside_are_cut_and_others_on_request():
    assert from_coco(coco({"bbox": [80, 10, 20.9, 20]})).images[0].phrases[0].boxes[0].xyxy == (0.8, 0.2, 1.0, 0.6)
    assert from_coco(coco({"bbox": [90, 10, 20, 20]}), cut_outside=True).images[0].phrases[0].boxes[0].x1 == 1.0
    assert from_coco(coco({"bbox": [200, 10, 20, 20]}), cut_outside=True).rejects[0].reason == "empty box"


@pytest.mark.parametrize("file", [[], None, {"images": []}, {"images": {}, "annotations": []}])
def test_a_file_that_is_not_coco_is_an_error(file):
    with pytest.raises(ValueError, match="no COCO instances file: it needs the lists `images`, `annotations`"):
        from_coco(file)


def swift(objects=None, content="<ref-object><bbox>", **row):
    objects = {"ref": ["dog"], "bbox": [[1, 1, 5, 5]]} | (objects or {})
    return {"messages": [{"role": "user", "content": content}], "images": ["a.jpg"], "objects": objects} | row


@pytest.mark.parametrize(
    "row, reason, detail",
    [
        ({}, "malformed", "no `messages` or no `objects`"),
        ([], "malformed", "no `messages`"),
        (swift(images=[]), "no image", "images=[]"),
        (swift(images=None), "no image", "images=None"),
        (swift({"bbox": [[1, 1, 5, 5], [1, 1, 5, 5]]}), "malformed", "1 <bbox> for 2"),
        (swift({"ref": []}), "malformed", "1 <ref-object> for 0"),
        (swift({"bbox": [[1, 1, 5, 50]]}), "out of range", "'dog' at [1, 1, 5, 50]"),
        (swift({"bbox": [[1, 1, 1, 5]]}), "empty box", "'dog'"),
        (swift({"bbox": [[1, 1]]}), "a point, not a box", "'dog'"),
        (swift({"bbox": ["box"]}), "malformed", "'dog'"),
        (swift({"bbox_type": "norm1000"}), "malformed", "bbox_type 'norm1000'"),
        (swift({"image_id": [3]}), "no image", "of image 3"),
        (swift({"ref": [" "]}), "no phrase", "' '"),
        (swift({"ref": [None]}), "no phrase", "None"),
        (swift(content="<bbox><ref-object>"), "no phrase", "[1, 1, 5, 5]"),
        (swift(content=None), "malformed", "0 <ref-object> for 1"),
    ],
)
def test_swift_noise_is_rejected_with_its_reason(row, reason, detail):
    found = from_swift(row, [(10, 10)])
    assert len(found.rejects) == 1
    assert found.rejects[0].reason == reason and detail in found.rejects[0].detail


def test_swift_pixels_need_image_sizes():
    assert from_swift(swift()).rejects == (
        Rejected("no image size", 'bbox_type "real" counts pixels: pass image_sizes'),
    )
    with pytest.raises(ValueError, match="You passed 2 image_sizes for a row of 1 images: give one each"):
        from_swift(swift(), [(1, 1), (2, 2)])


@pytest.mark.parametrize(
    "row, reason",
    [
        (None, "malformed"),
        ({"image": "a.jpg"}, "malformed"),
        ({"conversations": [{}]}, "no image"),
        ({"images": ["a", "b"], "conversations": [{}]}, "no image"),
        (
            {"image": "a.jpg", "conversations": llava("Where?", "[0.1, 0.2, 0.3, 0.4]")["conversations"]},
            "no image size",
        ),
        (llava("Where?", "[0.1, 0.3, 0.3, 0.4]"), "no phrase"),
        (llava("Where?", "a dog [0.1, 0.3, 0.3, 1.4]"), "out of range"),
        (llava("Where?", "a dog [0.3, 0.3, 0.1, 0.4]"), "empty box"),
        (llava("Where?", "a dog [0.1, 0.3, 0.1]"), "malformed"),
        (llava("Where?", "a dog [0.1, 0.3,"), "truncated"),
        (llava("Is it red?", "Yes."), "no box"),
    ],
)
def test_conversation_noise_is_rejected_with_its_reason(row, reason):
    found = from_conversation(row, LlavaBrackets())
    assert [reject.reason for reject in found.rejects] == [reason]
    assert all(image.phrases == () for image in found.images)


def test_one_bad_box_does_not_take_the_good_ones_along():
    found = from_conversation(
        llava("Where?", "a dog [0.1, 0.3, 0.3, 0.4], a cat [0.1, 0.3, 0.3, 1.4]"), LlavaBrackets()
    )
    assert [phrase.text for phrase in found.images[0].phrases] == ["a dog"]
    assert [reject.reason for reject in found.rejects] == ["out of range"]


junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["<bbox>", "[0,0,1,1]"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["id", "image_id", "bbox", "ref", "from", "value", "role", "content", "width", "height", "caption"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(derandomize=True)
@given(a=junk, b=junk, c=junk)
def test_no_row_whatever_raises(a, b, c):
    sized = {"id": 1, "width": 10, "height": 10}
    listed = [a, b, c]
    from_coco(
        {
            "images": [sized, *listed],
            "annotations": [*listed, {"image_id": 1, "caption": "x", "bbox": a}],
            "categories": listed,
        }
    )
    from_swift({"messages": listed, "images": a, "objects": b})
    for objects in (
        {"ref": a, "bbox": b, "image_id": c},
        {"ref": ["x"], "bbox": [a], "image_id": [b], "bbox_type": "norm1"},
    ):
        from_swift({"messages": [{"content": "<ref-object><bbox>"}], "images": ["x"], "objects": objects}, [(10, 10)])
    turns = [{"from": "human", "value": a}, {"from": "gpt", "value": b}]
    for row in (
        a,
        {"image": a, "conversations": b},
        {"image": "x", "width": a, "height": b, "conversations": [*listed, *turns]},
    ):
        for dialect in (LlavaBrackets(), QwenJson(), Kosmos2(), PaliGemmaLoc()):
            from_conversation(row, dialect)


def test_real_captions_with_boxes_give_a_phrase_for_every_box(shared_data):
    dialect, count = LlavaBrackets(frame=Fractions(decimals=3)), 0
    for line in (shared_data / "ferret_bench/ground_conv_answer.jsonl").read_text().splitlines():
        row = json.loads(line)
        turns = [{"from": "human", "value": "<image>\nWhat is happening?"}, {"from": "gpt", "value": row["text"]}]
        found = from_conversation({"image": row["image"], "conversations": turns}, dialect)
        grounded = sum(len(phrase.boxes) for phrase in found.images[0].phrases)
        count += grounded
        assert grounded + len(found.rejects) == max(row["text"].count("["), 1)
    assert count > 50
