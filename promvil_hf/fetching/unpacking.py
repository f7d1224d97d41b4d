# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Archives of others, unpacked: nothing lands outside its folder, no links, no more than the disk holds, whole or not at all.

The members go to a draft folder first; each is checked by its CRC (zip) or the archive's (gzip). Then they take their places.
"""

import gzip
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from promvil_hf.fetching.sources import Unpacking, size_text
from promvil_hf.files import draft_folder, move_into


CHUNK = 1 << 20
MOST_MEMBERS = 2_000_000
MOST_TIMES = 200  # an archive that grows by more than this is made to fill the disk
_LITTER = ("__MACOSX", ".DS_Store", "Thumbs.db")
_DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError, RuntimeError,
    NotImplementedError, ValueError, LookupError, OverflowError, MemoryError,
)  # fmt: skip


class Refused(ValueError):
    """An archive that is damaged, hostile, or holds something else than it should."""


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    size: int
    open: object  # () -> file


def unpack(archive: Path, out: Path, how: Unpacking, shown: bool = True) -> list[tuple[str, int]]:
    """Put the members of an archive below `out`. Gives the path below `out` and the bytes of each.

    What lies there under the same names is replaced, other files are left alone.
    """
    with draft_folder(out) as draft:
        try:
            written = _extracted(archive, draft, how, shown)
        except Refused:
            raise
        except _DAMAGE as error:
            message = " ".join(str(error).split())[:200]
            raise Refused(f"{archive} cannot be unpacked ({message or type(error).__name__}): it is damaged.") from error
        if hasattr(os, "sync"):
            os.sync()  # before anything has its name
        move_into(draft, out)
    return written


def _extracted(archive: Path, draft: Path, how: Unpacking, shown: bool) -> list[tuple[str, int]]:
    written: dict[str, int] = {}
    left = min(MOST_TIMES * archive.stat().st_size + (1 << 20), shutil.disk_usage(draft).free)
    seen: list[str] = []
    with tqdm(unit="B", unit_scale=True, desc=f"unpack {archive.name}", disable=None if shown else True) as bar:
        for number, member in enumerate(_members(archive)):
            if number >= MOST_MEMBERS:
                raise Refused(f"{archive} holds more than {MOST_MEMBERS:,} files: it is not unpacked.")
            seen.append(member.name)
            place = _place(archive, member.name, how)
            if place is None:
                continue
            if place in written:
                raise Refused(f"{archive} holds {place} twice: it is not unpacked.")
            left -= member.size
            if left < 0:
                raise Refused(
                    f"{archive} ({size_text(archive.stat().st_size)}) grows by more than {MOST_TIMES} times, or does not fit "
                    "the disk: it is not unpacked."
                )
            written[place] = _copied(archive, member, draft / place, bar)
    if not written:
        raise Refused(
            f"{archive} holds none of {', '.join(how.keep)}: it is another archive than the table means. It holds "
            f"{', '.join(seen[:5]) or 'nothing'}{' and more' if len(seen) > 5 else ''}."
        )
    return sorted(written.items())


def _copied(archive: Path, member: _Member, place: Path, bar: tqdm) -> int:
    place.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with member.open() as source, open(place, "xb") as target:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if size > member.size:
                raise Refused(f"{archive} says that {member.name} has {member.size:,} bytes, and it has more: it is damaged.")
            target.write(chunk)
            bar.update(len(chunk))
    if size != member.size:
        raise Refused(f"{archive} says that {member.name} has {member.size:,} bytes, and it has {size:,}: it is damaged.")
    return size


def _place(archive: Path, name: str, how: Unpacking) -> str | None:
    """Where a member goes below the draft; None for one that is left out."""
    path = PurePosixPath(name)
    if "\\" in name or "\0" in name or path.is_absolute() or ".." in path.parts or ":" in name.split("/")[0]:
        raise Refused(f"{archive} holds {name!r}, which would land outside its folder: it is not unpacked.")
    if not path.name or any(part in _LITTER or part.startswith("._") for part in path.parts):
        return None
    if not any(fnmatchcase(name.removeprefix("./"), pattern) for pattern in how.keep):
        return None
    kept = PurePosixPath(path.name) if how.flat else path
    for pattern, new in how.renamed:
        if fnmatchcase(kept.name, pattern):
            kept = kept.with_name(new)
    return str(PurePosixPath(how.into) / kept)


def _members(archive: Path) -> Iterator[_Member]:
    """Files of an archive, folders left out; anything that is neither is refused."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                kind = stat.S_IFMT(member.external_attr >> 16)
                if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise Refused(f"{archive} holds {member.filename!r}, which is a link or a device: it is not unpacked.")
                if not member.is_dir():
                    yield _Member(member.filename, member.file_size, lambda member=member: opened.open(member))
        return
    with tarfile.open(archive, "r:*") as opened:
        for member in opened:
            if not (member.isfile() or member.isdir()):
                raise Refused(f"{archive} holds {member.name!r}, which is a link or a device: it is not unpacked.")
            if member.isfile():
                yield _Member(member.name, member.size, lambda member=member: _tar_file(opened, member))
        while opened.fileobj and opened.fileobj.read(CHUNK):  # gzip's sum stands at the very end
            pass


def _tar_file(opened: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    found = opened.extractfile(member)
    if found is None:
        raise tarfile.ReadError(f"{member.name} cannot be read")
    return found
