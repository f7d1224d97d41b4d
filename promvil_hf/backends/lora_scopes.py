# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Where LoRA goes: named scopes, and what of a model is trained.

PromViL adapts six kinds of layers by their bare names, and those names also match the vision tower and the projection
between the towers; that, and not the text model alone, is its 4.9 % of trainable parameters.
"""


from promvil_hf.backends.families import LANGUAGE_LAYERS, PROJECTORS


_SIX = ["fc1", "fc2", "k_proj", "out_proj", "q_proj", "v_proj"]

WITH_PROJECTOR = "text_and_projector"

SCOPES: dict[str, list[str] | str] = {
    "reference": _SIX,  # both towers and the projection, as PromViL's paper
    "text": LANGUAGE_LAYERS,
    WITH_PROJECTOR: LANGUAGE_LAYERS,  # and the projector whole, as LLaVA's own recipe: see `promvil_hf.training.adapters.lora`
    "feed_forward": ["fc1", "fc2", "gate_proj", "up_proj", "down_proj", "w1", "w2", "w3"],  # both towers
    "all-linear": "all-linear",  # peft's own word; of Kosmos-2 the reference and the dense layer of the projection
}


def lora_config(scope: str = "reference", *, r: int = 64, alpha: float = 32, dropout: float = 0.1, **options):
    """A `peft.LoraConfig` with the paper's numbers; `options` go to it."""
    from peft import LoraConfig

    if scope not in SCOPES:
        raise ValueError(f"You passed the LoRA scope {scope!r}: the named ones are {', '.join(SCOPES)}.")
    targets = SCOPES[scope]
    return LoraConfig(r=r, lora_alpha=alpha, lora_dropout=dropout, target_modules=targets, bias="none", **options)


def trainable_by_tower(model) -> dict[str, int]:
    """Trainable parameters in `text`, `vision` and `projection`, then `trainable` and `total`, of a model, PEFT or not.

    4-bit weights are counted one by one, not by the bytes that hold them.
    """
    counts = dict.fromkeys(["text", "vision", "projection", "trainable", "total"], 0)
    for name, parameter in model.named_parameters():
        size = parameter.quant_state.shape.numel() if hasattr(parameter, "quant_state") else parameter.numel()
        counts["total"] += size
        if parameter.requires_grad:
            counts["trainable"] += size
            counts[tower_of(name)] += size
    return counts


def tower_of(name: str) -> str:
    """Which part of a model a parameter belongs to, by its name: `text`, `vision` or `projection`."""
    if any(projector in name for projector in PROJECTORS):
        return "projection"
    return "vision" if "vision" in name or ".visual." in name else "text"
