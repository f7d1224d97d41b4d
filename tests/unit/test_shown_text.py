# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What files, models and servers say is shown on terminals and in cards, and never obeyed there."""

import json
import re
import sys
from types import SimpleNamespace

import pytest
from huggingface_hub import DatasetCard, ModelCard
from hypothesis import given
from hypothesis import strategies as st
from tqdm import tqdm

from promvil_hf import cli
from promvil_hf.commands import parsers
from promvil_hf.compovl.compovl_card import _leakage
from promvil_hf.fivl import fivl_card
from promvil_hf.publishing import dataset_card
from promvil_hf.shown_text import in_markdown, one_line, printable
from promvil_hf.training.adapter_card import CardFacts, write_card
from promvil_hf.training.run_training import run_as_script


HOSTILE = "\x1b]0;title\x07\x1b[31m\x9b2J\r\u202eerutcip\ud800\x00"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@given(st.text(st.characters(codec=None)))
def test_no_text_holds_anything_a_terminal_obeys(text):
    assert not OBEYED.search(printable(text))
    assert "\n" not in one_line(text) and not OBEYED.search(in_markdown(text))
    assert json.loads(printable(json.dumps({"text": text}, ensure_ascii=False))) == {"text": text}


def command(run):
    return lambda name: SimpleNamespace(HELP="Prints.", add_arguments=lambda parser: None, run=run)


def printing_and_failing(args):
    print(HOSTILE)
    print(HOSTILE, file=sys.stderr)
    raise ValueError(f"There is no row {HOSTILE}.")


def test_no_command_passes_escape_sequences_to_the_terminal(monkeypatch, capsys):
    monkeypatch.setattr(parsers, "import_module", command(printing_and_failing))
    assert cli.main(["env"]) == 2
    monkeypatch.setattr(sys, "argv", ["train.py"])
    with pytest.raises(SystemExit):
        run_as_script(printing_and_failing, [])
    for shown in capsys.readouterr():
        assert not OBEYED.search(shown) and r"\u001b[31m" in shown and shown.count("\n") >= 2


def test_progress_bars_still_move_the_cursor(monkeypatch, capsys):
    def run(args):
        for _ in tqdm(range(2), desc=HOSTILE, file=sys.stderr, position=1):
            pass

    monkeypatch.setattr(parsers, "import_module", command(run))
    assert cli.main(["env"]) == 0
    shown = capsys.readouterr().err
    assert "\x1b[A" in shown and "\r" in shown
    assert not OBEYED.search(shown.replace("\x1b[A", "").replace("\r", ""))


# Cards

BREAKING = "x\n```\n# Heading\n---\n| a | b |\n<script>"


def headings(card):
    return [line for line in card.splitlines() if line.startswith("#")]


def test_a_line_break_in_a_name_never_reaches_a_card(tmp_path):
    facts = CardFacts(BREAKING, "T", "About.", "Rows.", settings={"rows": BREAKING, "images": BREAKING})
    plain = CardFacts("x", "T", "About.", "Rows.", settings={"rows": "x", "images": "x"})
    cards = [write_card(tmp_path / name, card_facts, {}, "trains") for name, card_facts in (("a", facts), ("b", plain))]
    hostile, harmless = (path.read_text() for path in cards)
    assert headings(hostile) == headings(harmless)
    assert hostile.count("```") >= harmless.count("```")
    assert len(re.findall("^```", hostile, re.M)) == len(re.findall("^```", harmless, re.M))
    assert ModelCard(hostile).data.base_model == one_line(BREAKING)


def test_names_of_files_and_reasons_stay_in_their_place_in_the_cards_of_data_sets():
    listed = {"name": BREAKING, "ids": 1, "ids_of": "coco", "images_found": 1, "names_that_are_no_id": 0}
    section = _leakage({"leakage": {"images": 1, "images_with_coco_id": 1, "excluded": 1, "lists": [listed]}})
    assert len(headings(section)) == 1 and r"x\\n\`\`\`\\n\# Heading" in section
    row = next(line for line in section.splitlines() if "Heading" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 6
    report = dict.fromkeys(("rows", "images", "turns", "key_expressions", "masks", "rows_in"), 1) | {
        "split": "train", "key_expressions_per_turn": 1, "mask_area": {"mean": 0.1}, "settings": {"rows": BREAKING},
        "rows_rejected": {BREAKING: 1}, "phrases_not_found": {},
    }  # fmt: skip
    assert headings(fivl_card.body({"default": report})) == headings(
        fivl_card.body({"default": report | {"rows_rejected": {}, "settings": {}}})
    )
    card = dataset_card("Body.", 1, {}, {}, "default", pretty_name=BREAKING)
    assert DatasetCard(card).data.pretty_name == BREAKING and DatasetCard(card).text.strip() == "Body."
