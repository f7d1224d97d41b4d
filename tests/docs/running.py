# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A shown command as it is run on the stand-ins: in this process, by one process, with what the page left out filled in."""

import glob
import io
import re
import runpy
import shlex
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from shutil import rmtree
from unittest.mock import patch

from promvil_hf.cli import main
from tests.docs.shown_commands import Shown
from tests.docs.stand_ins import FEW_TURNS, POPE


REFCOCOG = "--benchmark refcocog --files refcocog/ --split test --images train2014"
LEFT_OUT = {  # what "..." and "…" stand for, by the command and a word of the rest
    ("build fivl", ""): "--source llava --files mix665k.json --images images --out fivl",
    ("evaluate", ""): f"{REFCOCOG} --model MODEL",
    ("evaluate", "--blind-too"): POPE,
    ("evaluate", "--predictions"): POPE,
    ("evaluate", "--detector"): REFCOCOG,
    ("reliance", ""): "--twins twins --model MODEL --out runs/again",
    ("judge", ""): "--rows fivl --config instruct --images images --out judged --base-url URL --served-model NAME",
}
SERVERS = re.compile(r"http://localhost:8000/v1|https://api\.openai\.com/v1|\bURL\b")
LAUNCHER = re.compile(r"^(?:torchrun|accelerate launch) .*?(?:-m promvil_hf|recipes/build_fivl.py) ")
SCRIPT = re.compile(r"^accelerate launch .*?(?:recipes/|recipe path )train_\w+\.py\)? --config (?:recipes/)?(\S+)(.*)$")
GOES_ON = ("--stage masks", "--stage rows")
NO_BOX = 1  # what `promvil ground` ends with where a model answers none, as it is free to


def stood_in(shown: Shown, server: str) -> str:
    """The command that is run: of several processes one, of a training its plan, of a server one on this machine."""
    text = SERVERS.sub(server, shown.text)
    if script := SCRIPT.match(text):
        text = f"promvil recipe run {script[1]}{script[2]}"
    else:
        text = LAUNCHER.sub("promvil build fivl " if "build_fivl.py" in text else "promvil ", text)
        text = text.replace("python -m promvil_hf ", "promvil ")
    if text.startswith("promvil recipe run"):
        text += " --dry-run" * ("--dry-run" not in text)
    if text.startswith("promvil build compovl --vg") and "--dry-run" not in text:
        text += " --test-share 0.2 --validation-share 0.2"  # of few images the usual shares are none
    text = re.sub(r"(-m promvil_hf\.toy.*--scenes) \d+", r"\1 6", text)
    if text.startswith("promvil ground") and not re.search("--(detector|base-url|model)", text):
        text += " --model MODEL"  # else Kosmos-2 is downloaded
    if text.startswith("promvil reliance --twins") and text.endswith("--predictions answers.jsonl --out runs/mine"):
        text = text.replace("answers.jsonl", "twin_answers.jsonl")
    text = SERVERS.sub(server, completed(text))
    asks = text.startswith(("promvil reliance --twins", "promvil evaluate")) and "--model" in text
    return text + " --limit 3" * (asks and "negatives" not in text)  # a negative belongs to its chain


def completed(text: str) -> str:
    """With what the page leaves out."""
    if "--compare" in text:
        text = re.sub(r" (?:\w+=…|\.\.\.)(?= --)", "", text)
    if text.startswith("promvil evaluate …"):
        text = text.replace("…", "...")
    if re.search(r" (?:\.\.\.|(?<!--model )…)(?: |$)", re.sub(r"--model (?:\.\.\.|…)", "", text)):
        fitting = [LEFT_OUT[name, word] for name, word in LEFT_OUT if text.startswith(f"promvil {name} ") and word in text]
        text = re.sub(r"(?<!--model) (?:\.\.\.|…)(?= |$)", f" {fitting[-1]}", text, count=1)
    if text.startswith("promvil explain"):
        text = text.replace("--heads 14.11 10.6", "--heads 1.1 0.2") + f" {FEW_TURNS}" * ("--rows" in text)
        return re.sub(r"--model (?:\.\.\.|…|MODEL)", "--model toy:llava", text)
    return re.sub(r"--model (?:\.\.\.|…)", "--model MODEL", text)


def run(command: str) -> tuple[int, str]:
    """Its exit status and what it said."""
    said, words = io.StringIO(), shlex.split(command)
    given = sys.stdin
    if "<" in words:
        given = io.StringIO(Path(words[-1]).read_text(encoding="utf-8"))
        words = words[:-2]
    words = [found for word in words for found in (sorted(glob.glob(word)) if "*" in word else [word])]
    clear(words)
    with redirect_stdout(said), redirect_stderr(said), patch.object(sys, "stdin", given):
        try:
            if words[0] == "promvil":
                status = main(words[1:])
            else:  # python -m
                with patch.object(sys, "argv", [words[2], *words[3:]]):
                    status = runpy.run_module(words[2], run_name="__main__", alter_sys=False) and 0
        except SystemExit as end:  # --help
            status = end.code
    return status or 0, said.getvalue()


def clear(words: list[str]) -> None:
    """Commands of a page that write the same folder are alternatives: each begins with none. Stages follow each other."""
    if "--out" in words and not any(stage in " ".join(words) for stage in GOES_ON):
        out = Path(words[1 + words.index("--out")])
        out.unlink() if out.is_symlink() else rmtree(out, ignore_errors=True)
