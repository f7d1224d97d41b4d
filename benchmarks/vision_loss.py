# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The joint loss of FiVL, forward and backward down to the hidden states: ours, the papers' way, TRL's and torch's own.

    python -m benchmarks.vision_loss                         the goals: sparse and dense labels, frozen and trained head
    python -m benchmarks.vision_loss --table                 over vocabularies and labelled shares
    python -m benchmarks.vision_loss --labels sparse --json  one setting

CPU seconds of one thread, variants taking turns, medians. Peak memory above the state before the call, the least of
`--memory-runs` fresh processes each (Linux). `equal` is the largest relative difference of a loss, and of a gradient by
the hidden states, from two cross entropies on full logits in float64.

two_full       full logits, a cross entropy on all of them for the text, another for the patches
papers_way     FiVL's code: full logits, one for the text, one on the slice of the picture (it must lie in one piece)
trl            TRL's fused head as it runs here, text and patches in one merged tensor: it scores every position
trl_compact    the same kernel on the labelled positions only, as TRL does on CUDA
torch_all      torch's own chunked linear_cross_entropy on every position
torch_gather   gather, then torch's own
gather         gather, then one weighted cross entropy
ours           `promvil_hf.training.losses`
"""

import argparse
import json

import torch

from benchmarks.timing import cpu_seconds, in_its_own_process, parsed, parser, peak_bytes, printed
from promvil_hf.evaluation.report_text import text_table
from promvil_hf.training.losses import CHUNK_ROWS, vision_modeling_loss
from tests.reference import vision_loss as ways_of_others
from tests.reference.vision_loss import WEIGHT, two_full_exact


SHARES = {"sparse": (80, 120), "dense": (576, 400)}  # (patch labels, text labels) of a row of 1024 with 576 patches
PICTURE = 576


def case(vocabulary, width, rows, length, patches, texts, trained, seed=0, dtype=torch.float32, device="cpu"):
    """Hidden states, head, labels and vision labels: the picture first, as in LLaVA, then the text."""
    draw = torch.Generator().manual_seed(seed)
    hidden = torch.randn(rows, length, width, generator=draw).to(device, dtype).requires_grad_()
    head = (torch.randn(vocabulary, width, generator=draw) * width**-0.5).to(device, dtype).requires_grad_(trained)
    labels, vision = torch.full((2, rows, length), -100)
    start = 32
    for row in range(rows):
        at = torch.randperm(PICTURE, generator=draw)[:patches] + start
        vision[row, at] = torch.randint(vocabulary, (patches,), generator=draw)
        labels[row, -texts:] = torch.randint(vocabulary, (texts,), generator=draw)
    return hidden, head, labels.to(device), vision.to(device)


def ours(hidden, head, labels, vision):
    return vision_modeling_loss(hidden, head, labels, vision, vision_loss_weight=WEIGHT).loss


OTHERS = ("two_full", "papers_way", "trl", "trl_compact", "torch_all", "torch_gather", "gather")
WAYS = {name: getattr(ways_of_others, name) for name in OTHERS} | {"ours": ours}


def step(way, given):
    hidden, head, *_ = given
    hidden.grad = head.grad = None
    loss = way(*given)
    loss.backward()
    return loss.item()


def difference(ways, settings):
    """The largest relative difference from the naive loss in float64: (of the loss, of the gradient)."""
    given = case(**settings)
    exact = case(**settings, dtype=torch.float64)
    wanted = step(two_full_exact, exact)
    out = {}
    for name in ways:
        loss = step(WAYS[name], given)
        error = (given[0].grad.double() - exact[0].grad).norm() / exact[0].grad.norm()
        out[name] = abs(loss - wanted) / abs(wanted), error.item()
    return out


def peak_in_this_process(name, settings):
    step(WAYS[name], case(**settings | {"vocabulary": 64, "width": 16}))  # libraries load and allocate once
    given = case(**settings)
    return peak_bytes(lambda: step(WAYS[name], given))


def peak_mib(name, settings, runs):
    """The least of several processes: pages that the system touches by chance only add."""
    call = ("vision_loss", "--peak-of", name, "--settings", json.dumps(settings))
    return min(in_its_own_process(*call) for _ in range(runs)) / 2**20


def timed(ways, settings, repeats):
    given = case(**settings)
    runs = {name: lambda name=name: step(WAYS[name], given) for name in ways}
    return cpu_seconds(runs, repeats, warm_up=False)


def measured(ways, settings, repeats, memory_runs):
    seconds = timed(ways, settings, repeats)
    mib = {name: peak_mib(name, settings, memory_runs) for name in ways} if memory_runs else dict.fromkeys(ways)
    errors = difference(ways, settings)
    return {
        name: {"ms": seconds[name] * 1e3, "mib": mib[name], "loss_error": errors[name][0], "gradient_error": errors[name][1]}
        for name in ways
    }


def report(label, trained, args):
    patches, texts = SHARES[label]
    settings = {
        "vocabulary": args.vocabulary, "width": args.width, "rows": 2, "length": 1024,
        "patches": patches, "texts": texts, "trained": trained,
    }  # fmt: skip
    ways = [name for name in WAYS if not trained or name in ("two_full", "torch_gather", "gather", "ours")]
    found = measured(ways, settings, args.repeats, args.memory_runs)
    naive, ours, plain = found["two_full"], found["ours"], found["gather"]
    return {
        "labels": label,
        "head": "trained" if trained else "frozen",
        "naive": naive,
        "ours": ours,
        "floor": plain,
        "ratio": {
            "time": naive["ms"] / ours["ms"],
            "memory": naive["mib"] / ours["mib"] if ours["mib"] else None,
            "against_plain_gather": ours["ms"] / plain["ms"],
        },
        "equal": max(ours["loss_error"], ours["gradient_error"]),
        "ways": found,
        "settings": settings,
    }


def show(out):
    print(f"\n{out['labels']} labels, head {out['head']}: {out['settings']}")
    rows = [
        (name, way["ms"], way["mib"], f"{way['loss_error']:.1e}", f"{way['gradient_error']:.1e}")
        for name, way in out["ways"].items()
    ]
    print(*text_table(("way", "ms", "MiB", "loss off by", "gradient"), rows), sep="\n")
    ratio = out["ratio"]
    memory = "" if ratio["memory"] is None else f", {ratio['memory']:.1f}x less memory"
    print(
        f"ours against two_full: {ratio['time']:.2f}x faster{memory}; time against gather: {ratio['against_plain_gather']:.2f}"
    )


def table(args):
    """Ours against the naive way over vocabularies and labelled shares, head frozen."""
    rows = []
    one_row = {"width": 256, "rows": 1, "length": 1024, "trained": False}
    heads = ("vocabulary", "labelled", "naive ms", "ours ms", "faster", "naive MiB", "ours", "less")
    print("\n" + " ".join(f"{head:>10}" for head in heads))
    for vocabulary in (8_192, 32_064, 65_037, 151_936):
        for share in (0.02, 0.1, 0.3, 0.9):
            labelled = round(1024 * share)
            patches = min(PICTURE, round(labelled * 0.5))
            texts = min(labelled - patches, 1024 - 32 - PICTURE)
            settings = {**one_row, "vocabulary": vocabulary, "patches": patches, "texts": texts}
            ways = ("two_full", "ours")
            naive_ms, ms = (taken * 1e3 for taken in timed(ways, settings, 3).values())
            naive_mib, mib = (peak_mib(name, settings, 1) for name in ways)
            rows.append({**settings, "share": share, "ms": [naive_ms, ms], "mib": [naive_mib, mib]})
            cells = f"{vocabulary:,}", f"{share:.0%}", f"{naive_ms:.0f}", f"{ms:.0f}", f"{naive_ms / ms:.1f}x"
            cells += f"{naive_mib:.0f}", f"{mib:.0f}", f"{naive_mib / mib:.1f}x"
            print(" ".join(f"{cell:>10}" for cell in cells), flush=True)
    return rows


REAL = {  # vocabulary, width, batch, length, labelled tokens and patches a row
    "LLaVA-1.5-7B, 16 x 1024": (32_064, 4096, 16, 1024, 150, 150),
    "LLaVA-1.5-7B, 16 x 2048": (32_064, 4096, 16, 2048, 400, 300),
    "Qwen2.5-VL-7B, 4 x 2048": (152_064, 3584, 4, 2048, 150, 300),
    "Qwen2.5-VL-7B, 1 x 16384": (152_064, 3584, 1, 16_384, 150, 4000),
}


def computed():
    """GiB for the loss in bf16, by counting tensors, not measured: a logit costs 2 (bf16) and, for each cross entropy, 4
    (fp32 copy) and 4 (log-softmax), with one fp32 gradient of 4 at a time. Ours: a chunk of rows in fp32 and its bf16
    copy, and the gradients of the labelled rows."""
    out = {}
    for name, (vocabulary, width, batch, length, text, patch) in REAL.items():
        every, labelled = batch * length, batch * (text + patch)
        gib = {
            "two_full": every * vocabulary * 18,
            "one": every * vocabulary * 14,
            "gather": labelled * vocabulary * 14,
            "ours": CHUNK_ROWS * vocabulary * 6 + labelled * width * 4,
        }
        out[name] = {key: value / 2**30 for key, value in gib.items()}
    header = ("computed, GiB in bf16", "two cross entropies", "one", "gathered", "ours")
    print("", *text_table(header, [(name, *sizes.values()) for name, sizes in out.items()]), sep="\n")
    return out


def main(argv=None):
    options = parser(__doc__, vocabulary=32_064, width=1024, repeats=3, memory_runs=(2, "0 leaves memory out"))
    options.add_argument("--labels", choices=SHARES, help="only this setting, head frozen")
    options.add_argument("--table", action="store_true")
    options.add_argument("--json", action="store_true", help="print one JSON object at the end")
    options.add_argument("--peak-of", choices=WAYS, help=argparse.SUPPRESS)
    options.add_argument("--settings", type=json.loads, help=argparse.SUPPRESS)
    args = parsed(options, argv)
    if args.peak_of:
        print(peak_in_this_process(args.peak_of, args.settings))
        return None
    chosen = [(args.labels, False)] if args.labels else [("sparse", False), ("dense", False), ("sparse", True)]
    reports = [] if args.table else [report(label, trained, args) for label, trained in chosen]
    for labels_report in reports:
        show(labels_report)
    out = {"reports": reports, "table": table(args) if args.table else [], "computed_gib": computed()}
    if args.json:
        printed(out)
    return out


if __name__ == "__main__":
    main()
