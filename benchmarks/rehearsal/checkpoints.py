# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Checkpoints with random weights, as the Hub holds them: configuration, processor, sharded safetensors with their index.

    python -m benchmarks.rehearsal.checkpoints kosmos2 --out kosmos2 --processor ../shared/data/kosmos2/processor_hf_derived

Kosmos-2 has its published size (1,664,485,376 parameters, 6.7 GB in float32) and is written shard by shard, so that no more
than a shard is held. LLaVA-1.5-7B has its published widths, and its layers are cut. With `--layers` Kosmos-2 is cut to so
many layers and to narrow ones. Without `--processor` Kosmos-2 gets one that is made in code.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

from promvil_hf.files import write_json
from promvil_hf.toy.chains import toy_sentences
from promvil_hf.toy.models import tiny_kosmos2, tiny_llava
from tests.recipes.real_shapes import checkpoint


SHARD = 1_000_000_000  # bytes
NARROW = {"embed_dim": 64, "ffn_dim": 128, "attention_heads": 4}
NARROW_TOWER = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4}


def kosmos2(folder: Path, processor: Path | None, layers: int | None) -> dict[str, int]:
    """Kosmos-2 with random weights; its size in parameters and shards."""
    if processor is None:
        found = tiny_kosmos2(image_size=224, latent_query_num=64, sentences=toy_sentences()).processor
    else:
        found = transformers.AutoProcessor.from_pretrained(processor)
    text = {"vocab_size": len(found.tokenizer)}
    cut = {} if layers is None else {"vision_config": {"num_hidden_layers": layers, **NARROW_TOWER}}
    text |= {} if layers is None else {"layers": layers, **NARROW}
    config = transformers.Kosmos2Config(text_config=text, **cut)
    found.save_pretrained(folder)
    return write_random(transformers.Kosmos2ForConditionalGeneration, config, folder)


def llava(folder: Path, layers: int | None) -> dict[str, int]:
    """LLaVA-1.5-7B with its widths and one layer; with `layers` a tiny one. The tokenizer is made in code."""
    if layers is None:
        checkpoint("llava-hf/llava-1.5-7b-hf", folder, None)
    else:
        tiny = tiny_llava(image_size=336, patch_size=14, context=2_048, layers=layers, sentences=toy_sentences())
        tiny.model.save_pretrained(folder)
        tiny.processor.save_pretrained(folder)
    return {"bytes": sum(path.stat().st_size for path in folder.glob("*.safetensors"))}


def write_random(model_class: type, config: transformers.PreTrainedConfig, folder: Path) -> dict[str, int]:
    """A checkpoint of this class, its weights drawn and written shard by shard."""
    with torch.device("meta"):
        model = model_class(config)
    tensors = dict(model.named_parameters())  # what is shared comes once
    shards = list(_shards(tensors))
    index: dict[str, str] = {}
    for number, names in enumerate(shards, 1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        drawn = {name: _drawn(name, tensors[name]) for name in names}
        save_file(drawn, folder / file, metadata={"format": "pt"})
        index |= dict.fromkeys(names, file)
    size = sum(tensor.numel() for tensor in tensors.values())
    write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": 4 * size}, "weight_map": index})
    config.architectures, config.dtype = [model_class.__name__], "float32"
    config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    return {"parameters": size, "shards": len(shards), "bytes": 4 * size}


def _shards(tensors: dict[str, torch.Tensor]) -> Iterator[list[str]]:
    names, size = [], 0
    for name, tensor in tensors.items():
        if names and size + 4 * tensor.numel() > SHARD:
            yield names
            names, size = [], 0
        names.append(name)
        size += 4 * tensor.numel()
    yield names


def _drawn(name: str, like: torch.Tensor) -> torch.Tensor:
    """Matrices at the scale that keeps a signal's size, the words' smaller, for they are the head too; norms do nothing."""
    if like.dim() > 1:
        generator = torch.Generator().manual_seed(sum(name.encode()))
        scale = like[0].numel() ** (-1 if "embed_tokens" in name else -0.5)
        return torch.empty(like.shape).normal_(std=scale, generator=generator)
    return torch.full(like.shape, float(name.endswith("weight")))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=("kosmos2", "llava"))
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--processor", type=Path, help="folder with Kosmos-2's own processor")
    parser.add_argument("--layers", type=int, help="of a small one")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    print(json.dumps(kosmos2(args.out, args.processor, args.layers) if args.model == "kosmos2" else llava(args.out, args.layers)))
