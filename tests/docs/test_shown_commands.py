# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Every command in README and docs is one that there is, with options that there are; test_shown_commands_run.py runs them."""

import importlib.util
import re
from pathlib import Path

import pytest

from promvil_hf.commands.parsers import command_parser, loaded_parsers
from promvil_hf.commands.recipe import find
from tests.docs.shown_commands import PAGES, ROOT, every_command


COMMANDS = every_command()
PROMVIL = [shown for shown in COMMANDS if "promvil" in shown.words[:1] or "promvil_hf" in shown.words]
MODULES = [shown for shown in COMMANDS if shown.words[:2] == ["python", "-m"]]
OPTION = re.compile(r"--[a-z][a-z0-9_-]*")


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
