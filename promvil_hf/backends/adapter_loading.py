# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""An adapter put on a loaded model, or refused where its keys do not match.

The libraries below only warn, or say nothing, and the model then answers as if it had never been trained (transformers
#38627, peft #2574). peft is imported when it is needed.
"""

import os
from collections.abc import Sequence


def with_adapter(model, adapter: str | os.PathLike):
    """The model wrapped by PEFT, if each tensor of the adapter found its place and each place its tensor."""
    from peft import PeftConfig, get_peft_model

    config = PeftConfig.from_pretrained(adapter)
    config.inference_mode = True
    trained_on, config.base_model_name_or_path = (
        config.base_model_name_or_path,
        None,
    )  # peft puts this model's name there
    try:
        wrapped = get_peft_model(model, config)
    except ValueError as error:  # no layer has a name that the adapter targets
        raise ValueError(_misfit(adapter, trained_on, model, str(error))) from error
    try:
        result = wrapped.load_adapter(adapter, "default", torch_device=str(model.device))
    except (RuntimeError, KeyError) as error:  # sizes differ, or a module that was saved whole is not there
        raise ValueError(_misfit(adapter, trained_on, model, str(error))) from error
    if result.missing_keys or result.unexpected_keys:
        found = "; ".join(
            f"{len(keys)} {kind} ({_some(keys)})"
            for kind, keys in (("missing", result.missing_keys), ("unexpected", result.unexpected_keys))
            if keys
        )
        raise ValueError(_misfit(adapter, trained_on, model, f"keys {found}"))
    return wrapped


def _misfit(adapter, trained_on: str | None, model, what: str) -> str:
    return (
        f"The adapter {adapter} does not fit this {model.config.model_type} model: {what}. Check that `base` is the "
        f"checkpoint it was trained on ({trained_on or 'its config does not say which'}), and that it was saved by "
        "`PeftModel.save_pretrained` with a peft and a transformers that name layers alike; without this check the "
        "model would answer untrained."
    )


def _some(keys: Sequence[str], show: int = 3) -> str:
    return ", ".join(keys[:show]) + (", …" if len(keys) > show else "")
