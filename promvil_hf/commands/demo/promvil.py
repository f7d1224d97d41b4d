# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Chapters 2 to 4, PromViL: CompoVL out of a world, LoRA with a curriculum on it, one-shot against progressive grounding."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from promvil_hf.commands.demo.chapters import Sizes
from promvil_hf.commands.demo.training import CurvePoint, curve, on_a_terminal, quiet, settings
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.comparison import compare
from promvil_hf.evaluation.predictions import Answer, Predictions
from promvil_hf.evaluation.results import evaluate
from promvil_hf.metrics.intervals import Interval
from promvil_hf.nesting import decompose
from promvil_hf.phrases import PhraseChain, PhraseStep
from promvil_hf.toy.chains import chain_of, is_bare_head
from promvil_hf.toy.scenery import Scene
from promvil_hf.training.chain_texts import chain_in


LEVELS = (1, 2, 3)
# For 1.4 million parameters and a few hundred steps of Muon; the paper's, for 1.6 billion and AdamW, are 64, 32 and 1e-4.
RANK, ALPHA, LEARNING_RATE = 32, 32, 0.02
SCOPE = "text"  # the paper's, "reference", adapts both towers; here the tower sees already
CURRICULUM = "competence"
PER_PICTURE = 12  # chains of one picture


@dataclass(frozen=True, slots=True)
class Compovl:
    """What the build said, its rows by level, and how often the rule grammar finds the parts of held-out expressions."""

    told: str
    rows: dict[int, int]
    decomposed: dict[int, tuple[int, int]]  # level: all parts found exactly, expressions


def build_compovl(world: Path, out: Path, tests: Sequence[Scene]) -> Compovl:
    """CompoVL through the reader of Visual Genome."""
    from promvil_hf.compovl.compose import Composing
    from promvil_hf.compovl.compovl_build import CompoVLSettings, build
    from promvil_hf.compovl.leakage import LeakageList
    from promvil_hf.job_terms import Terms

    held_out = LeakageList("held-out scenes", "vg", frozenset(scene.image_id for scene in tests))
    composing = Composing(levels=max(LEVELS), per_image=PER_PICTURE)
    settings = CompoVLSettings(composing, leakage=(held_out,))
    built = build(world, out, settings, Terms(progress=on_a_terminal()))
    levels = Counter(row["level"] for row in compovl_rows(out))
    return Compovl(str(built), dict(sorted(levels.items())), decomposed(tests))


def compovl_rows(out: Path):
    """The training split, as `datasets` reads it."""
    import datasets

    from promvil_hf.progress import bars_on_a_terminal_only

    with bars_on_a_terminal_only():
        return datasets.load_dataset(str(out), "default", split="train")


def by_picture(rows) -> list[dict]:
    """All chains of a picture as one: each phrase once, with its boxes and what describes it.

    As the reference has it, all texts about a picture then stand in one row, and the picture is encoded once for them.
    """
    pictures: dict[str, tuple[str, list[PhraseStep], dict]] = {}
    for row in rows:
        image, steps, known = pictures.setdefault(row["image_path"], (row["image_id"], [], {}))
        place: list[int] = []
        for step in chain_in(row).steps:
            if step.target not in known:
                known[step.target] = len(steps)
                steps.append(replace(step, anchors=[place[anchor] for anchor in step.anchors]))
            place.append(known[step.target])
    return [{"image_path": path, "chain": PhraseChain(image, steps)} for path, (image, steps, _) in pictures.items()]


def decomposed(tests: Sequence[Scene]) -> dict[int, tuple[int, int]]:
    """By level, how often the rule grammar finds exactly the parts that the world composed an expression from."""
    counts: dict[int, tuple[int, int]] = {}
    for expression in (own for drawn in tests for own in drawn.expressions()):
        truth = {part.text for index, part in enumerate(expression.parts) if not is_bare_head(expression, index)}
        found = {own.text for own in decompose(expression.text).phrases} == truth
        right, all_ = counts.get(expression.level, (0, 0))
        counts[expression.level] = (right + found, all_ + 1)
    return dict(sorted(counts.items()))


@dataclass(frozen=True, slots=True)
class Tuned:
    """An adapter, what of the model it trains, and the loss of each level while it was trained."""

    adapter: str
    how: str
    trains: str
    pictures: int
    steps: int
    points: tuple[CurvePoint, ...]


def train(base: Path, compovl: Path, world: Path, out: Path, sizes: Sizes, seed: int) -> Tuned:
    """LoRA on chains, simple levels first."""
    from promvil_hf.backends.loading import load
    from promvil_hf.backends.lora_scopes import lora_config
    from promvil_hf.toy.muon import Muon
    from promvil_hf.training.adapters import adapted
    from promvil_hf.training.promvil_config import PromViLConfig
    from promvil_hf.training.promvil_trainer import PromViLTrainer

    rows = by_picture(compovl_rows(compovl))
    backend = load(base)
    config = PromViLConfig(
        str(out),
        curriculum=CURRICULUM,
        supervise="boxes",  # the toy base was never taught to repeat the phrase
        learning_rate=LEARNING_RATE,
        logging_steps=5,
        **settings(seed, sizes.chain_batch),
    )
    lora = lora_config(SCOPE, r=RANK, alpha=ALPHA, dropout=0.0)
    lora.base_model_name_or_path = str(base)
    trainer = PromViLTrainer(
        backend.model,
        config,
        processing_class=backend.processor,
        train_dataset=rows,
        image_root=str(world),
        peft_config=lora,
        make_optimizer=lambda model: Muon(model.named_parameters(), LEARNING_RATE),
    )
    quiet(trainer, "PromViL").train()
    trainer.save_model()
    how = f"rank {RANK}, scope “{SCOPE}”, curriculum “{CURRICULUM}”, Muon at {LEARNING_RATE:g}"
    points = curve(trainer, "loss", "loss_level")
    return Tuned(str(out), how, adapted(trainer.model), len(rows), trainer.state.global_step, points)


# --- one-shot against progressive -----------------------------------------------------------------

RUNS = {
    "base, one-shot": ("base", "one_shot"),
    "base, progressive": ("base", "progressive"),
    "tuned, one-shot": ("tuned", "one_shot"),
    "tuned, progressive": ("tuned", "progressive"),
    "tuned, true evidence": ("tuned", "oracle"),
}


@dataclass(frozen=True, slots=True)
class Level:
    """Accuracy at IoU 0.5 of each run on the expressions of one level, and what progressive grounding changes, in pairs."""

    level: int
    expressions: int
    scenes: int
    accuracy: dict[str, Interval]
    gain: dict[str, Interval]  # of the base and of the tuned model: progressive minus one-shot
    p_value: dict[str, float]


@dataclass(frozen=True, slots=True)
class Grounded:
    """By level; and where the traces of each run lie."""

    levels: tuple[Level, ...]
    traces: dict[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """An expression about a held-out scene."""

    name: str
    scene: Scene
    expression: object
    row: BenchmarkRow


def asked(tests: Sequence[Scene], per_level: int) -> list[Asked]:
    """Up to `per_level` expressions of each level about each scene, the scene's own order."""
    found = []
    for drawn in tests:
        left = dict.fromkeys(LEVELS, per_level)
        for number, expression in enumerate(drawn.expressions()):
            if left.get(expression.level, 0) > 0:
                left[expression.level] -= 1
                name, image = f"{drawn.image_id}-{number}", f"{drawn.image_id}.png"
                boxes = chain_of(drawn, expression).steps[-1].target.boxes
                row = BenchmarkRow(name, image, expression.text, boxes, level=expression.level, image_size=drawn.size)
                found.append(Asked(name, drawn, expression, row))
    return found


def ground(base: Path, adapter: Path, tests: Sequence[Scene], out: Path, sizes: Sizes) -> Grounded:
    """Ask the base and the tuned model about held-out scenes, at once and level by level."""
    from promvil_hf.backends.loading import load
    from promvil_hf.grounding import GroundingOptions, ProgressiveGrounder, Query

    questions = asked(tests, sizes.expressions)
    images = {drawn.image_id: drawn.image() for drawn in tests}
    backends = {"base": load(base), "tuned": load(base, adapter)}
    reports, traces = {}, {}
    for run, (model, mode) in RUNS.items():
        grounder = ProgressiveGrounder(backends[model], GroundingOptions(mode, constrained=True, max_boxes=1))
        asks = [chain_of(own.scene, own.expression) if mode == "oracle" else own.expression.text for own in questions]
        queries = [
            Query(images[own.scene.image_id], text, id=own.name) for own, text in zip(questions, asks, strict=True)
        ]
        found = grounder.ground_all(queries)
        path = out / f"{run.replace(', ', '_').replace(' ', '_')}.jsonl"
        path.write_text("".join(json.dumps(trace.to_dict(times=False)) + "\n" for trace in found), encoding="utf-8")
        traces[run] = str(path)
        said = Predictions({trace.id: Answer(boxes=[list(box.xyxy) for box in trace.boxes]) for trace in found})
        for level in LEVELS:
            rows = tuple(own.row for own in questions if own.row.level == level)
            if rows:
                benchmark = Benchmark("toy", f"held out, level {level}", "grounding", rows)
                own = Predictions({row.id: said.answers[row.id] for row in rows}, {}, {"model": model, "mode": mode})
                reports[run, level] = evaluate(benchmark, own)
                reports[run, level].save(path.with_name(f"{path.stem}_level_{level}.json"))
    levels = sorted({level for _, level in reports})
    return Grounded(tuple(_level(level, reports) for level in levels), traces)


def _level(level: int, reports) -> Level:
    own = {run: reports[run, level] for run in RUNS}
    gained = {
        model: compare(own[f"{model}, one-shot"], own[f"{model}, progressive"]).test for model in ("base", "tuned")
    }
    about = next(iter(own.values())).benchmark
    accuracy = {run: interval_of(report.scores["interval"]) for run, report in own.items()}
    gain = {model: test.difference for model, test in gained.items()}
    p_value = {model: test.p_value for model, test in gained.items()}
    return Level(level, about["rows"], about["images"], accuracy, gain, p_value)


def interval_of(record: dict) -> Interval:
    """From a report, whose NaN is null."""
    nan = float("nan")
    return Interval(**{name: nan if value is None else value for name, value in record.items()})
