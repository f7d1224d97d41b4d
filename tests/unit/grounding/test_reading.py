# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What a phrase asks for: its noun, choices, relations, denials; and the truth that photographs are judged by."""

from itertools import islice

import numpy as np
import pytest

from promvil_hf.grounding.reading import readings
from promvil_hf.nesting import decompose
from tests.reference.relation_truth import Photo, Seen, photos, truths


def last(expression):
    nesting = decompose(expression)
    return readings(nesting)[len(nesting.phrases) - 1]


@pytest.mark.parametrize(
    "expression, noun",
    [
        ("the dining table closest to the leftmost chair", "dining table"),
        ("the second parking meter from the right", "parking meter"),
        ("hot dogs on the left", "hot dog"),
        ("the largest potted plant", "potted plant"),
        ("the traffic light closest to the person", "traffic light"),
        ("the woman's glasses", "glasses"),
        ("a tall wine glass", "wine glass"),
        ("someone in the middle", "person"),
    ],
)
def test_a_noun_keeps_the_words_that_belong_to_its_name(expression, noun):
    assert last(expression).noun == noun


def test_positions_are_denied_only_where_the_denial_reaches():
    assert [place.text for place in last("the man not on the left").denied_places] == ["on the left"]
    one = last("the man not wearing a hat on the right")
    assert [place.text for place in one.places] == ["on the right"] and one.links[0].denied


def test_two_things_make_one_between():
    one = last("the man between the car and the dog")
    assert [(link.relation.name, len(link.to)) for link in one.links] == [("between", 2)]


def test_a_clause_about_the_evidence_is_turned_round():
    assert [link.relation.name for link in last("the chair the woman is sitting on").links] == ["on, inverted"]


# --- the truth of photographs, on drawn ones ------------------------------------------------------


def photo(*boxes) -> Photo:
    things = [Seen(k, noun, *corners) for k, (noun, *corners) in enumerate(boxes)]
    return Photo("drawn", 400, 300, things, frozenset(thing.noun for thing in things))


def kept(photograph: Photo) -> dict[str, int]:
    return {truth.expression: truth.target for truth in truths(photograph)}


def test_a_truth_is_kept_only_where_the_rival_is_certainly_not_meant():
    clear = kept(photo(("cup", 10, 100, 50, 140), ("cup", 300, 100, 340, 140), ("dog", 150, 90, 210, 150)))
    assert clear["the cup to the left of the dog"] == 0 and 1 in clear.values()
    close = kept(photo(("cup", 10, 100, 50, 140), ("cup", 140, 100, 180, 140), ("dog", 150, 90, 210, 150)))
    assert not any(" of the dog" in words for words in close)  # the second cup is hardly left of the dog, and hardly not


def test_nothing_is_said_of_a_noun_with_one_box():
    assert kept(photo(("cup", 10, 100, 50, 140), ("dog", 150, 90, 210, 150))) == {}


def test_real_photographs_give_expressions_that_name_one_of_several(shared_data):
    found = [truth for photograph in islice(photos(shared_data / "coco_photos", "val"), 12) for truth in truths(photograph)]
    assert len(found) > 30
    assert all(len(truth.photo.named(truth.noun)) >= 2 for truth in found)
    assert np.mean([truth.target not in truth.evidence for truth in found]) == 1
