# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Adapters of models that are trained: their arguments, put on, counted. peft is imported when it is needed."""

import re
from dataclasses import dataclass

from torch import nn

from promvil_hf.backends.families import PROJECTORS
from promvil_hf.backends.lora_scopes import SCOPES, WITH_PROJECTOR, lora_config, tower_of, trainable_by_tower
from promvil_hf.training.option import one_of, option


TUNED = ("lora", "full")


@dataclass
class AdapterArguments:
    """What of the model is trained."""

    tune: str = option("lora", "lora: adapters in the layers of lora_scope; full: all of the model.", TUNED)
    tune_vision: bool = option(False, "full: also train the vision tower (FiVL: frozen).")
    lora_scope: str = option(
        "reference",
        f"Which layers LoRA adapts: {', '.join(SCOPES)}. PromViL: reference, in both towers. LLaVA's own recipe: "
        "text_and_projector, the projector trained whole, or by LoRA if it is quantised.",
    )
    lora_targets: str | None = option(
        None, "Regular expression of the adapted layers' names, in place of those of lora_scope."
    )
    lora_r: int = option(64, "Rank (PromViL: 64; LLaVA's own LoRA recipe: 128).")
    lora_alpha: float = option(32.0, "Scaling (PromViL: 32; LLaVA: 256).")
    lora_dropout: float = option(0.1, "Dropout before the adapter (PromViL: 0.1; LLaVA: 0.05).")

    def __post_init__(self):
        one_of("tune", self.tune, TUNED)
        one_of("lora_scope", self.lora_scope, tuple(SCOPES))


def lora(arguments: AdapterArguments, model, **options):
    """The `LoraConfig` of these arguments; `options` go to it.

    Where the scope includes the projector it is trained whole, or by LoRA if the model is quantised.
    """
    config = lora_config(
        arguments.lora_scope, r=arguments.lora_r, alpha=arguments.lora_alpha, dropout=arguments.lora_dropout, **options
    )
    config.target_modules = arguments.lora_targets or config.target_modules
    if arguments.lora_scope == WITH_PROJECTOR:
        projector = [name for name, _ in model.named_modules() if name.rpartition(".")[2] in PROJECTORS]
        if getattr(model, "is_quantized", False):
            layers = [
                re.escape(f"{name}.{layer}")
                for name in projector
                for layer, module in model.get_submodule(name).named_modules()
                if isinstance(module, nn.Linear)
            ]
            config.target_modules = "|".join([f"({config.target_modules})", *layers])
        else:
            config.modules_to_save = sorted({name.rpartition(".")[2] for name in projector}) or None
    return config


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


def frozen_vision(model):
    """The model, its vision tower not trained."""
    for name, parameter in model.named_parameters():
        if tower_of(name) == "vision":
            parameter.requires_grad_(False)
    return model


def adapted(model) -> str:
    """One line that says what is trained, by tower."""
    counts = trainable_by_tower(model)
    towers = ", ".join(f"{tower} {counts[tower]:,}" for tower in ("text", "vision", "projection") if counts[tower])
    share = counts["trainable"] / max(counts["total"], 1)
    return f"trains {counts['trainable']:,} of {counts['total']:,} parameters ({share:.3%}): {towers}"
