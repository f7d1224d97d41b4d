# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Rewards: what an answer earns, in every dialect, as TRL calls them; nothing is earned by dumping boxes."""

import numpy as np
import pytest

from promvil_hf.boxes import Box, iou
from promvil_hf.conventions import DIALECTS
from promvil_hf.dialects import Kosmos2, PointDialect, QwenJson
from promvil_hf.phrases import GroundedPhrase, GroundedSpan, GroundedText
from promvil_hf.rewards import chain_reward, iou_reward, parse_reward, point_reward
from tests.harnesses import dump_of_boxes


GOLD, SIZE = Box(0.2, 0.2, 0.6, 0.7), (640, 480)
NEAR, FAR = Box(0.22, 0.2, 0.6, 0.68), Box(0.8, 0.8, 0.95, 0.95)


def said(dialect, *boxes):
    return DIALECTS[dialect].target(GroundedPhrase("it", boxes), image_size=SIZE)


def as_messages(text):
    return [{"role": "assistant", "content": text}]


BOXES = [name for name, dialect in DIALECTS.items() if not isinstance(dialect, PointDialect)]


@pytest.mark.parametrize("dialect", BOXES)
def test_the_iou_reward_is_the_iou_of_the_first_box_in_every_dialect_and_form_of_completion(dialect):
    reward = iou_reward(dialect)
    texts = [said(dialect, NEAR), said(dialect, FAR), said(dialect, FAR, GOLD), "nothing", ""]
    columns = {
        "boxes": [[list(GOLD.xyxy)]] * 5,
        "image_size": [list(SIZE)] * 5,
        "prompts": ["?"] * 5,
        "trainer_state": None,
    }
    plain = reward(completions=texts, **columns)
    expected = [DIALECTS[dialect].parse(text, image_size=SIZE).boxes[:1] for text in texts]
    assert plain == pytest.approx([iou(boxes[0], GOLD) if boxes else 0.0 for boxes in expected])
    assert plain[0] > 0.7 and plain[1:] == [0.0] * 4
    assert reward(completions=[as_messages(text) for text in texts], **columns) == plain
    parts = [[{"role": "assistant", "content": [{"type": "text", "text": text}]}] for text in texts]
    assert reward(completions=parts, **columns) == plain
    assert iou_reward(dialect, threshold=0.5)(completions=texts, **columns) == [1.0, 0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("dialect", sorted(set(DIALECTS) - set(BOXES)))
def test_the_point_reward_is_1_where_the_first_point_lies_in_a_gold_box(dialect):
    texts = [said(dialect, NEAR), said(dialect, FAR), said(dialect, FAR, GOLD), "left of it", "none"]
    reward = point_reward(dialect)
    assert reward(completions=texts, boxes=[[list(GOLD.xyxy)]] * 5) == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert reward(completions=texts, boxes=[[]] * 5) == [0.0, 0.0, 0.0, 0.0, 1.0]
    assert reward(completions=texts[:1], boxes=[None]) == [None]
    for other in (iou_reward, chain_reward):
        with pytest.raises(ValueError, match="writes points, which have no IoU: use `point_reward`"):
            other(dialect)
    with pytest.raises(ValueError, match="Kosmos2 writes boxes: use `iou_reward`"):
        point_reward("kosmos2")


def test_a_refusal_earns_all_where_there_is_nothing_and_nothing_where_there_is_something():
    texts = [said("qwen_json", GOLD), '{"bbox_2d": null}', "There is no such object.", "I cannot say.", '[{"bbox_2d": [1, 2']
    there, absent = {"boxes": [[list(GOLD.xyxy)]] * 5}, {"boxes": [[]] * 5}
    assert iou_reward("qwen_json")(completions=texts, **there) == pytest.approx([1.0, 0.0, 0.0, 0.0, 0.0], abs=0.01)
    assert iou_reward("qwen_json")(completions=texts, **absent) == [0.0, 1.0, 1.0, 0.0, 0.0]
    assert parse_reward("qwen_json")(completions=texts, **there) == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert parse_reward("qwen_json")(completions=texts, **absent) == [1.0, 1.0, 1.0, 0.0, 0.0]
    assert parse_reward("qwen_json")(completions=texts) == [1.0, 0.0, 0.0, 0.0, 0.0]


def test_several_gold_boxes_are_all_right_and_rows_without_any_earn_nothing_at_all():
    reward = iou_reward("qwen_json")
    gold = [[list(FAR.xyxy), list(GOLD.xyxy)], None, list(GOLD.xyxy)]
    scores = reward(completions=[said("qwen_json", GOLD)] * 3, boxes=gold)
    assert scores[0] == scores[2] > 0.99 and scores[1] is None
    with pytest.raises(ValueError, match="Rows without gold boxes hold None"):
        reward(completions=["x"], boxes=[[[0.5, 0.5, 0.2, 0.2]]])


def test_dumping_boxes_earns_what_the_first_one_earns():
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 0.5, (30, 2))
    gold = np.concatenate([low, low + rng.uniform(0.2, 0.45, (30, 2))], 1)
    dump, first = dump_of_boxes.answer(), said("qwen_json", Box(*dump_of_boxes.boxes()[0]))
    columns = {"boxes": [[box.tolist()] for box in gold]}
    assert iou_reward("qwen_json")(completions=[dump] * 30, **columns) == pytest.approx(
        iou_reward("qwen_json")(completions=[first] * 30, **columns), abs=0.01
    )
    assert parse_reward("qwen_json")(completions=[dump, first]) == [0.5, 1.0]


def test_the_parse_reward_wants_exactly_one_box_and_nothing_malformed():
    reward = parse_reward("kosmos2")
    good = said("kosmos2", NEAR)
    assert reward(completions=[good, said("kosmos2", NEAR, FAR), "<object></object>", "a cup"]) == [1.0, 0.5, 0.0, 0.0]
    truncated = good.replace("</object>.", "")
    assert Kosmos2().parse(truncated).problems and reward(completions=[truncated]) == [0.5]


STEPS = [
    {"text": "the jacket", "level": 1, "boxes": [[0.4, 0.4, 0.6, 0.6]]},
    {"text": "the man wearing the jacket", "level": 2, "boxes": [[0.3, 0.2, 0.7, 0.9]]},
    {"text": "the car behind the man wearing the jacket", "level": 3, "boxes": [[0.1, 0.1, 0.5, 0.5]]},
]


def grounded(*steps, box=None):
    """A caption that grounds these steps, one sentence each, in Kosmos-2's words."""
    text, spans = "", []
    for step in steps:
        spans.append(GroundedSpan(len(text), len(text) + len(step["text"]), [box or Box(*step["boxes"][0])]))
        text += step["text"] + ". "
    return Kosmos2().annotate(GroundedText(text, spans))


def test_the_chain_reward_weighs_steps_by_level_whatever_their_order():
    reward = chain_reward("kosmos2")
    texts = [
        grounded(*STEPS),
        grounded(*STEPS[::-1]),
        grounded(STEPS[0]),
        grounded(STEPS[2]),
        "nothing",
        grounded(*STEPS, box=FAR),
    ]
    scores = reward(completions=texts, steps=[STEPS] * 6)
    assert scores[0] == scores[1] > 0.8
    assert scores[0] > scores[3] > scores[2] > 0  # the deepest step alone earns more than the simplest
    assert scores[4:] == [0.0, 0.0]
    parts = [reward(completions=[grounded(step)], steps=[STEPS])[0] for step in STEPS]
    assert sum(parts) == pytest.approx(scores[0])
    flat = chain_reward("kosmos2", weight=lambda level: 1.0)(completions=[grounded(STEPS[0])], steps=[STEPS])
    assert flat[0] > scores[2]
    assert reward(completions=["x", "y"], steps=[None, []]) == [None, None]
    with pytest.raises(ValueError, match="weights are at least 0, not all 0"):
        chain_reward("kosmos2", weight=lambda level: 0)(completions=["x"], steps=[STEPS])


def test_the_chain_reward_reads_labels_of_other_families():
    dialect = QwenJson()
    answer = "".join(dialect.target(GroundedPhrase(step["text"], [Box(*step["boxes"][0])])) for step in STEPS)
    assert chain_reward("qwen_json")(completions=[answer], steps=[STEPS])[0] > 0.99


def test_a_phrase_counts_by_its_first_mention_only():
    wrong_then_right = grounded(STEPS[0], box=FAR) + grounded(STEPS[0])
    right_then_wrong = grounded(STEPS[0]) + grounded(STEPS[0], box=FAR)
    scores = chain_reward("kosmos2")(completions=[wrong_then_right, right_then_wrong], steps=[STEPS[:1]] * 2)
    assert scores[0] == 0.0 and scores[1] > 0.5


def test_answers_are_decoded_again_where_boxes_are_special_tokens():
    class Tokenizer:
        def decode(self, ids, skip_special_tokens):
            return "" if skip_special_tokens else said("paligemma_loc", GOLD)

    reward = iou_reward("paligemma_loc", tokenizer=Tokenizer())
    assert reward(completions=["it"], completion_ids=[[1, 2]], boxes=[list(GOLD.xyxy)])[0] > 0.99
    with pytest.raises(ValueError, match="passed no `completion_ids`"):
        reward(completions=["it"], boxes=[list(GOLD.xyxy)])


def test_rewards_have_names_for_the_logs():
    assert [make("kosmos2").__name__ for make in (iou_reward, parse_reward, chain_reward)] == [
        "iou_reward", "parse_reward", "chain_reward"
    ]  # fmt: skip
    assert iou_reward("kosmos2", name="box").__name__ == "box"
    with pytest.raises(ValueError, match="it is one of kosmos2"):
        iou_reward("german")
