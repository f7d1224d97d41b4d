# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Many questions about one picture with LLaVA: the picture's prefix kept, against one `generate` for each question.

    python -m benchmarks.vqa_prefix [--images 1] [--questions 16] [--new-tokens 1] [--out FILE]

One process, one thread, CPU time, the same model and questions, random weights (vision 12x384, text 8x512, 576 image
tokens), generated pictures. `naive` is transformers' own `generate` on the processor's inputs, `floor` one forward pass
over each picture's prefix and over the questions as one dense block. `equal` compares every token. Pictures that are
masked for one question each have nothing to share; this is for benchmarks that ask many questions about whole ones.
"""

from pathlib import Path

import torch
import transformers
from PIL import Image

from benchmarks.timing import counted, cpu_seconds, parsed, parser, printed, with_versions
from promvil_hf.backends.base import Decoding, Request
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.grounding.shared_prefix import shared
from promvil_hf.toy.models import tiny_llava
from tests.reference.grounding import answered


WORDS = "color man woman dog car left right holding wearing table chair next to the is what where there a of".split()
SIZES = {  # vision layers, width, picture side, patch; text layers, width, heads
    "tiny": (2, 32, 28, 7, 2, 32, 4),
    "small": (12, 384, 336, 14, 8, 512, 8),
}


def main(argv=None):
    options = parser(
        __doc__,
        images=1,
        questions=(16, "for each picture"),
        new_tokens=(1, "1: yes/no and single-word answers, as POPE reads them"),
        repeats=3,
        seed=0,
    )
    options.add_argument("--size", choices=SIZES, default="small")
    options.add_argument("--out", type=Path, help="write the report here as well")
    args = parsed(options, argv)
    report = compare(make_backend(args.size, args.seed), args)
    return printed(with_versions(report, args), args.out)


def make_backend(size: str, seed: int = 0) -> PatchTokenBackend:
    vision_layers, vision_width, side, patch, layers, width, heads = SIZES[size]
    tiny = tiny_llava(
        sentences=[" ".join(WORDS), "USER: ASSISTANT:"],
        width=width,
        layers=layers,
        heads=heads,
        vision_width=vision_width,
        vision_layers=vision_layers,
        image_size=side,
        patch_size=patch,
        context=2048,
        seed=seed,
    )
    return PatchTokenBackend(tiny.model.requires_grad_(False), tiny.processor)


def compare(backend, args) -> dict:
    random = torch.Generator().manual_seed(args.seed)
    pictures = [Image.effect_noise((320, 240), 30 + 40 * number).convert("RGB") for number in range(args.images)]
    asked = [
        (
            number,
            " ".join(WORDS[int(word)] for word in torch.randint(len(WORDS), (6 + question % 7,), generator=random))
            + "?",
        )
        for number in range(args.images)
        for question in range(args.questions)
    ]
    decoding = Decoding(args.new_tokens)
    ways = {
        "naive": lambda: answered(backend, pictures, asked, args.new_tokens),
        "ours": lambda: ours(backend, pictures, asked, decoding),
        "floor": floor(backend, pictures, asked, args.new_tokens),
    }
    plain, kept = ways["naive"](), [list(answer.tokens) for answer in ways["ours"]()]
    seconds = cpu_seconds(ways, args.repeats, warm_up=args.repeats > 1, tell=True)
    flops = {name: counted(way)[1] / len(asked) for name, way in ways.items()}
    return {
        **{name: value / len(asked) for name, value in seconds.items()},
        "ratio": seconds["naive"] / seconds["ours"],
        "over_floor": seconds["ours"] / seconds["floor"],
        "equal": plain == kept,
        "answers": len(asked),
        "flops": flops,
        "flops_ratio": flops["naive"] / flops["ours"],
        "unit": "CPU seconds of a question; FLOPs of a question",
    }


def ours(backend, pictures, asked, decoding):
    ways = shared(backend, 1 << 15)
    opened = ways.open(pictures)
    held = sum(picture.slots for picture in opened)
    return ways.ask([(opened[number], question) for number, question in asked], decoding, held=held)


def floor(backend, pictures, asked, new_tokens: int):
    inputs = [backend.inputs([Request("?", picture)]) for picture in pictures]
    suffixes = [len(backend.processor.tokenizer(f"\n{question} ASSISTANT:")["input_ids"]) for _, question in asked]
    tokens = torch.full((1, sum(suffixes) + (new_tokens - 1) * len(asked)), 7)
    width = -(-tokens.shape[1] // len(asked))
    block = torch.full((len(asked), width), 7)

    @torch.inference_mode()
    def run():
        for picture_inputs in inputs:
            backend.model.model(**picture_inputs, use_cache=True, past_key_values=transformers.DynamicCache())
        states = backend.model.model(input_ids=block, use_cache=False).last_hidden_state
        return backend.model.lm_head(states[:, :new_tokens])

    return run


if __name__ == "__main__":
    main()
