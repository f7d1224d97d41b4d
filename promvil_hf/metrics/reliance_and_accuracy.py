# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Does the Visual Reliance Score follow accuracy over models, beyond what its definition brings about?

The score is 1 - A_masked / A. So it rises with A by construction: where masking leaves every model the same accuracy (chance,
say), the better model has the higher score, and a correlation with A is no finding. Three things say more:

- *a permutation null*: the masked accuracies are dealt to other models, and the scores are computed again. What remains of the
  correlation is the definition's. Observed correlations count where they lie outside.
- *other rows*: the score from one half of the images, the accuracy from the other half. The same lucky rows cannot raise both.
- *units*: models that are variants of one base (fine-tuned, another seed) are no independent models. Intervals draw whole bases,
  and the null deals among bases, each with the mean of its variants.
"""

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations as all_orders

import numpy as np

from promvil_hf.metrics.intervals import cluster_sums
from promvil_hf.metrics.rank_correlation import Ranked


FEWEST = 3  # units


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One benchmark, asked of every model: sums over the rows of each image, (models, images), and rows per image."""

    original: np.ndarray
    masked: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, original, masked, images: Sequence[Hashable]) -> "Asked":
        """From scores of rows, (models, rows), and the image of each row."""
        original, masked = np.atleast_2d(np.asarray(original, float)), np.atleast_2d(np.asarray(masked, float))
        if original.shape != masked.shape or original.shape[1] != len(images):
            raise ValueError(
                f"You passed original scores {original.shape}, masked scores {masked.shape} and {len(images)} images: pass "
                "(models, rows) of both, the same rows in the same order, and the image of each row."
            )
        sums = cluster_sums(np.concatenate([original, masked, np.ones((1, len(images)))]).T, images).T
        models = len(original)
        return cls(sums[:models], sums[models:-1], sums[-1])


@dataclass(frozen=True, slots=True)
class Correlation:
    """Over models, with its interval (units are drawn); over the means of units, with what the definition alone brings about."""

    estimate: float
    low: float
    high: float
    over_units: float
    null_mean: float
    null_low: float
    null_high: float
    p_value: float  # two-sided, of `over_units` in the null
    models: int
    units: int
    note: str = ""

    @classmethod
    def unknown(cls, models: int, units: int, note: str) -> "Correlation":
        """No figure can be computed; `note` says why."""
        return cls(*[math.nan] * 8, models, units, note)

    @property
    def is_beyond_the_definition(self) -> bool | None:
        """Whether it lies outside what the definition alone brings about; None where there is no figure."""
        if math.isnan(self.over_units) or math.isnan(self.null_low):
            return None
        return not self.null_low <= self.over_units <= self.null_high


@dataclass(frozen=True, slots=True)
class Follows:
    """Score against accuracy: on the same rows, as papers report it, and on other rows."""

    pearson: Correlation
    spearman: Correlation
    pearson_other_rows: Correlation
    spearman_other_rows: Correlation


def reliance_and_accuracy(
    asked: Sequence[Asked],
    units: Sequence[Hashable] | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = 1_999,
    splits: int = 20,
    seed: int = 0,
) -> Follows:
    """Correlations of score and accuracy over models. `units` names the base of each model; None: each is its own.

    Over several benchmarks, accuracy and score of a model are means over them. `splits` halves of the images are drawn, and
    each is used both ways round.
    """
    models = len(asked[0].original) if asked else 0
    units = list(range(models)) if units is None else list(units)
    if not models or any(len(one.original) != models for one in asked) or len(units) != models:
        raise ValueError(
            f"You passed {len(asked)} benchmarks, {models} models in the first and {len(units)} units: every benchmark has all "
            "models, and each model has a unit."
        )
    rng = np.random.default_rng(seed)
    same = _views(asked, [(np.ones(one.rows.shape, bool),) * 2 for one in asked])
    halves = [_views(asked, pair) for pair in _halves(asked, splits, rng)]
    other = tuple(np.concatenate(parts) for parts in zip(*halves, strict=True)) if halves else None
    found = {}
    for name, views in (("", same), ("_other_rows", other)):
        for kind, measure in (("pearson", _pearson), ("spearman", _spearman)):
            found[kind + name] = _correlation(views, units, measure, confidence, resamples, seed)
    return Follows(**found)


def masked_accuracies(accuracy: np.ndarray, score: np.ndarray) -> np.ndarray:
    """What the score was made of: where only accuracy and score are known, as in published tables.

    >>> masked_accuracies(np.array([0.5, 0.8]), np.array([0.2, 0.25])).round(3).tolist()
    [0.4, 0.6]
    """
    return np.asarray(accuracy, float) * (1 - np.asarray(score, float))


def of_table(
    accuracy: Sequence[float], score: Sequence[float], units: Sequence[Hashable] | None = None, *, confidence: float = 0.95,
    resamples: int = 9_999, seed: int = 0,
) -> tuple[Correlation, Correlation]:  # fmt: skip
    """Pearson's and Spearman's correlation from a table of models: all but the other rows, which need the answers."""
    accuracy, score = np.asarray(accuracy, float), np.asarray(score, float)
    if accuracy.shape != score.shape or accuracy.ndim != 1:
        raise ValueError(f"You passed accuracies {accuracy.shape} and scores {score.shape}: one of each for every model.")
    views = accuracy[None], accuracy[None, None], masked_accuracies(accuracy, score)[None, None]
    units = list(range(len(accuracy))) if units is None else list(units)
    pair = [_correlation(views, units, measure, confidence, resamples, seed) for measure in (_pearson, _spearman)]
    return pair[0], pair[1]


Views = tuple[np.ndarray, np.ndarray, np.ndarray]  # accuracy (views, models); original and masked (views, benchmarks, models)


def _halves(asked: Sequence[Asked], splits: int, rng: np.random.Generator) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
    """For each benchmark which images the score is taken from, and which the accuracy. Benchmarks of one image have none."""
    if any(len(one.rows) < 2 for one in asked):
        return
    for _ in range(splits):
        first = [rng.permutation(len(one.rows)) < len(one.rows) // 2 for one in asked]
        yield [(half, ~half) for half in first]
        yield [(~half, half) for half in first]


def _views(asked: Sequence[Asked], parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> Views:
    def mean(sums, rows, where):
        return sums[:, where].sum(1) / rows[where].sum()

    pairs = list(zip(asked, parts, strict=True))
    accuracy = np.mean([mean(one.original, one.rows, where) for one, (_, where) in pairs], 0)
    original = np.stack([mean(one.original, one.rows, where) for one, (where, _) in pairs])
    masked = np.stack([mean(one.masked, one.rows, where) for one, (where, _) in pairs])
    return accuracy[None], original[None], masked[None]


def _scores(original: np.ndarray, masked: np.ndarray) -> np.ndarray:
    """(views, benchmarks, ..., models) -> (views, ..., models)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.mean(np.where(original > 0, 1 - masked / original, np.nan), 1)


def _correlation(views: Views | None, units: Sequence[Hashable], measure, confidence, resamples, seed) -> Correlation:
    order = {unit: place for place, unit in enumerate(dict.fromkeys(units))}
    place = np.array([order[unit] for unit in units])
    count = len(order)

    if views is None:
        return Correlation.unknown(len(units), count, "other rows need at least two images")
    accuracy, original, masked = views
    score = _scores(original, masked)
    known = np.isfinite(score).all(1) & np.isfinite(accuracy).all(1)
    if not known.any():
        return Correlation.unknown(len(units), count, "a score is NaN: of a model with nothing right, or of a NaN")
    accuracy, original, masked, score = accuracy[known], original[known], masked[known], score[known]
    if count < FEWEST:
        note = f"a correlation needs {FEWEST} models of different bases; these are {count}"
        return Correlation.unknown(len(units), count, note)
    tails = (1 - confidence) / 2, (1 + confidence) / 2
    low, high = _drawn(accuracy, score, place, count, measure, resamples, seed, tails)
    to_units = (place == np.arange(count)[:, None]) / np.bincount(place)[:, None]  # (units, models)
    accuracy, original, masked = (values @ to_units.T for values in (accuracy, original, masked))
    observed = float(np.mean(measure(accuracy, _scores(original, masked))))
    null = np.concatenate(
        [
            measure(accuracy[:, None], _scores(original[..., None, :], masked[..., dealt])).mean(0)
            for dealt in _orders(count, resamples, seed)
        ]
    )
    centre, slack = null.mean(), 1e-12
    extreme = np.abs(null - centre) >= abs(observed - centre) - slack
    exact = math.factorial(count) <= resamples
    p_value = float(extreme.mean()) if exact else float((1 + extreme.sum()) / (1 + len(null)))
    return Correlation(
        float(np.mean(measure(views[0][known], score))), low, high, observed, float(centre), *np.quantile(null, tails).tolist(),
        p_value, len(units), count,
    )  # fmt: skip


def _drawn(accuracy, score, place, count, measure, resamples, seed, tails) -> tuple[float, float]:
    """The interval: units are drawn with replacement, each with all its models."""
    rng = np.random.default_rng(seed)
    of_unit = [np.flatnonzero(place == unit) for unit in range(count)]
    by_size: dict[int, list[np.ndarray]] = {}
    for drawn in rng.integers(count, size=(resamples, count)):
        models = np.concatenate([of_unit[unit] for unit in drawn])
        by_size.setdefault(len(models), []).append(models)
    blocks = [np.array(block) for drawn in by_size.values() for block in _blocks(drawn)]
    found = np.concatenate([measure(accuracy[:, block], score[:, block]).mean(0) for block in blocks])
    found = found[np.isfinite(found)]
    return (float(np.quantile(found, tails[0])), float(np.quantile(found, tails[1]))) if len(found) else (math.nan, math.nan)


def _orders(count: int, most: int, seed: int) -> Iterator[np.ndarray]:
    """Every order of the units where there are few, else random ones, in blocks: (orders, units)."""
    if math.factorial(count) <= most:
        orders = list(all_orders(range(count)))
    else:
        orders = list(np.random.default_rng(seed).permuted(np.tile(np.arange(count), (most, 1)), axis=1))
    yield from map(np.array, _blocks(orders))


def _blocks(values: Sequence) -> Iterator[Sequence]:
    """Some hundred at a time: bounds memory, not results."""
    return (values[start : start + 256] for start in range(0, len(values), 256))


def _flat(values: np.ndarray) -> Ranked:
    return Ranked.of(values.reshape(-1, values.shape[-1]))


def _pearson(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Along the last axis; NaN where one is constant."""
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    scale = np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    return np.divide((a * b).sum(-1), scale, out=np.full(scale.shape, np.nan), where=scale > 1e-12)


def _spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    shape = np.broadcast_shapes(a.shape, b.shape)
    a, b = _flat(np.broadcast_to(a, shape)), _flat(np.broadcast_to(b, shape))
    scale = a.norms * b.norms
    found = np.divide((a.centred * b.centred).sum(-1), scale, out=np.full(scale.shape, np.nan), where=scale > 0)
    return found.reshape(shape[:-1])
