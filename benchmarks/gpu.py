# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The three claims about speed on one GPU, at the published widths with random weights, within 15 minutes.

    python -m benchmarks.gpu --out benchmarks/results/gpu.json            one GPU with 24 GB or more
    python -m benchmarks.gpu --size tiny --device cpu --out /tmp/gpu.json  the same on a CPU, in seconds

NEVER RUN ON A GPU where it was written. Layers are cut (`--layers`), so that it fits 24 GB: seconds are those of that many
layers, ratios change little with more.

train      a step with LoRA on texts about a picture, of LLaVA-1.5 and Qwen3-VL, at 1, 2, 4 and 8 texts a picture:
           `repeated` (the model's own forward, a picture for each text), `image_shared` (repeated text rows behind image
           features that are computed once), `trl` (SFTTrainer, whose fused head compacts labels on CUDA), `packed` (ours)
grounding  so many phrases about a picture with LLaVA: `generate` each, `generate` behind a copied cache of the picture, ours
loss       FiVL's joint loss and its gradient at 32 k and 152 k words: two cross entropies on full logits, torch's own
           linear_cross_entropy on every position and on gathered ones, TRL's kernel, a plain gather, ours

Each way stands with the seconds of every turn, tokens a second by the median, peak memory above what was there before, and
its result beside that of the plain way (`loss`, or how many answers are the same; in bf16 random weights have near-ties).
What the time does not suffice for is listed in `left_out`.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from PIL import Image

from benchmarks import vision_loss
from benchmarks.chain_steps import rows
from benchmarks.timing import default_dtype, on_device, parsed, parser, printed, with_versions
from benchmarks.train_step_chat import FAMILIES, VARIANTS, ChatReady
from promvil_hf.backends.base import Decoding
from promvil_hf.files import write_json
from promvil_hf.grounding.shared_prefix import shared
from promvil_hf.toy.models.parts import TinyModel
from tests.reference.grounding import answered, answered_from_copies


TEXTS = (1, 2, 4, 8)
PARTS = ("loss", "grounding", "train")
LOSS_WAYS = ("two_full", "torch_all", "torch_gather", "trl_compact", "gather", "ours")
LOSS = {"real": {32_064: 4_096, 151_936: 2_560}, "tiny": {512: 16, 1_024: 16}}  # vocabulary -> width


def main(argv=None):
    options = parser(__doc__, layers=(8, "of the language model"), pictures=4, repeats=5, minutes=15)
    options.add_argument("--size", choices=("real", "tiny"), default="real")
    options.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    options.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    options.add_argument("--texts", nargs="+", type=int, choices=TEXTS, default=list(TEXTS), help="about a picture")
    options.add_argument("--out", type=Path, help="JSON with the seconds of every turn, written anew after each way")
    args = parsed(options, argv)
    if args.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("There is no GPU here: pass --device cpu --size tiny to try the script.")
    end = time.monotonic() + 60 * args.minutes
    found, left_out = [], []
    for way in (way for part in args.only for way in {"loss": losses, "grounding": groundings, "train": trainings}[part](args)):
        name, work = way
        if time.monotonic() > end:
            left_out.append(name)
            continue
        try:
            found.append(name | work())
        except torch.cuda.OutOfMemoryError:
            found.append(name | {"out_of_memory": True})
        if args.out:
            write_json(args.out, _report(found, left_out, args))
    return printed(_report(found, left_out, args), args.out)


def _report(found: list[dict], left_out: list[dict], args) -> dict:
    device = torch.cuda.get_device_name() if args.device == "cuda" else "CPU"
    return with_versions({"device": device, "ways": found, "left_out": left_out}, args)


Way = tuple[dict[str, Any], Callable[[], dict[str, Any]]]  # what it is called, and its measurement


def _measured(way: Callable[[], Any], tokens: int, args) -> dict[str, Any]:
    taken = on_device(way, args.device, args.repeats)
    return taken | {"tokens": tokens, "tokens_a_second": tokens / median(taken["seconds"])}


# --- training -------------------------------------------------------------------------------------


def trainings(args) -> Iterator[Way]:
    """Each family at each number of texts; a model is made when its first way is measured, and is gone after its last."""
    for family in FAMILIES:
        for texts in args.texts:
            ready: list[ChatReady] = []
            for variant in VARIANTS:
                name = {"part": "train", "family": family, "texts": texts, "way": variant}
                yield name, partial(_trained, ready, variant, family, texts, args)


def _trained(ready: list[ChatReady], variant: str, family: str, texts: int, args) -> dict[str, Any]:
    if not ready:
        ready.append(made(family, texts, args))
    words = len(ready[0].collator()(ready[0].rows)["target_token"])
    losses = []
    taken = _measured(lambda: losses.append(ready[0].step(variant)), words, args)
    return taken | {"loss": losses[-1]}


def made(family: str, texts: int, args) -> ChatReady:
    """A model with LoRA, and rows of so many texts about each picture."""

    def enlarged(tiny: TinyModel):
        return tiny.model.to(args.device) if args.size == "tiny" else real(tiny, family, args.layers, args.device)

    return ChatReady(family, rows(texts, args.pictures), texts, "quarter", enlarged)


def real(tiny: TinyModel, family: str, layers: int, device: str):
    """A model with random weights of the published widths, and so many layers in its language model."""
    config, published = tiny.model.config, FAMILIES[family].published
    text = {"num_hidden_layers": layers, "tie_word_embeddings": published.tied} | published.text
    for part, changes in ((config.text_config, text), (config.vision_config, published.vision)):
        for name, value in changes.items():
            setattr(part, name, value)
    if "mrope_section" in (rope := getattr(config.text_config, "rope_parameters", None) or {}):
        config.text_config.rope_parameters = {**rope, "mrope_section": [24, 20, 20]}
    config.tie_word_embeddings = published.tied
    with torch.device(device), default_dtype(torch.bfloat16):
        return type(tiny.model)(config)


# --- grounding ------------------------------------------------------------------------------------


def groundings(args) -> Iterator[Way]:
    """Phrases about pictures, answers of 16 tokens."""
    ready: list[ChatReady] = []
    pictures = [Image.effect_noise((336, 336), 20 + 9 * number).convert("RGB") for number in range(args.pictures)]
    ways = {"generate": answered, "copied_cache": answered_from_copies, "ours": _shared}
    for texts in args.texts:
        plain: list[list[list[int]]] = []
        for name, way in ways.items():
            called = {"part": "grounding", "family": "llava", "texts": texts, "way": name}
            yield called, partial(_grounded, ready, way, pictures, texts, plain, args)


def _grounded(ready: list[ChatReady], way: Callable, pictures: list, texts: int, plain: list, args) -> dict[str, Any]:
    if not ready:
        ready.append(made("llava", 2, args))
        ready[0].model.eval()
    backend = ready[0].backend
    asked = [(number, f"the {word} thing") for number in range(len(pictures)) for word in "abcdefgh"[:texts]]
    said = []
    taken = _measured(lambda: said.append(way(backend, pictures, asked, 16)), 16 * len(asked), args)
    plain.append(said[-1])
    same = sum(one == other for one, other in zip(said[-1], plain[0], strict=True))
    return taken | {"answers": len(asked), "same_as_generate": same, "tokens": sum(map(len, said[-1]))}


def _shared(backend, pictures, asked, new_tokens: int) -> list[list[int]]:
    ways = shared(backend, 1 << 15)
    opened = ways.open(pictures, least=len(pictures))
    return [list(answer.tokens) for answer in ways.ask([(opened[number], text) for number, text in asked], Decoding(new_tokens))]


# --- loss -----------------------------------------------------------------------------------------


def losses(args) -> Iterator[Way]:
    """LLaVA's row of 1,024 tokens, 576 of them of the picture, with few labelled patches and with all of them."""
    for vocabulary, width in LOSS[args.size].items():
        for labels, (patches, texts) in vision_loss.SHARES.items():
            settings = {
                "vocabulary": vocabulary, "width": width, "rows": 8 if args.size == "real" else 1, "length": 1_024,
                "patches": patches, "texts": texts, "trained": False, "device": args.device,
                "dtype": torch.bfloat16 if args.size == "real" else torch.float32,
            }  # fmt: skip
            for name in LOSS_WAYS:
                called = {"part": "loss", "vocabulary": vocabulary, "width": width, "labels": labels, "way": name}
                yield called, partial(_lost, name, settings, args)


def _lost(name: str, settings: dict, args) -> dict[str, Any]:
    given, found = vision_loss.case(**settings), []
    taken = _measured(lambda: found.append(vision_loss.step(vision_loss.WAYS[name], given)), settings["rows"] * 1_024, args)
    return taken | {"loss": found[-1]}


if __name__ == "__main__":
    main()
