# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`evaluate --mode progressive`: rows are asked with the boxes the model found for the phrases in them."""

import json

import numpy as np
import pytest
from PIL import Image

from promvil_hf import cli, jobs
from promvil_hf.backends.base import Generated
from promvil_hf.boxes import Box
from promvil_hf.dialects import Kosmos2, LlavaBrackets
from promvil_hf.evaluation.answering import Asking, answer
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.comparison import compare
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.predictions import Answer, Predictions
from promvil_hf.evaluation.report import report_page
from promvil_hf.evaluation.results import Settings, evaluate
from promvil_hf.evaluation.scores import Resampling


FEW = Resampling(resamples=99)
BOX = Box(0.0, 0.0, 0.5, 0.5)


class SameAnswer:
    """Answers every prompt with the same text and remembers what it was asked."""

    def __init__(self, text="<patch_index_0000><patch_index_0400></object>", dialect=None):
        self.dialect, self.text, self.asked = dialect or Kosmos2(), text, []

    def generate(self, requests, decoding=None):
        self.asked += [request.prompt for request in requests]
        return [Generated(self.text, (), (), "end") for _ in requests]


@pytest.fixture
def pictures(tmp_path):
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return Pictures(tmp_path)


def grounding(*texts_and_levels):
    rows = [
        BenchmarkRow(f"r{number}", f"{number % 3}.png", text, (BOX,), level=level, image_size=(30, 20))
        for number, (text, level) in enumerate(texts_and_levels)
    ]
    return Benchmark("toy", "test", "grounding", tuple(rows))


def asked(benchmark, pictures, out, backend, **asking):
    found = answer(benchmark, backend, pictures, out, asking=Asking(**asking), model={"model": "scripted"}, progress=False)
    return found, dict(jobs.rows(out / "answers"))


def test_prompts_of_nested_rows_say_what_was_found_below_and_simple_ones_are_asked_as_in_one_shot(pictures, tmp_path):
    benchmark = grounding(("the man", 1), ("the man in a hat", 2), ("the dog", None))
    once, levels = SameAnswer(), SameAnswer()
    _, alone = asked(benchmark, pictures, tmp_path / "one", once)
    found, rows = asked(benchmark, pictures, tmp_path / "two", levels, mode="progressive")
    assert alone["r0"]["prompt"] == rows["r0"]["prompt"] == "<grounding><phrase>men</phrase><object>"
    assert alone["r2"]["prompt"] == rows["r2"]["prompt"] == "<grounding><phrase>the dog</phrase><object>"
    assert alone["r1"]["prompt"] == "<grounding><phrase>the man in a hat</phrase><object>"
    assert rows["r1"]["prompt"] == (
        "<grounding>We can see in the image: <phrase>a hat</phrase><object><patch_index_0000><patch_index_0400></object>. "
        "Base on that, we can detect: <phrase>the man in a hat</phrase><object>"
    )
    assert "<grounding><phrase>hats</phrase><object>" in levels.asked and len(levels.asked) == 4
    assert [step["phrase"] for step in rows["r1"]["lower"]] == ["a hat"] and "lower" not in rows["r0"]
    assert found.source["asking"]["mode"] == "progressive"
    report = evaluate(benchmark, found, Settings(dialect="kosmos2", resampling=FEW))
    assert report.scores["parse_rate"] == 1.0 and report.answers["asking"]["mode"] == "progressive"


def test_mode_all_tells_of_every_level(pictures, tmp_path):
    benchmark = grounding(("the man next to the woman holding an umbrella", 3))
    for mode, count in (("progressive", 1), ("all", 2)):
        _, rows = asked(benchmark, pictures, tmp_path / mode, SameAnswer(), mode=mode)
        assert rows["r0"]["prompt"].count("</object>") == count


@pytest.mark.parametrize(
    "dialect, prompt",
    [
        (Kosmos2(), "<grounding>Question: Is<phrase> the cup</phrase><object>{box}</object> red? Short Answer:"),
        (LlavaBrackets(), "We can see in the image: the cup: {box}. Is the cup red?\nAnswer the question using a single word "
                          "or phrase."),
    ],
)  # fmt: skip
def test_questions_are_asked_with_their_things_located(dialect, prompt, pictures, tmp_path):
    box = {Kosmos2: "<patch_index_0000><patch_index_0400>", LlavaBrackets: "[0.20, 0.20, 0.50, 0.50]"}[type(dialect)]
    row = BenchmarkRow("q", "0.png", "Is the cup red?", answers=("yes",), image_size=(30, 20))
    benchmark = Benchmark("toy", "test", "pope", (row,))

    class Answers(SameAnswer):
        def generate(self, requests, decoding=None):
            texts = ["yes. It is." if "Is" in request.prompt else self.text for request in requests]
            super().generate(requests)
            return [Generated(text, (), (), "end") for text in texts]

    ending = "</object>" if isinstance(dialect, Kosmos2) else ""
    found, rows = asked(benchmark, pictures, tmp_path / "out", Answers(box + ending, dialect), mode="progressive")
    assert rows["q"]["prompt"] == prompt.format(box=box)
    assert found.answers["q"].text == {Kosmos2: "yes", LlavaBrackets: "yes. It is."}[type(dialect)]
    assert len(rows["q"]["lower"]) == 1


def test_a_row_that_cannot_be_taken_apart_scores_nothing_and_harms_no_other(pictures, tmp_path):
    benchmark = grounding((" ", 2), ("the man in a hat", 2))
    found, rows = asked(benchmark, pictures, tmp_path / "out", SameAnswer(), mode="progressive")
    assert "r0" not in rows and found.source["rejected"] == {"blank text": 1}
    report = evaluate(benchmark, found, Settings(dialect="kosmos2", resampling=FEW))
    assert report.scores["problems"] == {"no answer": 1} and report.scores["parse_rate"] == 0.5


def test_what_does_not_go_together_is_refused(pictures, tmp_path):
    with pytest.raises(ValueError, match="it is one of one_shot, progressive, all"):
        Asking(mode="oracle")
    with pytest.raises(ValueError, match="mode='all' with blind=True"):
        Asking(mode="all", blind=True)
    with pytest.raises(ValueError, match="mode='progressive' with gold evidence"):
        Asking(mode="progressive", evidence="gold")
    row = BenchmarkRow("q", "0.png", "Which?", answers=("0",), choices=("a", "b"))
    with pytest.raises(ValueError, match="questions with choices"):
        asked(Benchmark("toy", "test", "choice", (row,)), pictures, tmp_path / "out", SameAnswer(), mode="progressive")


def test_a_comparison_tests_each_level_by_itself():
    benchmark = grounding(*[("a hat", 1)] * 6, *[("the man in a hat", 2)] * 6)
    wrong = Answer(boxes=[[0.5, 0.5, 1.0, 1.0]])
    right = Answer(boxes=[list(BOX.xyxy)])
    settings = Settings(resampling=FEW)
    before, after = (
        evaluate(benchmark, Predictions({row.id: right if row.level in good else wrong for row in benchmark.rows}), settings)
        for good in ((1,), (1, 2))
    )  # fmt: skip
    found = compare(before, after, FEW)
    assert found.test.difference.estimate == 0.5
    assert {level: test.difference.estimate for level, test in found.levels.items()} == {1: 0.0, 2: 1.0}
    assert (found.levels[1].p_value, found.levels[2].rows, found.levels[2].changed_rows) == (1.0, 6, 6)
    first, *levels = str(found).splitlines()
    assert first.endswith("6 rows better, 0 worse.") and levels[0].startswith("  level 1: +0.0000")
    assert levels[1].startswith("  level 2: +1.0000 [") and levels[1].endswith("(6 rows, 6 changed)")
    assert "rows changed" in "".join(report_page(after, comparison=found).chunks())
    assert compare(before, before, FEW).levels[2].changed_rows == 0


def test_one_shot_and_progressive_are_compared_level_by_level_by_the_command(tmp_path, capsys):
    from promvil_hf.phrases import to_row
    from promvil_hf.toy.models import tiny_kosmos2
    from tests.harnesses.toy_compovl import chains, save_model, save_pictures, world

    drawn = world(2)
    save_pictures(drawn, tmp_path / "images")
    data = tmp_path / "rows.jsonl"
    rows = [to_row(chain, f"VG_100K/{scene.image_id}.png", dataset="toy") for scene, chain in chains(drawn, 2)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = save_model(tiny_kosmos2(), tmp_path / "model")
    for mode in ("one_shot", "progressive"):
        command = [
            "evaluate", "--benchmark", "compovl", "--files", str(data), "--images", str(tmp_path / "images"), "--model",
            str(model), "--max-new-tokens", "3", "--resamples", "99", "--mode", mode, "--out", str(tmp_path / mode),
        ]  # fmt: skip
        assert cli.main(command) == 0
    reports = [str(tmp_path / mode / "report.json") for mode in ("one_shot", "progressive")]
    capsys.readouterr()
    assert cli.main(["evaluate", "--compare", *reports, "--resamples", "99", "--out", str(tmp_path / "compared")]) == 0
    out = capsys.readouterr().out
    assert "  level 1: +0.0000" in out and "  level 2: " in out
