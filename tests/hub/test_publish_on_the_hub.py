# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`promvil publish`: what goes up is read back from the Hub, and what should not go up is refused."""

import json

import pytest
import yaml

from promvil_hf.cli import main
from promvil_hf.evaluation.results import Report
from promvil_hf.explain.head_atlas import read_atlas
from tests.hub.conftest import hub  # noqa: F401
from tests.mutations.files_of_benchmarks import json_file, json_lines
from tests.mutations.files_of_results import EXPLANATION, atlas, report


def front(text):
    return yaml.safe_load(text.split("---")[1])


def adapter(folder, base="llava-hf/llava-1.5-7b-hf"):
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base, "peft_type": "LORA"}))
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    (folder / "README.md").write_text("# An adapter\n")
    for name in ("training_args.bin", "trainer_state.json", "_lock", "checkpoint-20/optimizer.pt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"only to go on")
    return folder


def test_an_adapter_goes_up_without_what_only_its_training_needs(hub, tmp_path, capsys):  # noqa: F811
    assert main(["publish", "adapter", str(adapter(tmp_path)), "you/adapter"]) == 0
    assert "you/adapter" in capsys.readouterr().out
    assert {name for name in hub.files("models", "you/adapter") if name != ".gitattributes"} == {
        "README.md", "adapter_config.json", "adapter_model.safetensors",
    }  # fmt: skip


@pytest.mark.parametrize("base", ["/home/me/base", "./base", "~/base"])
def test_an_adapter_of_a_local_base_is_refused(hub, tmp_path, capsys, base):  # noqa: F811
    assert main(["publish", "adapter", str(adapter(tmp_path, base)), "you/adapter"]) == 2
    assert "nobody else could load the adapter" in capsys.readouterr().err


def test_an_atlas_goes_up_with_a_card_and_is_read_back(hub, tmp_path):  # noqa: F811
    from huggingface_hub import hf_hub_download

    (tmp_path / "atlas.json").write_bytes(json_file(atlas().to_dict()))
    (tmp_path / "explanations.jsonl").write_bytes(json_lines(EXPLANATION.to_dict()))
    assert main(["publish", "atlas", str(tmp_path), "you/heads"]) == 0
    names = {name for name in hub.files("datasets", "you/heads") if name != ".gitattributes"}
    assert names == {"README.md", "atlas.json", "explanations.jsonl"}
    again = read_atlas(hf_hub_download("you/heads", "atlas.json", repo_type="dataset"))
    assert again.best(1) == read_atlas(tmp_path / "atlas.json").best(1)
    card = hub.files("datasets", "you/heads")["README.md"].decode()
    assert "promvil" in front(card)["tags"] and f"| {again.best(1)[0]} |" in card


def test_a_report_goes_up_with_a_card_and_its_pages_only_when_asked(hub, tmp_path):  # noqa: F811
    from huggingface_hub import hf_hub_download

    (tmp_path / "report.json").write_bytes(report())
    (tmp_path / "report.html").write_text("<p>pictures of others</p>")
    assert main(["publish", "report", str(tmp_path), "you/scores"]) == 0
    assert "report.html" not in hub.files("datasets", "you/scores")
    assert main(["publish", "report", str(tmp_path), "you/scores", "--pages"]) == 0
    assert "report.html" in hub.files("datasets", "you/scores")
    pushed = Report.load(hf_hub_download("you/scores", "report.json", repo_type="dataset"))
    card = hub.files("datasets", "you/scores")["README.md"].decode()
    assert f"{pushed.scores['value']:.4f}" in card and pushed.benchmark["content_hash"] in card
    assert front(card)["viewer"] is False


def test_a_card_of_a_report_names_no_path_of_this_machine(tmp_path, capsys):
    found = json.loads(report())
    base = tmp_path / "my bases" / "base"
    base.mkdir(parents=True)
    found["answers"] |= {"file": "/home/me/answers.jsonl", "model": {"model": str(base), "adapter": "../runs/lora"}}
    (tmp_path / "report.json").write_text(json.dumps(found))
    assert main(["publish", "report", str(tmp_path), "you/scores", "--dry-run"]) == 0
    card = capsys.readouterr().out.partition("\n---\n")[2]
    assert str(tmp_path) not in card and "/home/me" not in card and "../runs" not in card
    assert "base (a local path)" in card and "lora (a local path)" in card
    found["answers"]["model"] = {}
    (tmp_path / "report.json").write_text(json.dumps(found))
    assert main(["publish", "report", str(tmp_path), "you/scores", "--dry-run"]) == 0
    card = capsys.readouterr().out.partition("\n---\n")[2]
    assert "/home/me" not in card and "answers.jsonl (a local path)" in card


def test_a_card_of_an_atlas_names_no_path_of_this_machine(tmp_path, capsys):
    found = atlas().to_dict()
    found["settings"] |= {"model": "/home/me/base", "rows": str(tmp_path), "adapter": "you/lora"}
    (tmp_path / "atlas.json").write_bytes(json_file(found))
    assert main(["publish", "atlas", str(tmp_path), "you/heads", "--dry-run"]) == 0
    card = capsys.readouterr().out.partition("\n---\n")[2]
    assert "/home/me" not in card and str(tmp_path) not in card and "base (a local path)" in card
    assert "adapter you/lora" in card


def test_a_dry_run_shows_files_and_card_and_asks_nobody(tmp_path, capsys, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", None)
    assert main(["publish", "adapter", str(adapter(tmp_path)), "you/adapter", "--dry-run", "--private"]) == 0
    output = capsys.readouterr().out
    assert "model you/adapter (private): 3 files" in output and "# An adapter" in output and "trainer_state" not in output


@pytest.mark.parametrize("what", ["compovl", "fivl", "adapter", "atlas", "report"])
def test_what_is_not_finished_is_refused(tmp_path, capsys, what):
    assert main(["publish", what, str(tmp_path), "you/thing", "--dry-run"]) == 2
    assert str(tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize("to", ["thing", "a/b/c"])
def test_a_name_that_is_no_repository_is_refused(tmp_path, capsys, to):
    assert main(["publish", "report", str(tmp_path), to]) == 2
    assert "OWNER/NAME" in capsys.readouterr().err
