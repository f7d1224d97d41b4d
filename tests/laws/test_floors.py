# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Imports only go down, floors 0 and 1 never load torch, and each guard is shown to bite."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest


PACKAGE = Path(__file__).resolve().parents[2] / "promvil_hf"
FLOORS = {  # the longest prefix counts
    0: ("boxes", "frames", "inflection", "key_expressions", "markup", "phrases"),
    1: ("conventions", "dialects", "nesting", "masks", "metrics"),
    2: ("data", "toy", "pages", "jobs", "endpoint"),
    3: ("backends", "collators", "curriculum", "losses", "vision_labels", "annotators", "toy.models"),
    4: ("trainers", "inference", "explain"),
    5: ("toy.base_training", "cli", "commands", "hub", "evaluation", "models", "report", "rewards", "tasks", "__main__"),
}
ALLOWED_OUTSIDE = {  # floors above 1 are held by the import test instead
    0: set(),
    1: {"numpy", "scipy", "nltk", "pycocotools"},
}


def floor(module: str) -> int | None:
    """The floor of `promvil_hf.<module>`; None for the package itself, which every floor may touch."""
    best = max(
        ((name, level) for level, names in FLOORS.items() for name in names if f"{module}.".startswith(f"{name}.")),
        key=lambda found: len(found[0]),
        default=None,
    )
    if best is None and module:
        raise LookupError(f"promvil_hf.{module} stands on no floor: add it to FLOORS in {Path(__file__).name}")
    return best and best[1]


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
            raise AssertionError("a relative import hides which floor it reaches for: write it in full")
    return names


def faults(module: str, source: str) -> list[str]:
    own = floor(module)
    found = []
    for name in imported(source):
        top, _, rest = name.partition(".")
        if top == "promvil_hf":
            if not rest or rest.startswith("__version__"):
                continue
            try:
                target = floor(rest)
            except LookupError:
                target = None  # a public name of the package: `from promvil_hf import Box`
            if target is not None and own is not None and target > own:
                found.append(f"{module} (floor {own}) imports {rest} (floor {target})")
        elif own in ALLOWED_OUTSIDE and top not in ALLOWED_OUTSIDE[own] and top not in sys.stdlib_module_names:
            found.append(f"{module} (floor {own}) imports {top}")
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
    ],
)
def test_the_floor_check_bites(module, source):
    assert len(faults(module, source)) == 1


def test_a_module_on_no_floor_is_noticed():
    with pytest.raises(LookupError, match="stands on no floor"):
        floor("helpers")


HEAVY = ("torch", "transformers", "datasets", "peft", "trl", "evaluate", "accelerate", "pandas", "huggingface_hub")


def loaded_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()} & {*HEAVY, "numpy", "nltk", "PIL", "pydantic"}


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_by("import promvil_hf, promvil_hf.cli") == set()


def test_floors_0_and_1_load_no_torch_and_no_hub():
    names = [f"promvil_hf.{module}" for module, _ in modules() if module and floor(module) <= 1]
    assert len(names) > 10
    assert not loaded_by("import " + ", ".join(names)) & set(HEAVY)


def test_the_import_check_bites():
    assert "torch" in loaded_by("import torch")


def test_every_public_name_resolves_and_is_listed():
    import promvil_hf

    assert [name for name in promvil_hf.__all__ if not hasattr(promvil_hf, name)] == []
    assert set(dir(promvil_hf)) == set(promvil_hf.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Boxx'"):
        promvil_hf.Boxx  # noqa: B018
