# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""HallusionBench, NaturalBench and MMVP: which rows count together."""

import pytest

from promvil_hf.evaluation.benchmarks import read
from tests.unit.evaluation.benchmarks import hard_files as made
from tests.unit.evaluation.benchmarks.files import parquet, write


def _units(benchmark, name):
    """The rows of each unit, by its name."""
    found = {}
    for row in benchmark.rows:
        if name in row.units:
            found.setdefault(row.units[name], []).append(row)
    return found


def test_hallusionbench_counts_figures_and_questions_and_some_have_no_figure(tmp_path):
    found = read("hallusionbench", write(tmp_path / "HallusionBench.json", made.HALLUSION))
    assert [row.id for row in found.rows][:3] == ["VD/illusion/0/0/0", "VD/illusion/0/0/1", "VD/illusion/0/1/0"]
    assert {name: len(rows) for name, rows in _units(found, "question").items()} == {
        "VD/illusion/0/0": 2, "VD/illusion/0/1": 1, "VS/map/0/0": 2,
    }  # fmt: skip
    assert {name: len(rows) for name, rows in _units(found, "figure").items()} == {
        "VD/illusion/0/0": 2, "VD/illusion/0/1": 1, "VS/map/0/1": 1,
    }  # fmt: skip
    blind = found.rows[3]
    assert blind.image == "" and blind.strata == {"part": "visual supplement", "figure": "none", "subject": "map"}
    assert (found.rows[0].answers, found.rows[1].answers, found.rows[0].choices) == (("no",), ("yes",), ("yes", "no"))
    assert found.rows[2].strata["figure"] == "edited" and found.rows[2].image == "hallusion_bench/VD/illusion/0_1.png"
    assert blind.image_id == blind.id and found.describe()["images"] == 3  # rows without a picture share none
    hub = [row | {"image": {"bytes": b""}} for row in made.HALLUSION]
    copy = read("hallusionbench", parquet(tmp_path / "image.parquet", hub))
    assert copy.content_hash == found.content_hash
    with pytest.raises(ValueError, match=r"`gt_answer` is '2', and it must be 1 \(yes\) or 0 \(no\)"):
        read("hallusionbench", write(tmp_path / "wrong.json", [made.HALLUSION[0] | {"gt_answer": "2"}]))


def test_naturalbench_takes_four_rows_for_a_group_and_its_instruction_from_the_question(tmp_path):
    found = read("naturalbench", write(tmp_path / "test_set.json", made.NATURAL))
    assert [row.id for row in found.rows[:4]] == ["0/q0_i0", "0/q0_i1", "0/q1_i0", "0/q1_i1"] and found.split == "test_set"
    assert found.rows[0].text == "Is the cup red?" and found.rows[4].text == "What is worn?\nOption: A:Cap; B:Helmet;"
    assert [row.answers[0] for row in found.rows] == ["yes", "no", "no", "yes", "A", "B", "B", "A"]
    assert {len(rows) for rows in _units(found, "group").values()} == {4}
    assert {len(rows) for name in ("question", "picture") for rows in _units(found, name).values()} == {2}
    assert [row.id for row in _units(found, "picture")["1/i1"]] == ["1/q0_i1", "1/q1_i1"]
    hub = read("naturalbench", parquet(tmp_path / "train.parquet", made.NATURAL_HUB))
    assert hub.content_hash == found.content_hash and hub.split == "all"


@pytest.mark.parametrize(
    "rows, message",
    [
        (made.NATURAL[:6], "item 5: the last group has 2 rows, and each has four"),
        (made.NATURAL[1:5], "this row and the three behind it are no group"),
        ([row[:3] + ["open"] for row in made.NATURAL[:4]], "`type` is 'open', and it must be one of yes_no, mcq"),
        ([["?", "1.jpg", "maybe", "yes_no"]] * 4, "`answer` is 'maybe', and it must be yes or no"),
        ([["?", "1.jpg", "Yes"]] * 4, "it is .*, and it must be an object"),
    ],
)
def test_naturalbench_rows_that_are_no_group_are_refused(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        read("naturalbench", write(tmp_path / "test_set.json", rows))


def test_mmvp_has_pairs_and_its_four_wrong_answers_are_corrected(tmp_path):
    found = read("mmvp", write(tmp_path / "MMVP" / "Questions.csv", made.mmvp_csv()))
    assert found.rows == read("mmvp", tmp_path / "MMVP").rows and found.kind == "choice"
    assert found.rows[0].text == "Is cup 1 open, or closed?" and found.rows[0].choices == ("Open", "Closed")
    pairs = _units(found, "pair")
    assert len(pairs) == 150 and {len(rows) for rows in pairs.values()} == {2}
    assert [row.id for row in pairs["50"]] == ["99", "100"]
    right = {row.id: row.answers[0] for row in found.rows}
    assert [right[number] for number in ("97", "98", "99", "100", "279", "280")] == ["0", "1", "1", "0", "1", "0"]
    assert found.warnings == (
        "The published answers of the questions 99, 100, 279, 280 are wrong and corrected here: numbers on the published ones "
        "differ by up to 2 of 150 pairs.",
    )
    copy = [
        {"index": int(row.id), "question": row.text, "options": list(row.choices), "answer": "ab"[int(row.answers[0])]}
        for row in found.rows
    ]
    mended = read("mmvp", parquet(tmp_path / "test.parquet", copy))
    assert mended.content_hash == found.content_hash and mended.warnings == ()  # a copy that was corrected stays as it is


@pytest.mark.parametrize(
    "text, message",
    [
        ("lndex,Question,Options,Correct Answer\n1,?,Open or closed,(a)\n", r"`Options` is 'Open or closed'.*\(a\) … \(b\)"),
        ("lndex,Question,Options,Correct Answer\n1,?,(a) x (b) y,(c)\n", "`Correct Answer` is .*the letter of an option"),
        ("lndex,Question,Options,Correct Answer\nx,?,(a) x (b) y,(a)\n", "`lndex` is 'x', and it must be a whole number"),
        ('lndex,Question,Options,Correct Answer\n1,"?,(a) x (b) y,(a)\n', "is no table of comma-separated values"),
        ("lndex,Question\n1,?\n", "has no `Options` or `options`"),
    ],
)
def test_a_table_that_is_not_mmvps_is_refused_in_a_sentence(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read("mmvp", write(tmp_path / "Questions.csv", text))


def test_hallusionbench_and_naturalbench_as_published_have_the_known_units_and_blind_answers(shared_data):
    hallusion = read("hallusionbench", shared_data / "hallusion/HallusionBench.json")
    assert len(hallusion.rows) == 1129 and hallusion.warnings == ()
    figures, questions = _units(hallusion, "figure"), _units(hallusion, "question")
    assert (len(figures), len(questions)) == (346, 455)

    def right(units, word):
        return sum(all(row.answers == (word,) for row in rows) for rows in units.values())

    assert [sum(row.answers == (word,) for row in hallusion.rows) for word in ("yes", "no")] == [484, 645]
    assert [right(figures, word) for word in ("yes", "no")] == [25, 42]
    assert [right(questions, word) for word in ("yes", "no")] == [18, 88]
    seen = [row.strata["figure"] for row in hallusion.rows]
    assert [seen.count(name) for name in ("none", "original", "edited")] == [178, 447, 504]
    natural = read("naturalbench", shared_data / "naturalbench/test_set.first200.json")
    assert len(natural.rows) == 200 and len(_units(natural, "group")) == 50 and len({row.image for row in natural.rows}) == 100
    # one word for everything is right for one picture of each question, and never for both
    first = {row.id: row.answers[0] in ("yes", "A") for row in natural.rows}
    assert sum(first.values()) == 100
    assert not any(all(first[row.id] for row in rows) for rows in _units(natural, "question").values())
