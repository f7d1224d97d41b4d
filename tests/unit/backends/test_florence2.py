# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""An encoder-decoder: where its tokens look, what it reads, and its three stacks of attention, each apart."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from promvil_hf.backends.base import Decoding, Request
from promvil_hf.backends.families import FAMILIES, load_processor
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.boxes import Box
from promvil_hf.explain.answered import answer_tokens, answered
from promvil_hf.explain.attention_rows import Wanted, attention_rows, language_layers
from promvil_hf.explain.explanation_pages import explanation_page
from promvil_hf.explain.explanations import ExplainSettings, ToExplain, explain
from promvil_hf.explain.head_atlas import HeadAtlas
from promvil_hf.explain.heads import AskedTurn, Null, head_atlas, head_rows, key_turns
from promvil_hf.explain.layer_names import Head, Layer
from promvil_hf.explain.vision_logits import say
from promvil_hf.key_expressions import KeyExpression
from promvil_hf.toy import models
from promvil_hf.training.chat_format import ChatFormat
from promvil_hf.training.fivl_collator import check_family
from tests.unit.backends.pushed_through import ramp


def tiny_backend(**sizes) -> PatchTokenBackend:
    made = models.tiny_florence2(**sizes)
    return PatchTokenBackend(made.model, made.processor)


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8))


REQUESTS = [Request("the red circle", noise(90, 40)), Request("Where is it?"), Request("a dog", noise(30, 70, 1))]


def seen(backend: PatchTokenBackend, image: Image.Image) -> np.ndarray:
    """What each token but the first sees of a ramp, (tokens, 2), through the tower's own convolutions made into means."""
    inputs = backend.inputs([Request("", image)])
    processor = backend.processor.image_processor
    mean, std = (torch.tensor(colour)[:, None, None] for colour in (processor.image_mean, processor.image_std))
    colours = (inputs["pixel_values"][0] * std + mean)[:2]
    share = torch.ones_like(colours)  # of what is no padding
    for embed in backend.model.model.vision_tower.convs:
        conv = embed.conv
        kernel = torch.ones(2, 1, *conv.kernel_size)
        colours, share = (
            torch.nn.functional.conv2d(values, kernel, stride=conv.stride, padding=conv.padding, groups=2)
            for values in (colours, share)
        )
    return (colours / share).flatten(1).T.numpy()


@pytest.mark.parametrize(
    "strides, side, size", [((4, 2), 64, (640, 427)), ((4, 2), 64, (200, 600)), ((4, 2, 2, 2), 768, (1920, 1281))]
)
def test_each_token_looks_around_the_middle_of_its_cell_and_a_grid_of_strides_would_be_off_by_half_a_cell(
    strides, side, size
):
    backend = tiny_backend(strides=strides, image_size=side)
    middles = seen(backend, ramp(*size))
    inputs = backend.inputs([Request("", ramp(*size))])
    [[first, *boxes]] = backend.token_boxes(inputs, [size])
    assert first is None  # the mean of all others
    count = int(len(boxes) ** 0.5)
    assert len(boxes) == len(middles) == count**2
    areas = sum(box.area for box in boxes)
    assert areas == pytest.approx(1)  # cells leave nothing out and do not overlap
    for place, (box, (x, y)) in enumerate(zip(boxes, middles, strict=True)):
        for number, low, high, middle in ((place % count, box.x0, box.x1, x), (place // count, box.y0, box.y1, y)):
            assert low < middle < high
            if 1 < number < count - 2:  # nothing of what these see lies outside
                assert (low + high) / 2 == pytest.approx(middle, abs=0.5 / side)
                assert abs((number + 0.5) / count - middle) > 0.4 / count


def test_a_spot_in_the_cell_of_a_token_changes_it_and_none_but_its_neighbours():
    """The order of cells is the order of features inside the model, without what mixes all of them."""
    backend = tiny_backend()
    for name, parameter in backend.model.named_parameters():
        if re.search(r"vision_tower\.blocks.*(attn\.proj|conv[12])\.", name):
            parameter.data.zero_()
    picture = np.asarray(noise(160, 100)) // 8 + 112

    def features(pixels: np.ndarray) -> torch.Tensor:
        inputs = backend.inputs([Request("a", Image.fromarray(pixels.astype(np.uint8)))])
        with torch.inference_mode():
            states = backend.model(**inputs, output_hidden_states=True).encoder_hidden_states[0]
        return states[backend.image_positions(inputs)][1:]

    plain = features(picture)
    [[_, *boxes]] = backend.token_boxes(backend.inputs([Request("a", Image.fromarray(picture.astype(np.uint8)))]), [(160, 100)])
    for place, box in enumerate(boxes):
        spot = picture.copy()
        x, y = round((box.x0 + box.x1) * 80), round((box.y0 + box.y1) * 50)
        spot[y - 3 : y + 3, x - 3 : x + 3] = 255
        changed = (features(spot) - plain).norm(dim=1) > 1e-4
        assert changed[place]
        for other in changed.nonzero()[:, 0].tolist():
            assert abs(other // 4 - place // 4) <= 1 and abs(other % 4 - place % 4) <= 1


def test_rows_with_pictures_are_encoded_as_upstream_does_and_names_of_tasks_are_written_out():
    backend = tiny_backend()
    for prompts in (["the red circle", "a dog"], ["<OPEN_VOCABULARY_DETECTION>a dog", "<OD>"]):
        pictures = [REQUESTS[0].image, REQUESTS[2].image]
        ours = backend.inputs([Request(*pair) for pair in zip(prompts, pictures, strict=True)])
        text = {"padding": True, "padding_side": "right"}
        theirs = backend.processor(images=pictures, text=prompts, text_kwargs=text, return_tensors="pt")
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert "<s>Locate the objects with category name" in backend.processor.tokenizer.decode(ours["input_ids"][1])
    asked = backend.inputs([Request(backend.dialect.prompt("a dog"))])["input_ids"][0]
    assert backend.processor.tokenizer.decode(asked) == "<s>Locate the phrases in the caption: a dog</s>"
    assert backend.processor.tokenizer.decode(backend.inputs([Request("no picture")])["input_ids"][0]) == "<s>no picture</s>"


def test_an_answer_is_the_models_own_choice_to_its_last_token():
    """The published settings search beams, forbid what was said before and force the first and last token."""
    backend = tiny_backend()
    [answer] = backend.generate(REQUESTS[:1], Decoding(max_new_tokens=4))
    assert len(answer.tokens) == 4 and answer.ended == "length"
    written = [backend.processor.tokenizer.eos_token_id, backend.processor.tokenizer.bos_token_id]
    for token, log_prob in zip(answer.tokens, answer.log_probs, strict=True):
        with torch.inference_mode():
            logits = backend.model(**backend.inputs(REQUESTS[:1]), decoder_input_ids=torch.tensor([written])).logits[0, -1]
        assert token == logits.argmax()
        assert log_prob == pytest.approx(logits.log_softmax(-1).max().item(), abs=1e-5)
        written.append(token)


def test_a_loss_reaches_the_words_and_the_picture():
    backend = tiny_backend()
    backend.model.zero_grad()
    backend.model(**backend.inputs(REQUESTS), labels=torch.tensor([[0, 9, 2]] * 3)).loss.backward()
    assert backend.model.model.vision_tower.convs[0].conv.weight.grad.abs().max() > 0
    assert backend.model.get_input_embeddings().weight.grad.abs().max() > 0


def test_the_saved_model_and_processor_load_and_say_the_same(tmp_path):
    backend = tiny_backend()
    backend.model.save_pretrained(tmp_path)
    backend.processor.save_pretrained(tmp_path)
    loaded = type(backend.model).from_pretrained(tmp_path).eval()
    again = PatchTokenBackend(loaded, load_processor(tmp_path, FAMILIES["florence2"]))
    assert again.generate(REQUESTS, Decoding(4)) == backend.generate(REQUESTS, Decoding(4))
    other = tiny_backend(seed=1).generate(REQUESTS, Decoding(4))
    assert [one.tokens for one in other] != [one.tokens for one in backend.generate(REQUESTS, Decoding(4))]


# Attention


@torch.inference_mode()
def eager(model, inputs):
    model.set_attn_implementation("eager")
    outputs = model(**inputs, output_attentions=True)
    model.set_attn_implementation("sdpa")
    return {"encoder": outputs.encoder_attentions, "decoder": outputs.decoder_attentions, "cross": outputs.cross_attentions}


def test_rows_of_each_stack_equal_the_rows_of_eager_full_maps():
    backend = tiny_backend()
    row = answered(backend, REQUESTS, [(300, 301, 302), (310,), (320, 321)])
    full = eager(backend.model, row.inputs)
    for stack, maps in full.items():
        wanted = [Wanted([0, 2], [0, 1]), Wanted([1], [0, 2]), Wanted([2], [1])]
        ours = attention_rows(backend.model, row.inputs, wanted, stack)
        for number, wish in enumerate(wanted):
            assert list(ours[number]) == [Layer(stack, 0), Layer(stack, 1)]
            for (_, found), layer in zip(ours[number].items(), maps, strict=True):
                theirs = layer[number][:, list(wish.queries)][..., list(wish.keys)]
                torch.testing.assert_close(found, theirs, atol=1e-6, rtol=0)
    assert attention_rows(backend.model, row.inputs, wanted)[0].keys() == set(language_layers(backend.model))
    assert [str(layer) for layer in language_layers(backend.model)] == ["cross.0", "cross.1"]


def test_a_given_answer_has_the_cross_attention_of_writing_it():
    backend = tiny_backend()
    [written] = backend.generate(REQUESTS[:1], Decoding(4))
    [rows], row = head_rows(backend, [(REQUESTS[0], written.tokens)], [Head(Layer("cross", 1), 2)])
    inputs = backend.inputs(REQUESTS[:1])
    begin = torch.tensor([[backend.processor.tokenizer.eos_token_id, backend.processor.tokenizer.bos_token_id]])
    columns = backend.image_positions(inputs)[0]
    for step in range(len(written.tokens)):
        so_far = torch.cat([begin, torch.tensor([written.tokens[:step]], dtype=torch.long)], 1)
        maps = eager(backend.model, {**inputs, "decoder_input_ids": so_far})["cross"]
        np.testing.assert_allclose(rows[step], maps[1][0, 2, -1][columns], atol=1e-6)
    assert row.query_of(0) == 1
    assert answer_tokens(backend, REQUESTS[0], "a dog") == tuple(backend.processor.tokenizer("a dog").input_ids)


def test_the_atlas_names_heads_of_the_cross_attention_and_no_other_stack():
    backend = tiny_backend()
    key = KeyExpression("circle", 0, (Box(0.1, 0.1, 0.5, 0.6),))
    turns = [AskedTurn(f"{i}", one.image, one.image.size, "Where?", (key,), "A circle.") for i, one in enumerate(REQUESTS[::2])]
    turns_with_answers, _ = key_turns(backend, turns, own_answers=False)
    atlas = head_atlas(backend, turns_with_answers, Null("cells", shuffles=2))
    assert list(map(str, atlas.layers)) == ["cross.0", "cross.1"] and not atlas.without_heads
    assert str(atlas.best(1)[0]).startswith("cross.") and HeadAtlas.from_dict(atlas.to_dict()).layers == atlas.layers


def test_an_answer_is_explained_by_its_heat_without_words_of_the_patches():
    key = KeyExpression("circle", 0, (Box(0.1, 0.1, 0.5, 0.6),))
    asked = ToExplain(REQUESTS[0].image, "Where?", keys=[key], answer="A red circle.")
    found = explain(tiny_backend(), asked, ExplainSettings(max_new_tokens=2))
    assert found.keys[0].heat and found.keys[0].words_iou is None and (found.said, found.words) == ([], {})
    page = str(explanation_page(found, REQUESTS[0].image))
    assert "What the patches say" not in page and "the mean over all heads" in page


# What cannot work


def test_what_an_encoder_decoder_cannot_do_is_refused_by_its_family():
    backend = tiny_backend()
    with pytest.raises(ValueError, match="What image tokens say cannot be read. Florence-2 reads picture and prompt in an enc"):
        say(backend, REQUESTS[:1], [(90, 40)])
    with pytest.raises(ValueError, match="loss needs patches that can predict words. Florence-2 reads picture and prompt"):
        check_family(backend.model.config)
    with pytest.raises(ValueError, match="Answers are trained in one row with their prompts. Florence-2 reads picture and"):
        ChatFormat(backend)
    inputs = backend.inputs(REQUESTS[:1])
    with pytest.raises(ValueError, match="You asked for the stack 'language' of a Florence2For.*, which has none"):
        attention_rows(backend.model, inputs, [Wanted([0], [0])], "language")
    with pytest.raises(ValueError, match="You asked for the place 3 of row 0, which has 1 tokens: places"):
        attention_rows(backend.model, inputs, [Wanted([3], [0])], "cross")
