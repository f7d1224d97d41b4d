# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""One bad row of a benchmark costs itself where the benchmark is the source of a build, and refuses it where it is scored."""

import json

import pytest

from promvil_hf.evaluation.benchmarks import read
from promvil_hf.fivl.conversation_sources import Source
from promvil_hf.fivl.extraction import annotate, rules, seen_turns
from promvil_hf.job_files import encoded
from tests.mutations.within import drawn


def pope():
    return [{"question_id": n, "image": f"{n}.jpg", "text": "Is there a dog?", "label": "yes"} for n in range(3)]


def gqa():
    asked = {"question": "Is it red?", "answer": "yes", "isBalanced": True, "entailed": [], "groups": {"global": None},
             "types": {"structural": "verify", "semantic": "attr", "detailed": "x"}, "semantic": []}  # fmt: skip
    return {str(n): {"imageId": str(n), **asked} for n in range(3)}


def questions():
    return {"questions": [{"question_id": n, "image_id": n, "question": "Which colour?"} for n in range(3)]}


def annotations():
    return {"annotations": [{"question_id": n, "answers": [{"answer": "red"}, {"answer": "blue"}]} for n in range(3)]}


KINDS = {  # kind: its files, the one that is damaged, and where the second item lies in it
    "pope": ({"coco_pope_random.json": pope}, "coco_pope_random.json", (1,)),
    "gqa": ({"testdev_questions.json": gqa}, "testdev_questions.json", ("1",)),
    "vqav2 questions": ({"q.json": questions, "a.json": annotations}, "q.json", ("questions", 1)),
    "vqav2 annotations": ({"q.json": questions, "a.json": annotations}, "a.json", ("annotations", 1)),
}


def outcome(source) -> dict[str, bytes]:
    seen = list(seen_turns(source))
    return {one.row_id: encoded(one.key, made) for one, made in zip(seen, annotate(seen, rules), strict=True)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_row_is_rejected_in_its_place_and_the_others_are_rows(tmp_path, kind):
    files, damaged, within = KINDS[kind]
    for name, made in files.items():
        (tmp_path / name).write_text(json.dumps(made()))
    source = Source(kind.split()[0], tuple(tmp_path / name for name in files))
    whole = outcome(source)
    assert len(whole) == 3
    for place, fragment, content in drawn(files[damaged](), 40, seed=9, within=within):
        (tmp_path / damaged).write_bytes(content)
        found = outcome(source)
        changed = [row for row in whole if found.get(row) != whole[row]]
        assert found.keys() == whole.keys() and changed in ([], list(whole)[1:2]), (place, fragment)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"label": "maybe"}, "item 2: `label` is 'maybe', and it must be yes or no"),
        ({"question_id": 0}, "the id '0' stands there before"),
    ],
)
def test_what_is_wrong_with_a_row_is_said_of_it_and_scoring_refuses_the_benchmark(tmp_path, change, sentence):
    rows = pope()
    rows[1] |= change
    path = tmp_path / "coco_pope_random.json"
    path.write_text(json.dumps(rows))
    found = list(Source("pope", (path,)))
    assert [row.fault and row.fault.reason for row in found] == [None, "unreadable record", None]
    assert sentence in found[1].fault.detail and str(path) in found[1].fault.detail
    with pytest.raises(ValueError, match="coco_pope_random"):
        read("pope", path)


def test_a_question_without_answers_is_rejected(tmp_path):
    answers = annotations()
    answers["annotations"][1]["answers"] = []
    del answers["annotations"][2]
    (tmp_path / "q.json").write_text(json.dumps(questions()))
    (tmp_path / "a.json").write_text(json.dumps(answers))
    found = list(Source("vqav2", (tmp_path / "q.json", tmp_path / "a.json")))
    assert [row.fault and row.fault.reason for row in found] == [None, "no answer", "unreadable record"]
    assert "q.json, `questions` 3: no answers to it can be read" in found[2].fault.detail
