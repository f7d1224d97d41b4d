# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Rewards compared at equal updates on the toy LLaVA: right answers, reliance of right answers, and twins with parts hidden.

    python -m studies.reward --out runs/reward --seeds 0 1 2        goes on where it stopped; prints the tables of docs/reward.md
    python -m studies.reward --out runs/reward --boxes BASE         boxes instead, on a toy base that writes them
    python -m studies.reward --out runs/reward --show               prints the tables of what is there

Each training is `recipes/train_grpo.py` or `recipes/train_sft.py` by its toy recipe. Another seed has other training scenes,
other held-out scenes and other samples. Every model is then judged with every fill and with distractors, though it was trained
with black alone.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from promvil_hf.backends.base import Decoding, Request
from promvil_hf.backends.loading import load
from promvil_hf.commands import train_grpo, train_sft
from promvil_hf.commands.recipe import find
from promvil_hf.evaluation.reliance import row_scores
from promvil_hf.evaluation.shortcuts import distractor, judge_reliance
from promvil_hf.files import read_yaml, write_json
from promvil_hf.fivl.fivl_rows import FivlRow, Key
from promvil_hf.fivl.twins import FILLS
from promvil_hf.key_expressions import Turn
from promvil_hf.toy.scenery import scenes
from promvil_hf.toy.small_world import ASKED_ABOUT, asked


QUESTION_ARMS = {
    "right answers": (train_grpo, "toy/grpo", ["--rewards", "answer"]),
    "twins": (train_grpo, "toy/grpo", ["--rewards", "twin"]),
    "plain SFT": (train_sft, "toy/sft", []),
    "right answers and reliance": (train_grpo, "toy/grpo", ["--rewards", "answer", "reliance"]),
}
ON_BOXES = [
    "--task", "phrases", "--max_completion_length", "24", "--temperature", "1.0", "--scale_rewards", "group",
    "--per_device_train_batch_size", "16", "--toy_style", "flat",
]  # fmt: skip
BOX_ARMS = {  # 4 prompts a step
    "IoU and form": (train_grpo, "toy/grpo", [*ON_BOXES, "--rewards", "iou", "form"]),
    "beyond and form": (train_grpo, "toy/grpo", [*ON_BOXES, "--rewards", "beyond", "form"]),
    "plain SFT": (train_sft, "toy/sft", [
        "--task", "phrases", "--longest_answer", "24", "--per_device_train_batch_size", "4", "--toy_style", "flat",
    ]),
}  # fmt: skip
PER_SCENE = 3


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/reward"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", help="some of the arms, by their first words")
    parser.add_argument("--boxes", help="the base that writes boxes: boxes instead of questions")
    parser.add_argument("--scenes", type=int, default=40, help="held-out scenes a seed")
    parser.add_argument("--updates", type=int, help="in place of the recipe's")
    parser.add_argument("--show", action="store_true", help="print the tables of what is there, and train nothing")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    arms = BOX_ARMS if args.boxes else QUESTION_ARMS
    chosen = [arm for arm in arms if not args.arms or arm.startswith(tuple(args.arms))]
    for seed in () if args.show else args.seeds:
        if not args.boxes:
            judged(args, seed, "before", None)
        for arm in chosen:
            folder = trained(args, seed, arm, *arms[arm])
            if not args.boxes:
                judged(args, seed, arm, folder)
    print(tables(args, ["before", *arms], args.seeds))


def trained(args, seed: int, arm: str, command, recipe: str, words: Sequence[str]) -> Path:
    """The folder of a finished training."""
    folder = args.out / f"{'boxes' if args.boxes else 'questions'}-{seed}-{arm.replace(' ', '_').replace(',', '')}"
    held = folder / "held_out.json"
    if held.is_file() and "after" in json.loads(held.read_text()):
        return folder
    words = [
        "--config", str(find(recipe)), *words, "--seed", str(seed), "--rows", f"toy:300:{seed + 1}",
        "--eval_rows", f"toy:{args.scenes}:{seed + 1001}", "--output_dir", str(folder), "--disable_tqdm", "true",
        *(["--model", args.boxes] if args.boxes else []), *(["--max_steps", str(args.updates)] if args.updates else []),
    ]  # fmt: skip
    command.train(words)
    return folder


def judged(args, seed: int, arm: str, folder: Path | None) -> dict:
    """What `judge_reliance` says of a model, kept in a file."""
    path = args.out / f"judged-{seed}-{arm.replace(' ', '_')}.json"
    if path.is_file():
        return json.loads(path.read_text())
    backend = load("toy:llava" if folder is None else folder, device="cpu")
    style = read_yaml(find("toy/grpo"))["toy_style"]
    rows, pictures, distractors = questions(args.scenes, seed + 1001, style)

    def answer(pairs):
        requests = [Request(question, picture) for question, picture in pairs]
        return [
            said.text for at in range(0, len(requests), 64)
            for said in backend.generate(requests[at : at + 64], Decoding(max_new_tokens=4))
        ]  # fmt: skip

    found = judge_reliance(
        rows, lambda row: pictures[row.image_path], answer, lambda part, said: row_scores(part, said, "gqa"),
        distractors=distractors,
    )  # fmt: skip
    write_json(path, found.to_dict())
    return found.to_dict()


def questions(count: int, seed: int, style: str):
    """Questions about held-out scenes that speak of something there, their pictures, and another thing to hide for each."""
    rows, pictures, others = [], {}, {}
    for drawn in scenes(replace(ASKED_ABOUT, style=style), count, seed):
        name = f"{drawn.image_id}.png"
        pictures[name] = drawn.image()
        boxes = [drawn.box(place) for place in range(len(drawn.objects))]
        speaking = [question for _, question in asked(drawn) if question.keys]
        for place, question in enumerate(speaking[:PER_SCENE]):
            keys = tuple(Key(key.located(drawn), key.text) for key in question.keys)
            turn = Turn(0, question.question, question.answer)
            row_id = f"{seed}-{drawn.image_id}-{place}"
            row = FivlRow(row_id, "gqa", row_id, name, drawn.size, (turn,), keys, (question.answer,))
            rows.append(row)
            others[row.row_id] = distractor(row, boxes)
    return rows, pictures, others


def tables(args, arms: Sequence[str], seeds: Sequence[int]) -> str:
    """Markdown: held-out answers by seed, then what hiding costs, as means over the seeds with the lowest and the highest."""
    kind = "boxes" if args.boxes else "questions"
    lines = ["| trained for | held-out answers before, by seed | after, by seed |", "|---|---|---|"]
    for arm in arms[1:]:
        name = arm.replace(" ", "_").replace(",", "")
        held = [one for seed in seeds if "after" in (one := _read(args.out / f"{kind}-{seed}-{name}" / "held_out.json"))]
        if held:
            before = ", ".join(f"{one['before']['estimate']:.2f}" for one in held)
            after = (one["after"] for one in held)
            after = ", ".join(f"{one['estimate']:.2f} [{one['low']:.2f}, {one['high']:.2f}]" for one in after)
            lines.append(f"| {arm} | {before} | {after} |")
    if args.boxes:
        return "\n".join(lines)
    lost = ["", _row("model", "accuracy", "blind", *(f"lost, {fill}" for fill in FILLS)), "|---" * (3 + len(FILLS)) + "|"]
    what = ("beyond_elsewhere", "beyond_distractors")
    beyond = ["", _row("model", *(f"{one.replace('_', ' ')}, {fill}" for one in what for fill in FILLS)),
              "|---" * (1 + 2 * len(FILLS)) + "|"]  # fmt: skip
    verdicts = ["", "| verdict | models and seeds |", "|---|---|"]
    names = [*(f"beyond elsewhere, {fill}" for fill in FILLS), "blind"]
    less = ["", _row("difference to right answers, by seed", *names), "|---" * (1 + len(names)) + "|"]
    said: dict[str, list[str]] = {}
    for arm in arms:
        found = {seed: one for seed in seeds if (one := _read(args.out / f"judged-{seed}-{arm.replace(' ', '_')}.json"))}
        if not found:
            continue
        judged_models = list(found.values())

        def spread(name: str, fill: str, of=judged_models) -> str:
            return _spread([one["fills"][fill][name]["estimate"] for one in of])

        known = (_spread([one[name] for one in judged_models]) for name in ("accuracy", "blind"))
        lost.append(_row(arm, *known, *(spread("lost", fill) for fill in FILLS)))
        beyond.append(_row(arm, *(spread(one, fill) for one in what for fill in FILLS)))
        for seed, one in found.items():
            said.setdefault(one["verdict"], []).append(f"{arm} {seed}")
        if arm not in ("before", "right answers"):
            pairs = [(one, _read(args.out / f"judged-{seed}-right_answers.json")) for seed, one in found.items()]
            values = [lambda one, fill=fill: one["fills"][fill]["beyond_elsewhere"]["estimate"] for fill in FILLS]
            values.append(lambda one: one["blind"])
            shares = [[value(one) - value(plain) for one, plain in pairs if plain] for value in values]
            less.append(_row(arm, *(", ".join(f"{share:+.2f}" for share in of_fill) for of_fill in shares)))
    verdicts += [_row(verdict, ", ".join(models)) for verdict, models in said.items()]
    return "\n".join([*lines, *lost, *beyond, *less, *verdicts])


def _read(path: Path) -> dict:
    return json.loads(path.read_text()) if path.is_file() else {}


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()
