# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The configuration of a convolutional vision tower of the EfficientNet-Lite form, and how transformers gets to know it.

    import promvil_hf  # from here on AutoConfig and AutoModel know such towers, also inside a LLaVA

EfficientNet-Lite is EfficientNet without squeeze-and-excitation, with ReLU6. transformers' own EfficientNet always has that
layer. Defaults are those of lite0.
"""

from math import prod

from huggingface_hub.dataclasses import strict
from transformers.configuration_utils import PreTrainedConfig
from transformers.models.auto.configuration_auto import AutoConfig


MODEL_TYPE = "efficientnet_lite_tower"


@strict
class EfficientNetLiteConfig(PreTrainedConfig):
    """Sizes of a tower.

    Args:
        image_size: Side in pixels of the square picture. A multiple of `patch_size`.
        patch_size: Side in pixels of the part of the picture that an output stands for: the product of the strides up to a
            level. The largest reads the head, which was trained to classify; a smaller one stops earlier and sees more places.
        stem_width: Channels behind the first convolution, which halves the picture.
        head_width: Channels of the last convolution.
        depths: Blocks in each stage.
        widths: Channels behind each stage.
        kernels: Side of the depthwise convolutions of each stage.
        strides: Of the first block of each stage.
        expansions: How many times wider the inside of a block is than its input.
    """

    model_type = MODEL_TYPE

    image_size: int = 224
    patch_size: int = 32
    num_channels: int = 3
    stem_width: int = 32
    head_width: int = 1280
    depths: list[int] | tuple[int, ...] = (1, 2, 2, 3, 3, 4, 1)
    widths: list[int] | tuple[int, ...] = (16, 24, 40, 80, 112, 192, 320)
    kernels: list[int] | tuple[int, ...] = (3, 3, 5, 3, 5, 5, 3)
    strides: list[int] | tuple[int, ...] = (1, 2, 2, 2, 1, 2, 1)
    expansions: list[int] | tuple[int, ...] = (1, 6, 6, 6, 6, 6, 6)

    def __post_init__(self, **kwargs):
        super().__post_init__(**kwargs)
        counts = {len(getattr(self, name)) for name in ("depths", "widths", "kernels", "strides", "expansions")}
        if len(counts) > 1:
            raise ValueError(f"depths, widths, kernels, strides and expansions have {sorted(counts)} numbers: give one a stage.")
        sides = [2 * prod(self.strides[:stage]) for stage in range(len(self.strides) + 1)]
        if self.patch_size not in sides:
            raise ValueError(f"You passed patch_size={self.patch_size}: outputs of this tower have {sorted(set(sides))} pixels.")
        if self.image_size % self.patch_size:
            raise ValueError(f"image_size={self.image_size} is no multiple of patch_size={self.patch_size}: change one of them.")

    @property
    def stages(self) -> int:
        """How many stages are there up to the level of `patch_size`."""
        return max(n for n in range(len(self.strides) + 1) if 2 * prod(self.strides[:n]) == self.patch_size)

    @property
    def has_head(self) -> bool:
        return self.stages == len(self.strides)

    @property
    def hidden_size(self) -> int:
        """Channels of an output."""
        return self.head_width if self.has_head else (self.stem_width, *self.widths)[self.stages]

    @property
    def num_hidden_layers(self) -> int:
        """Hidden states before the outputs: none has their places."""
        return 0


AutoConfig.register(MODEL_TYPE, EfficientNetLiteConfig, exist_ok=True)
