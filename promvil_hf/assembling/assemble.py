# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Put a LLaVA together: any vision tower with hidden states, any causal language model, and an untrained projector between.

What is written is an ordinary checkpoint: `AutoModelForImageTextToText` loads it without this package, or after
`import promvil_hf` if its tower is one of this package.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image

from promvil_hf.assembling.chat_templates import chat_template
from promvil_hf.backends.checkpoint_names import located
from promvil_hf.files import draft_folder, move, write_text
from promvil_hf.progress import bars_of_long_loads_only


IMAGE_TOKEN = "<image>"
PAD_TOKEN = "<pad>"


@dataclass(frozen=True, slots=True)
class Assembled:
    """The model with its processor, and how many parameters each part has.

    `parameters` counts tied weights once; `image_tokens` is how many a picture takes.
    """

    model: transformers.LlavaForConditionalGeneration
    processor: transformers.LlavaProcessor
    parameters: dict[str, int]
    image_tokens: int


@dataclass(frozen=True, slots=True)
class _Tower:
    model: transformers.PreTrainedModel
    image_processor: Any
    places: int  # patches of a picture
    leading: int  # tokens of the tower before the patches: class token and registers


def assemble(
    vision: str,
    language: str,
    *,
    feature_layer: int | None = None,
    vision_revision: str | None = None,
    language_revision: str | None = None,
    dtype: str | torch.dtype = "auto",
    seed: int = 0,
) -> Assembled:
    """A LLaVA of two pretrained parts.

    Args:
        vision: Folder or Hub id of a vision tower: CLIP, SigLIP, DINOv2, DINOv3 and others whose model gives hidden states, or
            a convolutional one of this package. Of a checkpoint with a text half, such as CLIP's, only the tower is taken.
        language: Folder or Hub id of a causal language model.
        feature_layer: Which hidden state of the tower the projector reads; -2, the last but one, unless given, as in LLaVA-1.5.
            A convolutional tower has one alone.
        vision_revision: Of the tower on the Hub.
        language_revision: Of the language model on the Hub.
        dtype: Of all weights; "auto" is that of the language model as it was saved.
        seed: Of the projector's first weights.

    The projector has two layers with a GELU between: from the tower's width to that of the language model, and from there to
    the same width. It is not trained: align it before anything else.
    """
    vision, language = located(vision), located(language)
    _check_language(language, language_revision)
    vision_config = _vision_config(vision, vision_revision)
    feature_layer = _layer(feature_layer, vision_config)
    with bars_of_long_loads_only():
        speaker = transformers.AutoModelForCausalLM.from_pretrained(
            language, revision=language_revision, dtype=dtype, trust_remote_code=False
        )
    tokenizer = transformers.AutoTokenizer.from_pretrained(language, revision=language_revision, trust_remote_code=False)
    tower = _tower(vision, vision_revision, vision_config, speaker.dtype)
    template = chat_template(tokenizer.chat_template, IMAGE_TOKEN, tokenizer.eos_token or "")
    _add_tokens(tokenizer, speaker)
    config = transformers.LlavaConfig(
        vision_config=tower.model.config,
        text_config=speaker.config,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
        image_seq_length=tower.places + max(tower.leading - 1, 0),
        vision_feature_layer=feature_layer,
        vision_feature_select_strategy="default" if tower.leading else "full",
        tie_word_embeddings=bool(speaker.config.tie_word_embeddings),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=speaker.config.bos_token_id,
        eos_token_id=speaker.config.eos_token_id,
        dtype=speaker.dtype,
    )
    model = _joined(config, tower.model, speaker, seed)
    processor = transformers.LlavaProcessor(
        tower.image_processor,
        tokenizer,
        patch_size=tower.model.config.patch_size,
        vision_feature_select_strategy=config.vision_feature_select_strategy,
        num_additional_image_tokens=tower.leading,
        image_token=IMAGE_TOKEN,
        chat_template=template,
    )
    return Assembled(model, processor, _parameters(model), config.image_seq_length)


def write(assembled: Assembled, folder: Path, card: str) -> Path:
    """Write the checkpoint with its card. The folder appears when it is complete."""
    if folder.exists():
        raise FileExistsError(f"You asked to write a checkpoint to {folder}, which is there already: name a new folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with draft_folder(folder.parent) as draft:
        assembled.model.save_pretrained(draft / "made")
        assembled.processor.save_pretrained(draft / "made")
        write_text(draft / "made" / "README.md", card)
        return move(draft / "made", folder)


def _check_language(language: str, revision: str | None) -> None:
    config = transformers.AutoConfig.from_pretrained(language, revision=revision, trust_remote_code=False)
    if type(config) not in transformers.MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ValueError(f"{language} is no causal language model: it is of the type {config.model_type!r}.")


def _vision_config(vision: str, revision: str | None) -> transformers.PretrainedConfig:
    whole = transformers.AutoConfig.from_pretrained(vision, revision=revision, trust_remote_code=False)
    config = getattr(whole, "vision_config", whole)
    if not hasattr(config, "num_hidden_layers") or not isinstance(getattr(config, "patch_size", None), int):
        raise ValueError(
            f"{vision} is no vision tower with square patches of one size: it is of the type {config.model_type!r}. Give one "
            "such as CLIP, SigLIP, DINOv2 or DINOv3, or a convolutional one as `promvil fetch real` makes it."
        )
    return config


def _tower(vision: str, revision: str | None, config: transformers.PretrainedConfig, dtype: torch.dtype) -> _Tower:
    with torch.device("meta"):
        of_class = type(transformers.AutoModel.from_config(config))
    with bars_of_long_loads_only():
        model = of_class.from_pretrained(vision, revision=revision, config=config, dtype=dtype)
    image_processor = transformers.AutoImageProcessor.from_pretrained(vision, revision=revision, trust_remote_code=False)
    places, leading = _tokens(model, image_processor, vision)
    return _Tower(model, image_processor, places, leading)


def _tokens(model, image_processor, vision: str) -> tuple[int, int]:
    """How many patches the tower sees of any picture, and how many tokens it puts before them, by trying it."""
    grey = [Image.fromarray(np.full((height, width, 3), 128, np.uint8)) for height, width in ((300, 500), (500, 300))]
    pixels = [image_processor(picture, return_tensors="pt")["pixel_values"] for picture in grey]
    if len({tuple(values.shape) for values in pixels}) > 1 or pixels[0].dim() != 4:
        raise ValueError(
            f"The image processor of {vision} makes pictures of different sizes, or several of one. A LLaVA of this form needs "
            "one square picture: use the tower of another checkpoint."
        )
    height, width = pixels[0].shape[-2:]
    patch = model.config.patch_size
    places = (height // patch) * (width // patch)
    with torch.no_grad():
        seen = model.eval()(pixels[0].to(model.dtype), output_hidden_states=True).hidden_states
    leading = seen[0].shape[1] - places
    if leading < 0:
        raise ValueError(f"{vision} gives {seen[0].shape[1]} tokens for {places} patches: a LLaVA needs one token a patch.")
    return places, leading


def _add_tokens(tokenizer, speaker) -> None:
    """The mark of a picture and a token for padding, where they are missing. A new row of weights is the mean of the others."""
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE_TOKEN]}, replace_extra_special_tokens=False)
    if tokenizer.pad_token is None:
        tokenizer.add_special_tokens({"pad_token": PAD_TOKEN})
    rows = speaker.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        speaker.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        with torch.no_grad():
            for layer in (speaker.get_input_embeddings(), speaker.get_output_embeddings()):
                layer.weight[rows:] = layer.weight[:rows].mean(0)


def _layer(feature_layer: int | None, config) -> int:
    states = config.num_hidden_layers + 1
    if feature_layer is None:
        return -min(2, states)
    if not -states <= feature_layer < states:
        raise ValueError(f"You passed the feature layer {feature_layer}: this tower has {states} hidden states, -1 is the last.")
    return feature_layer


def _joined(config, tower, speaker, seed: int) -> transformers.LlavaForConditionalGeneration:
    with torch.device("meta"):
        model = transformers.LlavaForConditionalGeneration(config)
    model.model.vision_tower = tower
    model.model.language_model = speaker.base_model
    model.lm_head = speaker.get_output_embeddings()
    projector = type(model.model.multi_modal_projector)(config)
    generator = torch.Generator().manual_seed(seed)
    for layer in (projector.linear_1, projector.linear_2):
        torch.nn.init.normal_(layer.weight, std=layer.in_features**-0.5, generator=generator)
        if layer.bias is not None:
            torch.nn.init.zeros_(layer.bias)
    model.model.multi_modal_projector = projector.to(speaker.dtype)
    model.tie_weights()
    model.generation_config = speaker.generation_config
    model.generation_config.pad_token_id = config.pad_token_id
    return model.eval()


def _parameters(model) -> dict[str, int]:
    parts = {
        "vision tower": model.model.vision_tower,
        "projector": model.model.multi_modal_projector,
        "language model": torch.nn.ModuleList([model.model.language_model, model.lm_head]),
    }
    return {name: sum(weight.numel() for weight in part.parameters()) for name, part in parts.items()}  # shared weights once
