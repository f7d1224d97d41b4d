# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What a study promises before it is run, what stands in its result about keeping it, and what a machine can check of that.

`protocol.md` has the rules in words. A study has a `Design`; its result has a `Conduct`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np

from studies.crossed import Crossed


TEXT = Path(__file__).with_name("protocol.md")
VERSION = "1"
FEWEST_SEEDS = {True: 5, False: 3}  # of a primary study, and of any other
EQUAL_WORK = 0.02
BUDGET_OVER_ONSET = 3
LEVEL = 0.05
BETTER, WORSE, EQUAL, OPEN = "more", "less", "no difference", "not decided"


@cache
def text_hash() -> str:
    return sha256(TEXT.read_bytes()).hexdigest()[:16]


@dataclass(frozen=True)
class Outcome:
    """The one comparison a study is made for: a measure of arm `a` less that of `b`. Within the margin it would not matter."""

    a: str
    b: str
    measure: str
    margin: float


@dataclass(frozen=True)
class Design:
    """What a study promises.

    Args:
        arms: What each arm is for, by its name.
        outcome: The primary outcome.
        threshold: The score whose first update is called the onset of a run.
        primary: Whether its outcome is one of those that are corrected together.
    """

    arms: Mapping[str, str]
    outcome: Outcome
    threshold: float
    primary: bool = True

    @property
    def fewest_seeds(self) -> int:
        return FEWEST_SEEDS[self.primary]


class Arm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one arm did: the same for every seed, except for its onsets (None: the run did not get there)."""

    updates: int
    flops: float
    texts: int
    trials: int  # settings that were tried on the seeds of the search
    onset: dict[str, int | None]


class Found(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The primary outcome, with scenes and seeds crossed. `p` is not corrected yet: `corrected` does it for all studies."""

    estimate: float
    low: float
    high: float
    p: float
    equivalent: bool


class Conduct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a result was made."""

    version: str
    hash: str
    search_seeds: list[int]
    arms: dict[str, Arm]
    outcome: Found


def conduct(arms: Mapping[str, Arm], outcome: Crossed, margin: float, search_seeds: Sequence[int]) -> Conduct:
    """Of a run that is made now."""
    low, high = outcome.interval()
    found = Found(*(round(value, 4) for value in (outcome.estimate, low, high)), outcome.p_value(), outcome.within(margin))
    return Conduct(VERSION, text_hash(), list(search_seeds), dict(arms), found)


def onset(curve: Sequence[tuple[int, float]], threshold: float) -> int | None:
    """The first update of a curve of (update, score) at which the threshold is reached."""
    return next((update for update, score in curve if score >= threshold), None)


def faults(design: Design, done: Conduct, seeds: Sequence[int]) -> list[str]:
    """What a result did not keep of its promises, in words."""
    found = []
    if (done.version, done.hash) != (VERSION, text_hash()):
        found.append(f"it was made under protocol {done.version} ({done.hash}), not under {VERSION} ({text_hash()})")
    if len(set(seeds)) < design.fewest_seeds:
        found.append(f"it has {len(set(seeds))} seeds: this study needs {design.fewest_seeds}")
    if shown := sorted(set(seeds) & set(done.search_seeds)):
        found.append(f"its settings were searched on the seeds {shown}, which it also shows")
    found += [f"the arm {name!r} is missing" for name in design.arms if name not in done.arms]
    found += [f"the arm {name!r} was not promised" for name in done.arms if name not in design.arms]
    if len({arm.trials for arm in done.arms.values()}) > 1:
        trials = ", ".join(f"{name} {arm.trials}" for name, arm in done.arms.items())
        found.append(f"the arms were not searched equally often: {trials}")
    sides = [done.arms[name] for name in (design.outcome.a, design.outcome.b) if name in done.arms]
    if len(sides) == 2 and abs(sides[0].flops - sides[1].flops) > EQUAL_WORK * min(arm.flops for arm in sides):
        more, less = sorted((design.outcome.a, design.outcome.b), key=lambda name: -done.arms[name].flops)
        share = done.arms[more].flops / done.arms[less].flops - 1
        found.append(f"the arm {more!r} had {share:.1%} more FLOPs than {less!r}: at most {EQUAL_WORK:.0%} are allowed")
    for name, arm in done.arms.items():
        if arm.onset.keys() != {str(seed) for seed in seeds}:
            found.append(f"the arm {name!r} has the onsets of the seeds {', '.join(arm.onset)}, not of {list(seeds)}")
        latest = max((update for update in arm.onset.values() if update is not None), default=0)
        if arm.updates < BUDGET_OVER_ONSET * latest:
            found.append(
                f"the arm {name!r} reached the threshold after {latest} of {arm.updates} updates: the budget must be "
                f"{BUDGET_OVER_ONSET} times that"
            )
    return found


def holm(p: Sequence[float]) -> list[float]:
    """Holm's corrected p-values: the error of the whole family stays below the level."""
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(np.asarray(p, float)[order] * np.arange(len(p), 0, -1)) if len(p) else np.empty(0)
    found = np.empty(len(p))
    found[order] = np.minimum(steps, 1.0)
    return found.tolist()


def verdict(found: Found, corrected: float) -> str:
    """In words: a is more or less than b, they do not differ by as much as matters, or it is not decided."""
    if found.equivalent:
        return EQUAL
    if corrected < LEVEL:
        return BETTER if found.estimate > 0 else WORSE
    return OPEN
