# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Forms name every item and answer, and a verdict file that does not hold together is refused."""

import copy
import json
import re

import pytest

from promvil_hf.pages import JudgementItem, Question, judgement_form, page, read_verdicts


QUESTIONS = [Question("mask", "Is the mask right?"), Question("good", "A good <sample>?", ("yes", "no"))]

SAVED = {
    "format": "promvil_hf.verdicts",
    "version": 1,
    "form": "fivl",
    "fingerprint": "0123",
    "judge": "Ada",
    "saved": "2026-01-01T00:00:00.000Z",
    "questions": [
        {"key": "mask", "text": "Is the mask right?", "options": ["yes", "no", "cannot tell"]},
        {"key": "good", "text": "A good sample?", "options": ["yes", "no"]},
    ],
    "items": ["a", "b", "c"],
    "verdicts": [
        {"item": "a", "answers": {"mask": "yes", "good": "no"}, "remark": "blurred"},
        {"item": "c", "answers": {"mask": "yes"}, "remark": ""},
    ],
}


def items(count=3):
    return [JudgementItem(f'img"{i}', f"<i>{i}</i>") for i in range(count)]


def test_every_item_has_every_question_and_labels_belong_to_their_buttons():
    made = str(judgement_form(items(), QUESTIONS, form="fivl"))
    assert made.count("<fieldset>") == 6 and made.count('type="radio"') == 3 * (3 + 2)
    assert made.count("<legend>A good &lt;sample&gt;?</legend>") == 3 and "<i>" not in made
    assert 'data-item="img&quot;0"' in made
    assert all("<label>" in part[-120:] for part in made.split('<input type="radio"')[:-1])
    names = re.findall(r'type="radio" name="([^"]+)"', made)
    assert len(set(names)) == 6


def test_items_may_come_from_a_generator_and_only_then_is_the_count_known():
    form = judgement_form((item for item in items(5)), QUESTIONS, form="f")
    assert form.is_lazy and "0 of 5 judged" in str(page("T", form))


def test_another_sample_or_question_has_another_fingerprint():
    def fingerprint(*arguments, form="f"):
        return re.search(r'data-fingerprint="(\w+)"', str(judgement_form(*arguments, form=form)))[1]

    same = fingerprint(items(), QUESTIONS)
    assert same == fingerprint(items(), QUESTIONS)
    others = {
        fingerprint(items(2), QUESTIONS),
        fingerprint(items(), QUESTIONS[:1]),
        fingerprint(items(), QUESTIONS, form="g"),
    }
    assert same not in others and len(others) == 3


def test_forms_that_would_mix_up_answers_are_refused():
    with pytest.raises(ValueError, match="two items with the key 'a'"):
        str(judgement_form([JudgementItem("a", ""), JudgementItem("a", "")], QUESTIONS, form="f"))
    with pytest.raises(ValueError, match="each key once"):
        judgement_form(items(), [QUESTIONS[0], QUESTIONS[0]], form="f")
    with pytest.raises(ValueError, match="lower case letters"):
        Question("__proto__", "?")
    for key in ("", "a\nb", "a\x00"):
        with pytest.raises(ValueError, match="must be printable"):
            JudgementItem(key, "")
    with pytest.raises(ValueError, match="must be printable"):
        Question("a", "?", ("yes", "no\r"))
    with pytest.raises(ValueError, match="two or more, each once"):
        Question("a", "?", ("yes", "yes"))


def test_a_saved_file_reads_back(tmp_path):
    path = tmp_path / "verdicts.json"
    path.write_text(json.dumps(SAVED))
    verdicts = read_verdicts(path)
    assert (verdicts.form, verdicts.judge, verdicts.items) == ("fivl", "Ada", ("a", "b", "c"))
    assert verdicts.answers["a"] == {"mask": "yes", "good": "no"} and verdicts.remarks == {"a": "blurred"}
    assert verdicts.counts("mask") == {"yes": 2, "no": 0, "cannot tell": 0}
    assert verdicts.counts("good") == {"yes": 0, "no": 1}
    with pytest.raises(ValueError, match="this file has answers to mask, good"):
        verdicts.counts("bad")


def change(path, value):
    changed = copy.deepcopy(SAVED)
    place = changed
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(changed)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not JSON"),
        (json.dumps(SAVED)[:200], "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is not a verdict file"),
        ("{}", "is not a verdict file"),
        (change(["version"], 2), "is not a verdict file"),
        (change(["items"], None), "it lacks 'items'"),
        (change(["items"], [1]), "1 stands where a text belongs"),
        (change(["verdicts", 0, "item"], "z"), "item 'z' was not on the page"),
        (change(["verdicts", 1, "item"], "a"), "or is judged twice"),
        (change(["verdicts", 0, "answers", "mask"], "maybe"), "'maybe', which was not offered"),
        (change(["verdicts", 0, "answers"], {"other": "yes"}), "which was not offered"),
        (change(["verdicts", 0, "answers"], []), "does not hold together"),
        (change(["verdicts"], [3]), "does not hold together"),
        (change(["questions", 0, "key"], "A b"), "lower case letters"),
        (change(["questions"], {"a": 1}), "does not hold together"),
    ],
)
def test_a_broken_verdict_file_is_refused_with_the_reason(tmp_path, text, reason):
    path = tmp_path / "verdicts.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(str(path))) as error:
        read_verdicts(path)
    assert reason in str(error.value)
