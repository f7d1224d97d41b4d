# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of the tiny detector and the tiny segmenter."""

import torch
import transformers

from tests.unit.toy.models.families import parameter_count, tiny


def test_grounding_dino_finds_phrases_by_berts_own_ids_and_survives_a_round_trip(images, tmp_path):
    made = tiny("grounding_dino")
    tokenizer = made.processor.tokenizer
    assert tokenizer.convert_tokens_to_ids(["[PAD]", "[CLS]", "[SEP]", ".", "?"]) == [0, 101, 102, 1012, 1029]
    assert parameter_count(made.model) < 300_000
    texts = ["a red circle. a square.", "a zebra."]
    batch = made.processor(images=images, text=texts, return_tensors="pt", padding=True)
    with torch.no_grad():
        outputs = made.model(**batch)
    assert outputs.pred_boxes.shape == (2, 12, 4)
    assert (outputs.pred_boxes.std(dim=1) > 0).all()
    found = made.processor.post_process_grounded_object_detection(
        outputs, batch["input_ids"], threshold=0.0, text_threshold=0.0, target_sizes=[(40, 60), (50, 30)]
    )
    assert [len(result["boxes"]) for result in found] == [12, 12]
    made.model.save_pretrained(tmp_path)
    made.processor.save_pretrained(tmp_path)
    model = transformers.AutoModelForZeroShotObjectDetection.from_pretrained(tmp_path)
    again = transformers.AutoProcessor.from_pretrained(tmp_path)(
        images=images, text=texts, return_tensors="pt", padding=True
    )
    with torch.no_grad():
        assert torch.equal(model(**again).pred_boxes, outputs.pred_boxes)


def test_sam_turns_boxes_into_masks_of_the_pictures_own_size(images, tmp_path):
    made = tiny("sam")
    assert parameter_count(made.model) < 300_000
    boxes = [[[5.0, 5.0, 30.0, 30.0]], [[1.0, 2.0, 20.0, 20.0]]]
    made.model.save_pretrained(tmp_path)
    made.processor.save_pretrained(tmp_path)
    loaded = transformers.SamModel.from_pretrained(tmp_path), transformers.AutoProcessor.from_pretrained(tmp_path)
    masks = []
    for model, processor in ((made.model, made.processor), loaded):
        batch = processor(images=images, input_boxes=boxes, return_tensors="pt")
        sizes = batch.pop("original_sizes"), batch.pop("reshaped_input_sizes")
        with torch.no_grad():
            low = model(**batch, multimask_output=False).pred_masks
        masks.append(processor.image_processor.post_process_masks(low, *sizes))
    assert [tuple(mask.shape) for mask in masks[0]] == [(1, 1, 40, 60), (1, 1, 50, 30)]
    assert all(torch.equal(one, two) for one, two in zip(*masks, strict=True))
    assert all(0 < mask.float().mean() < 1 for mask in masks[0])
