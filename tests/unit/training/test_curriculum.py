# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of the order in which levels are trained."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from promvil_hf.training.curriculum import (
    NO_LEVEL,
    Curriculum,
    CurriculumSampler,
    Cut,
    CutRows,
    InOrder,
    fill,
    times_trained,
)


ROWS = [(1, 2, 3), (1, 2), (1,), (NO_LEVEL,), (1, 2, 3, 4), (2, 3), (NO_LEVEL,), (1, 3), (1, 2), (1, 2, 3)]
KINDS = ("levels", "cumulative", "competence")
row_levels = st.lists(
    st.one_of(st.just((NO_LEVEL,)), st.sets(st.integers(1, 5), min_size=1).map(lambda levels: tuple(sorted(levels)))),
    min_size=1,
    max_size=30,
)


def steps_of(rows):
    return Counter((row, level) for row, levels in enumerate(rows) for level in levels)


@given(row_levels, st.sampled_from(KINDS), st.integers(0, 9))
def test_without_repeats_each_step_is_trained_once_an_epoch(rows, kind, epoch):
    assert times_trained(Curriculum(kind, repeat=0).epoch(rows, 7, epoch), rows) == steps_of(rows)


@given(row_levels, st.integers(0, 9))
def test_levels_never_repeats_whatever_share_is_asked_for(rows, epoch):
    assert times_trained(Curriculum("levels", repeat=1).epoch(rows, 7, epoch), rows) == steps_of(rows)


@given(row_levels, st.sampled_from(KINDS), st.floats(0, 1), st.integers(0, 9))
def test_an_epoch_has_as_many_cuts_whatever_seed_and_number_it_has(rows, kind, share, epoch):
    how = Curriculum(kind, share)
    assert len({len(how.epoch(rows, seed, number)) for seed in (0, 5) for number in (0, epoch)}) == 1


def test_levels_goes_through_the_levels_one_after_the_other():
    cuts = [cut for cut in Curriculum("levels").epoch(ROWS, 1, 0) if cut.high != NO_LEVEL]
    assert [cut.low for cut in cuts] == sorted(cut.low for cut in cuts)
    assert all(cut.low == cut.high for cut in cuts)


def test_cumulative_repeats_the_stated_share_of_chains_in_each_stage():
    rows = [(1, 2, 3)] * 40 + [(1,)] * 20
    cuts = Curriculum("cumulative", repeat=0.25).epoch(rows, 3, 0)
    assert [cut.high for cut in cuts] == sorted(cut.high for cut in cuts)
    counts = Counter()
    for (_, level), times in times_trained(cuts, rows).items():
        counts[level] += times
    # Stage 2 and stage 3 bring back a quarter of the 40 deep and of the 20 shallow chains, stage 3 with level 2 too.
    assert counts == {1: 60 + 2 * (10 + 5), 2: 40 + 10, 3: 40}
    shallow = [cut for cut in cuts if cut.row >= 40 and cut.high > 1]
    assert len(shallow) == 10


@pytest.mark.parametrize("root", [1, 2, 3])
def test_competence_draws_no_level_before_its_pace_reaches_it(root):
    draw = random.Random(0)
    rows = [tuple(range(1, draw.randint(1, 5) + 1)) for _ in range(400)]
    how = Curriculum("competence", repeat=0.1, competence_start=0.05, competence_root=root)
    cuts = how.epoch(rows, 0, 0)
    below = [sum(other.high < level for other in cuts) / len(cuts) for level in range(7)]
    first = {}
    for place, cut in enumerate(cuts):
        assert how.competence(place / len(cuts)) >= below[cut.high]
        first.setdefault(cut.high, place)
    assert sorted(first) == list(first) == [1, 2, 3, 4, 5]
    # Levels overlap: easy cuts still come when the next level is there.
    assert max(place for place, cut in enumerate(cuts) if cut.high == 1) > first[2] + 50


def test_questions_are_spread_over_the_whole_epoch():
    rows = [(1, 2, 3)] * 100 + [(NO_LEVEL,)] * 90
    for kind in KINDS:
        cuts = Curriculum(kind, repeat=0).epoch(rows, 0, 0)
        third = len(cuts) // 3
        counts = [sum(cut.high == NO_LEVEL for cut in cuts[start : start + third]) for start in (0, third, 2 * third)]
        assert sum(counts) >= 89 and min(counts) > 20, (kind, counts)


def test_rows_without_any_chain_are_trained_too():
    cuts = Curriculum("levels").epoch([(NO_LEVEL,)] * 5, 0, 0)
    assert sorted(cut.row for cut in cuts) == [0, 1, 2, 3, 4]


def test_the_order_depends_on_seed_and_epoch_alone():
    for kind in KINDS:
        how = Curriculum(kind)
        random.seed(1)
        first = how.epoch(ROWS, 0, 0)
        random.seed(2)
        assert how.epoch(ROWS, 0, 0) == first
        assert how.epoch(ROWS, 0, 1) != first != how.epoch(ROWS, 1, 0)


def test_a_batch_is_filled_with_cuts_that_train_nothing_and_never_wraps_around():
    epoch = 0
    sampler = CurriculumSampler(ROWS, Curriculum("levels"), 0, lambda: epoch, multiple_of=8)
    cuts = list(sampler)
    assert len(cuts) == len(sampler) and len(cuts) % 8 == 0
    assert times_trained(cuts, ROWS) == steps_of(ROWS)
    assert [cut for cut in cuts if not any(cut.trains(level) for level in range(9))] == cuts[21:]
    epoch = 3
    assert list(sampler) == sampler.cuts(3) != cuts
    assert fill([], 4) == []


def test_a_loader_hands_rows_with_their_cuts_to_the_collator():
    rows = [{"name": str(number)} for number in range(len(ROWS))]
    sampler = CurriculumSampler(ROWS, Curriculum("levels"), 0, lambda: 0)
    batches = list(DataLoader(CutRows(rows, lambda row: (1,)), 4, sampler=sampler, collate_fn=list))
    assert [row["cut"] for batch in batches for row in batch] == list(sampler)
    assert all(row["name"] == str(row["cut"].row) for batch in batches for row in batch)
    assert CutRows(rows, lambda row: (1,))[3]["cut"].trains(NO_LEVEL) and CutRows(rows, lambda row: (1,))[3]["cut"].trains(99)


def test_in_order_shows_each_row_once():
    cuts = list(InOrder(5, 4))
    assert len(cuts) == 8 and [cut.row for cut in cuts[:5]] == [0, 1, 2, 3, 4]
    assert all(not cut.trains(level) for cut in cuts[5:] for level in range(9))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"kind": "easy"}, "the curriculum 'easy': it is one of none, levels, cumulative, competence"),
        ({"kind": "none"}, "the curriculum 'none'"),
        ({"repeat": 1.5}, "repeat=1.5: it is a share"),
        ({"competence_start": -1}, "competence_start=-1"),
        ({"competence_root": 0.5}, "competence_root=0.5"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence.replace("(", r"\(")):
        Curriculum(**options)


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="You passed no rows to the curriculum"):
        CurriculumSampler([], Curriculum(), 0, lambda: 0)


def test_a_cut_trains_its_levels():
    assert [level for level in range(5) if Cut(0, 2, 3).trains(level)] == [2, 3]
