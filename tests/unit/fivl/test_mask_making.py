# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Masks from boxes and models: the settings of the FiVL pipeline, its defects mended, and tiny models end to end."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from promvil_hf import masks
from promvil_hf.backends.detectors import Detection, Found
from promvil_hf.backends.segmenters import refined, sam, sam3
from promvil_hf.backends.text_detectors import grounding_dino
from promvil_hf.boxes import Box
from promvil_hf.fivl.given_masks import given
from promvil_hf.fivl.mask_making import (
    PAPER,
    ImagePhrases,
    Located,
    MaskSettings,
    boxes,
    by_phrase,
    grounded_sam,
    padded_square,
)
from promvil_hf.jobs import Rejected
from promvil_hf.toy.models import tiny_grounding_dino, tiny_sam, tiny_sam3
from promvil_hf.toy.world import WorldConfig, scenes


def fixed(found):
    """A detector that knows its answers by phrase."""
    return lambda pairs: [
        Found([Detection(box, score) for box, score in found.get(phrase, ())]) for _, phrase in pairs
    ]


def filling(seen=None):
    """A segmenter whose mask is the box itself, in pixels."""

    def segment(items):
        for picture, phrase_boxes in items:
            if seen is not None:
                seen.append((picture.size, list(phrase_boxes)))
            yield [masks.decode(masks.from_boxes([box], picture.size)) for box in phrase_boxes]

    return segment


PICTURE = Image.new("RGB", (100, 60), "white")
LEFT, RIGHT = Box(0.1, 0.2, 0.4, 0.8), Box(0.6, 0.2, 0.9, 0.8)
NEARLY_LEFT = Box(0.1, 0.2, 0.4, 0.799)


def found_by(annotator, *phrases, picture=PICTURE):
    (places,) = annotator([ImagePhrases(picture, phrases)])
    return places


# -- what the pipeline does with boxes and masks


def test_a_phrase_gets_the_union_of_its_boxes_and_keeps_them_apart():
    annotator = grounded_sam(fixed({"cups": [(LEFT, 0.9), (RIGHT, 0.4)]}), filling())
    (place,) = found_by(annotator, "cups")
    assert (place.boxes, place.scores) == ((LEFT, RIGHT), (0.9, 0.4))
    assert place.mask == masks.from_boxes([LEFT, RIGHT], (100, 60))


def test_the_union_of_256_overlapping_masks_is_not_empty():
    """The reference adds bytes: 256 overlaps give 0, and 2 give 254."""
    inside = [Box(0.1, 0.1, 0.9, 0.3 + 0.6 * k / 255) for k in range(256)]
    annotator = grounded_sam(fixed({"x": [(box, 0.5) for box in inside]}), filling(), MaskSettings(duplicate_iou=1.0))
    (place,) = found_by(annotator, "x")
    assert len(place.boxes) == 256
    assert masks.area(place.mask) == masks.area(masks.from_boxes(inside, (100, 60)))


def test_duplicates_are_segmented_once_within_a_phrase_and_never_across_phrases():
    detect = fixed({"cup": [(LEFT, 0.9), (NEARLY_LEFT, 0.5)], "mug": [(NEARLY_LEFT, 0.8)]})
    seen = []
    cup, mug = found_by(grounded_sam(detect, filling(seen)), "cup", "mug")
    assert seen == [((100, 60), [LEFT, NEARLY_LEFT])]  # one of each phrase
    assert (cup.boxes, cup.scores) == ((LEFT,), (0.9,))
    assert mug.boxes == (NEARLY_LEFT,)


def test_the_paper_merges_boxes_across_phrases_and_the_later_one_gets_the_earlier_ones_mask():
    detect = fixed({"cup": [(LEFT, 0.9)], "mug": [(NEARLY_LEFT, 0.8)]})
    seen = []
    settings = MaskSettings(merge_across_phrases=True)
    cup, mug = found_by(grounded_sam(detect, filling(seen), settings), "cup", "mug")
    assert seen == [((100, 60), [LEFT])]
    assert mug.mask == cup.mask


def test_refinement_fills_holes_and_drops_specks():
    mask = np.zeros((40, 60), bool)
    mask[5:25, 5:25] = True
    mask[10:20, 10:20] = False  # a hole
    mask[5:11, 40:46] = True  # 36 pixels: less than a tenth of 400
    mask[30:37, 40:46] = True  # 42: more
    expected = np.zeros_like(mask)
    expected[5:25, 5:25] = True
    expected[30:37, 40:46] = True
    assert (refined(mask) == expected).all()
    assert not refined(np.zeros((4, 4), bool)).any()
    diagonal = np.eye(5, dtype=bool)
    assert (refined(diagonal) == diagonal).all()  # pixels that touch at a corner are one part


def test_an_empty_mask_and_nothing_detected_are_different_reasons():
    def empty_masks(items):
        return ([np.zeros((60, 100), bool) for _ in phrase_boxes] for _, phrase_boxes in items)

    annotator = grounded_sam(fixed({"dust": [(LEFT, 0.9)]}), empty_masks)
    assert found_by(annotator, "dust", "ghost") == (Rejected("empty mask"), Rejected("nothing detected"))


def test_pictures_that_cannot_be_read_reject_their_item_and_no_other(tmp_path):
    (tmp_path / "no.png").write_bytes(b"no picture")
    PICTURE.save(tmp_path / "cut.png")
    whole = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    PICTURE.save(tmp_path / "good.png")
    items = [ImagePhrases(tmp_path / f"{name}.png", ("cup",)) for name in ("missing", "no", "cut", "good")]
    for annotator in (grounded_sam(fixed({"cup": [(LEFT, 0.9)]}), filling()), boxes(fixed({"cup": [(LEFT, 0.9)]}))):
        missing, no, cut, good = annotator(items)
        assert (missing.reason, no.reason, cut.reason) == ("image missing", "image unreadable", "image unreadable")
        assert isinstance(good[0], Located)


@pytest.mark.parametrize("size", [(640, 427), (427, 640), (1000, 200), (336, 336)])
def test_the_papers_padded_frame_is_mapped_back_to_the_original(size):
    """Boxes and masks found on the 336-pixel square come back where they are in the picture."""
    picture = Image.new("RGB", size, "white")
    target = Box(0.2, 0.3, 0.7, 0.6)
    longer = max(size)
    left, top = ((longer - side) // 2 for side in size)
    in_square = Box(
        (target.x0 * size[0] + left) / longer,
        (target.y0 * size[1] + top) / longer,
        (target.x1 * size[0] + left) / longer,
        (target.y1 * size[1] + top) / longer,
    )
    seen = []
    (place,) = found_by(grounded_sam(fixed({"it": [(in_square, 0.9)]}), filling(seen), PAPER), "it", picture=picture)
    assert seen[0][0] == (336, 336)
    assert place.mask.image_size == size
    assert place.boxes[0].xyxy == pytest.approx(target.xyxy, abs=1e-9)
    true = masks.decode(masks.from_boxes([target], size))
    found = masks.decode(place.mask)
    assert (true & found).sum() / (true | found).sum() > 0.9  # a pixel of the square is up to three of the picture


def test_the_padded_square_is_filled_with_clips_mean_colour():
    square = padded_square(Image.new("RGB", (200, 100), "white"))
    assert square.size == (336, 336)
    assert square.getpixel((168, 5)) == (122, 116, 104)
    assert square.getpixel((168, 168)) == (255, 255, 255)


# -- tiny models


@pytest.fixture(scope="module")
def pictures():
    drawn = [scene.image() for scene in scenes(WorldConfig(), 3)]
    drawn[1] = drawn[1].resize((160, 100))
    return drawn


@pytest.fixture(scope="module")
def dino():
    return tiny_grounding_dino()


@pytest.fixture(scope="module")
def segment_anything():
    return tiny_sam()


def test_grounding_dino_finds_the_same_alone_and_in_a_batch(dino, pictures):
    detect = grounding_dino(dino.model, dino.processor, 0.5, batch_size=3)
    pairs = [(picture, phrase) for picture in pictures for phrase in ("red cross", "a blue square")]
    together = detect(pairs)
    assert sum(len(found.detections) for found in together) > 4
    for pair, found in zip(pairs, together, strict=True):
        (alone,) = detect([pair])
        assert [each.box.xyxy for each in alone.detections] == [
            pytest.approx(each.box.xyxy, abs=1e-5) for each in found.detections
        ]
        assert [each.score for each in alone.detections] == pytest.approx(
            [each.score for each in found.detections], abs=2e-4
        )


def test_the_threshold_is_that_of_the_upstream_post_processing(dino, pictures):
    picture = pictures[0]
    inputs = dino.processor(images=picture, text="red cross.", return_tensors="pt")
    with torch.inference_mode():
        outputs = dino.model(**inputs)
    (theirs,) = dino.processor.post_process_grounded_object_detection(
        outputs, inputs["input_ids"], threshold=0.4, target_sizes=[(1, 1)]
    )
    (ours,) = grounding_dino(dino.model, dino.processor, 0.4)([(picture, "Red cross")])
    ours = ours.detections
    assert len(ours) == len(theirs["boxes"]) > 0
    for detection, box, score in zip(ours, theirs["boxes"].clamp(0, 1).tolist(), theirs["scores"].tolist(), strict=True):
        assert detection.box.xyxy == pytest.approx(box, abs=1e-5)
        assert detection.score == pytest.approx(score, abs=1e-3)


def test_sam_gives_what_the_upstream_processor_gives_and_best_is_one_of_its_three(segment_anything, pictures):
    model, processor = segment_anything.model, segment_anything.processor
    picture = pictures[1]
    phrase_boxes = [Box(0.1, 0.2, 0.5, 0.6), Box(0.4, 0.3, 0.9, 0.9)]
    pixels = [[[x0 * 160, y0 * 100, x1 * 160, y1 * 100] for x0, y0, x1, y1 in (box.xyxy for box in phrase_boxes)]]
    inputs = processor(images=picture, input_boxes=pixels, return_tensors="pt")
    with torch.inference_mode():
        outputs = model(**inputs)
    three = processor.post_process_masks(outputs.pred_masks, inputs["original_sizes"], inputs["reshaped_input_sizes"])[
        0
    ]
    best = outputs.iou_scores[0].argmax(-1)
    (union,) = sam(model, processor, "union")([(picture, phrase_boxes)])
    (picked,) = sam(model, processor, "best", boxes_at_once=1)([(picture, phrase_boxes)])
    for index in range(2):
        assert (union[index] == three[index].any(0).numpy()).mean() > 0.999
        assert (picked[index] == three[index, best[index]].numpy()).mean() > 0.999
        assert picked[index].shape == (100, 160)
        assert picked[index].sum() < union[index].sum()  # the union over-segments


@pytest.mark.parametrize("settings", [MaskSettings(box_threshold=0.5), PAPER], ids=["defaults", "paper"])
def test_the_whole_path_with_tiny_models(dino, segment_anything, pictures, settings, tmp_path):
    detect = grounding_dino(dino.model, dino.processor, max(settings.box_threshold, 0.5), settings.batch_size)
    segment = sam(segment_anything.model, segment_anything.processor, settings.sam_masks)
    annotator = grounded_sam(detect, segment, settings)
    items = [ImagePhrases(picture, ("red cross", "a blue square")) for picture in pictures]
    items.insert(1, ImagePhrases(tmp_path / "missing.png", ("red cross",)))
    found = annotator(items)
    assert found[1].reason == "image missing"
    for item, places in zip(items, found, strict=True):
        if item is items[1]:
            continue
        located = [place for place in places if isinstance(place, Located)]
        assert located
        for place in located:
            assert place.mask.image_size == item.image.size
            assert len(place.boxes) == len(place.scores)
    assert annotator(items) == found


class StretchingProcessor:
    """What the image processor of SAM 2 does, which needs torchvision: stretch to a square."""

    def __init__(self, side):
        self.side = side

    def __call__(self, images, return_tensors="pt"):
        from transformers import BatchFeature

        images = images if isinstance(images, list) else [images]
        pixels = [np.asarray(each.convert("RGB").resize((self.side, self.side))) / 127.5 - 1 for each in images]
        return BatchFeature({"pixel_values": torch.tensor(np.stack(pixels)).permute(0, 3, 1, 2).float()})

    def post_process_masks(self, batch, sizes, mask_threshold=0.0):
        each = zip(batch, sizes, strict=True)
        return [torch.nn.functional.interpolate(mask, size, mode="bilinear") > mask_threshold for mask, size in each]


def tiny_sam2():
    from transformers import Sam2Config, Sam2Model

    stages = {
        "blocks_per_stage": [1] * 4,
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1] * 4,
        "window_size_per_stage": [4, 2, 2, 2],
    }
    config = Sam2Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam2_hiera_det_model",
                "hidden_size": 8,
                "num_attention_heads": 1,
                "image_size": [64, 64],
                "window_positional_embedding_background_size": [2, 2],
                "global_attention_blocks": [],
                "mlp_ratio": 2.0,
                **stages,
            },
            "backbone_channel_list": [64, 32, 16, 8],
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
            "fpn_hidden_size": 16,
            "num_feature_levels": 3,
        },
        prompt_encoder_config={"hidden_size": 16, "image_size": 64, "patch_size": 16, "mask_input_channels": 4},
        mask_decoder_config={
            "hidden_size": 16,
            "mlp_dim": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    )
    torch.manual_seed(0)
    return Sam2Model(config).eval()


def test_sam2_takes_the_place_of_sam(pictures):
    model = tiny_sam2()
    phrase_boxes = [Box(0.1, 0.2, 0.5, 0.6), Box(0.4, 0.3, 0.9, 0.9)]
    processor = StretchingProcessor(64)
    items = [(pictures[0], phrase_boxes[:1]), (pictures[1], phrase_boxes)]
    together = list(sam(model, processor, "union")(items))
    assert [[mask.shape for mask in found] for found in together] == [[(128, 128)], [(100, 160)] * 2]
    alone = next(sam(model, processor, "union")([items[1]]))
    assert all((a == b).mean() > 0.999 for a, b in zip(together[1], alone, strict=True))
    direct = model(
        pixel_values=processor(pictures[1])["pixel_values"],
        input_boxes=torch.tensor([[[coordinate * 64 for coordinate in box.xyxy] for box in phrase_boxes]]),
    )
    three = processor.post_process_masks([direct.pred_masks[0]], [(100, 160)])[0]
    assert all((mask == three[k].any(0).numpy()).mean() > 0.999 for k, mask in enumerate(together[1]))


def test_sam3_takes_phrases_without_a_detector(pictures):
    tiny = tiny_sam3()
    annotator = by_phrase(sam3(tiny.model, tiny.processor, threshold=0.1))
    (places,) = annotator([ImagePhrases(pictures[1], ("red cross", "a blue square"))])
    located = [place for place in places if isinstance(place, Located)]
    assert len(places) == 2
    assert located
    assert all(place.mask.image_size == (160, 100) for place in located)


# -- given


def test_given_places_are_matched_by_picture_and_words(tmp_path):
    images = tmp_path / "images"
    (images / "a").mkdir(parents=True)
    PICTURE.save(images / "a" / "1.png")
    mask = masks.from_boxes([LEFT], (100, 60))
    records = [
        {"image": "a/1.png", "text": "the Red  cup", "mask": mask.to_dict()},
        {"image_id": 1, "text": "a plate", "boxes": [LEFT.xyxy]},
        {"image_id": 1, "text": "plate", "boxes": [RIGHT.xyxy]},
        {"image_id": 1, "text": "air", "mask": masks.encode(np.zeros((60, 100))).to_dict()},
        {"image_id": 1, "text": "small", "mask": masks.encode(np.ones((6, 10))).to_dict()},
    ]
    path = tmp_path / "given.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    cup, plate, air, other, small = found_by(
        given(path, images), "red cup", "the plate", "air", "cupboard", "small", picture=images / "a" / "1.png"
    )
    assert (cup.mask, cup.scores) == (mask, (1.0,))
    assert cup.boxes[0].xyxy == pytest.approx(LEFT.xyxy)
    assert plate.boxes == (LEFT, RIGHT)
    assert plate.mask == masks.from_boxes([LEFT, RIGHT], (100, 60))
    assert (air.reason, other.reason) == ("empty mask", "not given")
    assert small.reason == "wrong size"
    assert "the given mask is of (10, 6), the picture of (100, 60)" in small.detail
    path.write_text('{"text": "x"}\n')
    with pytest.raises(
        ValueError, match="line 1 has no `image` or `image_id`: it holds text. A record has image or image_id"
    ):
        given(path)


def test_wrong_settings_say_what_there_is():
    with pytest.raises(ValueError, match="You passed frame='square': it is one of original, padded_336"):
        MaskSettings(frame="square")
    with pytest.raises(ValueError, match="You passed pick='mean': it is one of best, union"):
        sam(None, None, "mean")
