# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Paid answers on disk, and the threads that wait for one another so that none is bought twice.

Two processes that ask the same prompt at the same moment do not see each other: give each its own part of the work.
Touches its folder only.
"""

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from promvil_hf.files import atomic_write


T = TypeVar("T")

_FIELDS = {  # of a stored answer, and what each may be
    "text": (str,),
    "chars": (int,),
    "finish_reason": (str, type(None)),
    "refusal": (str, type(None)),
    "prompt_tokens": (int, type(None)),
    "completion_tokens": (int, type(None)),
}
MOST_TOKENS = 10**12  # of one answer; a larger number is no count


def tokens(value: Any) -> int | None:
    """A number of tokens as a server reports it; None where it is none."""
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


class Store:
    """Paid answers by content: one JSON file per prompt, replaced whole, never edited in place."""

    def __init__(self, folder: Path):
        self.folder = folder

    def path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"

    def read(self, key: str) -> list[dict]:
        try:
            answers = json.loads(self.path(key).read_bytes())["answers"]
        except FileNotFoundError:
            return []
        except (RecursionError, TypeError, KeyError) as error:
            raise ValueError("it holds no list of answers") from error
        if not isinstance(answers, list) or not all(map(_is_answer, answers)):
            raise ValueError("it holds no list of answers")
        return answers

    def write(self, key: str, record: dict) -> None:
        with atomic_write(self.path(key), "wb") as file:
            file.write(json.dumps(record, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace"))


def _is_answer(value: Any) -> bool:
    if not isinstance(value, dict) or any(type(value.get(name, ...)) not in kinds for name, kinds in _FIELDS.items()):
        return False
    counts = [value["prompt_tokens"], value["completion_tokens"]]
    return counts == [None, None] or None not in map(tokens, counts)


class SingleFlight:
    """One thread does the work of a key while the others that ask for it meanwhile wait for its result."""

    def __init__(self):
        self._lock = threading.Lock()
        self._flights: dict[str, Future] = {}

    def do(self, key: str, work: Callable[[], T]) -> tuple[T, bool]:
        """The result, and whether this thread did the work. An exception of the work reaches everyone who waits."""
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if first:
                flight = self._flights[key] = Future()
        if not first:
            return flight.result(), False
        try:
            result = work()
            flight.set_result(result)
        except BaseException as error:
            flight.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._flights[key]
        return result, True
