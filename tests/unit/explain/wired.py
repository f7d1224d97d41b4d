# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A tiny LLaVA whose weights are set by hand, so that the truth about it is known: it names the color that it sees.

The world is one red, green or blue thing on a pale ground, the question is its color. Patches measure how red, green or
blue they are; the first layer gathers this over the picture; the word with most of it is said, or "red" where there is
nothing. How much of the picture is seen is a setting. One head of the second layer looks where the color is; all others
look at random.
"""

import functools

import torch
from PIL import Image

from promvil_hf import masks
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.boxes import Box
from promvil_hf.explain.layer_names import Head
from promvil_hf.fivl.fivl_rows import FivlRow, Key
from promvil_hf.key_expressions import Turn
from promvil_hf.toy.gqa import gqa_questions
from promvil_hf.toy.models import tiny_llava
from promvil_hf.toy.world import WorldConfig, scenes


COLORS = ("red", "green", "blue")
WORLD = WorldConfig(
    image_size=(96, 96),
    objects=(1, 1),
    levels=1,
    distractors=0,
    colors=COLORS,
    textures=("plain",),
    predicates=(),
    object_scale=1.4,
)
PLACE = (1, 2)  # layer and head that look where the color is
PLANTED = Head.of(*PLACE)
_SIDE = 8  # patches a side
_CONST, _DONE, _SEEN, _FOUND = 0, 1, 8, 11  # channels of the text model
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@functools.cache
def rows(count: int = 300, seed: int = 0) -> tuple[tuple[FivlRow, ...], dict[str, Image.Image]]:
    """Color questions with key expressions, and the pictures by name."""
    made, pictures = [], {}
    for scene in scenes(WORLD, count, seed):
        for question in gqa_questions(scene):
            if question.types["structural"] != "query" or question.answer not in COLORS:
                continue
            name = f"{scene.image_id}.png"
            pictures[name] = scene.image()
            keys = tuple(Key(region.located(scene), region.text) for region in question.keys)
            turn = Turn(0, question.question, question.answer)
            made.append(
                FivlRow(
                    f"toy-{question.question_id}",
                    "gqa",
                    question.question_id,
                    name,
                    scene.size,
                    (turn,),
                    keys,
                    (question.answer,),
                )  # fmt: skip
            )
            break
    return tuple(made), pictures


def backend(sees: float = 1.0, seed: int = 0) -> PatchTokenBackend:
    """`sees` is the share of the picture, from the left, that reaches the text model: 1, 0 or something between."""
    made = tiny_llava(
        sentences=["What color is the thing? It is red. It is green. It is blue.", *COLORS] * 4,
        image_size=7 * _SIDE, patch_size=7, fit="stretch", seed=seed,
    )  # fmt: skip
    model, tokenizer = made.model, made.processor.tokenizer
    with torch.no_grad():
        _wire_vision(model, sees)
        _wire_text(model, tokenizer, seed)
    return PatchTokenBackend(model, made.processor)


def _wire_vision(model, sees: float) -> None:
    """Patches carry their mean color; a layer norm whose spread is a constant leaves it as it is."""
    tower = model.model.vision_tower
    tower = getattr(tower, "vision_model", tower)
    embeddings, width = tower.embeddings, tower.config.hidden_size
    for parameter in (
        embeddings.patch_embedding.weight,
        embeddings.position_embedding.weight,
        embeddings.class_embedding,
    ):
        parameter.zero_()
    spread = 100.0
    for channel in range(3):
        embeddings.patch_embedding.weight[channel, channel] = _STD[channel] / 49
        embeddings.position_embedding.weight[:, channel] = _MEAN[channel]
    embeddings.position_embedding.weight[:, 3] = spread
    embeddings.position_embedding.weight[:, 4] = -spread
    for patch in range(_SIDE**2):  # the class token is number 0
        if patch % _SIDE + 0.5 >= sees * _SIDE:
            embeddings.position_embedding.weight[1 + patch, 5] = 20.0
    tower.pre_layrnorm.weight.fill_(spread * (2 / width) ** 0.5)
    tower.pre_layrnorm.bias.zero_()
    for layer in tower.encoder.layers:
        for last in (layer.self_attn.out_proj, layer.mlp.fc2):
            last.weight.zero_()
            last.bias.zero_()
    first, second = model.model.multi_modal_projector.linear_1, model.model.multi_modal_projector.linear_2
    for linear in (first, second):
        linear.weight.zero_()
        linear.bias.zero_()
    steep = 200.0
    for channel in range(3):
        first.weight[channel, :3] = -0.5 * steep
        first.weight[channel, channel] = steep
        first.weight[channel, 5], first.weight[channel, 6] = -steep, steep  # the norm takes the mean off both
        first.bias[channel] = -0.05 * steep
        second.weight[_SEEN + channel, channel] = 1 / steep
    second.bias[_CONST] = 10.0


def _wire_text(model, tokenizer, seed: int) -> None:
    text, head = model.model.language_model, model.lm_head
    words = [tokenizer(f" {color}", add_special_tokens=False)["input_ids"] for color in COLORS]  # as behind "ASSISTANT:"
    assert all(len(ids) == 1 for ids in words), "each color must be one token"
    words = [ids[0] for ids in words]
    text.embed_tokens.weight.zero_()
    text.embed_tokens.weight[:, _CONST] = 10.0
    text.embed_tokens.weight[words, _DONE] = 10.0
    generator = torch.Generator().manual_seed(seed + 1)
    size = text.layers[0].self_attn.head_dim
    for number, layer in enumerate(text.layers):
        for norm in (layer.input_layernorm, layer.post_attention_layernorm, text.norm):
            norm.weight.fill_(1.0)
        layer.mlp.down_proj.weight.zero_()
        attention = layer.self_attn
        for linear in (attention.q_proj, attention.k_proj):
            linear.weight.normal_(std=0.3, generator=generator)
        attention.v_proj.weight.zero_()
        attention.o_proj.weight.zero_()
        if number == 0:  # head 0 looks at everything alike and gathers the colors
            attention.q_proj.weight[:size] = 0
            for channel in range(3):
                attention.v_proj.weight[channel, _SEEN + channel] = 1.0
                attention.o_proj.weight[_FOUND + channel, channel] = 1.0
    layer, planted = PLACE
    attention = text.layers[layer].self_attn
    group = planted // (attention.config.num_attention_heads // attention.config.num_key_value_heads)
    slow = size // 2 - 1  # this dimension hardly turns with the distance
    attention.q_proj.weight[planted * size : (planted + 1) * size] = 0
    attention.q_proj.weight[planted * size + slow, _CONST] = 1.0
    attention.k_proj.weight[group * size + slow] = 0
    attention.k_proj.weight[group * size + slow, _SEEN : _SEEN + 3] = 5.0
    head.weight.zero_()
    head.weight[:, _CONST] = -1.0
    head.weight[words, _CONST] = 0.0
    head.weight[words[0], _CONST] = 0.002  # said where nothing is seen
    for channel, word in enumerate(words):
        head.weight[word, _FOUND + channel] = 100.0
    head.weight[tokenizer.eos_token_id, _DONE] = 1000.0


def grid_mask(mask):
    """The share of each patch that a mask covers, as the wired model's patches lie."""
    boxes = [Box(x / _SIDE, y / _SIDE, (x + 1) / _SIDE, (y + 1) / _SIDE) for y in range(_SIDE) for x in range(_SIDE)]
    return masks.coverage(mask, boxes)
