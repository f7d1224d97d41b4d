# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""One backend for every family whose image tokens are patches of the picture: LLaVA, PaliGemma, Qwen-VL and others.

What differs between families stands in `promvil_hf.backends.families`, where tokens lie in
`promvil_hf.backends.token_boxes`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from promvil_hf.backends.base import Decoding, Generated, Request, text_of, unwrapped
from promvil_hf.backends.decoding import decode
from promvil_hf.backends.families import PATCH_FAMILIES, Family, Shown, family_of
from promvil_hf.backends.token_boxes import TokenBoxes
from promvil_hf.dialects import GroundingDialect
from promvil_hf.dialects.reasoning import opening_in
from promvil_hf.frames import ImageSize
from promvil_hf.images import as_rgb
from promvil_hf.toy.bases import warn_of_other_pictures


@dataclass(frozen=True, slots=True)
class PatchTokenBackend:
    """A patch-token model, its processor and the dialect it writes boxes in (its family's own unless given).

    `image_options` go to the image processor at every call, such as Gemma 3's `do_pan_and_scan`. `family` is found by
    the model's type; give one to serve a model that the table does not know.
    """

    model: Any
    processor: Any
    dialect: GroundingDialect | None = None
    image_options: Mapping[str, Any] = field(default_factory=dict)
    family: Family | None = field(default=None, repr=False)

    def __post_init__(self):
        family = self.family or family_of(self.model)
        if family is None or family.token_boxes is None:
            raise ValueError(
                f"You passed a model of type {self.model.config.model_type!r}, whose image tokens have no known place. "
                f"Known are {', '.join(sorted(PATCH_FAMILIES))}; for another give `family=Family(...)`, see "
                "docs/extending.md."
            )
        if not hasattr(self.processor, "image_processor"):
            raise ValueError(
                f"You passed a {type(self.processor).__name__} as processor, which takes no images. `AutoProcessor` "
                "gives a bare tokenizer where it finds no more, and some processors need torchvision (pip install "
                "torchvision): load it with `promvil_hf.backends.families.load_processor`."
            )
        object.__setattr__(self, "family", family)
        if self.dialect is None:
            object.__setattr__(self, "dialect", family.dialect(self._settings()))

    def inputs(self, requests: Sequence[Request], padding_side: str = "left") -> dict[str, torch.Tensor]:
        """The padded batch for the model, on its device and in its dtype; rows without a picture may be among them."""
        if not requests:
            raise ValueError("You passed no requests: a batch needs at least one.")
        images = [[] if request.image is None else [as_rgb(request.image)] for request in requests]
        warn_of_other_pictures(unwrapped(self.model), (image.size for shown in images for image in shown))
        prompts = [self.prompt_of(request) for request in requests]
        if self.family.encode:
            batch = self.family.encode(self.processor, images, prompts, padding_side, self.image_options)
        else:
            batch = self.processor(
                images=images if any(images) else None,
                text=prompts,
                images_kwargs=dict(self.image_options),
                text_kwargs={
                    "padding": True,
                    "padding_side": padding_side,
                    "add_special_tokens": self.adds_special_tokens(prompts[0]),
                },
                return_tensors="pt",
            )
        return {name: self._placed(tensor) for name, tensor in batch.items()}

    def prompt_of(self, request: Request) -> str:
        """The whole prompt of a request as the family's template writes it, with the mark of its picture."""
        image_token = self.processor.tokenizer.convert_ids_to_tokens(self.model.config.image_token_id)
        marks = self.family.mark, self.processor.image_token, image_token
        if any(mark in request.prompt for mark in marks):
            raise ValueError(
                f"You passed the prompt {request.prompt!r}, which holds the mark of a picture. The backend places the "
                "picture itself: leave the mark out, or write it with `promvil_hf.markup.escape`."
            )
        if getattr(self.processor, "chat_template", None) is None:
            picture = self.family.mark if request.image is not None else ""
            return self.begun(self.family.prompt.format(picture=picture, prompt=request.prompt))
        content = [{"type": "text", "text": request.prompt}]
        if request.image is not None:
            content.insert(0, {"type": "image"})
        return self.chat([{"role": "user", "content": content}], add_generation_prompt=True)

    def chat(self, messages: Sequence[Mapping], **options: Any) -> str:
        """Messages as the processor's chat template writes them; `options` go to it."""
        return self.begun(self.processor.apply_chat_template(messages, tokenize=False, **options))

    def begun(self, text: str) -> str:
        """The text with the token that the processor would write before it: places in it stay what they are."""
        tokenizer = self.processor.tokenizer
        begin = (tokenizer.bos_token or tokenizer.eos_token) if self.family.begins else ""
        return text if text.startswith(begin) else begin + text

    def adds_special_tokens(self, prompt: str) -> bool:
        """Whether the tokenizer is to write the tokens that begin a text: templates of some checkpoints do it themselves."""
        tokenizer = self.processor.tokenizer
        begin = text_of(tokenizer, tokenizer("")["input_ids"])  # `<bos>`, or GLM's `[gMASK]<sop>`
        return not (begin and prompt.startswith(begin))

    def image_positions(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """True where a token is an image token: (rows, tokens)."""
        return inputs["input_ids"] == self.model.config.image_token_id

    def token_boxes(
        self, inputs: Mapping[str, torch.Tensor], image_sizes: Sequence[ImageSize | None]
    ) -> list[TokenBoxes]:
        """For each row the boxes of its image tokens, in order; `image_sizes` holds the size of each row's upright
        original picture. A row without a picture has no boxes, and its size does not count."""
        counts = self.image_positions(inputs).sum(dim=1).tolist()
        if len(counts) != len(image_sizes):
            raise ValueError(
                f"You passed {len(image_sizes)} image sizes for {len(counts)} rows: give one per row, None where a row "
                "has no picture."
            )
        settings = self._settings()
        grids = iter(inputs[self.family.grid].tolist() if self.family.grid in inputs else ())
        rows: list[TokenBoxes] = []
        for input_ids, count, image_size in zip(inputs["input_ids"].tolist(), counts, image_sizes, strict=True):
            rows.append(self._row_boxes(settings, input_ids, count, image_size, next(grids, None)) if count else [])
        return rows

    def generate(self, requests: Sequence[Request], decoding: Decoding = Decoding()) -> list[Generated]:  # noqa: B008
        """One batch: answers in the order of the requests, equal to asking one by one."""
        if not requests:
            return []
        answers = decode(self.model, self.inputs(requests), self.processor.tokenizer, decoding)
        opening = self.opening
        return [replace(answer, text=opening + answer.text) for answer in answers] if opening else answers

    @property
    def opening(self) -> str:
        """The mark of a thought that the template of a thinking model opens at the end of each prompt, "" for others.

        It belongs to the text of every answer: without it a thought that is cut off looks like an answer.
        """
        return opening_in(self.prompt_of(Request("")))

    def _row_boxes(
        self, settings: dict, input_ids: list[int], count: int, image_size: ImageSize | None, grid: list[int] | None
    ) -> TokenBoxes:
        if image_size is None:
            raise ValueError(
                f"You passed None as the image size of a row with {count} image tokens: give the size of its picture."
            )
        shown = Shown(self.processor, settings, self.model.config, tuple(image_size), input_ids, count, grid)
        boxes = self.family.token_boxes(shown)
        if len(boxes) != count:
            raise ValueError(
                f"A picture of {image_size[0]}x{image_size[1]} has {len(boxes)} image tokens, but its row has {count}. "
                "Pass the (width, height) of the original picture, and inputs made by this backend's processor with "
                "the same options, not cut off and with one picture a row."
            )
        return boxes

    def _settings(self) -> dict[str, Any]:
        return self.processor.image_processor.to_dict() | dict(self.image_options)

    def _placed(self, tensor: torch.Tensor) -> torch.Tensor:
        dtype = self.model.dtype if tensor.is_floating_point() else None
        return tensor.to(self.model.device, dtype)
