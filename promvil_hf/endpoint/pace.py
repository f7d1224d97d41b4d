# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""When the next request may leave: a rate limit and `Retry-After`, shared by all threads."""

import threading
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isnan


class Pace:
    """When the next request may leave: one per `interval` seconds, none while the server asked for silence."""

    def __init__(self, interval: float):
        self._interval = interval
        self._lock = threading.Lock()
        self._next = 0.0
        self._silent_until = 0.0

    def wait(self, stop: threading.Event) -> bool:
        """Block until a request may leave; False when stopped first."""
        while True:
            with self._lock:
                leave = max(time.monotonic(), self._next, self._silent_until)
                self._next = leave + self._interval
            if stop.wait(max(0.0, leave - time.monotonic())):
                return False
            if time.monotonic() >= self._silent_until:  # a refusal may have come while this request waited
                return True

    def silence(self, seconds: float) -> None:
        with self._lock:
            self._silent_until = max(self._silent_until, time.monotonic() + seconds)


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds in a `Retry-After` header, which is a number or a date; None where it is neither."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
            date = date if date.tzinfo else date.replace(tzinfo=UTC)
            seconds = (date - (now or datetime.now(UTC))).total_seconds()
        except (ValueError, TypeError, OverflowError):  # no date, or one beyond the calendar
            return None
    return None if isnan(seconds) else max(0.0, seconds)
