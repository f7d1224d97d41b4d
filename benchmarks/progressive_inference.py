# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Progressive grounding with Kosmos-2: ours, the published way, plain batches, and the counted floor.

    python -m benchmarks.progressive_inference [--images 4] [--expressions 16] [--table] [--full-size] [--out FILE]

One process, one thread, CPU time, the same model and queries for every way. Random weights, generated pictures.

    reference    (a)  full prompt and vision tower for each phrase of each level, batch 1, 32 new tokens (time only)
    reference_3  (a') the same, stopped after the box: 3 tokens among those that keep a box well-formed, as in ours
    batched      (b)  plain `generate` on padded batches of a level, 3 tokens, pictures repeated for each row
    ours         (c)  `ProgressiveGrounder`, constrained, one box
    floor        (d)  each picture and each token once, dense and unpadded; its time leaves out attention to the prefix

`reference` and `reference_3` are timed on the first `--reference-queries` queries; times are seconds of a query.
`equal` says that (a'), (b) and (c) found the same boxes, `agree` for how many queries of those asked: in bf16 random
weights have near-ties, which the order of a sum decides. FLOPs are counted, not estimated. The small model has 81 M
parameters (vision 12x384, text 8x512, vocabulary 65,037), `--full-size` is the published shape, 1.66 B, in bf16.
"""

import sys
from itertools import groupby, product
from operator import eq
from pathlib import Path

import torch
import transformers
from PIL import Image

from benchmarks.timing import counted, cpu_seconds, default_dtype, once, parsed, parser, printed, with_versions
from promvil_hf.backends.kosmos2 import Kosmos2Backend
from promvil_hf.grounding import GroundingOptions, ProgressiveGrounder, Query
from promvil_hf.grounding.shared_prefix import SharedKosmos2
from promvil_hf.nesting import decompose
from promvil_hf.toy.models import tiny_kosmos2
from tests.reference.grounding import batched, generated, naive_steps, well_formed


THINGS = "man woman dog car bus table chair cup hat jacket umbrella bag horse bench tree lamp".split()
COLOURS = "red green blue white black yellow brown grey".split()
SIZES = {  # vision layers, width; text layers, width, heads; picture side; latent queries; vocabulary
    "tiny": (2, 32, 2, 256, 4, 28, 64, None),
    "small": (12, 384, 8, 512, 8, 224, 64, 65_037),
    "full": (24, 1024, 24, 2048, 32, 224, 64, 65_037),
}


SLOW = ("reference_3", "reference", "batched")
IN_TABLE = ("naive", "ours", "floor", "ratio", "over_floor", "flops_ratio", "flops_over_floor", "equal")


def main(argv=None):
    options = parser(
        __doc__,
        images=4,
        expressions=(16, "for each picture"),
        repeats=(3, "of the quick ways; the slow ones run once"),
        reference_queries=4,
        seed=0,
    )
    options.add_argument("--levels", type=int, default=3, choices=(1, 2, 3, 4))
    options.add_argument("--leave-out", nargs="+", choices=(*SLOW, "flops"), default=(), help="do not run these")
    options.add_argument("--size", choices=SIZES, default="small")
    options.add_argument("--full-size", action="store_const", const="full", dest="size")
    about = "(a'), ours and the floor over expressions and levels as well"
    options.add_argument("--table", action="store_true", help=about)
    options.add_argument("--out", type=Path, help="write the report here as well")
    args = parsed(options, argv)
    backend = make_backend(args.size, args.seed)
    asked = queries(args.images, args.expressions, args.levels, args.seed)
    report = compare(backend, asked, args.repeats, args.reference_queries, args.leave_out)
    if args.table:
        report["table"] = []
        for levels, count in product((1, 2, 3, 4), (1, 4, 16)):
            found = compare(backend, queries(args.images, count, levels, args.seed), 1, 1, SLOW[1:])
            size = {"images": args.images, "expressions": count, "levels": levels}
            report["table"].append({**size, **{name: found[name] for name in IN_TABLE}})
    return printed(with_versions(report, args), args.out)


def make_backend(size: str, seed: int = 0) -> Kosmos2Backend:
    """Random weights in the given shape; ids beyond the toy tokenizer's exist for the head's sake and are never read."""
    vision_layers, vision_width, layers, width, heads, side, latents, vocabulary = SIZES[size]
    sentences = [f"the {colour} {thing} behind a {thing} with the {thing} and next to on of in holding wearing"
                 for colour in COLOURS for thing in THINGS]  # fmt: skip
    tiny = tiny_kosmos2(sentences=[*sentences, "We can see in the image: Base on that, we can detect:"],
                        image_size=side, width=width if size == "tiny" else 32, vision_width=32)  # fmt: skip
    if size == "tiny":
        return Kosmos2Backend(tiny.model.requires_grad_(False), tiny.processor)
    config = tiny.model.config
    text = config.text_config.to_dict() | {
        "embed_dim": width,
        "layers": layers,
        "ffn_dim": 4 * width,
        "attention_heads": heads,
        "vocab_size": vocabulary,
        "max_position_embeddings": 2048,
    }
    vision = config.vision_config.to_dict() | {
        "hidden_size": vision_width,
        "intermediate_size": 4 * vision_width,
        "num_hidden_layers": vision_layers,
        "num_attention_heads": vision_width // 64,
        "image_size": side,
        "patch_size": 14,
    }
    config = transformers.Kosmos2Config(text_config=text, vision_config=vision, latent_query_num=latents)
    torch.manual_seed(seed)
    with default_dtype(torch.bfloat16 if size == "full" else torch.float32):
        model = transformers.Kosmos2ForConditionalGeneration(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:  # upstream's own start leaves a random model nearly blind to the picture
                weight.normal_(std=2.0 * weight[0].numel() ** -0.5)
    model.requires_grad_(False)
    return Kosmos2Backend(model.eval(), tiny.processor)


def queries(images: int, expressions: int, levels: int, seed: int) -> list[Query]:
    """Chains of 2 phrases + 1 + 1 … up to the level asked for; all expressions of a picture differ."""
    random = torch.Generator().manual_seed(seed)

    def pick(words):
        return words[int(torch.randint(len(words), (1,), generator=random))]

    def thing():
        return f"the {pick(COLOURS)} {pick(THINGS)}"

    def expression():
        if levels == 1:
            return thing()
        text = f"{thing()} with {thing()} and {thing()}"
        for relation in ("behind", "next to")[: levels - 2]:
            text = f"{thing()} {relation} {text}"
        return text

    asked = []
    for number in range(images):
        picture = Image.effect_noise((320, 240), 20 + 60 * number / max(images, 2)).convert("RGB")
        different: dict[str, None] = {}
        while len(different) < expressions:
            different[expression()] = None
        asked += [Query(picture, text) for text in different]
    return asked


def compare(backend, asked, repeats: int, reference_queries: int, leave_out=()) -> dict:
    grounder = ProgressiveGrounder(
        backend, GroundingOptions(constrained=True, max_boxes=1, max_new_tokens=3), token_budget=1 << 14
    )
    traces = grounder.ground_all(asked, progress=False)
    rows = [[(query.image, step.prompt) for step in trace.steps if step.source == "model"]
            for query, trace in zip(asked, traces, strict=True)]  # fmt: skip
    vision_calls = grounder.pictures_read / len({id(query.image) for query in asked})
    allowed = well_formed(backend.tokenizer, 3, 1)
    some = asked[:reference_queries]
    quick = {"ours": lambda: grounder.ground_all(asked, progress=False), "floor": floor(backend, asked, rows)}
    slow = {
        "reference_3": lambda: [level_by_level(backend, query, allowed) for query in some],
        "reference": lambda: [generated(backend, 32)(step.prompt, query.image)
                              for trace, query in zip(traces, some, strict=False) for step in trace.steps],
        "batched": lambda: batched(backend, asked, traces, allowed),
    }  # fmt: skip
    slow = {name: way for name, way in slow.items() if name not in leave_out}
    # With several repeats a turn goes before that does not count.
    seconds, found = cpu_seconds(quick, repeats, warm_up=repeats > 1, tell=True), {}
    for name, way in slow.items():
        found[name], seconds[name] = once(way)
        print(f"{name}: {seconds[name]:.1f} s", file=sys.stderr)
    seconds = {name: value / len(some if name.startswith("reference") else asked) for name, value in seconds.items()}
    ours = [[step.boxes for step in trace.steps] for trace in traces]
    agree = {name: [sum(map(eq, ours, boxes)), len(boxes)] for name, boxes in found.items() if name != "reference"}
    flops = {}
    if "flops" not in leave_out:
        ways = {"ours": quick["ours"], "floor": floor(backend, asked, rows, exact=True)} | slow
        flops = {name: counted(ways[name])[1] / len(some if name == "reference_3" else asked)
                 for name in ("ours", "floor", "reference_3") if name in ways}  # fmt: skip
    ratio = {name: seconds[name] / seconds["ours"] for name in slow}
    return {
        "naive": seconds.get("reference_3"),
        "ours": seconds["ours"],
        "floor": seconds["floor"],
        "ratio": ratio.get("reference_3"),
        "ratio_32_tokens": ratio.get("reference"),
        "ratio_batched": ratio.get("batched"),
        "over_floor": seconds["ours"] / seconds["floor"],
        "equal": all(same == of for same, of in agree.values()),
        "agree": agree,
        "flops": flops,
        "flops_ratio": flops["reference_3"] / flops["ours"] if "reference_3" in flops else None,
        "flops_over_floor": flops["ours"] / flops["floor"] if flops else None,
        "vision_calls_per_picture": vision_calls,
        "rows": sum(map(len, rows)),
        "rows_asked_before": sum(step.source == "memory" for trace in traces for step in trace.steps),
        "unit": "CPU seconds of a query; FLOPs of a query",
        "seconds": seconds,
    }


def level_by_level(backend, query: Query, allowed) -> list[tuple]:
    """The published control flow: each phrase by itself, boxes of the level below go into the prompt of the next."""
    write = generated(backend, 3, allowed)
    steps = naive_steps(backend, query.image, decompose(query.text), "progressive", write)
    return [step.boxes for step in steps]


def floor(backend, asked, rows, exact: bool = False):
    """Each picture and each token once. `exact` reads rows of one length together behind their prefix, so that nothing
    is padded and attention is all there; without it the tokens run as one dense block behind nothing."""
    ways = SharedKosmos2(backend, 1 << 14)
    pictures = list({id(query.image): query.image for query in asked}.values())
    prompts = [prompt for row in rows for _, prompt in row]
    prefix = len(backend.prompt_tokens([ways.lead])[0])
    suffixes = [tokens[prefix:] for tokens in backend.prompt_tokens(prompts)]
    text = backend.base.text_model
    weight = text.lm_head.weight[:1024]
    tokens = torch.tensor([token for suffix in suffixes for token in [*suffix, 0]])  # and one cell of the answer

    @torch.inference_mode()
    def run():
        embeds = backend.encode_images(backend.pixels(pictures).to(backend.model.dtype))
        cache = backend.open_prefix(embeds).cache
        if exact:
            for length, alike in groupby(sorted(map(len, suffixes))):
                count = len([*alike])
                group_cache = transformers.DynamicCache()
                for number, layer in enumerate(cache.layers):
                    group_cache.update(*(part[:1].expand(count, -1, -1, -1) for part in (layer.keys, layer.values)), number)
                for width in (length, 1):
                    text.model(input_ids=torch.full((count, width), 5), past_key_values=group_cache, use_cache=True)
        else:
            width = min(32, len(tokens))
            block = tokens[: len(tokens) // width * width].view(-1, width)
            for part in block.split(64):
                text.model(input_ids=part, use_cache=False)
        states = torch.zeros(2 * len(suffixes), weight.shape[1], dtype=weight.dtype)
        return states @ weight.T

    return run


if __name__ == "__main__":
    main()
