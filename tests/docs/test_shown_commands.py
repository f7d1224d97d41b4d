# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Every command in README and docs is one that there is, with options that there are; those of README run on stand-ins.

The stand-ins are drawn scenes in the real data sets' forms under the names that README uses, and the toy models. Commands that
train or download are only checked by their parsers; `ONLY_PARSED` lists those of README.
"""

import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest

from promvil_hf.cli import main
from promvil_hf.commands.parsers import command_parser, loaded_parsers
from promvil_hf.commands.recipe import find
from tests.docs.shown_commands import PAGES, ROOT, every_command, shown_commands


README = ROOT / "README.md"
COMMANDS = every_command()
PROMVIL = [shown for shown in COMMANDS if "promvil" in shown.words[:1] or "promvil_hf" in shown.words]
MODULES = [shown for shown in COMMANDS if shown.words[:2] == ["python", "-m"]]
OPTION = re.compile(r"--[a-z][a-z0-9_-]*")
ONLY_PARSED = ("promvil recipe run llava/lora",)  # of README: its rows need masks for conversations


def arguments_of(words: list[str]) -> list[str]:
    """What stands behind `promvil` or `-m promvil_hf`."""
    return words[1 + words.index("promvil_hf" if "promvil_hf" in words else "promvil") :]


@pytest.mark.parametrize("shown", PROMVIL, ids=lambda shown: f"{shown.page}: {shown.text[:60]}")
def test_a_command_of_the_pages_parses(shown, monkeypatch, capsys):
    arguments = arguments_of(shown.words)
    if arguments[:2] == ["recipe", "run"] and arguments[2:]:
        return check_recipe(*arguments[2:])
    if not shown.whole:
        return check_options(arguments, shown.text)
    try:
        command_parser().parse_args(arguments)
    except SystemExit as end:
        assert end.code == 0, f"{shown.page}: {shown.text}\n{capsys.readouterr().err}"


def check_options(arguments: list[str], text: str) -> None:
    """A command of which a part is left out: the options that are shown exist."""
    [parser] = [one for one in PARSERS if arguments[: len(one.prog.split()) - 1] == one.prog.split()[1:]]
    known = {option for action in parser._actions for option in action.option_strings}
    assert {word for word in arguments if OPTION.fullmatch(word)} <= known, text


PARSERS = list(loaded_parsers())


def check_recipe(name: str, *rest: str) -> None:
    """The recipe is there, and so are the options behind it, among the fields of the training scripts."""
    assert find(name).is_file()
    trainer = Path(importlib.util.find_spec("transformers").origin).parent / "training_args.py"  # read, not imported: quick
    sources = "".join(path.read_text(encoding="utf-8") for path in (trainer, *(ROOT / "promvil_hf/training").glob("*.py")))
    for option in filter(OPTION.fullmatch, rest):
        assert re.search(rf"^    {option[2:].replace('-', '_')}: ", sources, re.MULTILINE), option


@pytest.mark.parametrize("shown", MODULES, ids=lambda shown: shown.text[:70])
def test_a_module_of_the_pages_is_there_and_defines_the_options(shown):
    module, options = shown.words[2], set(filter(OPTION.fullmatch, shown.words))
    if module == "lmms_eval":  # another project's; not among the requirements
        return
    spec = importlib.util.find_spec(module)
    assert spec is not None, shown.text
    folder = Path(spec.origin).parent if spec.submodule_search_locations else None
    texts = [path.read_text() for path in (folder.glob("*.py") if folder else [Path(spec.origin)])]
    texts.append((ROOT / "benchmarks/timing.py").read_text())
    sources = "".join(texts)
    missing = [name for name in options if not re.search(rf'["\']{name}["\']|\b{name[2:].replace("-", "_")}\b', sources)]
    assert not missing, f"{shown.page}: {shown.text}"


def test_targets_of_make_are_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {word for page in PAGES for word in re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8"))}
    assert named | {shown.words[1] for shown in COMMANDS if shown.words[0] == "make"} <= targets


def test_a_wrong_option_is_noticed(capsys):
    with pytest.raises(SystemExit) as end:
        command_parser().parse_args(["ground", "photo.jpg", "the cup", "--detektor", "x"])
    assert end.value.code == 2
    with pytest.raises(AssertionError):
        check_options(["evaluate", "...", "--blind-answers", "x"], "")


# -- README alone, on stand-ins


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory):
    """A folder in which every name that README uses is there."""
    from promvil_hf.toy.real_forms import Amounts, write_real_forms

    folder = tmp_path_factory.mktemp("readme")
    data = folder / "data"
    write_real_forms(data, Amounts(graphs=8, referred=3, asked=6, described=2))
    (folder / "photo.jpg").symlink_to(next((data / "vg/VG_100K").iterdir()))
    for name, place in (("refcocog", "refcocog"), ("train2014", "coco/train2014"), ("VISUAL_GENOME", "vg")):
        (folder / name).symlink_to(data / place)
    pope = folder / "coco_pope_popular.json"
    pope.symlink_to(data / "pope/coco_pope_popular.json")
    rows = [json.loads(line) for line in pope.read_text().splitlines()]
    for name, said in (("answers", None), ("seen", None), ("blind", "yes")):
        answers = [{"id": row["question_id"], "text": said or row["label"]} for row in rows]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    return folder


MODELS = {"reliance": "toy:kosmos2", "explain": "toy:llava"}  # what MODEL stands for
POPE = "--benchmark pope --files coco_pope_popular.json --out picture_needed"


def stood_in(command: str) -> str:
    """The command of README with stand-ins for what is downloaded, and for what README leaves out of it."""
    command = command.replace("MODEL", MODELS.get(command.split()[1], "")).replace("evaluate …", f"evaluate {POPE}")
    command = command.replace("IDEA-Research/grounding-dino-base", "toy:kosmos2")
    if command.startswith("promvil ground") and "--detector" not in command:
        command += " --model toy:kosmos2"
    if command.startswith("promvil recipe run"):
        command += " --eval_split train --dry-run"  # a training takes a GPU, and the stand-in is too small for other splits
    return command + " --limit 4" * command.startswith("promvil reliance")


def test_each_task_of_the_readme_runs_by_its_command(stand_ins, monkeypatch, capsys):
    """In README's order, but the data before the training on them: later commands read what earlier ones wrote."""
    monkeypatch.chdir(stand_ins)
    asked = {command.text: command for command in shown_commands(README) if command.words[0] == "promvil"}
    assert len(asked) >= 14
    ran = 0
    for text in sorted(asked, key=lambda text: text.startswith("promvil recipe")):
        if text.startswith(ONLY_PARSED):
            continue
        if "--compare runs/first runs/second" in text:  # two models, asked the same
            for name in ("answers", "blind"):
                out = f"runs/{'first' if name == 'answers' else 'second'}/pope"
                assert main(f"evaluate {POPE.rpartition(' --out')[0]} --predictions {name}.jsonl --out {out}".split()) == 0
        try:
            status = main(shlex.split(stood_in(text))[1:])
        except SystemExit as end:  # --help
            status = end.code
        said = capsys.readouterr()
        # 1: an expression without a box, which a model is free to answer
        assert status in ((0, 1) if text.startswith("promvil ground") else (0,)), f"{text}\n{said.err[-2000:]}"
        ran += 1
    assert ran >= 12


def test_each_line_of_python_in_the_readmes_table_runs(stand_ins, tmp_path, monkeypatch):
    """Names are bound to stand-ins; what stands as "…" is filled in."""
    from PIL import Image

    from promvil_hf.backends.detector_loading import load_detector
    from promvil_hf.backends.loading import load
    from promvil_hf.evaluation.benchmarks import read
    from promvil_hf.evaluation.comparison import compare
    from promvil_hf.evaluation.predictions import read_predictions
    from promvil_hf.evaluation.results import evaluate
    from promvil_hf.grounding import ComposedGrounder, ProgressiveGrounder

    monkeypatch.chdir(stand_ins)
    bound = {
        "ProgressiveGrounder": ProgressiveGrounder, "ComposedGrounder": ComposedGrounder, "load": load, "read": read,
        "load_detector": load_detector, "evaluate": evaluate, "read_predictions": read_predictions, "compare": compare,
        "MODEL": "toy:kosmos2", "NAME": "toy:kosmos2", "text": "the red circle", "FILE": "coco_pope_popular.json",
        "ANSWERS": "answers.jsonl", "image": Image.open("photo.jpg").convert("RGB"),
    }  # fmt: skip
    lines = re.findall(r"\| `([A-Za-z_]+\([^`]*\)(?:\.\w+\([^`]*\))?)` \(", README.read_text(encoding="utf-8"))
    complete = [line for line in lines if "…" not in line]
    assert len(lines) >= 9
    bound["first"] = bound["second"] = eval(next(line for line in complete if line.startswith("evaluate(")), bound)
    for line in complete:
        if line.startswith(("ProgressiveGrounder", "ComposedGrounder", "evaluate", "compare")):
            assert eval(line, bound) is not None, line
