# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Every file, test, function and recipe key that docs/paper_index.md names is there."""

import re
from pathlib import Path

import pytest


ROOT = Path(__file__).resolve().parents[2]
TOPS = "promvil_hf|tests|recipes|docs|benchmarks|studies|dataset_builders|evaluate_metrics"
NAMED = re.compile(rf"`((?:(?:{TOPS})/[\w./-]+|[A-Z_]+\.md)(?:::\w+)?)`")
HEADS = ("| in the paper", "| paper's code", "| published script", "| claim |")
INDEX = (ROOT / "docs" / "paper_index.md").read_text(encoding="utf-8")


def missing(named: str, root: Path = ROOT) -> str:
    """What of `path` or `path::name` is not there; empty where all of it is."""
    place, _, name = named.partition("::")
    path = root / place
    if not path.exists():
        return f"there is no {place}"
    if not name:
        return ""
    text = path.read_text(encoding="utf-8")
    how = rf"^{name}:" if path.suffix == ".yaml" else rf"^\s*(?:def |class ){name}\b|^\s*{name}\b\s*(?::[^=\n]+)?="
    return "" if re.search(how, text, re.MULTILINE) else f"{place} has no {name}"


@pytest.mark.parametrize("named", sorted(set(NAMED.findall(INDEX))))
def test_what_the_index_names_is_there(named):
    assert missing(named) == ""


def test_the_index_names_much_and_every_table_row_says_where():
    assert len(set(NAMED.findall(INDEX))) > 100
    rows = [line for line in INDEX.splitlines() if line.startswith("|") and not line.startswith(("|---", *HEADS))]
    silent = [
        row for row in rows
        if not NAMED.search(row) and "not reproduced" not in row and "study" not in row and "promvil " not in row
        and "no field of ours" not in row
    ]  # fmt: skip
    assert silent == []


def test_a_wrong_name_is_noticed(tmp_path):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "a.yaml").write_text("seed: 1\n# lr: 2\n", encoding="utf-8")
    (tmp_path / "a.py").write_text("def here():\n    thing = 1\n\n\nfield: float = 2\n", encoding="utf-8")
    assert (
        missing("recipes/a.yaml::seed", tmp_path)
        == missing("a.py::here", tmp_path)
        == missing("a.py::field", tmp_path)
        == ""
    )
    assert missing("recipes/a.yaml::lr", tmp_path) == "recipes/a.yaml has no lr"
    assert missing("a.py::her", tmp_path) == "a.py has no her"
    assert missing("b.py", tmp_path) == "there is no b.py"
