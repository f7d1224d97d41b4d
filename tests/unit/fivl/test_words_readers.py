# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What readers mark: the form, and how two readers and the extraction are compared."""

import json

import pytest

from benchmarks import words_quality, words_readers


def file(path, *marked):
    asked = {"file": "drawn", "kind": "conv", "question": "What is there?"}
    path.write_text("\n".join(json.dumps({**asked, "row": k, "marked": text}) for k, text in enumerate(marked)))
    return path


def test_marks_give_the_text_back_and_the_mentions_of_each_thing():
    text, things, needs = words_readers.unmarked("[1:a cat] sits on [?:the back of [2?:a sofa]]; [1:the cat] sleeps")
    assert text == "a cat sits on the back of a sofa; the cat sleeps"
    assert [[text[slice(*at)] for at in spans] for spans in things] == [["a cat", "the cat"], ["a sofa"], ["the back of a sofa"]]
    assert needs == [True, False, False]


@pytest.mark.parametrize("text", ["a [cat", "a cat]"])
def test_a_mark_without_its_other_half_is_refused(text):
    with pytest.raises(ValueError, match="A mark is"):
        words_readers.unmarked(text)


def test_two_readers_and_the_extraction_are_compared_with_intervals(tmp_path, capsys):
    first = file(tmp_path / "first.jsonl", "[A cat] sits on [a sofa].", "[Two dogs] run.", "It is calm.")
    second = file(tmp_path / "second.jsonl", "[A cat] sits on a sofa.", "[Two dogs] run.", "It is calm.")
    words_readers.main([str(first), str(second), "--tagger", "rules"])
    printed = capsys.readouterr().out
    assert "first: 3 rows, 3 things" in printed and "second: 3 rows, 2 things" in printed
    assert "with first: kappa 0.800 [" in printed and "over 12 words of 3 rows" in printed
    assert "conv" in printed and "precision 1.000 [" in printed and "precision 0.667 [" in printed


def test_readers_of_different_texts_are_told_apart(tmp_path):
    rows = [words_readers.read_marked(file(tmp_path / f"{k}.jsonl", text)) for k, text in enumerate(["A cat.", "A dog."])]
    with pytest.raises(ValueError, match="has two texts"):
        words_readers.agreed(*rows)


def test_a_blank_form_holds_the_rows_set_aside_and_no_others(shared_data):
    rows = list(words_readers.blank(shared_data))
    labelled = json.loads((words_readers.LABELS / "key_expressions.json").read_text())
    assert len(rows) == 20 and {row["kind"] for row in rows} == {"conv"}
    assert not {row["row"] for row in rows} & {row["row"] for row in labelled["ferret_bench/ground_conv_answer.jsonl"]}


def test_kept_marks_have_no_text_and_say_the_same(tmp_path, capsys):
    """Kept files go on working where the texts are; rows whose texts are not there are counted."""
    answers, questions = tmp_path / "ferret_bench/answer.jsonl", tmp_path / "ferret_bench/question.jsonl"
    answers.parent.mkdir()
    texts = ["A cat sits on a sofa.", "Two dogs run."]
    answers.write_text("\n".join(json.dumps({"question_id": k, "text": text}) for k, text in enumerate(texts)))
    questions.write_text("\n".join(json.dumps({"question_id": k, "text": "What is there?"}) for k in range(2)))
    asked = {"kind": "conv", "question": "What is there?"}
    rows = [
        {**asked, "file": "ferret_bench/answer.jsonl", "row": 0, "marked": "[1:A cat] sits on [?:a sofa]."},
        {**asked, "file": "ferret_bench/answer.jsonl", "row": 1, "marked": "[Two dogs] run."},
        {**asked, "file": "elsewhere/answer.jsonl", "row": 0, "marked": "[A cow] grazes."},
    ]
    form = tmp_path / "reader_1.jsonl"
    form.write_text("\n".join(map(json.dumps, rows)))
    words_readers.main([str(form), "--tagger", "rules", "--keep", str(tmp_path)])
    [kept] = tmp_path.glob("*.json")
    assert kept.name == "key_expressions.reader_1.json" and not any(word in kept.read_text() for word in ("cat", "dogs", "cow"))
    assert words_readers.read_marked(kept, tmp_path) == words_readers.read_marked(form)[:2]
    capsys.readouterr()
    words_readers.main([str(kept), "--tagger", "rules", "--data", str(tmp_path)])
    assert "1 rows left out" in capsys.readouterr().out
    with pytest.raises(ValueError, match="pass --data"):
        words_readers.read_marked(kept)
    answers.write_text(answers.read_text().replace("A cat", "A little cat"))
    with pytest.raises(ValueError, match="is another text"):
        words_readers.read_marked(kept, tmp_path)


@pytest.mark.parametrize(
    ("proposal", "mention"),
    [
        ("a door", "a door with a picture on it"),
        ("a door with a picture on it", "a door"),
        ("the headlights of the train", "headlights"),
        ("purse", "the woman's purse"),
        ("people", "a group of people"),
        ("sitting", "sitting at a table"),
        ("hat", "a red hat"),
    ],
)
def test_a_proposal_of_another_length_with_the_same_head_names_the_mention(proposal, mention):
    text = max(proposal, mention, key=len)
    spans = [(text.index(mention), text.index(mention) + len(mention))]
    assert words_quality.same(text, proposal, spans, "head")


def test_an_article_in_front_of_a_shorter_mention_decides_nothing():
    assert words_quality.same("There is a carton of eggs.", "carton of eggs", [(9, 17)], "head")


@pytest.mark.parametrize(
    ("proposal", "mention"),
    [("a picture", "a door with a picture on it"), ("the train", "the headlights of the train"), ("woman", "the woman's purse")],
)
def test_what_lies_inside_a_mention_and_is_not_its_head_does_not_name_it(proposal, mention):
    assert not words_quality.same(mention, proposal, [(0, len(mention))], "head")


def test_a_difference_of_two_readers_is_one_of_length_or_of_kind(tmp_path, capsys):
    """A difference in length is none where the head decides."""
    first = file(tmp_path / "first.jsonl", "[A cat that sits on [a sofa]] sleeps.", "[Two dogs] run.")
    second = file(tmp_path / "second.jsonl", "[A cat] that sits on [a sofa] sleeps.", "Two dogs run.")
    for match, alone in (("words", 1), ("head", 0)):
        words_readers.main([str(first), str(second), "--tagger", "rules", "--match", match])
        printed = capsys.readouterr().out
        assert f"first alone 1, by the second alone {alone}; inside a longer mention of the other {alone}" in printed


def test_another_list_of_rows_can_be_marked(tmp_path, capsys):
    """Rows say their question themselves or by an id; a list says which rows, and of which kind."""
    plain = {"question": "Who is there?", "answer": "A cat.", "kind": "detail"}
    prompt = {"prompt": "<image>\nWho?", "text": "A cow.", "category": "llava_bench_conv"}
    (tmp_path / "plain.jsonl").write_text(json.dumps(plain) + "\n\n")
    (tmp_path / "prompts.jsonl").write_text(json.dumps(prompt))
    (tmp_path / "gpt.jsonl").write_text("\n".join(json.dumps({"question_id": k, "text": f"{k} dogs."}) for k in range(3)))
    (tmp_path / "questions.jsonl").write_text("\n".join(json.dumps({"question_id": k, "text": f"Q{k}"}) for k in range(3)))
    chosen = {
        "plain.jsonl": {"kind": "by row"},
        "prompts.jsonl": {"kind": "by row", "rows": [0]},
        "gpt.jsonl": {"kind": "complex", "rows": [2]},
        "absent.jsonl": {"kind": "conv"},
    }
    (tmp_path / "list.json").write_text(json.dumps(chosen))
    words_readers.main(["--blank", str(tmp_path), "--rows", str(tmp_path / "list.json")])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["kind"], row["question"], row["marked"]) for row in rows] == [
        ("detail", "Who is there?", "A cat."),
        ("conv", "Who?", "A cow."),
        ("complex", "Q2", "2 dogs."),
    ]
    (tmp_path / "questions.jsonl").unlink()
    with pytest.raises(ValueError, match="have no question"):
        list(words_readers.blank(tmp_path, tmp_path / "list.json"))
