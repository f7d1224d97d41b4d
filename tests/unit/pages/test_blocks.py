# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Tables, tiles and the other plain blocks."""

import math

import numpy as np
import pytest

from promvil_hf.pages import bullets, code, details, facts, interval, marked_text, note, number, stat, table, tiles


def test_columns_of_numbers_stand_flush_right_and_headings_have_scopes():
    made = str(
        table([["a<b", 1, 0.5, "x"], ["c", 2, None, "y"]], ["name", "rows", "score", "remark"], caption="Scores")
    )
    assert made.count('scope="col"') == 4 and made.count('scope="row"') == 2
    assert '<th class="number" scope="col">rows</th>' in made and '<td class="number">–</td>' in made
    assert "a&lt;b" in made and "<figcaption>Scores</figcaption>" in made and 'aria-label="Scores"' in made
    assert "<td>x</td>" in made


def test_numeric_columns_can_be_named():
    made = str(table([["a", "0.6 [0.5, 0.7]"]], numeric=[1]))
    assert '<td class="number">0.6 [0.5, 0.7]</td>' in made
    with pytest.raises(ValueError, match="for a table of 2 columns"):
        table([["a", 1]], numeric=[2])


def test_a_ragged_table_is_refused():
    with pytest.raises(ValueError, match="row 1 has 1 cells where 2 are expected"):
        table([[1, 2], [3]])


def test_an_empty_table_shows_its_heading():
    assert '<th scope="col">a</th>' in str(table([], ["a"]))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.7421, "0.742"), (0.0, "0.000"), (-0.0, "0.000"), (-0.05, "−0.050"), (12.345, "12.3"), (1234.5, "1\u202f234"),
        (1500, "1\u202f500"), (np.int64(7), "7"), (np.float32(0.5), "0.500"), (None, "–"), (math.nan, "–"),
        (math.inf, "∞"), (-math.inf, "−∞"), (0.00012, "1.20e-04"), (2.5e9, "2.50e+09"),
    ],
)  # fmt: skip
def test_numbers_for_people(value, text):
    assert number(value) == text


def test_intervals_and_truth_values_read_well():
    assert interval(0.58, 0.641) == "[0.580, 0.641]"
    assert "<td>yes</td>" in str(table([["a", True]]))


def test_supervised_text_is_highlighted_and_blanks_are_kept():
    made = str(marked_text([("  <image>\n", False), ("man", True)]))
    assert '<span class="faint">  &lt;image&gt;\n</span><mark>man</mark>' in made


def test_every_block_escapes_its_text():
    bad = "<i>&"
    blocks = [
        bullets([bad]), code(bad), details(bad, bad), facts({bad: bad}), note(bad, bad), tiles(stat(bad, bad, bad)),
        table([[bad]], [bad], caption=bad), marked_text([(bad, True)]),
    ]  # fmt: skip
    for block in blocks:
        assert "<i>" not in str(block) and "&lt;i&gt;&amp;" in str(block)


def test_a_heading_without_words_is_no_heading_of_a_column():
    """A screen reader would read an empty heading before each cell of the column."""
    html = str(table([["a", 1], ["b", 2]], ["", "score"]))
    assert html.count('scope="col"') == 1 and "<tr><td></td>" in html
