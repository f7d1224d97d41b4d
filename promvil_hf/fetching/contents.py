# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Whether a file that came can be whole, by its first and last bytes: for those whose checksum nobody published."""

import os
from pathlib import Path


_ENDS = {".json": (b"[{", b"]}"), ".jsonl": (b"{", b"}")}
_MAGIC = {".parquet": (b"PAR1", b"PAR1"), ".zip": (b"PK", b""), ".gz": (b"\x1f\x8b", b""), ".tgz": (b"\x1f\x8b", b"")}
_PAGES = (b"<!doctype html", b"<html")


def fault(file: Path, name: str) -> str:
    """Why this cannot be the whole file of this name; empty where nothing speaks against it."""
    size = file.stat().st_size
    if not size:
        return "it is empty"
    with open(file, "rb") as opened:
        first = opened.read(512)
        opened.seek(max(0, size - 1_024))
        last = opened.read()
    if first.lstrip().lower().startswith(_PAGES) and not name.endswith((".html", ".htm")):
        return "it is a web page, as servers send where one must log in or agree to something"
    kind = os.path.splitext(name)[1]
    start, end = first.lstrip()[:1], last.rstrip()[-1:]
    if kind in _ENDS and (start not in _chars(_ENDS[kind][0]) or end not in _chars(_ENDS[kind][1])):
        return f"it does not begin and end as a {kind} file does"
    if kind in _MAGIC and not (first.startswith(_MAGIC[kind][0]) and last.endswith(_MAGIC[kind][1])):
        return f"it does not begin and end as a {kind} file does"
    if kind == ".tar" and (size % 512 or last.strip(b"\0")):
        return "it does not end as an archive does"
    return ""


def _chars(found: bytes) -> set[bytes]:
    return {bytes([byte]) for byte in found}
