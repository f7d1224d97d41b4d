# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Sources brought below a folder: what is there is kept, what is missing is downloaded, checked and unpacked.

    downloads/SOURCE/NAME            an archive while it is needed, and what was put there by hand
    .fetched/SOURCE/NAME.json        written last: what came, and which files it became with their sizes

The same command goes on after a kill. A file that was deleted or changed in size since is got again.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote

from promvil_hf.fetching.sources import RemoteFile, Source, size_text
from promvil_hf.fetching.transfer import Expected, Patience, download
from promvil_hf.fetching.unpacking import Refused, unpack
from promvil_hf.files import write_json
from promvil_hf.folder_lock import held
from promvil_hf.json_documents import json_document


HUB = "https://huggingface.co/"
ROOM_LEFT = 1 << 28  # bytes of the disk that are left free


@dataclass(frozen=True, slots=True)
class Fetching:
    """How sources are fetched.

    Args:
        mirrors: Addresses that hold SOURCE/NAME, tried before the table's own.
        keep_archives: Leave archives in downloads/ after they were unpacked.
        accept_changed: Take files whose size or checksum is another than the table's.
        patience: How long servers are waited for.
        shown: Whether it is said which address is asked and why again, and progress is shown on a terminal.
    """

    mirrors: tuple[str, ...] = ()
    keep_archives: bool = False
    accept_changed: bool = False
    patience: Patience = field(default_factory=Patience)
    shown: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One file of a source, and where things about it lie."""

    source: Source
    file: RemoteFile
    out: Path

    @property
    def archive(self) -> Path:
        return self.out / "downloads" / self.source.name / self.file.name

    @property
    def place(self) -> Path:
        """Where the download goes: a file that is no archive directly to where it is read."""
        return self.archive if self.file.unpack or not self.file.place else self.out / self.file.place

    @property
    def record(self) -> Path:
        return self.out / ".fetched" / self.source.name / f"{self.file.name}.json"

    @property
    def plan(self) -> dict:
        """What decides about the files that it becomes."""
        file = asdict(self.file)
        return {"file": {name: file[name] for name in ("name", "size", "checksum", "place")}, "unpack": _listed(file["unpack"])}

    def is_done(self) -> bool:
        try:
            found = json_document(self.record).fields
        except (FileNotFoundError, ValueError):
            return False
        if found.get("plan") != self.plan:
            return False
        return all(_size(self.out / path) == size for path, size in found.get("files", [["", -1]]))

    @property
    def arrived(self) -> int:
        """Bytes that an earlier run left."""
        return max(_size(self.place), _size(self.place.with_name(f"{self.place.name}.partial")), 0)

    @property
    def is_by_hand(self) -> bool:
        return not self.file.urls and not self.archive.is_file()


def steps(sources: Sequence[Source], out: Path) -> list[Step]:
    return [Step(source, file, out) for source in sources for file in source.files]


def room_needed(undone: Sequence[Step], keep_archives: bool) -> int:
    """Bytes that the disk must have free for the rest, as far as sizes are known: an archive lies there while it is unpacked."""
    most = taken = 0
    for step in undone:
        download = max(0, (step.file.size or 0) - step.arrived)
        most = max(most, taken + download + (step.file.kept_size if step.file.unpack else 0))
        taken += step.file.kept_size if step.file.unpack else download
        taken += download if keep_archives and step.file.unpack else 0
    return most


def fetch(sources: Sequence[Source], out: str | os.PathLike, how: Fetching = Fetching()) -> Iterator[str]:  # noqa: B008
    """Bring all files of these sources below `out`; gives a line on each file as it is done.

    What has to be got by hand, and what no server gave, is said at the end in one ValueError, after all the rest is there.
    """
    out = Path(out)
    with held(out):
        undone = [step for step in steps(sources, out) if not step.is_done()]
        _check_room(undone, out, how)
        missing, answered = [], {}
        for step in steps(sources, out):
            if step not in undone:
                _clear(step, how)
                yield f"{step.source.name}: {step.file.name} is here"
                continue
            try:
                yield _fetched(step, how, answered)
            except (ValueError, Refused) as error:
                missing.append(str(error))
        if missing:
            raise ValueError("\n".join([f"{len(missing)} of {len(undone)} files are missing:", *missing]))


def _fetched(step: Step, how: Fetching, answered: dict[str, bool]) -> str:
    if step.is_by_hand:
        raise ValueError(
            f"{step.file.name} of {step.source.name} has to be got by hand ({step.file.mark or step.source.page}): put it at "
            f"{step.archive} and run the same command again."
        )
    file = step.file
    try:
        came = download(addresses(step, how), step.place, _expected(step, how), how.patience, how.shown, answered=answered)
    except ValueError as error:
        if not file.otherwise:
            raise
        hint = file.otherwise.format(folder=step.place.parent)
        raise ValueError(f"{error} {hint}; then run the same command again.") from error
    if file.unpack:
        try:
            written = unpack(step.place, step.out, file.unpack, how.shown)
        except Refused as error:
            step.place.unlink()  # else it would be taken for a checked one at the next run
            raise Refused(f"{error} The archive was removed; the same command gets it again.") from error
    else:
        written = [(str(step.place.relative_to(step.out)), came["size"])]
    write_json(step.record, {"plan": step.plan, "received": came, "files": written})
    _clear(step, how)
    count = "1 file" if len(written) == 1 else f"{len(written):,} files"
    return f"{step.source.name}: {file.name}, {size_text(came['size'])}, {count}"


def _expected(step: Step, how: Fetching) -> Expected:
    """What the table knows; of a file that came before and lies here still, what came then."""
    if step.place.is_file() and step.record.is_file() and not step.file.unpack:
        with suppress(ValueError, KeyError, TypeError):
            before = json_document(step.record).fields["received"]
            return Expected(before["size"], f"sha256:{before['sha256']}")
    return Expected() if how.accept_changed else Expected(step.file.size if step.file.exact else None, step.file.checksum)


def addresses(step: Step, how: Fetching) -> list[str]:
    """Mirrors first; the Hub's as HF_ENDPOINT says."""
    name = quote(f"{step.source.name}/{step.file.name}")
    hub = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    urls = [f"{hub}/{url.removeprefix(HUB)}" if hub and url.startswith(HUB) else url for url in step.file.urls]
    mirrored = [f"{mirror.rstrip('/')}/{name}" for mirror in how.mirrors]
    return mirrored + [quote(url, safe="%/:=&?~#+!$,;'@()*[]") for url in urls]


def _check_room(undone: Sequence[Step], out: Path, how: Fetching) -> None:
    needed, free = room_needed(undone, how.keep_archives), shutil.disk_usage(out).free
    if needed + ROOM_LEFT > free:
        raise OSError(
            f"These files need {size_text(needed)} at {out}, as far as their sizes are known, and {size_text(free)} are free: "
            "name fewer sources at a time, or another --out."
        )


def _clear(step: Step, how: Fetching) -> None:
    """An archive that is unpacked, unless it is to be kept."""
    if step.file.unpack and not how.keep_archives:
        step.archive.unlink(missing_ok=True)


def _listed(value):
    """As it will read back from JSON: tuples are lists."""
    if isinstance(value, dict):
        return {name: _listed(inner) for name, inner in value.items() if name != "size"}
    return [_listed(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1
