# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Detectors that take words, through transformers: Grounding DINO and MM-Grounding DINO (one class of outputs), and OWLv2.

Pictures of different sizes never share a batch, so no padding reaches the result: what a picture gives does not depend
on its neighbours. torch and transformers are loaded when they are used.
"""

from collections.abc import Iterable, Iterator, Sequence

from PIL import Image

from promvil_hf.backends.detectors import Detection, Detector, Found, suppressed
from promvil_hf.boxes import Box
from promvil_hf.distributed import local_device
from promvil_hf.hub_names import local_or_hub
from promvil_hf.progress import bars_of_long_loads_only


GROUNDING_DINO = "IDEA-Research/grounding-dino-tiny"
BOX_THRESHOLD = 0.2  # least score of a box: the setting of the FiVL release, whose code has 0.3 as its default
OWL_THRESHOLD = 0.1  # as in transformers


def grounding_dino(model, processor, threshold: float = BOX_THRESHOLD, batch_size: int = 8) -> Detector:
    """One forward pass for each pair, `batch_size` pairs at a time. A box counts when the best of its words' scores is
    above `threshold`; there is no text threshold.
    """

    def detect(pairs: Sequence[tuple[Image.Image, str]]) -> list[Found]:
        import torch

        found: list[Found] = [Found()] * len(pairs)
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
                found[index] = Found(_above(threshold, scores[row], boxes[row]))
        return found

    return detect


def owlv2(
    model, processor, threshold: float = OWL_THRESHOLD, batch_size: int = 8, overlap: float | None = 0.5
) -> Detector:
    """All nouns about a picture in one forward pass, `batch_size` pictures at a time. The model gives a box for each patch,
    so several lie on one thing: of boxes that overlap more than `overlap` the best stays (None: all do).
    """

    def detect(pairs: Sequence[tuple[Image.Image, str]]) -> list[Found]:
        import torch

        asked: dict[int, dict[str, int]] = {}  # for each picture its nouns and their places
        for picture, noun in pairs:
            noun_places = asked.setdefault(id(picture), {})
            noun_places.setdefault(noun, len(noun_places))
        pictures = {id(picture): picture for picture, _ in pairs}
        found: dict[tuple[int, str], Found] = {}
        names = list(pictures)
        for start in range(0, len(names), batch_size):
            batch = names[start : start + batch_size]
            most = max(len(asked[name]) for name in batch)
            texts = [text for name in batch for text in _photos(asked[name], most)]
            inputs = processor.tokenizer(texts, **_OWL_TEXT)  # (pictures * most, 16)
            inputs.update(processor.image_processor([pictures[name] for name in batch], return_tensors="pt"))
            with torch.inference_mode():
                outputs = model(**on_model(inputs, model))
            scores = outputs.logits.float().sigmoid().cpu()  # (pictures, patches, most)
            boxes = outputs.pred_boxes.double().cpu()  # (pictures, patches, 4): in fractions of the padded square
            for row, name in enumerate(batch):
                width, height = pictures[name].size
                side = max(width, height)
                scale = boxes.new_tensor([side / width, side / height] * 2)
                for noun, place in asked[name].items():
                    detections = _above(threshold, scores[row, :, place], boxes[row] * scale)
                    found[name, noun] = Found(detections if overlap is None else suppressed(detections, overlap))
        return [found[id(picture), noun] for picture, noun in pairs]

    return detect


_OWL_TEXT = {
    "padding": "max_length",
    "max_length": 16,
    "truncation": True,
    "return_tensors": "pt",
}  # all that it has room for


def _photos(nouns: Iterable[str], most: int) -> list[str]:
    """As OWLv2 is asked in its paper and demos, and blank texts behind: each picture of a batch is asked as much."""
    texts = [f"a photo of a {noun.lower().strip()}" for noun in nouns]
    return texts + [""] * (most - len(texts))


def _above(threshold: float, scores, boxes) -> list[Detection]:
    """The detections above a threshold, of tensors of scores (n,) and of centres and sizes (n, 4)."""
    found = []
    for query in (scores > threshold).nonzero()[:, 0].tolist():
        x, y, width, height = boxes[query].tolist()
        corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        box = Box.clipped(*(round(corner, 6) for corner in corners))
        if box is not None:
            found.append(Detection(box, round(scores[query].item(), 4)))
    return found


def pretrained(kind, name: str, device: str = "auto", dtype: str = "float32"):
    """A model in evaluation mode on a device; "auto" is the GPU of this process, or the CPU."""
    with bars_of_long_loads_only():
        model = kind.from_pretrained(local_or_hub(name, "model", "a checkpoint"), dtype=dtype, trust_remote_code=False)
    return model.to(local_device() if device == "auto" else device).eval()


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
