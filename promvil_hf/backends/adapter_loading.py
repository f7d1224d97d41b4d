# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""An adapter put on a loaded model, or refused where its files are damaged or its keys do not match.

The libraries below only warn, or say nothing, and the model then answers as if it had never been trained (transformers
#38627, peft #2574). peft is imported when it is needed.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from promvil_hf.json_documents import json_document
from promvil_hf.json_records import shown
from promvil_hf.spelling import close_to


CONFIG, WEIGHTS, PICKLE = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
_COMMON_RANK = 1024  # up to here, weights of another rank are left to peft, which names the tensors


def with_adapter(model, adapter: str | os.PathLike):
    """The model wrapped by PEFT, if each tensor of the adapter found its place and each place its tensor."""
    from peft import PeftConfig, get_peft_model

    trained_on = _checked(adapter)
    try:
        config = PeftConfig.from_pretrained(adapter)
        config.inference_mode = True
        config.base_model_name_or_path = None  # peft puts this model's name there
        wrapped = get_peft_model(model, config)
        result = wrapped.load_adapter(adapter, "default", torch_device=str(model.device))
    except Exception as error:  # no layer of the names, other sizes, or a setting that peft trips over
        raise ValueError(_misfit(adapter, trained_on, model, str(error) or type(error).__name__)) from error
    if result.missing_keys or result.unexpected_keys:
        found = "; ".join(
            f"{len(keys)} {kind} ({_some(keys)})"
            for kind, keys in (("missing", result.missing_keys), ("unexpected", result.unexpected_keys))
            if keys
        )
        raise ValueError(_misfit(adapter, trained_on, model, f"keys {found}"))
    return wrapped


def _checked(adapter: str | os.PathLike) -> str | None:
    """Refuse damaged files before peft makes room for what they say; gives the base that the adapter was trained on."""
    from peft import PeftType

    config = json_document(_file(adapter, CONFIG))
    kind = config.text("peft_type")
    if kind not in (known := [each.value for each in PeftType]):
        close = close_to(kind, known)
        raise ValueError(
            f"{config.where}: `peft_type` is {shown(kind)}, which this peft does not know. "
            + (f"Did you mean {' or '.join(close)}? " if close else "")
            + "Install the peft that saved the adapter, or mend the file."
        )
    largest = _largest_rank(_file(adapter, WEIGHTS))
    if kind == "LORA":
        patterns = config.get("rank_pattern", default={})
        ranks = [config.whole("r", least=1), *(patterns.values() if isinstance(patterns, dict) else ())]
        if wrong := [rank for rank in ranks if type(rank) is not int or rank > max(largest, _COMMON_RANK)]:
            raise ValueError(
                f"{config.where} gives the rank {shown(wrong[0])}, and the largest in {WEIGHTS} is {largest}: one of the two "
                "files is of another adapter, or damaged. Get both again."
            )
    return config.text("base_model_name_or_path", default=None)


def _file(adapter: str | os.PathLike, name: str) -> Path:
    """A file of an adapter's folder, or of a Hub repository."""
    folder = Path(adapter)
    if folder.is_dir():
        if (folder / name).is_file():
            return folder / name
        if name == WEIGHTS and (folder / PICKLE).is_file():
            raise ValueError(
                f"The weights of the adapter {adapter} are a pickle ({PICKLE}), which can run code when it is opened: it is "
                f"refused. Ask its author for {WEIGHTS}, or save it again with `PeftModel.save_pretrained`."
            )
        raise ValueError(
            f"{adapter} is no adapter: it has no {name}. Pass a folder that `PeftModel.save_pretrained` wrote."
        )
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(str(adapter), name))


def _largest_rank(path: Path) -> int:
    """The largest rank among the matrices in a file of weights, which is not loaded."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as weights:
            ranks = [
                weights.get_slice(name).get_shape()[0]
                for name in weights.keys()  # noqa: SIM118
                if ".lora_A" in name or ".lora_embedding_A" in name
            ]
    except (SafetensorError, IndexError) as error:
        raise ValueError(f"{path} is damaged or cut short ({error}): get the adapter again.") from error
    return max(ranks, default=0)


def _misfit(adapter, trained_on: str | None, model, what: str) -> str:
    return (
        f"The adapter {adapter} does not fit this {model.config.model_type} model: {what}. Check that `base` is the "
        f"checkpoint it was trained on ({trained_on or 'its config does not say which'}), and that it was saved by "
        "`PeftModel.save_pretrained` with a peft and a transformers that name layers alike; without this check the "
        "model would answer untrained."
    )


def _some(keys: Sequence[str], show: int = 3) -> str:
    return ", ".join(keys[:show]) + (", …" if len(keys) > show else "")
