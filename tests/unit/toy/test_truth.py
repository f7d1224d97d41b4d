# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the toy world says is true, by an interpreter that only sees pixels and words."""

import dataclasses
from functools import cache

import pytest

from promvil_hf.toy.world import Scene, WorldConfig, scenes
from tests.reference.toy_world import View, split, without_last_clause


WORLDS = {
    "default": WorldConfig(),
    "tiny": WorldConfig(image_size=(64, 64)),
    "deep": WorldConfig(levels=4),
    "sketched": WorldConfig(style="sketch", image_size=(160, 96)),
}


@cache
def drawn(name: str) -> tuple[tuple[Scene, View], ...]:
    return tuple((scene, View(scene)) for scene in scenes(WORLDS[name], 25, seed=5))


@pytest.fixture(params=WORLDS)
def world(request):
    return drawn(request.param)


def test_the_relations_listed_are_exactly_those_the_pixels_show(world):
    for scene, view in world:
        ids = [thing.object_id for thing in scene.objects]
        listed = {(ids[s], predicate, ids[o]) for s, predicate, o in scene.geometry.triples()}
        seen = {
            (a, predicate, b)
            for a in ids
            for b in ids
            if a != b
            for predicate in scene.geometry.holds
            if view.holds(a, predicate, b)
        }
        assert listed == seen


def test_every_expression_picks_out_the_one_object_it_names_under_the_narrow_and_the_wide_reading(world):
    for scene, view in world:
        for expression in scene.expressions():
            assert view.denotation(expression.text) == {expression.target_id}
            assert view.denotation(expression.text, view.possible) == {expression.target_id}
            assert not expression.ambiguous


def test_every_scene_has_expressions_of_every_level_asked_for(world):
    for scene, _ in world:
        levels = [expression.level for expression in scene.expressions()]
        assert set(levels) == set(range(1, scene.config.levels + 1))
        assert levels == sorted(levels)


def test_a_composed_expression_needs_all_its_parts(world):
    for scene, view in world:
        for expression in scene.expressions():
            if expression.level > 1:
                head = " ".join(split(expression.text)[0])
                assert len(view.denotation(head)) > 1
                assert len(view.denotation(without_last_clause(expression.text))) > 1


def test_the_parts_of_an_expression_tell_what_each_phrase_in_it_means(world):
    for scene, view in world:
        for expression in scene.expressions():
            *_, whole = expression.parts
            assert (whole.text, whole.level, whole.object_ids) == (
                expression.text,
                expression.level,
                (expression.target_id,),
            )
            assert {part.level for part in expression.parts} == set(range(1, expression.level + 1))
            for index, part in enumerate(expression.parts):
                assert expression.text[part.start : part.end] == part.text
                assert set(part.object_ids) == view.denotation(part.text)
                assert all(anchor < index for anchor in part.anchors)
                if part.anchors:
                    (anchor,) = (expression.parts[k] for k in part.anchors)
                    assert part.level == 1 + anchor.level and len(anchor.object_ids) == 1
                    assert expression.parts[part.head].text == f"the {' '.join(split(part.text)[0])}"
                    assert split(part.text)[1:] == (part.predicate, anchor.text)


def test_the_triples_of_an_expression_are_relations_of_its_scene(world):
    for scene, view in world:
        for expression in scene.expressions():
            assert len(expression.triples) == expression.level - 1
            assert all(view.holds(*triple) for triple in expression.triples)


def test_the_interpreter_notices_a_scene_that_was_changed():
    """The checks above can fail: mirrored scenes, and moved objects, break expressions."""
    broken = 0
    for scene, _ in drawn("default"):
        width = scene.size[0]
        mirrored = tuple(dataclasses.replace(thing, x=width - thing.x - thing.w) for thing in scene.objects)
        view = View(dataclasses.replace(scene, objects=mirrored))
        broken += any(view.denotation(expression.text) != {expression.target_id} for expression in scene.expressions())
    assert broken > 20


def test_the_interpreter_reads_clauses_from_the_right():
    assert split("the small circle that is to the left of the star on the square") == (
        ["small", "circle"],
        "left of",
        "the star on the square",
    )
    assert without_last_clause("the moon above the star on the red square") == "the moon above the star"
    assert split("the ring") == (["ring"], None, None)


def test_a_caption_names_every_object_once_where_it_says(world):
    for scene, _ in world:
        caption = scene.caption()
        assert sorted(mention[2] for mention in caption.mentions) == [thing.object_id for thing in scene.objects]
        for start, end, object_id in caption.mentions:
            thing = scene.objects[scene.position_of(object_id)]
            article, *words = caption.text[start:end].split()
            assert words == [*thing.attributes, thing.name]
            assert article == ("an" if words[0][0] in "aeiou" else "a")


def test_composed_expressions_speak_of_many_relations_and_objects():
    spoken = [predicate for scene, _ in drawn("deep") for e in scene.expressions() for _, predicate, _ in e.triples]
    assert set(spoken) == set(WorldConfig().predicates)
    assert max(map(spoken.count, set(spoken))) < 0.35 * len(spoken)


def test_plain_wording_says_that_is_only_behind_a_verb():
    plain = WorldConfig(wording="plain")
    for scene in scenes(plain, 40, seed=5):
        for expression in scene.expressions():
            before, _, rest = expression.text.partition(" that is ")
            assert not rest or split(before)[1] in ("touching", "holding", "held by")
            assert "to the left of" not in expression.text
    texts = [e.text for scene, _ in drawn("default") for e in scene.expressions()]
    assert any("that is left of" in text for text in texts) and any("to the left of" in text for text in texts)


def test_a_clause_behind_a_verb_and_a_noun_is_bound_to_that_noun(world):
    """ "the robot holding the cross above the ring" leaves open what is above the ring."""
    for scene, _ in world:
        for expression in scene.expressions():
            for part in expression.parts:
                if part.predicate in ("touching", "holding", "held by"):
                    anchor = expression.parts[part.anchors[0]]
                    assert anchor.level == 1 or " that is " in anchor.text
