# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The benchmark of training steps measures ways that are equal: ours, the repeated one, and trl's on the same texts."""

import pytest
import torch
import torch.nn.functional as F

from benchmarks.chain_steps import published_rows, rows, texts_of
from benchmarks.timing import counted
from benchmarks.train_step_chat import ChatReady
from promvil_hf.training.chain_texts import chain_in


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft 0.21 asks for it
@pytest.mark.filterwarnings("ignore:.gradient_checkpointing. is deprecated:FutureWarning")  # trl 1.16 passes it on
@pytest.mark.parametrize(("family", "places"), [("llava", 576), ("qwen3_vl", 300)])
def test_each_way_of_a_patch_token_family_gives_the_same_loss_and_the_packed_one_is_the_least_work(family, places):
    """Two windows whose numbers of targets differ, so that a mean of means would be seen."""
    ready = ChatReady(family, [*rows(2, 1), *rows(2, 1, seed=3)], 2, "quarter")
    assert int(ready.backend.image_positions(ready.collator()(ready.rows))[0].sum()) == places
    found = {way: ready.counted(way) for way in ("repeated", "image_shared", "packed", "trl")}
    for way, step in found.items():
        apart = step.apart(found["repeated"])
        assert abs(apart["loss"]) < 2e-6 and apart["gradient"] < 2e-6, way
    assert [step.pictures for step in found.values()] == [4, 2, 2, 4]
    assert found["packed"].flops < 0.65 * found["repeated"].flops and found["packed"].flops < found["image_shared"].flops


def test_operations_of_attention_are_counted_on_a_cpu_as_on_a_gpu():
    """torch's counter knows no attention kernel of a CPU. Forward: two products. Backward: five, one of them again."""
    query, key, value = (torch.randn(2, heads, length, 8, requires_grad=True) for heads, length in ((4, 6), (4, 10), (4, 10)))
    product = 2 * (2 * 4) * 6 * 10 * 8
    answer, forward = counted(lambda: F.scaled_dot_product_attention(query, key, value))
    assert forward == 2 * product
    assert counted(lambda: answer.sum().backward())[1] == 5 * product


def test_published_rows_give_pictures_of_so_many_texts(shared_data):
    file = shared_data / "promvil" / "data_sample.json"
    for k, chains in ((4, 1), (8, 2)):
        found = published_rows(file, k, 3, chains)
        of_picture: dict[bytes, int] = {}
        for row in found:
            of_picture[row["image"]] = of_picture.get(row["image"], 0) + texts_of(chain_in(row))
        assert list(of_picture.values()) == [k] * 3
    with pytest.raises(ValueError, match="has no chain of 30 texts: pass another --k or --chains"):
        published_rows(file, 30, 1)
