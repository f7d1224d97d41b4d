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

from pathlib import Path

import numpy as np
from pycocotools import mask as coco
from scipy import stats

from benchmarks.timing import cpu_seconds, parsed, parser, printed
from promvil_hf.metrics.answers import kosmos2_boxes, read_boxes
from promvil_hf.metrics.grounding import answer_iou, paired_iou
from promvil_hf.metrics.intervals import bootstrap_interval
from tests.reference.grounding_metrics import DELIMITER, POLICIES, plain_python_counts, reference_counts, scalar_iou


MODULE = Path(__file__).resolve().parents[1] / "evaluate_metrics" / "grounding_accuracy"


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


# --- ours, and the measuring ---


def our_counts(answers, gold) -> dict[str, int]:
    gold = read_boxes(gold)
    return {policy: int((answer_iou(answers, gold, policy=policy) >= 0.5).sum()) for policy in POLICIES}


def scoring(samples: int, naive_samples: int, repeats: int) -> dict:
    texts, gold, sizes, _ = generate(samples)
    xywh = np.concatenate([gold[:, :2], gold[:, 2:] - gold[:, :2]], 1) * np.tile(sizes, 2)
    few = min(samples, naive_samples)
    few_xywh, few_sizes, few_gold = xywh[:few].tolist(), sizes[:few].tolist(), gold[:few].tolist()
    decoded = kosmos2_boxes(texts)
    spent = cpu_seconds(
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
        **each,
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
    spent = cpu_seconds(
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

    spent = cpu_seconds(
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
        **{name: seconds for name, seconds in spent.items() if name.startswith("scoring")},
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
    spent = cpu_seconds(
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
    options = parser(
        __doc__,
        samples=(20_000, "answers to score"),
        naive_samples=(4_000, "answers the naive loops are timed on"),
        predictions=(100_000, "answers behind the interval"),
        pairs=(100_000, "pairs of boxes for the IoU alone"),
        naive_pairs=(20_000, "pairs of boxes that the naive loops are timed on"),
        module_samples=(100_000, "answers through the `evaluate` module"),
        resamples=(9_999, "bootstrap resamples"),
        naive_resamples=(50, "resamples that scipy's bootstrap is timed on"),
        repeats=(5, "timed turns, of which the median counts"),
    )
    args = parsed(options, argv)
    parts = {
        "scoring": scoring(args.samples, args.naive_samples, args.repeats),
        "iou": iou(args.pairs, args.naive_pairs, args.repeats),
        "module": module(args.module_samples, args.repeats),
        "interval": interval(args.predictions, args.resamples, args.naive_resamples, max(1, min(3, args.repeats))),
    }
    head = parts["scoring"]
    result = {key: head[key] for key in ("naive", "ours", "floor", "ratio")}
    result["equal"] = all(part["equal"] for part in parts.values())
    return printed({**result, **parts})


if __name__ == "__main__":
    main()
