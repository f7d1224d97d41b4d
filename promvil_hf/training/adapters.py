# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Adapters of models that are trained: put on, counted by tower. Floor 4; peft is imported when it is needed."""

from promvil_hf.backends.lora_scopes import trainable_by_tower


def with_lora(model, config):
    """The model with a fresh adapter; a quantised one is made ready for training first."""
    from peft import get_peft_model, prepare_model_for_kbit_training

    if hasattr(model, "peft_config"):
        raise ValueError(
            "You passed a model that has an adapter already, and a configuration for another one: pass the base model, or "
            "leave `peft_config` out to train on with the adapter it has."
        )
    if getattr(model, "is_quantized", False):
        # Activation checkpointing, if any, is switched on later, by the trainer.
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    try:
        return get_peft_model(model, config)
    except ValueError as error:  # peft names the modules it looked for
        raise ValueError(
            f"The adapter's target_modules={config.target_modules!r} match no layer of this {model.config.model_type} "
            f"model ({error}). Use a named scope (`promvil_hf.backends.lora_scopes.SCOPES`), or names as "
            "`model.named_modules()` lists them."
        ) from error


def adapted(model) -> str:
    """One line that says what is trained, by tower."""
    counts = trainable_by_tower(model)
    towers = ", ".join(f"{tower} {counts[tower]:,}" for tower in ("text", "vision", "projection"))
    share = counts["trainable"] / max(counts["total"], 1)
    return f"trains {counts['trainable']:,} of {counts['total']:,} parameters ({share:.3%}): {towers}"
