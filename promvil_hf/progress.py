# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The progress bars of the `datasets` library: on a terminal only."""

import sys
from contextlib import contextmanager

import datasets


@contextmanager
def bars_on_a_terminal_only():
    hide = not sys.stderr.isatty() and not datasets.are_progress_bars_disabled()
    if hide:
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        if hide:
            datasets.enable_progress_bars()
