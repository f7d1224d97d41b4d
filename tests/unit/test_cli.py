# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import io
import json
import os
import sys
from types import SimpleNamespace

import pytest

from promvil_hf import __version__, cli, environment, jobs
from promvil_hf.commands import parsers


def test_help_lists_every_command(capsys):
    assert cli.main([]) == 0
    shown = capsys.readouterr().out
    assert all(f"    {name} " in shown for name in parsers.COMMANDS)


def test_each_command_has_one_line_of_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    cli.main([])
    lines = capsys.readouterr().out.splitlines()
    for name, (about, _) in parsers.COMMANDS.items():
        assert any(line.split() == [name, *about.split()] for line in lines), name


def commands(inside=parsers.COMMANDS):
    for name, (_, module) in inside.items():
        yield name
        yield from (f"{name} {part}" for part in (commands(module) if isinstance(module, dict) else ()))


@pytest.mark.parametrize("name", list(commands()))
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([*name.split(), "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert f"usage: promvil {name}" in shown and len(shown) > 150


def test_an_unknown_command_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["gruond"])
    assert stop.value.code == 2
    assert "'gruond'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["evaluate", "--imgaes", "x"], "promvil evaluate: There is no option --imgaes. Did you mean --images"),
        (["judge", "--served", "x"], "There is no option --served. Did you mean --served-model?"),  # no abbreviations
        (["build", "compovl", "--vgg=x"], "promvil build compovl: There is no option --vgg. Did you mean --vg"),
        (["env", "--qqqqqq"], "There is no option --qqqqqq. `promvil env --help` lists all options."),
        (["env", "--json", "more"], "promvil env: unrecognized arguments: more"),
        (["grond"], "promvil: argument COMMAND: invalid choice: 'grond'"),
        (["grond"], ". Did you mean ground?"),
        (["build", "compvol"], "promvil build: argument DATASET: invalid choice: 'compvol'"),
        (["build", "compvol"], ". Did you mean compovl?"),
        (["recipe", "rn"], ". Did you mean run?"),
        (["evaluate", "--dtype", "floot16"], "Did you mean float16"),
        (["build"], "promvil build: the following arguments are required: DATASET (choose from compovl, fivl)"),
        (["recipe"], "promvil recipe: the following arguments are required: ACTION (choose from list, copy, path, run)"),
        (["evaluate", "--limit", "none"], "argument --limit: none is no whole number of 1 or more"),
    ],
)
def test_a_mistyped_call_is_refused_in_one_line_that_names_what_was_meant(words, sentence, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(words)
    errors = capsys.readouterr().err
    assert stop.value.code == 2 and sentence in errors and errors.count("\n") == 1


@pytest.mark.parametrize("word", ["qqqqqq", ""])
def test_a_word_that_is_close_to_no_command_gets_no_guess(word, capsys):
    with pytest.raises(SystemExit):
        cli.main([word])
    errors = capsys.readouterr().err
    assert f"invalid choice: {word!r}" in errors and "Did you mean" not in errors


def test_a_value_may_look_like_an_option_after_two_dashes(capsys):
    assert cli.main(["decompose", "--", "--a cup"]) == 0


def test_version(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert __version__ in capsys.readouterr().out


def test_an_error_the_user_can_mend_is_a_sentence_and_not_a_traceback(monkeypatch, capsys):
    def run(args):
        raise ValueError("You passed nothing.")

    broken = SimpleNamespace(HELP="Broken.", add_arguments=lambda parser: None, run=run)
    monkeypatch.setattr(parsers, "import_module", lambda name: broken)
    assert cli.main(["env"]) == 2
    assert capsys.readouterr().err == "promvil: You passed nothing.\n"
    with pytest.raises(ValueError, match="You passed nothing"):
        cli.main(["env", "--debug"])


def test_stopping_by_hand_says_that_finished_parts_are_kept(monkeypatch, capsys):
    def run(args):
        raise KeyboardInterrupt

    stopped = SimpleNamespace(HELP="Stopped.", add_arguments=lambda parser: None, run=run)
    monkeypatch.setattr(parsers, "import_module", lambda name: stopped)
    assert cli.main(["env"]) == 130
    assert "goes on from there" in capsys.readouterr().err


@pytest.fixture
def closed_pipe():
    """A stream to a reader that has left."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        yield stream
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_job_is_finished_whoever_stops_reading_what_it_says(stream, tmp_path, monkeypatch, closed_pipe):
    def run(args):
        jobs.run(range(40), jobs.each(lambda n: {"n": n}), tmp_path / "out", key=str, describe={}, shard_size=1)
        print("done", file=getattr(sys, stream), flush=True)

    monkeypatch.setattr(
        parsers, "import_module", lambda name: SimpleNamespace(HELP="Job.", add_arguments=lambda parser: None, run=run)
    )
    monkeypatch.setattr(sys, stream, closed_pipe)
    assert cli.main(["env"]) == 0
    assert len(list(jobs.rows(tmp_path / "out"))) == 40


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_job_is_finished_where_a_stream_was_closed_beforehand(stream, tmp_path, monkeypatch):
    def run(args):
        jobs.run(range(4), jobs.each(lambda n: {"n": n}), tmp_path / "out", key=str, describe={}, shard_size=1)
        print("done", file=getattr(sys, stream), flush=True)

    job = SimpleNamespace(HELP="Job.", add_arguments=lambda parser: None, run=run)
    monkeypatch.setattr(parsers, "import_module", lambda name: job)
    monkeypatch.setattr(sys, stream, None)  # what Python makes of `promvil build … 2>&-`
    assert cli.main(["env"]) == 0
    assert len(list(jobs.rows(tmp_path / "out"))) == 4


@pytest.mark.parametrize("only_prints", [False, True])
def test_another_broken_pipe_than_that_of_the_output_is_a_failure(only_prints, monkeypatch, capsys):
    def run(args):
        raise BrokenPipeError("the pipe to a worker")

    broken = SimpleNamespace(HELP="H.", add_arguments=lambda parser: None, run=run, ENDS_WITH_ITS_READER=only_prints)
    monkeypatch.setattr(parsers, "import_module", lambda name: broken)
    assert cli.main(["env"]) == 2
    assert capsys.readouterr().err == "promvil: the pipe to a worker\n"


def test_errors_of_a_command_that_only_prints_may_go_unread(monkeypatch, closed_pipe, capsys):
    monkeypatch.setattr(sys, "stderr", closed_pipe)

    def run(args):
        for number in range(3):
            print("a warning", file=sys.stderr, flush=True)
            print(f"a cup {number}")

    warns = SimpleNamespace(HELP="H.", add_arguments=lambda parser: None, run=run, ENDS_WITH_ITS_READER=True)
    monkeypatch.setattr(parsers, "import_module", lambda name: warns)
    assert cli.main(["env"]) == 0
    assert capsys.readouterr().out == "a cup 0\na cup 1\na cup 2\n"


def test_a_command_that_only_prints_ends_with_its_reader(monkeypatch, closed_pipe):
    def lines():
        yield "a cup\n" * 3
        yield from ("the dog on the mat\n" for _ in range(5_000))
        raise AssertionError("nobody reads this any more")

    monkeypatch.setattr(sys, "stdin", Lines(lines()))
    monkeypatch.setattr(sys, "stdout", closed_pipe)
    assert cli.main(["decompose", "--json"]) == 0


class Lines:
    """Standard input from a pipe."""

    def __init__(self, lines):
        self.lines = lines

    def isatty(self):
        return False

    def __iter__(self):
        return self.lines


def test_env_names_versions_and_what_is_missing(capsys, monkeypatch):
    monkeypatch.setattr(environment, "OPTIONAL", {"surely-not-installed": "app"})
    assert cli.main(["env", "--json", "--no-devices"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["promvil_hf"]["version"] == __version__
    assert facts["packages"]["numpy"] != "MISSING"
    assert facts["optional"]["surely-not-installed"] == 'not installed (pip install "promvil_hf[app]")'
    assert "devices" not in facts


def test_env_never_prints_a_secret(capsys, monkeypatch):
    for name in ("HF_TOKEN", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "hf_secret_value")
    cli.main(["env"])
    assert "hf_secret_value" not in capsys.readouterr().out


def test_decompose_shows_levels_and_what_they_lean_on(capsys):
    assert cli.main(["decompose", "the man wearing a jacket"]) == 0
    assert "a jacket" in capsys.readouterr().out.splitlines()[0]


def test_decompose_reads_lines_and_writes_json(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("a cup\n\nthe dog on the mat\n"))
    assert cli.main(["decompose", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["expression"] for row in rows] == ["a cup", "the dog on the mat"]
    assert rows[1]["phrases"][-1]["text"] == "the dog on the mat"
