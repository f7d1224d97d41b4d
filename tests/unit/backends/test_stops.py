# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Stop rules never change what is read: they fire exactly where the parser is satisfied first."""

import functools

import numpy as np
import pytest

from promvil_hf.backends.stops import complete_object, first_text
from promvil_hf.dialects import Kosmos2
from promvil_hf.dialects.base import MALFORMED, TRUNCATED
from promvil_hf.dialects.kosmos2 import DELIMITER
from promvil_hf.toy.models import tiny_kosmos2, tiny_llava


SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
CELL, OTHER_CELL = "<patch_index_0044>", "<patch_index_0863>"
# Text, the tags an answer may hold, and cells: often enough that one stream in fifteen has a complete object.
WORDS = ["</object>", CELL, OTHER_CELL, "<patch_index_1023>", "<patch_index_0000>", DELIMITER, "<object>"]
RARE = [
    "<phrase>",
    "</phrase>",
    "<grounding>",
    "<image>",
    "<s>",
    "<unk>",
    "<pad>",
    SPACE,
    SPACE + "the",
    ".",
    "</doc>",
]


@functools.cache
def kosmos2_tokenizer():
    return tiny_kosmos2().processor.tokenizer


def ids(*tokens):
    return kosmos2_tokenizer().convert_tokens_to_ids(list(tokens))


def text(tokens):
    return kosmos2_tokenizer().decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False)


def parser_sees_an_object(tokens) -> bool:
    parsed = Kosmos2().parse(text(tokens))
    broken_off = TRUNCATED in parsed.problems or MALFORMED in parsed.problems
    return bool(parsed.boxes or parsed.problems) and not broken_off


def fires_at(rule, tokens) -> int | None:
    return next((length for length in range(1, len(tokens) + 1) if rule(tokens[:length])), None)


def test_it_fires_at_the_token_where_the_parser_first_sees_a_complete_object():
    generator = np.random.default_rng(0)
    vocabulary = ids(*WORDS, *RARE)
    chances = np.r_[[0.16, 0.18, 0.18, 0.1, 0.08, 0.1, 0.1], np.full(len(RARE), 0.1 / len(RARE))]
    rule = complete_object(kosmos2_tokenizer())
    closing = ids("</object>")[0]
    fired = earlier_tags = 0
    for _ in range(15_000):
        stream = generator.choice(vocabulary, size=generator.integers(1, 20), p=chances).tolist()
        at = fires_at(rule, stream)
        if at is None:
            assert not parser_sees_an_object(stream), text(stream)
        else:
            assert parser_sees_an_object(stream[:at]), text(stream)
            assert at == 1 or not parser_sees_an_object(stream[: at - 1]), text(stream)
            fired += 1
            earlier_tags += closing in stream[: at - 1]
    assert fired > 1_000
    assert earlier_tags > 125, "the first closing tag is not the right place to stop, and the streams must show it"


@pytest.mark.parametrize(
    ("answer", "fires"),
    [
        ([CELL, OTHER_CELL, "</object>"], True),  # the opening tag stood in the prompt
        ([SPACE, CELL, OTHER_CELL, "</object>"], True),
        (["<object>", CELL, OTHER_CELL, DELIMITER, CELL, OTHER_CELL, "</object>"], True),
        (["</object>"], False),
        ([CELL, "</object>"], False),
        ([CELL, OTHER_CELL, CELL, "</object>"], False),
        ([CELL, OTHER_CELL, DELIMITER, "</object>"], False),
        ([SPACE + "the", CELL, OTHER_CELL, "</object>"], False),
        ([CELL, OTHER_CELL, "</object>", "."], False),  # it looks at the newest token only
    ],
)
def test_examples_of_complete_and_incomplete_objects(answer, fires):
    assert complete_object(kosmos2_tokenizer())(ids(*answer)) is fires


def test_a_tokenizer_without_the_tags_is_refused():
    with pytest.raises(ValueError, match="has no token <patch_index_0000>.*use `first_text`"):
        complete_object(tiny_llava().processor.tokenizer)


def test_a_text_is_found_at_the_token_that_completes_it_even_across_tokens():
    tokenizer = tiny_llava().processor.tokenizer
    answer = tokenizer("the small circle is red. Is there a blue square", add_special_tokens=False)["input_ids"]
    for needle in (".", "red.", "d. Is", "quare"):
        at = fires_at(first_text(tokenizer, needle), answer)
        assert needle in tokenizer.decode(answer[:at])
        assert needle not in tokenizer.decode(answer[: at - 1])
    assert fires_at(first_text(tokenizer, "]"), answer) is None
    assert fires_at(first_text(tokenizer, "]", "."), answer) == fires_at(first_text(tokenizer, "."), answer)


@pytest.mark.parametrize("texts", [(), ("",), (".", "")])
def test_an_empty_text_is_refused(texts):
    with pytest.raises(ValueError, match="pass at least one, and no empty one"):
        first_text(kosmos2_tokenizer(), *texts)
