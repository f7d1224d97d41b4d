# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""One way to decode for every family: `model.generate`, with a stop rule for each row and the log-probability of each token.

A row gets the answer it would get alone. Prompts may be padded on either side, sampling draws each row's random
numbers from a generator of its own, and a row that is done waits without being changed. Of a step's scores only one
number a row is kept.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from transformers import LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from promvil_hf.backends.base import Decoding, Generated, StopRule, text_of


# What stands in a batch with one entry for each token, whatever the family.
PER_TOKEN = (
    "input_ids",
    "attention_mask",
    "token_type_ids",
    "mm_token_type_ids",
    "image_embeds_position_mask",
    "labels",
)

# A checkpoint's own generation settings (Qwen2.5-VL ships a repetition penalty) would otherwise join in unseen.
_PLAIN = {
    "do_sample": False,
    "num_beams": 1,
    "num_return_sequences": 1,
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 50,
    "use_cache": True,
    "return_dict_in_generate": False,
    "early_stopping": False,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
}


@contextmanager
def in_evaluation_mode(model) -> Iterator[None]:
    """Without dropout and checkpointing inside; each module is in its former mode afterwards."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


@torch.inference_mode()
def decode(model, inputs: Mapping, tokenizer, decoding: Decoding, **generate_kwargs) -> list[Generated]:
    """One answer for each row of `inputs`, which the family's processor made with either padding side.

    `tokens` end with the end token where the model wrote one; `text` does not have it, and keeps all other tags.
    `log_probs` are those of the model itself, before temperature and top-p. Sampling follows `decoding.seed` and the
    tokens of the row's prompt, so an answer depends neither on its neighbours nor on their order, and the same prompt
    about two pictures draws the same random numbers; for several answers to one prompt pass several seeds.
    `generate_kwargs` go to `model.generate` (`past_key_values`, `use_cache=False` ...).
    """
    if decoding.max_new_tokens < 1:
        raise ValueError(f"You passed max_new_tokens={decoding.max_new_tokens}: an answer needs at least one token.")
    apart = model.config.is_encoder_decoder  # the prompt stays in the encoder, and the decoder begins anew
    inputs = {
        name: value.to(model.device) if torch.is_tensor(value) else value
        for name, value in (inputs if apart else to_left_padding(inputs)).items()
    }
    prompts = inputs["input_ids"]
    if apart:
        inputs["decoder_input_ids"] = prompts.new_tensor([decoder_begin(model)]).repeat(len(prompts), 1)
    first = (inputs["decoder_input_ids"] if apart else prompts).shape[1]
    ends = end_tokens(model, tokenizer)
    choose = _Chooser(decoding, prompts, inputs.get("attention_mask"))
    stops = None if decoding.stop is None else _StopEachRow(decoding.stop, len(prompts))
    with in_evaluation_mode(model):
        sequences = model.generate(
            **inputs,
            **{
                **_PLAIN,
                "max_new_tokens": decoding.max_new_tokens,
                "eos_token_id": ends or None,
                "pad_token_id": ends[0] if tokenizer.pad_token_id is None and ends else tokenizer.pad_token_id,
                **generate_kwargs,
            },
            logits_processor=LogitsProcessorList([choose]),
            stopping_criteria=StoppingCriteriaList([] if stops is None else [stops]),
        )
    written = sequences[:, first:].tolist()
    log_probs = torch.stack(choose.log_probs, dim=1).tolist()
    stopped = [None] * len(written) if stops is None else stops.length
    return [_generated(tokenizer, *row, frozenset(ends)) for row in zip(written, log_probs, stopped, strict=True)]


def to_left_padding(inputs: Mapping) -> dict:
    """The same batch with all padding on the left, where `generate` can go on writing.

    Only what has one entry for each token moves (`PER_TOKEN`). A batch without `attention_mask` stays as it is.
    """
    mask = inputs.get("attention_mask")
    inputs = dict(inputs)
    if mask is None or bool((mask[:, -1] != 0).all()):
        return inputs
    length = mask.shape[1]
    place = torch.arange(length, device=mask.device)
    last = torch.where(mask != 0, place, -1).amax(1, keepdim=True)  # (B, 1), the place of the last real token
    source = (place + last + 1) % length  # (B, T): the padding behind it comes round to the front
    for name in PER_TOKEN:
        value = inputs.get(name)
        if torch.is_tensor(value) and value.shape == mask.shape:
            inputs[name] = value.gather(1, source.to(value.device))
    return inputs


def end_tokens(model, tokenizer) -> list[int]:
    """The ids that end an answer: those of the model's generation settings and the tokenizer's own."""
    known = getattr(model.generation_config, "eos_token_id", None)
    ends = [] if known is None else list(known) if isinstance(known, list | tuple) else [known]
    if tokenizer.eos_token_id is not None and tokenizer.eos_token_id not in ends:
        ends.append(tokenizer.eos_token_id)
    return ends


def decoder_begin(model) -> list[int]:
    """What the decoder of an encoder-decoder reads before it writes."""
    settings = model.generation_config
    begin = (settings.decoder_start_token_id, settings.forced_bos_token_id)
    return [token for token in begin if token is not None]


def _generated(tokenizer, tokens: list[int], log_probs: list[float], stopped: int | None, ends: frozenset[int]):
    end = next((place + 1 for place, token in enumerate(tokens) if token in ends), None)
    length = min(place for place in (end, stopped, len(tokens)) if place is not None)
    ended = "end" if length == end else "stop" if length == stopped else "length"
    tokens = tokens[:length]
    shown = tokens[:-1] if ended == "end" else tokens
    return Generated(
        text=text_of(tokenizer, shown),
        tokens=tuple(tokens),
        log_probs=tuple(log_probs[:length]),
        ended=ended,
    )


class _Chooser(LogitsProcessor):
    """Chooses each row's next token, notes its log-probability, and leaves `generate` no other choice."""

    def __init__(self, decoding: Decoding, prompts: torch.Tensor, mask: torch.Tensor | None):
        self.decoding = decoding
        self.log_probs: list[torch.Tensor] = []  # one (B,) tensor a step
        self.draws = None
        if decoding.sample:
            if not (decoding.temperature > 0 and 0 < decoding.top_p <= 1):
                raise ValueError(
                    f"You passed temperature={decoding.temperature} and top_p={decoding.top_p}: sampling needs a "
                    "temperature above 0 and a top_p in (0, 1]. For the likeliest answer pass sample=False."
                )
            self.draws = _draws(decoding, prompts, mask).to(prompts.device)  # (B, max_new_tokens)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        chosen = scores.argmax(-1) if self.draws is None else self._sample(scores)
        chosen = chosen[:, None]
        self.log_probs.append(scores.gather(1, chosen)[:, 0] - scores.logsumexp(-1))
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen, 0.0)

    def _sample(self, scores: torch.Tensor) -> torch.Tensor:
        """The inverse of the distribution function at one uniform number a row."""
        likeliest, order = (scores / self.decoding.temperature).softmax(-1).sort(dim=-1, descending=True, stable=True)
        reached = likeliest.cumsum(-1)
        kept = (reached - likeliest < self.decoding.top_p).sum(-1, keepdim=True)
        target = self.draws[:, len(self.log_probs), None] * reached.gather(1, kept - 1)
        return order.gather(1, torch.minimum((reached <= target).sum(-1, keepdim=True), kept - 1))[:, 0]


def _draws(decoding: Decoding, prompts: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    rows = []
    for row, prompt in enumerate(prompts):
        tokens = prompt if mask is None else prompt[mask[row] != 0]
        digest = hashlib.blake2b(repr((decoding.seed, tokens.tolist())).encode(), digest_size=8).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)
        rows.append(torch.rand(decoding.max_new_tokens, generator=generator))
    return torch.stack(rows)


class _StopEachRow(StoppingCriteria):
    """Asks the stop rule after each token of each row that is not done, and remembers where it said yes."""

    def __init__(self, rule: StopRule, rows: int):
        self.rule = rule
        self.tokens: list[list[int]] = [[] for _ in range(rows)]
        self.length: list[int | None] = [None] * rows

    def __call__(self, input_ids: torch.Tensor, scores, **kwargs) -> torch.Tensor:
        for row, token in enumerate(input_ids[:, -1].tolist()):
            if self.length[row] is None:
                self.tokens[row].append(token)
                if self.rule(self.tokens[row]):
                    self.length[row] = len(self.tokens[row])
        return torch.tensor([length is not None for length in self.length], device=input_ids.device)
