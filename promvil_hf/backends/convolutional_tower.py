# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A convolutional vision tower of the EfficientNet-Lite form, whose outputs are patch tokens.

Batch normalisation is part of the convolutions (`folded`), so a tower does the same in training and in use, and a picture
gets the same features whatever else is in its batch.
"""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F
from transformers import SiglipImageProcessorPil
from transformers.modeling_outputs import BaseModelOutput
from transformers.modeling_utils import PreTrainedModel
from transformers.models.auto.modeling_auto import AutoModel

from promvil_hf.backends.convolutional_tower_config import EfficientNetLiteConfig


EPSILON = 1e-3  # of batch normalisation in the published weights


class _Convolution(nn.Conv2d):
    """A convolution that makes `stride` times fewer rows and columns, rounded up.

    It pads as the weights were trained: where a row gets an odd number of zeros, one more stands behind it than before it.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1):
        super().__init__(inputs, outputs, kernel, stride, groups=groups)

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        rows, columns = (self._padding(side) for side in grid.shape[-2:])
        return super().forward(F.pad(grid, (*columns, *rows)) if any((*rows, *columns)) else grid)

    def _padding(self, side: int) -> tuple[int, int]:
        kernel, stride = self.kernel_size[0], self.stride[0]
        whole = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        return whole // 2, whole - whole // 2


class _Block(nn.Module):
    """Widen, look at the neighbours channel by channel, narrow; the input is added where the shape allows it."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int):
        super().__init__()
        inside = inputs * expansion
        self.expand = _Convolution(inputs, inside) if expansion != 1 else None
        self.depthwise = _Convolution(inside, inside, kernel, stride, groups=inside)
        self.project = _Convolution(inside, outputs)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        inside = grid if self.expand is None else F.relu6(self.expand(grid))
        seen = self.project(F.relu6(self.depthwise(inside)))
        return grid + seen if self.adds else seen


class EfficientNetLiteModel(PreTrainedModel):
    """The tower: pictures (N, 3, side, side), as `image_processor` makes them -> one hidden state (N, places, channels)."""

    config_class = EfficientNetLiteConfig
    main_input_name = "pixel_values"
    input_modalities = ("image",)
    _no_split_modules = ["_Block"]
    # It has no attention: whichever the language model beside it is asked to use, the tower does not mind.
    _supports_sdpa = _supports_flash_attn = _supports_flex_attn = _supports_attention_backend = True
    _keys_to_ignore_on_load_unexpected = [r"^blocks\.", r"^head\."]  # of levels behind the one that the configuration chooses

    def __init__(self, config: EfficientNetLiteConfig):
        super().__init__(config)
        self.stem = _Convolution(config.num_channels, config.stem_width, 3, stride=2)
        self.blocks = nn.ModuleList()
        for stage, (inputs, outputs) in enumerate(pairwise((config.stem_width, *config.widths[: config.stages]))):
            expansion, kernel = config.expansions[stage], config.kernels[stage]
            self.blocks.append(_Block(inputs, outputs, expansion, kernel, config.strides[stage]))
            for _ in range(config.depths[stage] - 1):
                self.blocks.append(_Block(outputs, outputs, expansion, kernel, 1))
        self.head = _Convolution(config.widths[-1], config.head_width) if config.has_head else None
        self.post_init()

    def forward(self, pixel_values: torch.Tensor, return_dict: bool | None = None, **_) -> BaseModelOutput | tuple:
        grid = F.relu6(self.stem(pixel_values))
        for block in self.blocks:
            grid = block(grid)
        if self.head is not None:
            grid = F.relu6(self.head(grid))
        tokens = grid.flatten(2).transpose(1, 2)
        output = BaseModelOutput(last_hidden_state=tokens, hidden_states=(tokens,))
        return output if return_dict is not False else output.to_tuple()


def image_processor(side: int) -> SiglipImageProcessorPil:
    """Pictures as such a tower wants them: all of the picture on a square, values as (value - 127) / 128."""
    return SiglipImageProcessorPil(
        size={"height": side, "width": side}, image_mean=[127 / 255] * 3, image_std=[128 / 255] * 3, resample=3
    )


def folded(published: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of a tower from a state dict as `efficientnet_lite_pytorch` names them; its classifier is left out."""
    places = {
        "_conv_stem": ("stem", "_bn0"),
        "_conv_head": ("head", "_bn1"),
        "_expand_conv": ("expand", "_bn0"),
        "_depthwise_conv": ("depthwise", "_bn1"),
        "_project_conv": ("project", "_bn2"),
    }
    parts = ("weight", "bias", "running_mean", "running_var")
    found = {}
    for name, weight in published.items():
        path, _, kind = name.removesuffix(".weight").rpartition(".")
        if kind not in places or not name.endswith(".weight"):
            continue
        before = f"{path}." if path else ""
        place, norm_name = places[kind]
        norm = {part: published[f"{before}{norm_name}.{part}"].double() for part in parts}
        scale = norm["weight"] / (norm["running_var"] + EPSILON).sqrt()
        place = before.removeprefix("_") + place
        found[f"{place}.weight"] = (weight.double() * scale[:, None, None, None]).to(weight.dtype)
        found[f"{place}.bias"] = (norm["bias"] - norm["running_mean"] * scale).to(weight.dtype)
    return found


AutoModel.register(EfficientNetLiteConfig, EfficientNetLiteModel, exist_ok=True)
