# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of boxes written in the formats of others: they come back the same, and the files look as those formats ask."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promvil_hf.box_formats import (
    GroundedImage,
    Imported,
    from_coco,
    from_conversation,
    from_swift,
    to_coco,
    to_conversation,
    to_swift,
)
from promvil_hf.boxes import Box
from promvil_hf.dialects import Kosmos2, LlavaBrackets, PaliGemmaLoc, QwenJson
from promvil_hf.frames import FLOAT_DUST, Fractions, ResizedPixels
from promvil_hf.phrases import GroundedPhrase, PhraseChain, PhraseStep


SNOWMAN = GroundedImage(
    "snowman.jpg",
    (640, 427),
    (
        GroundedPhrase("a snowman", (Box(0.4, 0.05, 0.98, 0.83),)),
        GroundedPhrase("fire. <image> <bbox>", (Box(0.2, 0.0, 0.3, 0.1), Box(0.17, 0.0, 1.0, 1.0))),
    ),
)
DIALECTS = {
    "qwen thousandths": QwenJson(),
    "qwen2.5 resized": QwenJson(frame=ResizedPixels((644, 420))),
    "qwen bare list": QwenJson(fenced=False),
    "llava": LlavaBrackets(),
    "ferret": LlavaBrackets(frame=Fractions(decimals=3)),
    "paligemma": PaliGemmaLoc(),
}
FORMATS = ["coco category", "coco caption", "swift real", "swift norm1", *DIALECTS]


def there_and_back(name: str, grounded: GroundedImage) -> tuple[Imported, tuple[float, float]]:
    """Through the format and through JSON text, and the shift it may cause."""
    family, _, how = name.partition(" ")
    if family == "coco":
        return from_coco(json.loads(json.dumps(to_coco([grounded], how)))), (FLOAT_DUST, FLOAT_DUST)
    if family == "swift":
        row = json.loads(json.dumps(to_swift(grounded, how)))
        return from_swift(row, [grounded.size]), (FLOAT_DUST, FLOAT_DUST)
    row = json.loads(json.dumps(to_conversation(grounded, DIALECTS[name])))
    return from_conversation(row, DIALECTS[name]), DIALECTS[name].frame.resolution(grounded.size)


def assert_same(found: Imported, wanted: GroundedImage, shift: tuple[float, float]):
    assert found.rejects == ()
    [image] = found.images
    assert (image.image, image.size) == (wanted.image, wanted.size)
    assert [phrase.text for phrase in image.phrases] == [phrase.text for phrase in wanted.phrases]
    for ours, theirs in zip(image.phrases, wanted.phrases, strict=True):
        assert len(ours.boxes) == len(theirs.boxes)
        for a, b in zip(ours.boxes, theirs.boxes, strict=True):
            for edge, other, allowed in zip(a.xyxy, b.xyxy, shift * 2, strict=True):
                assert abs(edge - other) <= allowed + 1e-9


@pytest.mark.parametrize("name", FORMATS)
def test_out_and_in_again_is_the_same_within_the_frame_s_resolution(name):
    found, shift = there_and_back(name, SNOWMAN)
    assert_same(found, SNOWMAN, shift)


def test_kosmos2_conversations_come_back_within_a_cell():
    found = from_conversation(to_conversation(SNOWMAN, Kosmos2()), Kosmos2())
    assert_same(found, SNOWMAN, (1 / 32, 1 / 32))


coordinates = st.floats(0, 1, allow_nan=False)
boxes = (
    st.tuples(coordinates, coordinates, coordinates, coordinates)
    .map(lambda c: (min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3])))
    .filter(lambda c: c[2] - c[0] > 1e-6 and c[3] - c[1] > 1e-6)
    .map(lambda c: Box(*c))
)
# Ends of lines and blanks at the ends of a phrase do not survive prose; braces and brackets are Qwen's and LLaVA's own.
words = st.text("abc <>/\\image.:'\"é漢🦆&", min_size=1, max_size=20).filter(lambda text: text == text.strip())
images = st.builds(
    GroundedImage,
    st.just("x.jpg"),
    st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
    st.lists(st.builds(GroundedPhrase, words, st.lists(boxes, min_size=1, max_size=3)), min_size=1, max_size=4),
)


@pytest.mark.parametrize("name", FORMATS)
@settings(derandomize=True)
@given(grounded=images)
def test_any_phrases_and_boxes_of_any_image_size_come_back(name, grounded):
    found, shift = there_and_back(name, grounded)
    assert_same(found, grounded, shift)


def test_phrases_of_the_same_text_are_one_phrase_with_all_their_boxes():
    a, b = Box(0, 0, 0.5, 0.5), Box(0.5, 0.5, 1, 1)
    grounded = GroundedImage(
        "x", None, (GroundedPhrase("dog", (a,)), GroundedPhrase("cat", (b,)), GroundedPhrase("dog", (b,)))
    )
    assert grounded.phrases == (GroundedPhrase("dog", (a, b)), GroundedPhrase("cat", (b,)))


def test_a_chain_leaves_as_its_phrases_and_comes_back_side_by_side():
    man, beard = GroundedPhrase("man with beard", (Box(0, 0, 1, 1),)), GroundedPhrase("beard", (Box(0, 0, 0.5, 0.5),))
    chain = PhraseChain("7", [PhraseStep(beard), PhraseStep(man, (0,), ("beard",))])
    grounded = GroundedImage.from_chain(chain, "7.jpg", (10, 10))
    assert grounded.phrases == (beard, man)
    assert grounded.to_chain("7") == PhraseChain("7", [PhraseStep(beard), PhraseStep(man)])


# What the formats look like


def test_a_coco_file_is_one_that_pycocotools_reads():
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = to_coco([SNOWMAN, GroundedImage("empty.jpg", (2, 2), ())])
    coco.createIndex()
    assert [coco.cats[entry]["name"] for entry in coco.getCatIds()] == ["a snowman", "fire. <image> <bbox>"]
    [annotation] = coco.loadAnns(coco.getAnnIds(imgIds=1, catIds=1))
    assert annotation["bbox"] == pytest.approx([256, 21.35, 371.2, 333.06]) and annotation["area"] == pytest.approx(
        123631.872
    )
    assert from_coco(coco.dataset).images[1] == GroundedImage("empty.jpg", (2, 2), ())


def test_coco_captions_keep_one_category():
    file = to_coco([SNOWMAN], phrases_as="caption")
    assert file["categories"] == [{"id": 1, "name": "phrase"}]
    assert [annotation["caption"] for annotation in file["annotations"]][0] == "a snowman"
    with pytest.raises(ValueError, match='You passed phrases_as="?.names.*: it is "category" or "caption"'):
        to_coco([SNOWMAN], phrases_as="names")


def test_a_swift_row_has_as_many_places_as_objects_and_no_tag_of_the_user_s():
    row = to_swift(SNOWMAN)
    said = "".join(message["content"] for message in row["messages"])
    assert said.count("<image>") == len(row["images"]) == 1
    assert said.count("<ref-object>") == len(row["objects"]["ref"]) == 2
    assert said.count("<bbox>") == len(row["objects"]["bbox"]) == 3
    assert row["objects"]["ref"][1] == "fire. <\\image> <\\bbox>"
    assert to_swift(SNOWMAN, "norm1")["objects"]["bbox"][0] == [0.4, 0.05, 0.98, 0.83]


def test_a_conversation_has_one_image_tag_and_a_turn_each():
    row = to_conversation(SNOWMAN, LlavaBrackets())
    assert "".join(turn["value"] for turn in row["conversations"]).count("<image>") == 1
    assert row["conversations"][0]["value"].startswith("<image>\n")
    assert [turn["from"] for turn in row["conversations"]] == ["human", "gpt"] * 2
    assert row["conversations"][1]["value"] == "[0.40, 0.20, 0.98, 0.72]"  # 640x427: 106 pixels of padding above


def test_what_cannot_be_written_is_refused_in_a_sentence():
    nowhere = GroundedImage("x.jpg", (4, 4), (GroundedPhrase("a ghost"),))
    for export in (lambda g: to_coco([g]), to_swift, lambda g: to_conversation(g, QwenJson())):
        with pytest.raises(ValueError, match="You passed 'a ghost' of 'x.jpg' without boxes: leave out what has none"):
            export(nowhere)
    with pytest.raises(ValueError, match="You passed 'x.jpg' without its size: this format needs the"):
        to_coco([GroundedImage("x.jpg", None, ())])
    with pytest.raises(ValueError, match="You passed bbox_type='norm1000': ms-swift knows \"real\""):
        to_swift(SNOWMAN, "norm1000")
    with pytest.raises(ValueError, match="You passed a blank phrase for image 'x.jpg'"):
        GroundedImage("x.jpg", None, (GroundedPhrase(" "),))


# Real files


def test_real_coco_annotations_come_in_and_go_out_to_a_hundredth_of_a_pixel(shared_data):
    annotations = json.loads((shared_data / "coco/coco_annotations_39769.json").read_text())
    numbers = sorted({annotation["category_id"] for annotation in annotations})
    file = {
        "images": [{"id": 39769, "width": 640, "height": 480, "file_name": "000000039769.jpg"}],
        "annotations": annotations,
        "categories": [{"id": number, "name": f"category {number}"} for number in numbers],
    }
    found = from_coco(file)
    assert found.rejects == ()
    again = to_coco(found.images)["annotations"]
    key = sorted([round(number, 2) for number in annotation["bbox"]] for annotation in annotations)
    assert sorted([round(number, 2) for number in annotation["bbox"]] for annotation in again) == key
