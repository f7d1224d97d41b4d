# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Was the picture needed? The rows no blind run answers, who is judged on them, and the command that writes it all."""

import json

import pytest

from benchmarks.blind_share import guessed_sets
from promvil_hf import cli
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.picture_needed import picture_needed
from promvil_hf.evaluation.picture_needed_page import summary
from promvil_hf.evaluation.predictions import Answer, Predictions
from promvil_hf.evaluation.results import Settings, evaluate
from promvil_hf.evaluation.scores import Resampling
from tests.unit.evaluation.answer_files import FEW, lines, records


def asked(kind: str, **fields) -> Benchmark:
    return Benchmark("asked", "test", kind, [BenchmarkRow(f"r{n}", f"{n // 2}.png", f"What is {n}?", **fields) for n in range(8)])


def report(benchmark: Benchmark, texts, settings=Settings(resampling=FEW)):  # noqa: B008
    said = {f"r{n}": Answer(text=text) for n, text in enumerate(texts) if text is not None}
    return evaluate(benchmark, Predictions(said), settings)


def test_the_rows_that_no_blind_run_answers_by_hand():
    benchmark = asked("pope", answers=("yes",))
    seen = report(benchmark, ["yes"] * 6 + ["no"] * 2)
    first = report(benchmark, ["yes", "yes"] + ["no"] * 6)
    second = report(benchmark, ["no", "yes", "yes"] + ["no"] * 4 + [None])
    found = picture_needed(benchmark, seen, {"first": first, "second": second}, FEW)
    assert found.needed == ("r3", "r4", "r5", "r6", "r7")
    assert [run.accuracy.estimate for run in found.runs] == [2 / 8, 2 / 8]
    assert [run.share.estimate for run in found.runs] == [pytest.approx(1 / 3)] * 2
    assert found.answered_blind.estimate == 3 / 8 and found.seen_on_needed.estimate == 3 / 5
    assert found.chance == 0.5 and found.left_by_guessing == 8 / 4
    assert [(run.held_out.rows, run.held_out.accuracy.estimate) for run in found.runs] == [(6, 1 / 6), (6, 1 / 6)]
    assert found.runs[1].faults["row without an answer, scored 0"]["count"] == 1
    text = summary(found)
    assert "fault of second: 1 × row without an answer" in text and "That is how they were chosen" not in text
    assert "has no right answer on the rows that it helped to choose" in text


def test_any_credit_of_people_counts_as_answered():
    benchmark = asked("vqa", answers=("red",) * 9 + ("crimson",))
    seen, blind = report(benchmark, ["red"] * 8), report(benchmark, ["crimson"] + ["blue"] * 7)
    found = picture_needed(benchmark, seen, {"blind": blind}, FEW)
    assert found.needed == tuple(f"r{n}" for n in range(1, 8)) and found.runs[0].accuracy.estimate == pytest.approx(0.3 / 8)
    assert found.chance is None and found.runs[0].held_out is None and "is not known" in summary(found)


def test_one_who_knows_the_questions_is_beyond_guessing_and_one_who_guesses_is_not():
    found = guessed_sets(choices=4, rows=400, runs=3, prior=0.4, seed=5)
    guesser, *others = found.runs
    assert not guesser.held_out.beyond_guessing
    # The two others share their prior, so each removes what the other knows: this is what choosing by several runs is for.
    assert not any(run.held_out.beyond_guessing for run in others)
    alone = guessed_sets(choices=4, rows=400, runs=2, prior=0.4, seed=5)  # only one of the two has the prior
    assert alone.runs[1].held_out.beyond_guessing and "blind 1 is right on" in summary(alone)
    assert all(run.accuracy.estimate > found.runs[0].accuracy.estimate for run in others)


def test_runs_that_lean_to_one_answer_are_distinguished_from_knowledge():
    """Rows that a wrong "no" leaves are those of yes: one that always says yes knows nothing and is right on them."""
    benchmark = Benchmark("asked", "test", "pope", [
        BenchmarkRow(f"r{n}", f"{n}.png", f"{n}?", answers=("yes" if n % 2 else "no",)) for n in range(40)
    ])  # fmt: skip
    seen = report(benchmark, ["yes" if n % 2 else "no" for n in range(40)])
    leaning = report(benchmark, ["no" if n % 8 else "yes" for n in range(40)])
    found = picture_needed(benchmark, seen, {"always": report(benchmark, ["yes"] * 40), "leaning": leaning}, FEW)
    always = found.runs[0]
    assert always.accuracy.estimate == 0.5 and always.held_out.beyond_guessing
    assert "prefers other answers than they do" in summary(found)
    assert found.needed_answers == {"no": 5} and "one-sided (5 × no)" in summary(found)


def test_a_run_has_nothing_on_rows_that_it_chose():
    found = guessed_sets(choices=2, rows=60, runs=2, prior=0.2, seed=1)
    assert 0 < len(found.needed) < 60
    assert found.answered_blind.estimate == pytest.approx(1 - len(found.needed) / 60)


def test_rows_without_a_picture_are_no_rows_of_one_picture():
    benchmark = Benchmark("asked", "test", "pope", [BenchmarkRow(f"r{n}", "", f"{n}?", answers=("yes",)) for n in range(8)])
    found = picture_needed(benchmark, report(benchmark, ["yes"] * 8), {"b": report(benchmark, ["yes", "no"] * 4)}, FEW)
    assert found.images == found.seen.clusters == 8


def test_boxes_count_by_the_first_threshold(toy):
    benchmark, said = toy
    box_of = {row_id: Answer(boxes=[box]) for row_id, box in said.items()}
    settings = Settings(resampling=FEW)
    seen = evaluate(benchmark, Predictions(box_of), settings)
    middle = evaluate(benchmark, Predictions({row_id: Answer(boxes=[[0.25, 0.25, 0.75, 0.75]]) for row_id in said}), settings)
    found = picture_needed(benchmark, seen, {"the middle": middle}, FEW)
    assert found.row_metric == "accuracy at IoU 0.5" and 0 < len(found.needed) < 40
    assert found.runs[0].accuracy.estimate == middle.scores["value"]


def test_rows_of_a_set_that_counts_units_are_called_by_their_own_score():
    rows = [BenchmarkRow(f"r{n}", f"{n}.jpg", f"{n}?", answers=("yes",), units={"group": str(n // 2)}) for n in range(8)]
    benchmark = Benchmark("naturalbench", "test", "pope", rows)
    seen = report(benchmark, ["yes"] * 8)
    assert seen.headline.metric == "group_accuracy"
    assert picture_needed(benchmark, seen, {"b": report(benchmark, ["yes", "no"] * 4)}, FEW).row_metric == "accuracy"


def test_other_questions_and_no_blind_run_are_refused():
    benchmark, other = asked("pope", answers=("yes",)), asked("pope", answers=("no",))
    seen = report(benchmark, ["yes"] * 8)
    with pytest.raises(ValueError, match="You passed no blind run"):
        picture_needed(benchmark, seen, {})
    with pytest.raises(ValueError, match="The blind run b is of other questions than asked test"):
        picture_needed(benchmark, seen, {"b": report(other, ["yes"] * 8)}, Resampling(resamples=9))


@pytest.fixture
def pope(tmp_path):
    rows = [
        {"question_id": n, "image": f"{n // 2}.jpg", "text": f"Is there a {n}?", "label": "yes" if n % 2 else "no"}
        for n in range(12)
    ]
    data = lines(tmp_path / "coco_pope_popular.json", *rows)
    seen = lines(tmp_path / "seen.jsonl", *({"id": n, "text": "yes" if n % 2 else "no"} for n in range(12)))
    always = lines(tmp_path / "always.jsonl", *({"id": n, "text": "yes"} for n in range(12)))
    common = ["evaluate", "--benchmark", "pope", "--files", str(data), "--resamples", "99", "--out", str(tmp_path / "out")]
    return common, str(seen), str(always)


def test_the_command_writes_the_rows_and_takes_them_back(pope, tmp_path, capsys):
    common, seen, always = pope
    assert cli.main([*common, "--predictions", seen, "--blind-predictions", always]) == 0
    out = capsys.readouterr().out
    assert "Was the picture needed? pope popular, 12 rows, by accuracy of a row" in out
    assert "rows that no blind run answers: 6" in out
    assert [row["id"] for row in records(tmp_path / "out/needed_ids.jsonl")] == ["0", "2", "4", "6", "8", "10"]
    kept = json.loads((tmp_path / "out/picture_needed.json").read_text())
    assert kept["runs"][0]["share"]["estimate"] == 0.5 and kept["runs"][0]["name"] == "always"
    page = (tmp_path / "out/picture_needed.html").read_text()
    assert "Was the picture needed?" in page and "because they were chosen so" in page
    restricted = [*common, "--ids", str(tmp_path / "out/needed_ids.jsonl"), "--strict", "--json"]
    assert cli.main([*restricted, "--predictions", always]) == 0  # answers to the other rows are no fault
    assert json.loads(capsys.readouterr().out)["accuracy"] == 0.0
    assert "Only the 6 of 12 rows that" in (tmp_path / "out/report.json").read_text()


def test_the_command_says_what_cannot_be_asked(pope, tmp_path, capsys):
    common, seen, always = pope

    def error_of(*arguments):
        assert cli.main([*common, *arguments]) == 2
        return capsys.readouterr().err

    same = lines(tmp_path / "same.jsonl", *records(tmp_path / "seen.jsonl"))
    assert "which hold the same" in error_of("--predictions", seen, "--blind-predictions", str(same))
    assert "which hold the same" in error_of("--predictions", seen, "--blind-predictions", always, always)
    assert "pass the blind answers as --blind-predictions" in error_of("--predictions", seen, "--blind-too")
    assert "leave one of the two out" in error_of("--model", "x", "--blind", "--blind-too")
    assert "nothing can be grounded first" in error_of("--model", "x", "--mode", "all", "--blind-too")
    strange = lines(tmp_path / "ids.jsonl", {"id": "nobody"})
    refusal = error_of("--predictions", seen, "--ids", str(strange))
    assert "names 1 rows that pope popular does not have, such as 'nobody'" in refusal


def test_a_model_is_asked_twice_and_goes_on_where_it_was_stopped(tmp_path, capsys):
    from promvil_hf.toy.models import tiny_llava
    from tests.harnesses.toy_compovl import save_model, save_pictures, world

    drawn = world(2)
    save_pictures(drawn, tmp_path / "images")
    rows = [
        {"question_id": n, "image": f"VG_100K/{scene.image_id}.png", "text": "Is there a cup?", "label": "yes"}
        for n, scene in enumerate(drawn)
    ]
    data = lines(tmp_path / "coco_pope_popular.json", *rows)
    command = [
        "evaluate", "--benchmark", "pope", "--files", str(data), "--images", str(tmp_path / "images"), "--model",
        str(save_model(tiny_llava(), tmp_path / "model")), "--max-new-tokens", "2", "--resamples", "9", "--blind-too",
        "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    assert cli.main(command) == 0
    first = {path: path.read_bytes() for path in sorted((tmp_path / "out").rglob("*.json*"))}
    assert json.loads((tmp_path / "out/blind/answers/plan.json").read_text())["describe"]["asking"]["blind"] is True
    assert "Was the picture needed?" in capsys.readouterr().out
    (tmp_path / "out/picture_needed.json").unlink()
    assert cli.main(command) == 0
    assert {path: path.read_bytes() for path in sorted((tmp_path / "out").rglob("*.json*"))} == first
