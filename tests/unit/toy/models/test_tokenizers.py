# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of the tiny tokenizers: every text can be written, and known words stay whole."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promvil_hf.toy import models
from promvil_hf.toy.models.tokenizers import byte_tokenizer, piece_tokenizer, wordpiece_tokenizer
from tests.unit.toy.models.families import tiny


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
