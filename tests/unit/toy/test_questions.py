# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Questions about toy scenes: their answers are true, hard to guess without the picture, and point at the right objects."""

import json
import re
from collections import Counter, defaultdict
from functools import cache

import numpy as np
import pytest

from promvil_hf.inflection import lemma
from promvil_hf.masks import decode
from promvil_hf.toy.gqa import gqa_questions, visual_genome_questions
from promvil_hf.toy.questions import POPE_KINDS, conversation, pope_questions
from promvil_hf.toy.world import WorldConfig, held_out_pairs, scene, scenes
from tests.reference.toy_world import COLORS, PATTERNS, SIZES, WORDINGS, View


NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}


@cache
def drawn():
    return tuple((one, View(one)) for one in scenes(WorldConfig(), 150, seed=9))


def the(view, phrase):
    (object_id,) = view.denotation(phrase)
    return object_id, view.things[object_id]


def test_gqa_answers_follow_from_their_programs():
    for one, view in drawn():
        for question in gqa_questions(one):
            result = view.run(question.to_gqa()["semantic"])
            answer = {True: "yes", False: "no"}.get(result, result)
            assert answer == question.answer, question


GQA_FORMS = (
    (r"(?:What|Which) color is (the .+)\?", lambda view, a: _word(view, a, COLORS)),
    (r"What size is (the .+)\?", lambda view, a: _word(view, a, SIZES)),
    (r"What is the pattern of (the .+)\?", lambda view, a: _word(view, a, PATTERNS)),
    (r"On which side of the image is (the .+)\?", lambda view, a: _side(view, a)),
    (r"Is there an? ([\w ]+)\?", lambda view, a: _yes(view.denotation(a))),
    (r"Are (the .+) and (the .+) the same color\?", lambda view, a, b: _same(view, a, b)),
    (r"What is (the .+) (holding|around)\?", lambda view, a, p: _object_of(view, a, p)),
)


def _word(view, phrase, words):
    (word,) = the(view, phrase)[1].words & words
    return word


def _side(view, phrase):
    return "left" if the(view, phrase)[1].column < view.width / 2 else "right"


def _yes(found):
    return "yes" if found else "no"


def _same(view, a, b):
    return _yes(_word(view, a, COLORS) == _word(view, b, COLORS))


def _object_of(view, phrase, predicate):
    subject, _ = the(view, phrase)
    (found,) = [k for k in view.things if k != subject and view.holds(subject, predicate, k)]
    return view.things[found].name


def _related(view, question):
    """Questions whose relation stands between two noun phrases, or before the only one."""
    for wording, predicate in WORDINGS.items():
        if match := re.fullmatch(rf"Is there an? (\w+) {wording} (the .+)\?", question):
            name, anchor = match[1], the(view, match[2])[0]
            return _yes([k for k in view.named([name]) if view.holds(k, predicate, anchor)])
        if match := re.fullmatch(rf"What is {wording} (the .+)\?", question):
            anchor = the(view, match[1])[0]
            (found,) = [k for k in view.things if k != anchor and view.possible(k, predicate, anchor)]
            return view.things[found].name
        if match := re.fullmatch(rf"Is (the \w+) {wording} (the .+)\?", question):
            return _yes(view.holds(the(view, match[1])[0], predicate, the(view, match[2])[0]))
    return None


def _verified(view, question):
    """Questions that end in one or two adjectives."""
    words = "|".join(sorted(COLORS | SIZES | PATTERNS))
    match = re.fullmatch(rf"Is (the .+?) ({words})(?: (and|or) ({words}))?\?", question)
    if match is None:
        return None
    seen = the(view, match[1])[1].words
    if match[3] == "or":
        (chosen,) = {match[2], match[4]} & seen
        return chosen
    return _yes({match[2], match[4] or match[2]} <= seen)


def _chosen(view, question):
    match = re.fullmatch(
        r"Is (the \w+) (to the left|to the right|above|below) or (to the left of|to the right of|above|below) (the .+)\?",
        question,
    )
    if match is None:
        return None
    subject, anchor = the(view, match[1])[0], the(view, match[4])[0]
    options = [p for p in ("left of", "right of", "above", "below") if p.removesuffix(" of") in match[2] + match[3]]
    (found,) = [p for p in options if view.holds(subject, p, anchor)]
    return found.removesuffix(" of")


def test_gqa_answers_are_true_by_the_words_of_the_question_alone():
    for one, view in drawn()[:150]:
        for question in gqa_questions(one):
            text = question.question
            answer = _chosen(view, text)
            for form, reader in GQA_FORMS:
                match = re.fullmatch(form, text)
                if answer is None and match and not (form.startswith("Is there") and " the " in text):
                    answer = reader(view, *match.groups())
            answer = answer or _verified(view, text) or _related(view, text)
            assert answer == question.answer, question


def test_gqa_questions_have_the_form_of_the_real_ones(shared_data):
    real = json.loads((shared_data / "gqa" / "gqa_testdev_250.json").read_text())
    record = next(iter(real.values()))
    known_types = {tuple(q["types"][key] for key in ("semantic", "structural")) for q in real.values()}
    for one, _ in drawn()[:50]:
        for question in gqa_questions(one):
            row = question.to_gqa()
            assert set(row) == set(record)
            for key in ("annotations", "groups", "types"):
                assert set(row[key]) == set(record[key])
            assert all(set(step) == set(record["semantic"][0]) for step in row["semantic"])
            kind = (row["types"]["semantic"], row["types"]["structural"])
            assert kind in known_types, kind
            for k, step in enumerate(row["semantic"]):
                assert all(need < k for need in step["dependencies"])


def test_gqa_annotations_name_the_words_of_their_objects():
    for one, view in drawn()[:100]:
        for question in gqa_questions(one):
            row = question.to_gqa()
            for key, text in (
                ("question", row["question"]),
                ("fullAnswer", row["fullAnswer"]),
                ("answer", row["answer"]),
            ):
                for span, object_id in row["annotations"][key].items():
                    start, _, end = span.partition(":")
                    words = re.sub(r"[?.,]", "", " ".join(text.split()[int(start) : int(end or int(start) + 1)]))
                    assert set(words.lower().split()) <= view.things[int(object_id)].words


def test_gqa_answers_are_hard_to_guess():
    questions = [question for one, _ in drawn() for question in gqa_questions(one)]
    assert len({question.question_id for question in questions}) == len(questions)
    answers = Counter(question.answer for question in questions)
    assert 0.42 < answers["yes"] / (answers["yes"] + answers["no"]) < 0.58
    assert max(answers.values()) < 0.35 * len(questions)
    assert len(answers) >= 25
    by_type = defaultdict(Counter)
    for question in questions:
        by_type[question.types["detailed"]][question.answer] += 1
    assert len(by_type) >= 12
    for kind, counts in by_type.items():
        assert max(counts.values()) < 0.66 * sum(counts.values()), kind


def test_one_scene_asks_no_question_twice():
    for one, _ in drawn():
        texts = [question.question for question in gqa_questions(one)]
        assert len(texts) == len(set(texts)) == 6


@pytest.mark.parametrize("kind", POPE_KINDS)
def test_pope_labels_are_true_and_balanced_noun_by_noun(kind):
    asked = 0
    for one, view in drawn():
        questions = pope_questions(one, kind)
        asked += len(questions)
        assert len({question.question for question in questions}) == len(questions) <= 6
        nouns = defaultdict(list)
        for question in questions:
            words = re.fullmatch(r"Is there an? (\w+ \w+) in the image\?", question.question)[1]
            assert question.answer == _yes(view.denotation(words))
            nouns[words.split()[1]].append(question.answer)
        for answers in nouns.values():
            assert answers.count("yes") == answers.count("no")
    assert asked > 5 * len(drawn())


def test_pope_adversarial_asks_for_colors_that_are_there():
    shown = Counter()
    for one, view in drawn():
        colors = {word for thing in view.things.values() for word in thing.words & COLORS}
        for kind in POPE_KINDS:
            for question in pope_questions(one, kind):
                if question.answer == "no":
                    shown[kind, question.question.split()[3] in colors] += 1
    assert shown["adversarial", False] == 0 and shown["random", True] < 0.05 * shown["random", False]


def test_pope_rows_have_the_form_of_the_real_ones(shared_data):
    with (shared_data / "pope" / "coco_pope_popular.jsonl").open() as lines:
        record = json.loads(next(lines))
    row = pope_questions(drawn()[0][0])[0].to_pope()
    assert {key: type(value) for key, value in row.items()} == {key: type(value) for key, value in record.items()}
    with pytest.raises(ValueError, match="Pass one of random, adversarial and an even number from 2 on"):
        pope_questions(drawn()[0][0], "popular")


def test_conversations_answer_truly():
    kinds = Counter()
    for one, view in drawn():
        for question, answer in conversation(one).turns:
            kinds[question.split(" the ")[0].split(" are ")[0]] += 1
            if match := re.fullmatch(r"It is an? (.+)\.", answer):
                thing = the(view, re.search(r"(the .+)\?", question.replace("the pattern of ", ""))[1])[1]
                assert thing.words == set(match[1].split())
            elif match := re.fullmatch(r"There (?:is|are) (\w+) (\w+)\.", answer):
                assert len(view.named([lemma(match[2])])) == NUMBERS[match[1]]
            elif match := re.fullmatch(r"It is holding an? (.+)\.", answer):
                robot = the(view, re.search(r"(the .+) doing", question)[1])[0]
                assert any(view.holds(robot, "holding", k) for k in view.denotation(match[1]))
            elif question.startswith("Where is"):
                subject, _ = the(view, question[len("Where is ") : -1])
                rest = re.fullmatch(r"The \w+ is (.+)\.", answer)[1]
                wording = max((w for w in WORDINGS if rest.startswith(w)), key=len)
                anchor, _ = the(view, rest[len(wording) + 1 :])
                assert view.holds(subject, WORDINGS[wording], anchor)
            elif question.startswith("What is"):
                rest = question[len("What is ") : -1]
                wording = max((w for w in WORDINGS if rest.startswith(w)), key=len)
                anchor, _ = the(view, rest[len(wording) + 1 :])
                described = re.match(rf"An? (.+?) is {wording} the ", answer)[1]
                assert any(view.holds(k, WORDINGS[wording], anchor) for k in view.denotation(described))
            else:
                assert question == "What does the image show?"
                listed = Counter(re.sub(r"^an? ", "", part) for part in re.split(", | and ", answer[16:-1]))
                assert listed == Counter(" ".join((*t.attributes, t.name)) for t in one.objects)
    assert len(kinds) > 6


def test_conversations_have_the_form_of_llava():
    for one, _ in drawn()[:30]:
        row = conversation(one).to_llava()
        assert set(row) == {"id", "image", "conversations"}
        assert row["image"] == f"VG_100K/{one.image_id}.png"
        speakers = [turn["from"] for turn in row["conversations"]]
        assert speakers == ["human", "gpt"] * (len(speakers) // 2)
        marked = [turn["value"].startswith("<image>\n") for turn in row["conversations"]]
        assert marked == [True] + [False] * (len(marked) - 1)


def test_key_expressions_are_words_of_their_turn_and_fit_the_objects_they_name():
    for one, view in drawn():
        talk = conversation(one)
        for key in talk.keys:
            assert key.text in talk.turns[key.turn][1]
            words = key.text.split()
            if words[0] in NUMBERS:
                assert set(key.object_ids) == view.named([lemma(words[1])])
            else:
                assert set(key.object_ids) <= view.denotation(key.text)
        for question in gqa_questions(one):
            for key in question.keys:
                assert key.turn == 0 and key.object_ids
                words = set(key.text.split())
                assert key.text in f"{question.question} {question.answer}"
                if words <= COLORS | SIZES | PATTERNS:
                    assert all(words <= view.things[k].words for k in key.object_ids)
        for kind in POPE_KINDS:
            for question in pope_questions(one, kind):
                assert bool(question.keys) == (question.answer == "yes")
                for key in question.keys:
                    assert set(key.object_ids) == view.denotation(key.text)


def test_the_mask_of_a_key_expression_is_the_pixels_of_its_objects():
    for one, view in drawn()[:60]:
        for key in (*conversation(one).keys, *(key for question in gqa_questions(one) for key in question.keys)):
            located = key.located(one)
            assert (located.text, located.turn) == (key.text, key.turn)
            expected = np.any([view.things[k].mask for k in key.object_ids], axis=0)
            assert (decode(located.mask) == expected).all()
            for box, object_id in zip(located.boxes, key.object_ids, strict=True):
                thing = view.things[object_id]
                corners = (thing.left, thing.top, thing.right + 1, thing.bottom + 1)
                assert np.allclose(np.multiply(box.xyxy, one.size * 2), corners)


def test_visual_genome_answers_end_with_a_period_and_are_true():
    for one, view in drawn():
        pairs = visual_genome_questions(one)
        assert pairs
        for question, answer in pairs:
            assert re.fullmatch(r"[A-Z][a-z]*\.", answer)
            if match := re.fullmatch(r"What color is (the .+)\?", question):
                assert answer[:-1].lower() in the(view, match[1])[1].words
            elif match := re.fullmatch(r"How many (\w+) are there\?", question):
                assert len(view.named([lemma(match[1])])) == NUMBERS[answer[:-1].lower()]


def test_training_questions_never_speak_of_pairs_held_out():
    held_out = held_out_pairs(0.25)
    config = WorldConfig(held_out=held_out, split="train")
    for one in scenes(config, 80, seed=1):
        texts = [question.question for question in gqa_questions(one)]
        texts += [question.question for kind in POPE_KINDS for question in pope_questions(one, kind)]
        texts += [text for turn in conversation(one).turns for text in turn]
        texts += [expression.text for expression in one.expressions()] + [one.caption().text]
        for color, shape in held_out:
            assert not any(re.search(rf"\b{color} {shape}\b", text) for text in texts)


def test_questions_do_not_disturb_each_other():
    config = WorldConfig()
    first, second = scene(config, 0, 3), scene(config, 0, 3)
    conversation(first), pope_questions(first)
    assert gqa_questions(first) == gqa_questions(second)
    assert gqa_questions(first, 3) == gqa_questions(second, 6)[:3]
