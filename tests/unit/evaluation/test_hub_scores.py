# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The scores of a report as the Hub's own evaluation results."""

from pathlib import Path

import pytest

from promvil_hf.evaluation.hub_scores import eval_results, write_eval_results
from tests.hub.conftest import hub  # noqa: F401
from tests.unit.evaluation.answer_files import lines, scored


def test_eval_results_pass_the_hub_clients_own_parser_and_say_what_makes_them_comparable(toy, tmp_path):
    import yaml
    from huggingface_hub import parse_eval_result_entries

    benchmark, said = toy
    report = scored(benchmark, lines(tmp_path / "p.jsonl", *({"id": k, "boxes": [b]} for k, b in said.items())))
    entries = eval_results(
        report, "promvil/compovl", "test", revision="abc", date="2026-11-20", metrics=("parse_rate",)
    )
    path = write_eval_results(tmp_path, entries, "compovl")
    assert path == tmp_path / ".eval_results/compovl.yaml"
    headline, parsed = parse_eval_result_entries(yaml.safe_load(path.read_text()))
    assert (headline.dataset_id, headline.task_id, headline.value) == (
        "promvil/compovl",
        "test",
        report.scores["value"],
    )
    assert (parsed.task_id, parsed.value, headline.dataset_revision) == ("test_parse_rate", 1.0, "abc")
    for part in (
        "accuracy@0.5",
        "95% interval",
        "40 rows of toy test",
        "box_policy first",
        benchmark.content_hash[:16],
    ):
        assert part in headline.notes
    with pytest.raises(ValueError, match="OWNER/NAME"):
        eval_results(report, "compovl")
    with pytest.raises(ValueError, match="this report has"):
        eval_results(report, "promvil/compovl", metrics=("f2",))


def test_eval_results_travel_to_a_model_of_the_hub(toy, tmp_path, hub):  # noqa: F811
    from huggingface_hub import HfApi, hf_hub_download

    benchmark, said = toy
    report = scored(benchmark, lines(tmp_path / "p.jsonl", *({"id": k, "boxes": [b]} for k, b in said.items())))
    write_eval_results(tmp_path / "model", eval_results(report, "promvil/compovl"), "compovl")
    HfApi().create_repo("promvil/adapter")
    HfApi().upload_folder(folder_path=tmp_path / "model", repo_id="promvil/adapter")
    got = hf_hub_download("promvil/adapter", ".eval_results/compovl.yaml")
    assert Path(got).read_text() == (tmp_path / "model/.eval_results/compovl.yaml").read_text()
