# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of composed grounding: one wrong box below is not fatal, a batch is asked once, the trace says what was left out."""

import numpy as np
import pytest
from PIL import Image

from promvil_hf.backends.detectors import Detection, Found
from promvil_hf.boxes import Box
from promvil_hf.grounding import ComposedGrounder, ComposerSettings, GroundingTrace, Query
from promvil_hf.grounding.composing import Seen, compose
from promvil_hf.grounding.reading import readings
from promvil_hf.nesting import decompose


PICTURE = Image.new("RGB", (640, 480))
FIRST, SECOND, THIRD = Box(0.1, 0.3, 0.2, 0.8), Box(0.6, 0.3, 0.7, 0.8), Box(0.8, 0.3, 0.9, 0.8)
CAR, HAT, DOG = Box(0.3, 0.4, 0.55, 0.8), Box(0.62, 0.28, 0.68, 0.36), Box(0.72, 0.6, 0.78, 0.8)
WORLD = {"man": [FIRST, SECOND, THIRD], "car": [CAR], "hat": [HAT], "dog": [DOG]}
WORLD["elephant"] = [Box(0, 0, 0.2, 0.3), Box(0.5, 0, 1, 0.9)]


class Eyes:
    """Finds what is in `world` and counts what it was asked; it knows no other noun than these and "unicorn"."""

    def __init__(self, world=WORLD, score=0.8):
        self.world, self.score, self.calls = world, score, []

    def __call__(self, pairs):
        self.calls.append([noun for _, noun in pairs])
        return [
            Found([box if isinstance(box, Detection) else Detection(box, self.score) for box in self.world.get(noun, ())],
                  known=noun in self.world or noun == "unicorn")
            for _, noun in pairs
        ]  # fmt: skip


def ground(expression, world=WORLD, **settings) -> GroundingTrace:
    return ComposedGrounder(Eyes(world), ComposerSettings(**settings)).ground(PICTURE, expression)


def distribution(expression, world=WORLD, **settings):
    parts = readings(decompose(expression))
    found = Eyes(world)([(PICTURE, part.noun) for part in parts])
    return compose(parts, found, Seen(PICTURE, ComposerSettings(**settings)))[len(decompose(expression).phrases) - 1]


@pytest.mark.parametrize(
    "expression, box",
    [
        ("the man left of the car", FIRST),
        ("the man to the right of the car and left of the dog", SECOND),
        ("the second man from the left", SECOND),
        ("the rightmost man", THIRD),
        ("the man wearing a hat", SECOND),
        ("the man without a hat to the right of the car", THIRD),
        ("the man not wearing a hat on the right", THIRD),
        ("the man closest to the car", SECOND),
        ("the man farthest from the car", THIRD),
        ("the man between the car and the dog", SECOND),
        ("the dog next to the man with a hat", DOG),
        ("the hat that the man is wearing", HAT),
        ("the bigger of the two elephants", WORLD["elephant"][1]),
        ("the man on the left", FIRST),
    ],
)
def test_the_thing_that_is_meant_is_chosen(expression, box):
    assert ground(expression).boxes == (box,)


def test_a_number_takes_as_many_boxes():
    assert set(ground("the two men right of the car").boxes) == {SECOND, THIRD}


def test_one_wrong_box_below_is_not_fatal():
    ghost = Detection(Box(0.0, 0.4, 0.05, 0.6), 0.6)  # the detector's best "car" is none: nobody is left of it
    world = WORLD | {"car": [ghost, Detection(CAR, 0.5)]}
    trace = ground("the man left of the car", world)
    assert trace.steps[0].boxes == (ghost.box,) and trace.boxes == (FIRST,)


@pytest.mark.parametrize("expression", ["man", "the man left of the car", "the second man wearing a hat", "dog near a unicorn"])
def test_chances_of_all_candidates_and_of_none_add_up_to_one(expression):
    found = distribution(expression)
    assert found.weights.sum() + found.none == pytest.approx(1)


def test_the_order_of_the_boxes_does_not_matter():
    plain = distribution("the man left of the car")
    turned = distribution("the man left of the car", WORLD | {"man": WORLD["man"][::-1]})
    np.testing.assert_allclose(plain.weights, turned.weights[::-1])


def test_candidates_that_fit_badly_make_none_of_these_likelier():
    alone = WORLD | {"man": [THIRD]}
    assert distribution("the man left of the car", alone).none > distribution("the man right of the car", alone).none
    trace = ground("the man left of the car", alone, refuse_above=0.4)
    assert trace.refused and trace.boxes == ()


def test_evidence_that_is_unknown_or_absent_tells_nothing_and_the_trace_says_so():
    plain = distribution("the man")
    for noun in ("gadget", "unicorn"):
        np.testing.assert_allclose(distribution(f"the man left of the {noun}").weights, plain.weights)
    step = ground("the man left of the gadget").steps
    assert step[0].reason == "unknown noun: 'gadget'" and "left out" in step[1].problems[0]


def test_a_relation_to_what_was_not_found_is_said_to_be_left_out():
    step = ground("the man left of the unicorn").steps[-1]
    assert step.boxes and step.problems == ("'left of' left out: what it refers to was not found",)
    assert ground("the man without a unicorn").steps[-1].problems == ()


def test_an_unknown_relation_is_nearness_and_the_trace_says_so():
    trace = ground("the man staring at the dog")
    assert trace.boxes == ground("the man near the dog").boxes
    assert trace.steps[-1].problems == ("unknown relation 'staring at': taken as nearness",)


def test_words_that_go_into_nothing_are_named():
    assert ground("the young man left of the car").steps[-1].problems == ("not used: 'young', which no box tells",)
    assert ground("the man sleeping").steps[-1].problems == ("not used: 'sleeping'",)
    assert ground("the young man", described=True).steps[-1].reason == "unknown noun: 'man'"  # it was asked for "young man"


def test_a_thing_is_no_evidence_for_itself():
    two = WORLD | {"man": [FIRST, SECOND]}
    assert ground("the man left of the man", two).boxes == (FIRST,)
    assert ground("the man next to the other man", two | {"man": [FIRST, Box(0.22, 0.3, 0.3, 0.8), THIRD]}).boxes != (THIRD,)


def test_a_colour_is_measured_where_the_detector_knows_classes_only():
    picture = PICTURE.copy()
    picture.paste((200, 20, 30), (384, 144, 448, 384))
    eyes = Eyes()
    assert ComposedGrounder(eyes).ground(picture, "the red man").boxes == (SECOND,)
    assert ComposedGrounder(eyes).ground(picture, "not the red man").boxes != (SECOND,)
    assert eyes.calls == [["man"], ["man"]]
    ComposedGrounder(eyes := Eyes(), ComposerSettings(described=True)).ground(picture, "the red man")
    assert eyes.calls == [["red man"]]


def test_many_queries_ask_the_detector_once_for_each_picture_and_noun():
    eyes = Eyes()
    expressions = ["the man left of the car", "the man right of the car", "the dog", "a man wearing a hat"]
    together = ComposedGrounder(eyes).ground_all([(PICTURE, expression) for expression in expressions], progress=False)
    assert [sorted(call) for call in eyes.calls] == [["car", "dog", "hat", "man"]]
    alone = [ground(expression) for expression in expressions]
    assert [trace.to_dict(times=False) | {"id": ""} for trace in together] == [trace.to_dict(times=False) for trace in alone]


def test_an_expression_asked_of_many_pictures_is_read_once():
    asked = []

    def reading(text):
        asked.append(text)
        return decompose(text)

    grounder = ComposedGrounder(Eyes(), decomposer=reading)
    pictures = [Image.new("RGB", (640, 480), colour) for colour in ("red", "green")]
    traces = grounder.ground_all([(picture, "the man left of the car") for picture in pictures], progress=False)
    assert asked == ["the man left of the car"]
    assert traces[0].to_dict(times=False) == traces[1].to_dict(times=False)


def test_a_trace_is_read_back_as_it_was_written():
    row = ground("the dog next to the man with a hat").to_dict()
    assert GroundingTrace.from_dict(row).to_dict() == row


@pytest.mark.parametrize(
    "image, text, task, reason",
    [
        (PICTURE, "  ", "ground", "blank text"),
        (PICTURE, "what is it?", "answer", "a detector answers no questions"),
        ("no-such-file.jpg", "the man", "ground", "missing"),
    ],
)
def test_what_cannot_be_grounded_has_a_reason(image, text, task, reason):
    trace = ComposedGrounder(Eyes()).ground_all([Query(image, text, task)], progress=False)[0]
    assert trace.steps == () and reason in trace.reason or "no such file" in trace.reason.lower()


def test_of_hostile_texts_none_is_lost():
    words = "the a man left of , not without 's between and two second from closest to other one is holding that no red &".split()
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(words, rng.integers(1, 12))) for _ in range(300)]
    traces = ComposedGrounder(Eyes()).ground_all([(PICTURE, text) for text in texts], progress=False)
    assert len(traces) == 300 and all(trace.boxes or trace.reason for trace in traces)
