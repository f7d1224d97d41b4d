# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""PromViL's chapters: CompoVL out of a world, two adapters, and level by level against at once."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from promvil_hf.commands.demo.chapters import Sizes
from promvil_hf.commands.demo.training import CurvePoint, curve, on_a_terminal, quiet, settings
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.comparison import compare
from promvil_hf.evaluation.predictions import Answer, Predictions
from promvil_hf.evaluation.results import evaluate
from promvil_hf.metrics.intervals import Interval
from promvil_hf.nesting import decompose
from promvil_hf.toy.adapters import folder
from promvil_hf.toy.chains import chain_of, is_bare_head, scene_chain
from promvil_hf.toy.scenery import Scene, scene
from promvil_hf.toy.small_world import NEAR


LEVELS = (1, 2, 3)
# For 1.4 million parameters and 600 steps of Muon; the paper's, for 1.6 billion and AdamW, are 64, 32 and 1e-4.
RANK, ALPHA, LEARNING_RATE = 64, 64, 0.01
SCOPE = "text"  # the paper's, "reference", adapts both towers; here the tower sees already
PER_PICTURE = 12  # chains of one picture
TRAININGS = {"flat": False, "chains": True}  # name: whether a phrase is trained behind the boxes of its parts


@dataclass(frozen=True, slots=True)
class Compovl:
    """What the build said, its rows by level, and how often the rule grammar finds the parts of held-out expressions."""

    summary: str
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


def decomposed(tests: Sequence[Scene]) -> dict[int, tuple[int, int]]:
    """By level, how often the rule grammar finds exactly the parts that the world composed an expression from."""
    counts: dict[int, tuple[int, int]] = {}
    for expression in (nested for drawn in tests for nested in drawn.expressions()):
        truth = {part.text for index, part in enumerate(expression.parts) if not is_bare_head(expression, index)}
        found = {phrase.text for phrase in decompose(expression.text).phrases} == truth
        right, all_ = counts.get(expression.level, (0, 0))
        counts[expression.level] = (right + found, all_ + 1)
    return dict(sorted(counts.items()))


@dataclass(frozen=True, slots=True)
class Adapters:
    """Where adapters lie, by name, and how they came to be."""

    folders: dict[str, str]
    how: str
    points: dict[str, tuple[CurvePoint, ...]]  # of the trainings, where they were done now


def shipped() -> Adapters:
    return Adapters({name: str(folder(name)) for name in TRAININGS}, "They come with the package.", {})


def train_both(base: Path, out: Path, sizes: Sizes, seed: int) -> Adapters:
    """The two adapters: the same scenes in the same order, each phrase alone, or behind the boxes of its parts."""
    points = {name: train(base, out / name, sizes, seed, evidence) for name, evidence in TRAININGS.items()}
    how = (
        f"Trained in this run on {sizes.chain_scenes:,} scenes: rank {RANK}, scope “{SCOPE}”, Muon at {LEARNING_RATE:g}, "
        f"{sizes.chain_batch} scenes in a step."
    )
    return Adapters({name: str(out / name) for name in TRAININGS}, how, points)


def train(base: Path, out: Path, sizes: Sizes, seed: int, evidence: bool) -> tuple[CurvePoint, ...]:
    """LoRA on one expression of each level of each scene; the scenes are drawn, and none of them is held out."""
    from promvil_hf.backends.loading import load
    from promvil_hf.backends.lora_scopes import lora_config
    from promvil_hf.toy.muon import Muon
    from promvil_hf.training.promvil_config import PromViLConfig
    from promvil_hf.training.promvil_trainer import PromViLTrainer

    scenes = (scene(NEAR, seed, number) for number in range(sizes.chain_scenes))
    rows = [{"image": drawn.image(), "chain": scene_chain(drawn, per_level=1)} for drawn in scenes]
    backend = load(base)
    config = PromViLConfig(
        str(out),
        curriculum="none",
        train_evidence=evidence,
        supervise="boxes",  # the toy base was never taught to repeat the phrase
        learning_rate=LEARNING_RATE,
        logging_steps=max(1, sizes.chain_scenes // sizes.chain_batch // 40),
        max_steps=sizes.chain_scenes // sizes.chain_batch,
        **settings(seed, sizes.chain_batch),
    )
    lora = lora_config(SCOPE, r=RANK, alpha=ALPHA, dropout=0.0)
    trainer = PromViLTrainer(
        backend.model,
        config,
        processing_class=backend.processor,
        train_dataset=rows,
        peft_config=lora,
        make_optimizer=lambda model: Muon(model.named_parameters(), LEARNING_RATE),
    )
    quiet(trainer, "PromViL, chains" if evidence else "PromViL, flat").train()
    trainer.save_model()
    return curve(trainer, "loss", "loss_level")


# --- level by level against at once ---------------------------------------------------------------

FLAT, AT_ONCE, STEPWISE = "without chains, at once", "chains, at once", "chains, level by level"
RUNS = {  # name: (adapter, mode of the grounder)
    FLAT: ("flat", "one_shot"),
    AT_ONCE: ("chains", "one_shot"),
    STEPWISE: ("chains", "progressive"),
}
COMPARED = (FLAT, AT_ONCE)  # each with STEPWISE, in pairs


@dataclass(frozen=True, slots=True)
class Level:
    """Accuracy at IoU 0.5 of each run on the expressions of one level, and by how much level by level is better, in pairs."""

    level: int
    expressions: int
    scenes: int
    accuracy: dict[str, Interval]
    gain: dict[str, Interval]  # level by level minus each run of `COMPARED`
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


def ground(
    base: Path,
    adapters: Mapping[str, str],
    tests: Sequence[Scene],
    out: Path,
    sizes: Sizes,
    runs: Mapping[str, tuple[str, str]] = RUNS,
) -> Grounded:
    """Ask about held-out scenes: the flat model at once, the model of chains at once and level by level."""
    from promvil_hf.backends.loading import load
    from promvil_hf.grounding import GroundingOptions, ProgressiveGrounder, Query

    questions = asked(tests, sizes.expressions)
    images = {drawn.image_id: drawn.image() for drawn in tests}
    backends = {name: load(base, place) for name, place in adapters.items()}
    reports, traces = {}, {}
    for run, (adapter, mode) in runs.items():
        grounder = ProgressiveGrounder(backends[adapter], GroundingOptions(mode, max_new_tokens=16))
        # The parts of an expression are the world's own, so that a fault of the grammar is not taken for one of the model.
        queries = [
            Query(images[question.scene.image_id], chain_of(question.scene, question.expression), id=question.name)
            for question in questions
        ]
        found = grounder.ground_all(queries)
        path = out / f"{file_name(run)}.jsonl"
        path.write_text("".join(json.dumps(trace.to_dict(times=False)) + "\n" for trace in found), encoding="utf-8")
        traces[run] = str(path)
        said = Predictions({trace.id: Answer(boxes=[list(box.xyxy) for box in trace.boxes]) for trace in found})
        for level in LEVELS:
            rows = tuple(question.row for question in questions if question.row.level == level)
            if rows:
                benchmark = Benchmark("toy", f"held out, level {level}", "grounding", rows)
                predictions = Predictions({row.id: said.answers[row.id] for row in rows}, {}, {"adapter": adapter, "mode": mode})
                reports[run, level] = evaluate(benchmark, predictions)
                reports[run, level].save(path.with_name(f"{path.stem}_level_{level}.json"))
    levels = sorted({level for _, level in reports})
    return Grounded(tuple(_level(level, runs, reports) for level in levels), traces)


def file_name(run: str) -> str:
    return run.replace(", ", "_").replace(" ", "_")


def _level(level: int, runs: Iterable[str], reports) -> Level:
    by_run = {run: reports[run, level] for run in runs}
    tests = {run: compare(by_run[run], by_run[STEPWISE]).test for run in COMPARED if {run, STEPWISE} <= by_run.keys()}
    about = next(iter(by_run.values())).benchmark
    accuracy = {run: interval_of(report.scores["interval"]) for run, report in by_run.items()}
    gain = {run: test.difference for run, test in tests.items()}
    p_value = {run: test.p_value for run, test in tests.items()}
    return Level(level, about["rows"], about["images"], accuracy, gain, p_value)


def interval_of(record: dict) -> Interval:
    """From a report, whose NaN is null."""
    nan = float("nan")
    return Interval(**{name: nan if value is None else value for name, value in record.items()})
