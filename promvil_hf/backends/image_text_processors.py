# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The processors of Qwen2.5-VL and Qwen3-VL without their video half, so that they need no torchvision.

In transformers 5.23 both processors insist on a video processor, which needs torchvision, although pictures and text
never touch it. A processor learns its parts from the signature of its `__init__`; these subclasses leave the video
part out of it and change nothing else, so they also load the published checkpoints, whose image processor and
tokenizer they read. What they save carries the name of the upstream class, because `AutoProcessor` answers an unknown
name with a bare tokenizer and no word: so it fails and names the video processor it lacks. Load such a folder with
`from_pretrained` of the class below. They can go when upstream accepts `video_processor=None`; a test says when that
is so. Floor 3.
"""

from transformers import Qwen2_5_VLProcessor, Qwen3VLProcessor


class Qwen2_5_VLImageTextProcessor(Qwen2_5_VLProcessor):
    """`Qwen2_5_VLProcessor` for pictures and text only."""

    def __init__(self, image_processor=None, tokenizer=None, chat_template=None, **kwargs):
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template, **kwargs)

    def validate_inputs(self, images=None, text=None, videos=None, audio=None, **kwargs):
        _refuse_videos(self, videos)
        super().validate_inputs(images=images, text=text, videos=videos, audio=audio, **kwargs)

    def to_dict(self):
        return super().to_dict() | {"processor_class": "Qwen2_5_VLProcessor"}


class Qwen3VLImageTextProcessor(Qwen3VLProcessor):
    """`Qwen3VLProcessor` for pictures and text only."""

    def __init__(self, image_processor=None, tokenizer=None, chat_template=None, **kwargs):
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template, **kwargs)

    def validate_inputs(self, images=None, text=None, videos=None, audio=None, **kwargs):
        _refuse_videos(self, videos)
        super().validate_inputs(images=images, text=text, videos=videos, audio=audio, **kwargs)

    def to_dict(self):
        return super().to_dict() | {"processor_class": "Qwen3VLProcessor"}


def _refuse_videos(processor, videos) -> None:
    if videos is not None:
        raise ValueError(
            f"{type(processor).__name__} got videos, but it has no video processor: use "
            f"{type(processor).__mro__[1].__name__} on a machine with torchvision, or pass the frames as images."
        )
