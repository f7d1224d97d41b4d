# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import json

import msgspec
import pytest

from promvil_hf.compovl.chains import chain_of, promvil_row
from promvil_hf.compovl.compose import Composing, compose
from promvil_hf.compovl.relation_words import link_between, link_of, noun_of
from promvil_hf.compovl.scene_graph import Region, Relation, SceneGraph, Thing, assembled
from promvil_hf.compovl.visual_genome import VisualGenome
from promvil_hf.nesting.kinds import PERSON, kind_of
from promvil_hf.phrases import from_row
from promvil_hf.toy.world import WorldConfig, scenes, write_visual_genome


BOX = (0.1, 0.1, 0.2, 0.2)


def scene_graph(things, relations, regions=()):
    """things: id -> "name" or ("name", *attributes); relations: "1 on 2" or (subject, predicate, object)."""
    made = {}
    for k, (thing_id, described) in enumerate(things.items()):
        name, *attributes = (described,) if isinstance(described, str) else described
        corners = (k / 200, 0.1, k / 200 + 0.004, 0.2)  # so near each other that all may touch
        made[thing_id] = Thing(thing_id, (name,), corners, tuple(attributes))
    made_relations = []
    for k, line in enumerate(relations):
        subject, _, rest = line.partition(" ")
        predicate, _, object_ = rest.rpartition(" ")
        made_relations.append(Relation(k, int(subject), predicate, int(object_)))
    return SceneGraph(1, 100, 100, "VG_100K/1.jpg", "", None, made, tuple(made_relations), tuple(regions), (), {})


def texts(graph, **how):
    return {chain.expression: chain.level for chain in compose(graph, Composing(per_image=50, **how)).chains}


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Scenes whose relations are complete, so that the graph alone decides what is ambiguous."""
    folder = tmp_path_factory.mktemp("toy")
    write_visual_genome(scenes(WorldConfig(image_size=(64, 64), levels=4, objects=(7, 9)), 25, 5), folder)
    with VisualGenome(folder) as source:
        yield [source.graph(found) for found in source.images()]


def real_graphs(shared_data, tmp_path):
    real = shared_data / "visual_genome"
    for release in ("v1.0.0", "v1.2.0"):
        with VisualGenome(real / release) as source:
            yield from (assembled(source.graph(found)) for found in source.images())
    files = {"image_data": json.loads((real / "v1.2.0" / "image_data.json").read_text())[:1]}
    for name in ("objects", "attributes", "relationships"):
        files[name] = [json.loads((real / "v1.4_per_image" / f"{name}_1.json").read_text())]
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    with VisualGenome(tmp_path) as source:
        yield source.graph(next(source.images()))


def assert_sound(graph, chain, keeps_ambiguous=False):
    """What holds for every chain of every graph."""
    relations = {one.relation_id: one for one in graph.relations}
    relations |= {one.relation_id: one for region in graph.regions for one in region.relations}
    row = {"image_id": str(graph.image_id), **msgspec.to_builtins(chain)}
    assert list(chain_of(row).levels) == [step.level for step in chain.steps]
    assert chain.steps[-1].text == chain.expression and chain.steps[-1].level == chain.level >= 2
    assert len({step.text for step in chain.steps}) == len(chain.steps)
    used = set()
    for index, step in enumerate(chain.steps):
        assert all(anchor < index for anchor in step.anchors) and len(step.anchors) == len(step.mentions)
        for anchor, mention in zip(step.anchors, step.mentions, strict=True):
            assert f" {mention} " in f" {step.text} " and mention == chain.steps[anchor].text
        for object_id, corners in zip(step.object_ids, step.boxes, strict=True):
            assert tuple(graph.things[object_id].xyxy) == tuple(corners)
            assert any(f" {noun_of(name)} " in f" {step.text} " for name in graph.things[object_id].names)
        if step.level == 1:
            assert not step.relation_ids
            continue
        assert step.ambiguous == (len(step.object_ids) > 1) and (keeps_ambiguous or not step.ambiguous)
        assert step.relation_ids
        evidence = {object_id for anchor in step.anchors for object_id in chain.steps[anchor].object_ids}
        for relation_id in step.relation_ids:
            relation = relations[relation_id]  # it is in the file
            assert _same(graph, relation.subject, step.object_ids[0]) and any(_same(graph, relation.object, e) for e in evidence)
        used.update(step.relation_ids)
        assert index == len(chain.steps) - 1 or any(index in later.anchors for later in chain.steps)
    assert len(chain.given) == len(used)


def _same(graph, first, second):
    """One object, or one that was annotated twice."""
    a, b = graph.things[first], graph.things[second]
    overlap = [max(0, min(a.xyxy[k + 2], b.xyxy[k + 2]) - max(a.xyxy[k], b.xyxy[k])) for k in (0, 1)]
    is_named_alike = a.names[0] == b.names[0] or kind_of(a.names[0]) == kind_of(b.names[0]) == PERSON
    return first == second or (is_named_alike and overlap[0] * overlap[1] > 0)


# Laws


def test_every_chain_of_the_toy_world_is_sound_and_all_levels_occur(toy):
    levels = set()
    for graph in toy:
        for chain in compose(graph).chains:
            assert_sound(graph, chain)
            levels.add(chain.level)
    assert levels == {2, 3, 4}


def test_every_chain_of_the_real_images_is_sound(shared_data, tmp_path):
    chains = 0
    for graph in real_graphs(shared_data, tmp_path):
        for ambiguous in (False, True):
            for chain in compose(graph, Composing(per_image=100, keep_ambiguous=ambiguous)).chains:
                assert_sound(graph, chain, ambiguous)
                chains += 1
    assert chains > 100


def test_a_composed_expression_fits_one_object_of_the_toy_world_by_brute_force(toy):
    for graph in toy:
        holds = {(one.subject, link_of(one.predicate), one.object) for one in graph.relations}
        by_id = {one.relation_id: one for one in graph.relations}
        for chain in compose(graph).chains:
            for step in chain.steps:
                named = [thing for thing in graph.things.values() if thing.names[0] == step.head]
                head, *_ = step.text.removeprefix("the ").split(f"{step.head}")
                named = [thing for thing in named if set(head.split()) <= set(thing.attributes)]
                if step.level == 1:
                    assert [thing.object_id for thing in named] == list(step.object_ids)  # all its instances
                    continue
                anchors = [chain.steps[anchor] for anchor in step.anchors]
                same = [anchor for anchor in anchors if anchor.object_ids == step.object_ids]
                others = [anchor for anchor in anchors if anchor not in same]
                fitting = named if not same else [graph.things[step.object_ids[0]]]
                for relation_id, anchor in zip(step.relation_ids, others, strict=True):
                    link = link_of(by_id[relation_id].predicate)
                    fitting = [one for one in fitting if any((one.object_id, link, o) in holds for o in anchor.object_ids)]
                assert [one.object_id for one in fitting] == list(step.object_ids)


def test_composition_is_deterministic(toy):
    for graph in toy[:5]:
        again = msgspec.json.decode(msgspec.json.encode(graph), type=SceneGraph)
        assert compose(graph) == compose(again)


def test_rows_render_as_promvil_rows_and_read_back(toy):
    for graph in toy[:8]:
        for chain in compose(graph).chains:
            row = {"image_id": "7", "image_path": "VG_100K/7.jpg", **msgspec.to_builtins(chain)}
            rendered = promvil_row(row, "/data")
            assert rendered["image_path"] == "/data/VG_100K/7.jpg" and rendered["dataset"] == "vg"
            assert [step.target for step in from_row(rendered).steps] == [step.target for step in chain_of(row).steps]


def test_per_image_and_levels_are_kept(toy):
    for graph in toy[:6]:
        few = compose(graph, Composing(per_image=3)).chains
        assert len(few) <= 3
        assert all(chain.level <= 2 for chain in compose(graph, Composing(levels=2)).chains)


def test_deep_expressions_come_first_and_their_steps_are_not_repeated(toy):
    for graph in toy[:6]:
        chains = compose(graph).chains
        assert chains[0].level == max(chain.level for chain in chains)
        whole = [chain.expression for chain in chains]
        assert len(set(whole)) == len(whole)


# Cases


def test_a_shared_object_nests_to_the_right():
    graph = scene_graph({1: "man", 2: "camera", 3: "table", 4: "man"}, ["1 holding 2", "2 on 3"])
    graph.things[4] = Thing(4, ("man",), (0.8, 0.1, 0.9, 0.2))
    chain, *_ = compose(graph).chains
    assert chain.expression == "the man holding the camera on the table" and chain.level == 3 and chain.distractors == 1
    assert [(step.text, step.level, step.anchors) for step in chain.steps] == [
        ("the table", 1, ()),
        ("the camera on the table", 2, (0,)),
        ("the man holding the camera on the table", 3, (1,)),
    ]
    assert chain.sources == "graph" and chain.given == ("camera on table", "man holding camera")


def test_a_shared_subject_joins_two_clauses_as_in_the_published_rows():
    graph = scene_graph({1: "man", 2: "beard", 3: "camera"}, ["1 has 2", "1 holding 3"])
    chain, *_ = compose(graph).chains
    assert [(step.text, step.level, step.anchors) for step in chain.steps] == [
        ("the beard", 1, ()),
        ("the man with the beard", 2, (0,)),
        ("the camera", 1, ()),
        ("the man with the beard and holding the camera", 3, (1, 2)),
    ]


def test_two_clauses_may_settle_together_what_neither_does_alone():
    graph = scene_graph(
        {1: "man", 2: "man", 3: "man", 4: "hat", 5: "hat", 6: "bag", 7: "bag"},
        ["1 wearing 4", "2 wearing 5", "1 holding 6", "3 holding 7"],
    )
    men, things = (0.0, 0.4, 0.8), {4: (0.0, 0.1), 5: (0.4, 0.1), 6: (0.0, 0.6), 7: (0.8, 0.6)}
    for k, left in enumerate(men, start=1):
        graph.things[k] = Thing(k, ("man",), (left, 0.1, left + 0.2, 0.9))
    for k, (left, top) in things.items():
        graph.things[k] = Thing(k, graph.things[k].names, (left, top, left + 0.1, top + 0.1))
    chain, *_ = compose(graph).chains
    assert chain.expression == "the man wearing the hat and holding the bag" and chain.level == 2
    assert chain.steps[-1].object_ids == (1,) and chain.steps[0].object_ids == (4, 5)


def test_the_same_words_join_their_objects():
    graph = scene_graph({1: "man", 2: "hat", 3: "coat"}, ["1 wearing 2", "1 wearing 3"])
    assert "the man wearing the hat and the coat" in texts(graph)


def test_nothing_leans_on_a_head_with_two_clauses():
    graph = scene_graph({1: "man", 2: "hat", 3: "cup", 4: "shirt"}, ["1 wearing 2", "1 holding 3", "4 on 1"])
    assert not any("shirt" in text and " and " in text for text in texts(graph))


def test_an_ambiguous_expression_is_kept_only_if_asked_for_and_marked():
    graph = scene_graph({1: "cup", 2: "cup", 3: "table"}, ["1 on 3", "2 on 3"])
    composed = compose(graph)
    assert composed.chains == [] and composed.left_out["ambiguous expression"] == 2
    kept = compose(graph, Composing(keep_ambiguous=True)).chains
    assert [(chain.expression, chain.ambiguous, chain.steps[-1].object_ids) for chain in kept] == [
        ("the cup on the table", True, (1, 2))
    ]


def test_an_adjective_settles_what_the_bare_head_does_not():
    graph = scene_graph({1: ("cup", "red"), 2: ("cup", "blue"), 3: "table"}, ["1 on 3", "2 on 3"])
    assert set(texts(graph)) == {"the red cup on the table", "the blue cup on the table"}


def test_a_simple_noun_takes_an_adjective_where_that_tells_its_kind_apart():
    graph = scene_graph({1: "man", 2: ("cup", "in the back", "red"), 3: ("cup", "blue"), 4: ("cup", "red")}, ["1 holding 2"])
    (chain,) = compose(graph).chains
    assert chain.expression == "the man holding the red cup" and chain.steps[0].object_ids == (2, 4)


def test_an_object_annotated_twice_is_one_thing():
    graph = scene_graph({1: "cup", 2: "cup", 3: "table"}, ["1 on 3", "2 on 3"])
    graph.things[2] = Thing(2, ("cup",), graph.things[1].xyxy)
    (chain,) = compose(graph).chains
    assert chain.steps[-1].object_ids == (1,) and chain.distractors == 0 and not chain.ambiguous


def test_an_expression_never_leans_on_its_own_kind_or_on_itself():
    graph = scene_graph({1: "man", 2: "man", 3: "dog"}, ["1 next to 2", "1 holding 3", "3 under 1"])
    for text in texts(graph):
        assert text.count("man") == 1 and text.count("dog") <= 1


def test_a_region_words_the_relation_and_its_phrase_is_kept():
    relation = Relation(9, 1, "riding", 2)
    region = Region(5, "A man is happily riding on a brown horse.", BOX, (1, 2), (relation,))
    graph = scene_graph({1: "man", 2: "horse"}, ["1 ON 2", "1 riding 2"], [region])
    by_words = {chain.expression: chain for chain in compose(graph, Composing(sources="regions")).chains}
    chain = by_words["the man happily riding on the horse"]
    assert chain.region_ids == (5,) and chain.given == (region.phrase,) and chain.sources == "regions"
    assert chain.steps[-1].relation_ids == (9,)
    assert "the man riding the horse" in texts(graph, sources="graph")


def test_what_cannot_be_worded_is_counted():
    graph = scene_graph({1: "man", 2: "dog", 3: "3 things", 4: "background"}, ["1 is 2", "1 near 3", "1 in 4"])
    composed = compose(graph)
    assert composed.chains == []
    assert composed.left_out["predicate is no wording"] == 1 and composed.left_out["name is no plain noun"] == 2


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"levels": 1}, "You passed levels=1: nested expressions have 2 to 6 levels"),
        ({"per_image": 0}, "You passed per_image=0: pass 1 or more"),
        ({"sources": "air"}, "You passed sources='air': it is one of both, regions, graph"),
        ({"same_iou": 0}, "You passed same_iou=0: it is an overlap above 0"),
    ],
)
def test_wrong_settings_are_refused(setting, sentence):
    with pytest.raises(ValueError, match=sentence):
        Composing(**setting)


@pytest.mark.parametrize(
    ("predicate", "link"),
    [
        ("on", "on"),
        ("ON", "on"),
        ("has", "with"),
        ("has a", "with"),
        ("have", "with"),
        ("is on", "on"),
        ("are sitting on the", "sitting on"),
        ("wears", "wearing"),
        ("stands next to", "standing next to"),
        ("lies against", "lying against"),
        ("on side of", "on the side of"),
        ("visible under", "visible under"),
        ("just above", "above"),
        ("and", None),
        ("or", None),
        ("not", None),
        ("s", None),
        ("on mans", None),
        ("are fully plugged", None),
        ("standing", None),
        ("says", None),
        ("to protect", None),
        ("doing trick on", None),
        ("to left of", "to the left of"),
        ("left of", "left of"),
        ("right of", "right of"),
        ("is right of", "right of"),
        ("right on", "on"),
        ("across from", "across from"),
        ("has on", "that has on"),
        ("with a", "with"),
        ("is", None),
        ("", None),
        ("a", None),
        ("2", None),
        ("w/", None),
    ],
)
def test_predicates_as_words_after_a_noun(predicate, link):
    assert link_of(predicate) == link


@pytest.mark.parametrize(
    ("between", "predicate", "link"),
    [
        ("is riding a brown", "riding", "riding"),
        ("on the", "on", "on"),
        ("sitting on top of a big", "on", "sitting on top of"),
        ("riding brown", "riding", None),  # without an article nobody knows where the noun begins
        ("and his", "near", None),
        ("", "on", None),
        ("has a", "has", "with"),
        ("who is wearing a", "wearing", "wearing"),
    ],
)
def test_words_between_two_nouns(between, predicate, link):
    assert link_between(between, predicate) == link


@pytest.mark.parametrize(
    ("name", "noun"),
    [
        ("man", "man"),
        ("the man", "man"),
        ("traffic light", "traffic light"),
        ("man's hat", "man's hat"),
        ("left", None),
        ("background", None),
        ("2 men", None),
        ("man in", None),
        ("a", None),
        ("one two three four five", None),
    ],
)
def test_names_as_nouns(name, noun):
    assert noun_of(name) == noun
