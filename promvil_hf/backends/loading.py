# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""From a folder or a Hub id to a backend, with an adapter and 4 bits if asked for; and back to a plain checkpoint.

bitsandbytes is imported when it is needed.
"""

import copy
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import torch
import transformers

from promvil_hf.backends.adapter_loading import with_adapter
from promvil_hf.backends.base import GroundingBackend
from promvil_hf.backends.checkpoint_names import located
from promvil_hf.backends.families import FAMILIES, family_of, load_processor
from promvil_hf.dialects import GroundingDialect
from promvil_hf.distributed import local_device
from promvil_hf.files import draft_folder, move
from promvil_hf.json_records import shown
from promvil_hf.progress import bars_of_long_loads_only
from promvil_hf.toy import adapters


QUANTIZATIONS = ("nf4", "int8")


def load(
    base: str | os.PathLike,
    adapter: str | os.PathLike | None = None,
    *,
    dtype: str | torch.dtype = "auto",
    device: str | torch.device | None = None,
    quantize: str | None = None,
    revision: str | None = None,
    dialect: GroundingDialect | None = None,
) -> GroundingBackend:
    """The backend of a checkpoint, picked by its family; `base` and `adapter` are folders or Hub ids.

    "toy:kosmos2", "toy:llava" and "toy:llava_boxes" are the small trained bases that come with the package, "toy:chains" and
    the others of `promvil_hf.toy.adapters` their adapters. "real:smol" is what `promvil fetch real` put together.

    `dtype` is that of the weights ("auto": as saved). `device` defaults to this process's GPU (the first one, where it
    is alone), or the CPU. `quantize` is
    "nf4" or "int8" (extra `quant`). `revision` is that of the base.
    """
    quantization = None if quantize is None else _quantization(quantize)
    device = device or local_device()
    base = located(base)
    adapter = None if adapter is None else adapters.located(adapter)
    config = read_config(base, revision)
    family = family_of(config)
    if family is None:
        raise ValueError(_no_backend(config))
    with _readable(base), bars_of_long_loads_only():
        processor = load_processor(base, family, revision=revision)
        model = transformers.AutoModelForImageTextToText.from_pretrained(
            base,
            revision=revision,
            dtype=dtype,
            trust_remote_code=False,
            **({} if quantization is None else {"quantization_config": quantization, "device_map": device}),
        )
    model = model.to(device) if quantization is None else packed_where_possible(model)
    if adapter is not None:
        model = with_adapter(model, adapter)
    _check_finite(model, base, adapter)
    chosen = {} if dialect is None else {"dialect": dialect}
    with _readable(base):
        return resolve_name(family.backend)(model.eval(), processor, **chosen)


def packed_where_possible(model):
    """The quantised model. On some processors bitsandbytes packs 4-bit weights at their first use, 32 outputs and 64 inputs at
    a time, and fails in layers of other sizes (gates of Qwen3.5's linear attention have one output a head): those stay as
    they are."""
    for module in model.modules():
        if getattr(module, "support_avx512bf16_for_cpu", False) and (module.out_features % 32 or module.in_features % 64):
            module.support_avx512bf16_for_cpu = False
    return model


def backend_for(model, processor, **options):
    """The backend that serves this model."""
    family = family_of(model)
    if family is None:
        raise ValueError(_no_backend(model.config))
    return resolve_name(family.backend)(model, processor, **options)


def _no_backend(config: transformers.PretrainedConfig) -> str:
    return (
        f"This checkpoint is of the type {config.model_type!r}, for which there is no backend. There are backends for "
        f"{', '.join(sorted(FAMILIES))}; docs/extending.md shows how to add one."
    )


def read_config(base: str | os.PathLike, revision: str | None = None) -> transformers.PretrainedConfig:
    """The configuration of a checkpoint, named as in `load`. Code that a checkpoint brings along is never run."""
    base = located(base)
    with _readable(base):
        fields, _ = transformers.PretrainedConfig.get_config_dict(base, revision=revision)
        _check_sizes(fields, base)
        try:
            return transformers.AutoConfig.from_pretrained(base, revision=revision, trust_remote_code=False)
        except ValueError as error:
            if "trust_remote_code" not in str(error):
                raise
            raise ValueError(
                f"The checkpoint {base} can only be loaded by running code that comes with it, which this package never does. "
                f"Use one of a family that transformers knows, such as {', '.join(sorted(FAMILIES)[:3])}."
            ) from error


@contextmanager
def _readable(base: str | os.PathLike) -> Iterator[None]:
    """What transformers raises for damaged files is of any type: a ValueError that names the checkpoint."""
    try:
        yield
    except (OSError, ImportError, MemoryError, torch.OutOfMemoryError):  # these say what to do
        raise
    except Exception as error:
        if isinstance(error, ValueError) and str(base) in str(error):
            raise
        first_line = str(error).strip().partition("\n")[0][:300]
        raise ValueError(
            f"The checkpoint {base} cannot be loaded ({type(error).__name__}: {first_line}). If that does not say what to mend, "
            "one of its files is damaged, cut short or of another version of transformers: get it again."
        ) from error


_SIZES = {  # what a configuration counts, by words in the names of its fields, and the most that a model could have
    "a number of layers": (re.compile("layers|depth"), 10_000),
    "a size": (re.compile("size|dim|heads|positions"), 10**8),
}


def _check_sizes(fields: Any, base: str | os.PathLike) -> None:
    """Refuse sizes that no model has, before room is made for them."""
    for name, value in fields.items() if isinstance(fields, dict) else ():
        for what, (pattern, most) in _SIZES.items():
            if isinstance(value, int) and value > most and pattern.search(name):
                raise ValueError(
                    f"The checkpoint {base} gives {shown(value)} as `{name}`, {what} that no model has: its config.json is "
                    "damaged. Get it again."
                )
        for inner in value if isinstance(value, list) else (value,):
            _check_sizes(inner, base)


def _check_finite(model, base, adapter) -> None:
    """Refuse weights that are NaN or infinite: the model would still answer, with a box of nothing."""
    for name, weight in model.named_parameters():
        if weight.is_floating_point() and not weight.isfinite().all():
            whose = adapter if adapter is not None and (".lora_" in name or "modules_to_save" in name) else base
            raise ValueError(
                f"The weights in {whose} are NaN or infinite in {name}: it was saved by a training that failed, or is damaged. "
                "Take an earlier checkpoint, or get it again."
            )


def export_merged(backend: GroundingBackend, folder: str | os.PathLike) -> Path:
    """Write model and processor as a plain checkpoint, the adapter merged into the weights.

    The backend stays as it is, so for a moment there are two copies of the weights. The folder appears when it is
    complete.
    """
    folder = Path(folder)
    model = backend.model
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(
            f"You asked to write a checkpoint to {folder}, which is there already: name a new folder."
        )
    if not hasattr(model, "merge_and_unload"):
        raise ValueError("You asked to merge, but this backend has no adapter: its base checkpoint is what you need.")
    if getattr(model.get_base_model(), "is_quantized", False):
        raise ValueError(
            "You asked to merge an adapter into quantised weights, which would round it off. Load the same base and "
            "adapter without `quantize`, then export."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with draft_folder(folder.parent) as draft:
        copy.deepcopy(model).merge_and_unload().save_pretrained(draft / "made")
        backend.processor.save_pretrained(draft / "made")
        return move(draft / "made", folder)


def _quantization(name: str) -> transformers.BitsAndBytesConfig:
    if name not in QUANTIZATIONS:
        raise ValueError(
            f"You passed quantize={name!r}: choose one of {', '.join(map(repr, QUANTIZATIONS))}, or None."
        )
    if find_spec("bitsandbytes") is None:
        raise ImportError(
            f"quantize={name!r} needs bitsandbytes, which is not installed: pip install 'promvil_hf[quant]'."
        )
    if name == "int8":
        return transformers.BitsAndBytesConfig(load_in_8bit=True)
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
