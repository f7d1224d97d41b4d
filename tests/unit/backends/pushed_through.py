# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What a model sees, measured: pictures pushed through a family's processor, averaged over the pixels of each token.

The order of tokens is upstream's own wherever upstream code can be asked (the packing of LLaVA-NeXT, the pixel shuffle of
Idefics3, the pooling of Gemma 3 and 4, the merger of Mistral), so nothing here repeats what it tests.
"""

import copy
import functools
from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image

from promvil_hf.backends.base import Request
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from tests.unit.toy.models.families import untouched


@dataclass(frozen=True)
class Case:
    """A family and a way with pictures."""

    family: str
    sizes: dict = field(default_factory=dict)
    image_options: dict = field(default_factory=dict)
    name: str = ""

    def __str__(self):
        return f"{self.family} {self.name}".strip()

    @property
    def backend(self) -> PatchTokenBackend:
        made = untouched(self.family, tuple(sorted(self.sizes.items())))
        return PatchTokenBackend(made.model, made.processor, image_options=self.image_options)


def pixels(backend: PatchTokenBackend, inputs) -> np.ndarray:
    """The picture as the model sees it, colours in 0 .. 1: (patches of the tower, in its own order, 3, p, p)."""
    processor = backend.processor.image_processor
    patch = tower_sides(backend)[1]
    values = inputs["pixel_values"].double().numpy()
    if values.ndim == 2:  # (patches, pixels of a patch), colour by colour, each for two frames
        values = values.reshape(len(values), 3, -1, patch, patch)[:, :, 0]
    elif values.ndim == 3:  # (pictures or crops, patches and padding, pixels of a patch), pixel by pixel
        if "image_position_ids" in inputs:
            values = values[(inputs["image_position_ids"] >= 0).all(-1).numpy()]
        elif "pixel_attention_mask" in inputs:
            values = values[inputs["pixel_attention_mask"].numpy() == 1]
        values = values.reshape(-1, patch, patch, 3).transpose(0, 3, 1, 2)
    else:
        values = values.reshape(-1, *values.shape[-3:])
        views, _, height, width = values.shape
        height, width = height // patch * patch, width // patch * patch  # no patch sees the rest
        values = values[..., :height, :width].reshape(views, 3, height // patch, patch, width // patch, patch)
        values = values.transpose(0, 2, 4, 1, 3, 5).reshape(-1, 3, patch, patch)
    mean, std = (np.asarray(colour)[:, None, None] for colour in (processor.image_mean, processor.image_std))
    return values * std + mean


def tower_sides(backend: PatchTokenBackend) -> tuple[int, int]:
    """The sides in pixels of the square that the tower sees (0 where it has none) and of its patches."""
    config = backend.model.config.vision_config
    sides = getattr(config, "image_size", 0), config.patch_size
    return tuple(side[0] if isinstance(side, list | tuple) else side for side in sides)


def padding_colour(backend: PatchTokenBackend) -> np.ndarray:
    processor = backend.processor.image_processor
    if backend.model.config.model_type == "llava":
        return np.floor(np.asarray(processor.image_mean) * 255) / 255
    return np.zeros(3)


def by_token(backend: PatchTokenBackend, inputs, per_patch: np.ndarray) -> np.ndarray:
    """Averages over patches, (patches, F), as averages over image tokens in the order of the text; NaN for a newline."""
    model, config = backend.model.model, backend.model.config
    per_patch = torch.from_numpy(per_patch).float()
    image_side, patch = tower_sides(backend)
    side = image_side // patch
    match config.model_type:
        case "llava" | "paligemma":
            return per_patch.numpy()
        case "llava_next":
            newline = torch.full((per_patch.shape[1],), torch.nan)
            packed, _ = model.pack_image_features(
                [per_patch.reshape(-1, side**2, per_patch.shape[1])], inputs["image_sizes"], "default", newline
            )
            return packed[0].numpy()
        case "llava_onevision":
            tiles, newline = per_patch.reshape(-1, side**2, per_patch.shape[1]), torch.full((per_patch.shape[1],), torch.nan)
            fewest = backend.processor.vision_aspect_ratio
            return model.pack_image_features([tiles], inputs["image_sizes"], newline, fewest)[0][0].numpy()
        case "idefics3" | "smolvlm":
            scale = config.scale_factor
            shuffled = model.connector.pixel_shuffle(per_patch.reshape(-1, side**2, per_patch.shape[1]), scale)
            return shuffled.reshape(-1, scale**2, per_patch.shape[1]).mean(1).numpy()
        case "lfm2_vl":
            shapes = inputs["spatial_shapes"].tolist()
            views = per_patch.split([rows * columns for rows, columns in shapes])
            grids = (view.reshape(1, *shape, -1) for view, shape in zip(views, shapes, strict=True))
            unshuffled = (model.multi_modal_projector.pixel_unshuffle(grid) for grid in grids)
            return torch.cat([grid.reshape(-1, 4, per_patch.shape[1]).mean(1) for grid in unshuffled]).numpy()
        case "molmo2":
            pooled = inputs["image_token_pooling"].long()
            return torch.where((pooled >= 0)[..., None], per_patch[pooled], torch.nan).nanmean(1).numpy()
        case "aya_vision" | "cohere2_vision":
            shuffled = model.multi_modal_projector.pixel_shuffle(per_patch.reshape(-1, side**2, per_patch.shape[1]))
            return shuffled.reshape(-1, 4, per_patch.shape[1]).mean(1).numpy()
        case "internvl":
            grid = model.pixel_shuffle(per_patch.reshape(-1, side, side, per_patch.shape[1]), config.downsample_ratio)
            return grid.reshape(-1, 4, per_patch.shape[1]).mean(1).numpy()
        case "gemma3":
            grid = per_patch.reshape(-1, side, side, per_patch.shape[1]).permute(0, 3, 1, 2)
            return model.multi_modal_projector.avg_pool(grid).flatten(2).transpose(1, 2).flatten(0, 1).numpy()
        case "gemma4":
            places = inputs["image_position_ids"][:, : len(per_patch)]
            length = len(per_patch) // config.vision_config.pooling_kernel_size**2
            return model.vision_tower.pooler._avg_pool_by_positions(per_patch[None], places, length)[0][0].numpy()
        case "mistral3":
            merger = copy.copy(model.multi_modal_projector.patch_merger)
            merger._modules = {"merging_layer": torch.nn.Identity()}
            merged = merger(per_patch, inputs["image_sizes"].tolist())
            return merged.reshape(len(merged), per_patch.shape[1], -1).mean(2).numpy()
        case _:
            merge = config.vision_config.spatial_merge_size**2
            return per_patch.reshape(-1, merge, per_patch.shape[1]).mean(1).numpy()


def pixels_per_token(backend: PatchTokenBackend) -> int:
    """The side of a token in pixels of the processor's grid."""
    config, (_, patch) = backend.model.config, tower_sides(backend)
    match config.model_type:
        case "idefics3" | "smolvlm":
            return patch * config.scale_factor
        case "gemma3":
            return config.vision_config.image_size // int(config.mm_tokens_per_image**0.5)
        case "gemma4":
            return patch * config.vision_config.pooling_kernel_size
        case "mistral3":
            return patch * config.spatial_merge_size
        case "aya_vision" | "cohere2_vision" | "lfm2_vl" | "molmo2":
            return 2 * patch
        case "internvl":
            return round(patch / config.downsample_ratio)
        case _:
            return patch * getattr(config.vision_config, "spatial_merge_size", 1)


def push(backend: PatchTokenBackend, image: Image.Image):
    return backend.inputs([Request("the star", image)])


@functools.cache
def ramp(width: int, height: int) -> Image.Image:
    """Red says how far right, green how far down; blue is full, so less blue is padding.

    Colours are rounded at random, so that averages are finer than 256 steps.
    """
    x, y = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    colours = np.stack([np.tile(x, (height, 1)), np.tile(y[:, None], (1, width)), np.ones((height, width))], -1)
    noise = np.random.default_rng(0).random(colours.shape) * [1, 1, 0]
    return Image.fromarray((colours * 255 + noise).astype(np.uint8))
