# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Detectors: pictures and phrases in, boxes with scores out. Grounding DINO through transformers.

Pictures of different sizes never share a batch, so no padding reaches the result: what a picture gives does not depend
on its neighbours. torch and transformers are loaded when they are used.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from PIL import Image

from promvil_hf.boxes import Box
from promvil_hf.distributed import local_device
from promvil_hf.hub_names import local_or_hub


GROUNDING_DINO = "IDEA-Research/grounding-dino-tiny"
BOX_THRESHOLD = 0.2  # least score of a box: the setting of the FiVL release, whose code has 0.3 as its default


@dataclass(frozen=True, slots=True)
class Detection:
    box: Box
    score: float


Detector = Callable[[Sequence[tuple[Image.Image, str]]], list[list[Detection]]]
"""Finds a phrase in a picture: for each pair the boxes in fractions of that picture, in the model's own order."""


def load_grounding_dino(
    name: str = GROUNDING_DINO, box_threshold: float = BOX_THRESHOLD, batch_size: int = 8, **where
) -> Detector:
    """`grounding_dino` with a checkpoint from the Hub or from a folder; `where` as in `pretrained`."""
    from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

    model = pretrained(AutoModelForZeroShotObjectDetection, name, **where)
    return grounding_dino(model, AutoProcessor.from_pretrained(name, trust_remote_code=False), box_threshold, batch_size)


def pretrained(kind, name: str, device: str = "auto", dtype: str = "float32"):
    """A model in evaluation mode on a device; "auto" is the GPU of this process, or the CPU."""
    model = kind.from_pretrained(local_or_hub(name, "model", "a checkpoint"), dtype=dtype, trust_remote_code=False)
    return model.to(local_device() if device == "auto" else device).eval()


def grounding_dino(model, processor, box_threshold: float = BOX_THRESHOLD, batch_size: int = 8) -> Detector:
    """One forward pass for each pair, `batch_size` pairs at a time. A box counts when the best of its words' scores is
    above `box_threshold`; there is no text threshold.
    """

    def detect(pairs: Sequence[tuple[Image.Image, str]]) -> list[list[Detection]]:
        import torch

        found: list[list[Detection]] = [[] for _ in pairs]
        for batch in _same_size(pairs, batch_size):
            pictures = {id(pairs[index][0]): pairs[index][0] for index in batch}  # each is resized once
            place = {name: number for number, name in enumerate(pictures)}
            shown = processor.image_processor(list(pictures.values()), return_tensors="pt")
            asked = [_asked(pairs[index][1]) for index in batch]
            inputs = processor.tokenizer(asked, padding=True, truncation=True, return_tensors="pt")
            inputs.update(
                {name: value[[place[id(pairs[index][0])] for index in batch]] for name, value in shown.items()}
            )
            inputs = on_model(inputs, model)
            with torch.inference_mode():
                outputs = model(**inputs)
            scores = outputs.logits.float().sigmoid().amax(-1).cpu()  # (B, queries)
            boxes = outputs.pred_boxes.double().cpu()  # (B, queries, 4): centre and size in fractions
            for row, index in enumerate(batch):
                for query in (scores[row] > box_threshold).nonzero()[:, 0].tolist():
                    x, y, width, height = boxes[row, query].tolist()
                    corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
                    box = Box.clipped(*(round(corner, 6) for corner in corners))
                    if box is not None:
                        found[index].append(Detection(box, round(scores[row, query].item(), 4)))
        return found

    return detect


def on_model(inputs, model):
    """`inputs` on the model's device, its floating point numbers in the model's own precision."""
    import torch

    inputs = inputs.to(model.device)
    for name, value in inputs.items():
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            inputs[name] = value.to(model.dtype)
    return inputs


def _asked(phrase: str) -> str:
    """As Grounding DINO was trained: lower case, a full stop behind each phrase."""
    return phrase.lower().strip().rstrip(".") + "."


def _same_size(pairs: Sequence[tuple[Image.Image, str]], batch_size: int) -> Iterator[list[int]]:
    by_size: dict[tuple[int, int], list[int]] = {}
    for index, (picture, _) in enumerate(pairs):
        by_size.setdefault(picture.size, []).append(index)
    for indices in by_size.values():
        for start in range(0, len(indices), batch_size):
            yield indices[start : start + batch_size]
