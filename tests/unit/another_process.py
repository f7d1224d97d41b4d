# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A second process that is at something while a test looks."""

import os
from contextlib import contextmanager


@contextmanager
def another_process(work):
    """A forked process that is inside the context `work()`."""
    ready_read, ready_write = os.pipe()
    leave_read, leave_write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(leave_write)
            with work():
                os.write(ready_write, b".")
                os.read(leave_read, 1)
        finally:
            os._exit(0)
    os.close(leave_read), os.close(ready_write)
    assert os.read(ready_read, 1) == b"."
    try:
        yield child
    finally:
        os.close(leave_write), os.close(ready_read)
        os.waitpid(child, 0)
