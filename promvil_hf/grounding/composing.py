# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""From what a detector found to a distribution over candidates for each phrase, simple to complex.

    odds(candidate) = odds of its detection x (sum over the evidence's candidates: P(evidence) x fit of the relation)
                      x fit of each choice (position, order, size, colour)

against the odds of "none of these", which fits every relation and choice alike (`none_fit`). A relation that must not
hold counts 1 - its fit. Evidence that was not found, or is unknown to the detector, changes nothing. numpy only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from promvil_hf.backends.detectors import Found
from promvil_hf.grounding import choices
from promvil_hf.grounding.geometry import Pairs, Things
from promvil_hf.grounding.reading import SIZES, Link, Reading
from promvil_hf.grounding.relations import LEAST, between
from promvil_hf.nesting.places import NEAREST, ORDER, OTHER, SIDE, Place


_SAME_BOX = 0.7  # two boxes of one noun that overlap as much are one thing, which stands in no relation to itself


MODES = ("composed", "one_shot")


@dataclass(frozen=True, slots=True)
class ComposerSettings:
    """`described` asks for "red car" where colours would otherwise be measured on pixels under the noun "car": for detectors
    that take free text. `score_slope` and `score_offset` turn the log-odds of a detector's score into those of a thing being
    there. `mode` is "composed", or "one_shot": the detector is asked for the whole expression, and its best box counts.
    `none_fit` is how well "none of these" fits any relation or choice. Its default and that of `relation_weight` were fitted on
    training photographs (`benchmarks.relations_calibration`), the others are reasoned. `refuse_above` is the chance of "none of
    these" above which a phrase is refused; None never does.
    """

    described: bool = False
    score_slope: float = 1.0
    score_offset: float = 0.0
    relation_weight: float = 1.8
    none_fit: float = 1.0
    refuse_above: float | None = None
    mode: str = "composed"

    def __post_init__(self):
        if self.mode not in MODES:
            raise ValueError(f"You passed mode={self.mode!r}: it is one of {', '.join(MODES)}.")

    def asked(self, part: Reading) -> str:
        """What the detector is asked for, "" where a phrase names no thing."""
        return part.described if self.described and part.noun else part.noun

    def exists(self, scores: np.ndarray) -> np.ndarray:
        """How likely there is a thing of its kind under each box."""
        scores = np.clip(scores, 1e-3, 0.99)
        return 1 / (1 + np.exp(-(self.score_slope * np.log(scores / (1 - scores)) + self.score_offset)))


@dataclass(frozen=True, eq=False)
class Candidates:
    """What was found for a noun in one picture: where the things lie, how likely each is there, and the log-odds of that."""

    found: Found
    things: Things
    exists: np.ndarray
    odds: np.ndarray


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture, and what is computed once for all expressions about it: the candidates of each noun, how those of two nouns lie
    to each other, and phrases that refer to no other."""

    picture: Image.Image
    settings: ComposerSettings
    _candidates: dict[int, Candidates] = field(default_factory=dict)
    _pairs: dict[tuple[int, int], Pairs] = field(default_factory=dict)
    _alone: dict[tuple[Reading, int], "Composed"] = field(default_factory=dict)

    def candidates(self, found: Found) -> Candidates:
        key = id(found)  # which the candidates keep
        if key not in self._candidates:
            detections = found.detections
            things = Things.of(
                [detection.box for detection in detections], self.picture.size, [detection.mask for detection in detections]
            )
            exists = self.settings.exists(np.array([detection.score for detection in detections], float))
            self._candidates[key] = Candidates(found, things, exists, np.log(exists / (1 - exists)))
        return self._candidates[key]

    def pairs(self, a: Candidates, b: Candidates) -> Pairs:
        key = id(a), id(b)
        if key not in self._pairs:
            self._pairs[key] = Pairs(a.things, b.things)
        return self._pairs[key]

    def composed(self, part: Reading, found: Found, made: dict[int, "Composed"]) -> "Composed":
        if part.links or part.among is not None:
            return _Composing(part, found, made, self).done()
        key = part, id(found)
        if key not in self._alone:
            self._alone[key] = _Composing(part, found, made, self).done()
        return self._alone[key]


@dataclass(frozen=True, eq=False)
class Composed:
    """A phrase's candidates and what is believed of them: `weights` (n,) and `none` add up to 1."""

    candidates: Candidates
    weights: np.ndarray
    none: float
    kind: str = ""  # what the detector looked for
    summary: str = ""  # of the chances, and what was weighed
    problems: tuple[str, ...] = ()

    def chosen(self, part: Reading) -> tuple[int, ...]:
        """The likeliest candidate; of a plural as many as it says, or all that are not far behind."""
        if not len(self.weights):
            return ()
        if part.count <= 1 and not part.is_plural:
            return (int(self.weights.argmax()),)
        ranking = [int(i) for i in np.argsort(-self.weights, kind="stable")]
        if part.count > 1:
            return tuple(ranking[: part.count])
        return tuple(i for i in ranking if self.weights[i] >= 0.5 * self.weights[ranking[0]])


def compose(parts: Sequence[Reading], found: Sequence[Found], seen: Seen) -> list[Composed]:
    """One distribution for each reading. What is denied stands behind the phrases, and is needed first."""
    made: dict[int, Composed] = {}
    waiting = list(range(len(parts)))
    while waiting:
        ready = [index for index in waiting if all(to in made for to in _needs(parts[index]))]
        for index in ready:
            made[index] = seen.composed(parts[index], found[index], made)
        waiting = [index for index in waiting if index not in made]
    return [made[index] for index in range(len(parts))]


def _needs(part: Reading) -> list[int]:
    return [to for link in part.links for to in link.to] + ([] if part.among is None else [part.among])


class _Composing:
    """One phrase: what each of its relations and choices says of the candidates."""

    def __init__(self, part: Reading, found: Found, made: dict[int, Composed], seen: Seen):
        self.part, self.made, self.seen = part, made, seen
        self.settings, self.picture, self.size = seen.settings, seen.picture, seen.picture.size
        self.candidates = seen.candidates(found)
        self.things, self.exists = self.candidates.things, self.candidates.exists
        self.kind = found.asked or part.noun
        self.logs = np.zeros(len(self.things))  # of the fits so far
        self.against = 0.0  # the same of "none of these"
        self.terms: list[str] = []  # names of the fits
        self.problems: list[str] = []

    def done(self) -> Composed:
        part, found = self.part, self.candidates.found
        if not len(self.things):
            return Composed(self.candidates, np.zeros(0), 1.0, self.kind, f"none of {part.noun!r}")
        odds = self.candidates.odds
        if part.among is not None and len(self.made[part.among].weights) == len(self.things):
            odds = np.log(np.maximum(self.made[part.among].weights, 1e-9) / max(self.made[part.among].none, 1e-3))
        for link in part.links:
            if link.relation.name != NEAREST:
                self._linked(link)
        is_read = self.settings.described and not found.asked  # the detector was asked with the qualities
        if part.qualities and not is_read:
            self.problems.append(f"not used: {' '.join(part.qualities)!r}, which no box tells")
        for colour in () if is_read else part.colours:
            self._add(choices.coloured(self.picture, self.things, colour), f"{colour}, by its pixels")
        for colour in part.denied_colours:
            self._add(_denied(choices.coloured(self.picture, self.things, colour)), f"not {colour}, by its pixels")
        if part.places or part.denied_places or part.sizes:
            self._chosen()
        logs = np.empty(len(self.things) + 1)  # "none of these" is the last
        logs[:-1] = odds + self.settings.relation_weight * self.logs
        logs[-1] = self.settings.relation_weight * self.against
        shares = np.exp(logs - logs.max())
        shares /= shares.sum()
        if part.unread:
            self.problems.append(f"not used: {' '.join(part.unread)!r}")
        summary = f"{shares[:-1].max():.2f} of {len(self.things)}, none of these {shares[-1]:.2f}"
        summary = "; ".join([summary, *self.terms])
        return Composed(self.candidates, shares[:-1], float(shares[-1]), self.kind, summary, tuple(self.problems))

    def _add(self, fit: np.ndarray, term: str) -> None:
        self.logs = self.logs + np.log(fit)
        self.against += float(np.log(self.settings.none_fit))
        self.terms.append(term)

    def _linked(self, link: Link) -> None:
        evidence = [self.made[to] for to in link.to]
        if not link.relation.known:
            self.problems.append(f"unknown relation {link.words!r}: taken as nearness")
        missing = [referent for referent in evidence if not len(referent.weights)]
        if missing:
            known = all(referent.candidates.found.known for referent in missing)
            if not known:
                self.problems.append(f"{link.words!r} left out: the detector does not know the noun it refers to")
            elif not link.denied:  # that there is no hat is what "without a hat" says
                self.problems.append(f"{link.words!r} left out: what it refers to was not found")
            return
        fit = self._between(evidence) if link.relation.name == "between" else self._fit(link, evidence[0])
        self._add(_denied(fit) if link.denied else fit, f"{'not ' if link.denied else ''}{link.relation.name}")

    def _fit(self, link: Link, evidence: Composed) -> np.ndarray:
        """(n,): the sum over the evidence's candidates. A thing is no evidence for itself."""
        pairs = self.seen.pairs(self.candidates, evidence.candidates)
        fit = link.relation.fit(pairs)
        if evidence.kind == self.kind:
            fit = np.where(pairs.iou > _SAME_BOX, LEAST / 10, fit)
        return fit @ evidence.weights + evidence.none * self.settings.none_fit

    def _between(self, evidence: Sequence[Composed]) -> np.ndarray:
        """(n,): the sum over pairs of candidates, of two phrases or of one plural."""
        first, second = evidence[0], evidence[-1]
        things = [referent.candidates.things for referent in (first, second)]
        many = Things(np.concatenate([one.boxes for one in things]), things[0].masks + things[1].masks, self.things.step)
        count = len(first.weights)
        fit = between(Pairs(self.things, many))[:, :count, count:]
        weights = first.weights[:, None] * second.weights[None]
        if len(evidence) == 1:
            np.fill_diagonal(weights, 0.0)
        if not weights.sum():
            return np.full(len(self.things), self.settings.none_fit)
        none = 1 - (1 - first.none) * (1 - second.none)
        return np.einsum("ijk,jk->i", fit, weights / weights.sum()) * (1 - none) + none * self.settings.none_fit

    # --- choices ---

    def _chosen(self) -> None:
        """Choices are made among the candidates that stand in the relations."""
        part = self.part
        exists = self.exists * np.exp(self.logs - self.logs.max())
        to_nearest = [link for link in part.links if link.relation.name == NEAREST]
        for place in part.places:
            fit = self._placed(place, exists, to_nearest)
            if fit is not None:
                self._add(fit, place.text)
        for place in part.denied_places:
            fit = self._placed(place, exists, to_nearest)
            if fit is not None:
                self._add(_denied(fit), f"not {place.text}")
        for word in part.sizes:
            self._add(choices.sized(self.things, *SIZES[word], exists), word)

    def _placed(self, place: Place, exists: np.ndarray, to_nearest: Sequence[Link]) -> np.ndarray | None:
        if place.kind == SIDE:
            return choices.position(self.things, place.side, exists, self.size)
        if place.kind == ORDER:
            return choices.order(self.things, place.side, place.rank or 1, exists, self.size)
        if place.kind == OTHER:
            if any(self.kind == self.made[to].kind for link in self.part.links for to in link.to):
                return None  # "the man next to the other man": two things, as any two
            self.problems.append("'other' says nothing else: taken for one that shows less")
            return choices.other(self.things, exists)
        if not to_nearest:  # "the closest car": to whoever looks
            return choices.position(self.things, "front" if place.rank == 1 else "back", exists, self.size)
        evidence = self.made[to_nearest[0].to[0]]
        if not len(evidence.weights):
            return None
        pairs = self.seen.pairs(self.candidates, evidence.candidates)
        weights = np.append(evidence.weights, evidence.none)
        fit = choices.nearest(choices.distances(pairs), weights[:-1], exists, farthest=place.rank == -1)
        return np.clip(fit + weights[-1] * self.settings.none_fit, LEAST, 1.0)


def _denied(fit: np.ndarray) -> np.ndarray:
    return np.clip(1 - fit, LEAST, 1.0)
