# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A cell is done once, whoever asks for it, whatever interrupts it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studies.cells import DONE, Cell, Given, everything, run
from tests.studies.counted import count


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log"
    path.touch()
    return path


def cell(log, number, needs=None, **settings):
    return Cell(count, {"log": str(log), "number": number, **settings}, needs or {})


def lines(log):
    return log.read_text().split()


def base(folder, weights=b"weights", **files):
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(weights)
    for name, text in {"config": "{}", **files}.items():
        (folder / f"{name}.json").write_text(text)
    return Given(folder)


def test_the_key_follows_all_that_decides_the_result_and_nothing_else(tmp_path, log):
    one = Cell(count, {"a": 1, "b": (2, 3)})
    assert one.key == Cell(count, {"b": [2, 3], "a": 1}).key
    assert one.key != Cell(count, {"a": 1, "b": (2, 4)}).key
    assert one.key != Cell(cell, {"a": 1, "b": (2, 3)}).key
    needing = Cell(count, {"a": 1}, {"base": one})
    assert needing.key != Cell(count, {"a": 1}).key
    assert needing.key != Cell(count, {"a": 1}, {"base": Cell(count, {"a": 2, "b": (2, 3)})}).key
    assert {"promvil_hf", "torch", "transformers", "peft"} <= one.plan["versions"].keys()


def test_a_base_is_known_by_its_weights_and_not_by_its_place(tmp_path):
    here, there = base(tmp_path / "here"), base(tmp_path / "there", scores="[1]", curves="[2]")
    assert here.key == there.key
    assert here.key != base(tmp_path / "other", b"other weights").key
    assert here.key != base(tmp_path / "odd", config='{"layers": 2}').key
    with pytest.raises(ValueError, match="no .safetensors file in it: pass a folder that `from_pretrained` loads"):
        _ = Given(tmp_path).key


@pytest.mark.parametrize("workers", [1, 2])
def test_what_two_cells_need_is_done_once_and_before_them(tmp_path, log, workers):
    below = cell(log, 1)
    found = run(
        [cell(log, 10, {"x": below}), cell(log, 20, {"y": cell(log, 1)})], tmp_path, workers=workers, progress=False
    )
    assert sorted(left["result"]["sum"] for left in found.values()) == [11, 21]
    assert lines(log)[0] == "1" and sorted(lines(log)) == ["1", "10", "20"]


def test_a_second_run_does_nothing_and_restart_does_everything(tmp_path, log):
    asked = [cell(log, 10, {"x": cell(log, 1)})]
    first = run(asked, tmp_path, progress=False)
    assert run(asked, tmp_path, progress=False) == first and len(lines(log)) == 2
    run(asked, tmp_path, progress=False, restart=True)
    assert len(lines(log)) == 4


def test_an_interrupted_run_goes_on_with_what_is_missing(tmp_path, log):
    stop = tmp_path / "stop"
    stop.touch()
    asked = [cell(log, 1), cell(log, 2, stop_at=str(stop)), cell(log, 3)]
    with pytest.raises(RuntimeError, match="the power failed") as caught:
        run(asked, tmp_path, progress=False)
    assert "number=2" in caught.value.__notes__[0] and "the same command goes on" in caught.value.__notes__[0]
    assert [left["result"]["sum"] for left in everything(asked, tmp_path).values()] == [1]
    stop.unlink()
    found = run(asked, tmp_path, progress=False)
    assert [found[asked_cell.key]["result"]["sum"] for asked_cell in asked] == [1, 2, 3]
    assert lines(log) == ["1", "2", "2", "3"]


def test_a_failure_in_a_worker_is_told_and_keeps_what_is_done(tmp_path, log):
    stop = tmp_path / "stop"
    stop.touch()
    asked = [cell(log, 1), cell(log, 2, {"x": cell(log, 1)}, stop_at=str(stop))]
    with pytest.raises(RuntimeError, match="the power failed"):
        run(asked, tmp_path, workers=2, progress=False)
    assert len(everything(asked, tmp_path)) == 1


INTERRUPTED = """
import signal
import sys
from pathlib import Path
from studies.cells import Cell, run
from tests.studies.counted import count

cells = [Cell(count, {"log": sys.argv[1], "number": number, "seconds": 3600}) for number in (1, 2, 3)]
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs, such as a test run, ignore it
    run(cells, Path(sys.argv[2]), workers=2, progress=False)
"""


def test_an_interrupt_that_only_the_parent_hears_ends_the_workers_too(tmp_path, log):
    """`kill -INT` reaches one process, where a terminal's Ctrl-C reaches all: minutes of unfinished work are not waited for."""
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED)
    root = str(Path(__file__).parents[2])
    command = [sys.executable, str(script), str(log), str(tmp_path / "store")]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": root}, stderr=subprocess.DEVNULL) as process:
        try:
            while len(lines(log)) < 2:
                assert process.poll() is None
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            assert process.wait() != 0
        finally:
            process.kill()
    assert len(lines(log)) == 2


def test_nothing_below_a_finished_cell_is_done_again(tmp_path, log):
    """An adapter may be deleted once all that was asked of it is known."""
    below = cell(log, 1)
    asked = [cell(log, 10, {"x": below})]
    run(asked, tmp_path, progress=False)
    (below.folder(tmp_path) / DONE).unlink()
    run(asked, tmp_path, progress=False)
    assert len(lines(log)) == 2


def test_a_damaged_or_foreign_cell_is_refused(tmp_path, log):
    asked_cell = cell(log, 1)
    run([asked_cell], tmp_path, progress=False)
    path = asked_cell.folder(tmp_path) / DONE
    good = json.loads(path.read_text())
    path.write_text(json.dumps(good)[:-20])
    with pytest.raises(ValueError, match="is damaged .* Delete it: only what it holds is done again"):
        run([asked_cell], tmp_path, progress=False)
    good["plan"]["settings"]["number"] = 2
    path.write_text(json.dumps(good))
    with pytest.raises(ValueError, match="made by another plan than the one asked for"):
        run([asked_cell], tmp_path, progress=False)


def test_no_workers_are_refused(tmp_path):
    with pytest.raises(ValueError, match="You passed workers=0: at least one is needed"):
        run([], tmp_path, workers=0)
