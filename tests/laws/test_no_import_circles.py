# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""No module of the package reaches itself through imports, those inside functions and under TYPE_CHECKING included."""

import ast
from collections.abc import Iterator, Mapping, Set
from pathlib import Path


PACKAGE = Path(__file__).resolve().parents[2] / "promvil_hf"


def sources(package: Path = PACKAGE) -> dict[str, str]:
    """Module name -> source; a package goes by its own name."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text()
    return found


def reached(source: str, modules: Set[str]) -> Iterator[str]:
    """The modules that this source imports, wherever in the file; of `from a import b` it is `a.b` where there is one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield from [inner] if inner in modules else [node.module] if node.module in modules else []


def circles(sources: Mapping[str, str]) -> list[list[str]]:
    """One circle for each import that closes one: the modules on the way, in order."""
    graph = {name: sorted(set(reached(source, sources.keys())) - {name}) for name, source in sources.items()}
    done: set[str] = set()
    found: list[list[str]] = []

    def walk(name: str, way: list[str]) -> None:
        if name in way:
            found.append(way[way.index(name) :])
        elif name not in done:
            for other in graph[name]:
                walk(other, [*way, name])
            done.add(name)

    for name in graph:
        walk(name, [])
    return found


def test_no_module_reaches_itself():
    assert circles(sources()) == []


def test_a_circle_is_found_wherever_its_imports_stand():
    written = {
        "p": "",
        "p.a": "from p import b",
        "p.b": "def f():\n    from p.c import thing",
        "p.c": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import p.a",
        "p.d": "from p.a import thing",
    }
    assert circles(written) == [["p.a", "p.b", "p.c"]]
    assert circles(written | {"p.c": ""}) == []
