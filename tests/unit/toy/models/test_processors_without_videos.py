# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of the processors for pictures and text alone."""

import json
from inspect import signature

import pytest
import torch
import transformers

from tests.unit.toy.models.families import TEXTS, encode, tiny


FAMILIES = ["qwen2_vl", "qwen2_5_vl", "qwen3_vl", "glm4v", "glm46v", "gemma4", "internvl", "llava_onevision"]


@pytest.mark.skipif(
    transformers.utils.is_torchvision_available(), reason="with torchvision upstream has its video part"
)
@pytest.mark.parametrize("family", FAMILIES)
def test_upstream_still_insists_on_a_video_processor(family):
    """When this fails, upstream takes pictures and text alone, and our two image-text processors can go."""
    ours = tiny(family).processor
    upstream = getattr(transformers, type(ours).upstream())
    parts = {name: None for name in ("feature_extractor", "video_processor") if name in signature(upstream).parameters}
    with pytest.raises((AttributeError, ImportError, TypeError)):
        upstream(image_processor=ours.image_processor, tokenizer=ours.tokenizer, **parts)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_image_text_processors_refuse_videos_and_load_a_checkpoint_that_upstream_published(
    family, images, tmp_path
):
    ours = tiny(family).processor
    with pytest.raises(ValueError, match="ImageTextProcessor got videos, but it has no video processor: use "):
        ours(images=images[:1], text=["a"], videos=[images])
    # The layout of a published checkpoint: parts in their own files, the names of the full classes.
    ours.tokenizer.save_pretrained(tmp_path)
    settings_file = tmp_path / "preprocessor_config.json"
    published = ours.image_processor.to_dict() | {
        "image_processor_type": type(ours.image_processor).__name__.removesuffix("Pil") + "Fast",
        "processor_class": type(ours).upstream(),
    }
    settings_file.write_text(json.dumps(published), encoding="utf-8")
    plain = {name: value for name, value in ours.to_dict().items() if isinstance(value, int | str)}
    processor_settings = {name: value for name, value in plain.items() if name != "processor_class"}
    (tmp_path / "processor_config.json").write_text(json.dumps(processor_settings), encoding="utf-8")
    loaded = type(ours).from_pretrained(tmp_path)
    expected = encode(tiny(family), images, TEXTS)
    found = encode(tiny(family), images, TEXTS, processor=loaded)
    assert all(torch.equal(expected[key], found[key]) for key in expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_image_text_processor_never_loads_as_a_bare_tokenizer(family, tmp_path):
    tiny(family).model.config.save_pretrained(tmp_path)
    tiny(family).processor.save_pretrained(tmp_path)
    with pytest.raises((ImportError, OSError), match="video|feature extractor"):
        transformers.AutoProcessor.from_pretrained(tmp_path)
