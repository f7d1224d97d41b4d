# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Charts show their numbers where they are, and say them in words too."""

import re

import numpy as np
import pytest

from promvil_hf.pages import Bar, Series, bar_chart, heat_map, line_chart
from promvil_hf.pages.charts import _ticks


def curves(html):
    return re.findall(r'<path d="M([^"]+)" class="curve', str(html).split('class="legend"')[0])


def test_higher_values_stand_higher_and_gaps_break_the_curve():
    made = line_chart([Series("a", [0, 1, 2, 3, 4], [0.1, 0.9, None, 0.5, float("nan")])], alt="x", y_range=(0, 1))
    runs = [[tuple(map(float, point.split())) for point in run.split("L")] for run in curves(made)]
    assert [len(run) for run in runs] == [2, 1]
    assert runs[0][0][1] > runs[1][0][1] > runs[0][1][1]  # y runs down
    assert runs[0][0][0] < runs[0][1][0] < runs[1][0][0]


def test_numbers_and_intervals_stand_in_the_page_as_text():
    series = [
        Series("progressive", ["level 1", "level 2"], [0.9, 0.8], [0.85, 0.7], [0.95, 0.9]),
        Series("<one shot>", ["level 1", "level 3"], [0.7, 0.6]),
    ]
    made = str(line_chart(series, alt="it falls", x_label="level", y_label="accuracy"))
    assert "0.900 [0.850, 0.950]" in made and '<td class="number">0.700</td>' in made
    assert "<one shot>" not in made and "&lt;one shot&gt;" in made
    assert "<title>it falls</title>" in made
    assert made.count('class="whisker s0"') == 2


def test_long_curves_get_bands_instead_of_points_and_tables():
    x = list(range(200))
    y = np.linspace(3, 1, 200)
    made = str(line_chart([Series("loss", x, y, y - 0.1, y + 0.1)], alt="it falls"))
    assert made.count('class="band s0"') == 1 and "<circle" not in made and "Numbers" not in made


@pytest.mark.parametrize("y", [[0.5, 0.5], [0.0, 0.0], [None, None], [1e9, 1e9 + 1], [-1e-12, 1e-12], [-5.0, -4.0]])
def test_flat_tiny_huge_and_empty_curves_can_be_drawn(y):
    made = str(line_chart([Series("a", [0, 1], y)], alt="x"))
    assert "nan" not in made.lower().replace("finance", "")


def test_charts_that_cannot_be_drawn_are_refused():
    with pytest.raises(ValueError, match="x, y, low and high differ in length"):
        line_chart([Series("a", [0, 1], [1])], alt="x")
    with pytest.raises(ValueError, match="no series"):
        line_chart([], alt="x")
    with pytest.raises(ValueError, match="no bars"):
        bar_chart([], alt="x")
    with pytest.raises(ValueError, match="y_range"):
        line_chart([Series("a", [0], [1])], alt="x", y_range=(1, 0))
    with pytest.raises(ValueError, match="blank alt"):
        line_chart([Series("a", [0], [1])], alt=" ")


@pytest.mark.parametrize("low", [0.0, -3.0, 99.5, 1e-7])
@pytest.mark.parametrize("span", [1e-6, 0.03, 1.0, 7.3, 2.5e4, 3e9])
def test_ticks_are_inside_round_and_all_different(low, span):
    ticks, names = _ticks(low, low + span, 5)
    assert 2 <= len(ticks) <= 8
    assert all(low - 1e-9 * span <= tick <= low + span * (1 + 1e-9) for tick in ticks)
    assert len(set(names)) == len(names) or span / max(abs(low), span) < 1e-5


def test_bars_start_at_zero_and_grow_to_both_sides():
    made = str(bar_chart([Bar("up", 0.4, 0.2, 0.8), Bar("down", -0.8), Bar("none", None)], alt="x"))
    assert 'class="fill s0" style="left:50%;width:25%"' in made
    assert 'class="fill negative s0" style="left:0%;width:50%"' in made
    assert 'class="span" style="left:62.5%;width:37.5%"' in made
    assert "0.400 <small>[0.200, 0.800]</small>" in made and '<span class="amount">–</span>' in made


def test_a_heat_map_tells_each_value_and_rings_the_best():
    made = str(
        heat_map(
            np.array([[0.1, np.nan], [0.3, 0.4]]), alt="x", row_label="layer", column_label="head", rings=[(1, 1)]
        )
    )
    assert "<title>layer 1, head 1: 0.400</title>" in made and "<title>layer 0, head 1: –</title>" in made
    assert made.count('class="missing"') == 1 and made.count('class="ring"') == 1
    named = str(heat_map(np.zeros((2, 2)), alt="x", row_label="layer", row_names=["3", "encoder.7"]))
    assert "<title>layer encoder.7, column 1: 0.000</title>" in named and ">encoder.7</text>" in named
    with pytest.raises(ValueError, match="at most 10,000"):
        heat_map(np.zeros((200, 200)), alt="x")
    with pytest.raises(ValueError, match="rings"):
        heat_map(np.zeros((2, 2)), alt="x", rings=[(2, 0)])
