# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""An option means the same in every command that has it, and each guard is shown to bite."""

import argparse
from difflib import SequenceMatcher
from functools import cache

import pytest

from promvil_hf.commands import options
from promvil_hf.commands.parsers import CommandParser, loaded_parsers


OWN = {"-h", "--help", "--debug"}  # added by the parser itself, not by a command
OLD_NAMES = {"--base", "--served", "--data", "--image-root", "--human", "--writer-url", "--writer-model", "--checkpoint"}


def meaning(action: argparse.Action) -> tuple:
    """All of an option but its default and whether it is required, which a command may choose."""
    choices = action.choices and tuple(sorted(action.choices))
    return type(action), action.help, action.type, action.nargs, action.metavar, action.const, choices, action.dest


def faults(parsers: list[argparse.ArgumentParser]) -> list[str]:
    seen: dict[str, tuple[str, tuple]] = {}
    found = []
    for parser in parsers:
        for action in parser._actions:
            names = [name for name in action.option_strings if name not in OWN]
            if len(names) > 1:
                found.append(f"{parser.prog}: {' and '.join(names)} are two names of one option")
            for name in names:
                before, meant = seen.setdefault(name, (parser.prog, meaning(action)))
                if meant != meaning(action):
                    found.append(f"{name} of {parser.prog} differs from that of {before}")
                elif before != parser.prog and name not in options.OPTIONS:
                    found.append(f"{name} of {parser.prog} and {before} is not in OPTIONS")
                if name in OLD_NAMES:
                    found.append(f"{parser.prog}: {name} is an alias of a shared option")
                if name not in options.OPTIONS:
                    found += [f"{parser.prog}: {name} says what {shared} says" for shared in _alike(action.help or "")]
    return found


@cache  # the same commands are looked at time and again
def _alike(text: str) -> list[str]:
    return [
        name for name, shared in options.OPTIONS.items() if SequenceMatcher(None, text, shared["help"]).ratio() > 0.85
    ]


@pytest.fixture(scope="module")
def parsers():
    return list(loaded_parsers())


def test_an_option_means_the_same_in_every_command(parsers):
    assert len(parsers) > 12 and faults(parsers) == []


def test_a_shared_option_is_shared(parsers):
    count = {name: sum(name in parser._option_string_actions for parser in parsers) for name in options.OPTIONS}
    assert {name for name, uses in count.items() if uses < 2} == set()


@pytest.mark.parametrize(
    ("arguments", "settings", "fault"),
    [
        (("--images",), {"help": "pictures"}, "--images of mine differs"),
        (("--limit",), {**options.OPTIONS["--limit"], "type": int}, "--limit of mine differs"),
        (("--mode",), {**options.OPTIONS["--mode"], "choices": ("chains",)}, "--mode of mine differs"),
        (("--vg",), {}, "--vg of mine differs"),
        (("--base",), {}, "alias of a shared option"),
        (("--model", "--checkpoint-of-mine"), options.OPTIONS["--model"], "two names of one option"),
        (("--weights",), {"help": options.OPTIONS["--model"]["help"] + "."}, "--weights says what --model says"),
    ],
)
def test_the_check_bites(parsers, arguments, settings, fault):
    mine = CommandParser(prog="mine")
    mine.add_argument(*arguments, **settings)
    assert any(fault in found for found in faults([*parsers, mine]))


def test_an_option_of_two_commands_must_be_a_shared_one():
    both = [CommandParser(prog=prog) for prog in ("one", "two")]
    for parser in both:
        parser.add_argument("--colour", help="of the boxes")
    assert faults(both) == ["--colour of two and one is not in OPTIONS"]


def test_a_command_cannot_change_what_a_shared_option_means():
    with pytest.raises(TypeError, match="cannot change help of --model"):
        options.add(CommandParser(prog="mine"), "--model", help="another")
