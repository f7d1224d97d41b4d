# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Faults that chains from real graphs showed, each as a class."""

import pytest

from promvil_hf.compovl.compose import Composing, compose
from promvil_hf.compovl.relation_words import noun_of
from promvil_hf.compovl.scene_graph import Relation, SceneGraph, Thing


def scene_graph(things, relations):
    """things: id -> (name, box); relations: (subject, predicate, object)."""
    made = {thing_id: Thing(thing_id, (name,), box) for thing_id, (name, box) in things.items()}
    made_relations = tuple(Relation(k, *line) for k, line in enumerate(relations))
    return SceneGraph(1, 100, 100, "1.jpg", "", None, made, made_relations, (), (), {})


def spread(names):
    """Things beside each other, none on another."""
    return {k: (name, (k / 20, 0.1, k / 20 + 0.02, 0.2)) for k, name in enumerate(names.split(", "), start=1)}


def texts(graph, **how):
    return {chain.expression for chain in compose(graph, Composing(per_image=50, **how)).chains}


@pytest.mark.parametrize("predicate", ["and", "or", "not", "s", "on mans", "are fully plugged", "standing"])
def test_only_known_words_link_two_things(predicate):
    composed = compose(scene_graph(spread("cord, wall"), [(1, predicate, 2)]))
    assert composed.chains == [] and composed.left_out["predicate is no wording"] == 1


@pytest.mark.parametrize("name", ["pluged", "akimbo", "standing", "daytime", "colors", "s", "cup and saucer"])
def test_participles_postures_and_what_has_no_border_are_no_nouns(name):
    assert noun_of(name) is None


def test_two_clauses_about_one_noun_agree_in_form():
    graph = scene_graph(spread("dog, pillow, couch"), [(1, "lies against", 2), (1, "sitting on", 3)])
    assert "the dog lying against the pillow and sitting on the couch" in texts(graph)


def test_two_places_of_one_thing_are_not_joined():
    graph = scene_graph(spread("rock, field, hill"), [(1, "in", 2), (1, "on", 3)])
    assert texts(graph) == {"the rock in the field", "the rock on the hill"}
    graph = scene_graph(spread("tie, neck, person"), [(1, "worn on", 2), (1, "worn on", 3)])
    assert texts(graph) == {"the tie worn on the neck", "the tie worn on the person"}


def test_another_thing_of_the_kind_that_lies_on_the_object_may_fit():
    street = ("street", (0.0, 0.5, 1.0, 1.0))
    men = {1: ("man", (0.1, 0.6, 0.2, 0.9)), 2: ("man", (0.5, 0.6, 0.6, 0.9))}
    composed = compose(scene_graph({**men, 3: street}, [(1, "on", 3)]))
    assert composed.chains == [] and composed.left_out["another of its kind may fit"] == 1
    elsewhere = {**men, 2: ("man", (0.5, 0.0, 0.6, 0.4)), 3: street}
    assert texts(scene_graph(elsewhere, [(1, "on", 3)])) == {"the man on the street"}


def test_a_kind_is_a_noun_in_either_number_and_with_more_words():
    graph = scene_graph(spread("window, windows, wall"), [(1, "in", 3), (2, "in", 3)])
    assert texts(graph) == set() and compose(graph).left_out["ambiguous expression"] == 2
    graph = scene_graph(spread("sign, stop sign, pole"), [(1, "on", 3), (2, "on", 3)])
    assert texts(graph) == {"the stop sign on the pole"}


def test_one_object_listed_twice_with_slightly_other_boxes_is_one_thing():
    graph = scene_graph(
        {1: ("man", (0.1, 0.1, 0.3, 0.9)), 2: ("man", (0.11, 0.12, 0.29, 0.8)), 3: ("hat", (0.1, 0.1, 0.2, 0.2))},
        [(1, "wearing", 3), (2, "wearing", 3)],
    )
    [chain] = compose(graph).chains
    assert chain.steps[-1].object_ids == (1,) and chain.distractors == 0


def test_a_noun_stands_once_in_an_expression_and_clothes_carry_nothing():
    graph = scene_graph(spread("shirt, person, skirt, person"), [(1, "on", 2), (2, "wearing", 3), (3, "on", 4)])
    assert not any(text.count("person") > 1 for text in texts(graph))
    graph = scene_graph(spread("jacket, bear"), [(1, "carrying", 2)])
    assert compose(graph).left_out["clothes that wear or carry"] == 1
