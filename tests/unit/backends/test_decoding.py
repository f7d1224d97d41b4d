# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of decoding, shown on a tiny LLaVA: a row gets the answer it would get alone, and the numbers that belong to it."""

import functools

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import TopPLogitsWarper

from promvil_hf.backends import decoding as module
from promvil_hf.backends.base import Decoding
from promvil_hf.backends.decoding import decode, in_evaluation_mode, to_left_padding
from promvil_hf.toy.models import tiny_llava


TEXTS = (
    "the red circle",
    "the large blue square above the green star",
    "the dotted green circle inside the large blue square",
)
GREEDY = Decoding(max_new_tokens=8)
SAMPLED = Decoding(max_new_tokens=8, sample=True, seed=5)


@functools.cache
def llava():
    return tiny_llava()


@pytest.fixture
def model():
    """The one model, its generation settings put back afterwards."""
    model = llava().model
    settings = model.generation_config
    model.generation_config = type(settings)(**settings.to_dict())
    yield model
    model.generation_config = settings


def encode(rows=range(3), side="left"):
    generator = np.random.default_rng(0)
    images = [Image.fromarray(generator.integers(0, 255, (40, 60, 3), dtype=np.uint8)) for _ in TEXTS]
    processor = llava().processor
    processor.tokenizer.padding_side = side
    return dict(
        processor(
            images=[images[row] for row in rows],
            text=["USER: <image>\n" + TEXTS[row] for row in rows],
            padding=True,
            return_tensors="pt",
        )
    )


def answers(model, decoding, rows=range(3), side="left", **options):
    return decode(model, encode(rows, side), llava().processor.tokenizer, decoding, **options)


def tokens(generated):
    return [answer.tokens for answer in generated]


def assert_same(some, others):
    assert tokens(some) == tokens(others)
    assert [answer.text for answer in some] == [answer.text for answer in others]
    assert [answer.ended for answer in some] == [answer.ended for answer in others]
    for one, other in zip(some, others, strict=True):
        np.testing.assert_allclose(one.log_probs, other.log_probs, atol=1e-5)


@pytest.mark.parametrize("way", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_a_row_answers_as_if_it_were_alone_padded_either_way_and_with_or_without_a_cache(model, way):
    together = answers(model, way)
    assert len(set(tokens(together))) == 3
    assert_same(together, [answers(model, way, [row])[0] for row in range(3)])
    assert_same(together, answers(model, way, side="right"))
    assert_same(together, answers(model, way, use_cache=False))
    assert_same(together[::-1], answers(model, way, [2, 1, 0]))


@pytest.mark.parametrize("way", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_log_probabilities_are_those_of_a_forward_pass_over_the_answer(model, way):
    for row, answer in enumerate(answers(model, way)):
        inputs = encode([row])
        prompt = inputs["input_ids"].shape[1]
        written = torch.tensor([answer.tokens])
        inputs["input_ids"] = torch.cat([inputs["input_ids"], written], dim=1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        with torch.no_grad():
            logits = model(**inputs).logits[:, prompt - 1 : -1].log_softmax(-1)
        expected = logits.gather(2, written[..., None])[0, :, 0]
        np.testing.assert_allclose(answer.log_probs, expected, atol=1e-4)
        assert len(answer.log_probs) == len(answer.tokens)


def test_sampling_follows_the_seed_and_leaves_the_callers_random_state(model):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = answers(model, SAMPLED)
    assert torch.equal(torch.rand(3), expected)
    assert tokens(answers(model, SAMPLED)) == tokens(first)
    assert tokens(answers(model, Decoding(max_new_tokens=8, sample=True, seed=6))) != tokens(first)
    assert tokens(first) != tokens(answers(model, GREEDY))


def test_sampling_at_a_low_temperature_or_a_tiny_top_p_is_greedy(model):
    greedy = tokens(answers(model, GREEDY))
    for options in ({"temperature": 1e-4}, {"top_p": 1e-6}):
        assert tokens(answers(model, Decoding(max_new_tokens=8, sample=True, **options))) == greedy


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 0.8), (2.0, 0.5)])
def test_samples_follow_the_distribution_that_temperature_and_top_p_leave(temperature, top_p):
    rows = 40_000
    scores = torch.randn(12, generator=torch.Generator().manual_seed(0)) * 2
    way = Decoding(max_new_tokens=1, sample=True, temperature=temperature, top_p=top_p)
    choose = module._Chooser(way, torch.arange(rows)[:, None], None)
    chosen = choose(None, scores.repeat(rows, 1)).argmax(-1)
    expected = TopPLogitsWarper(top_p)(None, scores[None] / temperature).softmax(-1)[0]
    shares = torch.bincount(chosen, minlength=12) / rows
    assert (shares[expected == 0] == 0).all()
    torch.testing.assert_close(shares, expected, atol=4 * 0.5 / rows**0.5, rtol=0)
    torch.testing.assert_close(choose.log_probs[0], scores.log_softmax(-1)[chosen])


def test_a_stop_rule_ends_its_row_alone_at_the_token_it_names(model):
    plain = answers(model, GREEDY)
    last = plain[1].tokens[3]
    stopped = answers(model, Decoding(max_new_tokens=8, stop=lambda seen: seen[-1] == last))
    for free, cut in zip(plain, stopped, strict=True):
        length = free.tokens.index(last) + 1 if last in free.tokens else len(free.tokens)
        assert cut.tokens == free.tokens[:length]
        np.testing.assert_allclose(cut.log_probs, free.log_probs[:length], atol=1e-5)
        assert cut.ended == ("stop" if last in free.tokens else "length")
    assert {answer.ended for answer in stopped} == {"stop", "length"}


def test_a_stop_rule_sees_every_row_grow_by_one_token_and_is_not_asked_again(model):
    seen = []

    def rule(tokens):
        seen.append(tuple(tokens))
        return len(tokens) == 3

    stopped = answers(model, Decoding(max_new_tokens=8, stop=rule))
    assert sorted(seen) == sorted(answer.tokens[:length] for answer in stopped for length in (1, 2, 3))


def test_the_end_token_counts_as_a_token_but_not_as_text(model):
    plain = answers(model, GREEDY)
    end = plain[1].tokens[2]
    model.generation_config.eos_token_id = [end, 2]
    ended = answers(model, Decoding(max_new_tokens=8, stop=lambda seen: seen[-1] == end))
    tokenizer = llava().processor.tokenizer
    for free, cut in zip(plain, ended, strict=True):
        if end in free.tokens:
            length = free.tokens.index(end) + 1
            assert (cut.tokens, cut.ended) == (free.tokens[:length], "end")
            assert cut.text == tokenizer.decode(free.tokens[: length - 1])
        else:
            assert (cut.tokens, cut.ended) == (free.tokens, "length")
    assert "end" in {answer.ended for answer in ended}


def test_the_generation_settings_of_a_checkpoint_do_not_join_in(model):
    plain = tokens(answers(model, GREEDY))
    for name, value in {"repetition_penalty": 5.0, "do_sample": True, "temperature": 3.0, "num_beams": 2}.items():
        setattr(model.generation_config, name, value)
    model.generation_config.no_repeat_ngram_size = 1
    assert tokens(answers(model, GREEDY)) == plain


def test_answers_are_written_without_dropout_and_every_module_gets_its_mode_back(model):
    model.train()
    model.model.language_model.layers[0].eval()
    before = [module.training for module in model.modules()]
    with in_evaluation_mode(model):
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model.modules()] == before
    modes = []
    answers(model, Decoding(max_new_tokens=1, stop=lambda _: modes.append(any(m.training for m in model.modules()))))
    assert modes == [False, False, False]
    assert [module.training for module in model.modules()] == before
    model.eval()


def test_padding_moves_to_the_left_whatever_side_it_was_on():
    ids = torch.tensor([[5, 6, 0, 0], [0, 7, 8, 0], [1, 2, 3, 4], [0, 0, 0, 9]])
    other = torch.arange(16.0).reshape(4, 4)
    batch = {
        "input_ids": ids,
        "attention_mask": (ids > 0).long(),
        "mm_token_type_ids": ids * 10,
        "pixel_values": other,
    }
    moved = to_left_padding(batch)
    assert moved["input_ids"].tolist() == [[0, 0, 5, 6], [0, 0, 7, 8], [1, 2, 3, 4], [0, 0, 0, 9]]
    assert torch.equal(moved["attention_mask"], (moved["input_ids"] > 0).long())
    assert torch.equal(moved["mm_token_type_ids"], moved["input_ids"] * 10)
    assert moved["pixel_values"] is other
    assert batch["input_ids"] is ids, "the caller's batch stays"
    assert to_left_padding(moved)["input_ids"] is moved["input_ids"]
    assert to_left_padding({"input_ids": ids})["input_ids"] is ids


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_new_tokens": 0}, "an answer needs at least one token"),
        ({"sample": True, "temperature": 0.0}, "sampling needs a temperature above 0"),
        ({"sample": True, "top_p": 1.5}, r"top_p in \(0, 1\]"),
    ],
)
def test_impossible_ways_to_decode_are_refused(model, options, says):
    with pytest.raises(ValueError, match=says):
        answers(model, Decoding(**options))
