# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Each command that README and docs show runs as shown, on small stand-ins for data, models, servers and the Hub.

Trainings only say their plan here. Those of the smoke recipes and the small experiments run in the slow test:
`python -m pytest -m slow tests/docs/test_shown_commands_run.py`. What cannot run on one small machine stands in `NOT_RUN`.
"""

import os
import re

import pytest

from promvil_hf.backends import loading
from tests.docs import running, stand_ins
from tests.docs.shown_commands import PAGES, ROOT, Shown, shown_commands
from tests.hub.conftest import pointed_at
from tests.hub.server import LoopbackHub
from tests.unit.fivl.fake_model import fake_model


# Why a command is not run, by what it looks like. `test_each_reason_is_needed` holds that none is left over.
NOT_RUN = {
    r"^make |^pip install|^export ": "installs, or belongs to the shell",
    r"--ray \d": "needs Ray and its GPUs; tests/laws/test_fivl_on_ray.py runs a small stand-in for Ray",
    r"-m lmms_eval": "another project's command, with its own requirements; tests/harnesses runs the tasks",
    r"onnx:": "needs a file of ONNX that somebody trained; tests/unit/backends/test_onnx_detectors.py",
    r"promvil fetch (?!--list)(?!.*--dry-run)": "downloads gigabytes; tests/unit/fetching fetches from a server of small files",
    r"--model real:": "models that are made of 110 MB of downloads; tests/unit/assembling/test_real_parts.py (slow)",
    r"promvil explore": "serves until it is stopped; tests/browser/test_explore.py",
    r"promvil demo": "minutes; tests/packaging runs it out of the wheel (slow)",
    r"promvil reproduce (?!--list)(?!.*--dry-run|.*--size small)|promvil results": "full size; the small ones run here (slow)",
    r"-m benchmarks\.(?!rehearsal)": "measures speed, or reads data that only their owners may hand on",
    r"-m benchmarks\.rehearsal|runs/rehearsal|benchmarks/rehearsal": "gigabytes; tests/unit/test_rehearsal.py runs it small",
    r"-m studies\.": "trains for hours; tests/studies runs the studies small",
}  # fmt: skip
SLOW = r"^promvil recipe run \S+/smoke|^promvil reproduce .*--size small"
RUN_ELSEWHERE = (
    "gallery.md",  # by test_gallery.py, as its pictures are
    "reproduce.md", "results.md",  # steps at full size, as promvil_hf.reproducing writes them: their small forms are run (slow)
)  # fmt: skip


def of_page(page) -> list[Shown]:
    """Its commands; of README also those in its table."""
    return [one for one in shown_commands(page) if not one.mentioned or page.name == "README.md"]


def reason(shown: Shown) -> str:
    return next((why for pattern, why in NOT_RUN.items() if re.search(pattern, shown.text)), "")


@pytest.fixture(scope="module", autouse=True)
def each_model_is_loaded_once():
    """Commands run one after the other in this process; a folder that was written since is loaded again."""
    load, loaded = loading.load, {}

    def place(name):
        return (os.path.realpath(name), os.stat(name).st_mtime_ns) if name and os.path.exists(name) else name

    def load_once(base, adapter=None, **options):
        asked = repr((place(base), place(adapter), sorted(options.items())))
        if asked not in loaded:
            loaded[asked] = load(base, adapter, **options)
        return loaded[asked]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "load", load_once)
        yield


@pytest.fixture(scope="module")
def made(each_model_is_loaded_once, tmp_path_factory):
    """The stand-ins, and what the commands left that pages take for granted."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stand_ins.write_data(folder)
        stand_ins.write_results(folder)
    return folder


@pytest.fixture(scope="module")
def around(tmp_path_factory):
    """A server of a model, and a Hub, both on this machine; gives the address of the first."""
    with fake_model(stand_ins.answer_of) as server, LoopbackHub() as hub, pointed_at(hub, tmp_path_factory.mktemp("hub")):
        yield server.url


def run_all(page, commands, made, server, folder, monkeypatch) -> list[str]:
    """Run them in their order; what failed."""
    monkeypatch.chdir(folder)
    failed, block = [], None
    for shown in commands:
        if shown.block != block or shown.mentioned:
            stand_ins.restored(folder, made)
            block = shown.block
        command = running.stood_in(shown, server)
        status, said = running.run(command)
        if status not in ((0, running.NO_BOX) if command.startswith("promvil ground") else (0,)):
            failed.append(f"{page.name}: {command}\n{said[-1000:]}")
    return failed


def tried() -> list:
    """The pages; two that take long, that of all commands with its alternatives among them, are slow."""
    slow = {"commands.md": pytest.mark.slow, "toy_bases.md": pytest.mark.slow}
    return [pytest.param(page, marks=slow.get(page.name, ()), id=page.name) for page in PAGES if page.name not in RUN_ELSEWHERE]


@pytest.mark.parametrize("page", tried())
def test_the_commands_of_a_page_run(page, made, around, tmp_path, monkeypatch):
    asked = [one for one in of_page(page) if not reason(one) and not re.search(SLOW, one.text)]
    if failed := run_all(page, asked, made, around, tmp_path, monkeypatch):
        pytest.fail("\n\n".join(failed))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("command", sorted({one.text for page in PAGES for one in of_page(page) if re.search(SLOW, one.text)}))
def test_a_command_that_takes_minutes_runs(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert running.run(command)[0] == 0


def test_each_reason_is_needed_and_most_commands_run():
    shown = [one for page in PAGES for one in of_page(page)]
    for pattern in NOT_RUN:
        assert any(re.search(pattern, one.text) for one in shown), pattern
    here = [one for page in PAGES if page.name not in RUN_ELSEWHERE for one in of_page(page) if not reason(one)]
    assert len({one.text for one in here}) > 100
    for path in re.findall(r"tests/[\w/.]+?(?=[ ,;()]|$)", " ".join(NOT_RUN.values())):
        assert (ROOT / path).exists(), path


def test_a_command_that_does_not_work_is_noticed(made, around, tmp_path, monkeypatch):
    wrong = Shown("x.md", "promvil evaluate --benchmark pope --files none.json --predictions answers.jsonl --out runs/x")
    [failed] = run_all(ROOT / "x.md", [wrong], made, around, tmp_path, monkeypatch)
    assert "There is no file none.json" in failed or "none.json" in failed


def test_each_line_of_python_in_the_readmes_table_runs(made, monkeypatch):
    """Names are bound to stand-ins; what stands as "…" is filled in."""
    from PIL import Image

    from promvil_hf.backends.detector_loading import load_detector
    from promvil_hf.backends.loading import load
    from promvil_hf.evaluation.benchmarks import read
    from promvil_hf.evaluation.comparison import compare
    from promvil_hf.evaluation.predictions import read_predictions
    from promvil_hf.evaluation.results import evaluate
    from promvil_hf.grounding import ComposedGrounder, ProgressiveGrounder

    monkeypatch.chdir(made)
    bound = {
        "ProgressiveGrounder": ProgressiveGrounder, "ComposedGrounder": ComposedGrounder, "load": load, "read": read,
        "load_detector": load_detector, "evaluate": evaluate, "read_predictions": read_predictions, "compare": compare,
        "MODEL": "toy:kosmos2", "NAME": "toy:kosmos2", "text": "the red circle", "FILE": "coco_pope_popular.json",
        "ANSWERS": "answers.jsonl", "image": Image.open("photo.jpg").convert("RGB"),
    }  # fmt: skip
    lines = re.findall(r"\| `([A-Za-z_]+\([^`]*\)(?:\.\w+\([^`]*\))?)` \(", (ROOT / "README.md").read_text(encoding="utf-8"))
    complete = [line for line in lines if "…" not in line]
    assert len(lines) >= 9
    bound["first"] = bound["second"] = eval(next(line for line in complete if line.startswith("evaluate(")), bound)
    for line in complete:
        if line.startswith(("ProgressiveGrounder", "ComposedGrounder", "evaluate", "compare")):
            assert eval(line, bound) is not None, line
