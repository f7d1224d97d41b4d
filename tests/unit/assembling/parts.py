# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Small checkpoints of vision towers and language models with random weights, as their authors' tools save them."""

from pathlib import Path

import transformers

from promvil_hf.backends.convolutional_tower import EfficientNetLiteModel, image_processor
from promvil_hf.backends.convolutional_tower_config import EfficientNetLiteConfig
from promvil_hf.toy.models.parts import HALF_MEAN, TinySizes, with_random_weights


SIZES = TinySizes()
TOWER = SIZES.vision()
SHORT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "patch_size": 7}
CHAT = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def clip(folder: Path) -> Path:
    """With its text half, as CLIP is published."""
    config = transformers.CLIPConfig(
        vision_config=TOWER, text_config={**SHORT, "intermediate_size": 64, "vocab_size": 99}, projection_dim=16
    )
    return _tower(folder, transformers.CLIPModel, config, _cropped(transformers.CLIPImageProcessorPil))


def siglip(folder: Path) -> Path:
    """With its text half, as SigLIP is published. It has no class token."""
    config = transformers.SiglipConfig(vision_config=TOWER, text_config={**SHORT, "intermediate_size": 64, "vocab_size": 99})
    stretched = transformers.SiglipImageProcessorPil(size=SIZES.square, **HALF_MEAN)
    return _tower(folder, transformers.SiglipModel, config, stretched)


def dinov2(folder: Path) -> Path:
    """Trained on larger pictures than its processor makes, as DINOv2 is published."""
    config = transformers.Dinov2Config(**SHORT, image_size=42)
    return _tower(folder, transformers.Dinov2Model, config, _cropped(transformers.BitImageProcessorPil))


def dinov2_with_registers(folder: Path) -> Path:
    config = transformers.Dinov2WithRegistersConfig(**SHORT, image_size=28, num_register_tokens=4)
    return _tower(folder, transformers.Dinov2WithRegistersModel, config, _cropped(transformers.BitImageProcessorPil))


def dinov3(folder: Path) -> Path:
    config = transformers.DINOv3ViTConfig(**SHORT, intermediate_size=64, image_size=28, num_register_tokens=4)
    return _tower(folder, transformers.DINOv3ViTModel, config, _cropped(transformers.BitImageProcessorPil))


def convolutional(folder: Path) -> Path:
    """Of the package's own kind: as many places as the others, from four halvings that begin with the stem."""
    config = EfficientNetLiteConfig(
        image_size=64, patch_size=16, stem_width=8, head_width=48, depths=[1, 2, 1], widths=[8, 12, 16], kernels=[3, 5, 3],
        strides=[2, 2, 2], expansions=[1, 2, 2],
    )  # fmt: skip
    return _tower(folder, EfficientNetLiteModel, config, image_processor(64))


def llama(folder: Path) -> Path:
    """It chats, and has neither a token for padding nor shared embeddings."""
    tokenizer = SIZES.tokenizer(special_tokens=["<unk>", "<s>", "</s>"], bos_token="<s>", eos_token="</s>", pad_token="</s>")
    tokenizer.pad_token = None
    tokenizer.chat_template = CHAT
    return _language(folder, tokenizer, "Llama", tie_word_embeddings=False)


def qwen2(folder: Path) -> Path:
    """It was never trained to chat, shares its embeddings, and has more rows than its tokenizer has tokens."""
    tokenizer = SIZES.tokenizer(special_tokens=["<|endoftext|>"], eos_token="<|endoftext|>", pad_token="<|endoftext|>")
    return _language(folder, tokenizer, "Qwen2", tie_word_embeddings=True, vocab_size=len(tokenizer) + 32)


def _cropped(image_processor_class):
    return image_processor_class(size={"shortest_edge": SIZES.image_size}, crop_size=SIZES.square, do_center_crop=True)


def _tower(folder: Path, model_class, config, image_processor) -> Path:
    with_random_weights(model_class, config, seed=1).save_pretrained(folder)
    image_processor.save_pretrained(folder)
    return folder


def _language(folder: Path, tokenizer, name: str, **settings) -> Path:
    config = getattr(transformers, f"{name}Config")(**SIZES.text(tokenizer, **settings))
    with_random_weights(getattr(transformers, f"{name}ForCausalLM"), config, seed=2).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
