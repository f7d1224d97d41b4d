# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Constrained answers: always boxes, whatever the weights."""

import pytest
import torch

from promvil_hf.backends.stops import box_tokens
from promvil_hf.dialects import Kosmos2
from promvil_hf.dialects.kosmos2 import DELIMITER
from promvil_hf.grounding.constrained import WellFormedBoxes, first_box
from promvil_hf.grounding.decode import Decoder, OpenPicture, write
from promvil_hf.toy import models
from tests.reference.grounding import well_formed


@pytest.fixture(scope="module")
def tokenizer():
    return models.tiny_kosmos2().processor.tokenizer


def test_ten_thousand_answers_hold_nothing_but_well_formed_boxes(tokenizer):
    """States are drawn at random, so every branch of the pattern is taken thousands of times."""
    generator = torch.Generator().manual_seed(0)
    head = torch.nn.Linear(16, len(tokenizer), bias=False)
    with torch.no_grad():
        head.weight.normal_(generator=generator)
    dialect, counts = Kosmos2(), set()
    nothing = torch.zeros(1, 1, 4)
    picture = OpenPicture((0,), ((nothing, nothing),), 1)

    def read(ids, mask, positions, cache):
        cache.layers[0].update(*[torch.zeros(len(ids), 1, ids.shape[1], 4)] * 2)
        return torch.randn(*ids.shape, 16, generator=generator)

    decoder = Decoder(read, head, frozenset(), 0, torch.device("cpu"))
    close = tokenizer.convert_tokens_to_ids("</object>")
    for max_new_tokens, max_boxes in ((3, None), (5, None), (16, None), (64, 4), (64, 1)):
        choice = WellFormedBoxes(head, box_tokens(tokenizer), max_new_tokens, max_boxes)
        written, _ = write(
            decoder,
            [(picture, [7])] * 2000,
            choice,
            choice.longest,
            lambda tokens: tokens[-1] == close,
            1 << 20,
            tokenizer.decode,
        )
        most = max_new_tokens // 3 if max_boxes is None else max_boxes
        for answer in written:
            parsed = dialect.parse(answer.text)
            assert parsed.problems == () and 1 <= len(parsed.boxes) <= most
            assert answer.text.endswith("</object>") and len(answer.tokens) == 3 * len(parsed.boxes)
            assert len(answer.tokens) == len(answer.log_probs) and max(answer.log_probs) <= 1e-6
            counts.add(len(parsed.boxes))
    assert counts >= {1, 2, 3, 4, 5}


def test_the_allowed_tokens_are_those_of_the_plain_rule(tokenizer):
    """The head computed for a few rows chooses what the whole head with a mask chooses."""
    torch.manual_seed(1)
    head = torch.nn.Linear(8, len(tokenizer))
    plain, allowed = WellFormedBoxes(head, box_tokens(tokenizer), 9, None), well_formed(tokenizer, 9)
    adapted = WellFormedBoxes(torch.nn.Sequential(head), box_tokens(tokenizer), 9, None)
    with torch.no_grad():
        for _ in range(20):
            tokens, last = [], None
            for place in range(9):
                state = torch.randn(1, 8)
                choices = allowed(tokens)
                expected = choices[int(head(state)[0, choices].argmax())]
                forced = plain.forced(place)
                assert (forced is not None) == (len(choices) == 1)
                if forced is None:
                    last, log_prob = plain.next(state, place, last)
                    assert int(last) == expected
                    assert float(log_prob) == pytest.approx(
                        float(head(state)[0, choices].log_softmax(0).max()), abs=1e-5
                    )
                    again, _ = adapted.next(state, place, torch.tensor(tokens[-1:]))
                    assert int(again) == expected
                else:
                    assert forced == expected
                tokens.append(expected)
                if tokenizer.convert_ids_to_tokens(expected) == "</object>":
                    break


def test_a_tokenizer_without_cells_is_refused():
    tokenizer = models.tiny_llava().processor.tokenizer
    with pytest.raises(ValueError, match="only Kosmos-2 and its fine-tuned models write boxes as cells"):
        box_tokens(tokenizer)


@pytest.mark.parametrize(
    "answer, place",
    [
        ("<patch_index_0000><patch_index_0033></object>", 0),
        (f"<patch_index_0000><patch_index_0033>{DELIMITER}<patch_index_0000><patch_index_0099></object>", 0),
        (
            f"<patch_index_0099><patch_index_0000>{DELIMITER}<patch_index_0000><patch_index_0099></object>",
            3,
        ),  # inverted
        ("the<object><patch_index_0000><patch_index_0033></object>", 2),
        (f"<patch_index_0000><patch_index_0033>{DELIMITER}", 0),  # broken off
        ("the", None),
        ("<patch_index_0000></object>", None),
        ("", None),
    ],
)
def test_the_score_belongs_to_the_first_box_that_reads_back(tokenizer, answer, place):
    tokens = tokenizer(answer, add_special_tokens=False)["input_ids"]
    if answer.startswith("the"):
        tokens = [token for token in tokens if tokenizer.decode([token]).strip()]
    first = tokenizer.convert_tokens_to_ids("<patch_index_0000>")
    found = first_box(
        tokens, {first + cell: cell for cell in range(1024)}, 32, tokenizer.convert_tokens_to_ids(DELIMITER)
    )
    assert found == (None if place is None else slice(place, place + 2))
