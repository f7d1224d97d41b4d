# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The forms for readers: what is marked is read back, other words are refused, and nothing that was set aside is shown."""

import json
import re

import pytest

from benchmarks import nesting_examples, word_forms
from benchmarks.nesting_quality import read_expressions
from benchmarks.word_forms import read_brackets, read_lines, read_verdicts, readings_of
from promvil_hf.nesting import decompose


def spans(text, *phrases):
    return frozenset((text.index(phrase), text.index(phrase) + len(phrase)) for phrase in phrases)


def test_brackets_give_the_text_and_its_phrases():
    text, marks = read_brackets("a man in [a hat with [a bow]] on [a bench]")
    assert text == "a man in a hat with a bow on a bench"
    assert readings_of(marks) == [spans(text, "a hat with a bow", "a bow", "a bench")]


def test_what_may_be_a_phrase_and_where_one_may_end_are_all_readings():
    text, marks = read_brackets("a cat with [one ear| missing] {at play}")
    assert set(readings_of(marks)) == {
        spans(text, ear, *play) for ear in ("one ear", "one ear missing") for play in ((), ("at play",))
    }


@pytest.mark.parametrize("marked", ["a [man", "a man]", "a {man]", "[{" * 7 + "a" + "}]" * 7 + "{b|c|d|e|f|g}" * 3])
def test_marks_that_do_not_fit_are_refused(marked):
    with pytest.raises(ValueError, match="closes nothing|never closed|more than"):
        read_brackets(marked)


def test_a_filled_form_has_the_words_of_its_rows(tmp_path):
    form = tmp_path / "lines.txt"
    form.write_text("# a comment\n7\ta man in [a hat]\n7\ta man {in [a hat]}\n")
    lines = {7: "a man in a hat"}
    labelled = read_lines(form, lines)
    assert word_forms.judged_lines(lines, labelled, decompose) == {"7": True} and len(labelled[7]) == 2
    for wrong, why in (("7\ta man in a cap", "other words"), ("8\ta man", "not a row"), ("7\ta [man in a hat", "never closed")):
        form.write_text(wrong)
        with pytest.raises(ValueError, match=f"Line 1 .*{why}"):
            read_lines(form, lines)


def test_labels_are_kept_without_their_texts_and_read_again(shared_data, tmp_path, capsys):
    form = tmp_path / "reader.txt"
    row, line = next(iter(word_forms.unseen_lines(shared_data).items()))
    form.write_text(f"{row}\t[{line[:3]}|{line[3:8]}]{line[8:]}\n")
    asked = ["decompositions", "--data", str(shared_data), "--labels"]
    word_forms.main([*asked, str(form), "--keep", str(tmp_path)])
    [kept] = tmp_path.glob("*.json")
    assert json.loads(kept.read_text()) == {str(row): [[["[", 0, 3, 8]]]} and line[:8] not in kept.read_text()
    said = capsys.readouterr().out.splitlines()[0].split(": ")[1]
    word_forms.main([*asked, str(kept)])
    assert capsys.readouterr().out.strip().endswith(said)


def test_two_readers_are_compared_with_an_interval(capsys):
    first = {str(number): number % 3 > 0 for number in range(30)}
    word_forms.say({"one": first, "two": {**first, "0": True}}, "right")
    shares, same, kappa = [re.search(r"[\d.]+", line)[0] for line in capsys.readouterr().out.splitlines()][1:]
    assert (shares, same) == ("0.700", "0.967") and 0.9 < float(kappa) < 1


def test_verdicts_say_yes_or_no(tmp_path):
    form = tmp_path / "chains.txt"
    form.write_text("== ferret-1-2-3\n  1 the cup = #2\nwords: yes\nboxes: No\n")
    assert read_verdicts(form) == {"ferret-1-2-3": {"words": True, "boxes": False}}
    form.write_text("== ferret-1-2-3\nwords: \n")
    with pytest.raises(ValueError, match="Line 2 .* write yes or no"):
        read_verdicts(form)


def test_forms_hold_what_was_set_aside_and_pages_of_examples_hold_none_of_it(shared_data):
    lines = word_forms.unseen_lines(shared_data)
    labelled = json.loads((word_forms.LABELS / "decompositions.json").read_text())
    [(file, rows)] = labelled.items()
    assert len(lines) >= 75 and not {row["row"] for row in rows} & set(lines)
    assert lines.items() <= dict(enumerate(read_expressions(shared_data / file))).items()
    shown, graphs = nesting_examples.rows(shared_data, 10**6, 0)
    assert not set(shown) & set(lines.values())
    unseen = {f"{row['source']} {row['image']}" for row in json.loads((word_forms.LABELS / "unseen_chains.json").read_text())}
    assert unseen and not unseen & set(graphs)


def test_a_form_of_chains_can_be_filled_and_read_back(shared_data, tmp_path):
    made = word_forms.unseen_chains(shared_data, 80)
    form = "\n".join(line for found in made for line in word_forms.chain_form(*found))
    filled = tmp_path / "filled.txt"
    filled.write_text(form.replace("words: ", "words: yes").replace("boxes: ", "boxes: no"))
    verdicts = read_verdicts(filled)
    assert len(verdicts) >= 75 and all(answer == {"words": True, "boxes": False} for answer in verdicts.values())


def test_other_expressions_than_those_set_aside_can_be_judged(tmp_path, capsys):
    given, form = tmp_path / "mine.txt", tmp_path / "reader.txt"
    given.write_text("a man in a hat\n\na dog on a bench\n40\ta cup\n")
    asked = ["decompositions", "--lines", str(given)]
    word_forms.main([*asked, "--count", "9"])
    assert capsys.readouterr().out == "0\ta man in a hat\n2\ta dog on a bench\n40\ta cup\n"
    word_forms.main([*asked, "--count", "2"])
    assert len(capsys.readouterr().out.splitlines()) == 2
    form.write_text("0\ta man in [a hat]\n2\t[a dog] on a bench\n")
    word_forms.main([*asked, "--labels", str(form)])
    assert "0.500" in capsys.readouterr().out
    given.write_text("a\tb\n")
    with pytest.raises(ValueError, match="Line 1 .* no row number"):
        word_forms.lines_of(given)
    given.write_text("1\ta cup\n1\ta hat\n")
    with pytest.raises(ValueError, match="Line 2 .* second row 1"):
        word_forms.lines_of(given)


@pytest.mark.parametrize("form", ["gqa.json", "plain.jsonl"])
def test_chains_of_other_graphs_can_be_judged(form, tmp_path, capsys):
    objects = {"1": ("man", [10, 20, 100, 400]), "2": ("cup", [80, 200, 40, 50])}
    path = tmp_path / form
    if form == "gqa.json":
        things = {
            key: {"name": name, **dict(zip("xywh", box, strict=True)), "attributes": [], "relations": []}
            for key, (name, box) in objects.items()
        }
        things["1"]["relations"] = [{"name": "holding", "object": "2"}]
        path.write_text(json.dumps({"7": {"width": 640, "height": 480, "objects": things}}))
    else:
        things = [{"id": key, "name": name, "box": [x, y, x + w, y + h]} for key, (name, (x, y, w, h)) in objects.items()]
        relations = [{"subject": "1", "predicate": "holding", "object": "2"}]
        path.write_text(json.dumps({"image": "7", "width": 640, "height": 480, "objects": things, "relations": relations}))
    asked = ["chains", "--graphs", str(path)]
    word_forms.main(asked)
    filled = tmp_path / "filled.txt"
    blank = capsys.readouterr().out
    assert "the man holding the cup = #1" in blank
    filled.write_text(blank.replace("words: ", "words: yes").replace("boxes: ", "boxes: yes"))
    word_forms.main([*asked, "--labels", str(filled)])
    assert "1 of 1 judged chains are composed by this code" in capsys.readouterr().out


def test_chains_of_a_folder_of_visual_genome_can_be_judged(shared_data, capsys):
    word_forms.main(["chains", "--graphs", str(shared_data / "visual_genome" / "v1.2.0"), "--count", "3"])
    assert capsys.readouterr().out.count("words:") == 3


def test_a_form_needs_rows(capsys):
    with pytest.raises(SystemExit):
        word_forms.main(["chains", "--lines", "mine.txt"])
    assert "name the rows" in capsys.readouterr().err
