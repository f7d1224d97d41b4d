# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Damages one place within a chosen item of a JSON value, to see that no other item changes."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

from tests.mutations.changes import FRAGMENTS


_MARK = "@@ what goes here @@"


def drawn(value: Any, count: int, seed: int, within: tuple = ()) -> Iterator[tuple[tuple, bytes, bytes]]:
    """So many (place, what stands there now, text of the whole value); b"missing": the place is gone.

    Places are drawn below `within`, the way to an item: (1,) is the second one of a list.
    """
    random = Random(seed)
    found = [place for place in _places(value) if place[: len(within)] == within and place != within]
    for _ in range(count):
        place, fragment = random.choice(found), random.choice([b"missing", *FRAGMENTS])
        changed = holder = json.loads(json.dumps(value))  # items may share parts
        for key in place[:-1]:
            holder = holder[key]
        if fragment == b"missing":
            del holder[place[-1]]
        else:
            holder[place[-1]] = _MARK
        yield place, fragment[:40], json.dumps(changed).encode().replace(json.dumps(_MARK).encode(), fragment)


def _places(value: Any, place: tuple = ()) -> Iterator[tuple]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield (*place, key)
        yield from _places(part, (*place, key))
