# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Head analysis: attention rows against eager's full maps, and rank correlations against a loop over scipy.

    python -m benchmarks.head_analysis            the goals, and a table over the sequence length
    python -m benchmarks.head_analysis --json     one JSON object

A LLaVA of random weights (8 layers, 8 heads, 576 image tokens). CPU seconds of one thread, variants taking turns,
medians. Bytes kept are counted from the tensors; peaks are those of fresh processes (Linux), above the state before.

plain       the model's own fused forward pass, nothing looked at: the floor
ours        the same pass with `attention_rows`
eager       `output_attentions=True` on eager attention, then the rows: the published way

Goals: rows at most 1.1 times plain and at least 300 times fewer bytes than the maps at 800 tokens, equal to 1e-6;
correlations at least 7 times (binary masks) and 4.5 times (soft ones) faster than the loop, equal to 1e-6.
"""

import argparse
import warnings

import numpy as np
import torch
import transformers

from benchmarks.timing import cpu_seconds, in_its_own_process, parsed, parser, peak_bytes, printed
from promvil_hf.explain.attention_rows import Wanted, attention_rows
from promvil_hf.metrics.rank_correlation import Ranked
from tests.reference.head_analysis import full_maps, spearman_loop, spearman_ranked


PATCHES = 576
IMAGE_TOKEN = 5
ROWS = 3  # queries looked at: the tokens of a short key expression
WAYS = ("plain", "ours", "eager")


def model(layers=8, heads=8, width=512):
    torch.manual_seed(0)
    config = transformers.LlavaConfig(
        vision_config={
            "model_type": "clip_vision_model",
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": 336,
            "patch_size": 14,
        },
        text_config={
            "model_type": "llama",
            "hidden_size": width,
            "intermediate_size": width * 43 // 16,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": heads,
            "vocab_size": 1000,
            "max_position_embeddings": 4096,
        },
        image_token_index=IMAGE_TOKEN,
        image_seq_length=PATCHES,
    )
    return transformers.LlavaForConditionalGeneration(config).eval().requires_grad_(False)


def inputs_of(length):
    draw = torch.Generator().manual_seed(1)
    ids = torch.randint(10, 1000, (1, length), generator=draw)
    ids[:, 32 : 32 + PATCHES] = IMAGE_TOKEN
    pixels = torch.randn(1, 3, 336, 336, generator=draw)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels}


def wanted_of(length):
    return Wanted(range(length - ROWS - 1, length - 1), range(32, 32 + PATCHES))


@torch.inference_mode()
def run(way, net, inputs, length):
    """The rows, (layers, heads, rows, patches), and how many bytes of attention were alive at the end."""
    one = wanted_of(length)
    if way == "plain":
        net(**inputs, use_cache=False, logits_to_keep=1)
        return None, 0
    if way == "ours":
        rows = torch.stack(list(attention_rows(net, inputs, [one])[0].values()))
        return rows, rows.nbytes
    return full_maps(net, inputs, one)


def rows_at(net, length, repeats):
    inputs = inputs_of(length)
    (ours, kept), (theirs, maps) = (run(way, net, inputs, length) for way in ("ours", "eager"))
    error = float((ours - theirs).abs().max())
    del ours, theirs
    seconds = cpu_seconds({way: lambda way=way: run(way, net, inputs, length) for way in WAYS}, repeats)
    return {
        "tokens": length,
        "naive": seconds["eager"],
        "ours": seconds["ours"],
        "floor": seconds["plain"],
        "ratio": seconds["eager"] / seconds["ours"],
        "over_floor": seconds["ours"] / seconds["plain"],
        "bytes_of_maps": maps,
        "bytes_of_rows": kept,
        "bytes_ratio": maps / kept,
        "equal": error,
    }


def correlations(repeats, layers=32, heads=32, tokens=3, shuffles=200):
    """One turn of a 7B model: every head's rows against one mask, with ties as half precision has them."""
    rng = np.random.default_rng(0)
    attention = torch.from_numpy(rng.gamma(0.3, size=(layers * heads * tokens, PATCHES))).softmax(-1)
    attention = attention.to(torch.bfloat16).float().numpy()  # about one value in two is tied
    binary = (rng.random(PATCHES) < 0.1).astype(float)
    soft = binary * rng.random(PATCHES)
    wrong = Ranked.of(rng.permuted(np.repeat(soft[None], shuffles, 0), axis=1))
    found = {}
    for name, mask in (("binary", binary), ("soft", soft)):
        ways = {
            "scipy_loop": lambda mask=mask: spearman_loop(attention, mask),
            "rankdata": lambda mask=mask: spearman_ranked(attention, mask),
            "ours": lambda mask=mask: Ranked.of(attention).spearman(Ranked.of(mask))[:, 0],
            "sort_alone": lambda: np.argsort(attention, axis=-1),
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seconds = cpu_seconds(ways, repeats)
            equal = float(np.abs(ways["ours"]() - ways["scipy_loop"]()).max())
        found[name] = {
            "naive": seconds["scipy_loop"],
            "ours": seconds["ours"],
            "floor": seconds["sort_alone"],
            "ratio": seconds["scipy_loop"] / seconds["ours"],
            "ratio_to_vectorised_scipy": seconds["rankdata"] / seconds["ours"],
            "equal": equal,
        }
    ranked = Ranked.of(attention)
    extra = cpu_seconds({"null": lambda: ranked.spearman(wrong), "auroc": lambda: ranked.auroc(binary > 0)}, repeats)
    found[f"seconds_of_{shuffles}_shuffles_more"] = extra["null"]
    found["seconds_of_auroc_more"] = extra["auroc"]
    return found


def peak(way, length):
    """Bytes that this process needs at most for one pass, after a short one to warm up."""
    net = model()
    run(way, net, inputs_of(PATCHES + 40), PATCHES + 40)
    inputs = inputs_of(length)
    return peak_bytes(lambda: run(way, net, inputs, length))


def main(argv=None):
    options = parser(__doc__.partition("\n\n")[0], repeats=3)
    options.add_argument("--lengths", type=int, nargs="+", default=[811, 640, 1200, 1600])
    options.add_argument("--peaks", action="store_true", help="peak memory of fresh processes too")
    options.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    options.add_argument("--peak-of", choices=WAYS, help=argparse.SUPPRESS)
    args = parsed(options, argv)
    if args.peak_of:
        print(peak(args.peak_of, *args.lengths))
        return None
    net = model()
    table = [rows_at(net, length, args.repeats if place == 0 else max(1, args.repeats // 2))
             for place, length in enumerate(args.lengths)]  # fmt: skip
    if args.peaks:
        for line in table:
            line["peak_bytes"] = {
                way: in_its_own_process("head_analysis", "--peak-of", way, "--lengths", line["tokens"]) for way in WAYS
            }
    ranks = correlations(args.repeats)
    goals = {
        "rows at most 1.1 times plain": table[0]["over_floor"] <= 1.1,
        "at least 300 times fewer bytes": table[0]["bytes_ratio"] >= 300,
        "rows equal to 1e-6": max(line["equal"] for line in table) <= 1e-6,
        "binary masks at least 7 times": ranks["binary"]["ratio"] >= 7,
        "soft masks at least 4.5 times": ranks["soft"]["ratio"] >= 4.5,
        "correlations equal to 1e-6": max(ranks["binary"]["equal"], ranks["soft"]["equal"]) <= 1e-6,
    }
    report = {
        "rows": table,
        "correlations": ranks,
        "goals": goals,
        "bytes_of_llava_7b": {
            "maps, bf16, 811 tokens": 32 * 32 * 811 * 811 * 2,
            f"{ROWS} rows, float32": 32 * 32 * ROWS * PATCHES * 4,
        },
        "settings": {"threads": 1, "unit": "CPU seconds", "torch": torch.__version__, **vars(args)},
    }
    if args.json:
        return printed(report)
    print(
        "tokens   plain    ours   eager   ours/plain  eager/ours   kept by maps   kept by rows   ratio  largest difference"
    )
    for line in sorted(table, key=lambda line: line["tokens"]):
        print(
            f"{line['tokens']:>6} {line['floor']:>7.3f} {line['ours']:>7.3f} {line['naive']:>7.3f} {line['over_floor']:>12.3f} "
            f"{line['ratio']:>11.2f} {line['bytes_of_maps'] / 2**20:>10.1f} MiB {line['bytes_of_rows'] / 2**20:>10.2f} MiB "
            f"{line['bytes_ratio']:>7.0f} {line['equal']:>12.1e}"
        )
        if "peak_bytes" in line:
            print(
                "       peak: "
                + ", ".join(f"{way} {size / 2**20:.0f} MiB" for way, size in line["peak_bytes"].items())
            )
    for name in ("binary", "soft"):
        one = ranks[name]
        print(
            f"{name:<7} masks, 3,072 rows: loop {1e3 * one['naive']:.0f} ms, ours {1e3 * one['ours']:.0f} ms = "
            f"{one['ratio']:.1f} times (sort alone {1e3 * one['floor']:.0f} ms), difference {one['equal']:.0e}"
        )
    print(f"200 shuffles more: {1e3 * ranks['seconds_of_200_shuffles_more']:.0f} ms; AUROC more: "
          f"{1e3 * ranks['seconds_of_auroc_more']:.1f} ms")  # fmt: skip
    for goal, met in goals.items():
        print(f"{'met' if met else 'MISSED':<7} {goal}")
    return report


if __name__ == "__main__":
    main()
