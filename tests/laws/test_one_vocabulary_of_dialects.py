# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The names of dialects and frames are written down once, in `promvil_hf/conventions.py`, in snake case."""

import ast
import re
from pathlib import Path

import pytest

from promvil_hf.conventions import DEFAULT_DIALECT, DEFAULT_FRAME, DIALECTS, FRAMES


TOP = Path(__file__).resolve().parents[2]
FOLDERS = ("promvil_hf", "recipes", "studies", "benchmarks", "evaluate_metrics")
NAMES = {*DIALECTS, *FRAMES}
ALSO_OTHER_THINGS = {"kosmos2", "pixels", "fractions"}  # a toy base, a word: count only as a dialect or frame
CLASSES = {type(value).__name__ for values in (DIALECTS, FRAMES) for value in values.values()}
CHOICE = re.compile(r"(--|\w+_)?(dialect|frame)")


def faults(source: str) -> list[str]:
    """Where a file writes the name of a dialect or frame, or keeps names for their classes."""
    found = set()
    if not any(word in source.replace("-", "_") for word in NAMES | CLASSES):
        return []  # most files; parsing them would take most of the time
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=str(text)) if text.replace("-", "_") in NAMES - ALSO_OTHER_THINGS:
                found.add((node.lineno, f"writes {text!r}"))
            case ast.keyword(arg=str(name), value=value) if CHOICE.fullmatch(name):
                found |= written(value)
            case ast.AnnAssign(target=ast.Name(id=name), value=value) if CHOICE.fullmatch(name):
                found |= written(value)
            case ast.Call(args=[ast.Constant(value=str(name)), *_], keywords=keywords) if CHOICE.fullmatch(name):
                found |= {fault for keyword in keywords if keyword.arg == "default" for fault in written(keyword.value)}
            case ast.arguments(args=plain, defaults=defaults, kwonlyargs=by_name, kw_defaults=of_names):
                pairs = [*zip(plain[len(plain) - len(defaults) :], defaults, strict=True), *zip(by_name, of_names, strict=True)]
                found |= {fault for arg, value in pairs if CHOICE.fullmatch(arg.arg) for fault in written(value)}
            case ast.Dict(keys=[ast.Constant(value=str()), *_], values=values):
                if {class_of(value) for value in values} & CLASSES:
                    found.add((node.lineno, "keeps names for dialects or frames"))
    return [f"line {line} {what}" for line, what in sorted(found)]


def written(node: ast.AST | None) -> set[tuple[int, str]]:
    named = isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.replace("-", "_") in NAMES
    return {(node.lineno, f"writes {node.value!r}")} if named else set()


def class_of(node: ast.AST) -> str | None:
    match node:
        case ast.Call(func=inner) | ast.Lambda(body=inner):
            return class_of(inner)
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Constant(value=str(name)):
            return name
    return None


def test_names_are_written_down_once():
    found = {}
    for path in (path for folder in FOLDERS for path in sorted((TOP / folder).rglob("*.py"))):
        name = path.relative_to(TOP).as_posix()
        if name != "promvil_hf/conventions.py" and (wrong := faults(path.read_text())):
            found[name] = wrong
    assert found == {}


def test_names_are_in_snake_case_and_the_defaults_are_among_them():
    assert all(re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", name) for name in NAMES)
    assert DEFAULT_DIALECT in DIALECTS
    assert DEFAULT_FRAME in FRAMES


@pytest.mark.parametrize(
    "source, says",
    [
        ("CHOICES = ['qwen-json']", "writes 'qwen-json'"),
        ("def f(frame='pixels'): pass", "writes 'pixels'"),
        ("def f(*, reference_frame='fractions'): pass", "writes 'fractions'"),
        ("settings = Settings(dialect='kosmos2')", "writes 'kosmos2'"),
        ("class Settings:\n    frame: str = 'fractions'", "writes 'fractions'"),
        ("add('--dialect', default='kosmos2')", "writes 'kosmos2'"),
        ("OWN = {'qwen': QwenJson()}", "keeps names for dialects or frames"),
        ("OWN = {'qwen': 'QwenJson', 'llava': 'LlavaBrackets'}", "keeps names for dialects or frames"),
    ],
)
def test_the_check_bites(source, says):
    assert any(fault.endswith(says) for fault in faults(source))


@pytest.mark.parametrize("source", ["BASES = ('kosmos2', 'llava')", "'Write it as qwen_json or pixels.'"])
def test_other_words_are_left_alone(source):
    assert faults(source) == []
