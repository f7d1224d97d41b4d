# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the package must know of a family of models, as one value, and what its functions are given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promvil_hf.backends.token_boxes import TokenBoxes
from promvil_hf.dialects import GroundingDialect, LlavaBrackets
from promvil_hf.frames import Fractions, ImageSize


# For families that were never trained to write boxes in a form of their own.
FRACTIONS = LlavaBrackets(frame=Fractions(decimals=2))


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture as the processor showed it to the model, for a function that finds its token boxes."""

    processor: Any
    settings: Mapping[str, Any]  # of the image processor, with the options given at the call
    config: Any  # of the model
    image_size: ImageSize  # of the original
    input_ids: Sequence[int]  # of its row, padding included
    image_tokens: int  # how many of them are image tokens
    grid: Sequence[int] | None  # this picture's row of the output that `Family.grid` names

    @property
    def patch(self) -> int:
        """Side of a patch of the vision tower, in pixels."""
        return self.config.vision_config.patch_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What the package must know of a family. Only `dialect` is needed in every case.

    Args:
        known_as: The name that people know it by.
        dialect: Gives the dialect the family writes boxes in, from the settings of the image processor.
        token_boxes: Gives the box of each image token of a picture, from a `Shown`. None where image tokens are no
            places.
        why_no_places: A sentence for families without `token_boxes`: why, and what to use instead.
        backend: The class that serves the family, as "module:name"; called with a model and a processor.
        processor: The class that loads its processor, as "module:name".
        needs_torchvision: Its image processor is there for torchvision only.
        mark: What stands for a picture in a prompt.
        prompt: The prompt around {picture} and {prompt}, used where the processor has no chat template.
        begins: Its processor writes the begin token, or the end token where there is none, before a text that lacks it.
        encode: Replaces the call of the processor where that call cannot be trusted.
        encoder_decoder: A sentence for families that write answers in a decoder of its own: what cannot be done, and why.
        grid: The processor's output that has one row for each picture, if `token_boxes` needs it.
        causal: No token sees what stands behind it, so what was computed for a picture is kept for all prompts about
            it. False is always safe: each prompt is then read whole.
        whole_prompts: A sentence for families that are not `causal` for another reason than the one given here.
        keeps_state: A sentence for hybrids: which layers have attention heads, and what the others keep instead.
        rotary_axes: How many numbers a position has; 3 where positions count time, height and width.
        behind_picture: Tokens the processor writes behind a picture's last image token.
        answer_type: What stands in `token_type_ids` for the tokens of an answer.
        projector: Name of the module between the vision tower and the language model.
    """

    dialect: Callable[[Mapping[str, Any]], GroundingDialect]
    token_boxes: Callable[[Shown], TokenBoxes] | None = None
    known_as: str = ""
    why_no_places: str = ""
    backend: str = "promvil_hf.backends.patch_tokens:PatchTokenBackend"
    processor: str = "transformers:AutoProcessor"
    needs_torchvision: bool = False
    mark: str = "<image>"
    prompt: str = "{picture}{prompt}"
    begins: bool = False
    encode: Callable[..., Mapping[str, Any]] | None = None
    encoder_decoder: str = ""
    grid: str | None = None
    causal: bool = False
    whole_prompts: str = "Tokens of a prompt see what stands behind them."
    keeps_state: str = ""
    rotary_axes: int = 1
    behind_picture: tuple[str, ...] = ()
    answer_type: int = 0
    projector: str = "multi_modal_projector"
