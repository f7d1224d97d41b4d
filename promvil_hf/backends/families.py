# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The families of models that are served here: all that differs between them, as one `Family` each.

Nothing else in the package compares a `config.model_type`: it asks `family_of(model)` and reads a field. `FAMILIES` has
a value for each model type; `docs/extending.md` shows how to make another. No torch and no transformers on import.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pkgutil import resolve_name
from typing import Any

from promvil_hf.backends import token_boxes
from promvil_hf.backends.token_boxes import TokenBoxes
from promvil_hf.dialects import GroundingDialect, Kosmos2, LlavaBrackets, PaliGemmaLoc, QwenJson
from promvil_hf.frames import Fractions, ImageSize, Pixels, ResizedPixels


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
        dialect: Gives the dialect the family writes boxes in, from the settings of the image processor.
        token_boxes: Gives the box of each image token of a picture, from a `Shown`. None where image tokens are no
            places.
        why_no_places: A sentence for families without `token_boxes`: why, and what to use instead.
        backend: The class that serves the family, as "module:name"; called with a model and a processor.
        processor: The class that loads its processor, as "module:name".
        mark: What stands for a picture in a prompt.
        prompt: The prompt around {picture} and {prompt}, used where the processor has no chat template.
        encode: Replaces the call of the processor where that call cannot be trusted.
        grid: The processor's output that has one row for each picture, if `token_boxes` needs it.
        causal: No token sees what stands behind it, so what was computed for a picture is kept for all prompts about
            it. False is always safe: each prompt is then read whole.
        rotary_axes: How many numbers a position has; 3 where positions count time, height and width.
        behind_picture: Tokens the processor writes behind a picture's last image token.
        answer_type: What stands in `token_type_ids` for the tokens of an answer.
        projector: Name of the module between the vision tower and the language model.
    """

    dialect: Callable[[Mapping[str, Any]], GroundingDialect]
    token_boxes: Callable[[Shown], TokenBoxes] | None = None
    why_no_places: str = ""
    backend: str = "promvil_hf.backends.patch_tokens:PatchTokenBackend"
    processor: str = "transformers:AutoProcessor"
    mark: str = "<image>"
    prompt: str = "{picture}{prompt}"
    encode: Callable[..., Mapping[str, Any]] | None = None
    grid: str | None = None
    causal: bool = False
    rotary_axes: int = 1
    behind_picture: tuple[str, ...] = ()
    answer_type: int = 0
    projector: str = "multi_modal_projector"


@dataclass(frozen=True, slots=True)
class StretchedPixels:
    """The frame of Qwen2.5-VL: whole pixels of the image as its processor stretched it, to a size of its own per image.

    Sides are multiples of `multiple` pixels, their product lies between `least` and `most`.
    """

    multiple: int
    least: int
    most: int

    def of(self, image_size: ImageSize) -> ResizedPixels:
        """The frame of one image."""
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

        width, height = (int(side) for side in Pixels().limits(image_size)[:2])  # refuses what is no image size
        height, width = smart_resize(height, width, self.multiple, self.least, self.most)
        return ResizedPixels((width, height))

    def encode(self, box, image_size):
        return self.of(image_size).encode(box)

    def corners(self, numbers, image_size):
        return self.of(image_size).corners(numbers)

    def resolution(self, image_size):
        return self.of(image_size).resolution()

    def limits(self, image_size):
        return self.of(image_size).limits()


def _llava(shown: Shown) -> TokenBoxes:
    processor = shown.processor
    # Towers with a CLS token keep it as the first image token under the strategy "full".
    extra = processor.num_additional_image_tokens - (processor.vision_feature_select_strategy == "default")
    return [None] * extra + token_boxes.single_view(shown.settings, shown.image_size, processor.patch_size)


def _llava_next(shown: Shown) -> TokenBoxes:
    return token_boxes.best_grid_with_newlines(shown.settings, shown.image_size, shown.processor.patch_size)


def _paligemma(shown: Shown) -> TokenBoxes:
    return token_boxes.single_view(shown.settings, shown.image_size, shown.patch)


def _idefics3(shown: Shown) -> TokenBoxes:
    words = shown.processor.tokenizer.convert_ids_to_tokens(shown.input_ids)
    return token_boxes.tiles_and_whole(words, shown.processor.image_seq_len)


def _qwen(shown: Shown) -> TokenBoxes:
    _, rows, columns = shown.grid
    merge = shown.settings["merge_size"]
    return token_boxes.raster(token_boxes.WHOLE, rows // merge, columns // merge)


def _gemma3(shown: Shown) -> TokenBoxes:
    each = shown.processor.image_seq_length
    return token_boxes.whole_and_crops(shown.image_size, shown.image_tokens // each - 1, each)


def _stretched_pixels(settings: Mapping[str, Any]) -> GroundingDialect:
    size = settings["size"]
    multiple = settings["patch_size"] * settings["merge_size"]
    return QwenJson(frame=StretchedPixels(multiple, size["shortest_edge"], size["longest_edge"]))


def _encode_paligemma(processor, images: list, prompts: list[str], padding_side: str, image_options: Mapping) -> dict:
    """As `PaliGemmaProcessor`, for rows with and without a picture.

    In transformers 5.23 that call refuses a batch without pictures, puts `<bos>` behind the sixth letter of a row
    without one, and adds labels. A test says when upstream encodes such rows like this.
    """
    tokenizer = processor.tokenizer
    places = processor.image_token * processor.image_seq_length
    texts = [
        f"{places if picture else ''}{tokenizer.bos_token}{prompt.removesuffix(chr(10))}\n"
        for picture, prompt in zip(images, prompts, strict=True)
    ]
    batch = tokenizer(
        texts,
        add_special_tokens=False,
        return_token_type_ids=True,
        padding=True,
        padding_side=padding_side,
        return_tensors="pt",
    )
    pictures = [picture for row in images for picture in row]
    if pictures:
        batch = {**batch, **processor.image_processor(pictures, return_tensors="pt", **image_options)}
    return dict(batch)


_FRACTIONS = LlavaBrackets(frame=Fractions(decimals=2))  # for families that were never taught a way of their own
_OURS = "promvil_hf.backends.image_text_processors"

KOSMOS2 = Family(
    dialect=lambda _: Kosmos2(),
    why_no_places="Kosmos-2 sees a picture through latent queries (64 in the published checkpoint), each of which looks at "
    "all of it, so its image tokens have no boxes. Use a model whose image tokens are patches, such as LLaVA, PaliGemma "
    "or Qwen2.5-VL.",
    backend="promvil_hf.backends.kosmos2:Kosmos2Backend",
    causal=True,
    projector="image_to_text_projection",
)
_LLAVA = Family(
    dialect=lambda _: LlavaBrackets(),
    token_boxes=_llava,
    prompt="USER: {picture}\n{prompt} ASSISTANT:",
    causal=True,
)
_IDEFICS3 = Family(
    dialect=lambda _: _FRACTIONS,
    token_boxes=_idefics3,
    prompt="User:{picture}{prompt}<end_of_utterance>\nAssistant:",
    causal=True,
    behind_picture=("<fake_token_around_image>",),
    projector="connector",
)
_QWEN3 = Family(
    dialect=lambda _: QwenJson(),
    token_boxes=_qwen,
    processor=f"{_OURS}:Qwen3VLImageTextProcessor",
    mark="<|vision_start|><|image_pad|><|vision_end|>",
    prompt="<|im_start|>user\n{picture}{prompt}<|im_end|>\n<|im_start|>assistant\n",
    grid="image_grid_thw",
    causal=True,
    rotary_axes=3,
    projector="merger",
)
FAMILIES: dict[str, Family] = {
    "kosmos-2": KOSMOS2,
    "llava": _LLAVA,
    "llava_next": replace(_LLAVA, token_boxes=_llava_next),
    "paligemma": Family(
        dialect=lambda _: PaliGemmaLoc(),
        token_boxes=_paligemma,
        prompt="{prompt}",  # `encode` puts the picture before it
        encode=_encode_paligemma,
        answer_type=1,  # the prompt, type 0, sees itself both ways
    ),
    "idefics3": _IDEFICS3,
    # Its own processor asks for num2words and, through its videos, for torchvision.
    "smolvlm": replace(_IDEFICS3, processor="transformers:Idefics3Processor"),
    "qwen2_5_vl": replace(_QWEN3, dialect=_stretched_pixels, processor=f"{_OURS}:Qwen2_5_VLImageTextProcessor"),
    "qwen3_vl": _QWEN3,
    "gemma3": Family(
        dialect=lambda _: _FRACTIONS,
        token_boxes=_gemma3,
        mark="<start_of_image>",
        prompt="<start_of_turn>user\n{picture}{prompt}<end_of_turn>\n<start_of_turn>model\n",
    ),
}
PATCH_FAMILIES = {name: family for name, family in FAMILIES.items() if family.token_boxes is not None}
PROJECTORS = tuple(sorted({family.projector for family in FAMILIES.values()}))
# The linear layers of the language model alone, by their names in every family; vision towers have neither of the first two.
LANGUAGE_LAYERS = (
    r"(.*\.)?(language_model|text_model)\.(.*\.)?layers\.\d+\.(.*\.)?"
    "(q_proj|k_proj|v_proj|o_proj|out_proj|gate_proj|up_proj|down_proj|fc1|fc2)"
)


def family_of(model: Any) -> Family | None:
    """The family of a model, plain or wrapped, or of a model's configuration; None if `FAMILIES` has no such type."""
    return FAMILIES.get(getattr(getattr(model, "config", model), "model_type", None))


def load_processor(source: str, family: Family, **options: Any):
    """The processor of a checkpoint, without the video half that would need torchvision where pictures do not."""
    return resolve_name(family.processor).from_pretrained(source, trust_remote_code=False, **options)
