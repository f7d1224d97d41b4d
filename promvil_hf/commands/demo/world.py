# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Chapter 1: four toy worlds on disk, in Visual Genome's own schema. Scenes are 64 x 64 pixels, as the toy bases see."""

import json
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from promvil_hf.toy.config import WorldConfig
from promvil_hf.toy.scenery import Scene, scene
from promvil_hf.toy.small_world import ASKED_ABOUT, HELD_OUT, NEAR, held_out
from promvil_hf.toy.world import write_world


BEHIND = HELD_OUT + 100_000  # scenes for training: neither base has seen them, and none is held out


@dataclass(frozen=True, slots=True)
class Worlds:
    """Folder of each world, and what was written there."""

    folders: dict[str, str]
    written: dict[str, str]


def scenes_of(name: str, count: int, seed: int) -> list[Scene]:
    """The scenes of a world: `nested` and `talk` to train on, `nested_test` and `talk_test` held out."""
    config = _config(name)
    if name.endswith("_test"):
        return held_out(config, count, seed)
    return [scene(config, seed, index) for index in range(BEHIND, BEHIND + count)]


def _config(name: str) -> WorldConfig:
    return NEAR if name.startswith("nested") else ASKED_ABOUT


def draw_worlds(folder: Path, counts: dict[str, int], seed: int) -> Worlds:
    """Draw and write each world. The relations of the training worlds are a little rough, as Visual Genome's are."""
    folders, written = {}, {}
    with tqdm(total=sum(counts.values()), desc="drawing", unit="scene", leave=False, disable=None) as bar:
        for name, count in counts.items():
            drawn = _with_bar(scenes_of(name, count, seed), bar)
            noise = 0.0 if name.endswith("_test") else 0.05
            written[name] = str(write_world(drawn, folder / name, layout="1.4", noise=noise))
            folders[name] = str(folder / name)
    return Worlds(folders, written)


def without_short_answers(conversations: Path, out: Path) -> Path:
    """LLaVA's file without the turns whose question the base knows to answer in one word ("What color is …?").

    LLaVA's own mix tells the two apart by "Answer the question using a single word or phrase", which the toy base never
    saw. Conversations that are left without a turn are dropped.
    """
    kept = []
    for record in json.loads(conversations.read_text(encoding="utf-8")):
        turns = [record["conversations"][at : at + 2] for at in range(0, len(record["conversations"]), 2)]
        turns = [turn for turn in turns if not _plain(turn[0]["value"]).startswith("What color")]
        if turns:
            turns[0][0]["value"] = "<image>\n" + _plain(turns[0][0]["value"])
            kept.append(record | {"conversations": [said for turn in turns for said in turn]})
    out.write_text(json.dumps(kept) + "\n", encoding="utf-8")
    return out


def _plain(question: str) -> str:
    return question.removeprefix("<image>\n")


def _with_bar(scenes, bar):
    for drawn in scenes:
        yield drawn
        bar.update()
