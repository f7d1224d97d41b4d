# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What a frozen vision tower gives for a set of pictures, computed once and kept: training the rest of a LLaVA then never
runs the tower again.

    features = kept_features(backend.model, backend.processor, {"1.jpg": "photos/1.jpg"}, "features")
    with features_given(backend.model):
        inputs["pixel_values"] = features.of(["1.jpg"])  # instead of pixels
        backend.model(**inputs)

A folder may hold the features of several towers. Those of one are found again by the tower's weights, its settings, the image
processor's settings and the bytes of the picture, so nothing old is ever read for something else.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import nn
from tqdm import tqdm
from transformers.modeling_outputs import BaseModelOutput

from promvil_hf.files import atomic_write, sha256_of
from promvil_hf.folder_lock import held
from promvil_hf.images import read_image
from promvil_hf.kept_results import key_of


BATCH = 16  # pictures that the tower sees at a time
SHARD = 256  # pictures in a file


@dataclass(frozen=True, slots=True)
class KeptFeatures:
    """Features by the names of pictures. They stay on the disk until they are asked for."""

    keys: Mapping[str, str]  # name of a picture: its bytes' SHA-256
    shards: Mapping[str, Path]  # SHA-256: the file that holds its features

    def of(self, names: Sequence[str]) -> torch.Tensor:
        """(pictures, places, channels), as the projector reads them."""
        unknown = [name for name in names if name not in self.keys]
        if unknown:
            raise KeyError(f"There are no features of {unknown[0]!r}: name it among the pictures of `kept_features`.")
        keys, found = [self.keys[name] for name in names], {}
        for path in {self.shards[key] for key in keys}:
            with safe_open(path, "pt") as file:
                found |= {key: file.get_tensor(key) for key in {*keys} if self.shards[key] == path}
        return torch.stack([found[key] for key in keys])


def kept_features(
    model: Any,
    processor: Any,
    pictures: Mapping[str, str | os.PathLike],
    folder: str | os.PathLike,
    *,
    shown: bool = True,
) -> KeptFeatures:
    """The features of these pictures, computed where they are not in `folder` yet. After a kill the same call goes on.

    Args:
        model: A LLaVA; its tower must be frozen as long as the features are used.
        processor: Of the model.
        pictures: File of each picture by the name it is asked for.
        folder: Where features are kept.
        shown: Whether progress is shown on a terminal.
    """
    folder = Path(folder) / _tower_key(model, processor)
    keys = {name: sha256_of(path) for name, path in pictures.items()}
    with held(folder):
        shards = _shards(folder)
        missing = {keys[name]: path for name, path in pictures.items() if keys[name] not in shards}
        items = list(missing.items())
        with tqdm(total=len(items), unit="picture", desc="features", disable=None if shown else True) as bar:
            for start in range(0, len(items), SHARD):
                part = items[start : start + SHARD]
                made: dict[str, torch.Tensor] = {}
                for first in range(0, len(part), BATCH):
                    some = part[first : first + BATCH]
                    made |= zip((key for key, _ in some), _computed(model, processor, [path for _, path in some]))
                    bar.update(len(some))
                path = folder / f"{key_of(sorted(made))}.safetensors"
                with atomic_write(path, "wb") as file:
                    file.write(save(made))
                shards |= dict.fromkeys(made, path)
    return KeptFeatures(keys, shards)


@contextmanager
def features_given(model: Any) -> Iterator[None]:
    """Inside the block the model takes features as `pixel_values`, and its tower does not run."""
    llava = _llava(model)
    tower = llava.vision_tower
    llava.vision_tower = _Given(tower.config.num_hidden_layers + 1, llava.config.vision_feature_select_strategy == "default")
    try:
        yield
    finally:
        llava.vision_tower = tower


class _Given(nn.Module):
    """A tower whose hidden states are what it is given."""

    def __init__(self, states: int, leads: bool):
        super().__init__()
        self.states, self.leads = states, leads

    def forward(self, pixel_values: torch.Tensor, **_) -> BaseModelOutput:
        if pixel_values.dim() != 3:
            raise ValueError(
                f"The model was given pixels of shape {tuple(pixel_values.shape)} where it takes features (pictures, places, "
                "channels): pass what `KeptFeatures.of` gives, or call the model outside of `features_given`."
            )
        tokens = nn.functional.pad(pixel_values, (0, 0, 1, 0)) if self.leads else pixel_values
        return BaseModelOutput(last_hidden_state=tokens, hidden_states=(tokens,) * self.states)


def _llava(model):
    """The part of a LLaVA that holds its tower, also behind an adapter."""
    model = model.get_base_model() if hasattr(model, "get_base_model") else model
    inner = getattr(model, "model", model)
    if not hasattr(inner, "vision_tower") or not isinstance(getattr(inner.config, "vision_feature_layer", None), int):
        raise ValueError(
            f"You passed a model of the type {model.config.model_type!r}: features are kept for LLaVAs that read one state."
        )
    return inner


@torch.no_grad()
def _computed(model, processor, paths: Sequence[str | os.PathLike]) -> list[torch.Tensor]:
    llava = _llava(model)
    pictures = [read_image(path) for path in paths]
    pixels = processor.image_processor(pictures, return_tensors="pt")["pixel_values"]
    was_training = llava.vision_tower.training
    states = llava.vision_tower.eval()(pixels.to(model.device, model.dtype), output_hidden_states=True).hidden_states
    llava.vision_tower.train(was_training)
    chosen = states[llava.config.vision_feature_layer]
    chosen = chosen[:, 1:] if llava.config.vision_feature_select_strategy == "default" else chosen
    return [features.contiguous().cpu() for features in chosen]


def _tower_key(model, processor) -> str:
    llava = _llava(model)
    digest = sha256()
    for name, weight in sorted(llava.vision_tower.state_dict().items()):
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy())
    settings = {
        "weights": digest.hexdigest(),
        "tower": llava.vision_tower.config.to_dict(),
        "pictures": processor.image_processor.to_dict(),
        "layer": llava.config.vision_feature_layer,
        "strategy": llava.config.vision_feature_select_strategy,
    }
    return key_of(_as_text(settings))


def _as_text(value):
    """As JSON can hold it: sizes and data types become text."""
    if isinstance(value, Mapping):
        return {str(name): _as_text(inner) for name, inner in sorted(value.items(), key=lambda item: str(item[0]))}
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _shards(folder: Path) -> dict[str, Path]:
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            found |= dict.fromkeys(file.keys(), path)
    return found
