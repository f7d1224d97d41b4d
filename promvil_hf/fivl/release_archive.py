# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Reads a tar archive of saved tensors that somebody else made, without trusting a byte of it.

Nothing is extracted: members are found by their headers and read in place. An archive that points outside itself
(absolute names, `..`, links, devices), claims more than it holds, or holds a tensor that is more than numbers, is
refused with a sentence. A tensor's pickle is not executed: it may name a tensor, and nothing else.

`tarfile` reads the headers; its extraction filters are not needed, since nothing is written. Tensors are not read by
`torch.load(weights_only=True)`, which lets a pickle of 40 bytes allocate as much as it names (`bytearray(1 << 30)` took
1 GiB with torch 2.13), accepts more than tensors, and costs each worker process 1.5 seconds and 190 MB for torch.
"""

import io
import math
import os
import pickle
import pickletools
import re
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np


LONGEST_NAME = 4096  # bytes that a long name or a pax header may have
LARGEST_TENSOR = 1 << 20  # bytes of one saved tensor; a released one has some 6,000
_DTYPES = {"Double": "f8", "Float": "f4", "Half": "f2", "Byte": "u1", "Char": "i1", "Short": "i2", "Int": "i4"}
_DTYPES |= {"Long": "i8", "Bool": "?"}


class UnsafeArchive(ValueError):
    """An archive or tensor that is refused. The message says what is wrong with it."""


class TensorArchive:
    """The tensors of an uncompressed tar file, or of a folder into which one was extracted, by name.

    Opening a tar file reads its headers once; what is kept of a member is its name and its place.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self._file: BinaryIO | None = None
        self._members: dict[str, tuple[int, int]] = {}
        if self.path.is_dir():
            return
        self._file = open(self.path, "rb")
        try:
            for name, start, size in members(self._file, self.path):
                self._members[name] = (start, size)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "TensorArchive":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, name: str) -> bool:
        return self._place(name) is not None if self._file else os.path.isfile(self._under(name))

    def read(self, name: str) -> np.ndarray:
        """The tensor called `name`; KeyError where there is none, `UnsafeArchive` where it is no plain tensor."""
        if self._file is None:
            path = self._under(name)
            if not os.path.isfile(path):  # `Path.is_file` raises where a name is too long
                raise KeyError(name)
            with open(path, "rb") as file:
                return _read(file, 0, path.stat().st_size, str(path))
        place = self._place(name)
        if place is None:
            raise KeyError(name)
        return _read(self._file, *place, f"{name} in {self.path}")

    def _place(self, name: str) -> tuple[int, int] | None:
        """A member by its whole name, or without the folder that the archive was packed from."""
        name = checked_name(name, "the index")
        if name in self._members:
            return self._members[name]
        return self._members.get(f"{self._prefix}{name}") if self._prefix else None

    @property
    def _prefix(self) -> str:
        first = next(iter(self._members), "")
        return f"{first.split('/', 1)[0]}/" if "/" in first else ""

    def _under(self, name: str) -> Path:
        path = self.path / checked_name(name, "the index")
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise UnsafeArchive(f"{path} is a link that leads out of {self.path}: it is not followed.")
        return path


def _read(file: BinaryIO, start: int, size: int, name: str) -> np.ndarray:
    if size > LARGEST_TENSOR:
        raise UnsafeArchive(f"{name} has {size:,} bytes: a mask of this data set has some 6,000.")
    file.seek(start)
    return read_tensor(file.read(size), name)


def checked_name(name: str, where: str) -> str:
    """A relative name without `..`, in plain form; anything else is refused."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or ":" in name:
        raise UnsafeArchive(
            f"{where} names {name!r}, which leads out of its folder or is no name: names are relative and without '..'."
        )
    return path.as_posix()


# --- tar ------------------------------------------------------------------------------------------


_NAME_HEADERS = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, b"X")
_NO_FILES = {b"1": "a link", b"2": "a link", b"3": "a device", b"4": "a device", b"6": "a pipe"}


class _Header(tarfile.TarInfo):
    """A tar header that is checked before `tarfile` acts on it."""

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if any(buf):  # `tarfile` would take this for the end of the archive
                raise UnsafeArchive(f"is damaged or no tar archive: a header does not add up ({error}).") from None
            raise
        if header.type in _NAME_HEADERS and not 0 <= header.size <= LONGEST_NAME:
            raise UnsafeArchive(
                f"has a header of {header.size:,} bytes for a name: names have {LONGEST_NAME} at most."
            )
        return header


def _headers(file: BinaryIO, path: Path) -> Iterator[tarfile.TarInfo]:
    try:
        tar = tarfile.TarFile(fileobj=file, tarinfo=_Header, errors="replace")
        while (header := tar.next()) is not None:
            tar.members.clear()  # or `tarfile` keeps every header
            yield header
    except UnsafeArchive as error:
        raise UnsafeArchive(f"{path} {error}") from None
    except Exception as error:  # the bytes are anybody's: whatever they break in tarfile is their fault
        raise UnsafeArchive(f"{path} cannot be read as a tar archive ({type(error).__name__}: {error}).") from error


def members(file: BinaryIO, path: Path) -> Iterator[tuple[str, int, int]]:
    """Name, place and size of each regular file of an open tar. Headers are checked, contents are skipped."""
    end = os.fstat(file.fileno()).st_size
    if file.read(6).startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")):
        raise UnsafeArchive(f"{path} is compressed: decompress it first, so that tensors can be read in place.")
    if not end:
        raise UnsafeArchive(f"{path} is no tar archive: it has 0 bytes and no header.")
    file.seek(0)
    for header in _headers(file, path):
        rest = end - header.offset_data
        if not 0 <= header.size <= rest:
            raise UnsafeArchive(
                f"{path} says that {header.name!r} has {header.size:,} bytes, and the file ends {rest:,} bytes after that: "
                "it is cut off, or it lies. Download it again."
            )
        name = header.name if header.name == "." else checked_name(header.name, str(path))
        if header.isreg() and not header.issparse():
            yield name, header.offset_data, header.size
        elif not header.isdir():
            what = _NO_FILES.get(header.type, "no plain file")
            raise UnsafeArchive(f"{path} holds {name!r}, which is {what}: only files are read, and nothing is followed.")


# --- tensors --------------------------------------------------------------------------------------


def read_tensor(data: bytes, name: str = "the tensor") -> np.ndarray:
    """A tensor saved by `torch.save`, read without torch and without executing its pickle."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = {info.filename: info for info in archive.infolist()}
            pickles = [each for each in infos if each.endswith("data.pkl")]
            if len(pickles) != 1 or len(infos) > 32:
                raise UnsafeArchive(f"{name} is no saved tensor: it holds {len(infos)} entries.")
            if sum(info.file_size for info in infos.values()) > LARGEST_TENSOR:
                raise UnsafeArchive(f"{name} claims to unpack to more than {LARGEST_TENSOR:,} bytes.")
            root = pickles[0][: -len("data.pkl")]
            order = archive.read(f"{root}byteorder") if f"{root}byteorder" in infos else b"little"
            tensor = _described(archive.read(pickles[0]), name)
            if not isinstance(tensor, _Described):
                raise UnsafeArchive(f"{name} holds a {type(tensor).__name__}, not a tensor.")
            raw = archive.read(f"{root}data/{tensor.storage.key}")
            return tensor.of(raw, ">" if order == b"big" else "<", name)
    except UnsafeArchive:
        raise
    except Exception as error:  # the bytes are anybody's: whatever they break in zipfile or pickle is their fault
        raise UnsafeArchive(f"{name} cannot be read as a saved tensor ({type(error).__name__}: {error}).") from error


def _described(data: bytes, name: str) -> object:
    for code, index, _ in pickletools.genops(data):
        if code.name.endswith("PUT") and index > len(data):  # the unpickler would make room for that many objects
            raise UnsafeArchive(f"{name} numbers an object {index:,} in a pickle of {len(data):,} bytes.")
    return _TensorReader(io.BytesIO(data), name).load()


class _Storage:
    def __init__(self, dtype: str, key: str):
        self.dtype, self.key = dtype, key


class _Described:
    """A tensor as its pickle describes it; its numbers are elsewhere."""

    def __init__(self, storage, offset, size, stride, *_):
        self.storage, self.offset, self.size, self.stride = storage, offset, tuple(size), tuple(stride)

    def of(self, raw: bytes, order: str, name: str) -> np.ndarray:
        flat = np.frombuffer(raw, np.dtype(self.storage.dtype).newbyteorder(order))
        whole = [self.offset, *self.size, *self.stride]
        last = self.offset + sum((side - 1) * step for side, step in zip(self.size, self.stride, strict=True))
        plain = all(type(number) is int and number >= 0 for number in whole)
        count = math.prod(self.size)
        if not plain or len(self.size) > 4 or not 0 < count <= LARGEST_TENSOR or last >= len(flat):
            raise UnsafeArchive(f"{name} describes a tensor of {self.size} over {len(flat)} numbers, which cannot be.")
        steps = [step * flat.itemsize for step in self.stride]
        return np.array(np.lib.stride_tricks.as_strided(flat[self.offset :], self.size, steps), order="C")


class _TensorReader(pickle.Unpickler):
    """Knows the few names by which a tensor is described, and refuses all others."""

    def __init__(self, file: BinaryIO, name: str):
        super().__init__(file)
        self.name = name

    def find_class(self, module: str, name: str):
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Described
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name.removesuffix("Storage") in _DTYPES:
            return _DTYPES[name.removesuffix("Storage")]
        raise UnsafeArchive(f"{self.name} asks for {module}.{name}: it is more than a tensor and is not executed.")

    def persistent_load(self, persistent_id):
        kind, dtype, key, _, _ = persistent_id
        if kind != "storage" or dtype not in _DTYPES.values() or not re.fullmatch(r"[0-9]{1,4}", str(key)):
            raise UnsafeArchive(f"{self.name} does not describe its numbers as a saved tensor does.")
        return _Storage(dtype, str(key))
