# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A chart in a file of its own is a whole SVG that says what it shows."""

from xml.etree import ElementTree

import pytest

from promvil_hf.pages.chart_file import Panel, chart_file
from promvil_hf.pages.charts import Series


SVG = "{http://www.w3.org/2000/svg}"
SERIES = [Series("<one & two>", ["level 1", "level 2"], [0.4, 0.8], [0.3, 0.7], [0.5, 0.9]), Series("b", ["level 1"], [0.2])]


def test_it_is_well_formed_and_says_its_names():
    drawn = ElementTree.fromstring(chart_file([Panel("up", SERIES, "level", "accuracy")], alt="it rises"))
    said = [element.text for element in drawn.iter(f"{SVG}text")]
    assert {"up", "level", "accuracy", "<one & two>", "b", "level 1"} <= set(said)
    assert drawn.find(f"{SVG}title").text == "it rises"
    assert "--series-0" in drawn.find(f"{SVG}style").text
    assert not [element for element in drawn.iter() if element.tag.startswith(f"{SVG}script") or element.get("href")]


def test_panels_stand_beside_and_below_each_other():
    def places(count):
        drawn = ElementTree.fromstring(chart_file([Panel(str(n), SERIES) for n in range(count)], alt="x"))
        curves = [curve for curve in drawn.findall(f"{SVG}svg") if curve.get("viewBox") == "0 0 440 260"]
        return [(float(curve.get("x")), float(curve.get("y"))) for curve in curves], float(drawn.get("height"))

    (one, two, three), height = places(3)
    assert one[1] == two[1] < three[1] and one[0] == three[0] < two[0]
    assert height > places(2)[1] > three[1] - one[1]


def test_equal_panels_give_equal_files():
    assert chart_file([Panel("a", SERIES)], alt="x") == chart_file([Panel("a", SERIES)], alt="x")


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="You passed no panels"):
        chart_file([], alt="x")
    with pytest.raises(ValueError, match="blank alt"):
        chart_file([Panel("a", SERIES)], alt=" ")
