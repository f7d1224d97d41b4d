# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Train an adapter of `promvil_hf.toy.adapters`, measure it on held-out scenes, and write it with its card.

    python -m studies.toy_adapters chains --out runs/toy_adapters/chains

The training is that of `promvil demo --train`. Weights are kept in half precision; they are measured as they are kept.
"""

import argparse
import json
import shlex
import sys
import time
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file, save_file

from promvil_hf.backends.adapter_loading import CONFIG, WEIGHTS
from promvil_hf.backends.loading import load
from promvil_hf.commands.demo import fivl, promvil, world
from promvil_hf.commands.demo.chapters import QUICK, Sizes
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.fivl.fivl_publish import read_rows
from promvil_hf.metrics.intervals import Interval, bootstrap_interval
from promvil_hf.toy.adapters import ADAPTERS
from promvil_hf.toy.bases import folder
from promvil_hf.toy.small_world import ASKED_ABOUT, NEAR, held_out
from studies.toy_bases.measure import answering


TITLES = {
    "chains": "PromViL on toy Kosmos-2: chains",
    "flat": "Toy Kosmos-2 tuned on the same phrases without chains",
    "vision_loss": "FiVL on toy LLaVA: the joint loss, λ = 0.1",
    "no_vision_loss": "Toy LLaVA tuned on the same rows with the language loss alone",
}
PER_LEVEL = 4  # expressions of each level that are asked of a held-out scene


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    command = "python -m studies.toy_adapters " + shlex.join(arguments)
    run(options.name, options.out, options.seed, QUICK if options.quick else Sizes(), options.scenes, command)
    return 0


def run(name: str, out: Path, seed: int, sizes: Sizes, scenes: int, command: str) -> None:
    out.mkdir(parents=True, exist_ok=True)
    base, began = folder(ADAPTERS[name]), time.process_time()
    with TemporaryDirectory() as work:
        if name in promvil.TRAININGS:
            promvil.train(base, Path(work, "made"), sizes, seed, promvil.TRAININGS[name])
        else:
            _train_fivl(name, base, Path(work), sizes, seed)
        spent = time.process_time() - began
        keep(Path(work, "made"), out, ADAPTERS[name])
    scores = measured(name, out, scenes, seed)
    report = {what: asdict(score) for what, score in scores.items()}
    (out / "scores.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (out / "README.md").write_text(card(name, seed, spent, scores, command), encoding="utf-8")


def _train_fivl(name: str, base: Path, work: Path, sizes: Sizes, seed: int) -> None:
    worlds = world.draw_worlds(work, {"talk": sizes.talk_scenes, "talk_test": sizes.test_scenes}, seed)
    fivl.build_rows(Path(worlds.folders["talk"]), Path(worlds.folders["talk_test"]), work / "fivl")
    taught = fivl.taught(work / "fivl", worlds.folders, world.scenes_of("talk", sizes.talk_scenes, seed), seed)
    [weight] = [fivl.WEIGHTS[arm] for arm, adapter in fivl.ADAPTERS.items() if adapter == name]
    fivl.train(base, taught, weight, name, work / "made", sizes, seed)


def keep(made: Path, out: Path, base: str) -> None:
    """The two files of an adapter, its weights in half precision, its base by the name that `load` knows."""
    weights = {name: tensor.half() for name, tensor in load_file(made / WEIGHTS).items()}
    save_file(weights, out / WEIGHTS, metadata={"format": "pt"})
    config = json.loads((made / CONFIG).read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = f"toy:{base}"
    (out / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def measured(name: str, adapter: Path, scenes: int, seed: int = 0) -> dict[str, Interval]:
    """What the card says of an adapter, on held-out scenes."""
    base = folder(ADAPTERS[name])
    with TemporaryDirectory() as work:
        if name in promvil.TRAININGS:
            return _grounding(name, base, adapter, scenes, seed, Path(work))
        backend = load(base, adapter)
        worlds = world.draw_worlds(Path(work), {"talk": 1, "talk_test": scenes}, seed)
        fivl.build_rows(Path(worlds.folders["talk"]), Path(worlds.folders["talk_test"]), Path(work, "fivl"))
        rows = list(read_rows(Path(work, "fivl", "test"), "instruct"))
        ious, _, images = fivl.said_words(backend, rows, Pictures(Path(worlds.folders["talk_test"])))
        words = {"IoU of key expressions with the patches that say their noun": bootstrap_interval(ious, clusters=images)}
        return words | {"short answers": answering(backend, held_out(ASKED_ABOUT, scenes, seed))["all"]}


def _grounding(name: str, base: Path, adapter: Path, scenes: int, seed: int, work: Path) -> dict[str, Interval]:
    sizes = Sizes(test_scenes=scenes, expressions=PER_LEVEL)
    runs = {run: setting for run, setting in promvil.RUNS.items() if setting[0] == name}
    found = promvil.ground(base, {name: str(adapter)}, held_out(NEAR, scenes, seed), work, sizes, runs)
    return {f"{run}, level {level.level}": level.accuracy[run] for run in runs for level in found.levels}


def card(name: str, seed: int, spent: float, scores: dict[str, Interval], command: str) -> str:
    lines = [
        "---\nlicense: apache-2.0\nlibrary_name: peft\ntags: [promvil_hf, toy, lora]\n---\n",
        f"# {TITLES[name]}\n",
        f"A LoRA adapter of `toy:{ADAPTERS[name]}`, trained on scenes that `promvil_hf.toy` draws. It shows on any laptop what "
        "the method does; it knows nothing of photographs.\n",
        f'```python\nfrom promvil_hf.backends.loading import load\n\nbackend = load("toy:{ADAPTERS[name]}", "toy:{name}")\n```\n',
        f"Made by `{command}`: seed {seed}, {spent:,.0f} s of CPU time on one thread. Weights are kept in half precision.\n",
        "| held-out scenes | mean | 95 % interval (over scenes) | rows | scenes |\n|---|---|---|---|---|",
        *(
            f"| {what} | {score.estimate:.3f} | {score.low:.3f} to {score.high:.3f} | {score.rows} | {score.clusters} |"
            for what, score in scores.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", choices=ADAPTERS)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenes", type=int, default=150, help="held-out scenes to measure on (default: 150)")
    parser.add_argument("--quick", action="store_true", help="a few scenes and steps: shows that it runs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
