# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The vision-modeling loss (FiVL): patches of a picture predict the words that speak of them, beside the language loss.

    loss = (1 - weight) * LM + weight * VM

Only labelled positions reach the LM head, a chunk at a time, so the logits of a batch are never in memory. A
patch predicts its own label, WITHOUT the shift of the language loss. Sums and counts come apart, so that a loss can be
divided by the counts of a whole accumulation window, on all ranks. Nothing here knows a model or a trainer.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable


UNLABELLED = -100
CHUNK_ROWS = 256  # positions whose logits are in memory at a time; each such chunk reads the whole head


@dataclass(frozen=True, slots=True)
class LossSums:
    """Sums over the labelled positions of a batch, and how many there are.

    `lm` and `vm` are differentiable. A patch with several labels counts once, with the mean over them; it is a hit when the
    most likely token is one of them.
    """

    lm: torch.Tensor
    vm: torch.Tensor
    tokens: torch.Tensor
    patches: torch.Tensor
    hits: torch.Tensor


@dataclass(frozen=True, slots=True)
class VisionModelingLoss:
    """The joint loss, differentiable, and its two terms before they are weighted."""

    loss: torch.Tensor
    lm_loss: torch.Tensor
    vm_loss: torch.Tensor
    sums: LossSums


def vision_modeling_loss(
    hidden: torch.Tensor,
    head: torch.Tensor,
    labels: torch.Tensor,
    vision_labels: torch.Tensor,
    *,
    vision_loss_weight: float = 0.1,
    tokens: int | torch.Tensor | None = None,
    patches: int | torch.Tensor | None = None,
    scale_lm_when_empty: bool = False,
    bias: torch.Tensor | None = None,
    softcap: float | None = None,
) -> VisionModelingLoss:
    """FiVL's joint loss, equal to two cross entropies on full logits.

    Args:
        hidden: (B, L, H), what the head would see.
        head: (V, H), the head's weight.
        labels: (B, L), of the language loss: not shifted, -100 where nothing is trained.
        vision_labels: (B, L) or (B, L, K), the label or labels of each patch at its own position, else -100.
        vision_loss_weight: λ.
        tokens, patches: What the two sums are divided by: the counts of the whole accumulation window, where this batch is
            a part of one. By default the counts of this batch.
        scale_lm_when_empty: Weigh the language loss by 1 - λ even where the window has no labelled patch. FiVL does not.
        bias: (V,), of the head.
        softcap: Of the logits, for models that have one (Gemma 2's `final_logit_softcapping`).
    """
    sums = loss_sums(hidden, head, labels, vision_labels, bias=bias, softcap=softcap)
    tokens, patches = (
        torch.as_tensor(counted if given is None else given, device=hidden.device)
        for given, counted in ((tokens, sums.tokens), (patches, sums.patches))
    )
    lm, vm = sums.lm / tokens.clamp(min=1), sums.vm / patches.clamp(min=1)
    lm_share, vm_share = shares(vision_loss_weight, bool(patches > 0), scale_lm_when_empty)
    return VisionModelingLoss(lm_share * lm + vm_share * vm, lm.detach(), vm.detach(), sums)


def shares(vision_loss_weight: float, any_patch: bool, scale_lm_when_empty: bool = False) -> tuple[float, float]:
    """The weights of the language and the vision term in a window that has a labelled patch, or has none."""
    if not 0 <= vision_loss_weight <= 1:
        raise ValueError(
            f"You passed vision_loss_weight={vision_loss_weight}: it is λ in (1 - λ)·LM + λ·VM, between 0 and 1 (FiVL: 0.1)."
        )
    return 1.0 - vision_loss_weight if any_patch or scale_lm_when_empty else 1.0, vision_loss_weight


def loss_sums(
    hidden: torch.Tensor,
    head: torch.Tensor,
    labels: torch.Tensor,
    vision_labels: torch.Tensor,
    *,
    bias: torch.Tensor | None = None,
    softcap: float | None = None,
) -> LossSums:
    """The two sums of `vision_modeling_loss`, undivided: its arguments, without the weights."""
    gathered = gather(hidden, labels, vision_labels)
    losses, hits = token_losses(gathered.rows, head, gathered.targets, bias=bias, softcap=softcap)
    return gathered.sums(losses, hits)


@dataclass(frozen=True, slots=True)
class Gathered:
    """The labelled positions of a batch: first those that predict a token of the text, then the patches."""

    rows: torch.Tensor  # (N, H)
    targets: torch.Tensor  # (N,)
    weights: torch.Tensor  # (N - tokens,) of the patches' rows: one over the number of its patch's labels
    tokens: int

    def sums(self, losses: torch.Tensor, hits: torch.Tensor) -> LossSums:
        """From the loss of each row and whether its target is the most likely token."""
        return LossSums(
            lm=losses[: self.tokens].sum(),
            vm=(losses[self.tokens :] * self.weights).sum(),
            tokens=torch.tensor(self.tokens, device=losses.device),
            patches=self.weights.sum().round().long(),
            hits=hits[self.tokens :].sum(),
        )


def gather(hidden: torch.Tensor, labels: torch.Tensor, vision_labels: torch.Tensor) -> Gathered:
    """Pick the rows of `hidden` that have a label; see `vision_modeling_loss` for the arguments."""
    batch, length = hidden.shape[:2]
    if labels.shape != (batch, length) or vision_labels.shape[:2] != (batch, length) or vision_labels.dim() > 3:
        raise ValueError(
            f"You passed hidden states of {batch} rows of {length} positions with labels of shape {tuple(labels.shape)} "
            f"and vision_labels of shape {tuple(vision_labels.shape)}: give every position its label, -100 where there "
            f"is none, ({batch}, {length}) each (vision_labels may have a further axis of several labels)."
        )
    shifted = F.pad(labels, (0, 1), value=UNLABELLED)[:, 1:].flatten()
    text = (shifted != UNLABELLED).nonzero().squeeze(1)
    patch_labels = vision_labels.reshape(batch * length, -1)  # (B·L, K), not shifted
    labelled = patch_labels != UNLABELLED
    patch, label = labelled.nonzero(as_tuple=True)
    places = torch.cat([text, patch])
    return Gathered(
        rows=hidden.reshape(batch * length, -1).index_select(0, places),
        targets=torch.cat([shifted[text], patch_labels[patch, label]]),
        weights=1.0 / labelled.sum(1)[patch],
        tokens=len(text),
    )


def token_losses(
    rows: torch.Tensor,
    head: torch.Tensor,
    targets: torch.Tensor,
    *,
    bias: torch.Tensor | None = None,
    softcap: float | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> tuple[torch.Tensor, torch.Tensor]:
    """(N,) cross entropies in fp32 of (N, H) rows, and (N,) whether the target is the most likely token.

    Equal to `cross_entropy((rows @ head.T + bias).float(), targets, reduction="none")` with the logits of `chunk_rows` rows in
    memory at a time. With a frozen head the gradient is made on the way, in two matrix products; with a trained one the
    logits are made again on the way back, and the gradient of the head is held once, in fp32.
    """
    if torch.is_autocast_enabled(rows.device.type):
        rows = rows.to(torch.get_autocast_dtype(rows.device.type))
    head = head.to(rows.dtype)
    bias = None if bias is None else bias.to(rows.dtype)
    return _TokenLosses.apply(rows, head, bias, targets, softcap, chunk_rows)


@torch.no_grad()
def likely_tokens(rows: torch.Tensor, head: Callable, chunk_rows: int = CHUNK_ROWS) -> torch.Tensor:
    """(N,) the most likely token at each of (N, H) rows, by a head that makes logits of rows, a chunk at a time."""
    chunks = [head(rows[start : start + chunk_rows]).argmax(-1) for start in range(0, len(rows), chunk_rows)]
    return torch.cat(chunks) if chunks else torch.empty(0, dtype=torch.long, device=rows.device)


class _TokenLosses(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows, head, bias, targets, softcap, chunk_rows):
        losses = torch.empty(len(rows), dtype=_exact(rows), device=rows.device)
        hits = torch.empty(len(rows), dtype=torch.bool, device=rows.device)
        trained = ctx.needs_input_grad[1] or ctx.needs_input_grad[2]
        d_rows = torch.empty_like(rows) if ctx.needs_input_grad[0] and not trained else None
        with torch.autocast(rows.device.type, enabled=False):
            slices = _slices(len(rows), chunk_rows)
            chunk = _Chunk(head, bias, softcap, slices)
            for part in slices:
                logits, slope = chunk.logits(rows[part])
                wanted = targets[part, None]
                best = logits.max(-1, keepdim=True)
                hits[part] = (best.indices == wanted).squeeze(1)
                at_target = logits.gather(1, wanted)
                total = logits.sub_(best.values).exp_().sum(-1, keepdim=True)
                losses[part] = (total.log() + best.values - at_target).squeeze(1)
                if d_rows is not None:
                    gradient = _gradient(logits.div_(total), wanted, slope)
                    torch.mm(chunk.rounded(gradient), head, out=d_rows[part])
        ctx.softcap, ctx.chunk_rows, ctx.trained = softcap, chunk_rows, trained
        ctx.mark_non_differentiable(hits)
        ctx.save_for_backward(*((rows, head, bias, targets) if trained else (d_rows,)))
        return losses, hits

    @staticmethod
    @once_differentiable
    def backward(ctx, d_losses, _):
        if not ctx.trained:
            (d_rows,) = ctx.saved_tensors
            return None if d_rows is None else d_rows * d_losses[:, None].to(d_rows.dtype), *[None] * 5
        rows, head, bias, targets = ctx.saved_tensors
        d_rows = torch.empty_like(rows)
        d_head = torch.zeros_like(head, dtype=_exact(head)) if ctx.needs_input_grad[1] else None
        d_bias = torch.zeros_like(bias, dtype=_exact(bias)) if ctx.needs_input_grad[2] else None
        slices = _slices(len(rows), ctx.chunk_rows)
        chunk = _Chunk(head, bias, ctx.softcap, slices)
        for part in slices:
            logits, slope = chunk.logits(rows[part])
            best = logits.max(-1, keepdim=True).values
            total = logits.sub_(best).exp_().sum(-1, keepdim=True)
            gradient = _gradient(logits.div_(total), targets[part, None], slope).mul_(d_losses[part, None])
            if d_bias is not None:
                d_bias += gradient.sum(0)
            rounded = chunk.rounded(gradient)
            torch.mm(rounded, head, out=d_rows[part])
            if d_head is not None and d_head.dtype == rows.dtype:
                d_head.addmm_(rounded.T, rows[part])
            elif d_head is not None:
                d_head += rounded.T @ rows[part]
        d_head = None if d_head is None else d_head.to(head.dtype)
        d_bias = None if d_bias is None else d_bias.to(bias.dtype)
        return d_rows, d_head, d_bias, None, None, None


class _Chunk:
    """Logits of a few rows at a time, always in the same memory."""

    def __init__(self, head, bias, softcap, slices):
        self.head, self.bias, self.softcap = head, bias, softcap
        rows = slices[0].stop if slices else 0
        self._rounded = head.new_empty(rows, len(head))  # as the products make it
        exact = _exact(head)
        self._exact = self._rounded if head.dtype == exact else head.new_empty(rows, len(head), dtype=exact)

    def logits(self, rows):
        """In fp32 or better, and the slope of their soft cap, if there is one."""
        rounded, exact = self._rounded[: len(rows)], self._exact[: len(rows)]
        torch.mm(rows, self.head.T, out=rounded)
        if self.bias is not None:
            rounded += self.bias
        if self._exact is not self._rounded:
            exact.copy_(rounded)
        if self.softcap is None:
            return exact, None
        squashed = exact.div_(self.softcap).tanh_()
        slope = 1 - squashed.square()
        return squashed.mul_(self.softcap), slope

    def rounded(self, gradient):
        """For a product with the head or the rows."""
        return gradient if self._exact is self._rounded else self._rounded[: len(gradient)].copy_(gradient)


def _slices(count: int, most: int) -> list[slice]:
    """Of nearly equal length, none longer than `most`. Each reads the whole head, so there are as few as can be."""
    size = -(-count // max(1, -(-count // most)))
    return [slice(start, min(start + size, count)) for start in range(0, count, max(1, size))]


def _exact(tensor: torch.Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)


def _gradient(probabilities, targets, slope):
    """In place: of a cross entropy, by its logits."""
    probabilities.scatter_add_(1, targets, probabilities.new_full((), -1.0).expand_as(targets))
    return probabilities if slope is None else probabilities.mul_(slope)
