# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Spearman's rho and the area under the ROC curve, for many rows and many masks at once.

Each row is ranked once. Its own mask, the masks of a null and the area under the ROC curve then cost one matrix
product. Equal to scipy on ties, for binary and soft masks. A row without an answer (constant values, one class only,
a NaN) gives NaN, never 0: average with `numpy.nanmean` and report the count.

Raw rho against a mask mixes how well a head looks with how large the mask is: with a binary mask that covers the share
p of n cells, and no ties among the values, rho = sqrt(3 p (1 - p)) * (2 AUROC - 1) * sqrt(n^2 / (n^2 - 1)). So rho is
reported with AUROC, or with rho / `Ranked.ceiling`.
"""

from dataclasses import dataclass

import numpy as np

from promvil_hf.metrics.segmentation import booleans


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Average ranks of each row, their mean taken off: (rows, n), and the length of each row as a vector: (rows,)."""

    centred: np.ndarray
    norms: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Ranked":
        values = np.atleast_2d(np.asarray(values))
        n = values.shape[-1]
        if not n:
            raise ValueError("You passed rows without values: there is nothing to rank.")
        order = np.argsort(values, axis=-1)
        ordered = np.take_along_axis(values, order, axis=-1)
        new = np.empty(values.shape, bool)  # where another value begins
        new[:, 0] = True
        np.not_equal(ordered[:, 1:], ordered[:, :-1], out=new[:, 1:])
        first = np.flatnonzero(new)
        tied = np.diff(first, append=new.size)
        middle = first % n + (tied - n) / 2  # the average rank of a group, minus the mean rank (n + 1) / 2
        centred = np.empty(values.shape)
        np.put_along_axis(centred, order, np.repeat(middle, tied).reshape(values.shape), axis=-1)
        centred[np.isnan(ordered[:, -1])] = np.nan  # NaNs are sorted to the end
        return cls(centred, np.sqrt(np.einsum("rn,rn->r", centred, centred)))

    def spearman(self, others: "Ranked") -> np.ndarray:
        """rho of every row with every row of `others`: (rows, rows of others)."""
        scale = np.multiply.outer(self.norms, others.norms)
        together = self.centred @ others.centred.T
        return np.divide(together, scale, out=np.full(scale.shape, np.nan), where=scale > 0)

    def auroc(self, inside: np.ndarray) -> np.ndarray:
        """The chance that a value inside a mask exceeds one outside, ties half: bool (masks, n) -> (rows, masks)."""
        inside = np.atleast_2d(booleans(inside)).astype(float)
        n = inside.shape[-1]
        within = inside.sum(-1)
        pairs = within * (n - within)
        # sum of ranks within = centred sum + within * (n + 1) / 2
        above = self.centred @ inside.T + within * (n - within) / 2
        return np.divide(above, pairs, out=np.full(above.shape, np.nan), where=pairs > 0)

    @property
    def ceiling(self) -> np.ndarray:
        """The largest rho that values without ties can reach against each row: ties in a mask cost some of it."""
        n = self.centred.shape[-1]
        return self.norms / np.sqrt(n * (n**2 - 1) / 12) if n > 1 else np.zeros(len(self.norms))
