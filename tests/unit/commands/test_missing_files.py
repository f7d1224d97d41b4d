# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Every command that is given a file that is not there says so, in a sentence, before a model or a server is asked."""

import shlex

import pytest

from promvil_hf import cli
from promvil_hf.commands.parsers import COMMANDS


SERVER = "--base-url http://127.0.0.1:9/v1 --served-model x"
CALLS = {  # "gone" is never there; "here" is an empty folder; "one.png" is a picture
    "build compovl": (
        "--vg gone --out out",
        "--vg here --out out --exclude-coco gone",
        "--vg here --out out --exclude-vg gone",
        "--vg gone --out out --region-pairs",
        f"--vg gone --out out {SERVER}",
    ),
    "build fivl": tuple(
        f"--source {source} --files gone --images here --out out" for source in ("llava", "captions", "gqa", "pope")
    ),
    "inspect compovl": ("--rows gone", "--rows ./a/gone.parquet", "--verdicts gone"),
    "inspect fivl": ("--rows gone --images here", "--verdicts gone"),
    "convert": ("gone out --from coco --to swift",),
    "recipe": ("run gone", "copy gone out", "path gone"),
    "evaluate": (
        "--compare gone gone",
        "--benchmark pope --files gone --predictions gone",
        "--benchmark pope --files pope.json --predictions gone",
        "--benchmark pope --files pope.json --model gone --images here",
        "--benchmark pope --files pope.json --model toy:llava --adapter gone --images here",
        "--benchmark pope --files pope.json --predictions pope.json --compare gone",
        "--benchmark gqa --files gone --choices gone --predictions gone",
        "--benchmark promvil_lines --files gone --labelled pope gone --predictions gone",
        "--benchmark refcoco --split val --files gone --predictions gone",
        "--benchmark vsr --files gone --predictions gone",
        "--benchmark pope --files pope.json --predictions pope.json --blind-predictions gone",
        "--benchmark pope --files pope.json --model toy:llava --images here --blind-predictions gone",
        "--benchmark pope --files pope.json --model toy:llava --images here --ids gone",
    ),
    "twins": (
        "--benchmark pope --files gone --images here",
        "--benchmark pope --files pope.json --images gone",
        "--benchmark pope --files pope.json --images . --ids gone",
        "--benchmark pope --files pope.json --images . --regions gone",
        "--benchmark pope --files pope.json --images . --regions ground --model gone",
        "--rows gone --images here",
        "--verdicts gone",
    ),
    "reliance": (
        "--rows gone --images here --model toy:llava",
        "--rows gone --images here --predictions gone",
        "--twins gone --model toy:llava",
        "--compare gone gone",
    ),
    "explain": (
        "gone what --model toy:llava",
        "one.png what --model gone",
        "one.png what --model toy:llava --atlas gone",
        "--rows gone --images here --model toy:llava",
    ),
    "judge": (f"--rows gone --images here --out out {SERVER}",),
    "ground": (
        "gone the-cat --model toy:kosmos2",
        "one.png the-cat --model gone",
        "--queries gone --out out --model toy:kosmos2",
    ),
    "explore": ("gone --images here",),
    "reproduce": ("promvil-compovl --fetched gone --out out",),
    "assemble": ("--vision gone --language ./gone --out out",),
    "results": ("collect gone", "add gone"),
    "publish": tuple(f"{what} gone YOU/x --dry-run" for what in ("compovl", "fivl", "adapter", "atlas", "report")),
}
WITHOUT_FILES = {"demo", "decompose", "env", "fetch"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "one.png")
    (tmp_path / "pope.json").write_text('{"question_id": 1, "image": "one.png", "text": "Is it?", "label": "yes"}\n')


@pytest.fixture
def nothing_loads(monkeypatch):
    """Loading weights or asking a server is what a missing file must come before."""
    import transformers

    from promvil_hf.endpoint import Endpoint

    def loaded(*args, **kwargs):
        raise AssertionError("a model was loaded, or a server asked, before the missing file was reported")

    monkeypatch.setattr(transformers.AutoModelForImageTextToText, "from_pretrained", loaded)
    monkeypatch.setattr(Endpoint, "ask", loaded)


def test_every_command_is_asked():
    named = {
        f"{name} {part}" if isinstance(inside, dict) else name
        for name, (_, inside) in COMMANDS.items()
        for part in (inside if isinstance(inside, dict) else [""])
    }
    assert named == {*CALLS, *WITHOUT_FILES}


@pytest.mark.parametrize("call", [f"{command} {given}" for command, calls in CALLS.items() for given in calls])
def test_a_missing_file_is_a_sentence_that_names_it(call, folder, nothing_loads, capsys):
    try:
        status = cli.main(shlex.split(call))
    except SystemExit as stopped:
        status = stopped.code
    errors = capsys.readouterr().err
    assert status not in (0, None) and "Traceback" not in errors and "[Errno" not in errors
    assert "gone" in errors or "here has no" in errors
