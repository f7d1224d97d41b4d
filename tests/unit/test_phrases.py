# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promvil_hf import Box, GroundedPhrase, GroundedSpan, GroundedText, PhraseChain, PhraseStep, Wording
from promvil_hf.frames import PatchGrid
from promvil_hf.phrases import PROMVIL, PROMVIL_VSR, from_row, to_row


HAT, MAN, DOG = Box(0.1, 0.1, 0.2, 0.2), Box(0.1, 0.1, 0.4, 0.9), Box(0.5, 0.5, 0.7, 0.9)


def chain():
    """hat -> man in the hat -> dog next to the man in the hat"""
    return PhraseChain(
        "17",
        [
            PhraseStep(GroundedPhrase("the hat", [HAT])),
            PhraseStep(GroundedPhrase("man in the hat", [MAN]), anchors=[0], mentions=["the hat"]),
            PhraseStep(GroundedPhrase("dog next to the man", [DOG]), anchors=[1], mentions=["man in the hat"]),
        ],
    )


def test_a_chain_reads_as_promvils_alternating_texts():
    row = to_row(chain(), "/images/17.jpg")
    assert row["text"] == [
        "<grounding><phrase>hats</phrase>.",
        "<grounding>We can see in the image: <phrase>the hat</phrase>. Base on that, we can detect: "
        "<phrase>man in the hat</phrase>.",
        "<grounding><phrase>man in the hat</phrase>.",
        "<grounding>We can see in the image: <phrase>man in the hat</phrase>. Base on that, we can detect: "
        "<phrase>dog next to the man</phrase>.",
    ]
    assert row["box_obj_match"] == [[0], [0, 1], [0], [0, 1]]
    assert row["bboxes"][1] == [list(HAT.xyxy), list(MAN.xyxy)]


def test_the_level_is_one_more_than_the_highest_anchor():
    assert chain().levels == (1, 2, 3)


def test_a_composed_phrase_without_anchors_keeps_its_own_level_and_is_not_put_in_the_plural():
    alone = PhraseChain("1", [PhraseStep(GroundedPhrase("the man standing", [MAN]), own_level=2)])
    assert alone.levels == (2,)
    assert to_row(alone, "1.jpg")["text"] == ["<grounding><phrase>the man standing</phrase>."]


@pytest.mark.parametrize(
    "wording",
    [
        PROMVIL,
        PROMVIL_VSR,
        Wording(plural_first_level=False),
        Wording(evidence_lead="Known: ", evidence_joint="; ", target_lead=". Find: "),
    ],
)
def test_a_chain_survives_its_row_in_every_wording(wording):
    row = json.loads(json.dumps(to_row(chain(), "/images/17.jpg", wording=wording)))
    assert from_row(row, wording) == chain()
    assert to_row(from_row(row, wording), "/images/17.jpg", wording=wording) == row


WORDS = ("man", "the man", "dog", "men")
COMPOSED = ("man with dog", "dog near man", "man")
PLACES = (Box(0.1, 0.1, 0.2, 0.2), Box(0.3, 0.3, 0.5, 0.5), Box(0.6, 0.6, 0.9, 0.9))


@st.composite
def chains(draw):
    """Chains of few words and few boxes, so that texts and phrases repeat."""
    steps = []
    for index in range(draw(st.integers(1, 4))):
        anchors = draw(st.lists(st.integers(0, index - 1), unique=True, max_size=2)) if index else []
        boxes = draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=2, unique=True))
        target = GroundedPhrase(draw(st.sampled_from(COMPOSED if anchors else WORDS)), boxes)
        steps.append(PhraseStep(target, anchors, [steps[anchor].target.text for anchor in anchors]))
    return PhraseChain("1", steps)


@given(chains())
def test_a_row_is_read_back_whatever_repeats_in_it(chain):
    row = to_row(chain, "1.jpg")
    assert to_row(from_row(row), "1.jpg") == row


def test_several_instances_of_one_noun_stay_together():
    many = PhraseChain("3", [PhraseStep(GroundedPhrase("the cup", [HAT, MAN, DOG]))])
    row = to_row(many, "3.jpg")
    assert row["text"] == ["<grounding><phrase>cups</phrase>."] and row["box_obj_match"] == [[0, 0, 0]]
    assert from_row(row).steps[0].target.boxes == (HAT, MAN, DOG)


def test_a_tag_in_a_phrase_is_text():
    with_tag = PhraseChain("1", [PhraseStep(GroundedPhrase("a sign saying </phrase><object>", [HAT]), own_level=2)])
    row = to_row(with_tag, "1.jpg")
    assert row["text"][0].count("</phrase>") == 1 and "<object>" not in row["text"][0]
    assert from_row(row) == with_tag


def test_a_row_of_another_wording_is_refused_with_both_texts():
    row = to_row(chain(), "/images/17.jpg", wording=PROMVIL_VSR)
    with pytest.raises(ValueError, match="whose text 0 is '<grounding><phrase>hats</phrase>'.*Pass the `Wording`"):
        from_row(row)


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda row: row.update(bboxes=None), "row without boxes"),
        (lambda row: row["bboxes"].pop(), "differ in length"),
        (lambda row: row["box_obj_match"][0].__setitem__(0, 4), "each box must name one of them"),
        (lambda row: row["bboxes"][0][0].__setitem__(2, 1.5), "0 <= x0 < x1 <= 1"),
        (lambda row: row["bboxes"][3][0].__setitem__(2, 0.45), "evidence 'man in the hat' has boxes that no earlier"),
        (
            lambda row: [row[key].pop(2) for key in ("text", "bboxes", "box_obj_match")],
            "each phrase must stand by itself in the row",
        ),
    ],
)
def test_a_damaged_row_is_refused_with_a_sentence(damage, words):
    row = copy.deepcopy(to_row(chain(), "/images/17.jpg"))
    damage(row)
    with pytest.raises(ValueError, match=words):
        from_row(row)


def test_chains_and_texts_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        PhraseChain("1", [])
    with pytest.raises(ValueError, match="only refer to earlier steps"):
        PhraseChain("1", [PhraseStep(GroundedPhrase("a hat"), anchors=[0], mentions=["hat"])])
    with pytest.raises(ValueError, match="1 anchors and 0 mentions"):
        PhraseStep(GroundedPhrase("a hat"), anchors=[0])
    with pytest.raises(ValueError, match="blank phrase"):
        PhraseStep(GroundedPhrase(" "))
    with pytest.raises(ValueError, match="in order, without overlap"):
        GroundedText("a hat", [GroundedSpan(0, 4), GroundedSpan(3, 5)])


def published_rows(shared_data):
    with open(shared_data / "promvil" / "data_sample.json") as lines:
        return [json.loads(line) for line in lines]


def test_every_published_row_with_boxes_survives(shared_data):
    rows = [row for row in published_rows(shared_data) if row["bboxes"]]
    assert [row["dataset"] for row in rows] == ["vg"] * 5 + ["vsr"]
    for row in rows:
        wording = PROMVIL_VSR if row["dataset"] == "vsr" else PROMVIL
        again = to_row(from_row(row, wording), row["image_path"], row["dataset"], row["relation"], wording)
        assert again == row


def test_the_published_boxes_fall_into_the_published_cells(shared_data):
    """Text of the row, phrase in it, cells: the 14 golden pairs of the method's reference notes."""
    golden = [
        (0, "beards", (545, 610)),
        (0, "man with beard holding a camera", (480, 999)),
        (1, "surfboards", (487, 786)),
        (1, "labels", (463, 593)),
        (1, "the man holding the surfboard with the label", (233, 1008)),
        (2, "tables", (576, 1008)),
        (2, "glass on the table", (770, 997)),
        (3, "the man standing", (744, 1004)),
        (3, "men", (745, 1004)),
        (3, "tall street lamps next to the man standing", (430, 914)),
        (4, "baseball gloves", (641, 674)),
        (4, "man with the baseball glove", (642, 772)),
        (7, "refrigerators", (422, 913)),
        (7, "the person at the right side of the refrigerator", (110, 891)),
    ]
    rows = published_rows(shared_data)
    cells = {}
    for number, row in enumerate(rows):
        for text, boxes, match in zip(row["text"], row["bboxes"] or [], row["box_obj_match"] or []):
            phrases = [part.split("</phrase>")[0] for part in text.split("<phrase>")[1:]]
            for corners, position in zip(boxes, match):
                cells.setdefault((number, phrases[position]), PatchGrid().encode(Box(*corners)))
    assert len(golden) == 14
    for number, phrase, pair in golden:
        assert cells[number, phrase] == pair
