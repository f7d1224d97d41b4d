# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Grounding metrics: raw Kosmos-2 answers to accuracy and intervals, against the ways it is done elsewhere.

    python -m benchmarks.grounding_metrics [--samples 20000] [--predictions 100000]

One thread, CPU seconds (`time.process_time`), variants taking turns, medians; generated answers of 1 to 3 boxes, 3 %
of them without one. Naive loops run on fewer samples; every number is per sample unless it says seconds.

scoring   `naive` follows the control flow of PromViL's `metrics_calc.py`, one sample at a time: a regular expression,
          each box decoded cell by cell, torch tensors, three policies. `plain_python` is the same arithmetic without
          tensors: what a careful loop costs. `ours` decodes the raw text and scores all three policies. `floor` is
          `ours` on boxes that are decoded already.
iou       paired IoU alone: a scalar loop, pycocotools called per pair, ours; `floor` adds the two arrays once.
module    the `evaluate` module on boxes (tables per level and size and all intervals included) against a module of the
          same inputs that computes nothing: `transport` is what `evaluate` and Arrow cost by themselves.
interval  9,999 resamples of whole images against the scoring of the same answers (`times_scoring`: raw text, first
          box), and against `scipy.stats.bootstrap` on the images' sums, scaled up linearly from `naive_resamples`.
"""

import argparse
import json
import os
import re
import statistics
import time
from collections import Counter
from pathlib import Path


for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_threads] = "1"  # before numpy is imported: CPU time of one thread is what we compare

import numpy as np  # noqa: E402
import torch  # noqa: E402
from pycocotools import mask as coco  # noqa: E402
from scipy import stats  # noqa: E402

from promvil_hf.metrics.answers import kosmos2_boxes, read_boxes  # noqa: E402
from promvil_hf.metrics.grounding import answer_iou, paired_iou  # noqa: E402
from promvil_hf.metrics.intervals import bootstrap_interval  # noqa: E402


POLICIES = ("first", "mean", "any")
MODULE = Path(__file__).resolve().parents[1] / "evaluate_metrics" / "grounding_accuracy"
DELIMITER = "</delimiter_of_multi_objects/>"


def generate(samples: int, seed: int = 0) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Raw answers, gold boxes as fractions, image sizes, and each answer's image (3.7 answers an image, as RefCOCOg)."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 0.6, (samples, 2))
    gold = np.concatenate([low, low + rng.uniform(0.08, 0.4, (samples, 2))], 1)
    texts = []
    counts = np.where(rng.random(samples) < 0.03, 0, rng.integers(1, 4, samples))
    for index, count in enumerate(counts):
        if not count:
            texts.append(f"<grounding><phrase>the man in coat {index}</phrase> is in the picture.")
            continue
        near = np.clip(gold[index] + rng.normal(0, 0.06, (count, 4)), 0, 0.999)
        far = np.sort(rng.uniform(0, 1, (count, 2, 2)), axis=1).reshape(count, 4)
        boxes = np.where(rng.random((count, 1)) < 0.6, near, far)
        first = np.floor(np.minimum(boxes[:, :2], boxes[:, 2:]) * 32)
        last = np.maximum(np.ceil(np.maximum(boxes[:, :2], boxes[:, 2:]) * 32 - 1), first)
        cells = np.stack([first, last], 1) @ [1, 32]
        pairs = DELIMITER.join(f"<patch_index_{a:04.0f}><patch_index_{b:04.0f}>" for a, b in cells)
        texts.append(f"<grounding><phrase>the man in coat {index}</phrase><object>{pairs}</object>.")
    sizes = np.stack([rng.choice([427, 480, 500, 640], samples), rng.choice([375, 427, 480, 640], samples)], 1)
    images = rng.integers(0, max(1, round(samples / 3.7)), samples)
    return texts, gold, sizes, images


# --- the reference's control flow, one sample at a time ---

ENTITY = re.compile(
    rf"(?:(<phrase>([^<]+)</phrase>))?<object>((?:<patch_index_\d+><patch_index_\d+>{DELIMITER})*"
    r"<patch_index_\d+><patch_index_\d+>)</object>"
)


def cell_box(side: int, first: int, last: int) -> list[float]:
    cell = 1.0 / side
    x0, y0, x1, y1 = first % side, first // side, last % side, last // side
    if x0 == x1 or y0 == y1:
        return [x0 * cell, y0 * cell, x1 * cell + cell, y1 * cell + cell]
    return [x0 * cell + cell / 2, y0 * cell + cell / 2, x1 * cell + cell / 2, y1 * cell + cell / 2]


def decode_one(text: str) -> list[list[float]]:
    found = []
    for _, phrase, inner in ENTITY.findall(text):
        for pair in inner.split(DELIMITER):
            first = re.search(r"<patch_index_(\d+)>", pair)
            last = re.search(r"<patch_index_(\d+)>", pair[1:])
            if first and last:
                found.append((phrase or None, int(first[1]), int(last[1])))
    return [np.array(cell_box(32, first, last)).tolist() for _, first, last in found]


def tensor_iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    low, high = torch.max(a[:, None, :2], b[:, :2]), torch.min(a[:, None, 2:], b[:, 2:])
    size = (high - low).clamp(min=0)
    inside = size[:, :, 0] * size[:, :, 1]
    area_a, area_b = ((c[:, 2] - c[:, 0]) * (c[:, 3] - c[:, 1]) for c in (a, b))
    return inside / (area_a[:, None] + area_b - inside)


def reference_counts(texts, gold_xywh_px, sizes) -> dict[str, int]:
    hits = Counter()
    for text, target, (width, height) in zip(texts, gold_xywh_px, sizes, strict=True):
        wanted = torch.as_tensor([target[0], target[1], target[0] + target[2], target[1] + target[3]]).view(-1, 4)
        boxes = [[x0 * width, y0 * height, x1 * width, y1 * height] for x0, y0, x1, y1 in decode_one(text)]
        predicted = torch.as_tensor(boxes or [[0.0, 0.0, 0.0, 0.0]]).view(-1, 4)
        iou = tensor_iou(predicted, wanted)
        mean_iou = tensor_iou(predicted.mean(0).view(-1, 4), wanted)
        hits["first"] += bool(max(iou[0, :1]) >= 0.5)
        hits["mean"] += bool(max(mean_iou) >= 0.5)
        hits["any"] += bool(max(iou) >= 0.5)
    return {policy: hits[policy] for policy in POLICIES}


def scalar_iou(a, b) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    inside = width * height
    return inside / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inside)


def plain_python_counts(texts, gold) -> dict[str, int]:
    hits = Counter()
    pair = re.compile(r"<patch_index_(\d+)><patch_index_(\d+)>")
    for text, target in zip(texts, gold, strict=True):
        boxes = [cell_box(32, int(a), int(b)) for entity in ENTITY.finditer(text) for a, b in pair.findall(entity[3])]
        if boxes:
            iou = [scalar_iou(box, target) for box in boxes]
            mean = [sum(corner) / len(boxes) for corner in zip(*boxes, strict=True)]
            hits["first"] += iou[0] >= 0.5
            hits["mean"] += scalar_iou(mean, target) >= 0.5
            hits["any"] += max(iou) >= 0.5
    return {policy: hits[policy] for policy in POLICIES}


# --- ours, and the measuring ---


def our_counts(answers, gold) -> dict[str, int]:
    gold = read_boxes(gold)
    return {policy: int((answer_iou(answers, gold, policy=policy) >= 0.5).sum()) for policy in POLICIES}


def interleaved(variants, repeats: int = 5) -> dict[str, float]:
    """Median CPU seconds per variant; they take turns, so that drift of the machine hits all of them alike."""
    seconds = {name: [] for name in variants}
    for turn in range(repeats + 1):
        for name, run in variants.items():
            begin = time.process_time()
            run()
            if turn:  # the first turn warms up
                seconds[name].append(time.process_time() - begin)
    return {name: statistics.median(values) for name, values in seconds.items()}


def scoring(samples: int, naive_samples: int, repeats: int) -> dict:
    texts, gold, sizes, _ = generate(samples)
    xywh = np.concatenate([gold[:, :2], gold[:, 2:] - gold[:, :2]], 1) * np.tile(sizes, 2)
    few = min(samples, naive_samples)
    few_xywh, few_sizes, few_gold = xywh[:few].tolist(), sizes[:few].tolist(), gold[:few].tolist()
    decoded = kosmos2_boxes(texts)
    spent = interleaved(
        {
            "naive": lambda: reference_counts(texts[:few], few_xywh, few_sizes),
            "plain_python": lambda: plain_python_counts(texts[:few], few_gold),
            "ours": lambda: our_counts(kosmos2_boxes(texts), gold),
            "floor": lambda: our_counts(decoded, gold),
        },
        repeats,
    )
    each = {name: spent[name] / few * 1e6 for name in ("naive", "plain_python")}
    each |= {name: spent[name] / samples * 1e6 for name in ("ours", "floor")}
    counts = {
        "naive": reference_counts(texts, xywh.tolist(), sizes.tolist()),
        "plain_python": plain_python_counts(texts, gold.tolist()),
        "ours": our_counts(kosmos2_boxes(texts), gold),
    }
    return {
        "unit": "microseconds of CPU per sample, raw text to three policies",
        "samples": samples,
        "naive_samples": few,
        "naive": each["naive"],
        "plain_python": each["plain_python"],
        "ours": each["ours"],
        "floor": each["floor"],
        "ratio": each["naive"] / each["ours"],
        "ratio_plain_python": each["plain_python"] / each["ours"],
        "ratio_boxes_only": each["naive"] / each["floor"],
        "goal": 60,
        "counts": counts,
        "equal": counts["naive"] == counts["ours"] == counts["plain_python"],
    }


def iou(pairs: int, naive_pairs: int, repeats: int) -> dict:
    rng = np.random.default_rng(1)
    a, b = (np.sort(rng.uniform(0, 1, (pairs, 2, 2)), axis=1).reshape(pairs, 4) for _ in range(2))
    few = min(pairs, naive_pairs)
    list_a, list_b = a[:few].tolist(), b[:few].tolist()
    xywh_a, xywh_b = (np.concatenate([c[:few, :2], c[:few, 2:] - c[:few, :2]], 1) for c in (a, b))
    crowd = [0]
    spent = interleaved(
        {
            "naive": lambda: [scalar_iou(x, y) for x, y in zip(list_a, list_b, strict=True)],
            "pycocotools": lambda: [coco.iou(xywh_a[k : k + 1], xywh_b[k : k + 1], crowd) for k in range(few)],
            "ours": lambda: paired_iou(a, b),
            "floor": lambda: a + b,
        },
        repeats,
    )
    each = {name: spent[name] / few * 1e6 for name in ("naive", "pycocotools")}
    each |= {name: spent[name] / pairs * 1e6 for name in ("ours", "floor")}
    loop = np.array([scalar_iou(x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)])
    peer = np.array([coco.iou(xywh_a[k : k + 1], xywh_b[k : k + 1], crowd)[0, 0] for k in range(few)])
    ours = paired_iou(a, b)
    return {
        "unit": "microseconds of CPU per pair",
        "pairs": pairs,
        **each,
        "ratio": each["naive"] / each["ours"],
        "ratio_pycocotools": each["pycocotools"] / each["ours"],
        "largest_difference": float(max(np.abs(loop - ours).max(), np.abs(peer - ours[:few]).max())),
        "equal": bool(np.abs(loop - ours).max() == 0 and np.abs(peer - ours[:few]).max() < 1e-12),
    }


def interval(predictions: int, resamples: int, naive_resamples: int, repeats: int) -> dict:
    texts, gold, _, images = generate(predictions, seed=2)
    boxes, decoded = read_boxes(gold), kosmos2_boxes(texts)
    iou_of_first = answer_iou(decoded, boxes)
    hits = iou_of_first >= 0.5
    _, place = np.unique(images, return_inverse=True)
    sums, rows = np.bincount(place, hits), np.bincount(place)

    def scipy_bootstrap(count):
        return stats.bootstrap(
            (sums, rows), lambda s, n, axis=-1: s.sum(axis) / n.sum(axis), paired=True, vectorized=True,
            n_resamples=count, batch=10, method="percentile", rng=np.random.default_rng(0),
        )  # fmt: skip

    spent = interleaved(
        {
            "naive": lambda: scipy_bootstrap(naive_resamples),
            "ours": lambda: bootstrap_interval(hits, clusters=images, resamples=resamples),
            "ours_mean_iou": lambda: bootstrap_interval(iou_of_first, clusters=images, resamples=resamples),
            "scoring": lambda: answer_iou(kosmos2_boxes(texts), read_boxes(gold)),
            "scoring_three_policies": lambda: our_counts(kosmos2_boxes(texts), gold),
            "scoring_boxes_only": lambda: answer_iou(decoded, boxes),
        },
        repeats,
    )
    ours = bootstrap_interval(hits, clusters=images, resamples=resamples, method="percentile")
    peer = scipy_bootstrap(1_000).confidence_interval
    difference = max(abs(ours.low - peer.low), abs(ours.high - peer.high)) / (ours.high - ours.low)
    return {
        "unit": f"CPU seconds for {resamples} resamples of whole images; scoring in CPU seconds for the same answers",
        "predictions": predictions,
        "images": len(rows),
        "resamples": resamples,
        "naive": spent["naive"] * resamples / naive_resamples,
        "naive_resamples": naive_resamples,
        "ours": spent["ours"],
        "ours_mean_iou": spent["ours_mean_iou"],
        "floor": spent["scoring_boxes_only"],
        "ratio": spent["naive"] * resamples / naive_resamples / spent["ours"],
        "scoring": spent["scoring"],
        "scoring_three_policies": spent["scoring_three_policies"],
        "scoring_boxes_only": spent["scoring_boxes_only"],
        "times_scoring": spent["ours"] / spent["scoring"],
        "times_scoring_mean_iou": spent["ours_mean_iou"] / spent["scoring"],
        "times_scoring_boxes_only": spent["ours"] / spent["scoring_boxes_only"],
        "goal": 30,
        "interval": [ours.low, ours.high],
        "scipy_interval": [float(peer.low), float(peer.high)],
        "largest_difference_in_widths": float(difference),
        "equal": bool(difference < 0.15),  # what is left is Monte Carlo error of two different streams
    }


def module(samples: int, repeats: int) -> dict:
    import datasets
    import evaluate

    class Transport(evaluate.Metric):
        def _info(self):
            boxes = datasets.List(datasets.List(datasets.Value("float64")))
            return evaluate.MetricInfo(
                description="", citation="", inputs_description="",
                features=datasets.Features({"predictions": boxes, "references": boxes}),
            )  # fmt: skip

        def _compute(self, predictions, references):
            return {}

    texts, gold, _, images = generate(samples, seed=3)
    decoded = kosmos2_boxes(texts)
    parts = np.split(decoded.xyxy, np.cumsum(decoded.counts)[:-1])
    data = {"predictions": [part.tolist() for part in parts], "references": gold[:, None].tolist()}
    labels = {"levels": (1 + images % 3).tolist(), "image_ids": images.tolist()}
    ours, transport = evaluate.load(str(MODULE)), Transport()
    spent = interleaved(
        {
            "transport": lambda: transport.compute(**data),
            "plain": lambda: ours.compute(**data),
            "whole": lambda: ours.compute(**data, **labels),
            "functions": lambda: answer_iou(read_boxes(data["predictions"]), read_boxes(data["references"])),
        },
        repeats,
    )
    each = {name: seconds / samples * 1e6 for name, seconds in spent.items()}
    pure = float(np.mean(answer_iou(decoded, read_boxes(gold)) >= 0.5))
    return {
        "unit": "microseconds of CPU per answer, lists of boxes to the result",
        "samples": samples,
        "transport": each["transport"],
        "ours": each["plain"],
        "ours_with_levels_and_images": each["whole"],
        "floor": each["functions"],
        "times_transport": each["plain"] / each["transport"],
        "times_transport_with_levels_and_images": each["whole"] / each["transport"],
        "goal": 1.3,
        "equal": ours.compute(**data)["grounding_accuracy"] == pure,
    }


def main(argv: list[str] | None = None) -> dict:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=20_000, help="answers to score (default: %(default)s)")
    parser.add_argument("--naive-samples", type=int, default=4_000, help="answers the naive loops are timed on")
    parser.add_argument("--predictions", type=int, default=100_000, help="answers behind the interval")
    parser.add_argument("--module-samples", type=int, default=100_000, help="answers through the `evaluate` module")
    parser.add_argument("--resamples", type=int, default=9_999, help="bootstrap resamples (default: %(default)s)")
    parser.add_argument("--naive-resamples", type=int, default=50, help="resamples that scipy's bootstrap is timed on")
    parser.add_argument("--repeats", type=int, default=5, help="timed turns, of which the median counts")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    parts = {
        "scoring": scoring(args.samples, args.naive_samples, args.repeats),
        "iou": iou(100_000, 20_000, args.repeats),
        "module": module(args.module_samples, args.repeats),
        "interval": interval(args.predictions, args.resamples, args.naive_resamples, max(1, min(3, args.repeats))),
    }
    head = parts["scoring"]
    result = {key: head[key] for key in ("naive", "ours", "floor", "ratio")}
    result["equal"] = all(part["equal"] for part in parts.values())
    return {**result, **parts}


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
