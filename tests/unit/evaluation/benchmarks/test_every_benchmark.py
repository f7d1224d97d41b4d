# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Every benchmark states its content by a hash, refuses double ids, and is read whole from the published files."""

import json

import pytest
from msgspec.structs import replace

from promvil_hf.boxes import Box
from promvil_hf.evaluation import benchmarks
from promvil_hf.evaluation.benchmarks import KINDS, READERS, Benchmark, BenchmarkRow, read, read_promvil_lines
from promvil_hf.evaluation.benchmarks.known_sizes import KNOWN_SIZES
from promvil_hf.key_expressions import Rle
from tests.unit.evaluation.benchmarks import hard_files
from tests.unit.evaluation.benchmarks.files import parquet, write


def test_the_content_hash_ignores_order_and_file_and_notices_any_change_of_question_or_truth():
    rows = [BenchmarkRow(str(k), "1.jpg", f"thing {k}", (Box(0, 0, 0.1 * k + 0.1, 1),)) for k in range(5)]
    one = Benchmark("a", "test", "grounding", tuple(rows), ("x",))
    assert Benchmark("b", "val", "grounding", tuple(rows[::-1])).content_hash == one.content_hash
    for change in (
        {"text": "other"},
        {"boxes": (Box(0, 0, 0.5, 0.5),)},
        {"image": "2.jpg"},
        {"id": "9"},
        {"answers": ("a",)},
    ):


        changed = (replace(rows[0], **change), *rows[1:])
        assert Benchmark("a", "test", "grounding", changed).content_hash != one.content_hash
    assert one.describe() == {
        "name": "a", "split": "test", "kind": "grounding", "rows": 5, "images": 1, "content_hash": one.content_hash,
        "files": ["x"], "warnings": [],
    }  # fmt: skip


def test_what_hashes_stood_for_before_rows_could_be_absent_stands_unchanged():
    rows = (BenchmarkRow("1", "1.jpg", "a cup", (Box(0, 0, 0.5, 0.5),)), BenchmarkRow("2", "1.jpg", "b", (), ("x",), ("x", "y")))
    known = "e7f8e8d83b33160a1e839cf95a941dcb247d286007cecb5641937ab177efce65"
    assert Benchmark("a", "test", "grounding", rows).content_hash == known
    divided = (replace(rows[0], strata={"size": "small"}, units={"pair": "7"}), rows[1])  # how rows are counted is no truth
    assert Benchmark("a", "test", "grounding", divided).content_hash == known
    pixels = Rle((2, 2), "04")
    for change in ({"wanted": "all"}, {"boxes": (), "absent": True}, {"boxes": ()}, {"masks": (pixels,)}):
        found = Benchmark("a", "test", "grounding", (replace(rows[0], **change), rows[1])).content_hash
        assert found != known
    assert rows[0].strata == rows[1].units == {} and rows[0].wanted == "one" and not rows[0].absent


def test_an_absent_thing_has_no_boxes():
    row = BenchmarkRow("1", "1.jpg", "a", (Box(0, 0, 0.5, 0.5),), absent=True)
    with pytest.raises(ValueError, match="row '1': .* a row whose thing is absent has no boxes and no masks; it has 1."):
        Benchmark("a", "test", "grounding", (row,))
    with pytest.raises(ValueError, match="wanted='some' is one of one, all"):
        Benchmark("a", "test", "grounding", (replace(row, absent=False, wanted="some"),))


def test_double_ids_and_empty_benchmarks_are_refused():
    row = BenchmarkRow("1", "1.jpg", "a")
    with pytest.raises(ValueError, match="1 row ids more than once, e.g. '1'"):
        Benchmark("a", "test", "grounding", (row, row))
    with pytest.raises(ValueError, match="has no rows"):
        Benchmark("a", "test", "grounding", ())
    with pytest.raises(ValueError, match="it is one of grounding, gqa"):
        Benchmark("a", "test", "captions", (row,))


def test_unknown_names_and_missing_files_say_what_there_is(tmp_path):
    with pytest.raises(ValueError, match="it is one of refcoco, refcoco"):
        read("refcocos", tmp_path)
    with pytest.raises(FileNotFoundError, match="There is no file"):
        read("pope", tmp_path / "nothing.json")
    with pytest.raises(ValueError, match="no split for refcoco"):
        read("refcoco", tmp_path)
    assert set(benchmarks.__all__) <= set(dir(benchmarks)) and READERS and "grounding" in KINDS
    assert all(rows > 0 for sizes in KNOWN_SIZES.values() for rows in sizes.values())


def test_the_published_files_are_read_whole(shared_data):
    pope = read("pope", shared_data / "pope/coco_pope_popular.jsonl")
    assert (len(pope.rows), pope.warnings) == (3000, ()) and len({row.image_id for row in pope.rows}) == 500
    seem = read("pope", shared_data / "pope/aokvqa_pope_seem_random.json")
    assert (len(seem.rows), seem.warnings) == (3000, ())
    vsr = read("vsr", shared_data / "vsr/zeroshot_dev.jsonl")
    assert len(vsr.rows) == 340 and vsr.warnings == () and sum(row.answers == ("true",) for row in vsr.rows) == 167
    gqa = read("gqa", shared_data / "gqa/gqa_testdev_250.json")
    assert len(gqa.rows) == 250 and len(read("gqa", shared_data / "gqa/aird_sample_val_balanced.json").rows) == 5
    compovl = read("compovl", shared_data / "promvil/data_sample.json")
    assert len(compovl.rows) == 16 and {row.level for row in compovl.rows} == {1, 2, 3}
    assert compovl.warnings == ("3 rows left out: question-answer rows without boxes.",)
    prompts = read("promvil_lines", shared_data / "promvil/finetune_refcocog_test.first400.txt")
    assert len(prompts.rows) == 400 and len({row.image for row in prompts.rows}) == 188
    first = json.loads((shared_data / "refcoco/refcocog_umd_test_first.json").read_text())
    first = first[0] if isinstance(first, list) else first
    assert (prompts.rows[0].image, prompts.rows[0].text) == (first["image"], first["sentence"])
    joined = read_promvil_lines(shared_data / "promvil/gqa_testdev.first500.txt", labelled=gqa)
    assert len(joined.rows) == 11 and joined.kind == "gqa"


def test_a_folder_stands_for_the_files_that_its_benchmark_is_published_in(tmp_path):
    folders = {
        "refadv": [parquet(put(tmp_path / "refadv") / "data/train-00000-of-00001.parquet", hard_files.REFADV_HUB)],
        "naturalbench": [parquet(put(tmp_path / "naturalbench") / "data/train-00000-of-00001.parquet", hard_files.NATURAL_HUB)],
        "hallusionbench": [write(tmp_path / "hallusionbench/HallusionBench.json", hard_files.HALLUSION)],
        "vizwiz": [write(tmp_path / "vizwiz/val.json", hard_files.VIZWIZ)],
        "finecops": [write(tmp_path / "finecops/test_expression_all_coco_format.json", hard_files.finecops_coco())],
        "okvqa": [
            write(tmp_path / f"okvqa/{name}.json", {kind: [{"question_id": 1, "image_id": 2, **rest}]})
            for name, kind, rest in (
                ("OpenEnded_mscoco_val2014_questions", "questions", {"question": "?"}),
                ("mscoco_val2014_annotations", "annotations", {"answers": [{"answer": "surf"}]}),
            )
        ],
    }
    write(tmp_path / "vizwiz/train.json", [])
    write(tmp_path / "finecops/test_expression_all.json", hard_files.finecops_rows())
    for name, files in folders.items():
        assert read(name, tmp_path / name).content_hash == read(name, files).content_hash
        with pytest.raises(ValueError, match="holds no file .*: name the files themselves."):
            read(name, put(tmp_path / "empty"))


def put(folder):
    (folder / "data").mkdir(parents=True, exist_ok=True)
    return folder
