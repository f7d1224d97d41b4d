# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import json
import re

import pytest

from promvil_hf.cli import main
from promvil_hf.compovl.compovl_build import CompoVLSettings, build
from promvil_hf.compovl.compovl_rows import Splitting
from promvil_hf.job_terms import Terms
from promvil_hf.toy.world import WorldConfig, scenes, write_visual_genome


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    write_visual_genome(scenes(WorldConfig(image_size=(48, 48)), 12, 0), folder)
    return folder


@pytest.fixture(scope="module")
def built(toy, tmp_path_factory):
    out = tmp_path_factory.mktemp("built")
    return build(
        toy, out, CompoVLSettings(splitting=Splitting(test_share=0.6), views=("default",)), Terms(progress=False)
    ).out


@pytest.fixture(autouse=True)
def a_cache_of_its_own(monkeypatch, tmp_path):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def inspect(*arguments):
    return main(["inspect", "compovl", *map(str, arguments)])


def page_of(built, tmp_path, *arguments):
    assert inspect("--rows", built, "--html", tmp_path / "page.html", *arguments) == 0
    return (tmp_path / "page.html").read_text()


def test_the_page_shows_each_chain_level_by_level_and_needs_no_network(toy, built, tmp_path, capsys):
    html = page_of(built, tmp_path, "--sample", 4, "--images", toy)
    assert "4 chains written to" in capsys.readouterr().out
    keys = re.findall(r'data-item="([^"]+)"', html)
    assert len(keys) == 4 and len({key.split("-")[0] for key in keys}) == 4  # one an image
    assert html.count("Level 1") >= 4 and "Composed from:" in html and "data:image/" in html
    assert not re.search(r'(?:src|href)="(?!data:|#)', html)
    assert html == page_of(built, tmp_path, "--sample", 4, "--images", toy)
    assert html != page_of(built, tmp_path, "--sample", 4, "--images", toy, "--seed", 1)


def test_fewer_chains_than_asked_for_are_explained(built, tmp_path, capsys):
    """One chain is drawn of a picture, so a split of few pictures gives few chains: the command says so."""
    html = page_of(built, tmp_path, "--sample", 60)
    shown, said = html.count("data-item="), capsys.readouterr().out
    assert 0 < shown < 60
    assert f"You asked for 60: the split 'test' has chains of {shown} pictures only, and one is drawn of each" in said
    page_of(built, tmp_path, "--sample", 2)
    assert "You asked for" not in capsys.readouterr().out


def test_without_photographs_boxes_stand_on_grey(built, tmp_path):
    assert "data:image/" in page_of(built, tmp_path, "--sample", 2)


def verdicts(path, html, good, bad, judge=""):
    keys = re.findall(r'data-item="([^"]+)"', html)
    questions = json.loads(re.search(r'data-questions="([^"]+)"', html)[1].replace("&#34;", '"').replace("&quot;", '"'))
    answers = ["good"] * good + ["bad"] * bad + ["cannot tell"] * (len(keys) - good - bad)
    rows = [
        {"item": key, "answers": {"good": answer, "natural": "yes"}, "remark": ""}
        for key, answer in zip(keys, answers, strict=True)
    ]
    saved = {"format": "promvil_hf.verdicts", "version": 1, "form": "compovl", "judge": judge, "questions": questions}
    path.write_text(json.dumps(saved | {"items": keys, "verdicts": rows}))
    return path


def test_verdicts_print_the_share_judged_good_with_an_interval(built, tmp_path, capsys):
    html = page_of(built, tmp_path, "--sample", 6)
    first = verdicts(tmp_path / "a.json", html, good=4, bad=1, judge="Ada")
    second = verdicts(tmp_path / "b.json", html, good=5, bad=0)
    capsys.readouterr()
    assert inspect("--verdicts", first, second) == 0
    printed = capsys.readouterr().out
    assert "a.json (Ada): 6 of 6 judged" in printed
    assert "good: 80.0% (4 of 5), 95 % interval 37.6% to 96.4%, 1 cannot tell" in printed  # Wilson
    assert "natural: 100.0% (6 of 6), 95 % interval 61.0% to 100.0%" in printed
    assert "a.json and b.json agree on 4 of 5 chains" in printed


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "You passed neither --rows to sample nor --verdicts to read"),
        (("--rows", "{built}", "--split", "dev"), "Cannot read the split 'dev' of"),
        (("--rows", "{built}", "--images", "/nowhere"), "The image /nowhere/VG_100K/"),
        (("--verdicts", "{built}/report.json"), "which is not a verdict file"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(built, tmp_path, capsys, arguments, sentence):
    given = [argument.format(built=built) for argument in arguments]
    assert inspect(*given, "--html", tmp_path / "page.html") == 2
    errors = capsys.readouterr().err
    assert sentence in errors and "Traceback" not in errors
    assert not (tmp_path / "page.html").exists()


def test_help_names_what_can_be_built_and_inspected(capsys):
    for command in ("build", "inspect"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert "compovl" in capsys.readouterr().out
        with pytest.raises(SystemExit):
            main([command, "compovl", "--help"])
        assert f"promvil {command} compovl" in capsys.readouterr().out
