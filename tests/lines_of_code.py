# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Count lines of code by folder, without blank lines, comments and docstrings: `python tests/lines_of_code.py`.

A file longer than `LONGEST` lines, everything counted, is an error.
"""

import ast
import io
import sys
import tokenize
from collections import Counter
from pathlib import Path


ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("promvil_hf", "recipes", "benchmarks", "studies")
LONGEST = 450
NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
}  # fmt: skip


def lines_of_code(source: str) -> int:
    """Lines that hold code. A docstring is a string that is the first statement of a module, class or function.

    >>> lines_of_code('"A docstring."\\n\\n# a comment\\nx = [\\n    1,\\n]\\n')
    3
    """
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            code.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                code -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(code)


def too_long(root: Path) -> list[str]:
    """Python files of the repository with more than `LONGEST` lines."""
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files(root)}
    return [f"{path.relative_to(root)} has {length} lines" for path, length in lengths.items() if length > LONGEST]


def python_files(root: Path) -> list[Path]:
    hidden = (".venv", "build", "dist", "runs")
    return [path for path in sorted(root.rglob("*.py")) if not {*path.relative_to(root).parts} & {*hidden}]


def main() -> int:
    counts: Counter[str] = Counter()
    for folder in FOLDERS:
        for path in python_files(ROOT / folder):
            parts = path.relative_to(ROOT).parts
            count = lines_of_code(path.read_text(encoding="utf-8"))
            counts[folder] += count
            if folder == "promvil_hf":
                counts[f"  {parts[1] if len(parts) > 2 else 'root'}"] += count
    rooms = sorted((name for name in counts if name.startswith(" ")), key=counts.__getitem__, reverse=True)
    for name in ("promvil_hf", *rooms, *FOLDERS[1:]):
        print(f"{name:<24}{counts[name]:>8,}")
    print(f"{'together':<24}{sum(counts[folder] for folder in FOLDERS):>8,}")
    faults = too_long(ROOT)
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
