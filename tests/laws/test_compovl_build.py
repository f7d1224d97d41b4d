# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A build of CompoVL is whole or not there: kills, bad input, full disks; nothing leaks between splits, nothing is lost."""

import json
import os
import random
import resource
import shutil
import signal
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from promvil_hf.cli import main
from promvil_hf.compovl.compovl_build import CompoVLSettings, build, compose_only
from promvil_hf.compovl.compovl_rows import Splitting
from promvil_hf.compovl.leakage import LeakageList
from promvil_hf.compovl.mixture import Mixing
from promvil_hf.job_terms import Terms
from promvil_hf.toy.world import WorldConfig, scenes, write_visual_genome


IMAGES, SHARD = 60, 4
SPLITTING = Splitting(test_share=0.3, validation_share=0.1, test_per_level=9)
SETTINGS = CompoVLSettings(splitting=SPLITTING, mixing=Mixing(vg_qa=True))
QUIET = Terms(shard_size=SHARD, progress=False)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    write_visual_genome(scenes(WorldConfig(image_size=(48, 48)), IMAGES, 0), folder, "1.4", 0.2)
    return folder


@pytest.fixture(scope="module")
def whole(toy, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    return build(toy, out, SETTINGS, QUIET)


def content(out):
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(Path(out).rglob("*")) if path.is_file()}


def parquet(out, view="data"):
    import pyarrow.parquet as pq

    return {path.name.partition("-")[0]: pq.read_table(path).to_pylist() for path in sorted((out / view).glob("*.parquet"))}


# Kills


def in_a_child(toy, out, note, last=None):
    """Fork a build that writes to `note` what it reused and how often it touched files, or is killed before the `last` time.

    What is not in a file a kill cannot spoil, so all moments between two of these are alike.
    """
    child = os.fork()
    if not child:
        os.dup2(os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        code, touched = 1, 0
        os.fsync = lambda _: None  # it guards against power cuts, not against kills, and takes most of the time

        def count(event, _):
            nonlocal touched
            touched += event == "open" or event.startswith("os.")
            if touched == last:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(count)
            built = build(toy, out, SETTINGS, QUIET)
            os.write(1, f"{built.images_reused} images reused {touched}".encode())
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def test_killed_at_5_random_moments_it_redoes_at_most_a_shard_each_time_and_ends_identical(toy, whole, tmp_path):
    out, note, rng = tmp_path / "out", tmp_path / "note", random.Random(20)
    assert in_a_child(toy, tmp_path / "counted", note) == 0
    longest = int(note.read_text().split()[-1])
    there, killed, life = 0, 0, 0
    while killed < 5:  # `make kills` kills 30 times
        if life % 4 == 3:
            shutil.rmtree(out, ignore_errors=True)  # start anew, so that kills keep falling into composing too
            there = 0
        ended = in_a_child(toy, out, note, last=rng.randint(1, longest if life % 2 else longest // 4))
        assert ended in (0, signal.SIGKILL)  # what was resumed touches fewer, and may be done before
        killed += ended == signal.SIGKILL
        parts = sorted((out / "work").glob("part-*.jsonl")) if out.exists() else []
        assert len(parts) >= there  # a finished shard is never lost, so a kill costs only the unfinished one
        assert all(whole.out.joinpath("work", part.name).read_bytes() == part.read_bytes() for part in parts)
        if (out / "report.json").exists():
            assert {name for name in content(out) if ".draft" not in name} == set(content(whole.out))
        there, life = len(parts), life + 1
    assert in_a_child(toy, out, note) == 0
    assert note.read_text().startswith(f"{min(there * SHARD, IMAGES)} images reused")
    assert content(out) == content(whole.out)


def test_two_processes_compose_what_one_does(toy, whole, tmp_path):
    compose_only(toy, tmp_path, terms=Terms(shard_size=SHARD, progress=False, workers=2))
    for part in sorted((whole.out / "work").glob("part-*")):
        assert (tmp_path / "work" / part.name).read_bytes() == part.read_bytes()


def test_a_finished_build_is_not_built_again_and_other_settings_are(toy, whole, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(whole.out, out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    again = build(toy, out, SETTINGS, QUIET)
    assert again.images_reused == IMAGES and before == {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    all_train = Splitting(test_share=0, validation_share=0)
    build(toy, out, replace(SETTINGS, splitting=all_train), QUIET)
    assert set(parquet(out)) == {"train"}


# What is in it


def test_no_image_is_in_two_splits_and_hard_is_the_hard_part_of_test(whole):
    rows = parquet(whole.out)
    images = {split: {row["image_id"] for row in rows[split]} for split in ("train", "validation", "test")}
    assert not images["train"] & images["test"] and not images["validation"] & (images["train"] | images["test"])
    assert [row["chain_id"] for row in rows["hard"]] == [row["chain_id"] for row in rows["test"] if row["distractors"]]
    levels = Counter(row["level"] for row in rows["test"])
    assert levels == {2: 9, 3: 9, 4: 9}  # stratified: the cap of each level


def test_the_views_hold_the_same(whole):
    for split, rows in parquet(whole.out).items():
        steps = parquet(whole.out, "steps")[split]
        assert [step["text"] for step in steps] == [step["text"] for row in rows for step in row["steps"]]
        for step in steps:
            assert all(f" {phrase['text']} " in f" {step['text']} " for phrase in step["evidence"])
    mixture = parquet(whole.out, "mixture")
    vg_rows = [row for row in mixture["train"] if row["dataset"] == "vg"]
    assert len(vg_rows) == len(parquet(whole.out)["train"]) and vg_rows[0]["text"][0].startswith("<grounding><phrase>")
    assert {row["dataset"] for row in mixture["train"]} == {"vg", "vg_qa"}


def test_the_report_counts_what_is_there_and_what_is_not(toy, whole):
    report = json.loads((whole.out / "report.json").read_text())
    records = {name: json.loads((toy / f"{name}.json").read_text()) for name in ("objects", "relationships")}
    for name, images in records.items():
        assert report["records"][name] == sum(len(image[name]) for image in images)
    rejects = [json.loads(line) for line in (whole.out / "rejects.jsonl").read_text().splitlines()]
    assert Counter(f"{reject['file']}: {reject['reason']}" for reject in rejects) == report["rejects"] != {}
    rows = parquet(whole.out)
    assert report["rows"]["default"] == {split: len(rows[split]) for split in ("train", "validation", "test", "hard")}
    for split, levels in report["expressions_by_level"].items():
        assert levels == {str(level): count for level, count in sorted(Counter(row["level"] for row in rows[split]).items())}
    assert "no list was given" in str(whole)


def test_leaked_images_are_left_out_before_the_split_and_counted(toy, tmp_path):
    lists = (
        LeakageList("refcocog test", "coco", frozenset(range(500_001, 500_011))),  # even images have a COCO id
        LeakageList("gqa val", "vg", frozenset((1, 2, 3, 999))),
    )
    built = build(toy, tmp_path, CompoVLSettings(splitting=SPLITTING, leakage=lists, views=("default",)), QUIET)
    leaked = {"1", "2", "3", "4", "6", "8", "10"}
    rows = parquet(tmp_path)
    assert not leaked & {row["image_id"] for split in rows.values() for row in split}
    assert built.report["leakage"]["excluded"] == 7 and built.report["images"]["composed"] == IMAGES - 7
    assert [entry["images_found"] for entry in built.report["leakage"]["lists"]] == [5, 3]
    assert "| refcocog test | 10 | coco | 5 | 0 |" in (tmp_path / "README.md").read_text()
    assert "7 excluded as leakage" in str(built)


def test_leak_lists_hold_for_the_mixture_too(toy, tmp_path):
    llava = [
        {"id": k, "image": f"COCO_val2014_{k:012d}.jpg", "instruction": "What?", "output": "That."} for k in (5, 6)
    ]
    (tmp_path / "llava.json").write_text(json.dumps(llava))
    settings = CompoVLSettings(
        leakage=(LeakageList("held out", "coco", frozenset((6,))),),
        mixing=Mixing(llava=tmp_path / "llava.json"),
        limit=8,
        views=("mixture",),
    )
    built = build(toy, tmp_path / "out", settings, QUIET)
    assert built.report["mixture"]["llava train"] == {"rows": 1, "rejected": {"image is on a leakage list": 1}}


# Bad input


def run(capsys, *arguments):
    code = main(["build", "compovl", *map(str, arguments), "--quiet"])
    return code, capsys.readouterr().err.strip()


def refused(capsys, *arguments):
    code, message = run(capsys, *arguments)
    assert code != 0 and "\n" not in message and "Traceback" not in message
    return message


def copied(toy, folder):
    shutil.copytree(toy, folder)
    return folder


def test_a_missing_folder_file_or_kind_of_relation_is_named(toy, tmp_path, capsys):
    assert "there is no such folder" in refused(capsys, "--vg", tmp_path / "no", "--out", tmp_path / "out")
    folder = copied(toy, tmp_path / "vg")
    (folder / "objects.json").unlink()
    assert "has no objects.json. Download objects.json.zip" in refused(capsys, "--vg", folder, "--out", tmp_path / "out")
    folder = copied(toy, tmp_path / "vg2")
    (folder / "relationships.json").unlink()
    (folder / "region_graphs.json").unlink()
    message = refused(capsys, "--vg", folder, "--out", tmp_path / "out")
    assert "has no relationships.json or region_graphs.json: expressions are composed of relations" in message
    assert not (tmp_path / "out").exists()


def test_truncated_json_and_another_release_leave_nothing_behind(toy, tmp_path, capsys):
    folder = copied(toy, tmp_path / "vg")
    path = folder / "relationships.json"
    path.write_bytes(path.read_bytes()[:-500])
    assert "relationships.json is not whole JSON" in refused(capsys, "--vg", folder, "--out", tmp_path / "out")
    assert "You asked for release 1.2" in refused(capsys, "--vg", toy, "--out", tmp_path / "out", "--release", "1.2")
    assert not (tmp_path / "out").exists()


def test_other_settings_do_not_mix_into_a_begun_build(toy, tmp_path, capsys):
    arguments = "--vg", toy, "--out", tmp_path / "out", "--views", "default"
    assert run(capsys, *arguments, "--limit", 5)[0] == 0
    message = refused(capsys, *arguments, "--limit", 6)
    assert "limit was 5, is 6" in message
    assert run(capsys, *arguments, "--limit", 6, "--restart")[0] == 0


@contextmanager
def files_no_longer_than(size):
    """A write beyond `size` bytes fails as on a full disk, for this whole process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_stops_with_a_sentence_and_the_build_goes_on_later(toy, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = "--vg", toy, "--out", out, "--limit", 30, "--views", "default"
    with files_no_longer_than(2_000):
        assert "Cannot write" in refused(capsys, *arguments)
    assert not list(out.rglob("part-*.jsonl")) and not (out / "report.json").exists()
    assert run(capsys, *arguments)[0] == 0


def test_a_full_disk_while_parquet_is_written_keeps_the_images_and_is_no_finished_build(toy, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = "--vg", toy, "--out", out, "--limit", 30, "--views", "default"
    compose_only(toy, out, CompoVLSettings(limit=30), Terms(progress=False))
    with files_no_longer_than(9_000):
        message = refused(capsys, *arguments)
    assert "Cannot write" in message and "are kept: mend that and run the same command again" in message
    assert {path.name for path in out.iterdir()} == {".lock", "work"}
    assert run(capsys, *arguments)[0] == 0 and (out / "report.json").exists()


def test_an_image_that_cannot_be_opened_is_named_and_stops_embedding(toy, tmp_path, capsys):
    from PIL import Image

    photos = tmp_path / "photos" / "VG_100K"
    photos.mkdir(parents=True)
    for image in json.loads((toy / "image_data.json").read_text())[:6]:
        Image.new("RGB", (48, 48), (image["image_id"], 0, 0)).save(photos / f"{image['image_id']}.png")
    arguments = ["--vg", toy, "--out", tmp_path / "out", "--limit", 6, "--views", "default"]
    arguments += ["--embed-images", "--images", photos.parent]
    (photos / "4.png").write_bytes(b"no picture")
    message = refused(capsys, *arguments)
    assert f"The image {photos / '4.png'} cannot be opened" in message and "or build without --embed-images" in message
    assert {path.name for path in (tmp_path / "out").iterdir()} == {".lock", "work"}
    (photos / "4.png").unlink()
    assert "no such file" in refused(capsys, *arguments)
    Image.new("RGB", (48, 48)).save(photos / "4.png")
    assert run(capsys, *arguments)[0] == 0
    from datasets import load_dataset

    rows = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert rows[0]["image"].size == (48, 48)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--test-share", 2), "You passed validation_share=0.02 and test_share=2.0"),
        (("--levels", 9), "You passed levels=9"),
        (("--embed-images", "--images", "/nowhere"), "You asked to embed the images of /nowhere"),
        (("--embed-images",), "You passed --embed-images without --images"),
        (("--base-url", "http://127.0.0.1:1"), "pass both --base-url"),
        (("--exclude-vg", "/nowhere"), "Cannot read the list /nowhere"),
        (("--vsr-train", "/nowhere"), "VSR has no boxes of its own"),
    ],
)
def test_wrong_arguments_are_refused_with_a_sentence(toy, tmp_path, capsys, arguments, sentence):
    assert sentence in refused(capsys, "--vg", toy, "--out", tmp_path / "out", *arguments)
    assert not (tmp_path / "out" / "report.json").exists()


def test_lists_that_leave_no_image_are_refused(toy, tmp_path):
    everything = LeakageList("all", "vg", frozenset(range(IMAGES + 1)))
    with pytest.raises(ValueError, match=f"No image is left to compose: .* has {IMAGES}, and the lists exclude {IMAGES}"):
        build(toy, tmp_path, CompoVLSettings(leakage=(everything,)), QUIET)
