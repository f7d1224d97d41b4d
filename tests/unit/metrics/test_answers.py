# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import json

import numpy as np
import pytest

from promvil_hf.boxes import Box
from promvil_hf.dialects import Kosmos2, LlavaBrackets
from promvil_hf.frames import PatchGrid
from promvil_hf.metrics.answers import grid_boxes, grid_cells, kosmos2_boxes, read_boxes, read_texts


A, B = "<patch_index_0044>", "<patch_index_0863>"
D = "</delimiter_of_multi_objects/>"
UGLY = [
    "",
    "no tags at all",
    f"<phrase>a snowman</phrase><object>{A}{B}</object>",
    f"<grounding> An image of<phrase> a snowman</phrase><object>{A}{B}</object> by<phrase> a fire</phrase><object>"
    "<patch_index_0005><patch_index_0911></object>.",
    f"{A}{B}</object>.",  # the opening tag stood in the prompt
    f"  \n{A}{B}{D}{A}{B}</object>.",
    f"\u2003{A}{B}</object>",
    f"words {A}{B}</object>",  # no opening tag anywhere
    f"<object>{A}{B}{D}<patch_index_0005><patch_index_0911></object>",
    f"<object>{A}{B}{D}<patch_index_0005>",  # cut in a pair
    f"<object>{A}{B}{D}",
    f"<object>{A}{B}",
    f"<object>{A}",
    "<object>",
    f"<object>{A}</object>",
    f"<object>{A}{B}{A}{B}</object>",  # no delimiter
    f"<object>{A}{B}{D}</object>",
    f"<object>{B}{A}</object>",  # inverted
    f"<object>{B}{A}{D}{A}{B}</object>",
    f"<object>{A}<patch_index_1024></object>",  # beyond the grid
    f"<object>{A}<patch_index_9999>{D}{A}{B}{D}{B}{A}</object>",
    f"<object>{A}<patch_index_12345></object>",
    "<object><patch_index_44><patch_index_863></object>",
    f"<object><patch_index_44><patch_index_863></object><object>{A}{A}</object>",
    "<object><patch_index_0033><patch_index_0032></object>",  # one row, one cell back
    f"<object>oops</object><object>{A}{B}</object>",
    f"<phrase>{A}</phrase><object>{A}{B}</object>",
    f"<phrase>a<b>c</phrase><object>{A}{B}</object>",
    rf"<phrase>a<\\object>c</phrase><object>{A}{B}</object>",
    f"<s>text<object>{A}{B}</object></s>",
    f"<object>{A}{A}</object>\0<object>{A}{B}</object>",
    f"\0{A}{B}</object>",
    "\0\0",
    f"<object>{A}{B}</object" + "<" * 50,
    "<Cannot find>. Output: man",
]


def same_as_the_dialect(texts):
    dialect = Kosmos2()
    answers = kosmos2_boxes(texts)
    assert answers.rows == len(texts)
    assert (np.diff(answers.row) >= 0).all()
    for index, text in enumerate(texts):
        parsed = dialect.parse(text)
        assert [tuple(box) for box in answers.xyxy[answers.row == index]] == [box.xyxy for box in parsed.boxes], text
        problems = sorted(reason for reason, where in answers.problems.items() for row in where if row == index)
        expected = sorted(parsed.problems) or ([] if parsed.boxes else [parsed.reason])
        assert problems == expected, text


def test_bulk_reading_is_the_dialects_reading_on_ugly_answers():
    same_as_the_dialect(UGLY)
    for text in UGLY:
        same_as_the_dialect([text])


def test_bulk_reading_is_the_dialects_reading_on_random_pieces():
    rng = np.random.default_rng(0)
    pieces = [A, B, A + B, D, "<object>", "</object>", "<phrase>", "</phrase>", "man ", " ", "\n", "<", ">", "\0",
              "<patch_index_1024>", "<patch_index_7>", "<patch_index_0000>", "<grounding>", "patch_index_0003"]  # fmt: skip
    same_as_the_dialect(["".join(rng.choice(pieces, rng.integers(0, 12))) for _ in range(4_000)])


def test_bulk_reading_is_the_dialects_reading_on_generated_boxes():
    rng, dialect = np.random.default_rng(1), Kosmos2()
    texts = []
    for _ in range(1_500):
        cells = rng.integers(0, 1100, (rng.integers(1, 5), 2))
        pairs = D.join(f"<patch_index_{a:04d}><patch_index_{b:04d}>" for a, b in cells)
        texts.append(f"<phrase>x</phrase><object>{pairs}</object>."[: rng.choice([None, 60, 90, 120])])
    same_as_the_dialect(texts)
    assert dialect == Kosmos2()


def test_published_outputs_give_the_published_boxes(shared_data):
    rows = [json.loads(line) for line in (shared_data / "kosmos2" / "outputs_with_entities.jsonl").open()]
    answers = kosmos2_boxes([row["raw"] for row in rows])
    assert answers.problems == {}
    for index, row in enumerate(rows):
        assert answers.xyxy[answers.row == index].tolist() == row["entities"][0][2]


def test_the_vectorised_grid_is_the_frame():
    rng, grid = np.random.default_rng(2), PatchGrid()
    low = rng.uniform(0, 0.999, (2_000, 2))
    boxes = np.concatenate([low, low + rng.uniform(1e-6, 1, (2_000, 2)) * (1 - low)], 1)
    boxes[:50] = np.round(boxes[:50] * 32) / 32
    boxes = boxes[(boxes[:, 0] < boxes[:, 2]) & (boxes[:, 1] < boxes[:, 3])]
    cells = grid_cells(boxes)
    assert cells.tolist() == [list(grid.encode(Box(*box))) for box in boxes]
    assert grid_boxes(cells).tolist() == [list(grid.corners(pair)) for pair in cells]
    assert np.array_equal(grid_cells(grid_boxes(cells)), cells)


def test_boxes_at_hand_become_problems_with_a_reason_never_exceptions():
    answers = read_boxes(
        [
            [Box(0, 0, 0.5, 0.5), (0.1, 0.1, 0.2, 0.2)],
            None,
            [],
            [(float("nan"), 0, 1, 1)],
            [(0.5, 0.5, 0.2, 0.9), (0, 0, 1, 1)],
            "0.1, 0.2, 0.3, 0.4",
            [(1, 2, 3)],
            Box(0, 0, 1, 1),
            (10, 20, 30, 40),
            np.array([[1, 1, 2, 2]]),
        ]
    )
    assert answers.counts.tolist() == [2, 0, 0, 0, 1, 0, 0, 1, 1, 1]
    assert {reason: where.tolist() for reason, where in answers.problems.items()} == {
        "malformed": [5, 6],
        "out of range": [3],
        "empty box": [4],
        "refused": [2],
        "no answer": [1],
    }


def test_no_answers_and_only_bad_answers_are_fine():
    for answers in (kosmos2_boxes([]), read_boxes([]), read_boxes(np.zeros((0, 4)))):
        assert answers.rows == 0 and answers.xyxy.shape == (0, 4) and answers.problems == {}
    only_bad = kosmos2_boxes(["", "nothing"])
    assert only_bad.xyxy.shape == (0, 4) and only_bad.problems["no box"].tolist() == [0, 1]


def test_any_dialect_is_read_through_its_own_parser():
    dialect, sizes = LlavaBrackets(), [(640, 480), (100, 300)]
    texts = ["the man [0.10, 0.25, 0.45, 0.75]", "no idea"]
    answers = read_texts(texts, dialect, sizes)
    parsed = dialect.parse(texts[0], image_size=sizes[0])
    assert [tuple(box) for box in answers.xyxy] == [box.xyxy for box in parsed.boxes] != []
    assert answers.problems["no box"].tolist() == [1]
    with pytest.raises(ValueError, match="2 answers and 1 image sizes"):
        read_texts(texts, dialect, sizes[:1])


def test_answers_that_are_not_text_are_refused_with_their_place():
    with pytest.raises(TypeError, match=r"Answer 1 is 5, not text: .* an empty one where it said nothing"):
        kosmos2_boxes(["", 5])
