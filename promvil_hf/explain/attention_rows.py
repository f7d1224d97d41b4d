# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Rows of the attention maps, for the queries one asks for, handed over layer by layer while the model runs.

The model runs its usual fused attention. Beside it, each text layer computes softmax(QK') for the wanted queries only,
so the full (heads, L, L) maps of `output_attentions=True` never exist; what is handed over equals their rows. Masks are
taken from the model itself, so padding, sliding windows, grouped keys and prefixes that see both ways need no case of
their own. A layer is named as the model numbers it: in a hybrid some layers have no heads and are never called. An
encoder-decoder has three stacks of layers, which are asked for one at a time.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from promvil_hf.backends.base import unwrapped
from promvil_hf.backends.decoding import in_evaluation_mode
from promvil_hf.backends.families import LANGUAGE_MODEL
from promvil_hf.explain.layer_names import LANGUAGE, Layer


IMPLEMENTATION = "promvil_attention_rows"
CROSS = "cross"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Of one row of the batch: places of the queries and of the keys, counted in the padded row.

    The queries of a decoder and of cross attention count in `decoder_input_ids`, as do the keys of the decoder.
    """

    queries: Sequence[int]
    keys: Sequence[int]


Take = Callable[[Layer, list[torch.Tensor]], None]
"""Called with the name of a layer and, for each row of the batch, a (heads, queries, keys) float32 tensor."""


@dataclass(slots=True)
class _Asked:
    queries: list[torch.Tensor]
    keys: list[torch.Tensor]
    take: Take
    stack: str
    layers: Mapping[torch.nn.Module, Layer]
    taken: int = field(default=0)


_asked: ContextVar[_Asked | None] = ContextVar("attention_rows", default=None)


@torch.inference_mode()
def stream_attention_rows(
    model, inputs: Mapping[str, torch.Tensor], wanted: Sequence[Wanted], take: Take, stack: str | None = None
):
    """One forward pass; `take` gets each text layer's rows in turn. The model's output holds the last token's logits.

    `stack` is for an encoder-decoder: "encoder", "decoder" or "cross", from the answer to what the encoder read (so
    unless given).
    """
    layers = _modules(model)
    stack = stack or _main_stack(layers.values())
    if stack not in {layer.stack for layer in layers.values()}:
        raise ValueError(f"You asked for the stack {stack!r} of a {type(unwrapped(model)).__name__}, which has none.")
    batch, read = inputs["input_ids"].shape
    decoded = inputs.get("decoder_input_ids", inputs["input_ids"][:, :1]).shape[1]
    query_length = decoded if stack in ("decoder", CROSS) else read
    key_length = decoded if stack == "decoder" else read
    if len(wanted) != batch:
        raise ValueError(
            f"You passed {len(wanted)} wishes for a batch of {batch} rows: pass one `Wanted` for each row."
        )
    for row, wish in enumerate(wanted):
        for places, length in ((wish.queries, query_length), (wish.keys, key_length)):
            wrong = [place for place in places if not 0 <= place < length]
            if wrong:
                raise ValueError(
                    f"You asked for the place {wrong[0]} of row {row}, which has {length} tokens: places count from the "
                    "start of the padded row."
                )
    device = inputs["input_ids"].device
    asked = _Asked(
        queries=[torch.as_tensor(list(wish.queries), dtype=torch.long, device=device) for wish in wanted],
        keys=[torch.as_tensor(list(wish.keys), dtype=torch.long, device=device) for wish in wanted],
        take=take,
        stack=stack,
        layers=layers,
    )
    with _switched(model), in_evaluation_mode(model):
        token = _asked.set(asked)
        try:
            outputs = model(**inputs, use_cache=False, logits_to_keep=1)
        finally:
            _asked.reset(token)
    if not asked.taken:
        raise ValueError(
            f"{type(model).__name__} returned no attention: its text layers do not go through transformers' attention "
            "interface. Use a checkpoint that transformers loads without `trust_remote_code`; or, if the model was "
            'compiled, the plain one; or call the model yourself with `attn_implementation="eager"` and '
            "`output_attentions=True` and check that `outputs.attentions` is not empty."
        )
    return outputs


def attention_rows(
    model, inputs: Mapping[str, torch.Tensor], wanted: Sequence[Wanted], stack: str | None = None
) -> list[dict[Layer, torch.Tensor]]:
    """The rows of all layers together: for each row of the batch, by layer, (heads, queries, keys), float32."""
    found: list[dict[Layer, torch.Tensor]] = [{} for _ in wanted]

    def take(layer: Layer, rows: list[torch.Tensor]) -> None:
        for by_layer, attention in zip(found, rows, strict=True):
            by_layer[layer] = attention

    stream_attention_rows(model, inputs, wanted, take, stack)
    return found


def language_layers(model) -> list[Layer]:
    """All layers that rows are of unless a stack is named, in order, those without heads too."""
    layers = set(_modules(model).values())
    return sorted(layer for layer in layers if layer.stack == _main_stack(layers))


def _modules(model) -> dict[torch.nn.Module, Layer]:
    """The modules of the language model that know which layer they are, and its name."""
    return {
        module: Layer(_stack(name.split(".")), module.layer_idx)
        for name, module in unwrapped(model).named_modules()
        if isinstance(getattr(module, "layer_idx", None), int) and re.match(LANGUAGE_MODEL, name)
    }


def _stack(names: Sequence[str]) -> str:
    """Of a module, by the names on the way to it. An encoder-decoder has three stacks of attention, others have one."""
    if "encoder_attn" in names:
        return CROSS
    return next((part for part in ("encoder", "decoder") if part in names), LANGUAGE)


def _main_stack(layers: Iterable[Layer]) -> str:
    return CROSS if any(layer.stack == CROSS for layer in layers) else LANGUAGE


def _rows_beside_sdpa(module, query, key, value, attention_mask, dropout=0.0, scaling=None, **kwargs):
    """The attention function that the text layers run while rows are asked for."""
    asked = _asked.get()
    if asked is not None and asked.layers[module].stack == asked.stack:
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        is_causal = kwargs.get("is_causal")
        is_causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
        rows = [
            _rows(
                query[row], key[row], _of_row(attention_mask, row), queries, scale, is_causal, kwargs.get("softcap")
            )[..., keys]
            for row, (queries, keys) in enumerate(zip(asked.queries, asked.keys, strict=True))
        ]
        asked.take(asked.layers[module], rows)
        asked.taken += 1
    if kwargs.get("softcap") is not None:  # Gemma 2's; the fused kernel has none
        return _capped(module, query, key, value, attention_mask, scaling, **kwargs)
    return sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
    )


def _rows(query, key, mask, places, scale, is_causal, softcap) -> torch.Tensor:
    """softmax over all keys for some queries of one row of the batch: (heads, queries, keys)."""
    heads, groups = query.shape[0], key.shape[0]
    wanted = query[:, places]  # (H, R, D)
    grouped = wanted.reshape(groups, -1, wanted.shape[-1])  # heads of one group share a key: no copy of the keys
    scores = (grouped @ key.transpose(1, 2)).reshape(heads, len(places), key.shape[1]).float() * scale
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    if mask is None:
        if is_causal:
            later = torch.arange(key.shape[1], device=places.device) > places[:, None]
            scores = scores.masked_fill_(later, float("-inf"))
    elif mask.dtype == torch.bool:
        scores = scores.masked_fill_(~mask[:, places, : key.shape[1]], float("-inf"))
    else:
        scores = scores + mask[:, places, : key.shape[1]].float()
    return scores.softmax(-1)


def _capped(module, query, key, value, attention_mask, scaling, softcap, **kwargs):
    """What the eager function of a soft-capped family does, one layer at a time."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    everywhere = torch.arange(query.shape[2], device=query.device)
    out = []
    for row in range(len(query)):
        mask = _of_row(attention_mask, row)
        weights = _rows(query[row], key[row], mask, everywhere, scale, True, softcap).to(value.dtype)
        out.append(weights @ value[row].repeat_interleave(query.shape[1] // key.shape[1], 0))
    return torch.stack(out).transpose(1, 2).contiguous(), None


def _of_row(mask: torch.Tensor | None, row: int) -> torch.Tensor | None:
    """(1 or heads, L, L) of one row; one mask may serve the whole batch."""
    return None if mask is None else mask[row if len(mask) > 1 else 0]


AttentionInterface.register(IMPLEMENTATION, _rows_beside_sdpa)
# Without its own entry the mask preparation returns no mask at all, and padding would be visible.
AttentionMaskInterface.register(IMPLEMENTATION, sdpa_mask)


@contextmanager
def _switched(model) -> Iterator[None]:
    """The text layers on our attention function, and back on what they had."""
    plain = unwrapped(model)
    config = getattr(plain.config, "text_config", None)
    if config is None or not hasattr(plain, "set_attn_implementation"):
        raise ValueError(
            f"You passed a {type(plain).__name__}, which has no text model of its own: rows are taken from the text "
            "layers of a vision-language model."
        )
    before = config._attn_implementation
    plain.set_attn_implementation({"text_config": IMPLEMENTATION})
    try:
        yield
    finally:
        plain.set_attn_implementation({"text_config": before})
