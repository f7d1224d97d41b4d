# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A build becomes Parquet, statistics, rejects and a card; the builder streams, shards, and reads back exactly."""

import json
from pathlib import Path

import datasets
import pytest
import yaml

from promvil_hf import jobs
from promvil_hf.fivl.fivl_card import card
from promvil_hf.fivl.fivl_publish import CONFIGS, FEATURES, FivlInstruct, publish, push, read_rows, report_text
from promvil_hf.fivl.fivl_rows import FivlRow
from promvil_hf.jobs import Rejected
from promvil_hf.publishing import parts_of
from tests.unit.fivl.test_fivl_rows import fivl_row


def work(items):
    return [Rejected("nothing detected", "a ghost") if item % 5 == 4 else fivl_row(item).to_dict() for item in items]


def with_counts(items):
    found = work(items)
    return [row if isinstance(row, Rejected) else {**row, "dropped": {"not given": 1}} for row in found]


@pytest.fixture
def built(tmp_path):
    """A finished build of 20 rows, 4 of them rejected, in shards of 6."""
    for config in ("instruct", "pope"):
        jobs.run(
            range(20),
            with_counts,
            tmp_path / "out" / "work" / config / "masks",
            key=str,
            describe={"stage": "masks", "annotator": "test"},
            shard_size=6,
            progress=False,
        )
    return tmp_path / "out"


def rows():
    return [fivl_row(number) for number in range(20) if number % 5 != 4]


def test_rows_are_read_from_a_build(built):
    assert list(read_rows(built, "instruct")) == rows()
    with pytest.raises(ValueError, match="holds instruct, pope: say which with --config"):
        list(read_rows(built))
    with pytest.raises(ValueError, match="has no finished part 'gqa': it holds instruct, pope"):
        list(read_rows(built, "gqa"))


def test_a_published_folder_loads_under_each_configuration(built, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    for config in ("instruct", "pope"):
        report = publish(built, config)
        assert (report["rows"], report["rows_in"]) == (16, 20)
        assert report["rows_rejected"] == {"nothing detected": 4}
        assert report["phrases_not_found"] == {"not given": 16}
    for config, split in (("instruct", "train"), ("pope", "test")):
        loaded = datasets.load_dataset(str(built), config)
        assert list(loaded) == [split]
        assert loaded[split].features == FEATURES
        assert [FivlRow.from_dict(row) for row in loaded[split]] == rows()
        streamed = datasets.load_dataset(str(built), config, split=split, streaming=True)
        assert [FivlRow.from_dict(row) for row in streamed.take(3)] == rows()[:3]
    rejects = [json.loads(line) for line in (built / "instruct" / "rejects.jsonl").read_text().splitlines()]
    assert rejects[0] == {"stage": "masks", "key": "4", "reason": "nothing detected", "detail": "a ghost"}


def test_publishing_again_gives_the_same_folder(built):
    def content():
        files = (path for path in built.rglob("*") if path.is_file() and "work" not in path.parts)
        return {path.name: path.read_bytes() for path in files}

    publish(built, "instruct")
    before = content()
    publish(built, "instruct")
    assert content() == before
    assert not list(built.glob(".draft-*"))


def test_the_card_describes_every_configuration_in_yaml_and_in_words(built):
    publish(built, "pope")
    publish(built, "instruct")
    text = (built / "README.md").read_text()
    head = yaml.safe_load(text.split("---\n")[1])
    assert [config["config_name"] for config in head["configs"]] == ["instruct", "pope"]
    assert head["configs"][0]["data_files"] == [{"split": "train", "path": "instruct/train-*"}]
    assert head["license"] == "cc-by-4.0"
    assert {info["config_name"]: info["splits"][0]["num_examples"] for info in head["dataset_info"]} == {
        "instruct": 16,
        "pope": 16,
    }
    assert "| instruct | train | 16 | 10 | 32 | 32 | 32 | 1.0 | 0.25 |" in text
    assert "- pope, of 20 rows: 4 rows nothing detected; 16 phrases not given." in text
    assert "77 % were" in text


def test_two_processes_write_what_one_writes(built, tmp_path):
    parts = parts_of(built / "work" / "instruct" / "masks")
    assert len(parts) == 4
    one = FivlInstruct(config_name="instruct", parts=parts, cache_dir=str(tmp_path / "one"))
    streamed = one.as_streaming_dataset(split="train")
    assert streamed.num_shards == 4
    assert [FivlRow.from_dict(row) for row in streamed] == rows()
    two = FivlInstruct(config_name="instruct", parts=parts, cache_dir=str(tmp_path / "two"))
    two.download_and_prepare(num_proc=2)
    assert [FivlRow.from_dict(row) for row in two.as_dataset(split="train")] == rows()


def test_images_are_embedded_only_where_asked_and_a_broken_one_is_named(built, tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    images = tmp_path / "images"
    images.mkdir()
    for number in range(10):
        Image.new("RGB", (20, 10), (number, 0, 0)).save(images / f"{number}.png")
    publish(built, "instruct", embed_images=images)
    row = datasets.load_dataset(str(built), "instruct", split="train", streaming=True)
    first = next(iter(row))
    assert first["image"].getpixel((0, 0)) == (0, 0, 0)
    assert FivlRow.from_dict(first) == rows()[0]
    (images / "3.png").write_bytes(b"broken")
    with pytest.raises(
        ValueError, match=r"3.png cannot be opened: .* Download it again, or build without --embed-images"
    ):
        publish(built, "instruct", embed_images=images)


def test_the_report_for_people_names_every_count(built):
    report = report_text(publish(built, "instruct"))
    assert "20 rows in, 16 with key expressions" in report
    assert "nothing detected                           4" in report
    assert "32 key expressions in 10 images, 32 masks" in report
    assert "16 rows share their source id with another row" in report


def test_a_builder_or_push_without_a_build_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="You made a FivlInstruct builder without `parts`. Build first"):
        FivlInstruct(config_name="instruct", cache_dir=str(tmp_path)).download_and_prepare()
    with pytest.raises(ValueError, match="is not a finished build: it has no report.json"):
        push(tmp_path, "promvil/x")
    with pytest.raises(ValueError, match="is not finished: run the same build again"):
        parts_of(tmp_path)
    assert set(CONFIGS) == {"instruct", "vqav2", "gqa", "pope", "photographs"}


def test_the_dataset_builders_folder_offers_the_same_builder():
    from dataset_builders.fivl_instruct import builder

    assert builder.FivlInstruct is FivlInstruct


def test_the_card_beside_the_builder_is_what_the_package_writes():
    """To renew it: python -c "from promvil_hf.fivl.fivl_card import card; print(card({}), end='')" > the file."""
    path = Path(__file__).resolve().parents[3] / "dataset_builders" / "fivl_instruct" / "README.md"
    assert path.read_text() == card({})
