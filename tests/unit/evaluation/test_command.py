# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`promvil evaluate`: a tiny model from end to end, two processes, and what is missing or too much."""

import json
import os
import subprocess
import sys

import pytest

from promvil_hf import cli
from promvil_hf.evaluation.results import Report
from tests.unit.evaluation.answer_files import ROOT, lines


def test_a_tiny_model_is_evaluated_end_to_end_by_the_command(tmp_path, capsys):
    from promvil_hf.phrases import to_row
    from promvil_hf.toy.models import tiny_kosmos2
    from tests.harnesses.toy_compovl import chains, save_model, save_pictures, world

    drawn = world(2)
    save_pictures(drawn, tmp_path / "images")
    rows = [to_row(chain, f"VG_100K/{scene.image_id}.png", dataset="toy") for scene, chain in chains(drawn, 2)]
    data, model = lines(tmp_path / "rows.jsonl", *rows), save_model(tiny_kosmos2(), tmp_path / "model")
    command = [
        "evaluate", "--benchmark", "compovl", "--files", str(data), "--images", str(tmp_path / "images"), "--model",
        str(model), "--max-new-tokens", "3", "--resamples", "99", "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    assert cli.main(command) == 0
    assert "accuracy at IoU 0.5" in capsys.readouterr().out
    report = Report.load(tmp_path / "out/report.json")
    assert report.scores["settings"]["dialect"] == "kosmos2" and report.answers["model"]["model"] == str(model)
    assert report.benchmark["rows"] == report.answers["answered"] == len(report.rows)
    assert cli.main([*command, "--compare", str(tmp_path / "out/report.json")]) == 0  # goes on: nothing is asked again
    assert "changed by +0.0000" in capsys.readouterr().out
    html = (tmp_path / "out/report.html").read_text()
    assert "What changed" in html and "data:image/" in html


@pytest.mark.slow
def test_two_processes_of_torchrun_write_the_report_of_one(tmp_path):
    from promvil_hf.phrases import to_row
    from promvil_hf.toy.models import tiny_kosmos2
    from tests.harnesses.toy_compovl import chains, save_model, save_pictures, world

    drawn = world(20)
    save_pictures(drawn, tmp_path / "images")
    rows = [to_row(chain, f"VG_100K/{scene.image_id}.png", dataset="toy") for scene, chain in chains(drawn, 4)]
    data, model = lines(tmp_path / "rows.jsonl", *rows), save_model(tiny_kosmos2(), tmp_path / "model")
    recipe = [
        str(ROOT / "recipes/evaluate_grounding.py"), "--benchmark", "compovl", "--files", str(data), "--images",
        str(tmp_path / "images"), "--model", str(model), "--max-new-tokens", "6", "--resamples", "199",
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for name, launcher in (
        ("one", [sys.executable]),
        ("two", [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29611"]),
    ):
        done = subprocess.run(
            [*launcher, *recipe, "--out", str(tmp_path / name)], capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0, done.stderr[-3000:]
    for name in ("report.json", "predictions.jsonl", "report.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    assert len(json.loads((tmp_path / "two/answers/job.json").read_text())["parts"]) > 2


def test_the_command_says_what_is_missing_or_too_much(toy, tmp_path, capsys):
    def error_of(*arguments):
        assert cli.main(["evaluate", *arguments]) == 2
        return capsys.readouterr().err

    assert "You passed no benchmark: name one" in error_of()
    assert "You passed no files of pope" in error_of("--benchmark", "pope", "--predictions", "x")
    assert "You passed nothing that answers" in error_of("--benchmark", "pope", "--files", "x")
    assert "There is no file x" in error_of("--benchmark", "pope", "--files", "x", "--predictions", "y")
    assert "only promvil_lines lacks its truth" in error_of(
        "--benchmark", "pope", "--files", "x", "--predictions", "y", "--labelled", "gqa", "z"
    )
    row = {"question_id": 1, "image": "1.jpg", "text": "Is it?", "label": "yes"}
    data = lines(tmp_path / "coco_pope_popular.json", row, row | {"question_id": 2, "label": "no"})
    said = lines(tmp_path / "p.jsonl", {"id": 1, "text": "yes"})
    common = ("--benchmark", "pope", "--files", str(data), "--predictions", str(said), "--out", str(tmp_path / "o"))
    assert "Strict mode: 1 × row without an answer" in error_of(*common, "--strict")
    with pytest.raises(SystemExit):
        cli.main(["evaluate", *common, "--limit", "0"])
    assert "argument --limit: 0 is no whole number of 1 or more" in capsys.readouterr().err
    assert cli.main(["evaluate", *common, "--limit", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == 1.0
    warnings = Report.load(tmp_path / "o/report.json").benchmark["warnings"]
    assert "Only the first 1 of 2 rows." in warnings and any("3,000 when it is whole" in warning for warning in warnings)


def test_prompt_lines_are_scored_by_the_truth_of_their_benchmark(tmp_path, capsys):
    question = {
        "question": "Is it overcast?", "answer": "no", "imageId": "n1", "isBalanced": True, "semantic": [], "entailed": [],
        "types": {"structural": "verify", "semantic": "attr", "detailed": "verify"}, "groups": {"global": None},
    }  # fmt: skip
    labels = tmp_path / "questions.json"
    labels.write_text(json.dumps({"q": question}))
    data = lines(tmp_path / "gqa_testdev.txt", "[image]/path/to/n1.jpg<tab>Is it overcast?")
    said = lines(tmp_path / "p.jsonl", {"id": 1, "text": "No."})
    command = ["evaluate", "--benchmark", "promvil_lines", "--files", str(data), "--predictions", str(said)]
    command += ["--out", str(tmp_path)]
    assert cli.main([*command, "--labelled", "gqa", str(labels)]) == 0
    assert Report.load(tmp_path / "report.json").scores["value"] == 1.0
    assert cli.main(command) == 2 and "`--labelled`" in capsys.readouterr().err
