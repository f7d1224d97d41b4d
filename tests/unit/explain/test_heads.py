# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The atlas finds a head that is known to look, names no other, and keeps the error it states."""

import dataclasses
import json
from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from promvil_hf import masks
from promvil_hf.backends.base import Decoding, Request
from promvil_hf.explain.answered import answer_tokens
from promvil_hf.explain.head_atlas import HeadAtlas
from promvil_hf.explain.heads import AskedTurn, Null, head_atlas, head_rows, key_turns, turns_of
from promvil_hf.explain.layer_names import Head, Layer
from promvil_hf.key_expressions import KeyExpression
from promvil_hf.metrics.significance import benjamini_hochberg, p_values
from tests.unit.explain import wired


SHORT = Decoding(max_new_tokens=3)


def turns(count: int = 40) -> list[AskedTurn]:
    rows, pictures = wired.rows()
    return [turn for row in rows[:count] for turn in turns_of(row, lambda row: pictures[row.image_path])]


@pytest.fixture(scope="module")
def backend():
    return wired.backend(seed=1)  # of seed 0, a random head happens to look at the color a little, and rightly passes


@pytest.fixture(scope="module")
def answered_turns(backend):
    return key_turns(backend, turns(), decoding=SHORT)[0]


@pytest.fixture(scope="module")
def atlas(backend, answered_turns):
    return head_atlas(backend, answered_turns, Null(shuffles=200))


def test_the_planted_head_ranks_first_and_passes_alone(atlas):
    assert atlas.best(1) == [wired.PLANTED]
    assert np.argwhere(atlas.passing(0.05)).tolist() == [list(wired.PLACE)]
    assert np.argwhere(atlas.passing(0.05, "fdr")).tolist() == [list(wired.PLACE)]
    assert atlas.auroc[wired.PLACE] > 0.99
    spread = atlas.interval(wired.PLANTED)
    assert spread.low > 0.2 and spread.estimate == pytest.approx(atlas.rho[wired.PLACE])
    assert atlas.rho[wired.PLACE] < atlas.ceiling < 0.6  # raw rho is far from 1 even for a perfect head


def test_rho_is_scipys_between_the_predicting_row_and_the_soft_mask(backend, answered_turns):
    some = answered_turns[:8]
    found = head_atlas(backend, some, Null(shuffles=1))
    theirs = []
    for one in some:
        [rows], _ = head_rows(backend, [(one.turn.request(), one.tokens)], [wired.PLANTED])
        theirs += [spearmanr(rows[place], wired.grid_mask(one.mask)).statistic for place in one.key_tokens]
    assert found.rho[wired.PLACE] == pytest.approx(np.mean(theirs), abs=1e-6)


def test_a_head_without_an_answer_is_a_nan_with_its_count_and_harms_no_other(atlas):
    assert np.isnan(atlas.rho[0, 0])  # it looks at everything alike: its row is constant
    assert atlas.tokens[0, 0] == 0 and np.isnan(atlas.p_family[0, 0]) and Head.of(0, 0) not in atlas.best(20)
    assert (atlas.tokens.ravel()[1:] == 40).all() and np.isfinite(atlas.rho.ravel()[1:]).all()


def test_batches_do_not_change_the_atlas(backend, answered_turns):
    one = head_atlas(backend, answered_turns[:9], Null(shuffles=5), batch_size=1)
    many = head_atlas(backend, answered_turns[:9], Null(shuffles=5), batch_size=4)
    np.testing.assert_allclose(one.rho, many.rho, atol=2e-3, equal_nan=True)  # ranks of near ties move with padding
    np.testing.assert_allclose(one.null, many.null, atol=2e-3, equal_nan=True)
    assert one.image_ids == many.image_ids


def test_an_atlas_is_read_back_as_it_was_written(atlas):
    again = HeadAtlas.from_dict(json.loads(json.dumps(atlas.to_dict())))
    for name in ("rho", "auroc", "tokens", "p_family", "null", "by_turn", "by_turn_tokens"):
        np.testing.assert_allclose(getattr(again, name), getattr(atlas, name), atol=1e-6, equal_nan=True)
    assert atlas.layers == (Layer("language", 0), Layer("language", 1)) and not atlas.without_heads
    again_without = HeadAtlas.from_dict(dataclasses.replace(atlas, without_heads=(Layer("encoder", 4),)).to_dict())
    assert again.layers == atlas.layers and again_without.without_heads == (Layer("encoder", 4),)
    assert again.best(3) == atlas.best(3) and again.settings == atlas.settings
    assert again.interval(wired.PLANTED).low == pytest.approx(atlas.interval(wired.PLANTED).low, abs=1e-6)


def test_over_200_shuffles_no_more_atlases_name_a_head_than_the_level_allows(backend, answered_turns):
    """Masks of shuffles are taken for the true ones: whatever passes then is an error. The planted head has no pardon."""
    level, trials = 0.05, 200
    wrong = np.random.default_rng(7)
    scores = _scores_of_all_pairs(backend, answered_turns)  # (turns, masks, heads)
    places = np.arange(len(answered_turns))

    def mean_of(order):
        return np.nanmean(scores[places, order], axis=0)

    errors = heads_alone = 0
    for _ in range(trials):
        observed = mean_of(wrong.permutation(len(answered_turns)))
        null = np.stack([mean_of(wrong.permutation(len(answered_turns))) for _ in range(99)])
        alone, family = p_values(observed, null)
        errors += bool((family <= level).any())
        heads_alone += int((alone <= level).sum())
    bound = level * trials + 3 * np.sqrt(trials * level * (1 - level))
    assert errors <= bound
    heads = scores.shape[-1]  # of one atlas they rise and fall together: the bound counts on no independence
    assert heads_alone <= heads * bound
    _, family = p_values(mean_of(places), null)
    assert family.argmin() == wired.PLACE[0] * 4 + wired.PLACE[1] and family.min() <= level  # the check can fail


def _scores_of_all_pairs(backend, answered_turns):
    from promvil_hf.explain.answered import answered
    from promvil_hf.explain.attention_rows import Wanted, attention_rows
    from promvil_hf.metrics.rank_correlation import Ranked

    masks_ranked = Ranked.of(np.stack([wired.grid_mask(one.mask) for one in answered_turns]))
    found = []
    for one in answered_turns:
        row = answered(backend, [one.turn.request()], [one.tokens])
        keys = backend.image_positions(row.inputs)[0].nonzero()[:, 0].tolist()
        [rows] = attention_rows(backend.model, row.inputs, [Wanted([row.query_of(one.key_tokens[0])], keys)])
        rows = torch.stack(list(rows.values()))
        found.append(Ranked.of(rows.reshape(-1, len(keys)).numpy()).spearman(masks_ranked).T)
    scores = np.stack(found)
    return np.where(np.isfinite(scores), scores, 0.0)


def test_a_null_that_shuffles_cells_is_passed_by_smooth_heads_that_look_at_nothing(backend):
    """Why the default exchanges masks between images."""
    rows = np.linspace(0, 1, 64)[None]  # a head that prefers the end of the picture
    low = np.zeros((8, 8))
    low[4:7, 2:6] = 1  # every mask lies there, for every image alike
    from promvil_hf.metrics.rank_correlation import Ranked

    ranked, low_ranks = Ranked.of(rows), Ranked.of(low.reshape(1, -1))
    rng = np.random.default_rng(0)
    cells = np.stack([ranked.spearman(Ranked.of(rng.permutation(low.ravel()))).ravel() for _ in range(99)])
    images = np.stack([ranked.spearman(low_ranks).ravel() for _ in range(99)])
    assert p_values(ranked.spearman(low_ranks).ravel(), cells)[0][0] <= 0.05
    assert p_values(ranked.spearman(low_ranks).ravel(), images)[0][0] == 1.0


def test_p_values_count_the_observation_and_benjamini_hochberg_is_the_textbooks():
    alone, family = p_values(
        np.array([3.0, 0.0, np.nan]), np.array([[0.0, 1.0, 0.0], [1.0, -1.0, 0.0], [2.0, 0.5, 0.0]])
    )
    assert alone[:2].tolist() == [0.25, 0.75] and np.isnan(alone[2])
    assert family[0] == 0.25 and np.isnan(family[2])
    p = np.array([0.01, 0.04, 0.03, 0.5])
    np.testing.assert_allclose(benjamini_hochberg(p), [0.04, 0.16 / 3, 0.16 / 3, 0.5])


# What is looked for


def test_of_several_key_expressions_the_smallest_that_the_answer_has_is_taken(backend):
    [turn] = turns(1)
    [key] = turn.keys
    whole = masks.encode(np.ones((96, 96)))
    keys = (
        KeyExpression("purple dot", 0, mask=masks.encode(np.eye(96))),
        KeyExpression(turn.answer, 0, mask=whole),
        key,
    )
    [found], skipped = key_turns(backend, [dataclasses.replace(turn, keys=keys)], decoding=SHORT)
    assert found.key is key and not skipped
    assert found.text.split("<")[0].strip() == turn.answer and found.key_tokens == (0,)


def test_what_cannot_be_used_is_counted_by_reason(backend):
    good = turns(10)
    others = [
        dataclasses.replace(good[0], keys=()),
        dataclasses.replace(good[0], keys=(dataclasses.replace(good[0].keys[0], text="zebra"),)),
    ]
    answered_turns, skipped = key_turns(backend, [*others, *good], decoding=SHORT)
    assert skipped == Counter({"no key expression": 1, "key expression not in the answer": 1})
    outside = dataclasses.replace(answered_turns[0], mask=masks.encode(np.zeros((96, 96))))
    found = head_atlas(backend, [outside, *answered_turns[1:]], Null(shuffles=3), skipped=skipped)
    assert found.skipped["mask outside what the model sees"] == 1
    assert found.turns == 9


def test_a_given_answer_is_explained_like_one_that_the_model_writes(backend):
    written, _ = key_turns(backend, turns(8), decoding=SHORT)
    read, _ = key_turns(backend, turns(8), own_answers=False)
    assert [one.tokens[0] for one in written] == [one.tokens[0] for one in read]
    tokens = answer_tokens(backend, Request("What color is it?"), "It is red.")
    assert backend.processor.tokenizer.decode(tokens).strip() == "It is red."


def test_what_cannot_be_computed_is_refused_with_a_sentence(backend, answered_turns):
    with pytest.raises(ValueError, match="You passed 3 turns and the null 'images'.*at least 8.*the null 'cells'"):
        head_atlas(backend, answered_turns[:3])
    with pytest.raises(ValueError, match="nulls are auto, images, cells"):
        head_atlas(backend, answered_turns, Null("pixels"))
    with pytest.raises(ValueError, match="No turn is left to look at. 4 × no key expression"):
        head_atlas(backend, [], skipped={"no key expression": 4})
    with pytest.raises(ValueError, match="give the model its answers, but toy-.* has none"):
        key_turns(backend, [dataclasses.replace(turns(1)[0], answer=None)], own_answers=False)
    with pytest.raises(ValueError, match="it is 'family' or 'fdr'"):
        head_atlas(backend, answered_turns[:8], Null(shuffles=1)).passing(0.05, "none")
    gone = [dataclasses.replace(one, mask=masks.encode(np.zeros((96, 96)))) for one in answered_turns[:8]]
    with pytest.raises(ValueError, match="None of the 8 masks lies in what the model sees"):
        head_atlas(backend, gone, Null(shuffles=1))
