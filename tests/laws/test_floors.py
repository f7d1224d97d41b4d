# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Imports only go down, the lowest rooms never load torch, and each guard is shown to bite."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest


PACKAGE = Path(__file__).resolve().parents[2] / "promvil_hf"
ROOMS = {  # from the ground up; a module belongs to the room with the longest matching prefix
    "values": ("boxes", "frames", "inflection", "key_expressions", "markup", "phrases"),
    "text and numbers": ("dialects", "nesting", "masks", "metrics", "conventions"),
    "services": (
        "after_import", "distributed", "environment", "files", "folder_lock", "hub_names", "images", "job_files", "job_terms",
        "jobs", "kept_results", "json_documents", "progress", "publishing", "json_records", "json_scanning",
        "shown_text", "spelling", "unread", "worker_processes",
    ),  # fmt: skip
    "formats": ("box_formats",),
    "servers": ("endpoint",),
    "data of others": ("fetching",),
    "pages": ("pages",),
    "toy": ("toy",),
    "backends": ("backends", "toy.models"),
    "assembling": ("assembling",),
    "compovl": ("compovl",),
    "benchmarks": ("evaluation.benchmarks",),
    "fivl": ("fivl",),
    "grounding": ("grounding",),
    "explain": ("explain",),
    "evaluation": ("evaluation",),
    "training": ("training",),
    "papers": ("reproducing",),
    "harnesses": ("rewards", "tasks", "models"),
    "commands": ("commands",),
    "command line": ("cli", "__main__"),
}
ALLOWED_OUTSIDE = {  # beside the standard library; other rooms are held by the import test instead
    "values": set(),
    "text and numbers": {"numpy", "scipy", "nltk", "pycocotools"},  # spaCy comes by name, when its tagger is asked for
}


def room(module: str) -> str | None:
    """The room of `promvil_hf.<module>`; None for the package itself, which every room may touch."""
    best = max(
        ((prefix, name) for name, prefixes in ROOMS.items() for prefix in prefixes if f"{module}.".startswith(f"{prefix}.")),
        key=lambda found: len(found[0]),
        default=None,
    )
    if best is None and module:
        raise LookupError(f"promvil_hf.{module} stands in no room: add it to ROOMS in {Path(__file__).name}")
    return best and best[1]


def level(name: str) -> int:
    return list(ROOMS).index(name)


def test_the_architecture_page_lists_the_rooms_in_this_order():
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:3] for line in page.splitlines() if line.count("|") == 4][2:]
    listed = [(name.strip(), {word.strip("`/").replace("/", ".") for word in modules.split()}) for name, modules in rows]
    assert listed == [(name, {*modules} - {"__main__"}) for name, modules in reversed(ROOMS.items())]


def imported(source: str) -> list[str]:
    """Every module a file imports, wherever in the file it does so."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names += [
                f"{node.module}.{alias.name}" if node.module == "promvil_hf" else node.module for alias in node.names
            ]
        elif isinstance(node, ast.ImportFrom):
            raise AssertionError("a relative import hides which room it reaches for: write it in full")
    return names


def faults(module: str, source: str) -> list[str]:
    own_room = room(module)
    found = []
    for name in imported(source):
        top, _, rest = name.partition(".")
        if top == "promvil_hf":
            if not rest or rest.startswith("__version__"):
                continue
            try:
                target = room(rest)
            except LookupError:
                target = None  # a public name of the package: `from promvil_hf import Box`
            if target is not None and own_room is not None and level(target) > level(own_room):
                found.append(f"{module} (room {own_room!r}) imports {rest} (room {target!r})")
        elif own_room in ALLOWED_OUTSIDE and top not in ALLOWED_OUTSIDE[own_room] and top not in sys.stdlib_module_names:
            found.append(f"{module} (room {own_room!r}) imports {top}")
    return found


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def test_imports_only_go_down():
    assert [fault for module, path in modules() for fault in faults(module, path.read_text()) if module] == []


@pytest.mark.parametrize(
    "module, source",
    [
        ("boxes", "from promvil_hf.dialects import Kosmos2"),
        ("boxes", "import numpy"),
        ("masks", "def f():\n    import torch"),
        ("metrics.grounding", "from promvil_hf.toy.world import scenes"),
        ("toy.world", "from promvil_hf.toy.models import tiny_kosmos2"),
        ("jobs", "from promvil_hf import commands"),
        ("commands.build_fivl", "def f():\n    from promvil_hf.cli import main"),
    ],
)
def test_the_room_check_bites(module, source):
    assert len(faults(module, source)) == 1


def test_a_module_in_no_room_is_noticed():
    with pytest.raises(LookupError, match="stands in no room"):
        room("helpers")


HEAVY = ("torch", "transformers", "datasets", "peft", "trl", "evaluate", "accelerate", "pandas", "huggingface_hub", "spacy")


def loaded_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()} & {*HEAVY, "numpy", "nltk", "PIL", "pydantic"}


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_by("import promvil_hf, promvil_hf.cli") == set()


def test_the_lowest_rooms_load_no_torch_and_no_hub():
    names = [f"promvil_hf.{module}" for module, _ in modules() if module and room(module) in ALLOWED_OUTSIDE]
    assert len(names) > 10
    assert not loaded_by("import " + ", ".join(names)) & set(HEAVY)


def test_the_import_check_bites():
    assert "huggingface_hub" in loaded_by("import huggingface_hub")


def test_every_public_name_resolves_and_is_listed():
    import promvil_hf

    assert [name for name in promvil_hf.__all__ if not hasattr(promvil_hf, name)] == []
    assert set(dir(promvil_hf)) == set(promvil_hf.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Boxx'"):
        promvil_hf.Boxx  # noqa: B018
