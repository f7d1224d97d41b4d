# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What laws about the code share: the modules of the repository, and which names a module imports, calls and mentions."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path


TOP = Path(__file__).resolve().parents[2]
EVERYWHERE = ("promvil_hf", "recipes", "benchmarks", "studies", "evaluate_metrics", "dataset_builders")


def modules(*folders: str) -> Iterator[tuple[str, str]]:
    """(path from the top, source) of every module in these folders; in all of them by default."""
    for folder in folders or EVERYWHERE:
        for path in sorted((TOP / folder).rglob("*.py")):
            yield path.relative_to(TOP).as_posix(), path.read_text(encoding="utf-8")


@cache
def parsed(source: str) -> list[ast.AST]:
    """All nodes of a module, which every law looks through."""
    return list(ast.walk(ast.parse(source)))


def names_of(nodes: Iterable[ast.AST]) -> dict[str, str]:
    """The name that each imported thing has in a module -> what it is: {"Image": "PIL.Image"}."""
    names = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = alias.name if alias.asname else alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def used(source: str) -> Iterator[tuple[int, str]]:
    """(line, full name) of each imported thing that a module imports from elsewhere or reaches by dots: `PIL.Image.open`."""
    names = names_of(parsed(source))
    for node in parsed(source):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Attribute):
            parts, inner = [node.attr], node.value
            while isinstance(inner, ast.Attribute):
                parts.append(inner.attr)
                inner = inner.value
            if isinstance(inner, ast.Name) and inner.id in names:
                yield node.lineno, ".".join([names[inner.id], *reversed(parts)])


def says(source: str, *words: str) -> bool:
    """Whether one of these words stands in a module. Looking for it is faster than parsing, which most modules do not need."""
    return any(word in source for word in words)


def methods(source: str) -> Iterator[tuple[int, str, ast.Call]]:
    """(line, name, call) of each call of a method or of a function reached by a dot."""
    for node in parsed(source):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.lineno, node.func.attr, node


def texts(source: str) -> Iterator[tuple[int, str]]:
    """(line, text) of each text that is written down as such."""
    for node in parsed(source):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
