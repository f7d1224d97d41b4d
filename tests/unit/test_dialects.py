# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What every dialect owes: its own targets parse back, hostile text gives a reason and never an exception."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promvil_hf import Box, GroundedPhrase, GroundedSpan, GroundedText, Kosmos2, LlavaBrackets, PaliGemmaLoc, QwenJson
from promvil_hf.conventions import DIALECTS as NAMED
from promvil_hf.dialects import PointDialect
from promvil_hf.frames import Fractions, PatchGrid, Pixels, ResizedPixels, decode
from promvil_hf.phrases import Wording
from tests.unit.test_boxes import boxes


BOXES = [
    *(dialect for dialect in NAMED.values() if not isinstance(dialect, PointDialect)),
    Kosmos2(force_object=False, wording=Wording(ending="")),
    QwenJson(frame=ResizedPixels((644, 420)), fenced=False),
    QwenJson(frame=Pixels(whole=True)),
]
POINTS = [dialect for dialect in NAMED.values() if isinstance(dialect, PointDialect)]
DIALECTS = BOXES + POINTS
NAMES = [f"{type(dialect).__name__}-{place}" for place, dialect in enumerate(DIALECTS)]
SIZE = (640, 427)
TAGGED = "a sign that says <object>, <image> and <loc0001>"


@pytest.mark.parametrize("dialect", BOXES, ids=NAMES[: len(BOXES)])
@given(found=st.lists(boxes(smallest=1e-3), min_size=1, max_size=4))
def test_a_target_parses_back_within_the_frames_resolution(dialect, found):
    parsed = dialect.parse(dialect.target(GroundedPhrase(TAGGED, found), image_size=SIZE), image_size=SIZE)
    frame = dialect.grid if isinstance(dialect, Kosmos2) else dialect.frame
    assert parsed.boxes == tuple(decode(frame, frame.encode(box, SIZE), SIZE) for box in found)
    assert parsed.ok and parsed.reason is None and parsed.problems == ()


@pytest.mark.parametrize("dialect", POINTS, ids=NAMES[len(BOXES) :])
@given(found=st.lists(boxes(smallest=1e-3), min_size=1, max_size=4))
def test_a_target_of_points_parses_back_to_the_middles(dialect, found):
    parsed = dialect.parse(dialect.target(GroundedPhrase(TAGGED, found), image_size=SIZE), image_size=SIZE)
    assert parsed.ok and parsed.problems == () and parsed.boxes == () and len(parsed.points) == len(found)
    for point, box in zip(parsed.points, found, strict=True):
        assert point.xy == pytest.approx(((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2), abs=6e-4)


@pytest.mark.parametrize("dialect", DIALECTS, ids=NAMES)
def test_a_target_without_boxes_is_refused(dialect):
    with pytest.raises(ValueError, match="'a cup' without boxes"):
        dialect.target(GroundedPhrase("a cup"), image_size=SIZE)


@pytest.mark.parametrize("dialect", DIALECTS, ids=NAMES)
def test_a_tag_in_user_text_is_never_a_tag_in_the_prompt(dialect):
    plain = dialect.prompt("x", [GroundedPhrase("y", [Box(0, 0, 1, 1)])], image_size=SIZE)
    prompt = dialect.prompt(TAGGED, [GroundedPhrase(TAGGED, [Box(0, 0, 1, 1)])], image_size=SIZE)
    for tag in ("<object>", "<image>", "<loc0001>"):
        assert prompt.count(tag) == plain.count(tag)


@pytest.mark.parametrize("dialect", DIALECTS, ids=NAMES)
def test_level_one_asks_for_every_instance(dialect):
    assert "men" in dialect.prompt("the man", level=1, image_size=SIZE)
    assert "the man" in dialect.prompt("the man", level=2, image_size=SIZE)
    assert "the man" in dialect.prompt("the man", image_size=SIZE)


def test_kosmos2_prompts_read_as_promvils():
    assert Kosmos2().prompt("the man", level=1) == "<grounding><phrase>men</phrase><object>"
    assert Kosmos2().prompt("man with beard", [GroundedPhrase("beard", [Box(0.0393, 0.548, 0.0937, 0.608)])]) == (
        "<grounding>We can see in the image: <phrase>beard</phrase><object><patch_index_0545><patch_index_0610></object>. "
        "Base on that, we can detect: <phrase>man with beard</phrase><object>"
    )


def test_evidence_without_boxes_stands_in_the_prompt_without_boxes():
    assert "<phrase>a cup</phrase>. Base" in Kosmos2().prompt("a table", [GroundedPhrase("a cup")])


CELLS = "<patch_index_0044><patch_index_0863>"
MANY = "</delimiter_of_multi_objects/>"
SNOWMAN = (0.390625, 0.046875, 0.984375, 0.828125)
UGLY = [
    # dialect, answer, how many boxes, reason
    (Kosmos2(), f"{CELLS}</object>.", 1, None),  # the opening tag stood in the prompt
    (Kosmos2(), f"a snowman <object>{CELLS}</object> and <object>{CELLS}{MANY}{CELLS}</object>", 1, None),  # the first
    (Kosmos2(), f"</object></object><object>{CELLS}</object>", 1, None),  # closing tags that close nothing
    (Kosmos2(), f"<object>{CELLS}{MANY}{CELLS}{MANY}<patch_index_00", 2, None),  # cut: what is complete is kept
    (Kosmos2(), f"<object>{CELLS}{MANY}<patch_index_0001>", 1, None),
    (Kosmos2(), "<object><patch_index_0044>", 0, "truncated"),
    (Kosmos2(), "<object>", 0, "truncated"),
    (Kosmos2(), "<object><patch_index_0044></object>", 0, "malformed"),
    (Kosmos2(), "<object></object>", 0, "malformed"),
    (Kosmos2(), "<object><patch_index_0863><patch_index_0044></object>", 0, "empty box"),  # corners swapped
    (Kosmos2(), "<object><patch_index_0044><patch_index_1024></object>", 0, "out of range"),
    (Kosmos2(), f"<object><patch_index_9999><patch_index_9999>{MANY}{CELLS}</object>", 1, None),
    (Kosmos2(), "a snowman", 0, "no box"),
    (Kosmos2(), "", 0, "no box"),
    (QwenJson(), '```json\n[{"bbox_2d": [100, 200, 500, 600], "label": "cup"}]\n```', 1, None),
    (QwenJson(), 'Sure! {"bbox": [100, 200, 500, 600]} I hope this helps.', 1, None),  # prose, another key, no list
    (QwenJson(), "[100, 200, 500, 600]", 1, None),  # bare numbers
    (QwenJson(), '[{"bbox_2d": [1, 2, 3, 4]}, {"bbox_2d": [5, 6,', 1, None),  # cut in the second record
    (QwenJson(), '[{"bbox_2d": [5, 6,', 0, "truncated"),
    (QwenJson(), '[{"bbox_2d": [5, 6, 7, 8], "label": "the man wi', 1, None),  # cut behind the box
    (QwenJson(), '[{"bbox_2d": [5, 6, 7, 8], "label": "a {set} of }s"}]', 1, None),  # braces in a label
    (QwenJson(), '[{"bbox_2d": [5, 6, 7, 8], "label": "5" screen"}]', 1, None),  # a label that breaks the quotes
    (QwenJson(), '[{"bbox_2d": [5, 6, 7]}]', 0, "malformed"),
    (QwenJson(), '[{"bbox_2d": [5, 6, "7", 8]}]', 0, "malformed"),
    (QwenJson(), '[{"bbox_2d": [5, 6, 1200, 8]}]', 0, "out of range"),
    (QwenJson(), '[{"bbox_2d": [5, 6, NaN, 8]}]', 0, "out of range"),
    (QwenJson(), '[{"bbox_2d": [5, 6, 1e999, 8]}]', 0, "out of range"),
    (QwenJson(), '[{"bbox_2d": [5, 6, ' + "9" * 400 + ", 8]}]", 0, "out of range"),
    (QwenJson(), '[{"bbox_2d": [5, 6, ' + "9" * 5000 + ", 8]}]", 0, "malformed"),  # more digits than Python reads
    (QwenJson(), '[{"bbox_2d": [5, 6, 5, 8]}]', 0, "empty box"),
    (QwenJson(), '[{"point_2d": [5, 6]}]', 0, "no box"),
    (QwenJson(), "[]", 0, "refused"),
    (QwenJson(), '{"bbox_2d": null, "label": "cup"}', 0, "refused"),
    (QwenJson(), '[{"bbox_2d": "none", "label": "cup"}]', 0, "refused"),
    (QwenJson(), '{"objects": []}', 0, "refused"),
    (QwenJson(), '[{"bbox_2d": null, "label": "cup"}, {"bbox_2d": [1, 2, 3, 4], "label": "dog"}]', 1, None),
    (QwenJson(), '[{"bbox_2d": null, "label": "cup"}, {"bbox_2d": [1, 2, 3], "label": "dog"}]', 0, "malformed"),
    (QwenJson(), "none", 0, "refused"),
    (QwenJson(), "None.", 0, "refused"),
    (QwenJson(), "```json\nnull\n```", 0, "refused"),
    (QwenJson(), "There is no such object.", 0, "refused"),
    (QwenJson(), "There is no red cup in the image.", 0, "refused"),
    (QwenJson(), "The image does not contain a red cup.", 0, "refused"),
    (QwenJson(), "No red cup is visible in this picture.", 0, "refused"),
    (QwenJson(), "The red cup isn’t here. I cannot say.", 0, "no box"),
    (QwenJson(), "I cannot say.", 0, "no box"),
    (QwenJson(), "The red cup is left of the dog.", 0, "no box"),
    (QwenJson(also_refuses=("[0, 0, 0, 0]",)), "[0, 0, 0, 0]", 0, "refused"),
    (QwenJson(), "[0, 0, 0, 0]", 0, "empty box"),
    (QwenJson(), "[{'bbox_2d': [1, 2, 3, 4], 'label': 'cup'}]", 1, None),  # as Python writes it
    (QwenJson(), '{"bbox_2d": [[1, 2, 3, 4], [5, 6, 7, 8]], "label": "cups"}', 2, None),  # boxes of one label
    (QwenJson(), '{"box_2d": [1, 2, 3, 4], "label": "cup"}', 0, "box of another dialect"),  # y first, perhaps
    (NAMED["gemini_json"], '{"bbox_2d": [1, 2, 3, 4], "label": "cup"}', 0, "box of another dialect"),
    (NAMED["glm_boxes"], "It is at <10, 20, 30, 40>.", 1, None),
    (NAMED["internvl_tags"], "<ref>cup</ref><box>[[1, 2, 3, 4], [5, 6, 7", 1, None),
    (NAMED["internvl_tags"], "<ref>cup</ref><box>[[1, 2, 3", 0, "truncated"),
    (NAMED["internvl_tags"], "<ref>cup</ref><box>[[1, 2, 3]]</box>", 0, "malformed"),
    (NAMED["internvl_tags"], "<ref>cup</ref><box>left of the dog</box>", 0, "malformed"),
    (NAMED["internvl_tags"], "[[1, 2, 3, 4]]", 1, None),  # tags left out
    (NAMED["internvl_tags"], "<ref>cup</ref>", 0, "no box"),
    (NAMED["rex_tags"], "<|box_start|><1><2><3><4>,<5><6><7><8><|box_end|>", 2, None),
    (NAMED["florence_loc"], "cup<loc_1><loc_2><loc_3><loc_4><loc_5><loc_6><loc_7>", 1, None),
    (NAMED["florence_loc"], "cup<loc_1><loc_2><loc_3> on a table", 0, "malformed"),
    (NAMED["florence_loc"], "cup<loc_1><loc_2><loc_3><loc", 0, "truncated"),
    (NAMED["florence_loc"], "cup<loc_1><loc_2><loc_1000><loc_4>", 0, "out of range"),
    (QwenJson(), "{" * 3000, 0, "truncated"),
    (LlavaBrackets(), "[0.10, 0.30, 0.50, 0.57]", 1, None),
    (LlavaBrackets(), "The man [0.1, 0.3, 0.5, 0.57] is on a board [0.1, 0.6, 0.2, 0.7] [0.3, 0.6, 0.4, 0.7].", 3, None),
    (LlavaBrackets(), "[0.1, 0.3, 0.5]", 0, "malformed"),
    (LlavaBrackets(), "[0.1, 0.3, 1.5, 0.6]", 0, "out of range"),
    (LlavaBrackets(), "[0.5, 0.3, 0.1, 0.6]", 0, "empty box"),
    (LlavaBrackets(), "[0.1, 0.0, 0.5, 0.1]", 0, "empty box"),  # all of it in the padding above a wide image
    (LlavaBrackets(), "[0.1, 0.3, 0.5", 0, "truncated"),
    (LlavaBrackets(), "[1, 2, -, 4]", 0, "malformed"),
    (LlavaBrackets(), "[sic] no idea", 0, "no box"),
    (PaliGemmaLoc(), "<loc0256><loc0100><loc0768><loc0500> cat ; <loc0000><loc0000><loc0001><loc0001> dog", 2, None),
    (PaliGemmaLoc(), "<loc0256><loc0100><loc0768><loc0500>", 1, None),  # no label
    (PaliGemmaLoc(), "<loc0256><loc0768><loc0768> cat", 0, "malformed"),
    (PaliGemmaLoc(), "<loc0256><loc0256><loc0768><loc0768><loc0768> cat", 0, "malformed"),
    (PaliGemmaLoc(), "<loc0256><loc0768><loc0768>", 0, "truncated"),
    (PaliGemmaLoc(), "<loc0256><loc0768><loc07", 0, "truncated"),
    (PaliGemmaLoc(), "<loc0768><loc0768><loc0256><loc0256> cat", 0, "empty box"),
    (PaliGemmaLoc(), "<loc1024><loc0000><loc1025><loc0010> cat", 0, "out of range"),
    (PaliGemmaLoc(), "cat", 0, "no box"),
]  # fmt: skip


@pytest.mark.parametrize(
    "dialect, answer, count, reason", UGLY, ids=[f"{type(d).__name__}-{a[:40]}" for d, a, _, _ in UGLY]
)
def test_what_models_really_print(dialect, answer, count, reason):
    parsed = dialect.parse(answer, image_size=SIZE)
    assert (len(parsed.boxes), parsed.reason) == (count, reason)
    assert parsed.ok == (count > 0)


def test_every_family_names_what_it_grounds():
    answers = {
        Kosmos2(): f"<phrase> a snowman</phrase><object>{CELLS}</object> by<phrase> a fire</phrase>",
        QwenJson(): '[{"bbox_2d": [391, 47, 984, 828], "label": "a snowman"}]',
        LlavaBrackets(frame=Fractions()): "a snowman [0.39, 0.05, 0.98, 0.83]",
        PaliGemmaLoc(): "<loc0048><loc0400><loc0848><loc1008> a snowman",
    }
    for dialect, answer in answers.items():
        (phrase,) = dialect.parse(answer).phrases
        assert phrase.text == "a snowman" and phrase.boxes[0].xyxy == pytest.approx(SNOWMAN, abs=0.01)


@pytest.mark.parametrize("label", ["a {b}", 'a "quoted" \\ sign', "x }{ y", "<object>", "犬 ; [1, 2]"])
def test_a_label_survives_the_dialects_that_write_it(label):
    phrase = GroundedPhrase(label, [Box(0.1, 0.1, 0.5, 0.5)])
    assert QwenJson().parse(QwenJson().target(phrase)).phrases[0].text == label


def test_boxes_in_a_row_belong_to_one_phrase():
    parsed = LlavaBrackets(frame=Fractions()).parse(
        "luggage [0.368, 0.702, 0.456, 0.780] [0.907, 0.706, 0.973, 0.786]."
    )
    assert [(phrase.text, len(phrase.boxes)) for phrase in parsed.phrases] == [("luggage", 2)]


@st.composite
def captions(draw):
    """Captions as Kosmos-2 writes them: words, some of them grounded, nothing blank at either end."""
    words = draw(
        st.lists(st.sampled_from(["a", "man", "<object>", "by", "the", "fire", "naïve", "犬"]), min_size=1, max_size=8)
    )
    text, spans = "", []
    for word in words:
        start = len(text) + bool(text)
        text += (" " if text else "") + word
        if draw(st.booleans()):
            cells = [
                PatchGrid().corners(pair)
                for pair in draw(st.lists(st.sampled_from([(44, 863), (5, 911)]), max_size=2))
            ]
            if cells:
                spans.append(GroundedSpan(start, len(text), [Box(*corners) for corners in cells]))
    return GroundedText(text, spans)


@given(captions())
def test_reading_a_caption_undoes_writing_it(grounded):
    assert Kosmos2().read(Kosmos2().annotate(grounded)) == grounded


# ---- published texts and outputs -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def processor(shared_data):
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(shared_data / "kosmos2" / "processor_hf_derived")


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def grounded(text, cells_by_phrase):
    """A published case `<phrase> Two puppies </phrase> sit ...` with its cells, as our value."""
    plain, spans = "", []
    for before, phrase in re.findall(r"([^<]*)(?:<phrase>([^<]*)</phrase>|$)", text.removeprefix("<grounding>")):
        plain += (
            before.strip() if before.strip() == "." or not plain else " " + before.strip() if before.strip() else ""
        )
        if phrase:
            start = len(plain) + bool(plain)
            plain += " " * bool(plain) + phrase.strip()
            cells = cells_by_phrase[len(spans)]
            spans.append(GroundedSpan(start, len(plain), [Box(*PatchGrid().corners(pair)) for pair in cells]))
    return GroundedText(plain, spans)


def test_the_seven_published_encodings_come_out_of_our_text(shared_data, processor):
    cases = lines(shared_data / "kosmos2" / "processor_encoding_cases.jsonl")
    assert len(cases) == 7
    for case in cases:
        text, given_boxes = case["text"], case["bboxes"]
        if "<object>" in text:  # the last case carries the cells of its first phrase in the text
            text = text[: text.index("<object>")].rstrip() + text[text.index("</object>") + len("</object>") :]
            given_boxes = [[[79, 1016], [135, 1008]], *given_boxes[1:]]
        per_phrase = [
            [] if not phrase_boxes else ([phrase_boxes] if isinstance(phrase_boxes[0], int) else phrase_boxes)
            for phrase_boxes in given_boxes or [None] * text.count("<phrase>")
        ]
        written = Kosmos2().annotate(grounded(text, per_phrase))
        ids = processor.tokenizer(written).input_ids
        if case["add_eos_token"] and ids[-1] != processor.tokenizer.eos_token_id:
            ids = [*ids, processor.tokenizer.eos_token_id]
        assert ids == case["expected_input_ids"], written


def test_published_outputs_parse_as_published(shared_data, processor):
    for case in lines(shared_data / "kosmos2" / "outputs_with_entities.jsonl"):
        read = Kosmos2().read(case["raw"])
        ours = [
            [read.text[span.start : span.end], [span.start, span.end], [list(box.xyxy) for box in span.boxes]]
            for span in read.spans
        ]
        assert (read.text, ours) == (case["text"], case["entities"])
        text, entities = processor.post_process_generation(case["raw"])
        assert (text, json.loads(json.dumps(entities))) == (case["text"], case["entities"])
        assert Kosmos2().parse(case["raw"]).boxes == read.spans[0].boxes


def test_the_irregular_output_keeps_its_boxes_under_one_nameless_entry(shared_data, processor):
    """Difference, on purpose: transformers invents two names (`<patch_index_3><patch_index_4>`, ...) for the same boxes."""
    (case,) = lines(shared_data / "kosmos2" / "irregular_outputs.jsonl")
    text, entities = processor.post_process_generation(case["raw"])
    read = Kosmos2().read(case["raw"])
    (span,) = read.spans
    assert read.text == text and (span.start, span.end) == (17, 17)
    assert [box.xyxy for box in span.boxes] == [box for _, _, found in entities for box in found]
    assert Kosmos2().parse(case["raw"]).boxes == span.boxes


def test_supervisions_kosmos2_reader_gives_the_same_boxes(shared_data, processor):
    sv = pytest.importorskip("supervision")
    for name in ("outputs_with_entities.jsonl", "irregular_outputs.jsonl"):
        for case in lines(shared_data / "kosmos2" / name):
            theirs = sv.Detections.from_vlm(
                sv.VLM.KOSMOS_2, processor.post_process_generation(case["raw"]), resolution_wh=(640, 480)
            ).xyxy
            ours = [box.xyxy for phrase in Kosmos2().read(case["raw"]).phrases for box in phrase.boxes]
            assert np.allclose(theirs / [640, 480, 640, 480], ours)


DIFFERENCES = [
    # answer, what transformers' decoder makes of it, what ours does, and why
    ("<object><patch_index_0863><patch_index_0044></object>", "a box with x1 < x0", "empty box"),
    ("<object><patch_index_0044><patch_index_1500></object>", "a box that ends below the image", "out of range"),
]


@pytest.mark.parametrize("answer, theirs, ours", DIFFERENCES)
def test_known_differences_from_transformers_still_exist(processor, answer, theirs, ours):
    """Fails when upstream is mended: then the difference, and this test, can go."""
    (_, _, ((x0, y0, x1, y1),)) = processor.post_process_generation(answer)[1][0]
    assert not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1), theirs
    assert Kosmos2().parse(answer).reason == ours


def test_ferret_answers_give_every_box_they_hold(shared_data):
    dialect = LlavaBrackets(frame=Fractions(decimals=3))
    answers = [row["text"] for row in lines(shared_data / "ferret_bench" / "ground_conv_answer.jsonl")]
    parsed = [dialect.parse(answer) for answer in answers]
    assert sum(len(one.boxes) + len(one.problems) for one in parsed) == 257
    assert all(one.ok for one in parsed)
