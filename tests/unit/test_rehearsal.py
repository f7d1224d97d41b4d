# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The rehearsal of the whole way: its pieces, and with `pytest -m slow` all of it with a few images and narrow models."""

import json
import sys

import pytest

from benchmarks.rehearsal import measuring
from benchmarks.rehearsal.__main__ import last_line
from benchmarks.rehearsal.cells import CELLS
from benchmarks.rehearsal.measuring import measured
from promvil_hf.commands.parsers import command_parser


PLACES = {"out": "out", "data": "data", "mirror": "http://127.0.0.1:1", "images": 8, "quarter": 2, "limit": 1, "layers": "",
          "processor": ""}  # fmt: skip
MEGABYTE = 1_000_000


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.words.startswith("promvil ")], ids=lambda cell: cell.name)
def test_every_command_of_the_package_parses(cell):
    args = command_parser().parse_args(cell.argv(**PLACES)[3:])
    assert callable(args.run)


def test_cells_have_names_of_their_own():
    assert len({cell.name for cell in CELLS}) == len(CELLS)


def test_memory_is_that_of_a_command_and_all_that_it_starts(tmp_path, monkeypatch):
    """Both hold their memory until it was looked at twice."""
    inner = "held = b'1' * 80_000_000; print('ready', flush=True); input()"
    outer = (
        "import pathlib, subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {inner!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "held = b'1' * 60_000_000\nchild.stdout.readline()\npathlib.Path('ready').touch()\n"
        "while not pathlib.Path('seen').exists():\n    time.sleep(0.01)\n"
        "child.communicate(b'x')\nprint('done')"
    )
    looks, family = [], measuring.family

    def looked_at(pid):
        if (tmp_path / "ready").exists():
            looks.append(pid)
        if len(looks) > 2:
            (tmp_path / "seen").touch()
        return family(pid)

    monkeypatch.setattr(measuring, "family", looked_at)
    found = measured([sys.executable, "-c", outer], {}, tmp_path, tmp_path / "log.txt")
    assert found["own_bytes"] > 140 * MEGABYTE and found["peak_bytes"] >= found["own_bytes"]
    assert (tmp_path / "log.txt").read_text() == "done\n"


def test_last_words_name_no_folder_of_this_machine_and_no_port(tmp_path):
    (tmp_path / "log.txt").write_text(f"reading\nWritten to {tmp_path}/compovl, from http://127.0.0.1:4711/x\n\n")
    given = {"{out}": str(tmp_path), "{mirror}": "http://127.0.0.1:4711"}
    assert last_line(tmp_path / "log.txt", given) == "Written to {out}/compovl, from {mirror}/x"


def test_a_command_that_fails_is_named_with_its_last_words(tmp_path):
    with pytest.raises(ValueError, match="ended with status 3(?s:.*)so it ends"):
        measured([sys.executable, "-c", "print('so it ends'); raise SystemExit(3)"], {}, tmp_path, tmp_path / "log.txt")


def test_a_checkpoint_in_shards_loads_whole_and_its_weights_are_the_same_each_time(tmp_path, monkeypatch):
    import transformers

    from benchmarks.rehearsal import checkpoints

    monkeypatch.setattr(checkpoints, "SHARD", 100_000)
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        made = checkpoints.kosmos2(tmp_path / name, None, 1)
    files = sorted(path.name for path in (tmp_path / "one").glob("*.safetensors"))
    assert made["shards"] == len(files) > 2
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes() for name in files)
    model, loading = transformers.Kosmos2ForConditionalGeneration.from_pretrained(tmp_path / "one", output_loading_info=True)
    assert not any(loading.values()) and sum(weight.numel() for weight in model.parameters()) == made["parameters"]


@pytest.mark.slow
def test_the_whole_way_small_and_again(tmp_path, capsys):
    from benchmarks.rehearsal.__main__ import main

    table = main(["--out", str(tmp_path), "--size", "small", "--images", "120"])
    assert [cell["name"] for cell in table["cells"]] == [cell.name for cell in CELLS]
    assert all(cell["peak_bytes"] > 10 * MEGABYTE for cell in table["cells"])
    assert list((tmp_path / "adapter-compovl" / ".eval_results").glob("*.yaml"))
    capsys.readouterr()
    again = main(["--out", str(tmp_path), "--size", "small", "--images", "120"])
    assert again["cells"] == table["cells"] == json.loads((tmp_path / "rehearsal.json").read_text())["cells"]
