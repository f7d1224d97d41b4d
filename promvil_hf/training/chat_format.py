# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A conversation in a model's own chat format: the text, which characters of it are trained, and its tokens.

What is trained is known because the text is laid out here. It is never found again by looking for token ids.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from promvil_hf.backends.patch_tokens import PatchTokenBackend


_SLOT = re.compile("\ue000(\\d+)\ue001")  # private characters: no template writes them


@dataclass(frozen=True, slots=True)
class Conversation:
    """A text with its picture's mark in place, and the characters of it that are trained."""

    text: str
    spans: tuple[tuple[int, int], ...]


@dataclass
class ChatFormat:
    """The format of one model. `system` is what each conversation begins with, nothing by default."""

    backend: PatchTokenBackend
    system: str | None = None
    _frames: dict[tuple[int, bool], list[str]] = field(default_factory=dict, repr=False)

    def __post_init__(self):
        if self.backend.family.encoder_decoder:
            raise ValueError(f"Answers are trained in one row with their prompts. {self.backend.family.encoder_decoder}")
        tokenizer = self.backend.processor.tokenizer
        marks = sorted({*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}, key=len, reverse=True)
        self._marks = re.compile("|".join(map(re.escape, marks)))

    def filled(self, turns: Sequence[tuple[str, str]], with_picture: bool = True) -> Conversation:
        """These questions and answers, as they are.

        Trained are the answers and the mark that ends each: the format's own, or, where it has none, the tokenizer's end
        token, written behind the answer as LLaVA's training code does.
        """
        if not turns:
            raise ValueError("You passed a conversation without turns: there is nothing to train.")
        frame = self._frame(len(turns), with_picture)
        text, spans = frame[0], []
        for (question, answer), between, after in zip(turns, frame[1::2], frame[2::2], strict=True):
            text += question + between
            start = len(text)
            text += answer
            ending = self._marks.match(after)
            if ending:
                spans.append((start, len(text) + ending.end()))
            else:
                text += self.backend.processor.tokenizer.eos_token
                spans.append((start, len(text)))
            text += after
        return Conversation(text, tuple(spans))

    def _frame(self, turns: int, with_picture: bool) -> list[str]:
        """What stands around the questions and answers: one piece more than there are of both."""
        if (turns, with_picture) in self._frames:
            return self._frames[turns, with_picture]
        slots = [(f"\ue000{2 * k}\ue001", f"\ue000{2 * k + 1}\ue001") for k in range(turns)]
        family, processor = self.backend.family, self.backend.processor
        if getattr(processor, "chat_template", None) is None:
            lead = f"{self.system} " if self.system else ""
            gap = "\n" if family.encode else " "  # PaliGemma's question ends with a line
            text = self.backend.begun(lead) + "".join(
                family.prompt.format(picture=family.mark if with_picture and not k else "", prompt=question) + gap + answer
                for k, (question, answer) in enumerate(slots)
            )
        else:
            messages = [] if not self.system else [{"role": "system", "content": [{"type": "text", "text": self.system}]}]
            for k, (question, answer) in enumerate(slots):
                picture = [{"type": "image"}] if with_picture and not k else []
                messages.append({"role": "user", "content": [*picture, {"type": "text", "text": question}]})
                messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
            text = self.backend.chat(messages)
        pieces = _SLOT.split(text)
        if pieces[1::2] != [str(number) for number in range(2 * turns)]:
            raise ValueError(
                f"The chat template of this {type(processor).__name__} does not write each question and answer once and in "
                "order, so it is not known which tokens are answers. Give the processor a template for training, "
                "`processor.chat_template = …`."
            )
        self._frames[turns, with_picture] = pieces[::2]
        return pieces[::2]

    def encoded(self, talks: Sequence[Conversation], pictures: Sequence) -> tuple[dict, list, list]:
        """The batch, padded on the right; the characters of each token; and where the text grew, by how much."""
        processor, family = self.backend.processor, self.backend.family
        images = [[] if picture is None else [picture] for picture in pictures]
        if family.encode:
            return self._encoded_prefix(talks, images)
        batch = dict(
            processor(
                images=images if any(images) else None,
                text=[talk.text for talk in talks],
                images_kwargs=dict(self.backend.image_options),
                text_kwargs={
                    "padding": True,
                    "padding_side": "right",
                    "add_special_tokens": self.backend.adds_special_tokens(talks[0].text),
                    "return_offsets_mapping": True,
                },
                return_text_replacement_offsets=True,
                return_tensors="pt",
            )
        )
        offsets = batch.pop("offset_mapping").tolist()
        grown = batch.pop("text_replacement_offsets")
        shifts = [
            [(change["span"][1], change["new_span"][1] - change["span"][1]) for change in changes] for changes in grown
        ]
        return batch, offsets, shifts

    def _encoded_prefix(self, talks: Sequence[Conversation], images: Sequence[list]) -> tuple[dict, list, list]:
        """PaliGemma: picture and first question see each other both ways (token type 0), the rest is a suffix (type 1)."""
        processor, tokenizer = self.backend.processor, self.backend.processor.tokenizer
        places = processor.image_token * processor.image_seq_length
        texts = [
            f"{places if talk_images else ''}{tokenizer.bos_token}{talk.text}"
            for talk, talk_images in zip(talks, images, strict=True)
        ]
        encoded = tokenizer(
            texts,
            add_special_tokens=False,
            padding=True,
            padding_side="right",
            return_offsets_mapping=True,
            return_tensors="pt",
        )
        offsets = encoded.pop("offset_mapping")
        shifts = [[(0, len(text) - len(talk.text))] for text, talk in zip(texts, talks, strict=True)]
        suffix = torch.tensor([talk.spans[0][0] + shift[0][1] for talk, shift in zip(talks, shifts, strict=True)])
        batch = {**encoded, "token_type_ids": (offsets[..., 0] >= suffix[:, None]).long()}
        if any(images):
            pictures = [picture for row in images for picture in row]
            batch |= processor.image_processor(pictures, return_tensors="pt", **self.backend.image_options)
        return batch, offsets.tolist(), shifts

    def trained(self, talk: Conversation, offsets: Sequence, grown: Sequence[tuple[int, int]] = ()) -> list[bool]:
        """Whether each token is trained, by the characters it stands for. `grown` says where the text grew, by how much."""
        found = [False] * len(offsets)
        for span in talk.spans:
            start, end = (edge + sum(by for after, by in grown if after <= edge) for edge in span)
            for place, (left, right) in enumerate(offsets):
                found[place] |= left < end and right > max(left, start)
        return found
