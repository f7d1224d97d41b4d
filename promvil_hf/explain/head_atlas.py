# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The head atlas as a value: scores of all heads, the null they are held against, and which of them pass.

A head's own p-value counts shuffles in which that head does as well; `p_family` counts those in which *any* head does, so
that at level 0.05 one atlas in twenty names a head that looks at nothing (`promvil_hf.metrics.significance`). An atlas is
read without torch.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

import numpy as np

from promvil_hf.explain.layer_names import Head, Layer
from promvil_hf.json_documents import json_document, typed
from promvil_hf.metrics.intervals import Interval, bootstrap_interval


@dataclass(frozen=True, slots=True, eq=False)
class HeadAtlas:
    """Scores of all heads, (layers, heads) each. `null` holds the mean rho of every head under each shuffle.

    `layers` names the rows of the arrays: layers without heads have none, and stand in `without_heads`.
    """

    layers: tuple[Layer, ...]
    rho: np.ndarray
    auroc: np.ndarray
    tokens: np.ndarray  # how many tokens each mean stands on
    p_head: np.ndarray
    p_family: np.ndarray
    q_value: np.ndarray  # Benjamini and Hochberg's, from p_head
    null: np.ndarray  # (shuffles, layers, heads)
    ceiling: float  # mean of the largest rho that these masks allow
    turns: int
    skipped: Mapping[str, int]
    settings: Mapping[str, Any]
    by_turn: np.ndarray = field(repr=False)  # (turns, layers, heads): sums of rho over the turn's tokens
    by_turn_tokens: np.ndarray = field(repr=False)
    image_ids: tuple[str, ...] = field(repr=False, default=())
    without_heads: tuple[Layer, ...] = ()

    def place(self, head: Head) -> tuple[int, int]:
        """Where a head stands in the arrays."""
        return self.layers.index(head.layer), head.number

    def best(self, count: int = 10) -> list[Head]:
        """The best heads by mean rho; those without a score are left out."""
        flat = np.where(np.isnan(self.rho), -np.inf, self.rho).ravel()
        order = np.argsort(-flat, kind="stable")[:count]
        places = [divmod(int(place), self.rho.shape[1]) for place in order if np.isfinite(flat[place])]
        return [Head(self.layers[row], number) for row, number in places]

    def passing(self, level: float = 0.05, control: str = "family") -> np.ndarray:
        """(layers, heads) bool: heads that look at the masks, with the family-wise error ("family") or the false
        discovery rate ("fdr") held at `level`."""
        if control not in ("family", "fdr"):
            raise ValueError(f"You passed control={control!r}: it is 'family' or 'fdr'.")
        return (self.p_family if control == "family" else self.q_value) <= level

    def interval(self, head: Head, confidence: float = 0.95, seed: int = 0) -> Interval:
        """Of a head's mean rho; whole images are drawn."""
        row, number = self.place(head)
        columns = np.stack([self.by_turn[:, row, number], self.by_turn_tokens[:, row, number]], 1)
        return bootstrap_interval(columns, clusters=self.image_ids, confidence=confidence, seed=seed)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; NaN becomes None."""
        arrays = ("rho", "auroc", "tokens", "p_head", "p_family", "q_value", "null", "by_turn", "by_turn_tokens")
        return {
            "layers": list(map(str, self.layers)),
            "without_heads": list(map(str, self.without_heads)),
            **{name: _plain(getattr(self, name)) for name in arrays},
            "ceiling": _plain(np.array(self.ceiling)),
            "turns": self.turns,
            "skipped": dict(self.skipped),
            "settings": dict(self.settings),
            "image_ids": list(self.image_ids),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], where: str | os.PathLike = "This") -> "HeadAtlas":
        """What `to_dict` wrote; `where` names it in messages."""
        record = typed(record, _Written, where, "an atlas of `promvil explain --rows`")
        shape = (len(record["rho"]), *sorted({len(row) for row in record["rho"]}))

        def array(name: str, kind: type, *several: int) -> np.ndarray:
            try:
                return np.array(record[name], kind).reshape(*several, *shape)
            except (ValueError, OverflowError):
                raise ValueError(f"{where} is a damaged atlas: `{name}` has other layers or heads than `rho`.") from None

        if len(shape) != 2 or len(record["layers"]) != shape[0]:
            raise ValueError(f"{where} is a damaged atlas: it has {len(record['layers'])} layers and `rho` of shape {shape}.")
        if len({len(record[name]) for name in ("by_turn", "by_turn_tokens", "image_ids")}) != 1:
            raise ValueError(f"{where} is a damaged atlas: `by_turn`, `by_turn_tokens` and `image_ids` have one entry a turn.")
        return cls(
            **{name: array(name, float) for name in ("rho", "auroc", "p_head", "p_family", "q_value")},
            **{name: array(name, float, -1) for name in ("null", "by_turn")},
            tokens=array("tokens", int),
            by_turn_tokens=array("by_turn_tokens", int, -1),
            ceiling=float("nan") if record["ceiling"] is None else record["ceiling"],
            turns=record["turns"],
            skipped=record["skipped"],
            settings=record["settings"],
            image_ids=tuple(record["image_ids"]),
            layers=tuple(map(Layer.named, record["layers"])),
            without_heads=tuple(map(Layer.named, record["without_heads"])),
        )


def read_atlas(path: str | os.PathLike) -> HeadAtlas:
    """The atlas in a file."""
    return HeadAtlas.from_dict(json_document(path).fields, path)


_Grid = list[list[float | None]]
_Counts = list[list[int]]


class _Written(TypedDict):
    layers: list[str]
    without_heads: list[str]
    rho: _Grid
    auroc: _Grid
    tokens: _Counts
    p_head: _Grid
    p_family: _Grid
    q_value: _Grid
    null: list[_Grid]
    by_turn: list[_Grid]
    by_turn_tokens: list[_Counts]
    ceiling: float | None
    turns: int
    skipped: dict[str, int]
    settings: dict[str, Any]
    image_ids: list[str]


def _plain(values: np.ndarray):
    if values.dtype.kind == "f":
        values = np.where(np.isfinite(values), np.round(values, 7), None)
    return values.tolist()
