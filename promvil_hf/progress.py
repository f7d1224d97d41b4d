# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The progress bars of the libraries below: those of `datasets` on a terminal only, those of loading where it takes long."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


SHORT = 3  # seconds that a model may load without a bar


@contextmanager
def bars_on_a_terminal_only():
    import datasets

    hide = not sys.stderr.isatty() and not datasets.are_progress_bars_disabled()
    if hide:
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        if hide:
            datasets.enable_progress_bars()


@contextmanager
def bars_of_long_loads_only() -> Iterator[None]:
    """While a model of transformers is loaded: a bar on a terminal, after some seconds."""
    from transformers.utils import logging

    def later(factory, args, kwargs):
        return factory(*args, **{"delay": SHORT, "disable": None, **kwargs})

    before = logging.set_tqdm_hook(later)
    try:
        yield
    finally:
        logging.set_tqdm_hook(before)
