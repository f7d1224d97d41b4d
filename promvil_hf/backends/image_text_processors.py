# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The processors of Qwen-VL models without their video half, so that they need no torchvision.

In transformers 5.23 these processors insist on a video processor, which needs torchvision, although pictures and text
never touch it. A processor learns its parts from the signature of its `__init__`; these subclasses leave the video
part out of it and change nothing else, so they also load the published checkpoints, whose image processor and
tokenizer they read. What they save carries the name of the upstream class, because `AutoProcessor` answers an unknown
name with a bare tokenizer and no word: so it fails and names the video processor it lacks. Load such a folder with
`from_pretrained` of the class below. They can go when upstream accepts `video_processor=None`; a test says when that
is so.
"""

from transformers import Qwen2_5_VLProcessor, Qwen2VLProcessor, Qwen3VLProcessor


class _WithoutVideos:
    """Mixed in before a processor of transformers: the same for pictures and text only."""

    def __init__(self, image_processor=None, tokenizer=None, chat_template=None, **kwargs):
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template, **kwargs)

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
