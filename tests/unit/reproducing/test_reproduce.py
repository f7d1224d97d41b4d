# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Every step is a command that parses, on data that is there; each is done once; and estimates agree with what was counted."""

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from promvil_hf.cli import main
from promvil_hf.commands.parsers import command_parser
from promvil_hf.commands.reproduce import plan
from promvil_hf.fetching.catalog import SOURCES
from promvil_hf.reproducing.catalog import EXPERIMENTS, WITHOUT_SMALL, experiment
from promvil_hf.reproducing.estimates import GPUS, MODELS, estimate, memory, operations
from promvil_hf.reproducing.experiments import FULL, SMALL, Experiment, Step, Work
from promvil_hf.reproducing.running import reproduce


STEPS = {(entry.name, step.name): step for entry in EXPERIMENTS.values() for step in entry.steps}
DATA = re.compile(r"\{data\}/([^' ]+)")


# --- the table ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [FULL, SMALL])
@pytest.mark.parametrize("step", STEPS.values(), ids=map("/".join, STEPS))
def test_every_step_is_a_command_that_parses(step, size, tmp_path):
    args = command_parser().parse_args(step.argv(size, tmp_path / "out", tmp_path / "data"))
    assert callable(args.run) and "{" not in step.shown(size, Path("out"), Path("data")).replace("{text}", "")


@pytest.mark.slow
def test_options_of_recipes_are_options_of_their_scripts():
    from promvil_hf.commands import train_fivl, train_kosmos2
    from promvil_hf.training.adapters import AdapterArguments
    from promvil_hf.training.arguments import DataArguments, ModelArguments, RunArguments

    for step in STEPS.values():
        words = [word for size in (FULL, SMALL) for word in step.template(size)]
        if words[:2] == ["recipe", "run"]:
            objective = (train_kosmos2 if "kosmos2/" in words[2] else train_fivl).OBJECTIVE
            kinds = (ModelArguments, AdapterArguments, objective.data, DataArguments, RunArguments, objective.config)
            known = {field.name for kind in kinds for field in fields(kind)}
            assert {word.removeprefix("--") for word in words if word.startswith("--")} <= known


def test_steps_of_one_name_are_the_same_step():
    by_name = {}
    for (_, name), step in STEPS.items():
        assert by_name.setdefault(name, step) == step


def test_what_steps_read_is_what_their_sources_give():
    given = {}
    for name, source in SOURCES.items():
        for file in source.files:
            given.setdefault(name, set()).add(file.unpack.into if file.unpack else file.place)
    for entry in EXPERIMENTS.values():
        places = {place for name in entry.sources for place in given[name]}
        for step in entry.steps:
            for path in DATA.findall(f"{step.words} {step.full}"):
                assert any(f"{path}/".startswith(f"{place}/") or place.startswith(f"{path}/") for place in places), path


def test_the_small_data_has_every_file_that_steps_read(tmp_path):
    from promvil_hf.toy.real_forms import Amounts, write_real_forms

    write_real_forms(tmp_path, Amounts(graphs=10, referred=4, asked=4, described=4))
    for entry in EXPERIMENTS.values():
        if entry.name not in WITHOUT_SMALL:
            for step in entry.steps:
                for path in DATA.findall(f"{step.words} {step.small}"):
                    assert (tmp_path / path).exists(), path


def test_the_small_data_is_read_as_the_real_ones_are(tmp_path):
    from promvil_hf.evaluation.benchmarks import read
    from promvil_hf.toy.real_forms import Amounts, write_real_forms

    write_real_forms(tmp_path, Amounts(graphs=10, referred=8, asked=6, described=4))
    assert len(read("refcocog", tmp_path / "refcocog", "test").rows) > 20
    assert len(read("refcoco+", tmp_path / "refcoco+", "testA").rows) > 0
    assert len(read("pope", tmp_path / "pope" / "coco_pope_popular.json").rows) > 20
    gqa = read("gqa", tmp_path / "gqa" / "val_balanced_questions.json", choices=tmp_path / "gqa" / "val_choices.json")
    assert len(gqa.rows) > 20
    assert {row.answers for row in read("vsr", tmp_path / "vsr" / "train.jsonl").rows} == {("true",), ("false",)}


# --- steps ----------------------------------------------------------------------------------------


def two_steps():
    steps = (Step("one", "env --json", "first", makes="one.txt"), Step("two", "env", "second", makes="two.txt", trains="adapter"))
    return Experiment("toy", "PromViL", "a claim", "+1", (), steps, "two.txt", "nothing")


class Runner:
    """Runs nothing: writes what the steps make, and fails at the step it is given."""

    def __init__(self, out):
        self.out, self.calls, self.fails = out, [], ""

    def __call__(self, words):
        self.calls.append(" ".join(words))
        name = "one" if "--json" in words else "two"
        if name == self.fails:
            return 2
        (self.out / f"{name}.txt").write_text(name)


def test_each_step_is_done_once(tmp_path):
    run = Runner(tmp_path)
    for _ in range(2):
        assert reproduce(two_steps(), FULL, tmp_path, tmp_path / "data", run, lambda *_: None) == tmp_path / "two.txt"
    assert run.calls == ["env --json", "env"]


def test_a_step_that_fails_is_where_the_same_command_goes_on(tmp_path):
    run = Runner(tmp_path)
    run.fails = "two"
    with pytest.raises(ValueError, match="The step two ended with status 2"):
        reproduce(two_steps(), FULL, tmp_path, tmp_path / "data", run, lambda *_: None)
    run.fails = ""
    (tmp_path / "adapter" / "checkpoint-5").mkdir(parents=True)
    (tmp_path / "adapter" / "checkpoint-5" / "whole.json").write_text("{}")
    reproduce(two_steps(), FULL, tmp_path, tmp_path / "data", run, lambda *_: None)
    assert run.calls == ["env --json", "env", "env --resume_from_checkpoint true"]


def test_what_was_removed_is_made_again_and_another_plan_is_refused(tmp_path):
    run, toy = Runner(tmp_path), two_steps()
    reproduce(toy, FULL, tmp_path, tmp_path / "data", run, lambda *_: None)
    (tmp_path / "two.txt").unlink()
    reproduce(toy, FULL, tmp_path, tmp_path / "data", run, lambda *_: None)
    assert run.calls == ["env --json", "env", "env"]
    other = replace(toy, steps=(replace(toy.steps[0], words="env --json --no-devices"),))
    with pytest.raises(ValueError, match="one.json was made by another plan than the one asked for. Delete it"):
        reproduce(other, FULL, tmp_path, tmp_path / "data", run, lambda *_: None)


def test_a_step_that_makes_nothing_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="The step one ended without .*one.txt"):
        reproduce(two_steps(), FULL, tmp_path, tmp_path / "data", lambda words: 0, lambda *_: None)


def test_missing_data_is_said_with_the_command_that_gets_it(tmp_path, capsys):
    out = ["--out", str(tmp_path / "out"), "--fetched", str(tmp_path / "data")]
    assert main(["reproduce", "fivl-pope", *out]) == 2
    assert f"`promvil fetch pope coco-val2014 --out {tmp_path / 'data'}` brings them here" in capsys.readouterr().err
    assert main(["reproduce", "fivl-training", "--size", "small", *out]) == 2
    assert "fivl-training has no small form" in capsys.readouterr().err
    assert main(["reproduce", "promvil-compvl", *out]) == 2
    assert "Did you mean promvil-compovl" in capsys.readouterr().err
    assert not (tmp_path / "out" / "steps").exists()


def test_a_plan_of_a_small_form_that_does_not_exist_is_refused(tmp_path, capsys):
    out = ["--out", str(tmp_path / "out")]
    assert main(["reproduce", "fivl-training", "--size", "small", "--dry-run", *out]) == 2
    said = capsys.readouterr()
    assert "fivl-training has no small form" in said.err and not said.out
    assert main(["reproduce", "fivl-pope", "--size", "small", "--dry-run", *out]) == 0


def test_the_sizes_have_different_folders(tmp_path, capsys, monkeypatch):
    """The small form's steps would otherwise stand in the way of the full size's."""
    monkeypatch.chdir(tmp_path)
    results = []
    for size in (FULL, SMALL):
        assert main(["reproduce", "fivl-pope", "--size", size, "--dry-run"]) == 0
        results.append(capsys.readouterr().out.splitlines()[-1])
    assert results[0].startswith("Result: runs/reproduce/") and results[1].startswith("Result: runs/reproduce-small/")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_plan_says_commands_needs_and_what_the_paper_has(name, tmp_path):
    entry = experiment(name)
    plan_text = "\n".join(plan(entry, FULL, tmp_path / "out", tmp_path / "data"))
    assert entry.published in plan_text and entry.differs in plan_text and f"promvil fetch {' '.join(entry.sources)}" in plan_text
    assert plan_text.count("\n    promvil ") == len(entry.steps) + 1 and "to download in all" in plan_text
    assert not list(tmp_path.iterdir())


# --- estimates ------------------------------------------------------------------------------------


def test_operations_are_those_that_were_counted_on_the_full_configuration():
    """169.7 GFLOP for Kosmos-2's vision tower and projection, 165.2 for the 68 tokens before the words."""
    size = MODELS["kosmos2"]
    assert 2 * size.vision * size.patches / 1e9 == pytest.approx(169.7, rel=0.04)
    assert operations(Work("kosmos2", 1, 1, 2)) / 1e9 == pytest.approx(169.7 + 165.2, rel=0.04)


def test_more_work_takes_longer_and_a_model_that_is_too_large_does_not_fit():
    work = Work("kosmos2", 1_000, 1, 25, writes=8)
    for gpu in GPUS:
        hours = estimate(work, gpu).hours
        assert estimate(replace(work, rows=2_000), gpu).hours == pytest.approx(2 * hours)
        assert estimate(replace(work, writes=16), gpu).hours > hours
    trained = Work("llava", 1, 1, 400, trains="lora", bits=16, batch=8)
    assert memory(trained) < memory(replace(trained, trains="full"))
    assert estimate(replace(trained, trains="full"), GPUS[0]).on(GPUS[0]) == "does not fit"
    assert "h" in estimate(replace(trained, rows=665_298), GPUS[2]).on(GPUS[2])
