# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A question and its answer in one row, so that one forward pass shows how each word of the answer came about.

The query that predicts a token stands one place before it. Words are found in the answer's characters, and each token
knows which characters it wrote; nothing is found by searching for token ids.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from promvil_hf.backends.base import Request
from promvil_hf.backends.decoding import decoder_begin


@dataclass(frozen=True, slots=True)
class Answered:
    """Prompts on the left, answers on the right, padding outside: the first token of every answer stands at `start`.

    Of an encoder-decoder the answers are `decoder_input_ids`, and places of answers count there.
    """

    inputs: Mapping[str, torch.Tensor]
    start: int
    tokens: tuple[tuple[int, ...], ...]  # of each answer

    def query_of(self, token: int) -> int:
        """The place of the query that predicts this token of an answer, counted from 0."""
        return self.start + token - 1


def require_places(backend) -> None:
    """Refuses a backend whose image tokens are no places in the picture."""
    if not hasattr(backend, "image_positions"):
        raise ValueError(
            f"You passed a {type(backend).__name__}, whose image tokens are no places in the picture (Kosmos-2 has 64 "
            "latent queries, a server shows no tokens at all): there is nothing to lay over the image. Use a model whose "
            "image tokens are patches, such as LLaVA, PaliGemma or Idefics3, or toy:llava, which comes with this package."
        )


def answered(backend, requests: Sequence[Request], tokens: Sequence[Sequence[int]]) -> Answered:
    """The batch that holds requests and given answers (teacher forcing)."""
    if len(requests) != len(tokens):
        raise ValueError(f"You passed {len(requests)} requests and {len(tokens)} answers: pass one answer for each.")
    for request, answer in zip(requests, tokens, strict=True):
        if not len(answer):
            raise ValueError(
                f"You passed an answer without tokens to {request.prompt!r}: there is nothing to explain."
            )
    prompts = backend.inputs(requests, padding_side="left")
    ids = prompts["input_ids"]
    begin = decoder_begin(backend.model) if backend.family.encoder_decoder else []
    start = len(begin) or ids.shape[1]
    longest = max(map(len, tokens))
    tokenizer = backend.processor.tokenizer
    filler = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    written = torch.full((len(tokens), longest), filler, dtype=ids.dtype)
    real = torch.zeros((len(tokens), longest), dtype=prompts["attention_mask"].dtype)
    for row, answer in enumerate(tokens):
        written[row, : len(answer)] = torch.tensor(answer, dtype=ids.dtype)
        real[row, : len(answer)] = 1
    if begin:
        before = written.new_tensor([begin]).repeat(len(tokens), 1)
        decoder = {"decoder_input_ids": torch.cat([before, written], 1).to(ids.device)}
        decoder["decoder_attention_mask"] = torch.cat([torch.ones_like(before), real], 1).to(ids.device)
        return Answered({**prompts, **decoder}, start, tuple(map(tuple, tokens)))
    added = {"input_ids": written, "attention_mask": real}
    added |= {
        name: torch.full_like(real, backend.family.answer_type) for name in ("token_type_ids",) if name in prompts
    }
    added |= {name: torch.zeros_like(real) for name in ("mm_token_type_ids",) if name in prompts}
    inputs = {
        name: torch.cat([value, added[name].to(value.device, value.dtype)], dim=1) if name in added else value
        for name, value in prompts.items()
    }
    return Answered(inputs, start, tuple(map(tuple, tokens)))


def answer_tokens(backend, request: Request, answer: str) -> tuple[int, ...]:
    """The tokens of a given answer as the family's template would let the model write it, without an end token."""
    tokenizer = backend.processor.tokenizer
    if backend.family.encoder_decoder:
        return tuple(tokenizer(answer, add_special_tokens=False)["input_ids"])
    prompt = backend.prompt_of(Request(request.prompt))  # pictures change nothing behind them
    whole = _with_answer(backend, request.prompt, prompt, answer)
    before, both = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, whole))
    if both[: len(before)] == before and len(both) > len(before):
        return tuple(both[len(before) :])
    return tuple(tokenizer(answer, add_special_tokens=False)["input_ids"])


def _with_answer(backend, question: str, prompt: str, answer: str) -> str:
    """The prompt that asks this question, with the answer behind it as the family's template writes it."""
    if getattr(backend.processor, "chat_template", None) is None:
        apart = prompt.endswith(("\n", " ")) or not backend.family.prompt.endswith(":")
        return prompt + (answer if apart else f" {answer}")
    turns = (("user", question), ("assistant", answer))
    talk = [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in turns]
    whole = backend.chat(talk)
    place = whole.find(answer, len(prompt) - 1 if whole.startswith(prompt.rstrip()) else 0)
    return whole[: place + len(answer)] if place >= 0 else prompt + answer


def token_spans(tokenizer, tokens: Sequence[int]) -> tuple[str, list[tuple[int, int]]]:
    """The text of these tokens, and which of its characters each one wrote.

    A token that ends in the middle of a character writes nothing; the one that completes it writes it whole.
    """
    options = {"skip_special_tokens": False, "clean_up_tokenization_spaces": False}
    spans, end = [], 0
    for count in range(1, len(tokens) + 1):
        so_far = tokenizer.decode(list(tokens[:count]), **options)
        length = len(so_far.rstrip("\N{REPLACEMENT CHARACTER}"))
        spans.append((end, max(end, length)))
        end = max(end, length)
    return tokenizer.decode(list(tokens), **options), spans


def tokens_of(phrase: str, text: str, spans: Sequence[tuple[int, int]]) -> list[int]:
    """The tokens that write a phrase where it first stands in the text, as whole words, in any case.

    Where it is not there, leading words are left out until the rest is; an empty list says that nothing of it is.
    """
    words = phrase.split()
    for first in range(len(words)):
        pattern = r"\s+".join(map(re.escape, words[first:]))
        found = re.search(rf"(?<!\w){pattern}(?!\w)", text, re.IGNORECASE)
        if found:
            return [
                place
                for place, (start, end) in enumerate(spans)
                if start < found.end()
                and end > found.start()
                and text[max(start, found.start()) : min(end, found.end())].strip()
            ]
    return []
