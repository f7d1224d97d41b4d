# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Values, options and prompts: no model; published answers as traces."""

import json

import pytest
from PIL import Image

from promvil_hf.backends.base import Generated
from promvil_hf.boxes import Box
from promvil_hf.dialects import Kosmos2, LlavaBrackets, QwenJson
from promvil_hf.grounding import ProgressiveGrounder
from promvil_hf.grounding.options import GroundingOptions
from promvil_hf.grounding.planning import Refused, insert_boxes, plan, prompt_of, text_of
from promvil_hf.grounding.trace import GroundingTrace, Query, Step
from promvil_hf.nesting import decompose
from promvil_hf.phrases import GroundedPhrase, PhraseChain, PhraseStep


PICTURE = Image.new("RGB", (64, 48))
BOX, OTHER = Box(0.1, 0.1, 0.4, 0.5), Box(0.5, 0.2, 0.9, 0.9)
NESTED = "the man with a hat next to the woman holding an umbrella"


def parts_of(text, options=GroundingOptions(), **query):  # noqa: B008
    return plan(Query(PICTURE, text, **query), options, decompose)


def phrases(parts, places):
    return [parts[index].phrase for index in places]


@pytest.mark.parametrize(
    "mode, expected",
    [
        ("progressive", ["the woman holding an umbrella"]),
        ("all", ["a hat", "an umbrella", "the woman holding an umbrella"]),
        ("oracle", ["a hat", "the woman holding an umbrella"]),
        ("one_shot", []),
    ],
)
def test_each_mode_puts_its_own_choice_of_phrases_into_the_prompt_of_the_whole_expression(mode, expected):
    parts = parts_of(NESTED, GroundingOptions(mode))
    assert parts[-1].phrase == NESTED
    assert phrases(parts, parts[-1].evidence) == expected
    assert len(parts) == (1 if mode == "one_shot" else 4)


def test_a_phrase_without_boxes_is_left_out_of_the_prompt_and_without_any_the_prompt_is_plain():
    parts = parts_of("the woman holding an umbrella")
    prompt, fed = prompt_of(parts, 1, [(BOX,)], Kosmos2(), GroundingOptions(), PICTURE.size)
    assert fed == (0,)
    assert prompt == (
        "<grounding>We can see in the image: <phrase>an umbrella</phrase><object><patch_index_0099><patch_index_0492>"
        "</object>. Base on that, we can detect: <phrase>the woman holding an umbrella</phrase><object>"
    )
    prompt, fed = prompt_of(parts, 1, [()], Kosmos2(), GroundingOptions(), PICTURE.size)
    assert (prompt, fed) == ("<grounding><phrase>the woman holding an umbrella</phrase><object>", ())


def test_simple_parts_are_asked_in_the_plural_and_a_lone_simple_phrase_only_as_the_reference_does():
    def asked(text, index, options):
        return prompt_of(parts_of(text, options), index, [()] * index, Kosmos2(), options, PICTURE.size)[0]

    assert "<phrase>umbrellas</phrase>" in asked("the woman holding an umbrella", 0, GroundingOptions())
    assert "<phrase>an umbrella</phrase>" in asked(
        "the woman holding an umbrella", 0, GroundingOptions(plural_parts=False)
    )
    assert "<phrase>the man</phrase>" in asked("the man", 0, GroundingOptions())
    assert "<phrase>men</phrase>" in asked("the man", 0, GroundingOptions.reference())
    assert "<phrase>the man</phrase>" in asked("the man", 0, GroundingOptions.reference("one_shot"))


def test_the_reference_leaves_out_evidence_above_80_percent_and_joins_level_2_with_semicolons():
    text, large = "the man between a tree and a car", Box(0.0, 0.0, 0.95, 0.95)
    parts = parts_of(text)
    assert phrases(parts, parts[2].evidence) == ["a tree", "a car"]
    reference, ours = GroundingOptions.reference(), GroundingOptions()
    assert prompt_of(parts, 2, [(large,), (BOX,)], Kosmos2(), reference, PICTURE.size)[1] == (1,)
    assert prompt_of(parts, 2, [(large,), (BOX,)], Kosmos2(), ours, PICTURE.size)[1] == (0, 1)
    both = [(OTHER,), (BOX,)]
    assert "</object>; <phrase>" in prompt_of(parts, 2, both, Kosmos2(), reference, PICTURE.size)[0]
    assert "</object>, <phrase>" in prompt_of(parts, 2, both, Kosmos2(), ours, PICTURE.size)[0]


def test_a_chain_brings_its_own_parts_words_and_boxes():
    chain = PhraseChain(
        "1",
        [
            PhraseStep(GroundedPhrase("beards", [BOX])),
            PhraseStep(GroundedPhrase("man with beard", [OTHER]), [0], ["beard"]),
        ],
    )
    parts = parts_of(chain, GroundingOptions("oracle"))
    assert [(part.phrase, part.level, part.given) for part in parts] == [
        ("beards", 1, (BOX,)),
        ("man with beard", 2, None),
    ]
    prompt, _ = prompt_of(parts, 1, [(BOX,)], Kosmos2(), GroundingOptions("oracle"), PICTURE.size)
    assert "<phrase>beard</phrase><object>" in prompt
    assert text_of(Query(PICTURE, chain)) == "man with beard"


def test_a_question_carries_the_boxes_of_its_longest_grounded_phrases_never_one_inside_another():
    question = "What color is the shirt of the man next to the dog?"
    parts = parts_of(question, task="answer")
    assert [part.is_question for part in parts] == [False, False, False, True]
    prompt, fed = prompt_of(parts, 3, [(BOX,), (OTHER,), ()], Kosmos2(), GroundingOptions(), PICTURE.size)
    assert phrases(parts, fed) == ["the man next to the dog"]
    assert prompt == (
        "<grounding>Question: What color is the shirt of<phrase> the man next to the dog</phrase><object>"
        "<patch_index_0208><patch_index_0924></object>? Short Answer:"
    )
    plain, fed = prompt_of(parts, 3, [(), (), ()], Kosmos2(), GroundingOptions(), PICTURE.size)
    assert (plain, fed) == (f"<grounding>Question: {question} Short Answer:", ())


@pytest.mark.parametrize("dialect", [LlavaBrackets(), QwenJson()], ids=["llava", "qwen"])
def test_families_that_write_boxes_as_text_get_the_evidence_before_the_question(dialect):
    parts = parts_of("Is the man wearing a hat?", task="answer")
    prompt, fed = prompt_of(parts, 2, [(BOX,), ()], dialect, GroundingOptions(), PICTURE.size)
    assert fed == (0,)
    assert prompt.startswith("We can see in the image: the man: ")
    assert prompt.endswith(". Question: Is the man wearing a hat? Short Answer:")
    assert dialect.parse(prompt, image_size=PICTURE.size).boxes


def test_tags_in_a_question_stay_text():
    parts = parts_of("Is <object> on the table?", task="answer")
    prompt, _ = prompt_of(parts, len(parts) - 1, [()] * (len(parts) - 1), Kosmos2(), GroundingOptions(), PICTURE.size)
    assert "<object>" not in prompt


def test_boxes_go_to_characters_not_to_the_first_place_the_words_stand():
    grounded = insert_boxes("the woman and the man", [((14, 21), [BOX]), ((18, 21), [OTHER]), ((0, 9), ())])
    assert [phrase.text for phrase in grounded.phrases] == ["the man"]


@pytest.mark.parametrize(
    "text, reason", [("  ", "blank text"), ("\ud800", "not Unicode text"), (None, "not text: NoneType")]
)
def test_what_cannot_be_asked_is_refused_with_a_reason(text, reason):
    with pytest.raises(Refused, match=reason):
        text_of(Query(PICTURE, text))


def test_a_trace_survives_json_and_becomes_a_chain():
    steps = (
        Step("a hat", 1, prompt="p", answer="a", ended="stop", boxes=(BOX,), score=-0.5, seconds=0.25),
        Step(
            "the man with a hat", 2, (0,), ("a hat",), (0,), reason="no box", ended="length", problems=("truncated",)
        ),
    )
    trace = GroundingTrace("the man with a hat", "progressive", "ground", "7", (64, 48), steps, "no box")
    row = json.loads(json.dumps(trace.to_dict()))
    assert GroundingTrace.from_dict(row) == trace
    assert "seconds" not in trace.to_dict(times=False)["steps"][0]
    chain = trace.chain()
    assert chain.image_id == "7" and chain.levels == (1, 2) and chain.steps[1].mentions == ("a hat",)
    assert trace.boxes == () and trace.score is None and trace.seconds == 0.25 and not trace.ok
    assert trace.grounded() == (GroundedPhrase("a hat", (BOX,)),)
    assert str(trace).splitlines()[1:] == [
        "1  a hat  [0.100, 0.100, 0.400, 0.500]  score -0.50",
        "2  the man with a hat  no box   <- a hat",
    ]
    with pytest.raises(ValueError, match="has no steps to draw: blank text"):
        GroundingTrace(" ", "progressive", reason="blank text").chain()


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ({"mode": "two_shot"}, "choose one of 'progressive', 'all', 'direct', 'one_shot', 'oracle'"),
        ({"max_boxes": 2}, "only constrained decoding can count boxes"),
        ({"constrained": True, "max_new_tokens": 2}, "room for one box, which is 3 tokens here"),
        ({"question": "Q: A:"}, "say with {question} where the question goes"),
    ],
)
def test_options_that_cannot_work_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        GroundingOptions(**arguments)


def test_a_query_has_one_of_two_tasks():
    with pytest.raises(ValueError, match='is to "ground" an expression or to "answer"'):
        Query(PICTURE, "a dog", "caption")


def test_published_answers_become_traces_with_the_published_boxes(shared_data):
    """Each answer comes from a backend that writes it; transformers gives cells in one row or column whole, and so do we."""

    class Published:
        dialect = Kosmos2()

        def generate(self, requests, decoding=None):
            return [Generated(answer, (), (), "end") for _ in requests]

    grounder = ProgressiveGrounder(Published(), GroundingOptions("one_shot"))
    rows = [json.loads(line) for line in open(shared_data / "kosmos2" / "outputs_with_entities.jsonl")]
    assert len(rows) == 4
    for row in rows:
        published = [(phrase, tuple(Box(*corners) for corners in boxes)) for phrase, _, boxes in row["entities"]]
        answer = row["raw"]
        if row["prompt"].endswith("</phrase>"):
            answer = answer.partition("</phrase>")[2]
        trace = grounder.ground(PICTURE, published[0][0])
        assert trace.ok and trace.boxes == published[0][1]
        assert GroundingTrace.from_dict(json.loads(json.dumps(trace.to_dict()))).boxes == trace.boxes
        read = Kosmos2().read(row["raw"])
        assert read.text == row["text"]
        assert [(phrase.text, phrase.boxes) for phrase in read.phrases if phrase.text] == [
            (phrase, boxes) for phrase, boxes in published if phrase
        ]
    (irregular,) = (json.loads(line) for line in open(shared_data / "kosmos2" / "irregular_outputs.jsonl"))
    answer = irregular["raw"]
    assert grounder.ground(PICTURE, "a thing").boxes == (
        Box(0.09375, 0.0, 0.15625, 0.03125),
        Box(0.15625, 0.0, 0.21875, 0.03125),
    )
