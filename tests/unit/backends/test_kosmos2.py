# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of the Kosmos-2 backend: alone, in a batch, behind a shared prefix or in a packed tree, the numbers are the same."""

import copy
import functools
import io
import json
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from peft import LoraConfig, PrefixTuningConfig, get_peft_model
from PIL import Image, ImageOps

from promvil_hf.backends.base import Decoding, Request
from promvil_hf.backends.decoding import decode
from promvil_hf.backends.kosmos2 import Kosmos2Backend
from promvil_hf.backends.kosmos2_prefix import tree_mask
from promvil_hf.backends.stops import complete_object
from promvil_hf.boxes import Box
from promvil_hf.dialects import Kosmos2
from promvil_hf.grounding.shared_prefix import shared
from promvil_hf.phrases import GroundedPhrase
from promvil_hf.toy.models import tiny_kosmos2, tiny_llava


pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft 0.21 asks for it
GREEDY = Decoding(max_new_tokens=8)
SAMPLED = Decoding(max_new_tokens=8, sample=True, seed=5)
PHRASES = (
    "the red circle",
    "the large blue square above the green star",
    "the dotted green circle inside the large blue square",
)


@functools.cache
def backend(queries: int = 8) -> Kosmos2Backend:
    tiny = tiny_kosmos2(latent_query_num=queries)
    return Kosmos2Backend(tiny.model, tiny.processor)


@functools.cache
def images() -> list[Image.Image]:
    generator = np.random.default_rng(0)
    return [
        Image.fromarray(generator.integers(0, 255, (height, width, 3), dtype=np.uint8))
        for width, height in ((60, 40), (30, 50), (50, 50))
    ]


def requests() -> list[Request]:
    known = [GroundedPhrase("the star", [Box(0.1, 0.2, 0.5, 0.7)])]
    prompts = [Kosmos2().prompt(phrase, known if number == 1 else ()) for number, phrase in enumerate(PHRASES)]
    return [
        *(Request(prompt, image) for prompt, image in zip(prompts, images(), strict=True)),
        Request("<grounding>An image of", images()[0].copy()),
        Request(prompts[0]),  # without a picture
    ]


def assert_same(some, others):
    assert [answer.tokens for answer in some] == [answer.tokens for answer in others]
    assert [answer.text for answer in some] == [answer.text for answer in others]
    for one, other in zip(some, others, strict=True):
        np.testing.assert_allclose(one.log_probs, other.log_probs, atol=1e-5)


@contextmanager
def vision_calls(model):
    """Collects how many pictures each pass through the vision tower has."""
    seen: list[int] = []
    handle = model.vision_model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(len(kwargs["pixel_values"])), with_kwargs=True
    )
    try:
        yield seen
    finally:
        handle.remove()


@pytest.mark.parametrize("way", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_a_batch_answers_as_its_requests_do_alone_in_any_order(way):
    together = backend().generate(requests(), way)
    assert len({answer.tokens for answer in together}) == 5
    assert_same(together, [backend().generate([request], way)[0] for request in requests()])
    assert_same(together[::-1], backend().generate(requests()[::-1], way))
    assert_same(together, Kosmos2Backend(backend().model, backend().processor, batch_size=2).generate(requests(), way))
    assert backend().generate([], way) == []


def test_with_or_without_a_cache_and_padded_on_either_side_the_answers_are_the_same():
    asked = requests()[:3]
    rows = backend().prompt_tokens([request.prompt for request in asked])
    embeds = backend().encode_images(backend().pixels([request.image for request in asked]))
    text_model, tokenizer = backend().base.text_model, backend().tokenizer
    expected = backend().generate(asked, GREEDY)
    for side in ("left", "right"):
        for use_cache in (True, False):
            batch = backend().batch(rows, padding_side=side) | {"image_embeds": embeds}
            assert_same(decode(text_model, batch, tokenizer, GREEDY, use_cache=use_cache), expected)


def test_log_probabilities_are_those_of_a_forward_pass_over_the_answer():
    for request, answer in zip(requests()[:4], backend().generate(requests()[:4], SAMPLED), strict=True):
        prompt = backend().prompt_tokens([request.prompt])[0]
        inputs = backend().batch([prompt + list(answer.tokens)])
        with torch.no_grad():
            logits = backend().model(pixel_values=backend().pixels([request.image]), **inputs).logits
        log_probs = logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        expected = log_probs.gather(1, torch.tensor(answer.tokens)[:, None])[:, 0]
        np.testing.assert_allclose(answer.log_probs, expected, atol=1e-4)


def test_equal_pictures_of_a_batch_are_encoded_once():
    same = images()[0]
    file = io.BytesIO()
    same.save(file, "png")
    asked = [same, same.copy(), Image.open(file), images()[1], same, None]
    with vision_calls(backend().base) as seen:
        backend().generate([Request("<grounding>An image of", image) for image in asked], GREEDY)
    assert seen == [2]


def test_prompts_behind_a_shared_prefix_answer_the_same():
    asked, ways = requests()[:4], shared(backend(), 16_384)
    opened = ways.open(images())
    rows = [(opened[image], request.prompt) for image, request in zip([0, 1, 2, 0], asked, strict=True)]
    assert_same(ways.ask(rows, GREEDY), backend().generate(asked, GREEDY))
    assert_same(ways.ask(rows[1:2], GREEDY), backend().generate(asked[1:2], GREEDY))
    assert opened[0].tokens == tuple(backend().prompt_tokens([asked[0].prompt])[0][: len(opened[0].tokens)])


def test_a_prompt_that_does_not_go_on_from_the_prefix_is_refused():
    ways = shared(backend(), 16_384)
    [picture] = ways.open(images()[:1])
    for prompt in ("An image of", "<grounding>"):
        with pytest.raises(ValueError, match="must begin with '<grounding>' and go on after it"):
            ways.ask([(picture, prompt)], GREEDY)


@torch.no_grad()
def test_packed_branches_see_their_prefix_and_themselves_only():
    """In one pass, as in training, and after a cached prefix, as in inference: logits of each branch alone."""
    model, pad = backend().base, backend().tokenizer.pad_token_id
    embeds = backend().encode_images(backend().pixels(images()[:2]))
    prefix = backend().open_prefix(embeds)
    shared = len(prefix.tokens)
    packed = [PHRASES, PHRASES[:1]]  # the second row is shorter: padding
    suffixes = [
        [row[shared:] for row in backend().prompt_tokens([Kosmos2().prompt(phrase) for phrase in phrases])]
        for phrases in packed
    ]
    length = max(sum(map(len, row)) for row in suffixes)
    ids, positions = torch.full((2, 2, shared + length), pad)
    branch = torch.full((2, shared + length), -1)
    ids[:, :shared], branch[:, :shared] = torch.tensor(prefix.tokens), 0
    positions[:, :shared] = torch.arange(shared) + pad + 1
    for row, branches in enumerate(suffixes):
        start = shared
        for number, suffix in enumerate(branches, 1):
            place = slice(start, start := start + len(suffix))
            ids[row, place], branch[row, place] = torch.tensor(suffix), number
            positions[row, place] = torch.arange(len(suffix)) + shared + pad + 1
    slots = (torch.arange(shared + length) >= 2) & (torch.arange(shared + length) < 2 + backend().image_tokens)
    at_once = model(
        image_embeds=embeds,
        image_embeds_position_mask=slots.repeat(2, 1),
        input_ids=ids,
        position_ids=positions,
        attention_mask=tree_mask(branch, branch, embeds.dtype),
    ).logits[:, shared:]
    with torch.inference_mode():
        cached = model.text_model(
            input_ids=ids[:, shared:],
            position_ids=positions[:, shared:].contiguous(),
            attention_mask=tree_mask(branch[:, shared:], branch, embeds.dtype),
            past_key_values=copy.deepcopy(prefix.cache),
        ).logits
    torch.testing.assert_close(at_once[0], cached[0], atol=1e-5, rtol=0)
    for row, branches in enumerate(suffixes):
        start = 0
        for suffix in branches:
            inputs = backend().batch([[*prefix.tokens, *suffix]])
            alone = model(image_embeds=embeds[row : row + 1], **inputs).logits[0, shared:]
            torch.testing.assert_close(at_once[row, start : start + len(suffix)], alone, atol=1e-5, rtol=0)
            start += len(suffix)


def test_encoded_pictures_are_what_the_models_own_forward_makes():
    pixels = backend().pixels(images())
    inputs = backend().batch(backend().prompt_tokens(["<grounding>"] * 3))
    with torch.no_grad():
        theirs = backend().model(pixel_values=pixels, **inputs).image_embeds
        assert torch.equal(backend().encode_images(pixels), theirs)


@pytest.mark.parametrize("queries", [8, 64])
@pytest.mark.parametrize("side", ["left", "right"])
def test_prompts_and_pictures_are_laid_out_as_the_upstream_processor_does(queries, side):
    ours = backend(queries)
    prompts = [*(request.prompt for request in requests()), "  a word, <phrase> a circle</phrase> ", "red. "]
    pictures = [images()[number % 3] for number in range(len(prompts))]
    ours.tokenizer.padding_side = side
    for end in (False, True):
        theirs = ours.processor(
            images=pictures,
            text=prompts,
            padding=True,
            num_image_tokens=queries,
            add_eos_token=end,
            return_tensors="pt",
        )
        batch = ours.batch(ours.prompt_tokens(prompts, end=end), padding_side=side)
        assert all(torch.equal(theirs[name], batch[name]) for name in batch)
        for row, prompt in zip(ours.prompt_tokens(prompts, image=False, end=end), prompts, strict=True):
            assert row == ours.processor(text=prompt.strip(), add_eos_token=end)["input_ids"]
    assert torch.equal(theirs["pixel_values"], ours.pixels(pictures))


def test_answers_stop_at_the_first_complete_object():
    rule = complete_object(backend().tokenizer)
    close = backend().tokenizer.convert_tokens_to_ids("</object>")
    head = copy.deepcopy(backend().model)
    cells = [backend().tokenizer.convert_tokens_to_ids(f"<patch_index_{cell:04d}>") for cell in (44, 863)]
    script = [*cells, close, cells[0], close]

    def only(module, args, output):  # the next token of the script, whatever the model thinks
        output.logits[:, -1] = -100.0
        output.logits[:, -1, script[step[0] % len(script)]] = 100.0
        step[0] += 1
        return output

    step = [0]
    head.text_model.register_forward_hook(only)
    scripted = Kosmos2Backend(head, backend().processor)
    answer = scripted.generate(requests()[:1], Decoding(max_new_tokens=10, stop=rule))[0]
    assert answer.text == "<patch_index_0044><patch_index_0863></object>"
    assert (answer.ended, answer.tokens) == ("stop", tuple(script[:3]))
    assert Kosmos2().parse(answer.text).ok


def test_a_model_wrapped_by_peft_answers_with_its_adapter_and_without_it_as_before():
    plain = backend().generate(requests(), GREEDY)
    model = copy.deepcopy(backend().model)
    torch.manual_seed(0)
    model = get_peft_model(model, LoraConfig(target_modules=["q_proj", "fc1"], init_lora_weights=False))
    adapted = Kosmos2Backend(model.eval(), backend().processor)
    answers = adapted.generate(requests(), GREEDY)
    assert_same(answers, [adapted.generate([request], GREEDY)[0] for request in requests()])
    ways = shared(adapted, 16_384)
    rows = zip(ways.open(images()), (request.prompt for request in requests()[:3]), strict=True)
    assert_same(ways.ask(list(rows), GREEDY), answers[:3])
    assert all(one.tokens != other.tokens for one, other in zip(answers, plain, strict=True))
    with model.disable_adapter():
        assert_same(adapted.generate(requests(), GREEDY), plain)


def test_any_pillow_image_goes_in_upright():
    sideways = images()[0].copy()
    exif = sideways.getexif()
    exif[274] = 6
    file = io.BytesIO()
    sideways.save(file, "png", exif=exif)
    opened = Image.open(file)
    assert torch.equal(backend().pixels([opened]), backend().pixels([ImageOps.exif_transpose(opened)]))
    assert not torch.equal(backend().pixels([opened]), backend().pixels([images()[0]]))
    odd = [
        Image.new(mode, size) for mode in ("L", "P", "RGBA", "CMYK", "1", "I;16") for size in ((1, 1), (3, 9), (9, 3))
    ]
    assert backend().pixels(odd).shape == (18, 3, 28, 28)


@pytest.mark.parametrize("size", [(60, 40), (3, 9), (9, 3), (1, 1), (3, 3), (1000, 20)])
def test_the_whole_picture_is_squashed_whatever_its_shape(size):
    width, height = size
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    squashed = np.asarray(Image.fromarray(noise).resize((28, 28), Image.Resampling.BICUBIC)) / 255
    processor = backend().processor.image_processor
    expected = (squashed - processor.image_mean) / processor.image_std
    np.testing.assert_allclose(backend().pixels([Image.fromarray(noise)])[0].permute(1, 2, 0), expected, atol=1e-5)


def test_its_image_tokens_are_no_places_and_it_says_why():
    assert backend().token_boxes({}, [(60, 40)]) is None
    assert "latent queries" in backend().family.why_no_places
    assert "LLaVA" in backend().family.why_no_places


def test_a_processor_that_does_not_show_the_whole_picture_is_refused_and_the_advice_mends_it():
    tiny = tiny_kosmos2(fit="crop")
    with pytest.raises(ValueError, match="must see the whole picture squashed to 28x28") as refusal:
        Kosmos2Backend(tiny.model, tiny.processor)
    processor = tiny.processor  # the name that the advice uses
    for advice in str(refusal.value).split("`")[1::2]:
        exec(advice, {"processor": processor})
    mended = Kosmos2Backend(tiny.model, processor)
    assert torch.equal(mended.pixels(images()), backend().pixels(images()))
    processor.image_processor.size = {"height": 14, "width": 14}
    with pytest.raises(ValueError, match="28x28"):
        Kosmos2Backend(tiny.model, processor)


def test_other_models_and_prompt_learning_adapters_are_refused():
    llava = tiny_llava()
    with pytest.raises(ValueError, match="a model of type 'llava'.*loading.load"):
        Kosmos2Backend(llava.model, llava.processor)
    tiny = tiny_kosmos2()
    config = PrefixTuningConfig(
        num_virtual_tokens=2, num_layers=2, num_attention_heads=4, token_dim=32, task_type="FEATURE_EXTRACTION"
    )
    with pytest.raises(ValueError, match="prompt-learning adapter"):
        Kosmos2Backend(get_peft_model(tiny.model, config), tiny.processor)


@functools.cache
def published(folder) -> Kosmos2Backend:
    """The published processor around a tiny model that takes its vocabulary and its picture size."""
    from transformers import AutoProcessor, Kosmos2Config, Kosmos2ForConditionalGeneration

    processor = AutoProcessor.from_pretrained(folder / "kosmos2" / "processor_hf_derived")
    small = {"embed_dim": 8, "layers": 1, "ffn_dim": 8, "attention_heads": 1}
    seeing = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = Kosmos2Config(text_config=small, vision_config=seeing)
    return Kosmos2Backend(Kosmos2ForConditionalGeneration(config).eval(), processor)


def test_the_published_photograph_gets_the_published_pixel_values(shared_data):
    photograph = Image.open(shared_data / "kosmos2" / "images" / "two_dogs.jpg")
    file = io.BytesIO()
    photograph.save(file, "jpeg")
    corner = json.loads((shared_data / "kosmos2" / "pixel_values_two_dogs.json").read_text())
    pixels = published(shared_data).pixels([Image.open(file)])
    assert list(pixels.shape[2:]) == corner["size"]
    assert torch.equal(pixels[0, :, :3, :3], torch.tensor(corner["top_left_3x3"]))


def test_published_texts_with_boxes_get_the_published_ids(shared_data):
    """The boxes stand in the text, written by the dialect's grid, and not beside it as upstream takes them."""
    cases = [json.loads(line) for line in (shared_data / "kosmos2" / "processor_encoding_cases.jsonl").open()]
    assert len(cases) == 7
    ours, grid = published(shared_data), Kosmos2().grid
    for case in cases:
        parts = case["text"].split("</phrase>")
        for number, pairs in enumerate(case["bboxes"] or ()):
            if pairs:
                pairs = pairs if isinstance(pairs[0], list) else [pairs]
                boxes = [Box(*(grid.corners(pair) if len(pair) == 2 else pair)) for pair in pairs]
                known = GroundedPhrase("x", boxes)
                parts[number + 1] = Kosmos2(force_object=False).target(known).removesuffix(".") + parts[number + 1]
        written = "</phrase>".join(parts)
        assert ours.prompt_tokens([written], image=False, end=case["add_eos_token"])[0] == case["expected_input_ids"]


def test_the_published_sizes_fit_one_prompt_end_to_end(shared_data):
    ours = published(shared_data)
    image = Image.open(shared_data / "kosmos2" / "images" / "snowman.png")
    prompt = ours.dialect.prompt("a snowman")
    assert ours.image_tokens == 64
    row = ours.prompt_tokens([prompt])[0]
    assert row[:3] == [0, 64003, 4]
    assert row[65:68] == [67, 64004, 64012]
    assert row[-1] == 64009
    assert len(ours.generate([Request(prompt, image)], Decoding(max_new_tokens=2))[0].tokens) == 2
