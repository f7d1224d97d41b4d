# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A batch of nested phrases as the reference's collator makes it, with a picture for each text."""

import io

import torch
from PIL import Image

from promvil_hf.phrases import to_row
from promvil_hf.training.chain_texts import chain_in


def chain_batch(row: dict, processor, image_tokens: int) -> dict[str, torch.Tensor]:
    """The reference's collator: the picture opened and shown once for each text, labels from the last `<phrase>` on."""
    written = to_row(chain_in(row), "")
    images = [Image.open(io.BytesIO(row["image"])) for _ in written["text"]]
    boxes = [
        [
            [tuple(box) for box, phrase_of_box in zip(found, match, strict=True) if phrase_of_box == phrase]
            for phrase in range(max(match) + 1)
        ]
        for found, match in zip(written["bboxes"], written["box_obj_match"], strict=True)
    ]
    batch = processor(
        images=images, text=written["text"], bboxes=boxes, num_image_tokens=image_tokens, return_tensors="pt"
    )
    phrase = processor.tokenizer.convert_tokens_to_ids("<phrase>")
    labels = batch["input_ids"].clone()
    for tokens, row_labels in zip(batch["input_ids"], labels, strict=True):
        row_labels[: (tokens == phrase).nonzero()[-1, 0]] = -100
    labels[batch["attention_mask"] == 0] = -100
    return {**batch, "labels": labels}


def joined(batches: list[dict], pad: int) -> dict[str, torch.Tensor]:
    """Batches of several lengths as one, padded on the right."""
    length = max(batch["input_ids"].shape[1] for batch in batches)
    filling = {"input_ids": pad, "labels": -100}
    return {
        name: torch.cat(
            [
                batch[name]
                if name == "pixel_values"
                else torch.nn.functional.pad(
                    batch[name], (0, length - batch[name].shape[1]), value=filling.get(name, 0)
                )
                for batch in batches
            ]
        )
        for name in batches[0]
    }
