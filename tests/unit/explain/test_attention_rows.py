# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Streamed attention rows are the rows of eager's full maps, on every family, whatever the padding."""

import re

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from promvil_hf.backends.base import Decoding, Request
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.boxes import Box
from promvil_hf.explain.answered import answer_tokens, answered, require_places, token_spans, tokens_of
from promvil_hf.explain.attention_rows import Wanted, attention_rows, language_layers, stream_attention_rows
from promvil_hf.explain.explanation_pages import atlas_page
from promvil_hf.explain.heads import AskedTurn, Null, head_atlas, head_rows, key_turns
from promvil_hf.explain.layer_names import Head, Layer
from promvil_hf.key_expressions import KeyExpression
from promvil_hf.toy import models
from tests.unit.toy.models.families import ONE_STACK, fresh


KEY = KeyExpression("circle", 0, (Box(0.1, 0.1, 0.5, 0.6),))
every_family = pytest.mark.parametrize("family", ONE_STACK)


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8))


REQUESTS = [
    Request("the red circle", noise(90, 40)),
    Request("Where is the large blue square above the green star?"),
    Request("a dog", noise(30, 70, 1)),
]


def tiny(family: str, **sizes) -> PatchTokenBackend:
    made = fresh(family, **sizes)
    return PatchTokenBackend(made.model, made.processor)


@torch.inference_mode()
def eager(model, inputs) -> tuple[torch.Tensor, ...]:
    model.set_attn_implementation("eager")
    full = model(**inputs, output_attentions=True).attentions
    model.set_attn_implementation("sdpa")
    return full


def wanted(backend, inputs, last: int = 3) -> list[Wanted]:
    positions = backend.image_positions(inputs)
    return [
        Wanted(mask.nonzero()[-last:, 0].tolist(), image_places.nonzero()[:, 0].tolist())
        for mask, image_places in zip(inputs["attention_mask"], positions, strict=True)
    ]


@every_family
@pytest.mark.parametrize("side", ["left", "right"])
def test_rows_equal_the_rows_of_eager_full_maps(family, side):
    backend = tiny(family)
    inputs = backend.inputs(REQUESTS, padding_side=side)
    asked = wanted(backend, inputs)
    ours = attention_rows(backend.model, inputs, asked)
    full = eager(backend.model, inputs)
    for row, one in enumerate(asked):
        for found, layer in zip(ours[row].values(), full, strict=True):
            torch.testing.assert_close(found, layer[row][:, one.queries][..., one.keys], atol=1e-5, rtol=0)
    assert all(rows.numel() for rows in ours[0].values())
    assert not any(rows.numel() for rows in ours[1].values())  # without a picture there are no image tokens


@every_family
def test_each_layer_has_the_models_own_number(family):
    """What a layer's own module returns beside its output are the rows handed over under its name."""
    backend = tiny(family)
    inputs = backend.inputs(REQUESTS[:1])
    length, maps = inputs["input_ids"].shape[1], {}

    def keep(index):
        return lambda module, args, output: maps.update({index: output[1]})

    for name, module in backend.model.named_modules():
        place = re.fullmatch(r"model\.(?:language_model|text_model)\.layers\.(\d+)\.self_attn", name)
        if place:
            module.register_forward_hook(keep(int(place[1])))
    eager(backend.model, inputs)
    theirs = dict(maps)
    [ours] = attention_rows(backend.model, inputs, [Wanted(range(length), range(length))])
    assert list(ours) == [Layer("language", index) for index in sorted(theirs)]
    for layer, rows in ours.items():
        torch.testing.assert_close(rows, theirs[layer.index][0], atol=1e-5, rtol=0)
    assert len(language_layers(backend.model)) == backend.model.config.text_config.num_hidden_layers


def test_a_hybrids_layers_without_heads_are_not_counted_and_are_said_to_have_none():
    backend = tiny("qwen3_5", layers=8)
    inputs = backend.inputs(REQUESTS)
    ours = attention_rows(backend.model, inputs, wanted(backend, inputs))
    assert [list(map(str, row)) for row in ours] == [["3", "7"]] * 3
    [rows], _ = head_rows(backend, [(REQUESTS[0], (300,))], [Head.of(7, 2)])
    assert rows.shape == (1, int(backend.image_positions(inputs)[0].sum()))
    with pytest.raises(ValueError, match=r"head 2 of layer 1, which has no attention heads: .* only 3, 7 have some"):
        head_rows(backend, [(REQUESTS[0], (300,))], [Head.of(1, 2)])
    turns = [AskedTurn(f"{i}", one.image, one.image.size, "Where?", (KEY,), "A circle.") for i, one in enumerate(REQUESTS[::2])]
    answered_turns, _ = key_turns(backend, turns, own_answers=False)
    atlas = head_atlas(backend, answered_turns, Null("cells", shuffles=2))
    assert "|".join(map(str, atlas.layers)) == "3|7" and "".join(map(str, atlas.without_heads)) == "012456"
    assert {head.layer.index for head in atlas.best()} <= {3, 7} and atlas.interval(atlas.best(1)[0])
    page = str(atlas_page(atlas, [], None))
    assert "Layers without attention heads: 0, 1, 2, 4, 5, 6." in page and "layer 7, head 3" in page and "layer 1," not in page


@every_family
def test_a_given_answer_has_the_rows_of_writing_it(family):
    """One teacher-forced pass has the attention of each step of `generate`, row t - 1 for token t."""
    backend = tiny(family)
    request = REQUESTS[0]
    [written] = backend.generate([request], Decoding(max_new_tokens=4))
    [rows], row = head_rows(backend, [(request, written.tokens)], [Head(language_layers(backend.model)[-1], 2)])
    inputs = backend.inputs([request])
    backend.model.set_attn_implementation("eager")
    steps = backend.model.generate(
        **inputs, max_new_tokens=len(written.tokens), min_new_tokens=len(written.tokens), do_sample=False,
        output_attentions=True, return_dict_in_generate=True,
    ).attentions  # fmt: skip
    columns = backend.image_positions(inputs)[0]
    for step, layers in enumerate(steps):
        theirs = layers[-1][0, 2, -1, : columns.shape[0]][columns]
        np.testing.assert_allclose(rows[step], theirs, atol=1e-5)
    assert row.query_of(0) == columns.shape[0] - 1


def test_answers_of_different_lengths_in_one_batch_are_explained_as_alone():
    backend = tiny("llava")
    pairs = [(REQUESTS[0], (300, 301, 302, 303)), (REQUESTS[2], (310,))]
    together, _ = head_rows(backend, pairs, None)
    for pair, in_batch in zip(pairs, together, strict=True):
        [alone], _ = head_rows(backend, [pair], None)
        np.testing.assert_allclose(in_batch, alone, atol=1e-5)


def test_no_map_is_kept_and_layers_come_one_by_one():
    backend = tiny("llava", layers=3)
    inputs = backend.inputs(REQUESTS)
    asked = wanted(backend, inputs, last=2)
    seen = []

    def take(layer, rows):
        seen.append((layer, [tuple(row.shape) for row in rows]))

    outputs = stream_attention_rows(backend.model, inputs, asked, take)
    assert [str(layer) for layer, _ in seen] == ["0", "1", "2"]
    assert seen[0][1] == [(4, 2, 16), (4, 2, 0), (4, 2, 16)]
    assert outputs.logits.shape[1] == 1
    assert not outputs.attentions


def test_the_model_is_left_as_it_was_even_after_an_error():
    backend = tiny("llava")
    backend.model.train()
    before = backend.model(**backend.inputs(REQUESTS[:1])).logits

    def fails(layer, rows):
        raise RuntimeError("enough")

    inputs = backend.inputs(REQUESTS[:1])
    with pytest.raises(RuntimeError, match="enough"):
        stream_attention_rows(backend.model, inputs, wanted(backend, inputs), fails)
    assert backend.model.config.text_config._attn_implementation == "sdpa"
    assert backend.model.training and backend.model.model.language_model.layers[0].training
    torch.testing.assert_close(backend.model(**inputs).logits, before)


def test_an_adapter_in_front_of_the_model_is_looked_through():
    from peft import LoraConfig, get_peft_model

    backend = tiny("llava")
    inputs = backend.inputs(REQUESTS[:1])
    plain = attention_rows(backend.model, inputs, wanted(backend, inputs))
    torch.manual_seed(0)
    wrapped = get_peft_model(backend.model, LoraConfig(target_modules=["q_proj"], init_lora_weights=False)).eval()
    changed = attention_rows(wrapped, inputs, wanted(backend, inputs))
    assert changed[0].keys() == plain[0].keys()
    assert all((changed[0][layer] - rows).abs().max() > 1e-4 for layer, rows in plain[0].items())


def test_soft_capped_attention_equals_eager():
    """PaliGemma 2's text model caps its scores, which the fused kernel cannot."""
    torch.manual_seed(0)
    relative = models.tiny_paligemma()
    config = transformers.PaliGemmaConfig(
        vision_config=relative.model.config.vision_config,
        text_config={
            "model_type": "gemma2",
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "query_pre_attn_scalar": 8,
            "vocab_size": relative.model.config.text_config.vocab_size,
            "attn_logit_softcapping": 0.5,
            "sliding_window": 64,
            "pad_token_id": 0,
        },
        image_token_index=relative.model.config.image_token_id,
        projection_dim=32,
        hidden_size=32,
    )
    model = transformers.PaliGemmaForConditionalGeneration(config).eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.normal_(std=0.3)
    model.set_attn_implementation({"text_config": "eager"})
    backend = PatchTokenBackend(model, relative.processor)
    inputs = backend.inputs(REQUESTS)
    asked = wanted(backend, inputs)
    ours = attention_rows(model, inputs, asked)
    assert model.config.text_config._attn_implementation == "eager"
    with torch.inference_mode():
        full = model(**inputs, output_attentions=True).attentions
    for row, one in enumerate(asked):
        for found, layer in zip(ours[row].values(), full, strict=True):
            torch.testing.assert_close(found, layer[row][:, one.queries][..., one.keys], atol=1e-5, rtol=0)


def test_half_precision_models_give_float32_rows_that_sum_to_one():
    backend = tiny("llava")
    backend.model.to(torch.bfloat16)
    inputs = backend.inputs(REQUESTS[:1])
    length = inputs["input_ids"].shape[1]
    [rows] = attention_rows(backend.model, inputs, [Wanted([length - 1], range(length))])
    for layer in rows.values():
        assert layer.dtype == torch.float32
        torch.testing.assert_close(layer.sum(-1), torch.ones(layer.shape[:-1]))


# What is refused


def test_a_model_that_returns_no_attention_says_the_way_out():
    backend = tiny("llava")
    for layer in backend.model.model.language_model.layers:
        layer.self_attn.forward = lambda hidden_states, **_: (hidden_states, None)  # as remote code may do
    inputs = backend.inputs(REQUESTS[:1])
    way_out = 'returned no attention: .* without `trust_remote_code`; .*`attn_implementation="eager"`'
    with pytest.raises(ValueError, match=way_out):
        attention_rows(backend.model, inputs, wanted(backend, inputs))


def test_names_of_layers_and_heads_are_read_back_and_others_refused():
    for text in ("14.11", "encoder.3.11", "cross.0.2"):
        assert str(Head.named(text)) == text and Layer.named(text.rpartition(".")[0]) == Head.named(text).layer
    for wrong in ("14", "a.b", "encoder.3", "1.2.3", "-1.2", ""):
        with pytest.raises(ValueError, match="You passed the head .* write layer.head"):
            Head.named(wrong)
    with pytest.raises(ValueError, match="You passed the layer '3.x'"):
        Layer.named("3.x")


def test_wishes_that_do_not_fit_are_refused():
    backend = tiny("llava")
    inputs = backend.inputs(REQUESTS[:1])
    with pytest.raises(ValueError, match="You passed 2 wishes for a batch of 1 rows"):
        attention_rows(backend.model, inputs, [Wanted([1], [2])] * 2)
    with pytest.raises(ValueError, match=r"You asked for the place 999 of row 0, which has \d+ tokens"):
        attention_rows(backend.model, inputs, [Wanted([999], [2])])
    with pytest.raises(ValueError, match=r"head 9 of layer 0, which has 4 heads"):
        head_rows(backend, [(REQUESTS[0], (300,))], [Head.of(0, 9)])
    with pytest.raises(ValueError, match=r"head 0 of layer 7, but the model's layers are 0, 1\."):
        head_rows(backend, [(REQUESTS[0], (300,))], [Head.of(7, 0)])
    with pytest.raises(ValueError, match="an answer without tokens"):
        answered(backend, REQUESTS[:1], [()])


def test_a_model_whose_image_tokens_are_no_places_is_refused():
    from promvil_hf.backends.kosmos2 import Kosmos2Backend

    made = models.tiny_kosmos2()
    with pytest.raises(
        ValueError, match="You passed a Kosmos2Backend, whose image tokens are no places.*such as LLaVA"
    ):
        require_places(Kosmos2Backend(made.model, made.processor))


# Words and their tokens


@every_family
def test_a_given_answer_is_written_as_the_template_writes_it(family):
    backend = tiny(family)
    tokens = answer_tokens(backend, REQUESTS[0], "The small circle is red.")
    text, spans = token_spans(backend.processor.tokenizer, tokens)
    assert text.strip() == "The small circle is red."
    found = tokens_of("small circle", text, spans)
    assert "".join(text[start:end] for start, end in (spans[place] for place in found)).strip() == "small circle"


def test_characters_of_several_tokens_are_written_by_the_last_of_them():
    tokenizer = models.tiny_llava().processor.tokenizer
    tokens = tokenizer("a café ☃ there", add_special_tokens=False)["input_ids"]
    text, spans = token_spans(tokenizer, tokens)
    assert text == "a café ☃ there"
    assert "".join(text[start:end] for start, end in spans) == text
    assert tokens_of("☃", text, spans)


def test_phrases_are_found_as_whole_words_in_any_case_and_by_their_end_where_the_rest_is_missing():
    text = "The catalog shows a Cat and a cat."
    spans = [(place, place + 1) for place in range(len(text))]

    def found(phrase):
        places = tokens_of(phrase, text, spans)
        return text[places[0] : places[-1] + 1] if places else None

    assert found("cat") == "Cat"
    assert found("black cat") == "Cat"
    assert found("a  CAT") == "a Cat"
    assert found("dog") is None
    assert found("cat.") is None or found("cat.") == "cat."
