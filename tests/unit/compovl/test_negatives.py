# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Nested negatives: nothing in the picture fits what is said to be absent, and only what the graph speaks against is denied."""

import pytest

from promvil_hf.compovl import denial_words
from promvil_hf.compovl.compose import Composing, compose
from promvil_hf.compovl.denials import Denials, boxes_exclude, with_opposite
from promvil_hf.compovl.negatives import negatives
from promvil_hf.compovl.scene_graph import Region, Relation, SceneGraph, Thing, assembled
from promvil_hf.compovl.visual_genome import VisualGenome
from tests.reference.nested_negatives import check, worlds


def scene_graph(things, relations, phrases=()):
    """things: id -> (box, name, *attributes); relations: (subject, predicate, object)."""
    made = {
        thing_id: Thing(thing_id, (name,), corners, tuple(attributes))
        for thing_id, (corners, name, *attributes) in things.items()
    }
    made_relations = tuple(Relation(k, *line) for k, line in enumerate(relations))
    regions = tuple(Region(k, phrase, (0, 0, 1, 1)) for k, phrase in enumerate(phrases))
    return SceneGraph(1, 100, 100, "VG_100K/1.jpg", "", None, made, made_relations, regions, (), {})


LEFT, RIGHT = (0.1, 0.4, 0.3, 0.6), (0.6, 0.4, 0.9, 0.6)
LOOK = {(family, written): look for look in denial_words.LOOKS for family, _, _, written in [look]}


def changes(graph, most=99):
    chains = compose(graph, Composing(per_image=20)).chains
    return {(one.kind, one.old, one.new) for one in negatives(graph, chains, most)}


def test_nothing_in_a_drawn_scene_fits_a_negative_and_a_positive_still_fits_one(tmp_path):
    found = check(worlds(12, 3, tmp_path), most_negatives=120)
    assert found.wrong == [] and found.negatives == 120 and found.positives > 30
    assert {kind for kind, _ in found.kinds} == {"object", "attribute", "relation"}
    assert {level for _, level in found.kinds} == {1, 2, 3, 4}


def test_one_step_changes_and_what_leans_on_it_is_absent_too():
    graph = scene_graph(
        {1: (LEFT, "dog"), 2: (RIGHT, "man"), 3: ((0.6, 0.5, 0.7, 0.6), "cup")},
        [(1, "left of", 2), (2, "holding", 3)],
    )
    chain = compose(graph).chains[0]
    assert chain.expression == "the dog left of the man holding the cup"
    for one in negatives(graph, [chain], 99):
        before = [step.text for step in chain.steps]
        after = [step.text for step in one.steps]
        absent = [step.absent for step in one.steps]
        assert absent.index(True) == one.changed_step and absent[one.changed_step :] == [True] * (3 - one.changed_step)
        assert [a == b for a, b in zip(before, after, strict=True)] == [not gone for gone in absent]
        assert all(bool(step.boxes) != step.absent for step in one.steps)
        assert one.steps[one.changed_step].level == one.changed_level
        for step in one.steps:
            assert all(mention == one.steps[anchor].text for anchor, mention in zip(step.anchors, step.mentions, strict=True))
    by_kind = {one.kind: one for one in negatives(graph, [chain], 99)}
    assert by_kind["relation"].expression == "the dog right of the man holding the cup"
    assert by_kind["relation"].changed_level == 3


def test_a_noun_is_denied_only_where_no_word_might_mean_the_same():
    things = {1: (LEFT, "dog"), 2: (RIGHT, "bench")}
    relations = [(1, "next to", 2)]
    assert ("object", "dog", "cat") in changes(scene_graph(things, relations))
    for hidden in ({3: (RIGHT, "kittens")}, {3: (RIGHT, "animals")}, {3: (RIGHT, "toy")}):
        assert ("object", "dog", "cat") not in changes(scene_graph(things | hidden, relations))
    assert ("object", "dog", "cat") not in changes(scene_graph(things, relations, ["a tabby on the bench"]))
    bowl = changes(scene_graph({1: (LEFT, "dog"), 2: (RIGHT, "bowl")}, relations))
    assert not any(kind == "object" and old == "bowl" for kind, old, _ in bowl)  # small things are left out by many


def test_a_look_is_denied_only_where_each_thing_of_the_kind_is_known_to_look_otherwise():
    blue = LOOK["colour", "blue"]
    assert Denials(scene_graph({1: (LEFT, "car", "red"), 2: (RIGHT, "car", "yellow")}, [])).look("car", blue)
    assert not Denials(scene_graph({1: (LEFT, "car", "red"), 2: (RIGHT, "car")}, [])).look("car", blue)  # nobody said
    assert not Denials(scene_graph({1: (LEFT, "car", "red"), 2: (RIGHT, "car", "parked")}, [])).look("car", blue)
    assert not Denials(scene_graph({1: (LEFT, "car", "red"), 2: (RIGHT, "van", "navy")}, [])).look("car", blue)  # may be a car
    assert not Denials(scene_graph({1: (LEFT, "car", "green")}, [])).look("car", blue)  # near blue
    assert not Denials(scene_graph({1: (LEFT, "car", "red", "striped")}, [])).look("car", blue)
    assert not Denials(scene_graph({1: (LEFT, "car", "red")}, [], ["a blue car far away"])).look("car", blue)
    assert not Denials(scene_graph({1: (LEFT, "car", "red")}, [], ["cars along the street"])).look("car", blue)  # more of them
    assert not Denials(scene_graph({1: (LEFT, "tree", "red")}, [])).look("car", blue)


def test_a_relation_is_denied_only_where_each_pair_stands_the_other_way_round():
    things = {1: (LEFT, "dog"), 2: (RIGHT, "man")}
    relations = [(1, "left of", 2)]
    assert ("relation", "left of", "right of") in changes(scene_graph(things, relations))
    another = {3: ((0.92, 0.4, 1.0, 0.6), "puppy")}  # somebody may call it the dog right of the man
    assert not Denials(scene_graph(things | another, relations)).relation("dog", "left of", "man")
    overlapping = {1: ((0.1, 0.4, 0.7, 0.6), "dog"), 2: ((0.2, 0.4, 0.9, 0.6), "man")}
    assert not Denials(scene_graph(overlapping, relations)).relation("dog", "left of", "man")


def test_in_front_of_needs_a_relation_of_the_graph_and_boxes_that_agree():
    nearer, farther = (0.1, 0.5, 0.3, 0.9), (0.4, 0.3, 0.6, 0.6)

    def denies(things):
        return Denials(scene_graph(things, [(1, "in front of", 2)])).relation("man", "in front of", "horse")

    assert denies({1: (nearer, "man"), 2: (farther, "horse")})
    assert not denies({1: (farther, "man"), 2: (nearer, "horse")})
    assert not denies({1: (nearer, "man"), 2: (farther, "horse"), 3: (nearer, "pony")})


def test_under_is_put_in_only_for_things_that_have_room_below():
    on = {1: ((0.4, 0.3, 0.5, 0.4), "cup"), 2: ((0.2, 0.4, 0.8, 0.9), "table")}
    assert Denials(scene_graph(on, [(1, "on", 2)])).relation("cup", "on", "table")
    on[2] = (on[2][0], "floor")
    assert not Denials(scene_graph(on, [(1, "on", 2)])).relation("cup", "on", "floor")


@pytest.mark.parametrize(
    ("link", "opposite"),
    [
        ("to the left of", "to the right of"),
        ("parked in front of", "parked behind"),
        ("sitting on top of", "sitting under"),
        ("above", "below"),
    ],
)
def test_the_place_at_the_end_of_a_link_is_exchanged(link, opposite):
    assert with_opposite(link) == opposite


def test_clothes_that_are_on_somebody_are_no_place():
    graph = scene_graph({1: (LEFT, "man"), 2: (LEFT, "watch")}, [(1, "has on", 2)])
    assert changes(graph) == {("object", "man", "woman")}


def test_sides_exclude_each_other_and_never_both():
    assert boxes_exclude(LEFT, "right", RIGHT) and not boxes_exclude(LEFT, "left", RIGHT)
    assert boxes_exclude(RIGHT, "left", LEFT) and not boxes_exclude(LEFT, "below", RIGHT)


def test_which_negatives_are_made_is_settled_by_the_words_alone():
    graph = scene_graph({1: (LEFT, "dog", "red"), 2: (RIGHT, "man")}, [(1, "left of", 2)])
    chains = compose(graph).chains
    one, all_of_them = negatives(graph, chains, 1), negatives(graph, chains, 99)
    assert len(one) == len(chains) and one[0] in all_of_them and one == negatives(graph, chains, 1)


def test_negatives_of_real_graphs_never_put_in_a_word_that_somebody_used(shared_data):
    made = 0
    for release in ("v1.0.0", "v1.2.0"):
        with VisualGenome(shared_data / "visual_genome" / release) as source:
            for graph in (assembled(source.graph(found)) for found in source.images()):
                chains = compose(graph, Composing(per_image=50)).chains
                said = {word for region in graph.regions for word in region.phrase.lower().split()}
                said |= {word for thing in graph.things.values() for name in thing.names for word in name.split()}
                for one in negatives(graph, chains, 99):
                    made += 1
                    assert one.kind != "object" or one.new not in said
                    changed, before = one.steps[one.changed_step], chains[one.chain].steps[one.changed_step]
                    assert changed.text.replace(one.new, one.old, 1) == before.text == one.was
                    assert [step.absent for step in one.steps] == [not step.boxes for step in one.steps]
    assert made > 100
