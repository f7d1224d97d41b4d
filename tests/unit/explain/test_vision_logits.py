# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What image tokens say is the arg-max of the full logits, and becomes segments where the tokens lie."""

import numpy as np
import pytest
import torch
from PIL import Image

from promvil_hf import masks
from promvil_hf.backends.base import Request
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.boxes import Box
from promvil_hf.explain.maps import labelled, painted, small_size
from promvil_hf.explain.vision_logits import Said, first_tokens, heat_iou, key_iou, say, segmentation_table
from promvil_hf.fivl.mask_making import Located
from promvil_hf.jobs import Rejected
from promvil_hf.key_expressions import KeyExpression
from promvil_hf.toy import models
from promvil_hf.toy.models import tokenizers
from tests.unit.toy.models.families import ONE_STACK


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("family", ONE_STACK)
def test_what_tokens_say_is_the_argmax_of_the_full_logits(family):
    made = getattr(models, f"tiny_{family}")()
    backend = PatchTokenBackend(made.model, made.processor)
    requests = [Request("a longer question than the other", noise(90, 40)), Request("a dog", noise(30, 70, 1))]
    said = say(backend, requests, [(90, 40), (30, 70)])
    inputs = backend.inputs(requests)
    with torch.inference_mode():
        logits = backend.model(**inputs).logits
    for row, (one, positions) in enumerate(zip(said, backend.image_positions(inputs), strict=True)):
        theirs = logits[row][positions].float()
        np.testing.assert_array_equal(one.tokens, theirs.argmax(-1))
        np.testing.assert_allclose(one.probability, theirs.softmax(-1).amax(-1), atol=1e-5)
        assert len(one.boxes) == len(one.tokens) and set(one.words) == set(one.tokens.tolist())
        seen = {int(t) for t, box in zip(one.tokens, one.boxes, strict=True) if box is not None}
        drawn = set(np.unique(one.map())) - {-1}
        assert drawn <= seen and one.map().shape == (one.image_size[1], one.image_size[0])


def test_a_patch_that_is_made_to_say_a_word_is_a_segment_there():
    made = models.tiny_llava(fit="stretch")
    backend = PatchTokenBackend(made.model, made.processor)
    tokenizer = made.processor.tokenizer
    [word] = tokenizer(" red", add_special_tokens=False)["input_ids"]
    request = Request("what?", noise(56, 56))
    inputs = backend.inputs([request])
    with torch.inference_mode():
        hidden = backend.model.model(**inputs).last_hidden_state[backend.image_positions(inputs)]
        backend.model.lm_head.weight[word] = 100 * hidden[5]
    [said] = say(backend, [request], [(56, 56)])
    assert said.tokens[5] == word and said.shown()[word] == " red"
    mask = np.zeros((56, 56), bool)
    mask[14:28, 14:28] = True  # patch 5 of a 4x4 grid
    key = KeyExpression("a red thing", 0, mask=masks.encode(mask))
    others = (said.tokens == word).sum()
    assert key_iou(said, key, tokenizer) == pytest.approx(1 / others)
    assert np.isnan(key_iou(said, KeyExpression("red", 0), tokenizer))


def test_the_first_tokens_of_a_word_are_those_of_any_way_to_write_it():
    byte_level = models.tiny_llava().processor.tokenizer
    pieces = tokenizers.piece_tokenizer()
    for tokenizer in (byte_level, pieces):
        found = {tokenizer.decode([token]).strip().lower() for token in first_tokens(tokenizer, "the circle, of")}
        assert found and all("circle".startswith(part) and part for part in found)
    assert byte_level(" circle", add_special_tokens=False)["input_ids"][0] in first_tokens(byte_level, "circle")
    assert not first_tokens(byte_level, "the of a")


QUARTERS = (Box(0, 0, 0.5, 0.5), Box(0.5, 0, 1, 0.5), Box(0, 0.5, 0.5, 1), None)


def test_maps_lie_where_the_tokens_look_and_are_bare_elsewhere():
    heat = painted(np.array([[1.0, 2.0, 3.0, 9.0], [0.0, 0.0, 1.0, 9.0]]), QUARTERS, (4, 2))
    np.testing.assert_array_equal(heat[0], [[1, 1, 2, 2], [3, 3, np.nan, np.nan]])
    np.testing.assert_array_equal(heat[1, 1, :2], [1, 1])
    np.testing.assert_array_equal(labelled(np.array([4, 5, 6, 7]), QUARTERS, (4, 2)), [[4, 4, 5, 5], [6, 6, -1, -1]])
    with pytest.raises(ValueError, match="values of shape .3,. for 4 token boxes"):
        painted(np.zeros(3), QUARTERS, (4, 2))


def test_where_several_tokens_see_a_place_numbers_are_averaged_and_the_smallest_names_it():
    boxes = (Box(0, 0, 0.5, 1), Box(0, 0, 1, 1))
    np.testing.assert_array_equal(painted(np.array([1.0, 3.0]), boxes, (2, 1)), [[2, 3]])
    np.testing.assert_array_equal(labelled(np.array([1, 3]), boxes, (2, 1)), [[1, 3]])
    assert small_size((640, 480)) == (48, 36) and small_size((10, 4)) == (10, 4)


def test_a_token_smaller_than_a_pixel_still_paints_one():
    boxes = [Box(k / 50, 0, (k + 1) / 50, 1) for k in range(50)]
    assert np.isfinite(painted(np.arange(50.0), boxes, (10, 3))).all()


def said_of(tokens, words) -> Said:
    return Said(np.array(tokens), np.ones(len(tokens)), QUARTERS, (4, 2), words)


def test_the_papers_table_counts_iou_words_samples_and_the_share_found():
    picture = Image.new("RGB", (4, 2))
    samples = [
        (picture, said_of([1, 1, 2, 3], {1: " cat", 2: " dog", 3: "<pad>"})),
        (picture, said_of([4, 4, 4, 4], {4: "x"})),  # one character: not shown
    ]
    top = Located((Box(0, 0, 1, 0.5),), (0.9,), masks.encode(np.array([[1, 1, 1, 1], [0, 0, 0, 0]])))

    def finds(cat, dog):
        return lambda items: [tuple({"cat": cat, "dog": dog}[p] for p in item.phrases) for item in items]

    rows = segmentation_table(samples, {0.4: finds(top, Rejected("nothing detected")), 0.2: finds(top, top)})
    assert [row["threshold"] for row in rows] == [0.2, 0.4]
    assert rows[0] == {
        "threshold": 0.2,
        "iou": pytest.approx(0.5),
        "tokens_per_sample": 1.0,
        "samples": 1,
        "processed": 1.0,
    }
    assert rows[1]["iou"] == 1.0 and rows[1]["processed"] == 0.5
    rejected = segmentation_table(samples, {0.2: lambda items: [Rejected("image unreadable")] * len(items)})
    assert np.isnan(rejected[0]["iou"]) and rejected[0]["samples"] == 0


def test_heat_is_cut_at_shares_of_its_own_range():
    heat = np.array([[0.0, 1.0], [2.0, np.nan]])
    mask = np.array([[0, 0], [1, 0]], bool)
    np.testing.assert_allclose(heat_iou(heat, mask, [0.4, 0.9]), [0.5, 1.0])
    assert heat_iou(np.full((2, 2), 3.0), mask, [0.5]).tolist() == [0.0]
