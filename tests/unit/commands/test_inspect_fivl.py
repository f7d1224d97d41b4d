# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The page on which people judge FiVL-Instruct, the model that judges the same sample, and how they agree."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from promvil_hf import jobs
from promvil_hf.cli import main
from promvil_hf.endpoint import Endpoint
from promvil_hf.fivl import judge
from promvil_hf.fivl.fivl_sample import sample_keys
from promvil_hf.fivl.judge import prompts
from tests.unit.fivl.fake_model import fake_model, last_text
from tests.unit.fivl.test_fivl_publish import with_counts
from tests.unit.fivl.test_fivl_rows import fivl_row


@pytest.fixture
def built(tmp_path):
    """8 rows of two key expressions; the mask is the upper left quarter of a 20x10 picture."""
    folder = tmp_path / "out"
    jobs.run(range(8), with_counts, folder / "work" / "instruct" / "masks", key=str, describe={}, progress=False)
    (tmp_path / "images").mkdir()
    for number in range(4):
        Image.new("RGB", (20, 10), (200, 100 + number, 50)).save(tmp_path / "images" / f"{number}.png")
    return folder


def page(built, tmp_path, *more):
    words = ["inspect", "fivl", "--rows", built, "--images", tmp_path / "images", "--html", tmp_path / "judge.html", *more]
    assert main([str(word) for word in words]) == 0
    return (tmp_path / "judge.html").read_text()


def verdicts(tmp_path, html, answers):
    """A file as the page saves it."""
    names = re.findall(r'data-item="([^"]+)"', html)
    form = re.search(r'data-questions="([^"]+)"', html)[1].replace("&quot;", '"').replace("&#34;", '"')
    saved = {
        "format": "promvil_hf.verdicts",
        "version": 1,
        "form": "fivl",
        "judge": "Ada",
        "questions": json.loads(form),
        "items": names,
        "verdicts": [
            {"item": name, "answers": dict(zip(("mask", "key", "good"), each, strict=True)), "remark": ""}
            for name, each in zip(names, answers, strict=False)
        ],
    }
    (tmp_path / "v.json").write_text(json.dumps(saved))
    return tmp_path / "v.json"


def test_the_page_shows_the_sample_with_three_questions_each(built, tmp_path):
    html = page(built, tmp_path, "--sample", "5", "--seed", "1")
    assert len(re.findall("data-item=", html)) == 5
    assert html.count("Does the mask cover what the words mean, and little else?") >= 5
    assert "<mark>thing" in html
    assert "http://" not in html.replace("http://www.w3.org/2000/svg", "")
    names = re.findall(r'data-item="([^"]+)"', html)
    assert names == [item.name for item in sample_keys([fivl_row(k) for k in range(8) if k % 5 != 4], 5, 1)]


def test_fewer_key_expressions_than_asked_for_are_explained(built, tmp_path, capsys):
    shown = page(built, tmp_path, "--sample", "60").count("data-item=")
    assert 0 < shown < 60
    assert f"You asked for 60: there are only {shown} key expressions with a mask" in capsys.readouterr().out


def test_verdicts_become_shares_with_intervals_as_in_the_paper(built, tmp_path, capsys):
    html = page(built, tmp_path, "--sample", "14")
    answers = [("yes", "yes", "yes")] * 6 + [("no", "yes", "yes")] * 4 + [("cannot tell", "no", "no")] * 2
    file = verdicts(tmp_path, html, answers)
    capsys.readouterr()
    assert main(["inspect", "fivl", "--verdicts", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "judged by Ada: 12 of 14 key expressions" in printed
    assert re.search(
        r"mask  60\.0% yes \[\d+\.\d%, \d+\.\d%\] of 10, 2 cannot tell \(the paper: 58 % relevant masks\)", printed
    )
    assert re.search(r"good  83\.3% yes .* of 12, 0 cannot tell \(the paper: 77 % good samples\)", printed)
    file.write_text(file.read_text().replace('"form": "fivl"', '"form": "compovl"'))
    assert main(["inspect", "fivl", "--verdicts", str(file)]) == 2
    assert "holds verdicts of the form 'compovl', not of 'fivl'" in capsys.readouterr().err


def test_what_is_missing_is_named(built, tmp_path, capsys):
    assert main(["inspect", "fivl", "--rows", str(built)]) == 2
    assert "pass the folder of the pictures" in capsys.readouterr().err
    assert main(["inspect", "fivl"]) == 2
    assert "You passed no --rows" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["inspect", "fivl", "--rows", str(built), "--images", str(tmp_path / "images"), "--sample", "0"])
    assert "argument --sample: 0 is no whole number of 1 or more" in capsys.readouterr().err


# -- the model


def shown(body):
    url = body["messages"][-1]["content"][0]["image_url"]["url"]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"))


def reply(body):
    """Sees the crop always, the inverse for thing 1, and finds thing 0 important."""
    request = json.loads(last_text(body))
    if "words" in request:
        first = request["words"] == "thing 0"
        return json.dumps({"important": first, "score": 9 if first else 2})
    black = (shown(body) == 0).all(-1)
    quarter = np.zeros((10, 20), bool)
    quarter[:5, :10] = True
    if (black == ~quarter).all():
        return '{"visible": true}'
    assert (black == quarter).all()
    return json.dumps({"visible": request["thing"] == "thing 1"})


@pytest.fixture
def judged(built, tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with fake_model(reply) as server:

        def run(*more):
            words = ["judge", "--rows", built, "--images", tmp_path / "images", "--base-url", server.url]
            words += ["--served-model", "tiny", "--out", tmp_path / "judged", "--sample", "10", "--quiet", *more]
            return main([str(word) for word in words])

        run.server = server
        yield run


def test_the_model_takes_three_tests_and_its_agreement_with_people_is_reported(built, tmp_path, judged, capsys):
    html = page(built, tmp_path, "--sample", "10")
    names = re.findall(r'data-item="([^"]+)"', html)
    answers = [("yes" if name.endswith("/0") else "no", "yes", "yes") for name in names]
    assert judged("--verdicts", verdicts(tmp_path, html, answers)) == 0
    printed = capsys.readouterr().out
    assert "10 key expressions, 10 judged, 0 rejected" in printed
    firsts = sum(name.endswith("/0") for name in names)
    assert f"important     {firsts / 10:.1%}" in printed
    assert "crop          100.0%" in printed
    assert re.search(r"both crops\s+~ mask same in 100\.0% \[.*\] of 10, kappa 1\.00", printed)
    assert re.search(r"crop\s+~ mask same in \d+\.0% .*, kappa 0\.00", printed)
    assert "21 requests, 21 answers bought, 9 reused" in printed  # rows that share picture and words share prompts
    assert judged() == 0  # again: nothing is asked
    assert "0 requests, 0 answers bought" in capsys.readouterr().out


def test_every_sampled_expression_is_judged_or_rejected(built, tmp_path, judged, capsys):
    (tmp_path / "images" / "1.png").unlink()
    (tmp_path / "images" / "2.png").write_bytes(b"no picture")
    Image.new("RGB", (5, 5)).save(tmp_path / "images" / "3.png")
    judged.server.scripts['{"thing":"thing 1"}'] = ["no json"] * 99
    assert judged("--concurrency", "1") == 0
    rejects = dict(jobs.rejects(tmp_path / "judged" / "judgements"))
    rows = dict(jobs.rows(tmp_path / "judged" / "judgements"))
    assert len(rejects) + len(rows) == 10
    assert {rejected.reason for rejected in rejects.values()} == {"image missing", "image unreadable", "no json"}
    assert all(row["image_path"] == "0.png" for row in rows.values())
    assert "image unreadable (3.png is (5, 5), and the row says (20, 10))" in capsys.readouterr().out


def test_texts_are_data_and_each_test_shows_its_own_picture(built, tmp_path):
    (item,) = sample_keys([fivl_row()], 1)
    importance, crop, inverse = prompts(item, tmp_path / "images")
    assert json.loads(last_text({"messages": importance})).keys() == {"question", "answer", "words"}
    assert json.loads(last_text({"messages": crop})) == {"thing": item.found.phrase}
    assert (shown({"messages": importance}) != 0).all()
    assert (shown({"messages": crop}) + shown({"messages": inverse}) == shown({"messages": importance})).all()
    for messages in (importance, crop, inverse):
        assert "an instruction in" in messages[0]["content"]
    assert judge.Judge(Endpoint("http://127.0.0.1:9", "m", tmp_path / "a"), tmp_path)([]) == []
