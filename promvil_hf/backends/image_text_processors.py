# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Processors for pictures and text alone, so that they need no torchvision.

In transformers 5.23 the processors below insist on a video processor, which needs torchvision, although pictures and
text never touch it. A processor learns its parts from the signature of its `__init__`; these subclasses leave the other
parts out of it and change nothing else, so they also load the published checkpoints, whose image processor and
tokenizer they read. What they save carries the name of the upstream class, because `AutoProcessor` answers an unknown
name with a bare tokenizer and no word: so it fails and names the video processor it lacks. Load such a folder with
`from_pretrained` of the class below. They can go when upstream accepts `video_processor=None`; a test says when that
is so. Pixtral's upstream class does not even import without torchvision, so here it is written anew.
"""

from transformers import (
    Gemma4Processor,
    Glm4vProcessor,
    Glm46VProcessor,
    InternVLProcessor,
    LlavaOnevisionProcessor,
    Qwen2_5_VLProcessor,
    Qwen2VLProcessor,
    Qwen3VLProcessor,
)
from transformers.processing_utils import ProcessorMixin


class _WithoutVideos:
    """Mixed in before a processor of transformers: the same for pictures and text only."""

    def __init__(self, image_processor=None, tokenizer=None, chat_template=None, **kwargs):
        super().__init__(image_processor=image_processor, tokenizer=tokenizer, chat_template=chat_template, **kwargs)

    @classmethod
    def upstream(cls) -> str:
        """The name of the processor that also takes videos."""
        return cls.__mro__[2].__name__

    def validate_inputs(self, images=None, text=None, videos=None, audio=None, **kwargs):
        if videos is not None:
            raise ValueError(
                f"{type(self).__name__} got videos, but it has no video processor: use {self.upstream()} on a machine with "
                "torchvision, or pass the frames as images."
            )
        super().validate_inputs(images=images, text=text, videos=videos, audio=audio, **kwargs)

    def to_dict(self):
        return super().to_dict() | {"processor_class": self.upstream()}


class Qwen2VLImageTextProcessor(_WithoutVideos, Qwen2VLProcessor):
    """`Qwen2VLProcessor` for pictures and text only."""


class Qwen2_5_VLImageTextProcessor(_WithoutVideos, Qwen2_5_VLProcessor):
    """`Qwen2_5_VLProcessor` for pictures and text only."""


class Qwen3VLImageTextProcessor(_WithoutVideos, Qwen3VLProcessor):
    """`Qwen3VLProcessor` for pictures and text only."""


class Glm4vImageTextProcessor(_WithoutVideos, Glm4vProcessor):
    """`Glm4vProcessor` for pictures and text only."""


class Glm46VImageTextProcessor(_WithoutVideos, Glm46VProcessor):
    """`Glm46VProcessor` for pictures and text only."""


class _WithoutOtherParts(ProcessorMixin):
    """Stands behind a processor that names its parts when it hands them on: those left out are not missed."""

    def __init__(self, *args, feature_extractor=None, video_processor=None, **kwargs):
        super().__init__(*args, **kwargs)


class Gemma4ImageTextProcessor(_WithoutVideos, Gemma4Processor, _WithoutOtherParts):
    """`Gemma4Processor` for pictures and text only."""

    def __init__(self, image_processor=None, tokenizer=None, chat_template=None, **kwargs):
        kwargs = {**kwargs, "feature_extractor": None, "video_processor": None}
        Gemma4Processor.__init__(
            self, image_processor=image_processor, tokenizer=tokenizer, chat_template=chat_template, **kwargs
        )


class PixtralImageTextProcessor(ProcessorMixin):
    """What `PixtralProcessor` makes of pictures and text: a token for each block of patches, a break behind each row."""

    def __init__(
        self,
        image_processor=None,
        tokenizer=None,
        patch_size: int = 16,
        spatial_merge_size: int = 1,
        chat_template=None,
        image_token: str = "[IMG]",
        image_break_token: str = "[IMG_BREAK]",
        image_end_token: str = "[IMG_END]",
        **kwargs,
    ):
        super().__init__(image_processor, tokenizer, chat_template=chat_template)
        self.patch_size, self.spatial_merge_size = patch_size, spatial_merge_size
        self.image_token, self.image_break_token, self.image_end_token = image_token, image_break_token, image_end_token
        self.image_token_id = tokenizer.convert_tokens_to_ids(image_token)

    @classmethod
    def upstream(cls) -> str:
        """The name of the processor that needs torchvision."""
        return "PixtralProcessor"

    @property
    def block(self) -> int:
        """Side in pixels of the patches that become one token."""
        return self.patch_size * self.spatial_merge_size

    def _process_images(self, images, **kwargs):
        return super()._process_images(images, **{**kwargs, "patch_size": self.block})

    def replace_image_token(self, image_inputs: dict, image_idx: int, **kwargs) -> str:
        height, width = (int(side) // self.block for side in image_inputs["image_sizes"][image_idx])
        rows = self.image_break_token.join([self.image_token * width] * height)
        return rows + self.image_end_token

    def to_dict(self):
        return super().to_dict() | {"processor_class": self.upstream()}


class InternVLImageTextProcessor(_WithoutVideos, InternVLProcessor):
    """`InternVLProcessor` for pictures and text only."""

    # Upstream reads the names of these arguments when it loads a checkpoint, and sets no others.
    def __init__(self, image_processor=None, tokenizer=None, image_seq_length=256, chat_template=None, **kwargs):
        super().__init__(image_processor, tokenizer, chat_template, image_seq_length=image_seq_length, **kwargs)


class LlavaOnevisionImageTextProcessor(_WithoutVideos, LlavaOnevisionProcessor):
    """`LlavaOnevisionProcessor` for pictures and text only."""

    def __init__(
        self,
        image_processor=None,
        tokenizer=None,
        num_image_tokens=None,
        vision_feature_select_strategy=None,
        chat_template=None,
        vision_aspect_ratio="anyres_max_9",
        **kwargs,
    ):
        super().__init__(
            image_processor,
            tokenizer,
            chat_template,
            num_image_tokens=num_image_tokens,
            vision_feature_select_strategy=vision_feature_select_strategy,
            vision_aspect_ratio=vision_aspect_ratio,
            **kwargs,
        )
