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
from typing import TypeVar

from promvil_hf.files import atomic_write


T = TypeVar("T")

FIELDS = {"text", "chars", "finish_reason", "refusal", "prompt_tokens", "completion_tokens"}


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
        if not isinstance(answers, list) or not all(isinstance(a, dict) and FIELDS <= a.keys() for a in answers):
            raise ValueError("it holds no list of answers")
        return answers

    def write(self, key: str, record: dict) -> None:
        with atomic_write(self.path(key), "wb") as file:
            file.write(json.dumps(record, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace"))


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
