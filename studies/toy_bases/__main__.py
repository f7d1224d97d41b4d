# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Train a toy base from random weights, measure it on held-out scenes, and write it as a checkpoint folder with its card.

    python -m studies.toy_bases kosmos2 --out runs/toy_kosmos2
    python -m studies.toy_bases llava --out runs/toy_llava --tower runs/toy_kosmos2
    python -m studies.toy_bases llava_boxes --out runs/toy_llava_boxes --tower toy:kosmos2

Killed, the same command with --resume goes on from the last checkpoint.
"""

import argparse
import os
import shlex
import sys
from pathlib import Path

import torch

from promvil_hf.backends.loading import backend_for
from promvil_hf.toy.small_world import ASKED_ABOUT, HARD, NESTED, held_out
from studies.toy_bases import kosmos2, llava, llava_boxes
from studies.toy_bases.measure import answering, grounding
from studies.toy_bases.saving import load_tower, save, save_tower
from studies.toy_bases.tower import Point, train_tower


FAMILIES = {"kosmos2": kosmos2, "llava": llava, "llava_boxes": llava_boxes}
TITLES = {
    "kosmos2": "Toy Kosmos-2 that grounds simple phrases",
    "llava": "Toy LLaVA that answers simple questions",
    "llava_boxes": "Toy LLaVA that grounds simple phrases",
}
STEPS = {"kosmos2": 1000, "llava": 4000, "llava_boxes": 2200}


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)  # of attention that begins sharp; they take most of the time of a step on a CPU
    try:
        words = [word for word in arguments if word != "--resume"]
        run(options, "python -m studies.toy_bases " + shlex.join(words))
    except (ValueError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 2
    finally:
        torch.set_flush_denormal(False)  # it holds for the process
    return 0


def run(options: argparse.Namespace, command: str) -> None:
    seed = options.seed
    family = FAMILIES[options.base]
    seeing = kosmos2.untrained(seed=seed)
    tower = seeing.model.vision_model
    kept = options.out if options.resume and (options.out / "tower.safetensors").is_file() else options.tower
    if kept is None:
        dense = train_tower(tower, options.tower_steps, seed=seed, every=options.log_every, say=_say)
    else:
        dense = load_tower(tower, kept)
    if kept != options.out:
        save_tower(tower, dense, options.out)
    if options.base == "kosmos2":
        tiny = seeing
        kosmos2.start(tiny.model, tiny.processor.tokenizer, seed=seed)
    else:
        tiny = family.untrained(seed=seed)
        family.start(tiny, tower, seed=seed)
    aligned = family.align_places(tiny, options.align_steps, seed=seed, every=options.log_every, say=_say)
    trained = family.train_on(
        tiny,
        options.out / "run",
        options.steps or STEPS[options.base],
        batch_size=options.batch_size,
        peak=options.learning_rate,
        seed=seed,
        log_every=options.log_every,
        resume=options.resume,
    )
    scores = measured(options.base, tiny, options.measure, seed)
    facts = {
        "seed": seed,
        "steps of the tower": dense[-1].step,
        "steps of the alignment": options.align_steps,
        "steps after it": " + ".join(str(curve[-1].step) if curve else "few" for curve in trained.values()),
        "rows in a batch": options.batch_size,
        "wall time of the training": f"{_seconds(aligned, *trained.values()):,.0f} s, {options.threads} threads, "
        f"{os.cpu_count()} cores, tower not included",
        "torch": torch.__version__,
    }
    curves = {"tower": dense, "alignment": aligned, **trained}
    save(
        options.out / "base",
        tiny,
        title=TITLES[options.base],
        command=command,
        facts=facts,
        curves=curves,
        scores=scores,
    )
    for name, score in scores.items():
        print(f"{name}: {score.estimate:.3f} [{score.low:.3f}, {score.high:.3f}] of {score.rows}")


def measured(base: str, tiny, scenes: int, seed: int) -> dict:
    """The scores of a card: name -> interval."""
    if base == "llava":
        return answering(backend_for(tiny.model, tiny.processor), held_out(ASKED_ABOUT, scenes, seed))
    backend = backend_for(tiny.model, tiny.processor)
    hard, nested = held_out(HARD, scenes, seed), held_out(NESTED, scenes, seed)
    return {
        "level 1": grounding(backend, hard, level=1),
        'level 1, worded as it stands alone ("circles")': grounding(backend, hard, level=1, plural=True),
        "level 1 in scenes of nested phrases": grounding(backend, nested, level=1),
        "level 2, one-shot": grounding(backend, nested, level=2),
        "level 3, one-shot": grounding(backend, nested, level=3),
    }


def _seconds(*curves: list[Point]) -> float:
    """Of all runs that made these curves, to their last points."""
    return sum(curve[-1].seconds for curve in curves if curve)


def _say(point: Point) -> None:
    values = " ".join(f"{name} {value:.3f}" for name, value in point.values.items())
    print(f"step {point.step} {point.seconds:.0f} s {values}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m studies.toy_bases",
        description=__doc__.rpartition(" Floor")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("base", choices=TITLES, help="which base")
    parser.add_argument("--out", type=Path, required=True, help="folder: base/ the checkpoint, run/ the training")
    parser.add_argument(
        "--tower", type=Path, help="toy:kosmos2, or --out of a run: its tower to begin with (default: train one)"
    )
    parser.add_argument("--tower-steps", type=int, default=1600, help="of dense pre-training (default: %(default)s)")
    parser.add_argument("--align-steps", type=int, default=200, help="of place to word (default: %(default)s)")
    parser.add_argument("--steps", type=int, help=f"behind the tower (default: {STEPS})")
    parser.add_argument("--batch-size", type=int, default=16, help="scenes in a step (default: %(default)s)")
    parser.add_argument(
        "--learning-rate",
        type=float,
        default=0.02,
        help="of matrices behind the tower, a tenth for the rest (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of scenes, weights and order (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of torch (default: %(default)s)")
    parser.add_argument("--log-every", type=int, default=100, help="steps between points of the curve")
    parser.add_argument(
        "--measure", type=int, default=200, help="held-out scenes to measure on (default: %(default)s)"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the last whole checkpoint of --out")
    return parser


if __name__ == "__main__":
    sys.exit(main())
