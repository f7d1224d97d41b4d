# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What is known of a source of data: its addresses, sizes, checksums and licence, and what becomes of its files.

The tables are `promvil_hf.fetching.training_sources`, `benchmark_sources` and `real_parts`; `promvil_hf.fetching.catalog` joins
them.
"""

from dataclasses import dataclass


KB, MB, GB = 10**3, 10**6, 10**9


@dataclass(frozen=True, slots=True)
class Unpacking:
    """What becomes of an archive.

    Args:
        into: Folder below --out that its members go to.
        size: Bytes of what is kept, as far as known; for the check of free disk.
        keep: Patterns of `fnmatch` for members that are kept, by their path in the archive.
        flat: Members keep their file name only, whatever folder of the archive they are in.
        renamed: Pattern of a file name and what the file is called here.
    """

    into: str
    size: int
    keep: tuple[str, ...] = ("*",)
    flat: bool = False
    renamed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that is downloaded.

    Args:
        name: Of the file, while it is downloaded and below a mirror.
        urls: Tried in this order. Without any it has to be got by hand from the page of its source.
        size: Bytes, None where nobody publishes them.
        exact: Whether `size` is exact; else it is rounded, as a page prints it.
        checksum: "sha256:..." or "md5:...", empty where none is published.
        place: Where the file goes below --out, if it is no archive.
        unpack: What becomes of it, if it is one.
        mark: What is doubtful, for the page.
        otherwise: How else the file is got, for the message where no server gives it; "{folder}" stands for where it belongs.
    """

    name: str
    urls: tuple[str, ...]
    size: int | None = None
    exact: bool = True
    checksum: str = ""
    place: str = ""
    unpack: Unpacking | None = None
    mark: str = ""
    otherwise: str = ""

    @property
    def kept_size(self) -> int:
        """Bytes on the disk afterwards, as far as known."""
        return self.unpack.size if self.unpack else self.size or 0


@dataclass(frozen=True, slots=True)
class Source:
    """A data set, or a part of one that is wanted alone.

    Args:
        name: On the command line.
        about: In a few words.
        licence: As its authors state it.
        page: Of its authors.
        facts: Where addresses, sizes and checksums were read.
        gives: What lies below --out afterwards, and what takes it.
        files: That make it up.
        needs: Names of other sources without which it is of little use, such as pictures.
    """

    name: str
    about: str
    licence: str
    page: str
    facts: str
    gives: str
    files: tuple[RemoteFile, ...]
    needs: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes to download, as far as known."""
        return sum(file.size or 0 for file in self.files)

    @property
    def size_is_known(self) -> bool:
        return all(file.size is not None for file in self.files)


def size_text(size: int | None) -> str:
    """
    >>> size_text(5_471_658_058)
    '5.47 GB'
    """
    if size is None:
        return "unknown"
    for unit, name in ((GB, "GB"), (MB, "MB"), (KB, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size} B"
