# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A template that opens a thought at the end of the prompt: the answer's text begins with that mark, whoever asks."""

import numpy as np
import pytest
from PIL import Image

from promvil_hf.backends.base import Decoding, Request
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.backends.stops import complete_json
from promvil_hf.grounding import GroundingOptions, ProgressiveGrounder
from promvil_hf.toy.models import tiny_qwen3_vl


@pytest.fixture(scope="module")
def thinking():
    made = tiny_qwen3_vl()
    template = made.processor.chat_template
    assert "'<|im_start|>assistant\n'" in template
    made.processor.chat_template = template.replace("'<|im_start|>assistant\n'", "'<|im_start|>assistant\n<think>\n'")
    return PatchTokenBackend(made.model, made.processor)


def test_an_answer_begins_with_the_mark_that_its_prompt_opened(thinking):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8))
    [said] = thinking.generate([Request(thinking.dialect.prompt("a cup"), picture)], Decoding(max_new_tokens=4))
    assert thinking.opening == "<think>" and said.text.startswith("<think>")
    assert thinking.dialect.parse(said.text).reason == "truncated"  # the thought never closed: nothing was answered
    trace = ProgressiveGrounder(thinking, GroundingOptions("one_shot", max_new_tokens=4)).ground(picture, "a cup")
    assert (trace.steps[0].answer, trace.reason) == (said.text, "truncated")


def test_other_templates_open_nothing():
    made = tiny_qwen3_vl()
    assert PatchTokenBackend(made.model, made.processor).opening == ""


class Letters:
    """A tokenizer of letters."""

    def decode(self, tokens, **_):
        return "".join(map(chr, tokens))


@pytest.mark.parametrize("opening, text", [("", "<think>[1] {2}</think>[3]"), ("<think>", "[1] {2}</think>[3]")])
def test_a_list_in_a_thought_does_not_end_the_answer(opening, text):
    done = complete_json(Letters(), opening)
    tokens = [ord(letter) for letter in text]
    assert next(end for end in range(1, len(tokens) + 1) if done(tokens[:end])) == len(tokens)
