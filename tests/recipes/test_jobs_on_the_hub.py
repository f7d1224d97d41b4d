# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Scripts for Hugging Face Jobs and Slurm: what `hf jobs uv run` reads of them, and the command that they call."""

import re
import runpy
import shlex
from pathlib import Path

import pytest
from huggingface_hub.cli._uv_script_header import parse_uv_script_header

from promvil_hf.commands.parsers import command_parser


JOBS = Path(__file__).resolve().parents[2] / "recipes" / "jobs"
SCRIPTS = sorted(JOBS.glob("*.py"))
DEFAULT_MINUTES = 30  # what the Hub gives a job whose time-out nobody sets
MINUTES = {"m": 1, "h": 60, "d": 24 * 60}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_hub_reads_hardware_and_a_time_out_above_its_default(script):
    header = parse_uv_script_header(script.read_text())
    number, unit = re.fullmatch(r"(\d+)([mhd])", header.timeout).groups()
    assert int(number) * MINUTES[unit] > DEFAULT_MINUTES and header.flavor


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_line_in_its_docstring_calls_a_command_that_exists(script, monkeypatch):
    source = script.read_text()
    line = re.search(rf"hf jobs uv run .*?recipes/jobs/{script.name}(.*?)(?:\n\n|; done|\n\"\"\"|$)", source, re.DOTALL).group(1)
    words = shlex.split(line.replace("\\\\\n", " ").replace("\\\n", " "))
    called = []
    if "from promvil_hf.cli import main" not in source:
        return  # it has a parser of its own, tried below or in test_results
    monkeypatch.setattr("promvil_hf.cli.main", lambda given: called.append(given))
    monkeypatch.setattr("sys.argv", [str(script), *words])
    with pytest.raises(SystemExit):
        runpy.run_path(str(script), run_name="__main__")
    command_parser().parse_args(called[0])  # knows every option, and lacks none


def test_the_line_for_slurm_is_a_command_that_exists():
    text = (JOBS / "masks.slurm").read_text()
    words = re.search(r'WORDS="(.*)"', text).group(1)
    for line in re.findall(r"promvil (build fivl \$WORDS.*)", text):
        args = command_parser().parse_args(shlex.split(line.replace("$WORDS", words)))
        assert args.stage == "masks"


def test_the_engine_of_vllm_gets_the_messages_and_the_schema_of_a_server(tmp_path):
    from promvil_hf.fivl.extraction import SeenTurn, prompt
    from promvil_hf.key_expressions import Turn

    script = runpy.run_path(str(JOBS / "key_expressions_vllm.py"))
    seen = SeenTurn("a", Turn(0, "What is it?", "A red cup."))
    row = script["asked"]({"turn": seen})
    assert row["messages"] == prompt(seen) and "key_expressions" in str(row["sampling_params"]["structured_outputs"])
    said = {**row, "generated_text": '{"key_expressions": ["red cup"]}'}
    assert script["proposed"](said) == {"question": "What is it?", "answer": "A red cup.", "prompts": ["red cup"]}
    assert script["proposed"]({**row, "generated_text": None})["prompts"] == []
    pytest.importorskip("ray.data.llm", reason="the extra `ray` is not installed")
    assert script["configuration"]("any/model").model_source == "any/model"
