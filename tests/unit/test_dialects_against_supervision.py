# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Outside oracles: `sv.VLM`'s parsers and transformers' Florence-2 read what our dialects write, and we read it the same.

Where they differ the difference is a test of its own; docs/dialects.md lists them.
"""

import random

import numpy as np
import pytest

from promvil_hf.boxes import Box
from promvil_hf.conventions import DIALECTS, dialect
from promvil_hf.frames import StretchedPixels
from promvil_hf.phrases import GroundedPhrase


sv = pytest.importorskip("supervision", reason="the extra `viz` is not installed")
SIZE = (640, 480)


def phrases(count, seed):
    """A phrase with one to three boxes of any size, again and again."""
    rng = random.Random(seed)
    for _ in range(count):
        boxes = []
        for _ in range(rng.randint(1, 3)):
            (x0, x1), (y0, y1) = (sorted(rng.sample(range(1_001), 2)) for _ in "xy")
            boxes.append(Box(x0 / 1000, y0 / 1000, x1 / 1000, y1 / 1000))
        yield GroundedPhrase(rng.choice(["a red cup", "dog", "the man-at-arms", "x_1"]), tuple(boxes))


def by_supervision(vlm, answer, **sizes):
    found = sv.Detections.from_vlm(vlm, answer, resolution_wh=SIZE, **sizes)
    return found.xyxy, list(found.data.get("class_name", []))


CASES = [
    ("paligemma_loc", sv.VLM.PALIGEMMA, {}),
    ("qwen_json", sv.VLM.QWEN_3_VL, {}),
    ("qwen_json/resized", sv.VLM.QWEN_2_5_VL, {"input_wh": StretchedPixels().of(SIZE).size}),
    ("deepseek_tags", sv.VLM.DEEPSEEK_VL_2, {}),
    ("gemini_json", sv.VLM.GOOGLE_GEMINI_2_0, {}),
    ("gemini_json", sv.VLM.GOOGLE_GEMINI_2_5, {}),
]


@pytest.mark.parametrize("name, vlm, sizes", CASES, ids=[f"{name}-{vlm.value}" for name, vlm, _ in CASES])
def test_supervision_reads_the_same_boxes_and_labels(name, vlm, sizes):
    name, _, frame = name.partition("/")
    spoken = dialect(name, frame or None)
    for phrase in phrases(60, seed=0):
        answer = spoken.target(phrase, image_size=SIZE)
        boxes, labels = by_supervision(vlm, answer, **sizes)
        ours = spoken.parse(answer, image_size=SIZE)
        assert np.array([box.xyxy for box in ours.boxes]) * (*SIZE, *SIZE) == pytest.approx(boxes, abs=1e-3)
        read = [grounded.text for grounded in ours.phrases for _ in grounded.boxes]
        assert labels == read == [phrase.text] * len(phrase.boxes)


def test_transformers_reads_florence_s_boxes_the_same_to_the_pixel():
    from transformers.models.florence2.processing_florence2 import Florence2PostProcessor

    class Tokenizer:
        all_special_tokens = ()

    reader, spoken = Florence2PostProcessor({}, Tokenizer()), DIALECTS["florence_loc"]
    for phrase in phrases(60, seed=1):
        answer = spoken.target(phrase)
        theirs = reader.parse_description_with_bboxes_from_text_and_spans(answer, image_size=SIZE)
        ours = spoken.parse(answer)
        assert [int(edge) for box in ours.boxes for edge in np.array(box.xyxy) * (*SIZE, *SIZE) + 1e-4] == [
            edge for their_phrase in theirs for edge in their_phrase["bbox"]
        ]
        assert {their_phrase["cat_name"] for their_phrase in theirs} == {phrase.text}
        assert {grounded.text for grounded in ours.phrases} == {phrase.text}


# Where supervision 0.31 reads something else: what it finds, then what we find


DIFFERENCES = [
    # what is said, dialect, its parser, boxes it finds, boxes we find, our reason
    ("a box without a label", "qwen_json", sv.VLM.QWEN_3_VL, '[{"bbox_2d": [1, 2, 3, 4]}]', 0, 1, None),
    ("a single record, no list", "qwen_json", sv.VLM.QWEN_3_VL, '{"bbox_2d": [1, 2, 3, 4], "label": "a"}', 0, 1, None),
    ("words around it and a bracket in them", "qwen_json", sv.VLM.QWEN_3_VL,
     'As asked [1]: [{"bbox_2d": [1, 2, 3, 4], "label": "a"}]', 0, 1, None),
    ("thinking", "qwen_json", sv.VLM.QWEN_3_VL,
     '<think>[{"bbox_2d": [5, 6, 7, 8], "label": "a"}]</think>none', 1, 0, "refused"),
    ("a box beyond the image", "qwen_json", sv.VLM.QWEN_3_VL,
     '[{"bbox_2d": [0, 0, 1200, 4], "label": "a"}]', 1, 0, "out of range"),
    ("swapped corners", "gemini_json", sv.VLM.GOOGLE_GEMINI_2_5,
     '[{"box_2d": [300, 400, 100, 200], "label": "a"}]', 1, 0, "empty box"),
    ("a box without a label", "paligemma_loc", sv.VLM.PALIGEMMA, "<loc0001><loc0002><loc0003><loc0004>", 0, 1, None),
]  # fmt: skip


@pytest.mark.parametrize(
    "what, name, vlm, answer, theirs, ours, reason", DIFFERENCES, ids=[f"{row[0]}-{row[1]}" for row in DIFFERENCES]
)
def test_a_known_difference_is_still_one(what, name, vlm, answer, theirs, ours, reason):
    parsed = DIALECTS[name].parse(answer, image_size=SIZE)
    assert (len(by_supervision(vlm, answer)[0]), len(parsed.boxes), parsed.reason) == (theirs, ours, reason)


def test_supervision_raises_where_a_tag_of_deepseek_is_missing_and_reads_florence_s_bins_at_their_edge():
    with pytest.raises(ValueError, match="ref tags"):
        by_supervision(sv.VLM.DEEPSEEK_VL_2, "<|det|>[[100, 200, 300, 400]]<|/det|>")
    assert DIALECTS["deepseek_tags"].parse("<|det|>[[100, 200, 300, 400]]<|/det|>").ok
    found, _ = by_supervision(sv.VLM.FLORENCE_2, {"<REGION_TO_CATEGORY>": "cup<loc_300><loc_400><loc_500><loc_600>"})
    [box] = DIALECTS["florence_loc"].parse("cup<loc_300><loc_400><loc_500><loc_600>").boxes
    assert found[0][0] == pytest.approx(0.3 * 640) and box.x0 == pytest.approx(0.3005)


def test_a_label_with_other_signs_is_cut_by_supervision_and_kept_here():
    answer = "<loc0256><loc0100><loc0768><loc0500> the man's cup, full"
    assert by_supervision(sv.VLM.PALIGEMMA, answer)[1] == ["the man"]
    assert DIALECTS["paligemma_loc"].parse(answer).phrases[0].text == "the man's cup, full"
