# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`python -m promvil_hf.commands.reference > docs/commands.md` writes the page of all commands and options."""

import argparse
from collections.abc import Iterator

from promvil_hf.commands.parsers import CommandParser, help_with_default, loaded_parsers


START = """# Commands

<!-- `python -m promvil_hf.commands.reference > docs/commands.md` writes this page from the parsers. Do not edit it. -->

An option means the same in every command that has it. `--debug` shows the traceback of an error and belongs to all of
them. The options of training are those of its recipes and of `transformers.TrainingArguments`: `promvil recipe run
kosmos2/lora --help` and `promvil recipe run llava/lora --help` list them.
"""


def reference() -> str:
    """The page, the same on every machine and terminal."""
    return "\n".join([START, *(line for parser in loaded_parsers() for line in _section(parser))])


def _section(parser: CommandParser) -> Iterator[str]:
    yield f"## {parser.prog}\n"
    yield f"```text\n{parser.description}\n```\n"
    for group in parser._action_groups:
        rows = [row for action in group._group_actions for row in _rows(action)]
        if rows:
            name = {"options": "option", "positional arguments": "argument"}.get(group.title, group.title)
            yield f"| {name} | |\n| --- | --- |"
            yield "\n".join(rows) + "\n"


def _rows(action: argparse.Action) -> Iterator[str]:
    if isinstance(action, argparse._SubParsersAction):
        for choice in action._choices_actions:
            yield f"| `{choice.dest}` | {_cell(choice.help)} |"
    elif action.dest not in ("help", "debug"):
        names = ", ".join(action.option_strings)
        value = "" if action.nargs == 0 else _value(action)
        yield f"| `{_cell(f'{names} {value}'.strip())}` | {_cell(help_with_default(action))} |"


def _value(action: argparse.Action) -> str:
    """What follows an option, as in a usage line."""
    if isinstance(action.metavar, tuple):
        return " ".join(action.metavar)
    value = action.metavar or ("{" + ",".join(action.choices) + "}" if action.choices else action.dest.upper())
    value = value if action.option_strings or action.metavar else action.dest
    return {"+": f"{value} ...", "*": f"[{value} ...]", "?": f"[{value}]"}.get(action.nargs, value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    print(reference(), end="")
