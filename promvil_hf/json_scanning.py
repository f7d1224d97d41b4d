# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Where a large JSON text can be cut: the commas of its top-level list or object, without looking into its elements."""

import mmap
from collections.abc import Iterator


_BLOCK = 1 << 20
_OPENS, _CLOSES, _COMMA, _QUOTE, _ESCAPE = 1, -1, 2, 4, 8
_MARKS = bytearray(256)  # what a byte means in JSON
for _bytes, _mark in ((b"[{", _OPENS), (b"]}", _CLOSES & 255), (b",", _COMMA), (b'"', _QUOTE), (b"\\", _ESCAPE)):
    for _byte in _bytes:
        _MARKS[_byte] = _mark


def separators(data: bytes | mmap.mmap, begin: int) -> Iterator[int]:
    """Where the list or object that opens before `begin` has its commas and, last, where it closes.

    Block by block: a byte is outside of strings where the quotes before it that are not escaped are even in number.
    """
    import numpy as np

    depth, inside, escaping = 0, 0, False
    for at in range(begin, len(data), _BLOCK):
        marks = np.frombuffer(data[at : at + _BLOCK].translate(_MARKS), np.int8)
        let_go(data)
        quotes = marks == _QUOTE
        escapes = np.flatnonzero(marks == _ESCAPE)
        if escaping:  # the last byte of the block before
            escapes = np.concatenate([[-1], escapes])
        runs = np.flatnonzero(np.diff(escapes, prepend=-9) > 1)
        lengths = np.diff(runs, append=len(escapes))
        escaped = (escapes[runs] + lengths)[lengths % 2 == 1]
        quotes[escaped[escaped < len(marks)]] = False
        escaping = len(marks) in escaped[-1:]
        outside = (np.cumsum(quotes, dtype=np.uint8) + inside) & 1 == 0
        inside = int(not outside[-1])
        places = np.flatnonzero(outside & (marks != 0) & (marks < _QUOTE))
        commas = marks[places] == _COMMA
        depths = depth + np.cumsum(np.where(commas, 0, marks[places]), dtype=np.int64)
        for found in np.flatnonzero((depths < 0) | (commas & (depths == 0))).tolist():
            yield at + int(places[found])
            if depths[found] < 0:
                return
        depth = int(depths[-1]) if len(depths) else depth


def let_go(data: bytes | mmap.mmap) -> None:
    """Stop holding what was read of a mapped file; it is read again when it is asked for."""
    if isinstance(data, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        data.madvise(mmap.MADV_DONTNEED)
