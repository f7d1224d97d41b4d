# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Segmenters through transformers: SAM and SAM 2 make a mask of each box, SAM 3 finds the instances of a phrase itself.

SAM answers every box with three candidates and says how good it thinks each is. By default the best one counts; FiVL's
code took all three together, which over-segments. torch and transformers are loaded when they are used.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image
from scipy import ndimage

from promvil_hf import masks
from promvil_hf.backends.detectors import Detection, Detector, Found
from promvil_hf.backends.text_detectors import on_model, pretrained
from promvil_hf.boxes import Box


Segmenter = Callable[[Sequence[tuple[Image.Image, Sequence[Box]]]], Iterator[list[np.ndarray]]]
"""Gives, picture by picture, one (H, W) mask of booleans for each box."""

SAM = "facebook/sam-vit-huge"
SAM3 = "facebook/sam3"
SAM3_THRESHOLD = 0.5  # as in transformers
PICKS = ("best", "union")
_EIGHT_NEIGHBOURS = np.ones((3, 3), bool)  # as OpenCV's contours connect pixels


def load_sam(name: str = SAM, pick: str = "best", boxes_at_once: int = 150, **where) -> Segmenter:
    """`sam` with a checkpoint of SAM or SAM 2; `where` as in `promvil_hf.backends.text_detectors.pretrained`."""
    from transformers import AutoModelForMaskGeneration, AutoProcessor

    model = pretrained(AutoModelForMaskGeneration, name, **where)
    return sam(model, AutoProcessor.from_pretrained(name, trust_remote_code=False), pick, boxes_at_once=boxes_at_once)


def sam(
    model, processor, pick: str = "best", pictures_at_once: int = 4, boxes_at_once: int = 150, threshold: float = 0.0
) -> Segmenter:
    """SAM or SAM 2 with boxes as prompts. `pick` is "best" (of the three candidates) or "union" (of all of them)."""
    if pick not in PICKS:
        raise ValueError(f"You passed pick={pick!r}: it is one of {', '.join(PICKS)}.")

    def segment(items: Sequence[tuple[Image.Image, Sequence[Box]]]) -> Iterator[list[np.ndarray]]:
        import torch

        for start in range(0, len(items), pictures_at_once):
            batch = items[start : start + pictures_at_once]
            asked = [index for index, (_, boxes) in enumerate(batch) if boxes]
            embedded = []
            if asked:
                inputs = on_model(processor(images=[batch[index][0] for index in asked], return_tensors="pt"), model)
                with torch.inference_mode():
                    embedded = model.get_image_embeddings(inputs["pixel_values"])
            for index, (picture, boxes) in enumerate(batch):
                masks: list[np.ndarray] = []
                for first in range(0, len(boxes), boxes_at_once):
                    with torch.inference_mode():
                        place = asked.index(index)
                        masks += _decoded(
                            model, processor, inputs, embedded, place, picture, boxes[first : first + boxes_at_once]
                        )
                yield masks

    def _decoded(model, processor, inputs, embedded, place: int, picture: Image.Image, boxes: Sequence[Box]):
        reshaped = inputs.get("reshaped_input_sizes")  # SAM keeps the aspect and pads; SAM 2 stretches to a square
        seen_height, seen_width = inputs["pixel_values"].shape[-2:] if reshaped is None else reshaped[place].tolist()
        corners = [
            [box.x0 * seen_width, box.y0 * seen_height, box.x1 * seen_width, box.y1 * seen_height] for box in boxes
        ]
        one_picture = slice(place, place + 1)
        outputs = model(
            image_embeddings=[part[one_picture] for part in embedded] if isinstance(embedded, list) else embedded[one_picture],
            input_boxes=torch_tensor([corners], model),
            multimask_output=True,
        )
        candidates = outputs.pred_masks[0].float()  # (n, 3, h, w)
        if pick == "best":
            best = outputs.iou_scores[0].float().argmax(-1)  # (n,)
            candidates = candidates[range(len(boxes)), best][:, None]
        sizes = [(picture.height, picture.width)]
        reshaped = () if reshaped is None else (reshaped[one_picture],)
        whole = processor.post_process_masks([candidates], sizes, *reshaped, mask_threshold=threshold)[0]
        return list(whole.any(1).cpu().numpy())

    return segment


def torch_tensor(values, model):
    import torch

    return torch.tensor(values, device=model.device, dtype=model.dtype)


def sam3(model, processor, threshold: float = SAM3_THRESHOLD, batch_size: int = 8) -> Detector:
    """SAM 3 answers a phrase with all its instances above `threshold`, masks and all. A picture is read once for all phrases
    about it, `batch_size` phrases are asked at a time.
    """

    def detect(pairs: Sequence[tuple[Image.Image, str]]) -> list[Found]:
        import torch

        places: dict[int, list[int]] = {}  # of the pairs about each picture
        for place, (picture, _) in enumerate(pairs):
            places.setdefault(id(picture), []).append(place)
        found: list[Found] = [Found()] * len(pairs)
        for picture_places in places.values():
            picture = pairs[picture_places[0]][0]
            with torch.inference_mode():
                shown = on_model(processor(images=picture, return_tensors="pt"), model)
                seen = model.get_vision_features(pixel_values=shown["pixel_values"])
            for start in range(0, len(picture_places), batch_size):
                batch = picture_places[start : start + batch_size]
                asked = on_model(processor(text=[pairs[place][1] for place in batch], return_tensors="pt"), model)
                with torch.inference_mode():
                    outputs = model(
                        vision_embeds=_repeated(seen, len(batch)),
                        input_ids=asked["input_ids"],
                        attention_mask=asked["attention_mask"],
                    )
                sizes = [(picture.height, picture.width)] * len(batch)
                instances = processor.post_process_instance_segmentation(
                    outputs, threshold=threshold, target_sizes=sizes
                )
                for place, each in zip(batch, instances, strict=True):
                    found[place] = Found(_instances(each, picture.size))
        return found

    return detect


def _repeated(seen, times: int):
    """What the vision tower saw in one picture, for so many phrases."""
    repeated = type(seen)()
    for name, value in seen.items():
        several = isinstance(value, list | tuple)
        rows = [part.expand(times, *part.shape[1:]) for part in (value if several else (value,))]
        repeated[name] = tuple(rows) if several else rows[0]
    return repeated


def _instances(found: dict, size: tuple[int, int]) -> list[Detection]:
    corners = (found["boxes"].double().cpu() / found["boxes"].new_tensor([*size, *size]).double().cpu()).tolist()
    scores = found["scores"].float().cpu().tolist()
    pixels = found["masks"].bool().cpu().numpy()
    return [
        Detection(box, round(score, 4), masks.encode(mask))
        for fractions, score, mask in zip(corners, scores, pixels, strict=True)
        if (box := Box.clipped(*fractions)) is not None
    ]


def masked(detector: Detector, segment: Segmenter) -> Detector:
    """The same detector, each of its boxes with the mask that the segmenter makes of it. A mask without a pixel is none."""

    def detect(pairs: Sequence[tuple[Image.Image, str]]) -> list[Found]:
        found = detector(pairs)
        bare: dict[int, list[Box]] = {}  # for each picture the boxes without a mask, each once
        pictures = {id(picture): picture for picture, _ in pairs}
        for (picture, _), answer in zip(pairs, found, strict=True):
            boxes = bare.setdefault(id(picture), [])
            boxes += [each.box for each in answer.detections if each.mask is None and each.box not in boxes]
        asked = [name for name, boxes in bare.items() if boxes]
        made = segment([(pictures[name], bare[name]) for name in asked])
        known = {
            (name, box): masks.encode(pixels) if pixels.any() else None
            for name, picture_masks in zip(asked, made, strict=True)
            for box, pixels in zip(bare[name], picture_masks, strict=True)
        }
        return [
            replace(
                answer,
                detections=[
                    replace(each, mask=each.mask or known.get((id(picture), each.box))) for each in answer.detections
                ],
            )
            for (picture, _), answer in zip(pairs, found, strict=True)
        ]

    return detect


def refined(mask: np.ndarray, keep: float = 0.1) -> np.ndarray:
    """The parts of a mask that have more than `keep` times the largest one's area, their holes filled."""
    rows, columns = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
    if not len(rows):
        return mask
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    filled = ndimage.binary_fill_holes(mask[window])
    labels, count = ndimage.label(filled, structure=_EIGHT_NEIGHBOURS)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    areas[0] = 0
    out = np.zeros_like(mask, bool)
    out[window] = (areas > keep * areas.max())[labels]
    return out
