# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A small CompoVL of drawn scenes in the published form, pictures embedded, and tiny models on disk."""

import io
from pathlib import Path

from promvil_hf.phrases import PhraseChain
from promvil_hf.toy.chains import chain_of
from promvil_hf.toy.world import Scene, WorldConfig, scenes


def world(count: int = 6, seed: int = 0) -> list[Scene]:
    return list(scenes(WorldConfig(image_size=(96, 64)), count, seed))


def chains(drawn: list[Scene], per_scene: int = 3) -> list[tuple[Scene, PhraseChain]]:
    """The deepest expressions of each scene."""
    return [
        (scene, chain)
        for scene in drawn
        for chain in sorted(
            (chain_of(scene, expression) for expression in scene.expressions()), key=lambda chain: -max(chain.levels)
        )[:per_scene]
    ]


def default_view(drawn: list[Scene], per_scene: int = 3) -> list[dict]:
    """Rows as CompoVL's default view has them."""
    rows = []
    for number, (scene, chain) in enumerate(chains(drawn, per_scene)):
        png = io.BytesIO()
        scene.image().save(png, "PNG")
        steps = [
            {
                "text": step.target.text, "level": level, "boxes": [list(box.xyxy) for box in step.target.boxes],
                "anchors": list(step.anchors), "mentions": list(step.mentions),
            }
            for step, level in zip(chain.steps, chain.levels, strict=True)
        ]  # fmt: skip
        rows.append(
            {
                "chain_id": f"{scene.image_id}-{number}", "image_id": str(scene.image_id),
                "image_path": f"VG_100K/{scene.image_id}.png", "width": scene.size[0], "height": scene.size[1],
                "expression": chain.steps[-1].target.text, "level": chain.levels[-1], "steps": steps,
                "image": {"bytes": png.getvalue(), "path": f"{scene.image_id}.png"},
            }
        )  # fmt: skip
    return rows


def as_dataset(rows: list[dict]):
    import datasets

    return datasets.Dataset.from_list(rows).cast_column("image", datasets.Image())


def save_pictures(drawn: list[Scene], folder: Path) -> Path:
    (folder / "VG_100K").mkdir(parents=True, exist_ok=True)
    for scene in drawn:
        scene.image().save(folder / "VG_100K" / f"{scene.image_id}.png")
    return folder


def save_model(made, folder: Path) -> Path:
    made.model.save_pretrained(folder)
    made.processor.save_pretrained(folder)
    return folder
