# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A toy base as a folder that `from_pretrained` loads: config, processor, model.safetensors, and a card with all figures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from safetensors.torch import load_file, save_file

from promvil_hf.backends.checkpoint_names import located
from promvil_hf.metrics.intervals import Interval
from promvil_hf.toy.bases import PREFIX
from promvil_hf.toy.models.parts import TinyModel
from studies.toy_bases.tower import Point


def save(
    folder: Path,
    tiny: TinyModel,
    *,
    title: str,
    command: str,
    facts: Mapping[str, object],
    curves: Mapping[str, Sequence[Point]],
    scores: Mapping[str, Interval],
) -> None:
    """Write the checkpoint, `curves.json`, `scores.json` and README.md, made of the same numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    tiny.model.save_pretrained(folder)
    tiny.processor.save_pretrained(folder)
    points = {name: [asdict(point) for point in curve] for name, curve in curves.items()}
    (folder / "curves.json").write_text(json.dumps(points, indent=1) + "\n", encoding="utf-8")
    found = {name: asdict(score) for name, score in scores.items()}
    (folder / "scores.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card(tiny, title, command, facts, curves, scores), encoding="utf-8")


def card(tiny: TinyModel, title: str, command: str, facts, curves, scores) -> str:
    size = sum(parameter.numel() for parameter in tiny.model.parameters())
    lines = [
        "---\nlicense: apache-2.0\ntags: [promvil_hf, toy]\n---\n",
        f"# {title}\n",
        f"{size:,} parameters, trained on scenes that `promvil_hf.toy` draws. It knows ten flat shapes on a plain ground and "
        "nothing else: it shows that methods do what they say, on any laptop.\n",
        f"```bash\n{command}\n```\n",
        "| | |\n|---|---|",
        *(f"| {name} | {value} |" for name, value in facts.items()),
        "\n## Held-out scenes\n",
        "| what | accuracy | 95 % interval (bootstrap over scenes) | rows | scenes |\n|---|---|---|---|---|",
        *(
            f"| {name} | {score.estimate:.3f} | {score.low:.3f} to {score.high:.3f} | {score.rows} | {score.clusters} |"
            for name, score in scores.items()
        ),
    ]
    for name, curve in curves.items():
        if curve:
            columns = list(curve[0].values)
            every = max(1, -(-len(curve) // 16))
            shown = [point for number, point in enumerate(curve, 1) if number % every == 0 or number == len(curve)]
            lines += [
                f"\n## Curve: {name}\n",
                f"| step | seconds | {' | '.join(columns)} |",
                f"|---|---|{'---|' * len(columns)}",
                *(
                    f"| {point.step} | {point.seconds:.0f} | {' | '.join(f'{point.values[c]:.3f}' for c in columns)} |"
                    for point in shown
                ),
            ]
    return "\n".join(lines) + "\n"


def save_tower(tower, curve: Sequence[Point], folder: Path) -> None:
    """`tower.safetensors` and `tower_curve.json`: what another run can begin with."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tower_curve.json").write_text(json.dumps([asdict(point) for point in curve]) + "\n", encoding="utf-8")
    save_file({name: tensor.contiguous() for name, tensor in tower.state_dict().items()}, folder / "tower.safetensors")


def load_tower(tower, folder: Path) -> list[Point]:
    """Into the tower of a tiny Kosmos-2; its curve is returned. The folder "toy:kosmos2" is the base that is shipped."""
    if str(folder).startswith(PREFIX):
        base, prefix = Path(located(str(folder))), "vision_model."
        weights = load_file(base / "model.safetensors")
        tower.load_state_dict({name.removeprefix(prefix): found for name, found in weights.items() if name.startswith(prefix)})
        return _points(json.loads((base / "curves.json").read_text(encoding="utf-8"))["tower"])
    file = folder / "tower.safetensors"
    if not file.is_file():
        raise ValueError(
            f"There is no {file}: pass the --out folder of a run that trained a tower, or leave --tower out."
        )
    tower.load_state_dict(load_file(file))
    return _points(json.loads((folder / "tower_curve.json").read_text(encoding="utf-8")))


def _points(records: Sequence[Mapping]) -> list[Point]:
    return [Point(**point) for point in records]
