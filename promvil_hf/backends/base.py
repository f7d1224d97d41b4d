# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What every backend promises: prompts and images in, text out, and where its image tokens sit in the picture.

A backend is a model, its processor and its dialect behind two methods. Grounder, trainers and explanations know
this protocol only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from PIL import Image

from promvil_hf.boxes import Box
from promvil_hf.dialects import GroundingDialect
from promvil_hf.frames import ImageSize


# A stop rule sees the tokens generated so far for one row, newest last, and says whether that row is done.
StopRule = Callable[[Sequence[int]], bool]


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt about one image, or about none (a blind control)."""

    prompt: str
    image: Image.Image | None = None


@dataclass(frozen=True, slots=True)
class Decoding:
    """How answers are written. The defaults are greedy and deterministic."""

    max_new_tokens: int = 64
    sample: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0  # used only when sampling; the caller's random state does not move
    stop: StopRule | None = None  # beside the model's own end token


@dataclass(frozen=True, slots=True)
class Generated:
    """An answer, its tokens with their log-probabilities, and why it ended: "stop", "end" or "length"."""

    text: str
    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]
    ended: str


class GroundingBackend(Protocol):
    dialect: GroundingDialect

    def generate(self, requests: Sequence[Request], decoding: Decoding = Decoding()) -> list[Generated]:  # noqa: B008
        """Answers in the order of the requests, equal to asking one by one."""
        ...

    def token_boxes(self, inputs, image_sizes: Sequence[ImageSize]) -> list[list[Box | None]] | None:
        """For each row, the Box in the original image of each image token, in order; None where a token is no place
        (newline, CLS, padding). None for the whole when this model's image tokens are no places at all."""
        ...


def unwrapped(model: Any) -> Any:
    """The model inside DDP and PEFT, adapter layers included; any other model as it is."""
    model = getattr(model, "module", model)
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def text_of(tokenizer: Any, tokens: Sequence[int]) -> str:
    """What tokens write, tags and all."""
    return tokenizer.decode(list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False)
