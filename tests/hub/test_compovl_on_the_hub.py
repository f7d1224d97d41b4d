# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A build of CompoVL, pushed to the loopback Hub and loaded again as users would."""

from dataclasses import asdict

import pytest
import yaml

from promvil_hf.cli import main
from promvil_hf.compovl.compovl_build import CompoVLSettings, build
from promvil_hf.compovl.compovl_publish import push
from promvil_hf.compovl.compovl_rows import Splitting
from promvil_hf.compovl.mixture import Mixing
from promvil_hf.job_terms import Terms
from promvil_hf.toy.world import WorldConfig, scenes, write_visual_genome


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    write_visual_genome(scenes(WorldConfig(image_size=(48, 48)), 40, 0), folder)
    return folder


@pytest.fixture(scope="module")
def built(toy, tmp_path_factory):
    out = tmp_path_factory.mktemp("built")
    settings = CompoVLSettings(splitting=Splitting(test_share=0.3, validation_share=0.1), mixing=Mixing(vg_qa=True))
    return build(toy, out, settings, Terms(progress=False))


def card_of(hub):
    text = hub.files("datasets", "promvil/compovl")["README.md"].decode()
    return yaml.safe_load(text.split("---")[1]), text


def test_pushed_it_loads_plain_and_streaming_with_the_same_rows(hub, built):
    from datasets import load_dataset

    assert "promvil/compovl" in push(built.out, "promvil/compovl")
    for view, counts in built.report["rows"].items():
        plain = load_dataset("promvil/compovl", view)
        assert {split: len(rows) for split, rows in plain.items()} == counts
        for split in counts:
            assert list(load_dataset("promvil/compovl", view, split=split, streaming=True)) == plain[split].to_list()
    assert load_dataset("promvil/compovl")["test"].to_list() == load_dataset(str(built.out))["test"].to_list()
    assert not [name for name in hub.files("datasets", "promvil/compovl") if name.endswith(".py")]


def test_the_card_keeps_licence_statistics_and_leakage_statement(hub, built):
    from huggingface_hub import DatasetCard

    push(built.out, "promvil/compovl")
    data, text = card_of(hub)
    assert data["license"] == "cc-by-4.0" and text == (built.out / "README.md").read_text()
    assert {config["config_name"] for config in data["configs"]} == {"default", "steps", "mixture"}
    assert [config["config_name"] for config in data["configs"] if config.get("default")] == ["default"]
    counted = {config["config_name"]: {s["name"]: s["num_examples"] for s in config["splits"]} for config in data["dataset_info"]}
    assert counted == built.report["rows"]
    card = DatasetCard.load("promvil/compovl")
    assert card.data.license == "cc-by-4.0"
    for heading in ("Schema", "Statistics", "Leakage statement", "Provenance and licence", "How it was built", "Citation"):
        assert f"## {heading}" in card.text
    levels = built.report["expressions_by_level"]["train"]
    assert f"| train | {' | '.join(str(count) for count in levels.values())} |" in card.text
    assert "nothing was excluded" in card.text


def test_a_second_push_replaces_the_first(hub, toy, built, tmp_path):
    from datasets import load_dataset

    push(built.out, "promvil/compovl")
    all_train = Splitting(test_share=0, validation_share=0)
    small = build(
        toy, tmp_path, CompoVLSettings(limit=10, splitting=all_train, views=("default",)), Terms(progress=False)
    )
    push(small.out, "promvil/compovl", private=True)
    assert set(load_dataset("promvil/compovl")) == {"train"}
    names = [name for name in hub.files("datasets", "promvil/compovl") if name.endswith(".parquet")]
    assert names == ["data/train-00000-of-00001.parquet"]


def test_the_command_builds_and_pushes(hub, toy, tmp_path, capsys):
    from datasets import load_dataset

    code = main(["build", "compovl", "--vg", str(toy), "--out", str(tmp_path / "out"), "--push", "promvil/compovl", "--quiet"])
    assert code == 0
    output = capsys.readouterr().out
    assert "level 2   level 3" in output and "0 images reused" in output and "Pushed to" in output
    assert load_dataset("promvil/compovl", split="train", streaming=True).features["steps"]


def test_the_command_publish_pushes_what_its_dry_run_shows(hub, built, capsys):
    assert main(["publish", "compovl", str(built.out), "promvil/compovl", "--dry-run"]) == 0
    output = capsys.readouterr().out
    assert main(["publish", "compovl", str(built.out), "promvil/compovl"]) == 0
    names = {name for name in hub.files("datasets", "promvil/compovl") if name != ".gitattributes"}
    assert names == {line.split()[-1] for line in output.partition("\n---\n")[0].splitlines()[2:] if line.strip()}
    assert "work/plan.json" not in names and "data/test-00000-of-00001.parquet" in names


def test_an_unfinished_build_is_not_pushed(hub, tmp_path):
    with pytest.raises(ValueError, match=r"is not a finished build: it has no report\.json"):
        push(tmp_path, "promvil/compovl")


def test_the_builder_runs_in_process_with_two_processes_and_streams(built, tmp_path):
    from datasets import load_dataset

    from promvil_hf.compovl.compovl_publish import CompoVL

    with pytest.raises(ValueError, match="You made a CompoVL builder without `parts`"):
        CompoVL(config_name="default", cache_dir=str(tmp_path / "none")).download_and_prepare()
    halves = []  # two shards, for two processes
    for part in sorted((built.out / "work").glob("part-*.jsonl")):
        lines = part.read_bytes().splitlines(keepends=True)
        for half in (lines[::2], lines[1::2]):
            halves.append(tmp_path / f"{len(halves)}.jsonl")
            halves[-1].write_bytes(b"".join(half))
    halves = [str(path) for path in halves]
    settings = asdict(Splitting(test_share=0, validation_share=0.1))
    builder = CompoVL(config_name="default", cache_dir=str(tmp_path / "cache"), parts=halves, splitting=settings)
    builder.download_and_prepare(str(tmp_path / "two"), file_format="parquet", num_proc=2)
    names = sorted(path.name for path in (tmp_path / "two").glob("*train*"))
    assert [name.partition("train-")[2] for name in names] == ["00000-of-00002.parquet", "00001-of-00002.parquet"]
    prepared = load_dataset(str(tmp_path / "two"), split="train", cache_dir=str(tmp_path / "again"))
    streamed = builder.as_streaming_dataset(split="train")
    assert prepared.to_list() == list(streamed) and len(prepared) > 100
