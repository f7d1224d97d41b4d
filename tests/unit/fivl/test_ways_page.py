# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The page on which a model's key expressions stand beside the offline ones, and what verdicts of it say."""

import json
import re

import pytest
from PIL import Image

from promvil_hf.cli import main
from promvil_hf.fivl.ways_page import FORM, QUESTIONS
from tests.unit.fivl.fake_model import fake_model, last_text


ANSWER = "A tall man holds a red umbrella."


@pytest.fixture
def page(tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    rows = [
        {"id": "a", "image": "a.png", "instruction": "Who is <b>there</b>?", "output": ANSWER},
        {"id": "b", "image": "b.png", "instruction": "What is on the table?", "output": "A cup is on the table."},
    ]
    Image.new("RGB", (20, 10), (200, 100, 50)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))

    def reply(body):
        assert ANSWER in last_text(body)
        return json.dumps({"key_expressions": ["red umbrella", "a green hat"]})

    with fake_model(reply) as server:
        command = ["build", "fivl", "--source", "llava", "--files", tmp_path / "rows.jsonl", "--images", tmp_path]
        command += ["--out", tmp_path / "out", "--stage", "expressions", "--expressions", "endpoint", "--tagger", "rules"]
        command += ["--base-url", server.url, "--served-model", "tiny", "--html", tmp_path / "ways.html", "--quiet"]
        assert main([str(word) for word in command]) == 0
    return (tmp_path / "ways.html").read_text()


def test_prompt_schema_checks_and_both_ways_stand_on_one_page(page):
    assert "You read one question about an image" in page and "additionalProperties" in page
    assert "is no part of the answer" in page  # a check, with its reason
    first = page.partition('data-item="llava-00000000/0"')[2].partition("data-item=")[0]
    assert "tall man | red umbrella" in first  # offline
    assert "<p>red umbrella</p>" in first and "a green hat (dropped: not in the answer)" in first  # the model
    assert "&lt;b&gt;there" in first and "<b>there" not in page
    second = page.partition('data-item="llava-00000001/0"')[2]
    assert "rejected: image unreadable" in second and "the picture cannot be read" in second


def test_verdicts_of_the_page_are_read_with_intervals(page, tmp_path, capsys):
    names = re.findall(r'data-item="([^"]+)"', page)
    given = [{"offline": "yes", "run": "no", "misses": "offline"}, {"offline": "yes", "run": "no"}]
    saved = {
        "format": "promvil_hf.verdicts", "version": 1, "form": FORM, "judge": "Ada", "items": names,
        "questions": [{"key": each.key, "text": each.text, "options": each.options} for each in QUESTIONS],
        "verdicts": [{"item": name, "answers": answers, "remark": ""} for name, answers in zip(names, given, strict=True)],
    }  # fmt: skip
    (tmp_path / "verdicts.json").write_text(json.dumps(saved))
    capsys.readouterr()
    assert main(["inspect", "fivl", "--verdicts", str(tmp_path / "verdicts.json")]) == 0
    said = capsys.readouterr().out
    assert "judged by Ada: 2 of 2 turns" in said
    assert re.search(r"offline  100\.0% all right \[.*, 100\.0%\] of 2", said)
    assert re.search(r"run      0\.0% all right \[0\.0%, .*\] of 2", said)
    assert "misses more: offline 1, this run 0, the same 0" in said
