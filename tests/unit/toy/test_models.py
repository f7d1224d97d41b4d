# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of the tiny models: quick, repeatable, awake to their picture, and as good as a checkpoint to every upstream tool."""

import functools
import json
import string
import time

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from promvil_hf.toy import models
from promvil_hf.toy.models.tokenizers import byte_tokenizer, piece_tokenizer, wordpiece_tokenizer


FAMILIES = {
    "kosmos2": "<grounding> ",
    "llava": "USER: <image>\n",
    "llava_next": "USER: <image>\n",
    "paligemma": "<image>",
    "idefics3": "User:<image> ",
    "smolvlm": "User:<image> ",
    "qwen2_5_vl": "<|vision_start|><|image_pad|><|vision_end|>",
    "qwen3_vl": "<|vision_start|><|image_pad|><|vision_end|>",
    "gemma3": "<start_of_image>",
}
CHATTY = [family for family in FAMILIES if family not in ("kosmos2", "paligemma")]
NESTED_IMAGES = ("idefics3", "smolvlm", "gemma3")
TEXTS = ("the red circle", "the large blue square above the green star")

every_family = pytest.mark.parametrize("family", FAMILIES)


@functools.cache
def tiny(family: str, **sizes) -> models.TinyModel:
    return getattr(models, f"tiny_{family}")(**sizes)


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    generator = np.random.default_rng(0)
    return [
        Image.fromarray(generator.integers(0, 255, (height, width, 3), dtype=np.uint8))
        for width, height in ((60, 40), (30, 50))
    ]


def encode(tiny_model: models.TinyModel, images, texts, side: str = "left", processor=None) -> dict:
    """What the model takes: a padded batch of tensors.

    PaliGemma's processor trips over its own tensors when asked for "pt" (a DeprecationWarning of numpy) and always answers with
    labels, so every family is asked for lists, which are turned into tensors here.
    """
    processor = processor or tiny_model.processor
    processor.tokenizer.padding_side = side
    prompts = [FAMILIES[tiny_model.family] + text for text in texts]
    pictures = [[image] for image in images] if tiny_model.family in NESTED_IMAGES else list(images)
    if tiny_model.family == "paligemma":
        batch = processor(images=pictures, text=prompts, padding=True).convert_to_tensors("pt")
    else:
        batch = processor(images=pictures, text=prompts, padding=True, return_tensors="pt")
    return {key: value for key, value in batch.items() if key != "labels"}


def parameter_count(model) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@every_family
def test_a_tiny_model_is_small_and_quick_to_build(family):
    build = getattr(models, f"tiny_{family}")
    assert parameter_count(tiny(family).model) < 300_000
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        build()
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 1.0


@every_family
def test_the_seed_alone_decides_the_weights_and_the_callers_random_state_stays(family):
    build = getattr(models, f"tiny_{family}")
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    again = build()
    assert torch.equal(torch.rand(3), expected)
    first, second = tiny(family).model.state_dict(), again.model.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert tiny(family).processor.tokenizer.get_vocab() == again.processor.tokenizer.get_vocab()
    other = build(seed=1).model.state_dict()
    assert not all(torch.equal(first[name], other[name]) for name in first)


@every_family
def test_a_loss_reaches_the_words_and_the_picture(family, images):
    model = tiny(family).model
    batch = encode(tiny(family), images, TEXTS, side="right")
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    extra = {"token_type_ids": batch["attention_mask"] * 0 + 1} if family == "paligemma" else {}
    loss = model(**{**batch, **extra}, labels=labels).loss
    assert torch.isfinite(loss)
    assert loss.item() > 1
    model.zero_grad()
    loss.backward()
    patch_embedding = next(p for name, p in model.named_parameters() if "patch_embed" in name and p.dim() > 1)
    assert patch_embedding.grad.abs().max() > 0
    assert model.get_input_embeddings().weight.grad.abs().max() > 0
    model.zero_grad()


@every_family
def test_turning_the_picture_round_changes_the_answer(family, images):
    model = tiny(family).model
    with torch.no_grad():
        one = model(**encode(tiny(family), images[:1], TEXTS[:1])).logits[0, -1]
        turned = model(**encode(tiny(family), [images[0].rotate(180)], TEXTS[:1])).logits[0, -1]
    assert (one - turned).abs().max() > 0.02 * one.std()


@every_family
def test_a_row_of_a_padded_batch_equals_the_row_alone(family, images):
    model = tiny(family).model
    batch = encode(tiny(family), images, TEXTS)
    assert (batch["attention_mask"] == 0).any()
    with torch.no_grad():
        together = model(**batch).logits
        for row in range(2):
            alone = model(**encode(tiny(family), images[row : row + 1], TEXTS[row : row + 1])).logits
            torch.testing.assert_close(together[row, -1], alone[0, -1], atol=1e-5, rtol=0)


@every_family
def test_greedy_generation_writes_five_tokens_for_a_padded_batch(family, images):
    batch = encode(tiny(family), images, TEXTS)
    written = tiny(family).model.generate(**batch, max_new_tokens=5, min_new_tokens=5, do_sample=False)
    assert written.shape == (2, batch["input_ids"].shape[1] + 5)
    # Two prompts and two pictures: a model that answers both alike would hide a mix-up of rows.
    assert written[0, -5:].tolist() != written[1, -5:].tolist()


@every_family
def test_the_saved_model_and_processor_load_and_say_the_same(family, images, tmp_path):
    made = tiny(family)
    made.model.save_pretrained(tmp_path)
    made.processor.save_pretrained(tmp_path)
    model = type(made.model).from_pretrained(tmp_path)
    loader = type(made.processor) if family.startswith("qwen") else transformers.AutoProcessor
    processor = loader.from_pretrained(tmp_path)
    assert type(processor) is type(made.processor)
    expected, loaded = (encode(made, images, TEXTS, processor=p) for p in (made.processor, processor))
    assert expected.keys() == loaded.keys()
    assert all(torch.equal(expected[key], loaded[key]) for key in expected)
    assert processor.chat_template == made.processor.chat_template
    with torch.no_grad():
        assert torch.equal(model(**loaded).logits, made.model(**expected).logits)


@pytest.mark.parametrize("family", CHATTY)
def test_the_assistant_mask_of_a_chat_covers_the_answers_and_nothing_else(family, images):
    processor = tiny(family).processor
    chat = [
        {"role": "user", "content": [{"type": "image", "image": images[0]}, {"type": "text", "text": "What is red?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "The circle is red."}]},
        {"role": "user", "content": [{"type": "text", "text": "And blue?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "The star is."}]},
    ]
    batch = processor.apply_chat_template(
        chat, tokenize=True, return_dict=True, return_assistant_tokens_mask=True, processor_kwargs={}
    )
    ids, mask = batch["input_ids"][0], batch["assistant_masks"][0]
    said = processor.tokenizer.decode([i for i, marked in zip(ids, mask, strict=True) if marked])
    end = {"llava": "</s>", "llava_next": "</s>", "gemma3": "<end_of_turn>"}.get(family, "<end_of_utterance>")
    end = "<|im_end|>" if family.startswith("qwen") else end
    assert said.replace(" The", "The") == f"The circle is red.{end}The star is.{end}"
    prompt = processor.apply_chat_template(chat[:1], add_generation_prompt=True)
    whole = processor.apply_chat_template(chat[:2])
    assert whole.startswith(prompt)
    asked, answered = (processor.tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, whole))
    assert answered[: len(asked)] == asked  # what a model reads before it answers is what it was trained to read there


# Tokenizers


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40))
def test_byte_tokens_give_every_text_back(text):
    tokenizer = tiny("llava").processor.tokenizer
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_pieces_spell_what_they_do_not_know_and_keep_known_words_whole():
    tokenizer = tiny("kosmos2").processor.tokenizer
    unseen = tokenizer(string.printable + " Zyzzyva's (10%) <b>", add_special_tokens=False)["input_ids"]
    assert tokenizer.unk_token_id not in unseen
    assert tokenizer.tokenize("the woman holding an umbrella.") == [
        "▁the",
        "▁woman",
        "▁holding",
        "▁an",
        "▁umbrella",
        ".",
    ]
    assert tokenizer.unk_token_id in tokenizer("雪", add_special_tokens=False)["input_ids"]


def test_given_sentences_become_the_vocabulary():
    sentences = ["the zephyr frobnicates the quux"] * 3
    assert piece_tokenizer(sentences).tokenize("the quux frobnicates") == ["▁the", "▁quux", "▁frobnicates"]
    words = byte_tokenizer(sentences, special_tokens=["<pad>", "</s>"], eos_token="</s>", pad_token="<pad>")
    assert words.tokenize("the zephyr") == ["the", "Ġzephyr"]
    assert words.tokenize(" quux") == ["Ġquux"]
    assert wordpiece_tokenizer(sentences).tokenize("Quux") == ["quux"]


def test_a_string_or_nothing_in_place_of_sentences_is_refused():
    with pytest.raises(TypeError, match="sentences is one string, whose letters would be taken as sentences"):
        piece_tokenizer("the red circle")
    with pytest.raises(ValueError, match="sentences is empty, so there are no words to learn"):
        models.tiny_llava(sentences=[])


def test_a_vocabulary_without_room_for_bytes_is_refused():
    with pytest.raises(ValueError, match="vocabulary_size=200 leaves no room for 256 bytes and 5 special tokens"):
        models.tiny_llava(vocabulary_size=200)
    with pytest.raises(ValueError, match="vocabulary_size=512 cannot hold the fixed id 1029 of `\\?`"):
        wordpiece_tokenizer(vocabulary_size=512)


# Kosmos-2


def test_kosmos2_writes_image_slots_with_ids_of_ordinary_pieces_and_boxes_with_patch_tokens(images):
    made = tiny("kosmos2")
    tokenizer = made.processor.tokenizer
    tokenizer.padding_side = "right"
    batch = made.processor(
        images=images[0], text="<grounding><phrase> a snowman</phrase>", bboxes=[(44, 863)], return_tensors="pt"
    )
    slots = batch["input_ids"][batch["image_embeds_position_mask"].bool()]
    assert slots.tolist() == list(range(4, 68))
    assert tokenizer.convert_tokens_to_ids(".") == 4
    written = tokenizer.convert_ids_to_tokens(batch["input_ids"][0].tolist())[66:]
    assert written == [
        *("</image>", "<grounding>", "<phrase>", "▁a", "▁snowman", "</phrase>"),
        *("<object>", "<patch_index_0044>", "<patch_index_0863>", "</object>"),
    ]
    assert len(tokenizer) == made.model.config.text_config.vocab_size
    assert len([token for token in tokenizer.get_vocab() if token.startswith("<patch_index_")]) == 1024


def test_kosmos2_runs_in_the_pipeline_and_takes_other_query_counts_by_argument(images):
    made = tiny("kosmos2")
    pipe = transformers.pipeline("image-text-to-text", model=made.model, processor=made.processor)
    answer = pipe(images=images[0], text="<grounding> the", max_new_tokens=3)
    assert answer[0]["generated_text"].startswith("<grounding> the")
    small = models.tiny_kosmos2(latent_query_num=8)
    batch = small.processor(images=images[0], text="a", num_image_tokens=8, return_tensors="pt")
    assert small.model(**batch).logits.shape[1] == batch["input_ids"].shape[1] == 1 + 10 + 1


def test_kosmos2_needs_a_piece_for_every_query():
    with pytest.raises(
        ValueError, match="latent_query_num=5000 needs as many pieces after <unk>, but the vocabulary has"
    ):
        models.tiny_kosmos2(latent_query_num=5000)


# Ways of a picture


def ramp(width: int, height: int) -> Image.Image:
    red = np.tile(np.linspace(0, 255, width), (height, 1))
    green = np.tile(np.linspace(0, 255, height)[:, None], (1, width))
    return Image.fromarray(np.stack([red, green, np.full_like(red, 255)], -1).round().astype(np.uint8))


def red_of(batch, image_processor) -> np.ndarray:
    """The red channel as the model sees it, in 0..1: how far right each pixel was; the ramp goes from left to right."""
    red = np.asarray(batch["pixel_values"])[0, 0]
    return red * image_processor.image_std[0] + image_processor.image_mean[0]


@pytest.mark.parametrize(("fit", "left", "right"), [("stretch", 0.0, 1.0), ("crop", 0.25, 0.75), ("pad", 0.0, 1.0)])
def test_llava_makes_a_picture_square_as_asked(fit, left, right):
    processor = tiny("llava", fit=fit).processor.image_processor
    batch = processor([ramp(200, 100)], return_tensors="np")
    middle = red_of(batch, processor)[14]
    assert batch["pixel_values"].shape == (1, 3, 28, 28)
    assert middle[0] == pytest.approx(left, abs=0.05)
    assert middle[-1] == pytest.approx(right, abs=0.05)
    blue = np.asarray(batch["pixel_values"])[0, 2, 0] * processor.image_std[2] + processor.image_mean[2]
    assert (blue.mean() < 0.9) == (fit == "pad")


def test_an_unknown_way_to_make_a_picture_square_is_refused():
    with pytest.raises(ValueError, match="fit='letterbox' is no way to make a picture square: choose"):
        models.tiny_llava(fit="letterbox")


def test_tiles_are_counted_in_tokens_by_the_families_that_cut_pictures():
    wide = ramp(90, 30)
    next_batch = encode(tiny("llava_next"), [wide], TEXTS[:1])
    assert next_batch["pixel_values"].shape[1] == 1 + 3
    image_token = tiny("llava_next").processor.image_token_id
    # 4 x 4 for the whole picture, 4 rows of 12 patches and a newline for the tiles.
    assert (next_batch["input_ids"] == image_token).sum() == 16 + 4 * (12 + 1)
    for family in ("idefics3", "smolvlm"):
        image_token = tiny(family).processor.image_token_id
        cut = encode(tiny(family), [wide], TEXTS[:1])
        assert (cut["input_ids"] == image_token).sum() == 4 * (3 + 1)
        whole = encode(tiny(family, split=False), [wide], TEXTS[:1])
        assert (whole["input_ids"] == image_token).sum() == 4
    qwen = encode(tiny("qwen2_5_vl"), [wide], TEXTS[:1])
    assert qwen["image_grid_thw"].tolist() == [[1, 4, 12]]
    assert (qwen["input_ids"] == tiny("qwen2_5_vl").processor.image_token_id).sum() == 2 * 6


def test_gemma3_adds_crops_of_a_long_picture_only_when_the_call_asks_for_them():
    made = tiny("gemma3")
    plain = encode(made, [ramp(120, 40)], TEXTS[:1])
    assert plain["pixel_values"].shape[0] == 1
    scanned = made.processor(
        images=[[ramp(120, 40)]],
        text=["<start_of_image>the star"],
        do_pan_and_scan=True,
        pan_and_scan_min_crop_size=28,
        return_tensors="pt",
    )
    assert scanned["pixel_values"].shape[0] == 1 + 3
    assert made.model(**scanned).logits.isfinite().all()


def test_sizes_that_cannot_work_are_refused_with_what_to_choose():
    with pytest.raises(ValueError, match="width=40 cannot be shared by heads=4: .* Choose a multiple of 16"):
        models.tiny_qwen3_vl(width=40)
    with pytest.raises(ValueError, match="image_size=30 is not a multiple of 7 pixels, the side of one image token"):
        models.tiny_llava(image_size=30)
    with pytest.raises(ValueError, match="longest_edge=200 would need more than 6 tiles of 28 pixels a side"):
        models.tiny_idefics3(longest_edge=200)
    with pytest.raises(ValueError, match="tokens_per_side=3 does not divide the 4 patches of a side"):
        models.tiny_gemma3(tokens_per_side=3)
    with pytest.raises(ValueError, match="width=48 is not a multiple of 32, the number of groups"):
        models.tiny_grounding_dino(width=48)
    with pytest.raises(ValueError, match="layers=1: the decoder of Grounding DINO ties its box heads"):
        models.tiny_grounding_dino(layers=1)


# Qwen without videos


@pytest.mark.skipif(
    transformers.utils.is_torchvision_available(), reason="with torchvision upstream has its video part"
)
@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_upstream_still_insists_on_a_video_processor(family):
    """When this fails, upstream takes pictures and text alone, and our two image-text processors can go."""
    ours = tiny(family).processor
    upstream = getattr(transformers, type(ours).upstream())
    with pytest.raises((AttributeError, ImportError, TypeError)):
        upstream(ours.image_processor, ours.tokenizer, None)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_the_image_text_processors_refuse_videos_and_load_a_checkpoint_that_upstream_published(
    family, images, tmp_path
):
    ours = tiny(family).processor
    with pytest.raises(ValueError, match="ImageTextProcessor got videos, but it has no video processor: use Qwen"):
        ours(images=images[:1], text=["a"], videos=[images])
    # The layout of a published checkpoint: parts in their own files, the names of the full classes.
    ours.tokenizer.save_pretrained(tmp_path)
    settings_file = tmp_path / "preprocessor_config.json"
    published = ours.image_processor.to_dict() | {
        "image_processor_type": "Qwen2VLImageProcessorFast",
        "processor_class": type(ours).upstream(),
    }
    settings_file.write_text(json.dumps(published), encoding="utf-8")
    loaded = type(ours).from_pretrained(tmp_path)
    expected = encode(tiny(family), images, TEXTS)
    found = encode(tiny(family), images, TEXTS, processor=loaded)
    assert all(torch.equal(expected[key], found[key]) for key in expected)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_a_saved_image_text_processor_never_loads_as_a_bare_tokenizer(family, tmp_path):
    tiny(family).model.config.save_pretrained(tmp_path)
    tiny(family).processor.save_pretrained(tmp_path)
    with pytest.raises((ImportError, OSError), match="video"):
        transformers.AutoProcessor.from_pretrained(tmp_path)


# Bases large enough to learn


@pytest.mark.parametrize("family", ["kosmos2", "llava"])
def test_a_wider_base_of_over_a_million_parameters_learns_a_batch_by_heart(family, images):
    gain = {"gain": 1.0} if family == "kosmos2" else {}
    made = tiny(family, width=128, layers=5, image_size=64, patch_size=8, **gain)
    model = made.model
    assert 1_000_000 < parameter_count(model) < 2_000_000
    batch = encode(made, images, TEXTS, side="right")
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    if family == "kosmos2":
        labels = labels.masked_fill(batch["image_embeds_position_mask"] == 1, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        loss = model(**batch, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


# Detector and segmenter


def test_grounding_dino_finds_phrases_by_berts_own_ids_and_survives_a_round_trip(images, tmp_path):
    made = tiny("grounding_dino")
    tokenizer = made.processor.tokenizer
    assert tokenizer.convert_tokens_to_ids(["[PAD]", "[CLS]", "[SEP]", ".", "?"]) == [0, 101, 102, 1012, 1029]
    assert parameter_count(made.model) < 300_000
    texts = ["a red circle. a square.", "a zebra."]
    batch = made.processor(images=images, text=texts, return_tensors="pt", padding=True)
    with torch.no_grad():
        outputs = made.model(**batch)
    assert outputs.pred_boxes.shape == (2, 12, 4)
    assert (outputs.pred_boxes.std(dim=1) > 0).all()
    found = made.processor.post_process_grounded_object_detection(
        outputs, batch["input_ids"], threshold=0.0, text_threshold=0.0, target_sizes=[(40, 60), (50, 30)]
    )
    assert [len(result["boxes"]) for result in found] == [12, 12]
    made.model.save_pretrained(tmp_path)
    made.processor.save_pretrained(tmp_path)
    model = transformers.AutoModelForZeroShotObjectDetection.from_pretrained(tmp_path)
    again = transformers.AutoProcessor.from_pretrained(tmp_path)(
        images=images, text=texts, return_tensors="pt", padding=True
    )
    with torch.no_grad():
        assert torch.equal(model(**again).pred_boxes, outputs.pred_boxes)


def test_sam_turns_boxes_into_masks_of_the_pictures_own_size(images, tmp_path):
    made = tiny("sam")
    assert parameter_count(made.model) < 300_000
    boxes = [[[5.0, 5.0, 30.0, 30.0]], [[1.0, 2.0, 20.0, 20.0]]]
    made.model.save_pretrained(tmp_path)
    made.processor.save_pretrained(tmp_path)
    loaded = transformers.SamModel.from_pretrained(tmp_path), transformers.AutoProcessor.from_pretrained(tmp_path)
    masks = []
    for model, processor in ((made.model, made.processor), loaded):
        batch = processor(images=images, input_boxes=boxes, return_tensors="pt")
        sizes = batch.pop("original_sizes"), batch.pop("reshaped_input_sizes")
        with torch.no_grad():
            low = model(**batch, multimask_output=False).pred_masks
        masks.append(processor.image_processor.post_process_masks(low, *sizes))
    assert [tuple(mask.shape) for mask in masks[0]] == [(1, 1, 40, 60), (1, 1, 50, 30)]
    assert all(torch.equal(one, two) for one, two in zip(*masks, strict=True))
    assert all(0 < mask.float().mean() < 1 for mask in masks[0])
