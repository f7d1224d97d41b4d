# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The wheel by itself, away from the checkout: it holds what it needs, and its command works."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests import forks


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
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"  # which is what pip calls
    done = forks.run(["-c", build, out], out, cwd=source)
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


def installed(wheel, tmp_path):
    """Where it is installed, and the environment of a process that takes it from there."""
    target = tmp_path / "site"
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--target", target, wheel]
    done = forks.run(install, tmp_path)
    assert done.returncode == 0, done.stderr
    return target, {**os.environ, "PYTHONPATH": str(target)}


OF_THE_WHEEL = """
import json, sys

for name in [name for name in sys.modules if name.split(".")[0] == "promvil_hf"]:
    del sys.modules[name]  # the checkout's
from promvil_hf.cli import main

code = max(map(main, json.loads(sys.argv[2])))
files = [module.__file__ for name, module in sys.modules.items() if name.split(".")[0] == "promvil_hf"]
assert len(files) > 50 and all(file.startswith(sys.argv[1]) for file in files), files
sys.exit(code)
"""


def test_the_installed_command_works_outside_the_checkout(wheel, tmp_path):
    """Installed without its dependencies into a folder of its own; those come from the present environment."""
    target, environment = installed(wheel, tmp_path)
    commands = (
        ["env", "--no-devices"], ["decompose", "the man wearing a jacket"], ["recipe", "list"],
        ["recipe", "copy", "kosmos2/lora", "mine.yaml"],
        ["recipe", "run", "kosmos2/smoke", "--max_steps", "2", "--rows", "toy:1", "--eval_strategy", "no"],
    )  # fmt: skip
    done = forks.run(["-c", OF_THE_WHEEL, target, json.dumps(commands)], tmp_path, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert (target / "bin" / "promvil").exists()
    assert (tmp_path / "mine.yaml").read_bytes() == (ROOT / "recipes" / "kosmos2" / "lora.yaml").read_bytes()
    assert "read back equal" in done.stdout and (tmp_path / "runs" / "kosmos2-smoke" / "adapter_model.safetensors").is_file()


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("size", [["--quick"], []], ids=["quick", "as shown"])
def test_the_demo_of_the_wheel_gives_the_figures_of_a_clone(wheel, tmp_path, size):
    """`python -m pytest -m slow tests/packaging/test_wheel.py`: a minute each for the quick demos, several for the whole ones."""
    target, environment = installed(wheel, tmp_path)
    script = "import sys, promvil_hf; print(promvil_hf.__file__); from promvil_hf.cli import main; sys.exit(main(sys.argv[1:]))"
    found = {}
    for name, cwd, variables in (("wheel", tmp_path, environment), ("clone", ROOT, dict(os.environ))):
        out = tmp_path / name
        command = [sys.executable, "-c", script, "demo", *size, "--out", str(out)]
        done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(str(target if name == "wheel" else ROOT))
        found[name] = figures(out, target if name == "wheel" else ROOT)
    assert found["wheel"] == found["clone"] and len(found["wheel"]) >= 7


def figures(out, package):
    """What each chapter measured, and the rows that were scored. Left out are seconds and places on this machine."""
    found = {}
    for path in sorted([*out.glob("chapters/*.json"), *out.glob("reliance/*/reliance.json"), *out.glob("atlas/*/atlas.json")]):
        text = path.read_text(encoding="utf-8").replace(str(out), "OUT").replace(str(package), "PACKAGE")
        record = {name: value for name, value in json.loads(text).items() if name not in ("seconds", "cpu_seconds")}
        found[path.relative_to(out).as_posix()] = record
    return found
