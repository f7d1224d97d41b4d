# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Progressive grounding the plain way: one phrase, one level, batch 1.

Written again from the description, sharing no code with `promvil_hf.grounding`: its own choice of evidence, its own token
loop. `alone` runs the whole model, picture and all, again for every token, without any cache; `generated` calls
transformers' `generate`; `batched` does so for all prompts of a level; `answered` for questions to LLaVA, as
`answered_from_copies` does behind a copied cache.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from PIL import Image
from transformers import DynamicCache

from promvil_hf.backends.base import Request
from promvil_hf.backends.decoding import PER_TOKEN, end_tokens
from promvil_hf.boxes import Box
from promvil_hf.nesting import Nesting
from promvil_hf.phrases import GroundedPhrase


DELIMITER = "</delimiter_of_multi_objects/>"


@dataclass(frozen=True)
class NaiveStep:
    phrase: str
    prompt: str
    tokens: tuple[int, ...]
    boxes: tuple[Box, ...]


def naive_steps(
    backend, image: Image.Image, nesting: Nesting, mode: str, write: Callable, given=None
) -> list[NaiveStep]:
    """`write(prompt, image)` gives the tokens of an answer."""
    steps: dict[int, NaiveStep] = {}
    top = len(nesting.phrases) - 1
    for level in range(1, nesting.phrases[top].level + 1):
        for index, phrase in enumerate(nesting.phrases):
            if phrase.level != level or (mode == "one_shot" and index != top):
                continue
            if mode == "oracle" and index != top:
                steps[index] = NaiveStep(phrase.text, "", (), tuple(given.get(phrase.text, ())))
                continue
            evidence = []
            for other, anchor in enumerate(nesting.phrases[:index]):
                inside = phrase.span[0] <= anchor.span[0] and anchor.span[1] <= phrase.span[1]
                wanted = {
                    "progressive": inside and other in phrase.anchors and anchor.level == level - 1,
                    "all": inside,
                    "oracle": other in phrase.anchors,
                    "one_shot": False,
                }[mode]
                if wanted and steps[other].boxes:
                    evidence.append(GroundedPhrase(anchor.text, steps[other].boxes))
            plural = index != top and mode != "one_shot"
            prompt = backend.dialect.prompt(
                phrase.text, evidence, level=level if plural else None, image_size=image.size
            )
            tokens = write(prompt, image)
            answer = backend.tokenizer.decode(tokens)
            steps[index] = NaiveStep(phrase.text, prompt, tuple(tokens), backend.dialect.parse(answer).boxes)
    return [steps[index] for index in sorted(steps)]


def alone(backend, max_new_tokens: int, allowed: Callable | None = None, stop: Callable | None = None) -> Callable:
    """A `write` for Kosmos-2 without any cache; `allowed(tokens)` gives the ids that may come next."""
    model, tokenizer = backend.base, backend.tokenizer
    close = tokenizer.convert_tokens_to_ids("</object>")

    @torch.inference_mode()
    def write(prompt: str, image: Image.Image) -> list[int]:
        pixels = backend.pixels([image])
        tokens: list[int] = []
        while len(tokens) < max_new_tokens:
            batch = backend.batch([backend.prompt_tokens([prompt])[0] + tokens])
            logits = model(pixel_values=pixels, **batch).logits[0, -1]
            choices = allowed(tokens) if allowed else None
            token = int(logits.argmax()) if choices is None else choices[int(logits[choices].argmax())]
            tokens.append(token)
            if token == tokenizer.eos_token_id or (choices is not None and token == close) or (stop and stop(tokens)):
                break
        return tokens

    return write


def well_formed(tokenizer, max_new_tokens: int, max_boxes: int | None = None, side: int = 32) -> Callable:
    """The ids that keep an answer a list of boxes, from what was written so far."""
    cells = tokenizer.convert_tokens_to_ids([f"<patch_index_{cell:04d}>" for cell in range(side * side)])
    number = {token: cell for cell, token in enumerate(cells)}
    delimiter, close = tokenizer.convert_tokens_to_ids([DELIMITER, "</object>"])
    most = min(max_boxes or max_new_tokens, max_new_tokens // 3)

    def allowed(tokens) -> list[int]:
        place = len(tokens) % 3
        if place == 0:
            return cells
        if place == 2:
            return [close] if len(tokens) // 3 + 1 == most else [delimiter, close]
        top, left = divmod(number[tokens[-1]], side)
        return [cells[row * side + column] for row in range(top, side) for column in range(left, side)]

    return allowed


def generated(backend, new_tokens: int, allowed: Callable | None = None) -> Callable:
    """A `write` for Kosmos-2 by `generate`, always as long as `new_tokens`: one prompt with its picture through the model."""

    @torch.inference_mode()
    def write(prompt: str, image: Image.Image) -> list[int]:
        inputs = backend.batch(backend.prompt_tokens([prompt]))
        options = {"min_new_tokens": new_tokens}
        length = inputs["input_ids"].shape[1]
        if allowed is not None:
            options["prefix_allowed_tokens_fn"] = lambda _, ids: allowed(ids[length:].tolist())
        pixels = backend.pixels([image]).to(backend.model.dtype)
        written = backend.base.generate(
            pixel_values=pixels, **inputs, do_sample=False, max_new_tokens=new_tokens, **options
        )
        return written[0, length:].tolist()

    return write


@torch.inference_mode()
def batched(backend, asked, traces, allowed) -> list[list[tuple]]:
    """All prompts of a level in padded batches of 32, each row with its picture; prompts are those ours came to."""
    found = [[()] * len(trace.steps) for trace in traces]
    for level in range(1, 1 + max(step.level for trace in traces for step in trace.steps)):
        places = [(query, step) for query, trace in enumerate(traces)
                  for step in range(len(trace.steps)) if trace.steps[step].level == level]  # fmt: skip
        for start in range(0, len(places), 32):
            part = places[start : start + 32]
            inputs = backend.batch(backend.prompt_tokens([traces[query].steps[step].prompt for query, step in part]))
            length = inputs["input_ids"].shape[1]
            written = backend.base.generate(
                pixel_values=backend.pixels([asked[query].image for query, _ in part]).to(backend.model.dtype),
                **inputs,
                do_sample=False,
                max_new_tokens=3,
                prefix_allowed_tokens_fn=lambda _, ids, length=length: allowed(ids[length:].tolist()),
            )
            for (query, step), tokens in zip(part, written[:, length:].tolist(), strict=True):
                found[query][step] = backend.dialect.parse(backend.tokenizer.decode(tokens)).boxes
    return found


@torch.inference_mode()
def answered_from_copies(backend, pictures, asked, new_tokens: int) -> list[list[int]]:
    """As `answered`, with the picture's keys and values computed once, and a copy of them for each `generate`."""
    ends = end_tokens(backend.model, backend.processor.tokenizer)
    kept, answers = {}, []
    for number, question in asked:
        inputs = backend.inputs([Request(question, pictures[number])])
        if number not in kept:
            end = int(backend.image_positions(inputs)[0].nonzero()[-1]) + 1
            cut = {name: value[:, :end] if name in PER_TOKEN else value for name, value in inputs.items()}
            kept[number] = backend.model(**cut, past_key_values=DynamicCache(), use_cache=True, logits_to_keep=1).past_key_values
        words = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        written = backend.model.generate(
            **words, past_key_values=deepcopy(kept[number]), do_sample=False, max_new_tokens=new_tokens, eos_token_id=ends
        )
        answers.append(written[0, inputs["input_ids"].shape[1] :].tolist())
    return answers


@torch.inference_mode()
def answered(backend, pictures, asked, new_tokens: int) -> list[list[int]]:
    """Answers of a LLaVA to (number of the picture, question), one `generate` for each."""
    ends = end_tokens(backend.model, backend.processor.tokenizer)
    answers = []
    for number, question in asked:
        inputs = backend.inputs([Request(question, pictures[number])])
        written = backend.model.generate(**inputs, do_sample=False, max_new_tokens=new_tokens, eos_token_id=ends)
        answers.append(written[0, inputs["input_ids"].shape[1] :].tolist())
    return answers
