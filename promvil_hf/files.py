# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Files: found, read where they are Parquet or pickles (JSON: `promvil_hf.json_records`), and written whole or not at all.

A file is written as a draft beside its place, `.NAME.….part`, and takes its name when all of it is on the disk: a kill or a
power cut leaves the old file or the new one, never a part. A draft that a killed writer left goes when its file is
written again, or when a job takes its folder (`promvil_hf.folder_lock`). Nothing else in the package renames. Needs the
standard library, and pyarrow for Parquet.
"""

import errno
import hashlib
import json
import os
import pickle
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_ident
from typing import IO, Any


try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

Files = str | os.PathLike | Sequence[str | os.PathLike]


_DRAFT = re.compile(r"\.(?:draft-.*|(?P<of>.+)\.\d+-\d+)\.part", re.DOTALL)


# --- writing --------------------------------------------------------------------------------------


@contextmanager
def atomic_write(path: str | os.PathLike, mode: str = "w") -> Iterator[IO]:
    """A file to write in, text as UTF-8 or bytes (`mode="wb"`), that becomes `path` when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_drafts(path.parent, path.name)
    draft = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.part")  # a second writer has its own
    try:
        with _claimed(draft, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if fcntl is None:  # Windows renames no open file
                file.close()
            move(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _claimed(draft: Path, mode: str) -> IO:
    """A new file, locked as long as it is open: so it is seen that its writer lives."""
    while True:
        file = open(draft, mode, **({} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}))
        with suppress(OSError):  # without locks nobody removes it either
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # it was removed before it was locked


def write_text(path: str | os.PathLike, text: str) -> Path:
    with atomic_write(path) as file:
        file.write(text)
    return Path(path)


def write_json(path: str | os.PathLike, value: Any) -> Path:
    return write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_json_lines(path: str | os.PathLike, records: Iterable[Any]) -> Path:
    with atomic_write(path) as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    return Path(path)


@contextmanager
def draft_folder(beside: Path) -> Iterator[Path]:
    """A hidden folder in `beside` to write in; it is removed at the end, so `move` out of it what is to stay."""
    folder = Path(tempfile.mkdtemp(prefix=".draft-", suffix=".part", dir=beside))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def move(made: Path, place: Path) -> Path:
    """Give a finished file or folder its place on the same disk. What lies there is replaced, a folder with all it holds."""
    if place.is_dir():
        shutil.rmtree(place)
    os.replace(made, place)
    _keep_names(place.parent)
    return place


def _keep_names(folder: Path) -> None:
    """The names in a folder too survive a power cut."""
    if os.name == "posix":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        except OSError as error:  # network and user-space file systems that keep names by themselves
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
        finally:
            os.close(opened)


def move_into(made: Path, place: Path) -> None:
    """Give all that lies in the folder `made` its place below the folder `place`: files of one name are replaced, others stay."""
    for child in sorted(made.iterdir()):
        target = place / child.name
        if child.is_dir() and target.is_dir():
            move_into(child, target)
        elif target.is_dir():
            raise ValueError(f"{target} is a folder, and a file is to lie there: move the folder away.")
        else:
            os.replace(child, target)
    _keep_names(place)


def remove_folder(folder: Path) -> None:
    """Remove a folder whole or not at all: a kill leaves it as it was, or a draft of which `remove_drafts` knows."""
    shutil.rmtree(move(folder, folder.with_name(f".draft-{folder.name}.part")), ignore_errors=True)


def remove_drafts(folder: Path, of: str | None = None) -> None:
    """Remove what killed writers left in this folder: drafts of the file `of`, or all of them and draft folders too.

    A file whose writer lives is left alone. Draft folders are not locked: remove all where nobody else writes.
    """
    for name in os.listdir(folder):
        draft = _DRAFT.fullmatch(name)
        if draft is None or of not in (None, draft["of"]):
            continue
        if draft["of"] is None:
            shutil.rmtree(folder / name, ignore_errors=True)
            continue
        with suppress(OSError):
            with open(folder / name, "rb+") as file:
                if fcntl:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(file.name)
            if fcntl is None:  # where Windows does not remove what is open
                os.unlink(file.name)


# --- reading --------------------------------------------------------------------------------------


def paths_of(files: Files) -> list[Path]:
    """One file, several, or a folder -> existing paths."""
    listed = [files] if isinstance(files, (str, os.PathLike)) else list(files)
    paths = [Path(name) for name in listed]
    missing = [str(path) for path in paths if not path.exists()]
    if missing or not paths:
        raise FileNotFoundError(f"There is no file {', '.join(missing)}." if missing else "You passed no files.")
    return paths


def one_path(files: Files, what: str) -> Path:
    """The one existing file among `files`; `what` says in the message which file is meant."""
    paths = paths_of(files)
    if len(paths) != 1:
        raise ValueError(f"You passed {', '.join(path.name for path in paths)}: pass one file, {what}.")
    return paths[0]


def unfolded(paths: Sequence[Path], *patterns: str) -> list[Path]:
    """Files as they are, and of a folder those that match the first of these patterns that any matches ("**/*.parquet")."""
    found: list[Path] = []
    for path in paths:
        inside = [path] if not path.is_dir() else next(filter(None, (sorted(path.glob(pattern)) for pattern in patterns)), [])
        if not inside:
            raise ValueError(f"{path} holds no file {' or '.join(patterns)}: name the files themselves.")
        found += inside
    return found


def read_parquet(paths: Sequence[Path], columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Rows of Parquet files, batch by batch. `columns` names those wanted, as far as they are there."""
    import pyarrow as pa

    for path in paths:
        try:
            yield from _parquet_rows(path, columns)
        except FileNotFoundError:
            raise
        except (pa.ArrowException, ValueError, OSError, TypeError, LookupError, OverflowError, MemoryError) as error:
            message = " ".join(str(error).split())[:200]
            raise ValueError(f"{path} cannot be read as Parquet ({message}): it is damaged or cut. Get it again.") from error


def _parquet_rows(path: Path, columns: Sequence[str] | None) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    names = file.schema_arrow.names
    wanted = names if columns is None else [name for name in columns if name in names]
    for batch in file.iter_batches(batch_size=512, columns=wanted):
        yield from batch.to_pylist()


def read_yaml(path: Path) -> Any:
    """The value of a YAML file, plain values only."""
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        message = " ".join(str(error).split())[:300] or "it is nested too deeply"
        raise ValueError(f"{path} is not YAML ({message}).") from error


class _NoCode(pickle.Unpickler):
    """Plain containers, numbers and text only. Everything by which a pickle could run code passes through here."""

    def find_class(self, module: str, name: str):
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def read_pickle(path: Path) -> Any:
    """A pickle of plain values, Python 2's included. One that asks for any class or function is refused, unread."""
    try:
        with open(path, "rb") as file:
            return _NoCode(file, encoding="utf-8", errors="replace").load()
    except (
        pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, MemoryError,
        OverflowError,
    ) as error:  # fmt: skip
        raise ValueError(
            f"{path} is refused: a file of references holds lists, dicts, numbers and text, and this one does not ({error}). "
            "A pickle can run any code when it is opened without this check: do not open it otherwise."
        ) from error


def sha256_of(path: str | os.PathLike) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
