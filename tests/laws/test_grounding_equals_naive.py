# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The engine writes the tokens of the plain loop: one phrase, one level, no cache, batch 1. Nothing is close; all is equal."""

from collections import Counter

import pytest
import torch
import transformers
from PIL import Image

from promvil_hf.backends.base import Decoding, Request
from promvil_hf.backends.families import PATCH_FAMILIES
from promvil_hf.backends.kosmos2 import Kosmos2Backend
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.backends.stops import complete_object
from promvil_hf.boxes import Box
from promvil_hf.dialects.kosmos2 import DELIMITER
from promvil_hf.grounding import GroundingOptions, ProgressiveGrounder, Query
from promvil_hf.grounding.shared_prefix import shared
from promvil_hf.nesting import decompose
from promvil_hf.toy import models
from tests.reference.grounding import alone, naive_steps, well_formed
from tests.unit.toy.models.families import untouched


EXPRESSIONS = [  # levels 1 to 6, one word to eighteen
    "dog",
    "the red bus",
    "a man in a hat",
    "the woman holding an umbrella and a bag",
    "the car behind the person next to the man wearing a jacket",
    "the man in the hat to the left of the woman with the dog",
    "the boy behind the man holding the leash of the dog chasing the cat with a red collar",
]
FEW = Decoding(3)
MODES = ["progressive", "all", "one_shot", "oracle"]


@pytest.fixture(scope="module")
def pictures():
    generator = torch.Generator().manual_seed(3)
    return [
        Image.fromarray(torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8).numpy())
        for width, height in ((40, 30), (28, 28), (20, 50))
    ]


@pytest.fixture(scope="module")
def kosmos2():
    tiny = models.tiny_kosmos2()
    return Kosmos2Backend(tiny.model, tiny.processor)


def lean_to_boxes(model, tokenizer):
    """Its head now leans to what follows in an answer with boxes, from the last token alone: a cell of the upper half,
    one of the lower half, then a delimiter or the closing tag, with slips, so that complete objects, closing tags that
    close nothing, stray text and ends all come up."""
    ids = tokenizer.convert_tokens_to_ids
    first_cell, opening, closing, delimiter = map(ids, ("<patch_index_0000>", "<object>", "</object>", DELIMITER))
    leans = {  # last token: (upper cells, lower cells, <object>, </object>, delimiter, </s>, the, all else)
        "upper cell": (-0.1, 0.2, -1.0, 0.6, -0.1, -1.0, 0.55, -1.0),
        "lower cell": (-0.6, -0.6, -1.0, 0.6, 0.55, -1.0, 0.2, -1.0),
        "<object>": (0.2, -0.1, -1.0, 0.6, -1.0, -1.0, 0.55, -1.0),
        "</object>": (-0.8, -0.8, 0.5, -1.0, -1.0, 0.35, 0.4, -1.0),
        "delimiter": (0.2, -0.1, -1.0, 0.6, -1.0, -1.0, -0.2, -1.0),
        "all else": (-0.5, -0.5, 0.4, 0.1, 0.0, 0.2, 0.2, -1.0),
    }
    text, size = model.text_model, len(leans)
    weight = text.lm_head.weight.detach().clone()
    for column, (upper, lower, opens, closes, delimits, ends, the, rest) in enumerate(leans.values()):
        weight[:, column] = rest
        weight[first_cell : first_cell + 512, column] = upper
        weight[first_cell + 512 : first_cell + 1024, column] = lower
        for token, lean in (
            (opening, opens),
            (closing, closes),
            (delimiter, delimits),
            (tokenizer.eos_token_id, ends),
        ):
            weight[token, column] = lean
        weight[ids("▁the"), column] = the
    text.lm_head.weight = torch.nn.Parameter(weight)

    def tell_the_last_token(module, args, kwargs, output):
        tokens = kwargs["input_ids"]
        kinds = (
            tokens >= first_cell,
            tokens >= first_cell + 512,
            tokens == opening,
            tokens == closing,
            tokens == delimiter,
        )
        kind = torch.full_like(tokens, size - 1)
        for number, mine in enumerate(kinds):
            kind[mine] = number
        output.last_hidden_state[..., :size] = torch.nn.functional.one_hot(kind, size).to(output.last_hidden_state)

    text.model.register_forward_hook(tell_the_last_token, with_kwargs=True)


@pytest.fixture(scope="module")
def printing_boxes():
    tiny = models.tiny_kosmos2(seed=3)
    lean_to_boxes(tiny.model, tiny.processor.tokenizer)
    return Kosmos2Backend(tiny.model, tiny.processor)


def given_boxes():
    return {
        phrase.text: [Box(0.1, 0.2, 0.5, 0.9)] for text in EXPRESSIONS for phrase in decompose(text).phrases[:-1:2]
    }


@pytest.fixture(scope="module")
def written_plainly():
    """What the plain loop wrote, by its arguments; it reads a single row, so the side of the padding is nothing to it, and
    modes that come to the same prompt come to the same answer."""
    return {}


def compare(backend, asked, options, write, kept, token_budget=4096):
    def written(prompt, image):
        key = id(backend), options.constrained, id(image), prompt
        if key not in kept:
            kept[key] = write(prompt, image)
        return kept[key]

    queries = [Query(picture, text, boxes=given_boxes()) for picture, text in asked]
    traces = ProgressiveGrounder(backend, options, token_budget=token_budget).ground_all(queries)
    answers = Counter()
    for query, trace in zip(queries, traces, strict=True):
        plain = naive_steps(backend, query.image, decompose(query.text), options.mode, written, query.boxes)
        assert [step.phrase for step in trace.steps] == [step.phrase for step in plain]
        for ours, theirs in zip(trace.steps, plain, strict=True):
            assert ours.prompt == theirs.prompt
            assert ours.tokens == theirs.tokens
            assert ours.boxes == theirs.boxes
            answers[ours.ended or "given"] += 1
            answers["boxes"] += len(ours.boxes)
    return traces, answers


SIDES = [*((mode, "left") for mode in MODES), ("progressive", "right")]


def asked_for(mode, padding_side, pictures):
    """All about one picture; where answers become evidence, also some about another, whose evidence would be noticed."""
    others = EXPRESSIONS[2:5] if (mode, padding_side) == ("progressive", "left") else []
    return [(pictures[2], text) for text in EXPRESSIONS] + [(pictures[0], text) for text in others]


def test_the_expressions_are_ragged_and_have_one_to_six_levels():
    assert {decompose(text).phrases[-1].level for text in EXPRESSIONS} == {1, 2, 3, 4, 6}
    assert len({len(text.split()) for text in EXPRESSIONS}) == len(EXPRESSIONS)


@pytest.mark.parametrize("mode, padding_side", SIDES)
def test_constrained_answers_of_a_random_model_are_those_of_the_plain_loop(
    kosmos2, pictures, mode, padding_side, written_plainly, monkeypatch
):
    monkeypatch.setattr(kosmos2.tokenizer, "padding_side", padding_side)
    options = GroundingOptions(mode, constrained=True, max_new_tokens=6)
    write = alone(kosmos2, 6, well_formed(kosmos2.tokenizer, 6))
    asked = asked_for(mode, padding_side, pictures)
    _, answers = compare(kosmos2, asked, options, write, written_plainly)
    assert answers["boxes"] >= 7


@pytest.mark.parametrize("mode, padding_side", SIDES)
def test_unconstrained_answers_are_those_of_the_plain_loop(
    printing_boxes, pictures, mode, padding_side, written_plainly, monkeypatch
):
    tokenizer = printing_boxes.tokenizer
    monkeypatch.setattr(tokenizer, "padding_side", padding_side)
    write = alone(printing_boxes, 12, stop=complete_object(tokenizer))
    asked = asked_for(mode, padding_side, pictures)
    traces, answers = compare(printing_boxes, asked, GroundingOptions(mode, max_new_tokens=12), write, written_plainly)
    if (mode, padding_side) == ("progressive", "left"):
        written = " ".join(step.answer for trace in traces for step in trace.steps)
        assert answers["stop"] and answers["length"] and answers["end"], answers
        assert written.count(DELIMITER) > 3 and written.count("<object>") > 3 and "the" in written
        # Stopping at the first closing tag would have been wrong here.
        assert any(step.boxes and step.answer.count("</object>") > 1 for trace in traces for step in trace.steps)
        assert sum(bool(step.fed) for trace in traces for step in trace.steps) > 5


def test_a_small_budget_or_window_changes_nothing_but_the_memory(kosmos2, pictures):
    options = GroundingOptions(constrained=True, max_new_tokens=6)
    queries = [Query(picture, text) for text in EXPRESSIONS for picture in pictures[:2]]
    large, small = (ProgressiveGrounder(kosmos2, options, token_budget=budget) for budget in (1 << 20, 512))
    wanted = [[step.tokens for step in trace.steps] for trace in large.ground_all(queries)]
    assert [[step.tokens for step in trace.steps] for trace in small.ground_all(queries)] == wanted
    assert small.most_slots <= 512 < large.most_slots
    streamed = list(small.stream(queries, window=4))
    assert [[step.tokens for step in trace.steps] for trace in streamed] == wanted


QUESTIONS = [
    "Is it red?",
    "What is on the left of the dog that wears the hat?",
    "Who?",
    "How many cups are there here now?",
]


def same_answers(ours, theirs):
    assert [answer.tokens for answer in ours] == [answer.tokens for answer in theirs]
    assert [(answer.text, answer.ended) for answer in ours] == [(answer.text, answer.ended) for answer in theirs]
    log_probs = [
        torch.tensor([log_prob for answer in answers for log_prob in answer.log_probs]) for answers in (ours, theirs)
    ]
    assert torch.allclose(*log_probs, atol=1e-4)


@pytest.mark.parametrize("family", sorted(PATCH_FAMILIES))
def test_kept_prefixes_of_every_family_give_the_answers_of_generate(family, pictures):
    tiny = untouched(family, ())
    backend = PatchTokenBackend(tiny.model, tiny.processor)
    asked = [(picture, question) for question in QUESTIONS for picture in pictures[:2]]
    ways = shared(backend, 1 << 20)
    opened = ways.open(pictures[:2])
    ours = ways.ask([(opened[pictures.index(picture)], question) for picture, question in asked], FEW)
    same_answers(ours, backend.generate([Request(question, picture) for picture, question in asked], FEW))


def test_several_questions_behind_one_copy_of_a_long_prefix_are_blind_to_each_other(pictures):
    tiny = models.tiny_llava(image_size=76, patch_size=4, sentences=QUESTIONS * 9)  # 361 image tokens
    backend = PatchTokenBackend(tiny.model, tiny.processor)
    asked = [
        (picture, question + mark) for question in QUESTIONS for mark in ("", "?", "!") for picture in pictures[:2]
    ]
    ways = shared(backend, 1 << 20)
    opened = ways.open(pictures[:2])
    ours = ways.ask([(opened[pictures.index(picture)], question) for picture, question in asked], FEW)
    same_answers(ours, backend.generate([Request(question, picture) for picture, question in asked], FEW))
    copies = len(asked) * opened[0].slots
    assert ways.most_slots < 0.7 * copies, "each question still has its own copy of the prefix"


def test_kosmos2_answers_questions_as_generate_does(kosmos2, pictures):
    prompts = [f"<grounding>Question: {question} Short Answer:" for question in QUESTIONS]
    asked = [(picture, prompt) for prompt in prompts for picture in pictures]
    ways = shared(kosmos2, 1 << 20)
    opened = ways.open(pictures)
    ours = ways.ask([(opened[pictures.index(picture)], prompt) for picture, prompt in asked], FEW)
    same_answers(ours, kosmos2.generate([Request(prompt, picture) for picture, prompt in asked], FEW))


def test_with_the_published_tokenizer_the_answers_are_those_of_the_plain_loop_too(shared_data):
    processor = transformers.AutoProcessor.from_pretrained(shared_data / "kosmos2" / "processor_hf_derived")
    tiny = models.tiny_kosmos2(image_size=224)
    config = tiny.model.config
    config.text_config.vocab_size = len(processor.tokenizer)
    torch.manual_seed(0)
    model = transformers.Kosmos2ForConditionalGeneration(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(std=3 * weight[0].numel() ** -0.5)
    backend = Kosmos2Backend(model.eval(), processor)
    photograph = Image.open(shared_data / "kosmos2" / "images" / "two_dogs.jpg").convert("RGB")
    queries = [(photograph, text) for text in EXPRESSIONS[2:5]]
    options = GroundingOptions(constrained=True, max_new_tokens=3)
    traces = ProgressiveGrounder(backend, options).ground_all(queries)
    write = alone(backend, 3, well_formed(backend.tokenizer, 3))
    for (picture, text), trace in zip(queries, traces, strict=True):
        plain = naive_steps(backend, picture, decompose(text), "progressive", write)
        assert [(step.prompt, step.tokens) for step in trace.steps] == [(step.prompt, step.tokens) for step in plain]
        assert trace.boxes


def test_an_adapter_inside_the_layers_is_used_and_changes_answers_as_it_does_in_generate(pictures):
    import peft

    tiny = models.tiny_kosmos2()
    plain = Kosmos2Backend(tiny.model, tiny.processor)
    prompt = plain.dialect.prompt("the red bus")
    stop = complete_object(plain.tokenizer)
    before = plain.generate([Request(prompt, pictures[0])], Decoding(8, stop=stop))[0].tokens
    model = peft.get_peft_model(
        tiny.model, peft.LoraConfig(r=4, target_modules=["q_proj", "fc1"], init_lora_weights=False)
    )
    backend = Kosmos2Backend(model.eval(), tiny.processor)
    theirs = backend.generate([Request(prompt, pictures[0])], Decoding(8, stop=stop))[0].tokens
    options = GroundingOptions("one_shot", max_new_tokens=8)
    ours = ProgressiveGrounder(backend, options).ground(pictures[0], "the red bus").steps[0].tokens
    assert ours == theirs != before
