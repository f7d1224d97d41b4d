# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Run the pipeline on a drawn toy world, end to end, and write a page that shows it.

Everything it calls is what serves Visual Genome and the real checkpoints; only the world is small.
"""

import json
import random
import time
from collections.abc import Iterable
from pathlib import Path

from promvil_hf import pages
from promvil_hf.boxes import Box
from promvil_hf.commands.demo_page import Shown, demo_page
from promvil_hf.dialects import GroundingDialect, Kosmos2, LlavaBrackets, PaliGemmaLoc, QwenJson
from promvil_hf.metrics.answers import read_texts
from promvil_hf.metrics.grounding import GroundingScore, grounding_table
from promvil_hf.nesting import decompose
from promvil_hf.phrases import GroundedPhrase, PhraseChain
from promvil_hf.toy.chains import chain_of, is_bare_head
from promvil_hf.toy.world import Scene, WorldConfig, scenes, write_world


DIALECTS: dict[str, GroundingDialect] = {
    "Kosmos-2 cells": Kosmos2(),
    "Qwen JSON": QwenJson(),
    "LLaVA brackets": LlavaBrackets(),
    "PaliGemma tokens": PaliGemmaLoc(),
}
TEST_IMAGES = range(500_000, 500_050)  # COCO ids that the demo pretends to be somebody's test set


def add_arguments(parser):
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder to write (default: %(default)s)")
    parser.add_argument("--scenes", type=int, default=500, help="how many scenes to draw (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)


def run(args):
    if args.scenes < 2:
        raise ValueError(f"You passed --scenes {args.scenes}: the demo needs at least two, to have a test split.")
    started = time.perf_counter()
    args.out.mkdir(parents=True, exist_ok=True)
    world = args.out / "world"
    config = WorldConfig(image_size=(224, 224))
    drawn = list(_progress(scenes(config, args.scenes, args.seed), args.scenes))
    print(f"1. Toy world: {write_world(drawn, world, layout='1.4', noise=0.05)}\n")

    compovl = build_compovl(world, args.out / "compovl")
    print(f"2. CompoVL, through the reader of Visual Genome:\n{compovl}\n")

    chains = [
        (scene, expression, chain_of(scene, expression)) for scene in drawn for expression in scene.expressions()
    ]
    found = agreement(expression for _, expression, _ in chains)
    told = ", ".join(f"level {level} {right:,} of {all_:,}" for level, (right, all_) in found.items())
    print(f"3. Decomposition, all parts found exactly: {told}\n")

    scored = dialect_scores(((scene, chain) for scene, _, chain in chains), args.seed)
    told = ", ".join(f"{name} {score.accuracy:.3f}" for name, score in scored.items())
    print(f"4. Accuracy@0.5 of an imagined model that errs by up to a quarter of each side, by dialect: {told}\n")

    fivl, twins = build_fivl(world, args.out / "fivl")
    print(
        f"5. FiVL-Instruct, conversations -> key expressions by rules -> masks -> rows:\n{fivl}\n   twins: {twins}\n"
    )

    segmented = segment_with_tiny_models(world, args.out / "grounded_sam")
    print(f"6. The same through GroundingDINO and SAM of random weights (the path, not the quality): {segmented}\n")

    page = pages.write(
        args.out / "index.html", demo_page(Shown(chains, found, scored, str(compovl), fivl, twins, args))
    )
    print(f"Done in {time.perf_counter() - started:.0f} s. Written:")
    for path, about in (
        (page, "open this one: chains drawn level by level, and the figures above"),
        (args.out / "compovl", "CompoVL as Parquet with its card; work/ holds the resumable shards"),
        (args.out / "fivl", "FiVL-Instruct as Parquet with its card"),
        (world, "images and annotations in Visual Genome's schema, questions, masks"),
    ):
        print(f"  {path}   {about}")
    print(
        "\nTry next:\n"
        '  promvil decompose "the man next to the woman holding an umbrella"\n'
        f"  promvil inspect compovl --help      (judge a sample of {args.out / 'compovl'} by eye)\n"
        "  promvil build compovl --vg VISUAL_GENOME_DIR --out compovl      (see docs/real_data.md)"
    )


def build_compovl(world: Path, out: Path):
    from promvil_hf.data.compovl_build import build
    from promvil_hf.data.leakage import LeakageList

    tests = LeakageList("toy test images", "coco", frozenset(TEST_IMAGES))
    return build(world, out, leakage=(tests,), progress=False)


def build_fivl(world: Path, out: Path):
    """Conversations to rows, and the twins of POPE-like questions: what is counted on the way."""
    from promvil_hf.annotators.fivl_pipeline import Terms, annotate_expressions, annotate_masks, image_of
    from promvil_hf.annotators.key_expressions import rules
    from promvil_hf.annotators.masks import given
    from promvil_hf.data.fivl_builder import publish, read_rows, tell
    from promvil_hf.data.fivl_sources import Source
    from promvil_hf.data.perturb import TwinSummary, all_twins

    images, quiet = world / "VG_100K", Terms(progress=False)
    masks = given(world / "key_expressions.jsonl", images)
    reports = {}
    for kind, config, file in (
        ("llava", "instruct", "llava_conversations.json"),
        ("pope", "pope", "pope_random.jsonl"),
    ):
        source, work = Source(kind, (str(world / file),)), out / "work" / config
        pictures = world if kind == "llava" else images  # conversations name the image folder themselves
        annotate_expressions(source, pictures, rules, work, describe={"annotator": "rules"}, terms=quiet)
        annotate_masks(source, pictures, masks, work, describe={"annotator": "given"}, terms=quiet)
        reports[config] = publish(out, config)
    summary = TwinSummary()
    for _ in all_twins(list(read_rows(out, "pope"))[:100], lambda row: image_of(row, images), summary=summary):
        pass
    asked = reports["pope"]
    return tell(reports["instruct"]), (
        f"{asked['rows']:,} of {asked['rows_in']:,} POPE-like questions have something to hide (where the answer is no, there is "
        f"nothing); of the first {summary.rows}: {summary}"
    )


def segment_with_tiny_models(world: Path, out: Path, conversations: int = 4) -> str:
    from promvil_hf.annotators.detectors import grounding_dino
    from promvil_hf.annotators.fivl_pipeline import Terms, annotate_expressions, annotate_masks
    from promvil_hf.annotators.key_expressions import rules
    from promvil_hf.annotators.masks import grounded_sam
    from promvil_hf.annotators.segmenters import sam
    from promvil_hf.data.fivl_builder import publish
    from promvil_hf.data.fivl_sources import Source
    from promvil_hf.toy.models import tiny_grounding_dino, tiny_sam

    few = out / "conversations.json"
    few.parent.mkdir(parents=True, exist_ok=True)
    few.write_text(json.dumps(json.loads((world / "llava_conversations.json").read_text())[:conversations]))
    source, work, quiet = Source("llava", (str(few),)), out / "work" / "instruct", Terms(progress=False)
    detector, segmenter = tiny_grounding_dino(), tiny_sam()
    masks = grounded_sam(
        grounding_dino(detector.model, detector.processor, 0.6), sam(segmenter.model, segmenter.processor)
    )
    annotate_expressions(source, world, rules, work, describe={"annotator": "rules"}, terms=quiet)
    annotate_masks(source, world, masks, work, describe={"annotator": "grounded_sam tiny"}, terms=quiet)
    report = publish(out, "instruct")
    return f"{report['rows']} of {report['rows_in']} rows, {report['masks']} masks"


def agreement(expressions: Iterable) -> dict[int, tuple[int, int]]:
    """Per level, how often the rule grammar finds exactly the parts the world composed the expression from."""
    counts: dict[int, tuple[int, int]] = {}
    for expression in expressions:
        truth = {part.text for index, part in enumerate(expression.parts) if not is_bare_head(expression, index)}
        right, all_ = counts.get(expression.level, (0, 0))
        own = {phrase.text for phrase in decompose(expression.text).phrases}
        counts[expression.level] = (right + (own == truth), all_ + 1)
    return dict(sorted(counts.items()))


def dialect_scores(chains: Iterable[tuple[Scene, PhraseChain]], seed: int) -> dict[str, GroundingScore]:
    """A model that is off by up to a quarter of each side answers in every dialect; each is read back and scored."""
    rng = random.Random(seed)
    gold, sizes, guesses = [], [], []
    for scene, chain in chains:
        box = chain.steps[-1].target.boxes[0]
        shift = [rng.uniform(-0.25, 0.25) * side for side in (box.width, box.height, box.width, box.height)]
        gold.append([box])
        sizes.append(scene.size)
        guesses.append(Box.clipped(*(edge + by for edge, by in zip(box.xyxy, shift, strict=True))) or box)
    scores = {}
    for name, dialect in DIALECTS.items():
        answers = [
            dialect.target(GroundedPhrase("it", [box]), image_size=size)
            for box, size in zip(guesses, sizes, strict=True)
        ]
        scores[name] = grounding_table(read_texts(answers, dialect, sizes), gold, None)[None]
    return scores


def _progress(items, total: int):
    from tqdm import tqdm

    return tqdm(items, total=total, desc="drawing", leave=False, disable=None)
