# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The tiny LLaVA that grounds: its numbers, where it begins by looking, and the rows it is trained on."""

from random import Random

import pytest
import torch

from promvil_hf.backends.base import Request
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.dialects import Kosmos2
from promvil_hf.toy.bases import folder
from promvil_hf.toy.small_world import HARD, held_out
from promvil_hf.toy.training_rows import phrase_row
from promvil_hf.training.patch_chain_collator import PatchChainCollator
from studies.toy_bases import kosmos2, llava_boxes
from studies.toy_bases.alignment import codes
from studies.toy_bases.saving import load_tower
from tests.laws.chat_chains import texts_of


torch.set_num_threads(1)


@pytest.fixture(scope="module")
def backend():
    tiny = llava_boxes.untrained()
    return PatchTokenBackend(tiny.model, tiny.processor)


def test_each_number_of_a_box_is_predicted_as_many_tokens_after_the_noun_as_heads_begin_by_looking_back(backend):
    drawn = held_out(HARD, 1)[0]
    collate = PatchChainCollator(llava_boxes.final_wording(backend))
    numbers = set(llava_boxes.number_ids(backend.processor.tokenizer).tolist())
    for chain_text in texts_of(collate, phrase_row(drawn, Random(0))):
        asked, answer = chain_text.talk.text.split(" ASSISTANT:")
        noun = backend.processor.tokenizer(asked.removesuffix("."))["input_ids"]
        tokens = backend.processor.tokenizer(chain_text.talk.text)["input_ids"]
        places = [place for place, token in enumerate(tokens) if token in numbers]
        assert [place - 1 - (len(noun) - 1) for place in places] == list(llava_boxes.LOOKS_BACK[1]), answer


def test_a_row_asks_with_the_words_it_has_and_as_a_stranger_would(backend):
    """"circles" of PromViL's wording stays what it is: no second plural."""
    row = phrase_row(held_out(HARD, 1)[0], Random(0))
    texts = [step.target.text for step in row["chain"].steps]
    collate = PatchChainCollator(llava_boxes.final_wording(backend))
    for text, chain_text in zip(texts, texts_of(collate, row), strict=True):
        prompt = backend.dialect.prompt(text, image_size=row["image"].size)
        assert chain_text.talk.text.startswith(backend.prompt_of(Request(prompt, row["image"])))


def test_each_number_is_one_token_and_begins_near_its_neighbours(backend):
    ids = llava_boxes.number_ids(backend.processor.tokenizer)
    assert len(set(ids.tolist())) == 100
    alike = codes(100, 128) @ codes(100, 128).T
    assert torch.allclose(alike.diagonal(), torch.ones(100)) and alike[50, 51] > alike[50, 55] > alike[50, 70]
    with pytest.raises(ValueError, match="00, 01.* with several tokens"):
        llava_boxes.number_ids(kosmos2.untrained().processor.tokenizer)


def test_hidden_numbers_change_what_is_read_and_not_what_is_to_be_said(backend):
    collate = PatchChainCollator(llava_boxes.final_wording(backend))
    rows = [phrase_row(drawn, Random(0)) for drawn in held_out(HARD, 2)]
    numbers, plain = llava_boxes.number_ids(backend.processor.tokenizer), collate(rows)

    def hidden(share):
        return llava_boxes.HiddenNumbers(collate, numbers, share)(rows)

    assert all(torch.equal(plain[name], values) for name, values in hidden(0.0).items())
    other = hidden(1.0)
    assert torch.equal(other["input_ids"], hidden(1.0)["input_ids"])  # as a resumed training reads it
    assert [name for name, values in other.items() if not torch.equal(plain[name], values)] == ["input_ids"]
    changed = plain["input_ids"] != other["input_ids"]
    assert torch.isin(plain["input_ids"][changed], numbers).all() and torch.isin(other["input_ids"][changed], numbers).all()
    assert 0.9 < changed.sum() / torch.isin(plain["target_token"], numbers).sum() <= 1


def test_a_place_names_the_hundredth_in_the_middle_of_a_cell_and_near_is_within_a_cell():
    for drawn in held_out(HARD, 3):
        for position in range(len(drawn.objects)):
            box = drawn.box(position)
            first, last = Kosmos2().grid.encode(box)
            truth = torch.tensor([0, 0, 0, first % 32, first // 32, last % 32, last // 32])
            for column, edge in enumerate(box.xyxy, 3):
                named = llava_boxes._number(truth, column)
                assert abs(int(named) - 100 * edge) <= 5 and 0 <= named < 100
    assert llava_boxes._near(torch.tensor([3, 9]), torch.tensor([6, 4])).tolist() == [True, False]


def test_the_tower_of_the_shipped_base_is_taken_with_its_curve():
    tower = kosmos2.untrained(seed=5).model.vision_model
    curve = load_tower(tower, "toy:kosmos2")
    assert curve[-1].step == 1600 and curve[-1].values["name"] > 0.9
    from safetensors.torch import load_file

    shipped = load_file(folder("kosmos2") / "model.safetensors")
    for name, weight in tower.state_dict().items():
        assert torch.equal(weight, shipped[f"vision_model.{name}"])
