# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The optimizer of the toy bases: Muon for matrices, AdamW for everything else.

A matrix moves along its momentum with all singular values brought to about 1 (K. Jordan and others, "Muon: an optimizer for
hidden layers in neural networks", 2024), so that directions that few examples speak of are learned as fast as the common ones.
Finding which object a phrase means is such a direction. Matrices of one shape go through the iteration together, in
fp32; `torch.optim.Muon` takes them one by one in bf16, which is slow on a CPU without bf16 instructions.
"""

from collections.abc import Iterable

import torch


_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration, as published


class Muon(torch.optim.Optimizer):
    """`Muon(model.named_parameters())`; names of embeddings contain "embed".

    Args:
        named: `(name, parameter)` pairs; those that need no gradient are left out.
        lr: Peak for matrices, in units of a matrix whose singular values are 1.
        adam_share: Of `lr`, for embeddings, norms, biases and latent queries.
        momentum: Of the matrices, Nesterov's.
        betas: Of AdamW.
        weight_decay: Decoupled, for all matrices and embeddings.
    """

    def __init__(
        self,
        named: Iterable[tuple[str, torch.nn.Parameter]],
        lr: float = 0.02,
        *,
        adam_share: float = 0.1,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.98),
        weight_decay: float = 0.02,
    ):
        by_shape: dict[torch.Size | str, list[torch.nn.Parameter]] = {}
        for name, parameter in named:
            if parameter.requires_grad:
                hidden = parameter.dim() == 2 and "embed" not in name and "latent" not in name and "lm_head" not in name
                kind = parameter.shape if hidden else "vectors" if parameter.dim() < 2 else "tables"
                by_shape.setdefault(kind, []).append(parameter)
        groups = [
            {
                "params": parameters,
                "matrices": not isinstance(kind, str),
                "lr": lr * adam_share if isinstance(kind, str) else lr,
                "weight_decay": 0.0 if kind == "vectors" else weight_decay,
            }
            for kind, parameters in by_shape.items()
        ]
        super().__init__(groups, {"momentum": momentum, "betas": betas})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            with_gradient = [parameter for parameter in group["params"] if parameter.grad is not None]
            if with_gradient:
                (self._matrices if group["matrices"] else self._adam)(with_gradient, group)
        return loss

    def _matrices(self, parameters: list[torch.Tensor], group: dict) -> None:
        moments = []
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
            state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
            moments.append(parameter.grad.lerp(state["momentum"], group["momentum"]))
        rows, columns = parameters[0].shape
        steps = orthogonal(torch.stack(moments)) * max(1.0, rows / columns) ** 0.5
        for parameter, step in zip(parameters, steps, strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"]).sub_(step, alpha=group["lr"])

    def _adam(self, parameters: list[torch.Tensor], group: dict) -> None:
        first, second = group["betas"]
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state.update(step=0, mean=torch.zeros_like(parameter), square=torch.zeros_like(parameter))
            state["step"] += 1
            state["mean"].lerp_(parameter.grad, 1 - first)
            state["square"].lerp_(parameter.grad.square(), 1 - second)
            root = (state["square"] / (1 - second ** state["step"])).sqrt_().add_(1e-8)
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.addcdiv_(state["mean"], root, value=-group["lr"] / (1 - first ** state["step"]))


def orthogonal(matrices: torch.Tensor, iterations: int = 5) -> torch.Tensor:
    """(N, rows, columns) -> the same singular vectors with singular values between about 0.7 and 1.2."""
    tall = matrices.shape[-2] > matrices.shape[-1]
    found = matrices.mT if tall else matrices
    found = found / found.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    first, third, fifth = _COEFFICIENTS
    for _ in range(iterations):
        square = found @ found.mT
        found = first * found + (third * square + fifth * square @ square) @ found
    return found.mT if tall else found
