# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The form in which Intel published FiVL-Instruct, read into our rows and written again.

    fivl_instruct.json    {sample id: [{"turn": 1, "prompts": [{"prompt": "one kite", "mask_rel": "<name>.pt"}]}]}
    dataset_grounded.tar  for each mask a 24x24 tensor of patch means, 0..255, in the padded 336-pixel square

Its ids are LLaVA's, which are not unique, so one entry may belong to several conversations about one image. A phrase is
taken into a row only where its turn's answer holds it, by the pipeline's own rule; what fits nowhere is counted.
"""

import io
import os
import tarfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np

from promvil_hf import masks
from promvil_hf.files import atomic_write
from promvil_hf.fivl.conversation_sources import SourceRow
from promvil_hf.fivl.fivl_rows import FivlRow, Key, image_file, rejected_image
from promvil_hf.fivl.release_archive import TensorArchive, UnsafeArchive, checked_name
from promvil_hf.fivl.release_geometry import SIDE, from_grid, to_grid
from promvil_hf.frames import PaddedSquare
from promvil_hf.images import UnreadableImage, image_size
from promvil_hf.jobs import Rejected
from promvil_hf.json_records import RecordError, decoded, read_bytes, shown, split
from promvil_hf.key_expressions import KeyExpression, Turn


REASONS = {
    "not in this answer": "the phrase is not in this row's answer: the entry is of another conversation of the same id",
    "no such turn": "the row has no turn of this number",
    "empty mask": "the tensor has no value above zero inside the image",
    "tensor missing": "the archive has no tensor of this name",
    "tensor refused": "the tensor is not 24x24 numbers in 0..255",
    "repeated": "the same phrase came before in this turn",
}


class Release:
    """An opened release: the index in memory, the tensors read when a row needs them."""

    def __init__(self, index: str | os.PathLike, tensors: str | os.PathLike):
        data = read_bytes(index)
        try:
            if data.lstrip()[:1] != b"{":
                raise RecordError("it is no object")
            entries = {key: data[start:end] for key, start, end in split(data, index)}
        except RecordError as error:
            raise ValueError(
                f"You passed {index}, which is not the index of the release ({error}): it is one JSON object, sample id "
                "to segments."
            ) from error
        self.index = index
        self.entries = entries
        self.tensors = TensorArchive(tensors)

    def __enter__(self) -> "Release":
        return self

    def __exit__(self, *_) -> None:
        self.tensors.close()

    def row(self, source: SourceRow, images: str | os.PathLike) -> dict | Rejected:
        """Our row for a conversation, with `dropped` phrases by reason; or why there is none."""
        if source.fault is not None:
            return source.fault
        if source.source_id not in self.entries:
            return Rejected("no key expression", "the release has no entry of this id")
        try:
            size = image_size(image_file(images, source.image))
        except UnreadableImage as error:
            return rejected_image(source.image, error)
        except ValueError as error:
            return Rejected("image unreadable", f"{source.image}: {error}")
        dropped: Counter = Counter()
        keys: dict[tuple[int, str], Key] = {}
        try:
            segments = msgspec.convert(decoded(self.entries[source.source_id]), list[_Segment])
        except ValueError as error:
            return Rejected("unreadable record", f"{self.index} {shown(source.source_id)}: {error}")
        for segment in segments:
            turn = source.turns[segment.turn - 1] if 0 < segment.turn <= len(source.turns) else None
            for prompt in segment.prompts:
                text = prompt.text
                if turn is None:
                    dropped["no such turn"] += 1
                elif not _said(text, turn):
                    dropped["not in this answer"] += 1
                elif (turn.index, text) in keys:
                    dropped["repeated"] += 1
                else:
                    found = self._mask(prompt, size)
                    if isinstance(found, str):
                        dropped[found] += 1
                    else:
                        boxes = (masks.bounding_box(found),)
                        keys[turn.index, text] = Key(KeyExpression(text, turn.index, boxes, found), text)
        if not keys:
            return Rejected("no key expression", ", ".join(f"{count} {why}" for why, count in sorted(dropped.items())))
        row = FivlRow(
            source.row_id,
            source.source,
            source.source_id,
            source.image,
            size,
            source.turns,
            tuple(keys.values()),
            source.answers,
        )
        return {**row.to_dict(), "dropped": dict(sorted(dropped.items()))}

    def _mask(self, prompt: "_Prompt", size: tuple[int, int]):
        """The mask in original coordinates, or the reason why not."""
        try:
            values = self.tensors.read(prompt.mask_rel)
        except KeyError:
            return "tensor missing"
        except UnsafeArchive:
            return "tensor refused"
        shares = np.asarray(values, float) / 255
        good = shares.size == SIDE * SIDE and np.isfinite(shares).all() and 0 <= shares.min() <= shares.max() <= 1.001
        if not good:
            return "tensor refused"
        mask = from_grid(shares.reshape(SIDE, SIDE).clip(0, 1), size)
        return mask if masks.area(mask) else "empty mask"


class _Prompt(msgspec.Struct):
    prompt: str | list
    mask_rel: str

    @property
    def text(self) -> str:
        return (self.prompt if isinstance(self.prompt, str) else "".join(map(str, self.prompt[-1:]))).strip()


class _Segment(msgspec.Struct):
    turn: int
    prompts: list[_Prompt]


def _said(text: str, turn: Turn) -> bool:
    """The pipeline stored a phrase of the answer, or the whole answer where that is one word."""
    return bool(text) and text in turn.answer


# --- the way back ---------------------------------------------------------------------------------


@dataclass(slots=True)
class Exported:
    """What was written. `renamed` rows have an id that another row has too, and are named by their row id instead."""

    rows: int = 0
    masks: int = 0
    renamed: int = 0
    without_mask: int = 0
    ids: Counter = field(default_factory=Counter, repr=False)

    def __str__(self) -> str:
        text = f"{self.rows:,} rows, {self.masks:,} masks"
        text += f"; {self.renamed:,} rows renamed, since their ids repeat" if self.renamed else ""
        return text + (f"; {self.without_mask:,} key expressions without a mask left out" if self.without_mask else "")


def export(rows: Sequence[FivlRow] | Iterable[FivlRow], folder: str | os.PathLike) -> Exported:
    """Write `fivl_instruct.json`, `dataset_grounded.tar` and `conversations.json` (LLaVA's form, `segment` included).

    The same rows give the same bytes. Ids are looked through first: `rows` is read twice and must allow it.
    """
    folder = Path(folder)
    if iter(rows) is iter(rows):
        raise ValueError("You passed rows that can be read once only: pass a list, or an object that starts anew.")
    counted = Exported()
    for row in rows:
        counted.ids[row.source_id] += 1
    index: dict[str, list] = {}
    encoder = msgspec.json.Encoder()
    with (
        atomic_write(folder / "dataset_grounded.tar", "wb") as tensors,
        tarfile.open(fileobj=tensors, mode="w", format=tarfile.GNU_FORMAT) as tar,
        atomic_write(folder / "conversations.json", "wb") as conversations,
    ):
        lead = b"["
        for row in rows:
            name = row.source_id
            if counted.ids[name] > 1:
                name = row.row_id
                counted.renamed += 1
            index[name] = _segments(row, name, tar, counted)
            conversations.write(lead + encoder.encode(_conversation(row, name, index[name])))
            lead = b",\n"
            counted.rows += 1
        conversations.write(b"]\n" if counted.rows else b"[]\n")
        (folder / "fivl_instruct.json").write_bytes(encoder.encode(index) + b"\n")
    return counted


def _segments(row: FivlRow, name: str, tar: tarfile.TarFile, counted: Exported) -> list[dict]:
    image = PurePosixPath(checked_name(row.image_path, "a row"))
    parts = image.parts
    root = PurePosixPath(f"{parts[0]}_segmented", *parts[1:-1]) if len(parts) > 1 else PurePosixPath("segmented")
    plain = "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in name) or "row"
    segments: list[dict] = []
    number = 0
    for turn in row.turns:
        prompts = []
        for key in row.of_turn(turn.index):
            mask = key.expression.mask
            if mask is None:
                counted.without_mask += 1
                continue
            place = str(root / plain / f"{plain}_{number:04d}.pt")
            number += 1
            data = _saved(to_grid(mask) * 255)
            member = tarfile.TarInfo(place)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
            counted.masks += 1
            prompts.append({"prompt": key.text, "mask_rel": place, "bbox": _padded_boxes(key, row.image_size)})
        if prompts:
            segments.append({"turn": turn.index + 1, "prompts": prompts})
    return segments


def _padded_boxes(key: Key, image_size: tuple[int, int]) -> list[dict[str, int]]:
    """Boxes in whole pixels of the padded 336-pixel square, as the pipeline writes them."""
    square = PaddedSquare(side=336)
    names = ("xmin", "ymin", "xmax", "ymax")
    found = (square.encode(box, image_size) for box in key.expression.boxes)
    return [dict(zip(names, map(round, corners), strict=True)) for corners in found]


def _conversation(row: FivlRow, name: str, segments: list[dict]) -> dict:
    said = []
    for turn in row.turns:
        said.append({"from": "human", "value": turn.question if turn.index else f"<image>\n{turn.question}"})
        said.append({"from": "gpt", "value": turn.answer})
    return {"id": name, "image": row.image_path, "conversations": said, "segment": segments}


def _saved(values: np.ndarray) -> bytes:
    """What `torch.save` writes of a float64 tensor, which FiVL's training code reads."""
    import torch

    written = io.BytesIO()
    torch.save(torch.from_numpy(np.ascontiguousarray(values, np.float64)), written)
    return written.getvalue()
