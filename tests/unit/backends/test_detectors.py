# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of every detector: what a pair gives depends on no other pair, asking once is asking twice, unknown is not nothing."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from promvil_hf import masks
from promvil_hf.backends.base import Generated
from promvil_hf.backends.detector_loading import load_detector
from promvil_hf.backends.detectors import Detection, Found, remembered, suppressed
from promvil_hf.backends.model_detectors import model_detector
from promvil_hf.backends.segmenters import masked, sam, sam3
from promvil_hf.backends.text_detectors import grounding_dino, owlv2
from promvil_hf.boxes import Box
from promvil_hf.conventions import DIALECTS
from promvil_hf.phrases import GroundedPhrase
from promvil_hf.toy import models
from promvil_hf.toy.world import WorldConfig, scenes


NOUNS = ("red cross", "blue square", "green dog")
MAKERS = {  # how a tiny model becomes a detector, and a threshold that some of its random boxes pass
    "grounding_dino": (grounding_dino, 0.5),
    "mm_grounding_dino": (grounding_dino, 0.02),
    "owlv2": (owlv2, 0.4),
    "sam3": (sam3, 0.1),
}


@pytest.fixture(scope="module")
def pictures():
    drawn = [scene.image() for scene in scenes(WorldConfig(), 3)]
    drawn[1] = drawn[1].resize((160, 100))
    return drawn


@pytest.fixture(scope="module", params=MAKERS)
def made(request):
    make, threshold = MAKERS[request.param]
    tiny = getattr(models, f"tiny_{request.param}")()
    return tiny, make(tiny.model, tiny.processor, threshold, 4), threshold


def near(one, other):
    """The same detections, up to the rounding of another batch; one at the threshold itself may fall on either side."""
    assert abs(len(one.detections) - len(other.detections)) <= 1
    for mine in one.detections:
        apart = [max(map(abs, np.subtract(mine.box.xyxy, its.box.xyxy))) for its in other.detections]
        assert min(apart, default=0) < 1e-4
        if apart and mine.mask is not None:
            theirs = masks.decode(other.detections[int(np.argmin(apart))].mask)
            assert (masks.decode(mine.mask) == theirs).mean() > 0.99


def test_a_pair_gives_the_same_alone_and_among_others(made, pictures):
    _, detect, _ = made
    pairs = [(picture, noun) for noun in NOUNS for picture in pictures]
    together = detect(pairs)
    assert sum(len(found.detections) for found in together) > 4
    for pair, found in zip(pairs, together, strict=True):
        near(found, *detect([pair]))


def test_what_is_found_is_what_the_upstream_post_processing_gives(made, pictures):
    tiny, detect, threshold = made
    picture, noun = pictures[1], "red cross"
    if tiny.family == "owlv2":
        detect = owlv2(tiny.model, tiny.processor, threshold, overlap=None)  # upstream leaves all boxes on one thing
    (found,) = detect([(picture, noun)])
    words = {"owlv2": [[f"a photo of a {noun}"]], "sam3": noun}.get(tiny.family, f"{noun}.")
    inputs = tiny.processor(images=picture, text=words, return_tensors="pt")
    sizes = [(picture.height, picture.width)]
    with torch.inference_mode():
        outputs = tiny.model(**{name: value for name, value in inputs.items() if name != "original_sizes"})
    if tiny.family == "sam3":
        (theirs,) = tiny.processor.post_process_instance_segmentation(outputs, threshold=threshold, target_sizes=sizes)
    elif tiny.family == "owlv2":
        (theirs,) = tiny.processor.post_process_grounded_object_detection(
            outputs, threshold=threshold, target_sizes=sizes
        )
    else:
        (theirs,) = tiny.processor.post_process_grounded_object_detection(
            outputs, inputs["input_ids"], threshold=threshold, target_sizes=sizes
        )
    scale = torch.tensor([*picture.size] * 2)
    expected = [Box.clipped(*corners) for corners in (theirs["boxes"] / scale).tolist()]
    assert [detection.box.xyxy for detection in found.detections] == [
        pytest.approx(box.xyxy, abs=1e-4) for box in expected if box is not None
    ]
    assert found.detections
    assert found.known


def test_a_checkpoint_is_recognised_by_its_configuration(made, pictures, tmp_path):
    tiny, detect, threshold = made
    if tiny.family == "sam3":
        pytest.importorskip("torchvision", reason="upstream's image processor of SAM 3 needs it")
    tiny.model.save_pretrained(tmp_path)
    tiny.processor.save_pretrained(tmp_path)
    pairs = [(pictures[0], noun) for noun in NOUNS]
    for loaded, expected in zip(load_detector(str(tmp_path), threshold)(pairs), detect(pairs), strict=True):
        near(loaded, expected)


def test_a_checkpoint_of_another_kind_is_refused_before_its_weights_are_read(tmp_path):
    models.tiny_sam().model.config.save_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match=r"is no detector that is known here \(SamConfig\). Pass one of Grounding DINO"
    ):
        load_detector(str(tmp_path))


class Counting:
    """A detector that finds a box whose place depends on picture and noun, and counts what it is asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, pairs):
        self.asked += [(picture.tobytes(), noun) for picture, noun in pairs]
        return [self._found(picture, noun) for picture, noun in pairs]

    def _found(self, picture, noun):
        if noun == "chimney":
            return Found(known=False)
        return Found([Detection(Box(0, 0, len(noun) / 100, 1 / (1 + picture.getpixel((0, 0))[0])), 0.5)])


class Pointing:
    """A model that points at the first of three squares that it still sees, and at the floor when it sees none."""

    dialect = DIALECTS["ferret_brackets"]
    places = (Box(0.1, 0.1, 0.3, 0.3), Box(0.4, 0.1, 0.6, 0.3), Box(0.7, 0.7, 0.9, 0.9))

    def __init__(self):
        self.asked = 0

    def picture(self):
        pixels = np.full((100, 100, 3), 255, np.uint8)
        for box in self.places:
            pixels[int(box.y0 * 100) : int(box.y1 * 100), int(box.x0 * 100) : int(box.x1 * 100)] = 0
        return Image.fromarray(pixels)

    def generate(self, requests, decoding):
        self.asked += len(requests)
        return [self._said(request) for request in requests]

    def _said(self, request):
        middles = [(round(50 * (box.x0 + box.x1)), round(50 * (box.y0 + box.y1))) for box in self.places]
        seen = [box for box, middle in zip(self.places, middles) if sum(request.image.getpixel(middle)) < 300]
        box = seen[0] if seen else self.places[0]
        text = "no such thing" if "chimney" in request.prompt else self.dialect.target(GroundedPhrase("it", [box]))
        return Generated(text, (1, 2), (0.0, math.log(0.8)), "end")


def test_a_model_that_points_at_one_thing_is_asked_until_nothing_new_is_left():
    model = Pointing()
    detect = model_detector(model, rounds=5)
    squares, chimney = detect([(model.picture(), "square"), (model.picture(), "chimney")])
    assert [detection.box for detection in squares.detections] == list(model.places)
    assert [detection.score for detection in squares.detections] == [0.8, 0.28, 0.098]
    assert chimney == Found()
    assert model.asked == 4 + 1  # the fourth answer is nothing new; a chimney is not asked for again
    assert len(model_detector(model, rounds=2)([(model.picture(), "square")])[0].detections) == 2


def test_the_toy_base_finds_nouns_for_a_composed_grounder():
    picture = next(iter(scenes(WorldConfig(), 1))).image()
    detect = load_detector("toy:kosmos2")
    together = detect([(picture, "circle"), (picture, "red square"), (picture, "circle")])
    near(together[0], *detect([(picture, "circle")]))
    assert together[0] == together[2]
    assert together[0].detections


def test_asking_once_for_each_picture_and_noun_changes_no_answer():
    pictures = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (0, 60, 0)]  # the last shows what the first shows
    plain, counted = Counting(), Counting()
    detect = remembered(counted)
    for nouns in (("man", "dog"), ("dog", "car", "man"), ("chimney",), ("chimney", "car")):
        pairs = [(picture, noun) for noun in nouns for picture in pictures]
        assert detect(pairs) == plain(pairs)
    assert len(counted.asked) == len(set(counted.asked)) == 2 * 4


def test_pictures_beyond_the_memory_are_asked_about_again_and_answers_stay_right():
    pictures = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in range(4)]
    counted = Counting()
    detect = remembered(counted, pictures=2)
    pairs = [(picture, noun) for picture in pictures for noun in ("man", "dog")]
    for _ in range(2):
        assert detect(pairs) == Counting()(pairs)  # more pictures at once than are kept
    assert len(counted.asked) == 16


def test_of_boxes_on_one_thing_the_best_stays():
    one, same, other = Box(0, 0, 0.5, 0.5), Box(0, 0, 0.5, 0.45), Box(0.5, 0.5, 1, 1)
    found = [Detection(same, 0.4), Detection(one, 0.9), Detection(other, 0.1)]
    assert suppressed(found, 0.5) == [Detection(one, 0.9), Detection(other, 0.1)]
    assert suppressed(found, 0.95) == [Detection(one, 0.9), Detection(same, 0.4), Detection(other, 0.1)]


def test_a_segmenter_gives_each_box_its_mask_and_leaves_those_that_have_one(pictures):
    tiny = models.tiny_sam()
    segment = sam(tiny.model, tiny.processor)
    left, right = Box(0.1, 0.2, 0.5, 0.6), Box(0.4, 0.3, 0.9, 0.9)
    given = masks.from_boxes([right], pictures[0].size)

    def detect(pairs):
        known = {
            "cup": Found([Detection(left, 0.9), Detection(right, 0.3)]),
            "mug": Found([Detection(right, 0.8, given)]),
        }
        return [known.get(noun, Found(known=False)) for _, noun in pairs]

    pairs = [(picture, noun) for noun in ("cup", "mug", "chimney") for picture in pictures[:2]]
    together = masked(detect, segment)(pairs)
    assert [[detection.box for detection in found.detections] for found in together] == [[left, right]] * 2 + [[right]] * 2 + [
        []
    ] * 2
    assert [found.known for found in together] == [True] * 4 + [False] * 2
    assert together[2].detections[0].mask == given
    for (picture, _), found in zip(pairs[:2], together[:2], strict=True):
        (direct,) = segment([(picture, [left, right])])
        assert all(
            detection.mask is None if not pixels.any() else (masks.decode(detection.mask) == pixels).mean() > 0.999
            for detection, pixels in zip(found.detections, direct, strict=True)
        )
        assert any(detection.mask is not None for detection in found.detections)
