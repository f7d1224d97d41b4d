# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The wheel by itself, away from the checkout: it holds what it needs, and its command works."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy of what git would ship, so that nothing lying around can slip in."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("the checkout is no git repository")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(out), "."]
    done = subprocess.run(build, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("promvil_hf-*.whl")
    return path


def test_the_wheel_holds_every_file_of_the_package_and_nothing_of_tests(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    inside = {path for path in (ROOT / "promvil_hf").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {path.relative_to(ROOT).as_posix() for path in inside} <= names  # modules, tasks, the toy bases' weights …
    assert "promvil_hf/py.typed" in names
    assert not {name for name in names if name.split("/")[0] in ("tests", "benchmarks", "recipes", "dataset_builders", "docs")}
    assert any(name.endswith("LICENSE") for name in names)


def test_the_installed_command_works_outside_the_checkout(wheel, tmp_path):
    """Installed without its dependencies into a folder of its own; those come from the present environment."""
    target = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)]
    assert subprocess.run(install, capture_output=True).returncode == 0
    environment = {**os.environ, "PYTHONPATH": str(target)}
    commands = (
        ["env", "--no-devices"], ["decompose", "the man wearing a jacket"], ["recipe", "list"],
        ["recipe", "copy", "kosmos2/lora", "mine.yaml"],
        ["recipe", "run", "kosmos2/smoke", "--max_steps", "2", "--rows", "toy:1", "--eval_strategy", "no"],
    )  # fmt: skip
    script = (
        "import sys, promvil_hf; print(promvil_hf.__file__); from promvil_hf.cli import main; "
        f"sys.exit(max(map(main, {commands!r})))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(target))
    assert (target / "bin" / "promvil").exists()
    assert (tmp_path / "mine.yaml").read_bytes() == (ROOT / "recipes" / "kosmos2" / "lora.yaml").read_bytes()
    assert "read back equal" in done.stdout and (tmp_path / "runs" / "kosmos2-smoke" / "adapter_model.safetensors").is_file()
