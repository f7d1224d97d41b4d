# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The tree of commands, and a parser that imports the module of a command only when this command is called.

A command module has `HELP`, `add_arguments(parser)` and `run(args) -> int | None`; one that only prints may set
`ENDS_WITH_ITS_READER`, so that `| head` ends it. Options that several commands have are
defined in `promvil_hf.commands.options`.
"""

import argparse
from collections.abc import Iterator
from importlib import import_module
from shlex import join
from typing import NoReturn

from promvil_hf.spelling import did_you_mean, unknown_option


COMMANDS: dict[str, tuple[str, str | dict]] = {  # name: (what it does, module of promvil_hf.commands or its parts)
    "demo": ("run both methods on a toy world and write a page about it", "demo"),
    "fetch": ("download data sets of others, as the commands read them", "fetch"),
    "decompose": ("show the nested phrases of an expression, simple to complex", "decompose"),
    "build": (
        "build a dataset: CompoVL or FiVL-Instruct",
        {
            "compovl": ("nested phrases with boxes from Visual Genome", "build_compovl"),
            "fivl": ("questions and answers with key expressions and masks", "build_fivl"),
        },
    ),
    "inspect": (
        "judge a sample of a built dataset by eye",
        {
            "compovl": ("chains drawn level by level on their images", "inspect_compovl"),
            "fivl": ("key expressions with their masks", "inspect_fivl"),
        },
    ),
    "convert": ("convert boxes between formats, and look at some of them", "convert"),
    "assemble": ("put a LLaVA together from a vision tower and a language model", "assemble"),
    "recipe": ("list, copy and run the training recipes", "recipe"),
    "evaluate": ("evaluate a model or a file of answers, or compare two reports", "evaluate"),
    "twins": ("hide the thing that a question is about, in its picture", "twins"),
    "reliance": ("measure the accuracy lost when the named thing is hidden", "reliance"),
    "explain": ("show what a model looked at, or draw the atlas of its heads", "explain"),
    "reproduce": ("run the commands behind a table or claim of the papers", "reproduce"),
    "results": ("gather results on public weights, and put them on their page", "results"),
    "publish": ("put a data set, adapter, atlas or report on the Hub", "publish"),
    "judge": ("let a model judge a sample of FiVL-Instruct", "judge"),
    "ground": ("ground an expression in a picture, its simple parts first", "ground"),
    "explore": ("look through saved explanations in a browser", "explore"),
    "env": ("print versions and devices for a bug report", "env"),
}


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Descriptions as they are written, and the default of each option that has one."""

    def __init__(self, prog: str):
        super().__init__(prog)
        self._action_max_length = 13  # argparse leaves two columns too few for the names of commands

    def _get_help_string(self, action: argparse.Action) -> str:
        return help_with_default(action).replace("%", "%%")


def help_with_default(action: argparse.Action) -> str:
    """The help text of an option or argument with its default."""
    text, default = (action.help or "") % {"default": action.default}, action.default
    if "default:" in text or default is None or default is False or default in ([], argparse.SUPPRESS):
        return text
    return f"{text} (default: {join(map(str, default)) if isinstance(default, list) else default})".lstrip()


class CommandParser(argparse.ArgumentParser):
    """A parser that takes its options from a command module at its first use, and names the words close to a wrong one."""

    def __init__(self, *args, module: str | None = None, **settings):
        super().__init__(*args, allow_abbrev=False, formatter_class=HelpFormatter, **settings)
        self._module = module

    def load(self) -> "CommandParser":
        if self._module is not None:
            module, self._module = import_module(f"promvil_hf.commands.{self._module}"), None
            self.description = module.HELP.strip()
            self.add_argument("--debug", action="store_true", help="show the traceback of an error")
            module.add_arguments(self)
            self.set_defaults(run=module.run, ends_with_its_reader=getattr(module, "ENDS_WITH_ITS_READER", False))
        return self

    def parse_known_args(self, args=None, namespace=None):
        self.load()
        for action in self._actions:
            if args == [] and action.required and action.nargs == argparse.PARSER:
                self.error(f"the following arguments are required: {action.metavar} (choose from {', '.join(action.choices)})")
        if not any(action.nargs in (argparse.PARSER, argparse.REMAINDER) for action in self._actions):
            # Before argparse misses the option that was meant.
            if wrong := unknown_option(args or (), self._option_string_actions, f"{self.prog} --help"):
                self.error(wrong)
        found, left = super().parse_known_args(args, namespace)
        if left:
            self.error(f"unrecognized arguments: {' '.join(left)}")
        return found, left

    def _check_value(self, action, value):
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            if hint := did_you_mean(str(value), map(str, action.choices)):
                raise argparse.ArgumentError(action, f"{error.message}. {hint}") from None
            raise

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def command_parser(**settings) -> CommandParser:
    """The parser of `promvil`."""
    parser = CommandParser(prog="promvil", **settings)
    _add_commands(parser, COMMANDS, "commands", dest="command", metavar="COMMAND")
    return parser


def _add_commands(parser: argparse.ArgumentParser, commands: dict, title: str, **settings) -> None:
    parsers = parser.add_subparsers(title=title, **settings)
    for name, (about, inside) in commands.items():
        if isinstance(inside, str):
            parsers.add_parser(name, help=about, module=inside)
        else:
            group = parsers.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
            _add_commands(group, inside, "datasets", dest="dataset", metavar="DATASET", required=True)


def loaded_parsers(commands: dict = COMMANDS, before: str = "promvil") -> Iterator[CommandParser]:
    """The parser of each command, its module imported; of `promvil build` and its like those of the parts."""
    for name, (_, inside) in commands.items():
        if isinstance(inside, str):
            yield CommandParser(prog=f"{before} {name}", module=inside).load()
        else:
            yield from loaded_parsers(inside, f"{before} {name}")
