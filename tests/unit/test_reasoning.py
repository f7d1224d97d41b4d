# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What a model thinks is no answer: in every dialect, in every wrapper, closed or not, nested or opened by the prompt."""

import pytest

from promvil_hf.boxes import Box
from promvil_hf.conventions import DIALECTS
from promvil_hf.dialects import PointDialect
from promvil_hf.dialects.reasoning import answer_of, opening_in
from promvil_hf.metrics.answers import read_texts
from promvil_hf.metrics.grounding import grounding_score
from promvil_hf.phrases import GroundedPhrase
from promvil_hf.rewards import iou_reward


SIZE = (640, 480)
THOUGHT, RIGHT = Box(0.0, 0.0, 0.25, 0.25), Box(0.5, 0.5, 1.0, 1.0)
WRAPPERS = {
    "think": "<think>{thought}</think>{answer}",
    "opened by the prompt": "I look. {thought}\n</think>\n\n{answer}",
    "two thoughts": "<think>a</think>\n<think>{thought}</think>{answer}",
    "nested": "<think>a <think>{thought}</think> {thought} </think>{answer}",
    "opened twice": "<think>\n<think>{thought}</think>{answer}",
    "thinking": "<thinking>{thought}</thinking>{answer}",
    "capitals": "<REASONING>{thought}</REASONING><CONCLUSION>{answer}</CONCLUSION>",
    "with an answer": "<think>{thought}</think><answer>{answer}</answer>",
    "answer alone": "First {thought}. <answer>{answer}</answer>",
    "the last answer": "<answer>{thought}</answer> No. <answer>{answer}</answer>",
    "seed": "<seed:think>{thought}</seed:think>{answer}",
    "Kimi": "◁think▷{thought}◁/think▷{answer}",
    "Mistral": "[THINK]{thought}[/THINK]{answer}",
    "Gemma 4": "<|channel>thought\n{thought}<channel|>{answer}",
    "MedGemma": "<unused94>thought\n{thought}<unused95>{answer}",
    "Command A": "<|START_THINKING|>{thought}<|END_THINKING|>{answer}",
    "Keye": "<analysis>{thought}</analysis>{answer}",
    "gpt-oss": "<|channel|>analysis<|message|>{thought}<|end|><|start|>assistant<|channel|>final<|message|>{answer}<|return|>",
}


def said(name: str, box: Box) -> str:
    text = DIALECTS[name].target(GroundedPhrase("a cup", (box,)), image_size=SIZE)
    return f"<object>{text}" if name == "kosmos2" else text


def found(parsed):
    return parsed.points or parsed.boxes


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("name", DIALECTS)
def test_a_box_in_a_thought_never_counts(name, wrapper):
    text = WRAPPERS[wrapper].format(thought=said(name, THOUGHT), answer=said(name, RIGHT))
    parsed = DIALECTS[name].parse(text, image_size=SIZE)
    assert found(parsed) == found(DIALECTS[name].parse(said(name, RIGHT), image_size=SIZE))
    assert len(found(parsed)) == 1 and parsed.problems == ()


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("text", ["<think>{thought}", "<think>a</think><think>{thought}", "◁think▷ so {thought} and"])
def test_a_thought_that_never_closes_hides_all_of_it_and_is_unreadable(name, text):
    parsed = DIALECTS[name].parse(text.format(thought=said(name, THOUGHT)), image_size=SIZE)
    assert not found(parsed) and parsed.reason == "truncated"


def test_a_right_answer_behind_a_thought_is_right_in_metrics_and_rewards():
    texts = [f"<think>Perhaps {said('qwen_json', THOUGHT)}?</think>{said('qwen_json', RIGHT)}"]
    gold = [[list(RIGHT.xyxy)]]
    assert grounding_score(read_texts(texts, DIALECTS["qwen_json"]), gold).accuracy == 1.0
    assert iou_reward("qwen_json")(completions=texts, boxes=gold) == [1.0]


@pytest.mark.parametrize("text", ["[THINK]{}[/THINK]{}", "<think>{}</think>{}", "x {} </think>{}"])
def test_kosmos2_in_bulk_reads_what_kosmos2_reads_alone(text):
    texts = [text.format(said("kosmos2", THOUGHT), said("kosmos2", RIGHT)), said("kosmos2", RIGHT), "<think>", "none"]
    bulk = read_texts(texts, DIALECTS["kosmos2"])
    alone = [DIALECTS["kosmos2"].parse(text) for text in texts]
    assert bulk.counts.tolist() == [len(parsed.boxes) for parsed in alone] == [1, 1, 0, 0]
    assert {reason: rows.tolist() for reason, rows in bulk.problems.items()} == {"truncated": [2], "refused": [3]}


@pytest.mark.parametrize("text", ["", "I think so.", "a reasoning <b>", "the analysis of the channel", "yes"])
def test_other_texts_are_left_as_they_are(text):
    assert answer_of(text) == (text, False)


def test_words_behind_a_thought_are_the_answer():
    assert answer_of("<think>yes or no</think>No") == ("No", False)
    assert answer_of("<think>x</think><|begin_of_box|>Yes<|end_of_box|>") == ("Yes", False)
    assert answer_of("yes <think>or no") == ("yes ", False)
    assert answer_of("<think>yes") == ("", True)


def test_a_prompt_that_opens_a_thought_says_so():
    assert opening_in("<|im_start|>assistant\n<think>\n") == "<think>"
    assert opening_in("<|im_start|>assistant\n<think>\n\n</think>\n\n") == opening_in("USER: a ASSISTANT:") == ""


def test_every_dialect_of_points_points():
    assert {name for name in DIALECTS if name.endswith("points")} == {
        name for name, dialect in DIALECTS.items() if isinstance(dialect, PointDialect)
    }


def test_evaluate_scores_the_words_behind_a_thought():
    from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
    from promvil_hf.evaluation.predictions import Answer, Predictions
    from promvil_hf.evaluation.results import evaluate

    rows = [BenchmarkRow(name, "a.jpg", "Is it there?", answers=(truth,)) for name, truth in (("1", "no"), ("2", "yes"))]
    said = {"1": Answer(text="<think>Yes? I see none.</think>No."), "2": Answer(text="No, wait.</think>\n\nYes")}
    report = evaluate(Benchmark("mine", "test", "pope", rows), Predictions(said))
    assert report.scores["accuracy"] == 1.0 and [row["said"] for row in report.rows] == ["No.", "\n\nYes"]
