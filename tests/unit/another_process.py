# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A second process that is at something while a test looks."""

import os
from contextlib import contextmanager


@contextmanager
def another_process(work):
    """A forked process that is inside the context `work()`."""
    ready, told = os.pipe()
    wait, let = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(let)
            with work():
                os.write(told, b".")
                os.read(wait, 1)
        finally:
            os._exit(0)
    os.close(wait), os.close(told)
    assert os.read(ready, 1) == b"."
    try:
        yield child
    finally:
        os.close(let), os.close(ready)
        os.waitpid(child, 0)
