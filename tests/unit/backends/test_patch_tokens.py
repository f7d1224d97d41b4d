# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The patch-token backend answers a batch as it answers each row, and its image tokens see what their boxes say."""

import dataclasses
import functools
import json
import re

import numpy as np
import pytest
import torch
import transformers
from PIL import ExifTags, Image
from tokenizers.processors import TemplateProcessing

from promvil_hf.backends.base import Decoding, Request
from promvil_hf.backends.decoding import decode
from promvil_hf.backends.families import PATCH_FAMILIES, load_processor
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.boxes import Box, iou
from promvil_hf.dialects import LlavaBrackets, PaliGemmaLoc
from promvil_hf.frames import ResizedPixels, StretchedPixels
from promvil_hf.images import as_rgb, upright_size
from promvil_hf.phrases import GroundedPhrase
from promvil_hf.toy import models
from tests.unit.backends.pushed_through import Case
from tests.unit.toy.models.families import ONE_STACK, fresh


FEW = Decoding(max_new_tokens=3)
PAN_AND_SCAN = {"do_pan_and_scan": True, "pan_and_scan_min_crop_size": 28, "pan_and_scan_max_num_crops": 4}
PAN_AND_SCAN |= {"pan_and_scan_min_ratio_to_activate": 1.2}
CASES = [Case(family) for family in sorted(PATCH_FAMILIES)]
CASES += [Case("llava", {"fit": "pad"}, name="pad"), Case("gemma3", {}, PAN_AND_SCAN, "pan and scan")]

every_case = pytest.mark.parametrize("case", CASES, ids=str)
# What decoding does without looking at the family: one of each kind of position and of attention, and an encoder-decoder.
DECODED = ("llava", "paligemma", "qwen3_vl", "gemma4", "florence2")
some_cases = pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=[] if str(case) in DECODED else [pytest.mark.slow]) for case in CASES],
    ids=str,
)


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8))


def requests() -> list[Request]:
    """Long and short prompts, a wide and a tall picture, and none."""
    return [
        Request("the red circle", noise(90, 40)),
        Request("Where is the large blue square above the green star?"),
        Request("a dog", noise(30, 70, seed=1)),
    ]


SIZES = [(90, 40), None, (30, 70)]


@functools.cache
def greedy(name: str) -> list:
    """What a case answers to the three in one batch."""
    [case] = [case for case in CASES if str(case) == name]
    return case.backend.generate(requests(), FEW)


# One answer, however it is asked for


@every_case
def test_a_batch_answers_as_each_request_alone(case):
    backend, together = case.backend, greedy(str(case))
    alone = [backend.generate([request], FEW)[0] for request in requests()]
    assert [answer.tokens for answer in together] == [answer.tokens for answer in alone]
    assert len({answer.tokens for answer in together}) == 3
    for one, other in zip(together, alone, strict=True):
        assert (one.text, one.ended) == (other.text, other.ended)
        np.testing.assert_allclose(one.log_probs, other.log_probs, atol=1e-4)


@every_case
def test_logits_of_a_row_do_not_depend_on_its_batch_or_on_the_side_of_the_padding(case):
    backend = case.backend
    with torch.inference_mode():
        rows = [backend.model(**backend.inputs([request])).logits[0] for request in requests()]
        for side in ("left", "right"):
            inputs = backend.inputs(requests(), padding_side=side)
            assert (inputs["attention_mask"] == 0).any()
            logits = backend.model(**inputs).logits
            for row, alone in enumerate(rows):
                # An encoder-decoder has those of the answer alone.
                kept = logits[row] if backend.family.encoder_decoder else logits[row][inputs["attention_mask"][row] == 1]
                torch.testing.assert_close(kept, alone, atol=1e-4, rtol=0)


@every_case
def test_padding_on_the_right_and_working_without_a_cache_give_the_same_answers(case):
    backend, expected = case.backend, greedy(str(case))
    tokenizer = backend.processor.tokenizer
    right = decode(backend.model, backend.inputs(requests(), padding_side="right"), tokenizer, FEW)
    uncached = decode(backend.model, backend.inputs(requests()), tokenizer, FEW, use_cache=False)
    for found in (right, uncached):
        assert [answer.tokens for answer in found] == [answer.tokens for answer in expected]
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one.log_probs, other.log_probs, atol=1e-4)


@some_cases
def test_samples_are_repeatable_and_a_stop_rule_ends_a_row_of_its_own(case):
    backend = case.backend
    sampled = dataclasses.replace(FEW, sample=True, temperature=2.0, seed=3)
    together = backend.generate(requests(), sampled)
    assert [row.tokens for row in together] == [backend.generate([r], sampled)[0].tokens for r in requests()]
    stopped = backend.generate(requests(), dataclasses.replace(FEW, stop=lambda tokens: len(tokens) == 2))
    assert [answer.tokens for answer in stopped] == [answer.tokens[:2] for answer in greedy(str(case))]


def test_no_requests_give_no_answers():
    assert CASES[0].backend.generate([], FEW) == []


# Places


@every_case
def test_rows_without_a_picture_have_no_boxes_and_padding_moves_none(case):
    backend = case.backend
    left, right = (
        backend.token_boxes(backend.inputs(requests(), padding_side=side), SIZES) for side in ("left", "right")
    )
    assert left == right
    positions = backend.image_positions(backend.inputs(requests()))
    assert [len(row) for row in left] == positions.sum(1).tolist()
    assert left[1] == []
    assert left[0] and left[2]


@pytest.mark.parametrize("case", [case for case in CASES if case.family in ONE_STACK], ids=str)
def test_a_spot_in_the_box_of_a_token_changes_that_token_most(case):
    """The order of boxes is the order of features inside the model, whatever it does between pixels and tokens.

    Patches of this model do not attend to each other, so a change stays with the tokens that see it.
    """
    made = fresh(case.family, **case.sizes)
    for name, parameter in made.model.named_parameters():
        if re.search(r"vis\w+\..*(attn\.(o_|out_)?proj|attention\.projection_layer)\.", name):
            parameter.data.zero_()
    backend = PatchTokenBackend(made.model, made.processor, image_options=case.image_options)
    picture = np.asarray(noise(160, 100)) // 8 + 112  # still of eight bits
    [boxes] = backend.token_boxes(backend.inputs([Request("a", Image.fromarray(picture))]), [(160, 100)])
    places = [index for index, box in enumerate(boxes) if box is not None]
    spotted = places[:: max(1, len(places) // 9)]
    pictures = [picture]
    for box in (boxes[index] for index in spotted):
        spot = picture.copy()
        x0, x1 = ((box.x0 + share * box.width) * 160 for share in (0.3, 0.7))
        y0, y1 = ((box.y0 + share * box.height) * 100 for share in (0.3, 0.7))
        spot[round(y0) : max(round(y1), round(y0) + 1), round(x0) : max(round(x1), round(x0) + 1)] = 255
        pictures.append(spot)
    shown = backend.inputs([Request("a", Image.fromarray(pixels)) for pixels in pictures])
    with torch.inference_mode():
        seen = backend.model(**shown, output_hidden_states=True).hidden_states[0]
    plain, *features = seen[backend.image_positions(shown)].unflatten(0, (len(pictures), -1))
    for index, feature in zip(spotted, features, strict=True):
        box, change = boxes[index], (feature - plain).norm(dim=1)
        rivals = [i for i in places if boxes[i].area == pytest.approx(box.area, rel=0.01)]
        assert max(rivals, key=lambda i: change[i]) == index
        untouched = [i for i, other in enumerate(boxes) if other is None or iou(other, box) == 0]
        assert not untouched or change[untouched].max() < 0.7 * change[index]


def test_llavas_class_token_is_no_place():
    made = models.tiny_llava()
    made.model.config.vision_feature_select_strategy = made.processor.vision_feature_select_strategy = "full"
    backend = PatchTokenBackend(made.model, made.processor)
    [boxes] = backend.token_boxes(backend.inputs(requests()[:1]), SIZES[:1])
    assert boxes[0] is None
    assert None not in boxes[1:]
    assert len(boxes) == 17


def test_wrong_sizes_are_refused():
    backend = Case("llava_next").backend
    inputs = backend.inputs(requests())
    with pytest.raises(ValueError, match="You passed 1 image sizes for 3 rows: give one per row, None where"):
        backend.token_boxes(inputs, [(90, 40)])
    with pytest.raises(ValueError, match=r"None as the image size of a row with \d+ image tokens: give the size"):
        backend.token_boxes(inputs, [None, None, (30, 70)])
    with pytest.raises(ValueError, match=r"A picture of 40x90 has \d+ image tokens, but its row has \d+. Pass the"):
        backend.token_boxes(inputs, [(40, 90), None, (30, 70)])


# What the model is given


def test_pictures_are_turned_upright_by_their_own_mark_and_made_rgb():
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    grey = noise(90, 40).convert("L")
    grey.info["exif"] = exif.tobytes()
    upright = as_rgb(grey)
    assert (upright.mode, upright.size) == ("RGB", (40, 90))
    assert upright_size(grey) == (40, 90)
    assert as_rgb(upright).tobytes() == upright.tobytes()
    assert upright_size(noise(90, 40)) == as_rgb(noise(90, 40)).size == (90, 40)
    backend = Case("qwen2_5_vl").backend
    marked, turned = (backend.inputs([Request("a", image)]) for image in (grey, upright))
    assert all(torch.equal(marked[name], turned[name]) for name in turned)


def test_floats_come_in_the_models_dtype():
    made = models.tiny_llava()
    backend = PatchTokenBackend(made.model.to(torch.bfloat16), made.processor)
    inputs = backend.inputs(requests())
    assert inputs["pixel_values"].dtype == torch.bfloat16
    assert inputs["input_ids"].dtype == torch.int64
    assert len(backend.generate(requests(), FEW)) == 3


@pytest.mark.parametrize("family", ONE_STACK)
def test_tokens_that_begin_a_text_are_written_once_whoever_writes_them(family):
    """By the tokenizer, by the template, or by both: GLM's write two tokens, most others one."""
    made = fresh(family)
    tokenizer, template = made.processor.tokenizer, made.processor.chat_template
    begin = tokenizer.bos_token or "[gMASK]<sop>"
    if family == "paligemma" or any(part not in tokenizer.get_vocab() for part in re.findall(r".*?[>\]]", begin)):
        pytest.skip("no such tokens")
    ids = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(begin))
    parts = [(part, number) for part, number in zip(tokenizer.tokenize(begin), ids, strict=True)]
    writes = TemplateProcessing(single=[*(part for part, _ in parts), "$A"], special_tokens=parts)
    tokenizer.backend_tokenizer.post_processor = writes
    rows = []
    for lead in ("", "{{ '" + begin + "' }}"):
        made.processor.chat_template = lead + template.removeprefix(begin).removeprefix("{{ bos_token }}")
        rows.append(PatchTokenBackend(made.model, made.processor).inputs(requests()[:1])["input_ids"][0].tolist())
    assert rows[0] == rows[1]
    assert rows[0][: len(ids)] == ids and all(rows[0].count(one) == 1 for one in ids)


@pytest.mark.parametrize("family", sorted(PATCH_FAMILIES))
def test_without_a_chat_template_the_family_has_a_prompt_of_its_own(family):
    made = fresh(family)
    made.processor.chat_template = None
    backend = PatchTokenBackend(made.model, made.processor)
    inputs = backend.inputs(requests())
    backend.token_boxes(inputs, SIZES)
    for ids, request in zip(inputs["input_ids"], requests(), strict=True):
        assert request.prompt in made.processor.tokenizer.decode(ids)
    assert len(backend.generate(requests(), FEW)) == 3


def test_a_prompt_that_holds_the_mark_of_a_picture_is_refused():
    for family, mark in (("llava", "<image>"), ("gemma3", "<image_soft_token>"), ("qwen3_vl", "<|image_pad|>")):
        with pytest.raises(ValueError, match="which holds the mark of a picture. The backend places the picture"):
            Case(family).backend.inputs([Request(f"what is {mark}?", noise(40, 40))])
    with pytest.raises(ValueError, match="You passed no requests: a batch needs at least one"):
        Case("llava").backend.inputs([])


def test_paligemma_rows_with_pictures_are_encoded_as_upstream_does():
    backend = Case("paligemma").backend
    ours = backend.inputs([request for request in requests() if request.image])
    pictures = [[request.image] for request in requests() if request.image]
    texts = ["<image>the red circle", "<image>a dog"]
    upstream = backend.processor(images=pictures, text=texts, padding=True, padding_side="left").convert_to_tensors(
        "pt"
    )
    assert {**upstream}.keys() - {"labels"} == ours.keys()
    assert all(torch.equal(ours[name], upstream[name]) for name in ours)


def test_upstream_still_misplaces_paligemmas_begin_token_in_a_row_without_a_picture():
    """When this fails, look whether `families._encode_paligemma` can go: it also needs batches without pictures."""
    processor = Case("paligemma").backend.processor
    batch = processor(images=[[noise(40, 40)], []], text=["<image>a dog", "where is it?"], padding=True)
    assert processor.tokenizer.decode(batch["input_ids"][1]).replace("<pad>", "") == "where <bos>is it?\n"


def test_the_detect_prompt_of_paligemma_keeps_one_line_end():
    backend = Case("paligemma").backend
    inputs = backend.inputs([Request(backend.dialect.prompt("a dog"), noise(40, 40))])
    assert backend.processor.tokenizer.decode(inputs["input_ids"][0]).endswith("<bos>detect a dog\n")


# Dialects


def test_every_family_has_a_dialect_that_reads_what_it_writes():
    phrase = GroundedPhrase("the red circle", (Box(0.25, 0.25, 0.75, 0.5),))
    for case in CASES:
        dialect = case.backend.dialect
        written = dialect.target(phrase, image_size=(640, 427))
        [box] = dialect.parse(written, image_size=(640, 427)).boxes
        shift = max(dialect.frame.resolution((640, 427)))
        assert box.xyxy == pytest.approx(phrase.boxes[0].xyxy, abs=shift)
    given = LlavaBrackets()
    made = models.tiny_paligemma()
    assert PatchTokenBackend(made.model, made.processor, given).dialect is given
    assert PatchTokenBackend(made.model, made.processor).dialect == PaliGemmaLoc()


def test_qwen2_5_counts_pixels_of_the_image_as_its_processor_stretched_it():
    backend = Case("qwen2_5_vl").backend
    frame = backend.dialect.frame
    generator = np.random.default_rng(0)
    for width, height in generator.integers(10, 300, (40, 2)).tolist():
        inputs = backend.inputs([Request("a", Image.new("RGB", (width, height)))])
        _, rows, columns = inputs["image_grid_thw"][0].tolist()
        assert frame.of((width, height)) == ResizedPixels((columns * 7, rows * 7))
    target = GroundedPhrase("a dog", (Box(0.0, 0.0, 1.0, 0.5),))
    assert '"bbox_2d": [0, 0, 84, 28]' in backend.dialect.target(target, image_size=(90, 60))
    with pytest.raises(ValueError, match=r"You passed image_size=None: this frame needs the original image's"):
        StretchedPixels(28, 28 * 28, 28 * 28 * 64).encode(Box(0, 0, 1, 1), None)


# What cannot work


def test_other_models_and_bare_tokenizers_are_refused():
    kosmos2, llava = models.tiny_kosmos2(), models.tiny_llava()
    with pytest.raises(
        ValueError, match="model of type 'kosmos-2', whose image tokens have no known place. Known are"
    ):
        PatchTokenBackend(kosmos2.model, kosmos2.processor)
    with pytest.raises(ValueError, match="which takes no images. .* some processors need torchvision"):
        PatchTokenBackend(llava.model, llava.processor.tokenizer)


@pytest.mark.parametrize("family", ["smolvlm", "internvl", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5", "llava"])
def test_a_processor_loads_without_the_part_for_videos(family, tmp_path):
    made = fresh(family)
    made.processor.save_pretrained(tmp_path)
    if family == "smolvlm":  # the published folder names the full class
        for name in ("processor_config.json", "preprocessor_config.json"):
            if (path := tmp_path / name).exists():
                path.write_text(json.dumps(json.loads(path.read_text()) | {"processor_class": "SmolVLMProcessor"}))
    loaded = load_processor(str(tmp_path), PATCH_FAMILIES[family])
    expected, found = (PatchTokenBackend(made.model, p).inputs(requests()) for p in (made.processor, loaded))
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert type(loaded.image_processor) is type(made.processor.image_processor)
    assert isinstance(loaded, transformers.ProcessorMixin)


NEED_TORCHVISION = [name for name, family in PATCH_FAMILIES.items() if family.needs_torchvision]


@pytest.mark.skipif(transformers.utils.is_torchvision_available(), reason="torchvision is there")
@pytest.mark.parametrize("family", NEED_TORCHVISION)
def test_a_processor_that_needs_torchvision_says_so(family):
    with pytest.raises(ImportError, match="processor of a/b: .* for torchvision only, which is not installed. Install it"):
        load_processor("a/b", PATCH_FAMILIES[family])


@pytest.mark.parametrize("family", NEED_TORCHVISION)
def test_upstream_still_has_the_image_processor_for_torchvision_only(family):
    """When this fails, `Family.needs_torchvision` and `toy.models.without_torchvision` can go for this family."""
    made = fresh(family)
    assert not hasattr(transformers, f"{type(made.processor.image_processor).__name__}Pil")
