# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the two benchmarks count rather than time, on a tiny model: work done, pictures read, equality."""

from argparse import Namespace

import pytest

from benchmarks import progressive_inference, vqa_prefix


@pytest.fixture(scope="module")
def backend():
    return progressive_inference.make_backend("tiny")


def test_grounding_forwards_each_picture_and_token_once_and_finds_the_boxes_of_the_naive_way(backend):
    asked = progressive_inference.queries(2, 8, 3, seed=0)
    report = progressive_inference.compare(backend, asked, repeats=1, reference_queries=3)
    assert report["equal"]
    assert report["vision_calls_per_picture"] == 1
    assert report["flops_over_floor"] <= 1.1  # what is written, and so how much, differs a little between processors
    assert report["flops_ratio"] >= 3  # on a model so small that vision costs nothing; 10 on the small one
    assert report["rows"] + report["rows_asked_before"] == 2 * 8 * 4


def test_questions_about_a_picture_cost_a_fraction_of_a_generate_each(backend):
    tiny_backend = vqa_prefix.make_backend("tiny")
    report = vqa_prefix.compare(tiny_backend, Namespace(images=1, questions=8, new_tokens=2, repeats=1, seed=0))
    assert report["equal"] and report["answers"] == 8
    assert report["flops_ratio"] > 1.5
